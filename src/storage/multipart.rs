//! An upload in parts: begun, looked at, made an object or thrown away. The parts themselves never come by here.
//!
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html>

use std::time::Duration;

use hyper::body::Bytes;
use jiff::Timestamp;
use quick_xml::escape::escape;
use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;

use super::answer::{Answer, MAX_ERROR_BODY_BYTES};
use super::attempts::Span;
use super::client::{BucketClient, BucketError, ObjectInfo};
use super::counts::Operation;
use crate::domain::capsule::MAX_UPLOAD_ID_BYTES;
use crate::domain::parts::{MAX_PARTS, PartChecksum};
use crate::domain::policy::{Action, Grant};

/// A page of parts; S3 gives no more at once.
const PAGE: &str = "1000";
/// A thousand parts with all their checksums are well below this.
const MAX_PAGE_BYTES: usize = 1024 * 1024;

const IF_NONE_MATCH: &str = "if-none-match";

/// A part that the bucket has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadedPart {
    /// From 1 on.
    pub number: u32,
    /// The entity tag, without the quotes that S3 writes around it; nothing where the bucket does not list it (s3s-fs).
    pub etag: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Base64 of the upload's checksum, when the bucket keeps it.
    pub checksum: Option<String>,
}

/// How an upload is made an object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completion<'a> {
    pub(crate) upload_id: &'a str,
    /// In the order of their numbers.
    pub(crate) parts: &'a [UploadedPart],
    pub(crate) checksum: Option<PartChecksum>,
    /// An object that is there stays as it is.
    pub(crate) write_once: bool,
    /// For the whole call: putting thousands of parts together can take a bucket minutes.
    pub(crate) within: Duration,
}

/// The answers by the names of their roots: an `<Error>` in an answer of 200, or a page of somebody else, is none of
/// them (H18).
#[derive(Debug, Deserialize)]
enum Document {
    #[serde(rename = "InitiateMultipartUploadResult")]
    Begun(Begun),
    #[serde(rename = "ListPartsResult")]
    Page(Page),
    #[serde(rename = "CompleteMultipartUploadResult")]
    Completed(Completed),
}

#[derive(Debug, Deserialize)]
struct Begun {
    #[serde(rename = "UploadId")]
    upload_id: String,
}

#[derive(Debug, Deserialize)]
struct Completed {
    #[serde(rename = "ETag")]
    etag: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Page {
    is_truncated: bool,
    #[serde(rename = "Part")]
    parts: Vec<Listed>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    part_number: u32,
    #[serde(rename = "ETag")]
    etag: Option<String>,
    size: u64,
    last_modified: Option<String>,
    #[serde(rename = "ChecksumSHA256")]
    sha256: Option<String>,
    #[serde(rename = "ChecksumCRC32")]
    crc32: Option<String>,
    #[serde(rename = "ChecksumCRC32C")]
    crc32c: Option<String>,
    #[serde(rename = "ChecksumCRC64NVME")]
    crc64nvme: Option<String>,
}

impl Listed {
    fn into_part(self, checksum: Option<PartChecksum>) -> UploadedPart {
        let checksum = checksum.and_then(|checksum| match checksum {
            PartChecksum::Sha256 => self.sha256,
            PartChecksum::Crc32 => self.crc32,
            PartChecksum::Crc32c => self.crc32c,
            PartChecksum::Crc64Nvme => self.crc64nvme,
        });
        let etag = self.etag.as_deref().map(bare).filter(|etag| !etag.is_empty()).map(str::to_owned);
        UploadedPart { number: self.part_number, etag, size: self.size, checksum }
    }
}

/// By number. Some servers have no order, and keep a part that was sent again beside the one before it: the newest
/// counts, as S3 has it.
fn in_order(mut listed: Vec<Listed>) -> Vec<Listed> {
    listed.sort_by(|a, b| (a.part_number, &b.last_modified).cmp(&(b.part_number, &a.last_modified)));
    listed.dedup_by_key(|part| part.part_number);
    listed
}

impl Document {
    /// AWS sends blanks while it is at work, and the document after them.
    fn parse(body: &[u8]) -> Option<Self> {
        quick_xml::de::from_str(std::str::from_utf8(body).ok()?.trim_start()).ok()
    }
}

/// The parts that a `ListParts` answer has, and whether there are more. Nothing when it cannot be read.
#[must_use]
pub fn parts_of(xml: &str, checksum: Option<PartChecksum>) -> Option<(Vec<UploadedPart>, bool)> {
    let Some(Document::Page(page)) = Document::parse(xml.as_bytes()) else { return None };
    Some((page.parts.into_iter().map(|part| part.into_part(checksum)).collect(), page.is_truncated))
}

/// An entity tag without quotes, which not everybody writes.
pub(crate) fn bare(etag: &str) -> &str {
    etag.trim().trim_matches('"')
}

impl BucketClient {
    /// Begins an upload with these headers, names in lower case, and gives S3's name for it.
    ///
    /// # Errors
    ///
    /// [`BucketError`] when the bucket did not begin one.
    pub(crate) async fn begin_upload(
        &self,
        grant: &Grant,
        headers: &[(&'static str, &str)],
        now: Timestamp,
    ) -> Result<String, BucketError> {
        self.takes(grant, Action::CreateMultipart)?;
        let mut headers = headers.to_vec();
        headers.sort_unstable();
        let sign = |now| {
            let call = self.object_call(grant, &[("uploads", "")], &headers, now)?;
            Ok(headers.iter().fold(call, |call, (name, value)| call.header(*name, *value)))
        };
        let answer = self.call(self.span(now).of(Operation::Multipart), MAX_ERROR_BODY_BYTES, sign).await?;
        match document(&answer) {
            Some(Document::Begun(begun)) if is_usable(&begun.upload_id) => Ok(begun.upload_id),
            _ => Err(answer.into_error("UnreadableUpload")),
        }
    }

    /// All parts that are there, in the order of their numbers; nothing when there is no such upload.
    ///
    /// # Errors
    ///
    /// [`BucketError`] when the bucket does not say.
    pub(crate) async fn uploaded_parts(
        &self,
        grant: &Grant,
        (upload_id, checksum): (&str, Option<PartChecksum>),
        now: Timestamp,
    ) -> Result<Option<Vec<UploadedPart>>, BucketError> {
        self.takes(grant, Action::ListParts)?;
        let span = self.span(now).of(Operation::Multipart);
        let mut parts: Vec<UploadedPart> = Vec::new();
        loop {
            let after = parts.last().map_or(0, |part| part.number);
            let answer = self.parts_after(grant, upload_id, after, span).await?;
            if is_gone(&answer) {
                return Ok(None);
            }
            let Some(Document::Page(page)) = document(&answer) else {
                return Err(answer.into_error("UnreadableParts"));
            };
            // Each page goes on where the one before it ended, or this would have no end.
            let mut last = after;
            for part in in_order(page.parts) {
                if part.part_number <= last || part.part_number > MAX_PARTS {
                    return Err(answer.into_error("UnreadableParts"));
                }
                last = part.part_number;
                parts.push(part.into_part(checksum));
            }
            if !page.is_truncated {
                return Ok(Some(parts));
            }
            if last == after {
                return Err(answer.into_error("UnreadableParts"));
            }
        }
    }

    async fn parts_after(&self, grant: &Grant, upload_id: &str, after: u32, span: Span) -> Result<Answer, BucketError> {
        let marker = after.to_string();
        let later = [("max-parts", PAGE), ("part-number-marker", marker.as_str()), ("uploadId", upload_id)];
        let first = [("max-parts", PAGE), ("uploadId", upload_id)];
        let query = if after == 0 { &first[..] } else { &later[..] };
        self.call(span, MAX_PAGE_BYTES, |now| self.object_call(grant, query, &[], now)).await
    }

    /// Makes the object of its parts, and gives its entity tag, bare.
    ///
    /// # Errors
    ///
    /// [`BucketError::Refused`] with S3's code when the bucket did not make it; another one when that is not known, and
    /// the call may be made again.
    pub(crate) async fn complete_upload(
        &self,
        grant: &Grant,
        completion: &Completion<'_>,
        now: Timestamp,
    ) -> Result<String, BucketError> {
        self.takes(grant, Action::CompleteMultipart)?;
        let body = completion.document();
        let once = [(IF_NONE_MATCH, "*")];
        let headers = if completion.write_once { &once[..] } else { &[] };
        let query = [("uploadId", completion.upload_id)];
        let sign = |now| {
            let call = self.object_call(grant, &query, headers, now)?;
            let call = headers.iter().fold(call, |call, (name, value)| call.header(*name, *value));
            // The client's own timeout is for quick calls.
            Ok(call.timeout(completion.within).header(CONTENT_TYPE, "application/xml").body(body.clone()))
        };
        let answer = self
            .call(Span::within(now, completion.within).of(Operation::Multipart), MAX_ERROR_BODY_BYTES, sign)
            .await?;
        match document(&answer) {
            Some(Document::Completed(completed)) => Ok(bare(&completed.etag).to_owned()),
            _ => Err(answer.into_error("UnreadableCompletion")),
        }
    }

    /// What became of an upload that is no longer one: the object, if there is one. Part of completing it, so no right to
    /// read is asked for.
    ///
    /// # Errors
    ///
    /// [`BucketError`] when the bucket says neither.
    pub(crate) async fn object_of_upload(
        &self,
        grant: &Grant,
        now: Timestamp,
    ) -> Result<Option<ObjectInfo>, BucketError> {
        self.takes(grant, Action::CompleteMultipart)?;
        self.head_granted(grant, now).await
    }

    /// Throws the parts away. An upload that is not there is thrown away, too.
    ///
    /// # Errors
    ///
    /// [`BucketError`] when the bucket did not confirm it.
    pub(crate) async fn abort_upload(&self, grant: &Grant, upload_id: &str, now: Timestamp) -> Result<(), BucketError> {
        self.takes(grant, Action::AbortMultipart)?;
        let query = [("uploadId", upload_id)];
        let sign = |now| self.object_call(grant, &query, &[], now);
        let answer = self.call(self.span(now).of(Operation::Multipart), MAX_ERROR_BODY_BYTES, sign).await?;
        let is_yes = answer.is_plain_success() && answer.is_blank();
        if is_yes || is_gone(&answer) { Ok(()) } else { Err(answer.into_error("")) }
    }
}

impl Completion<'_> {
    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
    fn document(&self) -> Bytes {
        let mut xml = String::from("<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
        for part in self.parts {
            xml.push_str("<Part><PartNumber>");
            xml.push_str(&part.number.to_string());
            xml.push_str("</PartNumber>");
            if let Some(etag) = &part.etag {
                xml.extend(["<ETag>&quot;", &escape(etag.as_str()), "&quot;</ETag>"]);
            }
            if let (Some(checksum), Some(value)) = (self.checksum, &part.checksum) {
                let name = checksum.algorithm();
                xml.extend(["<Checksum", name, ">", &escape(value.as_str()), "</Checksum", name, ">"]);
            }
            xml.push_str("</Part>");
        }
        xml.push_str("</CompleteMultipartUpload>");
        xml.into()
    }
}

/// What a success says, if it was read to its end.
fn document(answer: &Answer) -> Option<Document> {
    answer.is_plain_success().then(|| Document::parse(&answer.body)).flatten()
}

/// Whether the bucket says that it has no such upload.
fn is_gone(answer: &Answer) -> bool {
    let code = answer.code();
    code == "NoSuchUpload" || (answer.status == StatusCode::NOT_FOUND && answer.is_blank() && code.is_empty())
}

fn is_usable(upload_id: &str) -> bool {
    (1..=MAX_UPLOAD_ID_BYTES).contains(&upload_id.len()) && !upload_id.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u32, checksum: Option<&str>) -> UploadedPart {
        UploadedPart { number, etag: Some(format!("e{number}")), size: 7, checksum: checksum.map(str::to_owned) }
    }

    #[test]
    fn a_list_of_parts_is_read() {
        let xml = r#"<?xml version="1.0" encoding="UTF-8"?>
            <ListPartsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Bucket>files</Bucket><Key>s1/f</Key>
              <UploadId>u</UploadId><PartNumberMarker>0</PartNumberMarker><NextPartNumberMarker>2</NextPartNumberMarker>
              <MaxParts>2</MaxParts><IsTruncated>true</IsTruncated>
              <Part><PartNumber>1</PartNumber><LastModified>2026-11-22T15:00:00Z</LastModified>
                <ETag>&quot;e1&quot;</ETag><Size>7</Size><ChecksumSHA256>abc=</ChecksumSHA256></Part>
              <Owner><ID>1</ID></Owner>
              <Part><PartNumber>2</PartNumber><ETag>e2</ETag><Size>7</Size></Part>
            </ListPartsResult>"#;
        let expected = vec![part(1, Some("abc=")), part(2, None)];
        assert_eq!(parts_of(xml, Some(PartChecksum::Sha256)), Some((expected, true)));
        assert_eq!(parts_of(xml, Some(PartChecksum::Crc32)), Some((vec![part(1, None), part(2, None)], true)));
        assert_eq!(parts_of("<ListPartsResult/>", None), Some((vec![], false)));
        let untagged = "<ListPartsResult><Part><PartNumber>1</PartNumber><Size>7</Size></Part></ListPartsResult>";
        assert_eq!(parts_of(untagged, None), Some((vec![UploadedPart { etag: None, ..part(1, None) }], false)));
    }

    /// `SeaweedFS` lists a part twice when a client gave up on it just as it arrived, and sent it again.
    #[test]
    fn a_part_that_is_listed_twice_is_the_newer_one() {
        let listed = |part_number, etag: &str, time: &str| Listed {
            part_number,
            etag: Some(etag.to_owned()),
            size: 7,
            last_modified: Some(format!("2026-11-22T15:00:{time}Z")),
            sha256: None,
            crc32: None,
            crc32c: None,
            crc64nvme: None,
        };
        let parts =
            vec![listed(2, "old", "01"), listed(1, "a", "05"), listed(2, "new", "02"), listed(2, "older", "00")];
        let kept: Vec<_> = in_order(parts).into_iter().map(|part| (part.part_number, part.etag.unwrap())).collect();
        assert_eq!(kept, [(1, "a".to_owned()), (2, "new".to_owned())]);
    }

    /// H18: what is no list must not pass for an empty one.
    #[test]
    fn what_is_no_list_of_parts_says_nothing() {
        for odd in [
            "",
            "<html></html>",
            "<Error><Code>SlowDown</Code></Error>",
            "<ListPartsResult><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></ListPartsResult>",
            "<ListPartsResult><Part><PartNumber>-1</PartNumber><ETag>e</ETag><Size>7</Size></Part></ListPartsResult>",
            "<ListPartsResult><Part>",
            "<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>",
        ] {
            assert_eq!(parts_of(odd, None), None, "{odd}");
        }
    }

    #[test]
    fn a_completion_names_each_part() {
        let parts = [part(1, Some("a+/=")), part(2, None)];
        let completion = |checksum| Completion {
            upload_id: "u",
            parts: &parts,
            checksum,
            write_once: false,
            within: Duration::from_secs(1),
        };
        let text = |completion: &Completion<'_>| String::from_utf8(completion.document().to_vec()).unwrap();
        let with = text(&completion(Some(PartChecksum::Crc64Nvme)));
        assert!(with.contains(
            "<Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;</ETag><ChecksumCRC64NVME>a+/=</ChecksumCRC64NVME></Part>\
             <Part><PartNumber>2</PartNumber><ETag>&quot;e2&quot;</ETag></Part>"
        ), "{with}");
        assert!(!text(&completion(None)).contains("Checksum"));
    }

    #[test]
    fn an_upload_id_is_one_line_of_bounded_text() {
        assert!(is_usable("2~a+/=") && is_usable(&"u".repeat(MAX_UPLOAD_ID_BYTES)));
        for odd in ["", "a\nb", &"u".repeat(MAX_UPLOAD_ID_BYTES + 1)] {
            assert!(!is_usable(odd), "{}", odd.len());
        }
    }
}
