//! What the access key may do, and whether clients find the same bucket.

use reqwest::StatusCode;

use super::bench::{Ask, Bench, Heard, Site};
use super::report::{Report, Stopped, Verdict};
use crate::domain::policy::Action;

const PUT: &str = "put";
const GET: &str = "get";
const HEAD: &str = "head";
const DELETE: &str = "delete";
const FREES: &str = "delete frees";
const ABSENT: &str = "absent";
const PUBLIC: &str = "public endpoint";
const ROUND_TRIP: &str = "round trip";

/// What the objects of these checks are said to be.
pub(super) const TYPE: &str = "text/plain";

/// Each right by itself, at `storage.endpoint`.
pub(super) async fn permissions(bench: &Bench<'_>, report: &mut Report<'_>) -> Result<(), Stopped> {
    let body = bench.folder().to_owned();
    let mut versioned = false;
    for (check, action) in [(PUT, Action::Put), (GET, Action::Get), (HEAD, Action::Head), (DELETE, Action::Delete)] {
        let heard = one(bench, action, &body).await;
        let held = match &heard {
            Ok(heard) => {
                versioned |= heard.version().is_some();
                Ok(judge_one(bench, action, heard, &body))
            }
            Err(reason) => Err(reason.clone()),
        };
        if !report.verdict(check, held) {
            return Err(Stopped(check));
        }
    }
    let freed = frees(bench, versioned).await;
    if !report.verdict(FREES, freed) {
        return Err(Stopped(FREES));
    }
    let seen = absent(bench).await;
    report.verdict(ABSENT, seen);
    Ok(())
}

/// Whether an object that is not there is said not to be: `GET /object` and its kin pass that on.
async fn absent(bench: &Bench<'_>) -> Result<Verdict, String> {
    let heard = bench.ask(&bench.own, Ask::new(Action::Head, &bench.key("absent")?)).await?;
    let shown = format!("HEAD {}", heard.shown());
    if heard.status == StatusCode::NOT_FOUND {
        return Ok(Verdict::Ok(shown));
    }
    let fix = format!(
        "give the access key s3:ListBucket on arn:aws:s3:::{}, or an absent object is 502 `bucket_failed` and not 404",
        bench.storage.bucket
    );
    Ok(Verdict::Warn(format!("{shown}, where 404 is due"), fix))
}

async fn one(bench: &Bench<'_>, action: Action, body: &str) -> Result<Heard, String> {
    let key = bench.key("rights")?;
    let body = Some(body).filter(|_| action == Action::Put);
    bench.ask(&bench.own, Ask { body, ..Ask::new(action, &key) }).await
}

fn judge_one(bench: &Bench<'_>, action: Action, heard: &Heard, body: &str) -> Verdict {
    let shown = format!("{} {}", action.method(), heard.shown());
    if !heard.is_success() {
        let right = match action {
            Action::Get | Action::Head => "s3:GetObject",
            Action::Put | Action::CreateMultipart | Action::UploadPart | Action::CompleteMultipart => "s3:PutObject",
            Action::ListParts => "s3:ListMultipartUploadParts",
            Action::AbortMultipart => "s3:AbortMultipartUpload",
            Action::Delete => "s3:DeleteObject",
        };
        let fix = format!(
            "give the access key {right} on arn:aws:s3:::{}/{}*; where nothing is allowed, some servers mean a wrong secret",
            bench.storage.bucket, bench.storage.prefix
        );
        return Verdict::Fail(shown, fix);
    }
    let same = match action {
        Action::Get => heard.has(body),
        Action::Head => heard.header("content-length") == Some(body.len().to_string().as_str()),
        _ => true,
    };
    if same {
        Verdict::Ok(shown)
    } else {
        Verdict::Fail(
            format!("{shown}, and it is not what was put"),
            "nothing between this process and S3 may change answers".into(),
        )
    }
}

/// After a delete the object is gone. Without the right to list, that is a 403 at AWS, and the GET before was a 200.
async fn frees(bench: &Bench<'_>, versioned: bool) -> Result<Verdict, String> {
    let heard = one(bench, Action::Get, "").await?;
    let shown = format!("GET afterwards {}", heard.shown());
    if !matches!(heard.status, StatusCode::NOT_FOUND | StatusCode::FORBIDDEN) {
        let fix = "the S3 server keeps or caches deleted objects; switch that off";
        return Ok(Verdict::Fail(shown, fix.into()));
    }
    Ok(if versioned {
        Verdict::Warn(
            format!("{shown}, and the bucket keeps versions: deleted bytes stay, and cost"),
            "a lifecycle rule that ends noncurrent versions, or no versioning".into(),
        )
    } else {
        Verdict::Ok(shown)
    })
}

/// Whether clients reach the same bucket, and where the checks that follow go: to where clients go, if they can.
pub(super) async fn public<'b>(bench: &'b Bench<'_>, report: &mut Report<'_>) -> &'b Site {
    if bench.public.address == bench.own.address {
        report.ok(PUBLIC, "is storage.endpoint");
        return &bench.own;
    }
    let found = equal(bench).await;
    if report.verdict(PUBLIC, found) { &bench.public } else { &bench.own }
}

async fn equal(bench: &Bench<'_>) -> Result<Verdict, String> {
    let key = bench.key("public")?;
    let put = bench.ask(&bench.own, Ask::put(&key, bench.folder())).await?;
    if !put.is_success() {
        return Err(format!("PUT {}", put.shown()));
    }
    let shown = bench.public.shown();
    let fix = "storage.public_endpoint must lead clients to the same bucket, Host and path unchanged; if this machine \
               alone cannot reach it, run the check from where clients are (what follows went through storage.endpoint)";
    Ok(match bench.ask(&bench.public, Ask::new(Action::Get, &key)).await {
        Ok(heard) if heard.has(bench.folder()) => {
            Verdict::Ok(format!("{shown} has what was put through storage.endpoint"))
        }
        Ok(heard) if heard.is_success() => Verdict::Fail(format!("{shown} has other bytes"), fix.into()),
        Ok(heard) => Verdict::Fail(format!("{shown} has not what was put: {}", heard.shown()), fix.into()),
        Err(reason) => Verdict::Fail(format!("{shown}: {reason}"), fix.into()),
    })
}

/// What a client does, with the length and type bound.
pub(super) async fn round_trip(bench: &Bench<'_>, site: &Site, report: &mut Report<'_>) -> Result<(), Stopped> {
    let went = trip(bench, site).await;
    if report.verdict(ROUND_TRIP, went) { Ok(()) } else { Err(Stopped(ROUND_TRIP)) }
}

async fn trip(bench: &Bench<'_>, site: &Site) -> Result<Verdict, String> {
    let key = bench.key("trip")?;
    let body = bench.folder();
    let length = body.len().to_string();
    let bound = [("content-length", length.as_str()), ("content-type", TYPE)];
    let mut seen = Vec::new();
    for action in [Action::Put, Action::Get, Action::Head, Action::Delete] {
        let mut ask = Ask::new(action, &key);
        if action == Action::Put {
            ask = Ask { bound: &bound, sent: &[("content-type", TYPE)], ..Ask::put(&key, body) };
        }
        let heard = bench.ask(site, ask).await?;
        let held = match action {
            Action::Get => heard.has(body),
            Action::Head => heard.is_success() && heard.header("content-length") == Some(length.as_str()),
            _ => heard.is_success(),
        };
        seen.push(format!("{} {}", action.method(), heard.shown()));
        if !held {
            let fix = "what is between clients and S3 must keep Host, path, Content-Length and Content-Type";
            return Ok(Verdict::Fail(format!("{} at {}", seen.join(", "), site.shown()), fix.into()));
        }
    }
    Ok(Verdict::Ok(format!("{}, the same {length} bytes", seen.join(", "))))
}
