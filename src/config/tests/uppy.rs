//! `[uppy]`.

use super::*;

#[test]
fn uploads_of_uppy_need_a_secret_to_seal_their_ids_with() {
    let found = problems(&format!("{GOOD}[uppy]\nenabled = true\n"), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("uppy.enabled: is on, and `multipart.secret` is not set"), "{found:?}");
}

#[test]
fn keys_are_made_of_names_only_where_they_may_be() {
    let on = "[uppy]\nenabled = true\n[multipart]\nsecret = \"0123456789abcdef0123456789abcdef\"\n";
    let content_addressed = "[keys]\nformat = \"content-addressed\"\n";
    assert!(!load_with(GOOD, &[]).unwrap().uppy.enabled);
    assert!(load_with(&format!("{GOOD}{on}"), &[]).unwrap().uppy.enabled);
    assert!(!load_with(&format!("{GOOD}{content_addressed}"), &[]).unwrap().uppy.enabled);
    let found = problems(&format!("{GOOD}{on}{content_addressed}"), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("uppy.enabled: is on, and `keys.format` is `content-addressed`"), "{found:?}");
}

/// Never promised in silence: what is not known of a part, and what would only be refused later.
#[test]
fn promises_that_parts_may_break_are_warned_of() {
    let warned = |provider: &str, more: &str| {
        let storage = format!("[storage]\nverify = 'strict'\n{provider}\n");
        load_with(&(GOOD.replace("[storage]\n", &storage) + more), &[]).unwrap().warnings
    };
    let (minio, aws) = ("provider = 'minio'", "provider = 'aws'");
    let sealed = "[multipart]\nsecret = '0123456789abcdef0123456789abcdef'\n";
    let once = format!("{sealed}[upload]\nwrite_once = true\n");
    let found = warned(minio, &once);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("whether MinIO keeps it of uploads in parts is not known: run `signer check`"),
        "{found:?}"
    );
    for (provider, more) in [(aws, once.as_str()), (minio, "[upload]\nwrite_once = true\n"), (minio, sealed)] {
        assert_eq!(warned(provider, more), [""; 0], "{provider} {more}");
    }
    // Of one PUT it is not known either, and that is the warning.
    assert_eq!(warned("", &once).len(), 1);

    let uppy = format!("{sealed}[uppy]\nenabled = true\n");
    for (limit, name) in [
        ("[upload]\nmax_bytes = 9\n", "upload.max_bytes"),
        ("[limits]\nstore_upload_bytes_per_hour = 9\n", "limits.store_upload_bytes_per_hour"),
    ] {
        let found = warned(minio, &format!("{uppy}{limit}"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(&format!("{name}, to which MinIO cannot hold")), "{found:?}");
        assert_eq!(warned(aws, &format!("{uppy}{limit}")), [""; 0]);
        assert_eq!(warned(minio, &format!("{sealed}{limit}")), [""; 0]);
    }
    assert_eq!(warned(minio, &uppy), [""; 0]);
}
