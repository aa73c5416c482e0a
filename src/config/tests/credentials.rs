use super::*;

/// Enough without an access key.
const KEYLESS: &str = r#"
[auth]
hs256_secret = "0123456789abcdef0123456789abcdef"
[storage]
endpoint = "http://127.0.0.1:9000"
bucket = "files"
"#;

fn source(text: &str, environment: &[(&str, &str)]) -> CredentialSource {
    load_with(&format!("{KEYLESS}{text}"), environment).unwrap().storage.access.common.unwrap()
}

#[test]
fn a_kind_that_cannot_work_is_refused_at_once() {
    let web = [("AWS_ROLE_ARN", "arn:aws:iam::1:role/r"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/t")];
    let metadata = |url| [("AWS_CONTAINER_CREDENTIALS_FULL_URI", url)];
    for (text, environment, expected) in [
        ("credentials = 'aws'", &[][..], "storage.credentials: is `aws`; it must be `static`"),
        (
            "credentials = 'environment'",
            &[],
            "storage.credentials: is `environment`, but the environment has no AWS_ACC",
        ),
        (
            "credentials = 'web-identity'",
            &web[..1],
            "storage.credentials: is `web-identity`, but the environment has no AWS_WEB",
        ),
        ("credentials = 'ecs'", &[], "storage.credentials: is `ecs`, but the environment has no AWS_CONTAINER"),
        ("credentials = 'ecs'", &metadata("http://evil.test/"), "storage.credentials: are to come from"),
        ("credentials = 'auto'", &metadata("http://evil.test/"), "storage.credentials: are to come from"),
        ("credentials = 'process'", &[], "storage.credential_process: is not set"),
        ("credentials = 'imds'\naccess_key_id = 'x'", &[], "storage.access_key_id: or what belongs to it is set, but"),
        (
            "credentials = 'web-identity'\nregion = 'auto'",
            &web,
            "storage.sts_endpoint: is not set, and AWS has no region",
        ),
        ("credentials = 'imds'\nassume_role_arn = 'signer'", &[], "storage.assume_role_arn: is no ARN"),
        ("credentials = 'imds'\nassume_role_external_id = 'x'", &[], "storage.assume_role_external_id: is set, but"),
        ("credentials = 'imds'\nassume_role_session_name = 'a b'", &[], "storage.assume_role_session_name: must be"),
        (
            "credentials = 'imds'\nassume_role_arn = 'arn:aws:iam::1:role/r'\nsts_endpoint = 'http://sts.test'",
            &[],
            "storage.sts_endpoint: is `http://sts.test`; it must be",
        ),
        ("[storage.put]\naccess_key_id = 'x'", &[], "storage.put.secret_access_key: is not set"),
        ("[storage.put]\naccess_key = 'x'", &[], "storage.put: `access_key` is unknown here; there are access_key_id,"),
    ] {
        let found = problems(&format!("{KEYLESS}{text}"), environment);
        assert!(found.iter().any(|problem| problem.starts_with(expected)), "{expected} in {found:#?}");
    }
}

#[test]
fn a_key_that_is_not_set_and_one_that_cannot_be_are_told_apart() {
    let found = problems(KEYLESS, &[]);
    for (line, key) in found.iter().zip(["storage.access_key_id", "storage.secret_access_key"]) {
        assert!(line.starts_with(&format!("{key}: is not set; ")), "{found:#?}");
        assert!(line.contains("`credentials` to `auto`, or `web-identity`"), "{found:#?}");
    }
    let put = format!("{GOOD}[storage.put]\naccess_key_id = 'x'\n");
    assert_eq!(problems(&put, &[]), ["storage.put.secret_access_key: is not set"]);
    let spaced = GOOD.replace("sEcReT", "sEc ReT");
    assert_eq!(problems(&spaced, &[]), ["storage.secret_access_key: has spaces or control characters"]);
}

#[test]
fn sts_is_found_where_the_bucket_is() {
    let role = "credentials = 'imds'\nassume_role_arn = 'arn:aws:iam::1:role/r'\n";
    let at = |text: &str, environment: &[(&str, &str)]| {
        source(&format!("{role}{text}"), environment).sts.unwrap().endpoint.to_string()
    };
    assert_eq!(at("region = 'eu-west-1'", &[]), "https://sts.eu-west-1.amazonaws.com/");
    assert_eq!(at("region = 'cn-north-1'", &[]), "https://sts.cn-north-1.amazonaws.com.cn/");
    let variable = [("AWS_ENDPOINT_URL_STS", "http://127.0.0.1:1")];
    assert_eq!(at("", &variable), "http://127.0.0.1:1/");
    assert_eq!(at("sts_endpoint = 'https://minio.test:9000'", &variable), "https://minio.test:9000/");
}

/// The `AWS_*` fallbacks are for a key that is meant to be in the configuration.
#[test]
fn ambient_keys_do_not_mix_with_other_credentials() {
    let ambient = [("AWS_ACCESS_KEY_ID", "ambient"), ("AWS_SECRET_ACCESS_KEY", "sEcReT")];
    assert!(matches!(source("credentials = 'imds'", &ambient).kind, CredentialKind::Imds));
    assert!(matches!(source("credentials = 'auto'", &ambient).kind, CredentialKind::Environment(..)));
    let config = load_with(&format!("{KEYLESS}credentials = 'environment'"), &ambient).unwrap();
    assert!(!format!("{config:?}").contains("sEcReT"));
    let loaded = read_from(None, &ambient.map(|(n, v)| (n.to_owned(), v.to_owned())), &[]).unwrap();
    assert!(!format!("{loaded:?}").contains("sEcReT"));
}

#[test]
fn split_keys_come_from_the_file_and_from_variables() {
    let variables = [
        ("SIGNER__STORAGE__PUT__ACCESS_KEY_ID", "42"),
        ("SIGNER__STORAGE__PUT__SECRET_ACCESS_KEY", "put"),
        ("SIGNER__STORAGE__DELETE", "{access_key_id = \"d\", secret_access_key = \"sEcReT\"}"),
    ];
    let text = GOOD.to_owned() + "[storage.get]\naccess_key_id = 'g'\nsecret_access_key = 'get'\n";
    let config = load_with(&text, &variables).unwrap();
    let access = &config.storage.access;
    let id = |key: &Option<StaticKey>| key.as_ref().unwrap().credentials.access_key_id.clone();
    assert_eq!([&access.put, &access.get, &access.delete].map(id), ["42", "g", "d"]);
    assert_eq!(credentials(&config.storage).access_key_id, "key");
    assert!(!format!("{config:?}").contains("sEcReT"));
    let error = load_with(GOOD, &[("SIGNER__STORAGE__PUT__BUKET", "x")]).unwrap_err();
    assert!(error.to_string().contains("storage.put: `buket` is unknown here"), "{error}");
    // What is no table has no parts.
    let error = load_with(GOOD, &[("SIGNER__STORAGE__BUCKET__NAME", "x")]).unwrap_err();
    assert!(error.to_string().contains("storage.bucket.name: unknown key"), "{error}");
}

const UPPY: &str =
    "[upload]\nchecksum = 'off'\n[uppy]\nenabled = true\n[multipart]\nsecret = '0123456789abcdef0123456789abcdef'\n";
const UPLOAD_ROLE: &str = "upload_role_arn = 'arn:aws:iam::1:role/r'\n";

/// Credentials hold their bearer to a folder and to nothing else, so nothing else may be demanded.
#[test]
fn temporary_credentials_are_refused_where_they_would_get_around_a_limit() {
    let text = |storage: &str, rest: &str| format!("{GOOD}{UPLOAD_ROLE}{storage}{rest}");
    for (storage, rest, expected) in [
        (
            "provider = 'aws'",
            UPPY.replace("'off'", "'auto'"),
            "upload_role_arn: is set, and so is upload.checksum (other than",
        ),
        ("provider = 'aws'", UPPY.replace("'off'", "'require'"), "upload_role_arn: is set, and so is upload.checksum"),
        (
            "provider = 'aws'",
            UPPY.replace("[uppy]", "max_bytes = 9\n[uppy]"),
            "so is upload.max_bytes, which temporary",
        ),
        ("provider = 'aws'", UPPY.replace("[uppy]", "write_once = true\n[uppy]"), "and so is upload.write_once, which"),
        ("provider = 'aws'", UPPY.replace("[uppy]", "content_types = ['image/*']\n[uppy]"), "is upload.content_types,"),
        ("provider = 'aws'", UPPY.replace("[uppy]", "cache_control = 'private'\n[uppy]"), "a header of every object"),
        (
            "provider = 'aws'",
            format!("{UPPY}[limits]\nstore_upload_bytes_per_hour = 9\n"),
            "limits.store_upload_bytes_per",
        ),
        ("provider = 'aws'", UPPY.replace("enabled = true", "enabled = false"), "and `uppy.enabled` is not"),
        ("provider = 'r2'\nregion = 'auto'", UPPY.to_owned(), "is set, and Cloudflare R2 has no STS"),
        ("provider = 'garage'", UPPY.to_owned(), "is set, and Garage has no STS"),
        ("provider = 'generic'", UPPY.to_owned(), "narrows credentials to a policy is not known"),
        ("provider = 'minio'", UPPY.to_owned(), "storage.sts_endpoint: is not set, which `upload_role_arn` needs here"),
        (
            "provider = 'minio'\nsts_endpoint = 'http://minio.test'",
            UPPY.to_owned(),
            "storage.sts_endpoint: is `http://minio",
        ),
    ] {
        let found = problems(&text(&format!("{storage}\n"), &rest), &[]);
        assert_eq!(found.len(), 1, "{expected}: {found:?}");
        assert!(found[0].starts_with("storage.") && found[0].contains(expected), "{expected} in {found:?}");
    }
    let found = problems(&format!("{GOOD}upload_role_arn = 'uploads'\nprovider = 'aws'\n{UPPY}"), &[]);
    assert!(found[0].contains("storage.upload_role_arn: is no ARN"), "{found:?}");
    let found = problems(&format!("{GOOD}upload_role_external_id = 'x'\n{UPPY}"), &[]);
    assert!(
        found[0].contains("storage.upload_role_external_id: is set, but there is no `upload_role_arn`"),
        "{found:?}"
    );
}

#[test]
fn a_role_for_uploads_is_taken_where_sts_narrows() {
    let role =
        |storage: &str| load_with(&format!("{GOOD}{UPLOAD_ROLE}{storage}{UPPY}"), &[]).unwrap().storage.upload_role;
    let aws = role("provider = 'aws'\n").unwrap();
    assert_eq!((aws.role.arn.as_str(), aws.role.external_id), ("arn:aws:iam::1:role/r", None));
    assert_eq!(aws.sts.endpoint.as_str(), "https://sts.us-east-1.amazonaws.com/");
    let own = "provider = 'seaweedfs'\nsts_endpoint = 'http://127.0.0.1:8333'\nupload_role_external_id = 'x'\n";
    let own = role(own).unwrap();
    assert_eq!((own.sts.endpoint.as_str(), own.role.external_id.as_deref()), ("http://127.0.0.1:8333/", Some("x")));
    assert!(load_with(&format!("{GOOD}{UPPY}"), &[]).unwrap().storage.upload_role.is_none());
    // The role of one storage, and none for the other.
    let two = format!(
        "{GOOD}{UPPY}[storages.eu]\nendpoint = 'http://127.0.0.1:9001'\nbucket = 'eu'\nprovider = 'aws'\n{UPLOAD_ROLE}access_key_id = 'a'\nsecret_access_key = 'b'\n"
    );
    let config = load_with(&two, &[]).unwrap();
    assert_eq!(config.all_storages().map(|storage| storage.upload_role.is_some()).collect::<Vec<_>>(), [false, true]);
    let off = two.replace("enabled = true", "enabled = false");
    assert!(problems(&off, &[])[0].contains("storages.eu.upload_role_arn: is set, and `uppy.enabled` is not"));
}
