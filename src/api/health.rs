//! Health: answered from memory, never by asking anybody.

use std::sync::atomic::Ordering;

use hyper::StatusCode;
use serde::Serialize;

use super::{ApiError, App, Call, Endpoint, Reply, Route};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/health",
        needs: "nobody",
        summary: "200 when the last background probe found the bucket usable, else 503 with the `reason`",
        endpoint: Endpoint::Open(health),
    },
    Route {
        method: "GET",
        path: "/livez",
        needs: "nobody",
        summary: "200 while the process lives",
        endpoint: Endpoint::Open(livez),
    },
    Route {
        method: "GET",
        path: "/readyz",
        needs: "nobody",
        summary: "200 while the process can sign; 503 without keys to check tokens with or credentials to sign with, and once it is about to stop",
        endpoint: Endpoint::Open(readyz),
    },
];

/// What is known of the storage from the start.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StorageDetails {
    /// Its name in `storage.provider`, as configured or guessed.
    pub(super) provider: &'static str,
    /// Bounds that are not set on uploads because it would not keep them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) left_out: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HealthAnswer<'a> {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<&'a StorageDetails>,
}

const OK: HealthAnswer<'_> = HealthAnswer { status: "ok", checked_at: None, storage: None };

fn health(app: &App, call: &Call<'_>) -> Reply {
    let health = app.health.health();
    match health.verdict {
        Ok(()) => {
            let checked_at = health.checked_at.and_then(|at| at.round(jiff::Unit::Second).ok());
            let checked_at = checked_at.map(|at| at.to_string());
            Reply::json(StatusCode::OK, &HealthAnswer { checked_at, storage: Some(&app.storage), ..OK })
        }
        Err(failure) => ApiError::BucketUnavailable(failure).into_reply(call.request_id),
    }
}

fn livez(_: &App, _: &Call<'_>) -> Reply {
    Reply::json(StatusCode::OK, &OK)
}

/// Signing needs no bucket, so a bucket that is down does not take a replica out of service.
fn readyz(app: &App, call: &Call<'_>) -> Reply {
    if app.draining.load(Ordering::Relaxed) {
        ApiError::NotReady.into_reply(call.request_id)
    } else if !app.identity.is_ready() {
        ApiError::NoKeys.into_reply(call.request_id)
    } else if !app.signers.is_ready(call.now) {
        ApiError::NoCredentials.into_reply(call.request_id)
    } else {
        Reply::json(StatusCode::OK, &OK)
    }
}
