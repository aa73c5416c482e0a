//! The template is that of the code, and every document that is made of it is whole.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use super::operations;
use super::template::{examples, template, text_of};
use crate::api::described_routes;
use crate::api::openapi::{TEMPLATE, WHEN, document};
use crate::config::{Surface, TokenPlaces};
use crate::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES};

fn surface() -> Surface {
    Surface {
        base_path: String::new(),
        places: TokenPlaces::default(),
        redirect: false,
        takes_urls: false,
        key_rules: KeyRules {
            files_root: "livestore-filesync-files".into(),
            format: KeyFormat::Path,
            max_bytes: MAX_KEY_BYTES,
        },
    }
}

fn everything() -> Surface {
    Surface {
        base_path: "/a\"b".into(),
        places: TokenPlaces { worker_header: true, cookie: Some("session".into()) },
        redirect: true,
        takes_urls: true,
        key_rules: KeyRules { files_root: "f.iles".into(), format: KeyFormat::ContentAddressed, max_bytes: 1000 },
    }
}

#[test]
#[allow(clippy::disallowed_methods, reason = "how the file is written again")]
fn the_openapi_template_is_that_of_the_code() {
    let generated = template();
    if std::env::var_os("WRITE_OPENAPI").is_some() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/api/openapi/template.json");
        std::fs::write(file, text_of(&generated)).unwrap();
        return;
    }
    let stored: Value = serde_json::from_str(TEMPLATE).unwrap();
    assert!(
        stored == generated,
        "src/api/openapi/template.json is not what routes, types and codes say; to write it again: \
         WRITE_OPENAPI=1 cargo test --lib openapi"
    );
}

#[test]
fn every_openapi_description_has_its_row_and_a_name_of_its_own() {
    let ids: BTreeSet<_> = operations::all().map(|(_, operation)| operation.id).collect();
    assert_eq!(ids.len(), described_routes().count());
    for (_, operation) in operations::all() {
        let has_row = described_routes().any(|route| (route.method, route.path) == operation.row);
        assert!(has_row, "{} {} is described and is no route", operation.row.0, operation.row.1);
    }
}

#[test]
fn every_openapi_answer_with_a_body_has_an_example_that_was_given() {
    let examples = examples();
    for (_, operation) in operations::all().filter(|(_, operation)| operation.id != "openapi") {
        let has_body = operation.gives.iter().any(|(_, _, shape)| shape.is_some());
        let example = &examples["operations"][operation.id]["answer"];
        assert!(
            !has_body || example.is_object(),
            "{} has no example: add a row to EXAMPLES of tests/api/openapi.rs, then run \
             WRITE_OPENAPI=1 cargo test --test api openapi_examples",
            operation.id
        );
    }
}

fn conditions(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(WHEN).map(|when| when.as_str().unwrap().to_owned()));
            members.values().for_each(|member| conditions(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| conditions(item, found)),
        _ => {}
    }
}

#[test]
fn every_condition_of_the_openapi_template_is_known() {
    let mut found = BTreeSet::new();
    conditions(&serde_json::from_str(TEMPLATE).unwrap(), &mut found);
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["cookie", "no urls", "redirect", "urls", "worker header"]);
}

#[test]
fn an_openapi_document_is_that_of_its_settings() {
    let plain = document(&surface());
    assert_eq!(plain["servers"][0]["url"], "/");
    assert_eq!(plain["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(plain["security"].as_array().unwrap().len(), 1);
    assert_eq!(plain["components"]["securitySchemes"].as_object().unwrap().len(), 1);
    assert_eq!(plain["components"]["schemas"]["UploadRequest"]["required"], serde_json::json!(["key"]));
    assert!(plain["components"]["schemas"]["UploadRequest"]["properties"].get("url").is_none());
    assert_eq!(plain["components"]["schemas"]["Key"]["maxLength"], 1024);

    let whole = document(&everything());
    assert_eq!(whole["servers"][0]["url"], "/a\"b");
    assert_eq!(whole["security"][1], serde_json::json!({"cookie": []}));
    assert_eq!(whole["components"]["securitySchemes"]["cookie"]["name"], "session");
    assert!(whole["components"]["schemas"]["UploadRequest"]["oneOf"].is_array());
    assert_eq!(whole["components"]["schemas"]["Key"]["maxLength"], 1000);
    assert!(whole["components"]["schemas"]["Key"]["pattern"].as_str().unwrap().contains("(?:f\\.iles/)?"));

    let stored = |document: &Value| document["paths"].get("/f.iles/{storeId}/{name}").is_some();
    assert!(
        stored(&whole) && whole["paths"].as_object().unwrap().len() == plain["paths"].as_object().unwrap().len() + 1
    );
    for document in [plain, whole] {
        let text = document.to_string();
        assert!(!text.contains("{{") && !text.contains("x-when") && !text.contains("x-if"), "{text}");
    }
}
