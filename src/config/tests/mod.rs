mod auth;
mod credentials;
mod downloads;
mod files;
mod metrics;
mod multipart;
mod storages;
mod telemetry;
mod uppy;

use std::io::Write as _;

use super::*;
use crate::domain::sigv4::Credentials;

/// Enough for a configuration without problems.
const GOOD: &str = r#"
[auth]
hs256_secret = "0123456789abcdef0123456789abcdef"
[storage]
endpoint = "http://127.0.0.1:9000"
bucket = "files"
access_key_id = "key"
secret_access_key = "sEcReT"
"#;

/// The access key that stands in the configuration.
fn credentials(storage: &Storage) -> &Credentials {
    match &storage.access.common.as_ref().unwrap().kind {
        CredentialKind::Static(key) => &key.credentials,
        other => panic!("{}", other.name()),
    }
}

struct File(PathBuf);

impl File {
    fn new(text: &str) -> Self {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("signer-config-{}-{}.toml", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn load_with(text: &str, environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let file = File::new(text);
    let environment: Vec<_> = environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
    read_from(Some(&file.0), &environment, &[])?.check()
}

/// The problems, without the name of the file.
fn problems(text: &str, environment: &[(&str, &str)]) -> Vec<String> {
    let error = load_with(text, environment).unwrap_err();
    error.problems.iter().map(|p| format!("{}: {}", p.key, p.message)).collect()
}

#[test]
fn shipped_file_is_exactly_the_defaults() {
    let shipped: toml::Table = include_str!("../../../signer.toml").parse().unwrap();
    assert_eq!(shipped, toml::Table::try_from(RawConfig::default()).unwrap());
}

#[test]
fn a_minimal_file_is_enough() {
    let config = load_with(GOOD, &[]).unwrap();
    assert_eq!(config.storage.public_address.host, "127.0.0.1:9000");
    assert_eq!(config.storage.public_address.path, "/files");
    assert!(config.warnings.is_empty());
}

#[test]
fn an_empty_configuration_says_all_that_is_missing() {
    let text = load_with("", &[]).unwrap_err().to_string();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    for (line, key) in lines.iter().zip([
        "auth.hs256_secret",
        "storage.endpoint",
        "storage.bucket",
        "storage.access_key_id",
        "storage.secret_access_key",
    ]) {
        assert!(line.contains(&format!("{key}: is not set")), "{line}");
    }
}

#[test]
fn a_typo_names_the_key_the_file_and_what_was_meant() {
    let file = File::new(&GOOD.replace("bucket", "buket"));
    let error = read_from(Some(&file.0), &[], &[]).unwrap().check().unwrap_err();
    let line = error.problems[0].to_string();
    assert_eq!(line, format!("{}: storage.buket: unknown key; did you mean `bucket`?", file.0.display()));
}

#[test]
fn every_problem_is_reported_at_once() {
    let text = GOOD.replace("bucket = \"files\"", "bucket = 7\nadressing = \"path\"\nconnect_timeout_secs = \"x\"")
        + "[servr]\nlisten = 1\n[server]\nlisten = \"nowhere\"\nmax_headers = -1\n[upload]\nexpires_secs = 0\n";
    let found = problems(&text, &[]);
    for expected in [
        "servr: unknown section; did you mean `server`?",
        "storage.adressing: unknown key; did you mean `addressing`?",
        "storage.bucket: is a number; it must be a string",
        "storage.connect_timeout_secs: is a text; it must be a whole number of 0 or more",
        "server.max_headers: ",
        "server.listen: is `nowhere`; ",
        "upload.expires_secs: is 0; it must be 1 to 604800 seconds",
    ] {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected} in {found:#?}");
    }
}

#[test]
fn limits_are_off_unless_set_and_must_agree() {
    let limits = load_with(GOOD, &[]).unwrap().limits;
    assert_eq!((limits.store, limits.subject, limits.store_upload_bytes_per_hour), (None, None, None));
    let set = load_with(
        &format!("{GOOD}[limits]\nstore_requests_per_sec = 7\nsubject_requests_per_sec = 3\nsubject_burst = 9\n"),
        &[],
    );
    let limits = set.unwrap().limits;
    let rate = |rate: Option<crate::limits::Rate>| rate.map(|rate| (rate.per_sec.get(), rate.burst.get()));
    assert_eq!((rate(limits.store), rate(limits.subject)), (Some((7, 7)), Some((3, 9))));
    let wrong = "[limits]\nmax_in_flight = 0\nmax_bucket_calls = 9\nstore_burst = 5\nsubject_requests_per_sec = 1000001\nmax_tracked = 0\n";
    assert_eq!(
        problems(&format!("{GOOD}{wrong}"), &[]),
        [
            "limits.max_in_flight: is 0; it must be 1 to 100000",
            "limits.max_bucket_calls: is 9; it must be 1 to `max_in_flight` = 0",
            "limits.store_burst: is 5, and `store_requests_per_sec` is 0, no limit",
            "limits.subject_requests_per_sec: is 1000001; it must be 0 to 1000000",
            "limits.max_tracked: is 0; it must be 1 to 1000000",
        ]
    );
}

#[test]
fn the_environment_wins_over_the_file() {
    let config = load_with(
        GOOD,
        &[
            ("SIGNER__STORAGE__BUCKET", "123"),
            ("SIGNER__SERVER__CORS_ORIGINS", r#"["https://a.example"]"#),
            ("SIGNER__DOWNLOAD__EXPIRES_SECS", "60"),
            ("SIGNER__STORAGE__SECRET_ACCESS_KEY", "[true"),
        ],
    )
    .unwrap();
    assert_eq!(config.storage.bucket, "123");
    assert_eq!(config.server.cors.origins, ["https://a.example"]);
    assert_eq!(config.download.life.default_secs, 60);
    assert_eq!(secrecy::ExposeSecret::expose_secret(&credentials(&config.storage).secret_access_key), "[true");
}

#[test]
fn a_typo_in_the_environment_is_named_as_it_was_set() {
    let error = load_with(GOOD, &[("SIGNER__STORAGE__BUKET", "x")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "environment variable SIGNER__STORAGE__BUKET: storage.buket: unknown key; did you mean `bucket`?"
    );
}

#[test]
fn kubernetes_service_links_are_not_our_keys() {
    assert!(load_with(GOOD, &[("SIGNER_PORT", "tcp://10.0.0.1:8787"), ("SIGNER_SERVICE_HOST", "10.0.0.1")]).is_ok());
}

/// The variables that operators of the nearest peer already have.
#[test]
fn s3_aliases_are_read_and_ours_win_over_them() {
    let aliases = [
        ("S3_ENDPOINT", "https://s3.example"),
        ("S3_REGION", "eu-west-1"),
        ("S3_BUCKET", "peer"),
        ("S3_ACCESS_KEY_ID", "id"),
        ("S3_SECRET_ACCESS_KEY", "secret"),
        ("S3_SESSION_TOKEN", "token"),
        ("S3_FORCE_PATH_STYLE", "false"),
        ("SIGNER__STORAGE__BUCKET", "ours"),
        ("SIGNER__AUTH__HS256_SECRET", "0123456789abcdef0123456789abcdef"),
    ];
    let config = load_with("", &aliases).unwrap();
    // K34: an end that nobody knows cannot be kept to.
    assert!(config.warnings[0].starts_with("storage.session_token: when it ends"), "{:?}", config.warnings);
    let storage = config.storage;
    assert_eq!((storage.region.as_str(), storage.bucket.as_str()), ("eu-west-1", "ours"));
    assert_eq!(storage.public_address.host, "ours.s3.example");
    assert!(credentials(&storage).session_token.is_some());
}

/// There, all but `true` was virtual-host style, so what is neither would change its meaning without a word.
#[test]
fn the_old_path_style_is_true_or_false() {
    for (value, addressing) in
        [("true", Addressing::Path), ("TRUE", Addressing::Path), ("False", Addressing::VirtualHost)]
    {
        let named = GOOD.replace("127.0.0.1", "s3.example");
        let storage = load_with(&named, &[("S3_FORCE_PATH_STYLE", value)]).unwrap().storage;
        assert_eq!(storage.addressing, addressing, "{value}");
    }
    for value in ["1", "yes", "0", "path"] {
        let says = format!(
            "storage.addressing: comes from S3_FORCE_PATH_STYLE, which is `{value}`; it must be `true`, or `false` for virtual-host"
        );
        assert_eq!(problems(GOOD, &[("S3_FORCE_PATH_STYLE", value)]), [says]);
    }
}

#[test]
fn aws_variables_fill_in_only_what_is_not_set() {
    let aws = [
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "ambient"),
        ("AWS_SECRET_ACCESS_KEY", "ambient"),
        ("AWS_SESSION_TOKEN", "ambient"),
    ];
    let storage = load_with(GOOD, &aws).unwrap().storage;
    assert_eq!(storage.region, "eu-west-1");
    assert_eq!(credentials(&storage).access_key_id, "key");
    // Never one key's id with another key's token.
    assert!(credentials(&storage).session_token.is_none());

    let without_key = GOOD.replace("access_key_id = \"key\"\nsecret_access_key = \"sEcReT\"", "");
    let storage = load_with(&without_key, &aws).unwrap().storage;
    assert_eq!(credentials(&storage).access_key_id, "ambient");
    assert!(credentials(&storage).session_token.is_some());
}

#[test]
fn flags_win_over_everything() {
    let file = File::new(GOOD);
    let environment = [("SIGNER__SERVER__LISTEN".to_owned(), "127.0.0.1:1".to_owned())];
    let flags = [("server.listen".to_owned(), "127.0.0.1:2".to_owned())];
    let config = read_from(Some(&file.0), &environment, &flags).unwrap().check().unwrap();
    assert_eq!(config.server.listen.port(), 2);
}

#[test]
fn secrets_come_from_files_without_their_last_newline() {
    let secret = File::new("0123456789abcdef0123456789abcdef\n");
    let text = GOOD.replace(
        "hs256_secret = \"0123456789abcdef0123456789abcdef\"",
        &format!("hs256_secret_file = \"{}\"", secret.0.display()),
    );
    assert_eq!(load_with(&text, &[]).unwrap().auth.hs256_secret.unwrap().expose().len(), 32);
    let both = text.replace("[storage]", "hs256_secret = \"x\"\n[storage]");
    assert!(problems(&both, &[])[0].contains("keep one of them"));
    let missing = text.replace(&secret.0.display().to_string(), "/nonexistent/secret");
    assert!(problems(&missing, &[])[0].contains("cannot be read"));
}

/// J36, J48, H32, K34: values that would weaken the service stop it.
#[test]
fn weak_and_impossible_values_are_refused() {
    for (from, to, expected) in [
        ("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcde", "auth.hs256_secret: has 31 bytes"),
        ("http://127.0.0.1:9000", "http://u:p@127.0.0.1:9000", "storage.endpoint: has a user name or password"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/?a", "storage.endpoint: has a query"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/#a", "storage.endpoint: has a fragment"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/s3", "storage.endpoint: has a path"),
        ("http://127.0.0.1:9000", "ftp://127.0.0.1", "storage.endpoint: is no address"),
        ("\"files\"", "\"a/b\"", "storage.bucket: is `a/b`"),
        ("\"files\"", "\"files\"\naddressing = \"virtual-host\"", "storage.addressing: is `virtual-host`, but"),
        ("\"files\"", "\"files\"\npublic_endpoint = \"https://cdn.example/x\"", "storage.public_endpoint: has a path"),
        ("[storage]", "leeway_secs = 1000000000000\n[storage]", "auth.leeway_secs: is 1000000000000"),
        ("[storage]", "leeway_secs = -1\n[storage]", "auth.leeway_secs: is a number"),
        ("[storage]", "[download]\nmax_expires_secs = 604801\n[storage]", "download.max_expires_secs: is 604801"),
        ("[storage]", "[download]\nexpires_secs = 3601\n[storage]", "download.expires_secs: is 3601, more than"),
        ("[storage]", "[server]\ncors_origins = [\"*\"]\n[storage]", "server.cors_origins: holds `*`"),
        ("[storage]", "[server]\ncors_origins = [\"https://a.example/\"]\n[storage]", "server.cors_origins: holds"),
        ("[storage]", "[server]\ncors_origins = [\"https://A.example\"]\n[storage]", "server.cors_origins: holds"),
        ("[storage]", "[server]\nbase_path = \"api/\"\n[storage]", "server.base_path: is `api/`"),
        ("[storage]", "[server]\nbase_path = \"/api/\"\n[storage]", "server.base_path: is `/api/`"),
    ] {
        let found = problems(&GOOD.replace(from, to), &[]);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{expected} in {found:#?}");
    }
}

#[test]
fn a_path_in_the_endpoint_is_fine_when_clients_go_elsewhere() {
    let text = GOOD.replace("9000\"", "9000/s3\"\npublic_endpoint = \"https://cdn.example\"");
    let storage = load_with(&text, &[]).unwrap().storage;
    assert_eq!((storage.endpoint.path(), storage.public_address.host.as_str()), ("/s3", "cdn.example"));
    assert_eq!((storage.own_address.path.as_str(), storage.public_address.path.as_str()), ("/s3/files", "/files"));
}

#[test]
fn app_schemes_are_origins() {
    let text = GOOD.replace("[storage]", "[server]\ncors_origins = [\"capacitor://localhost\"]\n[storage]");
    assert!(load_with(&text, &[]).is_ok());
}

/// H32: a mistake is named without the value, which may be the secret.
#[test]
fn problems_never_show_a_secret() {
    for text in [
        GOOD.replace("\"sEcReT\"", "\"sEcReT"),
        GOOD.replace("\"sEcReT\"", "[\"sEcReT\"]"),
        GOOD.replace("\"sEcReT\"", "\"sEcReT \\n\""),
        GOOD.replace("secret_access_key", "secret_acces_key"),
    ] {
        let error = load_with(&text, &[]).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("sEcReT"), "{error}");
    }
    let file = File::new(GOOD);
    let loaded = read_from(Some(&file.0), &[], &[]).unwrap();
    let shown = format!("{loaded:?}") + &loaded.into_toml().unwrap();
    assert!(shown.contains("secret_access_key = \"<redacted>\""), "{shown}");
}

/// The example key of RFC 8037 appendix A.2, as PEM.
const ED25519_PEM: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
";

#[test]
fn public_keys_stand_in_for_the_secret() {
    let keys = |id: &str, algorithm: &str, pem: &str| {
        let key = format!("keys = [{{ algorithm = \"{algorithm}\", {id}public_key = {pem:?} }}]\n");
        GOOD.replace("hs256_secret = \"0123456789abcdef0123456789abcdef\"\n", &key)
    };
    let config = load_with(&keys("id = \"a\", ", "EdDSA", ED25519_PEM), &[]).unwrap();
    assert_eq!((config.auth.keys.len(), config.auth.hs256_secret.is_none()), (1, true));
    for (text, expected) in [
        (keys("", "EdDSA", "rubbish"), "auth.keys.0.public_key: cannot be used: this is no public key"),
        (keys("", "RS256", ED25519_PEM), "auth.keys.0.public_key: cannot be used: this is no public key"),
        (keys("", "eddsa", ED25519_PEM), "auth.keys.0.algorithm: is `eddsa`; it must be"),
        (keys("", "HS256", ED25519_PEM), "auth.keys.0.algorithm: takes a secret"),
        (keys("kid = \"a\", ", "EdDSA", ED25519_PEM), "auth.keys: `kid` is unknown here; there are id, algorithm"),
    ] {
        let found = problems(&text, &[]);
        assert!(found[0].starts_with(expected), "{expected} in {found:#?}");
    }
    let file = File::new(ED25519_PEM);
    let variable = format!(r#"[{{algorithm="EdDSA",public_key_file="{}"}}]"#, file.0.display());
    assert_eq!(load_with(GOOD, &[("SIGNER__AUTH__KEYS", &variable)]).unwrap().auth.keys.len(), 2);
}

#[test]
fn low_variety_and_plain_http_are_warned_about() {
    let text = GOOD
        .replace("0123456789abcdef0123456789abcdef", &"a".repeat(32))
        .replace("http://127.0.0.1:9000", "http://s3.example");
    assert_eq!(load_with(&text, &[]).unwrap().warnings.len(), 2);
}

#[test]
fn a_named_file_must_exist() {
    let error = read_from(Some(Path::new("/nonexistent/signer.toml")), &[], &[]).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/signer.toml: cannot be read"), "{error}");
}

#[test]
fn asked_lives_are_clamped() {
    let life = Life { default_secs: 900, max_secs: 3600 };
    assert_eq!(
        [None, Some(60), Some(0), Some(-1), Some(3601), Some(i64::MAX)].map(|w| life.clamp(w)),
        [900, 60, 1, 1, 3600, 3600]
    );
}

fn storage_with(storage: &str, upload: &str) -> Result<Config, ConfigError> {
    let auth = "[auth]\nhs256_secret = '0123456789abcdef0123456789abcdef'\n";
    let storage = format!("[storage]\nbucket = 'files'\naccess_key_id = 'a'\nsecret_access_key = 'b'\n{storage}\n");
    load_with(&format!("{auth}{storage}[upload]\n{upload}\n"), &[])
}

/// Never silently weaker: every row that lacks a promise refuses it by name.
#[test]
fn promises_that_a_provider_breaks_stop_the_start() {
    use crate::domain::upload::ChecksumRule;
    use crate::storage::{PROVIDERS, Support};
    for provider in PROVIDERS {
        let storage = format!(
            "endpoint = 'https://s3.test'\nregion = 'us-east-1'\nverify = 'strict'\nprovider = '{}'",
            provider.name
        );
        let outcome = |upload: &str| storage_with(&storage, upload);
        for (promise, support, key) in [
            ("checksum = 'require'", provider.checksum, "upload.checksum"),
            ("write_once = true", provider.write_once, "upload.write_once"),
        ] {
            match (outcome(promise), support) {
                (Ok(config), Support::Yes) => assert!(config.warnings.is_empty(), "{} {promise}", provider.name),
                (Ok(config), Support::Unknown) => {
                    assert!(config.warnings[0].contains(key), "{} {promise}", provider.name);
                }
                (Err(error), Support::No) => {
                    assert_eq!(error.problems.len(), 1);
                    let named = error.problems[0].key == key && error.problems[0].message.contains(provider.title);
                    assert!(named, "{error}");
                }
                (outcome, support) => panic!("{} {promise} {support:?}: {outcome:?}", provider.name),
            }
        }
        let storage = outcome("").unwrap().storage;
        let left_out = provider.checksum == Support::No;
        assert_eq!(storage.upload_rules.checksum == ChecksumRule::Off, left_out, "{}", provider.name);
        assert_eq!(storage.left_out.is_empty(), !left_out, "{}", provider.name);
    }
}

#[test]
fn a_provider_is_guessed_and_said() {
    let provider = |storage: &str| storage_with(storage, "").unwrap().storage.provider.name;
    assert_eq!(provider("endpoint = 'https://acct.r2.cloudflarestorage.com'\nregion = 'auto'"), "r2");
    assert_eq!(provider("endpoint = 'https://s3.us-west-004.backblazeb2.com'\nregion = 'us-west-004'"), "b2");
    assert_eq!(provider("endpoint = 'https://s3.test'"), "generic");
    assert_eq!(provider("endpoint = 'https://s3.test'\nprovider = 'garage'"), "garage");
    let file = File::new(&format!("{GOOD}provider = 'ceph'\n"));
    let text = read_from(Some(&file.0), &[], &[]).unwrap().into_toml().unwrap();
    assert!(text.contains("\n# checksums are left out: Ceph RGW does not check x-amz-checksum-sha256"), "{text}");
    assert!(text.parse::<toml::Table>().is_ok());
}

#[test]
fn impossible_uploads_and_regions_are_refused() {
    for (storage, upload, key) in [
        ("endpoint = 'https://s3.test'\nprovider = 'azure'", "", "storage.provider"),
        ("endpoint = 'https://s3.eu-west-1.amazonaws.com'", "", "storage.region"),
        ("endpoint = 'https://acct.r2.cloudflarestorage.com'\nregion = 'eu-west-1'", "", "storage.region"),
        ("endpoint = 'https://s3.test'", "max_bytes = 5497558138881", "upload.max_bytes"),
        ("endpoint = 'https://s3.test'", "content_types = ['images']", "upload.content_types"),
        ("endpoint = 'https://s3.test'", "checksum = 'sometimes'", "upload.checksum"),
        ("endpoint = 'https://s3.test'", "cache_control = 'a\\nb'", "upload.cache_control"),
        ("endpoint = 'https://s3.test'", "server_side_encryption = 'rot13'", "upload.server_side_encryption"),
        ("endpoint = 'https://s3.test'", "kms_key_id = 'k'", "upload.kms_key_id"),
    ] {
        let upload = upload.replace("'a\\nb'", "\"a\\nb\"");
        let error = storage_with(storage, &upload).unwrap_err();
        let keys: Vec<_> = error.problems.iter().map(|problem| problem.key.as_str()).collect();
        assert_eq!(keys, [key], "{storage} {upload}");
    }
}
