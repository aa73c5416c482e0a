//! Who may touch which key. Every rule is in [`decide`], the only maker of a [`Grant`], and for all keys of a folder at
//! once in [`decide_folder`], the only maker of a [`FolderGrant`].
//!
//! Neither can be written down elsewhere:
//!
//! ```compile_fail
//! # use filesync_signer::domain::policy::{Action, Grant};
//! # fn steal(key: filesync_signer::domain::key::ObjectKey) -> Grant {
//! Grant { action: Action::Put, key, storage: Default::default() }
//! # }
//! ```
//!
//! ```compile_fail
//! # use filesync_signer::domain::policy::FolderGrant;
//! # fn steal(folder: filesync_signer::domain::key::KeyFolder) -> FolderGrant {
//! FolderGrant { folder, storage: Default::default() }
//! # }
//! ```

use super::key::{KeyFolder, ObjectKey, is_under};
use super::route::StorageIndex;
use super::store::StoreId;

/// What a caller wants to do with one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Read the bytes (S3 `GetObject`).
    Get,
    /// Read the metadata (S3 `HeadObject`).
    Head,
    /// Write the bytes (S3 `PutObject`).
    Put,
    /// Remove the object (S3 `DeleteObject`).
    Delete,
    /// Begin to write the bytes in parts (S3 `CreateMultipartUpload`).
    CreateMultipart,
    /// Write one part (S3 `UploadPart`).
    UploadPart,
    /// See which parts are there (S3 `ListParts`).
    ListParts,
    /// Make the object of its parts (S3 `CompleteMultipartUpload`).
    CompleteMultipart,
    /// Throw the parts away (S3 `AbortMultipartUpload`). The object itself, if there is one, stays.
    AbortMultipart,
}

/// Query parameters that make another call of a call.
const CALL_NAMES: [&str; 3] = ["partNumber", "uploadId", "uploads"];

impl Action {
    /// The HTTP method of the S3 call.
    #[must_use]
    pub const fn method(self) -> &'static str {
        match self {
            Self::Get | Self::ListParts => "GET",
            Self::Head => "HEAD",
            Self::Put | Self::UploadPart => "PUT",
            Self::Delete | Self::AbortMultipart => "DELETE",
            Self::CreateMultipart | Self::CompleteMultipart => "POST",
        }
    }

    /// The query parameters that make the S3 call what it is.
    const fn query(self) -> &'static [&'static str] {
        match self {
            Self::Get | Self::Head | Self::Put | Self::Delete => &[],
            Self::CreateMultipart => &["uploads"],
            Self::UploadPart => &["partNumber", "uploadId"],
            Self::ListParts | Self::CompleteMultipart | Self::AbortMultipart => &["uploadId"],
        }
    }

    /// Whether this query makes this call and no other: an abort without its `uploadId` would be a
    /// DELETE of the object.
    #[must_use]
    pub fn fits(self, query: &[(&str, &str)]) -> bool {
        let wanted = self.query();
        CALL_NAMES.into_iter().all(|name| wanted.contains(&name) == query.iter().any(|(given, _)| *given == name))
    }
}

/// What a token lets its bearer do, whichever the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "three independent switches, each with its own scope word")]
pub struct Permissions {
    /// `files:read`.
    pub read: bool,
    /// `files:write`.
    pub write: bool,
    /// `files:delete`.
    pub delete: bool,
}

impl Permissions {
    /// Read, write and delete.
    pub const ALL: Self = Self { read: true, write: true, delete: true };
    /// Nothing.
    pub const NONE: Self = Self { read: false, write: false, delete: false };

    /// What either of the two gives.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self { read: self.read || other.read, write: self.write || other.write, delete: self.delete || other.delete }
    }
}

/// A store, and the storage that it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlacedStore {
    /// The folder of the caller.
    pub store: StoreId,
    /// Where that folder is.
    pub storage: StorageIndex,
}

/// Someone whose token was verified, and what that token gives.
///
/// Made by [`super::token::Verifier`] only. An empty list gives nothing, never everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    pub(super) issuer: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) token_id: Option<String>,
    pub(super) stores: Vec<PlacedStore>,
    pub(super) permissions: Permissions,
    /// `None`: the whole store. `Some`: only keys under one of these.
    pub(super) prefixes: Option<Vec<String>>,
    /// The largest object that it may write. `None`: no limit of its own.
    pub(super) max_upload_bytes: Option<u64>,
}

impl Caller {
    /// The `iss` claim: whose word the subject is.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// The `sub` claim, for logs and limits.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The `jti` claim, for the audit log.
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }

    /// What the token's scope allows.
    #[must_use]
    pub const fn permissions(&self) -> Permissions {
        self.permissions
    }

    /// The keys or key prefixes that narrow the stores; `None` means the whole of them.
    #[must_use]
    pub fn prefixes(&self) -> Option<&[String]> {
        self.prefixes.as_deref()
    }

    /// The largest object that the bearer may write, in bytes; `None` means no limit of the token's own.
    #[must_use]
    pub const fn max_upload_bytes(&self) -> Option<u64> {
        self.max_upload_bytes
    }

    /// The stores that the token names, and where they lie.
    #[must_use]
    pub fn stores(&self) -> &[PlacedStore] {
        &self.stores
    }

    /// Who may do everything in these stores, each in a storage of its own.
    #[cfg(test)]
    pub(super) fn of_stores(stores: &[&str]) -> Self {
        let placed = |(place, store): (usize, &&str)| PlacedStore {
            store: StoreId::parse(store, super::store::StoreIdRule::Strict).expect("a store"),
            storage: StorageIndex::new(place),
        };
        Self {
            issuer: None,
            subject: None,
            token_id: None,
            stores: stores.iter().enumerate().map(placed).collect(),
            permissions: Permissions::ALL,
            prefixes: None,
            max_upload_bytes: None,
        }
    }
}

/// A yes: this action on this key. The presigner and the storage client take nothing else.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    action: Action,
    key: ObjectKey,
    storage: StorageIndex,
}

impl Grant {
    /// What was granted.
    #[must_use]
    pub const fn action(&self) -> Action {
        self.action
    }

    /// The object it was granted for.
    #[must_use]
    pub const fn key(&self) -> &ObjectKey {
        &self.key
    }

    /// The storage that the object lies in, and the only one that takes this grant.
    #[must_use]
    pub const fn storage(&self) -> StorageIndex {
        self.storage
    }
}

/// A no. The text is safe to show to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// The token names no store that could be used.
    #[error("the token names no usable store")]
    NoStore,
    /// The key lies in a store that the token does not name.
    #[error("the key is outside the token's store")]
    OutsideStore,
    /// The key lies in the store, outside the token's `prefixes`.
    #[error("the key is outside the token's prefixes")]
    OutsidePrefixes,
    /// The token's scope does not hold this operation.
    #[error("the token does not allow this operation")]
    Operation,
}

/// A yes to writing every key of one folder: for credentials that sign by themselves.
#[derive(Debug, PartialEq, Eq)]
pub struct FolderGrant {
    folder: KeyFolder,
    storage: StorageIndex,
}

impl FolderGrant {
    /// The folder it was granted for.
    #[must_use]
    pub const fn folder(&self) -> &KeyFolder {
        &self.folder
    }

    /// The storage that the folder lies in.
    #[must_use]
    pub const fn storage(&self) -> StorageIndex {
        self.storage
    }
}

/// Decides whether `caller` may do `action` to `key`.
///
/// # Errors
///
/// [`Denied`] names the first rule that says no.
pub fn decide(caller: &Caller, action: Action, key: ObjectKey) -> Result<Grant, Denied> {
    let storage = place(caller, key.as_str())?;
    if allows(caller, action) { Ok(Grant { action, key, storage }) } else { Err(Denied::Operation) }
}

/// Decides whether `caller` may write every key of `folder`, whole or in parts.
///
/// The same rules: stores and prefixes hold whole folders, so what they say of a folder they say of each key in it.
///
/// # Errors
///
/// As [`decide`].
pub fn decide_folder(caller: &Caller, folder: KeyFolder) -> Result<FolderGrant, Denied> {
    let storage = place(caller, folder.as_str())?;
    let actions = [Action::Put, Action::CreateMultipart, Action::UploadPart, Action::ListParts];
    let ends = [Action::CompleteMultipart, Action::AbortMultipart];
    let allowed = actions.into_iter().chain(ends).all(|action| allows(caller, action));
    if allowed { Ok(FolderGrant { folder, storage }) } else { Err(Denied::Operation) }
}

/// Where a key or a folder lies, if a store of the caller holds it, and one of its prefixes where it has any.
fn place(caller: &Caller, path: &str) -> Result<StorageIndex, Denied> {
    if caller.stores.is_empty() {
        return Err(Denied::NoStore);
    }
    let Some(PlacedStore { storage, .. }) = caller.stores.iter().find(|placed| is_under(path, placed.store.as_str()))
    else {
        return Err(Denied::OutsideStore);
    };
    if let Some(prefixes) = &caller.prefixes
        && !prefixes.iter().any(|prefix| is_under(path, prefix))
    {
        return Err(Denied::OutsidePrefixes);
    }
    Ok(*storage)
}

fn allows(caller: &Caller, action: Action) -> bool {
    // No `_` arm: a new action does not compile until someone decides who may do it.
    match action {
        Action::Get | Action::Head => caller.permissions.read,
        // To throw one's own unfinished parts away is no more than not to have written them.
        Action::Put
        | Action::CreateMultipart
        | Action::UploadPart
        | Action::ListParts
        | Action::CompleteMultipart
        | Action::AbortMultipart => caller.permissions.write,
        Action::Delete => caller.permissions.delete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES};

    const ACTIONS: [Action; 9] = [
        Action::Get,
        Action::Head,
        Action::Put,
        Action::Delete,
        Action::CreateMultipart,
        Action::UploadPart,
        Action::ListParts,
        Action::CompleteMultipart,
        Action::AbortMultipart,
    ];

    fn caller(stores: &[&str]) -> Caller {
        Caller::of_stores(stores)
    }

    const RULES: KeyRules = KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES };

    fn key(text: &str) -> ObjectKey {
        ObjectKey::parse(text, &RULES).unwrap()
    }

    fn folder(text: &str) -> KeyFolder {
        KeyFolder::parse(text, &RULES).unwrap()
    }

    #[test]
    fn a_caller_touches_its_own_stores_only() {
        for action in ACTIONS {
            assert!(decide(&caller(&["s1"]), action, key("s1/f")).is_ok());
            assert!(decide(&caller(&["s1", "s2"]), action, key("s2/f")).is_ok());
            // K38, and `store1` never opens `store10`.
            for foreign in ["s2/f", "s10/f", "S1/f", "s/f", "*/f"] {
                assert_eq!(decide(&caller(&["s1"]), action, key(foreign)), Err(Denied::OutsideStore));
            }
        }
    }

    /// J28: the peer's `[]` means every key; here it means none.
    #[test]
    fn no_store_means_nothing() {
        for action in ACTIONS {
            assert_eq!(decide(&caller(&[]), action, key("s1/f")), Err(Denied::NoStore));
        }
    }

    #[test]
    fn prefixes_narrow_the_store_and_never_widen_it() {
        let mut caller = caller(&["s1"]);
        caller.prefixes = Some(vec!["s1/a".into(), "s2".into()]);
        assert!(decide(&caller, Action::Get, key("s1/a")).is_ok());
        assert!(decide(&caller, Action::Get, key("s1/a/b")).is_ok());
        assert_eq!(decide(&caller, Action::Get, key("s1/ab")), Err(Denied::OutsidePrefixes));
        assert_eq!(decide(&caller, Action::Get, key("s2/f")), Err(Denied::OutsideStore));
        caller.prefixes = Some(vec![]);
        assert_eq!(decide(&caller, Action::Get, key("s1/a")), Err(Denied::OutsidePrefixes));
    }

    #[test]
    fn each_permission_opens_its_own_actions() {
        let allowed = |permissions: Permissions| {
            let caller = Caller { permissions, ..caller(&["s1"]) };
            ACTIONS.map(|action| decide(&caller, action, key("s1/f")).is_ok())
        };
        let only = |places: &[usize]| std::array::from_fn(|place| places.contains(&place));
        assert_eq!(allowed(Permissions { read: true, ..Permissions::NONE }), only(&[0, 1]));
        assert_eq!(allowed(Permissions { write: true, ..Permissions::NONE }), only(&[2, 4, 5, 6, 7, 8]));
        assert_eq!(allowed(Permissions { delete: true, ..Permissions::NONE }), only(&[3]));
        assert_eq!(allowed(Permissions::NONE), [false; 9]);
    }

    /// A folder is granted where, and only where, each key in it is.
    #[test]
    fn a_folder_is_granted_as_the_keys_in_it_are() {
        let narrow = Caller { prefixes: Some(vec!["s1/a".into(), "s2".into(), "s3".into()]), ..caller(&["s1", "s2"]) };
        for (whose, name, place) in [
            (caller(&["s1", "s2"]), "s1", Ok(0)),
            (caller(&["s1", "s2"]), "s2/a/b", Ok(1)),
            (caller(&["s1"]), "s10", Err(Denied::OutsideStore)),
            (caller(&["s1"]), "s2", Err(Denied::OutsideStore)),
            (caller(&[]), "s1", Err(Denied::NoStore)),
            (narrow.clone(), "s1/a", Ok(0)),
            (narrow.clone(), "s1/a/b", Ok(0)),
            (narrow.clone(), "s2", Ok(1)),
            // The folder above holds keys that are not under the prefix.
            (narrow.clone(), "s1", Err(Denied::OutsidePrefixes)),
            (narrow.clone(), "s1/ab", Err(Denied::OutsidePrefixes)),
            (narrow, "s3", Err(Denied::OutsideStore)),
            (Caller { prefixes: Some(vec![]), ..caller(&["s1"]) }, "s1", Err(Denied::OutsidePrefixes)),
        ] {
            let granted = decide_folder(&whose, folder(name));
            assert_eq!(
                granted.as_ref().map(FolderGrant::storage),
                place.as_ref().map(|at| StorageIndex::new(*at)),
                "{name}"
            );
            let inside = decide(&whose, Action::Put, key(&format!("{name}/f")));
            assert_eq!(inside.map(|grant| grant.storage()).map_err(Some), granted.map(|g| g.storage()).map_err(Some));
        }
        for (permissions, allowed) in [
            (Permissions { write: true, ..Permissions::NONE }, true),
            (Permissions { read: true, delete: true, ..Permissions::NONE }, false),
        ] {
            let caller = Caller { permissions, ..caller(&["s1"]) };
            assert_eq!(decide_folder(&caller, folder("s1")).is_ok(), allowed);
        }
        assert_eq!(decide_folder(&caller(&["s1"]), folder("s1/a")).unwrap().folder().as_str(), "s1/a");
    }

    /// A query makes a DELETE of an abort and a whole object of a part, so it must be the action's own.
    #[test]
    fn a_query_fits_the_one_action_that_it_makes() {
        let queries: [(&[&str], &[Action]); 6] = [
            (&["versionId"], &[Action::Get, Action::Head, Action::Put, Action::Delete]),
            (&["uploads"], &[Action::CreateMultipart]),
            (&["uploadId", "partNumber"], &[Action::UploadPart]),
            (&["uploadId", "max-parts"], &[Action::ListParts, Action::CompleteMultipart, Action::AbortMultipart]),
            (&["partNumber"], &[]),
            (&["uploadId", "uploads"], &[]),
        ];
        for (query, fitting) in queries {
            for action in ACTIONS {
                let pairs: Vec<_> = query.iter().map(|name| (*name, "1")).collect();
                assert_eq!(action.fits(&pairs), fitting.contains(&action), "{action:?} {query:?}");
            }
        }
    }

    /// For logs, limits and `signer check-token`.
    #[test]
    fn a_caller_tells_what_its_token_gave() {
        let plain = caller(&["s1"]);
        assert_eq!((plain.subject(), plain.prefixes(), plain.max_upload_bytes()), (None, None, None));
        let narrow = Caller {
            subject: Some("u1".into()),
            prefixes: Some(vec!["s1/a".into()]),
            max_upload_bytes: Some(7),
            permissions: Permissions { read: true, ..Permissions::NONE },
            ..plain
        };
        assert_eq!((narrow.subject(), narrow.max_upload_bytes()), (Some("u1"), Some(7)));
        assert_eq!(narrow.prefixes(), Some(&["s1/a".to_owned()][..]));
        assert_eq!((narrow.permissions().read, narrow.permissions().write), (true, false));
        assert_eq!(narrow.stores().iter().map(|placed| placed.store.as_str()).collect::<Vec<_>>(), ["s1"]);
    }

    #[test]
    fn a_grant_carries_what_was_decided() {
        let grant = decide(&caller(&["s1"]), Action::Put, key("s1/f")).unwrap();
        assert_eq!((grant.action(), grant.key().as_str()), (Action::Put, "s1/f"));
        assert_eq!(grant.storage(), StorageIndex::new(0));
    }

    /// Each store has its own storage, and a grant is for that of its key.
    #[test]
    fn a_grant_is_for_the_storage_of_its_store() {
        let caller = caller(&["s1", "s2"]);
        for (name, place) in [("s1/f", 0), ("s2/f", 1)] {
            assert_eq!(decide(&caller, Action::Get, key(name)).unwrap().storage(), StorageIndex::new(place));
        }
    }
}
