//! What is signed: random buckets, credentials, keys, dates and terms (K32, K33).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use filesync_signer::domain::disposition::{Disposition, content_disposition};
use filesync_signer::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES, ObjectKey};
use filesync_signer::domain::policy::Action;
use filesync_signer::domain::sigv4::MAX_EXPIRES_SECS;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use serde::Serialize;

use super::random::Random;

/// The stores that the test's caller owns.
pub(super) const STORES: [&str; 5] = ["s1", "0", "Store_2", "a.b-c_d", "..."];

/// Of `Store_2/`.
const LONGEST_STORE: usize = 8;

const ALNUM: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz0123456789";
const HEX: &str = "0123456789abcdef";
const BASE64: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// All of printable ASCII but the backslash, which no key has.
const PRINTABLE: &str =
    " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[]^_`abcdefghijklmnopqrstuvwxyz{|}~";

/// One in two is of a call for parts.
const ACTIONS: [Action; 10] = [
    Action::Get,
    Action::Head,
    Action::Put,
    Action::Put,
    Action::Delete,
    Action::CreateMultipart,
    Action::UploadPart,
    Action::ListParts,
    Action::CompleteMultipart,
    Action::AbortMultipart,
];

const LAST_SECOND: i64 = 4_102_444_799; // of 2099
const DAY_SECS: i64 = 86_400;

/// A bucket and a credential. Consecutive cases share one, and so one presigner, because
/// what a presigner keeps between calls must not show in what it signs.
pub(super) struct Site {
    pub(super) scheme: &'static str,
    /// The bucket's host, with the bucket's name in virtual-host style.
    pub(super) name: String,
    pub(super) port: Option<u16>,
    /// `/<bucket>` in path style, else empty.
    pub(super) path: String,
    pub(super) bucket: String,
    pub(super) region: String,
    pub(super) access_key: String,
    pub(super) secret_key: String,
    pub(super) token: Option<String>,
    /// The instant around which half of the site's cases lie.
    anchor: i64,
}

impl Site {
    pub(super) fn random(seed: u64, index: u64) -> Self {
        let r = &mut Random::new(seed, "site", index);
        let scheme = r.pick(&["http", "https"]);
        let port = match r.below(4) {
            0 | 1 => None,
            // each scheme's own, written out, and the other's
            2 => Some(r.pick(&[80, 443])),
            _ => Some(r.pick(&[1, 8080, 8333, 9000, 9001, 65535])),
        };
        let domain = r.pick(&["s3.test", "s3.eu-west-3.amazonaws.com", "localhost", "x.r2.cloudflarestorage.com", "a"]);
        let (name, path, bucket) = if r.one_in(2) {
            let bucket = bucket(r, LOWER);
            (format!("{bucket}.{domain}"), String::new(), bucket)
        } else {
            let bucket = bucket(r, "ABCabc019_");
            (r.pick(&[domain, "127.0.0.1", "[::1]", "[2001:db8::2]"]).to_owned(), format!("/{bucket}"), bucket)
        };
        let region = match r.below(8) {
            0 | 1 => "us-east-1".into(),
            2 => "auto".into(),
            3 => "eu-west-3".into(),
            4 => "eu-central-003".into(),
            _ => {
                let length = r.length(1, 64);
                r.text("abcdefghijklmnopqrstuvwxyz-0123456789ABC", length)
            }
        };
        let token = r.one_in(2).then(|| session_token(r));
        let (access_key, secret_key) = (access_key(r), secret_key(r));
        Self { scheme, name, port, path, bucket, region, access_key, secret_key, token, anchor: anchor(r) }
    }

    /// The endpoint as an operator may write it: with the scheme's own port or without.
    pub(super) fn endpoint(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", self.scheme, self.name)
    }

    /// The `Host` header, which never has the scheme's own port.
    pub(super) fn host(&self) -> String {
        match (self.scheme, self.port) {
            ("http", Some(80)) | ("https", Some(443)) | (_, None) => self.name.clone(),
            (_, Some(port)) => format!("{}:{port}", self.name),
        }
    }
}

fn bucket(r: &mut Random, alphabet: &str) -> String {
    let length = r.length(1, 60);
    let middle = r.text(&format!("{alphabet}-"), length);
    // no two dots in a row, and none at an end
    let dot = if r.one_in(4) { ".b" } else { "" };
    format!("a{middle}{dot}z")
}

fn access_key(r: &mut Random) -> String {
    match r.below(6) {
        0 => format!("GK{}", r.text(HEX, 24)),
        1 => format!("{}/{}", r.text(ALNUM, 8), r.text(BASE64, 8)),
        2 => {
            let length = r.length(1, 128);
            r.text(PRINTABLE.trim_start(), length)
        }
        _ => format!("AKIA{}", r.text(UPPER, 16)),
    }
}

/// Those with `AWS4` before them that are longer than a block of SHA-256 are hashed first: 61 and more.
fn secret_key(r: &mut Random) -> String {
    match r.below(6) {
        0 => r.text(HEX, 64),
        1 => {
            let length = r.length(58, 62);
            r.text(BASE64, length)
        }
        2 => {
            let length = r.length(1, 140);
            r.text(PRINTABLE.trim_start(), length)
        }
        3 => format!("+/{}+", r.text(BASE64, 37)),
        _ => r.text(BASE64, 40),
    }
}

fn session_token(r: &mut Random) -> String {
    let length = if r.one_in(8) { r.length(900, 1600) } else { r.length(1, 300) };
    let padding = r.pick(&["", "=", "=="]);
    format!("{}{padding}", r.text(BASE64, length))
}

/// The first second of a day that is special more often than not.
fn anchor(r: &mut Random) -> i64 {
    let year = i16::try_from(r.between(1970, 2099)).unwrap();
    let month = i8::try_from(r.between(1, 12)).unwrap();
    let leap = year - year % 4;
    let (year, month, day) = match r.below(5) {
        0 => (year, 1, 1),
        1 => (year, month, 1),
        2 if leap >= 1970 => (leap, 2, 29),
        3 if leap >= 1970 => (leap, 3, 1),
        _ => (year, month, i8::try_from(r.between(1, 28)).unwrap()),
    };
    Offset::UTC.to_timestamp(Date::new(year, month, day).unwrap().at(0, 0, 0, 0)).unwrap().as_second()
}

/// One call for a signature.
pub(super) struct Case {
    pub(super) key: ObjectKey,
    pub(super) action: Action,
    pub(super) now: Timestamp,
    pub(super) expires_secs: u32,
    pub(super) window_secs: u32,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) query: Vec<(&'static str, String)>,
}

impl Case {
    pub(super) fn random(seed: u64, index: u64, site: &Site) -> Self {
        let r = &mut Random::new(seed, "case", index);
        let action = r.pick(&ACTIONS);
        // Among them those that do not divide a day, so that some begin before midnight.
        let window_secs = match r.below(8) {
            0 => 900,
            1 => DAY_SECS.try_into().unwrap(),
            2 => u32::try_from(r.between(1, DAY_SECS)).unwrap(),
            _ => 0,
        };
        let longest = MAX_EXPIRES_SECS - window_secs;
        let expires_secs = match r.below(5) {
            0 => 1,
            1 => longest,
            2 => 900,
            _ => u32::try_from(r.between(1, longest.into())).unwrap(),
        };
        Self {
            key: key(r, index),
            action,
            now: now(r, site.anchor),
            expires_secs,
            window_secs,
            headers: headers(r, action),
            query: query(r, action),
        }
    }

    /// What the others are told, who know of no windows: the time, to the begin of its window.
    pub(super) fn dated(&self) -> Timestamp {
        match i64::from(self.window_secs) {
            0 => self.now,
            window => Timestamp::from_second(self.now.as_second() / window * window).unwrap(),
        }
    }

    /// And a life that is a window longer.
    pub(super) fn life_secs(&self) -> u32 {
        self.expires_secs + self.window_secs
    }
}

fn now(r: &mut Random, anchor: i64) -> Timestamp {
    let second = match r.below(10) {
        0..=4 => anchor + r.between(-3, 3),
        5 | 6 => anchor + r.between(-2 * DAY_SECS, 2 * DAY_SECS),
        7 => r.pick(&[0, 1, LAST_SECOND]),
        _ => r.between(0, LAST_SECOND),
    };
    let nanosecond = r.pick(&[0, 1, 500_000_000, 999_999_999]);
    Timestamp::new(second.clamp(0, LAST_SECOND), nanosecond).unwrap()
}

/// A key of one of ten kinds. A draw that is no key is drawn again.
fn key(r: &mut Random, index: u64) -> ObjectKey {
    let kind = r.below(10);
    loop {
        let (name, format) = match kind {
            // every printable character in its turn, whatever the seed
            0 => {
                let turn = usize::try_from(index / 10).unwrap() % PRINTABLE.len();
                let special = char::from(PRINTABLE.as_bytes()[turn]);
                (format!("x{special}y{special}z"), KeyFormat::Path)
            }
            1 => (r.text(HEX, 64), KeyFormat::ContentAddressed),
            2 => (ascii(r, 1, 60), KeyFormat::Path),
            3 => {
                let length = r.length(1, 30);
                (r.text(" +%~gh", length), KeyFormat::Path)
            }
            4 | 5 => (unicode(r, 40), KeyFormat::Path),
            6 => (deep(r), KeyFormat::Path),
            7 => (ascii(r, 500, MAX_KEY_BYTES - LONGEST_STORE), KeyFormat::Path),
            8 => {
                let length = r.length(3, 20);
                (r.text("..~/ab", length), KeyFormat::Path)
            }
            _ => {
                let tail = r.pick(&["?X-Amz-Expires=1", "&x=y", "#f", "=", "@h:1/", ";v=1", "%", "%2g"]);
                (format!("{}{tail}{}", ascii(r, 1, 9), r.text(ALNUM, 3)), KeyFormat::Path)
            }
        };
        let mut text = format!("{}/{name}", r.pick(&STORES));
        if kind == 7 && r.one_in(2) {
            // exactly the longest, its end in two bytes a character
            while text.len() < MAX_KEY_BYTES {
                text.push(if text.len() + 1 == MAX_KEY_BYTES { 'e' } else { 'é' });
            }
        }
        let rules = KeyRules { files_root: String::new(), format, max_bytes: MAX_KEY_BYTES };
        if let Ok(key) = ObjectKey::parse(&text, &rules) {
            return key;
        }
    }
}

fn ascii(r: &mut Random, from: usize, to: usize) -> String {
    let length = r.length(from, to);
    // so many specials that `//`, `%41` and `/../` are drawn, which are no keys; letters thin them out
    (0..length).map(|_| if r.one_in(3) { r.text(PRINTABLE, 1) } else { r.text("ghijGHIJ", 1) }).collect()
}

fn deep(r: &mut Random) -> String {
    let depth = r.length(2, 120);
    let segment = |_| {
        let length = r.length(1, 4);
        r.text("ab c+~", length)
    };
    (0..depth).map(segment).collect::<Vec<_>>().join("/")
}

fn unicode(r: &mut Random, longest: usize) -> String {
    let length = r.length(1, longest);
    let mut text = String::new();
    for _ in 0..length {
        match r.below(8) {
            0 => text.push_str(r.pick(&[
                "é",
                "e\u{301}",
                "\u{1100}\u{1161}",
                "각",
                "Å",
                "A\u{30a}",
                "ﬁ",
                "\u{feff}",
                "\u{200d}",
            ])),
            1 => text.push(char_in(r, 0xa1, 0x24f)),
            2 => text.push(char_in(r, 0x4e00, 0x9fff)),
            3 => text.push(char_in(r, 0x1f300, 0x1faff)),
            4 => text.push(char_in(r, 0x1_0000, 0x10_ffff)),
            5 => text.push(char_in(r, 0x5d0, 0x6ff)),
            6 => text.push(char_in(r, 0xa0, 0xffff)),
            _ => text.push_str(&r.text(" abc/", 1)),
        }
    }
    text
}

/// A character of the range; the gap of the surrogates becomes U+FFFD.
fn char_in(r: &mut Random, from: i64, to: i64) -> char {
    char::from_u32(u32::try_from(r.between(from, to)).unwrap()).unwrap_or('\u{fffd}')
}

fn headers(r: &mut Random, action: Action) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if !matches!(action, Action::Put | Action::UploadPart | Action::CreateMultipart) && !r.one_in(8) {
        return headers;
    }
    // given in any order: sorting them is the signer's affair
    if r.one_in(2) {
        headers.push(("x-amz-checksum-sha256", checksum(r)));
    }
    if r.one_in(2) {
        headers.push(("content-type", content_type(r)));
    }
    if r.one_in(2) {
        let length = r.between(0, 5 * 1024 * 1024 * 1024);
        headers.push(("content-length", r.pick(&[0, 1, length, length]).to_string()));
    }
    if r.one_in(4) {
        headers.push(("if-none-match", "*".into()));
    }
    if r.one_in(8) {
        headers.push(("cache-control", "private, max-age=60".into()));
    }
    headers
}

fn checksum(r: &mut Random) -> String {
    let bytes: Vec<u8> = (0..4).flat_map(|_| r.next().to_le_bytes()).collect();
    STANDARD.encode(bytes)
}

/// Media types, and values with the spaces that a signature trims and folds. Not
/// `application/x-www-form-urlencoded; charset=utf-8`: botocore drops exactly that one, as its own default.
fn content_type(r: &mut Random) -> String {
    match r.below(6) {
        0 => "image/png".into(),
        1 => "text/plain; charset=\"utf-8\"".into(),
        2 => "  text/plain;   charset=utf-8 ".into(),
        3 => " a  b   c    d  ".into(),
        4 => format!("application/vnd.{}+json", r.text(LOWER, 12)),
        _ => {
            let length = r.length(1, 40);
            format!("x/{}", r.text("!#$&^_.+-abcXYZ059", length))
        }
    }
}

fn query(r: &mut Random, action: Action) -> Vec<(&'static str, String)> {
    let mut query = of_parts(r, action);
    if query.is_empty() && r.one_in(4) {
        let length = r.length(1, 60);
        query.push(("versionId", r.text("ABCabc019._-~+/=", length)));
    }
    if matches!(action, Action::Get | Action::Head) && r.one_in(2) {
        if r.one_in(2) {
            query.push(("response-content-type", content_type(r).trim().to_owned()));
        }
        if r.one_in(2) {
            query
                .push(("response-cache-control", r.pick(&["no-store", "private, max-age=31536000, immutable"]).into()));
        }
        if r.one_in(2) {
            query.push(("response-content-disposition", disposition(r)));
        }
    }
    query
}

/// What makes a call one for parts, in any order. Ids as providers draw them: of any printable text.
fn of_parts(r: &mut Random, action: Action) -> Vec<(&'static str, String)> {
    if action == Action::CreateMultipart {
        return vec![("uploads", String::new())];
    }
    let of_upload = [Action::UploadPart, Action::ListParts, Action::CompleteMultipart, Action::AbortMultipart];
    if !of_upload.contains(&action) {
        return Vec::new();
    }
    let length = r.length(1, 300);
    let id = if r.one_in(2) { r.text(BASE64, length) } else { r.text(PRINTABLE.trim_start(), length) };
    let mut query = vec![("uploadId", id)];
    if action == Action::UploadPart {
        query.push(("partNumber", r.between(1, 10_000).to_string()));
    }
    if action == Action::ListParts && r.one_in(2) {
        query.push(("part-number-marker", r.between(0, 10_000).to_string()));
        query.push(("max-parts", r.between(1, 1000).to_string()));
    }
    query
}

/// As callers get it, and one that is stranger.
fn disposition(r: &mut Random) -> String {
    let name = unicode(r, 12);
    let kind = r.pick(&[Disposition::Attachment, Disposition::Inline]);
    content_disposition(kind, Some(&name))
        .unwrap_or_else(|_| format!("attachment; filename=\"{name}\"; filename*=UTF-8''a%20b"))
}

/// A case as the other side reads it, and as a difference is reported.
#[derive(Serialize)]
pub(super) struct Line<'a> {
    endpoint: String,
    path: &'a str,
    region: &'a str,
    access_key: &'a str,
    secret_key: &'a str,
    token: Option<&'a str>,
    method: &'static str,
    key: &'a str,
    seconds: i64,
    micros: i32,
    expires: u32,
    headers: &'a [(&'static str, String)],
    query: &'a [(&'static str, String)],
}

impl<'a> Line<'a> {
    pub(super) fn new(site: &'a Site, case: &'a Case) -> Self {
        Self {
            endpoint: site.endpoint(),
            path: &site.path,
            region: &site.region,
            access_key: &site.access_key,
            secret_key: &site.secret_key,
            token: site.token.as_deref(),
            method: case.action.method(),
            key: case.key.as_str(),
            seconds: case.dated().as_second(),
            micros: case.dated().subsec_microsecond(),
            expires: case.life_secs(),
            headers: &case.headers,
            query: &case.query,
        }
    }
}
