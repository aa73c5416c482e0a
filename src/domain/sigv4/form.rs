//! The other use of Signature Version 4: a form that is posted to an AWS service, signed in its headers.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>
//!
//! The service makes such calls itself, to STS. They are rare, so this is short instead of fast.

use std::fmt;

use aws_lc_rs::{digest, hmac};
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};

use super::signing_key::derive;
use super::{Credentials, push_hex};
use crate::domain::utc::{OutOfRange, UtcSecond};

/// The media type of a form, which is signed.
pub const FORM_TYPE: &str = "application/x-www-form-urlencoded";

/// What to send along with the form, besides `Host` and [`FORM_TYPE`] as `Content-Type`.
pub struct FormHeaders {
    /// `Authorization`
    pub authorization: SecretString,
    /// `X-Amz-Date`
    pub date: String,
    /// `X-Amz-Security-Token`
    pub session_token: Option<SecretString>,
}

impl fmt::Debug for FormHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FormHeaders").field("date", &self.date).finish_non_exhaustive()
    }
}

/// Signs a POST of `form` to `/` at `host`, dated `now`.
///
/// # Errors
///
/// [`OutOfRange`] when `now` is outside the years that can be signed.
pub fn sign_form(
    host: &str,
    (region, service): (&str, &str),
    form: &str,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<FormHeaders, OutOfRange> {
    let now = UtcSecond::new(now)?.basic();
    let (date, day) = (now.as_str(), now.day());
    let mut headers = format!("content-type:{FORM_TYPE}\nhost:{host}\nx-amz-date:{date}\n");
    let mut names = "content-type;host;x-amz-date".to_owned();
    if let Some(token) = &credentials.session_token {
        headers = format!("{headers}x-amz-security-token:{}\n", token.expose_secret());
        names.push_str(";x-amz-security-token");
    }
    let request = format!("POST\n/\n\n{headers}\n{names}\n{}", sha256(form));
    let scope = format!("{day}/{region}/{service}/aws4_request");
    let to_sign = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{}", sha256(&request));
    let key = derive(&credentials.secret_access_key, day, region, service);
    let mut signature = String::new();
    push_hex(&mut signature, hmac::sign(&key, to_sign.as_bytes()).as_ref());
    let id = &credentials.access_key_id;
    let authorization =
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    Ok(FormHeaders {
        authorization: authorization.into(),
        date: date.to_owned(),
        session_token: credentials.session_token.clone(),
    })
}

fn sha256(text: &str) -> String {
    let mut hex = String::new();
    push_hex(&mut hex, digest::digest(&digest::SHA256, text.as_bytes()).as_ref());
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What botocore 1.x signs for the same call.
    #[test]
    fn a_form_is_signed_as_botocore_signs_it() {
        let now = "2026-11-22T15:04:05Z".parse().unwrap();
        for (token, names, signature) in [
            (None, "", "e1a0299586b6887dd88f3c05d82114a93b15140f5a343e71088e5d39f2afd5f1"),
            (
                Some("a+b/c=="),
                ";x-amz-security-token",
                "8a3a46afbf77a5f2fa8792cf0323dad166e05c11f644ead6bd80d662531e3609",
            ),
        ] {
            let credentials = Credentials {
                access_key_id: "AKIAIOSFODNN7EXAMPLE".into(),
                secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
                session_token: token.map(Into::into),
            };
            let form = "Action=AssumeRole&Version=2011-06-15";
            let host = "sts.eu-west-1.amazonaws.com";
            let signed = sign_form(host, ("eu-west-1", "sts"), form, &credentials, now).unwrap();
            let scope = "AKIAIOSFODNN7EXAMPLE/20261122/eu-west-1/sts/aws4_request";
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=content-type;host;x-amz-date{names}, Signature={signature}"
            );
            assert_eq!(signed.authorization.expose_secret(), expected);
            assert_eq!(signed.date, "20261122T150405Z");
            assert!(!format!("{signed:?}").contains(signature));
        }
    }
}
