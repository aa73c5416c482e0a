//! What each fuzz target does with its bytes, and what must then hold.
//!
//! Shared by libFuzzer (`fuzz_targets/`) and, on stable Rust with the seeds, by the properties
//! ring of `make test`, which includes this file: a change that breaks a target fails there.
//! A target asserts; what it asserts stands at the top of its file.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    reason = "a failed expectation is a finding"
)]

pub mod app_request;
pub mod claims;
pub mod config;
pub mod jwks;
pub mod key;
pub mod query;
pub mod request_json;
pub mod s3_error;
pub mod seeds;
pub mod service;
pub mod token_parse;
pub mod tokens;

#[path = "../../tests/api/support.rs"]
#[allow(dead_code, reason = "the api ring uses more of it")]
pub(crate) mod support;

/// Takes whatever bytes; panics when an invariant does not hold.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its file and of its folder of seeds.
pub const TARGETS: [(&str, Target); 9] = [
    ("app_request", app_request::run),
    ("claims", claims::run),
    ("config", config::run),
    ("jwks", jwks::run),
    ("key", key::run),
    ("query", query::run),
    ("request_json", request_json::run),
    ("s3_error", s3_error::run),
    ("token_parse", token_parse::run),
];
