//! What a verified token says: from whom, for whom, when, and what it opens.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::template::StoreTemplate;
use super::{Expected, TokenError, TokenRules};
use crate::domain::json;
use crate::domain::key::check_segments;
use crate::domain::policy::{Caller, Permissions, PlacedStore};
use crate::domain::route::StorageRoutes;
use crate::domain::store::{StoreId, StoreIdRule};

/// Where a caller's stores are read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreSource {
    /// A claim that holds a store or a list of them: its name, or its path.
    Claim(String),
    /// Other claims.
    Template(StoreTemplate),
}

/// How the scope of a token is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeRules {
    /// The claims that hold scope words: names or paths.
    pub claims: Vec<String>,
    /// Other people's words for our permissions, beside `files:read`, `files:write` and `files:delete`.
    pub words: BTreeMap<String, Permissions>,
    /// Whether a token without a known word may do nothing (else: everything).
    pub required: bool,
}

/// The words that always count.
const OUR_WORDS: [(&str, Permissions); 3] = [
    ("files:read", Permissions { read: true, ..Permissions::NONE }),
    ("files:write", Permissions { write: true, ..Permissions::NONE }),
    ("files:delete", Permissions { delete: true, ..Permissions::NONE }),
];

/// How our words begin.
const OUR_PREFIX: &str = "files:";

/// Whether a scope word is one of ours, and so cannot be given another meaning.
#[must_use]
pub fn is_our_scope_word(word: &str) -> bool {
    OUR_WORDS.iter().any(|(ours, _)| *ours == word)
}

/// The claims of a token whose signature held.
#[derive(Debug)]
pub struct Claims(Map<String, Value>);

impl Claims {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, TokenError> {
        json::object(payload).map(Self).map_err(|_| TokenError::Claims)
    }

    pub(super) fn times(&self) -> Result<Times, TokenError> {
        Ok(Times {
            exp: self.numeric_date("exp")?.ok_or(TokenError::Claims)?,
            nbf: self.numeric_date("nbf")?,
            iat: self.numeric_date("iat")?,
        })
    }

    /// `iss` and `aud` against what the key's owner says of its tokens.
    pub(super) fn check_expected(&self, expected: &Expected) -> Result<(), TokenError> {
        // J25: a list with the issuer in it is not the issuer.
        if let Some(issuer) = &expected.issuer
            && self.0.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err(TokenError::Issuer);
        }
        let audiences: Vec<&str> = match self.0.get("aud") {
            None => Vec::new(),
            Some(Value::String(audience)) => vec![audience],
            Some(Value::Array(list)) => {
                list.iter().map(Value::as_str).collect::<Option<_>>().ok_or(TokenError::Audience)?
            }
            Some(_) => return Err(TokenError::Audience),
        };
        // J24: who is not named must refuse a token that names somebody (RFC 7519 section 4.1.3).
        let held = match (expected.audiences.as_slice(), self.0.contains_key("aud")) {
            ([], names_somebody) => !names_somebody,
            (ours, _) => ours.iter().any(|ours| audiences.contains(&ours.as_str())),
        };
        if held { Ok(()) } else { Err(TokenError::Audience) }
    }

    pub(super) fn caller(&self, rules: &TokenRules) -> Result<Caller, TokenError> {
        Ok(Caller {
            issuer: self.0.get("iss").and_then(Value::as_str).map(str::to_owned),
            subject: self.own_text("sub")?,
            token_id: self.own_text("jti")?,
            stores: self.placed(self.stores(&rules.store_source, rules.store_rule), &rules.routes),
            permissions: self.permissions(&rules.scope),
            prefixes: self.0.get("prefixes").map(prefixes),
            // A limit that cannot be read is not "no limit".
            max_upload_bytes: self.0.get("max_upload_bytes").map(|limit| limit.as_u64().unwrap_or(0)),
        })
    }

    /// The claim of this whole name; else the one at this path of own members of objects. A
    /// name may hold dots itself (`https://app.example/claims.storeId`), so the longest goes first.
    #[must_use]
    pub fn find(&self, path: &str) -> Option<&Value> {
        find_in(&self.0, path)
    }

    /// A claim that is a text.
    #[must_use]
    pub fn text(&self, path: &str) -> Option<&str> {
        self.find(path).and_then(Value::as_str)
    }

    /// A claim that is a text or not there. What is revoked is found by such claims, so another type is an error.
    fn own_text(&self, name: &str) -> Result<Option<String>, TokenError> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(TokenError::Claims),
        }
    }

    /// A `NumericDate` (RFC 7519 section 2) in whole seconds since 1970 UTC, huge values saturated.
    fn numeric_date(&self, name: &str) -> Result<Option<i64>, TokenError> {
        let Some(value) = self.0.get(name) else { return Ok(None) };
        let Value::Number(number) = value else { return Err(TokenError::Claims) };
        if let Some(seconds) = number.as_i64() {
            return Ok(Some(seconds));
        }
        let seconds = number.as_f64().filter(|s| s.is_finite()).ok_or(TokenError::Claims)?;
        #[allow(clippy::cast_possible_truncation, reason = "a float cast saturates, which is what is wanted")]
        Ok(Some(seconds.floor() as i64))
    }

    /// A string or a list of strings. Any other type, or one bad name, gives no store at all.
    fn stores(&self, source: &StoreSource, rule: StoreIdRule) -> Vec<StoreId> {
        match source {
            StoreSource::Template(template) => template.store(|path| self.text(path)).into_iter().collect(),
            StoreSource::Claim(path) => {
                let names = self.find(path).and_then(|claim| texts(claim, |name| vec![name])).unwrap_or_default();
                let stores = names.into_iter().map(|name| StoreId::parse(name, rule));
                stores.collect::<Result<_, _>>().unwrap_or_default()
            }
        }
    }

    fn placed(&self, stores: Vec<StoreId>, routes: &StorageRoutes) -> Vec<PlacedStore> {
        let placed =
            |store| PlacedStore { storage: routes.storage_of(&store, |path, text| self.holds(path, text)), store };
        stores.into_iter().map(placed).collect()
    }

    /// Whether a claim is this text, or a list with it.
    fn holds(&self, path: &str, text: &str) -> bool {
        self.find(path).and_then(|claim| texts(claim, |text| vec![text])).is_some_and(|texts| texts.contains(&text))
    }

    /// All that the words of all scope claims give. Words that are nobody's are ignored; a
    /// claim of another type gives nothing, and so does a word that was meant for us and is none of ours: a token that
    /// was to be narrow is never taken for one that is not.
    fn permissions(&self, rules: &ScopeRules) -> Permissions {
        let Some(words) = self.scope_words(rules) else { return Permissions::NONE };
        let ours = OUR_WORDS.iter().copied();
        let theirs = rules.words.iter().map(|(word, permissions)| (word.as_str(), *permissions));
        let known = ours.chain(theirs).filter(|(word, _)| words.contains(word));
        let granted = known.fold(Permissions::NONE, |granted, (_, permissions)| granted.union(permissions));
        let is_narrowed = words.iter().any(|word| word.to_ascii_lowercase().starts_with(OUR_PREFIX));
        if granted == Permissions::NONE && !rules.required && !is_narrowed { Permissions::ALL } else { granted }
    }

    /// Space-separated (RFC 8693 section 4.2), also where they are a list.
    fn scope_words(&self, rules: &ScopeRules) -> Option<Vec<&str>> {
        let claims = rules.claims.iter().filter_map(|path| self.find(path));
        let words: Option<Vec<_>> = claims.map(|claim| texts(claim, |words| words.split(' ').collect())).collect();
        words.map(|lists| lists.concat())
    }
}

fn find_in<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(path) {
        return Some(value);
    }
    path.rmatch_indices('.').find_map(|(dot, _)| {
        let (name, rest) = (path.get(..dot)?, path.get(dot.checked_add(1)?..)?);
        find_in(object.get(name)?.as_object()?, rest)
    })
}

/// The texts of a claim that is one text or a list of texts, each read by `one`. Nothing when it is neither.
fn texts<'a>(claim: &'a Value, one: impl Fn(&'a str) -> Vec<&'a str>) -> Option<Vec<&'a str>> {
    match claim {
        Value::String(text) => Some(one(text)),
        Value::Array(list) => {
            list.iter().map(|text| text.as_str().map(&one)).collect::<Option<Vec<_>>>().map(|lists| lists.concat())
        }
        _ => None,
    }
}

/// When a token holds, in seconds since 1970 UTC.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// From this second on it has expired.
    pub exp: i64,
    /// Before this second it does not hold.
    pub nbf: Option<i64>,
    /// When it was made.
    pub iat: Option<i64>,
}

impl Times {
    /// `exp`, `nbf`, `iat` and the longest life, against the request's own `now`.
    pub(super) fn check(&self, rules: &TokenRules, now: Timestamp) -> Result<(), TokenError> {
        let Self { exp, nbf, iat } = *self;
        let now = now.as_second();
        let leeway = whole_seconds(rules.leeway);
        let max_ttl = whole_seconds(rules.max_ttl);
        if now >= exp.saturating_add(leeway) {
            return Err(TokenError::Expired);
        }
        if [nbf, iat].into_iter().flatten().any(|start| start > now.saturating_add(leeway)) {
            return Err(TokenError::NotYetValid);
        }
        // Without `iat` only the life still ahead is known. The leeway lets a token of
        // exactly the longest life pass when its issuer's clock is a little ahead.
        let life = iat.map_or(exp.saturating_sub(now.saturating_add(leeway)), |iat| exp.saturating_sub(iat));
        if max_ttl > 0 && life > max_ttl {
            return Err(TokenError::LivesTooLong);
        }
        Ok(())
    }
}

fn whole_seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_secs()).unwrap_or(i64::MAX)
}

/// Keys or key prefixes, one slash at the end allowed. What could match no key is
/// dropped, and a claim of the wrong type matches none.
fn prefixes(claim: &Value) -> Vec<String> {
    let Value::Array(list) = claim else { return Vec::new() };
    let texts = list.iter().filter_map(Value::as_str);
    let prefixes = texts.map(|text| text.strip_suffix('/').unwrap_or(text));
    prefixes.filter(|prefix| check_segments(prefix).is_ok()).map(str::to_owned).collect()
}
