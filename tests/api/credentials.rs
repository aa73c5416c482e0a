//! Credentials that come from elsewhere and end, against fakes that speak what `IMDSv2`, ECS and STS document.
//! Case numbers K.. are those of the security study.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use filesync_signer::server::system_clock;
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::aws::{Fake, at, container_answer, sts_answer};
use crate::support::{Answer, SECRET, TestApp, good_token, now};

const PATIENCE: Duration = Duration::from_secs(20);
/// No key in `[storage]`: credentials come from elsewhere.
const NO_KEY: [(&str, &str); 2] = [("storage.access_key_id", ""), ("storage.secret_access_key", "")];

async fn start(environment: &[(&str, &str)], settings: &[(&str, &str)]) -> TestApp {
    TestApp::with_environment(environment, &[&NO_KEY, settings].concat(), now).await
}

async fn until(what: &str, mut held: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !held().await {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(20)).await;
    }
}

async fn readyz(app: &TestApp) -> Answer {
    app.send("GET", "/readyz", &[], "").await
}

async fn ready(app: &TestApp) {
    until("ready", async || readyz(app).await.status == 200).await;
}

/// A request at another time than [`now`], with a token that holds then.
async fn ask_at(app: &TestApp, now: Timestamp, target: &str) -> Answer {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let claims = json!({"storeId": "s1", "exp": now.as_second() + 60});
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    let request =
        Request::builder().uri(target).header("host", "signer.test").header("authorization", format!("Bearer {token}"));
    let request = request.body(Full::new(Bytes::new())).unwrap();
    let (parts, body) = app.app.respond(request, now).await.into_parts();
    let text = String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap();
    Answer { status: parts.status, headers: parts.headers, text }
}

async fn sign(app: &TestApp) -> Answer {
    app.get("/download-url?key=s1/f").await
}

/// A query parameter of the URL in an answer, decoded.
fn parameter(answer: &Value, name: &str) -> String {
    let url = url::Url::parse(answer["url"].as_str().unwrap()).unwrap();
    url.query_pairs().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name} in {url}")).1.into_owned()
}

/// The access key that a URL is signed with.
fn signer_of(answer: &Value) -> String {
    parameter(answer, "X-Amz-Credential").split('/').next().unwrap().to_owned()
}

/// EC2: a session by PUT, the name of the role, its credentials.
#[tokio::test]
async fn an_instance_gives_credentials_by_imds_v2() {
    let fake = Fake::start(|asked| match asked.line.as_str() {
        "PUT /latest/api/token HTTP/1.1" if asked.headers.contains_key("x-aws-ec2-metadata-token-ttl-seconds") => {
            (200, "session".into())
        }
        _ if asked.headers.get("x-aws-ec2-metadata-token").map(String::as_str) != Some("session") => {
            (401, String::new())
        }
        "GET /latest/meta-data/iam/security-credentials/ HTTP/1.1" => (200, "the-role".into()),
        "GET /latest/meta-data/iam/security-credentials/the-role HTTP/1.1" => {
            let answer = json!({
                "Code": "Success", "LastUpdated": "2026-11-22T14:00:00Z", "Type": "AWS-HMAC",
                "AccessKeyId": "ASIAIMDS", "SecretAccessKey": "sEcReT-from-afar", "Token": "imds+token/=",
                "Expiration": at(now() + 6.hours()),
            });
            (200, answer.to_string())
        }
        _ => (404, String::new()),
    })
    .await;
    let environment = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake.url.as_str())];
    for kind in ["imds", "auto"] {
        let app = start(&environment, &[("storage.credentials", kind)]).await;
        ready(&app).await;
        let answer = sign(&app).await.json();
        assert_eq!(signer_of(&answer), "ASIAIMDS");
        assert_eq!(parameter(&answer, "X-Amz-Security-Token"), "imds+token/=");
        // Our own calls use the same ones.
        assert_eq!(app.call("DELETE", "/object?key=s1/f", &good_token(), "").await.status, 204);
        assert!(app.s3.asked()[0].contains("ASIAIMDS"), "{:?}", app.s3.asked());
    }
    assert_eq!(fake.asked().len(), 6);
}

/// ECS by its path, EKS pod identity by a URL and a token that is read from its file each time.
#[tokio::test]
async fn a_container_gives_credentials() {
    let fake = Fake::start(|asked| match asked.headers.get("authorization").map(String::as_str) {
        Some("pod-token") if asked.line == "GET /v1/credentials HTTP/1.1" => {
            container_answer("ASIAPOD", now() + 1.hours())
        }
        _ => (401, "no".into()),
    })
    .await;
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "pod-token\n").unwrap();
    let url = format!("{}/v1/credentials", fake.url);
    let environment = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path().to_str().unwrap()),
    ];
    for kind in ["ecs", "auto"] {
        let app = start(&environment, &[("storage.credentials", kind)]).await;
        ready(&app).await;
        assert_eq!(signer_of(&sign(&app).await.json()), "ASIAPOD");
    }
}

/// IRSA: the token of the service account for credentials of a role, unsigned.
#[tokio::test]
async fn a_web_identity_is_exchanged_at_sts() {
    let fake = Fake::start(|_| sts_answer("AssumeRoleWithWebIdentity", "ASIAWEB", now() + 1.hours())).await;
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "ey.J.x\n").unwrap();
    let environment = [
        ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/irsa"),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path().to_str().unwrap()),
        ("AWS_ENDPOINT_URL_STS", fake.url.as_str()),
    ];
    for kind in ["web-identity", "auto"] {
        let app = start(&environment, &[("storage.credentials", kind)]).await;
        ready(&app).await;
        assert_eq!(signer_of(&sign(&app).await.json()), "ASIAWEB");
    }
    let asked = &fake.asked()[0];
    assert_eq!(asked.line, "POST / HTTP/1.1");
    assert_eq!(
        asked.body,
        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Firsa\
         &RoleSessionName=filesync-signer&WebIdentityToken=ey.J.x"
    );
    assert!(!asked.headers.contains_key("authorization"));
}

/// A role on top of a key that stays, and on top of credentials that have a token themselves.
#[tokio::test]
async fn a_role_is_assumed_with_whatever_there_is() {
    let sts = Fake::start(|_| sts_answer("AssumeRole", "ASIAROLE", now() + 1.hours())).await;
    let role = [
        ("storage.assume_role_arn", "arn:aws:iam::123456789012:role/signer"),
        ("storage.assume_role_external_id", "a/b"),
        ("storage.sts_endpoint", sts.url.as_str()),
    ];
    let app = TestApp::with(&role).await;
    ready(&app).await;
    let answer = sign(&app).await.json();
    assert_eq!(signer_of(&answer), "ASIAROLE");
    assert_eq!(parameter(&answer, "X-Amz-Security-Token"), "token-of-ASIAROLE");
    let asked = &sts.asked()[0];
    assert!(asked.body.starts_with("Action=AssumeRole&Version=2011-06-15&RoleArn="), "{}", asked.body);
    assert!(asked.body.ends_with("&RoleSessionName=filesync-signer&ExternalId=a%2Fb"), "{}", asked.body);
    let authorization = &asked.headers["authorization"];
    let expected = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/us-east-1/sts/aws4_request, \
                    SignedHeaders=content-type;host;x-amz-date, Signature=";
    assert!(authorization.starts_with(expected), "{authorization}");

    let container = Fake::start(|_| container_answer("ASIABASE", now() + 1.hours())).await;
    let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.url.as_str())];
    let app = start(&environment, &[&role[..], &[("storage.credentials", "ecs")]].concat()).await;
    ready(&app).await;
    let asked = sts.asked();
    let headers = &asked.last().unwrap().headers;
    assert_eq!(headers["x-amz-security-token"], "token-of-ASIABASE");
    assert!(headers["authorization"].contains("Credential=ASIABASE/"));
    assert!(headers["authorization"].contains(";x-amz-security-token,"));
}

/// K34: the URL, `expiresAt` and `expiresIn` all say when the credentials end, if that is sooner.
#[tokio::test]
async fn no_url_says_that_it_outlives_its_credentials() {
    let fake = Fake::start(|_| container_answer("ASIASHORT", now() + 400.seconds())).await;
    let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", fake.url.as_str())];
    let app = start(&environment, &[("storage.credentials", "ecs")]).await;
    ready(&app).await;
    let answer = sign(&app).await.json();
    assert_eq!(answer["expiresIn"], 400);
    assert_eq!(answer["expiresAt"], "2026-11-22T15:06:40Z");
    assert_eq!(answer["refreshAfter"], "2026-11-22T15:05:20Z");
    assert_eq!(parameter(&answer, "X-Amz-Expires"), "400");
    let short = app.get("/download-url?key=s1/f&expiresIn=60").await.json();
    assert_eq!((short["expiresIn"].as_u64(), parameter(&short, "X-Amz-Expires").as_str()), (Some(60), "60"));
    // A second before the end, and at the end.
    let last = ask_at(&app, now() + 399.seconds(), "/download-url?key=s1/f").await;
    assert_eq!(last.json()["expiresIn"], 1);
    for target in ["/download-url?key=s1/f", "/object?key=s1/f"] {
        let over = ask_at(&app, now() + 400.seconds(), target).await;
        assert_eq!((over.status.as_u16(), over.code().as_str()), (503, "credentials_unavailable"), "{target}");
        assert_eq!(over.header("retry-after"), Some("5"));
    }
    assert_eq!(ask_at(&app, now() + 400.seconds(), "/readyz").await.code(), "not_ready");
    assert_eq!(app.s3.count(), 0, "no call is made with ended credentials");
}

/// Credentials that live three seconds, under load: no request fails, no URL outlives what signed it, and nobody
/// but the one task fetches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotation_under_load_fails_no_request() {
    let fake = Fake::start(|_| {
        // The end is part of the key's name, so that each URL tells it.
        let end = system_clock() + 3.seconds();
        container_answer(&format!("ASIA{}", end.as_second()), Timestamp::from_second(end.as_second()).unwrap())
    })
    .await;
    let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", fake.url.as_str())];
    let settings = [&NO_KEY[..], &[("storage.credentials", "ecs")]].concat();
    let app = Arc::new(TestApp::with_environment(&environment, &settings, system_clock).await);
    until("ready", async || ask_at(&app, system_clock(), "/readyz").await.status == 200).await;
    let (asked, end) = (Arc::new(AtomicUsize::new(0)), Instant::now() + Duration::from_secs(8));
    let workers: Vec<_> = (0..8)
        .map(|_| {
            let (app, asked) = (Arc::clone(&app), Arc::clone(&asked));
            tokio::spawn(async move {
                let mut signers = BTreeSet::new();
                while Instant::now() < end {
                    let answer = ask_at(&app, system_clock(), "/download-url?key=s1/f").await;
                    assert_eq!(answer.status, 200, "{}", answer.text);
                    let answer = answer.json();
                    let signer = signer_of(&answer);
                    let expires_at: Timestamp = answer["expiresAt"].as_str().unwrap().parse().unwrap();
                    assert!(expires_at.as_second() <= signer[4..].parse().unwrap(), "{signer} {expires_at}");
                    signers.insert(signer);
                    asked.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
                signers
            })
        })
        .collect();
    let mut signers = BTreeSet::new();
    for worker in workers {
        signers.extend(worker.await.unwrap());
    }
    let (asked, fetched) = (asked.load(Ordering::Relaxed), fake.asked().len());
    assert!(signers.len() >= 4, "{signers:?}");
    assert!(asked > 100 && fetched <= 12, "{asked} requests, {fetched} fetches");
}

/// The endpoint goes away: the old credentials to their end, then 503, and back by itself.
#[tokio::test]
async fn an_endpoint_that_is_down_costs_nothing_until_the_end() {
    let end = Timestamp::from_second((system_clock() + 4.seconds()).as_second()).unwrap();
    let fake = Fake::start(move |_| container_answer("ASIAFIRST", end)).await;
    let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", fake.url.as_str())];
    let settings = [&NO_KEY[..], &[("storage.credentials", "ecs")]].concat();
    let app = TestApp::with_environment(&environment, &settings, system_clock).await;
    let ask = async || ask_at(&app, system_clock(), "/download-url?key=s1/f").await;
    until("ready", async || ask().await.status == 200).await;
    fake.now_answers(|_| (500, "secret words".into()));
    loop {
        let before = system_clock();
        let answer = ask().await;
        if system_clock() < end {
            assert_eq!(answer.status, 200, "{}", answer.text);
        } else if before >= end {
            assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "credentials_unavailable"));
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ask_at(&app, system_clock(), "/readyz").await.status, 503);
    assert_eq!(ask_at(&app, system_clock(), "/livez").await.status, 200);
    fake.now_answers(|_| container_answer("ASIASECOND", system_clock() + 1.hours()));
    until("back", async || ask().await.status == 200).await;
    assert_eq!(signer_of(&ask().await.json()), "ASIASECOND");
}

/// Refresh first, then cap: a URL that had to be cut has newer credentials fetched, once for all who ask; and
/// lives that no credentials have do not cause a fetch each.
#[tokio::test]
async fn a_url_that_is_cut_asks_for_newer_credentials_once() {
    let fake = Fake::start(|_| container_answer("ASIAFIRST", now() + 800.seconds())).await;
    let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", fake.url.as_str())];
    let app = start(&environment, &[("storage.credentials", "ecs")]).await;
    ready(&app).await;
    // From here on the runtime skips to the next timer whenever nothing else is to be done.
    tokio::time::pause();
    fake.now_answers(|_| container_answer("ASIASECOND", now() + 6.hours()));
    for _ in 0..100 {
        let answer = sign(&app).await.json();
        assert_eq!((signer_of(&answer).as_str(), answer["expiresIn"].as_u64()), ("ASIAFIRST", Some(800)));
    }
    // By itself it would be fetched after 500 seconds, less a tenth at most.
    let asked = Instant::now();
    while signer_of(&sign(&app).await.json()) == "ASIAFIRST" {
        assert!(asked.elapsed() < Duration::from_secs(400), "nobody asked");
        sleep(Duration::from_secs(5)).await;
    }
    assert!(asked.elapsed() > Duration::from_secs(200), "{:?}", asked.elapsed());
    assert_eq!(sign(&app).await.json()["expiresIn"], 900);
    // A fetch may lose its race against the skipping clock and be made again.
    assert!((2..=4).contains(&fake.asked().len()), "{}", fake.asked().len());
}

/// An endpoint that takes the question and says nothing holds nobody up, and is given up after five seconds.
#[tokio::test]
async fn an_endpoint_that_hangs_is_given_up() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let app = start(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url)], &[("storage.credentials", "ecs")]).await;
    let (mut first, _) = silent.accept().await.unwrap();
    let began = Instant::now();
    assert_eq!(sign(&app).await.code(), "credentials_unavailable");
    assert!(began.elapsed() < Duration::from_secs(1));
    let mut heard = Vec::new();
    tokio::time::timeout(Duration::from_secs(8), first.read_to_end(&mut heard)).await.unwrap().unwrap();
    assert!(heard.starts_with(b"GET / HTTP/1.1"), "{}", String::from_utf8_lossy(&heard));
    assert!(began.elapsed() > Duration::from_secs(4));
}

/// What has ended when it comes is not put in force, at the start and later; nor is rubbish.
#[tokio::test]
async fn an_answer_that_has_ended_or_is_none_is_not_used() {
    let endless = json!({"AccessKeyId": "ASIAX", "SecretAccessKey": "x", "Token": "t"}).to_string();
    let unreadable = json!({"AccessKeyId": "ASIAX", "SecretAccessKey": "x", "Token": "t", "Expiration": "soon"});
    let spaced = container_answer("AS IA", now() + 1.hours()).1;
    for bad in
        [container_answer("ASIAENDED", now()).1, endless, unreadable.to_string(), spaced, "{}".into(), String::new()]
    {
        let answer = bad.clone();
        let fake = Fake::start(move |_| (200, answer.clone())).await;
        let environment = [("AWS_CONTAINER_CREDENTIALS_FULL_URI", fake.url.as_str())];
        let app = start(&environment, &[("storage.credentials", "ecs")]).await;
        until("asked", async || !fake.asked().is_empty()).await;
        sleep(Duration::from_millis(100)).await;
        let answer = sign(&app).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "credentials_unavailable"), "{bad}");
        assert_eq!(readyz(&app).await.status, 503, "{bad}");
    }
}

/// A process's end counts, and one that cannot be read is not taken for none.
#[tokio::test]
async fn a_process_gives_credentials() {
    let command = |answer: &Value| json!(["/bin/sh", "-c", format!("printf '%s' '{answer}'")]).to_string();
    let answer = json!({"Version": 1, "AccessKeyId": "ASIAPROC", "SecretAccessKey": "x", "SessionToken": "t"});
    for (expiration, works) in [(json!(at(now() + 600.seconds())), true), (json!("soon"), false)] {
        let mut answer = answer.clone();
        answer["Expiration"] = expiration;
        let command = command(&answer);
        let app =
            start(&[], &[("storage.credentials", "process"), ("storage.credential_process", command.as_str())]).await;
        if works {
            ready(&app).await;
            let answer = sign(&app).await.json();
            assert_eq!((signer_of(&answer).as_str(), answer["expiresIn"].as_u64()), ("ASIAPROC", Some(600)));
        } else {
            sleep(Duration::from_millis(300)).await;
            assert_eq!(sign(&app).await.code(), "credentials_unavailable");
        }
    }
}

#[tokio::test]
async fn a_profile_and_the_environment_give_credentials() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".aws")).unwrap();
    let file = "[default]\naws_access_key_id = AKIADEFAULT\naws_secret_access_key = x\n\
                [work]\naws_access_key_id = AKIAWORK\naws_secret_access_key = y\n";
    std::fs::write(home.path().join(".aws/credentials"), file).unwrap();
    let home = [("HOME", home.path().to_str().unwrap())];
    for (settings, signer) in [
        (vec![("storage.credentials", "profile")], "AKIADEFAULT"),
        (vec![("storage.credentials", "profile"), ("storage.credentials_profile", "work")], "AKIAWORK"),
        (vec![("storage.credentials", "auto")], "AKIADEFAULT"),
    ] {
        let app = start(&home, &settings).await;
        ready(&app).await;
        assert_eq!(signer_of(&sign(&app).await.json()), signer);
    }
    let end = at(now() + 100.seconds());
    let environment = [
        home[0],
        ("AWS_ACCESS_KEY_ID", "ASIAENV"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_SESSION_TOKEN", "t"),
        ("AWS_CREDENTIAL_EXPIRATION", end.as_str()),
    ];
    for kind in ["environment", "auto"] {
        let app = start(&environment, &[("storage.credentials", kind)]).await;
        let answer = sign(&app).await.json();
        assert_eq!((signer_of(&answer).as_str(), answer["expiresIn"].as_u64()), ("ASIAENV", Some(100)));
    }
}

/// K24: what signs a PUT cannot read, if it is so configured; each action has its own key.
#[tokio::test]
async fn each_action_can_have_a_key_of_its_own() {
    let split = [
        ("storage.put.access_key_id", "AKIAPUT"),
        ("storage.put.secret_access_key", "put-secret"),
        ("storage.get.access_key_id", "AKIAGET"),
        ("storage.get.secret_access_key", "get-secret"),
        ("storage.delete.access_key_id", "AKIADELETE"),
        ("storage.delete.secret_access_key", "delete-secret"),
        ("storage.delete.session_token", "delete-token"),
    ];
    let app = start(&[], &split).await;
    assert_eq!(readyz(&app).await.status, 200, "none of [storage] itself is needed");
    let signer = async |target: &str, body: Option<Value>| {
        let answer = match &body {
            Some(body) => app.post(target, body).await,
            None => app.get(target).await,
        };
        assert_eq!(answer.status, 200, "{}", answer.text);
        signer_of(&answer.json())
    };
    let key = || Some(json!({"key": "s1/f"}));
    assert_eq!(signer("/upload-url", key()).await, "AKIAPUT");
    assert_eq!(signer("/v1/sign/upload", key()).await, "AKIAPUT");
    assert_eq!(signer("/delete-url", key()).await, "AKIADELETE");
    assert_eq!(signer("/download-url?key=s1/f", None).await, "AKIAGET");
    assert_eq!(signer("/download-url?key=s1/f&method=HEAD", None).await, "AKIAGET");
    assert_eq!(signer("/v1/sign/download", key()).await, "AKIAGET");
    assert_eq!(app.post("/v1/delete", &json!({"key": "s1/f"})).await.status, 204);
    app.s3.answers(200, &[("etag", "\"x\"")], "");
    assert_eq!(app.get("/object?key=s1/f").await.status, 200);
    let asked = app.s3.asked();
    assert!(asked[0].contains("AKIADELETE") && asked[0].contains("delete-token"), "{}", asked[0]);
    assert!(asked[1].contains("AKIAGET"), "{}", asked[1]);

    // With one key apart, the rest is signed with the common one.
    let app = TestApp::with(&split[..2]).await;
    assert_eq!(signer_of(&app.post("/upload-url", &json!({"key": "s1/f"})).await.json()), "AKIAPUT");
    assert_eq!(signer_of(&sign(&app).await.json()), "AKIDEXAMPLE");
}

/// A key in files is in force soon after it changed, whole: never one key's name with another's secret.
#[tokio::test]
async fn keys_in_files_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let (id, secret) = (folder.path().join("id"), folder.path().join("secret"));
    std::fs::write(&id, "AKIAOLD\n").unwrap();
    std::fs::write(&secret, "old-secret\n").unwrap();
    let files = [
        ("storage.access_key_id_file", id.to_str().unwrap()),
        ("storage.secret_access_key_file", secret.to_str().unwrap()),
    ];
    let app = start(&[], &files).await;
    let url = async || sign(&app).await.json()["url"].as_str().unwrap().to_owned();
    let old = url().await;
    assert!(old.contains("AKIAOLD"));
    // What cannot be used leaves the last one in force.
    std::fs::write(&secret, "two words").unwrap();
    sleep(Duration::from_millis(1600)).await;
    assert_eq!(url().await, old);
    std::fs::write(&id, "AKIANEW\n").unwrap();
    std::fs::write(&secret, "new-secret\n").unwrap();
    until("the new key", async || url().await != old).await;
    let settings = [("storage.access_key_id", "AKIANEW"), ("storage.secret_access_key", "new-secret")];
    let expected = sign(&TestApp::with(&settings).await).await.json();
    assert_eq!(url().await, expected["url"].as_str().unwrap(), "byte for byte what that key signs");
}
