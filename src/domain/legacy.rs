//! Old `remoteUrl`s, and the keys that they name.
//!
//! # The rule
//!
//! A URL is known when its scheme and host are those of a listed prefix, and its path begins with the
//! prefix's path, byte for byte. What follows is percent-decoded once, segment by segment, and then is
//! what a caller might have sent as a `key`, under the same rules. Of the prefix's path the files root
//! at its end, if it ends in one, goes with it: it is that root which is dropped, and no second one.
//!
//! Case of scheme and host does not count, nor a port that is the scheme's own (RFC 3986 section 6.2).
//! User info, another port and a fragment make another URL. A query is dropped: it held a signature
//! or a token, and which object was meant stood in the path; but a `versionId` names what no key does.
//!
//! It is text that is compared: a URL library resolves dot segments and reads `\` as `/`.

use std::borrow::Cow;

use url::{Url, form_urlencoded};

use super::key::{KeyError, KeyRules, ObjectKey};
use super::path::decode_path;

/// The prefixes whose URLs are known. None known unless listed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LegacyUrls(Vec<Prefix>);

/// `https://files.example.com/livestore-filesync-files/`
#[derive(Debug, Clone, PartialEq, Eq)]
struct Prefix {
    scheme: String,
    /// In lower case, without the scheme's own port.
    authority: String,
    /// With a slash at both ends.
    path: String,
    /// Where in the path the files root begins that it ends in, or its end.
    root_at: usize,
}

/// Why a text is no prefix of URLs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// No `http` or `https` URL, or one with more than a host and a path.
    #[error("holds `{0}`; write a URL such as `https://files.example.com/livestore-filesync-files/`")]
    Malformed(String),
    /// A URL that means the same as another text.
    #[error("holds `{0}`; write it as `{1}`")]
    Unusual(String, String),
    /// One of the two is enough.
    #[error("holds `{0}`, which begins with `{1}`; keep one of them")]
    Overlap(String, String),
}

/// Why a URL names no key. The text is safe to show to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LegacyError {
    /// Under no listed prefix.
    #[error("the URL is under none of migration.legacy_urls")]
    Unlisted,
    /// What follows `#` never left a browser.
    #[error("the URL has a fragment")]
    Fragment,
    /// `?versionId=`
    #[error("the URL names a version of an object, and no key does")]
    Version,
    /// It names something, and that is no key.
    #[error("{0}")]
    Key(#[from] KeyError),
}

impl LegacyUrls {
    /// These prefixes, for keys under this [`KeyRules::files_root`].
    ///
    /// # Errors
    ///
    /// [`PrefixError`] for the first that is none, or that begins with another.
    pub fn new(prefixes: &[String], files_root: &str) -> Result<Self, PrefixError> {
        let parsed = prefixes.iter().map(|text| Prefix::parse(text, files_root)).collect::<Result<Vec<_>, _>>()?;
        for (i, text) in prefixes.iter().enumerate() {
            let others = prefixes.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other);
            if let Some(shorter) = others.into_iter().find(|other| text.starts_with(other.as_str())) {
                return Err(PrefixError::Overlap(text.clone(), shorter.clone()));
            }
        }
        Ok(Self(parsed))
    }

    /// Whether no URL is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What a caller would send as `key` instead of `url`.
    ///
    /// # Errors
    ///
    /// [`LegacyError`] for a URL that is not known, or whose path is not percent-encoded UTF-8.
    pub fn key_text<'a>(&self, url: &'a str) -> Result<Cow<'a, str>, LegacyError> {
        let (scheme, rest) = url.split_once("://").ok_or(LegacyError::Unlisted)?;
        let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).ok_or(LegacyError::Unlisted)?);
        let (rest, fragment) = rest.split_once('#').map_or((rest, None), |(rest, fragment)| (rest, Some(fragment)));
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let named = self.0.iter().find_map(|prefix| prefix.strip(scheme, authority, path));
        let text = named.ok_or(LegacyError::Unlisted)?;
        if fragment.is_some() {
            return Err(LegacyError::Fragment);
        }
        if form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name.eq_ignore_ascii_case("versionId")) {
            return Err(LegacyError::Version);
        }
        // A key may begin with a slash; after a prefix, which ends with one, it is an empty segment.
        if text.starts_with('/') {
            return Err(KeyError::EmptySegment.into());
        }
        Ok(decode_path(text)?)
    }

    /// The key that a URL names.
    ///
    /// # Errors
    ///
    /// [`LegacyError`], for a key that is none as well.
    pub fn key(&self, url: &str, rules: &KeyRules) -> Result<ObjectKey, LegacyError> {
        Ok(ObjectKey::parse(&self.key_text(url)?, rules)?)
    }
}

impl Prefix {
    fn parse(text: &str, files_root: &str) -> Result<Self, PrefixError> {
        let malformed = || PrefixError::Malformed(text.to_owned());
        let url = Url::parse(text).map_err(|_| malformed())?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none()
            // Two spellings of one path would be two paths.
            && !url.path().contains('%');
        if !plain {
            return Err(malformed());
        }
        let slash = if url.path().ends_with('/') { "" } else { "/" };
        let usual = format!("{url}{slash}");
        if usual != text {
            return Err(PrefixError::Unusual(text.to_owned(), usual));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(malformed)?;
        let (authority, path) = rest.split_at(rest.find('/').ok_or_else(malformed)?);
        let before_root = path.strip_suffix('/').and_then(|path| path.strip_suffix(files_root));
        let root_at = before_root.filter(|before| !files_root.is_empty() && before.ends_with('/')).map(str::len);
        Ok(Self {
            scheme: scheme.to_owned(),
            authority: authority.to_owned(),
            path: path.to_owned(),
            root_at: root_at.unwrap_or(path.len()),
        })
    }

    /// What follows this prefix, with the files root in front if it ends in it.
    fn strip<'a>(&self, scheme: &str, authority: &str, path: &'a str) -> Option<&'a str> {
        let port = if self.scheme == "https" { ":443" } else { ":80" };
        let host = authority.strip_suffix(port).unwrap_or(authority);
        let known = self.scheme.eq_ignore_ascii_case(scheme) && self.authority.eq_ignore_ascii_case(host);
        if known && path.starts_with(&self.path) { path.get(self.root_at..) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::key::{KeyFormat, MAX_KEY_BYTES};

    const ROOT: &str = "livestore-filesync-files";

    fn urls(prefixes: &[&str]) -> LegacyUrls {
        let prefixes: Vec<_> = prefixes.iter().map(|text| (*text).to_owned()).collect();
        LegacyUrls::new(&prefixes, ROOT).unwrap()
    }

    fn key(urls: &LegacyUrls, url: &str) -> Result<String, LegacyError> {
        let rules = KeyRules { files_root: ROOT.into(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };
        urls.key(url, &rules).map(|key| key.as_str().to_owned())
    }

    fn gateway() -> LegacyUrls {
        urls(&["https://files.example.com/livestore-filesync-files/", "http://127.0.0.1:8787/old/"])
    }

    #[test]
    fn a_listed_url_names_the_key_below_its_prefix() {
        for (url, expected) in [
            ("https://files.example.com/livestore-filesync-files/s1/f", "s1/f"),
            ("HTTPS://Files.Example.COM:443/livestore-filesync-files/s1/f", "s1/f"),
            ("https://files.example.com/livestore-filesync-files/s1/f?X-Amz-Credential=ab&x=https://evil/", "s1/f"),
            ("https://files.example.com/livestore-filesync-files/s1/a%20b/%C3%A9+%25", "s1/a b/é+%"),
            ("http://127.0.0.1:8787/old/s1/f", "s1/f"),
            ("http://127.0.0.1:8787/old/livestore-filesync-files/s1/f", "s1/f"),
        ] {
            assert_eq!(key(&gateway(), url).as_deref(), Ok(expected), "{url}");
        }
    }

    /// K07: one root is dropped, also when the prefix names it.
    #[test]
    fn a_second_root_is_a_store() {
        let doubled = "https://files.example.com/livestore-filesync-files/livestore-filesync-files/s1/f";
        assert_eq!(key(&gateway(), doubled).unwrap(), format!("{ROOT}/s1/f"));
        assert_eq!(key(&urls(&["https://files.example.com/"]), doubled).unwrap(), format!("{ROOT}/s1/f"));
        let not_a_root = urls(&["https://files.example.com/my-livestore-filesync-files/"]);
        assert_eq!(key(&not_a_root, "https://files.example.com/my-livestore-filesync-files/s1/f").unwrap(), "s1/f");
        let below_it = format!("https://files.example.com/my-livestore-filesync-files/{ROOT}/s1/f");
        assert_eq!(key(&not_a_root, &below_it).unwrap(), "s1/f");
    }

    #[test]
    fn other_urls_are_not_known() {
        for url in [
            "",
            "s1/f",
            "/livestore-filesync-files/s1/f",
            "//files.example.com/livestore-filesync-files/s1/f",
            "https:/files.example.com/livestore-filesync-files/s1/f",
            "https:\\\\files.example.com\\livestore-filesync-files\\s1\\f",
            " https://files.example.com/livestore-filesync-files/s1/f",
            "http://files.example.com/livestore-filesync-files/s1/f",
            "https://files.example.com:80/livestore-filesync-files/s1/f",
            "https://files.example.com:8443/livestore-filesync-files/s1/f",
            "https://files.example.com:/livestore-filesync-files/s1/f",
            "https://files.example.com./livestore-filesync-files/s1/f",
            "https://files.example.com.evil.test/livestore-filesync-files/s1/f",
            "https://evil.test/https://files.example.com/livestore-filesync-files/s1/f",
            "https://user@files.example.com/livestore-filesync-files/s1/f",
            "https://files.example.com@evil.test/livestore-filesync-files/s1/f",
            "https://evil.test\\@files.example.com/livestore-filesync-files/s1/f",
            "https://evil.test#@files.example.com/livestore-filesync-files/s1/f",
            "https://evil.test?@files.example.com/livestore-filesync-files/s1/f",
            "https://files.example.com/livestore-filesync-files",
            "https://files.example.com/Livestore-filesync-files/s1/f",
            "https://files.example.com/livestore%2dfilesync-files/s1/f",
            "https://files.example.com/x/../livestore-filesync-files/s1/f",
            "https://files.example.com//livestore-filesync-files/s1/f",
            "https://files.example.com?/livestore-filesync-files/s1/f",
            "https://files.example.com/other/s1/f",
            "http://127.0.0.1/old/s1/f",
            "http://127.0.0.1:8787:80/s1/f",
        ] {
            assert_eq!(key(&gateway(), url), Err(LegacyError::Unlisted), "{url}");
        }
        assert_eq!(key(&LegacyUrls::default(), "https://files.example.com/s1/f"), Err(LegacyError::Unlisted));
        assert!(LegacyUrls::default().is_empty() && !gateway().is_empty());
    }

    /// K03, K04, K05, K13: what follows is under the rules of keys.
    #[test]
    fn a_listed_url_is_no_way_around_the_rules_for_keys() {
        let listed = |rest: &str| key(&gateway(), &format!("http://127.0.0.1:8787/old/{rest}"));
        for (rest, error) in [
            ("", KeyError::Empty),
            ("s1", KeyError::NoName),
            ("s1/", KeyError::EmptySegment),
            ("/s1/f", KeyError::EmptySegment),
            ("/livestore-filesync-files/s1/f", KeyError::EmptySegment),
            ("../s2/f", KeyError::DotSegment),
            ("s1/%2e%2E/s2/f", KeyError::DotSegment),
            ("s1/..%2fs2/f", KeyError::EncodedSlash),
            ("s1%2ff", KeyError::EncodedSlash),
            ("s1/%252e%252e/s2/f", KeyError::PercentEncoded),
            ("s1/%5c..%5cs2", KeyError::Backslash),
            ("s1\\f", KeyError::Backslash),
            ("s1/%0d%0a", KeyError::ControlCharacter),
            ("s1/a\nb", KeyError::ControlCharacter),
            ("s1/..%c0%afs2", KeyError::Escape),
            ("s1/%zz", KeyError::Escape),
        ] {
            assert_eq!(listed(rest), Err(error.into()), "{rest}");
        }
        assert_eq!(listed("s1/f#a"), Err(LegacyError::Fragment));
        assert_eq!(listed("s1/f?a=b#"), Err(LegacyError::Fragment));
        for query in ["versionId=1", "a=b&version%49d=1", "versionid"] {
            assert_eq!(listed(&format!("s1/f?{query}")), Err(LegacyError::Version), "{query}");
        }
    }

    #[test]
    fn prefixes_are_written_in_one_way() {
        let new = |texts: &[&str]| {
            let prefixes: Vec<_> = texts.iter().map(|text| (*text).to_owned()).collect();
            LegacyUrls::new(&prefixes, ROOT).map(|_| ()).map_err(|error| error.to_string())
        };
        for text in [
            "",
            "files.example.com/",
            "ftp://a/",
            "https://u@a.test/",
            "https://:p@a.test/",
            "https://a.test/?",
            "https://a.test/x?y/",
            "https://a.test/#",
            "https://a.test/a%20b/",
            "data:x/",
        ] {
            assert!(new(&[text]).unwrap_err().contains("write a URL such as"), "{text}");
        }
        for (text, usual) in [
            ("https://a.test", "https://a.test/"),
            ("https://A.test/", "https://a.test/"),
            ("https://a.test:443/x/", "https://a.test/x/"),
            ("https://a.test/x", "https://a.test/x/"),
            ("https://a.test/x/../y/", "https://a.test/y/"),
            ("https://é.test/", "https://xn--9ca.test/"),
        ] {
            assert!(new(&[text]).unwrap_err().ends_with(&format!("write it as `{usual}`")), "{text}");
        }
        for (pair, longer) in [
            (["https://a.test/x/", "https://a.test/"], "https://a.test/x/"),
            (["https://a.test/", "https://a.test/x/"], "https://a.test/x/"),
            (["https://a.test/", "https://a.test/"], "https://a.test/"),
        ] {
            assert!(new(&pair).unwrap_err().starts_with(&format!("holds `{longer}`, which begins")), "{pair:?}");
        }
        assert!(new(&["https://a.test/x/", "https://a.test/xy/", "http://a.test/x/", "https://[::1]:8443/"]).is_ok());
    }

    proptest! {
        /// Whatever is asked, only text below a listed prefix is a key.
        #[test]
        fn no_url_outside_the_list_names_a_key(url in "(https?|ftp|HTTPS)?(://|:/|:|//|\\\\\\\\)?((a\\.test|b\\.test|@|:|:443|\\\\|\\.|#|\\?|%2f|/x/|/|x|\\.\\.|s1/f){0,8})") {
            let listed = urls(&["https://a.test/x/"]);
            if let Ok(key) = key(&listed, &url) {
                let lower = url.to_ascii_lowercase();
                prop_assert!(lower.starts_with("https://a.test/x/") || lower.starts_with("https://a.test:443/x/"), "{}", url);
                prop_assert!(key.split('/').all(|segment| !segment.is_empty() && segment != "." && segment != ".."));
            }
        }
    }
}
