//! A key, or the old URL that names it: wherever the one is taken, the other may stand.

use std::borrow::Cow;

use super::audited::Operation;
use super::{ApiError, App, Call};
use crate::domain::policy::{Caller, Grant};
use crate::storage::Backend;

impl App {
    /// The key as a caller sends it, given either as such or as a URL under `migration.legacy_urls`. It is
    /// text still: only [`App::decided`] makes a key of it.
    pub(super) fn key_text<'a>(&self, key: Option<&'a str>, url: Option<&'a str>) -> Result<Cow<'a, str>, ApiError> {
        match (key, url) {
            (Some(key), None) => Ok(Cow::Borrowed(key)),
            (None, Some(url)) => Ok(self.legacy_urls.key_text(url)?),
            (Some(_), Some(_)) => Err(ApiError::InvalidRequest("key and url are both given; send one of them".into())),
            (None, None) => Err(ApiError::InvalidRequest("key is missing".into())),
        }
    }

    /// [`App::granted`] for what a query names.
    pub(super) fn granted_in_query(
        &self,
        of: (&Caller, &Call<'_>),
        operation: Operation,
    ) -> Result<(Grant, &Backend), ApiError> {
        let params = of.1.params()?;
        self.granted(of, operation, (params.get("key")?.as_deref(), params.get("url")?.as_deref()))
    }
}
