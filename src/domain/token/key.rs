//! Keys that verify tokens, each of exactly one algorithm.

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey};

use super::{Header, MIN_HMAC_SECRET_BYTES};

/// The algorithms that are taken, by the name that a token header has for them (RFC 7518 section 3.1, RFC 8037).
pub const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("HS256", Algorithm::HS256),
    ("RS256", Algorithm::RS256),
    ("ES256", Algorithm::ES256),
    ("EdDSA", Algorithm::EdDSA),
];

/// The algorithm of this exact name.
#[must_use]
pub fn algorithm_named(name: &str) -> Option<Algorithm> {
    ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
}

/// A key that verifies tokens of exactly one algorithm.
#[derive(Clone)]
pub struct VerifyKey {
    algorithm: Algorithm,
    /// The `kid` of tokens that it signed; without one it is tried for any.
    id: Option<String>,
    key: DecodingKey,
}

/// Why something is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyLoadError {
    /// An HMAC secret that can be guessed.
    #[error("an HMAC secret needs at least {MIN_HMAC_SECRET_BYTES} bytes")]
    WeakSecret,
    /// Not a public key of that algorithm in PEM.
    #[error("this is no public key of that algorithm in PEM (`-----BEGIN PUBLIC KEY-----`)")]
    Pem,
    /// The algorithm takes a secret, or does not take one.
    #[error("that algorithm takes another kind of key")]
    Kind,
}

impl VerifyKey {
    /// An HS256 key.
    ///
    /// # Errors
    ///
    /// [`KeyLoadError::WeakSecret`] when the secret is shorter than [`MIN_HMAC_SECRET_BYTES`].
    pub fn hs256(secret: &[u8]) -> Result<Self, KeyLoadError> {
        if secret.len() < MIN_HMAC_SECRET_BYTES {
            return Err(KeyLoadError::WeakSecret);
        }
        Ok(Self { algorithm: Algorithm::HS256, id: None, key: DecodingKey::from_secret(secret) })
    }

    /// A public key in PEM, for RS256, ES256 or `EdDSA`.
    ///
    /// # Errors
    ///
    /// [`KeyLoadError`] when `pem` is no public key, or `algorithm` takes none.
    pub fn from_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyLoadError> {
        let key = match algorithm {
            Algorithm::RS256 => DecodingKey::from_rsa_pem(pem),
            Algorithm::ES256 => DecodingKey::from_ec_pem(pem),
            Algorithm::EdDSA => DecodingKey::from_ed_pem(pem),
            _ => return Err(KeyLoadError::Kind),
        };
        Ok(Self { algorithm, id: None, key: key.map_err(|_| KeyLoadError::Pem)? })
    }

    /// The same key, for tokens with this `kid` or without one.
    #[must_use]
    pub fn with_id(self, id: String) -> Self {
        Self { id: Some(id), ..self }
    }

    /// Whether a token with this header is to be tried against the key.
    pub(super) fn fits(&self, header: &Header) -> bool {
        let named = match (&self.id, &header.kid) {
            (Some(id), Some(kid)) => id == kid,
            _ => true,
        };
        self.algorithm == header.algorithm && named
    }

    pub(super) fn verifies(&self, signed: &str, signature: &str) -> bool {
        jsonwebtoken::crypto::verify(signature, signed.as_bytes(), &self.key, self.algorithm).unwrap_or(false)
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyKey").field("algorithm", &self.algorithm).field("id", &self.id).finish_non_exhaustive()
    }
}
