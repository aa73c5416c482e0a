//! `[upload]`: what a PUT is held to, and whether the storage can hold it to that.

use super::{Report, life};
use crate::config::raw::{RawConfig, RawLife, RawUpload};
use crate::config::used::{Life, Storage};
use crate::domain::parts::MAX_OBJECT_BYTES;
use crate::domain::upload::{ChecksumRule, UploadRules, is_type_pattern};
use crate::storage::{Provider, Support};

/// `[upload]` as it is asked for, whatever the storage.
pub(super) struct Wanted {
    pub(super) life: Life,
    rules: UploadRules,
}

pub(super) fn upload(raw: &RawUpload, r: &mut Report<'_>) -> Option<Wanted> {
    let lives = RawLife { expires_secs: raw.expires_secs, max_expires_secs: raw.max_expires_secs };
    let life = life("upload", &lives, r);
    let limit = Some(raw.max_bytes).filter(|limit| *limit <= MAX_OBJECT_BYTES);
    let limit = r.require("upload.max_bytes", limit, || {
        format!(
            "is {}; an object has at most {MAX_OBJECT_BYTES} bytes, and 0 means no limit of your own",
            raw.max_bytes
        )
    });
    let content_types = content_types(&raw.content_types, r);
    let rules = [("auto", ChecksumRule::Auto), ("off", ChecksumRule::Off), ("require", ChecksumRule::Require)];
    let checksum = r.choice("upload.checksum", &raw.checksum, &rules);
    let fixed_headers = fixed_headers(raw, r);
    let rules = UploadRules {
        max_bytes: Some(limit?).filter(|limit| *limit > 0),
        content_types: content_types?,
        checksum: checksum?,
        write_once: raw.write_once,
        fixed_headers: fixed_headers?,
    };
    Some(Wanted { life: life?, rules })
}

/// What this provider keeps of it, and the names of the bounds that are left out.
pub(super) fn kept(
    wanted: &Wanted,
    provider: &Provider,
    r: &mut Report<'_>,
) -> Option<(UploadRules, Vec<&'static str>)> {
    let checksum = kept_checksum(wanted.rules.checksum, provider, r);
    let write_once = kept_write_once(wanted.rules.write_once, provider, r);
    let rules = UploadRules { checksum: checksum?, write_once: write_once?, ..wanted.rules.clone() };
    let left_out = (rules.checksum != wanted.rules.checksum).then_some("x-amz-checksum-sha256");
    Some((rules, left_out.into_iter().collect()))
}

fn content_types(raw: &[String], r: &mut Report<'_>) -> Option<Vec<String>> {
    let before = r.problems.len();
    for text in raw.iter().filter(|text| !is_type_pattern(text)) {
        r.problem(
            "upload.content_types",
            format!("holds `{text}`; write `image/png`, `image/*` or `*/*`, in lower case"),
        );
    }
    (r.problems.len() == before).then(|| raw.to_vec())
}

/// Never signed weaker than was asked: what was required stops the start, what was left to us is left out and said.
fn kept_checksum(rule: ChecksumRule, provider: &Provider, r: &mut Report<'_>) -> Option<ChecksumRule> {
    match (rule, provider.checksum) {
        (ChecksumRule::Require, Support::No) => {
            r.problem(
                "upload.checksum",
                r.of_storage(format!("is `require`, and {} does not check x-amz-checksum-sha256", provider.title)),
            );
            None
        }
        (ChecksumRule::Require, Support::Unknown) => {
            r.warnings.push(r.of_storage(format!(
                "upload.checksum is `require`, and whether this storage checks it is not known: run `signer check`, or set its provider ({})",
                provider.name
            )));
            Some(rule)
        }
        (ChecksumRule::Auto, Support::No) => {
            r.notes.push(r.of_storage(format!(
                "checksums are left out: {} does not check x-amz-checksum-sha256",
                provider.title
            )));
            Some(ChecksumRule::Off)
        }
        _ => Some(rule),
    }
}

fn kept_write_once(wanted: bool, provider: &Provider, r: &mut Report<'_>) -> Option<bool> {
    match (wanted, provider.write_once) {
        (true, Support::No) => {
            r.problem(
                "upload.write_once",
                r.of_storage(format!("is on, and {} does not keep If-None-Match on a PUT", provider.title)),
            );
            None
        }
        (true, Support::Unknown) => {
            r.warnings.push(
                r.of_storage(
                    "upload.write_once is on, and whether this storage keeps it is not known: run `signer check`"
                        .to_owned(),
                ),
            );
            Some(true)
        }
        _ => Some(wanted),
    }
}

/// What uploads in parts are not known to be held to here, where they are on.
pub(super) fn warn_of_parts(raw: &RawConfig, storage: Option<&Storage>, r: &mut Report<'_>) {
    let Some(Storage { provider, upload_rules: rules, .. }) = storage else { return };
    let title = provider.title;
    // Where it is not known of one PUT either, that has been said.
    let unknown = provider.write_once == Support::Yes && provider.write_once_in_parts == Support::Unknown;
    if raw.multipart.is_on() && rules.write_once && unknown {
        r.warnings.push(r.of_storage(format!(
            "upload.write_once is on, and whether {title} keeps it of uploads in parts is not known: run `signer check`"
        )));
    }
    let limit = match (rules.max_bytes, raw.limits.store_upload_bytes_per_hour) {
        (Some(_), _) => "upload.max_bytes",
        (None, 1..) => "limits.store_upload_bytes_per_hour",
        (None, 0) => return,
    };
    if raw.uppy.enabled && provider.size_of_parts != Support::Yes {
        r.warnings.push(r.of_storage(format!(
            "uppy.enabled is on, and {limit}, to which {title} cannot hold uploads in parts by `signRequest`: they are refused; \
             Companion's routes and /multipart hold theirs"
        )));
    }
}

/// Headers that every object gets. Each one must be allowed by the bucket's CORS rules.
fn fixed_headers(raw: &RawUpload, r: &mut Report<'_>) -> Option<Vec<(&'static str, String)>> {
    let before = r.problems.len();
    let plain = |text: &str| text.chars().all(|c| c.is_ascii_graphic() || c == ' ') && text.trim() == text;
    let mut headers = Vec::new();
    for (key, name, value) in [
        ("upload.cache_control", "cache-control", &raw.cache_control),
        ("upload.storage_class", "x-amz-storage-class", &raw.storage_class),
        ("upload.server_side_encryption", "x-amz-server-side-encryption", &raw.server_side_encryption),
        ("upload.kms_key_id", "x-amz-server-side-encryption-aws-kms-key-id", &raw.kms_key_id),
    ] {
        if !plain(value) {
            r.problem(key, "has a character that no header value has, or a space at an end");
        } else if !value.is_empty() {
            headers.push((name, value.clone()));
        }
    }
    if !matches!(raw.server_side_encryption.as_str(), "" | "AES256" | "aws:kms") {
        r.problem(
            "upload.server_side_encryption",
            format!("is `{}`; it must be `AES256` or `aws:kms`", raw.server_side_encryption),
        );
    }
    if !raw.kms_key_id.is_empty() && raw.server_side_encryption != "aws:kms" {
        r.problem("upload.kms_key_id", "is set, and `upload.server_side_encryption` is not `aws:kms`");
    }
    (r.problems.len() == before).then_some(headers)
}
