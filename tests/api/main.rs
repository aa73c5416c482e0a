//! The api ring: the service in process, with a fixed clock and a bucket that is a local fake.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failed expectation fails the test"
)]

mod answers;
mod auth;
mod bucket;
mod cors;
mod keys;
mod limits;
mod sockets;
mod source;
mod support;
