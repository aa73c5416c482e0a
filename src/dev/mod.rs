//! `signer dev`: the whole job on this machine, with nothing to configure.
//!
//! `playground` is the page at `/`, and who may have it.

mod guide;
mod playground;
mod s3;

use std::fmt;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::config::{self, Config, ConfigError, Secret};
use crate::domain::token::{MintClaims, mint_hs256};
use crate::random::{NoRandomness, random_text};
use crate::run::{StartError, bind, serve_app, start_app};
use crate::server::system_clock;
use crate::telemetry::audit::Audit;
use crate::telemetry::logs;
use crate::totals::Totals;
use guide::Guide;
use playground::Playground;

pub use s3::EmbeddedS3;

/// The bucket of the embedded S3.
const BUCKET: &str = "files";
/// How long the printed token holds, in seconds: a working day.
const TOKEN_TTL_SECS: u32 = 12 * 3600;
/// Where local development servers usually serve pages.
const PAGE_PORTS: [u16; 5] = [3000, 4173, 5173, 8000, 8080];

/// What can be chosen.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the signer listens.
    pub listen: SocketAddr,
    /// Where the embedded S3 listens.
    pub s3_listen: SocketAddr,
    /// A folder that exists, for files that are to be kept; else they go with the process.
    pub data: Option<PathBuf>,
    /// The store of the printed token.
    pub store: String,
    /// How long signed URLs live, in seconds.
    pub url_life_secs: u32,
    /// Further origins whose pages may call.
    pub origins: Vec<String>,
    /// `telemetry.log`, if it is not to be as usual.
    pub log: Option<String>,
}

/// Why it does not start.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// The folder for the files is not usable.
    #[error("--data {path}: {reason}")]
    Data {
        /// As given.
        path: String,
        /// In words.
        reason: String,
    },
    /// An address or the service.
    #[error(transparent)]
    Start(#[from] StartError),
    /// An option that ends up as a setting that is not allowed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No randomness, no temporary folder, or no output.
    #[error("{0}")]
    System(String),
}

impl From<NoRandomness> for DevError {
    fn from(error: NoRandomness) -> Self {
        Self::System(error.to_string())
    }
}

impl From<io::Error> for DevError {
    fn from(error: io::Error) -> Self {
        Self::System(error.to_string())
    }
}

/// Starts S3 and signer, prints how to use them, and serves until a signal.
///
/// # Errors
///
/// [`DevError`] says which part could not start.
pub async fn dev(options: &Options, out: &mut impl io::Write) -> Result<(), DevError> {
    let listener = bind(options.listen).await?;
    let s3_listener = bind(options.s3_listen).await?;
    let folder = Folder::open(options.data.as_deref())?;
    let (address, s3_address) = (listener.local_addr()?, s3_listener.local_addr()?);

    // A new one at each start.
    let key = AccessKey { id: random_text()?, secret: random_text()? };
    let origins = origins(address, &options.origins);
    let mut settings = settings(address, s3_address, &key, &origins, options.url_life_secs)?;
    settings.extend(options.log.clone().map(|level| ("telemetry.log".to_owned(), level)));
    let config = config::from_flags(&settings)?;
    let config_file = write_config(&settings)?;
    logs::start(&config.telemetry);
    let s3 = EmbeddedS3::open(folder.path(), BUCKET, &key, origins).map_err(DevError::System)?;
    tokio::spawn(s3.serve(s3_listener));

    let token = mint(&config, &options.store)?;
    let guide = Guide {
        signer: address,
        s3: s3_address,
        bucket: BUCKET,
        store: &options.store,
        token: &token,
        folder: folder.path(),
        config: config_file.path(),
        kept: options.data.is_some(),
    };
    write!(out, "{guide}")?;
    out.flush()?;
    let pages = Playground::new(address, s3_address, &options.store, &token, &folder.path().display().to_string());
    let totals = Arc::new(Totals::new(system_clock()));
    let app = start_app(&config, Arc::new(Audit::off()), &totals).await?.with_pages(Box::new(pages));
    Ok(serve_app(app, &config, totals, None, listener).await?)
}

/// The access key of the embedded S3.
pub struct AccessKey {
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Where the embedded S3 keeps its files.
enum Folder {
    Given(PathBuf),
    /// Removed when it is dropped.
    Temporary(TempDir),
}

impl Folder {
    fn open(given: Option<&Path>) -> Result<Self, DevError> {
        let Some(path) = given else {
            return Ok(Self::Temporary(tempfile::Builder::new().prefix("filesync-signer-dev-").tempdir()?));
        };
        let problem = |reason: &str| DevError::Data { path: path.display().to_string(), reason: reason.to_owned() };
        match std::fs::metadata(path) {
            Ok(found) if found.is_dir() => Ok(Self::Given(path.to_owned())),
            Ok(_) => Err(problem("this is no folder")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(problem("there is no such folder; create it first"))
            }
            Err(error) => Err(problem(&error.to_string())),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

fn origins(address: SocketAddr, further: &[String]) -> Vec<String> {
    let ports = PAGE_PORTS.into_iter().chain([address.port()]);
    let local = ports.flat_map(|port| ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("http://{host}:{port}")));
    local.chain(further.iter().cloned()).collect()
}

type Settings = Vec<(String, String)>;

fn settings(
    address: SocketAddr,
    s3: SocketAddr,
    key: &AccessKey,
    origins: &[String],
    url_life_secs: u32,
) -> Result<Settings, DevError> {
    let origins = serde_json::to_string(origins).map_err(|error| DevError::System(error.to_string()))?;
    let flags = [
        ("server.listen", address.to_string()),
        ("server.cors_origins", origins),
        ("auth.hs256_secret", random_text()?),
        ("multipart.secret", random_text()?),
        ("storage.endpoint", format!("http://{s3}")),
        ("storage.bucket", BUCKET.to_owned()),
        ("storage.access_key_id", key.id.clone()),
        ("storage.secret_access_key", key.secret.clone()),
        ("upload.expires_secs", url_life_secs.to_string()),
        ("download.expires_secs", url_life_secs.to_string()),
    ];
    Ok(flags.map(|(key, value)| (key.to_owned(), value)).into())
}

/// The settings as a file, which is gone at the end, for `signer check` and the other commands. It holds the
/// secrets of this run, and only its owner can read it.
fn write_config(settings: &Settings) -> Result<tempfile::NamedTempFile, DevError> {
    let mut file = tempfile::Builder::new().prefix("filesync-signer-dev-").suffix(".toml").tempfile()?;
    for (key, value) in settings {
        // A list or number is written as TOML has it already; no text in `settings` has a character that JSON writes in another way.
        let bare = value.starts_with('[') || key.ends_with("_secs");
        let value = if bare { value.clone() } else { format!("\"{value}\"") };
        writeln!(file, "{key} = {value}")?;
    }
    file.flush()?;
    Ok(file)
}

fn mint(config: &Config, store: &str) -> Result<String, DevError> {
    let claims = MintClaims { sub: Some("dev".to_owned()), ..MintClaims::default() };
    let secret = config.auth.hs256_secret.as_ref().map(Secret::expose).unwrap_or_default();
    mint_hs256(
        secret.as_bytes(),
        config.auth.rules.store_claim().unwrap_or_default(),
        &[store.to_owned()],
        &claims,
        TOKEN_TTL_SECS,
        system_clock(),
    )
    .map_err(|error| DevError::System(error.to_string()))
}
