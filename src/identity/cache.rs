//! Tokens that were verified once.
//!
//! Keyed by the whole token, so that no two share an entry. An entry is worth
//! something only under the keys and rules it was verified with, and never says
//! that a token holds: the times are checked by whoever reads it. A refusal is
//! not kept, or rubbish would push good tokens out.

use std::fmt;

use quick_cache::Weighter;
use quick_cache::sync::{Cache, GuardResult};

use super::IdentityCounts;
use crate::domain::token::{TokenError, Verified};

/// What an entry takes besides its token, roughly: the caller and the bookkeeping.
const ENTRY_OVERHEAD_BYTES: u64 = 512;

/// How much is remembered. Either number zero: nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    /// Tokens.
    pub entries: u32,
    /// Bytes of tokens and what belongs to them.
    pub bytes: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    generation: u64,
    verified: Verified,
}

/// Weighs an entry by its bytes, and no less than its share of the whole, so that
/// one capacity bounds both bytes and entries.
#[derive(Debug, Clone)]
struct Bytes {
    least: u64,
}

impl Weighter<String, Entry> for Bytes {
    fn weight(&self, token: &String, _: &Entry) -> u64 {
        // The caller holds at most what the token said.
        let bytes = u64::try_from(token.len()).unwrap_or(u64::MAX).saturating_mul(2);
        bytes.saturating_add(ENTRY_OVERHEAD_BYTES).max(self.least)
    }
}

/// Verified tokens, bounded.
pub(super) struct TokenCache(Cache<String, Entry, Bytes>);

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("entries", &self.0.len()).finish_non_exhaustive()
    }
}

impl TokenCache {
    /// A cache of that size, or none.
    pub(super) fn new(limits: CacheLimits) -> Option<Self> {
        let CacheLimits { entries, bytes } = limits;
        let least = bytes.checked_div(entries.into()).filter(|_| bytes > 0)?;
        // Rounded down to whole shares, so that neither bound is passed. When entries
        // are not to be had for less than a byte, the bytes bound them.
        let capacity = if least > 0 { least.saturating_mul(entries.into()) } else { bytes };
        let expected = capacity.checked_div(least.max(ENTRY_OVERHEAD_BYTES)).unwrap_or_default();
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        Some(Self(Cache::with_weighter(expected, capacity, Bytes { least })))
    }

    /// What is remembered of `token` under `generation`, or what `verify` says of it now.
    ///
    /// Of many that ask for a token at once, one verifies and the others wait for it.
    pub(super) fn get_or_insert(
        &self,
        token: &str,
        generation: u64,
        counts: &IdentityCounts,
        verify: impl FnOnce() -> Result<Verified, TokenError>,
    ) -> Result<Verified, TokenError> {
        loop {
            match self.0.get_value_or_guard(token, None) {
                GuardResult::Value(entry) if entry.generation == generation => {
                    counts.cache_hits.add();
                    return Ok(entry.verified);
                }
                // Verified under keys that are no longer in force, or by a request that still saw them.
                GuardResult::Value(_) => {
                    self.0.remove(token);
                }
                GuardResult::Guard(guard) => {
                    // On a refusal the guard is dropped, and whoever waits verifies for itself.
                    counts.cache_misses.add();
                    let verified = verify()?;
                    // A failure means that the entry was removed meanwhile: then it is not kept.
                    let _ = guard.insert(Entry { generation, verified: verified.clone() });
                    return Ok(verified);
                }
                GuardResult::Timeout => {
                    counts.cache_misses.add();
                    return verify();
                }
            }
        }
    }

    pub(super) fn clear(&self) {
        self.0.clear();
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, u64) {
        (self.0.len(), self.0.weight())
    }
}
