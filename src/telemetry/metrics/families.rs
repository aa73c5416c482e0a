//! Every name that is written, with its type, its labels and what it says. Closed: a new number needs a row here, and one
//! in the table of the operator's guide, which a test holds to be the same.

/// How a number behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, until the process ends.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Durations in buckets.
    Histogram,
}

impl Kind {
    /// As the text formats write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Numbers of one name.
#[derive(Debug, Clone, Copy)]
pub struct Family {
    /// In base units, which end it: `_seconds`, `_bytes`; `_total` for counters.
    pub name: &'static str,
    /// How they behave.
    pub kind: Kind,
    /// What tells them apart, in the order that they are written in.
    pub labels: &'static [&'static str],
    /// One sentence.
    pub help: &'static str,
}

macro_rules! families {
    ($($id:ident: $kind:ident $name:literal $labels:tt $help:literal;)*) => {
        $(pub(crate) static $id: Family = Family { name: $name, kind: Kind::$kind, labels: &$labels, help: $help };)*
        /// All of them, in the order of the guide.
        pub static FAMILIES: &[&Family] = &[$(&$id),*];
    };
}

families! {
    REQUESTS: Counter "signer_requests_total" ["route", "method", "status", "code"]
        "Requests that were answered.";
    REQUEST_SECONDS: Histogram "signer_request_duration_seconds" ["route"]
        "From the head of a request to its answer, the bucket's part included.";
    BATCH_OPERATIONS: Counter "signer_batch_operations_total" ["status", "code"]
        "Operations of batches, each with its own answer.";
    DENIALS: Counter "signer_denials_total" ["code"]
        "Requests and operations of batches that were refused with 401, 403 or 429.";
    TOKENS_REFUSED: Counter "signer_tokens_refused_total" ["reason"]
        "Requests with 401, by what their callers are not told.";
    SHED: Counter "signer_shed_total" []
        "Requests and operations of batches that were refused because there was too much to do.";
    MINTED: Counter "signer_urls_minted_total" ["storage", "operation"]
        "URLs that were given out.";
    PROMISED: Counter "signer_upload_promised_bytes_total" ["storage"]
        "The lengths that URLs for uploads are bound to; whether they were used is never known here.";
    IN_FLIGHT: Gauge "signer_requests_in_flight" []
        "Requests with a token that are being answered.";
    IN_FLIGHT_LIMIT: Gauge "signer_requests_in_flight_limit" []
        "As many as there may be: limits.max_in_flight.";
    AT_BUCKET: Gauge "signer_bucket_calls_in_flight" []
        "Places at the buckets that are taken by requests.";
    AT_BUCKET_LIMIT: Gauge "signer_bucket_calls_in_flight_limit" []
        "As many as there may be: limits.max_bucket_calls.";
    TRACKED: Gauge "signer_limits_tracked" []
        "Stores and subjects that limits are remembered of.";
    READY: Gauge "signer_ready" []
        "1 while it can sign: keys to check tokens with, and credentials for every bucket.";
    DRAINING: Gauge "signer_draining" []
        "1 once it is about to stop.";

    AUDIT_DROPPED: Counter "signer_audit_dropped_total" []
        "Lines of the audit log that were lost, because they came faster than they could be written.";

    CACHE_HITS: Counter "signer_token_cache_hits_total" []
        "Tokens whose signature had been verified before.";
    CACHE_MISSES: Counter "signer_token_cache_misses_total" []
        "Tokens whose signature had to be looked at.";
    KEYS: Gauge "signer_keys" []
        "Keys that tokens are checked with now.";
    KEY_FETCHES: Counter "signer_key_source_refreshes_total" ["source"]
        "Key sets that were fetched.";
    KEY_FAILURES: Counter "signer_key_source_failures_total" ["source"]
        "Fetches of a key set that brought none.";
    KEY_AGE: Gauge "signer_key_source_age_seconds" ["source"]
        "Since the last key set came; absent before the first one.";

    CREDENTIALS_USABLE: Gauge "signer_credentials_usable" ["storage"]
        "1 while there are credentials that hold.";
    CREDENTIALS_LEFT: Gauge "signer_credentials_expire_in_seconds" ["storage"]
        "Until the first of them ends; absent where none has an end.";
    CREDENTIALS_AGE: Gauge "signer_credentials_age_seconds" ["storage"]
        "Since the oldest of them was put in force.";
    CREDENTIALS_FETCHES: Counter "signer_credentials_refreshes_total" ["storage"]
        "Credentials that were put in force, the first ones included.";
    CREDENTIALS_FAILURES: Counter "signer_credentials_failures_total" ["storage"]
        "Tries to get credentials that brought none.";

    BUCKET_CALLS: Counter "signer_bucket_calls_total" ["storage", "operation", "outcome"]
        "Calls of the bucket, each with all its attempts.";
    BUCKET_SECONDS: Histogram "signer_bucket_call_duration_seconds" ["storage"]
        "How long calls of the bucket took with all their attempts; without probes.";
    BUCKET_RETRIES: Counter "signer_bucket_retries_total" ["storage"]
        "Attempts after the first.";
    RETRY_BUDGET: Gauge "signer_bucket_retry_budget" ["storage"]
        "Attempts after the first that may be made now; 10 when all is well.";
    BREAKER: Gauge "signer_bucket_breaker_open" ["storage"]
        "1 while the bucket is taken for down, so that calls are not made.";
    BUCKET_UP: Gauge "signer_bucket_up" ["storage"]
        "1 if the last probe found the bucket usable.";
    PROBE_FAILURE: Gauge "signer_bucket_probe_failure" ["storage", "reason"]
        "1 for the reason why it did not.";
    PROBE_SECONDS: Gauge "signer_bucket_probe_duration_seconds" ["storage"]
        "How long the last probe took.";
    SKEW: Gauge "signer_clock_skew_seconds" ["storage"]
        "How far this machine's clock is ahead of the bucket's, to the second.";

    CONNECTIONS: Gauge "signer_connections_open" []
        "Connections that are served.";
    CONNECTIONS_LIMIT: Gauge "signer_connections_limit" []
        "As many as there may be: server.max_connections, or fewer where descriptors are short.";
    ACCEPTED: Counter "signer_connections_accepted_total" []
        "Connections that were served.";
    REFUSED: Counter "signer_connections_refused_total" ["cause"]
        "Connections that were not served, by the setting that says so.";
    GONE: Counter "signer_connections_gone_total" []
        "Connections whose client had left before they were looked at.";
    TIMED_OUT: Counter "signer_connections_timed_out_total" []
        "Connections that were cut off at a deadline.";
    ACCEPT_FAILURES: Counter "signer_accept_failures_total" []
        "Connections that could not be accepted, for example because descriptors ran out.";
    HANDSHAKE_FAILURES: Counter "signer_tls_handshake_failures_total" []
        "TLS handshakes that failed or took too long.";
    PANICS: Counter "signer_panics_total" []
        "Requests that ended in a mistake of the service, and in 500.";

    RELOADS: Counter "signer_config_reloads_total" ["outcome"]
        "Configurations that were read again.";
    RELOAD_GOOD: Gauge "signer_config_last_reload_successful" []
        "0 while the configuration on disk was refused and an older one is in force.";
    CONFIG_TIME: Gauge "signer_config_timestamp_seconds" []
        "When the configuration in force was read, in seconds since 1970.";
    BUILD: Gauge "signer_build_info" ["version", "commit", "features"]
        "Always 1.";

    PROCESS_START_TIME: Gauge "process_start_time_seconds" []
        "When the process began, in seconds since 1970.";
    PROCESS_CPU_SECONDS: Counter "process_cpu_seconds_total" []
        "CPU time of the process, user and system.";
    PROCESS_RESIDENT_MEMORY_BYTES: Gauge "process_resident_memory_bytes" []
        "Memory that the process has in RAM.";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" []
        "Open file descriptors.";
    PROCESS_MAX_FDS: Gauge "process_max_fds" []
        "As many as there may be.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// <https://prometheus.io/docs/practices/naming/>
    #[test]
    fn names_say_what_they_are() {
        let mut names = BTreeSet::new();
        for family in FAMILIES {
            let Family { name, kind, help, .. } = family;
            assert!(names.insert(*name), "{name} is there twice");
            assert!(name.starts_with("signer_") || name.starts_with("process_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(help.ends_with('.') && !help.contains('\n'), "{name}");
        }
    }
}
