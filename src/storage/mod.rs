//! The only outbound S3 traffic: delete, head and the health probe.
//!
//! Every call is made for a [`crate::domain::policy::Grant`], except the probe,
//! which asks for one constant key that no caller can name.

mod client;
mod probe;
mod provider;
mod versions;

pub use client::{BucketClient, BucketError, ClientError, ObjectInfo};
pub use probe::{Health, HealthMonitor, ProbeFailure};
pub use provider::{PROVIDERS, Provider, RegionRule, Support};
