//! What the process says about itself: logs, audit log, request and trace ids.

pub mod audit;
pub mod logs;
pub mod request_id;
pub mod trace_context;
