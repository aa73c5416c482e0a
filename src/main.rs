//! `signer`: the command line of filesync-signer. From a result to an exit code; the rest is in `cli`, the rules in the library.

mod cli;

use std::process::ExitCode;

use clap::Parser as _;
use cli::{Cli, Failure, execute};

/// The configuration or the command line is wrong (`EX_USAGE` of sysexits.h). A second signal ends with 130.
const EXIT_USAGE: u8 = 64;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no failures.
            let code = if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
            let _ = error.print();
            return code;
        }
    };
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(text)) => complain(&text, EXIT_USAGE),
        Err(Failure::Run(text)) => complain(&text, 1),
        Err(Failure::No) => ExitCode::from(1),
    }
}

#[allow(clippy::print_stderr, reason = "this is where people look for it")]
fn complain(text: &str, code: u8) -> ExitCode {
    eprintln!("{text}");
    ExitCode::from(code)
}
