//! `signer`: the command line of filesync-signer. Subcommands and exit codes, no rules.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use filesync_signer::check_token::check_token;
use filesync_signer::config::{self, Config, ConfigError, Storage, inherited_listener};
use filesync_signer::doctor::{self, CorsFormat, Pages, Status, cors_document};
use filesync_signer::domain::store::StoreId;
use filesync_signer::domain::token::{MintClaims, mint_hs256};
use filesync_signer::migrate::{Members, migrate_keys};
use filesync_signer::probe::{Question, probe};
use filesync_signer::run::{listen, run};
use filesync_signer::server::{harden, is_root, log_panics, system_clock};
use filesync_signer::telemetry::logs;

/// The configuration or the command line is wrong (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// A presigning control plane for S3-compatible object storage.
#[derive(Parser)]
#[command(name = "signer", version, args_conflicts_with_subcommands = false)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    settings: Settings,
    /// Validates the configuration and ends.
    #[arg(long)]
    check_config: bool,
}

#[derive(Args)]
struct Settings {
    /// The configuration file [default: signer.toml, if there is one].
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Overrides one setting, such as `storage.bucket=files`. May be repeated.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves requests (the default).
    Serve(Serve),
    /// Shows the whole job on this machine: an embedded S3, the signer, a token, and commands to paste.
    #[cfg(feature = "dev")]
    Dev(Dev),
    /// Prints the effective settings, secrets hidden.
    Config,
    /// Mints a token with the configured HS256 secret, for tests and operators.
    Token(Token),
    /// Explains step by step what a token gives, or why it is refused. Ends with 1 if it is.
    CheckToken(CheckToken),
    /// Tries the configured bucket with throw-away objects, one line a check. Ends with 1 if one fails.
    Check(Check),
    /// Adds to stored rows, JSON lines on standard input, the keys that their old URLs name. Ends with 1 if one cannot be mapped.
    MigrateKeys(MigrateKeys),
    /// Prints the CORS document that the bucket needs for the pages of this configuration.
    Cors(CorsArgs),
    /// Asks the signer that runs here whether it lives, within two seconds, as images and orchestrators want it. Ends with 1 if not.
    Probe(Probe),
}

#[derive(Args, Default)]
struct Serve {
    /// Overrides server.listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

#[cfg(feature = "dev")]
#[derive(Args)]
struct Dev {
    /// Where the signer listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Where the embedded S3 listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8788")]
    s3_listen: SocketAddr,
    /// A folder that keeps the files; without it they go when the process ends.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The store of the token.
    #[arg(long, default_value = "demo")]
    store: String,
    /// How long signed URLs live, in seconds; a short life shows how they are renewed.
    #[arg(long, value_name = "SECS", default_value_t = 900)]
    url_life: u32,
    /// A further origin whose pages may call. May be repeated.
    #[arg(long = "origin", value_name = "ORIGIN")]
    origins: Vec<String>,
}

#[derive(Args)]
struct Token {
    /// The store, or with several the stores, that the token opens.
    #[arg(long = "store-id", required = true, value_name = "STORE")]
    store_ids: Vec<String>,
    /// Words of files:read, files:write, files:delete; without it all three.
    #[arg(long)]
    scope: Option<String>,
    /// A key or key prefix that narrows the store. May be repeated.
    #[arg(long = "prefix", value_name = "KEY")]
    prefixes: Vec<String>,
    /// How long it holds, in seconds.
    #[arg(long, default_value_t = 3600, value_name = "SECONDS")]
    ttl: u32,
    /// Who bears it.
    #[arg(long)]
    subject: Option<String>,
}

#[derive(Args)]
struct CheckToken {
    /// The token; `-` reads it from standard input, where no other user of the machine sees it.
    token: String,
}

#[derive(Args)]
struct Check {
    /// Prints a JSON array of {storage?, check, status, evidence, fix} at the end.
    #[arg(long)]
    json: bool,
    /// Only this of several storages.
    #[arg(long, value_name = "NAME")]
    storage: Option<String>,
    /// Adds the CORS rule to the bucket where it is missing and the provider has the API.
    #[arg(long)]
    fix_cors: bool,
}

#[derive(Args)]
struct MigrateKeys {
    /// Where old URLs begin, instead of `migration.legacy_urls`. May be repeated.
    #[arg(long = "legacy-url", value_name = "URL")]
    legacy_urls: Vec<String>,
    /// The member of a row that holds its URL.
    #[arg(long, value_name = "NAME", default_value = "remoteUrl")]
    url_member: String,
    /// The member that gets the key; a row in which it is not empty stays as it is.
    #[arg(long, value_name = "NAME", default_value = "remoteKey")]
    key_member: String,
}

#[derive(Args)]
struct CorsArgs {
    /// For `aws s3api put-bucket-cors` and R2, for S3's own API, or as the variable of a server.
    #[arg(long, value_name = "FORMAT", default_value = "json", value_parser = ["json", "xml", "minio"])]
    format: String,
    /// For the bucket of this storage.
    #[arg(long, value_name = "NAME", default_value = config::DEFAULT_STORAGE)]
    storage: String,
}

#[derive(Args)]
struct Probe {
    /// Asks whether it can sign and is not about to stop: /readyz in place of /livez.
    #[arg(long)]
    ready: bool,
    /// Where it listens, if not at server.listen.
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
}

/// Why a command ends without its result.
enum Failure {
    /// Something to mend on the command line or in the configuration.
    Usage(String),
    /// Something else.
    Run(String),
    /// What was asked has the answer no, and that is written already.
    No,
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::Usage(error.to_string())
    }
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no failures.
            let code = if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
            let _ = error.print();
            return code;
        }
    };
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => complain(&text, EXIT_USAGE),
        Err(Failure::Run(text)) => complain(&text, 1),
        Err(Failure::No) => ExitCode::from(1),
    }
}

#[allow(clippy::print_stderr, reason = "this is where people look for it")]
fn complain(text: &str, code: u8) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(code)
}

fn execute(cli: Cli) -> Result<(), Failure> {
    // Before any secret is read.
    harden().map_err(|error| Failure::Run(format!("core files cannot be switched off: {error}")))?;
    let Settings { config: file, set } = cli.settings;
    if cli.check_config {
        config::load(file.as_deref(), &set)?;
        return print("the configuration is good");
    }
    match cli.command.unwrap_or_else(|| Command::Serve(Serve::default())) {
        Command::Serve(serve) => start(config::Source::new(file, with_listen(set, serve.listen))),
        #[cfg(feature = "dev")]
        Command::Dev(dev) => start_dev(dev),
        Command::Config => print(config::read(file.as_deref(), &set)?.into_toml()?.trim_end()),
        Command::Token(token) => print(&mint(file.as_deref(), &set, &token)?),
        Command::CheckToken(CheckToken { token }) => explain(file.as_deref(), &set, &token),
        Command::Check(check) => examine(&config::load(file.as_deref(), &set)?, &check),
        Command::MigrateKeys(options) => migrate(file.as_deref(), set, options),
        Command::Cors(CorsArgs { format, storage }) => {
            let config = config::load(file.as_deref(), &set)?;
            let pages = Pages::of(&config, storage_named(&config, &storage)?);
            if pages.origins.is_empty() {
                return Err(Failure::Usage("server.cors_origins is empty; list the origins of your pages".to_owned()));
            }
            let format = match format.as_str() {
                "xml" => CorsFormat::Xml,
                "minio" => CorsFormat::Minio,
                _ => CorsFormat::Json,
            };
            print(&cors_document(&pages, format))
        }
        Command::Probe(Probe { ready, listen }) => {
            // Its own section is all it needs: a probe is not to fail for a secret that it does not use.
            let server = config::read(file.as_deref(), &with_listen(set, listen))?.check_server()?;
            let question = if ready { Question::IsReady } else { Question::Lives };
            let answer = runtime()?.block_on(probe(&server, question));
            print(&answer.map_err(|error| Failure::Run(error.to_string()))?)
        }
    }
}

/// A flag of its own for what many set.
fn with_listen(set: Vec<(String, String)>, listen: Option<SocketAddr>) -> Vec<(String, String)> {
    let listen = listen.map(|address| ("server.listen".to_owned(), address.to_string()));
    set.into_iter().chain(listen).collect()
}

fn start(source: config::Source) -> Result<(), Failure> {
    let config = source.load()?;
    if is_root() && !config.server.allow_root {
        return Err(Failure::Usage(
            "this is root, and the service needs nothing that root may; run it as another user \
             (`DynamicUser=` in systemd, `USER` in an image), or set server.allow_root = true"
                .to_owned(),
        ));
    }
    logs::start(config.telemetry);
    log_panics();
    let inherited = inherited_listener()
        .map_err(|error| Failure::Run(format!("the socket of the service manager cannot be used: {error}")))?;
    let failed = |error: &dyn std::fmt::Display| Failure::Run(error.to_string());
    runtime()?.block_on(async {
        let listener = listen(inherited, config.server.listen).await.map_err(|error| failed(&error))?;
        run(&config, Some(source), listener).await.map_err(|error| failed(&error))
    })
}

#[cfg(feature = "dev")]
fn start_dev(dev: Dev) -> Result<(), Failure> {
    let Dev { listen, s3_listen, data, store, url_life, origins } = dev;
    let options = filesync_signer::dev::Options { listen, s3_listen, data, store, url_life_secs: url_life, origins };
    let served = runtime()?.block_on(filesync_signer::dev::dev(&options, &mut std::io::stdout()));
    served.map_err(|error| Failure::Run(error.to_string()))
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Failure::Run(format!("the runtime cannot be started: {error}")))
}

fn mint(file: Option<&Path>, set: &[(String, String)], token: &Token) -> Result<String, Failure> {
    let config::Auth { hs256_secret, rules, expected, .. } = config::read(file, set)?.check_auth()?;
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
    mint_hs256(secret, store_claim, &token.store_ids, &claims, token.ttl, system_clock())
        .map_err(|error| Failure::Run(error.to_string()))
}

fn explain(file: Option<&Path>, set: &[(String, String)], token: &str) -> Result<(), Failure> {
    let auth = config::read(file, set)?.check_auth()?;
    let token = match token {
        "-" => std::io::read_to_string(std::io::stdin()).map_err(|error| Failure::Run(error.to_string()))?,
        token => token.to_owned(),
    };
    let token = token.trim();
    let checked = runtime()?.block_on(check_token(&auth, token, system_clock(), &mut std::io::stdout()));
    match checked {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::No),
        Err(error) => Err(Failure::Run(format!("the output is closed: {error}"))),
    }
}

fn examine(config: &Config, options: &Check) -> Result<(), Failure> {
    // What was put is deleted also when nobody reads the lines any more.
    let mut tell = |line: &doctor::Line| {
        if !options.json {
            let _ = print(&line.to_string());
        }
    };
    let storages = match &options.storage {
        Some(name) => vec![storage_named(config, name)?],
        None => config.all_storages().collect(),
    };
    let runtime = runtime()?;
    let mut lines = Vec::new();
    for storage in storages {
        let checked = runtime.block_on(doctor::check(config, storage, options.fix_cors, system_clock, &mut tell));
        lines.extend(checked.map_err(|error| Failure::Run(error.to_string()))?);
    }
    if options.json {
        print(&serde_json::to_string_pretty(&lines).map_err(|error| Failure::Run(error.to_string()))?)?;
    }
    if lines.iter().any(|line| line.status == Status::Fail) { Err(Failure::No) } else { Ok(()) }
}

/// Needs no more of the configuration than `[migration]` and `[keys]`.
fn migrate(file: Option<&Path>, mut set: Vec<(String, String)>, options: MigrateKeys) -> Result<(), Failure> {
    let MigrateKeys { legacy_urls, url_member, key_member } = options;
    if !legacy_urls.is_empty() {
        let list = serde_json::to_string(&legacy_urls).map_err(|error| Failure::Usage(error.to_string()))?;
        set.push(("migration.legacy_urls".to_owned(), list));
    }
    if url_member == key_member {
        return Err(Failure::Usage(format!("--url-member and --key-member are both `{url_member}`")));
    }
    let rules = config::read(file, &set)?.check_migration()?;
    if rules.legacy_urls.is_empty() {
        return Err(Failure::Usage(
            "migration.legacy_urls is empty; list where old URLs begin, or give --legacy-url".to_owned(),
        ));
    }
    let counts = migrate_keys(&rules, &Members { url: url_member, key: key_member });
    let counts = counts.map_err(|error| Failure::Run(error.to_string()))?;
    if counts.unmapped > 0 { Err(Failure::No) } else { Ok(()) }
}

fn storage_named<'a>(config: &'a Config, name: &str) -> Result<&'a Storage, Failure> {
    let mut storages = config.all_storages();
    storages.find(|storage| storage.name == name).ok_or_else(|| Failure::Usage(format!("there is no storage `{name}`")))
}

fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write as _;
    writeln!(std::io::stdout(), "{text}").map_err(|error| Failure::Run(format!("the output is closed: {error}")))
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as section.key=value".to_owned()),
    }
}
