//! A whole request, written as HTTP is: `METHOD target`, header lines, an empty line, the body.
//! `$one`, `$two` and so on stand for good tokens.
//!
//! Holds: what `service` says of every answer; no URL and no call to the bucket outside the
//! stores of the tokens that the request carries.

use super::{service, tokens};

pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut lines = head.split('\n');
    let Some((method, target)) = lines.next().and_then(|line| line.split_once(' ')) else { return };
    let mut request = hyper::Request::builder().method(method).uri(target).header("host", "signer.test");
    let mut carried = Vec::new();
    for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
        let mut value = value.to_owned();
        for held in tokens::HELD.iter().filter(|held| text.contains(held.name)) {
            if value.contains(held.name) {
                carried.push(held.name);
                value = value.replace(held.name, &held.token);
            }
        }
        request = request.header(name, value);
    }
    let _ = service::ask(request, body.as_bytes(), &carried);
}
