//! Deletes of a batch: one call for all keys of a storage, and a word about each, or none deleted.

use std::time::Duration;

use base64::Engine as _;
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

use super::bucket::{Asked, Does, ReadingBucket, all_deleted, deleted, now};
use super::{app_over, batch, code, results, statuses};
use crate::support::{TestApp, token};

fn deletes<'a>(keys: impl IntoIterator<Item = &'a str>) -> Value {
    keys.into_iter().map(|key| json!({"op": "delete", "key": key})).collect()
}

/// K37, K38: exactly the keys that were granted, each once, in one call whose body the signature binds.
#[tokio::test]
async fn all_deletes_of_a_storage_are_one_call_with_just_the_granted_keys() {
    let bucket = ReadingBucket::obedient().await;
    let app = app_over(&bucket, &[]).await;
    let odd = "s1/&<>\"' +%?#=é\u{1f600}\u{301}]]>";
    let keys = ["s1/a", "s2/a", odd, "s1/a", "s1/../s2/b", "s1/b</Key></Object><Object><Key>s2/c", "s1", "*", "s1/*"];
    let entries = batch(&app, deletes(keys)).await;
    assert_eq!(statuses(&entries), [204, 403, 204, 204, 400, 204, 400, 400, 204]);
    assert_eq!(entries[0], json!({"status": 204}));
    let [asked] = &bucket.asked()[..] else { panic!("{:?}", bucket.asked()) };
    assert!(asked.line.starts_with("POST /files/?"), "{}", asked.line);
    assert!(asked.line.contains("&delete=&") && asked.line.contains("X-Amz-SignedHeaders=content-md5%3Bhost"));
    assert_eq!(asked.keys(), ["s1/&<>\"' +%?#=é\u{1f600}\u{301}]]>", "s1/*", "s1/a", keys[5]]);
    assert!(asked.body.contains("<Quiet>false</Quiet>"));
    let md5 = base64::engine::general_purpose::STANDARD.encode(Md5::digest(&asked.body));
    assert_eq!(asked.header("content-md5"), Some(md5.as_str()));
}

/// Some readers of XML trim: `s1/a ` would become the object `s1/a`. Such keys travel in a path.
#[tokio::test]
async fn a_key_that_xml_could_change_is_deleted_by_itself() {
    let bucket = ReadingBucket::obedient().await;
    let app = app_over(&bucket, &[]).await;
    let keys = ["s1/a ", "s1/b", "s1/c\u{a0}", "s1/d\u{ffff}", "s1/ e", "s1/f"];
    assert_eq!(statuses(&batch(&app, deletes(keys)).await), [204; 6]);
    let asked = bucket.asked();
    let many: Vec<_> = asked.iter().filter(|asked| asked.is_delete_many()).flat_map(Asked::keys).collect();
    assert_eq!(many, ["s1/ e", "s1/b", "s1/f"]);
    let mut alone: Vec<_> =
        asked.iter().filter_map(|asked| asked.line.strip_prefix("DELETE ")?.split('?').next()).collect();
    alone.sort_unstable();
    assert_eq!(alone, ["/files/s1/a%20", "/files/s1/c%C2%A0", "/files/s1/d%EF%BF%BF"]);
}

async fn after(does: impl Fn(&Asked) -> Does + Send + Sync + 'static) -> Vec<Value> {
    let bucket = ReadingBucket::start(move |asked, _| does(asked)).await;
    let app = app_over(&bucket, &[]).await;
    let mut operations = deletes(["s1/a", "s1/b", "s1/c"]);
    operations.as_array_mut().unwrap().push(json!({"op": "download", "key": "s1/a"}));
    let entries = batch(&app, operations).await;
    assert_eq!(entries[3]["status"], 200, "a URL needs no bucket");
    entries[..3].to_vec()
}

fn list(entries: &str) -> Does {
    now(200, &format!("<DeleteResult>{entries}</DeleteResult>"))
}

/// Each key has its own fate, and one that is not mentioned is not gone.
#[tokio::test]
async fn what_the_bucket_says_of_a_key_is_its_result_and_silence_is_a_failure() {
    let [a, b] = ["s1/a", "s1/b"].map(deleted);
    let refused =
        |key: &str, code: &str| format!("<Error><Key>{key}</Key><Code>{code}</Code><Message>m</Message></Error>");
    for (answer, wanted) in [
        (list(&format!("{a}{b}")), [204, 204, 502]),
        (list(""), [502, 502, 502]),
        (list(&format!("{a}{}{}", refused("s1/b", "AccessDenied"), refused("s1/c", "NoSuchKey"))), [204, 502, 204]),
        (list(&format!("{a}{b}{}{}", refused("s1/b", "InternalError"), deleted("s1/c"))), [204, 502, 204]),
        // Another key is not this one, however near.
        (list(&format!("{a}{}{}", deleted("s1/B"), deleted("/s1/c"))), [204, 502, 502]),
        (list(&format!("{a}{}{}", deleted("s1/b "), deleted("files/s1/c"))), [204, 502, 502]),
        (list(&format!("{a}<Error><Code>InternalError</Code></Error>")), [204, 502, 502]),
    ] {
        let shown = answer.1.clone();
        let entries = after(move |_| answer.clone()).await;
        assert_eq!(statuses(&entries), wanted, "{shown}");
        for entry in entries.iter().filter(|entry| entry["status"] == 502) {
            assert_eq!((code(entry), &entry["retryAfter"]), ("bucket_failed", &json!(5)), "{shown}");
            assert!(!entry.to_string().contains("InternalError"), "the bucket's words stay in the log");
        }
    }
}

/// H18: a yes that is none, for every key.
#[tokio::test]
async fn an_answer_that_is_no_list_of_deletes_deleted_nothing() {
    let whole = ["s1/a", "s1/b", "s1/c"].map(deleted).concat();
    let entity = "<!DOCTYPE x [<!ENTITY k \"s1/a\">]><DeleteResult><Deleted><Key>&k;</Key></Deleted></DeleteResult>";
    let laughs = (0..20).fold("<!DOCTYPE x [<!ENTITY l0 \"s1/a\">".to_owned(), |text, i| {
        format!("{text}<!ENTITY l{} \"{}\">", i + 1, format!("&l{i};").repeat(10))
    });
    for answer in [
        now(200, "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"),
        now(200, ""),
        now(204, ""),
        now(200, "<html><body>Sign in</body></html>"),
        now(200, &format!("<DeleteResult>{whole}")),
        now(200, &format!("<Result>{whole}</Result>")),
        now(202, &format!("<DeleteResult>{whole}</DeleteResult>")),
        now(403, &format!("<DeleteResult>{whole}</DeleteResult>")),
        now(200, entity),
        now(200, &format!("{laughs}]><DeleteResult><Deleted><Key>&l20;</Key></Deleted></DeleteResult>")),
        now(200, &format!("<DeleteResult>{}", "<Deleted>".repeat(200_000))),
        // More than an answer about three keys can be.
        now(200, &format!("<DeleteResult>{whole}<!--{}--></DeleteResult>", "x".repeat(1_000_000))),
        now(403, "<Error><Code>AccessDenied</Code></Error>"),
        now(400, "<Error><Code>MalformedXML</Code></Error>"),
    ] {
        let shown = format!("{} {:.100}", answer.0, answer.1);
        let entries = after(move |_| answer.clone()).await;
        assert_eq!(statuses(&entries), [502, 502, 502], "{shown}");
    }
}

/// A server without the call is asked one by one, and not for the call again.
#[tokio::test]
async fn a_bucket_without_the_call_deletes_one_by_one() {
    for lacks in [
        now(501, "<Error><Code>NotImplemented</Code></Error>"),
        now(405, "<Error><Code>MethodNotAllowed</Code></Error>"),
        now(400, "<Error><Code>NotImplemented</Code></Error>"),
        now(405, ""),
    ] {
        let answer = lacks.clone();
        let bucket = ReadingBucket::start(move |asked, _| match asked {
            asked if asked.is_delete_many() => answer.clone(),
            asked if asked.line.contains("refused") => now(403, "<Error><Code>AccessDenied</Code></Error>"),
            _ => now(204, ""),
        })
        .await;
        let app = app_over(&bucket, &[]).await;
        let keys: Vec<_> = (0..40).map(|i| format!("s1/{i}")).chain(["s1/refused".to_owned()]).collect();
        for round in 0..2 {
            let entries = batch(&app, deletes(keys.iter().map(String::as_str))).await;
            assert_eq!(statuses(&entries), [vec![204; 40], vec![502]].concat(), "{lacks:?} {round}");
        }
        let asked = bucket.asked();
        assert_eq!(asked.iter().filter(|asked| asked.is_delete_many()).count(), 1, "{lacks:?}");
        assert_eq!(asked.len(), 1 + 2 * 41);
        assert!((2..=8).contains(&bucket.most_at_once()), "{}", bucket.most_at_once());
    }
}

/// H14, H16: what passes by itself is asked again, and each attempt is signed anew.
#[tokio::test]
async fn a_call_that_fails_is_made_again() {
    let bucket = ReadingBucket::start(|asked, number| match number {
        0 => now(500, "<Error><Code>InternalError</Code></Error>"),
        1 => now(200, "<Error><Code>InternalError</Code></Error>"),
        _ => all_deleted(asked),
    })
    .await;
    let app = app_over(&bucket, &[]).await;
    assert_eq!(statuses(&batch(&app, deletes(["s1/a", "s1/b"])).await), [204, 204]);
    assert_eq!(bucket.asked().len(), 3);
    // What became of one key is no trouble of the bucket, so nothing is asked again for it.
    let bucket = ReadingBucket::start(|_, _| list("<Error><Key>s1/a</Key><Code>InternalError</Code></Error>")).await;
    let app = app_over(&bucket, &[]).await;
    for _ in 0..30 {
        let entries = batch(&app, deletes(["s1/a", "s1/b"])).await;
        assert_eq!([code(&entries[0]), code(&entries[1])], ["bucket_failed"; 2]);
    }
    assert_eq!(bucket.asked().len(), 30, "and the bucket is not taken for down");
}

/// Each storage is told of its own keys alone, under its own prefix; one that must delete all versions does so singly.
#[tokio::test]
async fn each_storage_deletes_its_own_keys() {
    let [home, eu, versioned] = [ReadingBucket::obedient().await, ReadingBucket::obedient().await, {
        ReadingBucket::start(|asked, _| match asked {
            asked if asked.line.starts_with("GET") => now(200, "<ListVersionsResult></ListVersionsResult>"),
            _ => now(500, ""),
        })
        .await
    }];
    let storage = |name: &str, key: &str| format!("storages.{name}.{key}");
    let mut settings = vec![
        ("storage.endpoint".to_owned(), home.url.clone()),
        (
            "storage_routes".to_owned(),
            r#"[{stores=["acme"],storage="eu"},{stores=["kept"],storage="versioned"}]"#.to_owned(),
        ),
        (storage("eu", "prefix"), "filesync/".to_owned()),
        (storage("versioned", "delete_all_versions"), "true".to_owned()),
    ];
    for (name, bucket) in [("eu", &eu), ("versioned", &versioned)] {
        settings.push((storage(name, "endpoint"), bucket.url.clone()));
        settings.push((storage(name, "bucket"), format!("files-{name}")));
        settings.push((storage(name, "access_key_id"), "AKIDEU".to_owned()));
        settings.push((storage(name, "secret_access_key"), "another-s3-secret".to_owned()));
    }
    let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let app = TestApp::with(&settings).await;
    let all = token(json!({"storeId": ["s1", "acme", "kept"]}));
    let keys = ["s1/a", "acme/a", "kept/a", "s1/b", "acme/b", "kept/b", "s2/a"];
    let body = json!({"operations": deletes(keys)}).to_string();
    let entries = results(&app.call("POST", "/batch", &all, &body).await);
    assert_eq!(statuses(&entries), [204, 204, 204, 204, 204, 204, 403]);
    assert_eq!(home.asked().iter().map(Asked::keys).collect::<Vec<_>>(), [["s1/a", "s1/b"]]);
    assert_eq!(eu.asked().iter().map(Asked::keys).collect::<Vec<_>>(), [["filesync/acme/a", "filesync/acme/b"]]);
    assert!(eu.asked()[0].line.starts_with("POST /files-eu/?"));
    assert_eq!(versioned.asked().len(), 2);
    assert!(versioned.asked().iter().all(|asked| asked.line.starts_with("GET ")));
    assert_eq!(app.s3.count(), 0);
}

/// A thousand keys are one call, and its answer of any honest length is read.
#[tokio::test]
async fn a_thousand_deletes_are_one_call() {
    let bucket = ReadingBucket::start(|asked, _| {
        let sentence = "a message that some servers send".repeat(10);
        let entries: Vec<_> = asked.keys().iter().map(|key| format!("{}<!--{sentence}-->", deleted(key))).collect();
        let entries = entries.concat();
        (200, format!("<DeleteResult>{entries}</DeleteResult>"), Duration::ZERO)
    })
    .await;
    let app = app_over(&bucket, &[]).await;
    let keys: Vec<_> = (0..1000).map(|i| format!("s1/{}{i}", "'".repeat(700))).collect();
    let entries = batch(&app, deletes(keys.iter().map(String::as_str))).await;
    assert_eq!(statuses(&entries), [204; 1000]);
    assert_eq!(bucket.asked().len(), 1);
    assert_eq!(bucket.asked()[0].keys().len(), 1000);
}
