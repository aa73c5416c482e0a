//! What the bucket is told to answer a download with, whatever it keeps of the object.
//!
//! Every override is a query parameter that the URL's signature covers.
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html>

use super::disposition::{Disposition, FileNameError, content_disposition};
use super::key::ObjectKey;
use super::media_type::{is_active, is_active_name, is_media_type};
use super::upload::matches_type;

/// The longest version id that is signed, in bytes.
const MAX_VERSION_BYTES: usize = 1024;

/// The `Cache-Control` that the bucket answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheControl {
    /// What it keeps with the object.
    Stored,
    /// For keys that are named by their bytes: as long as the URL lives, by this browser alone. For others: what it keeps.
    UrlLife,
    /// This one.
    Fixed(String),
}

/// What downloads are held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DownloadRules {
    /// Media types that callers may ask for, such as `video/*`, in lower case. Empty: none.
    pub response_content_types: Vec<String>,
    /// Whether what may run in a page is saved and not shown.
    pub force_attachment: bool,
    /// What caches are told.
    pub cache_control: CacheControl,
}

/// What a caller asks of a download besides the bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct DownloadClaim<'a> {
    /// The name to save it under.
    pub file_name: Option<&'a str>,
    /// `attachment` or `inline`.
    pub disposition: Option<&'a str>,
    /// The media type to answer with.
    pub response_content_type: Option<&'a str>,
    /// Which version of the object.
    pub version_id: Option<&'a str>,
}

/// Why a download is not signed as asked. The texts are safe to show to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DownloadRefused {
    /// A name that no header can carry.
    #[error(transparent)]
    FileName(#[from] FileNameError),
    /// Neither of the two.
    #[error("disposition must be attachment or inline")]
    Disposition,
    /// No version id.
    #[error("versionId is no version id")]
    VersionId,
    /// No media type.
    #[error("responseContentType must be a media type such as image/png")]
    ContentType,
    /// A media type that is not on the list.
    #[error("a download may not be answered with this responseContentType")]
    ContentTypeNotAllowed,
    /// A wish that an address without a signature cannot carry.
    #[error("downloads are public here, so {0} cannot be kept to")]
    Public(&'static str),
}

/// Query parameters to sign, in no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overrides(Vec<(&'static str, String)>);

impl Overrides {
    /// Names and values.
    #[must_use]
    pub fn borrowed(&self) -> Vec<(&'static str, &str)> {
        self.0.iter().map(|(name, value)| (*name, value.as_str())).collect()
    }
}

impl DownloadRules {
    /// The parameters for a download of `key` by a URL that lives at most `url_life_secs` seconds.
    ///
    /// # Errors
    ///
    /// [`DownloadRefused`] names the first rule that the claim breaks.
    pub fn overrides(
        &self,
        key: &ObjectKey,
        claim: &DownloadClaim<'_>,
        url_life_secs: u32,
    ) -> Result<Overrides, DownloadRefused> {
        let mut query = Vec::new();
        if let Some(content_type) = self.content_type(claim.response_content_type)? {
            query.push(("response-content-type", content_type.to_owned()));
        }
        if let Some(disposition) = self.disposition(key, claim)? {
            query.push(("response-content-disposition", disposition));
        }
        match &self.cache_control {
            CacheControl::Fixed(value) => query.push(("response-cache-control", value.clone())),
            CacheControl::UrlLife if key.is_content_addressed() => {
                query.push(("response-cache-control", format!("private, max-age={url_life_secs}, immutable")));
            }
            CacheControl::Stored | CacheControl::UrlLife => {}
        }
        if let Some(version) = claim.version_id {
            query.push(("versionId", checked_version(version)?.to_owned()));
        }
        Ok(Overrides(query))
    }

    fn content_type<'a>(&self, asked: Option<&'a str>) -> Result<Option<&'a str>, DownloadRefused> {
        let Some(content_type) = asked else { return Ok(None) };
        // A `*` is a letter of media types, and a pattern to some who read them.
        if !is_media_type(content_type) || content_type.contains('*') {
            return Err(DownloadRefused::ContentType);
        }
        let allowed = self.response_content_types.iter().any(|pattern| matches_type(pattern, content_type));
        if allowed { Ok(Some(content_type)) } else { Err(DownloadRefused::ContentTypeNotAllowed) }
    }

    /// A file name alone means that the file is to be saved under it.
    fn disposition(&self, key: &ObjectKey, claim: &DownloadClaim<'_>) -> Result<Option<String>, DownloadRefused> {
        let asked = match claim.disposition {
            None => claim.file_name.map(|_| Disposition::Attachment),
            Some("attachment") => Some(Disposition::Attachment),
            Some("inline") => Some(Disposition::Inline),
            Some(_) => return Err(DownloadRefused::Disposition),
        };
        let forced = self.force_attachment && may_run(key, claim);
        let disposition = if forced { Some(Disposition::Attachment) } else { asked };
        Ok(disposition.map(|disposition| content_disposition(disposition, claim.file_name)).transpose()?)
    }
}

/// SECURITY: a page of the bucket's origin reads what else that origin shows, so what may be one is saved and not shown.
/// The type that the bucket keeps is not known here. One that is signed takes its place; else names are all there is.
fn may_run(key: &ObjectKey, claim: &DownloadClaim<'_>) -> bool {
    match claim.response_content_type {
        Some(content_type) => is_active(content_type),
        None => is_active_name(key.last_segment()) || claim.file_name.is_some_and(is_active_name),
    }
}

impl DownloadClaim<'_> {
    /// What is asked of an address without a signature.
    ///
    /// # Errors
    ///
    /// [`DownloadRefused::Public`]: nothing can be.
    pub fn check_public(&self) -> Result<(), DownloadRefused> {
        let wishes = [
            ("filename", self.file_name),
            ("disposition", self.disposition),
            ("responseContentType", self.response_content_type),
            ("versionId", self.version_id),
        ];
        match wishes.into_iter().find(|(_, wish)| wish.is_some()) {
            Some((name, _)) => Err(DownloadRefused::Public(name)),
            None => Ok(()),
        }
    }
}

/// S3's version ids are opaque; nothing in one needs more than these characters.
fn checked_version(version: &str) -> Result<&str, DownloadRefused> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '+' | '/' | '=');
    if (1..=MAX_VERSION_BYTES).contains(&version.len()) && version.chars().all(plain) {
        Ok(version)
    } else {
        Err(DownloadRefused::VersionId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES};

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn rules() -> DownloadRules {
        DownloadRules {
            response_content_types: vec!["image/png".into(), "video/*".into(), "text/*".into()],
            force_attachment: true,
            cache_control: CacheControl::Stored,
        }
    }

    fn overrides(rules: &DownloadRules, name: &str, claim: DownloadClaim<'_>) -> Result<String, DownloadRefused> {
        let key_rules = KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };
        let key = ObjectKey::parse(name, &key_rules).unwrap();
        let overrides = rules.overrides(&key, &claim, 960)?;
        let pairs: Vec<_> = overrides.borrowed().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        Ok(pairs.join("&"))
    }

    fn typed(content_type: &str) -> DownloadClaim<'_> {
        DownloadClaim { response_content_type: Some(content_type), ..DownloadClaim::default() }
    }

    fn shown(disposition: &str) -> DownloadClaim<'_> {
        DownloadClaim { disposition: Some(disposition), ..DownloadClaim::default() }
    }

    fn named(file_name: &str) -> DownloadClaim<'_> {
        DownloadClaim { file_name: Some(file_name), ..DownloadClaim::default() }
    }

    #[allow(clippy::unnecessary_wraps, reason = "it is compared with a Result")]
    fn signed(text: &str) -> Result<String, DownloadRefused> {
        Ok(text.to_owned())
    }

    #[test]
    fn nothing_is_overridden_unless_asked() {
        assert_eq!(overrides(&rules(), "s/f", DownloadClaim::default()), signed(""));
        assert_eq!(overrides(&rules(), &format!("s/{HEX}"), DownloadClaim::default()), signed(""));
    }

    #[test]
    fn a_file_name_alone_is_saved_under() {
        let attachment = "response-content-disposition=attachment; filename=\"a.png\"";
        assert_eq!(overrides(&rules(), "s/f", named("a.png")), signed(attachment));
        let inline = DownloadClaim { disposition: Some("inline"), ..named("a.png") };
        assert_eq!(overrides(&rules(), "s/f", inline), signed(&attachment.replace("attachment", "inline")));
        assert_eq!(overrides(&rules(), "s/f", shown("inline")), signed("response-content-disposition=inline"));
        assert_eq!(overrides(&rules(), "s/f", shown("Inline")), Err(DownloadRefused::Disposition));
        assert_eq!(overrides(&rules(), "s/f", named("a/b")), Err(DownloadRefused::FileName(FileNameError)));
    }

    /// K19
    #[test]
    fn types_are_answered_with_when_they_are_on_the_list() {
        for good in ["image/png", "video/mp4", "Video/MP4; codecs=\"avc1\""] {
            assert_eq!(overrides(&rules(), "s/f", typed(good)), signed(&format!("response-content-type={good}")));
        }
        for bad in ["image/gif", "application/json", "imagex/png"] {
            assert_eq!(overrides(&rules(), "s/f", typed(bad)), Err(DownloadRefused::ContentTypeNotAllowed), "{bad}");
        }
        for bad in ["", "png", "video/*", "*/*", "image/png\r\nX: 1", "image/png, text/html"] {
            assert_eq!(overrides(&rules(), "s/f", typed(bad)), Err(DownloadRefused::ContentType), "{bad}");
        }
        let none = DownloadRules { response_content_types: Vec::new(), ..rules() };
        assert_eq!(overrides(&none, "s/f", typed("image/png")), Err(DownloadRefused::ContentTypeNotAllowed));
    }

    #[test]
    fn what_may_run_in_a_page_is_saved_whatever_is_asked() {
        const SAVED: &str = "response-content-disposition=attachment";
        for name in ["s/a.html", "s/a.SVG", "s/a/b.js"] {
            assert_eq!(overrides(&rules(), name, DownloadClaim::default()), signed(SAVED), "{name}");
            assert_eq!(overrides(&rules(), name, shown("inline")), signed(SAVED), "{name}");
        }
        // The name that it is shown under tells as much.
        let inline = DownloadClaim { disposition: Some("inline"), ..named("a.svg") };
        let saved = signed("response-content-disposition=attachment; filename=\"a.svg\"");
        assert_eq!(overrides(&rules(), &format!("s/{HEX}"), inline), saved);
        // A folder's name does not.
        assert_eq!(overrides(&rules(), "s/a.html/f", shown("inline")), signed("response-content-disposition=inline"));
        // The type that is signed takes the place of all that names say.
        let html = signed(&format!("response-content-type=text/html&{SAVED}"));
        assert_eq!(overrides(&rules(), "s/a.png", typed("text/html")), html);
        assert_eq!(overrides(&rules(), "s/a.html", typed("text/plain")), signed("response-content-type=text/plain"));
        let off = DownloadRules { force_attachment: false, ..rules() };
        assert_eq!(overrides(&off, "s/a.html", DownloadClaim::default()), signed(""));
        assert_eq!(overrides(&off, "s/a.html", shown("inline")), signed("response-content-disposition=inline"));
    }

    #[test]
    fn caches_are_told_what_was_set() {
        let told = |cache_control, key: &str| {
            overrides(&DownloadRules { cache_control, ..rules() }, key, DownloadClaim::default())
        };
        let hashed = format!("s/a/{HEX}");
        let life = signed("response-cache-control=private, max-age=960, immutable");
        assert_eq!(told(CacheControl::UrlLife, &hashed), life);
        for other in
            ["s/f".to_owned(), format!("{hashed}.png"), format!("s/{HEX}/f"), format!("s/{}", HEX.to_uppercase())]
        {
            assert_eq!(told(CacheControl::UrlLife, &other), signed(""), "{other}");
        }
        let fixed = || CacheControl::Fixed("no-cache".into());
        for key in ["s/f", hashed.as_str()] {
            assert_eq!(told(fixed(), key), signed("response-cache-control=no-cache"));
        }
    }

    #[test]
    fn versions_are_plain_texts() {
        let version = |version_id| {
            overrides(&rules(), "s/f", DownloadClaim { version_id: Some(version_id), ..DownloadClaim::default() })
        };
        assert_eq!(version("a.B_9-~+/="), signed("versionId=a.B_9-~+/="));
        for bad in ["", "a b", "a&b", "é", &"a".repeat(1025)] {
            assert_eq!(version(bad), Err(DownloadRefused::VersionId), "{bad}");
        }
    }

    #[test]
    fn a_public_address_carries_no_wish() {
        assert_eq!(DownloadClaim::default().check_public(), Ok(()));
        let version = DownloadClaim { version_id: Some(""), ..DownloadClaim::default() };
        for (claim, name) in [
            (named("a"), "filename"),
            (shown("inline"), "disposition"),
            (typed("image/png"), "responseContentType"),
            (version, "versionId"),
        ] {
            assert_eq!(claim.check_public(), Err(DownloadRefused::Public(name)));
        }
    }
}
