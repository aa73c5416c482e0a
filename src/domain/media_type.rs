//! Media types (RFC 9110 section 8.3.1): which may be signed, and which run in a page.

/// The longest media type that is signed, in bytes.
const MAX_BYTES: usize = 255;

/// Whether `text` is `type/subtype` with parameters, and so can be signed and sent
/// as one header without being read differently by S3, a proxy or a browser.
#[must_use]
pub fn is_media_type(text: &str) -> bool {
    let mut parts = text.split(';');
    let essence = parts.next().and_then(|essence| essence.split_once('/'));
    text.len() <= MAX_BYTES
        && essence.is_some_and(|(kind, subtype)| is_token(kind) && is_token(subtype))
        && parts.all(is_parameter)
}

/// Endings of names that servers and browsers give an active type to.
const ACTIVE_ENDINGS: [&str; 22] = [
    "html", "htm", "shtml", "xhtml", "xht", "xml", "xsl", "xslt", "xsd", "svg", "svgz", "js", "mjs", "cjs", "jsm",
    "mht", "mhtml", "hta", "rss", "atom", "rdf", "mml",
];

/// Whether a browser that is led to a document of this type may run what is in it: HTML, all of XML with SVG, scripts,
/// what carries other documents, and what browsers guess at (<https://mimesniff.spec.whatwg.org/>).
#[must_use]
pub fn is_active(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let Some((kind, subtype)) = essence.split_once('/') else { return true };
    match kind {
        "multipart" | "message" => true,
        "text" | "application" | "unknown" if subtype == "unknown" => true,
        _ => {
            matches!(subtype, "html" | "xml" | "xsl" | "x-component")
                || subtype.ends_with("+xml")
                || subtype.starts_with("xml-")
                || ["javascript", "ecmascript", "jscript", "livescript"].iter().any(|script| subtype.contains(script))
        }
    }
}

/// The same for a name, by what stands behind its last dot.
#[must_use]
pub fn is_active_name(name: &str) -> bool {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.trim_end());
    ending.is_some_and(|ending| ACTIVE_ENDINGS.iter().any(|active| ending.eq_ignore_ascii_case(active)))
}

/// `name=token` or `name="text"`; the text without quotes, backslashes and semicolons.
fn is_parameter(part: &str) -> bool {
    let Some((name, value)) = part.strip_prefix(' ').unwrap_or(part).split_once('=') else { return false };
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '\\');
    is_token(name) && quoted.map_or_else(|| is_token(value), |text| text.chars().all(plain))
}

/// RFC 9110 section 5.6.2.
fn is_token(text: &str) -> bool {
    let in_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    !text.is_empty() && text.chars().all(in_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runs_in_a_page_is_told_from_the_rest() {
        for active in [
            "text/html",
            "Text/HTML; charset=utf-8",
            "application/xhtml+xml",
            "image/svg+xml",
            "text/xml",
            "application/xml",
            "application/atom+xml",
            "application/xml-dtd",
            "text/javascript",
            "application/x-javascript",
            "text/javascript1.5",
            "application/ecmascript",
            "text/jscript",
            "multipart/x-mixed-replace",
            "message/rfc822",
            "unknown/unknown",
            "application/unknown",
            "png",
        ] {
            assert!(is_active(active), "{active}");
        }
        for plain in ["image/png", "text/plain;charset=utf-8", "application/pdf", "application/json", "video/mp4"] {
            assert!(!is_active(plain), "{plain}");
        }
        for active in ["a.svg", "a.b.HTML", ".htm", "x.JS ", "feed.rss"] {
            assert!(is_active_name(active), "{active}");
        }
        for plain in ["svg", "a.svg.png", "html", "a.json", "a.", "", "a.svgx", "a.txt"] {
            assert!(!is_active_name(plain), "{plain}");
        }
    }

    #[test]
    fn media_types_are_told_from_the_rest() {
        for good in [
            "image/png",
            "text/plain;charset=utf-8",
            "text/plain; charset=\"utf-8\"",
            "application/vnd.api+json",
            "multipart/form-data; boundary=x; a=b",
        ] {
            assert!(is_media_type(good), "{good}");
        }
        // K13, K19
        for bad in [
            "",
            "png",
            "image/",
            "/png",
            "a/b, c/d",
            "a/b c",
            " a/b",
            "a/b ",
            "a/b;",
            "a/b;x",
            "a/b; x=",
            "text/html;x=\r\nX:1",
            "a/b\0",
            "a/é",
            "a/b; x=\"",
            "a/b;  x=y",
            "a/b; x y=z",
            "a/b; =z",
            "a/b; x=\"a b\"",
            "a/b; x=\"a\\b\"",
            "a/b; x=\"\u{e9}\"",
        ] {
            assert!(!is_media_type(bad), "{bad:?}");
        }
        assert!(!is_media_type(&format!("a/{}", "b".repeat(10_000))));
    }
}
