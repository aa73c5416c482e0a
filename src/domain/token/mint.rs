//! Tokens for tests and operators. Apps mint their own.

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

/// What a minted token says.
#[derive(Debug, Clone, Default, Serialize)]
pub struct MintClaims {
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub iss: Option<String>,
    /// For whom it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aud: Option<String>,
    /// Who bears it (`sub`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub: Option<String>,
    /// Words such as `files:read`, separated by spaces; absent means all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Keys or key prefixes; absent means the whole store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefixes: Option<Vec<String>>,
}

#[derive(Serialize)]
struct Payload<'a> {
    #[serde(flatten)]
    store: std::collections::BTreeMap<&'a str, &'a [String]>,
    #[serde(flatten)]
    claims: &'a MintClaims,
    iat: i64,
    exp: i64,
}

/// An HS256 token for `stores` under `store_claim`, from `now` for `ttl_secs` seconds.
///
/// # Errors
///
/// The library's error when the claims cannot be written as JSON.
pub fn mint_hs256(
    secret: &[u8],
    store_claim: &str,
    stores: &[String],
    claims: &MintClaims,
    ttl_secs: u32,
    now: Timestamp,
) -> Result<String, jsonwebtoken::errors::Error> {
    let iat = now.as_second();
    let payload =
        Payload { store: [(store_claim, stores)].into(), claims, iat, exp: iat.saturating_add(i64::from(ttl_secs)) };
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &payload, &EncodingKey::from_secret(secret))
}
