//! filesync-signer: a presigning control plane for S3-compatible object storage.
//!
//! Clients move bytes straight to and from the bucket. This service decides who
//! may touch which key and mints the URLs for it.
//!
//! # The path of a request
//!
//! ```text
//! server    accept, deadlines, limits, one reading of the clock
//! api       route -> token -> body -> handler, answer or failure
//! domain    ObjectKey::parse -> policy::decide -> Grant -> Presigner::presign   (pure)
//! storage   delete, head and the health probe: the only calls to the bucket
//! api       status, code and headers of the answer, one log line
//! ```
//!
//! # Where things are
//!
//! * [`domain`]: the pure core. Keys, stores, tokens, the decision, signatures.
//! * [`api`]: the HTTP surface, one file a resource, and the closed list of failures.
//! * [`identity`]: keys in force, where they come from, and tokens already verified.
//! * [`build_info`]: version and commit.
//! * [`check_token`]: what a token gives, for operators.
//! * [`doctor`]: what is wrong with the bucket, for operators.
//! * [`limits`]: what is taken on at once, and from one store and subject.
//! * [`migrate`]: rows with old URLs get keys, for operators.
//! * [`probe`]: whether the signer on this machine answers, for images.
//! * `files`: reading what others write while we run.
//! * `outbound`: what all calls to others have in common.
//! * `random`: names and secrets that nobody guesses.
//! * [`storage`]: calls to the bucket.
//! * `reload`: the configuration again, while requests run.
//! * [`config`]: `signer.toml`, environment and flags; the only reader of either.
//! * [`server`]: the listener.
//! * [`telemetry`]: logs, the audit log, metrics, traces, request ids.
//! * `totals`: what is counted across reloads.
//! * [`guide`]: how to call, configure and operate it, in prose.
//! * `dev`: `signer dev`, with an embedded S3 (cargo feature `dev`).
#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::needless_pass_by_value,
        reason = "a failed expectation fails the test"
    )
)]

pub mod api;
pub mod build_info;
pub mod check_token;
pub mod config;
#[cfg(feature = "dev")]
pub mod dev;
pub mod doctor;
pub mod domain;
mod files;
pub mod guide;
pub mod identity;
pub mod limits;
pub mod migrate;
mod outbound;
pub mod probe;
mod random;
mod reload;
pub mod run;
pub mod server;
pub mod storage;
pub mod telemetry;
mod totals;
