//! Numbers for Prometheus: what they are called, how they are counted, and the text that they are told in.
//!
//! ```text
//! families  every name, with its type, labels and help; nothing else can be written
//! atoms     what counts: a few relaxed additions and no lock
//! text      the two text formats
//! own       what the system says of this process
//! ```
//!
//! Who counts keeps the counts: `api` those of requests, `storage` those of buckets, `identity` those of keys, `server`
//! those of connections; `totals` holds those that outlive a reload of the configuration.
//!
//! # Why own code
//!
//! Every label has a closed set of values, so a series is a place in an array, found without a hash of its name, and
//! nothing that a caller sends can make a new one (H27). The libraries look series up by their labels, behind a lock, and
//! write one of the two formats; what is left to write is this one file of text.

mod atoms;
pub(crate) mod families;
mod own;
mod text;

pub(crate) use atoms::{Counter, Gauge, Histogram};
pub use families::{FAMILIES, Family, Kind};
pub(crate) use own::describe as describe_process;
pub(crate) use text::{Format, Text};
