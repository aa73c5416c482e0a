//! The algorithms of signatures that are taken, and the kind of key that each needs.

use jsonwebtoken::{Algorithm, AlgorithmFamily};

/// The algorithms that are taken, by the name that a token header has for them
/// (RFC 7518 section 3.1, RFC 8037). `Ed25519` is the newer name of what `EdDSA`
/// means with a key of that curve (RFC 9864 section 2.2).
pub const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("Ed25519", Algorithm::EdDSA),
];

/// The algorithm of this exact name.
#[must_use]
pub fn algorithm_named(name: &str) -> Option<Algorithm> {
    ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
}

/// The usual name of an algorithm.
#[must_use]
pub fn algorithm_name(algorithm: Algorithm) -> &'static str {
    ALGORITHMS.iter().find(|(_, known)| *known == algorithm).map_or("unknown", |(name, _)| *name)
}

/// Whether the algorithm takes a shared secret, which never comes from a URL.
#[must_use]
pub fn is_symmetric(algorithm: Algorithm) -> bool {
    algorithm.family() == AlgorithmFamily::Hmac
}

/// The bytes of the hash in an HMAC. RFC 7518 section 3.2 wants no shorter secret.
pub(super) fn hmac_bytes(algorithm: Algorithm) -> Option<usize> {
    match algorithm {
        Algorithm::HS256 => Some(32),
        Algorithm::HS384 => Some(48),
        Algorithm::HS512 => Some(64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7518 section 3.2: as long as the hash, and only where a secret is shared.
    #[test]
    fn secrets_are_as_long_as_their_hash() {
        for &(_, algorithm) in ALGORITHMS {
            let bytes = match algorithm {
                Algorithm::HS256 => Some(32),
                Algorithm::HS384 => Some(48),
                Algorithm::HS512 => Some(64),
                _ => None,
            };
            assert_eq!((hmac_bytes(algorithm), is_symmetric(algorithm)), (bytes, bytes.is_some()), "{algorithm:?}");
        }
        assert!(ALGORITHMS.iter().any(|(_, algorithm)| *algorithm == Algorithm::HS512));
    }
}
