//! The keys that stand in the configuration, and the places that others come from.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jsonwebtoken::Algorithm;
use url::Url;

use super::super::Report;
use crate::config::raw::{RawAuth, RawIssuer, RawKey, Secret};
use crate::config::used::{KeyLocation, KeySource};
use crate::domain::token::{
    ALGORITHMS, Expected, JwkError, KeyLoadError, KeySet, MIN_HMAC_SECRET_BYTES, VerifyKey, is_symmetric,
};
use crate::files::read_bounded;
use crate::identity::check_address;

/// A secret of fewer distinct bytes was typed, not drawn.
const MIN_DISTINCT_BYTES: usize = 8;

/// `hs256_secret` and `[[auth.keys]]`.
pub(super) fn fixed(
    raw: &RawAuth,
    secret: Option<&Secret>,
    expected: &Arc<Expected>,
    r: &mut Report<'_>,
) -> Option<Vec<VerifyKey>> {
    let before = r.problems.len();
    let from_secret = secret.and_then(|secret| hmac_key("auth.hs256_secret", Algorithm::HS256, secret, r));
    let mut keys: Vec<_> = from_secret.into_iter().map(|key| key.expecting(Arc::clone(expected))).collect();
    for (index, raw) in raw.keys.iter().enumerate() {
        let Some(key) = one_key(&format!("auth.keys.{index}"), raw, r) else { continue };
        let key = if raw.id.is_empty() { key } else { key.with_id(raw.id.clone()) };
        let own = Expected { issuer: Some(raw.issuer.clone()), audiences: expected.audiences.clone() };
        keys.push(key.expecting(if raw.issuer.is_empty() { Arc::clone(expected) } else { Arc::new(own) }));
    }
    (r.problems.len() == before).then_some(keys)
}

/// One of `[[auth.keys]]`.
fn one_key(key: &str, raw: &RawKey, r: &mut Report<'_>) -> Option<VerifyKey> {
    let algorithm = match raw.algorithm.as_str() {
        "" => None,
        name => Some(r.choice(&format!("{key}.algorithm"), name, ALGORITHMS)?),
    };
    let secret = r.secret(&format!("{key}.secret"), &raw.secret, &raw.secret_file)?;
    let public = r.secret(&format!("{key}.public_key"), &Secret::new(&raw.public_key), &raw.public_key_file)?;
    match (secret.expose().is_empty(), public.expose().is_empty()) {
        (true, false) => public_key(key, algorithm, &public, r),
        (false, true) => {
            let algorithm = r.require(&format!("{key}.algorithm"), algorithm, || {
                "is not set; a secret is for `HS256`, `HS384` or `HS512`".to_owned()
            })?;
            hmac_key(&format!("{key}.secret"), algorithm, &secret, r)
        }
        _ => {
            r.problem(key, "must have either a public key (`public_key`, `public_key_file`) or a `secret`");
            None
        }
    }
}

/// PEM, or a JWK, which begins with a brace.
fn public_key(key: &str, algorithm: Option<Algorithm>, text: &Secret, r: &mut Report<'_>) -> Option<VerifyKey> {
    let name = format!("{key}.public_key");
    let text = text.expose();
    if algorithm.is_some_and(is_symmetric) {
        r.problem(&format!("{key}.algorithm"), "takes a secret; set `secret` instead of a public key");
        return None;
    }
    if text.trim_start().starts_with('{') {
        let loaded = VerifyKey::from_jwk(text.as_bytes(), algorithm.as_slice());
        return loaded.map_err(|error| r.problem(&name, jwk_problem(error))).ok();
    }
    let algorithm = r.require(&format!("{key}.algorithm"), algorithm, || {
        "is not set; a key in PEM does not say which it is for, such as `ES256`".to_owned()
    })?;
    let loaded = VerifyKey::from_pem(algorithm, text.as_bytes());
    loaded.map_err(|error| r.problem(&name, format!("cannot be used: {error}"))).ok()
}

fn jwk_problem(error: JwkError) -> String {
    match error {
        JwkError::Private => {
            "is a private key or a secret, which this service does not need: give the public half, or a `secret`"
                .to_owned()
        }
        other => format!("is a JWK that cannot be used: {other}"),
    }
}

/// J36: a secret that can be guessed is no secret.
fn hmac_key(name: &str, algorithm: Algorithm, secret: &Secret, r: &mut Report<'_>) -> Option<VerifyKey> {
    let bytes = secret.expose().as_bytes();
    let key = match VerifyKey::hmac(algorithm, bytes) {
        Ok(key) => key,
        Err(KeyLoadError::WeakSecret) => {
            r.problem(name, format!("has {} bytes; it must have {MIN_HMAC_SECRET_BYTES} or more", bytes.len()));
            return None;
        }
        Err(error) => {
            r.problem(name, format!("cannot be used: {error}"));
            return None;
        }
    };
    let distinct = bytes.iter().collect::<BTreeSet<_>>().len();
    if distinct < MIN_DISTINCT_BYTES {
        r.warnings.push(format!("{name} has only {distinct} different bytes; draw it with `openssl rand -base64 48`"));
    }
    if key.is_shorter_than_its_hash(bytes) {
        r.warnings
            .push(format!("{name} is shorter than RFC 7518 asks for its algorithm (48 bytes for HS384, 64 for HS512)"));
    }
    Some(key)
}

/// `issuer`, `jwks_url`, `jwks_file` and `[[auth.issuers]]`.
pub(super) fn sources(
    raw: &RawAuth,
    has_secret: bool,
    expected: &Arc<Expected>,
    r: &mut Report<'_>,
) -> Option<Vec<KeySource>> {
    let before = r.problems.len();
    let top = RawIssuer {
        issuer: raw.issuer.clone(),
        audience: raw.audience.clone(),
        jwks_url: raw.jwks_url.clone(),
        jwks_file: raw.jwks_file.clone(),
        algorithms: raw.algorithms.clone(),
    };
    // Keys that are given take the place of keys that would be found.
    let given = has_secret || raw.keys.iter().any(|key| key.issuer.is_empty());
    if given && !raw.issuer.is_empty() && raw.jwks_url.is_empty() && raw.jwks_file.is_empty() {
        r.warnings.push(
            "auth.issuer: its keys are not fetched, because the configuration holds keys for it; to fetch them too, \
             put it into [[auth.issuers]]"
                .to_owned(),
        );
    }
    let mut sources = of_issuer("auth", &top, !given, expected, raw.jwks_allow_http, r);
    for (index, issuer) in raw.issuers.iter().enumerate() {
        let key = format!("auth.issuers.{index}");
        if issuer.issuer.is_empty() {
            r.problem(&format!("{key}.issuer"), "is not set; write the `iss` of its tokens");
            continue;
        }
        let audiences = if issuer.audience.is_empty() { raw.audience.clone() } else { issuer.audience.clone() };
        let expected = Arc::new(Expected { issuer: Some(issuer.issuer.clone()), audiences });
        sources.extend(of_issuer(&key, issuer, true, &expected, raw.jwks_allow_http, r));
    }
    (r.problems.len() == before).then_some(sources)
}

/// The sources of one issuer: its URL and its file; without either, what it says of itself.
fn of_issuer(
    key: &str,
    raw: &RawIssuer,
    discover: bool,
    expected: &Arc<Expected>,
    allow_http: bool,
    r: &mut Report<'_>,
) -> Vec<KeySource> {
    let algorithms: Vec<_> = raw.algorithms.iter().filter_map(|name| algorithm(key, name, r)).collect();
    let source = |location, first_keys| KeySource {
        location,
        expected: Arc::clone(expected),
        algorithms: algorithms.clone(),
        first_keys,
    };
    let mut sources = Vec::new();
    if !raw.jwks_url.is_empty() {
        let url = address(&format!("{key}.jwks_url"), &raw.jwks_url, allow_http, r);
        sources.extend(url.map(|url| source(KeyLocation::Url(url), Vec::new())));
        if expected.issuer.is_none() {
            r.warnings.push(format!(
                "{key}.jwks_url has no {key}.issuer beside it: tokens of everybody whose keys are in that set are taken"
            ));
        }
    } else if discover && raw.jwks_file.is_empty() && !raw.issuer.is_empty() {
        let url = address(&format!("{key}.issuer"), &raw.issuer, allow_http, r);
        let url = url.filter(|url| {
            let plain = url.query().is_none();
            if !plain {
                r.problem(&format!("{key}.issuer"), "has a query, which no issuer has");
            }
            plain
        });
        sources.extend(url.map(|url| source(KeyLocation::Discovery(url), Vec::new())));
    }
    if !sources.is_empty() && expected.audiences.is_empty() {
        r.warnings.push(format!(
            "{key}.audience is empty: a token that names an audience is refused, because it is for somebody else"
        ));
    }
    if !raw.jwks_file.is_empty() {
        let name = format!("{key}.jwks_file");
        let first_keys = key_set_file(&name, &raw.jwks_file, &algorithms, expected, r);
        sources.extend(first_keys.map(|keys| source(KeyLocation::File(PathBuf::from(&raw.jwks_file)), keys)));
    }
    sources
}

fn algorithm(key: &str, name: &str, r: &mut Report<'_>) -> Option<Algorithm> {
    let public: Vec<_> = ALGORITHMS.iter().filter(|(_, algorithm)| !is_symmetric(*algorithm)).copied().collect();
    r.choice(&format!("{key}.algorithms"), name, &public)
}

fn address(key: &str, text: &str, allow_http: bool, r: &mut Report<'_>) -> Option<Url> {
    let url = Url::parse(text).ok().filter(Url::has_host);
    let url = r.require(key, url, || format!("is `{text}`; it must be a URL such as `https://idp.example.com`"))?;
    check_address(&url, allow_http).map_err(|problem| r.problem(key, format!("is `{text}`, which {problem}"))).ok()?;
    Some(url)
}

fn key_set_file(
    key: &str,
    file: &str,
    algorithms: &[Algorithm],
    expected: &Arc<Expected>,
    r: &mut Report<'_>,
) -> Option<Vec<VerifyKey>> {
    let bytes = match read_bounded(Path::new(file)) {
        Ok(bytes) => bytes,
        Err(error) => {
            r.problem(key, format!("names `{file}`, which cannot be read: {error}"));
            return None;
        }
    };
    let set = KeySet::parse(&bytes, algorithms, expected);
    set.map(|set| set.keys).map_err(|error| r.problem(key, format!("names `{file}`; {error}"))).ok()
}
