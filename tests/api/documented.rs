//! Every answer of the service, held against its own description.

use std::sync::LazyLock;

use filesync_signer::api::openapi::document;
use filesync_signer::config::{Config, Surface, TokenPlaces};
use filesync_signer::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES};
use hyper::Method;
use serde_json::Value;

use super::Answer;

/// With all that settings may put into it.
#[allow(clippy::disallowed_methods, reason = "whether the files are being written again")]
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let files_root = "livestore-filesync-files".to_owned();
    let document = document(&Surface {
        base_path: String::new(),
        places: TokenPlaces { worker_header: true, cookie: Some("session".into()) },
        redirect: true,
        takes_urls: true,
        key_rules: KeyRules { files_root, format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES },
    });
    assert!(document["paths"].is_object() || std::env::var_os("WRITE_OPENAPI").is_some(), "there is no document");
    document
});

/// Of a method and a path of the document: status, code and headers are there.
pub(super) fn check(config: &Config, method: &Method, path: &str, answer: &Answer) {
    let Some(path) = path.strip_prefix(config.server.base_path.as_str()) else { return };
    // Uppy's routes are Uppy's to describe.
    if path.starts_with("/s3/multipart") || ["/s3/sign", "/s3/params"].contains(&path) {
        return;
    }
    let is_exact = DOCUMENT["paths"].get(path).is_some();
    let is_stored = config.files.redirect && path.starts_with(&format!("/{}/", config.key_rules.files_root));
    let path = if is_stored && !is_exact { "/livestore-filesync-files/{storeId}/{name}" } else { path };
    let item = &DOCUMENT["paths"][path];
    // A GET without a token is answered to HEAD, too.
    let of_head = || item.get("get").filter(|get| *method == Method::HEAD && get["security"] == Value::Array(vec![]));
    // Methods are told apart by case.
    let name = Some(method.as_str()).filter(|name| !name.contains(char::is_lowercase)).map(str::to_lowercase);
    let Some(operation) = name.and_then(|name| item.get(name)).or_else(of_head) else { return };

    let shown = || format!("{method} {path} is not documented to answer {answer:?}");
    let response = operation["responses"].get(answer.status.as_str()).unwrap_or_else(|| panic!("{}", shown()));
    let response = resolved(response);
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let header = resolved(header);
        let value = answer.header(name);
        assert!(value.is_some() || header["required"] == false, "{name}: {}", shown());
        if let (Some(wanted), Some(value)) = (header["schema"].get("const"), value) {
            assert_eq!(wanted, value, "{name}: {}", shown());
        }
    }
    if answer.text.is_empty() {
        let has_none = response.get("content").is_none() || *method == Method::HEAD;
        assert!(has_none, "without a body: {}", shown());
    } else if answer.status.is_client_error() || answer.status.is_server_error() {
        let code = &answer.json()["code"];
        let codes = &response["content"]["application/json"]["schema"]["allOf"][1]["properties"]["code"]["enum"];
        assert!(codes.as_array().unwrap().contains(code), "{code}: {}", shown());
    } else {
        assert!(response.get("content").is_some(), "with a body: {}", shown());
    }
}

fn resolved(value: &'static Value) -> &'static Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => value,
    }
}
