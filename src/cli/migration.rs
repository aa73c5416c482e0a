//! Keys for rows that were stored with URLs.

use filesync_signer::migrate::{Members, migrate_keys};

use super::Failure;
use super::arguments::{MigrateKeys, Settings};

/// Needs no more of the configuration than `[migration]` and `[keys]`.
pub(super) fn migrate(mut settings: Settings, options: MigrateKeys) -> Result<(), Failure> {
    let MigrateKeys { legacy_urls, url_member, key_member } = options;
    if !legacy_urls.is_empty() {
        let list = serde_json::to_string(&legacy_urls).map_err(|error| Failure::Usage(error.to_string()))?;
        settings.set.push(("migration.legacy_urls".to_owned(), list));
    }
    if url_member == key_member {
        return Err(Failure::Usage(format!("--url-member and --key-member are both `{url_member}`")));
    }
    let rules = settings.read()?.check_migration()?;
    if rules.legacy_urls.is_empty() {
        return Err(Failure::Usage(
            "migration.legacy_urls is empty; list where old URLs begin, or give --legacy-url".to_owned(),
        ));
    }
    let counts = migrate_keys(&rules, &Members { url: url_member, key: key_member });
    let counts = counts.map_err(|error| Failure::Run(error.to_string()))?;
    if counts.unmapped > 0 { Err(Failure::No) } else { Ok(()) }
}
