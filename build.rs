//! Tells the program what it is built from: `signer --version`. Never fails, also where there is no git.

#![allow(clippy::disallowed_methods, reason = "cargo tells build scripts by the environment")]

use std::env;
use std::path::Path;
use std::process::Command;

/// What ends up in the program; a change elsewhere does not make it another one.
const SOURCES: [&str; 5] = ["src", "Cargo.toml", "Cargo.lock", "build.rs", "deploy/web"];

fn main() {
    println!("cargo:rerun-if-env-changed=SOURCE_COMMIT");
    // When one of these has changed, everything is compiled anew anyway.
    for source in SOURCES {
        println!("cargo:rerun-if-changed={source}");
    }
    let commit = told().or_else(asked).unwrap_or_else(|| "unknown".to_owned());
    let (hash, state) = commit.split_at(commit.find('-').unwrap_or(commit.len()));
    set("COMMIT", &commit);
    set("COMMIT_SHORT", &format!("{}{state}", hash.get(..9).unwrap_or(hash)));
    set("FEATURES", &features());
    set("TARGET", &env::var("TARGET").unwrap_or_default());
    set("RUSTC", &run(&env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned()), &["--version"]).unwrap_or_default());
}

fn set(name: &str, value: &str) {
    println!("cargo:rustc-env=SIGNER_{name}={value}");
}

/// By who builds it outside a repository, as `deploy/Dockerfile` does.
fn told() -> Option<String> {
    let commit = env::var("SOURCE_COMMIT").ok()?;
    let hash = commit.strip_suffix("-dirty").unwrap_or(&commit);
    (hash.len() >= 7 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(commit)
}

/// By git, if this folder is a repository of its own and not a copy that lies in another one.
fn asked() -> Option<String> {
    if run("git", &["rev-parse", "--show-prefix"])?.is_empty() {
        watch_head();
        let commit = run("git", &["rev-parse", "HEAD"])?;
        let mut arguments = vec!["--no-optional-locks", "status", "--porcelain", "--"];
        arguments.extend(SOURCES);
        let clean = run("git", &arguments)?.is_empty();
        return Some(if clean { commit } else { format!("{commit}-dirty") });
    }
    None
}

/// Where a commit, a checkout or `git gc` leaves a trace. A file that is not there would count as changed each time.
fn watch_head() {
    let branch = run("git", &["symbolic-ref", "--quiet", "HEAD"]).unwrap_or_default();
    for name in ["HEAD", "logs/HEAD", "packed-refs", branch.as_str()] {
        let path = run("git", &["rev-parse", "--git-path", name]).unwrap_or_default();
        if !name.is_empty() && Path::new(&path).is_file() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
}

fn features() -> String {
    let on = env::vars().filter_map(|(name, _)| name.strip_prefix("CARGO_FEATURE_").map(str::to_lowercase));
    // The one that only says which others are on is none.
    let mut names: Vec<_> = on.filter(|name| name != "default").map(|name| name.replace('_', "-")).collect();
    names.sort();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
