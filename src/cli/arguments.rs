//! What can be said on the command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};
use filesync_signer::{build_info, config};

use super::help;

/// A presigning control plane for S3-compatible object storage.
#[derive(Parser)]
#[command(
    name = "signer",
    version = build_info::SHORT,
    long_version = build_info::LONG,
    args_conflicts_with_subcommands = false,
    after_help = help::MAIN
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    /// Validates the configuration and ends.
    #[arg(long)]
    pub(crate) check_config: bool,
    #[command(flatten)]
    pub(crate) settings: Settings,
}

#[derive(Args)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Settings {
    /// The configuration file [default: signer.toml, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Overrides one setting, such as `storage.bucket=files`. May be repeated.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub(super) set: Vec<(String, String)>,
    /// Logs more: `debug`, and twice `trace`, in place of telemetry.log.
    #[arg(short, long, global = true, action = ArgAction::Count, conflicts_with = "quiet")]
    pub(super) verbose: u8,
    /// Says less: logs `warn`, twice `error`, three times nothing; of checks, only what is not ok.
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub(super) quiet: u8,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serves requests (the default).
    Serve(Serve),
    /// Shows the whole job on this machine, with nothing else installed.
    ///
    /// An embedded S3, the signer, a token, commands to paste, and a page.
    #[cfg(feature = "dev")]
    Dev(Dev),
    /// Prints the effective settings, secrets hidden.
    Config(ShowConfig),
    /// Mints a token with the configured HS256 secret, for tests and operators.
    Token(Token),
    /// Explains step by step what a token gives, or why it is refused.
    ///
    /// Ends with 1 if it is.
    CheckToken(CheckToken),
    /// Tries the configured bucket with throw-away objects, one line a check.
    ///
    /// Ends with 1 if one fails.
    Check(Check),
    /// Adds to stored rows, JSON lines on standard input, the keys that their old URLs name.
    ///
    /// Ends with 1 if one cannot be mapped.
    MigrateKeys(MigrateKeys),
    /// Prints the CORS document that the bucket needs for the pages of this configuration.
    Cors(CorsArgs),
    /// Prints what /openapi.json gives, for generators of clients.
    ///
    /// Needs no configuration; with one, it is that of the service.
    Openapi(Openapi),
    /// Asks the signer that runs here whether it lives.
    ///
    /// Within two seconds, as images and orchestrators want it. Ends with 1 if it does not.
    Probe(Probe),
    /// Prints what completes commands and options in a shell.
    #[cfg(feature = "manual")]
    Completions(Completions),
    /// Prints the manual of a command, or writes all of them into a folder.
    #[cfg(feature = "manual")]
    Man(Man),
}

#[derive(Args, Default)]
#[command(after_help = help::SERVE)]
pub(crate) struct Serve {
    /// Overrides server.listen.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<SocketAddr>,
}

#[cfg(feature = "dev")]
#[derive(Args)]
#[command(after_help = help::DEV)]
pub(crate) struct Dev {
    /// Where the signer listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    pub(super) listen: SocketAddr,
    /// Where the embedded S3 listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8788")]
    pub(super) s3_listen: SocketAddr,
    /// A folder that keeps the files; without it they go when the process ends.
    #[arg(long, value_name = "DIR")]
    pub(super) data: Option<PathBuf>,
    /// The store of the token.
    #[arg(long, default_value = "demo")]
    pub(super) store: String,
    /// How long signed URLs live, in seconds; a short life shows how they are renewed.
    #[arg(long, value_name = "SECS", default_value_t = 900)]
    pub(super) url_life: u32,
    /// A further origin whose pages may call. May be repeated.
    #[arg(long = "origin", value_name = "ORIGIN")]
    pub(super) origins: Vec<String>,
}

#[derive(Args)]
#[command(after_help = help::CONFIG)]
pub(crate) struct ShowConfig {
    /// As JSON, in place of the form of signer.toml.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
#[command(after_help = help::TOKEN)]
pub(crate) struct Token {
    /// The store, or with several the stores, that the token opens.
    #[arg(long = "store-id", required = true, value_name = "STORE")]
    pub(super) store_ids: Vec<String>,
    /// Words of files:read, files:write, files:delete; without it all three.
    #[arg(long)]
    pub(super) scope: Option<String>,
    /// A key or key prefix that narrows the store. May be repeated.
    #[arg(long = "prefix", value_name = "KEY")]
    pub(super) prefixes: Vec<String>,
    /// How long it holds, in seconds.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    pub(super) ttl: u32,
    /// Who bears it.
    #[arg(long)]
    pub(super) subject: Option<String>,
    /// Prints {token, expiresAt, expiresIn} as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
#[command(after_help = help::CHECK_TOKEN)]
pub(crate) struct CheckToken {
    /// The token; `-` reads it from standard input, where no other user of the machine sees it.
    pub(super) token: String,
    /// Prints {accepted, verdict, steps} as JSON.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
#[command(after_help = help::CHECK)]
pub(crate) struct Check {
    /// Prints a JSON array of {storage?, check, status, evidence, fix} at the end.
    #[arg(long)]
    pub(super) json: bool,
    /// Only this of several storages.
    #[arg(long, value_name = "NAME")]
    pub(super) storage: Option<String>,
    /// Adds the CORS rule to the bucket where it is missing and the provider has the API.
    #[arg(long)]
    pub(super) fix_cors: bool,
}

#[derive(Args)]
#[command(after_help = help::MIGRATE_KEYS)]
pub(crate) struct MigrateKeys {
    /// Where old URLs begin, instead of `migration.legacy_urls`. May be repeated.
    #[arg(long = "legacy-url", value_name = "URL")]
    pub(super) legacy_urls: Vec<String>,
    /// The member of a row that holds its URL.
    #[arg(long, value_name = "NAME", default_value = "remoteUrl")]
    pub(super) url_member: String,
    /// The member that gets the key; a row in which it is not empty stays as it is.
    #[arg(long, value_name = "NAME", default_value = "remoteKey")]
    pub(super) key_member: String,
}

#[derive(Args)]
#[command(after_help = help::CORS)]
pub(crate) struct CorsArgs {
    /// For `aws s3api put-bucket-cors` and R2, for S3's own API, or as the variable of a server.
    #[arg(long, value_name = "FORMAT", default_value = "json", value_parser = ["json", "xml", "minio"])]
    pub(super) format: String,
    /// For the bucket of this storage.
    #[arg(long, value_name = "NAME", default_value = config::DEFAULT_STORAGE)]
    pub(super) storage: String,
}

#[derive(Args)]
#[command(after_help = help::OPENAPI)]
pub(crate) struct Openapi {}

#[derive(Args)]
#[command(after_help = help::PROBE)]
pub(crate) struct Probe {
    /// Asks whether it can sign and is not about to stop: /readyz in place of /livez.
    #[arg(long)]
    pub(super) ready: bool,
    /// Prints {ok, url, status} as JSON, or {ok, error}.
    #[arg(long)]
    pub(super) json: bool,
    /// Where it listens, if not at server.listen.
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen: Option<SocketAddr>,
}

#[cfg(feature = "manual")]
#[derive(Args)]
#[command(after_help = help::COMPLETIONS)]
pub(crate) struct Completions {
    /// For which shell.
    pub(super) shell: clap_complete::Shell,
}

#[cfg(feature = "manual")]
#[derive(Args)]
#[command(after_help = help::MAN)]
pub(crate) struct Man {
    /// Of which command; without it that of `signer` itself.
    #[arg(value_name = "COMMAND")]
    pub(super) command: Option<String>,
    /// Writes all of them there, as signer.1, signer-serve.1 and so on.
    #[arg(long, value_name = "DIR", conflicts_with = "command")]
    pub(super) dir: Option<PathBuf>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as section.key=value".to_owned()),
    }
}
