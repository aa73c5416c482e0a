//! What URLs and calls are signed with, as it is used.

use std::path::PathBuf;

use jiff::Timestamp;
use url::Url;

use super::Ambient;
use crate::domain::sigv4::Credentials;

/// The access keys of `[storage]`.
#[derive(Debug, Clone)]
pub struct Access {
    /// For everything that has no key of its own; nothing when all have.
    pub common: Option<CredentialSource>,
    /// `[storage.put]`: for PUT alone.
    pub put: Option<StaticKey>,
    /// `[storage.get]`: for GET and HEAD, and for the probe.
    pub get: Option<StaticKey>,
    /// `[storage.delete]`: for DELETE alone.
    pub delete: Option<StaticKey>,
}

/// An access key from the configuration.
#[derive(Debug, Clone)]
pub struct StaticKey {
    /// As it was when the configuration was read.
    pub credentials: Credentials,
    /// The files that parts of it come from, which are followed.
    pub files: KeyFiles,
}

/// Files that hold parts of an access key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyFiles {
    /// `access_key_id_file`
    pub id: Option<PathBuf>,
    /// `secret_access_key_file`
    pub secret: Option<PathBuf>,
    /// `session_token_file`
    pub token: Option<PathBuf>,
}

impl KeyFiles {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Credentials that come from elsewhere while the service runs, or a key that stays.
#[derive(Debug, Clone)]
pub struct CredentialSource {
    /// `storage.credentials`
    pub kind: CredentialKind,
    /// The variables that AWS's tools read.
    pub ambient: Ambient,
    /// `storage.credentials_profile`, if it is set.
    pub profile: Option<String>,
    /// Where STS answers, if anything may need it.
    pub sts: Option<Sts>,
    /// `storage.assume_role_session_name`, which AWS's logs show.
    pub session_name: String,
    /// A role to take on with whatever the kind gives.
    pub role: Option<Role>,
}

/// Where STS answers.
#[derive(Debug, Clone)]
pub struct Sts {
    /// Scheme, host and port.
    pub endpoint: Url,
    /// The region in its signatures.
    pub region: String,
}

/// A role that STS gives credentials for: `storage.assume_role_arn` or `upload_role_arn`, and what goes with it.
#[derive(Debug, Clone)]
pub struct Role {
    /// The role's ARN.
    pub arn: String,
    /// What the role's owner asks for, if anything.
    pub external_id: Option<String>,
}

/// The role of the temporary credentials that are given to callers.
#[derive(Debug, Clone)]
pub struct UploadRole {
    /// The role.
    pub role: Role,
    /// Where STS answers.
    pub sts: Sts,
}

/// `storage.credentials`
#[derive(Debug, Clone)]
pub enum CredentialKind {
    /// The key in the configuration.
    Static(StaticKey),
    /// `AWS_ACCESS_KEY_ID` and its companions, which end when they say so.
    Environment(Credentials, Option<Timestamp>),
    /// AWS's shared files, read again while the service runs.
    Profile,
    /// A token in a file, exchanged at STS: EKS with IRSA, and everybody else's OIDC.
    WebIdentity,
    /// The endpoint that ECS and EKS pod identity give to a container.
    Ecs,
    /// The metadata service of an EC2 instance, version 2.
    Imds,
    /// A program and its arguments, as AWS's `credential_process`.
    Process(Vec<String>),
    /// The first of environment, web identity, profile, container and instance that is there.
    Auto,
}

impl CredentialKind {
    /// Its name in the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Static(_) => "static",
            Self::Environment(..) => "environment",
            Self::Profile => "profile",
            Self::WebIdentity => "web-identity",
            Self::Ecs => "ecs",
            Self::Imds => "imds",
            Self::Process(_) => "process",
            Self::Auto => "auto",
        }
    }
}
