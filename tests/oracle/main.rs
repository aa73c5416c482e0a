//! The oracle ring: what the presigner signs is what botocore and rusty-s3 sign.
//!
//! `ORACLE_CASES` random cases (10,000 unless set) from `ORACLE_SEED` are signed by all three. A run
//! that differs anywhere, or that compared fewer than it was asked for, fails.
//!
//! With rusty-s3 the whole text is compared. botocore puts its operation's parameters before
//! the `X-Amz-` ones and those in an order of its own, so there the query is compared as the
//! sorted list of its `name=value` pairs, still encoded, and scheme, host and path as they
//! stand. Nothing is lost by it: among the pairs is the signature, and both sign the query in
//! one canonical order.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a failed expectation fails the test"
)]

mod cases;
mod posts;
mod random;
mod sign;

use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use cases::{Case, Line, Site};
use sign::{Botocore, by_rusty_s3, caller, ours, presigner};

const DEFAULT_SEED: u64 = 20_261_122;
const DEFAULT_CASES: u64 = 10_000;
/// Cases that share a presigner.
const SITE_CASES: u64 = 16;
/// Cases that go to botocore at once; whole sites.
const BATCH_CASES: u64 = 512;
/// More would only bury the first.
const SHOWN_DIFFERENCES: usize = 5;
const PROGRESS: u64 = 100_000;

#[derive(Default)]
struct Tally {
    botocore: u64,
    botocore_differ: u64,
    rusty_s3: u64,
    rusty_s3_differ: u64,
    shown: Vec<String>,
}

/// K32, K33
#[test]
fn signed_urls_equal_those_of_botocore_and_rusty_s3() {
    let (seed, wanted) = (number("ORACLE_SEED", DEFAULT_SEED), number("ORACLE_CASES", DEFAULT_CASES));
    let workers = thread::available_parallelism().map_or(2, usize::from);
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    let mut oracles: Vec<Botocore> = (0..workers).map(|_| Botocore::start("botocore_presign.py")).collect();
    say(&format!("\nseed {seed}, {wanted} cases, botocore {}, {workers} workers", oracles[0].version));

    thread::scope(|scope| {
        for botocore in &mut oracles {
            scope.spawn(|| {
                loop {
                    let first = next.fetch_add(BATCH_CASES, Ordering::Relaxed);
                    if first >= wanted {
                        break;
                    }
                    compare(seed, first..wanted.min(first + BATCH_CASES), botocore, &tally);
                }
            });
        }
    });

    let tally = tally.into_inner().unwrap();
    for difference in &tally.shown {
        say(difference);
    }
    say(&format!("rusty-s3: {} compared, {} differ", tally.rusty_s3, tally.rusty_s3_differ));
    say(&format!("{} compared, {} differ", tally.botocore, tally.botocore_differ));
    assert_eq!((tally.botocore_differ, tally.rusty_s3_differ), (0, 0), "seed {seed}: URLs differ, see above");
    assert_eq!((tally.botocore, tally.rusty_s3), (wanted, wanted), "seed {seed}: fewer were compared than wanted");
    assert!(wanted > 0, "nothing was compared");
}

fn compare(seed: u64, indexes: std::ops::Range<u64>, botocore: &mut Botocore, tally: &Mutex<Tally>) {
    let caller = caller();
    let (mut lines, mut signed) = (Vec::new(), Vec::new());
    let mut site = Site::random(seed, indexes.start / SITE_CASES);
    let mut minter = presigner(&site);
    for index in indexes.clone() {
        if index > indexes.start && index.is_multiple_of(SITE_CASES) {
            site = Site::random(seed, index / SITE_CASES);
            minter = presigner(&site);
        }
        let case = Case::random(seed, index, &site);
        lines.push(serde_json::to_string(&Line::new(&site, &case)).unwrap());
        signed.push((ours(&minter, &caller, &case), by_rusty_s3(&site, &case)));
    }
    let answers = botocore.presign(&lines);

    let mut tally = tally.lock().unwrap();
    for (((index, case), (ours, rusty_s3)), botocore) in indexes.zip(&lines).zip(&signed).zip(&answers) {
        let report = |oracle, theirs| {
            format!("case {index} of seed {seed} differs from {oracle}\ncase: {case}\nours: {ours}\nthem: {theirs}\n")
        };
        tally.botocore += 1;
        if parts(ours) != parts(botocore) {
            tally.botocore_differ += 1;
            tally.show(report("botocore", botocore));
        }
        tally.rusty_s3 += 1;
        if ours != rusty_s3 {
            tally.rusty_s3_differ += 1;
            tally.show(report("rusty-s3", rusty_s3));
        }
        if tally.botocore.is_multiple_of(PROGRESS) {
            say(&format!("… {}", tally.botocore));
        }
    }
}

impl Tally {
    fn show(&mut self, difference: String) {
        if self.shown.len() < SHOWN_DIFFERENCES {
            self.shown.push(difference);
        }
    }
}

/// Scheme, host, path and the sorted pairs of the query, all as they stand in the text, but for the
/// scheme's own port: botocore leaves one that was written out in the URL, and signs the host without it.
fn parts(url: &str) -> (&str, &str, &str, Vec<&str>) {
    let (address, query) = url.split_once('?').unwrap_or((url, ""));
    let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
    let (host, path) = rest.find('/').map_or((rest, ""), |slash| rest.split_at(slash));
    let own_port = if scheme == "http" { ":80" } else { ":443" };
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    (scheme, host.strip_suffix(own_port).unwrap_or(host), path, pairs)
}

#[test]
fn the_comparison_sees_every_part() {
    let url = "https://h:9/b/k?A=1&b=2";
    assert_eq!(parts(url), parts("https://h:9/b/k?b=2&A=1"));
    assert_eq!(parts("https://h/k?a"), parts("https://h:443/k?a"));
    for other in [
        "http://h:9/b/k?A=1&b=2",
        "https://h/b/k?A=1&b=2",
        "https://h:9/b/K?A=1&b=2",
        "https://h:9/b/k?A=1",
        "https://h:9/b/k?A=1&A=1&b=2",
    ] {
        assert_ne!(parts(url), parts(other), "{other}");
    }
}

#[allow(clippy::disallowed_methods, reason = "the environment of the test, not of the service")]
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Past the test runner's capture, so that seed and counts are told when all is well, too.
fn say(text: &str) {
    writeln!(std::io::stdout().lock(), "{text}").unwrap();
}
