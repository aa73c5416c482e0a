//! What this program was built from. `build.rs` asks git, or is told by `SOURCE_COMMIT`.

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit in 40 hexadecimal digits, with `-dirty` behind it where the sources were not as committed, or `unknown`.
pub const COMMIT: &str = env!("SIGNER_COMMIT");

/// The cargo features that are on, `none` without any.
pub const FEATURES: &str = env!("SIGNER_FEATURES");

/// Version and commit in one line.
pub const SHORT: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SIGNER_COMMIT_SHORT"), ")");

/// What a report of a fault is to have.
pub const LONG: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit: ",
    env!("SIGNER_COMMIT"),
    "\nfeatures: ",
    env!("SIGNER_FEATURES"),
    "\ntarget: ",
    env!("SIGNER_TARGET"),
    "\nbuilt by: ",
    env!("SIGNER_RUSTC"),
);
