//! `signer check-token`: what a token gives, or why it is refused, step by step.
//!
//! The steps are those of the service's own [`Verifier`], told as they are taken, so
//! this cannot say yes where the service says no. Of the token, only its claims and
//! the names in its header are shown, on one line each and cut; never the token.

mod told;

use std::fmt::{self, Write as _};

use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde_json::Value;

use crate::config::{Auth, KeyLocation};
use crate::doctor::Status;
use crate::domain::policy::{Caller, Permissions};
use crate::domain::token::{
    Claims, Expected, Held, StoreSource, Times, TokenError, TokenRules, Verifier, VerifyKey, algorithm_name,
    algorithms_of_key_sets, claimed_algorithm,
};
use crate::identity::fetch_key_set;
use told::Report;

pub use told::{Step, Verdict};

/// What a token's maker wrote is shown up to here, in characters.
const MAX_SHOWN_CHARS: usize = 96;

/// More key names than this help nobody.
const MAX_SHOWN_KEYS: usize = 8;

/// What `token` gives as of `now`, telling each step as it is taken. Fetches the key sets that are configured.
pub async fn check_token(auth: &Auth, token: &str, now: Timestamp, tell: &mut (dyn FnMut(&Step) + Send)) -> Verdict {
    let mut report = Report::new(tell);
    let (keys, missing) = gather_keys(auth, &mut report).await;
    let verifier = Verifier::new(keys, auth.rules.clone()).refusing(auth.revoked.clone());
    let mut seen = Seen::default();
    let mut lines = Vec::new();
    let verdict = verifier.verify_telling(token, |held| lines.extend(seen.told(&held, &auth.rules, now)));
    for (step, text) in lines {
        report.line(true, step, &text);
    }
    match verdict.and_then(|verified| verified.caller_at(verifier.rules(), now)) {
        Ok(caller) => what_it_opens(&caller, auth, &mut report),
        Err(error) if error.is_for_want_of_a_key() && error != TokenError::Signature && could_be(&missing, token) => {
            report.line(false, "key", "the one that signed it may be among those that could not be fetched");
            return Verdict::Undecided;
        }
        Err(error) => {
            let (step, text) = seen.refusal(error, &verifier, now);
            report.line(false, step, &text);
            return Verdict::Refused(error);
        }
    }
    if report.held { Verdict::Accepted } else { Verdict::OpensNothing }
}

/// The keys, and the algorithms of those that could not be fetched.
async fn gather_keys(auth: &Auth, report: &mut Report<'_>) -> (Vec<VerifyKey>, Vec<Algorithm>) {
    let mut missing = Vec::new();
    let mut keys = auth.keys.clone();
    if !keys.is_empty() {
        report.line(true, "keys", &format!("the configuration has {}", key_names(&keys)));
    }
    for source in &auth.sources {
        let name = source.name();
        if let KeyLocation::File(_) = source.location {
            report.line(true, "keys", &format!("{name} has {}", key_names(&source.first_keys)));
            keys.extend(source.first_keys.iter().cloned());
            continue;
        }
        match fetch_key_set(source, auth.fetch).await {
            Ok(set) => {
                report.line(true, "keys", &format!("{name} has {}", key_names(&set.keys)));
                for (place, reason) in &set.dropped {
                    report.line(true, "keys", &format!("{name}: entry {place} is not used, {reason}"));
                }
                keys.extend(set.keys);
            }
            // Another source may have the key.
            Err(error) => {
                missing.extend(algorithms_of_key_sets(&source.algorithms));
                report.tell(Status::Warn, "keys", format!("{name}: {error}"));
            }
        }
    }
    (keys, missing)
}

fn could_be(missing: &[Algorithm], token: &str) -> bool {
    claimed_algorithm(token).is_some_and(|algorithm| missing.contains(&algorithm))
}

fn key_names(keys: &[VerifyKey]) -> String {
    let name = |key: &VerifyKey| {
        let algorithms: Vec<_> = key.algorithms().iter().map(|algorithm| algorithm_name(*algorithm)).collect();
        let id = key.id().map(|id| format!(" {}", Shown(id))).unwrap_or_default();
        format!("{}{id}", algorithms.join("/"))
    };
    let names: Vec<_> = keys.iter().take(MAX_SHOWN_KEYS).map(name).collect();
    let rest = keys.len().saturating_sub(names.len());
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", names.join(", "))
}

/// What is known of the token so far, to explain the step that fails.
#[derive(Default)]
struct Seen {
    header: Option<String>,
    expected: Expected,
    said: String,
    times: Option<Times>,
}

impl Seen {
    fn told(&mut self, held: &Held<'_>, rules: &TokenRules, now: Timestamp) -> Vec<(&'static str, String)> {
        match held {
            Held::Header(header) => {
                let mut text = format!("alg {}", algorithm_name(header.algorithm()));
                for (name, value) in [("kid", header.kid()), ("typ", header.typ())] {
                    if let Some(value) = value {
                        let _ = write!(text, ", {name} {}", Shown(value));
                    }
                }
                self.header = Some(text.clone());
                vec![("header", text)]
            }
            Held::Signature(key, claims) => {
                self.expected = key.expected().clone();
                self.said = format!("iss {}, aud {}", json(claims, "iss"), json(claims, "aud"));
                vec![("key", format!("signed by {}", key_names(std::slice::from_ref(*key))))]
            }
            Held::Claims(claims, times) => {
                self.times = Some(*times);
                let text = format!("{}, sub {}, {}", self.said, json(claims, "sub"), life(*times, now));
                vec![("claims", text), ("claims", claims_of_the_store(claims, rules))]
            }
            Held::Caller(_) => Vec::new(),
        }
    }

    fn refusal(&self, error: TokenError, verifier: &Verifier, now: Timestamp) -> (&'static str, String) {
        let header = self.header.as_deref().unwrap_or_default();
        match error {
            TokenError::TooLong | TokenError::Format => {
                ("form", format!("{error}: three parts of base64url, with two dots"))
            }
            TokenError::Header | TokenError::Critical => ("header", error.to_string()),
            TokenError::Type => (
                "header",
                match verifier.rules().required_type.as_deref() {
                    Some(required) => format!("{error}: auth.token_typ asks for {}", Shown(required)),
                    None => format!("{error}: `typ` may be JWT, at+jwt or absent"),
                },
            ),
            TokenError::Algorithm | TokenError::UnknownKey | TokenError::Signature => {
                ("key", format!("{error} ({header}); known are {}", known(verifier.keys())))
            }
            TokenError::Issuer => (
                "claims",
                format!(
                    "{error}: {}, wanted iss {}",
                    self.said,
                    Shown(self.expected.issuer.as_deref().unwrap_or_default())
                ),
            ),
            TokenError::Audience if self.expected.audiences.is_empty() => {
                ("claims", format!("{error}: {}, and auth.audience is empty", self.said))
            }
            TokenError::Audience => (
                "claims",
                format!("{error}: {}, wanted aud {}", self.said, Shown(&self.expected.audiences.join(" or "))),
            ),
            TokenError::Claims => {
                ("claims", format!("{error}: exp is required; exp, nbf and iat are numbers, sub is a text"))
            }
            TokenError::Expired | TokenError::NotYetValid | TokenError::LivesTooLong => {
                let life = self.times.map(|times| life(times, now)).unwrap_or_default();
                let rules = verifier.rules();
                let (leeway, longest) = (rules.leeway.as_secs(), rules.max_ttl.as_secs());
                ("time", format!("{error}: {life}; leeway {leeway} s, longest life {longest} s"))
            }
            TokenError::Revoked => ("revocation", format!("{error} by auth.denied_file")),
        }
    }
}

fn known(keys: &[VerifyKey]) -> String {
    if keys.is_empty() { "none".to_owned() } else { key_names(keys) }
}

/// The claims that the store is read from, as they are.
fn claims_of_the_store(claims: &Claims, rules: &TokenRules) -> String {
    let paths: Vec<&str> = match &rules.store_source {
        StoreSource::Claim(path) => vec![path],
        StoreSource::Template(template) => template.claims().collect(),
    };
    let shown: Vec<_> = paths.iter().map(|path| format!("{path} {}", json(claims, path))).collect();
    shown.join(", ")
}

fn what_it_opens(caller: &Caller, auth: &Auth, report: &mut Report<'_>) {
    let stores: Vec<_> = caller.stores().iter().map(|placed| placed.store.as_str()).collect();
    if stores.is_empty() {
        report.line(
            false,
            "store",
            "none: the claim is missing, of another type, or no plain store name (A-Z a-z 0-9 . _ -)",
        );
    } else {
        report.line(true, "store", &stores.join(", "));
        for placed in caller.stores().iter().filter(|_| auth.storage_names.len() > 1) {
            let storage = auth.storage_names.get(placed.storage.get()).map_or("", String::as_str);
            report.line(true, "storage", &format!("{} lies in {storage}", placed.store.as_str()));
        }
    }
    let Permissions { read, write, delete } = caller.permissions();
    let named: Vec<_> = [("read", read), ("write", write), ("delete", delete)]
        .iter()
        .filter(|(_, allowed)| *allowed)
        .map(|(name, _)| *name)
        .collect();
    if named.is_empty() {
        let why = if auth.rules.scope.required {
            "none: auth.require_scope is on, and no scope word is known"
        } else {
            "none: a scope claim is of another type"
        };
        report.line(false, "operations", why);
    } else {
        report.line(true, "operations", &named.join(", "));
    }
    if let Some(prefixes) = caller.prefixes() {
        let shown: Vec<_> = prefixes.iter().map(|prefix| Shown(prefix).to_string()).collect();
        let text = if shown.is_empty() { "none that a key could begin with".to_owned() } else { shown.join(", ") };
        report.line(!shown.is_empty(), "prefixes", &text);
    }
    if let Some(limit) = caller.max_upload_bytes() {
        report.line(true, "uploads", &format!("of at most {limit} bytes"));
    }
}

fn life(times: Times, now: Timestamp) -> String {
    let at =
        |seconds: i64| Timestamp::from_second(seconds).map_or_else(|_| seconds.to_string(), |time| time.to_string());
    let mut text = String::new();
    for (name, time) in [("iat", times.iat), ("nbf", times.nbf), ("exp", Some(times.exp))] {
        if let Some(time) = time {
            let _ = write!(text, "{name} {}, ", at(time));
        }
    }
    let _ = write!(text, "now {}", at(now.as_second()));
    text
}

fn json(claims: &Claims, path: &str) -> String {
    match claims.find(path) {
        None => "(absent)".to_owned(),
        Some(Value::String(text)) => Shown(text).to_string(),
        // JSON's own quotes stay; it escapes what would break the line, but not all that a terminal obeys.
        Some(value) => cut(&value.to_string()).replace("\\\"", "\""),
    }
}

/// What somebody else wrote, in quotes, on one line and cut.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", cut(self.0))
    }
}

fn cut(text: &str) -> String {
    text.chars().take(MAX_SHOWN_CHARS).flat_map(char::escape_debug).collect()
}
