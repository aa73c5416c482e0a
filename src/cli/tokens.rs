//! Tokens: one for tests, and what another one gives.

use filesync_signer::check_token::{Step, Verdict, check_token};
use filesync_signer::config;
use filesync_signer::domain::store::StoreId;
use filesync_signer::domain::token::{MintClaims, mint_hs256};
use filesync_signer::server::system_clock;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::arguments::{CheckToken, Settings, Token};
use super::output::{Lines, print, print_json};
use super::{Failure, runtime};

/// What `signer token --json` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Minted {
    token: String,
    expires_at: String,
    expires_in: u32,
}

pub(super) fn mint(settings: &Settings, options: &Token) -> Result<(), Failure> {
    let now = system_clock();
    let token = minted(settings, options, now)?;
    if !options.json {
        return print(&token);
    }
    let expires_at = Timestamp::from_second(now.as_second())
        .and_then(|second| second.checked_add(SignedDuration::from_secs(options.ttl.into())))
        .map_err(|error| Failure::Usage(format!("--ttl {}: {error}", options.ttl)))?;
    print_json(&Minted { token, expires_at: expires_at.to_string(), expires_in: options.ttl })
}

fn minted(settings: &Settings, token: &Token, now: Timestamp) -> Result<String, Failure> {
    let config::Auth { hs256_secret, rules, expected, .. } = settings.read()?.check_auth()?;
    let secret = hs256_secret.ok_or_else(|| Failure::Usage("auth.hs256_secret is not set".to_owned()))?;
    for store in &token.store_ids {
        StoreId::parse(store, rules.store_rule)
            .map_err(|error| Failure::Usage(format!("--store-id {store}: {error}")))?;
    }
    let store_claim = rules.store_claim().ok_or_else(|| {
        Failure::Usage("auth.store_template makes the store from other claims; mint such a token elsewhere".to_owned())
    })?;
    let limit = rules.max_ttl.as_secs();
    if limit > 0 && u64::from(token.ttl) > limit {
        return Err(Failure::Usage(format!("--ttl {}: auth.max_token_ttl_secs is {limit}", token.ttl)));
    }
    let claims = MintClaims {
        iss: expected.issuer.clone(),
        aud: expected.audiences.first().cloned(),
        sub: token.subject.clone(),
        scope: token.scope.clone(),
        prefixes: Some(token.prefixes.clone()).filter(|prefixes| !prefixes.is_empty()),
    };
    let secret = secret.expose().as_bytes();
    mint_hs256(secret, store_claim, &token.store_ids, &claims, token.ttl, now)
        .map_err(|error| Failure::Run(error.to_string()))
}

/// What `signer check-token --json` prints.
#[derive(Serialize)]
struct Explained {
    accepted: bool,
    verdict: String,
    steps: Vec<Step>,
}

pub(super) fn explain(settings: &Settings, options: &CheckToken) -> Result<(), Failure> {
    let auth = settings.read()?.check_auth()?;
    let token = match options.token.as_str() {
        "-" => std::io::read_to_string(std::io::stdin()).map_err(|error| Failure::Run(error.to_string()))?,
        token => token.to_owned(),
    };
    let lines = Lines::new(options.json, settings.is_quiet());
    let mut steps = Vec::new();
    let mut tell = |step: &Step| {
        lines.tell(step.status, step);
        steps.push(step.clone());
    };
    let verdict = runtime()?.block_on(check_token(&auth, token.trim(), system_clock(), &mut tell));
    let accepted = verdict == Verdict::Accepted;
    lines.conclude(accepted, &verdict);
    if options.json {
        print_json(&Explained { accepted, verdict: verdict.to_string(), steps })?;
    }
    if accepted { Ok(()) } else { Err(Failure::No) }
}
