use super::*;

#[test]
fn the_audit_log_is_off_unless_set() {
    let off = load_with(GOOD, &[]).unwrap();
    assert_eq!(off.telemetry.audit, AuditRules { mode: AuditMode::Off, file: None, hash_keys: false });
    let set = "[telemetry]\naudit = \"required\"\naudit_file = \"/var/log/audit\"\naudit_keys = \"sha256\"\n";
    let set = load_with(&format!("{GOOD}{set}"), &[]).unwrap().telemetry.audit;
    assert_eq!(set, AuditRules { mode: AuditMode::Required, file: Some("/var/log/audit".into()), hash_keys: true });
    let idle = load_with(&format!("{GOOD}[telemetry]\naudit_file = \"/var/log/audit\"\n"), &[]).unwrap();
    assert_eq!(idle.warnings, ["telemetry.audit_file is set, and nothing is written there: telemetry.audit is off"]);
    assert_eq!(
        problems(&format!("{GOOD}[telemetry]\naudit = \"yes\"\naudit_keys = \"md5\"\n"), &[]),
        [
            "telemetry.audit: is `yes`; it must be `off` or `on` or `required`",
            "telemetry.audit_keys: is `md5`; it must be `plain` or `sha256`",
        ]
    );
}

#[test]
fn traces_need_a_collector_and_a_build_that_sends_them() {
    assert_eq!(load_with(GOOD, &[]).unwrap().telemetry.otlp, None);
    let with = |endpoint: &str| format!("{GOOD}[telemetry]\notlp_endpoint = \"{endpoint}\"\notlp_ratio = 0.25\n");
    if !cfg!(feature = "otlp") {
        assert_eq!(
            problems(&with("http://127.0.0.1:4318"), &[]),
            ["telemetry.otlp_endpoint: is set, and this build exports no traces; build with `--features otlp`"]
        );
        return;
    }
    let set = load_with(&with("http://127.0.0.1:4318/"), &[]).unwrap().telemetry.otlp.unwrap();
    assert_eq!((set.traces_url.as_str(), set.ratio), ("http://127.0.0.1:4318/v1/traces", 0.25));
    for wrong in ["127.0.0.1:4318", "ftp://c", "http://user:pass@c", "http://c?x", "http://c#x"] {
        assert!(problems(&with(wrong), &[])[0].starts_with("telemetry.otlp_endpoint: must be"), "{wrong}");
    }
}

#[test]
fn the_ratio_of_traces_is_one_and_may_come_from_the_environment() {
    let ratio = |text: &str| problems(GOOD, &[("SIGNER__TELEMETRY__OTLP_RATIO", text)]);
    for wrong in ["1.5", "-0.1", "2", "nan"] {
        assert_eq!(ratio(wrong).len(), 1, "{wrong}");
    }
    for good in ["0", "1", "0.01"] {
        assert!(load_with(GOOD, &[("SIGNER__TELEMETRY__OTLP_RATIO", good)]).is_ok(), "{good}");
    }
}
