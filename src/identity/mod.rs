//! Who calls: the keys that are in force, and the tokens they have already verified.
//!
//! [`Authenticator`] is a [`Verifier`] that can be replaced while requests run,
//! with a cache in front of the part of its work that is the same each time.

mod cache;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use jiff::Timestamp;

use crate::domain::policy::Caller;
use crate::domain::token::{TokenError, Verifier};
use cache::TokenCache;

pub use cache::CacheLimits;

/// Turns tokens into callers.
#[derive(Debug)]
pub struct Authenticator {
    current: ArcSwap<Generation>,
    /// The number of the next generation. None is given twice.
    next: AtomicU64,
    cache: Option<TokenCache>,
}

/// One set of keys and rules. A token that was verified under another one is verified again.
#[derive(Debug)]
struct Generation {
    number: u64,
    verifier: Verifier,
}

impl Authenticator {
    /// An authenticator that remembers as many tokens as `limits` allow.
    #[must_use]
    pub fn new(verifier: Verifier, limits: CacheLimits) -> Self {
        let current = ArcSwap::from_pointee(Generation { number: 0, verifier });
        Self { current, next: AtomicU64::new(1), cache: TokenCache::new(limits) }
    }

    /// Puts other keys and rules in force, from the next request on.
    pub fn replace(&self, verifier: Verifier) {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.current.store(Arc::new(Generation { number, verifier }));
        if let Some(cache) = &self.cache {
            cache.clear();
        }
    }

    /// The bearer of `token` as of `now`.
    ///
    /// What depends on the time is checked on every call, whatever is remembered.
    ///
    /// # Errors
    ///
    /// [`TokenError`] says which check failed; it is for the log only.
    pub fn authenticate(&self, token: &str, now: Timestamp) -> Result<Arc<Caller>, TokenError> {
        let current = self.current.load();
        let rules = current.verifier.rules();
        let verified = match &self.cache {
            None => current.verifier.verify_signed(token)?,
            Some(cache) => cache.get_or_insert(token, current.number, || {
                let verified = current.verifier.verify_signed(token)?;
                // A token that does not hold now is a refusal, and those are not kept.
                verified.caller_at(rules, now)?;
                Ok(verified)
            })?,
        };
        verified.caller_at(rules, now)
    }
}
