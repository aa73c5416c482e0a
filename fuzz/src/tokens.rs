//! The tokens that a target's caller may hold. No other token is good, so whatever a request
//! carries, its stores are those of the names in it.

use std::sync::LazyLock;

use super::support::token;
use serde_json::json;

/// Name in a request, stores, token.
pub struct Held {
    pub name: &'static str,
    pub stores: &'static [&'static str],
    pub token: String,
}

/// `$name` in the headers of a request stands for the token.
pub static HELD: LazyLock<Vec<Held>> = LazyLock::new(|| {
    let held = |name, stores: &'static [&'static str], more: serde_json::Value| {
        let mut claims = json!({"storeId": stores});
        for (claim, value) in more.as_object().unwrap() {
            claims[claim] = value.clone();
        }
        Held { name, stores, token: token(claims) }
    };
    vec![
        held("$one", &["s1"], json!({})),
        held("$two", &["s2", "s3"], json!({})),
        held("$part", &["s1"], json!({"prefixes": ["s1/photos/", "s2"]})),
        held("$read", &["s1"], json!({"scope": "files:read"})),
        held("$none", &[], json!({})),
    ]
});

pub fn stores_of(name: &str) -> &'static [&'static str] {
    HELD.iter().find(|held| held.name == name).map_or(&[], |held| held.stores)
}

/// The header of this token.
pub fn bearer(name: &str) -> String {
    format!("Bearer {}", HELD.iter().find(|held| held.name == name).unwrap().token)
}
