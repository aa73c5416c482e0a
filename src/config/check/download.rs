//! `[download]`: how long URLs live and are the same, what they carry, and whether they are signed at all.

use url::Url;

use super::{Report, life};
use crate::config::raw::{RawConfig, RawDownload, RawDuration, RawLife};
use crate::config::used::{Download, Life};
use crate::domain::download::{CacheControl, DownloadRules};
use crate::domain::media_type::is_active;
use crate::domain::public_url::PublicBase;
use crate::domain::sigv4::MAX_EXPIRES_SECS;
use crate::domain::upload::is_type_pattern;
use crate::outbound::is_loopback;

/// A day, so that a window begins today or yesterday.
const MAX_WINDOW_SECS: u32 = 86_400;

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    Signed,
    Public,
}

pub(super) fn download(raw: &RawConfig, r: &mut Report<'_>) -> Option<Download> {
    let own = &raw.download;
    let lives = RawLife { expires_secs: own.expires_secs, max_expires_secs: own.max_expires_secs };
    let life = life("download", &lives, r);
    let window = window(&own.cache_window, r);
    let fits = window.zip(life).map(|(window, life)| fits_s3(own, window, life, r));
    let cache_control = cache_control(own, window, r);
    let types = response_content_types(own, r);
    let mode = r.choice("download.mode", &own.mode, &[("signed", Mode::Signed), ("public", Mode::Public)]);
    let public = match mode? {
        Mode::Public => Some(public(raw, window, r)?),
        Mode::Signed => {
            if !own.public_base_url.is_empty() {
                r.problem("download.public_base_url", "is set, and `download.mode` is not `public`");
                return None;
            }
            None
        }
    };
    let rules = DownloadRules {
        response_content_types: types?,
        force_attachment: own.force_attachment,
        cache_control: cache_control?,
    };
    fits?.then_some(Download { life: life?, cache_window_secs: window?, rules, public })
}

fn window(raw: &RawDuration, r: &mut Report<'_>) -> Option<u32> {
    const KEY: &str = "download.cache_window";
    let text = &raw.0;
    let window = seconds(text);
    let window = r.require(KEY, window, || format!("is `{text}`; write `0`, or a number with `s`, `m` or `h`: `15m`"));
    let held = window?.try_into().ok().filter(|secs| *secs <= MAX_WINDOW_SECS);
    r.require(KEY, held, || format!("is `{text}`; it must be at most `24h`"))
}

/// `0`, or digits and a unit.
fn seconds(text: &str) -> Option<u64> {
    if text == "0" {
        return Some(0);
    }
    let unit = text.chars().last()?;
    let unit_secs = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        _ => return None,
    };
    let digits = text.strip_suffix(unit).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    digits.parse::<u64>().ok()?.checked_mul(unit_secs)
}

/// A URL lives a window longer than was asked.
fn fits_s3(raw: &RawDownload, window: u32, life: Life, r: &mut Report<'_>) -> bool {
    let longest = window.saturating_add(life.max_secs);
    if longest > MAX_EXPIRES_SECS {
        r.problem(
            "download.cache_window",
            format!(
                "is `{}`; with `max_expires_secs` = {} a URL would live {longest} seconds, and S3 gives {MAX_EXPIRES_SECS}",
                raw.cache_window.0, life.max_secs
            ),
        );
    }
    longest <= MAX_EXPIRES_SECS
}

/// Without a window no URL comes twice, and what a browser kept of it would never be asked for.
fn cache_control(raw: &RawDownload, window: Option<u32>, r: &mut Report<'_>) -> Option<CacheControl> {
    let text = raw.cache_control.as_str();
    let plain = text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text.trim() == text;
    match text {
        "" => Some(CacheControl::Stored),
        "auto" => Some(if window? > 0 { CacheControl::UrlLife } else { CacheControl::Stored }),
        _ if plain => Some(CacheControl::Fixed(text.to_owned())),
        _ => {
            r.problem("download.cache_control", "has a character that no header value has, or a space at an end");
            None
        }
    }
}

fn response_content_types(raw: &RawDownload, r: &mut Report<'_>) -> Option<Vec<String>> {
    const KEY: &str = "download.response_content_types";
    let before = r.problems.len();
    for text in &raw.response_content_types {
        if !is_type_pattern(text) {
            r.problem(KEY, format!("holds `{text}`; write `image/png`, `video/*` or `*/*`, in lower case"));
        } else if !raw.force_attachment && may_hold_active(text) {
            r.warnings.push(format!(
                "{KEY} holds `{text}`, and download.force_attachment is off: whoever may read a file can have it run as a page"
            ));
        }
    }
    (r.problems.len() == before).then(|| raw.response_content_types.clone())
}

fn may_hold_active(pattern: &str) -> bool {
    matches!(pattern, "*/*" | "text/*" | "image/*" | "application/*" | "multipart/*" | "message/*")
        || is_active(pattern)
}

/// What cannot be kept to without a signature stops the start.
fn public(raw: &RawConfig, window: Option<u32>, r: &mut Report<'_>) -> Option<PublicBase> {
    let before = r.problems.len();
    let own = &raw.download;
    if window.is_some_and(|window| window > 0) {
        r.problem("download.cache_window", "is set, and `download.mode` is `public`: public URLs never change");
    }
    if own.force_attachment {
        r.problem(
            "download.force_attachment",
            "is on, and a public URL cannot carry it: a page that somebody uploads runs at `public_base_url`. Switch it off if nothing else is there",
        );
    }
    if !matches!(own.cache_control.as_str(), "" | "auto") {
        r.problem("download.cache_control", "is set, and a public URL cannot carry it: use `upload.cache_control`");
    }
    if !raw.storages.is_empty() {
        r.problem(
            "download.mode",
            "is `public`, and there are several storages: one address cannot lead to all of them",
        );
    }
    let base = base("download.public_base_url", &own.public_base_url, r)?;
    r.warnings.push(format!(
        "download.mode is public: whoever knows a key, now or later, can read it at {base}/<key> without a token"
    ));
    (r.problems.len() == before).then(|| PublicBase::new(&base))
}

fn base(key: &str, text: &str, r: &mut Report<'_>) -> Option<String> {
    if text.is_empty() {
        r.problem(key, "is not set, and `download.mode` is `public`; write where the bucket can be read, such as `https://files.example.com`");
        return None;
    }
    let Some(url) = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
    else {
        r.problem(key, "is no address; it must begin with `https://` and name a host");
        return None;
    };
    let problem = if !url.username().is_empty() || url.password().is_some() {
        "has a user name or password; everybody gets it"
    } else if url.query().is_some() || url.fragment().is_some() {
        "has a query or a fragment; keys are put behind it"
    } else if url.scheme() == "http" && !is_loopback(&url) {
        "is not https; files could be read and changed on the way"
    } else {
        return Some(url.as_str().trim_end_matches('/').to_owned());
    };
    r.problem(key, problem);
    None
}
