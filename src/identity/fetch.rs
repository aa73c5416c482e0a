//! One fetch of a key set: OIDC discovery where it is wanted, then the set, bounded in all it does.

use std::net::SocketAddr;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{AGE, CACHE_CONTROL, HeaderMap};
use serde::Deserialize;
use url::Url;

use super::address::{AddressProblem, Reach, check_named_address, is_public};
use crate::config::{FetchRules, KeyLocation, KeySource};
use crate::domain::json;
use crate::domain::token::{KeySet, KeySetError};
use crate::outbound;

/// More than this is no key set and no discovery document.
const MAX_DOCUMENT_BYTES: usize = 512 * 1024;

/// Where a discovery document lies below its issuer (`OpenID` Connect Discovery 1.0 section 4).
const DISCOVERY_PATH: &str = "/.well-known/openid-configuration";

/// Why no keys came.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke.
    #[error("it cannot be reached")]
    Unreachable(#[source] reqwest::Error),
    /// Not all of it within `auth.jwks_timeout_secs`.
    #[error("it did not answer in time")]
    TimedOut,
    /// Another status than 200. Redirects are not followed.
    #[error("it answered {0}")]
    Status(u16),
    /// More than is read.
    #[error("its answer is longer than {MAX_DOCUMENT_BYTES} bytes")]
    TooLarge,
    /// A discovery document that cannot be read.
    #[error("its discovery document is not a JSON object with `issuer` and `jwks_uri`")]
    Discovery,
    /// A discovery document of somebody else (section 4.3).
    #[error("its discovery document is of another issuer; auth.issuer must be exactly what the provider calls itself")]
    OtherIssuer,
    /// A `jwks_uri` that is not followed.
    #[error("the jwks_uri of its discovery document {0}")]
    Address(AddressProblem),
    /// A set without a key that can be used.
    #[error("its key set cannot be used: {0}")]
    KeySet(#[from] KeySetError),
}

/// A good set, and for how long it says to be one.
pub(super) struct Fetched {
    pub(super) set: KeySet,
    /// The document itself, to see whether the next one is another.
    pub(super) document: Vec<u8>,
    pub(super) max_age: Option<Duration>,
}

/// Fetches the key set of one source.
pub(super) struct Fetcher {
    source: KeySource,
    rules: FetchRules,
    http: reqwest::Client,
    /// What the last good discovery said. Asked again when a fetch from there fails.
    discovered: Option<(Url, Reach)>,
}

impl Fetcher {
    pub(super) fn new(source: KeySource, rules: FetchRules) -> Result<Self, reqwest::Error> {
        let https = match &source.location {
            KeyLocation::Discovery(url) | KeyLocation::Url(url) => url.scheme() == "https",
            KeyLocation::File(_) => false,
        };
        Ok(Self { http: outbound::client(https).timeout(rules.timeout).build()?, source, rules, discovered: None })
    }

    /// Fetches, in the time that is allowed for all of it.
    pub(super) async fn fetch(&mut self) -> Result<Fetched, FetchError> {
        let deadline = self.rules.timeout;
        let fetched = tokio::time::timeout(deadline, self.fetch_all()).await.unwrap_or(Err(FetchError::TimedOut));
        if fetched.is_err() {
            self.discovered = None;
        }
        fetched
    }

    async fn fetch_all(&mut self) -> Result<Fetched, FetchError> {
        let (url, reach) = match &self.source.location {
            KeyLocation::Url(url) => (url.clone(), Reach::Anywhere),
            KeyLocation::Discovery(issuer) => match self.discovered.clone() {
                Some(known) => known,
                None => self.discover(issuer).await?,
            },
            // Files are followed elsewhere.
            KeyLocation::File(_) => return Err(FetchError::Discovery),
        };
        let (document, headers) = match reach {
            Reach::Anywhere => get(&self.http, url.clone()).await?,
            Reach::Public => {
                let http = outbound::client(true).timeout(self.rules.timeout).dns_resolver(PublicOnly).build();
                let http = http.map_err(FetchError::Unreachable)?;
                get(&http, url.clone()).await?
            }
        };
        let set = KeySet::parse(&document, &self.source.algorithms, &self.source.expected)?;
        if let KeyLocation::Discovery(_) = self.source.location {
            self.discovered = Some((url, reach));
        }
        Ok(Fetched { set, document, max_age: max_age(&headers) })
    }

    async fn discover(&self, issuer: &Url) -> Result<(Url, Reach), FetchError> {
        #[derive(Deserialize)]
        struct Document {
            issuer: String,
            jwks_uri: String,
        }
        // The configured text, because a URL that was parsed may have gained a slash.
        let name = self.source.expected.issuer.as_deref().unwrap_or(issuer.as_str());
        let url = Url::parse(&format!("{}{DISCOVERY_PATH}", name.trim_end_matches('/')));
        let (document, _) = get(&self.http, url.map_err(|_| FetchError::Discovery)?).await?;
        let document: Document = json::object(&document).map_err(|_| FetchError::Discovery)?;
        if document.issuer != name {
            return Err(FetchError::OtherIssuer);
        }
        let jwks_uri = Url::parse(&document.jwks_uri).map_err(|_| FetchError::Discovery)?;
        let reach = check_named_address(&jwks_uri, issuer, self.rules.allow_http).map_err(FetchError::Address)?;
        Ok((jwks_uri, reach))
    }
}

/// Fetches the key set of a source once.
///
/// # Errors
///
/// [`FetchError`] says why there is none.
pub async fn fetch_key_set(source: &KeySource, rules: FetchRules) -> Result<KeySet, FetchError> {
    let mut fetcher = Fetcher::new(source.clone(), rules).map_err(FetchError::Unreachable)?;
    Ok(fetcher.fetch().await?.set)
}

async fn get(http: &reqwest::Client, url: Url) -> Result<(Vec<u8>, HeaderMap), FetchError> {
    let mut answer = http.get(url).header("accept", "application/json").send().await.map_err(failure)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(FetchError::Status(answer.status().as_u16()));
    }
    let document = outbound::body_within(&mut answer, MAX_DOCUMENT_BYTES).await.map_err(failure)?;
    let document = document.ok_or(FetchError::TooLarge)?;
    Ok((document, answer.headers().clone()))
}

fn failure(error: reqwest::Error) -> FetchError {
    if error.is_timeout() { FetchError::TimedOut } else { FetchError::Unreachable(error) }
}

/// How long the answer may be kept (RFC 9111 section 5.2.2), less the time that it has already been kept.
fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let control = headers.get(CACHE_CONTROL)?.to_str().ok()?.to_ascii_lowercase();
    let mut directives = control.split(',').map(str::trim);
    if directives.clone().any(|directive| matches!(directive, "no-store" | "no-cache")) {
        return Some(Duration::ZERO);
    }
    let max_age = directives.find_map(|directive| directive.strip_prefix("max-age=")?.parse::<u64>().ok())?;
    let age = headers.get(AGE).and_then(|age| age.to_str().ok()?.parse::<u64>().ok()).unwrap_or(0);
    Some(Duration::from_secs(max_age.saturating_sub(age)))
}

/// Names resolved to public addresses alone, at the very look-up that the connection uses.
struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
            if public.is_empty() {
                return Err(AddressProblem::NotPublic.into());
            }
            Ok(Box::new(public.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_says_how_long_it_is_good_for() {
        let age = |headers: &[(&'static str, &'static str)]| {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (reqwest::header::HeaderName::from_static(name), reqwest::header::HeaderValue::from_static(value))
            };
            max_age(&headers.iter().map(pair).collect()).map(|age| age.as_secs())
        };
        assert_eq!(age(&[]), None);
        assert_eq!(age(&[("cache-control", "public, Max-Age=600, must-revalidate")]), Some(600));
        assert_eq!(age(&[("cache-control", "max-age=600"), ("age", "590")]), Some(10));
        assert_eq!(age(&[("cache-control", "max-age=600"), ("age", "700")]), Some(0));
        assert_eq!(age(&[("cache-control", "no-cache")]), Some(0));
        assert_eq!(age(&[("cache-control", "max-age=x")]), None);
        assert_eq!(age(&[("cache-control", "private")]), None);
    }

    /// H31: whatever a name leads to by the time of the connection, it is not into this network.
    #[tokio::test]
    async fn names_of_this_machine_are_not_public() {
        let resolved = PublicOnly.resolve("localhost".parse().unwrap()).await;
        assert!(resolved.is_err());
    }
}
