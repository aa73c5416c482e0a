//! Forms: their fields, their policy and its signature are those of botocore.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use filesync_signer::domain::policy::{Action, decide};
use filesync_signer::domain::sigv4::{PostTerms, PresignError};
use serde_json::{Value, json};

use super::cases::{Case, Site};
use super::random::Random;
use super::sign::{Botocore, caller, presigner};
use super::{DEFAULT_SEED, number, say};

/// Each is two JSON texts and a form, so fewer than of URLs.
const DEFAULT_CASES: u64 = 2_000;
const SITE_CASES: u64 = 16;

/// K32: a form that any S3 server takes.
#[test]
fn signed_forms_equal_those_of_botocore() {
    let (seed, wanted) = (number("ORACLE_SEED", DEFAULT_SEED), number("ORACLE_POST_CASES", DEFAULT_CASES));
    let caller = caller();
    let (mut lines, mut ours) = (Vec::new(), Vec::new());
    let mut refused = 0;
    for index in 0..wanted {
        let site = Site::random(seed, index / SITE_CASES);
        let case = Case::random(seed, index, &site);
        let r = &mut Random::new(seed, "post", index);
        let least = r.between(0, 5 << 30);
        let bytes = u64::try_from(least).unwrap()..=u64::try_from(r.between(least, 5 << 30)).unwrap();
        let content_type = r.pick(&["image/png", "text/plain; charset=\"utf-8\"", "application/x-é"]);
        let fields = if r.one_in(2) { vec![("content-type", content_type)] } else { Vec::new() };
        let terms = PostTerms {
            expires_secs: case.expires_secs,
            bucket: &site.bucket,
            prefix: r.pick(&["", "app/", "a/b.c/"]),
            bytes: bytes.clone(),
            fields: &fields,
        };
        let grant = decide(&caller, Action::Put, case.key.clone()).unwrap();
        let post = match presigner(&site).presign_post(&grant, &terms, case.now) {
            Ok(post) => post,
            Err(PresignError::KeyTemplate) if case.key.as_str().contains("${") => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("case {index} of seed {seed}: {error}"),
        };
        let mut form: BTreeMap<_, _> = post.fields.expose().map(|(name, value)| (name, value.to_owned())).collect();
        let (policy, signature) = (form.remove("policy").unwrap(), form.remove("x-amz-signature").unwrap());
        lines.push(
            json!({
                "seconds": case.now.as_second(), "micros": case.now.subsec_microsecond(), "expires": case.expires_secs,
                "key": format!("{}{}", terms.prefix, case.key.as_str()), "bucket": site.bucket, "region": site.region,
                "fields": fields, "bytes": [bytes.start(), bytes.end()], "ours": policy,
                "access_key": site.access_key, "secret_key": site.secret_key, "token": site.token,
            })
            .to_string(),
        );
        ours.push((form, policy, signature));
    }
    let mut botocore = Botocore::start("botocore_post.py");
    let answers = botocore.presign(&lines);
    let mut compared = 0;
    for ((line, (form, policy, signature)), answer) in lines.iter().zip(ours).zip(&answers) {
        let mut theirs: Value = serde_json::from_str(answer).unwrap();
        let fields = theirs["fields"].as_object_mut().unwrap();
        assert!(fields.remove("policy").is_some() && fields.remove("x-amz-signature").is_some());
        assert_eq!(json!(form), theirs["fields"], "{line}");
        let policy: Value = serde_json::from_slice(&STANDARD.decode(policy).unwrap()).unwrap();
        assert_eq!(sorted(&policy), sorted(&theirs["policy"]), "{line}");
        assert_eq!(policy["expiration"], theirs["policy"]["expiration"], "{line}");
        assert_eq!(theirs["signature_of_ours"], signature, "{line}");
        compared += 1;
    }
    say(&format!(
        "forms, seed {seed}, botocore {}: {compared} compared, {refused} refused, 0 differ",
        botocore.version
    ));
    assert_eq!(compared + refused, wanted);
}

/// The conditions in one order: theirs is that of the call.
fn sorted(policy: &Value) -> Vec<String> {
    let mut conditions: Vec<_> = policy["conditions"].as_array().unwrap().iter().map(Value::to_string).collect();
    conditions.sort_unstable();
    conditions
}
