//! HTTP/2, frame by frame, where it is switched on (H03, H08).

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::frames::{
    CONTINUATION, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, frame, get, hello, literal,
};
use crate::running::{PATIENCE, Running, start};

/// How `:status` begins in a header block: 200, 400.
const OK: u8 = 0x88;
const BAD_REQUEST: u8 = 0x8c;

const QUICK: [(&str, &str); 5] = [
    ("server.http2", "true"),
    ("server.first_byte_timeout_secs", "1"),
    ("server.head_timeout_secs", "1"),
    ("server.request_timeout_secs", "1"),
    ("server.write_timeout_secs", "1"),
];

/// The next frame: its type, stream and payload.
async fn next(stream: &mut TcpStream) -> Option<(u8, u32, Vec<u8>)> {
    let read = async {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.ok()?;
        Some((head[3], u32::from_be_bytes([head[5], head[6], head[7], head[8]]), payload))
    };
    timeout(PATIENCE, read).await.expect("a frame or the end in time")
}

/// The first byte of the header block that answers `stream_id`, if one comes before the end.
async fn status(stream: &mut TcpStream, stream_id: u32) -> Option<u8> {
    loop {
        match next(stream).await? {
            (HEADERS, id, payload) if id == stream_id => return payload.first().copied(),
            _ => {}
        }
    }
}

/// The types of the frames up to the end of the connection.
async fn frames_to_the_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut kinds = Vec::new();
    while let Some((kind, _, _)) = next(stream).await {
        kinds.push(kind);
    }
    kinds
}

async fn connect(running: &Running, bytes: &[u8]) -> TcpStream {
    let mut stream = running.connect().await;
    stream.write_all(bytes).await.unwrap();
    stream
}

async fn answer(running: &Running, block: &[u8]) -> Option<u8> {
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, block);
    let mut stream = connect(running, &[hello(&[]), request].concat()).await;
    status(&mut stream, 1).await
}

#[tokio::test]
async fn requests_are_answered_side_by_side_and_http1_beside_them() {
    let running = start(&[("server.http2", "true")]).await;
    let request = |id: u32| frame(HEADERS, END_STREAM | END_HEADERS, id, &get("/livez", &[]));
    let mut stream = connect(&running, &[hello(&[]), request(1), request(3)].concat()).await;
    let mut answered = Vec::new();
    while answered.len() < 2 {
        if let (HEADERS, id, payload) = next(&mut stream).await.unwrap() {
            assert_eq!(payload[0], OK);
            answered.push(id);
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 3]);
    let plain = running.exchange(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(plain.starts_with("HTTP/1.1 200 OK\r\n"), "{plain}");
}

/// K29: one host, whether it is named as HTTP/1 or as HTTP/2 does.
#[tokio::test]
async fn a_host_beside_another_authority_is_refused() {
    let running = start(&[("server.http2", "true")]).await;
    assert_eq!(answer(&running, &get("/livez", &[("host", "x")])).await, Some(OK));
    assert_eq!(answer(&running, &get("/livez", &[("host", "y")])).await, Some(BAD_REQUEST));
    let nameless = [vec![0x82, 0x86], literal(":path", "/livez")].concat();
    assert_eq!(answer(&running, &nameless).await, Some(BAD_REQUEST));
}

/// H04: as many headers as HTTP/1 may have, and no more.
#[tokio::test]
async fn more_headers_than_http1_may_have_are_refused() {
    let running = start(&[("server.http2", "true")]).await;
    assert_eq!(answer(&running, &get("/livez", &[("a", "b"); 60])).await, Some(OK));
    assert_ne!(answer(&running, &get("/livez", &[("a", "b"); 65])).await, Some(OK));
    // And as many bytes: each counts 32 more (RFC 9113 section 6.5.2).
    let wide = "v".repeat(120);
    let large = get("/livez", &vec![("a-header-of-some-length", wide.as_str()); 100]);
    assert!(large.len() < 16_384);
    assert_ne!(answer(&running, &large[..16_000.min(large.len())]).await, Some(OK));
}

/// H03: each beginning is closed at the deadline of a head.
#[tokio::test]
async fn what_begins_and_says_no_more_is_closed() {
    let running = start(&QUICK).await;
    let cut = frame(HEADERS, END_STREAM, 1, &get("/livez", &[]));
    for (name, beginning) in [
        ("half a preface", b"PRI * HTTP/2.0\r\n".to_vec()),
        ("no request", hello(&[])),
        ("a head without its end", [hello(&[]), cut].concat()),
    ] {
        let begun = Instant::now();
        let mut stream = connect(&running, &beginning).await;
        let _ = frames_to_the_end(&mut stream).await;
        assert!(begun.elapsed() >= Duration::from_millis(450), "{name}");
    }
}

/// H03: also when a request was answered before, and so the connection is kept.
#[tokio::test]
async fn a_later_head_without_its_end_is_closed() {
    let running = start(&[("server.http2", "true"), ("server.head_timeout_secs", "1")]).await;
    let whole = frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/livez", &[]));
    let mut stream = connect(&running, &[hello(&[]), whole].concat()).await;
    assert_eq!(status(&mut stream, 1).await, Some(OK));
    stream.write_all(&frame(HEADERS, END_STREAM, 3, &get("/livez", &[]))).await.unwrap();
    let begun = Instant::now();
    let _ = frames_to_the_end(&mut stream).await;
    // Long before server.keep_alive_secs.
    assert!(begun.elapsed() < Duration::from_secs(15));
}

/// H08: rapid reset, CVE-2023-44487.
#[tokio::test]
async fn streams_opened_and_reset_in_a_row_end_the_connection() {
    let running = start(&[("server.http2", "true")]).await;
    let mut bytes = hello(&[]);
    for id in (1..4000).step_by(2) {
        bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, id, &get("/livez", &[])));
        bytes.extend(frame(RST_STREAM, 0, id, &8_u32.to_be_bytes()));
    }
    let mut stream = running.connect().await;
    let _ = stream.write_all(&bytes).await;
    assert!(frames_to_the_end(&mut stream).await.contains(&GOAWAY));
}

/// H08: CONTINUATION flood, RUSTSEC-2024-0332.
/// H08: pings and settings ask for nothing, and so have no deadline of their own.
#[tokio::test]
async fn frames_that_ask_for_nothing_end_the_connection() {
    let running = start(&[("server.http2", "true")]).await;
    for idle in [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])] {
        let mut stream = connect(&running, &hello(&[])).await;
        stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/livez", &[]))).await.unwrap();
        assert_eq!(status(&mut stream, 1).await, Some(OK));
        let (mut reader, mut writer) = stream.into_split();
        let mut rest = Vec::new();
        let read = timeout(PATIENCE, reader.read_to_end(&mut rest));
        let write = async {
            let mut sent = 0;
            while writer.write_all(&idle).await.is_ok() {
                sent += idle.len();
            }
            sent
        };
        let (sent, ended) = tokio::join!(write, read);
        assert!(ended.is_ok(), "the connection is still open after {sent} bytes");
        // A patient client: as many as it needs in an hour of pings each 15 s.
        assert!(sent > 240 * idle.len(), "{sent}");
    }
}

#[tokio::test]
async fn a_head_without_end_ends_the_connection() {
    let running = start(&[("server.http2", "true")]).await;
    let mut stream =
        connect(&running, &[hello(&[]), frame(HEADERS, END_STREAM, 1, &get("/livez", &[]))].concat()).await;
    let filler = frame(CONTINUATION, 0, 1, &literal("x", &"y".repeat(100)).repeat(100));
    let flood = async {
        // Far more than a head may have; 100 MB at the most.
        for _ in 0..10_000 {
            if stream.write_all(&filler).await.is_err() {
                return true;
            }
        }
        false
    };
    assert!(timeout(PATIENCE, flood).await.unwrap());
}

/// H08: a flood of pings or settings from a client that does not read their acknowledgements.
#[tokio::test]
async fn who_does_not_read_is_cut_off() {
    let running = start(&QUICK).await;
    let ping = frame(PING, 0, 0, &[7; 8]).repeat(1000);
    let mut stream = connect(&running, &hello(&[])).await;
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/livez", &[]));
    stream.write_all(&request).await.unwrap();
    let flood = async { while stream.write_all(&ping).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("cut off");
}

/// H08: a window of nothing holds an answer back for as long as the deadlines of request and write say.
#[tokio::test]
async fn an_answer_that_is_not_let_through_is_given_up() {
    let running = start(&QUICK).await;
    let request = frame(HEADERS, END_STREAM | END_HEADERS, 1, &get("/livez", &[]));
    // SETTINGS_INITIAL_WINDOW_SIZE is 4. Pings that are answered do not help.
    let mut stream = connect(&running, &[hello(&[(4, 0)]), request].concat()).await;
    let begun = Instant::now();
    while let Some((kind, _, payload)) = next(&mut stream).await {
        if kind == PING {
            let _ = stream.write_all(&frame(PING, 1, 0, &payload)).await;
        }
    }
    assert!(begun.elapsed() >= Duration::from_millis(1500));
    assert_eq!(running.counts.timed_out.get(), 1);
}
