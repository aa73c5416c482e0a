//! What Uppy's `@uppy/aws-s3` calls: `signRequest` of version 6, and the routes of Companion, of all versions.
//!
//! Off unless `uppy.enabled`. Names of members are Uppy's, and each answer has what it needs. A key is made here from
//! the name of the file (`name`), never taken on trust; each later call is decided anew for the key of its upload.
//!
//! * `sign`: `signRequest`. Uppy talks to the bucket itself, so the id of an upload is S3's own, and what protects it is
//!   its key.
//! * `companion`: the service talks to the bucket, and the id of an upload is our sealed token.
//! * `params`: a form for a whole file, for both.
//! * `sts`: credentials with which Uppy signs by itself, for who sets a role for them.

mod companion;
mod name;
mod params;
mod sign;
mod sts;

use super::{Endpoint, Route};

const UPLOAD: &str = "/s3/multipart/:uploadId";
const BATCH: &str = "/s3/multipart/:uploadId/batch";
const COMPLETE: &str = "/s3/multipart/:uploadId/complete";
const PART: &str = "/s3/multipart/:uploadId/:partNumber";

/// Served where `uppy.enabled`. A word stands before a parameter in its place.
pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/s3/sign",
        needs: "write",
        summary: "With `uppy.enabled`: one call to the bucket for Uppy's `signRequest`: `{method, key, uploadId?, partNumber?, …}`: `{url, headers, key}`, or a form",
        endpoint: Endpoint::Batch(sign::sign),
    },
    Route {
        method: "GET",
        path: "/s3/params",
        needs: "write",
        summary: "With `uppy.enabled`: a form for the file `?filename=&type=`: `{method: \"POST\", url, fields}`",
        endpoint: Endpoint::Sign(params::params),
    },
    Route {
        method: "GET",
        path: "/s3/sts",
        needs: "write",
        summary: "With `uppy.enabled` and `storage.upload_role_arn`: temporary credentials for uploads below `?keyPrefix=`: `{credentials, bucket, region, keyPrefix}`",
        endpoint: Endpoint::Act(sts::sts),
    },
    Route {
        method: "POST",
        path: "/s3/multipart",
        needs: "write",
        summary: "With `uppy.enabled`: begins an upload in parts for `{filename, type?, metadata?}`: `{key, uploadId}`",
        endpoint: Endpoint::Act(companion::create),
    },
    Route {
        method: "GET",
        path: UPLOAD,
        needs: "write",
        summary: "With `uppy.enabled`: the parts that the bucket has: `[{PartNumber, ETag, Size}]`",
        endpoint: Endpoint::Act(companion::list),
    },
    Route {
        method: "DELETE",
        path: UPLOAD,
        needs: "write",
        summary: "With `uppy.enabled`: throws the parts away: `{}`, also when there were none",
        endpoint: Endpoint::Act(companion::abort),
    },
    Route {
        method: "GET",
        path: BATCH,
        needs: "write",
        summary: "With `uppy.enabled`: signed PUTs for up to 1,000 parts, `?partNumbers=1,2`: `{presignedUrls: {1: …}}`",
        endpoint: Endpoint::Sign(companion::batch),
    },
    Route {
        method: "POST",
        path: COMPLETE,
        needs: "write",
        summary: "With `uppy.enabled`: makes the object of `{parts: [{PartNumber, ETag}]}`: `{location, key}`",
        endpoint: Endpoint::Act(companion::complete),
    },
    Route {
        method: "GET",
        path: PART,
        needs: "write",
        summary: "With `uppy.enabled`: a signed PUT for one part: `{url, expires}`",
        endpoint: Endpoint::Sign(companion::part),
    },
];

/// Those whose body names parts by the thousand.
pub(super) fn has_long_body(route: &Route) -> bool {
    route.path == COMPLETE
}
