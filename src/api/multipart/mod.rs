//! Uploads in parts: `/multipart`, begun and ended at the bucket, their parts signed.
//!
//! What is known of an upload is in the token that its caller holds ([`crate::domain::capsule`]). Each call opens it,
//! asks whose it is, and has the policy decide anew, so that a caller without a right has no use for one.
//!
//! `begin` and `sign` are what a client needs while all goes well, `finish` sees what is there, and ends it.

pub(super) mod begin;
pub(super) mod finish;
pub(super) mod sign;

use std::sync::Arc;
use std::time::Duration;

use super::audited::{Decided, Operation, tell_object};
use super::{ApiError, App, Call, Endpoint, Route};
use crate::config::{Multipart, Secret};
use crate::domain::capsule::{Broken, Capsule, CapsuleKeys, Owner};
use crate::domain::policy::{Caller, Grant};
use crate::domain::upload::{PartsClaim, UploadHeaders, UploadRefused};
use crate::storage::{Backend, Support};
use crate::telemetry::audit::Record;

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/multipart",
        needs: "write",
        summary: "Begins an upload in parts for `{key, contentLength, contentType?, partSize?, checksum?}`: `{uploadToken, key, partSize, parts, expiresAt}`",
        endpoint: Endpoint::Act(begin::begin),
    },
    Route {
        method: "GET",
        path: "/multipart",
        needs: "write",
        summary: "The parts of `?uploadToken=` that the bucket has, for going on: `{parts: [{partNumber, etag, size}], …}`",
        endpoint: Endpoint::Act(finish::list),
    },
    Route {
        method: "DELETE",
        path: "/multipart",
        needs: "write",
        summary: "Throws the parts of `?uploadToken=` away: 204, also when there were none",
        endpoint: Endpoint::Act(finish::abort),
    },
    Route {
        method: "POST",
        path: SIGN,
        needs: "write",
        summary: "Signed PUTs for up to 1,000 parts of `{uploadToken, partNumbers, expiresIn?}`, or `{uploadToken, parts: [{partNumber, checksum}]}`: `{parts: [{partNumber, url, headers, …}]}`",
        endpoint: Endpoint::Sign(sign::sign),
    },
    Route {
        method: "POST",
        path: COMPLETE,
        needs: "write",
        summary: "Makes the object of the parts of `{uploadToken, parts?: [{partNumber, etag, checksum?}]}` when all are there: `{key, etag, location}`; again the same; 409 with what is missing",
        endpoint: Endpoint::Act(finish::complete),
    },
];

const SIGN: &str = "/multipart/sign";
const COMPLETE: &str = "/multipart/complete";

/// Those whose body names parts by the thousand.
pub(super) fn has_long_body(route: &Route) -> bool {
    [SIGN, COMPLETE].contains(&route.path)
}

/// What uploads in parts need.
#[derive(Debug)]
pub(super) struct Uploads {
    keys: CapsuleKeys,
    /// How long a token is good.
    max_age: Duration,
    /// The usual length of a part, in bytes.
    part_bytes: u64,
    /// For the call that makes the object.
    complete_timeout: Duration,
}

impl Uploads {
    pub(super) fn new(config: &Multipart) -> Arc<Self> {
        let old = config.old_secrets.iter().map(|secret| Secret::expose(secret).as_bytes());
        Arc::new(Self {
            keys: CapsuleKeys::new(config.secret.expose().as_bytes(), old),
            max_age: config.max_age,
            part_bytes: config.part_bytes,
            complete_timeout: config.complete_timeout,
        })
    }
}

/// An upload whose token was opened, for a caller who may do this to it.
pub(super) struct Opened<'a> {
    uploads: &'a Uploads,
    pub(super) capsule: Capsule,
    pub(super) grant: Grant,
    pub(super) storage: &'a Backend,
}

impl Decided for Opened<'_> {
    fn tell<'a>(&'a self, record: &mut Record<'a>) {
        tell_object(record, &self.grant, self.storage);
    }
}

impl App {
    pub(super) fn uploads(&self) -> Result<&Uploads, ApiError> {
        self.uploads.as_deref().ok_or(ApiError::MultipartOff)
    }

    /// Opens the token of an upload whose parts were planned, and does `act` with it.
    fn opened<'a, T: Decided>(
        &'a self,
        of: (&Caller, &Call<'_>),
        operation: Operation,
        token: Option<&str>,
        act: impl FnOnce(Opened<'a>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let token = token.ok_or_else(|| ApiError::InvalidRequest("uploadToken is missing".into()))?;
        self.opened_of_any(of, operation, token, |opened| {
            if opened.capsule.plan.is_open() { Err(Broken.into()) } else { act(opened) }
        })
    }

    /// Opens the token of an upload for its owner, and does `act` with it. That it is one does not say that the owner may
    /// still: the policy does.
    pub(super) fn opened_of_any<'a, T: Decided>(
        &'a self,
        (caller, call): (&Caller, &Call<'_>),
        operation: Operation,
        token: &str,
        act: impl FnOnce(Opened<'a>) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let uploads = self.uploads()?;
        let capsule = uploads.keys.open(token)?;
        let (key, is_owner) = (capsule.key.clone(), capsule.owner == Owner::of(caller));
        let first = || if is_owner { Ok(()) } else { Err(ApiError::NotYourUpload) };
        self.decided_again((caller, call), operation, &key, first, |(grant, storage)| {
            // What is over can still be cleared away.
            if capsule.ends_at <= call.now.as_second() && operation != Operation::MultipartAbort {
                return Err(ApiError::UploadExpired);
            }
            // Its store lies elsewhere now, where nobody knows of it.
            if capsule.storage != storage.name {
                return Err(ApiError::UploadNotFound);
            }
            act(Opened { uploads, capsule, grant, storage })
        })
    }

    /// The rules of `[upload]` for an object that comes in parts, as they are now.
    pub(super) fn parts_headers(
        &self,
        caller: &Caller,
        (grant, storage): (&Grant, &Backend),
        claim: PartsClaim<'_>,
    ) -> Result<UploadHeaders, ApiError> {
        let claim = PartsClaim { token_max_bytes: self.limits.longest_upload(caller.max_upload_bytes()), ..claim };
        let headers = storage.upload_rules.parts_headers(grant.key(), &claim)?;
        if storage.upload_rules.write_once && storage.provider.write_once_in_parts == Support::No {
            return Err(UploadRefused::WriteOnceUnavailable.into());
        }
        Ok(headers)
    }
}
