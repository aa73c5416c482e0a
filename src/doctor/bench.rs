//! What the checks work with: a throw-away caller, throw-away keys, and a sender of presigned requests.

use std::collections::HashSet;
use std::error::Error as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};

use super::DoctorError;
use crate::config::Storage;
use crate::domain::key::{KeyFolder, KeyFormat, KeyRules, MAX_KEY_BYTES, ObjectKey};
use crate::domain::policy::{Action, Caller, FolderGrant, Grant, decide, decide_folder};
use crate::domain::route::{StorageIndex, StorageRoutes};
use crate::domain::sigv4::{BucketAddress, PresignError, Presigner, SignedUrl, Terms};
use crate::domain::token::{MintClaims, TokenRules, Verifier, VerifyKey, mint_hs256};
use crate::random::random_text;
use crate::storage::{BucketError, Signers, bucket_error, element, http_client, read_body};

/// All keys lie in this store.
const STORE: &str = ".signer-check";

/// What most of the checks upload, and its length as it is bound.
pub(super) const BODY: &str = "hello world";
pub(super) const LENGTH: (&str, &str) = ("content-length", "11");

/// How long the caller may do anything, in seconds: longer than all calls together.
const CALLER_TTL_SECS: u32 = 3600;

/// Credentials that are fetched are looked for this often, so far apart: about as long as one fetch may take.
const CREDENTIAL_LOOKS: u32 = 120;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How long a URL lives, in seconds: as long as S3 lets clocks disagree, so that a wrong clock shows as that.
const URL_LIFE_SECS: u32 = 900;

/// Where the bucket is reached, with a presigner for just that address.
pub(super) struct Site {
    pub(super) address: BucketAddress,
    http: reqwest::Client,
    pub(super) signers: Arc<Signers>,
}

impl Site {
    fn new(storage: &Storage, address: &BucketAddress, signers: Arc<Signers>) -> Result<Self, DoctorError> {
        Ok(Self { address: address.clone(), http: http_client(storage, &address.scheme)?, signers })
    }

    /// For people: nothing in it is secret.
    pub(super) fn shown(&self) -> String {
        let BucketAddress { scheme, host, path } = &self.address;
        format!("{scheme}://{host}{path}")
    }
}

/// One request, presigned as for a client.
pub(super) struct Ask<'a> {
    pub(super) action: Action,
    pub(super) key: &'a ObjectKey,
    /// Headers that the signature covers.
    pub(super) bound: &'a [(&'static str, &'a str)],
    /// Headers that are sent; `content-length` follows from the body.
    pub(super) sent: &'a [(&'static str, &'a str)],
    pub(super) body: Option<&'a str>,
    /// The preflight for the request is sent in its place.
    pub(super) preflight: bool,
    /// How long ago the URL was signed.
    pub(super) age: SignedDuration,
    /// The version that is meant, in a bucket that keeps them.
    pub(super) version: Option<&'a str>,
    /// A part of the path as it was signed, and how it is sent.
    pub(super) sent_as: Option<(&'static str, &'static str)>,
    /// What else the query has: the part of an upload.
    pub(super) query: &'a [(&'static str, &'a str)],
}

impl<'a> Ask<'a> {
    pub(super) fn new(action: Action, key: &'a ObjectKey) -> Self {
        Self {
            action,
            key,
            bound: &[],
            sent: &[],
            body: None,
            preflight: false,
            age: SignedDuration::ZERO,
            version: None,
            sent_as: None,
            query: &[],
        }
    }

    pub(super) fn put(key: &'a ObjectKey, body: &'a str) -> Self {
        Self { body: Some(body), ..Self::new(Action::Put, key) }
    }
}

/// An answer, its body read up to a cap.
pub(super) struct Heard {
    pub(super) status: StatusCode,
    /// The S3 error code, or nothing.
    pub(super) code: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Heard {
    /// A 200 may carry an error in its body.
    pub(super) fn is_success(&self) -> bool {
        self.status.is_success() && self.code.is_empty()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Status and code.
    pub(super) fn shown(&self) -> String {
        format!("{} {}", self.status.as_u16(), self.code).trim_end().to_owned()
    }

    /// The version that a PUT or DELETE made, in a bucket that keeps them.
    pub(super) fn version(&self) -> Option<&str> {
        self.header("x-amz-version-id").filter(|version| *version != "null")
    }

    pub(super) fn has(&self, body: &str) -> bool {
        self.is_success() && self.body == body.as_bytes()
    }
}

/// What all checks share.
pub(super) struct Bench<'a> {
    pub(super) storage: &'a Storage,
    pub(super) own: Site,
    pub(super) public: Site,
    pub(super) clock: fn() -> Timestamp,
    caller: Arc<Caller>,
    folder: String,
    rules: KeyRules,
    /// Keys that may have come to hold something, and the versions that are known to.
    written: Mutex<Vec<(ObjectKey, Option<String>)>>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(storage: &'a Storage, clock: fn() -> Timestamp) -> Result<Self, DoctorError> {
        let (own, public) = (&storage.own_address, &storage.public_address);
        let signers = Signers::start_at(storage, own, clock)?;
        // Credentials are fetched once where one address is both.
        let for_public = if own == public { Arc::clone(&signers) } else { Signers::start_at(storage, public, clock)? };
        Ok(Self {
            storage,
            own: Site::new(storage, own, signers)?,
            public: Site::new(storage, public, for_public)?,
            clock,
            caller: caller(storage.index, clock())?,
            folder: format!("{STORE}/{}", random_text()?),
            rules: KeyRules { files_root: String::new(), format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES },
            written: Mutex::default(),
        })
    }

    /// Whether there is something to sign with, after waiting for it as long as a source may take.
    pub(super) async fn has_credentials(&self) -> bool {
        let ready = || [&self.own, &self.public].iter().all(|site| site.signers.is_ready((self.clock)()));
        for _ in 0..CREDENTIAL_LOOKS {
            if ready() {
                return true;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        ready()
    }

    /// The key of this name, which no other run has.
    pub(super) fn key(&self, name: &str) -> Result<ObjectKey, String> {
        ObjectKey::parse(&format!("{}/{name}", self.folder), &self.rules).map_err(|error| error.to_string())
    }

    /// What a caller of our own store may do.
    pub(super) fn grant(&self, action: Action, key: &ObjectKey) -> Result<Grant, String> {
        decide(&self.caller, action, key.clone()).map_err(|denied| denied.to_string())
    }

    /// The same for all keys below this name, which no other run has.
    pub(super) fn folder_grant(&self, name: &str) -> Result<FolderGrant, String> {
        let folder = KeyFolder::parse(&format!("{}/{name}", self.folder), &self.rules);
        let folder = folder.map_err(|error| error.to_string())?;
        decide_folder(&self.caller, folder).map_err(|denied| denied.to_string())
    }

    /// Sends one request.
    ///
    /// # Errors
    ///
    /// A sentence, without the URL, when there is no answer.
    pub(super) async fn ask(&self, site: &Site, ask: Ask<'_>) -> Result<Heard, String> {
        self.ask_by(site, ask, |grant, terms, now| site.signers.presign(grant, terms, now)).await
    }

    /// The same, signed by another than the site's signers.
    pub(super) async fn ask_as(&self, site: &Site, presigner: &Presigner, ask: Ask<'_>) -> Result<Heard, String> {
        self.ask_by(site, ask, |grant, terms, now| presigner.presign(grant, terms, now)).await
    }

    async fn ask_by(
        &self,
        site: &Site,
        ask: Ask<'_>,
        presign: impl FnOnce(&Grant, &Terms<'_>, Timestamp) -> Result<SignedUrl, PresignError>,
    ) -> Result<Heard, String> {
        let grant = self.grant(ask.action, ask.key)?;
        let version = ask.version.map(|version| [("versionId", version)]);
        let query = version.as_ref().map_or(ask.query, <[_; 1]>::as_slice);
        let terms = Terms { expires_secs: URL_LIFE_SECS, headers: ask.bound, query, ..Terms::default() };
        let now = (self.clock)().saturating_sub(ask.age).map_err(|error| error.to_string())?;
        let signed = presign(&grant, &terms, now).map_err(|error| error.to_string())?;
        let method = if ask.preflight { "OPTIONS" } else { signed.method };
        let method = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        if method == Method::PUT {
            self.wrote(ask.key, None);
        }
        let url = ask.sent_as.map(|(signed_as, sent_as)| signed.url.expose().replacen(signed_as, sent_as, 1));
        let mut request = site.http.request(method, url.as_deref().unwrap_or(signed.url.expose()));
        for (name, value) in ask.sent {
            request = request.header(*name, *value);
        }
        if let Some(body) = ask.body {
            request = request.body(body.to_owned());
        }
        let heard = hear(request, self.storage.first_byte_timeout).await.map_err(|error| in_words(&error))?;
        // A DELETE without a version leaves one more: a marker.
        if matches!(ask.action, Action::Put | Action::Delete)
            && ask.version.is_none()
            && let Some(version) = heard.version()
        {
            self.wrote(ask.key, Some(version.to_owned()));
        }
        Ok(heard)
    }

    fn wrote(&self, key: &ObjectKey, version: Option<String>) {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push((key.clone(), version));
    }

    /// Whether the key holds these bytes.
    pub(super) async fn holds(&self, site: &Site, key: &ObjectKey, body: &str) -> Result<bool, String> {
        Ok(self.ask(site, Ask::new(Action::Get, key)).await?.has(body))
    }

    /// Deletes all that may have been written; gives the number of objects that stay, with a reason for the first.
    pub(super) async fn clean_up(&self) -> Option<(usize, String)> {
        // Where nothing was after all, the first round may leave a marker for the second.
        let reasons = [self.delete_written().await, self.delete_written().await].concat();
        let first = reasons.first()?.clone();
        Some((reasons.len(), first))
    }

    /// The reasons of those that stay.
    async fn delete_written(&self) -> Vec<String> {
        let written = std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner));
        let is_versioned = |key: &ObjectKey| written.iter().any(|(other, version)| other == key && version.is_some());
        let mut tried = HashSet::new();
        let mut reasons = Vec::new();
        for (key, version) in &written {
            if version.is_none() && is_versioned(key) || !tried.insert((key, version)) {
                continue;
            }
            let ask = Ask { version: version.as_deref(), ..Ask::new(Action::Delete, key) };
            match self.ask(&self.own, ask).await {
                Ok(heard) if heard.is_success() || heard.status == StatusCode::NOT_FOUND => {}
                Ok(heard) => reasons.push(heard.shown()),
                Err(reason) => reasons.push(reason),
            }
        }
        reasons
    }

    /// The folder of this run.
    pub(super) fn folder(&self) -> &str {
        &self.folder
    }
}

/// A caller for our own store. There is no way to one but a token, so we are our own identity provider for a moment.
fn caller(storage: StorageIndex, now: Timestamp) -> Result<Arc<Caller>, DoctorError> {
    let unusable = |error: &dyn std::fmt::Display| DoctorError::Caller(error.to_string());
    let secret = random_text()?;
    let key = VerifyKey::hs256(secret.as_bytes()).map_err(|error| unusable(&error))?;
    let rules = TokenRules { routes: StorageRoutes::all_to(storage), ..TokenRules::default() };
    let claim = rules.store_claim().unwrap_or_default().to_owned();
    let stores = [STORE.to_owned()];
    let token = mint_hs256(secret.as_bytes(), &claim, &stores, &MintClaims::default(), CALLER_TTL_SECS, now)
        .map_err(|error| unusable(&error))?;
    Verifier::new(vec![key], rules).verify(&token, now).map_err(|error| unusable(&error))
}

async fn hear(request: reqwest::RequestBuilder, first_byte_timeout: Duration) -> Result<Heard, BucketError> {
    let answer = tokio::time::timeout(first_byte_timeout, request.send()).await.map_err(|_| BucketError::TimedOut)?;
    let mut answer = answer.map_err(bucket_error)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = read_body(&mut answer).await?;
    // What is downloaded is our own text, never an error document.
    let code = element(&String::from_utf8_lossy(&body), "Code");
    Ok(Heard { status, code, headers, body })
}

/// The error and what it came from; the last of them says most.
fn in_words(error: &BucketError) -> String {
    const MAX_CHARS: usize = 240;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text.chars().take(MAX_CHARS).flat_map(char::escape_debug).collect()
}
