//! The service's only outbound S3 traffic: delete, head and the health probe.
//!
//! Every call is made for a [`crate::domain::policy::Grant`], except the probe,
//! which asks for one constant key that no caller can name, and the bucket's
//! CORS document, which `signer check` reads and writes for an operator, as it
//! reads the lifecycle document.
//!
//! `client`, `deletes`, `multipart` and `versions` say what is asked, `attempts` how often, as `retry` and `breaker` decide it, and `answer` what
//! came back. `counts` counts, and `described` tells it to operators.

mod answer;
mod attempts;
mod backend;
mod breaker;
mod client;
mod cors;
mod counts;
mod credentials;
mod deletes;
mod described;
mod lifecycle;
mod multipart;
mod probe;
mod provider;
mod retry;
mod versions;

pub use answer::error_code;
pub(crate) use answer::{element, http_date, read_body};
pub use backend::Backend;
pub use client::{BucketClient, BucketError, ClientError, ObjectInfo};
pub(crate) use client::{bucket_error, http_client};
pub use counts::StorageCounts;
pub(crate) use credentials::KeyInForce;
pub use credentials::{SessionError, SessionOrder, Signers, UploadSession, UploadSessions};
pub(crate) use deletes::MAX_DELETES;
pub use deletes::deletes_of;
pub(crate) use described::describe;
pub(crate) use lifecycle::stale_after_days;
pub(crate) use multipart::{Completion, bare};
pub use multipart::{UploadedPart, parts_of};
pub(crate) use probe::judge;
pub use probe::{Health, HealthMonitor, ProbeFailure};
pub use provider::{PROVIDERS, Provider, RegionRule, Support};
pub use versions::versions_of;
