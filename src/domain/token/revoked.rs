//! Tokens that were good and are not wanted any more.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::claims::{Claims, Times};
use crate::domain::policy::Caller;
use crate::domain::store::{StoreId, StoreIdRule};

/// In `not_before`: every store.
const EVERY_STORE: &str = "*";

/// What is revoked. A token that meets any line of it is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked {
    jti: HashSet<String>,
    sub: HashSet<String>,
    stores: HashSet<String>,
    /// Seconds since 1970 UTC. Tokens for the store that were made before are refused, and those that do not say when.
    not_before: HashMap<String, i64>,
}

/// The list as it is written.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
#[derive(Default)]
struct Written {
    jti: HashSet<String>,
    sub: HashSet<String>,
    store: HashSet<String>,
    not_before: BTreeMap<String, toml::Value>,
}

/// Why a text is no list of revoked tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RevokedError {
    /// Not TOML, or another key or type than expected.
    #[error("it is not TOML with lists `jti`, `sub`, `store` and a table `not_before`: {0}")]
    Syntax(String),
    /// Not a time.
    #[error("not_before of `{0}` is no time; write it as 2026-11-22T15:04:05Z, or in seconds since 1970")]
    Time(String),
    /// A store that no token can have, so that the line would revoke nothing.
    #[error("`{0}` is no store that a token could be for (auth.store_ids)")]
    Store(String),
}

impl Revoked {
    /// Reads a list: TOML with the lists `jti`, `sub`, `store`, and the table `not_before` of
    /// stores (or `*` for all) and times. Stores are written as tokens have them, and read by the same `rule`.
    ///
    /// # Errors
    ///
    /// [`RevokedError`] when any of it cannot be understood.
    pub fn parse(text: &str, rule: StoreIdRule) -> Result<Self, RevokedError> {
        let written: Written =
            toml::from_str(text).map_err(|error| RevokedError::Syntax(error.message().to_owned()))?;
        let folder = |store: &String| {
            let read = StoreId::parse(store, rule).map_err(|_| RevokedError::Store(store.clone()))?;
            Ok(read.as_str().to_owned())
        };
        let mut not_before = HashMap::new();
        for (store, time) in &written.not_before {
            let seconds = seconds(time).ok_or_else(|| RevokedError::Time(store.clone()))?;
            let store = if store == EVERY_STORE { store.clone() } else { folder(store)? };
            // Of two names of one folder the later time.
            not_before.entry(store).and_modify(|known: &mut i64| *known = seconds.max(*known)).or_insert(seconds);
        }
        Ok(Self {
            jti: written.jti,
            sub: written.sub,
            stores: written.store.iter().map(folder).collect::<Result<_, _>>()?,
            not_before,
        })
    }

    /// Whether a token that says this is revoked. A token for several stores is, when one of them is:
    /// which of its stores it was stolen for, nobody knows.
    pub(super) fn covers(&self, claims: &Claims, times: &Times, caller: &Caller) -> bool {
        let listed = |list: &HashSet<String>, claim: &str| claims.text(claim).is_some_and(|value| list.contains(value));
        let stores = || caller.stores().iter().map(|placed| placed.store.as_str());
        let too_old = |store: &str| {
            let not_before = self.not_before.get(store);
            not_before.is_some_and(|not_before| times.iat.is_none_or(|iat| iat < *not_before))
        };
        listed(&self.jti, "jti")
            || listed(&self.sub, "sub")
            || stores().any(|store| self.stores.contains(store))
            || stores().chain([EVERY_STORE]).any(too_old)
    }
}

fn seconds(time: &toml::Value) -> Option<i64> {
    match time {
        toml::Value::Integer(seconds) => Some(*seconds),
        toml::Value::String(text) => text.parse::<Timestamp>().ok().map(Timestamp::as_second),
        toml::Value::Datetime(time) => time.to_string().parse::<Timestamp>().ok().map(Timestamp::as_second),
        _ => None,
    }
}
