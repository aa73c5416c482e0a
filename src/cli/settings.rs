//! The options of all commands.

use std::net::SocketAddr;

use filesync_signer::config::{self, Config, ConfigError, Loaded, Source};

use super::arguments::Settings;

impl Settings {
    pub(super) fn read(&self) -> Result<Loaded, ConfigError> {
        config::read(self.config.as_deref(), &self.set)
    }

    pub(super) fn load(&self) -> Result<Config, ConfigError> {
        self.read()?.check()
    }

    pub(super) fn into_source(self) -> Source {
        Source::new(self.config, self.set)
    }

    /// `--listen`, a flag of its own for what many set.
    pub(super) fn listening(mut self, address: Option<SocketAddr>) -> Self {
        self.set.extend(address.map(|address| ("server.listen".to_owned(), address.to_string())));
        self
    }

    /// `-v` and `-q` for what logs, over `--set telemetry.log`.
    pub(super) fn logging(mut self) -> Self {
        self.set.extend(self.log_level().map(|level| ("telemetry.log".to_owned(), level.to_owned())));
        self
    }

    pub(super) fn log_level(&self) -> Option<&'static str> {
        match (self.verbose, self.quiet) {
            (0, 0) => None,
            (0, 1) => Some("warn"),
            (0, 2) => Some("error"),
            (0, _) => Some("off"),
            (1, _) => Some("debug"),
            (_, _) => Some("trace"),
        }
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.quiet > 0
    }
}
