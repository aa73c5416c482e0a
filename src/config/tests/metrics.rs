//! `telemetry.metrics_listen`.

use super::*;

fn at(server: &str, metrics: &str) -> String {
    format!("[server]\nlisten = \"{server}\"\n[telemetry]\nmetrics_listen = \"{metrics}\"\n{GOOD}")
}

#[test]
fn metrics_are_told_nowhere_unless_it_is_said_where() {
    assert_eq!(load_with(GOOD, &[]).unwrap().telemetry.metrics_listen, None);
    let config = load_with(&at("127.0.0.1:8787", "127.0.0.1:9090"), &[]).unwrap();
    assert_eq!(config.telemetry.metrics_listen, Some("127.0.0.1:9090".parse().unwrap()));
    assert!(config.warnings.is_empty() && config.notes.iter().all(|note| !note.contains("metrics")));
}

#[test]
fn the_address_of_the_service_and_what_is_none_are_refused() {
    for (server, metrics) in [
        ("127.0.0.1:8787", "127.0.0.1:8787"),
        ("0.0.0.0:8787", "127.0.0.1:8787"),
        ("127.0.0.1:8787", "[::]:8787"),
        ("127.0.0.1:8787", "localhost:9090"),
        ("127.0.0.1:8787", "9090"),
    ] {
        let problems = problems(&at(server, metrics), &[]);
        assert_eq!(problems.len(), 1, "{server} {metrics}: {problems:?}");
        assert!(problems[0].starts_with("telemetry.metrics_listen: is `"), "{problems:?}");
    }
    // Each any that is free.
    assert!(load_with(&at("127.0.0.1:0", "127.0.0.1:0"), &[]).is_ok());
}

#[test]
fn who_may_ask_is_said_where_it_could_be_anybody() {
    let public = load_with(&at("127.0.0.1:8787", "192.0.2.1:9090"), &[]).unwrap();
    assert!(public.warnings.len() == 1 && public.warnings[0].contains("public address"), "{:?}", public.warnings);
    let all = load_with(&at("127.0.0.1:8787", "0.0.0.0:9090"), &[]).unwrap();
    assert!(all.warnings.is_empty() && all.notes.iter().any(|note| note.contains("every address")), "{:?}", all.notes);
}
