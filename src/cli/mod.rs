//! The command line: what can be said, and what each command does with the library.

mod arguments;
mod bucket;
mod help;
#[cfg(feature = "manual")]
mod manual;
mod migration;
mod output;
mod service;
mod settings;
mod tokens;

use filesync_signer::config::ConfigError;
use filesync_signer::server::harden;

pub(crate) use arguments::Cli;
use arguments::{Command, Serve};

/// Why a command ends without its result.
pub(crate) enum Failure {
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

pub(crate) fn execute(cli: Cli) -> Result<(), Failure> {
    // Before any secret is read.
    harden().map_err(|error| Failure::Run(format!("core files cannot be switched off: {error}")))?;
    let Cli { command, settings, check_config } = cli;
    if check_config {
        settings.load()?;
        return if settings.is_quiet() { Ok(()) } else { output::print("the configuration is good") };
    }
    match command.unwrap_or_else(|| Command::Serve(Serve::default())) {
        Command::Serve(serve) => service::start(settings, &serve),
        #[cfg(feature = "dev")]
        Command::Dev(dev) => service::start_dev(&settings, dev),
        Command::Config(config) => service::show(&settings, &config),
        Command::Token(token) => tokens::mint(&settings, &token),
        Command::CheckToken(options) => tokens::explain(&settings, &options),
        Command::Check(check) => bucket::examine(&settings, &check),
        Command::MigrateKeys(options) => migration::migrate(settings, options),
        Command::Cors(options) => bucket::cors(&settings, &options),
        Command::Openapi(_) => service::describe(&settings),
        Command::Probe(options) => service::probe(settings, &options),
        #[cfg(feature = "manual")]
        Command::Completions(options) => manual::completions(&options),
        #[cfg(feature = "manual")]
        Command::Man(options) => manual::man(&options),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let built = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    built.map_err(|error| Failure::Run(format!("the runtime cannot be started: {error}")))
}
