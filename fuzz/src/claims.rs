//! The payload of a token whose signature holds, under the strict and the lossy rule for stores.
//!
//! Holds: a store is open only if the claim names it, alone or in a list of nothing but names;
//! a token holds only before `exp` and not for longer than the longest life; a scope of our words
//! gives just these; prefixes never open what the store does not.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use filesync_signer::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES, ObjectKey};
use filesync_signer::domain::policy::{Action, Caller, Permissions, decide};
use filesync_signer::domain::store::{StoreId, StoreIdRule};
use filesync_signer::domain::token::{TokenRules, Verifier, VerifyKey};
use jsonwebtoken::{Algorithm, EncodingKey};
use serde_json::Value;

use super::support::{SECRET, now};

static VERIFIERS: LazyLock<[(StoreIdRule, Verifier); 2]> = LazyLock::new(|| {
    [StoreIdRule::Strict, StoreIdRule::Lossy].map(|store_rule| {
        let key = VerifyKey::hs256(SECRET.as_bytes()).unwrap();
        (store_rule, Verifier::new(vec![key], TokenRules { store_rule, ..TokenRules::default() }))
    })
});

pub fn run(data: &[u8]) {
    let token = signed(data);
    for (rule, verifier) in VERIFIERS.iter() {
        if let Ok(caller) = verifier.verify(&token, now()) {
            let claims: Value = serde_json::from_slice(data).expect("claims are JSON");
            check_times(&claims);
            check_stores(&claims, *rule, &caller);
            check_scope(&claims, &caller);
        }
    }
}

fn signed(payload: &[u8]) -> String {
    let text = format!("{}.{}", URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256"}"#), URL_SAFE_NO_PAD.encode(payload));
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let signature = jsonwebtoken::crypto::sign(text.as_bytes(), &key, Algorithm::HS256).unwrap();
    format!("{text}.{signature}")
}

#[allow(clippy::cast_precision_loss, reason = "seconds of this century")]
fn check_times(claims: &Value) {
    let (leeway, longest) = (30.0, 86_400.0);
    let now = now().as_second() as f64;
    let exp = claims["exp"].as_f64().expect("exp is a number");
    assert!(exp + leeway > now && exp <= now + longest + leeway + leeway, "exp {exp}");
    for start in ["nbf", "iat"].iter().filter_map(|name| claims[name].as_f64()) {
        assert!(start < now + leeway + 1.0, "starts at {start}");
    }
    assert!(claims["aud"].is_null(), "a token for somebody else");
}

fn check_stores(claims: &Value, rule: StoreIdRule, caller: &Caller) {
    let named: Vec<&Value> = match &claims["storeId"] {
        Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    let readable = |name: &&Value| name.as_str().is_some_and(|name| StoreId::parse(name, rule).is_ok());
    if !named.iter().all(readable) {
        assert!(caller.stores().is_empty(), "a claim that cannot be read opens something");
    }
    for store in caller.stores().iter().map(|placed| &placed.store) {
        let open = |name: &&Value| StoreId::parse(name.as_str().unwrap(), rule).as_ref() == Ok(store);
        assert!(named.iter().any(open), "{store:?} is not named");
        assert!(rule == StoreIdRule::Lossy || named.iter().any(|name| *name == store.as_str()));
    }
    let victims = caller.stores().iter().any(|placed| placed.store.as_str() == "victim");
    let rules = KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };
    for action in
        [Action::Get, Action::Head, Action::Put, Action::Delete, Action::CreateMultipart, Action::AbortMultipart]
    {
        let key = ObjectKey::parse("victim/f", &rules).unwrap();
        assert!(victims || decide(caller, action, key).is_err(), "another store is open");
    }
}

fn check_scope(claims: &Value, caller: &Caller) {
    let permissions = caller.permissions();
    let words = |claim: &Value| match claim {
        Value::String(words) => Some(words.split(' ').map(str::to_owned).collect()),
        Value::Array(list) => list.iter().map(|word| word.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>(),
        Value::Null => Some(Vec::new()),
        _ => None,
    };
    let is_there = |name: &str| claims.as_object().unwrap().contains_key(name);
    let null = ["scope", "scp"].iter().any(|name| is_there(name) && claims[name].is_null());
    let expected = match (words(&claims["scope"]), words(&claims["scp"])) {
        (Some(scope), Some(scp)) if !null => {
            let has = |word: &str| scope.iter().chain(&scp).any(|known| known == word);
            let (read, write, delete) = (has("files:read"), has("files:write"), has("files:delete"));
            if read || write || delete { Permissions { read, write, delete } } else { Permissions::ALL }
        }
        _ => Permissions::NONE,
    };
    assert_eq!(permissions, expected);
}
