//! Names that begin with the folder of temporary credentials and lead out of it, to servers that judge a name as it is
//! written and then read it in their own way.

use super::bench::{Ask, BODY, Bench, Site};
use crate::domain::key::ObjectKey;
use crate::domain::policy::Action;
use crate::domain::sigv4::{BucketAddress, Credentials, Presigner};

/// What stands between a folder of three names and a key, as it is signed and as it is sent: an HTTP client resolves plain
/// dots by itself, and servers sign what was sent, or what they read in it.
const WAYS: [(&str, &str); 6] = [
    ("/../../..", "/..%2F..%2F.."),
    ("//../../..", "//..%2F..%2F.."),
    ("/..%2F..%2F..", "/..%2F..%2F.."),
    ("/%2e%2e%2F%2e%2e%2F%2e%2e", "/%2e%2e%2F%2e%2e%2F%2e%2e"),
    ("/%252e%252e/%252e%252e/%252e%252e", "/%252e%252e/%252e%252e/%252e%252e"),
    ("/a%5C..%5C..%5C..%5C..", "/a%5C..%5C..%5C..%5C.."),
];

/// Tries all ways out of `folder`; gives the first that leads there, and what the server said.
pub(super) async fn way_out(
    bench: &Bench<'_>,
    site: &Site,
    folder: &str,
    theirs: &Credentials,
) -> Result<Option<String>, String> {
    for way in WAYS {
        let outside = bench.key("outside")?;
        let at = |credentials: Credentials| {
            let path = format!("{}/{}/{folder}{}", site.address.path, bench.folder(), way.0);
            Presigner::new(BucketAddress { path, ..site.address.clone() }, &bench.storage.region, credentials)
        };
        let heard =
            bench.ask_as(site, &at(theirs.clone()), Ask { sent_as: Some(way), ..Ask::put(&outside, BODY) }).await?;
        if bench.holds(site, &outside, BODY).await? {
            return Ok(Some(format!("{}: {}", way.1, heard.shown())));
        }
        if heard.is_success() {
            // Kept under just that name, which is one below the folder.
            let ours = site.signers.credentials(Action::Delete, (bench.clock)()).ok_or("there are no credentials")?;
            clear(bench, site, &at(ours), (&outside, way, heard.version())).await?;
        }
    }
    Ok(None)
}

async fn clear(
    bench: &Bench<'_>,
    site: &Site,
    presigner: &Presigner,
    (key, way, version): (&ObjectKey, (&'static str, &'static str), Option<&str>),
) -> Result<(), String> {
    let heard =
        bench.ask_as(site, presigner, Ask { sent_as: Some(way), version, ..Ask::new(Action::Delete, key) }).await?;
    if heard.is_success() { Ok(()) } else { Err(format!("deleting what was put to {}: {}", way.1, heard.shown())) }
}
