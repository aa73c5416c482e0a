//! One request of each kind in turn, and what may come back.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use super::signed;
use super::world::{GRACE, World};
use crate::bucket::size_of;
use crate::load::Verdict;
use crate::process::unix_now;
use crate::wire::{Answer, Broken, Connection, bare, get, post};

/// A request and how it was meant.
struct Asked {
    kind: &'static str,
    key: String,
    bytes: Vec<u8>,
    means: Means,
}

enum Means {
    /// A signed URL with this method, of this life, or of the configured one.
    Signed(&'static str, Option<u32>),
    Deleted,
    Described,
    Health,
    Plain(u16),
    /// Refused, with status and code.
    Refused(u16, &'static str),
    /// 401, for want of a good signature.
    Unauthorized,
}

pub(super) async fn until_ready(world: &World) {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(mut connection) = Connection::open(world.address, Some(&world.tls)).await
            && connection.exchange(&bare("GET", "/health", "")).await.is_some_and(|(answer, _)| answer.status == 200)
        {
            return;
        }
        assert!(Instant::now() < patience, "the signer is not ready");
        sleep(Duration::from_millis(20)).await;
    }
}

fn asked(world: &World, number: u64) -> Asked {
    let signed = world.signed.lock().unwrap().clone();
    let token = signed.token.as_str();
    let key = format!("s1/{}/file-{number}.png", number % 7);
    let absent = format!("s1/missing-{number}");
    let secs = u32::try_from(60 + number % 600).unwrap();
    let life = Some(secs);
    let body = |key: &str| json!({"key": key, "expiresIn": secs});
    let upload = json!({"key": key, "contentType": "image/png", "contentLength": number});
    let of = |kind, bytes, means| Asked { kind, key: key.clone(), bytes, means };
    match number % 20 {
        0..4 => of("download-url", get(&format!("/download-url?key={key}"), token), Means::Signed("GET", None)),
        4 | 5 => {
            let target = format!("/download-url?key=/livestore-filesync-files/{key}&expiresIn={secs}");
            of("download-url", get(&target, token), Means::Signed("GET", life))
        }
        6 | 7 => of("upload-url", post("/upload-url", token, &upload), Means::Signed("PUT", None)),
        8 => of("delete-url", post("/delete-url", token, &body(&key)), Means::Signed("DELETE", life)),
        9 => of("v1/sign/upload", post("/v1/sign/upload", token, &upload), Means::Signed("PUT", None)),
        10 | 11 => of("v1/sign/download", post("/v1/sign/download", token, &body(&key)), Means::Signed("GET", life)),
        12 => of("v1/delete", post("/v1/delete", token, &body(&key)), Means::Deleted),
        13 => of("DELETE object", bare("DELETE", &format!("/object?key={key}"), token), Means::Deleted),
        14 => {
            let key = if number.is_multiple_of(3) { absent } else { key.clone() };
            Asked { kind: "object", bytes: get(&format!("/object?key={key}"), token), key, means: Means::Described }
        }
        15 => {
            let confirm = json!({"key": key, "contentLength": size_of(&key)});
            of("confirm", post("/confirm", token, &confirm), Means::Described)
        }
        16 => of("health", get("/health", ""), Means::Health),
        17 => {
            let path = if number.is_multiple_of(3) { "/livez" } else { "/readyz" };
            of("livez, readyz", get(path, ""), Means::Plain(200))
        }
        18 => stale_or_forged(world, &signed.forged, of, number),
        _ => refused(token, number, of),
    }
}

fn stale_or_forged(
    world: &World,
    forged: &str,
    of: impl Fn(&'static str, Vec<u8>, Means) -> Asked,
    number: u64,
) -> Asked {
    let removed = world.removed.lock().unwrap().clone().filter(|_| number.is_multiple_of(3));
    if let Some(old) = &removed {
        world.stale.fetch_add(1, Ordering::Relaxed);
        return of("removed key", get("/download-url?key=s1/f", &old.token), Means::Unauthorized);
    }
    of("forged", get("/download-url?key=s1/f", forged), Means::Unauthorized)
}

fn refused(token: &str, number: u64, of: impl Fn(&'static str, Vec<u8>, Means) -> Asked) -> Asked {
    let (bytes, status, code) = match number / 20 % 7 {
        0 => (get("/download-url?key=s2/f", token), 403, "key_outside_store"),
        1 => (get("/download-url?key=s1/../s2/f", token), 400, "invalid_key"),
        2 => (get("/nowhere", token), 404, "not_found"),
        3 => (bare("PUT", "/object", token), 405, "method_not_allowed"),
        4 => (get("/download-url?key=s1/f&key=s1/g", token), 400, "invalid_request"),
        5 => (post("/v1/delete", token, &json!({"key": "s2/f"})), 403, "key_outside_store"),
        _ => (post("/upload-url", token, &json!([])), 400, "invalid_json"),
    };
    of("refused", bytes, Means::Refused(status, code))
}

pub(super) async fn ask(world: Arc<World>, number: u64) -> Verdict {
    let asked = asked(&world, number);
    // In a row, so that some of them meet a certificate that has just changed.
    let fresh = (number / 20).is_multiple_of(10);
    let (sent, at) = (Instant::now(), unix_now());
    let answer = match exchange(&world, &asked.bytes, fresh).await {
        Ok(answer) => answer,
        Err(broken) => return Verdict::Broken(broken),
    };
    world.count(asked.kind);
    match judge(&world, &asked, &answer, sent, at) {
        Ok(()) => Verdict::Good,
        Err(why) => Verdict::Wrong(format!("{}: {why}: {} {}", asked.kind, answer.status, answer.code())),
    }
}

async fn exchange(world: &World, bytes: &[u8], fresh: bool) -> Result<Answer, Broken> {
    let kept = if fresh { None } else { world.kept.take() };
    let mut connection = match kept {
        Some(connection) => connection,
        None => connect(world).await?,
    };
    let (answer, keeps) = connection.exchange(bytes).await.ok_or(Broken::Exchange)?;
    if keeps && !fresh {
        world.kept.put(connection);
    }
    Ok(answer)
}

async fn connect(world: &World) -> Result<Connection, Broken> {
    let sent = Instant::now();
    let connection = Connection::open(world.address, Some(&world.tls)).await.ok_or(Broken::Connect)?;
    let allowed = world.certificate.lock().unwrap().allowed(sent);
    let shown = connection.certificate.as_ref().expect("TLS has one");
    assert!(allowed.contains(shown), "a certificate that is not in force");
    if allowed.len() == 1 && world.certificate.lock().unwrap().has_changed() {
        world.saw("new certificate");
    }
    Ok(connection)
}

fn judge(world: &World, asked: &Asked, answer: &Answer, sent: Instant, at: i64) -> Result<(), String> {
    let is = |status: u16, code: &str| answer.status == status && answer.code() == code;
    let must = |held: bool, what: &str| if held { Ok(()) } else { Err(what.to_owned()) };
    must(answer.header("x-request-id").is_some() && answer.header("server").is_none(), "headers")?;
    must(answer.header("cache-control") == Some("no-store"), "cache-control")?;
    match &asked.means {
        Means::Signed(method, life) => signed::judge(world, answer, &asked.key, method, *life, sent, at),
        Means::Plain(status) => must(answer.status == *status, "status"),
        Means::Refused(status, code) => must(is(*status, code), code),
        Means::Unauthorized => {
            // While nobody can say, that is said.
            let may_not_know = world.identity_is_well.lock().unwrap().allowed(sent).contains(&false);
            must(is(401, "unauthorized") || (may_not_know && is(503, "keys_unavailable")), "401")
        }
        Means::Health => {
            let allowed = world.bucket_is_well.lock().unwrap().allowed(sent - GRACE);
            must(answer.status == 200 || (allowed.contains(&false) && is(503, "bucket_unavailable")), "health")
        }
        Means::Deleted => by_bucket(world, answer, sent, |answer| {
            must(answer.status == 204, "204")?;
            must(world.bucket.has_deleted(&asked.key), "said to be deleted, and is not")
        }),
        Means::Described => by_bucket(world, answer, sent, |answer| match size_of(&asked.key) {
            None => must(is(404, "object_not_found"), "404"),
            Some(size) => {
                let json = answer.json();
                must(answer.status == 200 && json["size"] == size && json["key"] == asked.key, "object")
            }
        }),
    }
}

/// What the bucket has to say, or that it says nothing, each when it may be.
fn by_bucket(
    world: &World,
    answer: &Answer,
    sent: Instant,
    well: impl FnOnce(&Answer) -> Result<(), String>,
) -> Result<(), String> {
    let allowed = world.bucket_is_well.lock().unwrap().allowed(sent);
    let failures = [(502, "bucket_failed"), (503, "bucket_unavailable"), (504, "bucket_timeout")];
    let failed = failures.into_iter().find(|(status, code)| answer.status == *status && answer.code() == *code);
    match failed {
        Some((_, code)) if allowed.contains(&false) => {
            world.saw(code);
            Ok(())
        }
        Some(_) => Err("the bucket is well".to_owned()),
        None if allowed.contains(&true) => well(answer),
        None => Err("the bucket is not well".to_owned()),
    }
}
