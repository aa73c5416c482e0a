//! The systemd units that are shipped: read by systemd itself where it is there, and by this test everywhere.

use std::collections::HashMap;
use std::process::Command;

const SERVICE: &str = include_str!("../../deploy/systemd/signer.service");
const SOCKET: &str = include_str!("../../deploy/systemd/signer.socket");

/// Section and key, with all values of the key.
fn parse(unit: &str) -> HashMap<String, Vec<&str>> {
    let mut section = "";
    let mut keys: HashMap<_, Vec<_>> = HashMap::new();
    for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
            continue;
        }
        let (key, value) = line.split_once('=').expect("a key and a value");
        keys.entry(format!("{section}.{key}")).or_default().push(value);
    }
    keys
}

#[test]
fn the_service_is_locked_up_and_waits_for_the_drain() {
    let keys = parse(SERVICE);
    for (key, value) in [
        ("Service.Type", "notify"),
        ("Service.DynamicUser", "yes"),
        ("Service.NoNewPrivileges", "yes"),
        ("Service.CapabilityBoundingSet", ""),
        ("Service.ProtectSystem", "strict"),
        ("Service.MemoryMax", "64M"),
        ("Service.LimitCORE", "0"),
        ("Service.ExecReload", "/bin/kill -HUP $MAINPID"),
        ("Service.LogsDirectory", "filesync-signer"),
    ] {
        assert_eq!(keys.get(key).map(Vec::as_slice), Some(&[value][..]), "{key}");
    }
    let defaults = filesync_signer::config::RawConfig::default().server;
    let patience: u64 = keys["Service.TimeoutStopSec"][0].parse().unwrap();
    assert!(patience > defaults.drain_delay_secs + defaults.shutdown_grace_secs);
    let descriptors: usize = keys["Service.LimitNOFILE"][0].parse().unwrap();
    assert!(descriptors > defaults.max_connections + 128);
    assert_eq!(parse(SOCKET)["Socket.ListenStream"], [defaults.listen]);
}

/// With a program that exists in place of ours.
#[test]
fn systemd_understands_the_units() {
    let folder = tempfile::tempdir().unwrap();
    let service = SERVICE.replace("/usr/local/bin/signer", env!("CARGO_BIN_EXE_signer"));
    let files = [("signer.service", service.as_str()), ("signer.socket", SOCKET)];
    let paths = files.map(|(name, text)| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    });
    match Command::new("systemd-analyze").arg("verify").args(&paths).output() {
        Ok(output) => assert!(output.status.success() && output.stderr.is_empty(), "{output:?}"),
        // Then the test above is all that can be said.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{error}"),
    }
}
