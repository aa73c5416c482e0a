use std::io::{Error, ErrorKind};

use super::*;
use crate::domain::key::{KeyFormat, KeyRules, MAX_KEY_BYTES};
use crate::domain::legacy::LegacyUrls;

fn rules() -> Migration {
    let files_root = "livestore-filesync-files".to_owned();
    let legacy_urls = LegacyUrls::new(&["https://old.test/livestore-filesync-files/".to_owned()], &files_root).unwrap();
    Migration { legacy_urls, key_rules: KeyRules { files_root, format: KeyFormat::Path, max_bytes: MAX_KEY_BYTES } }
}

fn members() -> Members {
    Members { url: "remoteUrl".to_owned(), key: "remoteKey".to_owned() }
}

/// What comes out, the counts, and the numbers of the lines without a key with the reason.
fn run(input: &[u8]) -> (String, Counts, Vec<String>) {
    let (mut output, mut told) = (Vec::new(), Vec::new());
    let counts = migrate(&rules(), &members(), input, &mut output, &mut |seen| {
        told.extend(seen.unmapped.map(|why| format!("{}: {why}", seen.line)));
    });
    (String::from_utf8_lossy(&output).into_owned(), counts.unwrap(), told)
}

#[test]
fn the_key_is_added_and_all_else_stays_as_it_is_written() {
    let input = concat!(
        r#"{"id":"a","n":1.50e+400,"big":123456789012345678901234567890,"remoteUrl":"https://old.test/livestore-filesync-files/s1/a%20b","z":{"b":1,"a":[ 2 ]},"\u0061":"\u00e9"}"#,
        "\n",
        r#" { "remoteKey" : "" , "remoteUrl" : "https:\/\/old.test/livestore-filesync-files/s1/f?token=x" } "#,
        "\r\n",
        r#"{"remoteUrl":"https://old.test/livestore-filesync-files/s1/%22q","remoteKey":null}"#,
    );
    let expected = concat!(
        r#"{"id":"a","n":1.50e+400,"big":123456789012345678901234567890,"remoteUrl":"https://old.test/livestore-filesync-files/s1/a%20b","z":{"b":1,"a":[ 2 ]},"\u0061":"\u00e9","remoteKey":"s1/a b"}"#,
        "\n",
        r#"{"remoteKey":"s1/f","remoteUrl":"https:\/\/old.test/livestore-filesync-files/s1/f?token=x"}"#,
        "\n",
        r#"{"remoteUrl":"https://old.test/livestore-filesync-files/s1/%22q","remoteKey":"s1/\"q"}"#,
        "\n",
    );
    let (output, counts, told) = run(input.as_bytes());
    assert_eq!(output, expected);
    assert_eq!(counts, Counts { rows: 3, mapped: 3, ..Counts::default() });
    assert!(told.is_empty());
    // A second time nothing is left to do.
    let (again, counts, _) = run(output.as_bytes());
    assert_eq!((again, counts), (output, Counts { rows: 3, had_key: 3, ..Counts::default() }));
}

#[test]
fn rows_without_a_url_are_no_failures() {
    let input = "{}\n{\"remoteUrl\":\"\"}\n{\"remoteUrl\":null,\"remoteKey\":\"\"}\n\n  \n{\"remoteKey\":\"s1/f\",\"remoteUrl\":7}\n";
    let (output, counts, told) = run(input.as_bytes());
    assert_eq!(output, input);
    assert_eq!(counts, Counts { rows: 4, without_url: 3, had_key: 1, ..Counts::default() });
    assert!(told.is_empty());
}

#[test]
fn what_gets_no_key_is_written_as_it_came_and_told() {
    let input = concat!(
        "{\"remoteUrl\":\"https://evil.test/livestore-filesync-files/s1/f?token=secret\"}\n",
        "{\"remoteUrl\":\"https://old.test/livestore-filesync-files/s1/../s2/f\"}\n",
        "{\"remoteUrl\":\"https://old.test/livestore-filesync-files/s1/f\",\"remote\\u0055rl\":\"\"}\n",
        "{\"remoteUrl\":[]}\n",
        "{\"remoteKey\":0}\n",
        "not json\n",
        "[1]\n",
        "{\"remoteUrl\":\"https://old.test/livestore-filesync-files/s1/f\"} {}\n",
        "{\"remoteUrl\":\"https://old.test/livestore-filesync-files/s1/f\"\n",
        "\u{feff}{}\n",
    );
    let (output, counts, told) = run(input.as_bytes());
    assert_eq!(output, input);
    assert_eq!(counts, Counts { rows: 10, unmapped: 10, ..Counts::default() });
    assert_eq!(
        told,
        [
            "1: the URL is under none of migration.legacy_urls",
            "2: the key has a dot segment",
            "3: has two members `remoteUrl`",
            "4: has no text in `remoteUrl`",
            "5: has no text in `remoteKey`",
            "6: is not a JSON object in UTF-8",
            "7: is not a JSON object in UTF-8",
            "8: is not a JSON object in UTF-8",
            "9: is not a JSON object in UTF-8",
            "10: is not a JSON object in UTF-8",
        ]
    );
    assert_eq!(run(b"{\"a\":\"\xff\"}\n").2, ["1: is not a JSON object in UTF-8"]);
}

#[test]
fn a_line_that_is_too_long_is_passed_on_and_the_next_is_read() {
    let row = "{\"remoteUrl\":\"https://old.test/livestore-filesync-files/s1/f\",\"x\":\"\"}";
    let padded = |length: usize| row.replace("\"x\":\"\"", &format!("\"x\":\"{}\"", "x".repeat(length - row.len())));
    for (length, mapped) in [(MAX_LINE_BYTES, 2), (MAX_LINE_BYTES + 1, 1), (3 * MAX_LINE_BYTES, 1)] {
        let input = format!("{}\n{row}\n", padded(length));
        let (output, counts, told) = run(input.as_bytes());
        assert_eq!((counts.rows, counts.mapped, told.len()), (2, mapped, usize::from(mapped == 1)), "{length}");
        let mut lines = output.lines();
        let first = lines.next().unwrap();
        assert_eq!(first.len(), if mapped == 2 { length + ",\"remoteKey\":\"s1/f\"".len() } else { length });
        assert!(first.starts_with(row.split(",\"x\"").next().unwrap()));
        assert!(lines.next().unwrap().ends_with(",\"remoteKey\":\"s1/f\"}"));
        assert_eq!(lines.next(), None);
    }
    // Also when the input ends there.
    let (output, counts, _) = run(padded(MAX_LINE_BYTES + 1).as_bytes());
    assert_eq!((output.len(), counts.unmapped), (MAX_LINE_BYTES + 2, 1));
}

/// Takes nothing.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(Error::from(ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_run_ends_when_nobody_takes_the_rows() {
    let ended = migrate(&rules(), &members(), &b"{}\n{}\n"[..], Closed, &mut |_| {});
    assert!(matches!(ended, Err(MigrateError::Output(error)) if error.kind() == ErrorKind::BrokenPipe));
}
