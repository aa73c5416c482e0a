//! From settings as written to settings as used: every value judged, every problem collected.
//!
//! Each function returns `None` only after it has reported why.

mod auth;
mod credentials;
mod download;
mod files;
mod limits;
mod metrics;
mod multipart;
mod routes;
mod server;
mod storage;
mod telemetry;
mod upload;
mod uppy;

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::level_filters::LevelFilter;

use super::raw::{RawConfig, RawKeys, RawLife, Secret};
use super::used::{Auth, Config, Life, LogFormat, Migration, Server, Telemetry};
use super::{ConfigError, Problem, Sources, Surface};
use crate::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES, check_segments};
use crate::domain::sigv4::MAX_EXPIRES_SECS;

/// No deadline and no interval is longer than an hour.
const MAX_TIMEOUT_SECS: u64 = 3600;

/// Checks `raw`, adding to what is already known to be wrong.
pub(super) fn check(raw: &RawConfig, sources: &Sources, problems: Vec<Problem>) -> Result<Config, ConfigError> {
    let mut report = Report::new(sources, problems);
    let server = server::server(&raw.server, &mut report);
    let auth = auth::auth(raw, &mut report);
    let upload = upload::upload(&raw.upload, &mut report);
    let storages = storage::storages(raw, upload.as_ref(), &mut report);
    let longest = storages.as_ref().and_then(|all| all.iter().map(|storage| storage.prefix.len()).max());
    let key_rules = key_rules(&raw.keys, longest, &mut report);
    let multipart = multipart::multipart(raw, &mut report);
    let download = download::download(raw, &mut report);
    let files = files::files(raw, &mut report);
    let legacy_urls = key_rules.as_ref().and_then(|rules| files::legacy_urls(&raw.migration, rules, &mut report));
    let uppy = key_rules.as_ref().and_then(|rules| uppy::uppy(raw, rules, &mut report));
    let limits = limits::limits(&raw.limits, &mut report);
    let telemetry = telemetry(raw, &mut report);
    let Report { problems, warnings, notes, key_files, .. } = report;
    let used = || {
        let mut storages = storages?.into_iter();
        Some(Config {
            server: server?,
            auth: auth?,
            storage: storages.next()?,
            storages: storages.collect(),
            key_rules: key_rules?,
            upload: upload?.life,
            multipart: multipart?,
            download: download?,
            files: files?,
            uppy: uppy?,
            legacy_urls: legacy_urls?,
            limits: limits?,
            telemetry: telemetry?,
            key_files,
            warnings,
            notes,
        })
    };
    if problems.is_empty()
        && let Some(config) = used()
    {
        return Ok(config);
    }
    Err(ConfigError { problems })
}

/// The same for `[auth]` alone.
pub(super) fn check_auth(raw: &RawConfig, sources: &Sources, problems: Vec<Problem>) -> Result<Auth, ConfigError> {
    let mut report = Report::new(sources, problems);
    auth::auth(raw, &mut report).ok_or(ConfigError { problems: report.problems })
}

/// The same for `[server]` alone.
pub(super) fn check_server(raw: &RawConfig, sources: &Sources, problems: Vec<Problem>) -> Result<Server, ConfigError> {
    let mut report = Report::new(sources, problems);
    match server::server(&raw.server, &mut report) {
        Some(server) if report.problems.is_empty() => Ok(server),
        _ => Err(ConfigError { problems: report.problems }),
    }
}

/// The same for `[migration]` and `[keys]` alone.
pub(super) fn check_migration(
    raw: &RawConfig,
    sources: &Sources,
    problems: Vec<Problem>,
) -> Result<Migration, ConfigError> {
    let mut report = Report::new(sources, problems);
    let longest = raw.storages.values().chain([&raw.storage]).map(|storage| storage.prefix.len()).max();
    let migration = key_rules(&raw.keys, longest, &mut report).and_then(|key_rules| {
        Some(Migration { legacy_urls: files::legacy_urls(&raw.migration, &key_rules, &mut report)?, key_rules })
    });
    match migration {
        Some(migration) if report.problems.is_empty() => Ok(migration),
        _ => Err(ConfigError { problems: report.problems }),
    }
}

/// The same for what shows in the description of the API.
pub(super) fn check_surface(
    raw: &RawConfig,
    sources: &Sources,
    problems: Vec<Problem>,
) -> Result<Surface, ConfigError> {
    let mut report = Report::new(sources, problems);
    let server = server::server(&raw.server, &mut report);
    let places = auth::places(&raw.auth, &raw.server, &mut report);
    let longest = raw.storages.values().chain([&raw.storage]).map(|storage| storage.prefix.len()).max();
    let key_rules = key_rules(&raw.keys, longest, &mut report);
    let files = files::files(raw, &mut report);
    let legacy_urls = key_rules.as_ref().and_then(|rules| files::legacy_urls(&raw.migration, rules, &mut report));
    let surface = || {
        Some(Surface {
            base_path: server?.base_path,
            places: places?,
            redirect: files?.redirect,
            takes_urls: !legacy_urls?.is_empty(),
            key_rules: key_rules?,
        })
    };
    match surface() {
        Some(surface) if report.problems.is_empty() => Ok(surface),
        _ => Err(ConfigError { problems: report.problems }),
    }
}

/// What is wrong so far, and what is worth a word.
struct Report<'a> {
    sources: &'a Sources,
    /// The section that is checked under the rules of `[storage]`, such as `storages.eu`.
    storage: Option<String>,
    problems: Vec<Problem>,
    warnings: Vec<String>,
    notes: Vec<String>,
    /// Files with a secret of `[auth]` or `[multipart]`: those of `[storage]` are followed by whoever signs with them.
    key_files: Vec<PathBuf>,
}

impl<'a> Report<'a> {
    fn new(sources: &'a Sources, problems: Vec<Problem>) -> Self {
        Self { sources, storage: None, problems, warnings: Vec::new(), notes: Vec::new(), key_files: Vec::new() }
    }
}

impl Report<'_> {
    fn problem(&mut self, key: &str, message: impl Into<String>) {
        self.problems.push(self.sources.problem(&self.at(key), message.into()));
    }

    /// The key as it is written: those of `[storage]` may stand in another section.
    fn at<'k>(&self, key: &'k str) -> Cow<'k, str> {
        match (&self.storage, key.strip_prefix("storage")) {
            (Some(section), Some(rest)) if rest.is_empty() || rest.starts_with('.') => {
                format!("{section}{rest}").into()
            }
            _ => key.into(),
        }
    }

    /// A warning or note about the storage that is checked, which says about which if it is not the default.
    fn of_storage(&self, text: String) -> String {
        match &self.storage {
            Some(section) => format!("{section}: {text}"),
            None => text,
        }
    }

    /// `value` when it holds, else the problem.
    fn require<T>(&mut self, key: &str, value: Option<T>, message: impl FnOnce() -> String) -> Option<T> {
        if value.is_none() {
            self.problem(key, message());
        }
        value
    }

    fn seconds(&mut self, key: &str, value: u64, min: u64, max: u64) -> Option<Duration> {
        let held = Some(Duration::from_secs(value)).filter(|_| (min..=max).contains(&value));
        self.require(key, held, || format!("is {value}; it must be {min} to {max} seconds"))
    }

    fn timeout(&mut self, key: &str, value: u64) -> Option<Duration> {
        self.seconds(key, value, 1, MAX_TIMEOUT_SECS)
    }

    fn size(&mut self, key: &str, value: usize, min: usize, max: usize) -> Option<usize> {
        let held = Some(value).filter(|value| (min..=max).contains(value));
        self.require(key, held, || format!("is {value}; it must be {min} to {max}"))
    }

    fn choice<T: Copy>(&mut self, key: &str, value: &str, choices: &[(&str, T)]) -> Option<T> {
        let found = choices.iter().find(|(name, _)| *name == value).map(|(_, choice)| *choice);
        self.require(key, found, || {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
            format!("is `{value}`; it must be {}", names.join(" or "))
        })
    }

    /// A secret that stands in the file, or in the file named by `<key>_file`. An empty file is a mistake, as of somebody
    /// who was writing it: it must not pass for a setting that is left out.
    fn secret(&mut self, key: &str, inline: &Secret, file: &str) -> Option<Secret> {
        let secret = self.optional_secret(key, inline, file)?;
        let held = Some(secret).filter(|secret| file.is_empty() || !secret.is_empty());
        self.require(&format!("{key}_file"), held, || format!("names `{file}`, which is empty"))
    }

    /// The same where an empty file says that there is none.
    fn optional_secret(&mut self, key: &str, inline: &Secret, file: &str) -> Option<Secret> {
        if file.is_empty() {
            return Some(inline.clone());
        }
        let file_key = format!("{key}_file");
        if !inline.expose().is_empty() {
            self.problem(&file_key, format!("is set beside `{key}`; keep one of them"));
            return None;
        }
        if key.starts_with("auth.") || key.starts_with("multipart.") {
            self.key_files.push(file.into());
        }
        match std::fs::read_to_string(Path::new(file)) {
            // Editors and `echo` end a file with a newline that is no part of the secret.
            Ok(text) => Some(Secret::new(text.trim_end_matches(['\r', '\n']))),
            Err(error) => {
                self.problem(&file_key, format!("names `{file}`, which cannot be read: {error}"));
                None
            }
        }
    }
}

/// `longest` is the length of the longest `storage.prefix`.
fn key_rules(raw: &RawKeys, longest: Option<usize>, r: &mut Report<'_>) -> Option<KeyRules> {
    let root = Some(raw.files_root.clone()).filter(|root| root.is_empty() || check_segments(root).is_ok());
    let root = r.require("keys.files_root", root, || {
        format!("is `{}`; it must be a folder name without `/` at its ends, or empty", raw.files_root)
    });
    let formats = [("path", KeyFormat::Path), ("content-addressed", KeyFormat::ContentAddressed)];
    let format = r.choice("keys.format", &raw.format, &formats);
    // A key must fit behind the longest prefix, or it would be a key in one storage and none in another.
    Some(KeyRules { files_root: root?, format: format?, max_bytes: MAX_KEY_BYTES.saturating_sub(longest?) })
}

fn life(section: &str, raw: &RawLife, r: &mut Report<'_>) -> Option<Life> {
    let mut bounded = |key: &str, value: u64| {
        let held = u32::try_from(value).ok().filter(|value| (1..=MAX_EXPIRES_SECS).contains(value));
        r.require(&format!("{section}.{key}"), held, || {
            format!("is {value}; it must be 1 to {MAX_EXPIRES_SECS} seconds")
        })
    };
    let default_secs = bounded("expires_secs", raw.expires_secs);
    let max_secs = bounded("max_expires_secs", raw.max_expires_secs);
    let life = Life { default_secs: default_secs?, max_secs: max_secs? };
    let ordered = Some(life).filter(|life| life.default_secs <= life.max_secs);
    r.require(&format!("{section}.expires_secs"), ordered, || {
        format!("is {}, more than `max_expires_secs` = {}", life.default_secs, life.max_secs)
    })
}

fn telemetry(raw: &RawConfig, r: &mut Report<'_>) -> Option<Telemetry> {
    let metrics_listen = metrics::listen(&raw.telemetry.metrics_listen, &raw.server.listen, r);
    let raw = &raw.telemetry;
    let levels = [
        ("off", LevelFilter::OFF),
        ("error", LevelFilter::ERROR),
        ("warn", LevelFilter::WARN),
        ("info", LevelFilter::INFO),
        ("debug", LevelFilter::DEBUG),
        ("trace", LevelFilter::TRACE),
    ];
    let level = r.choice("telemetry.log", &raw.log, &levels);
    let formats = [("auto", LogFormat::Auto), ("text", LogFormat::Text), ("json", LogFormat::Json)];
    let format = r.choice("telemetry.log_format", &raw.log_format, &formats);
    let (audit, otlp) = (telemetry::audit(raw, r), telemetry::otlp(raw, r));
    Some(Telemetry { level: level?, format: format?, metrics_listen: metrics_listen?, audit: audit?, otlp: otlp? })
}
