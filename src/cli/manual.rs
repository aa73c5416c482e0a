//! `signer completions` and `signer man`, made from the same definitions that the command line is read with.

use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory as _;
use clap_mangen::Man as Page;
use clap_mangen::roff::{Roff, roman};
use filesync_signer::build_info;

use super::Failure;
use super::arguments::{Cli, Completions, Man};
use super::output::written;

pub(super) fn completions(options: &Completions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), "signer", &mut script);
    show(&script)
}

pub(super) fn man(options: &Man) -> Result<(), Failure> {
    let signer = whole();
    if let Some(folder) = &options.dir {
        return write_all(&signer, folder)
            .map_err(|error| Failure::Run(format!("{} cannot be written to: {error}", folder.display())));
    }
    let command = match &options.command {
        Some(name) => signer
            .find_subcommand(name)
            .ok_or_else(|| Failure::Usage(format!("there is no command `{name}`; `signer --help` lists them")))?,
        None => &signer,
    };
    show(&page(command).map_err(|error| Failure::Run(error.to_string()))?)
}

/// With the options of all commands in each of them, and the names that the pages have.
fn whole() -> clap::Command {
    let mut signer = Cli::command().version(build_info::VERSION).long_version(None).disable_help_subcommand(true);
    signer.build();
    signer
}

fn page(command: &clap::Command) -> io::Result<Vec<u8>> {
    let page = Page::new(command.clone()).source(format!("signer {}", build_info::VERSION)).manual("filesync-signer");
    let mut text = Vec::new();
    page.render_title(&mut text)?;
    page.render_name_section(&mut text)?;
    page.render_synopsis_section(&mut text)?;
    page.render_description_section(&mut text)?;
    page.render_options_section(&mut text)?;
    if command.has_subcommands() {
        page.render_subcommands_section(&mut text)?;
    }
    if let Some(below) = command.get_after_help() {
        sections(&below.to_string()).to_writer(&mut text)?;
    }
    Ok(text)
}

/// What stands below the options has a heading above each of its parts, and lines that are to stay as they are.
fn sections(below: &str) -> Roff {
    let mut roff = Roff::new();
    for part in below.split("\n\n") {
        let (heading, lines) = part.split_once(":\n").unwrap_or(("Notes", part));
        roff.control("SH", [heading.to_uppercase().as_str()]).control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
        }
        roff.control("fi", []);
    }
    roff
}

fn write_all(signer: &clap::Command, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for command in std::iter::once(signer).chain(signer.get_subcommands()) {
        let name = command.get_display_name().unwrap_or_else(|| command.get_name());
        fs::write(folder.join(format!("{name}.1")), page(command)?)?;
    }
    Ok(())
}

/// In one piece, so that a reader who stops in the middle is noticed here and nowhere else.
fn show(text: &[u8]) -> Result<(), Failure> {
    written(io::Write::write_all(&mut io::stdout(), text))
}
