//! The guides for those who call, deploy and operate the service, one a topic.
//!
//! Each is a file in `src/guide/` that also reads well by itself; tests hold their tables and examples to the code.
//! How to deploy it is in `deploy/README.md`, and the modules for pages have `deploy/web/README.md`.
#![allow(clippy::doc_markdown, reason = "prose names products")]

/// Routes, signed URLs, keys, batches, errors.
pub mod api {
    #![doc = include_str!("guide/api.md")]
}

/// Claims, identity providers, revocation.
pub mod tokens {
    #![doc = include_str!("guide/tokens.md")]
}

/// What each provider keeps, recipes, several storages, credentials, `signer check`.
pub mod storage {
    #![doc = include_str!("guide/storage.md")]
}

/// Start, stop, reload, limits, faults, connections.
pub mod operate {
    #![doc = include_str!("guide/operate.md")]
}

/// What Prometheus is told.
pub mod metrics {
    #![doc = include_str!("guide/metrics.md")]
}

/// What pages and Service Workers have to know.
pub mod web {
    #![doc = include_str!("guide/web.md")]
}

/// `@uppy/aws-s3`: its configuration, keys, and what holds whom to what.
pub mod uppy {
    #![doc = include_str!("guide/uppy.md")]
}

/// From `@livestore-filesync/s3-signer`, and from gateways that stored URLs.
pub mod migrate {
    #![doc = include_str!("guide/migrate.md")]
}

/// What was measured, by which command.
pub mod reliability {
    #![doc = include_str!("guide/reliability.md")]
}
