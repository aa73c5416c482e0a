//! Running the service, and asking one that runs.

use std::fmt::Display;

use filesync_signer::api::openapi;
use filesync_signer::config::inherited_listener;
use filesync_signer::probe::{self, ProbeError, Question, Yes};
use filesync_signer::run::{listen, run};
use filesync_signer::server::{is_root, log_panics};
use filesync_signer::telemetry::logs;
use serde::Serialize;

use super::arguments::{Probe, Serve, Settings, ShowConfig};
use super::output::{print, print_json};
use super::{Failure, runtime};

pub(super) fn start(settings: Settings, serve: &Serve) -> Result<(), Failure> {
    let source = settings.listening(serve.listen).logging().into_source();
    let config = source.load()?;
    if is_root() && !config.server.allow_root {
        return Err(Failure::Usage(
            "this is root, and the service needs nothing that root may; run it as another user \
             (`DynamicUser=` in systemd, `USER` in an image), or set server.allow_root = true"
                .to_owned(),
        ));
    }
    logs::start(&config.telemetry);
    log_panics();
    let inherited = inherited_listener()
        .map_err(|error| Failure::Run(format!("the socket of the service manager cannot be used: {error}")))?;
    let failed = |error: &dyn Display| Failure::Run(error.to_string());
    runtime()?.block_on(async {
        let listener = listen(inherited, config.server.listen).await.map_err(|error| failed(&error))?;
        run(&config, Some(source), listener).await.map_err(|error| failed(&error))
    })
}

#[cfg(feature = "dev")]
pub(super) fn start_dev(settings: &Settings, dev: super::arguments::Dev) -> Result<(), Failure> {
    let super::arguments::Dev { listen, s3_listen, data, store, url_life, origins } = dev;
    let log = settings.log_level().map(str::to_owned);
    let options =
        filesync_signer::dev::Options { listen, s3_listen, data, store, url_life_secs: url_life, origins, log };
    let served = runtime()?.block_on(filesync_signer::dev::dev(&options, &mut std::io::stdout()));
    served.map_err(|error| Failure::Run(error.to_string()))
}

pub(super) fn show(settings: &Settings, options: &ShowConfig) -> Result<(), Failure> {
    let loaded = settings.read()?;
    let text = if options.json { loaded.into_json()? } else { loaded.into_toml()? };
    print(text.trim_end())
}

pub(super) fn describe(settings: &Settings) -> Result<(), Failure> {
    print_json(&openapi::document(&settings.read()?.check_surface()?))
}

/// What `signer probe --json` prints.
#[derive(Serialize)]
struct Told {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl From<&Result<Yes, ProbeError>> for Told {
    fn from(answer: &Result<Yes, ProbeError>) -> Self {
        let (url, status) = match answer {
            Ok(Yes { url, status }) | Err(ProbeError::No { url, status }) => (Some(url), Some(status.as_u16())),
            Err(ProbeError::NoAnswer { url, .. }) => (Some(url), None),
            Err(ProbeError::NoPort) => (None, None),
        };
        let error = answer.as_ref().err().map(ToString::to_string);
        Self { ok: error.is_none(), url: url.cloned(), status, error }
    }
}

pub(super) fn probe(settings: Settings, options: &Probe) -> Result<(), Failure> {
    let quiet = settings.is_quiet();
    // Its own section is all it needs: a probe is not to fail for a secret that it does not use.
    let server = settings.listening(options.listen).read()?.check_server()?;
    let question = if options.ready { Question::IsReady } else { Question::Lives };
    let answer = runtime()?.block_on(probe::probe(&server, question));
    if options.json {
        print_json(&Told::from(&answer))?;
        return answer.map(|_| ()).map_err(|_| Failure::No);
    }
    match answer {
        Ok(_) if quiet => Ok(()),
        Ok(yes) => print(&yes.to_string()),
        Err(error) => Err(Failure::Run(error.to_string())),
    }
}
