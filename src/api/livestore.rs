//! The contract of livestore-filesync, for the published client as it is.

use super::{Endpoint, Route, objects, urls};

pub(super) const ROUTES: &[Route] = &[
    Route {
        method: "POST",
        path: "/v1/sign/upload",
        needs: "write",
        summary: "`POST /upload-url` under the name that `@livestore-filesync/core` calls",
        endpoint: Endpoint::Sign(urls::upload_url),
    },
    Route {
        method: "POST",
        path: "/v1/sign/download",
        needs: "read",
        summary: "A signed GET for `{key, expiresIn?, filename?, disposition?, responseContentType?, versionId?}`",
        endpoint: Endpoint::Sign(urls::sign_download),
    },
    Route {
        method: "POST",
        path: "/v1/delete",
        needs: "delete",
        summary: "Deletes the object of `{key}` at the bucket: 204, also when there was none",
        endpoint: Endpoint::Act(objects::delete_in_body),
    },
];
