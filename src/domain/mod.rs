//! The pure core: who may touch which key, and what is signed.
//!
//! Values in, values out. Nothing below this module reads a clock, a socket, a
//! file, the environment or a log; the time is an argument called `now`, read
//! once per request by the caller. `tests/api/purity.rs` fails when a source
//! file here names something impure.
//!
//! The path of a decision, each step a type that only the step before can make:
//!
//! ```text
//! &str ─ ObjectKey::parse ─> ObjectKey ┐
//! token ─ Verifier::verify ─> Caller   ├─ policy::decide ─> Grant ─ Presigner::presign ─> SignedUrl
//! &str ─ KeyFolder::parse ─> KeyFolder ┘        decide_folder ─> FolderGrant ─ session_policy ─> STS
//! ```

pub mod capsule;
pub mod disposition;
pub mod download;
pub mod fresh_key;
pub mod json;
pub mod key;
pub mod legacy;
pub mod media_type;
pub mod parts;
pub mod path;
pub mod policy;
pub mod public_url;
pub mod route;
pub mod session_policy;
pub mod sigv4;
pub mod store;
pub mod token;
pub mod upload;
pub mod upload_form;
pub mod utc;
