//! `[storage]`: where the bucket is, and what it is signed with.

use url::{Host, Url};

use super::credentials::{access, upload_role};
use super::upload::{self, Wanted};
use super::{MAX_TIMEOUT_SECS, Report};
use crate::config::layers::PATH_STYLE_ALIAS;
use crate::config::raw::{RawConfig, RawStorage};
use crate::config::used::{Addressing, DEFAULT_STORAGE, Storage, Verify};
use crate::domain::key::check_segments;
use crate::domain::route::StorageIndex;
use crate::domain::sigv4::BucketAddress;
use crate::outbound::is_local;
use crate::storage::{PROVIDERS, Provider, Support};

/// Not more often, so that probing costs an operator nothing.
const MIN_PROBE_INTERVAL_SECS: u64 = 5;

/// Keys have at least the other half of what S3 takes.
const MAX_PREFIX_BYTES: usize = 512;

/// All of them, the default one first; their places are their indices.
pub(super) fn storages(raw: &RawConfig, upload: Option<&Wanted>, r: &mut Report<'_>) -> Option<Vec<Storage>> {
    let before = r.problems.len();
    let first = storage(DEFAULT_STORAGE, StorageIndex::default(), &raw.storage, upload, r);
    upload::warn_of_parts(raw, first.as_ref(), r);
    let mut storages: Vec<_> = first.into_iter().collect();
    for (place, (name, one)) in (1..).zip(&raw.storages) {
        let section = format!("storages.{name}");
        if !is_name(name) {
            r.problem(
                &section,
                "is no name of a storage: write lower-case letters, digits, `-` and `_`, not `default`",
            );
        }
        r.storage = Some(section);
        let one = storage(name, StorageIndex::new(place), one, upload, r);
        upload::warn_of_parts(raw, one.as_ref(), r);
        storages.extend(one);
    }
    r.storage = None;
    // A storage that is not complete has said why, and would move those behind it to other places.
    (r.problems.len() == before && storages.len() == raw.storages.len().saturating_add(1)).then_some(storages)
}

/// It stands in variables, answers and logs.
fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    (1..=32).contains(&name.len()) && name.chars().all(plain) && name != DEFAULT_STORAGE
}

fn storage(
    name: &str,
    index: StorageIndex,
    raw: &RawStorage,
    upload: Option<&Wanted>,
    r: &mut Report<'_>,
) -> Option<Storage> {
    let styles = [("path", Addressing::Path), ("virtual-host", Addressing::VirtualHost)];
    let addressing = match raw.addressing.strip_prefix(PATH_STYLE_ALIAS) {
        None => r.choice("storage.addressing", &raw.addressing, &styles),
        Some(is) => r.require("storage.addressing", None, || {
            let is = is.trim_start_matches('=');
            format!("comes from {PATH_STYLE_ALIAS}, which is `{is}`; it must be `true`, or `false` for virtual-host")
        }),
    };
    let endpoint = endpoint("storage.endpoint", &raw.endpoint, r);
    let public_endpoint = if raw.public_endpoint.is_empty() {
        endpoint.clone()
    } else {
        self::endpoint("storage.public_endpoint", &raw.public_endpoint, r)
    };
    check_public_endpoint(raw, public_endpoint.as_ref(), r);
    let bucket = Some(raw.bucket.clone()).filter(|bucket| is_bucket_name(bucket));
    let bucket = r.require("storage.bucket", bucket, || match raw.bucket.as_str() {
        "" => "is not set; name the bucket".to_owned(),
        other => format!("is `{other}`; a bucket name has letters, digits, `.`, `-` and `_`"),
    });
    let region = Some(raw.region.clone()).filter(|region| is_region(region));
    let region = r.require("storage.region", region, || {
        format!("is `{}`; it must be letters, digits and `-`, such as `eu-west-1` or `auto`", raw.region)
    });
    let prefix = Some(raw.prefix.clone()).filter(|prefix| is_prefix(prefix));
    let prefix = r.require("storage.prefix", prefix, || {
        format!(
            "is `{}`; it must be empty, or plain folder names and a `/` at the end, such as `filesync/`",
            raw.prefix
        )
    });
    let access = access(raw, r);
    let connect_timeout = r.timeout("storage.connect_timeout_secs", raw.connect_timeout_secs);
    let first_byte_timeout = r.timeout("storage.first_byte_timeout_secs", raw.first_byte_timeout_secs);
    let call_timeout = r.timeout("storage.call_timeout_secs", raw.call_timeout_secs);
    let probe_interval =
        r.seconds("storage.probe_interval_secs", raw.probe_interval_secs, MIN_PROBE_INTERVAL_SECS, MAX_TIMEOUT_SECS);
    let verify = [("off", Verify::Off), ("warn", Verify::Warn), ("strict", Verify::Strict)];
    let verify = r.choice("storage.verify", &raw.verify, &verify);
    let provider = provider(raw, endpoint.as_ref(), region.as_deref(), r);
    warn_of_copies(raw, provider, r);
    let kept = upload::kept(upload?, provider?, r);
    let (endpoint, bucket, addressing, prefix) = (endpoint?, bucket?, addressing?, prefix?);
    let address = |endpoint: &Url| bucket_address(endpoint, &bucket, addressing, &prefix);
    let addresses = address(&endpoint).zip(address(&public_endpoint?));
    let addresses = r.require("storage.addressing", addresses, || {
        "is `virtual-host`, but the endpoint is an IP address or the bucket cannot be part of a host name; use `path`".into()
    });
    let (own_address, public_address) = addresses?;
    let (upload_rules, left_out) = kept?;
    let upload_role = upload_role(raw, provider?, &upload_rules, r);
    Some(Storage {
        name: name.to_owned(),
        index,
        endpoint,
        own_address,
        public_address,
        addressing,
        bucket,
        prefix,
        delete_all_versions: raw.delete_all_versions,
        provider: provider?,
        region: region?,
        access: access?,
        upload_role,
        connect_timeout: connect_timeout?,
        first_byte_timeout: first_byte_timeout?,
        call_timeout: call_timeout?,
        probe_interval: probe_interval?,
        verify: verify?,
        upload_rules,
        left_out,
    })
}

/// As named, or guessed from the endpoint; and whether the region is one of its.
fn provider(
    raw: &RawStorage,
    endpoint: Option<&Url>,
    region: Option<&str>,
    r: &mut Report<'_>,
) -> Option<&'static Provider> {
    let host = endpoint?.host_str()?;
    let provider = if raw.provider == "auto" {
        Provider::of_host(host)
    } else {
        r.require("storage.provider", Provider::named(&raw.provider), || {
            let known: Vec<_> = PROVIDERS.iter().map(|provider| format!("`{}`", provider.name)).collect();
            format!("is `{}`; it must be `auto` or {}", raw.provider, known.join(" or "))
        })?
    };
    if provider.delete_frees == Support::No && !raw.delete_all_versions {
        r.warnings.push(format!(
            "{} is off: a delete at {} only hides the object, and its bytes stay",
            r.at("storage.delete_all_versions"),
            provider.title
        ));
    }
    if raw.provider == "auto" {
        r.notes.push(format!("{} is `{}` ({})", r.at("storage.provider"), provider.name, provider.title));
    }
    if let Some(problem) = provider.region_problem(host, region?) {
        r.problem("storage.region", problem);
        return None;
    }
    Some(provider)
}

/// Where an unsigned copy source is honoured, tenants of one bucket read one another (K24). A key for PUT that cannot read
/// mends it, and a strict start tries it.
fn warn_of_copies(raw: &RawStorage, provider: Option<&Provider>, r: &mut Report<'_>) {
    let Some(provider) = provider.filter(|_| raw.put.is_empty() && raw.verify != "strict") else { return };
    let title = provider.title;
    match provider.refuses_unsigned_copy {
        Support::Yes => {}
        Support::No => r.warnings.push(format!(
            "{} is not set, and {title} is known to copy from an `x-amz-copy-source` that nobody signed: whoever may upload one \
             key can read every other; give it a key that cannot read, or see by `signer check` that this release refuses, \
             and then write {} = \"strict\"",
            r.at("storage.put"),
            r.at("storage.verify")
        )),
        Support::Unknown => r.notes.push(r.of_storage(format!(
            "whether {title} refuses an `x-amz-copy-source` that nobody signed is not known: run `signer check`"
        ))),
    }
}

fn endpoint(key: &str, text: &str, r: &mut Report<'_>) -> Option<Url> {
    if text.is_empty() {
        r.problem(key, "is not set; write the S3 address, such as `https://s3.eu-west-1.amazonaws.com`");
        return None;
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let Some(url) = url else {
        r.problem(key, "is no address; it must begin with `https://` or `http://` and name a host");
        return None;
    };
    for (found, part) in [
        (!url.username().is_empty() || url.password().is_some(), "a user name or password"),
        (url.query().is_some(), "a query"),
        (url.fragment().is_some(), "a fragment"),
    ] {
        if found {
            r.problem(key, format!("has {part}; it must be scheme, host and port only"));
            return None;
        }
    }
    Some(url)
}

/// URLs for clients are signed for scheme, host and port. A path that a proxy in
/// front of S3 strips would not be signed, and one that it keeps would be.
fn check_public_endpoint(raw: &RawStorage, url: Option<&Url>, r: &mut Report<'_>) {
    let Some(url) = url else { return };
    let key = if raw.public_endpoint.is_empty() { "storage.endpoint" } else { "storage.public_endpoint" };
    if url.path() != "/" {
        r.problem(key, "has a path; clients are sent to it, so it must be scheme, host and port only");
    }
    if url.scheme() == "http" && !is_local(url) {
        r.warnings.push(format!("{} is not https: URLs and files can be read on the way", r.at(key)));
    }
}

/// Where the bucket is, or nothing when the bucket cannot stand in the host name.
fn bucket_address(endpoint: &Url, bucket: &str, addressing: Addressing, prefix: &str) -> Option<BucketAddress> {
    let port = endpoint.port().map(|port| format!(":{port}")).unwrap_or_default();
    let name = endpoint.host_str()?;
    let scheme = endpoint.scheme().to_owned();
    // Only this process may have a proxy's folder in front of the bucket.
    let folder = endpoint.path().trim_end_matches('/');
    let prefix = if prefix.is_empty() { String::new() } else { format!("/{}", prefix.trim_end_matches('/')) };
    match addressing {
        Addressing::Path => {
            Some(BucketAddress { scheme, host: format!("{name}{port}"), path: format!("{folder}/{bucket}{prefix}") })
        }
        Addressing::VirtualHost => {
            let domain = matches!(endpoint.host(), Some(Host::Domain(_)));
            let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
            (domain && bucket.chars().all(label)).then(|| BucketAddress {
                scheme,
                host: format!("{bucket}.{name}{port}"),
                path: format!("{folder}{prefix}"),
            })
        }
    }
}

/// Today's rules and those of the oldest buckets: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>
fn is_bucket_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=255).contains(&name.len()) && name.chars().all(plain) && check_segments(name).is_ok()
}

/// Written into URLs as it is, so nothing in it may need an encoding; and short, so that keys still fit behind it.
fn is_prefix(prefix: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    prefix.is_empty()
        || prefix.strip_suffix('/').is_some_and(|folders| check_segments(folders).is_ok())
            && prefix.len() <= MAX_PREFIX_BYTES
            && prefix.chars().all(plain)
}

fn is_region(region: &str) -> bool {
    (1..=64).contains(&region.len()) && region.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}
