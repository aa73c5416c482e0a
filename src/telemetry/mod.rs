//! What the process says about itself: logs and request ids.

pub mod logs;
pub mod request_id;
