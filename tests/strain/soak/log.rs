//! Both logs, whole, searched for what must not be in it.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

pub(super) struct Secrets {
    pub(super) needles: Vec<String>,
    /// 64 hexadecimal digits each.
    pub(super) signatures: HashSet<String>,
}

#[derive(Default)]
pub(super) struct Found {
    /// Those that were not empty.
    pub(super) files: u32,
    pub(super) lines: u64,
    pub(super) bytes: usize,
    pub(super) panics: u64,
    /// Which, cut short.
    pub(super) secrets: Vec<String>,
}

pub(super) fn search(logs: &[PathBuf], secrets: &Secrets) -> Found {
    let mut found = Found::default();
    for log in logs {
        search_one(log, secrets, &mut found);
    }
    found
}

fn search_one(log: &Path, secrets: &Secrets, found: &mut Found) {
    let mut lines = BufReader::new(File::open(log).unwrap());
    found.files += u32::from(!lines.fill_buf().unwrap().is_empty());
    let mut line = String::new();
    while lines.read_line(&mut line).unwrap() > 0 {
        found.lines += 1;
        found.bytes += line.len();
        found.panics += u64::from(line.contains("panic"));
        let needles = secrets.needles.iter().filter(|needle| line.contains(needle.as_str()));
        found.secrets.extend(needles.map(|needle| needle.chars().take(24).collect::<String>()));
        let runs = line.split(|c: char| !c.is_ascii_hexdigit()).filter(|run| run.len() >= 64);
        let signatures = runs.filter(|run| secrets.signatures.contains(*run));
        found.secrets.extend(signatures.map(|run| format!("signature {}", &run[..8])));
        found.secrets.truncate(20);
        line.clear();
    }
}
