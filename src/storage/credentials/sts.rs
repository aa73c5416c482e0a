//! The two calls to STS: `AssumeRole` and `AssumeRoleWithWebIdentity`.
//!
//! <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
//!
//! AWS's STS, and those of `MinIO` and Ceph, which speak the same.

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName};
use jiff::Timestamp;
use reqwest::header::HeaderValue;
use reqwest::{Method, Request, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use url::form_urlencoded::Serializer;

use super::Issued;
use super::bridge::exchange;
use super::source::{SourceError, checked};
use crate::config::{Role, Sts};
use crate::domain::sigv4::{Credentials, FORM_TYPE, sign_form};

const VERSION: &str = "2011-06-15";
const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const SECURITY_TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// A policy that credentials are held to besides the role's own, and how long they live, in seconds.
pub(super) struct Narrowed<'a> {
    pub(super) policy: &'a str,
    pub(super) secs: u32,
}

/// Takes on a role with credentials that may, all of it or narrowed.
pub(super) async fn assume_role(
    http: &reqwest::Client,
    sts: &Sts,
    (role, narrowed): (&Role, Option<Narrowed<'_>>),
    session_name: &str,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<Issued, SourceError> {
    let form = role_form(role, narrowed.as_ref(), session_name);
    let port = sts.endpoint.port().map(|port| format!(":{port}")).unwrap_or_default();
    let host = format!("{}{port}", sts.endpoint.host_str().unwrap_or_default());
    let signed = sign_form(&host, (&sts.region, "sts"), &form, credentials, now).map_err(|_| SourceError::Malformed)?;
    let mut headers = vec![(AUTHORIZATION, signed.authorization), (DATE, signed.date.into())];
    headers.extend(signed.session_token.map(|token| (SECURITY_TOKEN, token)));
    post(http, sts, form, headers).await
}

fn role_form(role: &Role, narrowed: Option<&Narrowed<'_>>, session_name: &str) -> String {
    let mut form = Serializer::new(String::new());
    form.extend_pairs([
        ("Action", "AssumeRole"),
        ("Version", VERSION),
        ("RoleArn", role.arn.as_str()),
        ("RoleSessionName", session_name),
    ]);
    form.extend_pairs(role.external_id.iter().map(|id| ("ExternalId", id)));
    if let Some(Narrowed { policy, secs }) = narrowed {
        form.append_pair("Policy", policy).append_pair("DurationSeconds", &secs.to_string());
    }
    form.finish()
}

/// Takes on a role with the token of an identity provider, which needs no signature.
pub(super) async fn with_web_identity(
    http: &reqwest::Client,
    sts: &Sts,
    role_arn: &str,
    session_name: &str,
    token: &SecretString,
) -> Result<Issued, SourceError> {
    let form = Serializer::new(String::new())
        .append_pair("Action", "AssumeRoleWithWebIdentity")
        .append_pair("Version", VERSION)
        .append_pair("RoleArn", role_arn)
        .append_pair("RoleSessionName", session_name)
        .append_pair("WebIdentityToken", token.expose_secret())
        .finish();
    post(http, sts, form, Vec::new()).await
}

async fn post(
    http: &reqwest::Client,
    sts: &Sts,
    form: String,
    headers: Vec<(HeaderName, SecretString)>,
) -> Result<Issued, SourceError> {
    let mut request = Request::new(Method::POST, sts.endpoint.clone());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(FORM_TYPE));
    for (name, value) in headers {
        let mut value = HeaderValue::from_str(value.expose_secret()).map_err(|_| SourceError::Malformed)?;
        value.set_sensitive(true);
        request.headers_mut().insert(name, value);
    }
    *request.body_mut() = Some(form.into());
    let (status, body) = exchange(http, request).await?;
    let text = String::from_utf8(body).map_err(|_| SourceError::Malformed)?;
    if status != StatusCode::OK {
        let host = sts.endpoint.host_str().unwrap_or_default().to_owned();
        let code = element(&text, "Code").unwrap_or_default();
        let code = code.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
        return Err(SourceError::Status { host, status: status.as_u16(), code });
    }
    issued(&text).ok_or(SourceError::Malformed)
}

/// The credentials of an answer. They always end; without an end it is no answer.
fn issued(text: &str) -> Option<Issued> {
    let credentials = element(text, "Credentials")?;
    let part = |name| element(credentials, name);
    let ends_at = part("Expiration")?.trim().parse().ok()?;
    let (id, secret, token) = (part("AccessKeyId")?, part("SecretAccessKey")?, part("SessionToken")?);
    checked(id.to_owned(), secret.into(), Some(token.into()), Some(ends_at)).ok()
}

/// The text of the first element of this name. No XML is interpreted: what would need it is no credential.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (value, _) = rest.split_once(&format!("</{name}>"))?;
    Some(value.trim()).filter(|value| !value.contains('&'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the API reference.
    const ANSWER: &str = r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <AssumeRoleResult>
    <SourceIdentity>DevUser123</SourceIdentity>
    <AssumedRoleUser><Arn>arn:aws:sts::123456789012:assumed-role/demo/John</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>
      <SecretAccessKey>wJalrXUtnFEMI/K7MDENG/bPxRfiCYzEXAMPLEKEY</SecretAccessKey>
      <SessionToken>
       AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI==
      </SessionToken>
      <Expiration>2019-11-09T13:34:41Z</Expiration>
    </Credentials>
  </AssumeRoleResult>
</AssumeRoleResponse>"#;

    #[test]
    fn the_published_answer_is_read() {
        let issued = issued(ANSWER).unwrap();
        assert_eq!(issued.credentials.access_key_id, "ASIAIOSFODNN7EXAMPLE");
        assert!(issued.credentials.session_token.as_ref().unwrap().expose_secret().ends_with("SEI=="));
        assert_eq!(issued.ends_at.unwrap().to_string(), "2019-11-09T13:34:41Z");
        assert!(!format!("{issued:?}").contains("wJalr"));
    }

    #[test]
    fn half_an_answer_is_none() {
        for (from, to) in [
            ("<Expiration>2019-11-09T13:34:41Z</Expiration>", ""),
            ("2019-11-09T13:34:41Z", "soon"),
            ("<AccessKeyId>ASIAIOSFODNN7EXAMPLE</AccessKeyId>", ""),
            ("ASIAIOSFODNN7EXAMPLE", ""),
            ("ASIAIOSFODNN7EXAMPLE", "A&amp;B"),
            ("wJalrXUtnFEMI", "two words"),
            ("</Credentials>", ""),
        ] {
            assert!(issued(&ANSWER.replace(from, to)).is_none(), "{from} -> {to}");
        }
        for text in ["", "<Credentials>", "</Credentials><Credentials>"] {
            assert!(issued(text).is_none());
        }
    }
}
