//! The key of a new object, and the folder that it goes to.

use std::borrow::Cow;

use crate::api::audited::{Decided, Operation};
use crate::api::{ApiError, App, Call};
use crate::domain::fresh_key::fresh_key;
use crate::domain::policy::{Caller, Denied, Grant};
use crate::random::random_bytes;
use crate::storage::Backend;

const WHICH: &str = "the token opens several places: say in which one the file goes, in keyPrefix (metadata.keyPrefix), such as its store";

impl App {
    /// [`App::decided`] for a new object named after a file, in the caller's store or below `prefix`.
    pub(super) fn decided_new<'a, T: Decided>(
        &'a self,
        of: (&Caller, &Call<'_>),
        operation: Operation,
        (file_name, prefix): (&str, Option<&str>),
        act: impl FnOnce((Grant, &'a Backend)) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let folder = folder(of.0, prefix)?;
        let random = random_bytes().map_err(|_| ApiError::Internal)?;
        let key = fresh_key(&folder, random, file_name, self.key_rules.max_bytes);
        self.decided_again(of, operation, &key, || Ok(()), act)
    }
}

/// Where new objects of this caller go: where it says, or else the only place that its token names. Whether that is
/// its own is for the policy to say.
pub(super) fn folder<'a>(caller: &'a Caller, asked: Option<&'a str>) -> Result<Cow<'a, str>, ApiError> {
    if let Some(asked) = asked.filter(|asked| !asked.is_empty()) {
        return Ok(Cow::Borrowed(asked));
    }
    match (caller.prefixes(), caller.stores()) {
        (_, []) => Err(Denied::NoStore.into()),
        (Some([only]), _) => Ok(Cow::Borrowed(only)),
        (Some([_, _, ..]), _) | (_, [_, _, ..]) => Err(ApiError::InvalidRequest(WHICH.into())),
        // No prefix at all opens nothing, as the policy will say.
        (Some([]) | None, [only]) => Ok(Cow::Borrowed(only.store.as_str())),
    }
}
