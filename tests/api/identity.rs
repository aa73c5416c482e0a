//! Keys from elsewhere: fetched in the background, asked for by unknown keys, never trusted too long.
//! Case numbers J.. are those of the security study.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::issuer::Issuer;
use crate::metrics::Told;
use crate::support::{Answer, FakeServer, TestApp, good_token, now};

const PATIENCE: Duration = Duration::from_secs(20);

/// A key server with these keys, `k0`, `k1` and so on.
fn publish(idp: &FakeServer, issuers: &[&Issuer]) {
    let keys: Vec<_> =
        issuers.iter().enumerate().map(|(i, issuer)| issuer.jwk(json!({"kid": format!("k{i}")}))).collect();
    idp.answers(200, &[], &json!({ "keys": keys }).to_string());
}

async fn start(idp: &FakeServer, settings: &[(&str, &str)]) -> TestApp {
    let url = format!("{}/jwks", idp.url);
    let usual = [("auth.hs256_secret", ""), ("auth.jwks_url", url.as_str())];
    TestApp::with(&[&usual, settings].concat()).await
}

fn token(issuer: &Issuer, kid: &str) -> String {
    issuer.token(json!({"kid": kid}), &json!({"storeId": "s1", "exp": now().as_second() + 60}))
}

async fn sign(app: &TestApp, token: &str) -> Answer {
    app.call("GET", "/download-url?key=s1/f", token, "").await
}

async fn until(what: &str, mut held: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !held().await {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn ready(app: &TestApp) {
    until("ready", async || app.send("GET", "/readyz", &[], "").await.status == 200).await;
}

/// J41: down at the start is "not ready" and 503, never 401 and never 200; and it recovers by itself.
#[tokio::test]
async fn a_provider_that_is_down_at_the_start_means_503_until_it_comes() {
    let (idp, issuer) = (FakeServer::start().await, Issuer::new("ES256"));
    idp.answers(500, &[], "");
    let app = start(&idp, &[("auth.jwks_cooldown_secs", "1")]).await;
    for _ in 0..3 {
        let answer = sign(&app, &token(&issuer, "k0")).await;
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (503, "keys_unavailable"));
        assert_eq!(answer.header("retry-after"), Some("5"));
        let forged = sign(&app, &token(&Issuer::new("ES256"), "zz")).await;
        assert_eq!(forged.code(), "keys_unavailable");
    }
    let readyz = app.send("GET", "/readyz", &[], "").await;
    assert_eq!((readyz.status.as_u16(), readyz.code().as_str()), (503, "not_ready"));
    assert_eq!(app.send("GET", "/livez", &[], "").await.status, 200);
    // What could never be judged otherwise is a 401 all the same.
    assert_eq!(sign(&app, &good_token()).await.status, 401, "HS256 never comes from a URL");
    assert_eq!(sign(&app, "rubbish").await.status, 401);
    publish(&idp, &[&issuer]);
    ready(&app).await;
    assert_eq!(sign(&app, &token(&issuer, "k0")).await.status, 200);
    assert_eq!(sign(&app, &token(&Issuer::new("ES256"), "k0")).await.status, 401);
}

/// Providers publish the keys of all their clients and of a rotation, each with its certificates.
#[tokio::test]
async fn a_long_key_set_is_taken() {
    let (idp, issuer) = (FakeServer::start().await, Issuer::new("ES256"));
    let certificate = "A".repeat(4000);
    let mut keys: Vec<_> =
        (0..100).map(|i| issuer.jwk(json!({"kid": format!("x{i}"), "x5c": [certificate]}))).collect();
    keys.push(issuer.jwk(json!({"kid": "k0"})));
    idp.answers(200, &[], &json!({ "keys": keys }).to_string());
    let app = start(&idp, &[]).await;
    ready(&app).await;
    assert_eq!(sign(&app, &token(&issuer, "k0")).await.status, 200);
}

/// J40: a new key works from its first use on, for everybody at once, and costs one fetch. A
/// rotation just after the start is no exception to that.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_first_uses_of_a_new_key_are_one_fetch() {
    let (idp, old, new) = (FakeServer::start().await, Issuer::new("ES256"), Issuer::new("EdDSA"));
    publish(&idp, &[&old]);
    let app = Arc::new(start(&idp, &[]).await);
    ready(&app).await;
    assert_eq!(idp.count(), 1);
    publish(&idp, &[&old, &new]);
    let calls = (0..200).map(|i| {
        let (app, token) = (Arc::clone(&app), if i % 2 == 0 { token(&new, "k1") } else { token(&old, "k0") });
        tokio::spawn(async move { sign(&app, &token).await.status })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert_eq!(idp.count(), 2);
}

/// J40: a key that the provider took back is refused within the age of its answer, without restart.
#[tokio::test]
async fn a_removed_key_is_refused_within_its_cache_life() {
    let (idp, old, new) = (FakeServer::start().await, Issuer::new("ES256"), Issuer::new("ES256"));
    publish(&idp, &[&old]);
    let app = start(&idp, &[("auth.jwks_max_age_secs", "1"), ("auth.jwks_cooldown_secs", "1")]).await;
    ready(&app).await;
    let old_token = token(&old, "k0");
    assert_eq!(sign(&app, &old_token).await.status, 200);
    let keys = json!({"keys": [new.jwk(json!({"kid": "new"}))]}).to_string();
    // A day, says the answer; a second, says the operator.
    idp.answers(200, &[("cache-control", "max-age=86400")], &keys);
    until("the old key is refused", async || sign(&app, &old_token).await.status == 401).await;
    assert_eq!(sign(&app, &token(&new, "new")).await.status, 200);
}

/// J42: the same `kid` with other key material.
#[tokio::test]
async fn a_kid_that_is_used_again_is_the_new_key() {
    let (idp, old, new) = (FakeServer::start().await, Issuer::new("RS256"), Issuer::new("ES256"));
    publish(&idp, &[&old]);
    let app = start(&idp, &[("auth.jwks_cooldown_secs", "1")]).await;
    ready(&app).await;
    assert_eq!(sign(&app, &token(&old, "k0")).await.status, 200);
    publish(&idp, &[&new]);
    until("the new key is taken", async || sign(&app, &token(&new, "k0")).await.status == 200).await;
    assert_eq!(sign(&app, &token(&old, "k0")).await.status, 401);
}

/// Status, headers and body.
type BadAnswer<'a> = (u16, &'a [(&'a str, &'a str)], &'a str);

/// J41, J44: nothing that a provider answers, or does not, removes a good key before its time.
#[tokio::test]
async fn good_keys_survive_every_bad_answer_and_no_longer_than_allowed() {
    let (idp, issuer) = (FakeServer::start().await, Issuer::new("ES256"));
    publish(&idp, &[&issuer]);
    let settings = [
        ("auth.jwks_max_age_secs", "1"),
        ("auth.jwks_cooldown_secs", "1"),
        ("auth.jwks_timeout_secs", "1"),
        ("auth.jwks_max_stale_secs", "30"),
    ];
    let app = start(&idp, &settings).await;
    ready(&app).await;
    let good = token(&issuer, "k0");
    let huge = format!("{{\"keys\":[],\"pad\":\"{}\"}}", "x".repeat(600 * 1024));
    let many = json!({"keys": vec![issuer.jwk(json!({})); 257]}).to_string();
    let bad: [BadAnswer<'_>; 8] = [
        (500, &[], ""),
        (200, &[("content-type", "text/html")], "<html>maintenance</html>"),
        (200, &[], r#"{"keys":[]}"#),
        (200, &[], r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#),
        (302, &[("location", "/elsewhere")], ""),
        (304, &[], ""),
        (200, &[], &huge),
        (200, &[], &many),
    ];
    for (status, headers, body) in bad {
        idp.answers(status, headers, body);
        let before = idp.count();
        until("another fetch", async || idp.count() >= before + 2).await;
        assert_eq!(sign(&app, &good).await.status, 200, "{status} {}", &body[..body.len().min(30)]);
        // A key that is not known may be a new one, which cannot be seen now; one that is known has spoken.
        assert_eq!(sign(&app, &token(&Issuer::new("ES256"), "new")).await.code(), "keys_unavailable", "{status}");
        assert_eq!(sign(&app, &token(&Issuer::new("ES256"), "k0")).await.status, 401, "{status}");
    }
    idp.hangs();
    let before = idp.count();
    until("a fetch that hangs", async || idp.count() > before).await;
    assert_eq!(sign(&app, &good).await.status, 200);
    assert!(idp.asked().iter().all(|head| head.starts_with("GET /jwks ")), "a redirect was followed");
}

/// A refresh that brings what is known already costs no caller anything.
#[tokio::test]
async fn the_same_keys_once_more_are_no_reason_to_verify_again() {
    let (idp, issuer) = (FakeServer::start().await, Issuer::new("ES256"));
    publish(&idp, &[&issuer]);
    let app = start(&idp, &[("auth.jwks_max_age_secs", "1"), ("auth.jwks_cooldown_secs", "1")]).await;
    ready(&app).await;
    let good = token(&issuer, "k0");
    assert_eq!(sign(&app, &good).await.status, 200);
    let before = idp.count();
    until("two more fetches", async || idp.count() >= before + 2).await;
    assert_eq!(sign(&app, &good).await.status, 200);
    Told::by(&app).is("signer_token_cache_misses_total", 1.0);
}

/// J41: past `jwks_max_stale_secs` nobody gets in, also with a token that was remembered, and it recovers.
#[tokio::test]
async fn keys_that_nobody_confirms_end() {
    let (idp, issuer) = (FakeServer::start().await, Issuer::new("ES256"));
    publish(&idp, &[&issuer]);
    let settings =
        [("auth.jwks_max_age_secs", "1"), ("auth.jwks_cooldown_secs", "1"), ("auth.jwks_max_stale_secs", "2")];
    let app = start(&idp, &settings).await;
    ready(&app).await;
    let good = token(&issuer, "k0");
    assert_eq!(sign(&app, &good).await.status, 200);
    idp.answers(503, &[], "");
    until("503", async || {
        let answer = sign(&app, &good).await;
        assert!(answer.status == 200 || answer.code() == "keys_unavailable", "{answer:?}");
        answer.status == 503
    })
    .await;
    publish(&idp, &[&issuer]);
    until("recovery", async || sign(&app, &good).await.status == 200).await;
}

/// J38: a flood of forged tokens costs the provider one fetch per cooldown, and good tokens nothing.
#[tokio::test(flavor = "multi_thread")]
#[allow(clippy::disallowed_methods, reason = "how long a test floods is no setting of the service")]
async fn a_flood_of_random_kids_is_two_fetches_and_no_harm() {
    const PER_TICK: usize = 100;
    let secs = std::env::var("FLOOD_SECS").map_or(30, |secs| secs.parse().unwrap());
    let in_all: usize = 100 * secs;
    let (idp, issuer, attacker) = (FakeServer::start().await, Issuer::new("ES256"), Issuer::new("EdDSA"));
    publish(&idp, &[&issuer]);
    let app = Arc::new(start(&idp, &[]).await);
    ready(&app).await;
    let good = token(&issuer, "k0");
    let tail = token(&attacker, "0").split_once('.').unwrap().1.to_owned();
    // 10,000 a second, or longer where the machine has other work.
    let started = std::time::Instant::now();
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let (mut refused, mut accepted) = (0, 0);
    for tick in 0..in_all {
        ticks.tick().await;
        for i in 0..PER_TICK {
            let header = json!({"alg": "ES256", "kid": format!("{tick}-{i}")}).to_string();
            let forged = format!("{}.{tail}", crate::issuer::b64(header));
            refused += usize::from(sign(&app, &forged).await.status == 401);
        }
        accepted += usize::from(sign(&app, &good).await.status == 200);
    }
    assert_eq!((refused, accepted), (PER_TICK * in_all, in_all));
    // The one at the start, one for the first unknown key, and one for each cooldown since.
    let cooldowns = usize::try_from(started.elapsed().as_secs() / 30).unwrap();
    assert!(idp.count() <= 2 + cooldowns, "{} in {cooldowns} cooldowns", idp.count());
}

/// J38, J41: while a provider hangs, those who have to wait for it leave room for those who do not.
#[tokio::test]
async fn made_up_kids_and_a_provider_that_hangs_keep_nobody_out() {
    let (idp, issuer) = (FakeServer::start().await, Issuer::new("ES256"));
    publish(&idp, &[&issuer]);
    let settings = [("limits.max_in_flight", "8"), ("limits.max_bucket_calls", "8"), ("auth.jwks_cooldown_secs", "1")];
    let app = Arc::new(start(&idp, &settings).await);
    ready(&app).await;
    idp.hangs();
    let waiting = Arc::new(AtomicUsize::new(0));
    for number in 0..100 {
        let (app, forged, waiting) =
            (Arc::clone(&app), token(&Issuer::new("ES256"), &format!("x{number}")), Arc::clone(&waiting));
        tokio::spawn(async move {
            waiting.fetch_add(1, Ordering::Relaxed);
            let answer = sign(&app, &forged).await;
            waiting.fetch_sub(1, Ordering::Relaxed);
            assert!(["unauthorized", "keys_unavailable"].contains(&answer.code().as_str()), "{answer:?}");
        });
    }
    until("those who can neither wait nor be judged are told", async || {
        let started = idp.count() > 1;
        started && waiting.load(Ordering::Relaxed) <= 2
    })
    .await;
    assert_eq!(waiting.load(Ordering::Relaxed), 2, "a quarter of the places");
    let good = token(&issuer, "k0");
    for _ in 0..100 {
        assert_eq!(sign(&app, &good).await.status, 200);
    }
}

/// J38: a token that newer keys could not help causes no fetch.
#[tokio::test]
async fn a_refusal_that_is_not_for_want_of_a_key_asks_nobody() {
    let (idp, issuer) = (FakeServer::start().await, Issuer::new("ES256"));
    publish(&idp, &[&issuer]);
    let app = start(&idp, &[]).await;
    ready(&app).await;
    let of = |claims: Value| issuer.token(json!({"kid": "k0"}), &claims);
    let soon = now().as_second() + 60;
    for refused in [
        of(json!({"storeId": "s1", "exp": now().as_second() - 3600})),
        of(json!({"storeId": "s1"})),
        of(json!({"storeId": "s1", "exp": soon, "aud": "elsewhere"})),
        of(json!({"storeId": "s1", "exp": soon, "nbf": soon + 3600})),
        "rubbish".to_owned(),
    ] {
        assert_eq!(sign(&app, &refused).await.status, 401, "{refused}");
    }
    assert_eq!(idp.count(), 1);
    // A key that is not known does.
    assert_eq!(sign(&app, &token(&Issuer::new("ES256"), "new")).await.status, 401);
    assert_eq!(idp.count(), 2);
}

/// J41: of two providers one never answers: tokens of the other are judged by its keys, the service is not ready, and
/// what the silent one may have signed is 503.
#[tokio::test]
async fn a_provider_that_never_answers_does_not_speak_for_the_other() {
    let (a, b) = (FakeServer::start().await, FakeServer::start().await);
    let (of_a, next) = (Issuer::new("ES256"), Issuer::new("ES256"));
    publish(&a, &[&of_a]);
    b.answers(500, &[], "");
    let issuers = format!("[{{issuer=\"A\",jwks_url=\"{}\"}},{{issuer=\"B\",jwks_url=\"{}\"}}]", a.url, b.url);
    let app = TestApp::with(&[("auth.hs256_secret", ""), ("auth.issuers", &issuers)]).await;
    let token = |issuer: &Issuer, kid: &str, secs: i64| {
        issuer.token(json!({"kid": kid}), &json!({"storeId": "s1", "exp": now().as_second() + secs, "iss": "A"}))
    };
    until("the keys of one", async || sign(&app, &token(&of_a, "k0", 60)).await.status == 200).await;
    assert_eq!(app.send("GET", "/readyz", &[], "").await.code(), "not_ready");
    // Its key comes with the fetch that it causes, and then it has an answer, whoever else is silent.
    publish(&a, &[&of_a, &next]);
    assert_eq!(sign(&app, &token(&next, "k1", -3600)).await.status, 401);
    assert_eq!(sign(&app, &token(&next, "k1", 60)).await.status, 200);
    // Another key of this name may be the silent one's.
    assert_eq!(sign(&app, &token(&next, "k0", 60)).await.code(), "keys_unavailable");
    publish(&b, &[&Issuer::new("ES256")]);
    ready(&app).await;
    assert_eq!(sign(&app, &token(&next, "k0", 60)).await.status, 401);
}

/// J43: a document of another issuer, or one that leads elsewhere, brings no keys.
#[tokio::test]
async fn a_discovery_document_must_be_the_issuers_own() {
    let (idp, elsewhere, issuer) = (FakeServer::start().await, FakeServer::start().await, Issuer::new("ES256"));
    publish(&elsewhere, &[&issuer]);
    let url = |path: &str| format!("{}{path}", idp.url);
    for document in [
        json!({"issuer": "https://other.example", "jwks_uri": url("/jwks")}),
        json!({"issuer": url("/"), "jwks_uri": url("/jwks")}),
        json!({"issuer": idp.url, "jwks_uri": elsewhere.url}),
        json!({"issuer": idp.url, "jwks_uri": "http://169.254.169.254/latest"}),
        json!({"issuer": idp.url, "jwks_uri": "file:///etc/passwd"}),
        json!({"issuer": idp.url}),
        json!({"keys": []}),
    ] {
        idp.answers(200, &[], &document.to_string());
        let app = TestApp::with(&[("auth.hs256_secret", ""), ("auth.issuer", &idp.url)]).await;
        assert_eq!(sign(&app, &token(&issuer, "k0")).await.status, 503, "{document}");
        assert_eq!(app.send("GET", "/readyz", &[], "").await.status, 503, "{document}");
    }
    assert_eq!(elsewhere.count(), 0);
    assert!(idp.asked().iter().all(|head| head.starts_with("GET /.well-known/openid-configuration ")));
}

/// J09: an address in a token is never called.
#[tokio::test]
async fn nobody_is_called_because_a_token_says_so() {
    let (idp, attacker, issuer, mallory) =
        (FakeServer::start().await, FakeServer::start().await, Issuer::new("ES256"), Issuer::new("ES256"));
    publish(&idp, &[&issuer]);
    publish(&attacker, &[&mallory]);
    let app = start(&idp, &[]).await;
    ready(&app).await;
    for hint in ["jku", "x5u"] {
        let header = json!({"kid": "k0", hint: format!("{}/jwks", attacker.url), "jwk": mallory.jwk(json!({}))});
        let forged = mallory.token(header, &json!({"storeId": "s1", "exp": now().as_second() + 60}));
        assert_eq!(sign(&app, &forged).await.status, 401);
    }
    assert_eq!(attacker.count(), 0);
}

/// J26: two providers in one configuration, each speaking for itself.
#[tokio::test]
async fn one_providers_keys_do_not_speak_for_another() {
    let (a, b) = (FakeServer::start().await, FakeServer::start().await);
    let (of_a, of_b) = (Issuer::new("ES256"), Issuer::new("ES256"));
    publish(&a, &[&of_a]);
    publish(&b, &[&of_b]);
    let issuers = format!("[{{issuer=\"A\",jwks_url=\"{}\"}},{{issuer=\"B\",jwks_url=\"{}\"}}]", a.url, b.url);
    let app = TestApp::with(&[("auth.hs256_secret", ""), ("auth.issuers", &issuers)]).await;
    ready(&app).await;
    let token = |issuer: &Issuer, iss: Value| {
        issuer.token(json!({"kid": "k0"}), &json!({"storeId": "s1", "exp": now().as_second() + 60, "iss": iss}))
    };
    assert_eq!(sign(&app, &token(&of_a, json!("A"))).await.status, 200);
    assert_eq!(sign(&app, &token(&of_b, json!("B"))).await.status, 200);
    for (issuer, iss) in [(&of_a, json!("B")), (&of_b, json!("A")), (&of_a, json!(null)), (&of_a, json!(["A"]))] {
        assert_eq!(sign(&app, &token(issuer, iss)).await.status, 401);
    }
}
