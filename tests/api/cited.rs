//! SECURITY.md says which attack is tried where: the files are there, and have the numbers.

use std::path::Path;

const SECURITY: &str = include_str!("../../SECURITY.md");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The cells of the rows below this heading.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, table) = SECURITY.split_once(heading).expect("the heading");
    let rows = table.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

/// What stands in back quotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn what_is_cited_is_there() {
    let attacks = rows("| attacks | numbers | tests |");
    assert!(attacks.len() > 10, "{attacks:?}");
    for row in &attacks {
        for name in quoted(row[2]).filter(|name| name.contains('/') && !name.contains('*')) {
            assert!(root().join(name).exists(), "{name}");
        }
    }
    // P06
    let weaknesses = rows("| weakness | number | test |");
    assert!(weaknesses.len() > 10, "{weaknesses:?}");
    for row in &weaknesses {
        let name = quoted(row[2]).next().expect("a test");
        let text = std::fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let words = text.split(|c: char| !c.is_ascii_alphanumeric());
        assert!(words.clone().any(|word| word == row[1]), "{name} has no {}", row[1]);
    }
}
