//! Whether whoever may PUT one key can read others with it (K24).
//!
//! Some servers honour an `x-amz-copy-source` that nobody signed, and copy with the rights of the key that signed the URL.

use std::sync::Arc;

use super::bench::{Ask, BODY, Bench, LENGTH, Site};
use super::bounds::put_plainly;
use super::bucket::TYPE;
use super::report::{Report, Verdict};
use crate::config::{Storage, Verify};
use crate::domain::key::ObjectKey;
use crate::domain::policy::Action;
use crate::storage::{BucketClient, BucketError, Support, UploadedPart};

const COPY: &str = "copy-source";

const SECRET: &str = "somebody else's";

/// Whether it is tried at each start: two objects are put and deleted, so only where that is wanted and news.
pub(super) fn is_tried_at_start(storage: &Storage) -> bool {
    storage.verify == Verify::Strict && storage.provider.refuses_unsigned_copy != Support::Yes
}

/// Tries it with an object, and where uploads in parts are on with a part.
pub(super) async fn copies(bench: &Bench<'_>, site: &Site, in_parts: bool, report: &mut Report<'_>) {
    report.verdict(COPY, verdict(bench, site, in_parts).await);
}

async fn verdict(bench: &Bench<'_>, site: &Site, in_parts: bool) -> Result<Verdict, String> {
    let victim = bench.key("victim")?;
    put_plainly(bench, site, Ask::put(&victim, SECRET)).await?;
    let source = format!("/{}/{}{}", bench.storage.bucket, bench.storage.prefix, victim.as_str());
    let (shown, copied) = object(bench, site, &source).await?;
    let copied = if copied {
        Some(format!("{shown}, and another object was copied"))
    } else if in_parts {
        part(bench, site, &source)
            .await?
            .map(|shown| format!("in an upload in parts {shown}, and another object was copied"))
    } else {
        None
    };
    Ok(match copied {
        Some(seen) => Verdict::Fail(
            format!("{seen}: who may PUT one key can read every other"),
            "upgrade the S3 server, give `storage.put` a key that cannot read, or keep one store a bucket".into(),
        ),
        None => Verdict::Ok(shown),
    })
}

/// What the server says to a PUT with the header, and whether it copied.
async fn object(bench: &Bench<'_>, site: &Site, source: &str) -> Result<(String, bool), String> {
    let own = bench.key("copier")?;
    let bound = [LENGTH, ("content-type", TYPE)];
    let sent = [("content-type", TYPE), ("x-amz-copy-source", source)];
    let heard = bench.ask(site, Ask { bound: &bound, sent: &sent, ..Ask::put(&own, BODY) }).await?;
    let shown = heard.shown();
    if bench.holds(site, &own, SECRET).await? {
        return Ok((shown, true));
    }
    Ok((if heard.is_success() { format!("{shown}, and the header is ignored") } else { shown }, false))
}

/// The same of a part. Where no upload can be begun there is none.
async fn part(bench: &Bench<'_>, site: &Site, source: &str) -> Result<Option<String>, String> {
    let client = BucketClient::new(bench.storage, Arc::clone(&bench.own.signers)).map_err(|error| error.to_string())?;
    let own = bench.key("part-copier")?;
    let grant = bench.grant(Action::CreateMultipart, &own)?;
    let upload_id = match client.begin_upload(&grant, &[], (bench.clock)()).await {
        Ok(upload_id) => upload_id,
        Err(BucketError::Refused { .. }) => return Ok(None),
        Err(error) => return Err(format!("beginning: {error}")),
    };
    let copied = copied_part(bench, site, &client, (&own, &upload_id), source).await;
    let grant = bench.grant(Action::AbortMultipart, &own)?;
    client.abort_upload(&grant, &upload_id, (bench.clock)()).await.map_err(|error| format!("aborting: {error}"))?;
    copied
}

async fn copied_part(
    bench: &Bench<'_>,
    site: &Site,
    client: &BucketClient,
    (own, upload_id): (&ObjectKey, &str),
    source: &str,
) -> Result<Option<String>, String> {
    let query = [("partNumber", "1"), ("uploadId", upload_id)];
    let sent = [("x-amz-copy-source", source)];
    let ask =
        Ask { bound: &[LENGTH], sent: &sent, query: &query, body: Some(BODY), ..Ask::new(Action::UploadPart, own) };
    let heard = bench.ask(site, ask).await?;
    let grant = bench.grant(Action::ListParts, own)?;
    let listed = client.uploaded_parts(&grant, (upload_id, None), (bench.clock)()).await;
    let parts = listed.map_err(|error| format!("listing: {error}"))?.unwrap_or_default();
    // As long as what another wrote, and not as what was sent.
    let copied = |part: &UploadedPart| usize::try_from(part.size) == Ok(SECRET.len());
    Ok(parts.iter().any(copied).then(|| heard.shown()))
}
