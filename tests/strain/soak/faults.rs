//! What goes wrong, in turn.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::world::{GRACE, World};
use crate::bucket::Mode;
use crate::wire::Connection;

type Run = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) struct Fault {
    pub(super) name: &'static str,
    pub(super) run: fn(Arc<World>, u32, Duration) -> Run,
}

pub(super) const FAULTS: [Fault; 11] = [
    Fault { name: "bucket down", run: |w, _, lasts| Box::pin(bucket(w, Mode::Down, lasts)) },
    Fault { name: "keys rotated", run: |w, _, _| Box::pin(keys(w)) },
    Fault { name: "SIGHUP, other configuration", run: |w, pid, _| Box::pin(async move { good_config(&w, pid) }) },
    Fault { name: "connection flood", run: |w, _, lasts| Box::pin(flood(w, lasts)) },
    Fault { name: "bucket slow", run: |w, _, lasts| Box::pin(bucket(w, Mode::Slow, lasts)) },
    Fault { name: "identity provider down", run: |w, _, lasts| Box::pin(identity(w, lasts)) },
    Fault { name: "certificate replaced", run: |w, _, _| Box::pin(async move { w.replace_certificate() }) },
    Fault { name: "bucket wrong", run: |w, _, lasts| Box::pin(bucket(w, Mode::Wrong, lasts)) },
    Fault { name: "SIGHUP, bad configuration", run: |w, pid, lasts| Box::pin(bad_config(w, pid, lasts)) },
    Fault { name: "access key replaced", run: |w, _, _| Box::pin(async move { w.replace_access_key() }) },
    Fault { name: "slow clients", run: |w, _, lasts| Box::pin(slow_clients(w, lasts)) },
];

async fn bucket(world: Arc<World>, mode: Mode, lasts: Duration) {
    world.bucket_is_well.lock().unwrap().set(false);
    world.bucket.is(mode);
    sleep(lasts).await;
    world.bucket.is(Mode::Well);
    world.bucket_is_well.lock().unwrap().set(true);
}

/// A new key is published before it is used, and the old one goes when nobody uses it any more.
async fn keys(world: Arc<World>) {
    let new = world.identity.publish_new();
    sleep(GRACE + Duration::from_secs(1)).await;
    world.sign_with(new);
    world.saw("new token key");
    let old = world.identity.remove_old();
    // Its last fetch, and those that were sent before.
    sleep(GRACE).await;
    let world = Arc::clone(&world);
    tokio::spawn(async move {
        sleep(2 * GRACE).await;
        *world.removed.lock().unwrap() = Some(old);
    });
}

fn hang_up(pid: u32) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).unwrap();
    kill_process(pid, Signal::HUP).expect("the signer lives");
}

fn good_config(world: &World, pid: u32) {
    let life = if world.life.lock().unwrap().latest() == 900 { 600 } else { 900 };
    world.life.lock().unwrap().set(life);
    world.write_config(life);
    hang_up(pid);
}

/// Mistakes of all kinds; the last configuration stays in force all the time, which the answers show.
async fn bad_config(world: Arc<World>, pid: u32, lasts: Duration) {
    let life = world.life.lock().unwrap().latest();
    for bad in ["[upload]\nexpires_secs = 1000000", "[upload]\nexpire_secs = 5", "not TOML", ""] {
        let bad = if bad.is_empty() { "[auth]\nhs256_secret = \"short\"" } else { bad };
        world.write("signer.toml", bad);
        hang_up(pid);
        sleep(lasts / 4).await;
    }
    world.write_config(life);
}

async fn identity(world: Arc<World>, lasts: Duration) {
    world.identity_is_well.lock().unwrap().set(false);
    world.identity.is_down(true);
    let before = world.identity.asked.load(Ordering::Relaxed);
    // Longer than `auth.jwks_max_age_secs`, so that it is missed.
    sleep(lasts.max(GRACE + Duration::from_secs(2))).await;
    if world.identity.asked.load(Ordering::Relaxed) > before {
        world.saw("identity provider asked in vain");
    }
    world.identity.is_down(false);
    world.identity_is_well.lock().unwrap().set(true);
}

/// Connections that say nothing, from all sides at once.
async fn flood(world: Arc<World>, lasts: Duration) {
    let end = Instant::now() + lasts;
    let mut silent = Vec::new();
    for number in 0..2000 {
        if let Ok(stream) = TcpStream::connect(world.address).await {
            silent.push(stream);
        }
        if number % 100 == 0 {
            sleep(Duration::from_millis(10)).await;
        }
    }
    if silent.len() == 2000 {
        world.saw("flood");
    }
    tokio::time::sleep_until(end).await;
}

/// Heads and bodies that never end, within TLS.
async fn slow_clients(world: Arc<World>, lasts: Duration) {
    let end = Instant::now() + lasts;
    let mut clients = JoinSet::new();
    for number in 0..100 {
        let world = Arc::clone(&world);
        clients.spawn(async move {
            let _ = timeout_at(end, slow_client(&world, number)).await;
        });
    }
    clients.join_all().await;
    world.saw("slow clients");
}

async fn slow_client(world: &World, number: u32) {
    let Some(connection) = Connection::open(world.address, Some(&world.tls)).await else { return };
    let mut stream = connection.into_stream();
    let token = world.signed.lock().unwrap().token.clone();
    let begun = if number.is_multiple_of(2) {
        "GET /livez HTTP/1.1\r\nhost: x\r\na: b".to_owned()
    } else {
        let length = "content-type: application/json\r\ncontent-length: 1000\r\n\r\n";
        format!("POST /upload-url HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n{length}")
    };
    let mut next = begun.as_bytes();
    let mut answer = [0; 1024];
    while stream.write_all(next).await.is_ok() && stream.flush().await.is_ok() {
        next = b" ";
        tokio::select! {
            () = sleep(Duration::from_secs(1)) => {}
            read = stream.read(&mut answer) => if !matches!(read, Ok(1..)) { return },
        }
    }
}
