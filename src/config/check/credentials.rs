//! `[storage]`: what URLs and calls are signed with.
//!
//! A kind that cannot work as the process was started is refused here, so that nobody has
//! to find out from a log why nothing is signed.

use std::path::PathBuf;

use jiff::Timestamp;
use url::Url;

use super::Report;
use crate::config::raw::{RawAccessKey, RawStorage, Secret};
use crate::config::{Access, Ambient, CredentialKind, CredentialSource, KeyFiles, Role, StaticKey, Sts, UploadRole};
use crate::domain::sigv4::Credentials;
use crate::domain::upload::UploadRules;
use crate::outbound::is_loopback;
use crate::storage::{Provider, Support};

/// Hosts that container credentials may be asked for over http, as AWS's SDKs have them.
/// <https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html>
const CONTAINER_HOSTS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];

pub(super) fn access(raw: &RawStorage, r: &mut Report<'_>) -> Option<Access> {
    let before = r.problems.len();
    let put = split("storage.put", &raw.put, r);
    let get = split("storage.get", &raw.get, r);
    let delete = split("storage.delete", &raw.delete, r);
    let is_static = raw.credentials == "static";
    let unused = put.is_some() && get.is_some() && delete.is_some() && is_static && raw.access_key().is_empty();
    let common = if unused { None } else { Some(source(raw, r)?) };
    (r.problems.len() == before).then_some(Access { common, put, get, delete })
}

fn split(key: &str, raw: &RawAccessKey, r: &mut Report<'_>) -> Option<StaticKey> {
    if raw.is_empty() { None } else { static_key(key, raw, r) }
}

fn source(raw: &RawStorage, r: &mut Report<'_>) -> Option<CredentialSource> {
    let ambient = r.sources.ambient.clone();
    let kind = kind(raw, &ambient, r);
    if raw.credentials != "static" && !raw.access_key().is_empty() {
        r.problem(
            "storage.access_key_id",
            format!("or what belongs to it is set, but `credentials` is `{}`; keep one of them", raw.credentials),
        );
    }
    let role = role(raw, r);
    let web_identity = ambient.get("AWS_WEB_IDENTITY_TOKEN_FILE").is_some();
    let needs_sts = role.is_some() || matches!(&kind, Some(CredentialKind::WebIdentity)) || {
        matches!(&kind, Some(CredentialKind::Auto)) && web_identity
    };
    let sts = if needs_sts { Some(sts(raw, &ambient, r)?) } else { None };
    let named = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    Some(CredentialSource {
        kind: kind?,
        ambient,
        profile: named(&raw.credentials_profile),
        sts,
        session_name: raw.assume_role_session_name.clone(),
        role,
    })
}

fn kind(raw: &RawStorage, ambient: &Ambient, r: &mut Report<'_>) -> Option<CredentialKind> {
    let key = "storage.credentials";
    let mut needs = |names: &[&str]| {
        let missing = names.iter().find(|name| ambient.get(name).is_none());
        r.require(key, missing.is_none().then_some(()), || {
            format!("is `{}`, but the environment has no {}", raw.credentials, missing.copied().unwrap_or_default())
        })
    };
    match raw.credentials.as_str() {
        "static" => Some(CredentialKind::Static(static_key("storage", &raw.access_key(), r)?)),
        "environment" => {
            needs(&["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])?;
            environment(ambient, r)
        }
        "profile" => Some(CredentialKind::Profile),
        "web-identity" => {
            needs(&["AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"])?;
            Some(CredentialKind::WebIdentity)
        }
        "ecs" => {
            if ambient.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").is_none() {
                needs(&["AWS_CONTAINER_CREDENTIALS_FULL_URI"])?;
            }
            container(ambient, r)?;
            Some(CredentialKind::Ecs)
        }
        "imds" => Some(CredentialKind::Imds),
        "process" => {
            let command = Some(raw.credential_process.clone()).filter(|command| !command.is_empty());
            let command = r.require("storage.credential_process", command, || {
                "is not set; write the program and its arguments, such as `[\"/usr/bin/helper\", \"--json\"]`".into()
            });
            Some(CredentialKind::Process(command?))
        }
        "auto" => {
            // The environment is the first link of the chain, and cannot come or go later.
            if ambient.get("AWS_ACCESS_KEY_ID").is_some() && ambient.get("AWS_SECRET_ACCESS_KEY").is_some() {
                return environment(ambient, r);
            }
            container(ambient, r)?;
            Some(CredentialKind::Auto)
        }
        other => {
            let known = "`static`, `environment`, `profile`, `web-identity`, `ecs`, `imds`, `process` or `auto`";
            r.problem(key, format!("is `{other}`; it must be {known}"));
            None
        }
    }
}

fn environment(ambient: &Ambient, r: &mut Report<'_>) -> Option<CredentialKind> {
    let part = |name: &str| ambient.get(name).unwrap_or_default();
    let credentials = Credentials {
        access_key_id: part("AWS_ACCESS_KEY_ID").to_owned(),
        secret_access_key: part("AWS_SECRET_ACCESS_KEY").into(),
        session_token: ambient.get("AWS_SESSION_TOKEN").map(Into::into),
    };
    let end = match ambient.get("AWS_CREDENTIAL_EXPIRATION") {
        None => None,
        Some(text) => Some(r.require("storage.credentials", text.parse::<Timestamp>().ok(), || {
            "come from the environment, where AWS_CREDENTIAL_EXPIRATION is no time".into()
        })?),
    };
    Some(CredentialKind::Environment(credentials, end))
}

/// The address may be named by whoever starts the process, and is sent a token.
fn container(ambient: &Ambient, r: &mut Report<'_>) -> Option<()> {
    let Some(text) = ambient.get("AWS_CONTAINER_CREDENTIALS_FULL_URI") else { return Some(()) };
    let url = Url::parse(text).ok().filter(|url| match url.scheme() {
        "https" => true,
        "http" => is_loopback(url) || url.host_str().is_some_and(|host| CONTAINER_HOSTS.contains(&host)),
        _ => false,
    });
    r.require("storage.credentials", url.map(|_| ()), || {
        format!(
            "are to come from AWS_CONTAINER_CREDENTIALS_FULL_URI = `{text}`, which is neither https nor this machine"
        )
    })
}

fn role(raw: &RawStorage, r: &mut Report<'_>) -> Option<Role> {
    // <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
    let word = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    let name = raw.assume_role_session_name.as_str();
    if !(2..=64).contains(&name.len()) || !word(name) {
        r.problem("storage.assume_role_session_name", "must be 2 to 64 letters, digits and `_+=,.@-`");
    }
    let keys = ("storage.assume_role_arn", "storage.assume_role_external_id");
    named_role(keys, &raw.assume_role_arn, &raw.assume_role_external_id, r)
}

/// The role of these two settings, if there is one.
fn named_role(keys: (&str, &str), arn: &str, external_id: &str, r: &mut Report<'_>) -> Option<Role> {
    if arn.is_empty() {
        if !external_id.is_empty() {
            r.problem(keys.1, format!("is set, but there is no `{}`", keys.0.trim_start_matches("storage.")));
        }
        return None;
    }
    if !arn.starts_with("arn:") || !arn.chars().all(|c| c.is_ascii_graphic()) {
        r.problem(keys.0, "is no ARN, such as `arn:aws:iam::123456789012:role/signer`");
    }
    let external_id = Some(external_id.to_owned()).filter(|id| !id.is_empty());
    Some(Role { arn: arn.to_owned(), external_id })
}

/// The role of temporary credentials for callers: only where they hold it to the same that a URL does.
pub(super) fn upload_role(
    raw: &RawStorage,
    provider: &Provider,
    rules: &UploadRules,
    r: &mut Report<'_>,
) -> Option<UploadRole> {
    let key = "storage.upload_role_arn";
    let keys = (key, "storage.upload_role_external_id");
    let role = named_role(keys, &raw.upload_role_arn, &raw.upload_role_external_id, r)?;
    if let Some(setting) = rules.needs_a_signature_each() {
        let why = "which temporary credentials would not hold their bearer to: they sign every upload below a folder";
        r.problem(key, format!("is set, and so is {setting}, {why}"));
    }
    let title = provider.title;
    let lacking = match provider.sts {
        Support::Yes => None,
        Support::No => Some(format!("is set, and {title} has no STS")),
        // A server that took no notice of the policy would give away the bucket.
        Support::Unknown => Some(format!(
            "is set, and whether {title} narrows credentials to a policy is not known; if it does, say whose it is in `provider`"
        )),
    };
    if let Some(lacking) = lacking {
        r.problem(key, lacking);
        return None;
    }
    let ambient = r.sources.ambient.clone();
    if provider.name != "aws" && raw.sts_endpoint.is_empty() && ambient.get("AWS_ENDPOINT_URL_STS").is_none() {
        let where_it_is =
            "that of MinIO, Ceph and SeaweedFS answers at their `endpoint`, and Wasabi's at https://sts.wasabisys.com";
        r.problem("storage.sts_endpoint", format!("is not set, which `upload_role_arn` needs here; {where_it_is}"));
        return None;
    }
    let sts = sts(raw, &ambient, r)?;
    Some(UploadRole { role, sts })
}

fn sts(raw: &RawStorage, ambient: &Ambient, r: &mut Report<'_>) -> Option<Sts> {
    let configured = Some(raw.sts_endpoint.as_str()).filter(|text| !text.is_empty());
    let text = match configured.or_else(|| ambient.get("AWS_ENDPOINT_URL_STS")) {
        Some(text) => text.to_owned(),
        // R2's and others' regions are no names of AWS.
        None if !raw.region.contains('-') => {
            r.problem("storage.sts_endpoint", format!("is not set, and AWS has no region `{}`", raw.region));
            return None;
        }
        None if raw.region.starts_with("cn-") => format!("https://sts.{}.amazonaws.com.cn", raw.region),
        None => format!("https://sts.{}.amazonaws.com", raw.region),
    };
    let url = Url::parse(&text).ok().filter(|url| {
        let secure = url.scheme() == "https" || url.scheme() == "http" && is_loopback(url);
        let bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        secure && bare && url.has_host() && url.username().is_empty() && url.password().is_none()
    });
    let endpoint = r.require("storage.sts_endpoint", url, || {
        format!("is `{text}`; it must be scheme, host and port, and https unless it is on this machine")
    });
    Some(Sts { endpoint: endpoint?, region: raw.region.clone() })
}

fn static_key(section: &str, raw: &RawAccessKey, r: &mut Report<'_>) -> Option<StaticKey> {
    let graphic = |text: &str| text.chars().all(|c| c.is_ascii_graphic());
    let mut part = |name: &str, inline: &Secret, file: &str, required: bool| {
        let key = format!("{section}.{name}");
        let secret = if required { r.secret(&key, inline, file)? } else { r.optional_secret(&key, inline, file)? };
        let held = Some(secret).filter(|secret| !(required && secret.is_empty()));
        let secret = r.require(&key, held, || not_set(section).into())?;
        let held = Some(secret).filter(|secret| graphic(secret.expose()));
        r.require(&key, held, || "has spaces or control characters".into())
    };
    let id = part("access_key_id", &Secret::new(&raw.access_key_id), &raw.access_key_id_file, true);
    let secret = part("secret_access_key", &raw.secret_access_key, &raw.secret_access_key_file, true);
    let token = part("session_token", &raw.session_token, &raw.session_token_file, false);
    let (id, secret, token) = (id?, secret?, token?);
    if !token.is_empty() {
        r.warnings.push(format!(
            "{section}.session_token: when it ends is not known here, so a URL may be given that does not live as long as it \
             says; `storage.credentials` has sources that name their end"
        ));
    }
    let file = |name: &str| Some(PathBuf::from(name)).filter(|_| !name.is_empty());
    Some(StaticKey {
        credentials: Credentials {
            access_key_id: id.expose().to_owned(),
            secret_access_key: secret.expose().into(),
            session_token: Some(token.expose()).filter(|token| !token.is_empty()).map(Into::into),
        },
        files: KeyFiles {
            id: file(&raw.access_key_id_file),
            secret: file(&raw.secret_access_key_file),
            token: file(&raw.session_token_file),
        },
    })
}

/// Who has no key to write down may need none. Keys of their own for PUT, GET and DELETE come from nowhere else.
fn not_set(section: &str) -> &'static str {
    match section {
        "storage" => {
            "is not set; write an access key here or in a file, or, where the platform gives credentials (AWS's variables, \
             EC2, ECS, EKS), set `credentials` to `auto`, or `web-identity` for IRSA"
        }
        _ => "is not set",
    }
}
