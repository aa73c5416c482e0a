//! `[auth]`: rules, keys, and where further keys come from.

mod keys;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Report;
use super::routes::{routes, storage_names};
use crate::config::raw::{RawAuth, RawConfig, RawServer, Secret};
use crate::config::used::{Auth, FetchRules, TokenPlaces};
use crate::domain::policy::Permissions;
use crate::domain::route::StorageRoutes;
use crate::domain::store::StoreIdRule;
use crate::domain::token::{
    Expected, MIN_HMAC_SECRET_BYTES, Revoked, ScopeRules, StoreSource, StoreTemplate, TemplateEncoding, TokenRules,
    is_our_scope_word,
};
use crate::files::read_bounded;
use crate::identity::CacheLimits;

/// More leeway than this is a clock to repair.
const MAX_LEEWAY_SECS: u64 = 600;
/// A longer life than ten years is a mistake in the unit.
const MAX_TOKEN_TTL_SECS: u64 = 315_360_000;
/// A key that was removed a day ago must not open anything.
const MAX_JWKS_AGE_SECS: u64 = 86_400;
/// An identity provider that is away for a month is gone.
const MAX_JWKS_STALE_SECS: u64 = 2_592_000;
/// Requests wait for a fetch, and no longer than they may take.
const MAX_JWKS_TIMEOUT_SECS: u64 = 30;

/// A quarter of the requests in flight may wait for a fetch. Who makes up names of keys, or has a token of a provider that hangs,
/// leaves the rest to those whose keys are here.
const WAITING_SHARE: usize = 4;

/// Claims that users of a provider can write themselves.
const USER_WRITABLE: [&str; 2] = ["user_metadata", "unsafe_metadata"];

pub(super) fn auth(raw: &RawConfig, r: &mut Report<'_>) -> Option<Auth> {
    let routes = routes(raw, r);
    let storage_names = storage_names(raw).map(str::to_owned).collect();
    let (raw, server, limits) = (&raw.auth, &raw.server, &raw.limits);
    let secret = r.secret("auth.hs256_secret", &raw.hs256_secret, &raw.hs256_secret_file);
    if secret.as_ref().is_some_and(|secret| !has_keys(raw, secret)) {
        // Without a key nobody could be told from anybody, so the process does not start (J36).
        r.problem(
            "auth.hs256_secret",
            format!(
                "is not set, and there is no other key: set auth.issuer to your identity provider's URL, or draw a secret \
                 of {MIN_HMAC_SECRET_BYTES} bytes or more with `openssl rand -base64 48`"
            ),
        );
        return None;
    }
    let secret = secret.filter(|secret| !secret.expose().is_empty());
    let expected = Arc::new(Expected {
        issuer: Some(raw.issuer.clone()).filter(|issuer| !issuer.is_empty()),
        audiences: raw.audience.clone(),
    });
    let keys = keys::fixed(raw, secret.as_ref(), &expected, r);
    let sources = keys::sources(raw, secret.is_some(), &expected, r);
    let fetch = fetch_rules(raw, limits.max_in_flight, r);
    let rules = token_rules(raw, routes, r);
    let places = places(raw, server, r);
    let revoked = rules.as_ref().and_then(|rules| revoked(raw, rules.store_rule, r));
    Some(Auth {
        keys: keys?,
        hs256_secret: secret,
        expected,
        sources: sources?,
        fetch: fetch?,
        rules: rules?,
        places: places?,
        revoked: revoked?,
        denied_file: Some(PathBuf::from(&raw.denied_file)).filter(|_| !raw.denied_file.is_empty()),
        cache: CacheLimits { entries: raw.cache_entries, bytes: raw.cache_bytes },
        storage_names,
    })
}

fn has_keys(raw: &RawAuth, secret: &Secret) -> bool {
    let named = [&raw.issuer, &raw.jwks_url, &raw.jwks_file];
    !secret.expose().is_empty()
        || !raw.keys.is_empty()
        || !raw.issuers.is_empty()
        || named.iter().any(|value| !value.is_empty())
}

fn fetch_rules(raw: &RawAuth, max_in_flight: usize, r: &mut Report<'_>) -> Option<FetchRules> {
    let cooldown = r.seconds("auth.jwks_cooldown_secs", raw.jwks_cooldown_secs, 1, MAX_JWKS_AGE_SECS);
    let max_age = r.seconds("auth.jwks_max_age_secs", raw.jwks_max_age_secs, 1, MAX_JWKS_AGE_SECS);
    let max_stale = r.seconds("auth.jwks_max_stale_secs", raw.jwks_max_stale_secs, 1, MAX_JWKS_STALE_SECS);
    let timeout = r.seconds("auth.jwks_timeout_secs", raw.jwks_timeout_secs, 1, MAX_JWKS_TIMEOUT_SECS);
    let rules = FetchRules {
        cooldown: cooldown?,
        max_age: max_age?,
        max_stale: max_stale?,
        timeout: timeout?,
        max_waiting: max_in_flight.div_ceil(WAITING_SHARE),
        allow_http: raw.jwks_allow_http,
    };
    let ordered = Some(rules).filter(|rules| rules.max_age <= rules.max_stale);
    r.require("auth.jwks_max_stale_secs", ordered, || {
        format!("is {}, less than `jwks_max_age_secs` = {}", raw.jwks_max_stale_secs, raw.jwks_max_age_secs)
    })
}

fn token_rules(raw: &RawAuth, routes: Option<StorageRoutes>, r: &mut Report<'_>) -> Option<TokenRules> {
    let store_source = store_source(raw, r);
    let rules = [("strict", StoreIdRule::Strict), ("lossy", StoreIdRule::Lossy)];
    let store_rule = r.choice("auth.store_ids", &raw.store_ids, &rules);
    let leeway = r.seconds("auth.leeway_secs", raw.leeway_secs, 0, MAX_LEEWAY_SECS);
    let max_ttl = r.seconds("auth.max_token_ttl_secs", raw.max_token_ttl_secs, 0, MAX_TOKEN_TTL_SECS);
    let words = scope_words(&raw.scopes, r);
    Some(TokenRules {
        leeway: leeway?,
        max_ttl: max_ttl?,
        required_type: Some(raw.token_typ.clone()).filter(|typ| !typ.is_empty()),
        store_source: store_source?,
        store_rule: store_rule?,
        scope: ScopeRules { claims: raw.scope_claims.clone(), words: words?, required: raw.require_scope },
        routes: routes?,
    })
}

fn store_source(raw: &RawAuth, r: &mut Report<'_>) -> Option<StoreSource> {
    let encodings = [("none", TemplateEncoding::Plain), ("sha256", TemplateEncoding::Sha256)];
    let encoding = r.choice("auth.store_template_encode", &raw.store_template_encode, &encodings)?;
    let source = if raw.store_template.is_empty() {
        let claim = Some(raw.store_claim.clone()).filter(|claim| !claim.is_empty());
        StoreSource::Claim(
            r.require("auth.store_claim", claim, || "is empty; name the claim that holds the store".into())?,
        )
    } else {
        match StoreTemplate::parse(&raw.store_template, encoding) {
            Ok(template) => StoreSource::Template(template),
            Err(error) => {
                r.problem("auth.store_template", format!("is `{}`, which {error}", raw.store_template));
                return None;
            }
        }
    };
    let (key, claims): (_, Vec<&str>) = match &source {
        StoreSource::Claim(claim) => ("auth.store_claim", vec![claim]),
        StoreSource::Template(template) => ("auth.store_template", template.claims().collect()),
    };
    for claim in claims.iter().filter(|claim| USER_WRITABLE.iter().any(|prefix| claim.starts_with(prefix))) {
        r.warnings.push(format!(
            "{key} reads `{claim}`, which users of Supabase and Clerk can write themselves: they could name any store"
        ));
    }
    Some(source)
}

fn scope_words(raw: &BTreeMap<String, Vec<String>>, r: &mut Report<'_>) -> Option<BTreeMap<String, Permissions>> {
    let before = r.problems.len();
    let mut words = BTreeMap::new();
    for (word, names) in raw {
        let key = format!("auth.scopes.{word}");
        if is_our_scope_word(word) {
            r.problem(&key, "has a meaning already; leave it out");
        }
        let choices = [
            ("read", Permissions { read: true, ..Permissions::NONE }),
            ("write", Permissions { write: true, ..Permissions::NONE }),
            ("delete", Permissions { delete: true, ..Permissions::NONE }),
        ];
        let given: Option<Vec<_>> = names.iter().map(|name| r.choice(&key, name, &choices)).collect();
        let given = given.unwrap_or_default().into_iter().fold(Permissions::NONE, Permissions::union);
        words.insert(word.clone(), given);
    }
    (r.problems.len() == before).then_some(words)
}

pub(super) fn places(raw: &RawAuth, server: &RawServer, r: &mut Report<'_>) -> Option<TokenPlaces> {
    let cookie = Some(raw.cookie.clone()).filter(|name| !name.is_empty());
    if let Some(name) = &cookie {
        // RFC 6265 section 4.1.1: a token in the sense of RFC 9110.
        let plain = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if !name.chars().all(plain) {
            r.problem("auth.cookie", format!("is `{name}`, which no cookie can be called"));
            return None;
        }
        // Browsers send cookies on their own, so pages must be told apart.
        if server.cors_origins.is_empty() {
            r.problem(
                "auth.cookie",
                "needs the pages that may call in `server.cors_origins`, the signer's own origin among them",
            );
            return None;
        }
    }
    Some(TokenPlaces { worker_header: raw.worker_header, cookie })
}

fn revoked(raw: &RawAuth, rule: StoreIdRule, r: &mut Report<'_>) -> Option<Revoked> {
    if raw.denied_file.is_empty() {
        return Some(Revoked::default());
    }
    let read = || -> Result<Revoked, String> {
        let bytes =
            read_bounded(Path::new(&raw.denied_file)).map_err(|error| format!("which cannot be read: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|error| format!("which is not text: {error}"))?;
        Revoked::parse(&text, rule).map_err(|error| format!("which cannot be used: {error}"))
    };
    read().map_err(|reason| r.problem("auth.denied_file", format!("names `{}`, {reason}", raw.denied_file))).ok()
}
