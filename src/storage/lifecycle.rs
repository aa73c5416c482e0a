//! The bucket's lifecycle document, as far as it tells what becomes of uploads that nobody ended, for `signer check`.

use jiff::Timestamp;
use reqwest::Method;
use serde::Deserialize;

use super::answer::{Refusal, element, read_body};
use super::client::{BucketClient, BucketError};
use crate::domain::policy::Action;

/// The sub-resource.
const LIFECYCLE: (&str, &str) = ("lifecycle", "");

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLifecycleConfiguration.html>
#[derive(Debug, Deserialize)]
enum Document {
    LifecycleConfiguration(Rules),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Rules {
    #[serde(rename = "Rule")]
    rules: Vec<Rule>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Rule {
    status: String,
    prefix: String,
    filter: Option<Filter>,
    #[serde(rename = "AbortIncompleteMultipartUpload")]
    abort: Option<Abort>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Filter {
    prefix: String,
    /// Conditions that not every upload meets.
    and: Option<serde::de::IgnoredAny>,
    tag: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Abort {
    days_after_initiation: u64,
}

impl Rule {
    /// Whether it is in force for all uploads below `prefix`.
    fn holds_for(&self, prefix: &str) -> bool {
        let (own, all) = match &self.filter {
            Some(Filter { prefix, and: None, tag: None }) => (prefix, true),
            Some(filter) => (&filter.prefix, false),
            None => (&self.prefix, true),
        };
        self.status == "Enabled" && all && prefix.starts_with(own.as_str())
    }
}

/// After how many days a lifecycle document aborts stale uploads below `prefix`, if it does.
#[must_use]
pub(crate) fn stale_after_days(document: &str, prefix: &str) -> Option<u64> {
    let Document::LifecycleConfiguration(Rules { rules }) = quick_xml::de::from_str(document).ok()?;
    let days = rules.iter().filter(|rule| rule.holds_for(prefix)).filter_map(|rule| rule.abort.as_ref());
    days.map(|abort| abort.days_after_initiation).min()
}

impl BucketClient {
    /// The document as the provider writes it; empty when the bucket has none.
    pub(crate) async fn lifecycle(&self, now: Timestamp) -> Result<String, BucketError> {
        let url = self.bucket_url(Action::Put, rusty_s3::Method::Get, &[LIFECYCLE], &[], now)?;
        let mut answer = self.send(self.http.request(Method::GET, url)).await?;
        let status = answer.status();
        let body = String::from_utf8_lossy(&read_body(&mut answer).await?).into_owned();
        let code = element(&body, "Code");
        match code.as_str() {
            "" if status.is_success() => Ok(body),
            "NoSuchLifecycleConfiguration" => Ok(String::new()),
            _ => Err(Refusal { status, code }.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_counts_that_is_on_and_holds_for_all_uploads() {
        let abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload>";
        let document = |inner: &str| {
            format!(
                "<?xml version=\"1.0\"?>\n<LifecycleConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                     <Rule><ID>other</ID><Status>Enabled</Status><Filter/><Expiration><Days>1</Days></Expiration></Rule>\
                     <Rule>{inner}</Rule></LifecycleConfiguration>"
            )
        };
        for (inner, prefix, days) in [
            (format!("<Status>Enabled</Status><Filter><Prefix></Prefix></Filter>{abort}"), "", Some(7)),
            (format!("<Status>Enabled</Status><Filter/>{abort}"), "a/", Some(7)),
            (format!("<Status>Enabled</Status><Prefix/>{abort}"), "", Some(7)),
            (format!("<Status>Enabled</Status><Filter><Prefix>a/</Prefix></Filter>{abort}"), "a/b/", Some(7)),
            (format!("<Status>Enabled</Status><Filter><Prefix>a/</Prefix></Filter>{abort}"), "", None),
            (format!("<Status>Disabled</Status><Filter/>{abort}"), "", None),
            (
                format!("<Status>Enabled</Status><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter>{abort}"),
                "",
                None,
            ),
            ("<Status>Enabled</Status><Filter/><Expiration><Days>1</Days></Expiration>".to_owned(), "", None),
        ] {
            assert_eq!(stale_after_days(&document(&inner), prefix), days, "{inner} {prefix}");
        }
        for none in ["", "<Error/>", "<LifecycleConfiguration/>"] {
            assert_eq!(stale_after_days(none, ""), None, "{none}");
        }
    }
}
