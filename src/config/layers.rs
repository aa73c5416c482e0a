//! Where settings come from: defaults, the file, the environment, flags.

use std::path::Path;

use figment::providers::{Format as _, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Error, Figment, Metadata, Profile, Provider};

use super::raw::RawConfig;

/// The prefix of our variables. Two underscores, because a Kubernetes Service
/// named `signer` puts `SIGNER_PORT=tcp://…` into every container beside it.
const PREFIX: &str = "SIGNER__";

/// The `[storage]` keys that also have a name from elsewhere. `S3_*` are those of
/// `@livestore-filesync/s3-signer`, and count as ours; `AWS_*` are often set for
/// other programs, and fill in only what nothing else sets.
const S3_ALIASES: [(&str, &str); 6] = [
    ("endpoint", "S3_ENDPOINT"),
    ("region", "S3_REGION"),
    ("bucket", "S3_BUCKET"),
    ("access_key_id", "S3_ACCESS_KEY_ID"),
    ("secret_access_key", "S3_SECRET_ACCESS_KEY"),
    ("session_token", "S3_SESSION_TOKEN"),
];
const AWS_ALIASES: [(&str, &str); 7] = [
    ("endpoint", "AWS_ENDPOINT_URL"),
    ("endpoint", "AWS_ENDPOINT_URL_S3"),
    ("region", "AWS_DEFAULT_REGION"),
    ("region", "AWS_REGION"),
    ("access_key_id", "AWS_ACCESS_KEY_ID"),
    ("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
    ("session_token", "AWS_SESSION_TOKEN"),
];
/// Path style when it is `true`, in any case. There, anything else is virtual-host style, nothing too, which here is path
/// style: so what is neither `true` nor `false` is not guessed at.
pub(super) const PATH_STYLE_ALIAS: &str = "S3_FORCE_PATH_STYLE";

/// Name and value of each environment variable.
pub(super) type Environment = [(String, String)];

/// All layers merged, later ones over earlier ones.
pub(super) fn merge(file: Option<&Path>, environment: &Environment, flags: &[(String, String)]) -> Figment {
    let defaults = defaults();
    let file_layer = |figment: Figment| match file {
        Some(path) => figment.merge(Toml::file_exact(path)),
        None => figment,
    };
    let own = environment.iter().filter_map(|(name, value)| {
        let path = name.strip_prefix(PREFIX)?.to_lowercase().replace("__", ".");
        Some((path, value.clone()))
    });
    let explicit = |base: Figment| {
        file_layer(base)
            .merge(Layer::new("S3_* environment variable", &defaults, s3_aliases(environment)))
            .merge(Layer::new("environment variable", &defaults, own.clone()))
            .merge(Layer::new("flag", &defaults, flags.iter().cloned()))
    };
    let without_aws = explicit(Figment::from(Serialized::defaults(RawConfig::default())));
    let aws = aws_fallbacks(environment, &without_aws, &defaults);
    without_aws.merge(Layer::new("AWS_* environment variable", &defaults, aws.into_iter()))
}

/// The default configuration as a tree of values.
pub(super) fn defaults() -> Dict {
    Value::serialize(RawConfig::default()).ok().and_then(Value::into_dict).unwrap_or_default()
}

/// The value at a dotted path of section and key.
pub(super) fn find<'a>(tree: &'a Dict, path: &str) -> Option<&'a Value> {
    let (section, key) = path.split_once('.')?;
    tree.get(section)?.as_dict()?.get(key)
}

/// The default of what is written at a path: what stands in `[storages.NAME]` has those of `[storage]`.
fn default_of<'a>(defaults: &'a Dict, path: &str) -> Option<&'a Value> {
    match path.strip_prefix("storages.").and_then(|rest| rest.split_once('.')) {
        Some((_, key)) => find(defaults, &format!("storage.{key}")),
        None => defaults.get(path).or_else(|| find(defaults, path)),
    }
}

fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    let found = environment.iter().find(|(n, _)| n == name)?;
    Some(found.1.as_str()).filter(|value| !value.is_empty())
}

fn s3_aliases(environment: &Environment) -> impl Iterator<Item = (String, String)> {
    let plain = S3_ALIASES.iter().filter_map(|(key, name)| Some((*key, variable(environment, name)?.to_owned())));
    let style = variable(environment, PATH_STYLE_ALIAS).map(|value| {
        let style = match value.to_ascii_lowercase().as_str() {
            "true" => "path".to_owned(),
            "false" => "virtual-host".to_owned(),
            // For the check to complain about.
            _ => format!("{PATH_STYLE_ALIAS}={value}"),
        };
        ("addressing", style)
    });
    plain.chain(style).map(|(key, value)| (format!("storage.{key}"), value))
}

/// The `AWS_*` values for keys that are still at their default. The three parts
/// of a credential go together, or a key would meet another key's secret.
fn aws_fallbacks(environment: &Environment, figment: &Figment, defaults: &Dict) -> Vec<(String, String)> {
    let is_default = |path: &str| figment.find_value(path).ok().as_ref() == find(defaults, path);
    // Nor do they stand in for credentials that are to come from elsewhere.
    let own_credentials = ["storage.access_key_id", "storage.access_key_id_file", "storage.credentials"]
        .iter()
        .any(|path| !is_default(path));
    AWS_ALIASES
        .iter()
        .filter_map(|(key, name)| Some((format!("storage.{key}"), variable(environment, name)?.to_owned())))
        .filter(|(path, _)| is_default(path))
        .filter(|(path, _)| !(own_credentials && is_credential(path)))
        .collect()
}

fn is_credential(path: &str) -> bool {
    matches!(path, "storage.access_key_id" | "storage.secret_access_key" | "storage.session_token")
}

/// Texts at dotted paths, read as the type that the key has.
struct Layer {
    name: &'static str,
    tree: Dict,
}

impl Layer {
    fn new(name: &'static str, defaults: &Dict, entries: impl Iterator<Item = (String, String)>) -> Self {
        let mut tree = Dict::new();
        for (path, text) in entries {
            let value = typed(&text, default_of(defaults, &path));
            // A path of one part is kept as it is, so that it is reported as unknown.
            let (section, key) = path.split_once('.').unwrap_or((&path, ""));
            if key.is_empty() {
                tree.insert(section.to_owned(), value);
            } else if let Value::Dict(_, keys) =
                tree.entry(section.to_owned()).or_insert_with(|| Value::from(Dict::new()))
            {
                insert(keys, tables_in(defaults, &path), key, value);
            }
        }
        Self { name, tree }
    }
}

/// How many tables the key at `path` lies in below its section: one in `storage.put.access_key_id` and
/// `storages.eu.bucket`, two in `storages.eu.put.access_key_id`. A dot elsewhere belongs to a wrong key.
fn tables_in(defaults: &Dict, path: &str) -> usize {
    let names = usize::from(path.starts_with("storages."));
    let table = path.rsplit_once('.').and_then(|(table, _)| default_of(defaults, table));
    names.saturating_add(usize::from(table.is_some_and(|table| table.as_dict().is_some())))
}

fn insert(keys: &mut Dict, tables: usize, key: &str, value: Value) {
    match key.split_once('.') {
        Some((table, key)) if tables > 0 => {
            let table = keys.entry(table.to_owned()).or_insert_with(|| Value::from(Dict::new()));
            if let Value::Dict(_, keys) = table {
                insert(keys, tables.saturating_sub(1), key, value);
            }
        }
        _ => {
            keys.insert(key.to_owned(), value);
        }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.name)
    }

    fn data(&self) -> Result<Map<Profile, Dict>, Error> {
        Ok(Profile::Default.collect(self.tree.clone()))
    }
}

/// A key that holds a text takes the variable as it is: a bucket called `123`
/// is not a number and a secret that begins with `[` is not a list.
fn typed(text: &str, default: Option<&Value>) -> Value {
    match default {
        Some(Value::String(..)) | None => Value::from(text),
        // Reading a figment value never fails: what is no literal is a string.
        Some(_) => text.parse().unwrap_or_else(|_| Value::from(text)),
    }
}
