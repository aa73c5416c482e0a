//! What each kind of S3 can do, and so which promises can be made in front of it.
//!
//! A promise that a provider is known to break is refused at start, by name. Where
//! nothing is known it is made with a warning, and `signer check` finds out.

use std::fmt;

/// Whether a provider keeps a promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Yes,
    /// It does not.
    No,
    /// Nobody has said so or tried.
    Unknown,
}

impl fmt::Display for Support {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "yes",
            Self::No => "**no**",
            Self::Unknown => "?",
        })
    }
}

/// How a provider names its regions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegionRule {
    /// `s3.<region>.<this suffix>`: a host with a region in it is signed for that region.
    InHost(&'static str),
    /// One of these.
    OneOf(&'static [&'static str]),
    /// Whatever the server is set to.
    AsConfigured,
}

/// One kind of S3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provider {
    /// Its name in `storage.provider`.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// Its endpoints end in one of these.
    pub host_suffixes: &'static [&'static str],
    /// Its regions.
    pub region: RegionRule,
    /// A signed `x-amz-checksum-sha256` makes it refuse other bytes.
    pub checksum: Support,
    /// A signed `If-None-Match: *` makes it refuse a second PUT.
    pub write_once: Support,
    /// The same of the call that makes an object of its parts.
    pub write_once_in_parts: Support,
    /// A signed `x-amz-mp-object-size` makes it refuse parts that come to another length.
    pub size_of_parts: Support,
    /// It refuses an `x-amz-copy-source` that was not signed (case K24).
    pub refuses_unsigned_copy: Support,
    /// A DELETE without a version frees the bytes (in a bucket without versions).
    pub delete_frees: Support,
    /// It has `PutBucketCors`.
    pub cors_api: Support,
    /// Pages can read its errors.
    pub cors_on_errors: Support,
    /// It takes POST policies.
    pub post_policy: Support,
    /// It has `AssumeRole`, and holds what comes of it to the policy in the call.
    pub sts: Support,
    /// Where the row comes from.
    pub source: &'static str,
}

use Support::{No, Unknown, Yes};

/// Nothing is known of it.
const UNKNOWN: Provider = Provider {
    name: "generic",
    title: "any other",
    host_suffixes: &[],
    region: RegionRule::AsConfigured,
    checksum: Unknown,
    write_once: Unknown,
    write_once_in_parts: Unknown,
    size_of_parts: Unknown,
    refuses_unsigned_copy: Unknown,
    delete_frees: Unknown,
    cors_api: Unknown,
    cors_on_errors: Unknown,
    post_policy: Unknown,
    sts: Unknown,
    source: "",
};

/// Every kind. The last one stands for all others.
pub const PROVIDERS: &[Provider] = &[
    Provider {
        name: "aws",
        title: "AWS S3",
        host_suffixes: &[".amazonaws.com", ".amazonaws.com.cn"],
        region: RegionRule::InHost("amazonaws.com"),
        checksum: Yes,
        write_once: Yes,
        write_once_in_parts: Yes,
        size_of_parts: Yes,
        refuses_unsigned_copy: Yes,
        delete_frees: Yes,
        cors_api: Yes,
        post_policy: Yes,
        sts: Yes,
        source: "AWS documentation: checking object integrity, conditional writes, presigned URLs",
        ..UNKNOWN
    },
    Provider {
        name: "r2",
        title: "Cloudflare R2",
        host_suffixes: &[".r2.cloudflarestorage.com"],
        region: RegionRule::OneOf(&["auto", "us-east-1"]),
        checksum: Yes,
        write_once: Yes,
        delete_frees: Yes,
        cors_api: Yes,
        cors_on_errors: No,
        post_policy: No,
        sts: No,
        source: "Cloudflare documentation: R2 S3 API compatibility, presigned URLs; reports of users on errors",
        ..UNKNOWN
    },
    Provider {
        name: "b2",
        title: "Backblaze B2",
        host_suffixes: &[".backblazeb2.com"],
        region: RegionRule::InHost("backblazeb2.com"),
        checksum: No,
        write_once: No,
        write_once_in_parts: No,
        delete_frees: No,
        cors_api: Yes,
        post_policy: No,
        sts: Yes,
        source: "Backblaze documentation: S3-compatible API; 400 and 501 in reports of users",
        ..UNKNOWN
    },
    Provider {
        name: "wasabi",
        title: "Wasabi",
        host_suffixes: &[".wasabisys.com"],
        region: RegionRule::InHost("wasabisys.com"),
        checksum: No,
        delete_frees: Yes,
        cors_api: Yes,
        post_policy: Yes,
        sts: Yes,
        source: "Wasabi documentation: S3 API; failing uploads in reports of users",
        ..UNKNOWN
    },
    Provider {
        name: "minio",
        title: "MinIO",
        checksum: Yes,
        write_once: Yes,
        refuses_unsigned_copy: No,
        delete_frees: Yes,
        cors_api: No,
        cors_on_errors: Yes,
        post_policy: Yes,
        sts: Yes,
        source: "MinIO's sources; the advisories on unsigned copy sources",
        ..UNKNOWN
    },
    Provider {
        name: "ceph",
        title: "Ceph RGW",
        checksum: No,
        write_once: Yes,
        write_once_in_parts: No,
        refuses_unsigned_copy: No,
        delete_frees: Yes,
        cors_api: Yes,
        cors_on_errors: No,
        post_policy: Yes,
        sts: Yes,
        source: "measured: 16.2.15 (newer ones may do better: `signer check` says)",
        ..UNKNOWN
    },
    Provider {
        name: "garage",
        title: "Garage",
        checksum: Yes,
        write_once: No,
        write_once_in_parts: No,
        refuses_unsigned_copy: Yes,
        delete_frees: Yes,
        cors_api: Yes,
        cors_on_errors: Yes,
        post_policy: Yes,
        sts: No,
        source: "measured: 2.5.0",
        ..UNKNOWN
    },
    Provider {
        name: "seaweedfs",
        title: "SeaweedFS",
        checksum: Yes,
        write_once: Yes,
        write_once_in_parts: Yes,
        refuses_unsigned_copy: Yes,
        delete_frees: Yes,
        cors_api: Yes,
        cors_on_errors: Yes,
        post_policy: Yes,
        sts: Yes,
        source: "measured: 4.48",
        ..UNKNOWN
    },
    Provider {
        name: "spaces",
        title: "DigitalOcean Spaces",
        host_suffixes: &[".digitaloceanspaces.com"],
        delete_frees: Yes,
        cors_api: Yes,
        post_policy: Yes,
        source: "DigitalOcean documentation: Spaces API",
        ..UNKNOWN
    },
    UNKNOWN,
];

impl Provider {
    /// The provider of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        PROVIDERS.iter().find(|provider| provider.name == name)
    }

    /// The provider whose endpoints look like this host, or the one that nothing is known of.
    #[must_use]
    pub fn of_host(host: &str) -> &'static Self {
        let host = host.to_ascii_lowercase();
        let known =
            PROVIDERS.iter().find(|provider| provider.host_suffixes.iter().any(|suffix| host.ends_with(suffix)));
        known.unwrap_or(&UNKNOWN)
    }

    /// What is wrong with signing for `region` at `host`, in words, if anything is.
    #[must_use]
    pub fn region_problem(&self, host: &str, region: &str) -> Option<String> {
        match self.region {
            RegionRule::AsConfigured => None,
            RegionRule::OneOf(regions) if regions.contains(&region) => None,
            RegionRule::OneOf(regions) => {
                Some(format!("is `{region}`; {} has only `{}`", self.title, regions.join("` and `")))
            }
            RegionRule::InHost(suffix) => {
                let of_host = region_in(host, suffix)?;
                (of_host != region).then(|| format!("is `{region}`, but the endpoint is in `{of_host}`"))
            }
        }
    }
}

/// The region in `s3.<region>.<suffix>`, `s3.dualstack.<region>.<suffix>` or `<bucket>.s3.<region>.<suffix>`.
fn region_in<'a>(host: &'a str, suffix: &str) -> Option<&'a str> {
    let before = host.strip_suffix(".cn").unwrap_or(host).strip_suffix(suffix)?.strip_suffix('.')?;
    let (front, region) = before.rsplit_once('.')?;
    let region_like = region.contains('-') && !region.starts_with("s3");
    (region_like && front.split('.').any(|label| label == "s3" || label == "s3-fips")).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P11: the guide has this very table, with the servers that give away objects (K24).
    #[test]
    fn the_guide_has_the_table() {
        let row = |p: &Provider| {
            let cells = [
                p.checksum,
                p.write_once,
                p.refuses_unsigned_copy,
                p.delete_frees,
                p.cors_api,
                p.cors_on_errors,
                p.post_policy,
                p.sts,
            ];
            format!("| {} (`{}`) | {} |", p.title, p.name, cells.map(|cell| cell.to_string()).join(" | "))
        };
        let table = PROVIDERS.iter().map(row).collect::<Vec<_>>().join("\n");
        assert!(include_str!("../guide/storage.md").contains(&table), "the guide lacks:\n{table}");
    }

    #[test]
    fn every_row_is_whole() {
        let (last, rows) = PROVIDERS.split_last().unwrap();
        assert_eq!(last.name, "generic");
        for provider in rows {
            assert_eq!(Provider::named(provider.name), Some(provider));
            assert!(!provider.source.is_empty(), "{}", provider.name);
        }
    }

    #[test]
    fn providers_are_guessed_from_their_hosts() {
        for (host, name) in [
            ("s3.eu-west-1.amazonaws.com", "aws"),
            ("s3.cn-north-1.amazonaws.com.cn", "aws"),
            ("acct.r2.cloudflarestorage.com", "r2"),
            ("ACCT.eu.R2.cloudflarestorage.com", "r2"),
            ("s3.us-west-004.backblazeb2.com", "b2"),
            ("s3.eu-central-1.wasabisys.com", "wasabi"),
            ("nyc3.digitaloceanspaces.com", "spaces"),
            ("127.0.0.1", "generic"),
            ("minio.internal", "generic"),
            ("amazonaws.com.evil.example", "generic"),
            ("notamazonaws.com", "generic"),
        ] {
            assert_eq!(Provider::of_host(host).name, name, "{host}");
        }
    }

    #[test]
    fn a_region_that_contradicts_the_endpoint_is_a_problem() {
        let problem = |host: &str, region: &str| Provider::of_host(host).region_problem(host, region).is_some();
        for (host, region) in [
            ("s3.eu-west-1.amazonaws.com", "eu-west-1"),
            ("s3.dualstack.eu-west-1.amazonaws.com", "eu-west-1"),
            ("s3.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            ("s3.amazonaws.com", "eu-west-1"),
            ("s3-accelerate.amazonaws.com", "eu-west-1"),
            ("acct.r2.cloudflarestorage.com", "auto"),
            ("s3.us-west-004.backblazeb2.com", "us-west-004"),
            ("s3.wasabisys.com", "us-east-1"),
            ("nyc3.digitaloceanspaces.com", "us-east-1"),
            ("127.0.0.1", "anything"),
        ] {
            assert!(!problem(host, region), "{host} {region}");
            if host.contains(region) {
                assert!(problem(host, "us-east-1"), "{host}");
            }
        }
        assert!(problem("acct.r2.cloudflarestorage.com", "eu-west-1"));
    }
}
