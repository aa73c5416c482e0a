//! The bucket: whether it does what the service relies on, and the pages that may use it.

use filesync_signer::config::{Config, Storage};
use filesync_signer::doctor::{self, CorsFormat, Line, Pages, Status, cors_document};
use filesync_signer::server::system_clock;

use super::arguments::{Check, CorsArgs, Settings};
use super::output::{Lines, print, print_json};
use super::{Failure, runtime};

pub(super) fn examine(settings: &Settings, options: &Check) -> Result<(), Failure> {
    let config = settings.load()?;
    // What was put is deleted also when nobody reads the lines any more.
    let shown = Lines::new(options.json, settings.is_quiet());
    let mut tell = |line: &Line| shown.tell(line.status, line);
    let storages = match &options.storage {
        Some(name) => vec![storage_named(&config, name)?],
        None => config.all_storages().collect(),
    };
    let runtime = runtime()?;
    let mut lines = Vec::new();
    for storage in storages {
        let checked = runtime.block_on(doctor::check(&config, storage, options.fix_cors, system_clock, &mut tell));
        lines.extend(checked.map_err(|error| Failure::Run(error.to_string()))?);
    }
    if options.json {
        print_json(&lines)?;
    }
    if lines.iter().any(|line| line.status == Status::Fail) { Err(Failure::No) } else { Ok(()) }
}

pub(super) fn cors(settings: &Settings, options: &CorsArgs) -> Result<(), Failure> {
    let config = settings.load()?;
    let pages = Pages::of(&config, storage_named(&config, &options.storage)?);
    if pages.origins.is_empty() {
        return Err(Failure::Usage("server.cors_origins is empty; list the origins of your pages".to_owned()));
    }
    let format = match options.format.as_str() {
        "xml" => CorsFormat::Xml,
        "minio" => CorsFormat::Minio,
        _ => CorsFormat::Json,
    };
    print(&cors_document(&pages, format))
}

fn storage_named<'a>(config: &'a Config, name: &str) -> Result<&'a Storage, Failure> {
    let mut storages = config.all_storages();
    storages.find(|storage| storage.name == name).ok_or_else(|| Failure::Usage(format!("there is no storage `{name}`")))
}
