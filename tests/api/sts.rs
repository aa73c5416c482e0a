//! `GET /s3/sts`: temporary credentials, made by a fake STS. How a real one holds to their policy is in the e2e ring.
//!
//! Case numbers K.. are those of the security study.

use jiff::ToSpan as _;
use serde_json::{Value, json};

use crate::audit::Audited;
use crate::aws::{Asked, Fake, container_answer, sts_answer};
use crate::metrics::Told;
use crate::support::{Answer, SEALED, TestApp, UPPY, good_token, now, token};

const ROLE: &str = "arn:aws:iam::123456789012:role/uploads";

/// What the service needs to give credentials of this STS.
fn settings(sts: &Fake) -> [(&str, &str); 6] {
    [
        UPPY,
        SEALED,
        ("storage.upload_role_arn", ROLE),
        ("storage.sts_endpoint", &sts.url),
        ("storage.provider", "aws"),
        ("upload.checksum", "off"),
    ]
}

async fn fake() -> Fake {
    Fake::start(|_| sts_answer("AssumeRole", "ASIASESSION", now() + 15.minutes())).await
}

async fn app(sts: &Fake, more: &[(&str, &str)]) -> TestApp {
    TestApp::with(&[&settings(sts)[..], more].concat()).await
}

fn form(asked: &Asked) -> Vec<(String, String)> {
    url::form_urlencoded::parse(asked.body.as_bytes()).into_owned().collect()
}

fn policy(asked: &Asked) -> Value {
    let pairs = form(asked);
    let (_, policy) = pairs.iter().find(|(name, _)| name == "Policy").expect("a policy");
    serde_json::from_str(policy).unwrap()
}

async fn ask(app: &TestApp, claims: Value, query: &str) -> Answer {
    app.call("GET", &format!("/s3/sts{query}"), &token(claims), "").await
}

#[tokio::test]
async fn a_caller_gets_credentials_for_the_uploads_of_its_folder() {
    let sts = fake().await;
    let app = app(&sts, &[("storage.prefix", "pre/"), ("storage.upload_role_external_id", "a/b")]).await;
    let bearer = format!("Bearer {}", good_token());
    let headers = [("authorization", bearer.as_str()), ("x-request-id", "r-1")];
    let answer = app.send("GET", "/s3/sts", &headers, "").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let end = "2026-11-22T15:15:00Z";
    let both = json!({
        "accessKeyId": "ASIASESSION", "secretAccessKey": "sEcReT-from-afar", "sessionToken": "token-of-ASIASESSION", "expiration": end,
        "AccessKeyId": "ASIASESSION", "SecretAccessKey": "sEcReT-from-afar", "SessionToken": "token-of-ASIASESSION", "Expiration": end,
    });
    let expected = json!({
        "credentials": both, "bucket": "files", "region": "us-east-1", "keyPrefix": "pre/s1/", "providerId": "default",
        "expiresAt": end, "expiresIn": 900,
    });
    assert_eq!(answer.json(), expected);

    Told::by(&app).is(r#"signer_urls_minted_total{storage="default",operation="credentials"}"#, 1.0);

    let asked = &sts.asked()[0];
    let resource = "arn:aws:s3:::files/pre/s1/*";
    let actions = ["s3:PutObject", "s3:ListMultipartUploadParts", "s3:AbortMultipartUpload"];
    let statement = json!([{"Effect": "Allow", "Action": actions, "Resource": resource}]);
    assert_eq!(policy(asked), json!({"Version": "2012-10-17", "Statement": statement}));
    let rest: Vec<_> = form(asked).into_iter().filter(|(name, _)| name != "Policy").collect();
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let expected = [
        pair("Action", "AssumeRole"),
        pair("Version", "2011-06-15"),
        pair("RoleArn", ROLE),
        pair("RoleSessionName", "r-1"),
        pair("ExternalId", "a/b"),
        pair("DurationSeconds", "900"),
    ];
    assert_eq!(rest, expected);
    assert!(asked.headers["authorization"].contains("Credential=AKIDEXAMPLE/20261122/us-east-1/sts/aws4_request"));
}

/// K03, K38: the folder is one that the token opens whole, and nobody else's; no other is ever asked for.
#[tokio::test]
async fn the_folder_is_the_callers_own() {
    let sts = fake().await;
    let app = app(&sts, &[]).await;
    for (claims, query, expected) in [
        (json!({"storeId": "s1"}), "", Ok("s1")),
        (json!({"storeId": "s1"}), "?keyPrefix=", Ok("s1")),
        (json!({"storeId": "s1"}), "?keyPrefix=s1", Ok("s1")),
        (json!({"storeId": "s1"}), "?keyPrefix=/s1", Ok("s1")),
        (json!({"storeId": "s1"}), "?keyPrefix=s1%2Fphotos%202026", Ok("s1/photos 2026")),
        (json!({"storeId": ["s1", "s2"]}), "?keyPrefix=s2", Ok("s2")),
        (json!({"storeId": ["s1", "s2"]}), "", Err((400, "invalid_request"))),
        (json!({"storeId": "s1", "prefixes": ["s1/a"]}), "", Ok("s1/a")),
        (json!({"storeId": "s1", "prefixes": ["s1/a"]}), "?keyPrefix=s1/a/b", Ok("s1/a/b")),
        (json!({"storeId": "s1", "prefixes": ["s1/a"]}), "?keyPrefix=s1", Err((403, "key_outside_prefixes"))),
        (json!({"storeId": "s1", "prefixes": ["s1/a"]}), "?keyPrefix=s1/ab", Err((403, "key_outside_prefixes"))),
        (json!({"storeId": "s1", "prefixes": []}), "", Err((403, "key_outside_prefixes"))),
        (json!({"storeId": "s1"}), "?keyPrefix=s2", Err((403, "key_outside_store"))),
        (json!({"storeId": "s1"}), "?keyPrefix=s10", Err((403, "key_outside_store"))),
        (json!({"storeId": "s1"}), "?keyPrefix=s", Err((403, "key_outside_store"))),
        (json!({"storeId": "s1"}), "?keyPrefix=*", Err((403, "key_outside_store"))),
        (json!({"storeId": "s1"}), "?keyPrefix=livestore-filesync-files/s1", Err((403, "key_outside_store"))),
        (json!({"storeId": "s1"}), "?keyPrefix=s1/../s2", Err((400, "invalid_key"))),
        (json!({"storeId": "s1"}), "?keyPrefix=s1/", Err((400, "invalid_key"))),
        (json!({"storeId": "s1"}), "?keyPrefix=s1%00", Err((400, "invalid_key"))),
        (json!({"storeId": "s1"}), "?keyPrefix=s1/*", Err((400, "sts_unavailable"))),
        (json!({"storeId": "s1"}), "?keyPrefix=s1/a?", Err((400, "sts_unavailable"))),
        (json!({"storeId": "s1"}), "?keyPrefix=s1/%24%7Baws:userid%7D", Err((400, "sts_unavailable"))),
        (json!({"storeId": "s1"}), "?keyPrefix=s1/%C3%A9", Err((400, "sts_unavailable"))),
        (json!({}), "", Err((403, "store_missing"))),
        (json!({"storeId": "s1", "scope": "files:read files:delete"}), "", Err((403, "operation_not_allowed"))),
        // Nobody would hold the bearer of credentials to the limit.
        (json!({"storeId": "s1", "max_upload_bytes": 10}), "", Err((400, "sts_unavailable"))),
    ] {
        let before = sts.asked().len();
        let answer = ask(&app, claims.clone(), query).await;
        match expected {
            Ok(folder) => {
                assert_eq!(answer.status, 200, "{claims} {query} {}", answer.text);
                assert_eq!(answer.json()["keyPrefix"], format!("{folder}/"));
                let policy = policy(sts.asked().last().unwrap());
                assert_eq!(policy["Statement"][0]["Resource"], format!("arn:aws:s3:::files/{folder}/*"));
            }
            Err((status, code)) => {
                assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{claims} {query}");
                assert_eq!(sts.asked().len(), before, "{query}: STS was asked");
            }
        }
    }
    assert_eq!(app.s3.count(), 0);
}

/// Whatever STS answers, nothing goes out that is not temporary, or is the service's own.
#[tokio::test]
async fn no_answer_of_sts_gives_anything_away() {
    const OURS: &str = "s3-secret-never-shown";
    let sts = fake().await;
    let app = app(&sts, &[]).await;
    let good = sts_answer("AssumeRole", "ASIASESSION", now() + 15.minutes()).1;
    for (status, body) in [
        (403, "<ErrorResponse><Error><Code>AccessDenied</Code><Message>role-name-of-ours</Message></Error></ErrorResponse>".to_owned()),
        (500, String::new()),
        (200, String::new()),
        (200, "<html>sign in</html>".to_owned()),
        (307, good.clone()),
        (200, good.replace("2026-11-22T15:15:00Z", "2026-11-22T15:00:00Z")),
        (200, good.replace("2026-11-22T15:15:00Z", "")),
        (200, good.replace("token-of-ASIASESSION", "")),
        (200, good.replace("ASIASESSION", "AKIDEXAMPLE")),
        (200, good.replace("sEcReT-from-afar", OURS)),
        (200, good.replace("sEcReT-from-afar", "two words")),
        (200, format!("{}{good}", "x".repeat(70_000))),
    ] {
        let shown = format!("{status} {body:.60}");
        sts.now_answers(move |_| (status, body.clone()));
        let answer = ask(&app, json!({"storeId": "s1"}), "").await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "sts_failed"), "{shown}");
        assert_eq!(answer.header("retry-after"), Some("5"));
        for word in ["secret", "sEcReT", "ASIA", "AKID", "role-name", "token-of"] {
            assert!(!answer.text.contains(word), "{shown}: {}", answer.text);
        }
    }
}

/// Before there are credentials of our own, and where there is nobody to ask.
#[tokio::test]
async fn what_is_not_there_is_said_by_its_code() {
    let sts = fake().await;
    let off = TestApp::with(&[UPPY, SEALED]).await;
    let answer = ask(&off, json!({"storeId": "s1"}), "").await;
    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (400, "sts_unavailable"));
    assert!(answer.text.contains("storage.upload_role_arn is not set"), "{}", answer.text);

    // Who may not touch the folder hears that, whether or not there is a role.
    assert_eq!(ask(&off, json!({"storeId": "s1"}), "?keyPrefix=s2").await.code(), "key_outside_store");

    let nobody = [("storage.sts_endpoint", "http://127.0.0.1:1")];
    let app = TestApp::with(&[&settings(&sts)[..3], &settings(&sts)[4..], &nobody].concat()).await;
    assert_eq!(ask(&app, json!({"storeId": "s1"}), "").await.code(), "sts_failed");

    // A source that gives none.
    let container = Fake::start(|_| (500, String::new())).await;
    let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url.as_str())];
    let ecs = [&settings(&sts)[..], &[("storage.credentials", "ecs")]].concat();
    let ecs: Vec<_> = ecs.into_iter().collect();
    let app = TestApp::with_environment(&environment, &keyless(&ecs), now).await;
    assert_eq!(ask(&app, json!({"storeId": "s1"}), "").await.code(), "credentials_unavailable");
    assert_eq!(sts.asked().len(), 0);

    // Credentials with a token of their own assume the role with it.
    container.now_answers(|_| container_answer("ASIABASE", now() + 1.hours()));
    let app = TestApp::with_environment(&environment, &keyless(&ecs), now).await;
    for _ in 0..100 {
        if ask(&app, json!({"storeId": "s1"}), "").await.status == 200 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(sts.asked().last().unwrap().headers["x-amz-security-token"], "token-of-ASIABASE");
}

/// The usual settings name an access key, which goes with `static` alone.
fn keyless<'a>(settings: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let empty = [("storage.access_key_id", ""), ("storage.secret_access_key", "")];
    settings.iter().copied().chain(empty).collect()
}

/// A line before STS is asked, with the folder; and one for each refusal.
#[tokio::test]
async fn credentials_leave_a_line_in_the_audit_log() {
    let sts = fake().await;
    let audited = Audited::with(&settings(&sts)).await;
    let told = |lines: &[Value]| {
        let of = |line: &Value| {
            ["operation", "store", "storage", "key", "decision", "code", "status"].map(|name| line[name].clone())
        };
        lines.iter().map(of).collect::<Vec<_>>()
    };
    audited.app.get("/s3/sts?keyPrefix=s1/a").await;
    audited.app.get("/s3/sts?keyPrefix=s2/a").await;
    audited.app.get("/s3/sts?keyPrefix=s1/*").await;
    audited.app.get("/s3/sts?keyPrefix=s1/..").await;
    let lines = audited.lines();
    assert_eq!(
        told(&lines),
        [
            [
                json!("credentials"),
                json!("s1"),
                json!("default"),
                json!("s1/a"),
                json!("allow"),
                Value::Null,
                Value::Null
            ],
            [
                json!("credentials"),
                json!("s2"),
                Value::Null,
                json!("s2/a"),
                json!("deny"),
                json!("key_outside_store"),
                json!(403)
            ],
            [
                json!("credentials"),
                json!("s1"),
                Value::Null,
                json!("s1/*"),
                json!("deny"),
                json!("sts_unavailable"),
                json!(400)
            ],
            [
                json!("credentials"),
                Value::Null,
                Value::Null,
                Value::Null,
                json!("deny"),
                json!("invalid_key"),
                json!(400)
            ],
        ]
    );
    assert!(lines[3]["keySha256"].is_string());
    for line in &lines {
        assert!(!line.to_string().contains("ASIA") && !line.to_string().contains("sEcReT"));
    }
}
