//! The api ring: the service in process, with a fixed clock and a bucket that is a local fake.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::arithmetic_side_effects,
    reason = "a failed expectation fails the test"
)]

mod answers;
mod audit;
mod auth;
mod aws;
mod batch;
mod behind;
mod bucket;
mod bucket_faults;
mod check_token;
mod cited;
mod connections;
mod cors;
mod credentials;
#[cfg(feature = "dev")]
mod doctor;
mod downloads;
mod faulty;
mod files;
mod http2;
mod identity;
mod keys;
mod limits;
mod log;
mod metrics;
mod multipart;
mod openapi;
mod overload;
mod probe;
mod process;
mod rates;
mod reload;
mod revocation;
mod running;
mod shapes;
mod sockets;
mod source;
mod storages;
mod sts;
mod support;
mod tls;
mod token_places;
mod traces;
mod units;
mod uppy;

#[path = "../support/frames.rs"]
#[allow(dead_code, reason = "some are for the hostile clients alone")]
mod frames;
#[path = "../support/issuer.rs"]
mod issuer;
