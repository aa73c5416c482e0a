//! Whether the bucket refuses what a URL does not allow.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use reqwest::StatusCode;

use super::bench::{Ask, BODY, Bench, Heard, Site};
use super::bucket::TYPE;
use super::copies::copies;
use super::report::{Report, Verdict};
use crate::domain::policy::Action;
use crate::domain::upload::{ChecksumRule, UploadRules};

/// Longer ago than any of our URLs lives, and than clocks may disagree.
const LONG_AGO: SignedDuration = SignedDuration::from_hours(24);

const CHECKSUM: &str = "x-amz-checksum-sha256";
const IF_ABSENT: (&str, &str) = ("if-none-match", "*");

const FIX_SIGNED: &str = "do not use this S3 server: what it signs for is not what it takes";

pub(super) async fn bounds(
    bench: &Bench<'_>,
    site: &Site,
    (rules, in_parts): (&UploadRules, bool),
    report: &mut Report<'_>,
) {
    report.verdict("length", length(bench, site).await);
    report.verdict("type", content_type(bench, site).await);
    report.verdict("checksum", checksum(bench, site, rules.checksum).await);
    report.verdict("write-once", write_once(bench, site).await.map(|verdict| verdict.if_promised(rules.write_once)));
    copies(bench, site, in_parts, report).await;
    report.verdict("expired", expired(bench, site).await);
}

/// What became of a PUT that had to be refused.
enum Refusal {
    /// Refused, and nothing is there.
    Held(String),
    /// Refused, and the bytes are there all the same.
    Kept(String),
    /// Taken.
    Taken(String),
}

async fn wrong(bench: &Bench<'_>, site: &Site, ask: Ask<'_>) -> Result<Refusal, String> {
    let (key, body) = (ask.key, ask.body.unwrap_or_default());
    let heard = bench.ask(site, ask).await?;
    let shown = heard.shown();
    if heard.is_success() {
        Ok(Refusal::Taken(shown))
    } else if bench.holds(site, key, body).await? {
        Ok(Refusal::Kept(shown))
    } else {
        Ok(Refusal::Held(shown))
    }
}

/// A few wrong requests, of which each must be refused.
async fn all_refused(bench: &Bench<'_>, site: &Site, asks: [(&str, Ask<'_>); 2]) -> Result<Verdict, String> {
    let mut seen = Vec::new();
    for (what, ask) in asks {
        match wrong(bench, site, ask).await? {
            Refusal::Held(shown) => seen.push(format!("{what} {shown}")),
            Refusal::Kept(shown) => {
                return Ok(Verdict::Fail(format!("{what}: {shown}, and the bytes are kept"), FIX_SIGNED.into()));
            }
            Refusal::Taken(shown) => return Ok(Verdict::Fail(format!("{what} is taken: {shown}"), FIX_SIGNED.into())),
        }
    }
    Ok(Verdict::Ok(seen.join(", ")))
}

async fn length(bench: &Bench<'_>, site: &Site) -> Result<Verdict, String> {
    let (longer, shorter) = (bench.key("longer")?, bench.key("shorter")?);
    let bound = [("content-length", "11"), ("content-type", TYPE)];
    let sent = [("content-type", TYPE)];
    let asks = [("12 bytes for 11:", Ask::put(&longer, "hello world!")), ("10:", Ask::put(&shorter, "hello worl"))];
    all_refused(bench, site, asks.map(|(what, ask)| (what, Ask { bound: &bound, sent: &sent, ..ask }))).await
}

async fn content_type(bench: &Bench<'_>, site: &Site) -> Result<Verdict, String> {
    let (other, none) = (bench.key("other-type")?, bench.key("no-type")?);
    let bound = [("content-length", "11"), ("content-type", TYPE)];
    let html = Ask { bound: &bound, sent: &[("content-type", "text/html")], ..Ask::put(&other, BODY) };
    let none = Ask { bound: &bound, ..Ask::put(&none, BODY) };
    all_refused(bench, site, [("text/html for text/plain:", html), ("none:", none)]).await
}

async fn checksum(bench: &Bench<'_>, site: &Site, rule: ChecksumRule) -> Result<Verdict, String> {
    let (right, other) = (bench.key("right-bytes")?, bench.key("other-bytes")?);
    let hash = STANDARD.encode(digest::digest(&digest::SHA256, BODY.as_bytes()));
    let bound = [(CHECKSUM, hash.as_str())];
    let with = |ask| Ask { bound: &bound, sent: &bound, ..ask };
    let heard = bench.ask(site, with(Ask::put(&right, BODY))).await?;
    if !heard.is_success() {
        // Then every upload to a key that ends in its hash would fail.
        let fix = "set upload.checksum = \"off\", or storage.provider to what this is";
        let verdict = Verdict::Warn(format!("the right bytes: {}", heard.shown()), fix.into());
        return Ok(verdict.if_promised(rule != ChecksumRule::Off));
    }
    let fix = match rule {
        ChecksumRule::Off => "leave upload.checksum off here, and let readers compare the hash",
        _ => "set upload.checksum = \"off\", so that nothing is promised, and let readers compare the hash",
    };
    let verdict = match wrong(bench, site, with(Ask::put(&other, "hello there"))).await? {
        Refusal::Held(shown) => Verdict::Ok(format!("the right bytes {}, others {shown}", heard.shown())),
        Refusal::Kept(shown) => Verdict::Warn(format!("other bytes: {shown}, and they are kept"), fix.into()),
        Refusal::Taken(shown) => Verdict::Warn(format!("other bytes are taken: {shown}"), fix.into()),
    };
    Ok(verdict.if_promised(rule == ChecksumRule::Require))
}

async fn write_once(bench: &Bench<'_>, site: &Site) -> Result<Verdict, String> {
    let key = bench.key("once")?;
    let bound = [IF_ABSENT];
    let put = |body| bench.ask(site, Ask { bound: &bound, sent: &bound, ..Ask::put(&key, body) });
    let fix = "upload.write_once must stay off here";
    let first = put("first").await?;
    if !first.is_success() {
        return Ok(Verdict::Warn(format!("If-None-Match is refused: {}", first.shown()), fix.into()));
    }
    let second = put("second").await?;
    let shown = format!("first PUT {}, second {}", first.shown(), second.shown());
    let kept = bench.holds(site, &key, "first").await?;
    Ok(if second.status == StatusCode::PRECONDITION_FAILED && kept {
        Verdict::Ok(shown)
    } else if kept {
        Verdict::Warn(format!("{shown}, where 412 is due"), fix.into())
    } else {
        Verdict::Warn(format!("{shown}, and the object is overwritten"), fix.into())
    })
}

async fn expired(bench: &Bench<'_>, site: &Site) -> Result<Verdict, String> {
    let key = bench.key("expired")?;
    put_plainly(bench, site, Ask::put(&key, BODY)).await?;
    let heard = expired_get(bench, site, &[]).await?;
    let shown = format!("a URL that ended long ago: {}", heard.shown());
    Ok(if heard.status.is_client_error() { Verdict::Ok(shown) } else { Verdict::Fail(shown, FIX_SIGNED.into()) })
}

/// A GET of an object that is there, with a URL that has ended.
pub(super) async fn expired_get(
    bench: &Bench<'_>,
    site: &Site,
    sent: &[(&'static str, &str)],
) -> Result<Heard, String> {
    let key = bench.key("expired")?;
    bench.ask(site, Ask { sent, age: LONG_AGO, ..Ask::new(Action::Get, &key) }).await
}

pub(super) async fn put_plainly(bench: &Bench<'_>, site: &Site, ask: Ask<'_>) -> Result<(), String> {
    let heard = bench.ask(site, ask).await?;
    if heard.is_success() { Ok(()) } else { Err(format!("PUT {}", heard.shown())) }
}
