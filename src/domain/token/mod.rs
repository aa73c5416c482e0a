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

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::json;
use super::policy::Caller;
use super::store::StoreIdRule;
use claims::{Claims, Times};

mod claims;
mod key;
mod mint;

pub use key::{ALGORITHMS, KeyLoadError, VerifyKey, algorithm_named};
pub use mint::{MintClaims, mint_hs256};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The shortest HMAC secret that is taken, in bytes (RFC 7518 section 3.2 for HS256).
pub const MIN_HMAC_SECRET_BYTES: usize = 32;

/// How many keys a token is tried against at the most.
const MAX_KEYS_TRIED: usize = 8;

/// What is asked of a token besides a good signature.
#[derive(Debug, Clone)]
pub struct TokenRules {
    /// How far `exp`, `nbf` and `iat` may be off, for clocks that disagree.
    pub leeway: Duration,
    /// The longest life that a token may have; zero switches the check off.
    pub max_ttl: Duration,
    /// The claim that names the store or stores.
    pub store_claim: String,
    /// How a store claim becomes a folder.
    pub store_rule: StoreIdRule,
    /// Whether a token without a scope word of ours may do nothing (else: everything).
    pub require_scope: bool,
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
    /// No configured key made this signature.
    #[error("the token signature does not match")]
    Signature,
    /// The payload is not an object of well-typed claims.
    #[error("a claim is missing or of the wrong type")]
    Claims,
    /// `exp` lies in the past.
    #[error("the token has expired")]
    Expired,
    /// `nbf` or `iat` lies in the future.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// The token lives longer than `auth.max_token_ttl_secs`.
    #[error("the token lives too long")]
    LivesTooLong,
}

/// Checks tokens against a set of keys.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<VerifyKey>,
    rules: TokenRules,
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

impl Verifier {
    /// A verifier over these keys. Without keys, no token passes.
    #[must_use]
    pub fn new(keys: Vec<VerifyKey>, rules: TokenRules) -> Self {
        Self { keys, rules }
    }

    /// What is asked of tokens besides their signature.
    #[must_use]
    pub fn rules(&self) -> &TokenRules {
        &self.rules
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
        let payload = self.check_signature(token)?;
        let claims = Claims::parse(&payload)?;
        Ok(Verified { times: claims.times()?, caller: Arc::new(claims.into_caller(&self.rules)?) })
    }

    /// The payload of a token that one of the keys signed.
    fn check_signature(&self, token: &str) -> Result<Vec<u8>, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Format)?;
        let (header, payload) = signed.split_once('.').ok_or(TokenError::Format)?;
        let payload = decode_part(payload)?;
        decode_part(signature)?;
        let header = Header::parse(&decode_part(header)?)?;

        // J12: a token that names no key is tried against few, so that the work is bounded.
        let mut candidates = self.keys.iter().filter(|key| key.fits(&header)).take(MAX_KEYS_TRIED).peekable();
        if candidates.peek().is_none() {
            return Err(TokenError::Algorithm);
        }
        let verified = candidates.any(|key| key.verifies(signed, signature));
        if verified { Ok(payload) } else { Err(TokenError::Signature) }
    }
}

fn decode_part(part: &str) -> Result<Vec<u8>, TokenError> {
    if part.is_empty() {
        return Err(TokenError::Format);
    }
    // Refuses padding, the standard alphabet, white space and non-canonical last bits (J30).
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Format)
}

/// What is read of a JOSE header. The key hints in it (`jwk`, `jku`, `x5u`, `x5c`) are never followed.
struct Header {
    algorithm: Algorithm,
    kid: Option<String>,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut header: Map<String, Value> = json::object(bytes).map_err(|_| TokenError::Header)?;
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        match header.get("typ") {
            None => {}
            Some(Value::String(typ)) if is_token_type(typ) => {}
            Some(_) => return Err(TokenError::Type),
        }
        let kid = match header.remove("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid),
            Some(_) => return Err(TokenError::Header),
        };
        match header.get("alg") {
            Some(Value::String(alg)) => Ok(Self { algorithm: algorithm_named(alg).ok_or(TokenError::Algorithm)?, kid }),
            _ => Err(TokenError::Header),
        }
    }
}

/// `JWT` (RFC 7519 section 5.1) or `at+jwt` (RFC 9068), in any case, with or without `application/`.
/// Everything else is a token for another purpose (RFC 8725 section 3.11).
fn is_token_type(typ: &str) -> bool {
    let typ = typ.to_ascii_lowercase();
    matches!(typ.strip_prefix("application/").unwrap_or(&typ), "jwt" | "at+jwt")
}

#[cfg(test)]
mod tests;
