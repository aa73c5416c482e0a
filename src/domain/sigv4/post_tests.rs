use super::super::BucketAddress;
use super::super::tests::{address, at, credentials, grant};
use super::*;

const NOW: &str = "2026-11-22T15:04:05.9Z";

fn terms() -> PostTerms<'static> {
    PostTerms {
        expires_secs: 900,
        bucket: "files",
        prefix: "",
        bytes: 1..=1000,
        fields: &[("content-type", "image/png")],
    }
}

fn presigner(token: Option<&str>) -> Presigner {
    Presigner::new(address(), "us-east-1", credentials(token))
}

fn field<'a>(post: &'a SignedPost, name: &str) -> Option<&'a str> {
    post.fields.expose().find(|(known, _)| *known == name).map(|(_, value)| value)
}

fn policy_of(post: &SignedPost) -> Value {
    serde_json::from_slice(&STANDARD.decode(field(post, "policy").unwrap()).unwrap()).unwrap()
}

/// Every field but the policy itself and its signature is a condition, or the bucket would refuse the form.
#[test]
fn the_policy_binds_every_field_the_bucket_and_the_length() {
    let post =
        presigner(Some("a+b/c=")).presign_post(&grant(Action::Put, "s1/a b").unwrap(), &terms(), at(NOW)).unwrap();
    assert_eq!(post.url, "https://s3.test:9000/files");
    assert_eq!((post.expires_secs, post.expires_at.to_string().as_str()), (900, "2026-11-22T15:19:05Z"));
    let credential = "AKIAIOSFODNN7EXAMPLE/20261122/us-east-1/s3/aws4_request";
    let expected = json!({
        "expiration": "2026-11-22T15:19:05Z",
        "conditions": [
            {"bucket": "files"},
            {"key": "s1/a b"},
            {"content-type": "image/png"},
            {"x-amz-algorithm": "AWS4-HMAC-SHA256"},
            {"x-amz-credential": credential},
            {"x-amz-date": "20261122T150405Z"},
            {"x-amz-security-token": "a+b/c="},
            ["content-length-range", 1, 1000],
        ],
    });
    assert_eq!(policy_of(&post), expected);
    let names: Vec<_> = post.fields.expose().map(|(name, _)| name).collect();
    let conditions = expected["conditions"].as_array().unwrap();
    let bound: Vec<_> = conditions.iter().filter_map(|condition| condition.as_object()?.keys().next()).collect();
    assert_eq!(bound[1..], names[..names.len() - 2]);
    assert_eq!(names[names.len() - 2..], ["policy", "x-amz-signature"]);
}

#[test]
fn the_form_goes_to_the_bucket_and_not_to_a_folder_of_it() {
    for (host, path, prefix, url, key) in [
        ("s3.test", "/files", "", "https://s3.test/files", "s1/f"),
        ("s3.test", "/files/app/x", "app/x/", "https://s3.test/files", "app/x/s1/f"),
        ("files.s3.test", "", "", "https://files.s3.test/", "s1/f"),
        ("files.s3.test", "/app", "app/", "https://files.s3.test/", "app/s1/f"),
    ] {
        let address = BucketAddress { scheme: "https".into(), host: host.into(), path: path.into() };
        let presigner = Presigner::new(address, "us-east-1", credentials(None));
        let terms = PostTerms { prefix, ..terms() };
        let post = presigner.presign_post(&grant(Action::Put, "s1/f").unwrap(), &terms, at(NOW)).unwrap();
        assert_eq!((post.url.as_str(), field(&post, "key")), (url, Some(key)));
    }
}

/// K34 too: a form ends with the credentials that signed it.
#[test]
fn what_cannot_be_kept_to_is_not_signed() {
    let sign = |action, key: &str, terms: &PostTerms<'_>, now| {
        presigner(None).presign_post(&grant(action, key).unwrap(), terms, at(now)).err()
    };
    assert_eq!(sign(Action::Put, "s1/$f", &terms(), NOW), None);
    assert_eq!(sign(Action::Put, "s1/${filename}", &terms(), NOW), Some(PresignError::KeyTemplate));
    for other in [Action::Get, Action::Delete, Action::UploadPart] {
        assert_eq!(sign(other, "s1/f", &terms(), NOW), Some(PresignError::OtherCall));
    }
    for expires_secs in [0, 604_801] {
        assert_eq!(sign(Action::Put, "s1/f", &PostTerms { expires_secs, ..terms() }, NOW), Some(PresignError::Expires));
    }
    let ending = presigner(Some("t")).ending_at(Some(at("2026-11-22T15:05:00Z")));
    let sign = |now| ending.presign_post(&grant(Action::Put, "s1/f").unwrap(), &terms(), at(now));
    let post = sign(NOW).unwrap();
    assert_eq!((post.expires_secs, policy_of(&post)["expiration"].as_str()), (55, Some("2026-11-22T15:05:00Z")));
    assert_eq!(sign("2026-11-22T15:05:00Z").unwrap_err(), PresignError::NoCredentials);
}

#[test]
fn a_form_does_not_show_in_debug() {
    let post = presigner(Some("session-token")).presign_post(&grant(Action::Put, "s1/f").unwrap(), &terms(), at(NOW));
    let (post, shown) = post
        .map(|post| {
            let shown = format!("{post:?}");
            (post, shown)
        })
        .unwrap();
    for name in ["policy", "x-amz-signature", "x-amz-security-token"] {
        assert!(shown.contains(name) && !shown.contains(field(&post, name).unwrap()), "{shown}");
    }
}
