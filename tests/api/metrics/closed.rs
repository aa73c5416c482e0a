//! H27: no request can make a series.

use std::collections::BTreeSet;

use serde_json::json;

use super::Told;
use crate::support::{TestApp, good_token, token};

/// What a stranger may send a million of. Each kind once makes every series that there is going to be.
async fn strange(test: &TestApp, kind: usize, random: u64) {
    let name = format!("x{random:016x}");
    let good = good_token();
    let foreign = token(json!({"storeId": name, "sub": name, "jti": name}));
    match kind {
        0 => _ = test.get(&format!("/{name}/{name}?{name}={name}")).await,
        1 => _ = test.call(&name.to_uppercase(), &format!("/{name}"), &good, "").await,
        2 => _ = test.call(&name.to_uppercase(), "/download-url", &good, "").await,
        3 => _ = test.get(&format!("/download-url?key=s1/{name}")).await,
        4 => _ = test.get(&format!("/download-url?key={name}/{name}")).await,
        5 => _ = test.call("GET", &format!("/download-url?key={name}/f"), &foreign, "").await,
        6 => _ = test.call("POST", "/upload-url", &foreign, &json!({"key": format!("{name}/f")}).to_string()).await,
        7 => _ = test.call("GET", "/download-url?key=s1/f", &name, "").await,
        8 => {
            let header = jsonwebtoken::Header { kid: Some(name.clone()), ..jsonwebtoken::Header::default() };
            let key = jsonwebtoken::EncodingKey::from_secret(name.as_bytes());
            let forged = jsonwebtoken::encode(&header, &json!({"iss": name, "exp": 1}), &key).unwrap();
            _ = test.call("GET", "/download-url?key=s1/f", &forged, "").await;
        }
        9 => {
            let origin = format!("https://{name}.example");
            let headers =
                [("origin", origin.as_str()), ("access-control-request-method", "GET"), ("x-request-id", &name)];
            _ = test.send("OPTIONS", &format!("/{name}"), &headers, "").await;
        }
        10 => _ = test.send("GET", &format!("/health?storage={name}"), &[("x-forwarded-for", &name)], "").await,
        11 => _ = test.get(&format!("/livestore-filesync-files/s1/{name}")).await,
        _ => {
            let operations = json!([{"op": name, "key": name}, {"op": "head", "key": name}]);
            _ = test.post("/batch", &json!({ "operations": operations })).await;
        }
    }
}

const KINDS: usize = 13;

/// How many, `METRIC_REQUESTS` or ten thousand.
#[allow(clippy::disallowed_methods, reason = "how long a test runs is no setting of the service")]
fn requests() -> u64 {
    std::env::var("METRIC_REQUESTS").map_or(10_000, |count| count.parse().unwrap())
}

/// H27: a million of them, at length.
#[tokio::test]
async fn no_request_makes_a_series_and_no_label_holds_what_a_caller_sent() {
    let wanted = requests();
    let settings = [
        ("files.redirect", "true"),
        ("server.cors_origins", r#"["https://a.example"]"#),
        ("limits.store_requests_per_sec", "1000000"),
        ("limits.max_tracked", "100"),
    ];
    let test = TestApp::with(&settings).await;
    let mut random: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = move || {
        // xorshift64: no two alike, and none foreseen by the code.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for kind in 0..KINDS {
        strange(&test, kind, next()).await;
    }
    // How long requests take decides no series either: all buckets are there from the first one on.
    let before = Told::by(&test).series();
    for i in 0..wanted {
        strange(&test, usize::try_from(i).unwrap() % KINDS, next()).await;
    }
    let told = Told::by(&test);
    assert_eq!(told.series(), before);
    let sent = told.0.lines().filter(|line| line.starts_with("signer_requests_total"));
    let sum: u64 = sent.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
    assert_eq!(sum, wanted + u64::try_from(KINDS).unwrap(), "each was counted once");
    // Every value of every label is a constant of the code or of the configuration.
    let routes: BTreeSet<_> = filesync_signer::api::routes().map(|route| route.path).chain(["other"]).collect();
    for series in before.iter().filter(|series| series.contains("route=\"")) {
        let route = series.split("route=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(routes.contains(route), "{series}");
    }
    assert!(!told.0.contains("status=\"other\""), "{}", told.0);
    let hex = |word: &str| word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit());
    assert!(!told.0.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.strip_prefix('x').is_some_and(hex)));
}
