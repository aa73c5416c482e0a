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

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::{Map, Value};

use super::json;
use super::policy::Caller;
use super::store::StoreIdRule;
use claims::Claims;

mod claims;
mod mint;

pub use mint::{MintClaims, mint_hs256};

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// The shortest HMAC secret that is taken, in bytes (RFC 7518 section 3.2 for HS256).
pub const MIN_HMAC_SECRET_BYTES: usize = 32;

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

/// A key that verifies tokens of exactly one algorithm.
pub struct VerifyKey {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl VerifyKey {
    /// An HS256 key.
    ///
    /// # Errors
    ///
    /// [`WeakSecret`] when the secret is shorter than [`MIN_HMAC_SECRET_BYTES`].
    pub fn hs256(secret: &[u8]) -> Result<Self, WeakSecret> {
        if secret.len() < MIN_HMAC_SECRET_BYTES {
            return Err(WeakSecret);
        }
        Ok(Self { algorithm: Algorithm::HS256, key: DecodingKey::from_secret(secret) })
    }
}

impl std::fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("VerifyKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// An HMAC secret that can be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an HMAC secret needs at least {MIN_HMAC_SECRET_BYTES} bytes")]
pub struct WeakSecret;

/// Checks tokens against a set of keys.
#[derive(Debug)]
pub struct Verifier {
    keys: Vec<VerifyKey>,
    rules: TokenRules,
}

impl Verifier {
    /// A verifier over these keys. Without keys, no token passes.
    #[must_use]
    pub fn new(keys: Vec<VerifyKey>, rules: TokenRules) -> Self {
        Self { keys, rules }
    }

    /// Verifies `token` as of `now`.
    ///
    /// # Errors
    ///
    /// [`TokenError`] says which check failed; it is for the log only.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, TokenError> {
        let payload = self.check_signature(token)?;
        let claims = Claims::parse(&payload)?;
        claims.check_times(&self.rules, now)?;
        claims.into_caller(&self.rules)
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
        let algorithm = check_header(&decode_part(header)?)?;

        let mut candidates = self.keys.iter().filter(|key| key.algorithm == algorithm).peekable();
        if candidates.peek().is_none() {
            return Err(TokenError::Algorithm);
        }
        let verified = candidates.any(|key| {
            jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &key.key, algorithm).unwrap_or(false)
        });
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

/// Reads the JOSE header; the key hints in it (`jwk`, `jku`, `x5u`, `x5c`) are never followed.
fn check_header(bytes: &[u8]) -> Result<Algorithm, TokenError> {
    let header: Map<String, Value> = json::object(bytes).map_err(|_| TokenError::Header)?;
    if header.contains_key("crit") {
        return Err(TokenError::Critical);
    }
    if header.get("kid").is_some_and(|kid| !kid.is_string()) {
        return Err(TokenError::Header);
    }
    match header.get("typ") {
        None => {}
        Some(Value::String(typ)) if is_token_type(typ) => {}
        Some(_) => return Err(TokenError::Type),
    }
    match header.get("alg") {
        Some(Value::String(alg)) if alg == "HS256" => Ok(Algorithm::HS256),
        Some(Value::String(_)) => Err(TokenError::Algorithm),
        _ => Err(TokenError::Header),
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
