//! Whether pages may use our URLs: what a browser asks the bucket before it lets them.

use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, HeaderMap, HeaderName,
};

use super::bench::{Ask, Bench, Heard, Site};
use super::bounds::expired_get;
use super::report::{Report, Stopped, Verdict};
use super::rule::{Pages, one_line, with_our_rule};
use crate::domain::policy::Action;
use crate::storage::{BucketClient, BucketError};

const CORS: &str = "cors";
const FIX_CORS: &str = "fix-cors";

/// How long a provider may take to follow a new rule: so many tries, so far apart.
const TRIES: u32 = 10;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

const BY_HAND: &str = "give the bucket the document that `signer cors` prints";

pub(super) async fn cors(
    bench: &Bench<'_>,
    site: &Site,
    pages: &Pages<'_>,
    fix: bool,
    report: &mut Report<'_>,
) -> Result<(), Stopped> {
    let origins = pages.origins;
    if origins.is_empty() {
        report.ok(CORS, "server.cors_origins is empty: no page is to use the bucket");
        return Ok(());
    }
    let mut missing = of_all(bench, site, pages).await;
    if fix && missing.iter().any(|missing| !matches!(missing, Ok(missing) if missing.is_empty())) {
        let went = apply(bench, pages).await;
        if report.verdict(FIX_CORS, Ok(went)) {
            for _ in 0..TRIES {
                missing = of_all(bench, site, pages).await;
                if missing.iter().all(|missing| matches!(missing, Ok(missing) if missing.is_empty())) {
                    break;
                }
                tokio::time::sleep(BETWEEN_TRIES).await;
            }
        }
    }
    let mut allowed = None;
    for (origin, missing) in origins.iter().zip(missing) {
        let held = missing.map(|missing| judge(&missing, pages));
        if report.verdict(&format!("{CORS} {origin}"), held) {
            allowed = allowed.or(Some(origin));
        }
    }
    // Where no page is let in, errors have no reason to be readable.
    let origin = allowed.ok_or(Stopped(CORS))?;
    report.verdict("cors on errors", on_errors(bench, site, origin).await);
    Ok(())
}

fn judge(missing: &[String], pages: &Pages<'_>) -> Verdict {
    if missing.is_empty() {
        return Verdict::Ok(format!(
            "GET, PUT{} and DELETE, with {}",
            if pages.posts { ", POST" } else { "" },
            pages.headers.join(", ")
        ));
    }
    Verdict::Fail(
        format!("pages may not {}", missing.join(", ")),
        format!("add this rule, as `signer check --fix-cors` does: {}", one_line(pages)),
    )
}

/// For each origin, what its pages are not allowed.
async fn of_all(bench: &Bench<'_>, site: &Site, pages: &Pages<'_>) -> Vec<Result<Vec<String>, String>> {
    let mut missing = Vec::new();
    for origin in pages.origins {
        missing.push(of_one(bench, site, origin, pages).await);
    }
    missing
}

async fn of_one(bench: &Bench<'_>, site: &Site, origin: &str, pages: &Pages<'_>) -> Result<Vec<String>, String> {
    let headers = &pages.headers;
    let mut missing = Vec::new();
    if !preflight(bench, site, origin, "PUT", headers).await? {
        // The bucket refuses as a whole: which part it was shows only one by one.
        if preflight(bench, site, origin, "PUT", &[]).await? {
            for header in headers {
                if !preflight(bench, site, origin, "PUT", &[header]).await? {
                    missing.push(format!("PUT with {header}"));
                }
            }
            if missing.is_empty() {
                missing.push("PUT with all headers at once".to_owned());
            }
        } else {
            missing.push("PUT".to_owned());
        }
    }
    if pages.posts && !preflight(bench, site, origin, "POST", headers).await? {
        missing.push("POST".to_owned());
    }
    if !preflight(bench, site, origin, "DELETE", &[]).await? {
        missing.push("DELETE".to_owned());
    }
    let key = bench.key("expired")?;
    let heard = bench.ask(site, Ask { sent: &[("origin", origin)], ..Ask::new(Action::Get, &key) }).await?;
    if !heard.is_success() || !names(&heard.headers, origin) {
        missing.push("GET".to_owned());
    } else if pages.in_parts && !lists(&heard.headers, &ACCESS_CONTROL_EXPOSE_HEADERS, "etag") {
        missing.push("see the ETag of a part".to_owned());
    }
    Ok(missing)
}

async fn preflight(
    bench: &Bench<'_>,
    site: &Site,
    origin: &str,
    method: &'static str,
    headers: &[&'static str],
) -> Result<bool, String> {
    let key = bench.key("page")?;
    let joined = headers.join(",");
    let mut sent = vec![("origin", origin), ("access-control-request-method", method)];
    if !headers.is_empty() {
        sent.push(("access-control-request-headers", joined.as_str()));
    }
    let ask = Ask { preflight: true, sent: &sent, ..Ask::new(Action::Put, &key) };
    let Heard { status, headers: answered, .. } = bench.ask(site, ask).await?;
    Ok(allows(status, &answered, origin, method, headers))
}

/// What a browser makes of the answer to a preflight. <https://fetch.spec.whatwg.org/#cors-preflight-fetch>
fn allows(status: StatusCode, answered: &HeaderMap, origin: &str, method: &str, headers: &[&str]) -> bool {
    status.is_success()
        && names(answered, origin)
        && lists(answered, &ACCESS_CONTROL_ALLOW_METHODS, method)
        && headers.iter().all(|header| lists(answered, &ACCESS_CONTROL_ALLOW_HEADERS, header))
}

/// Whether the header has this word among others, or the star that stands for all.
fn lists(answered: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = answered.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|word| word == "*" || word.eq_ignore_ascii_case(wanted))
}

/// Whether pages of this origin may read the answer.
fn names(headers: &HeaderMap, origin: &str) -> bool {
    let mut allowed = headers.get_all(ACCESS_CONTROL_ALLOW_ORIGIN).iter();
    // Twice is never: browsers refuse it.
    let (first, second) = (allowed.next(), allowed.next());
    second.is_none() && first.is_some_and(|value| value == "*" || value.as_bytes() == origin.as_bytes())
}

/// Without CORS headers a page cannot tell an ended URL from a lost connection.
async fn on_errors(bench: &Bench<'_>, site: &Site, origin: &str) -> Result<Verdict, String> {
    let heard = expired_get(bench, site, &[("origin", origin)]).await?;
    let shown = heard.shown();
    Ok(if names(&heard.headers, origin) {
        Verdict::Ok(format!("a page sees the {shown} to an ended URL"))
    } else {
        Verdict::Warn(
            format!("a page cannot see the {shown} to an ended URL, which looks like a lost connection"),
            "let clients fetch a new URL from `refreshAfter` on, and once after a network error".into(),
        )
    })
}

async fn apply(bench: &Bench<'_>, pages: &Pages<'_>) -> Verdict {
    match try_to_apply(bench, pages).await {
        Ok(evidence) => Verdict::Ok(evidence),
        Err(reason) => Verdict::Warn(reason, BY_HAND.into()),
    }
}

async fn try_to_apply(bench: &Bench<'_>, pages: &Pages<'_>) -> Result<String, String> {
    let client = BucketClient::new(bench.storage, Arc::clone(&bench.own.signers)).map_err(|error| error.to_string())?;
    let told = |error: BucketError| match error {
        BucketError::Refused { status: status @ (405 | 501), code } => {
            format!("the provider has no API for this: {status} {code}")
        }
        BucketError::Refused { status: status @ 403, code } => {
            format!("the access key may not do this, and for its work it need not: {status} {code}")
        }
        error => error.to_string(),
    };
    let present = client.cors((bench.clock)()).await.map_err(told)?.unwrap_or_default();
    let document = with_our_rule(&present, pages)
        .ok_or("the bucket's present CORS document is not understood, and so not replaced")?;
    client.put_cors(document, (bench.clock)()).await.map_err(told)?;
    Ok("the rule is in the bucket, beside those that were there".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: [&str; 3] = ["content-type", "if-none-match", "x-amz-checksum-sha256"];

    const PAGE: &str = "https://app.example.com";

    fn answered(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    #[test]
    fn a_preflight_is_judged_as_browsers_do() {
        let good = [
            ("access-control-allow-origin", PAGE),
            ("access-control-allow-methods", "GET, PUT"),
            ("access-control-allow-headers", "Content-Type,If-None-Match, x-amz-checksum-sha256"),
        ];
        let judged = |status, headers: &[_], asked: &[&str]| {
            allows(StatusCode::from_u16(status).unwrap(), &answered(headers), PAGE, "PUT", asked)
        };
        assert!(judged(204, &good, &HEADERS));
        assert!(!judged(403, &good, &HEADERS));
        assert!(!judged(204, &good, &["range"]));
        for gone in 0..good.len() {
            let rest: Vec<_> = good.iter().enumerate().filter(|(i, _)| *i != gone).map(|(_, header)| *header).collect();
            assert!(!judged(204, &rest, &HEADERS), "without {}", good[gone].0);
        }
        let stars = good.map(|(name, _)| (name, "*"));
        assert!(judged(200, &stars, &HEADERS));
        let other = [("access-control-allow-origin", "https://app.example.com.evil.example")];
        assert!(!names(&answered(&other), PAGE));
    }
}
