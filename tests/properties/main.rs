//! The properties ring: what holds of every key, token and request, whatever is sent.
//!
//! `PROPERTY_CASES` random cases of each (10,000 unless set; `make properties` asks for a million),
//! and the fuzz targets with their seeds. Each says how many cases it saw. P.., K.., H.. and J.. are
//! the numbers of the security study.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::needless_pass_by_value,
    clippy::cast_possible_truncation,
    reason = "a failed expectation fails the test"
)]

mod mutations;
mod routes;
mod run;
mod seeds;
mod stores;
mod strategies;
mod tenants;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

#[path = "../support/issuer.rs"]
mod issuer;
