//! `[telemetry]`: the audit log.

use super::Report;
use crate::config::raw::RawTelemetry;
use crate::config::used::{AuditMode, AuditRules};

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
