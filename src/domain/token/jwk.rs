//! Public keys as JSON: one JWK (RFC 7517 section 4), or a set of them (section 5).
//!
//! A set comes from somebody else, so each entry is judged alone: one that is odd,
//! or meant for something else, is left out with a reason and spoils nothing. What
//! an entry says of its own use is believed, which `jsonwebtoken` does not do.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use serde_json::{Map, Value};

use super::algorithm::{ALGORITHMS, algorithm_named, is_symmetric};
use super::key::{Expected, KeyLoadError, VerifyKey};
use crate::domain::json;

/// More keys than this are no key set, but somebody's database.
pub const MAX_KEYS_IN_SET: usize = 256;

/// Members that only a private or a shared key has (RFC 7518 sections 6.2.2, 6.3.2 and 6.4, RFC 8037 section 2).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Why an entry is not used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JwkError {
    /// Not an object, or a member of the wrong type.
    #[error("it is malformed")]
    Malformed,
    /// A secret or a private key, which has no place where everybody can read.
    #[error("it is a secret or a private key")]
    Private,
    /// `use` or `key_ops` says something other than verifying signatures.
    #[error("it is not for verifying signatures")]
    Use,
    /// A `kty`, `crv` or `alg` that is not taken, or that do not fit together.
    #[error("its type or algorithm is not taken")]
    Algorithm,
    /// It names an algorithm that is not wanted from this source.
    #[error("its algorithm is not among those configured")]
    NotWanted,
    /// It cannot be used safely.
    #[error("{0}")]
    Key(#[from] KeyLoadError),
}

/// Why a document is no set of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeySetError {
    /// Not JSON, or not an object with a list `keys`.
    #[error("it is not a JSON object with a list of `keys`")]
    Malformed,
    /// More than [`MAX_KEYS_IN_SET`].
    #[error("it has more than {MAX_KEYS_IN_SET} keys")]
    TooMany,
    /// Nothing in it can be used.
    #[error("it has no key that can verify a token")]
    Empty,
}

/// The keys of a set that can be used, and what was left out, by its place in the set.
#[derive(Debug)]
pub struct KeySet {
    /// At least one key.
    pub keys: Vec<VerifyKey>,
    /// Place in the set, counted from 0, and reason.
    pub dropped: Vec<(usize, JwkError)>,
}

impl KeySet {
    /// Reads a key set whose tokens must say what is `expected`.
    ///
    /// `wanted` lists the algorithms that are taken from here; empty means all that have a
    /// public key, RS256 alone for an RSA key that does not name its own.
    ///
    /// # Errors
    ///
    /// [`KeySetError`] when nothing can be made of it.
    pub fn parse(bytes: &[u8], wanted: &[Algorithm], expected: &Arc<Expected>) -> Result<Self, KeySetError> {
        let document: Map<String, Value> = json::object(bytes).map_err(|_| KeySetError::Malformed)?;
        let Some(Value::Array(entries)) = document.get("keys") else { return Err(KeySetError::Malformed) };
        if entries.len() > MAX_KEYS_IN_SET {
            return Err(KeySetError::TooMany);
        }
        let mut set = Self { keys: Vec::new(), dropped: Vec::new() };
        for (place, entry) in entries.iter().enumerate() {
            match public_key(entry, wanted) {
                Ok(key) => set.keys.push(key.expecting(Arc::clone(expected))),
                Err(reason) => set.dropped.push((place, reason)),
            }
        }
        if set.keys.is_empty() { Err(KeySetError::Empty) } else { Ok(set) }
    }
}

impl VerifyKey {
    /// One public JWK as text, of an algorithm in `wanted`, or of any when that is empty.
    ///
    /// # Errors
    ///
    /// [`JwkError`] says why it is not used.
    pub fn from_jwk(text: &[u8], wanted: &[Algorithm]) -> Result<Self, JwkError> {
        let jwk: Map<String, Value> = json::object(text).map_err(|_| JwkError::Malformed)?;
        public_key(&Value::Object(jwk), wanted)
    }
}

fn public_key(entry: &Value, wanted: &[Algorithm]) -> Result<VerifyKey, JwkError> {
    let jwk = entry.as_object().ok_or(JwkError::Malformed)?;
    if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
        return Err(JwkError::Private);
    }
    if !is_for_verifying(jwk) {
        return Err(JwkError::Use);
    }
    let algorithms = algorithms(jwk, wanted)?;
    let key = match text(jwk, "kty")? {
        "RSA" => VerifyKey::rsa(algorithms, &bytes(jwk, "n")?, &bytes(jwk, "e")?)?,
        "EC" => VerifyKey::point(first(&algorithms)?, &uncompressed(jwk, first(&algorithms)?)?)?,
        _ => VerifyKey::point(first(&algorithms)?, &bytes(jwk, "x")?)?,
    };
    match jwk.get("kid") {
        None => Ok(key),
        Some(Value::String(kid)) => Ok(key.with_id(kid.clone())),
        Some(_) => Err(JwkError::Malformed),
    }
}

/// `use` and `key_ops` as RFC 7517 sections 4.2 and 4.3 mean them; absent, nothing is said.
fn is_for_verifying(jwk: &Map<String, Value>) -> bool {
    let for_signatures = jwk.get("use").is_none_or(|purpose| purpose == "sig");
    let may_verify = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|operation| operation == "verify"),
        Some(_) => false,
    };
    for_signatures && may_verify
}

/// The algorithms to use the key for: the one that it names, else what its type leaves.
fn algorithms(jwk: &Map<String, Value>, wanted: &[Algorithm]) -> Result<Vec<Algorithm>, JwkError> {
    let possible: &[Algorithm] = match (text(jwk, "kty")?, jwk.get("crv").and_then(Value::as_str)) {
        ("RSA", None) => AlgorithmFamily::Rsa.algorithms(),
        ("EC", Some("P-256")) => &[Algorithm::ES256],
        ("EC", Some("P-384")) => &[Algorithm::ES384],
        ("OKP", Some("Ed25519")) => &[Algorithm::EdDSA],
        _ => return Err(JwkError::Algorithm),
    };
    let possible: &[Algorithm] = match jwk.get("alg") {
        Some(Value::String(name)) => {
            let named = algorithm_named(name).filter(|algorithm| possible.contains(algorithm));
            &[named.ok_or(JwkError::Algorithm)?]
        }
        Some(_) => return Err(JwkError::Malformed),
        // One key, one algorithm (RFC 8725 section 3.1): what nearly all providers sign with.
        None if wanted.is_empty() && possible.len() > 1 => &[Algorithm::RS256],
        None => possible,
    };
    let taken = possible.iter().filter(|algorithm| wanted.is_empty() || wanted.contains(algorithm));
    let taken: Vec<_> = taken.copied().collect();
    if taken.is_empty() { Err(JwkError::NotWanted) } else { Ok(taken) }
}

/// SEC 1 section 2.3.3: `04 || x || y`, each as long as the field, zeros included (RFC 7518 section 6.2.1.2).
fn uncompressed(jwk: &Map<String, Value>, algorithm: Algorithm) -> Result<Vec<u8>, JwkError> {
    let length = if algorithm == Algorithm::ES384 { 48 } else { 32 };
    let (x, y) = (bytes(jwk, "x")?, bytes(jwk, "y")?);
    if x.len() != length || y.len() != length {
        return Err(KeyLoadError::Point.into());
    }
    Ok([&[4], x.as_slice(), y.as_slice()].concat())
}

fn first(algorithms: &[Algorithm]) -> Result<Algorithm, JwkError> {
    algorithms.first().copied().ok_or(JwkError::Algorithm)
}

fn text<'a>(jwk: &'a Map<String, Value>, member: &str) -> Result<&'a str, JwkError> {
    jwk.get(member).and_then(Value::as_str).ok_or(JwkError::Malformed)
}

fn bytes(jwk: &Map<String, Value>, member: &str) -> Result<Vec<u8>, JwkError> {
    URL_SAFE_NO_PAD.decode(text(jwk, member)?).map_err(|_| JwkError::Malformed)
}

/// The algorithms that a key set can bring into force.
#[must_use]
pub fn algorithms_of_key_sets(wanted: &[Algorithm]) -> Vec<Algorithm> {
    let public = ALGORITHMS.iter().map(|(_, algorithm)| *algorithm).filter(|algorithm| !is_symmetric(*algorithm));
    public.filter(|algorithm| wanted.is_empty() || wanted.contains(algorithm)).collect()
}
