//! What an operator sees of a migration: on standard error, because the rows are on standard output.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Counts, Seen};

/// Lines that got no key are named up to here.
const MAX_NAMED: u64 = 20;

/// How often the bar is told how many rows there were.
const ROWS_A_MESSAGE: u64 = 1000;

pub(super) struct Teller {
    bar: ProgressBar,
    unmapped: u64,
}

impl Teller {
    /// With a bar where somebody looks: on a terminal, unless the rows go there too.
    pub(super) fn start() -> Self {
        let bar = match input_bytes() {
            Some(bytes) => {
                ProgressBar::new(bytes).with_style(style("{wide_bar} {percent:>3} %, {msg} rows, {eta} left"))
            }
            None => ProgressBar::no_length().with_style(style("{spinner} {msg} rows, {elapsed}")),
        };
        let is_seen = io::stderr().is_terminal() && !io::stdout().is_terminal();
        bar.set_draw_target(if is_seen { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() });
        bar.set_message("0");
        Self { bar, unmapped: 0 }
    }

    pub(super) fn tell(&mut self, seen: &Seen<'_>) {
        self.bar.inc(seen.bytes);
        if seen.line.is_multiple_of(ROWS_A_MESSAGE) {
            self.bar.set_message(seen.line.to_string());
        }
        let Some(why) = seen.unmapped else { return };
        self.unmapped = self.unmapped.saturating_add(1);
        if self.unmapped <= MAX_NAMED {
            self.bar.suspend(|| say(&format!("line {}: {why}", seen.line)));
        }
    }

    pub(super) fn finish(self, counts: &Counts) {
        self.bar.finish_and_clear();
        if self.unmapped > MAX_NAMED {
            say(&format!("and {} more", self.unmapped.saturating_sub(MAX_NAMED)));
        }
        let Counts { rows, mapped, had_key, without_url, unmapped } = counts;
        say(&format!(
            "{rows} rows: {mapped} got a key, {had_key} had one, {without_url} have no URL, {unmapped} could not be mapped"
        ));
    }
}

/// How much there is to read, where that is known.
fn input_bytes() -> Option<u64> {
    let file = File::from(io::stdin().as_fd().try_clone_to_owned().ok()?);
    file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len())
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Nobody may be listening, and the rows matter more.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
