//! `[multipart]`.

use super::Report;
use crate::config::raw::{RawConfig, RawMultipart, Secret};
use crate::config::used::Multipart;
use crate::domain::parts::{MAX_PART_BYTES, MIN_PART_BYTES};
use crate::domain::token::MIN_HMAC_SECRET_BYTES;

/// An upload that takes longer than a month has been forgotten.
const MAX_AGE_SECS: u64 = 2_592_000;

/// Nothing inside where uploads in parts are off.
#[allow(clippy::option_option, reason = "the outer one is a problem that was reported")]
pub(super) fn multipart(raw: &RawConfig, r: &mut Report<'_>) -> Option<Option<Multipart>> {
    let request_timeout_secs = raw.server.request_timeout_secs;
    let raw = &raw.multipart;
    let secret = r.secret("multipart.secret", &raw.secret, &raw.secret_file);
    let old_secrets = old_secrets(raw, r);
    let secret = secret?;
    if secret.expose().is_empty() {
        if old_secrets.is_some_and(|old| !old.is_empty()) {
            r.problem("multipart.secret", "is not set, and `old_secrets` are: uploads in parts are off without it");
        }
        return Some(None);
    }
    let secret = long_enough("multipart.secret", secret, r);
    let max_age = r.seconds("multipart.max_age_secs", raw.max_age_secs, 60, MAX_AGE_SECS);
    let part_bytes = Some(raw.part_bytes).filter(|bytes| (MIN_PART_BYTES..=MAX_PART_BYTES).contains(bytes));
    let part_bytes = r.require("multipart.part_bytes", part_bytes, || {
        format!("is {}; it must be {MIN_PART_BYTES} to {MAX_PART_BYTES}", raw.part_bytes)
    });
    let complete_timeout = r.timeout("multipart.complete_timeout_secs", raw.complete_timeout_secs);
    // The request would end first, and its caller would not hear that it may be made again.
    let in_time = complete_timeout.filter(|timeout| timeout.as_secs() < request_timeout_secs);
    if complete_timeout.is_some() && in_time.is_none() {
        r.problem(
            "multipart.complete_timeout_secs",
            format!(
                "is {}; it must be less than `server.request_timeout_secs` = {request_timeout_secs}",
                raw.complete_timeout_secs
            ),
        );
    }
    Some(Some(Multipart {
        secret: secret?,
        old_secrets: old_secrets?,
        max_age: max_age?,
        part_bytes: part_bytes?,
        complete_timeout: in_time?,
    }))
}

/// Those in the list, or one a line in the file.
fn old_secrets(raw: &RawMultipart, r: &mut Report<'_>) -> Option<Vec<Secret>> {
    let in_file = r.optional_secret("multipart.old_secrets", &Secret::default(), &raw.old_secrets_file)?;
    let in_file = in_file.expose().lines().map(str::trim).filter(|line| !line.is_empty()).map(Secret::new);
    let all = raw.old_secrets.iter().cloned().chain(in_file);
    // Each that is too short is a problem of its own.
    let kept: Vec<_> = all.map(|secret| long_enough("multipart.old_secrets", secret, r)).collect();
    kept.into_iter().collect()
}

fn long_enough(key: &str, secret: Secret, r: &mut Report<'_>) -> Option<Secret> {
    let length = secret.expose().len();
    let held = Some(secret).filter(|_| length >= MIN_HMAC_SECRET_BYTES);
    r.require(key, held, || {
        format!("has {length} bytes; it must have {MIN_HMAC_SECRET_BYTES} or more, as from `openssl rand -base64 48`")
    })
}
