//! Where in a request the token stands.
//!
//! `Authorization: Bearer` always. `X-Worker-Auth` and a cookie where the operator
//! switched them on. Two places that disagree are an error, not a choice.

use hyper::header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN};

use super::ApiError;
use crate::config::{Cors, TokenPlaces};

pub(super) const X_WORKER_AUTH: HeaderName = HeaderName::from_static("x-worker-auth");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The one token of the request. `only_reads`: it changes nothing, so that it makes no difference which page asks.
pub(super) fn token<'a>(
    only_reads: bool,
    headers: &'a HeaderMap,
    places: &TokenPlaces,
    cors: &Cors,
) -> Result<&'a str, ApiError> {
    let bearer = bearer(headers)?;
    if !places.worker_header && places.cookie.is_none() {
        return bearer.ok_or(ApiError::Unauthorized(None));
    }
    let worker = if places.worker_header { worker_header(headers)? } else { None };
    let sent = one_of(bearer, worker)?;
    let Some(name) = &places.cookie else { return sent.ok_or(ApiError::Unauthorized(None)) };
    let Some(cookie) = cookie(headers, name)? else { return sent.ok_or(ApiError::Unauthorized(None)) };
    let token = one_of(sent, Some(cookie))?;
    if sent.is_none() {
        // A header was set by the page's own code; a cookie comes along with whatever any page does.
        check_page(only_reads, headers, cors)?;
    }
    token.ok_or(ApiError::Unauthorized(None))
}

fn one_of<'a>(first: Option<&'a str>, second: Option<&'a str>) -> Result<Option<&'a str>, ApiError> {
    match (first, second) {
        (Some(first), Some(second)) if first != second => {
            Err(ApiError::InvalidRequest("the request carries two different tokens".into()))
        }
        (first, second) => Ok(first.or(second)),
    }
}

/// The token of the one `Authorization` header (RFC 6750 section 2.1).
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = single(headers, &AUTHORIZATION)? else { return Ok(None) };
    let value = value.to_str().map_err(|_| ApiError::Unauthorized(None))?;
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim_matches(' '))),
        _ => Err(ApiError::Unauthorized(None)),
    }
}

/// The header of livestore-filesync's old gateway: the bare token, or with `Bearer` in front.
fn worker_header(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = single(headers, &X_WORKER_AUTH)? else { return Ok(None) };
    let value = value.to_str().map_err(|_| ApiError::Unauthorized(None))?.trim_matches(' ');
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token.trim_matches(' '))),
        _ => Ok(Some(value)),
    }
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, ApiError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        let name = if name == AUTHORIZATION { "Authorization" } else { "X-Worker-Auth" };
        return Err(ApiError::InvalidRequest(format!("there is more than one {name} header")));
    }
    Ok(first)
}

/// The cookie of this name (RFC 6265 section 4.2.1). A browser may send two, one of a parent domain: which of them
/// was meant cannot be known, so they must agree.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let mut found = None;
    for value in headers.get_all(COOKIE) {
        let Ok(value) = value.to_str() else { continue };
        let pairs = value.split(';').filter_map(|pair| pair.trim_matches(' ').split_once('='));
        for (_, value) in pairs.filter(|(known, _)| *known == name) {
            found = one_of(found, Some(value))?;
        }
    }
    Ok(found)
}

/// Whose page sent the cookie, when the request may change something. An `Origin` on the list; where
/// a browser sends none, its word that the page is of the same origin.
fn check_page(only_reads: bool, headers: &HeaderMap, cors: &Cors) -> Result<(), ApiError> {
    if only_reads {
        return Ok(());
    }
    let held = if headers.contains_key(ORIGIN) {
        cors.allowed_origin(headers).is_some()
    } else {
        headers.get(SEC_FETCH_SITE).is_some_and(|site| site == "same-origin")
    };
    if held { Ok(()) } else { Err(ApiError::OriginNotAllowed) }
}
