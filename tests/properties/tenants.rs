//! Two tenants and one service: no trick with a key gets the one a URL of the other.

use hyper::Request;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::run::check_counted;
use crate::strategies::{key, theft};
use crate::targets::support::Answer;
use crate::targets::{service, tokens};

/// K03 to K16, K38, by generators. What `service` asserts of every answer is the property: whatever is signed
/// lies in a store of the token. Here only what a refusal is, and that not all are refusals.
#[test]
fn two_tenants_never_get_urls_of_each_other() {
    let routes =
        ["/download-url", "/upload-url", "/v1/sign/upload", "/v1/sign/download", "/delete-url", STORED, OLD_URL];
    let routes = select(routes.to_vec());
    let tenants = select(&["$one", "$two"][..]);
    check_counted("two tenants", (tenants, routes, prop_oneof![3 => theft(), 1 => key()]), |(tenant, route, key)| {
        let answer = sign(tenant, route, &key);
        let signed = matches!(answer.status.as_u16(), 200 | 307);
        prop_assert!(signed || matches!(answer.code().as_str(), "invalid_key" | "key_outside_store" | "invalid_json"));
        Ok(signed)
    });
}

/// The key as a path, and as a URL of the old gateway.
const STORED: &str = "/livestore-filesync-files/";
const OLD_URL: &str = "/download-url?url=https://old.test/livestore-filesync-files/";

pub(crate) fn sign(tenant: &'static str, route: &str, key: &str) -> Answer {
    let request = Request::builder().header("host", "signer.test").header("authorization", tokens::bearer(tenant));
    if route == "/download-url" {
        let encoded = percent_encoding::utf8_percent_encode(key, percent_encoding::NON_ALPHANUMERIC);
        return service::ask(request.uri(format!("{route}?key={encoded}")), b"", &[tenant]).unwrap();
    }
    if matches!(route, STORED | OLD_URL) {
        let encoded =
            |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
        let path = key.split('/').map(encoded).collect::<Vec<_>>().join("/");
        // What stands in a query is encoded once more.
        let path = if route == OLD_URL { path.replace('%', "%25") } else { path };
        return service::ask(request.uri(format!("{route}{path}")), b"", &[tenant]).unwrap();
    }
    let body = json!({ "key": key }).to_string();
    let request = request.method("POST").uri(route).header("content-type", "application/json");
    service::ask(request, body.as_bytes(), &[tenant]).unwrap()
}
