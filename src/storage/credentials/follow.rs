//! An access key whose parts are in files.
//!
//! All its files are read together, and what was read counts when the next look finds the same:
//! whoever replaces them one by one is not caught half way, with one key's name and another's secret.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Weak;
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::{Issued, Slot};
use crate::config::StaticKey;
use crate::domain::sigv4::Credentials;
use crate::files::{Settled, read_bounded};

/// Twice a second, so that a change is in force within about one.
const INTERVAL: Duration = Duration::from_millis(500);

/// Follows the key's files until the slot is gone. What cannot be used leaves the last key in force.
pub(super) async fn follow(weak: Weak<Slot>, key: StaticKey) {
    let mut settled = Settled::new(key.credentials.clone());
    let mut last_error = String::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(slot) = weak.upgrade() else { return };
        match read(&key).await {
            Ok(read) => {
                if let Some(read) = settled.look(read) {
                    let (storage, access_key_id) = (slot.storage.as_str(), read.access_key_id.as_str());
                    tracing::info!(storage, access_key_id, "the access key was read again");
                    slot.put_in_force(Issued { credentials: read.clone(), ends_at: None });
                }
                last_error.clear();
            }
            Err(error) => {
                slot.counts.credential_failures.add();
                let error = error.to_string();
                if error != last_error {
                    let storage = slot.storage.as_str();
                    tracing::error!(
                        storage,
                        "the access key cannot be read again, the last one stays in force: {error}"
                    );
                    last_error = error;
                }
            }
        }
    }
}

/// The key as its files have it now.
pub(super) async fn read(key: &StaticKey) -> io::Result<Credentials> {
    let key = key.clone();
    let read = tokio::task::spawn_blocking(move || {
        let StaticKey { mut credentials, files } = key;
        if let Some(path) = &files.id {
            required(path)?.expose_secret().clone_into(&mut credentials.access_key_id);
        }
        if let Some(path) = &files.secret {
            credentials.secret_access_key = required(path)?;
        }
        if let Some(path) = &files.token {
            credentials.session_token = part(path)?;
        }
        Ok(credentials)
    });
    // The runtime ends.
    read.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
}

/// The text of one file, which must have some.
pub(super) async fn required_part(path: PathBuf) -> io::Result<SecretString> {
    let read = tokio::task::spawn_blocking(move || required(&path));
    read.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
}

fn required(path: &Path) -> io::Result<SecretString> {
    part(path)?.ok_or_else(|| problem(path, "it is empty"))
}

/// One part, as the configuration reads it: without the newline at its end.
fn part(path: &Path) -> io::Result<Option<SecretString>> {
    let bytes = read_bounded(path).map_err(|error| problem(path, &error.to_string()))?;
    let text = String::from_utf8(bytes).map_err(|_| problem(path, "it is no text"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if !text.chars().all(|c| c.is_ascii_graphic()) {
        return Err(problem(path, "it has spaces or control characters"));
    }
    Ok(Some(text).filter(|text| !text.is_empty()).map(Into::into))
}

fn problem(path: &Path, reason: &str) -> io::Error {
    io::Error::other(format!("{}: {reason}", path.display()))
}
