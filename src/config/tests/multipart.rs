use super::*;

const SECRET: &str = "an upload secret of thirty-two bytes or more";
const OLD: &str = "the upload secret before it, of as many bytes";

/// `[multipart]` with this in it.
fn with(lines: &str) -> String {
    format!("{GOOD}[multipart]\n{lines}\n")
}

#[test]
fn uploads_in_parts_are_off_without_a_secret() {
    assert!(load_with(GOOD, &[]).unwrap().multipart.is_none());
    // What else is set does not matter then: a short request is no mistake where nothing is completed.
    let short = format!("{GOOD}[server]\nrequest_timeout_secs = 5\n");
    assert!(load_with(&short, &[]).unwrap().multipart.is_none());
    let old = with(&format!("old_secrets = ['{OLD}']"));
    assert!(problems(&old, &[])[0].starts_with("multipart.secret: is not set"));
}

#[test]
fn secrets_are_read_from_the_file_the_environment_and_files_of_their_own() {
    let config = load_with(&with(&format!("secret = '{SECRET}'")), &[]).unwrap();
    let multipart = config.multipart.unwrap();
    assert_eq!((multipart.secret.expose(), multipart.old_secrets.len()), (SECRET, 0));
    assert_eq!((multipart.max_age.as_secs(), multipart.part_bytes), (7 * 86_400, 8 << 20));
    assert!(!format!("{multipart:?}").contains(SECRET));
    let (file, old) = (File::new(&format!("{SECRET}\n")), File::new(&format!("{OLD}1\n\n {OLD}2\n")));
    let list = format!("[\"{OLD}0\"]");
    let environment = [
        ("SIGNER__MULTIPART__SECRET_FILE", file.0.to_str().unwrap()),
        ("SIGNER__MULTIPART__OLD_SECRETS_FILE", old.0.to_str().unwrap()),
        ("SIGNER__MULTIPART__OLD_SECRETS", list.as_str()),
    ];
    let config = load_with(GOOD, &environment).unwrap();
    let multipart = config.multipart.unwrap();
    assert_eq!(multipart.secret.expose(), SECRET);
    let old_secrets: Vec<_> = multipart.old_secrets.iter().map(|secret| secret.expose().to_owned()).collect();
    assert_eq!(old_secrets, [format!("{OLD}0"), format!("{OLD}1"), format!("{OLD}2")]);
    // A secret that is replaced counts without a restart.
    assert_eq!(config.key_files, [file.0.clone(), old.0.clone()]);
}

/// Written, but not yet whole: that must not switch anything off, at the start or when it is read again.
#[test]
fn an_empty_file_is_no_secret_that_is_left_out() {
    let (empty, old) = (File::new("\n"), File::new(&format!("{OLD}\n")));
    let named = |key: &str| format!("{key} = '{}'", empty.0.display());
    let says = |key: &str| vec![format!("{key}_file: names `{}`, which is empty", empty.0.display())];
    assert_eq!(problems(&with(&named("secret_file")), &[]), says("multipart.secret"));
    // That there are no old ones any more is meant.
    let text = with(&format!("secret_file = '{}'\n{}", old.0.display(), named("old_secrets_file")));
    assert!(load_with(&text, &[]).unwrap().multipart.unwrap().old_secrets.is_empty());

    let inline = "hs256_secret = \"0123456789abcdef0123456789abcdef\"";
    let auth = |lines: &str| GOOD.replace(inline, lines);
    let secret_file = named("hs256_secret_file");
    assert_eq!(problems(&auth(&secret_file), &[]), says("auth.hs256_secret"));
    let beside = auth(&format!("{secret_file}\nissuer = 'https://idp.example.com'"));
    assert_eq!(problems(&beside, &[]), says("auth.hs256_secret"));
    let key = auth(&format!("[[auth.keys]]\nalgorithm = 'HS256'\n{}", named("secret_file")));
    assert_eq!(problems(&key, &[]), says("auth.keys.0.secret"));

    let stored = GOOD.replace("secret_access_key = \"sEcReT\"", &named("secret_access_key_file"));
    assert_eq!(problems(&stored, &[]), says("storage.secret_access_key"));
    let stored =
        GOOD.replace("secret_access_key = ", &format!("{}\nsecret_access_key = ", named("session_token_file")));
    assert!(credentials(&load_with(&stored, &[]).unwrap().storage).session_token.is_none());
}

#[test]
fn what_cannot_be_meant_is_a_problem() {
    for (lines, key) in [
        ("secret = 'short'", "multipart.secret"),
        ("secret = '$'\nold_secrets = ['short']", "multipart.old_secrets"),
        ("secret = '$'\nmax_age_secs = 59", "multipart.max_age_secs"),
        ("secret = '$'\nmax_age_secs = 2592001", "multipart.max_age_secs"),
        ("secret = '$'\npart_bytes = 5242879", "multipart.part_bytes"),
        ("secret = '$'\ncomplete_timeout_secs = 0", "multipart.complete_timeout_secs"),
        ("secret = '$'\ncomplete_timeout_secs = 15", "multipart.complete_timeout_secs"),
    ] {
        let found = problems(&with(&lines.replace('$', SECRET)), &[]);
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with(&format!("{key}: ")), "{found:#?}");
        assert!(!found[0].contains("short"), "{found:#?}");
    }
    let longer = with(&format!("secret = '{SECRET}'\ncomplete_timeout_secs = 240"));
    assert!(load_with(&format!("{longer}[server]\nrequest_timeout_secs = 300\n"), &[]).is_ok());
}
