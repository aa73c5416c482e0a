//! P04 of the pure core: scopes, keys, and what is signed.

use std::sync::LazyLock;

use filesync_signer::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES, ObjectKey};
use filesync_signer::domain::policy::{Action, Caller, Denied, decide};
use filesync_signer::domain::sigv4::{BucketAddress, Credentials, Presigner, Terms};
use filesync_signer::domain::store::{StoreId, StoreIdRule};
use filesync_signer::domain::token::{TokenRules, Verifier, VerifyKey};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;
use std::sync::Arc;

use crate::run::{check, check_counted};
use crate::strategies::{key, store, text};
use crate::targets::key as key_target;
use crate::targets::support::{SECRET, now, token};

const ACTIONS: [Action; 4] = [Action::Get, Action::Head, Action::Put, Action::Delete];

fn caller(stores: &[&str]) -> Arc<Caller> {
    static VERIFIER: LazyLock<Verifier> =
        LazyLock::new(|| Verifier::new(vec![VerifyKey::hs256(SECRET.as_bytes()).unwrap()], TokenRules::default()));
    VERIFIER.verify(&token(json!({"storeId": stores})), now()).unwrap()
}

fn rules(format: KeyFormat) -> KeyRules {
    KeyRules { files_root: "livestore-filesync-files".to_owned(), format, max_bytes: MAX_KEY_BYTES }
}

fn parse(text: &str) -> Option<ObjectKey> {
    ObjectKey::parse(text, &rules(KeyFormat::Path)).ok()
}

/// P04: no two different scopes share a key.
#[test]
fn no_key_is_open_to_the_bearers_of_two_stores() {
    check_counted(
        "no two stores share a key",
        (store(), store(), key(), text("[a-z]{1,6}")),
        |(one, other, key, name)| {
            let keys = [Some(key), Some(format!("{one}/{name}")), Some(format!("{other}/{name}"))];
            let keys: Vec<_> = keys.iter().flatten().filter_map(|key| parse(key)).collect();
            let (first, second) = (caller(&[&one]), caller(&[&other]));
            for (key, action) in keys.iter().flat_map(|key| ACTIONS.map(|action| (key, action))) {
                let both = [&first, &second].map(|caller| decide(caller, action, key.clone()).is_ok());
                prop_assert!(one == other || both != [true, true], "{key:?} is open to {one} and {other}");
            }
            prop_assert_eq!(decide(&first, Action::Get, parse(&format!("{one}/{name}")).unwrap()).is_ok(), true);
            Ok(one != other)
        },
    );
}

/// P04: allowed(key) means that its first segment is the store, and that it has the shape of a key.
#[test]
fn what_is_allowed_is_in_the_store_and_a_key() {
    check_counted("allowed means in the store", (store(), key(), any::<bool>()), |(store, text, addressed)| {
        let rules = rules(if addressed { KeyFormat::ContentAddressed } else { KeyFormat::Path });
        key_target::check(&text, &rules);
        let Ok(key) = ObjectKey::parse(&text, &rules) else { return Ok(false) };
        let first = key.as_str().split('/').next().unwrap().to_owned();
        let caller = caller(&[&store]);
        for action in ACTIONS {
            match decide(&caller, action, key.clone()) {
                Ok(grant) => prop_assert!(first == store && grant.key() == &key && grant.action() == action),
                Err(denied) => prop_assert!(first != store && denied == Denied::OutsideStore),
            }
        }
        Ok(true)
    });
}

/// P04: who reads the path of a signed URL back finds the key, byte for byte, in every form of address.
#[test]
fn the_path_of_a_signed_url_is_the_key() {
    let credentials = Credentials {
        access_key_id: "AKIDEXAMPLE".to_owned(),
        secret_access_key: "secret".into(),
        session_token: None,
    };
    let presigner = |path: &str| {
        let address = BucketAddress { scheme: "https".into(), host: "s3.test".into(), path: path.into() };
        Presigner::new(address, "us-east-1", credentials.clone())
    };
    let presigners = [("/files", presigner("/files")), ("", presigner(""))];
    let both = caller(&["s1", "s2"]);
    check_counted("sign and parse are inverse", (key(), select(&ACTIONS[..])), |(text, action)| {
        let Some(grant) = parse(&text).and_then(|key| decide(&both, action, key).ok()) else { return Ok(false) };
        for (path, presigner) in &presigners {
            let signed = presigner.presign(&grant, &Terms { expires_secs: 60, ..Terms::default() }, now()).unwrap();
            let url = url::Url::parse(signed.url.expose()).unwrap();
            let sent = signed.url.expose().split('?').next().unwrap();
            prop_assert_eq!(sent, format!("https://s3.test{}", url.path()), "a URL library reads another path");
            let read = percent_encoding::percent_decode_str(url.path()).decode_utf8().unwrap().into_owned();
            prop_assert_eq!(read, format!("{path}/{}", grant.key().as_str()));
            let again = parse(grant.key().as_str());
            let root_in_front = grant.key().as_str().starts_with("livestore-filesync-files/");
            prop_assert!(root_in_front || again.as_ref() == Some(grant.key()));
        }
        Ok(true)
    });
}

/// K10, K11: strict names are kept as they are; both rules give a folder that holds no way out.
#[test]
fn a_store_name_is_one_plain_folder() {
    check(
        "store names are plain folders",
        prop_oneof![text("\\PC{0,12}"), text("[A-Za-z0-9._/ -]{0,12}")],
        |claim: String| {
            if let Ok(store) = StoreId::parse(&claim, StoreIdRule::Strict) {
                prop_assert_eq!(store.as_str(), &claim);
            }
            if let Ok(store) = StoreId::parse(&claim, StoreIdRule::Lossy) {
                let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
                prop_assert!(store.as_str().chars().all(plain) && !matches!(store.as_str(), "" | "." | ".."));
                prop_assert_eq!(store.as_str().encode_utf16().count(), claim.encode_utf16().count());
            }
            Ok(())
        },
    );
}
