//! The CORS rule that a bucket needs for our URLs to work in pages, in the forms that providers take.

use serde::Serialize;

use crate::config::{Config, Storage};
use crate::domain::upload::{ChecksumRule, SIZE_OF_PARTS, UploadRules};
use crate::storage::Support;

/// The pages that use the bucket.
#[derive(Debug, Clone)]
pub struct Pages<'a> {
    /// Their origins, as browsers write them.
    pub origins: &'a [String],
    /// The headers that we have them send, sorted.
    pub headers: Vec<&'static str>,
    /// They upload in parts: they read the `ETag` of what they put, and may have it checked by a CRC.
    pub in_parts: bool,
    /// Whether they send forms, and begin and end uploads at the bucket, as those with Uppy do.
    pub posts: bool,
}

impl<'a> Pages<'a> {
    /// The pages of this configuration, as far as they use this storage.
    #[must_use]
    pub fn of(config: &'a Config, storage: &Storage) -> Self {
        let mut headers = sent_headers(&storage.upload_rules);
        if config.uppy.enabled && storage.provider.size_of_parts == Support::Yes {
            headers.push(SIZE_OF_PARTS);
            headers.sort_unstable();
        }
        Self {
            origins: &config.server.cors.origins,
            headers,
            in_parts: config.multipart.is_some(),
            posts: config.uppy.enabled,
        }
    }
}

/// Headers that uploads under these rules carry and a browser asks about first. In the order of browsers: sorted.
fn sent_headers(rules: &UploadRules) -> Vec<&'static str> {
    let checksum = (rules.checksum != ChecksumRule::Off).then_some("x-amz-checksum-sha256");
    let once = rules.write_once.then_some("if-none-match");
    let fixed = rules.fixed_headers.iter().map(|(name, _)| *name);
    let mut headers: Vec<_> = fixed.chain(checksum).chain(once).chain(["content-type"]).collect();
    headers.sort_unstable();
    headers
}

/// What the rule allows besides: what other settings would need, and `Range` and `If-Range`, which a Service Worker
/// may add by itself, to play a film from the middle.
const ALWAYS_ALLOWED: [&str; 5] = ["content-type", "if-none-match", "if-range", "range", "x-amz-checksum-sha256"];

/// What parts may be checked by besides.
const OF_PARTS: [&str; 3] = ["x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-crc64nvme"];

fn allowed_headers(pages: &Pages<'_>) -> Vec<&'static str> {
    let of_parts = if pages.in_parts { &OF_PARTS[..] } else { &[] };
    let mut headers: Vec<_> = ALWAYS_ALLOWED.iter().chain(of_parts).chain(&pages.headers).copied().collect();
    headers.sort_unstable();
    headers.dedup();
    headers
}

const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "DELETE", "POST"];
const EXPOSED: [&str; 4] = ["ETag", "Content-Range", "Accept-Ranges", "Location"];

/// What every page needs, and what a form does: the method, and where its object is.
fn with_posts<'l>(list: &'l [&'static str], posts: bool) -> &'l [&'static str] {
    if posts { list } else { list.split_last().map_or(list, |(_, rest)| rest) }
}
const MAX_AGE_SECS: u32 = 600;

/// Tells our rule from those that others have put into the bucket.
const RULE_ID: &str = "<ID>filesync-signer</ID>";

/// How the document is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorsFormat {
    /// For `aws s3api put-bucket-cors`, and R2.
    Json,
    /// For S3's `PutBucketCors` itself.
    Xml,
    /// For a server that has no CORS by bucket: the variable of `MinIO`.
    Minio,
}

/// The CORS document of a bucket whose objects these pages move.
#[must_use]
pub fn cors_document(pages: &Pages<'_>, format: CorsFormat) -> String {
    match format {
        CorsFormat::Json => json(pages),
        CorsFormat::Xml => xml(pages, &[]),
        CorsFormat::Minio => format!("MINIO_API_CORS_ALLOW_ORIGIN={}", pages.origins.join(",")),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rule<'a> {
    allowed_origins: &'a [String],
    allowed_methods: &'a [&'static str],
    allowed_headers: Vec<&'static str>,
    expose_headers: &'a [&'static str],
    max_age_seconds: u32,
}

impl<'a> Rule<'a> {
    fn of(pages: &Pages<'a>) -> Self {
        Self {
            allowed_origins: pages.origins,
            allowed_methods: with_posts(&METHODS, pages.posts),
            allowed_headers: allowed_headers(pages),
            expose_headers: with_posts(&EXPOSED, pages.posts),
            max_age_seconds: MAX_AGE_SECS,
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "CORSRules")]
    rules: [Rule<'a>; 1],
}

fn json(pages: &Pages<'_>) -> String {
    // Texts and numbers can always be written.
    serde_json::to_string_pretty(&Document { rules: [Rule::of(pages)] }).unwrap_or_default()
}

/// The rule alone, on one line.
pub(super) fn one_line(pages: &Pages<'_>) -> String {
    serde_json::to_string(&Rule::of(pages)).unwrap_or_default()
}

/// `others` are rules as they stand in the bucket. They keep their place before ours: the first that fits counts.
fn xml(pages: &Pages<'_>, others: &[&str]) -> String {
    let mut text = String::from("<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n");
    for rule in others {
        text.extend(["<CORSRule>", rule, "</CORSRule>\n"]);
    }
    text.extend(["<CORSRule>\n  ", RULE_ID, "\n"]);
    let mut element = |name: &str, value: &str| {
        let value = value.replace('&', "&amp;").replace('<', "&lt;");
        text.extend(["  <", name, ">", &value, "</", name, ">\n"]);
    };
    for origin in pages.origins {
        element("AllowedOrigin", origin);
    }
    let headers = allowed_headers(pages);
    let (methods, exposed) = (with_posts(&METHODS, pages.posts), with_posts(&EXPOSED, pages.posts));
    let lists: [(&str, &[&str]); 3] =
        [("AllowedMethod", methods), ("AllowedHeader", &headers), ("ExposeHeader", exposed)];
    for (name, values) in lists {
        for value in values {
            element(name, value);
        }
    }
    element("MaxAgeSeconds", &MAX_AGE_SECS.to_string());
    text.push_str("</CORSRule>\n</CORSConfiguration>");
    text
}

/// The bucket's document with our rule for these pages in it, in place of an earlier one of ours.
/// Nothing when `document` is written in a way that we do not understand: other rules must not be lost.
pub(super) fn with_our_rule(document: &str, pages: &Pages<'_>) -> Option<String> {
    let (start, end) = ("<CORSRule>", "</CORSRule>");
    let rules: Vec<_> =
        document.split(start).skip(1).map(|rest| Some(rest.split_once(end)?.0)).collect::<Option<_>>()?;
    let named = document.matches("CORSRule").count();
    if named != rules.len().saturating_mul(2) {
        return None;
    }
    let others: Vec<_> = rules.into_iter().filter(|rule| !rule.contains(RULE_ID)).collect();
    Some(xml(pages, &others))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Vec<String> {
        vec!["https://app.example.com".to_owned()]
    }

    fn pages(origins: &[String]) -> Pages<'_> {
        Pages { origins, headers: vec!["content-type"], in_parts: false, posts: false }
    }

    /// What a configuration adds is asked for and allowed.
    #[test]
    fn the_headers_of_the_configuration_are_allowed() {
        let rules = UploadRules {
            max_bytes: None,
            content_types: Vec::new(),
            checksum: ChecksumRule::Off,
            write_once: true,
            fixed_headers: vec![("cache-control", "private".to_owned())],
        };
        let headers = sent_headers(&rules);
        assert_eq!(headers, ["cache-control", "content-type", "if-none-match"]);
        let origins = origins();
        let document =
            cors_document(&Pages { origins: &origins, headers, in_parts: true, posts: false }, CorsFormat::Xml);
        assert!(document.contains("<AllowedHeader>cache-control</AllowedHeader>"), "{document}");
    }

    /// Uppy's forms are posted, and it begins and ends uploads in parts by POST.
    #[test]
    fn pages_with_uppy_may_post() {
        let origins = origins();
        for posts in [false, true] {
            let document = cors_document(&Pages { posts, ..pages(&origins) }, CorsFormat::Xml);
            for element in ["<AllowedMethod>POST</AllowedMethod>", "<ExposeHeader>Location</ExposeHeader>"] {
                assert_eq!(document.contains(element), posts, "{document}");
            }
            assert!(document.contains("<AllowedMethod>DELETE</AllowedMethod>"), "{document}");
            assert!(document.contains("<ExposeHeader>ETag</ExposeHeader>"), "{document}");
        }
    }

    #[test]
    fn the_document_is_the_one_that_is_shipped() {
        let shipped: serde_json::Value = serde_json::from_str(include_str!("../../deploy/bucket/cors.json")).unwrap();
        let ours: serde_json::Value =
            serde_json::from_str(&cors_document(&pages(&origins()), CorsFormat::Json)).unwrap();
        assert_eq!(ours, shipped);
    }

    #[test]
    fn minio_takes_the_origins_in_a_variable() {
        let origins = ["https://a.example".to_owned(), "https://b.example".to_owned()];
        assert_eq!(
            cors_document(&pages(&origins), CorsFormat::Minio),
            "MINIO_API_CORS_ALLOW_ORIGIN=https://a.example,https://b.example"
        );
    }

    #[test]
    fn rules_of_others_are_kept_and_ours_is_replaced() {
        let theirs = "<AllowedOrigin>https://other.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod>";
        let document = format!("<CORSConfiguration><CORSRule>{theirs}</CORSRule></CORSConfiguration>");
        let once = with_our_rule(&document, &pages(&["https://old.example".to_owned()])).unwrap();
        let twice = with_our_rule(&once, &pages(&origins())).unwrap();
        assert!(once.contains(theirs) && once.contains("old.example"));
        assert!(twice.contains(theirs) && twice.contains("https://app.example.com") && !twice.contains("old.example"));
        assert_eq!(twice.matches("<CORSRule>").count(), 2);
        assert_eq!(with_our_rule("", &pages(&origins())), Some(cors_document(&pages(&origins()), CorsFormat::Xml)));
    }

    #[test]
    fn a_document_that_is_not_understood_is_left_alone() {
        for document in ["<CORSRule xmlns=\"x\"></CORSRule>", "<CORSRule>", "<s3:CORSRule></s3:CORSRule>"] {
            assert_eq!(with_our_rule(document, &pages(&origins())), None, "{document}");
        }
    }
}
