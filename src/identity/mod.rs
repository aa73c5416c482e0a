//! Who calls: the keys that are in force, where they come from, and the tokens they have already verified.
//!
//! [`Authenticator`] is a [`Verifier`] that is replaced while requests run, with a
//! cache in front of the part of its work that is the same each time. Replaced by:
//!
//! * `remote`: key sets at a URL, with or without OIDC discovery, one task each;
//! * `files`: key sets and the list of revoked tokens, followed on disk.
//!
//! A request takes the way of [`Authenticator::authenticate`], which never waits. Only a
//! token that no key verifies may wait for a fetch, once or twice, and nobody else does.

mod address;
mod cache;
mod counts;
mod described;
mod fetch;
mod files;
mod remote;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::config::{Auth, KeyLocation};
use crate::domain::policy::Caller;
use crate::domain::token::{
    KeySet, Revoked, TokenError, TokenRules, Verifier, VerifyKey, algorithms_of_key_sets, claimed_algorithm,
};
use cache::TokenCache;
use fetch::Fetcher;
use remote::{Keys, Remote};

pub use address::{AddressProblem, check_address};
pub use cache::CacheLimits;
pub use counts::IdentityCounts;
pub use fetch::{FetchError, fetch_key_set};

/// Keys may have come between a look and the question for newer ones, and a fetch that was under way may have
/// begun too early to bring them; the next one has not.
const MAX_ROUNDS: usize = 3;

/// How long a request waits for keys at the most: less than it may take in all, so that its answer says why.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// The token is not accepted.
    #[error(transparent)]
    Refused(#[from] TokenError),
    /// The token cannot be judged, because keys that may have signed it are not to be had.
    #[error("the keys that may have signed the token cannot be fetched")]
    KeysUnavailable,
}

/// Turns tokens into callers.
#[derive(Debug)]
pub struct Authenticator {
    current: ArcSwap<Generation>,
    /// What the current generation was made from.
    parts: Mutex<Parts>,
    /// The number of the next generation. None is given twice.
    next: AtomicU64,
    cache: Option<TokenCache>,
    remotes: Vec<Arc<Remote>>,
    /// Places to wait for a fetch.
    waiting: Semaphore,
    counts: Arc<IdentityCounts>,
}

/// One set of keys and rules. A token that was verified under another one is verified again.
#[derive(Debug)]
struct Generation {
    number: u64,
    verifier: Verifier,
}

#[derive(Debug)]
struct Parts {
    fixed: Vec<VerifyKey>,
    /// The keys of each source that is followed, by its place in the configuration.
    sources: Vec<Vec<VerifyKey>>,
    rules: TokenRules,
    revoked: Revoked,
}

impl Parts {
    fn verifier(&self) -> Verifier {
        let keys = self.fixed.iter().chain(self.sources.iter().flatten()).cloned().collect();
        Verifier::new(keys, self.rules.clone()).refusing(self.revoked.clone())
    }
}

impl Authenticator {
    /// An authenticator over fixed keys that remembers as many tokens as `limits` allow.
    #[must_use]
    pub fn new(keys: Vec<VerifyKey>, rules: TokenRules, limits: CacheLimits) -> Self {
        Self::of(Parts { fixed: keys, sources: Vec::new(), rules, revoked: Revoked::default() }, limits)
    }

    fn of(parts: Parts, limits: CacheLimits) -> Self {
        Self {
            current: ArcSwap::from_pointee(Generation { number: 0, verifier: parts.verifier() }),
            parts: Mutex::new(parts),
            next: AtomicU64::new(1),
            cache: TokenCache::new(limits),
            remotes: Vec::new(),
            waiting: Semaphore::new(0),
            counts: Arc::default(),
        }
    }

    /// An authenticator as configured. Starts a task for each source that changes, which ends
    /// with the authenticator.
    ///
    /// # Errors
    ///
    /// [`FetchError::Unreachable`] when the platform gives no TLS roots.
    pub fn start(auth: &Auth) -> Result<Arc<Self>, FetchError> {
        Self::start_counting(auth, Arc::default())
    }

    /// The same, adding to these counts.
    pub(crate) fn start_counting(auth: &Auth, counts: Arc<IdentityCounts>) -> Result<Arc<Self>, FetchError> {
        let parts = Parts {
            fixed: auth.keys.clone(),
            sources: auth.sources.iter().map(|source| source.first_keys.clone()).collect(),
            rules: auth.rules.clone(),
            revoked: auth.revoked.clone(),
        };
        let waiting = Semaphore::new(auth.fetch.max_waiting);
        let mut authenticator = Self { waiting, counts, ..Self::of(parts, auth.cache) };
        let mut fetchers = Vec::new();
        for (place, source) in auth.sources.iter().enumerate() {
            if let KeyLocation::File(_) = source.location {
                continue;
            }
            let algorithms = algorithms_of_key_sets(&source.algorithms);
            // What is told of it: a query may hold a key.
            let name = source.name().split('?').next().unwrap_or_default().to_owned();
            let counts = authenticator.counts.source(&name);
            let remote = Arc::new(Remote::new(name, algorithms, auth.fetch.cooldown, counts));
            let fetcher = Fetcher::new(source.clone(), auth.fetch).map_err(FetchError::Unreachable)?;
            authenticator.remotes.push(Arc::clone(&remote));
            fetchers.push((remote, place, fetcher));
        }
        let authenticator = Arc::new(authenticator);
        for (remote, place, fetcher) in fetchers {
            tokio::spawn(remote::keep_fresh(remote, place, fetcher, auth.fetch, Arc::downgrade(&authenticator)));
        }
        authenticator.follow_files(auth);
        Ok(authenticator)
    }

    fn follow_files(self: &Arc<Self>, auth: &Auth) {
        for (place, source) in auth.sources.iter().cloned().enumerate() {
            let KeyLocation::File(path) = source.location.clone() else { continue };
            tokio::spawn(files::follow(path, Arc::downgrade(self), move |authenticator: &Self, bytes| {
                let set = KeySet::parse(bytes, &source.algorithms, &source.expected);
                set.map(|set| authenticator.set_source(place, set.keys)).map_err(|error| error.to_string())
            }));
        }
        if let Some(path) = auth.denied_file.clone() {
            let rule = auth.rules.store_rule;
            tokio::spawn(files::follow(path, Arc::downgrade(self), move |authenticator: &Self, bytes| {
                let revoked = std::str::from_utf8(bytes).map_err(|error| error.to_string());
                let revoked = revoked.and_then(|text| Revoked::parse(text, rule).map_err(|error| error.to_string()));
                revoked.map(|revoked| authenticator.change(|parts| parts.revoked = revoked))
            }));
        }
    }

    /// Puts the keys of one source in force, from the next request on.
    fn set_source(&self, place: usize, keys: Vec<VerifyKey>) {
        self.change(|parts| {
            if let Some(source) = parts.sources.get_mut(place) {
                *source = keys;
            }
        });
    }

    /// Puts other keys or rules in force, from the next request on.
    fn change(&self, change: impl FnOnce(&mut Parts)) {
        // Held to the end, so that of two changes the later one stays.
        let mut parts = self.lock_parts();
        change(&mut parts);
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.current.store(Arc::new(Generation { number, verifier: parts.verifier() }));
        if let Some(cache) = &self.cache {
            cache.clear();
        }
    }

    fn lock_parts(&self) -> std::sync::MutexGuard<'_, Parts> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether every source has brought its keys at least once, and any key is in force now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let all_came = self.remotes.iter().all(|remote| remote.keys() != Keys::Never);
        all_came && !self.current.load().verifier.keys().is_empty()
    }

    /// The bearer of `token` as of `now`, if need be after waiting for keys that it may be signed with.
    ///
    /// # Errors
    ///
    /// [`AuthError::Refused`] says which check failed; it is for the log only.
    /// [`AuthError::KeysUnavailable`] when nobody can say.
    pub async fn caller_of(&self, token: &str, now: Timestamp) -> Result<Arc<Caller>, AuthError> {
        let looked_at = self.current.load().number;
        match self.authenticate(token, now) {
            Ok(caller) => Ok(caller),
            Err(error) if error.is_for_want_of_a_key() && !self.remotes.is_empty() => {
                let judged = self.caller_of_newer_keys(token, now, error, looked_at);
                tokio::time::timeout(MAX_WAIT, judged).await.unwrap_or(Err(AuthError::KeysUnavailable))
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn caller_of_newer_keys(
        &self,
        token: &str,
        now: Timestamp,
        mut error: TokenError,
        mut looked_at: u64,
    ) -> Result<Arc<Caller>, AuthError> {
        let Some(algorithm) = claimed_algorithm(token) else { return Err(error.into()) };
        let remotes: Vec<_> = self.remotes.iter().filter(|remote| remote.fits(algorithm)).collect();
        for _ in 0..MAX_ROUNDS {
            let Ok(_place) = self.waiting.try_acquire() else { return Err(AuthError::KeysUnavailable) };
            // All are asked before any is waited for.
            let asked: Vec<_> = remotes.iter().filter_map(|remote| remote.ask_for_newer()).collect();
            // Keys that came since the last look are looked at; no test can make them come just here.
            if asked.is_empty() && self.current.load().number == looked_at {
                break;
            }
            for fetch in asked {
                fetch.await;
            }
            looked_at = self.current.load().number;
            match self.authenticate(token, now) {
                Err(again) if again.is_for_want_of_a_key() => error = again,
                judged => return judged.map_err(AuthError::from),
            }
        }
        // A key that is known and did not make this signature is an answer; no key at all is one
        // only if everybody who may have one could be asked.
        let missing =
            |remote: &&Arc<Remote>| remote.keys() != Keys::Good || (error != TokenError::Signature && remote.failed());
        if remotes.iter().any(missing) { Err(AuthError::KeysUnavailable) } else { Err(error.into()) }
    }

    /// The bearer of `token` as of `now`, by the keys that are in force.
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
            None => {
                self.counts.cache_misses.add();
                current.verifier.verify_signed(token)?
            }
            Some(cache) => cache.get_or_insert(token, current.number, &self.counts, || {
                let verified = current.verifier.verify_signed(token)?;
                // A token that does not hold now is a refusal, and those are not kept.
                verified.caller_at(rules, now)?;
                Ok(verified)
            })?,
        };
        verified.caller_at(rules, now)
    }
}
