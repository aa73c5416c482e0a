//! The query of `GET /download-url` and of `GET /object`.
//!
//! Holds: what `service` says of every answer; a key that is accepted is the one that the
//! form decoder of another library finds, once the files root is dropped; both routes give one verdict on it.

use hyper::Request;
use url::form_urlencoded;

use super::{service, tokens};

pub fn run(data: &[u8]) {
    let Ok(query) = std::str::from_utf8(data) else { return };
    let ask = |path: &str| {
        let request = Request::builder().uri(format!("{path}?{query}")).header("host", "signer.test");
        service::ask(request.header("authorization", tokens::bearer("$one")), b"", &["$one"])
    };
    let Some(answer) = ask("/download-url") else { return };
    if answer.status != 200 {
        return;
    }
    // What follows a `#` is no part of a request.
    let sent = query.split('#').next().unwrap_or_default();
    let keys: Vec<_> = form_urlencoded::parse(sent.as_bytes()).filter(|(name, _)| name == "key").collect();
    assert_eq!(keys.len(), 1, "a key given {} times is accepted", keys.len());
    let answer = answer.json();
    assert!(keys[0].1.ends_with(answer["key"].as_str().unwrap()), "{} is signed for {}", answer["key"], keys[0].1);
    let object = ask("/object").unwrap();
    assert!(object.status != 403 && object.code() != "invalid_key", "{} on the other route", object.status);
}
