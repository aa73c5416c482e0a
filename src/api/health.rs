//! Health: answered from memory, never by asking anybody.

use std::sync::atomic::Ordering;

use hyper::StatusCode;
use serde::{Serialize, Serializer};

#[cfg(test)]
use super::openapi::shapes;
use super::{ApiError, App, Call, Endpoint, Reply, Route};
use crate::storage::{Backend, Health, ProbeFailure};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "GET",
        path: "/health",
        needs: "nobody",
        summary: "200 when the last background probe found the bucket usable, else 503 with the `reason`; of several storages, each by name, or one for `?storage=`",
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

/// What is known of a storage from the start.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct StorageDetails<'a> {
    /// Its name in `storage.provider`, as configured or guessed.
    provider: &'static str,
    /// Bounds that are not set on uploads because it would not keep them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    left_out: &'a [&'static str],
}

impl<'a> StorageDetails<'a> {
    fn of(storage: &'a Backend) -> Self {
        Self { provider: storage.provider.name, left_out: &storage.left_out }
    }
}

/// That all is well, or of several storages some.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "Health"))]
pub(super) struct HealthAnswer<'a> {
    /// `degraded`: some of several storages cannot be used.
    #[cfg_attr(test, schemars(extend("enum" = ["ok", "degraded"])))]
    status: &'static str,
    /// When the bucket was last asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<shapes::UtcSecond>"))]
    checked_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<StorageDetails<'a>>,
    /// Of several storages, each by its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<std::collections::BTreeMap<String, OneOfMany<'_>>>"))]
    storages: Option<Storages<'a>>,
}

const OK: HealthAnswer<'_> = HealthAnswer { status: "ok", checked_at: None, storage: None, storages: None };

/// Each storage by its name.
struct Storages<'a>(&'a [Backend]);

impl Serialize for Storages<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|storage| (&storage.name, OneOfMany::of(storage))))
    }
}

/// One of several storages.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "StorageHealth"))]
struct OneOfMany<'a> {
    #[cfg_attr(test, schemars(extend("enum" = ["ok", "unavailable"])))]
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<ProbeFailure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, schemars(with = "Option<shapes::UtcSecond>"))]
    checked_at: Option<String>,
    #[serde(flatten)]
    details: StorageDetails<'a>,
}

impl<'a> OneOfMany<'a> {
    fn of(storage: &'a Backend) -> Self {
        let health = storage.health.health();
        Self {
            status: if health.verdict.is_ok() { "ok" } else { "unavailable" },
            reason: health.verdict.err(),
            checked_at: checked_at(&health),
            details: StorageDetails::of(storage),
        }
    }
}

fn checked_at(health: &Health) -> Option<String> {
    health.checked_at.and_then(|at| at.round(jiff::Unit::Second).ok()).map(|at| at.to_string())
}

fn health(app: &App, call: &Call<'_>) -> Reply {
    asked_health(app, call).unwrap_or_else(|error| error.into_reply(call.request_id))
}

/// Of one storage, or of all: then 200 as long as any is usable, because a store that lies
/// there is served, and who asks without a token has no store.
fn asked_health(app: &App, call: &Call<'_>) -> Result<Reply, ApiError> {
    let storages = app.storages.as_slice();
    match (call.params()?.get("storage")?, storages) {
        (Some(name), _) => {
            let named = storages.iter().find(|storage| storage.name == name);
            health_of(named.ok_or_else(|| ApiError::InvalidRequest("there is no storage of this name".into()))?)
        }
        (None, [only]) => health_of(only),
        (None, _) => health_of_all(storages),
    }
}

fn health_of(storage: &Backend) -> Result<Reply, ApiError> {
    let health = storage.health.health();
    health.verdict.map_err(ApiError::BucketUnavailable)?;
    let details = Some(StorageDetails::of(storage));
    Ok(Reply::json(StatusCode::OK, &HealthAnswer { checked_at: checked_at(&health), storage: details, ..OK }))
}

fn health_of_all(storages: &[Backend]) -> Result<Reply, ApiError> {
    let mut failures = storages.iter().filter_map(|storage| storage.health.health().verdict.err());
    let status = match failures.next() {
        None => "ok",
        Some(first) if failures.count().saturating_add(1) == storages.len() => {
            return Err(ApiError::BucketUnavailable(first));
        }
        Some(_) => "degraded",
    };
    Ok(Reply::json(StatusCode::OK, &HealthAnswer { status, storages: Some(Storages(storages)), ..OK }))
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
    } else if !can_sign(app, call) {
        ApiError::NoCredentials.into_reply(call.request_id)
    } else {
        Reply::json(StatusCode::OK, &OK)
    }
}

/// For every storage at first: a new process that cannot must not take over from an old one that can.
/// Later, for any: the stores of one storage are not to suffer from another's credentials.
fn can_sign(app: &App, call: &Call<'_>) -> bool {
    let mut storages = app.storages.iter().map(|storage| storage.signers.is_ready(call.now));
    if app.has_signed_for_all.load(Ordering::Relaxed) {
        return storages.any(|ready| ready);
    }
    let all = storages.all(|ready| ready);
    app.has_signed_for_all.store(all, Ordering::Relaxed);
    all
}
