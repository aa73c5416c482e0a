//! The bucket's CORS document, for `signer check --fix-cors`.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;

use super::answer::{Refusal, element, read_body, refusal};
use super::client::{BucketClient, BucketError};
use crate::domain::policy::Action;

/// The sub-resource.
const CORS: (&str, &str) = ("cors", "");

impl BucketClient {
    /// The document as the provider writes it, or nothing when the bucket has none (S3 `GetBucketCors`).
    pub(crate) async fn cors(&self, now: Timestamp) -> Result<Option<String>, BucketError> {
        let url = self.bucket_url(Action::Put, rusty_s3::Method::Get, &[CORS], &[], now)?;
        let mut answer = self.send(self.http.request(Method::GET, url)).await?;
        let status = answer.status();
        let body = String::from_utf8_lossy(&read_body(&mut answer).await?).into_owned();
        let code = element(&body, "Code");
        match code.as_str() {
            "" if status.is_success() => Ok(Some(body)),
            "NoSuchCORSConfiguration" => Ok(None),
            _ => Err(Refusal { status, code }.into()),
        }
    }

    /// Replaces the document (S3 `PutBucketCors`).
    pub(crate) async fn put_cors(&self, document: String, now: Timestamp) -> Result<(), BucketError> {
        // S3 wants the document's digest, as MD5 or as one of these.
        let hash = digest::digest(&digest::SHA256, document.as_bytes());
        let headers =
            [("x-amz-checksum-sha256", STANDARD.encode(hash)), ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned())];
        let signed = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let url = self.bucket_url(Action::Put, rusty_s3::Method::Put, &[CORS], &signed, now)?;
        let call = self.http.request(Method::PUT, url).header(CONTENT_TYPE, "application/xml").body(document);
        let call = headers.into_iter().fold(call, |call, (name, value)| call.header(name, value));
        let refusal = refusal(self.send(call).await?).await?;
        if refusal.status.is_success() && refusal.code.is_empty() { Ok(()) } else { Err(refusal.into()) }
    }
}
