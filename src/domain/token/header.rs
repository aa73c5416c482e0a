//! The JOSE header (RFC 7515 section 4): which algorithm, which key, which kind of token.

use jsonwebtoken::Algorithm;
use serde_json::{Map, Value};

use super::TokenError;
use super::algorithm::algorithm_named;
use crate::domain::json;

/// What is read of a header. The hints at keys in it (`jwk`, `jku`, `x5u`, `x5c`) are never followed.
#[derive(Debug)]
pub struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) kid: Option<String>,
    /// In lower case, without `application/`.
    pub(super) typ: Option<String>,
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, TokenError> {
        let mut header: Map<String, Value> = json::object(bytes).map_err(|_| TokenError::Header)?;
        if header.contains_key("crit") {
            return Err(TokenError::Critical);
        }
        let typ = match header.get("typ") {
            None => None,
            Some(Value::String(typ)) => Some(normal_type(typ)),
            Some(_) => return Err(TokenError::Type),
        };
        let kid = match header.remove("kid") {
            None => None,
            Some(Value::String(kid)) => Some(kid),
            Some(_) => return Err(TokenError::Header),
        };
        let Some(Value::String(alg)) = header.get("alg") else { return Err(TokenError::Header) };
        Ok(Self { algorithm: algorithm_named(alg).ok_or(TokenError::Algorithm)?, kid, typ })
    }

    /// J14: the one type that is asked for, or else any that is a token for an API. Everything
    /// else is a token for another purpose (RFC 8725 section 3.11).
    pub(super) fn check_type(&self, required: Option<&str>) -> Result<(), TokenError> {
        let held = match (required, self.typ.as_deref()) {
            (Some(required), typ) => typ == Some(normal_type(required).as_str()),
            // RFC 7519 section 5.1 and RFC 9068 section 2.1; many providers say nothing.
            (None, typ) => matches!(typ, None | Some("jwt" | "at+jwt")),
        };
        if held { Ok(()) } else { Err(TokenError::Type) }
    }

    /// `alg`.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `kid`, as the token's maker wrote it.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `typ` in lower case, without `application/`.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }
}

/// Media types have no case, and RFC 7515 section 4.1.9 leaves `application/` out.
fn normal_type(typ: &str) -> String {
    let typ = typ.to_ascii_lowercase();
    typ.strip_prefix("application/").unwrap_or(&typ).to_owned()
}
