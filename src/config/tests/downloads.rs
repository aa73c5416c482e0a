//! `[download]`.

use super::*;
use crate::domain::download::CacheControl;

fn with(download: &str) -> String {
    format!("{GOOD}[download]\n{download}\n")
}

fn download(text: &str) -> Download {
    load_with(&with(text), &[]).unwrap().download
}

#[test]
fn windows_are_written_with_their_unit() {
    for (text, secs) in [
        ("0", 0),
        ("\"0\"", 0),
        ("\"0s\"", 0),
        ("\"90s\"", 90),
        ("\"15m\"", 900),
        ("\"24h\"", 86_400),
        ("\"1440m\"", 86_400),
    ] {
        assert_eq!(download(&format!("cache_window = {text}")).cache_window_secs, secs, "{text}");
    }
    for text in [
        "900",
        "\"900\"",
        "\"15 m\"",
        "\"m\"",
        "\"-1s\"",
        "\"+1s\"",
        "\"1d\"",
        "\"1.5h\"",
        "\"é\"",
        "\"\"",
        "\"9999999999999999999h\"",
    ] {
        let found = problems(&with(&format!("cache_window = {text}")), &[]);
        let bare = text.trim_matches('"');
        let expected =
            format!("download.cache_window: is `{bare}`; write `0`, or a number with `s`, `m` or `h`: `15m`");
        assert_eq!(found, [expected], "{text}");
    }
    assert_eq!(
        problems(&with("cache_window = true"), &[]),
        ["download.cache_window: is a boolean; it must be a time such as \"15m\", or 0"]
    );
    for text in ["\"25h\"", "\"86401s\"", "\"99999999999s\""] {
        let found = problems(&with(&format!("cache_window = {text}")), &[]);
        assert!(found.len() == 1 && found[0].ends_with("it must be at most `24h`"), "{found:?}");
    }
    let from_environment = load_with(GOOD, &[("SIGNER__DOWNLOAD__CACHE_WINDOW", "15m")]).unwrap();
    assert_eq!(from_environment.download.cache_window_secs, 900);
}

/// K34: with the window no URL lives longer than S3 allows.
#[test]
fn life_and_window_together_fit_s3() {
    assert!(load_with(&with("max_expires_secs = 603900\ncache_window = \"15m\""), &[]).is_ok());
    assert_eq!(
        problems(&with("max_expires_secs = 603901\ncache_window = \"15m\""), &[]),
        [
            "download.cache_window: is `15m`; with `max_expires_secs` = 603901 a URL would live 604801 seconds, and S3 gives 604800"
        ]
    );
}

#[test]
fn caches_are_told_something_only_where_a_url_comes_twice() {
    assert_eq!(download("").rules.cache_control, CacheControl::Stored);
    assert_eq!(download("cache_window = \"1s\"").rules.cache_control, CacheControl::UrlLife);
    assert_eq!(download("cache_window = \"1s\"\ncache_control = \"\"").rules.cache_control, CacheControl::Stored);
    assert_eq!(download("cache_control = \"no-cache\"").rules.cache_control, CacheControl::Fixed("no-cache".into()));
    for bad in [" no-cache", "a\\r\\nb", "é"] {
        let found = problems(&with(&format!("cache_control = \"{bad}\"")), &[]);
        assert!(found.len() == 1 && found[0].starts_with("download.cache_control: has a character"), "{found:?}");
    }
}

#[test]
fn what_may_run_in_a_page_is_warned_of_where_nothing_stops_it() {
    let warnings = |text: &str| load_with(&with(text), &[]).unwrap().warnings;
    assert!(warnings("force_attachment = false").is_empty(), "the default list is plain");
    assert!(warnings("response_content_types = [\"text/html\"]").is_empty());
    for active in ["text/html", "image/*", "*/*", "image/svg+xml"] {
        let found = warnings(&format!("force_attachment = false\nresponse_content_types = [\"{active}\"]"));
        assert!(found.len() == 1 && found[0].contains(active), "{found:?}");
    }
    let found = problems(&with("response_content_types = [\"image/\", \"Text/Plain\"]"), &[]);
    assert_eq!(found.len(), 2, "{found:?}");
}

const PUBLIC: &str = "mode = \"public\"\nforce_attachment = false\npublic_base_url = ";

#[test]
fn a_public_address_is_https_or_on_this_machine() {
    for good in
        ["https://files.example.com", "https://files.example.com/a/", "http://127.0.0.1:9000/b", "http://localhost"]
    {
        let config = load_with(&with(&format!("{PUBLIC}\"{good}\"")), &[]).unwrap();
        assert!(config.download.public.is_some(), "{good}");
        assert!(config.warnings.iter().any(|line| line.starts_with("download.mode is public: whoever knows a key")));
    }
    for (bad, reason) in [
        ("", "is not set"),
        ("files.example.com", "is no address"),
        ("ftp://files.example.com", "is no address"),
        ("http://files.example.com", "is not https"),
        ("https://u:p@files.example.com", "has a user name or password"),
        ("https://files.example.com/?a", "has a query or a fragment"),
        ("https://files.example.com/#a", "has a query or a fragment"),
    ] {
        let found = problems(&with(&format!("{PUBLIC}\"{bad}\"")), &[]);
        let expected = format!("download.public_base_url: {reason}");
        assert!(found.len() == 1 && found[0].starts_with(&expected), "{expected} in {found:?}");
    }
}

/// What an address without a signature cannot keep is refused by name.
#[test]
fn public_downloads_stand_beside_nothing_that_assumes_private_ones() {
    let base = "\"https://files.example.com\"";
    for (settings, expected) in [
        (
            format!("{PUBLIC}{base}\ncache_window = \"15m\""),
            "download.cache_window: is set, and `download.mode` is `public`",
        ),
        (format!("{PUBLIC}{base}\ncache_control = \"no-cache\""), "download.cache_control: is set, and a public URL"),
        (format!("mode = \"public\"\npublic_base_url = {base}"), "download.force_attachment: is on, and a public URL"),
        (format!("public_base_url = {base}"), "download.public_base_url: is set, and `download.mode` is not `public`"),
        ("mode = \"open\"".to_owned(), "download.mode: is `open`; it must be `signed` or `public`"),
    ] {
        let found = problems(&with(&settings), &[]);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{expected} in {found:?}");
    }
    let eu = "[storages.eu]\nendpoint = \"http://127.0.0.1:9000\"\nbucket = \"eu\"\naccess_key_id = \"a\"\nsecret_access_key = \"b\"\n";
    let found = problems(&(with(&format!("{PUBLIC}{base}")) + eu), &[]);
    assert!(found.len() == 1 && found[0].starts_with("download.mode: is `public`, and there are several"), "{found:?}");
}
