//! What an upload is bound to, so that the bucket itself refuses another length, type or other bytes.
//!
//! Every bound is a header that the URL's signature covers. Each one must be allowed
//! by the bucket's CORS rules, so only what is asked for is bound: `host` always,
//! then length, type and checksum where they are known.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key::ObjectKey;
use super::media_type::is_media_type;
use super::parts::{MAX_OBJECT_BYTES, PartChecksum};

/// The most that S3 takes in one PUT: 5 GiB.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html>
pub const MAX_PUT_BYTES: u64 = 5 * 1024 * 1024 * 1024;

/// The header that binds what the parts of an object come to, where the end of their upload is signed.
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html>
pub const SIZE_OF_PARTS: &str = "x-amz-mp-object-size";

/// The type of bytes that nobody names (RFC 9110 section 8.3).
const UNNAMED_TYPE: &str = "application/octet-stream";

/// Length of a SHA-256 in bytes.
const SHA256_BYTES: usize = 32;

/// When the SHA-256 of the bytes is bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChecksumRule {
    /// Never: a checksum that a caller gives cannot be kept to, and is refused.
    Off,
    /// When it is known: given by the caller, or by a key that ends in it.
    Auto,
    /// Always: an upload whose checksum is not known is refused.
    Require,
}

/// What uploads are held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadRules {
    /// The largest object; with a limit, every upload must say its length.
    pub max_bytes: Option<u64>,
    /// Media types that are taken, such as `image/*`, in lower case. Empty: all.
    pub content_types: Vec<String>,
    /// Whether the bytes are bound.
    pub checksum: ChecksumRule,
    /// Whether an object that is there must stay as it is (`If-None-Match: *`).
    pub write_once: bool,
    /// Further headers that every object gets, names in lower case: `cache-control` and `x-amz-*`.
    pub fixed_headers: Vec<(&'static str, String)>,
}

impl UploadRules {
    /// The first setting that holds each upload by its own signature, and so not who signs for itself, if there is any.
    #[must_use]
    pub fn needs_a_signature_each(&self) -> Option<&'static str> {
        [
            (self.max_bytes.is_some(), "upload.max_bytes"),
            (!self.content_types.is_empty(), "upload.content_types"),
            (self.checksum != ChecksumRule::Off, "upload.checksum (other than `off`)"),
            (self.write_once, "upload.write_once"),
            (!self.fixed_headers.is_empty(), "a header of every object (upload.cache_control and those behind it)"),
        ]
        .into_iter()
        .find_map(|(is_set, setting)| is_set.then_some(setting))
    }
}

/// What a caller says of the bytes that it is going to send.
#[derive(Debug, Clone, Copy, Default)]
pub struct UploadClaim<'a> {
    /// Bytes.
    pub content_length: Option<u64>,
    /// The media type; browsers give "" to a file whose type they do not know.
    pub content_type: Option<&'a str>,
    /// Base64 of the SHA-256.
    pub checksum_sha256: Option<&'a str>,
    /// The token's own limit in bytes.
    pub token_max_bytes: Option<u64>,
}

/// What a caller says of the bytes that it is going to send in parts.
#[derive(Debug, Clone, Copy)]
pub struct PartsClaim<'a> {
    /// Bytes in all.
    pub content_length: u64,
    /// As in [`UploadClaim`].
    pub content_type: Option<&'a str>,
    /// What each part is checked by.
    pub checksum: Option<PartChecksum>,
    /// The token's own limit in bytes.
    pub token_max_bytes: Option<u64>,
}

/// Why an upload is not signed. The texts are safe to show to the caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadRefused {
    /// Longer than is allowed.
    #[error("contentLength is more than {limit} bytes, the most that may be uploaded")]
    TooLarge {
        /// In bytes.
        limit: u64,
    },
    /// There is a limit, and the length is not known.
    #[error("contentLength is missing; at most {limit} bytes may be uploaded")]
    LengthMissing {
        /// In bytes.
        limit: u64,
    },
    /// No media type.
    #[error("contentType must be a media type such as image/png")]
    ContentType,
    /// A media type that is not on the list.
    #[error("files of this contentType may not be uploaded")]
    ContentTypeNotAllowed,
    /// Not the base64 of 32 bytes.
    #[error("checksumSha256 must be the base64 of a SHA-256")]
    Checksum,
    /// The key ends in another SHA-256.
    #[error("checksumSha256 is not the SHA-256 that the key ends in")]
    ChecksumDiffers,
    /// It must be bound and is not known.
    #[error("checksumSha256 is missing, and the key does not end in one")]
    ChecksumMissing,
    /// It is given and cannot be bound.
    #[error("checksumSha256 cannot be kept to: checksums are off, or this storage does not check them")]
    ChecksumUnavailable,
    /// `sha256` is demanded of every part.
    #[error("checksum must be sha256: every part has to be bound to its bytes")]
    PartChecksumMissing,
    /// The parts cannot be bound as was asked.
    #[error("checksum cannot be kept to: checksums are off, or this storage does not check them")]
    PartChecksumUnavailable,
    /// The hash of the whole is demanded, and nobody checks it of parts.
    #[error("the key ends in a SHA-256, which no storage checks of an upload in parts: send it by one PUT")]
    WholeChecksumUnavailable,
    /// An object that is there would not be kept.
    #[error("this storage cannot keep an upload in parts from replacing an object that is there: send it by one PUT")]
    WriteOnceUnavailable,
    /// More parts could come after they were measured.
    #[error(
        "there is a limit, and this storage cannot bind the end of an upload in parts to its length: use /multipart or Companion's routes, which end it here"
    )]
    LengthUnavailable,
}

/// Headers to sign, in no order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UploadHeaders(Vec<(&'static str, String)>);

impl UploadHeaders {
    /// These, each name once.
    #[must_use]
    pub fn new(headers: Vec<(&'static str, String)>) -> Self {
        Self(headers)
    }

    /// Names in lower case, and values.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The same as a list, for the presigner.
    #[must_use]
    pub fn borrowed(&self) -> Vec<(&'static str, &str)> {
        self.iter().collect()
    }
}

impl UploadRules {
    /// The headers that bind an upload to `key`.
    ///
    /// # Errors
    ///
    /// [`UploadRefused`] names the first rule that the claim breaks.
    pub fn headers(&self, key: &ObjectKey, claim: &UploadClaim<'_>) -> Result<UploadHeaders, UploadRefused> {
        let mut headers = self.fixed_headers.clone();
        if let Some(length) = self.length(claim)? {
            headers.push(("content-length", length.to_string()));
        }
        if let Some(content_type) = self.content_type(claim.content_type)? {
            headers.push(("content-type", content_type.to_owned()));
        }
        if let Some(checksum) = self.checksum(key, claim.checksum_sha256)? {
            headers.push(("x-amz-checksum-sha256", checksum));
        }
        if self.write_once {
            headers.push(("if-none-match", "*".to_owned()));
        }
        Ok(UploadHeaders(headers))
    }

    /// The headers that an upload in parts to `key` begins with. What is bound of its parts is for each of them.
    ///
    /// # Errors
    ///
    /// [`UploadRefused`] names the first rule that the claim breaks.
    pub fn parts_headers(&self, key: &ObjectKey, claim: &PartsClaim<'_>) -> Result<UploadHeaders, UploadRefused> {
        let limits = [self.max_bytes, claim.token_max_bytes, Some(MAX_OBJECT_BYTES)];
        let limit = limits.into_iter().flatten().min().unwrap_or(MAX_OBJECT_BYTES);
        if claim.content_length > limit {
            return Err(UploadRefused::TooLarge { limit });
        }
        let mut headers = self.fixed_headers.clone();
        if let Some(content_type) = self.content_type(claim.content_type)? {
            headers.push(("content-type", content_type.to_owned()));
        }
        match (self.checksum, claim.checksum) {
            (ChecksumRule::Off, Some(_)) => return Err(UploadRefused::PartChecksumUnavailable),
            // SECURITY: in one PUT such a key holds the bytes to its hash; parts are no way around that.
            (ChecksumRule::Auto | ChecksumRule::Require, _) if checksum_in(key).is_some() => {
                return Err(UploadRefused::WholeChecksumUnavailable);
            }
            // Others tell of accidents, not of other bytes that somebody chose.
            (
                ChecksumRule::Require,
                None | Some(PartChecksum::Crc32 | PartChecksum::Crc32c | PartChecksum::Crc64Nvme),
            ) => {
                return Err(UploadRefused::PartChecksumMissing);
            }
            (_, Some(checksum)) => headers.push(("x-amz-checksum-algorithm", checksum.algorithm().to_owned())),
            (_, None) => {}
        }
        Ok(UploadHeaders(headers))
    }

    /// A limit needs a length to bind, or the bucket would take any.
    fn length(&self, claim: &UploadClaim<'_>) -> Result<Option<u64>, UploadRefused> {
        let configured = [self.max_bytes, claim.token_max_bytes].into_iter().flatten().min();
        let limit = configured.unwrap_or(MAX_PUT_BYTES).min(MAX_PUT_BYTES);
        match claim.content_length {
            Some(length) if length > limit => Err(UploadRefused::TooLarge { limit }),
            None if configured.is_some() => Err(UploadRefused::LengthMissing { limit }),
            length => Ok(length),
        }
    }

    /// Where types are limited, one that is not named is bound as unnamed, or a client could send any.
    pub(super) fn content_type<'a>(&self, named: Option<&'a str>) -> Result<Option<&'a str>, UploadRefused> {
        let named = named.filter(|text| !text.is_empty());
        if let Some(text) = named
            && !is_media_type(text)
        {
            return Err(UploadRefused::ContentType);
        }
        if self.content_types.is_empty() {
            return Ok(named);
        }
        let content_type = named.unwrap_or(UNNAMED_TYPE);
        let allowed = self.content_types.iter().any(|pattern| matches_type(pattern, content_type));
        if allowed { Ok(Some(content_type)) } else { Err(UploadRefused::ContentTypeNotAllowed) }
    }

    fn checksum(&self, key: &ObjectKey, given: Option<&str>) -> Result<Option<String>, UploadRefused> {
        let given = given.map(checked_checksum).transpose()?;
        match (self.checksum, given, checksum_in(key)) {
            (ChecksumRule::Off, Some(_), _) => Err(UploadRefused::ChecksumUnavailable),
            (ChecksumRule::Off, None, _) => Ok(None),
            (_, Some(given), Some(of_key)) if given != of_key => Err(UploadRefused::ChecksumDiffers),
            (ChecksumRule::Require, None, None) => Err(UploadRefused::ChecksumMissing),
            (_, given, of_key) => Ok(of_key.or(given)),
        }
    }
}

/// `image/*`, `*/*` or a whole type, against a type without its parameters.
pub(super) fn matches_type(pattern: &str, content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match pattern.strip_suffix("/*") {
        Some("*") => true,
        Some(kind) => essence.split_once('/').is_some_and(|(own, _)| own == kind),
        None => essence == pattern,
    }
}

/// Whether a text can stand in [`UploadRules::content_types`].
#[must_use]
pub fn is_type_pattern(text: &str) -> bool {
    let whole = text.strip_suffix("/*").map_or_else(|| text.to_owned(), |kind| format!("{kind}/x"));
    text == "*/*"
        || (is_media_type(&whole) && !text.contains(';') && !whole.contains('*') && text == text.to_ascii_lowercase())
}

/// The base64 of a SHA-256, as it was given.
///
/// # Errors
///
/// [`UploadRefused::Checksum`] when it is none.
pub fn checked_checksum(checksum: &str) -> Result<String, UploadRefused> {
    match STANDARD.decode(checksum) {
        Ok(bytes) if bytes.len() == SHA256_BYTES => Ok(checksum.to_owned()),
        _ => Err(UploadRefused::Checksum),
    }
}

/// The SHA-256 that a content-addressed key ends in, in base64.
fn checksum_in(key: &ObjectKey) -> Option<String> {
    let name = key.last_segment();
    if name.len() != SHA256_BYTES * 2 {
        return None;
    }
    let digit = |c: &u8| matches!(c, b'0'..=b'9' | b'a'..=b'f').then(|| char::from(*c).to_digit(16)).flatten();
    let digits: Vec<u32> = name.as_bytes().iter().map(digit).collect::<Option<_>>()?;
    // The two halves of a byte share no bit, so `^` would do as well.
    let bytes = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit));
    let bytes: Vec<u8> = bytes.map(u8::try_from).collect::<Result<_, _>>().ok()?;
    Some(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES};

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    const BASE64: &str = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=";
    const OTHER: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

    fn rules() -> UploadRules {
        UploadRules {
            max_bytes: None,
            content_types: Vec::new(),
            checksum: ChecksumRule::Auto,
            write_once: false,
            fixed_headers: Vec::new(),
        }
    }

    fn key(text: &str) -> ObjectKey {
        ObjectKey::parse(
            text,
            &KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES },
        )
        .unwrap()
    }

    fn bound(
        rules: &UploadRules,
        name: &str,
        claim: UploadClaim<'_>,
    ) -> Result<Vec<(&'static str, String)>, UploadRefused> {
        let headers = rules.headers(&key(name), &claim)?;
        Ok(headers.borrowed().into_iter().map(|(name, value)| (name, value.to_owned())).collect())
    }

    fn one(name: &'static str, value: &str) -> Vec<(&'static str, String)> {
        vec![(name, value.to_owned())]
    }

    /// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>
    #[test]
    fn one_put_carries_five_gibibytes() {
        assert_eq!(MAX_PUT_BYTES, 5_368_709_120);
    }

    /// K21: what is too long is refused, and what is signed is bound.
    #[test]
    fn a_limit_needs_a_length() {
        let claim = |length| UploadClaim { content_length: length, ..UploadClaim::default() };
        assert_eq!(bound(&rules(), "s/f", claim(None)), Ok(vec![]));
        assert_eq!(bound(&rules(), "s/f", claim(Some(0))), Ok(one("content-length", "0")));
        assert_eq!(
            bound(&rules(), "s/f", claim(Some(MAX_PUT_BYTES + 1))),
            Err(UploadRefused::TooLarge { limit: MAX_PUT_BYTES })
        );
        let limited = UploadRules { max_bytes: Some(1000), ..rules() };
        assert_eq!(bound(&limited, "s/f", claim(None)), Err(UploadRefused::LengthMissing { limit: 1000 }));
        assert_eq!(bound(&limited, "s/f", claim(Some(1000))), Ok(one("content-length", "1000")));
        assert_eq!(bound(&limited, "s/f", claim(Some(1001))), Err(UploadRefused::TooLarge { limit: 1000 }));
        // The smaller of the two limits counts, whichever it is.
        let both = |length, token| UploadClaim { token_max_bytes: Some(token), ..claim(Some(length)) };
        assert_eq!(bound(&limited, "s/f", both(501, 500)), Err(UploadRefused::TooLarge { limit: 500 }));
        assert_eq!(bound(&limited, "s/f", both(1001, 5000)), Err(UploadRefused::TooLarge { limit: 1000 }));
        assert_eq!(
            bound(&rules(), "s/f", UploadClaim { token_max_bytes: Some(0), ..claim(Some(1)) }),
            Err(UploadRefused::TooLarge { limit: 0 })
        );
    }

    /// K19: a type is one header, and on the list.
    #[test]
    fn content_types_are_bound_and_limited() {
        let claim = |text| UploadClaim { content_type: text, ..UploadClaim::default() };
        assert_eq!(bound(&rules(), "s/f", claim(Some("text/html"))), Ok(one("content-type", "text/html")));
        assert_eq!(bound(&rules(), "s/f", claim(Some(""))), Ok(vec![]));
        assert_eq!(bound(&rules(), "s/f", claim(Some("a/b, c/d"))), Err(UploadRefused::ContentType));
        let images = UploadRules { content_types: vec!["image/*".into(), "application/pdf".into()], ..rules() };
        for good in ["image/png", "IMAGE/PNG", "application/pdf", "image/svg+xml; charset=utf-8"] {
            assert_eq!(bound(&images, "s/f", claim(Some(good))), Ok(one("content-type", good)), "{good}");
        }
        for bad in ["text/html", "imagex/png", "application/pdfx", "application/x-pdf"] {
            assert_eq!(bound(&images, "s/f", claim(Some(bad))), Err(UploadRefused::ContentTypeNotAllowed), "{bad}");
        }
        for unnamed in [None, Some("")] {
            assert_eq!(bound(&images, "s/f", claim(unnamed)), Err(UploadRefused::ContentTypeNotAllowed));
        }
        let any = UploadRules { content_types: vec!["*/*".into()], ..rules() };
        assert_eq!(bound(&any, "s/f", claim(None)), Ok(one("content-type", UNNAMED_TYPE)));
    }

    #[test]
    fn patterns_are_told_from_the_rest() {
        for good in ["*/*", "image/*", "text/plain", "application/vnd.api+json"] {
            assert!(is_type_pattern(good), "{good}");
        }
        for bad in [
            "",
            "*",
            "*/png",
            "image",
            "image/",
            "/*",
            "image/p*",
            "text/plain;charset=utf-8",
            "Image/*",
            "image/*;q=1",
            "image/*/*",
        ] {
            assert!(!is_type_pattern(bad), "{bad}");
        }
    }

    /// K22: the bytes are bound wherever their hash is known.
    #[test]
    fn a_checksum_is_bound_where_it_is_known() {
        let claim = |checksum| UploadClaim { checksum_sha256: checksum, ..UploadClaim::default() };
        let addressed = format!("s/{HEX}");
        let header = || Ok(one("x-amz-checksum-sha256", BASE64));
        assert_eq!(bound(&rules(), &addressed, claim(None)), header());
        assert_eq!(bound(&rules(), &format!("s/a/b/{HEX}"), claim(None)), header());
        assert_eq!(bound(&rules(), &addressed, claim(Some(BASE64))), header());
        assert_eq!(bound(&rules(), "s/f", claim(Some(BASE64))), header());
        assert_eq!(bound(&rules(), "s/f", claim(None)), Ok(vec![]));
        assert_eq!(bound(&rules(), &addressed, claim(Some(OTHER))), Err(UploadRefused::ChecksumDiffers));
        for no_hash in [HEX.to_uppercase(), HEX[1..].to_owned(), format!("{HEX}0"), format!("{HEX}.png")] {
            assert_eq!(bound(&rules(), &format!("s/{no_hash}"), claim(None)), Ok(vec![]), "{no_hash}");
        }
        for bad in ["", "AAAA", HEX, "not base64", &BASE64[..43]] {
            assert_eq!(bound(&rules(), "s/f", claim(Some(bad))), Err(UploadRefused::Checksum), "{bad}");
        }
        let required = UploadRules { checksum: ChecksumRule::Require, ..rules() };
        assert_eq!(bound(&required, "s/f", claim(None)), Err(UploadRefused::ChecksumMissing));
        assert_eq!(bound(&required, &addressed, claim(None)), header());
        // Never signed weaker than was asked.
        let off = UploadRules { checksum: ChecksumRule::Off, ..rules() };
        assert_eq!(bound(&off, &addressed, claim(None)), Ok(vec![]));
        assert_eq!(bound(&off, "s/f", claim(Some(BASE64))), Err(UploadRefused::ChecksumUnavailable));
    }

    /// One rule for an object, whether it comes whole or in parts.
    #[test]
    fn an_upload_in_parts_is_held_to_the_same_rules() {
        let claim = PartsClaim { content_length: 1000, content_type: None, checksum: None, token_max_bytes: None };
        let headers = |rules: &UploadRules, name: &str, claim: PartsClaim<'_>| {
            rules.parts_headers(&key(name), &claim).map(|headers| headers.0)
        };
        assert_eq!(headers(&rules(), "s/f", claim), Ok(vec![]));
        let long = |content_length| PartsClaim { content_length, ..claim };
        assert_eq!(headers(&rules(), "s/f", long(MAX_OBJECT_BYTES)), Ok(vec![]), "not the limit of a PUT");
        let limit = MAX_OBJECT_BYTES;
        assert_eq!(headers(&rules(), "s/f", long(limit + 1)), Err(UploadRefused::TooLarge { limit }));
        let limited = UploadRules { max_bytes: Some(1000), ..rules() };
        assert_eq!(headers(&limited, "s/f", claim), Ok(vec![]));
        assert_eq!(headers(&limited, "s/f", long(1001)), Err(UploadRefused::TooLarge { limit: 1000 }));
        let own = PartsClaim { token_max_bytes: Some(999), ..claim };
        assert_eq!(headers(&limited, "s/f", own), Err(UploadRefused::TooLarge { limit: 999 }));
        let images = UploadRules { content_types: vec!["image/*".into()], ..rules() };
        let typed = |content_type| PartsClaim { content_type: Some(content_type), ..claim };
        assert_eq!(headers(&images, "s/f", typed("image/png")), Ok(one("content-type", "image/png")));
        assert_eq!(headers(&images, "s/f", typed("text/html")), Err(UploadRefused::ContentTypeNotAllowed));
        let fixed = UploadRules { fixed_headers: one("cache-control", "private"), ..rules() };
        assert_eq!(headers(&fixed, "s/f", claim), Ok(one("cache-control", "private")));
    }

    #[test]
    fn parts_are_checked_as_far_as_anybody_checks_them() {
        let of = |rule, name: &str, checksum| {
            let claim = PartsClaim { content_length: 1, content_type: None, checksum, token_max_bytes: None };
            UploadRules { checksum: rule, ..rules() }.parts_headers(&key(name), &claim).map(|headers| headers.0)
        };
        let (sha, crc) = (Some(PartChecksum::Sha256), Some(PartChecksum::Crc32));
        let addressed = format!("s/{HEX}");
        let named = |name| Ok(one("x-amz-checksum-algorithm", name));
        assert_eq!(of(ChecksumRule::Auto, "s/f", None), Ok(vec![]));
        for checksum in [None, sha, crc] {
            assert_eq!(of(ChecksumRule::Auto, &addressed, checksum), Err(UploadRefused::WholeChecksumUnavailable));
        }
        assert_eq!(of(ChecksumRule::Off, &addressed, None), Ok(vec![]));
        assert_eq!(of(ChecksumRule::Auto, "s/f", sha), named("SHA256"));
        assert_eq!(of(ChecksumRule::Auto, "s/f", crc), named("CRC32"));
        assert_eq!(of(ChecksumRule::Off, "s/f", None), Ok(vec![]));
        assert_eq!(of(ChecksumRule::Off, "s/f", crc), Err(UploadRefused::PartChecksumUnavailable));
        assert_eq!(of(ChecksumRule::Require, "s/f", sha), named("SHA256"));
        for weaker in [None, crc] {
            assert_eq!(of(ChecksumRule::Require, "s/f", weaker), Err(UploadRefused::PartChecksumMissing));
        }
        assert_eq!(of(ChecksumRule::Require, &addressed, sha), Err(UploadRefused::WholeChecksumUnavailable));
    }

    /// K23: the second of two PUTs is the bucket's to refuse.
    #[test]
    fn write_once_and_fixed_headers_are_bound() {
        let rules = UploadRules { write_once: true, fixed_headers: one("cache-control", "private"), ..rules() };
        let expected = [("cache-control", "private".to_owned()), ("if-none-match", "*".to_owned())];
        assert_eq!(bound(&rules, "s/f", UploadClaim::default()), Ok(expected.to_vec()));
    }
}
