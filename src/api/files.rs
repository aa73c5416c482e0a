//! The addresses of livestore-filesync's old gateway.
//!
//! `/livestore-filesync-files/<storeId>/<name>`, the path that pages have stored, leads to the bytes at the
//! bucket or deletes them, where `files.redirect` is on. It is off by default, because a redirect carries a signed
//! URL past whatever keeps or logs one (K40). What took the bytes in, `/upload`, tells where they go now.

use hyper::header::HeaderValue;

use super::audited::Operation;
use super::urls::{self, DownloadRequest};
use super::{ApiError, App, Call, Endpoint, Pending, Reply, Route, objects};
use crate::domain::path::decode_path;
use crate::domain::policy::Caller;
use crate::domain::utc::UtcSecond;

pub(super) const ROUTES: &[Route] = &[Route {
    method: "POST",
    path: "/upload",
    needs: "nobody",
    summary: "410: the old gateway took bytes here; the sentence says what to call instead",
    endpoint: Endpoint::Open(gone),
}];

/// For every path below the files root, whatever its name is.
pub(super) const STORED: &[Route] = &[
    Route {
        method: "GET",
        path: "/livestore-filesync-files/:storeId/:name",
        needs: "read",
        summary: "With `files.redirect`: 307 to a signed GET; takes what `/download-url` takes besides `key`",
        endpoint: Endpoint::Sign(redirect_get),
    },
    Route {
        method: "HEAD",
        path: "/livestore-filesync-files/:storeId/:name",
        needs: "read",
        summary: "With `files.redirect`: 307 to a signed HEAD",
        endpoint: Endpoint::Sign(redirect_head),
    },
    Route {
        method: "DELETE",
        path: "/livestore-filesync-files/:storeId/:name",
        needs: "delete",
        summary: "With `files.redirect`: deletes the object at the bucket: 204, also when there was none",
        endpoint: Endpoint::Act(delete_stored),
    },
];

/// A browser that goes back to a redirect has this many seconds at the least until the bucket must have its request.
const TIME_TO_START_SECS: i64 = 30;

fn gone(_: &App, call: &Call<'_>) -> Reply {
    ApiError::Gone.into_reply(call.request_id)
}

fn redirect_get(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    redirect(app, caller, call, "GET")
}

fn redirect_head(app: &App, caller: &Caller, call: &Call<'_>) -> Result<Reply, ApiError> {
    redirect(app, caller, call, "HEAD")
}

/// What `/download-url` would give for this path, as a place to go to.
fn redirect(app: &App, caller: &Caller, call: &Call<'_>, method: &'static str) -> Result<Reply, ApiError> {
    let mut request = DownloadRequest::in_query(&call.params()?)?;
    // Whatever the query says of them: the path is the key.
    (request.key, request.url, request.method) = (Some(decode_path(call.path)?), None, Some(method.into()));
    let signed = urls::signed_download(app, caller, &request, call)?;
    let mut location = HeaderValue::from_str(signed.url()).map_err(|_| ApiError::Internal)?;
    // It opens the object for whoever reads it: not for `Debug`, nor for a compression table.
    location.set_sensitive(true);
    let max_age = match signed.ends() {
        Some((refresh_after, end)) => reusable_secs(call.now.as_second(), refresh_after, end),
        // Public: kept for as long as a signed one would live, because who asks may lose the right to be led there.
        None => Some(app.download.life.default_secs),
    };
    // That of a HEAD is not kept: a cache could take it for the GET's, whose signature is another.
    Ok(Reply::redirect(location, max_age.filter(|_| method == "GET"), varies_on(app)))
}

/// How long the redirect may be kept: until a client would fetch a new URL, and never so long that a transfer could not begin.
fn reusable_secs(now: i64, refresh_after: UtcSecond, expires_at: UtcSecond) -> Option<u32> {
    let last = refresh_after.unix().min(expires_at.unix().saturating_sub(TIME_TO_START_SECS));
    u32::try_from(last.saturating_sub(now)).ok().filter(|secs| *secs > 0)
}

/// Who asks decides what they get.
fn varies_on(app: &App) -> HeaderValue {
    HeaderValue::from_static(match (app.places.worker_header, app.places.cookie.is_some()) {
        (false, false) => "Authorization, Origin",
        (false, true) => "Authorization, Cookie, Origin",
        (true, false) => "Authorization, Origin, X-Worker-Auth",
        (true, true) => "Authorization, Cookie, Origin, X-Worker-Auth",
    })
}

fn delete_stored<'a>(app: &'a App, caller: &'a Caller, call: &'a Call<'a>) -> Pending<'a> {
    Box::pin(async move {
        let granted = app.granted((caller, call), Operation::Delete, (Some(&decode_path(call.path)?), None))?;
        objects::delete(granted, call).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the life of the URL, as of now.
    fn kept(life: i64) -> Option<u32> {
        let at = |unix| UtcSecond::from_unix(unix).unwrap();
        let end = at(1_000 + life);
        reusable_secs(1_000, urls::refresh_after(end, u32::try_from(life).unwrap()), end)
    }

    #[test]
    fn a_redirect_is_kept_while_its_url_can_still_be_used() {
        assert_eq!(kept(900), Some(720));
        assert_eq!(kept(604_800), Some(483_840));
        // A fifth of the life would be too little.
        assert_eq!((kept(150), kept(100), kept(40)), (Some(120), Some(70), Some(10)));
        assert_eq!((kept(31), kept(30), kept(29), kept(1)), (Some(1), None, None, None));
    }
}
