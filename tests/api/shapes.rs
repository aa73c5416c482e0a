//! Requests that no client sends: heads over every limit, two requests in one, odd methods (H04, H05, H22).

use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use crate::running::{PATIENCE, Running, read_all, start};
use crate::support::good_token;

/// Who closes their half is never taken for gone, however busy this machine is.
const PATIENT: &[(&str, &str)] = &[("server.max_lag_ms", "0")];

/// All that comes back until the connection ends, which is asked for by half closing it.
async fn all_answers(running: &Running, bytes: &[u8]) -> String {
    let mut stream = running.connect().await;
    // It may be closed before everything is sent.
    let _ = timeout(PATIENCE, stream.write_all(bytes)).await.expect("sent or refused");
    let _ = stream.shutdown().await;
    read_all(&mut stream).await
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).filter_map(|answer| answer.get(..3)).collect()
}

/// H04: each is refused, whatever its shape, and nothing after it is read as a request.
#[tokio::test]
async fn heads_over_the_limits_are_refused_in_every_shape() {
    let running = start(PATIENT).await;
    let smuggled = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    for (name, head, allowed) in [
        ("101 headers", format!("host: x\r\n{}", "a: b\r\n".repeat(101)), &["431"][..]),
        ("one of 300 KB", format!("host: x\r\na: {}\r\n", "b".repeat(300_000)), &["431"]),
        ("a name of 300 KB", format!("host: x\r\n{}: b\r\n", "a".repeat(300_000)), &["431"]),
        ("400 of 1 KB", format!("host: x\r\n{}", format!("a: {}\r\n", "b".repeat(1000)).repeat(400)), &["431"]),
        ("a folded line", "host: x\r\na: b\r\n c\r\n".to_owned(), &["400"]),
        ("NUL in a value", "host: x\r\na: b\0c\r\n".to_owned(), &["400"]),
        ("space before the colon", "host : x\r\n".to_owned(), &["400"]),
        ("a bare CR in a value", "host: x\r\na: b\rc\r\n".to_owned(), &["400"]),
        ("no colon", "host: x\r\nabc\r\n".to_owned(), &["400"]),
    ] {
        let bytes = format!("GET /livez HTTP/1.1\r\n{head}\r\n{smuggled}");
        let answers = all_answers(&running, bytes.as_bytes()).await;
        let statuses = statuses(&answers);
        // Closed while much of it is on the way, the answer may be lost to a reset.
        assert!(statuses.is_empty() || statuses == allowed, "{name}: {statuses:?}");
    }
    for target in [format!("/livez?{}", "y".repeat(70_000)), format!("/{}", "y".repeat(70_000))] {
        let answers = all_answers(&running, format!("GET {target} HTTP/1.1\r\nhost: x\r\n\r\n").as_bytes()).await;
        assert!(matches!(statuses(&answers)[..], [] | ["414" | "431"]), "{answers:.200}");
    }
    // hyper takes a line that ends in LF alone, as RFC 9112 section 2.2 allows; it stays one request.
    let answers = all_answers(&running, b"GET /livez HTTP/1.1\nhost: x\n\n").await;
    assert_eq!(statuses(&answers), ["200"]);
}

/// H05: a front end that reads the length otherwise than this service finds no second request in the first.
#[tokio::test]
async fn no_second_request_is_found_in_a_body() {
    let running = start(PATIENT).await;
    let inner = "GET /livez HTTP/1.1\r\nhost: x\r\n\r\n";
    let length = inner.len();
    let long = "e".repeat(20_000);
    // What two requests look like here, so that one too many would be seen.
    let two = all_answers(&running, inner.repeat(2).as_bytes()).await;
    assert_eq!(statuses(&two), ["200", "200"]);
    for (name, version, headers, body) in [
        (
            "CL and TE",
            "1.1",
            format!("content-length: {}\r\ntransfer-encoding: chunked\r\n", length + 5),
            format!("0\r\n\r\n{inner}"),
        ),
        (
            "TE and CL",
            "1.1",
            format!("transfer-encoding: chunked\r\ncontent-length: {}\r\n", length + 5),
            format!("0\r\n\r\n{inner}"),
        ),
        ("two CL", "1.1", format!("content-length: 0\r\ncontent-length: {length}\r\n"), inner.to_owned()),
        ("CL twice", "1.1", format!("content-length: 0, {length}\r\n"), inner.to_owned()),
        ("CL +", "1.1", "content-length: +0\r\n".to_owned(), inner.to_owned()),
        ("CL -", "1.1", "content-length: -1\r\n".to_owned(), inner.to_owned()),
        ("TE xchunked", "1.1", "transfer-encoding: xchunked\r\n".to_owned(), format!("0\r\n\r\n{inner}")),
        (
            "TE chunked, identity",
            "1.1",
            "transfer-encoding: chunked, identity\r\n".to_owned(),
            format!("0\r\n\r\n{inner}"),
        ),
        (
            "TE twice",
            "1.1",
            "transfer-encoding: chunked\r\ntransfer-encoding: x\r\n".to_owned(),
            format!("0\r\n\r\n{inner}"),
        ),
        (
            "TE in 1.0",
            "1.0",
            "connection: keep-alive\r\ntransfer-encoding: chunked\r\n".to_owned(),
            format!("0\r\n\r\n{inner}"),
        ),
        (
            "a chunk of 2^64",
            "1.1",
            "transfer-encoding: chunked\r\n".to_owned(),
            format!("10000000000000000\r\n{inner}"),
        ),
        (
            "a chunk extension of 20 KB",
            "1.1",
            "transfer-encoding: chunked\r\n".to_owned(),
            format!("0;{long}\r\n\r\n{inner}"),
        ),
        ("chunks in LF", "1.1", "transfer-encoding: chunked\r\n".to_owned(), format!("0\n\n{inner}")),
        ("a negative chunk", "1.1", "transfer-encoding: chunked\r\n".to_owned(), format!("-1\r\n{inner}")),
    ] {
        // Where the token is refused the body is not read, and where it is accepted it is.
        for token in ["bad".to_owned(), good_token()] {
            let bytes = format!(
                "POST /upload-url HTTP/{version}\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\n{headers}\r\n{body}"
            );
            let answers = all_answers(&running, bytes.as_bytes()).await;
            assert!(!statuses(&answers).contains(&"200"), "{name}: {answers}");
            assert!(statuses(&answers).len() <= 1, "{name}: {answers}");
        }
    }
}

/// H22: nothing is echoed, nothing but the route's own methods is done.
#[tokio::test]
async fn odd_methods_are_refused_and_not_echoed() {
    let running = start(PATIENT).await;
    let long = "M".repeat(1024);
    for method in ["TRACE", "PROPFIND", "get", "OPTIONS", &long, "G\u{e9}T", "GET\t"] {
        let bytes = format!("{method} /livez?secret-of-the-caller HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        let answers = all_answers(&running, bytes.as_bytes()).await;
        assert!(matches!(statuses(&answers)[..], ["405" | "400"]), "{method:.20}: {answers}");
        assert!(!answers.contains("secret-of-the-caller"), "{method:.20}: {answers}");
        assert_eq!(answers.contains("HTTP/1.1 405 "), answers.contains("allow: GET, HEAD\r\n"), "{answers}");
    }
    for line in ["CONNECT livez:443 HTTP/1.1", "CONNECT /livez HTTP/1.1", "GET * HTTP/1.1", "GET livez HTTP/1.1"] {
        let answers = all_answers(&running, format!("{line}\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await;
        assert!(matches!(statuses(&answers)[..], ["400" | "404" | "405"]), "{line}: {answers}");
    }
}
