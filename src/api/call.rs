//! One request, as handlers see it.

use std::borrow::Cow;

use hyper::body::Bytes;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde::de::DeserializeOwned;

use super::ApiError;
use crate::domain::json;

/// What a handler may know of the request. Its one reading of the clock is in it.
#[derive(Debug)]
pub struct Call {
    /// Stands in the answer, in the log, and in nothing else.
    pub request_id: String,
    /// When the request was taken in.
    pub now: Timestamp,
    /// The query as sent, without `?`.
    pub query: String,
    /// The body of a POST, within its limit; empty otherwise.
    pub body: Bytes,
}

impl Call {
    /// The body as one JSON object. Unknown members are ignored, duplicate ones refused.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        Ok(json::object(&self.body)?)
    }

    /// The query's parameters, decoded once.
    pub(super) fn params(&self) -> Result<Params<'_>, ApiError> {
        Params::parse(&self.query)
    }
}

/// Query parameters, each name once. Unknown ones are ignored.
pub(super) struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    /// As `application/x-www-form-urlencoded`, which `URLSearchParams` writes: `+` is a
    /// space. Stricter than the form parser of the URL standard, which repairs what is
    /// no UTF-8 or no escape: a repaired key would be another key.
    fn parse(query: &'a str) -> Result<Self, ApiError> {
        let mut params: Vec<(Cow<'a, str>, Cow<'a, str>)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if params.iter().any(|(known, _)| *known == name) {
                return Err(ApiError::InvalidRequest("a query parameter is given twice".into()));
            }
            params.push((name, value));
        }
        Ok(Self(params))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_ref())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::InvalidRequest(format!("the query parameter {name} is missing")))
    }

    /// A whole number, or nothing when the parameter is absent.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let parse = |text: &str| {
            text.parse().map_err(|_| ApiError::InvalidRequest(format!("the query parameter {name} is no whole number")))
        };
        self.get(name).map(parse).transpose()
    }
}

fn decode(text: &str) -> Result<Cow<'_, str>, ApiError> {
    let malformed = || ApiError::InvalidRequest("the query is not percent-encoded UTF-8".into());
    if !escapes_are_whole(text) {
        return Err(malformed());
    }
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| malformed())?;
        return Ok(Cow::Owned(decoded.into_owned()));
    }
    percent_decode_str(text).decode_utf8().map_err(|_| malformed())
}

/// Whether every `%` begins an escape.
fn escapes_are_whole(text: &str) -> bool {
    text.split('%').skip(1).all(|rest| {
        let mut digits = rest.bytes();
        [digits.next(), digits.next()].iter().all(|digit| digit.is_some_and(|d| d.is_ascii_hexdigit()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once() {
        let params = Params::parse("key=s1%2Fa+b%2Bc%2520&x&expiresIn=60").map_err(|e| e.to_string());
        let params = params.unwrap();
        assert_eq!(params.get("key"), Some("s1/a b+c%20"));
        assert_eq!(params.get("x"), Some(""));
        assert_eq!(params.integer("expiresIn").unwrap(), Some(60));
        assert!(params.required("absent").is_err());
        assert!(params.integer("key").is_err());
    }

    /// K14: nothing is repaired.
    #[test]
    fn ambiguous_queries_are_refused() {
        for query in ["key=a&key=b", "key=a&%6bey=b", "key=%ff", "key=%c0%af", "key=%", "key=%2", "key=%zz", "%=1"] {
            assert!(Params::parse(query).is_err(), "{query}");
        }
    }
}
