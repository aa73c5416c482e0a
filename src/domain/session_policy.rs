//! What temporary credentials may do: the policy that STS narrows a role to.
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html#policies_session>
//!
//! Credentials may do what the role's own policies allow **and** this one does. So it names three actions on the keys of
//! one folder, and nothing on the bucket: no reading, no listing, no deleting, no copying (which reads), no access lists
//! and no tags (which are actions of their own).

use serde_json::json;

use super::fresh_key::is_plain_ascii;
use super::policy::FolderGrant;

/// How long temporary credentials live, in seconds: the least that STS gives.
/// <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html>
pub const SESSION_SECS: u32 = 900;

/// To begin, send, list, end and throw away, whole or in parts; S3 counts beginning and ending as putting.
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html#mpuAndPermissions>
const ACTIONS: [&str; 3] = ["s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"];

/// Why there are no temporary credentials. The texts are safe to show to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no temporary credentials can be had, because {0}")]
pub struct SessionRefused(&'static str);

impl SessionRefused {
    /// No role is set for the storage.
    pub const OFF: Self = Self("storage.upload_role_arn is not set for this storage");
    /// Nobody would hold the bearer to it.
    pub const TOKEN_LIMIT: Self = Self("the token limits the length of uploads (max_upload_bytes), and they would not");
    /// A policy would not mean the folder, or not only the folder.
    pub const FOLDER: Self = Self(
        "the folder has characters that policies read in their own way: it may have ASCII letters, digits, spaces and !'()+,-.=@_",
    );
}

/// The policy, as JSON: uploads below the folder that was granted, in this bucket behind `prefix`, and nothing else.
///
/// # Errors
///
/// [`SessionRefused::FOLDER`] for a folder that could be read as a pattern. `*`, `?` and `$` can be escaped at AWS, but
/// not everywhere (measured: `SeaweedFS` 4.48 takes `${*}` for those four characters), and outside of ASCII policies
/// are not read alike either.
pub fn session_policy(
    grant: &FolderGrant,
    partition: &str,
    bucket: &str,
    prefix: &str,
) -> Result<String, SessionRefused> {
    let folder = grant.folder().as_str();
    if !folder.chars().all(|c| c == '/' || is_plain_ascii(c)) {
        return Err(SessionRefused::FOLDER);
    }
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": ACTIONS,
            "Resource": format!("arn:{partition}:s3:::{bucket}/{prefix}{folder}/*"),
        }],
    });
    Ok(policy.to_string())
}

/// The partition of a role of AWS, such as `aws-cn`; all others write their policies as if they were in `aws`.
#[must_use]
pub fn partition_of(role_arn: &str) -> &str {
    let partition = role_arn.split(':').nth(1).unwrap_or_default();
    if partition.starts_with("aws-") { partition } else { "aws" }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::domain::key::{KeyFolder, KeyFormat, KeyRules, MAX_KEY_BYTES};
    use crate::domain::policy::{Caller, decide_folder};

    fn granted(folder: &str) -> FolderGrant {
        let rules = KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };
        let folder = KeyFolder::parse(folder, &rules).unwrap();
        decide_folder(&Caller::of_stores(&["s1"]), folder).unwrap()
    }

    fn policy(folder: &str) -> Result<Value, SessionRefused> {
        session_policy(&granted(folder), "aws", "files", "pre/").map(|text| serde_json::from_str(&text).unwrap())
    }

    #[test]
    fn a_session_uploads_below_its_folder_and_does_nothing_else() {
        let policy = policy("s1/photos 2026").unwrap();
        assert_eq!(
            policy,
            json!({"Version": "2012-10-17", "Statement": [{
                "Effect": "Allow",
                "Action": ["s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"],
                "Resource": "arn:aws:s3:::files/pre/s1/photos 2026/*",
            }]})
        );
        let cn = session_policy(&granted("s1"), "aws-cn", "files", "").unwrap();
        assert!(cn.contains("\"arn:aws-cn:s3:::files/s1/*\""), "{cn}");
    }

    /// K01, K13: `s1/*` as a folder would be every folder of the store, and `s?` every store of two letters.
    #[test]
    fn a_folder_that_is_a_pattern_is_refused() {
        for folder in [
            "s1/*",
            "s1/a*b",
            "s1/a?",
            "s1/${aws:username}",
            "s1/$",
            "s1/a\"b",
            "s1/{x}",
            "s1/[a]",
            "s1/é",
            "s1/日本",
            "s1/a<b",
            "s1/a|b",
            "s1/a#b",
            "s1/%2",
            "s1/~",
        ] {
            assert_eq!(policy(folder), Err(SessionRefused::FOLDER), "{folder}");
        }
        assert!(policy("s1/!'()+,-.=@_ Az09").is_ok());
    }

    /// The policy that operators are given for the role has the same actions.
    #[test]
    fn the_role_that_is_shipped_may_do_what_sessions_may() {
        let shipped: Value = serde_json::from_str(include_str!("../../deploy/bucket/upload-role.json")).unwrap();
        assert_eq!(shipped["Statement"][0]["Action"], json!(ACTIONS));
    }

    #[test]
    fn the_partition_is_the_roles_where_it_is_one_of_aws() {
        for (arn, partition) in [
            ("arn:aws:iam::123456789012:role/r", "aws"),
            ("arn:aws-cn:iam::123456789012:role/r", "aws-cn"),
            ("arn:aws-us-gov:iam::123456789012:role/r", "aws-us-gov"),
            ("arn:minio:iam:::role/r", "aws"),
            ("arn:xxx", "aws"),
            ("arn", "aws"),
        ] {
            assert_eq!(partition_of(arn), partition, "{arn}");
        }
    }

    proptest! {
        /// Whatever the folder, the only resource is the folder, literally.
        #[test]
        fn every_policy_is_for_its_folder_alone(folder in "s1(/[ -~é]{1,8}){0,3}") {
            let rules = KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };
            if KeyFolder::parse(&folder, &rules).is_ok() && let Ok(policy) = policy(&folder) {
                let resource = policy["Statement"][0]["Resource"].as_str().unwrap();
                prop_assert_eq!(resource, format!("arn:aws:s3:::files/pre/{folder}/*"));
                prop_assert_eq!(resource.matches(['*', '?', '$', '\\', '"']).count(), 1);
                prop_assert_eq!(policy["Statement"].as_array().unwrap().len(), 1);
            }
        }
    }
}
