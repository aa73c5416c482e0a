//! Runs a property as often as it was asked for, and says so.

use std::cell::Cell;
use std::io::Write as _;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

#[allow(clippy::disallowed_methods, reason = "how often a test runs is no setting of the service")]
pub(crate) fn cases() -> u32 {
    match std::env::var("PROPERTY_CASES") {
        Ok(text) => text.parse().expect("PROPERTY_CASES is a number"),
        Err(_) => 10_000,
    }
}

/// Tries `property` on that many values. Ends with a line of how many held.
pub(crate) fn check<S: Strategy>(name: &str, strategy: S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    check_counted(name, strategy, |value| property(value).map(|()| true));
}

/// The same for a property that says whether its case was one of interest. Without any it fails.
pub(crate) fn check_counted<S: Strategy>(
    name: &str,
    strategy: S,
    property: impl Fn(S::Value) -> Result<bool, TestCaseError>,
) {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let (tried, of_interest) = (Cell::new(0_u64), Cell::new(0_u64));
    let verdict = TestRunner::new(config).run(&strategy, |value| {
        let interesting = property(value)?;
        tried.set(tried.get() + 1);
        of_interest.set(of_interest.get() + u64::from(interesting));
        Ok(())
    });
    if let Err(error) = verdict {
        panic!("{name}: {error}");
    }
    assert!(of_interest.get() > 0, "{name}: no case of interest");
    say(&format!("property {name}: {} cases, {} of interest, 0 failed", tried.get(), of_interest.get()));
}

/// Past the runner's capture, so that a long run shows what it did.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
