//! One fetch of credentials, from wherever they are configured to come.
//!
//! Profiles, containers and instances are asked by reqsign. STS and `credential_process` are asked
//! here: reqsign reaches STS at AWS's own addresses only, which leaves out `MinIO`, Ceph and every test,
//! and it takes a process's end that it cannot read for none at all.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use jiff::Timestamp;
use reqsign_aws_core::{ECSCredentialProvider, IMDSv2CredentialProvider, ProfileCredentialProvider};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;
use tokio::process::Command;

use super::{Issued, bridge, follow, sts};
use crate::config::{CredentialKind, CredentialSource};
use crate::domain::sigv4::Credentials;

/// Helpers may have to ask somebody themselves.
const PROCESS_TIMEOUT: Duration = Duration::from_secs(20);
const MAX_PROCESS_BYTES: u64 = 64 * 1024;

/// Why there are no credentials. For the log; nothing secret, and no words of the other side's.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("{host} cannot be reached")]
    Unreachable { host: String },
    #[error("{host} did not answer in time")]
    TimedOut { host: String },
    #[error("{host} answered {status} {code}")]
    Status { host: String, status: u16, code: String },
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error("the credential process {0}")]
    Process(String),
    #[error("what came is no credentials")]
    Malformed,
    #[error("what came has ended already")]
    Ended,
    #[error("nothing is set up that would give credentials")]
    Nothing,
    #[error("STS is needed and not set up")]
    NoSts,
}

/// Takes parts for credentials if they can stand in a signature.
pub(super) fn checked(
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: Option<SecretString>,
    ends_at: Option<Timestamp>,
) -> Result<Issued, SourceError> {
    let graphic = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
    let session_token = session_token.filter(|token| !token.expose_secret().is_empty());
    let token_holds = session_token.as_ref().is_none_or(|token| graphic(token.expose_secret()));
    if !graphic(&access_key_id) || !graphic(secret_access_key.expose_secret()) || !token_holds {
        return Err(SourceError::Malformed);
    }
    Ok(Issued { credentials: Credentials { access_key_id, secret_access_key, session_token }, ends_at })
}

/// Where credentials come from, and the way there.
#[derive(Debug)]
pub(super) struct Source {
    settings: CredentialSource,
    http: reqwest::Client,
}

impl Source {
    pub(super) fn new(settings: CredentialSource) -> Result<Self, reqwest::Error> {
        let sts = settings.sts.as_ref().is_some_and(|sts| sts.endpoint.scheme() == "https");
        let metadata = ["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_EC2_METADATA_SERVICE_ENDPOINT"];
        let tls = metadata.iter().any(|name| settings.ambient.get(name).is_some_and(|url| url.starts_with("https:")));
        Ok(Self { http: bridge::client(sts || tls)?, settings })
    }

    pub(super) fn name(&self) -> &'static str {
        self.settings.kind.name()
    }

    /// Whether credentials that do not end may be others the next time.
    pub(super) fn may_change_without_end(&self) -> bool {
        matches!(self.settings.kind, CredentialKind::Profile | CredentialKind::Auto)
    }

    /// Fetches, role included. Every step has a deadline.
    pub(super) async fn issue(&self, now: Timestamp) -> Result<Issued, SourceError> {
        let base = self.base().await?;
        let Some(role) = &self.settings.role else { return Ok(base) };
        let sts = self.settings.sts.as_ref().ok_or(SourceError::NoSts)?;
        let session = &self.settings.session_name;
        sts::assume_role(&self.http, sts, (role, None), session, &base.credentials, now).await
    }

    async fn base(&self) -> Result<Issued, SourceError> {
        let given = match &self.settings.kind {
            CredentialKind::Static(key) => {
                let read = follow::read(key).await.map_err(|error| file_error(&error))?;
                Some(Issued { credentials: read, ends_at: None })
            }
            CredentialKind::Environment(credentials, ends_at) => {
                Some(Issued { credentials: credentials.clone(), ends_at: *ends_at })
            }
            CredentialKind::Profile => self.profile().await?,
            CredentialKind::WebIdentity => self.web_identity().await?,
            CredentialKind::Ecs => self.ecs().await?,
            CredentialKind::Imds => self.imds().await?,
            CredentialKind::Process(command) => Some(process(command).await?),
            CredentialKind::Auto => self.first_of_all().await?,
        };
        given.ok_or(SourceError::Nothing)
    }

    /// The order of AWS's SDKs. What is set up and fails ends the search: another identity than the one
    /// that was meant would be worse than none.
    async fn first_of_all(&self) -> Result<Option<Issued>, SourceError> {
        if let Some(found) = self.web_identity().await? {
            return Ok(Some(found));
        }
        if let Some(found) = self.profile().await? {
            return Ok(Some(found));
        }
        if let Some(found) = self.ecs().await? {
            return Ok(Some(found));
        }
        self.imds().await
    }

    async fn profile(&self) -> Result<Option<Issued>, SourceError> {
        let mut provider = ProfileCredentialProvider::new();
        if let Some(profile) = &self.settings.profile {
            provider = provider.with_profile(profile);
        }
        bridge::ask(&self.http, &self.settings.ambient, &provider).await
    }

    async fn ecs(&self) -> Result<Option<Issued>, SourceError> {
        bridge::ask(&self.http, &self.settings.ambient, &ECSCredentialProvider::new()).await
    }

    /// A new provider each time: reqsign's keeps its session token for hours, also when the service has
    /// forgotten it.
    async fn imds(&self) -> Result<Option<Issued>, SourceError> {
        bridge::ask(&self.http, &self.settings.ambient, &IMDSv2CredentialProvider::new()).await
    }

    async fn web_identity(&self) -> Result<Option<Issued>, SourceError> {
        let ambient = &self.settings.ambient;
        let set = (ambient.get("AWS_ROLE_ARN"), ambient.get("AWS_WEB_IDENTITY_TOKEN_FILE"));
        let (Some(arn), Some(file)) = set else { return Ok(None) };
        let sts = self.settings.sts.as_ref().ok_or(SourceError::NoSts)?;
        let session = ambient.get("AWS_ROLE_SESSION_NAME").unwrap_or(&self.settings.session_name);
        let token = follow::required_part(file.into()).await.map_err(|error| file_error(&error))?;
        sts::with_web_identity(&self.http, sts, arn, session, &token).await.map(Some)
    }
}

fn file_error(error: &io::Error) -> SourceError {
    let text = error.to_string();
    let (path, reason) = text.split_once(": ").unwrap_or(("a file", &text));
    SourceError::File { path: path.to_owned(), reason: reason.to_owned() }
}

/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-process-credentials.html>
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProcessAnswer {
    version: u32,
    access_key_id: String,
    secret_access_key: SecretString,
    session_token: Option<SecretString>,
    expiration: Option<String>,
}

async fn process(command: &[String]) -> Result<Issued, SourceError> {
    let failed = |reason: String| SourceError::Process(reason);
    let Some((program, arguments)) = command.split_first() else { return Err(SourceError::Nothing) };
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        // It may say what it should not.
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let output = child.stdout.take();
    let run = async {
        let mut text = Vec::new();
        if let Some(output) = output {
            output.take(MAX_PROCESS_BYTES).read_to_end(&mut text).await?;
        }
        Ok::<_, io::Error>((child.wait().await?, text))
    };
    let ended = tokio::time::timeout(PROCESS_TIMEOUT, run).await;
    let ended = ended.map_err(|_| failed(format!("took longer than {} seconds", PROCESS_TIMEOUT.as_secs())))?;
    let (status, text) = ended.map_err(|error| failed(format!("cannot be read: {error}")))?;
    if !status.success() {
        return Err(failed(format!("failed with {status}")));
    }
    let answer: ProcessAnswer = serde_json::from_slice(&text).map_err(|_| SourceError::Malformed)?;
    if answer.version != 1 {
        return Err(failed(format!("speaks version {} instead of 1", answer.version)));
    }
    // An end that cannot be read is not the same as none.
    let ends_at = answer.expiration.map(|end| end.parse()).transpose().map_err(|_| SourceError::Malformed)?;
    checked(answer.access_key_id, answer.secret_access_key, answer.session_token, ends_at)
}
