//! One request, as handlers see it.

use std::borrow::Cow;

use hyper::body::Bytes;
use jiff::Timestamp;
use serde::de::Deserialize;
use tokio::time::Instant;

use super::ApiError;
use super::audited::Minutes;
use crate::domain::json;
use crate::domain::path::escaped_byte;

/// What a handler may know of the request. Its one reading of the clock is in it.
#[derive(Debug)]
pub struct Call<'a> {
    /// Stands in the answer, in both logs, and in calls to the bucket.
    pub request_id: &'a str,
    /// When the request was taken in.
    pub now: Timestamp,
    /// The path as sent, without `server.base_path`.
    pub path: &'a str,
    /// When the request has used up its time.
    pub ends: Instant,
    /// The query as sent, without `?`.
    pub query: &'a str,
    /// What is written down of its decisions.
    pub(super) minutes: &'a Minutes<'a>,
    /// The body of a POST, within its limit; empty otherwise.
    pub body: Bytes,
}

impl<'a> Call<'a> {
    /// The body as one JSON object. Unknown members are ignored, duplicate ones refused.
    pub(super) fn json<'b, T: Deserialize<'b>>(&'b self) -> Result<T, ApiError> {
        Ok(json::object(&self.body)?)
    }

    /// The query's parameters.
    pub(super) fn params(&self) -> Result<Params<'a>, ApiError> {
        Params::parse(self.query)
    }
}

/// More parameters than any of our routes has are a mistake.
const MAX_PARAMS: usize = 32;

/// Query parameters, each name once. Unknown ones are ignored.
#[derive(Debug)]
pub(super) struct Params<'a>(&'a str);

impl<'a> Params<'a> {
    /// As `application/x-www-form-urlencoded`, which `URLSearchParams` writes: `+` is a
    /// space. Stricter than the form parser of the URL standard, which repairs what is
    /// no UTF-8 or no escape: a repaired key would be another key.
    fn parse(query: &'a str) -> Result<Self, ApiError> {
        let params = Self(query);
        if params.pairs().nth(MAX_PARAMS).is_some() {
            return Err(ApiError::InvalidRequest(format!("there are more than {MAX_PARAMS} query parameters")));
        }
        for (i, (name, _)) in params.pairs().enumerate() {
            let name = decode(name)?;
            for (earlier, _) in params.pairs().take(i) {
                if decode(earlier)? == name {
                    return Err(ApiError::InvalidRequest("a query parameter is given twice".into()));
                }
            }
        }
        Ok(params)
    }

    fn pairs(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        self.0.split('&').filter(|pair| !pair.is_empty()).map(|pair| pair.split_once('=').unwrap_or((pair, "")))
    }

    /// The value of a parameter, decoded once, or nothing when it is absent.
    pub(super) fn get(&self, name: &str) -> Result<Option<Cow<'a, str>>, ApiError> {
        for (known, value) in self.pairs() {
            if decode(known)? == name {
                return decode(value).map(Some);
            }
        }
        Ok(None)
    }

    /// A whole number, or nothing when the parameter is absent.
    pub(super) fn integer(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let parse = |text: Cow<'_, str>| {
            text.parse().map_err(|_| ApiError::InvalidRequest(format!("the query parameter {name} is no whole number")))
        };
        self.get(name)?.map(parse).transpose()
    }
}

/// One pass, one allocation at most.
fn decode(text: &str) -> Result<Cow<'_, str>, ApiError> {
    if !text.contains(['%', '+']) {
        return Ok(Cow::Borrowed(text));
    }
    let malformed = || ApiError::InvalidRequest("the query is not percent-encoded UTF-8".into());
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'+' => b' ',
            b'%' => escaped_byte(&mut bytes).ok_or_else(malformed)?,
            other => other,
        });
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| malformed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_once() {
        let params = Params::parse("key=s1%2Fa+b%2Bc%2520&x&expiresIn=60").unwrap();
        assert_eq!(params.get("key").unwrap().unwrap(), "s1/a b+c%20");
        assert_eq!(params.get("x").unwrap().unwrap(), "");
        assert!(params.get("absent").unwrap().is_none());
        assert_eq!(params.integer("expiresIn").unwrap(), Some(60));
        assert!(params.integer("key").is_err());
    }

    /// K14: nothing is repaired.
    #[test]
    fn ambiguous_queries_are_refused() {
        for query in ["key=a&key=b", "key=a&%6bey=b", "x&key=a&x", "%=1", "%ff=1&key=a"] {
            assert!(Params::parse(query).is_err(), "{query}");
        }
        for query in ["key=%ff", "key=%c0%af", "key=%", "key=%2", "key=%zz"] {
            assert!(Params::parse(query).unwrap().get("key").is_err(), "{query}");
        }
    }

    #[test]
    fn parameters_are_bounded() {
        let many = |count: usize| (0..count).map(|i| format!("p{i}=")).collect::<Vec<_>>().join("&");
        assert!(Params::parse(&many(MAX_PARAMS)).is_ok());
        assert!(Params::parse(&many(MAX_PARAMS + 1)).is_err());
        assert!(Params::parse(&"&".repeat(8000)).is_ok());
    }
}
