//! One row: a JSON object on one line.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Members, Unmapped};
use crate::config::Migration;

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The row with its key in it.
    Mapped(Vec<u8>),
    HadKey,
    WithoutUrl,
    /// No row, and nothing that was meant to be one.
    Blank,
}

pub(super) fn outcome(line: &[u8], rules: &Migration, members: &Members) -> Result<Outcome, Unmapped> {
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(Outcome::Blank);
    }
    let text = std::str::from_utf8(line).map_err(|_| Unmapped::NoRow)?;
    let row: Row<'_> = serde_json::from_str(text).map_err(|_| Unmapped::NoRow)?;
    // What the client writes before there is one.
    if row.text(&members.key)?.is_some_and(|key| !key.is_empty()) {
        return Ok(Outcome::HadKey);
    }
    let Some(url) = row.text(&members.url)?.filter(|url| !url.is_empty()) else { return Ok(Outcome::WithoutUrl) };
    let key = rules.legacy_urls.key(&url, &rules.key_rules)?;
    Ok(Outcome::Mapped(row.with(&members.key, key.as_str())))
}

/// Names and values as they are written, in their order: a number is never read, so it stays what it is.
struct Row<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl Row<'_> {
    /// The text of a member; nothing when there is none, or `null`.
    fn text(&self, name: &str) -> Result<Option<String>, Unmapped> {
        let mut named = self.0.iter().filter(|(known, _)| is_text(known, name)).map(|(_, value)| value.get());
        let value = named.next();
        if named.next().is_some() {
            return Err(Unmapped::Doubled(name.to_owned()));
        }
        let text = value.map(serde_json::from_str::<Option<String>>).transpose();
        text.map(Option::flatten).map_err(|_| Unmapped::NoText(name.to_owned()))
    }

    /// The row with this member, in its place if there is one, else at the end.
    fn with(&self, name: &str, text: &str) -> Vec<u8> {
        let (name_written, text_written) = (written(name), written(text));
        let mut out = Vec::new();
        let mut push = |name: &str, value: &str| {
            out.push(if out.is_empty() { b'{' } else { b',' });
            for part in [name, ":", value] {
                out.extend_from_slice(part.as_bytes());
            }
        };
        let mut is_there = false;
        for (known, value) in &self.0 {
            let is_it = is_text(known, name);
            is_there |= is_it;
            push(known.get(), if is_it { &text_written } else { value.get() });
        }
        if !is_there {
            push(&name_written, &text_written);
        }
        out.push(b'}');
        out
    }
}

/// Without an escape, a text is written as it is.
fn is_text(written: &RawValue, text: &str) -> bool {
    let written = written.get();
    if written.contains('\\') {
        return serde_json::from_str::<String>(written).is_ok_and(|known| known == text);
    }
    written.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) == Some(text)
}

/// As JSON.
fn written(text: &str) -> String {
    // Text is never refused.
    serde_json::to_string(text).unwrap_or_default()
}

impl<'de: 'a, 'a> Deserialize<'de> for Row<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Vec<(&'de RawValue, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Members).map(Self)
    }
}
