//! The CORS rule that a bucket needs for our URLs to work in pages, in the forms that providers take.

use serde::Serialize;

/// Headers that we have clients send, which a browser asks about first. In the order of browsers: sorted.
pub(super) const HEADERS: [&str; 3] = ["content-type", "if-none-match", "x-amz-checksum-sha256"];

/// A Service Worker may add `Range` by itself, to play a film from the middle.
const ALLOWED_HEADERS: [&str; 4] = ["content-type", "if-none-match", "range", "x-amz-checksum-sha256"];
const METHODS: [&str; 4] = ["GET", "HEAD", "PUT", "DELETE"];
const EXPOSED: [&str; 3] = ["ETag", "Content-Range", "Accept-Ranges"];
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

/// The CORS document of a bucket whose objects pages of these origins move.
#[must_use]
pub fn cors_document(origins: &[String], format: CorsFormat) -> String {
    match format {
        CorsFormat::Json => json(origins),
        CorsFormat::Xml => xml(origins, &[]),
        CorsFormat::Minio => format!("MINIO_API_CORS_ALLOW_ORIGIN={}", origins.join(",")),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Rule<'a> {
    allowed_origins: &'a [String],
    allowed_methods: [&'a str; 4],
    allowed_headers: [&'a str; 4],
    expose_headers: [&'a str; 3],
    max_age_seconds: u32,
}

impl<'a> Rule<'a> {
    fn of(origins: &'a [String]) -> Self {
        Self {
            allowed_origins: origins,
            allowed_methods: METHODS,
            allowed_headers: ALLOWED_HEADERS,
            expose_headers: EXPOSED,
            max_age_seconds: MAX_AGE_SECS,
        }
    }
}

#[derive(Serialize)]
struct Document<'a> {
    #[serde(rename = "CORSRules")]
    rules: [Rule<'a>; 1],
}

fn json(origins: &[String]) -> String {
    // Texts and numbers can always be written.
    serde_json::to_string_pretty(&Document { rules: [Rule::of(origins)] }).unwrap_or_default()
}

/// The rule alone, on one line.
pub(super) fn one_line(origins: &[String]) -> String {
    serde_json::to_string(&Rule::of(origins)).unwrap_or_default()
}

/// `others` are rules as they stand in the bucket. They keep their place before ours: the first that fits counts.
fn xml(origins: &[String], others: &[&str]) -> String {
    let mut text = String::from("<CORSConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\n");
    for rule in others {
        text.extend(["<CORSRule>", rule, "</CORSRule>\n"]);
    }
    text.extend(["<CORSRule>\n  ", RULE_ID, "\n"]);
    let mut element = |name: &str, value: &str| {
        let value = value.replace('&', "&amp;").replace('<', "&lt;");
        text.extend(["  <", name, ">", &value, "</", name, ">\n"]);
    };
    for origin in origins {
        element("AllowedOrigin", origin);
    }
    let lists: [(&str, &[&str]); 3] =
        [("AllowedMethod", &METHODS), ("AllowedHeader", &ALLOWED_HEADERS), ("ExposeHeader", &EXPOSED)];
    for (name, values) in lists {
        for value in values {
            element(name, value);
        }
    }
    element("MaxAgeSeconds", &MAX_AGE_SECS.to_string());
    text.push_str("</CORSRule>\n</CORSConfiguration>");
    text
}

/// The bucket's document with our rule for these origins in it, in place of an earlier one of ours.
/// Nothing when `document` is written in a way that we do not understand: other rules must not be lost.
pub(super) fn with_our_rule(document: &str, origins: &[String]) -> Option<String> {
    let (start, end) = ("<CORSRule>", "</CORSRule>");
    let rules: Vec<_> =
        document.split(start).skip(1).map(|rest| Some(rest.split_once(end)?.0)).collect::<Option<_>>()?;
    let named = document.matches("CORSRule").count();
    if named != rules.len().saturating_mul(2) {
        return None;
    }
    let others: Vec<_> = rules.into_iter().filter(|rule| !rule.contains(RULE_ID)).collect();
    Some(xml(origins, &others))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins() -> Vec<String> {
        vec!["https://app.example.com".to_owned()]
    }

    #[test]
    fn the_document_is_the_one_that_is_shipped() {
        let shipped: serde_json::Value = serde_json::from_str(include_str!("../../deploy/bucket/cors.json")).unwrap();
        let ours: serde_json::Value = serde_json::from_str(&cors_document(&origins(), CorsFormat::Json)).unwrap();
        assert_eq!(ours, shipped);
    }

    #[test]
    fn minio_takes_the_origins_in_a_variable() {
        let origins = ["https://a.example".to_owned(), "https://b.example".to_owned()];
        assert_eq!(
            cors_document(&origins, CorsFormat::Minio),
            "MINIO_API_CORS_ALLOW_ORIGIN=https://a.example,https://b.example"
        );
    }

    #[test]
    fn rules_of_others_are_kept_and_ours_is_replaced() {
        let theirs = "<AllowedOrigin>https://other.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod>";
        let document = format!("<CORSConfiguration><CORSRule>{theirs}</CORSRule></CORSConfiguration>");
        let once = with_our_rule(&document, &["https://old.example".to_owned()]).unwrap();
        let twice = with_our_rule(&once, &origins()).unwrap();
        assert!(once.contains(theirs) && once.contains("old.example"));
        assert!(twice.contains(theirs) && twice.contains("https://app.example.com") && !twice.contains("old.example"));
        assert_eq!(twice.matches("<CORSRule>").count(), 2);
        assert_eq!(with_our_rule("", &origins()), Some(cors_document(&origins(), CorsFormat::Xml)));
    }

    #[test]
    fn a_document_that_is_not_understood_is_left_alone() {
        for document in ["<CORSRule xmlns=\"x\"></CORSRule>", "<CORSRule>", "<s3:CORSRule></s3:CORSRule>"] {
            assert_eq!(with_our_rule(document, &origins()), None, "{document}");
        }
    }
}
