//! Which storage a store lies in, where there are several.
//!
//! Decided once, when a token is verified, and kept with each store of its bearer: from there the
//! [`super::policy::Grant`] has it, and no other storage takes that grant. What decides is the
//! configuration and the signed token, never the request.

use super::store::StoreId;

/// One of the configured storages, by its place: the default one is the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StorageIndex(usize);

impl StorageIndex {
    /// The storage at this place.
    #[must_use]
    pub const fn new(place: usize) -> Self {
        Self(place)
    }

    /// Its place.
    #[must_use]
    pub const fn get(self) -> usize {
        self.0
    }
}

/// Names of stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorePattern {
    /// This one.
    Exact(String),
    /// All that begin so.
    Prefix(String),
}

impl StorePattern {
    fn holds(&self, store: &StoreId) -> bool {
        match self {
            Self::Exact(name) => store.as_str() == name,
            Self::Prefix(prefix) => store.as_str().starts_with(prefix.as_str()),
        }
    }
}

/// Where some stores lie. Both conditions must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageRoute {
    /// One of these; empty for every store.
    pub stores: Vec<StorePattern>,
    /// A claim of the token, by its name or path, and the text that it must hold.
    pub claim: Option<(String, String)>,
    /// The storage that they lie in.
    pub storage: StorageIndex,
}

/// All routes, in the order in which they are tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageRoutes(Vec<StorageRoute>);

impl StorageRoutes {
    /// These, the first that fits counts.
    #[must_use]
    pub fn new(routes: Vec<StorageRoute>) -> Self {
        Self(routes)
    }

    /// Every store in one storage.
    #[must_use]
    pub fn all_to(storage: StorageIndex) -> Self {
        Self(vec![StorageRoute { stores: Vec::new(), claim: None, storage }])
    }

    /// Where `store` lies, for a token whose claims `holds` tells of. No route: in the default storage.
    pub(super) fn storage_of(&self, store: &StoreId, holds: impl Fn(&str, &str) -> bool) -> StorageIndex {
        let fits = |route: &&StorageRoute| {
            (route.stores.is_empty() || route.stores.iter().any(|pattern| pattern.holds(store)))
                && route.claim.as_ref().is_none_or(|(claim, text)| holds(claim, text))
        };
        self.0.iter().find(fits).map_or_else(StorageIndex::default, |route| route.storage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::store::StoreIdRule;

    #[test]
    fn all_may_lie_in_one() {
        let store = StoreId::parse("s1", StoreIdRule::Strict).unwrap();
        assert_eq!(StorageRoutes::all_to(StorageIndex::new(2)).storage_of(&store, |_, _| false).get(), 2);
    }

    #[test]
    fn the_first_route_that_fits_counts_and_else_the_default() {
        let at = StorageIndex::new;
        let exact = |name: &str| StorePattern::Exact(name.to_owned());
        let prefix = |name: &str| StorePattern::Prefix(name.to_owned());
        let eu = Some(("region".to_owned(), "eu".to_owned()));
        let routes = StorageRoutes::new(vec![
            StorageRoute { stores: vec![exact("acme"), prefix("team-")], claim: None, storage: at(1) },
            StorageRoute { stores: vec![prefix("x-")], claim: eu.clone(), storage: at(2) },
            StorageRoute { stores: vec![], claim: eu, storage: at(3) },
        ]);
        let storage = |store: &str, region: &str| {
            let store = StoreId::parse(store, StoreIdRule::Strict).unwrap();
            routes.storage_of(&store, |claim, text| (claim, text) == ("region", region)).get()
        };
        for (store, region, expected) in [
            ("acme", "us", 1),
            ("acme", "eu", 1),
            ("team-", "us", 1),
            ("team-a", "us", 1),
            ("team", "us", 0),
            ("acme2", "us", 0),
            ("Acme", "us", 0),
            ("x-1", "eu", 2),
            ("x-1", "us", 0),
            ("other", "eu", 3),
            ("other", "EU", 0),
        ] {
            assert_eq!(storage(store, region), expected, "{store} {region}");
        }
    }
}
