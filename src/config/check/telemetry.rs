//! `[telemetry]`: the audit log, and the exporter of traces.

use url::Url;

use super::Report;
use crate::config::raw::RawTelemetry;
use crate::config::used::{AuditMode, AuditRules, OtlpRules};

pub(super) fn audit(raw: &RawTelemetry, r: &mut Report<'_>) -> Option<AuditRules> {
    let modes = [("off", AuditMode::Off), ("on", AuditMode::On), ("required", AuditMode::Required)];
    let mode = r.choice("telemetry.audit", &raw.audit, &modes);
    let hash_keys = r.choice("telemetry.audit_keys", &raw.audit_keys, &[("plain", false), ("sha256", true)]);
    let file = Some(raw.audit_file.as_str()).filter(|file| !file.is_empty()).map(Into::into);
    if file.is_some() && mode == Some(AuditMode::Off) {
        r.warnings.push("telemetry.audit_file is set, and nothing is written there: telemetry.audit is off".to_owned());
    }
    Some(AuditRules { mode: mode?, file, hash_keys: hash_keys? })
}

/// Where traces go, if they go anywhere.
#[allow(clippy::option_option, reason = "nothing wrong, and nothing set")]
pub(super) fn otlp(raw: &RawTelemetry, r: &mut Report<'_>) -> Option<Option<OtlpRules>> {
    let ratio = Some(raw.otlp_ratio).filter(|ratio| (0.0..=1.0).contains(ratio));
    let ratio = r.require("telemetry.otlp_ratio", ratio, || format!("is {}; it must be 0 to 1", raw.otlp_ratio));
    if raw.otlp_endpoint.is_empty() {
        return ratio.map(|_| None);
    }
    if !cfg!(feature = "otlp") {
        r.problem("telemetry.otlp_endpoint", "is set, and this build exports no traces; build with `--features otlp`");
        return None;
    }
    let url = r.require("telemetry.otlp_endpoint", traces_url(&raw.otlp_endpoint), || {
        "must be the http or https address of a collector, such as `http://127.0.0.1:4318`, without user, query or fragment"
            .to_owned()
    });
    Some(Some(OtlpRules { traces_url: url?, ratio: ratio? }))
}

/// As the variable `OTEL_EXPORTER_OTLP_ENDPOINT` is read: the path of traces follows.
fn traces_url(endpoint: &str) -> Option<Url> {
    let url = Url::parse(&format!("{}/v1/traces", endpoint.trim_end_matches('/'))).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
    let is_http = matches!(url.scheme(), "http" | "https") && url.has_host();
    (is_plain && is_http && url.fragment().is_none()).then_some(url)
}
