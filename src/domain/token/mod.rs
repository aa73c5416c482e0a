//! Tokens: from a bearer string to a [`Caller`].
//!
//! JWS compact serialisation (RFC 7515), claims as in RFC 7519, hardened as
//! RFC 8725 asks. `jsonwebtoken` does the cryptography; the header and the
//! claims are read here, because the library ignores `crit`, takes an empty
//! HMAC secret, has a silent 60 s leeway and reads its own clock.
//!
//! A token that fails is an [`TokenError`] and always answered alike. A token
//! that holds but names no usable store becomes a [`Caller`] that may do
//! nothing, so that the answer is 403 and not 401.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;

use super::policy::Caller;
use super::route::StorageRoutes;
use super::store::StoreIdRule;

mod algorithm;
mod claims;
mod header;
mod jwk;
mod key;
mod mint;
mod revoked;
mod template;

pub use algorithm::{ALGORITHMS, algorithm_name, algorithm_named, is_symmetric};
pub use claims::{Claims, ScopeRules, StoreSource, Times, is_our_scope_word};
pub use header::Header;
pub use jwk::{JwkError, KeySet, KeySetError, MAX_KEYS_IN_SET, algorithms_of_key_sets};
pub use key::{Expected, KeyLoadError, VerifyKey};
pub use mint::{MintClaims, mint_hs256};
pub use revoked::{Revoked, RevokedError};
pub use template::{StoreTemplate, TemplateEncoding, TemplateError};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The shortest HMAC secret that is taken, in bytes (RFC 7518 section 3.2 for HS256).
pub const MIN_HMAC_SECRET_BYTES: usize = 32;

/// How many keys a token is tried against at the most.
const MAX_KEYS_TRIED: usize = 8;

/// What is asked of a token besides a good signature. [`Default`] is what the service does unless configured.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// How far `exp`, `nbf` and `iat` may be off, for clocks that disagree.
    pub leeway: Duration,
    /// The longest life that a token may have; zero switches the check off.
    pub max_ttl: Duration,
    /// The `typ` that a token must have; `None` takes those of access and plain tokens, and none.
    pub required_type: Option<String>,
    /// What names the store or stores.
    pub store_source: StoreSource,
    /// How a store claim becomes a folder.
    pub store_rule: StoreIdRule,
    /// What a token allows in its stores.
    pub scope: ScopeRules,
    /// Where its stores lie.
    pub routes: StorageRoutes,
}

impl TokenRules {
    /// The claim that names the store, unless a template makes it from others.
    #[must_use]
    pub fn store_claim(&self) -> Option<&str> {
        match &self.store_source {
            StoreSource::Claim(claim) => Some(claim),
            StoreSource::Template(_) => None,
        }
    }
}

impl Default for TokenRules {
    fn default() -> Self {
        Self {
            leeway: Duration::from_secs(30),
            max_ttl: Duration::from_hours(24),
            required_type: None,
            store_source: StoreSource::Claim("storeId".to_owned()),
            store_rule: StoreIdRule::Strict,
            scope: ScopeRules {
                claims: vec!["scope".to_owned(), "scp".to_owned()],
                words: BTreeMap::new(),
                required: false,
            },
            routes: StorageRoutes::default(),
        }
    }
}

/// Why a token is not accepted. For the log; callers are told only that it is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Longer than [`MAX_TOKEN_BYTES`].
    #[error("the token is too long")]
    TooLong,
    /// Not three non-empty parts of unpadded, canonical base64url.
    #[error("the token is not a compact JWS")]
    Format,
    /// The header is not an object of the expected members.
    #[error("the token header is malformed")]
    Header,
    /// `alg` is not exactly one of the configured keys'.
    #[error("the token algorithm is not allowed")]
    Algorithm,
    /// `typ` names a token that is not for us, such as `dpop+jwt`.
    #[error("the token type is not allowed")]
    Type,
    /// `crit` lists extensions; none is understood (RFC 7515 section 4.1.11).
    #[error("the token demands an extension")]
    Critical,
    /// No configured key has this `kid` and algorithm.
    #[error("the token names a key that is not known")]
    UnknownKey,
    /// No configured key made this signature.
    #[error("the token signature does not match")]
    Signature,
    /// The payload is not an object of well-typed claims.
    #[error("a claim is missing or of the wrong type")]
    Claims,
    /// `iss` is not whom the key belongs to.
    #[error("the token is from another issuer")]
    Issuer,
    /// `aud` does not name us, or names others and no audience is configured.
    #[error("the token is for another audience")]
    Audience,
    /// `exp` lies in the past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token lives longer than `auth.max_token_ttl_secs`.
    #[error("the token lives too long")]
    LivesTooLong,
    /// It stands in `auth.denied_file`.
    #[error("the token is revoked")]
    Revoked,
}

impl TokenError {
    /// Whether keys that are not here yet could have changed the answer.
    #[must_use]
    pub fn is_for_want_of_a_key(self) -> bool {
        matches!(self, Self::Algorithm | Self::UnknownKey | Self::Signature)
    }
}

/// Checks tokens against a set of keys.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<VerifyKey>,
    rules: TokenRules,
    revoked: Revoked,
}

/// A token whose signature held: what it opens, and when.
///
/// Worth nothing without a time: [`Verified::caller_at`] is the only way to its caller.
#[derive(Debug, Clone)]
pub struct Verified {
    times: Times,
    caller: Arc<Caller>,
}

impl Verified {
    /// The bearer, if the token holds at `now` under `rules`.
    ///
    /// # Errors
    ///
    /// [`TokenError::Expired`], [`TokenError::NotYetValid`] or [`TokenError::LivesTooLong`].
    pub fn caller_at(&self, rules: &TokenRules, now: Timestamp) -> Result<Arc<Caller>, TokenError> {
        self.times.check(rules, now)?;
        Ok(Arc::clone(&self.caller))
    }
}

/// What held so far of a token that is being verified, in the order of the checks. For `signer check-token`.
#[derive(Debug)]
pub enum Held<'a> {
    /// It is a compact JWS with this header.
    Header(&'a Header),
    /// This key signed it, and it says this.
    Signature(&'a VerifyKey, &'a Claims),
    /// `iss` and `aud` are as the key's owner wants them.
    Claims(&'a Claims, Times),
    /// It is not revoked, and opens this.
    Caller(&'a Caller),
}

impl Verifier {
    /// A verifier over these keys. Without keys, no token passes.
    #[must_use]
    pub fn new(keys: Vec<VerifyKey>, rules: TokenRules) -> Self {
        Self { keys, rules, revoked: Revoked::default() }
    }

    /// The same, refusing what is revoked.
    #[must_use]
    pub fn refusing(self, revoked: Revoked) -> Self {
        Self { revoked, ..self }
    }

    /// What is asked of tokens besides their signature.
    #[must_use]
    pub fn rules(&self) -> &TokenRules {
        &self.rules
    }

    /// The keys in force.
    #[must_use]
    pub fn keys(&self) -> &[VerifyKey] {
        &self.keys
    }

    /// Verifies `token` as of `now`.
    ///
    /// # Errors
    ///
    /// [`TokenError`] says which check failed; it is for the log only.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Arc<Caller>, TokenError> {
        self.verify_signed(token)?.caller_at(&self.rules, now)
    }

    /// Verifies all of `token` that does not depend on the time.
    ///
    /// # Errors
    ///
    /// [`TokenError`] says which check failed; it is for the log only.
    pub fn verify_signed(&self, token: &str) -> Result<Verified, TokenError> {
        self.verify_telling(token, |_| {})
    }

    /// [`Verifier::verify_signed`], telling `tell` of each check that held.
    ///
    /// # Errors
    ///
    /// [`TokenError`] says which check failed.
    pub fn verify_telling(&self, token: &str, mut tell: impl FnMut(Held<'_>)) -> Result<Verified, TokenError> {
        let jws = Jws::parse(token)?;
        let header = Header::parse(&jws.header)?;
        header.check_type(self.rules.required_type.as_deref())?;
        tell(Held::Header(&header));
        let (key, claims) = self.check_signature(&jws, &header, &mut tell)?;
        claims.check_expected(key.expected())?;
        let times = claims.times()?;
        tell(Held::Claims(&claims, times));
        let caller = claims.caller(&self.rules)?;
        if self.revoked.covers(&claims, &times, &caller) {
            return Err(TokenError::Revoked);
        }
        tell(Held::Caller(&caller));
        Ok(Verified { times, caller: Arc::new(caller) })
    }

    /// The key that signed the token, and what the token says. One key may stand for several
    /// issuers, so of those that fit, the one whose issuer and audience fit too goes first.
    fn check_signature(
        &self,
        jws: &Jws<'_>,
        header: &Header,
        tell: &mut impl FnMut(Held<'_>),
    ) -> Result<(&VerifyKey, Claims), TokenError> {
        let algorithm = header.algorithm;
        if !self.keys.iter().any(|key| key.algorithms().contains(&algorithm)) {
            return Err(TokenError::Algorithm);
        }
        let mut fitting: Vec<_> = self.keys.iter().filter(|key| key.fits(header)).collect();
        if fitting.is_empty() {
            return Err(TokenError::UnknownKey);
        }
        // Read before the signature held, and only to look in the right place first: whatever keys one issuer publishes,
        // tokens of another are tried against their own (J26).
        let claims = Claims::parse(&jws.payload);
        let issuer = claims.as_ref().ok().and_then(|claims| claims.text("iss"));
        fitting.sort_by_key(|key| key.distance(issuer, header));
        // J12: against few, so that the work is bounded.
        fitting.truncate(MAX_KEYS_TRIED);
        let signers: Vec<_> =
            fitting.into_iter().filter(|key| key.verifies(algorithm, jws.signed, jws.signature)).collect();
        let first = *signers.first().ok_or(TokenError::Signature)?;
        let claims = claims?;
        // J26: a key speaks for its own issuer alone.
        let held = signers.iter().copied().find(|key| claims.check_expected(key.expected()).is_ok());
        let key = held.unwrap_or(first);
        tell(Held::Signature(key, &claims));
        Ok((key, claims))
    }
}

/// The parts of a compact JWS (RFC 7515 section 7.1).
struct Jws<'a> {
    header: Vec<u8>,
    payload: Vec<u8>,
    /// What is signed: the first two parts as they stand.
    signed: &'a [u8],
    signature: &'a str,
}

impl<'a> Jws<'a> {
    fn parse(token: &'a str) -> Result<Self, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Format)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Format)?;
        decode_part(signature)?;
        Ok(Self { header: decode_part(header)?, payload: decode_part(payload)?, signed: signed.as_bytes(), signature })
    }
}

fn decode_part(part: &str) -> Result<Vec<u8>, TokenError> {
    if part.is_empty() {
        return Err(TokenError::Format);
    }
    // Refuses padding, the standard alphabet, white space and non-canonical last bits (J30).
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Format)
}

/// The algorithm that a token claims to be signed with, if it can be read.
#[must_use]
pub fn claimed_algorithm(token: &str) -> Option<jsonwebtoken::Algorithm> {
    Jws::parse(token).and_then(|jws| Header::parse(&jws.header)).ok().map(|header| header.algorithm)
}

#[cfg(test)]
mod tests;
