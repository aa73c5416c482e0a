//! What a verified token says: when it holds, whose it is, what it opens.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{TokenError, TokenRules};
use crate::domain::json;
use crate::domain::key::check_segments;
use crate::domain::policy::{Caller, Permissions};
use crate::domain::store::{StoreId, StoreIdRule};

/// The claims of a token whose signature held.
pub(super) struct Claims(Map<String, Value>);

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

    pub(super) fn into_caller(self, rules: &TokenRules) -> Result<Caller, TokenError> {
        let claim = |name: &str| self.0.get(name);
        let subject = match claim("sub") {
            None => None,
            Some(Value::String(subject)) => Some(subject.clone()),
            Some(_) => return Err(TokenError::Claims),
        };
        Ok(Caller {
            subject,
            stores: stores(claim(&rules.store_claim), rules.store_rule),
            permissions: permissions(claim("scope"), rules.require_scope),
            prefixes: claim("prefixes").map(prefixes),
        })
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
}

/// When a token holds, in seconds since 1970 UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    exp: i64,
    nbf: Option<i64>,
    iat: Option<i64>,
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

/// A string or a list of strings. Any other type, or one bad name, gives no store at all.
fn stores(claim: Option<&Value>, rule: StoreIdRule) -> Vec<StoreId> {
    let names: Option<Vec<&str>> = match claim {
        Some(Value::String(name)) => Some(vec![name]),
        Some(Value::Array(names)) => names.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let stores = names.unwrap_or_default().into_iter().map(|name| StoreId::parse(name, rule));
    stores.collect::<Result<_, _>>().unwrap_or_default()
}

/// A space-separated string (RFC 8693 section 4.2) or a list of strings. Words
/// that are not ours are ignored; a claim of another type gives nothing.
fn permissions(claim: Option<&Value>, require_scope: bool) -> Permissions {
    let words: Option<Vec<&str>> = match claim {
        None => Some(Vec::new()),
        Some(Value::String(words)) => Some(words.split(' ').collect()),
        Some(Value::Array(words)) => words.iter().map(Value::as_str).collect(),
        Some(_) => None,
    };
    let Some(words) = words else { return Permissions::NONE };
    let granted = Permissions {
        read: words.contains(&"files:read"),
        write: words.contains(&"files:write"),
        delete: words.contains(&"files:delete"),
    };
    if granted == Permissions::NONE && !require_scope { Permissions::ALL } else { granted }
}

/// Keys or key prefixes, one slash at the end allowed. What could match no key is
/// dropped, and a claim of the wrong type matches none.
fn prefixes(claim: &Value) -> Vec<String> {
    let Value::Array(list) = claim else { return Vec::new() };
    let texts = list.iter().filter_map(Value::as_str);
    let prefixes = texts.map(|text| text.strip_suffix('/').unwrap_or(text));
    prefixes.filter(|prefix| check_segments(prefix).is_ok()).map(str::to_owned).collect()
}
