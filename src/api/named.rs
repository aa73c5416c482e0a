//! A key, or the old URL that names it: wherever the one is taken, the other may stand.

use std::borrow::Cow;

use super::call::Params;
use super::{ApiError, App};
use crate::domain::policy::{Action, Caller, Grant};
use crate::storage::Backend;

impl App {
    /// The key as a caller sends it, given either as such or as a URL under `migration.legacy_urls`. It is
    /// text still: only [`App::grant`] makes a key of it.
    pub(super) fn key_text<'a>(&self, key: Option<&'a str>, url: Option<&'a str>) -> Result<Cow<'a, str>, ApiError> {
        match (key, url) {
            (Some(key), None) => Ok(Cow::Borrowed(key)),
            (None, Some(url)) => Ok(self.legacy_urls.key_text(url)?),
            (Some(_), Some(_)) => Err(ApiError::InvalidRequest("key and url are both given; send one of them".into())),
            (None, None) => Err(ApiError::InvalidRequest("key is missing".into())),
        }
    }

    /// [`App::grant`] for what the body of a request names.
    pub(super) fn grant_named(
        &self,
        caller: &Caller,
        action: Action,
        key: Option<&str>,
        url: Option<&str>,
    ) -> Result<(Grant, &Backend), ApiError> {
        self.grant(caller, action, &self.key_text(key, url)?)
    }

    /// The same for a query.
    pub(super) fn grant_in_query(
        &self,
        caller: &Caller,
        action: Action,
        params: &Params<'_>,
    ) -> Result<(Grant, &Backend), ApiError> {
        self.grant_named(caller, action, params.get("key")?.as_deref(), params.get("url")?.as_deref())
    }
}
