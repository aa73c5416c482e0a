//! `make overload`, `make soak`, `make rolling` and `make replicas`: the signer under more than it can do, for long, while
//! it is replaced, and while it is killed; and `make connections`, what connections and requests cost. Each prints its figures and ends with 1 if a goal is missed. All traffic goes to 127.0.0.1, is bounded in
//! connections, rate and time, and ends by itself.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "a program for the makers; what it did not expect ends it"
)]

mod bucket;
mod connections;
#[path = "../support/issuer.rs"]
mod issuer;
mod load;
mod overload;
mod process;
mod replicas;
mod rolling;
mod soak;
mod wire;

use std::process::ExitCode;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: strain overload|cpu|flood|soak|rolling|replicas|connections SIGNER [SECONDS]";
    let what = arguments.next().expect(usage);
    let binary = arguments.next().expect(usage);
    // Fewer for a quick look; a figure that is published takes all.
    let secs = arguments.next().map(|secs| secs.parse().expect(usage));
    let missed = match what.as_str() {
        "overload" => overload::run(&binary, secs.unwrap_or(120)).await,
        "cpu" => overload::run_cpu(&binary, secs.unwrap_or(120)).await,
        "flood" => overload::run_flood(&binary).await,
        "soak" => soak::run(&binary, secs.unwrap_or(900)).await,
        "rolling" => rolling::run(&binary).await,
        "replicas" => replicas::run(&binary).await,
        "connections" => connections::run(&binary).await,
        _ => panic!("{usage}"),
    };
    println!("{}", if missed == 0 { "all goals met".to_owned() } else { format!("{missed} goals missed") });
    ExitCode::from(u8::from(missed > 0))
}

/// Prints one goal with what was measured; 1 if it is missed.
fn goal(held: bool, what: &str, goal: &str, measured: &str) -> usize {
    println!("  {:<6} {what}: {measured} (goal: {goal})", if held { "ok" } else { "MISSED" });
    usize::from(!held)
}
