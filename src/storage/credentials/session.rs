//! Temporary credentials for callers, which sign uploads below one folder by themselves.
//!
//! STS makes them, of a role that is set for this and of the key that PUTs are signed with, narrowed to the folder that was
//! granted. They are handed on and kept nowhere.

use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::source::SourceError;
use super::sts::{Narrowed, assume_role};
use super::{Issued, Signers, bridge};
use crate::config::{Storage, UploadRole};
use crate::domain::policy::{Action, FolderGrant};
use crate::domain::session_policy::{SESSION_SECS, SessionRefused, partition_of, session_policy};
use crate::domain::sigv4::Credentials;

/// The least and the most that STS takes of a session's name.
const NAME_CHARS: std::ops::RangeInclusive<usize> = 2..=64;

/// Who makes temporary credentials for one storage.
#[derive(Debug)]
pub struct UploadSessions {
    storage_name: String,
    bucket: String,
    prefix: String,
    region: String,
    settings: UploadRole,
    http: reqwest::Client,
    signers: Arc<Signers>,
}

/// What STS is to be asked for.
#[derive(Debug)]
pub struct SessionOrder<'a> {
    of: &'a UploadSessions,
    policy: String,
}

/// Credentials that upload below one folder until they end.
#[derive(Debug)]
pub struct UploadSession {
    /// Names them in the logs of the bucket; no secret.
    pub access_key_id: String,
    /// What is signed with.
    pub secret_access_key: SecretString,
    /// Goes along with each request.
    pub session_token: SecretString,
    /// The end, as STS says.
    pub ends_at: Timestamp,
}

/// Why there are none. The text is for the log; it holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// They would not do what was granted, or more.
    #[error(transparent)]
    Refused(#[from] SessionRefused),
    /// The grant is for another storage. Never seen unless a handler is wrong.
    #[error("the grant is for another storage")]
    OtherStorage,
    /// There is nothing that STS could be asked with.
    #[error("there are no credentials that hold now")]
    NoCredentials,
    /// STS gave none. Why is in the log.
    #[error("STS gave no credentials")]
    Failed,
}

impl UploadSessions {
    /// For a storage, if a role is set for it.
    ///
    /// # Errors
    ///
    /// [`reqwest::Error`] when the platform gives no TLS roots.
    pub fn of(storage: &Storage, signers: &Arc<Signers>) -> Result<Option<Self>, reqwest::Error> {
        let Some(settings) = &storage.upload_role else { return Ok(None) };
        Ok(Some(Self {
            storage_name: storage.name.clone(),
            bucket: storage.bucket.clone(),
            prefix: storage.prefix.clone(),
            region: storage.region.clone(),
            http: bridge::client(settings.sts.endpoint.scheme() == "https")?,
            settings: settings.clone(),
            signers: Arc::clone(signers),
        }))
    }

    /// What STS is to be asked for: credentials that upload below the folder that was granted.
    ///
    /// # Errors
    ///
    /// [`SessionError::Refused`] and [`SessionError::OtherStorage`].
    pub fn order(&self, grant: &FolderGrant) -> Result<SessionOrder<'_>, SessionError> {
        if grant.storage() != self.signers.storage() {
            return Err(SessionError::OtherStorage);
        }
        let partition = partition_of(&self.settings.role.arn);
        let policy = session_policy(grant, partition, &self.bucket, &self.prefix)?;
        Ok(SessionOrder { of: self, policy })
    }
}

impl SessionOrder<'_> {
    /// The region that their signatures are for.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.of.region
    }

    /// Asks STS; `name` stands in the logs of the bucket's owner.
    ///
    /// # Errors
    ///
    /// [`SessionError::NoCredentials`] and [`SessionError::Failed`].
    pub async fn issue(&self, name: &str, now: Timestamp) -> Result<UploadSession, SessionError> {
        let UploadSessions { storage_name, settings, http, signers, .. } = self.of;
        let ours = signers.credentials(Action::Put, now).ok_or(SessionError::NoCredentials)?;
        let narrowed = Narrowed { policy: &self.policy, secs: SESSION_SECS };
        let role = (&settings.role, Some(narrowed));
        let issued = assume_role(http, &settings.sts, role, &session_name(name), &ours, now).await;
        issued.and_then(|issued| handed_on(issued, &ours, now)).map_err(|error| {
            tracing::warn!(storage = storage_name, "no temporary credentials for uploads: {error}");
            SessionError::Failed
        })
    }
}

/// What may go out of what STS gave.
fn handed_on(issued: Issued, ours: &Credentials, now: Timestamp) -> Result<UploadSession, SourceError> {
    let Credentials { access_key_id, secret_access_key, session_token } = issued.credentials;
    // What never ends, or needs no token, is no temporary credential.
    let session_token = session_token.ok_or(SourceError::Malformed)?;
    let ends_at = issued.ends_at.ok_or(SourceError::Malformed)?;
    // SECURITY: what is ours never goes out, whatever STS answers.
    let is_our_secret = secret_access_key.expose_secret() == ours.secret_access_key.expose_secret();
    if access_key_id == ours.access_key_id || is_our_secret {
        return Err(SourceError::Malformed);
    }
    if ends_at.as_second() <= now.as_second() {
        return Err(SourceError::Ended);
    }
    Ok(UploadSession { access_key_id, secret_access_key, session_token, ends_at })
}

/// A name that STS takes: as given where it does, and never a reason for it to refuse.
fn session_name(name: &str) -> String {
    let kept: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(*c)).collect();
    let kept = kept.get(..kept.len().min(*NAME_CHARS.end())).unwrap_or_default();
    if kept.len() < *NAME_CHARS.start() { format!("request-{kept}") } else { kept.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_a_name_that_sts_takes() {
        let long = "x".repeat(70);
        for (name, expected) in [
            ("01J.a_b-C", "01J.a_b-C"),
            ("", "request-"),
            ("a", "request-a"),
            ("ab", "ab"),
            ("a b/c:é", "abc"),
            (long.as_str(), &long[..64]),
        ] {
            assert_eq!(session_name(name), expected);
        }
    }
}
