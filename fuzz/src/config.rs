//! `signer.toml`.
//!
//! Holds: what is refused says why; a secret never stands in a problem, in the settings as they
//! are shown, or in `Debug`; without keys nothing is served; what is shown is a configuration again.

use std::io::Write as _;

use filesync_signer::config;
use toml::{Table, Value};

/// Looked for wherever settings are shown, when it stands only where a secret belongs.
pub const PLANTED: &str = "planted-secret-0123456789abcdefghijklmnop";

const SECRETS: [&str; 4] = ["hs256_secret", "secret", "secret_access_key", "session_token"];

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Devices and the like are an operator's to avoid.
    if text.contains("/dev") || text.contains("/proc") {
        return;
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(data).unwrap();
    let hidden = is_hidden(text);
    let check = |shown: &str| assert!(!hidden || !shown.contains(PLANTED), "a secret is shown: {shown}");
    let read = || config::read(Some(file.path()), &[]);
    match read() {
        Err(error) => check(&format!("{error} {error:?}")),
        Ok(loaded) => {
            check(&format!("{loaded:?}"));
            match loaded.into_toml() {
                Ok(shown) => {
                    check(&shown);
                    assert!(shown.parse::<Table>().is_ok(), "no TOML: {shown}");
                }
                Err(error) => check(&error.to_string()),
            }
        }
    }
    match read().and_then(config::Loaded::check) {
        Err(error) => {
            assert!(!error.to_string().trim().is_empty(), "refused without a reason");
            check(&format!("{error} {error:?}"));
        }
        Ok(config) => {
            check(&format!("{config:?}"));
            assert!(!config.auth.keys.is_empty() || !config.auth.sources.is_empty(), "it would serve without keys");
            assert!(!config.storage.bucket.is_empty());
        }
    }
}

/// Whether the planted text stands only where secrets belong, and so must not be shown.
fn is_hidden(text: &str) -> bool {
    fn outside(name: &str, value: &Value) -> bool {
        match value {
            Value::Table(table) => table.iter().any(|(name, value)| name.contains(PLANTED) || outside(name, value)),
            Value::Array(list) => list.iter().any(|value| outside(name, value)),
            Value::String(text) => text.contains(PLANTED) && !SECRETS.contains(&name),
            _ => false,
        }
    }
    let Ok(table) = text.parse::<Table>() else { return false };
    text.contains(PLANTED) && !text.contains('#') && !outside("", &Value::Table(table))
}
