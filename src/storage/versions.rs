//! Deleting for good: every version of one object, for buckets that keep them.
//!
//! On B2, and in versioned buckets, a DELETE only hides: the bytes stay, and are paid
//! for. Here every version and every marker of exactly the granted key is listed and
//! removed. Called again after a failure, it goes on where it stopped.

use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use reqwest::Method;
use serde::Deserialize;

use super::answer::MAX_ERROR_BODY_BYTES;
use super::attempts::Span;
use super::client::{BucketClient, BucketError, deleted};
use super::counts::Operation;
use crate::domain::policy::{Action, Grant};

/// A page of versions; S3 gives no more at once.
const PAGE: &str = "1000";

/// An answer of a thousand versions is well below this.
const MAX_LIST_BYTES: usize = 4 * 1024 * 1024;

/// The answer by the name of its root: an `<Error>`, or a page of somebody else, lists nothing and must not pass for
/// an empty list (H18).
#[derive(Debug, Deserialize)]
enum Document {
    ListVersionsResult(Listed),
}

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
        let Document::ListVersionsResult(listed) = quick_xml::de::from_str(xml).ok()?;
        Some(listed)
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

/// The ids of the versions and delete markers that a `ListObjectVersions` answer has of exactly this key.
/// Nothing when it cannot be read.
#[must_use]
pub fn versions_of(xml: &str, key: &str) -> Option<Vec<String>> {
    Listed::parse(xml).map(|listed| listed.of(key))
}

impl BucketClient {
    /// Deletes the object with all its versions and delete markers.
    ///
    /// # Errors
    ///
    /// [`BucketError`] when the bucket did not confirm all of it; what was deleted by then stays deleted.
    pub(super) async fn delete_all_versions(&self, grant: &Grant, now: Timestamp) -> Result<(), BucketError> {
        let name = self.object_name(grant.key().as_str());
        // One deadline for all of it; a version that is not there any more counts as deleted.
        let span = self.span(now).of(Operation::Versions);
        loop {
            let versions = self.versions(&name, span).await?;
            if versions.is_empty() {
                return Ok(());
            }
            for version in versions {
                self.delete_version(&name, &version, span).await?;
            }
        }
    }

    /// Those of the first page: in the order of the keys, the key itself stands before all that begin with it.
    async fn versions(&self, name: &str, span: Span) -> Result<Vec<String>, BucketError> {
        let query = [("encoding-type", "url"), ("max-keys", PAGE), ("prefix", name), ("versions", "")];
        let sign = |now| {
            let url = self.bucket_url(Action::Delete, rusty_s3::Method::Get, &query, &[], now)?;
            Ok(self.http.request(Method::GET, url))
        };
        let answer = self.call(span, MAX_LIST_BYTES, sign).await?;
        if !answer.is_plain_success() {
            return Err(answer.into_error(""));
        }
        let versions = std::str::from_utf8(&answer.body).ok().and_then(|xml| versions_of(xml, name));
        versions.ok_or_else(|| answer.into_error("UnreadableVersions"))
    }

    async fn delete_version(&self, name: &str, version: &str, span: Span) -> Result<(), BucketError> {
        let sign = |now| Ok(self.http.request(Method::DELETE, self.version_url(name, version.to_owned(), now)?));
        deleted(self.call(span, MAX_ERROR_BODY_BYTES, sign).await?)
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
        // H18: what is no list must not pass for an empty one.
        for odd in
            ["", "<html>", "<html></html>", "<Error><Code>SlowDown</Code></Error>", "<Version><Key>s1/a</Key></Version"]
        {
            assert!(Listed::parse(odd).is_none(), "{odd}");
        }
    }
}
