//! JSON as strict as a security decision needs it.
//!
//! RFC 8259 section 4 leaves the meaning of duplicate members open, and two
//! readers that choose differently can be played against each other. Here they
//! are refused, at any depth, before anything is read. So are the names with which `serde_json` marks texts and numbers that
//! it keeps as they were: whoever sends such a name would have a text read as what is written in it, unseen by all checks here.

use std::collections::HashSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Why bytes are not the JSON object that was expected.
#[derive(Debug, thiserror::Error)]
pub enum JsonError {
    /// Not JSON in UTF-8, not an object, or an object with a duplicate member.
    #[error("{0}")]
    Syntax(String),
    /// JSON, but a member is missing or of the wrong type.
    #[error("{0}")]
    Shape(String),
}

/// Reads one JSON object.
///
/// # Errors
///
/// [`JsonError::Syntax`] when `bytes` are not one object in UTF-8 without
/// duplicate members, [`JsonError::Shape`] when it does not fit `T`.
pub fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, JsonError> {
    if !is_object(bytes) {
        return Err(JsonError::Syntax("not a JSON object".to_owned()));
    }
    serde_json::from_slice::<UniqueMembers>(bytes).map_err(|error| JsonError::Syntax(short(&error)))?;
    serde_json::from_slice(bytes).map_err(|error| JsonError::Shape(short(&error)))
}

/// Reads one object inside another that [`object`] has read, so that its mistakes are its own.
///
/// # Errors
///
/// [`JsonError::Shape`] when it is no object, or does not fit `T`.
pub fn part<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Result<T, JsonError> {
    if !is_object(raw.get().as_bytes()) {
        return Err(JsonError::Shape("not a JSON object".to_owned()));
    }
    serde_json::from_str(raw.get()).map_err(|error| JsonError::Shape(short(&error)))
}

/// How the names begin that mean something to `serde_json` itself (`RawValue`, `Number`).
const READERS_OWN: &str = "$serde_json::";

/// serde reads a struct from an array too; a request is an object.
fn is_object(bytes: &[u8]) -> bool {
    bytes.iter().find(|b| !b.is_ascii_whitespace()) == Some(&b'{')
}

/// serde quotes the offending value; a sentence is enough of it.
fn short(error: &serde_json::Error) -> String {
    const MAX_CHARS: usize = 160;
    error.to_string().chars().filter(|c| !c.is_control()).take(MAX_CHARS).collect()
}

/// Any JSON value, kept nowhere, in which no object has two members of one name.
struct UniqueMembers;

impl<'de> Deserialize<'de> for UniqueMembers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for UniqueMembers {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Never shown, so no test can miss it: every kind of JSON value is visited below.
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self, A::Error> {
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if name.starts_with(READERS_OWN) {
                return Err(de::Error::custom("reserved member"));
            }
            if !names.insert(name) {
                return Err(de::Error::custom("duplicate member"));
            }
            map.next_value::<Self>()?;
        }
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self, A::Error> {
        while seq.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }
    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, Value};

    fn read(text: &[u8]) -> Result<Map<String, Value>, JsonError> {
        object(text)
    }

    #[test]
    fn duplicate_members_are_refused_at_any_depth() {
        for text in [r#"{"a":1,"a":2}"#, r#"{"a":1,"\u0061":2}"#, r#"{"x":[{"a":{"b":1,"b":1}}]}"#] {
            assert!(matches!(read(text.as_bytes()), Err(JsonError::Syntax(_))), "{text}");
        }
        assert!(read(br#"{"a":{"a":1},"b":[{"a":1},{"a":2}]}"#).is_ok());
    }

    /// J06, J07: read as `{"alg":"HS256"}` otherwise, and as one with two of a name.
    #[test]
    fn a_text_is_never_read_as_what_is_written_in_it() {
        for text in [
            r#"{"alg":{"$serde_json::private::RawValue":"\"HS256\""}}"#,
            r#"{"a":[{"$serde_json::private::RawValue":"{\"b\":1,\"b\":2}"}]}"#,
            r#"{"$serde_json::private::RawValue":"{\"alg\":\"HS256\"}"}"#,
            r#"{"exp":{"$serde_json::private::Number":"9e9"}}"#,
            r#"{"alg":{"\u0024serde_json::private::RawValue":"1"}}"#,
        ] {
            assert!(matches!(read(text.as_bytes()), Err(JsonError::Syntax(_))), "{text}");
        }
    }

    /// K14: UTF-8 only, no byte order mark, no lone surrogate, one object.
    #[test]
    fn only_one_utf8_object_is_read() {
        for text in [
            &b"{\"a\":\"\xff\"}"[..],
            b"{\"a\":\"\xc0\xaf\"}",
            b"\xef\xbb\xbf{}",
            b"{\0\"\0a\0",
            br#"{"a":"\ud800"}"#,
            br#"["a"]"#,
            br#""a""#,
            b"{} {}",
            b"",
            b"{\"a\":1e400}",
        ] {
            assert!(matches!(read(text), Err(JsonError::Syntax(_))), "{text:?}");
        }
    }

    /// The caller sees it, and the log.
    #[test]
    fn a_mistake_is_told_in_one_short_line() {
        #[derive(Debug, serde::Deserialize)]
        struct Number {
            #[allow(dead_code, reason = "it is never a number")]
            n: u32,
        }
        assert!(read(br#"{"a":1,"a":2}"#).unwrap_err().to_string().starts_with("duplicate member at line 1"));
        let told =
            object::<Number>(format!("{{\"n\":\"a\\n{}\"}}", "b".repeat(500)).as_bytes()).unwrap_err().to_string();
        assert!(told.starts_with("invalid type: string") && told.chars().count() == 160, "{told}");
        assert!(!told.contains(char::is_control), "{told}");
    }

    /// J29: nesting ends in an error, not in a stack overflow.
    #[test]
    fn deep_nesting_is_an_error() {
        let text = format!("{{\"a\":{}", "[".repeat(100_000));
        assert!(matches!(read(text.as_bytes()), Err(JsonError::Syntax(_))));
    }
}
