//! Rules about the source that no compiler checks.

use std::path::{Path, PathBuf};

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

/// DESIGN: the core has no clock, socket, file, environment or log in it.
#[test]
fn the_core_is_pure() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain");
    let files = sources(&folder);
    assert!(files.len() > 8);
    for file in files.iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(file).unwrap();
        for word in ["tokio", "reqwest", "hyper", "tracing::", "std::fs", "std::env", "std::net", "::now(", "println!"]
        {
            assert!(!text.contains(word), "{} names {word}", file.display());
        }
    }
}

/// The presigner takes a `Grant` and only `decide` makes one; nobody else may build a URL from a string.
#[test]
fn urls_and_forms_are_signed_in_three_places() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let signing: Vec<_> = sources(&folder)
        .into_iter()
        // The examples of the API's description are what the service has given.
        .filter(|file| file.extension().is_some_and(|extension| extension == "rs"))
        .filter(|file| !file.ends_with("tests.rs"))
        .filter(|file| {
            let text = std::fs::read_to_string(file).unwrap();
            ["sign_with_time", "signing::sign(", "X-Amz-Signature=", "push((\"x-amz-signature\""]
                .iter()
                .any(|word| text.contains(word))
        })
        .map(|file| file.strip_prefix(&folder).unwrap().display().to_string())
        .collect();
    let mut signing = signing;
    signing.sort();
    assert_eq!(signing, ["domain/sigv4/mod.rs", "domain/sigv4/post.rs", "storage/client.rs"]);
}
