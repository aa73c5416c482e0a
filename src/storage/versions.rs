//! Deleting for good: every version of one object, for buckets that keep them.
//!
//! On B2, and in versioned buckets, a DELETE only hides: the bytes stay, and are paid
//! for. Here every version and every marker of exactly the granted key is listed and
//! removed. Called again after a failure, it goes on where it stopped.

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use reqwest::Method;
use serde::Deserialize;

use super::client::{BucketClient, BucketError, Refusal, refusal};
use crate::domain::policy::{Action, Grant};
use crate::outbound::body_within;

/// A page of versions; S3 gives no more at once.
const PAGE: &str = "1000";

/// An answer of a thousand versions is well below this.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// `ListObjectVersions`, as far as it is needed.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectVersions.html>
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Listed {
    /// `url` when the keys are encoded as a form would; some servers are asked to and do not.
    encoding_type: String,
    #[serde(rename = "Version")]
    versions: Vec<Entry>,
    #[serde(rename = "DeleteMarker")]
    markers: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    key: String,
    version_id: String,
}

impl Listed {
    fn parse(xml: &str) -> Option<Self> {
        quick_xml::de::from_str(xml).ok()
    }

    /// The versions of exactly this key. A prefix is all that S3 can be asked for, so `a` also brings `ab` and `a/b`.
    fn of(self, key: &str) -> Vec<String> {
        let form = self.encoding_type.trim() == "url";
        let same = |listed: &str| {
            let plain = if form { listed.replace('+', " ") } else { return listed == key };
            percent_decode_str(&plain).decode_utf8().is_ok_and(|name| name == key)
        };
        let entries = self.versions.into_iter().chain(self.markers);
        entries.filter(|entry| same(&entry.key)).map(|entry| entry.version_id).collect()
    }
}

impl BucketClient {
    /// Deletes the object with all its versions and delete markers.
    ///
    /// # Errors
    ///
    /// [`BucketError`] when the bucket did not confirm all of it; what was deleted by then stays deleted.
    pub(super) async fn delete_all_versions(&self, grant: &Grant, now: Timestamp) -> Result<(), BucketError> {
        let name = self.object_name(grant.key().as_str());
        let deleted = async {
            loop {
                let versions = self.versions(&name, now).await?;
                if versions.is_empty() {
                    return Ok(());
                }
                for version in versions {
                    self.delete_version(&name, &version, now).await?;
                }
            }
        };
        tokio::time::timeout(self.call_timeout, deleted).await.unwrap_or(Err(BucketError::TimedOut))
    }

    /// Those of the first page: in the order of the keys, the key itself stands before all that begin with it.
    async fn versions(&self, name: &str, now: Timestamp) -> Result<Vec<String>, BucketError> {
        let query = [("encoding-type", "url"), ("max-keys", PAGE), ("prefix", name), ("versions", "")];
        let url = self.bucket_url(Action::Delete, rusty_s3::Method::Get, &query, &[], now)?;
        let mut answer = self.send(self.http.request(Method::GET, url)).await?;
        if !answer.status().is_success() {
            return Err(refusal(answer).await?.into());
        }
        let status = answer.status();
        let body = body_within(&mut answer, MAX_LIST_BYTES).await.map_err(super::client::bucket_error)?;
        let listed = body.and_then(|body| Listed::parse(std::str::from_utf8(&body).ok()?));
        let unreadable = || BucketError::from(Refusal { status, code: "UnreadableVersions".to_owned() });
        Ok(listed.ok_or_else(unreadable)?.of(name))
    }

    async fn delete_version(&self, name: &str, version: &str, now: Timestamp) -> Result<(), BucketError> {
        let url = self.version_url(name, version.to_owned(), now)?;
        let answer = self.send(self.http.request(Method::DELETE, url)).await?;
        self.deleted(answer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A prefix brings the neighbours too; they stay.
    #[test]
    fn only_versions_of_the_very_key_are_taken() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListVersionsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>files</Name><EncodingType>url</EncodingType>
              <Version><Key>s1/a+b%2Bc</Key><VersionId>v1</VersionId><IsLatest>true</IsLatest></Version>
              <DeleteMarker><Key>s1/a+b%2Bc</Key><VersionId>m1</VersionId></DeleteMarker>
              <Version><Key>s1/a+b%2Bcd</Key><VersionId>v2</VersionId></Version>
              <DeleteMarker><Key>s1/a+b%2Bc/d</Key><VersionId>m2</VersionId></DeleteMarker>
              <Version><Key>s1/a+b%2Bc</Key><VersionId>null</VersionId></Version>
            </ListVersionsResult>"#;
        assert_eq!(Listed::parse(xml).unwrap().of("s1/a b+c"), ["v1", "null", "m1"]);
        // Not encoded, although asked to; and a name that ends in a space.
        let plain = "<ListVersionsResult><Version><Key> s1/a &amp;+%20b </Key><VersionId>v</VersionId></Version></ListVersionsResult>";
        assert_eq!(Listed::parse(plain).unwrap().of(" s1/a &+%20b "), ["v"]);
        assert!(Listed::parse(plain).unwrap().of("s1/a &+%20b").is_empty());
        let none = "<ListVersionsResult><Name>files</Name><Prefix>s1/a</Prefix></ListVersionsResult>";
        assert!(Listed::parse(none).unwrap().of("s1/a").is_empty());
        for odd in ["", "<html>", "<Version><Key>s1/a</Key></Version"] {
            assert!(Listed::parse(odd).is_none_or(|listed| listed.of("s1/a").is_empty()), "{odd}");
        }
    }
}
