//! Values that are more than a text: what is never shown, and times with their unit.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is never shown: `Debug` and `Serialize` write `<redacted>`, or nothing when it is empty.
#[derive(Clone, Default)]
pub struct Secret(SecretString);

impl Secret {
    /// Keeps `text` from being shown.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(SecretString::from(text))
    }

    /// The text itself, for the code that signs or verifies with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    pub(in crate::config) fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    fn shown(&self) -> &'static str {
        if self.is_empty() { "" } else { "<redacted>" }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shown())
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.shown())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(SecretString::from(text)))
    }
}

/// A time with its unit, such as `15m`, or `0` for none, which may also be written as a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDuration(pub(in crate::config) String);

impl Default for RawDuration {
    fn default() -> Self {
        Self("0".to_owned())
    }
}

impl Serialize for RawDuration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.0 == "0" { serializer.serialize_u64(0) } else { serializer.serialize_str(&self.0) }
    }
}

impl<'de> Deserialize<'de> for RawDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DurationText)
    }
}

struct DurationText;

impl Visitor<'_> for DurationText {
    type Value = RawDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as \"15m\", or 0")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawDuration, E> {
        Ok(RawDuration(text.to_owned()))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<RawDuration, E> {
        Ok(RawDuration(number.to_string()))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<RawDuration, E> {
        Ok(RawDuration(number.to_string()))
    }
}
