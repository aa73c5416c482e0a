//! Media types (RFC 9110 section 8.3.1), as far as one may be signed.

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
