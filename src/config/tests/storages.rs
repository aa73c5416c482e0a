//! `[storages.NAME]` and `[[storage_routes]]`.

use super::*;
use crate::domain::upload::ChecksumRule;

const EU: &str = r#"
[storages.eu]
endpoint = "https://s3.eu-central-003.backblazeb2.com"
region = "eu-central-003"
bucket = "files-eu"
prefix = "filesync/v1/"
access_key_id = "eu-key"
secret_access_key = "eu-sEcReT"
delete_all_versions = true
[[storage_routes]]
stores = ["acme", "team-*"]
storage = "eu"
"#;

fn with(more: &str) -> String {
    format!("{GOOD}{more}")
}

#[test]
fn each_storage_is_complete_by_itself() {
    let config = load_with(&with(EU), &[]).unwrap();
    let [eu] = config.storages.as_slice() else { panic!("{:?}", config.storages) };
    assert_eq!((eu.name.as_str(), eu.index.get(), eu.bucket.as_str()), ("eu", 1, "files-eu"));
    assert_eq!(eu.public_address.path, "/files-eu/filesync/v1");
    assert_eq!(credentials(eu).access_key_id, "eu-key");
    assert_eq!(config.storage.public_address.path, "/files");
    assert_eq!(config.auth.storage_names, ["default", "eu"]);
    assert_eq!(config.key_rules.max_bytes, 1024 - "filesync/v1/".len());
    assert!(config.warnings.is_empty(), "{:?}", config.warnings);
}

/// What B2 does not keep is left out there, and nowhere else.
#[test]
fn bounds_are_left_out_where_the_storage_does_not_keep_them() {
    let config = load_with(&with(EU), &[]).unwrap();
    let rules: Vec<_> = config.all_storages().map(|storage| storage.upload_rules.checksum).collect();
    assert_eq!(rules, [ChecksumRule::Auto, ChecksumRule::Off]);
    assert!(
        config.notes.iter().any(|note| note.starts_with("storages.eu: checksums are left out")),
        "{:?}",
        config.notes
    );
    let found = problems(&(with(EU) + "[upload]\nchecksum = \"require\"\n"), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("upload.checksum: storages.eu: is `require`"), "{found:?}");
}

/// K24: whoever may upload reads all that the key can read, where nothing stands in the way.
#[test]
fn a_storage_that_copies_what_nobody_signed_is_warned_of_unless_puts_have_a_key_of_their_own() {
    let warned =
        |more: &str| load_with(&GOOD.replace("[storage]\n", &format!("[storage]\n{more}\n")), &[]).unwrap().warnings;
    let put = "put = { access_key_id = 'put-key', secret_access_key = 'put-secret' }";
    for name in ["ceph", "minio"] {
        let provider = format!("provider = '{name}'");
        let found = warned(&provider);
        assert!(found.len() == 1 && found[0].starts_with("storage.put is not set, and "), "{found:?}");
        assert!(found[0].contains("whoever may upload one key can read every other"), "{found:?}");
        assert!(warned(&format!("{provider}\n{put}")).is_empty());
        // It is tried then, at each start.
        assert!(warned(&format!("{provider}\nverify = 'strict'")).is_empty());
    }
    for name in ["aws", "garage", "seaweedfs", "generic"] {
        assert!(warned(&format!("provider = '{name}'")).is_empty(), "{name}");
    }
    let eu =
        EU.replace("[[storage_routes]]", "provider = 'ceph'\n[[storage_routes]]").replace(".backblazeb2.com", ".test");
    assert!(load_with(&with(&eu), &[]).unwrap().warnings[0].starts_with("storages.eu.put is not set"));
}

/// Nothing is taken over from `[storage]`, least of all its credentials.
#[test]
fn problems_name_the_storage_that_has_them() {
    let found = problems(
        &with("[storages.eu]\nbukket = \"x\"\nput = { access_key_id = \"a\" }\nconnect_timeout_secs = true\n"),
        &[],
    );
    for expected in [
        "storages.eu.bukket: unknown key; did you mean `bucket`?",
        "storages.eu.connect_timeout_secs: is a boolean; it must be",
        "storages.eu.endpoint: is not set",
        "storages.eu.bucket: is not set",
        "storages.eu.access_key_id: is not set",
        "storages.eu.secret_access_key: is not set",
        "storages.eu.put.secret_access_key: is not set",
    ] {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected} in {found:#?}");
    }
    assert_eq!(found.len(), 7, "{found:#?}");
    for (text, expected) in [
        ("[storages]\neu = 1\n", "storages.eu: is a section: write [storages.eu]"),
        ("[storages.EU]\n", "storages.EU: is no name of a storage"),
        ("[storages.default]\n", "storages.default: is no name of a storage"),
    ] {
        let found = problems(&with(text), &[]);
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected} in {found:#?}");
    }
}

#[test]
fn routes_that_lead_nowhere_are_refused() {
    let eu = EU.split("[[").next().unwrap();
    for (route, expected) in [
        ("storage = \"eu\"", "has neither `stores` nor `claim`"),
        ("stores = [\"a\"]\nstorage = \"us\"", "names the storage `us`; there are `default`, `eu`"),
        ("stores = [\"*\"]\nstorage = \"eu\"", "names the store `*`"),
        ("stores = [\"a*b\"]\nstorage = \"eu\"", "names the store `a*b`"),
        ("stores = [\"a/b\"]\nstorage = \"eu\"", "names the store `a/b`"),
        ("claim = \"region\"\nstorage = \"eu\"", "has one of `claim` and `value`"),
        ("store = [\"a\"]\nstorage = \"eu\"", "`store` is unknown here"),
    ] {
        let found = problems(&with(&format!("{eu}[[storage_routes]]\n{route}\n")), &[]);
        assert!(found.len() == 1 && found[0].contains(expected), "{expected} in {found:#?}");
    }
    let config = load_with(&with(eu), &[]).unwrap();
    assert_eq!(config.warnings, ["storages.eu is in no [[storage_routes]], so nothing is kept there"]);
}

#[test]
fn variables_and_flags_reach_into_storages() {
    let variables = [
        ("SIGNER__STORAGES__EU__BUCKET", "123"),
        ("SIGNER__STORAGES__EU__PUT__ACCESS_KEY_ID", "put-key"),
        ("SIGNER__STORAGES__EU__PUT__SECRET_ACCESS_KEY", "[x"),
        ("SIGNER__STORAGES__EU__CALL_TIMEOUT_SECS", "7"),
    ];
    let config = load_with(&with(EU), &variables).unwrap();
    let eu = &config.storages[0];
    assert_eq!((eu.bucket.as_str(), eu.call_timeout.as_secs()), ("123", 7));
    assert_eq!(eu.access.put.as_ref().unwrap().credentials.access_key_id, "put-key");
    let error = load_with(&with(EU), &[("SIGNER__STORAGES__EU__BUKET", "x")]).unwrap_err().to_string();
    assert_eq!(
        error,
        "environment variable SIGNER__STORAGES__EU__BUKET: storages.eu.buket: unknown key; did you mean `bucket`?"
    );
}

#[test]
fn a_prefix_is_plain_folders() {
    for (prefix, good) in [
        ("", true),
        ("filesync/", true),
        ("a/b.c-d_E/", true),
        ("filesync", false),
        ("/", false),
        ("/a/", false),
        ("a//b/", false),
        ("../", false),
        ("a b/", false),
        ("%2e/", false),
        ("ü/", false),
    ] {
        let text = GOOD.replace("[storage]", &format!("[storage]\nprefix = \"{prefix}\""));
        assert_eq!(load_with(&text, &[]).is_ok(), good, "{prefix}");
    }
}

#[test]
fn secrets_of_further_storages_are_not_shown() {
    let file = File::new(&with(EU));
    let shown = read_from(Some(&file.0), &[], &[]).unwrap().into_toml().unwrap();
    assert!(shown.contains("[storages.eu]") && !shown.contains("eu-sEcReT"), "{shown}");
    let again: toml::Table = shown.parse().unwrap();
    assert!(again.contains_key("storage_routes"));
}
