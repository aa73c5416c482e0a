//! `[[storage_routes]]`: which storage a store lies in.

use super::Report;
use crate::config::raw::{RawConfig, RawRoute};
use crate::config::used::DEFAULT_STORAGE;
use crate::domain::route::{StorageIndex, StorageRoute, StorageRoutes, StorePattern};
use crate::domain::store::{StoreId, StoreIdRule};

/// The names of all storages, in their order.
pub(super) fn storage_names(raw: &RawConfig) -> impl Iterator<Item = &str> {
    [DEFAULT_STORAGE].into_iter().chain(raw.storages.keys().map(String::as_str))
}

pub(super) fn routes(raw: &RawConfig, r: &mut Report<'_>) -> Option<StorageRoutes> {
    let before = r.problems.len();
    let routes: Vec<_> = raw.storage_routes.iter().filter_map(|route| self::route(raw, route, r)).collect();
    for unused in raw.storages.keys().filter(|name| raw.storage_routes.iter().all(|route| route.storage != **name)) {
        r.warnings.push(format!("storages.{unused} is in no [[storage_routes]], so nothing is kept there"));
    }
    (r.problems.len() == before).then(|| StorageRoutes::new(routes))
}

fn route(raw: &RawConfig, route: &RawRoute, r: &mut Report<'_>) -> Option<StorageRoute> {
    const KEY: &str = "storage_routes";
    let storage = storage_names(raw).position(|name| name == route.storage).map(StorageIndex::new);
    let storage = r.require(KEY, storage, || {
        let known: Vec<_> = storage_names(raw).map(|name| format!("`{name}`")).collect();
        format!("names the storage `{}`; there are {}", route.storage, known.join(", "))
    });
    let mut stores = Vec::new();
    for name in &route.stores {
        stores.extend(r.require(KEY, store_pattern(name), || {
            format!("names the store `{name}`; write a store's name, or the beginning of names and `*`")
        }));
    }
    if route.claim.is_empty() != route.value.is_empty() {
        r.problem(KEY, "has one of `claim` and `value`; a claim is compared with a value");
    }
    if route.stores.is_empty() && route.claim.is_empty() {
        r.problem(KEY, "has neither `stores` nor `claim`; name whose stores it is for");
    }
    let claim = (!route.claim.is_empty()).then(|| (route.claim.clone(), route.value.clone()));
    Some(StorageRoute { stores, claim, storage: storage? })
}

/// `acme` or `team-*`. A `*` alone would make the default storage a trap.
fn store_pattern(text: &str) -> Option<StorePattern> {
    let (name, pattern): (_, fn(String) -> StorePattern) = match text.strip_suffix('*') {
        Some(prefix) => (prefix, StorePattern::Prefix),
        None => (text, StorePattern::Exact),
    };
    StoreId::parse(name, StoreIdRule::Strict).ok().map(|store| pattern(store.as_str().to_owned()))
}
