//! The fuzz targets on stable Rust.

use std::path::{Path, PathBuf};

use crate::run::say;
use crate::targets::{TARGETS, seeds};

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target)
}

/// `make fuzz-seeds` asks for it: libFuzzer starts from files.
#[allow(clippy::disallowed_methods, reason = "a switch of the test, no setting of the service")]
fn write_seeds(folder: &Path, seeds: &[Vec<u8>]) {
    if std::env::var_os("WRITE_SEEDS").is_some() {
        std::fs::create_dir_all(folder).unwrap();
        for (i, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{i:02}")), seed).unwrap();
        }
    }
}

/// P03: every target holds on every seed, and on every crash that was found.
#[test]
fn fuzz_targets_hold_on_their_seeds() {
    for (name, target) in TARGETS {
        let mut inputs = seeds::of(name);
        write_seeds(&folder(name), &inputs);
        let kept = std::fs::read_dir(folder(name)).unwrap_or_else(|error| panic!("no seeds of {name}: {error}"));
        inputs.extend(kept.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()));
        assert!(inputs.len() > 8, "{name}");
        for input in &inputs {
            target(input);
            // What libFuzzer does first: cut, and turned in one place.
            for at in (0..input.len()).step_by(1 + input.len() / 8) {
                target(&input[..at]);
                let mut turned = input.clone();
                turned[at] ^= 1 << (at % 8);
                target(&turned);
            }
        }
        say(&format!("fuzz target {name}: {} seeds", inputs.len()));
    }
}
