//! `make hostile`: a client that does its work while others attack. Prints a row for each attack, and ends with 1 if a
//! goal is missed. All traffic goes to 127.0.0.1, is bounded in connections, rate and time, and ends by itself.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a program for the makers; what it did not expect ends it"
)]

mod attacks;
mod client;
#[path = "../support/frames.rs"]
#[allow(dead_code, reason = "some are for the tests alone")]
mod frames;
mod http2;
mod signer;

use std::process::ExitCode;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use attacks::{Attack, HTTP1};
use client::{Figures, work};
use http2::HTTP2;
use signer::Signer;

const QUIET: Duration = Duration::from_secs(10);
const UNDER_ATTACK: Duration = Duration::from_secs(20);
/// Until every attacker has begun, and after the attack, until what it left is closed.
const RAMP: Duration = Duration::from_secs(3);
const REST: Duration = Duration::from_secs(2);

const MIN_SUCCESS: f64 = 0.9999;
const MAX_P99_RATIO: f64 = 2.0;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let binary = std::env::args().nth(1).expect("the path of the signer");
    println!(
        "{:<28} {:>9} {:>9} {:>10} {:>10} {:>6} {:>8} {:>9}",
        "attack", "requests", "success", "p99 quiet", "p99 under", "ratio", "RSS MB", "attacker"
    );
    let mut missed = 0;
    for (attacks, settings) in [(HTTP1, &[][..]), (HTTP2, &[("SIGNER__SERVER__HTTP2", "true")])] {
        let signer = Signer::start(&binary, settings).await;
        // Connections, caches and the first pages of memory are no part of any attack.
        work(&signer, Duration::from_secs(2)).await;
        for attack in attacks {
            let row = measure(&signer, attack).await;
            println!("{row}");
            missed += usize::from(!row.holds());
        }
        signer.stop().await;
    }
    println!(
        "goals: success >= {:.2} %, p99 <= {MAX_P99_RATIO} x quiet: {}",
        MIN_SUCCESS * 100.0,
        if missed == 0 { "all met".to_owned() } else { format!("{missed} attacks missed one") }
    );
    ExitCode::from(u8::from(missed > 0))
}

async fn measure(signer: &Signer, attack: &'static Attack) -> Row {
    let quiet = work(signer, QUIET).await;
    let end = Instant::now() + RAMP + UNDER_ATTACK;
    let attackers = tokio::spawn(attack_until(attack, signer.target(), end));
    sleep(RAMP).await;
    let (under, rss) = tokio::join!(work(signer, UNDER_ATTACK), signer.peak_rss_until(end));
    let done = attackers.await.unwrap();
    sleep(REST).await;
    Row { name: attack.name, quiet, under, rss_mb: rss, done }
}

/// Runs the attackers side by side; how often they began anew together.
async fn attack_until(attack: &'static Attack, target: attacks::Target, end: Instant) -> u64 {
    let mut attackers = JoinSet::new();
    for number in 0..attack.attackers {
        let target = target.clone();
        attackers.spawn(async move {
            // Begun one after another within the ramp, not all in one instant.
            sleep(RAMP.mul_f64(0.8 * f64::from(number) / f64::from(attack.attackers))).await;
            let mut rounds = 0_u64;
            while Instant::now() < end {
                let round = (attack.round)(target.clone());
                let _ = tokio::time::timeout_at(end, round).await;
                rounds += 1;
                sleep(attack.pause).await;
            }
            rounds
        });
    }
    attackers.join_all().await.into_iter().sum()
}

struct Row {
    name: &'static str,
    quiet: Figures,
    under: Figures,
    rss_mb: f64,
    done: u64,
}

impl Row {
    fn ratio(&self) -> f64 {
        self.under.p99.as_secs_f64() / self.quiet.p99.as_secs_f64()
    }

    fn holds(&self) -> bool {
        self.under.success() >= MIN_SUCCESS && self.ratio() <= MAX_P99_RATIO
    }
}

impl std::fmt::Display for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let micros = |duration: Duration| format!("{} us", duration.as_micros());
        write!(
            f,
            "{:<28} {:>9} {:>8.3}% {:>10} {:>10} {:>6.2} {:>8.1} {:>9}{}",
            self.name,
            self.under.asked,
            self.under.success() * 100.0,
            micros(self.quiet.p99),
            micros(self.under.p99),
            self.ratio(),
            self.rss_mb,
            self.done,
            if self.holds() { "" } else { "  MISSED" }
        )
    }
}
