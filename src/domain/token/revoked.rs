//! Tokens that were good and are not wanted any more.

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;
use serde::Deserialize;

use super::claims::{Claims, Times};
use crate::domain::policy::Caller;

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
}

impl Revoked {
    /// Reads a list: TOML with the lists `jti`, `sub`, `store`, and the table `not_before` of
    /// stores (or `*` for all) and times.
    ///
    /// # Errors
    ///
    /// [`RevokedError`] when any of it cannot be understood.
    pub fn parse(text: &str) -> Result<Self, RevokedError> {
        let written: Written =
            toml::from_str(text).map_err(|error| RevokedError::Syntax(error.message().to_owned()))?;
        let not_before = written.not_before.into_iter().map(|(store, time)| {
            let seconds = seconds(&time).ok_or_else(|| RevokedError::Time(store.clone()))?;
            Ok((store, seconds))
        });
        Ok(Self {
            jti: written.jti,
            sub: written.sub,
            stores: written.store,
            not_before: not_before.collect::<Result<_, _>>()?,
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
