//! Uploads in parts, where they are on: one is made, one is thrown away, and what becomes of those that nobody ends.

use std::sync::Arc;
use std::time::Duration;

use super::bench::{Ask, BODY, Bench, Heard, LENGTH, Site};
use super::report::{Report, Verdict};
use crate::config::Multipart;
use crate::domain::key::ObjectKey;
use crate::domain::policy::Action;
use crate::storage::{BucketClient, BucketError, Completion, stale_after_days};

const PARTS: &str = "multipart";
const STALE: &str = "stale uploads";

const SECS_PER_DAY: u64 = 86_400;

pub(super) async fn parts(bench: &Bench<'_>, site: &Site, multipart: &Multipart, report: &mut Report<'_>) {
    let client = match BucketClient::new(bench.storage, Arc::clone(&bench.own.signers)) {
        Ok(client) => client,
        Err(error) => return report.fail(PARTS, error.to_string(), "correct storage.endpoint and storage.bucket"),
    };
    let run = Run { bench, site, client, within: multipart.complete_timeout };
    report.verdict(PARTS, run.verdict().await);
    report.verdict(STALE, Ok(run.stale(multipart).await));
}

struct Run<'a> {
    bench: &'a Bench<'a>,
    site: &'a Site,
    client: BucketClient,
    within: Duration,
}

impl Run<'_> {
    async fn verdict(&self) -> Result<Verdict, String> {
        let key = self.bench.key("parts")?;
        let begun = self.begin(&key).await;
        let went = match &begun {
            Ok(upload_id) => self.made(&key, upload_id).await,
            Err(reason) => Err(reason.clone()),
        };
        if let (Ok(upload_id), Err(_)) = (&begun, &went) {
            // Nothing is left behind; that it failed is the line's to tell.
            let _ = self.abort(&key, upload_id).await;
        }
        let went = match went {
            Ok(()) => self.thrown_away(&key).await,
            failed => failed,
        };
        Ok(match went {
            Ok(()) => Verdict::Ok("one part made an object, a longer one was refused, an abort left nothing".into()),
            Err(reason) => Verdict::Fail(
                reason,
                format!(
                    "give the access key s3:PutObject, s3:ListMultipartUploadParts and s3:AbortMultipartUpload on \
                     arn:aws:s3:::{}/{}*, or leave multipart.secret empty",
                    self.bench.storage.bucket, self.bench.storage.prefix
                ),
            ),
        })
    }

    async fn begin(&self, key: &ObjectKey) -> Result<String, String> {
        let grant = self.bench.grant(Action::CreateMultipart, key)?;
        let begun = self.client.begin_upload(&grant, &[], (self.bench.clock)()).await;
        begun.map_err(|error| format!("beginning: {error}"))
    }

    /// A part as a client sends it, the object made of it, and the bytes that it has.
    async fn made(&self, key: &ObjectKey, upload_id: &str) -> Result<(), String> {
        let longer = self.part(key, upload_id, "hello world!").await?;
        if longer.is_success() {
            return Err(format!("a part of 12 bytes for 11 is taken: {}", longer.shown()));
        }
        self.completed(key, upload_id, false).await?.map_err(|error| format!("completing: {error}"))?;
        if self.bench.holds(self.site, key, BODY).await? { Ok(()) } else { Err("the object has other bytes".into()) }
    }

    async fn part(&self, key: &ObjectKey, upload_id: &str, body: &str) -> Result<Heard, String> {
        let query = [("partNumber", "1"), ("uploadId", upload_id)];
        let ask = Ask { bound: &[LENGTH], query: &query, body: Some(body), ..Ask::new(Action::UploadPart, key) };
        self.bench.ask(self.site, ask).await
    }

    /// Sends the part and completes; what the bucket says to the last call is for the caller to judge.
    async fn completed(
        &self,
        key: &ObjectKey,
        upload_id: &str,
        write_once: bool,
    ) -> Result<Result<String, BucketError>, String> {
        let sent = self.part(key, upload_id, BODY).await?;
        if !sent.is_success() {
            return Err(format!("a part: {}", sent.shown()));
        }
        let now = (self.bench.clock)();
        let list = self.bench.grant(Action::ListParts, key)?;
        let listed = self.client.uploaded_parts(&list, (upload_id, None), now).await;
        let parts = listed.map_err(|error| format!("listing: {error}"))?.unwrap_or_default();
        if parts.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>() != [(1, 11)] {
            return Err("listing: not the part that was sent".into());
        }
        let grant = self.bench.grant(Action::CompleteMultipart, key)?;
        let completion = Completion { upload_id, parts: &parts, checksum: None, write_once, within: self.within };
        Ok(self.client.complete_upload(&grant, &completion, now).await)
    }

    /// A second upload to the key of the first: thrown away, after it was refused where objects are to stay.
    async fn thrown_away(&self, key: &ObjectKey) -> Result<(), String> {
        let upload_id = self.begin(key).await?;
        let once = if self.bench.storage.upload_rules.write_once {
            match self.completed(key, &upload_id, true).await? {
                Err(BucketError::Refused { status: 412, .. }) => Ok(()),
                Err(error) => Err(format!("completing where an object is, with If-None-Match: {error}")),
                Ok(_) => {
                    return Err("upload.write_once is on, and an upload in parts took the place of an object".into());
                }
            }
        } else {
            Ok(())
        };
        let aborted = self.abort(key, &upload_id).await.map_err(|error| format!("aborting: {error}"));
        once.and(aborted)
    }

    async fn abort(&self, key: &ObjectKey, upload_id: &str) -> Result<(), String> {
        let grant = self.bench.grant(Action::AbortMultipart, key)?;
        let aborted = self.client.abort_upload(&grant, upload_id, (self.bench.clock)()).await;
        aborted.map_err(|error| error.to_string())
    }

    /// Parts of uploads that nobody ended are in no list, and are paid for.
    async fn stale(&self, multipart: &Multipart) -> Verdict {
        let prefix = &self.bench.storage.prefix;
        let wanted = multipart.max_age.as_secs().div_ceil(SECS_PER_DAY);
        let fix = format!(
            "a lifecycle rule beside those that the bucket has, as with `aws s3api put-bucket-lifecycle-configuration`: {}",
            rule(prefix, wanted)
        );
        match self.client.lifecycle((self.bench.clock)()).await {
            Ok(document) => match stale_after_days(&document, prefix) {
                Some(days) if days < wanted => Verdict::Warn(
                    format!("are aborted after {days} days, and upload tokens hold for {wanted}"),
                    "lower multipart.max_age_secs, or let the rule wait longer".into(),
                ),
                Some(days) => Verdict::Ok(format!("are aborted after {days} days")),
                None => Verdict::Warn("the bucket has no rule that aborts them: they stay, and cost".into(), fix),
            },
            Err(BucketError::Refused { status, code }) => {
                let shown = format!("{status} {code}");
                Verdict::Warn(format!("whether the bucket aborts them cannot be seen: {}", shown.trim_end()), fix)
            }
            Err(error) => Verdict::Warn(format!("whether the bucket aborts them cannot be seen: {error}"), fix),
        }
    }
}

/// For AWS's own tool, and all that speak its JSON.
fn rule(prefix: &str, days: u64) -> String {
    serde_json::json!({ "Rules": [{
        "ID": "filesync-signer-stale-uploads",
        "Status": "Enabled",
        "Filter": { "Prefix": prefix },
        "AbortIncompleteMultipartUpload": { "DaysAfterInitiation": days },
    }] })
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_is_the_document_of_the_tool() {
        let expected = r#"{"Rules":[{"AbortIncompleteMultipartUpload":{"DaysAfterInitiation":7},"Filter":{"Prefix":"a/"},"ID":"filesync-signer-stale-uploads","Status":"Enabled"}]}"#;
        assert_eq!(rule("a/", 7), expected);
    }
}
