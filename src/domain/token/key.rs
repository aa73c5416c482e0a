//! Keys that verify tokens: each of few, named algorithms, and bound to whoever may sign with it.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RsaParameters, VerificationAlgorithm,
};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};

use super::algorithm::{algorithm_name, hmac_bytes, is_symmetric};
use super::{Header, MIN_HMAC_SECRET_BYTES};

/// RSA moduli are this long, in bits: less can be factored, more is only work.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// An Ed25519 public key (RFC 8032 section 5.1.5).
const ED25519_BYTES: usize = 32;

/// What a token must say of itself besides being signed with a key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The `iss` of its tokens, byte for byte. `None`: any, or none.
    pub issuer: Option<String>,
    /// One of these must be in `aud`. Empty: a token that names an audience is for somebody else.
    pub audiences: Vec<String>,
}

/// A key that verifies tokens of exactly the algorithms that it is meant for.
#[derive(Clone)]
pub struct VerifyKey {
    /// Seldom more than one: an RSA key in a key set without `alg`, where the operator lists some.
    algorithms: Vec<Algorithm>,
    /// The `kid` of tokens that it signed; without one it is tried for any.
    id: Option<String>,
    expected: Arc<Expected>,
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
    /// An RSA key that can be broken, or that is only slow.
    #[error("an RSA key has 2048 to 8192 bits, this one has {0}")]
    RsaSize(u32),
    /// An RSA exponent that makes signatures worthless.
    #[error("an RSA exponent is odd and at least 3")]
    RsaExponent,
    /// Coordinates of the wrong length, or off the curve.
    #[error("this is no point on the curve of that algorithm")]
    Point,
}

impl VerifyKey {
    /// An HS256 key.
    ///
    /// # Errors
    ///
    /// [`KeyLoadError::WeakSecret`] when the secret is shorter than [`MIN_HMAC_SECRET_BYTES`].
    pub fn hs256(secret: &[u8]) -> Result<Self, KeyLoadError> {
        Self::hmac(Algorithm::HS256, secret)
    }

    /// A shared secret for HS256, HS384 or HS512.
    ///
    /// # Errors
    ///
    /// [`KeyLoadError::WeakSecret`] when it is shorter than [`MIN_HMAC_SECRET_BYTES`],
    /// [`KeyLoadError::Kind`] for algorithms of public keys.
    pub fn hmac(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyLoadError> {
        if !is_symmetric(algorithm) {
            return Err(KeyLoadError::Kind);
        }
        if secret.len() < MIN_HMAC_SECRET_BYTES {
            return Err(KeyLoadError::WeakSecret);
        }
        Ok(Self::of(vec![algorithm], DecodingKey::from_secret(secret)))
    }

    /// Whether RFC 7518 section 3.2 wants a longer secret for its algorithm than this.
    #[must_use]
    pub fn is_shorter_than_its_hash(&self, secret: &[u8]) -> bool {
        self.algorithms.iter().filter_map(|algorithm| hmac_bytes(*algorithm)).any(|bytes| secret.len() < bytes)
    }

    /// A public key in PEM.
    ///
    /// # Errors
    ///
    /// [`KeyLoadError`] when `pem` is no public key that `algorithm` can use safely.
    pub fn from_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyLoadError> {
        let key = match algorithm.family() {
            AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(pem),
            AlgorithmFamily::Ec => DecodingKey::from_ec_pem(pem),
            AlgorithmFamily::Ed => DecodingKey::from_ed_pem(pem),
            AlgorithmFamily::Hmac => return Err(KeyLoadError::Kind),
        };
        let key = key.map_err(|_| KeyLoadError::Pem)?;
        let DecodingKeyKind::SecretOrDer(bytes) = key.kind() else { return Err(KeyLoadError::Pem) };
        if algorithm.family() == AlgorithmFamily::Rsa {
            // A private key is refused here too: its DER is another structure.
            check_bits(RsaParameters::public_modulus_len(bytes).map_err(|_| KeyLoadError::Pem)?)?;
        } else {
            check_point(algorithm, bytes).map_err(|_| KeyLoadError::Pem)?;
        }
        Ok(Self::of(vec![algorithm], key))
    }

    /// An RSA key from its modulus and exponent, big-endian.
    pub(super) fn rsa(algorithms: Vec<Algorithm>, n: &[u8], e: &[u8]) -> Result<Self, KeyLoadError> {
        let significant = |bytes: &[u8]| bytes.iter().skip_while(|byte| **byte == 0).copied().collect::<Vec<u8>>();
        let (n, e) = (significant(n), significant(e));
        let leading = n.first().map_or(0, |byte| byte.leading_zeros());
        let bits = u32::try_from(n.len()).unwrap_or(u32::MAX).saturating_mul(8).saturating_sub(leading);
        check_bits(bits)?;
        if e.last().is_none_or(|last| last % 2 == 0) || e == [1] {
            return Err(KeyLoadError::RsaExponent);
        }
        Ok(Self::of(algorithms, DecodingKey::from_rsa_raw_components(&n, &e)))
    }

    /// A point on the curve of `algorithm`: uncompressed for ES256 and ES384, as in RFC 8032 for `EdDSA`.
    pub(super) fn point(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyLoadError> {
        check_point(algorithm, bytes)?;
        let key = match algorithm.family() {
            AlgorithmFamily::Ed => DecodingKey::from_ed_der(bytes),
            _ => DecodingKey::from_ec_der(bytes),
        };
        Ok(Self::of(vec![algorithm], key))
    }

    fn of(algorithms: Vec<Algorithm>, key: DecodingKey) -> Self {
        Self { algorithms, id: None, expected: Arc::default(), key }
    }

    /// The same key, for tokens with this `kid` or without one.
    #[must_use]
    pub fn with_id(self, id: String) -> Self {
        Self { id: Some(id), ..self }
    }

    /// The same key, for tokens that say this.
    #[must_use]
    pub fn expecting(self, expected: Arc<Expected>) -> Self {
        Self { expected, ..self }
    }

    /// What its tokens must say.
    #[must_use]
    pub fn expected(&self) -> &Expected {
        &self.expected
    }

    /// The `kid` of its tokens.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The algorithms that it is meant for.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// Whether a token with this header is to be tried against the key.
    pub(super) fn fits(&self, header: &Header) -> bool {
        let named = match (&self.id, &header.kid) {
            (Some(id), Some(kid)) => id == kid,
            _ => true,
        };
        named && self.algorithms.contains(&header.algorithm)
    }

    /// How likely it signed a token with this issuer and header, the likeliest first: the token's own issuer before who
    /// speaks for any, and both before another one; then the key that it names before those without a name.
    pub(super) fn distance(&self, issuer: Option<&str>, header: &Header) -> (u8, bool) {
        let of_issuer = match &self.expected.issuer {
            Some(own) if Some(own.as_str()) == issuer => 0,
            None => 1,
            Some(_) => 2,
        };
        (of_issuer, self.id != header.kid)
    }

    /// Whether it made `signature` (base64url) over `signed` with that algorithm.
    pub(super) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &str) -> bool {
        self.algorithms.contains(&algorithm)
            && jsonwebtoken::crypto::verify(signature, signed, &self.key, algorithm).unwrap_or(false)
    }
}

fn check_bits(bits: u32) -> Result<(), KeyLoadError> {
    if RSA_BITS.contains(&bits) { Ok(()) } else { Err(KeyLoadError::RsaSize(bits)) }
}

/// J34: the library takes any bytes and lets each token fail; an operator wants to know at once.
fn check_point(algorithm: Algorithm, bytes: &[u8]) -> Result<(), KeyLoadError> {
    let curve: &'static dyn VerificationAlgorithm = match algorithm {
        Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &ECDSA_P384_SHA384_FIXED,
        Algorithm::EdDSA if bytes.len() == ED25519_BYTES => &ED25519,
        _ => return Err(KeyLoadError::Point),
    };
    ParsedPublicKey::new(curve, bytes).map(|_| ()).map_err(|_| KeyLoadError::Point)
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.algorithms.iter().map(|algorithm| algorithm_name(*algorithm)).collect();
        f.debug_struct("VerifyKey").field("algorithms", &algorithms).field("id", &self.id).finish_non_exhaustive()
    }
}
