//! A form that a page may post to the bucket with one file: Signature Version 4 over a policy document.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html>
//!
//! What a presigned PUT cannot say is a range of lengths. The policy names the bucket, the exact key, every field with
//! its exact value, and the least and the most bytes; the bucket refuses a form with anything else in it.

use std::fmt;
use std::ops::RangeInclusive;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::span::Span;
use super::{PresignError, Presigner, Terms, push_hex};
use crate::domain::policy::{Action, Grant};
use crate::domain::utc::UtcSecond;

/// What a form is bound to besides its key.
#[derive(Debug, Clone)]
pub struct PostTerms<'a> {
    /// Seconds until the form ends.
    pub expires_secs: u32,
    /// The bucket's name.
    pub bucket: &'a str,
    /// What precedes keys in the bucket: empty, or folders with a slash at the end.
    pub prefix: &'a str,
    /// How many bytes the file may have.
    pub bytes: RangeInclusive<u64>,
    /// Further fields, such as `content-type`, each with its only value.
    pub fields: &'a [(&'static str, &'a str)],
}

/// A signed form.
#[derive(Debug)]
pub struct SignedPost {
    /// Where to post it: the bucket. Without the fields it opens nothing.
    pub url: String,
    /// What has to stand in the form before the file.
    pub fields: PostFields,
    /// The first second at which the bucket takes it no more.
    pub expires_at: UtcSecond,
    /// From the time of the call, in seconds.
    pub expires_secs: u32,
}

/// Names and values of a form, which are a credential: `Debug` shows names alone.
pub struct PostFields(Vec<(&'static str, String)>);

impl PostFields {
    /// Names in lower case, and values, for the answer to the caller they were made for.
    pub fn expose(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl fmt::Debug for PostFields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

impl Serialize for PostFields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.expose())
    }
}

impl Presigner {
    /// Signs a form for what was granted, dated `now`, fractions of a second dropped.
    ///
    /// # Errors
    ///
    /// Those of [`Presigner::presign`]; [`PresignError::OtherCall`] for a grant that is not of a PUT;
    /// [`PresignError::KeyTemplate`] for a key that a form would not keep as it is.
    pub fn presign_post(
        &self,
        grant: &Grant,
        terms: &PostTerms<'_>,
        now: Timestamp,
    ) -> Result<SignedPost, PresignError> {
        if grant.action() != Action::Put {
            return Err(PresignError::OtherCall);
        }
        let key = format!("{}{}", terms.prefix, grant.key().as_str());
        // SECURITY: the bucket puts the name of the posted file in the place of `${filename}`.
        if key.contains("${") {
            return Err(PresignError::KeyTemplate);
        }
        let now = UtcSecond::new(now)?;
        let span = Span::new(now, &Terms { expires_secs: terms.expires_secs, ..Terms::default() }, self.ends_at)?;
        let date = span.begin.basic();
        let credential = format!("{}/{}{}", self.key_id, date.day(), self.scope.trim_end_matches('\n'));

        let mut fields = vec![("key", key)];
        fields.extend(terms.fields.iter().map(|(name, value)| (*name, (*value).to_owned())));
        fields.push(("x-amz-algorithm", "AWS4-HMAC-SHA256".to_owned()));
        fields.push(("x-amz-credential", credential));
        fields.push(("x-amz-date", date.as_str().to_owned()));
        fields.extend(
            self.session_token.as_ref().map(|token| ("x-amz-security-token", token.expose_secret().to_owned())),
        );

        let policy = STANDARD.encode(policy(terms, &fields, span.end).to_string());
        let mut signature = String::new();
        push_hex(&mut signature, self.key.sign(span.begin, date.day(), policy.as_bytes()).as_ref());
        fields.push(("policy", policy));
        fields.push(("x-amz-signature", signature));
        let url = self.bucket_url(terms.prefix);
        Ok(SignedPost { url, fields: PostFields(fields), expires_at: span.end, expires_secs: span.left_secs(now) })
    }

    /// The bucket itself: `https://host/bucket`, or `https://bucket.host/`.
    fn bucket_url(&self, prefix: &str) -> String {
        let bucket = self.path.strip_suffix(prefix).unwrap_or(&self.path);
        let bucket = if bucket == "/" { bucket } else { bucket.trim_end_matches('/') };
        format!("{}{bucket}", self.origin)
    }
}

fn policy(terms: &PostTerms<'_>, fields: &[(&'static str, String)], end: UtcSecond) -> Value {
    let mut conditions = vec![json!({"bucket": terms.bucket})];
    conditions.extend(fields.iter().map(|(name, value)| json!({ (*name): value })));
    conditions.push(json!(["content-length-range", terms.bytes.start(), terms.bytes.end()]));
    json!({"expiration": end, "conditions": conditions})
}

#[cfg(test)]
#[path = "post_tests.rs"]
mod tests;
