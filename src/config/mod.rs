//! Configuration: as written, then checked, then as used. The only reader of files and environment.
//!
//! Defaults < `signer.toml` < `S3_*` aliases < `SIGNER__SECTION__KEY` < flags;
//! `AWS_*` fill in what is still at its default. A configuration with problems
//! is refused as a whole, with one line a problem.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};

use figment::Figment;
use figment::error::{Actual, Kind};
use figment::value::{Dict, Value};

mod access;
mod ambient;
mod check;
mod layers;
mod problem;
mod raw;
mod supervisor;
mod surface;
mod terminal;
#[cfg(test)]
mod tests;
mod used;

pub use access::{Access, CredentialKind, CredentialSource, KeyFiles, Role, StaticKey, Sts, UploadRole};
pub use ambient::Ambient;
pub use problem::{ConfigError, Problem};
pub use raw::{RawConfig, Secret};
pub use supervisor::{Supervisor, inherited_listener};
pub use surface::Surface;
pub use terminal::coloured;
pub use used::{
    Addressing, AuditMode, AuditRules, Auth, Config, Cors, DEFAULT_STORAGE, Download, FetchRules, Files, KeyLocation,
    KeySource, Life, LogFormat, Migration, Multipart, OtlpRules, Server, Storage, Telemetry, Tls, TokenPlaces, Uppy,
    Verify,
};

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "signer.toml";

/// Reads the layers and merges them, without judging the values.
///
/// `file` is the one named by `--config`, which must exist; without it
/// [`DEFAULT_FILE`] is read when there is one. `flags` are dotted keys and values.
///
/// # Errors
///
/// [`ConfigError`] for files that cannot be read, unknown keys and values of the wrong type.
#[allow(clippy::disallowed_methods, reason = "the one reading of the environment")]
pub fn read(file: Option<&Path>, flags: &[(String, String)]) -> Result<Loaded, ConfigError> {
    let utf8 = |text: &OsStr| text.to_str().map(str::to_owned);
    // A variable that is not UTF-8 is none of ours.
    let environment: Vec<_> = std::env::vars_os().filter_map(|(n, v)| Some((utf8(&n)?, utf8(&v)?))).collect();
    let file = match file {
        Some(path) => Some(path.to_owned()),
        None => Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists()),
    };
    read_from(file.as_deref(), &environment, flags)
}

/// [`read`], then [`Loaded::check`].
///
/// # Errors
///
/// [`ConfigError`] lists every problem.
pub fn load(file: Option<&Path>, flags: &[(String, String)]) -> Result<Config, ConfigError> {
    read(file, flags)?.check()
}

/// Where a configuration is read from, so that it can be read again.
#[derive(Debug, Clone)]
pub struct Source {
    file: Option<PathBuf>,
    flags: Vec<(String, String)>,
}

impl Source {
    /// The file that `--config` names, or [`DEFAULT_FILE`], and flags over it, as [`read`] takes them.
    #[must_use]
    pub fn new(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        Self { file, flags }
    }

    /// As [`load`].
    ///
    /// # Errors
    ///
    /// [`ConfigError`] lists every problem.
    pub fn load(&self) -> Result<Config, ConfigError> {
        load(self.file.as_deref(), &self.flags)
    }

    /// The file, whether it is there or not.
    pub(crate) fn file(&self) -> PathBuf {
        self.file.clone().unwrap_or_else(|| DEFAULT_FILE.into())
    }
}

/// Defaults and `flags` alone: no file, no environment.
///
/// # Errors
///
/// [`ConfigError`] lists every problem.
pub fn from_flags(flags: &[(String, String)]) -> Result<Config, ConfigError> {
    from_flags_in(&[], flags)
}

/// The same in an environment of these names and values, and no file.
///
/// # Errors
///
/// [`ConfigError`] lists every problem.
pub fn from_flags_in(environment: &[(String, String)], flags: &[(String, String)]) -> Result<Config, ConfigError> {
    read_from(None, environment, flags)?.check()
}

/// Settings as written, with the place that each came from.
#[derive(Debug)]
pub struct Loaded {
    raw: RawConfig,
    sources: Sources,
    problems: Vec<Problem>,
}

impl Loaded {
    /// The settings as they would be used, secrets hidden, in the form of `signer.toml`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when there are unknown keys or values of the wrong type.
    pub fn into_toml(mut self) -> Result<String, ConfigError> {
        self.refuse_problems()?;
        let mut text = toml::to_string(&self.raw).map_err(|error| cannot_be_written(&error))?;
        // What follows from the settings, as comments: the text stays a configuration.
        if let Ok(config) = check::check(&self.raw, &self.sources, Vec::new()) {
            for note in &config.notes {
                text.push_str("\n# ");
                text.push_str(note);
            }
        }
        Ok(text)
    }

    /// The same as JSON.
    ///
    /// # Errors
    ///
    /// As [`Self::into_toml`].
    pub fn into_json(self) -> Result<String, ConfigError> {
        // By way of TOML, whose tables are one type: no further code for each section.
        let table: toml::Table = self.into_toml()?.parse().map_err(|error| cannot_be_written(&error))?;
        serde_json::to_string_pretty(&table).map_err(|error| cannot_be_written(&error))
    }

    fn refuse_problems(&mut self) -> Result<(), ConfigError> {
        let problems = std::mem::take(&mut self.problems);
        if problems.is_empty() { Ok(()) } else { Err(ConfigError { problems }) }
    }

    /// Checks `[auth]` alone.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] lists every problem that does not belong to another section.
    pub fn check_auth(self) -> Result<Auth, ConfigError> {
        let problems = self.problems.into_iter().filter(|p| p.key.starts_with("auth")).collect();
        check::check_auth(&self.raw, &self.sources, problems)
    }

    /// Checks `[migration]` and `[keys]` alone: rows are migrated where no bucket and no key of tokens is.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] lists every problem that does not belong to another section.
    pub fn check_migration(self) -> Result<Migration, ConfigError> {
        let of_these = |p: &Problem| ["keys", "migration"].iter().any(|section| p.key.starts_with(section));
        check::check_migration(&self.raw, &self.sources, self.problems.into_iter().filter(of_these).collect())
    }

    /// Checks `[server]` alone.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] lists every problem that does not belong to another section.
    pub fn check_server(self) -> Result<Server, ConfigError> {
        let problems = self.problems.into_iter().filter(|p| p.key.starts_with("server")).collect();
        check::check_server(&self.raw, &self.sources, problems)
    }

    /// Checks what shows in the description of the API: no key and no bucket is needed for it.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] lists every problem that is not one of a section without a part in it.
    pub fn check_surface(self) -> Result<Surface, ConfigError> {
        let of_these =
            |p: &Problem| ["server", "auth", "keys", "files", "migration"].iter().any(|s| p.key.starts_with(s));
        check::check_surface(&self.raw, &self.sources, self.problems.into_iter().filter(of_these).collect())
    }

    /// Checks every value and reads the files that hold secrets.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] lists every problem.
    pub fn check(self) -> Result<Config, ConfigError> {
        check::check(&self.raw, &self.sources, self.problems)
    }
}

fn cannot_be_written(error: &dyn fmt::Display) -> ConfigError {
    let (key, source) = (String::new(), String::new());
    ConfigError { problems: vec![Problem { key, source, message: error.to_string() }] }
}

fn read_from(
    file: Option<&Path>,
    environment: &layers::Environment,
    flags: &[(String, String)],
) -> Result<Loaded, ConfigError> {
    if let Some(problem) = file.and_then(file_problem) {
        return Err(ConfigError { problems: vec![problem] });
    }
    let figment = layers::merge(file, environment, flags);
    let mut tree: Dict = figment.extract().map_err(|error| {
        let problems = error.into_iter().map(|e| Problem {
            key: e.path.join("."),
            source: String::new(),
            message: explain(&e.kind),
        });
        ConfigError { problems: problems.collect() }
    })?;
    let sources = Sources { figment, ambient: Ambient::of(environment) };
    let mut problems = take_unknown_keys(&mut tree, &sources);
    let raw = deserialize(tree, &sources, &mut problems);
    Ok(Loaded { raw, sources, problems })
}

/// A file that cannot be read, or is not TOML. figment would quote the line, which may hold a secret.
fn file_problem(path: &Path) -> Option<Problem> {
    let problem = |message| Some(Problem { key: String::new(), source: path.display().to_string(), message });
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return problem(format!("cannot be read: {error}")),
    };
    let error = text.parse::<toml::Table>().err()?;
    let line = error.span().and_then(|span| text.get(..span.start)).map_or(1, |before| before.split('\n').count());
    problem(format!("line {line} is not TOML: {}", error.message().lines().next().unwrap_or_default()))
}

/// Which layer a value came from, and what is in no layer.
struct Sources {
    figment: Figment,
    ambient: Ambient,
}

impl fmt::Debug for Sources {
    /// Without the layers, which hold secrets as plain text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").field("ambient", &self.ambient).finish_non_exhaustive()
    }
}

impl Sources {
    fn of(&self, key: &str) -> String {
        let Some(metadata) = self.figment.find_metadata(key) else { return String::new() };
        match &metadata.source {
            Some(figment::Source::File(path)) => {
                path.strip_prefix(std::env::current_dir().unwrap_or_default()).unwrap_or(path).display().to_string()
            }
            // A code location: a default, which is nobody's mistake but ours.
            Some(_) => String::new(),
            None if metadata.name == "environment variable" => {
                format!("environment variable SIGNER__{}", key.replace('.', "__").to_uppercase())
            }
            None => metadata.name.to_string(),
        }
    }

    fn problem(&self, key: &str, message: String) -> Problem {
        Problem { key: key.to_owned(), source: self.of(key), message }
    }
}

/// The section of tables that all have the keys of `[storage]`.
const STORAGES: &str = "storages";

/// Takes the keys that do not exist out of the tree, with a suggestion for each.
fn take_unknown_keys(tree: &mut Dict, sources: &Sources) -> Vec<Problem> {
    let known = layers::defaults();
    let keys_of = |section: &str| known.get(section).and_then(Value::as_dict);
    let mut problems = Vec::new();
    for (section, value) in tree.iter_mut() {
        match (known.get(section), keys_of(section)) {
            (None, _) => problems.push(sources.problem(section, unknown("section", section, known.keys()))),
            // A list: its entries know their own keys.
            (Some(_), None) => {}
            (Some(_), Some(known_keys)) => {
                let Some(keys) = section_keys(section, value, sources, &mut problems) else { continue };
                if section != STORAGES {
                    take_unknown(section, keys, known_keys, sources, &mut problems);
                    continue;
                }
                for (name, value) in keys.iter_mut() {
                    let section = format!("{STORAGES}.{name}");
                    let keys = section_keys(&section, value, sources, &mut problems);
                    if let (Some(keys), Some(known_keys)) = (keys, keys_of("storage")) {
                        take_unknown(&section, keys, known_keys, sources, &mut problems);
                    }
                }
            }
        }
    }
    tree.retain(|section, _| known.contains_key(section));
    problems
}

fn section_keys<'a>(
    section: &str,
    value: &'a mut Value,
    sources: &Sources,
    problems: &mut Vec<Problem>,
) -> Option<&'a mut Dict> {
    if value.as_dict().is_none() {
        problems.push(sources.problem(section, format!("is a section: write [{section}]")));
        *value = Value::from(Dict::new());
    }
    match value {
        Value::Dict(_, keys) => Some(keys),
        _ => None,
    }
}

fn take_unknown(section: &str, keys: &mut Dict, known: &Dict, sources: &Sources, problems: &mut Vec<Problem>) {
    for key in keys.keys().filter(|key| !known.contains_key(*key)) {
        let path = format!("{section}.{key}");
        problems.push(sources.problem(&path, unknown("key", key, known.keys())));
    }
    keys.retain(|key, _| known.contains_key(key));
}

fn unknown<'a>(what: &str, name: &str, known: impl Iterator<Item = &'a String>) -> String {
    const CLOSE_ENOUGH: f64 = 0.7;
    let scored = known.map(|candidate| (strsim::jaro_winkler(name, candidate), candidate));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, candidate)) if score >= CLOSE_ENOUGH => format!("unknown {what}; did you mean `{candidate}`?"),
        _ => format!("unknown {what}"),
    }
}

/// Reads the tree; a value of the wrong type is reported and taken out, to find the next.
fn deserialize(mut tree: Dict, sources: &Sources, problems: &mut Vec<Problem>) -> RawConfig {
    loop {
        let error = match Value::from(tree.clone()).deserialize::<RawConfig>() {
            Ok(raw) => return raw,
            Err(error) => error,
        };
        // Of a list in a section the whole list, of a list of tables all of them.
        let depth = match error.path.first().map(String::as_str) {
            Some(STORAGES) => 3,
            Some("storage_routes") => 1,
            _ => 2,
        };
        let path = error.path.get(..depth).unwrap_or(&error.path);
        problems.push(sources.problem(&path.join("."), explain(&error.kind)));
        if !remove(&mut tree, path) {
            return RawConfig::default();
        }
    }
}

/// Takes out what is at the path, so that its default counts. False if it is not there.
fn remove(tree: &mut Dict, path: &[String]) -> bool {
    match path {
        [] => false,
        [key] => tree.remove(key).is_some(),
        [key, rest @ ..] => match tree.get_mut(key) {
            Some(Value::Dict(_, keys)) => remove(keys, rest),
            _ => false,
        },
    }
}

/// figment's reason without the value, which may be a secret.
fn explain(kind: &Kind) -> String {
    match kind {
        Kind::InvalidType(actual, expected) | Kind::InvalidValue(actual, expected) => {
            let expected = match expected.as_str() {
                "u64" | "usize" => "a whole number of 0 or more",
                other => other,
            };
            format!("is {}; it must be {expected}", type_name(actual))
        }
        Kind::UnknownField(name, known) => format!("`{name}` is unknown here; there are {}", known.join(", ")),
        Kind::MissingField(name) => format!("`{name}` is missing"),
        _ => "has a value that cannot be read".to_owned(),
    }
}

fn type_name(actual: &Actual) -> &'static str {
    match actual {
        Actual::Bool(_) => "a boolean",
        Actual::Unsigned(_) | Actual::Signed(_) => "a number",
        Actual::Float(_) => "a fraction",
        Actual::Char(_) | Actual::Str(_) => "a text",
        Actual::Seq => "a list",
        Actual::Map => "a table",
        _ => "of another type",
    }
}
