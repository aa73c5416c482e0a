//! Whether the bucket is reached, and takes our signatures: all from one GET of a key that does not exist.

use jiff::Timestamp;
use reqwest::StatusCode;
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::{Host, Url};

use super::bench::{Ask, Bench, Heard, Site};
use super::report::{Report, Stopped, Verdict};
use crate::config::Addressing;
use crate::domain::policy::Action;
use crate::outbound::is_local;
use crate::storage::{KeyInForce, ProbeFailure, element, http_date, judge};

const DNS: &str = "dns";
const CONNECTION: &str = "connection";
const CLOCK: &str = "clock";
const CREDENTIALS: &str = "credentials";
const REGION: &str = "region";
const ADDRESSING: &str = "addressing";

/// A clock that is off by more eats into the life of URLs, in seconds.
const QUIET_SKEW_SECS: i64 = 30;
/// S3 refuses signatures of a clock that is off by this, in seconds.
const REFUSED_SKEW_SECS: i64 = 900;

const FIX_CLOCK: &str = "set this machine's clock with NTP";

pub(super) async fn reach(bench: &Bench<'_>, report: &mut Report<'_>) -> Result<(), Stopped> {
    match dns(bench, &bench.own).await {
        Ok(evidence) => report.ok(DNS, evidence),
        Err(evidence) => {
            let fix = match bench.storage.addressing {
                Addressing::Path => "correct storage.endpoint, or this machine's name server",
                Addressing::VirtualHost => "correct storage.endpoint, or write storage.addressing = \"path\"",
            };
            return Err(report.stop(DNS, evidence, fix));
        }
    }
    if !bench.has_credentials().await {
        let fix = "see that the source in storage.credentials can be reached and lets this machine in; `signer serve` logs what it answers";
        return Err(report.stop(CREDENTIALS, "none came", fix));
    }
    let sent = (bench.clock)();
    let heard = match absent(bench, &bench.own).await {
        Ok(heard) => heard,
        Err(evidence) => {
            let fix = "correct host, port and scheme of storage.endpoint, or let this machine reach it; a certificate must be for that name";
            return Err(report.stop(CONNECTION, format!("{}: {evidence}", bench.own.shown()), fix));
        }
    };
    report.verdict(CONNECTION, Ok(connection(bench)));
    let judged = judge(heard.status, &heard.code);
    let in_time = report.verdict(CLOCK, Ok(clock(&heard, judged, sent, (bench.clock)())));
    let shown = heard.shown();
    // To a clock that is behind, URLs have ended before they are sent, and S3 says no more than "denied".
    if !in_time && heard.status == StatusCode::FORBIDDEN {
        return Err(Stopped(CLOCK));
    }
    match judged {
        Ok(()) => {}
        Err(ProbeFailure::Clock) => return Err(Stopped(CLOCK)),
        Err(ProbeFailure::Credentials) => {
            let fix = "correct storage.access_key_id, storage.secret_access_key and, for temporary credentials, storage.session_token; \
                       a proxy must keep the Host header and the path";
            return Err(report.stop(CREDENTIALS, shown, fix));
        }
        Err(ProbeFailure::Region) => return Err(wrong_region(bench, &heard, report)),
        Err(ProbeFailure::NoBucket) => {
            let evidence = format!("{shown} at {}", bench.own.shown());
            let fix = format!(
                "create the bucket, correct storage.bucket, or write storage.addressing = \"{}\"",
                match bench.storage.addressing {
                    Addressing::Path => "virtual-host",
                    Addressing::VirtualHost => "path",
                }
            );
            return Err(report.stop(ADDRESSING, evidence, fix));
        }
        Err(_) => {
            let evidence = format!("{shown} at {}, which is no answer of a usable bucket", bench.own.shown());
            let fix = "see that S3 itself answers at storage.endpoint, and that nothing in front of it refuses";
            return Err(report.stop(ADDRESSING, evidence, fix));
        }
    }
    if let Some(KeyInForce { id, is_temporary, ends_at }) = bench.own.signers.key_in_force(Action::Get) {
        match (is_temporary, ends_at) {
            (_, Some(end)) => {
                report.ok(CREDENTIALS, format!("key {id} is accepted, ends at {end}, and is renewed before"));
            }
            (true, None) => {
                let fix = "a key without a session token, which may only put, get and delete in this bucket";
                let evidence = format!("key {id} is accepted, with a session token: it ends, and nothing renews it");
                report.warn(CREDENTIALS, evidence, fix);
            }
            (false, None) => report.ok(CREDENTIALS, format!("key {id} is accepted, and does not end by itself")),
        }
    }
    report.ok(REGION, format!("{} is accepted", bench.storage.region));
    report.ok(ADDRESSING, format!("{} answers", bench.own.shown()));
    Ok(())
}

/// One GET of a key that does not exist.
pub(super) async fn absent(bench: &Bench<'_>, site: &Site) -> Result<Heard, String> {
    bench.ask(site, Ask::new(Action::Get, &bench.key("absent")?)).await
}

async fn dns(bench: &Bench<'_>, site: &Site) -> Result<String, String> {
    const MAX_SHOWN: usize = 4;
    let host = &site.address.host;
    let url = Url::parse(&format!("{}://{host}", site.address.scheme)).map_err(|error| error.to_string())?;
    let (Some(Host::Domain(name)), Some(port)) = (url.host(), url.port_or_known_default()) else {
        return Ok(format!("{host} is an address, there is no name to look up"));
    };
    let found = timeout(bench.storage.connect_timeout, lookup_host((name, port))).await;
    let found = found.map_err(|_| format!("the name server did not answer for {name} in time"))?;
    let found = found.map_err(|error| format!("{name} is not found: {error}"))?;
    let mut addresses: Vec<_> = found.map(|address| address.ip().to_string()).collect();
    addresses.dedup();
    addresses.truncate(MAX_SHOWN);
    if addresses.is_empty() {
        Err(format!("{name} has no address"))
    } else {
        Ok(format!("{name} is {}", addresses.join(", ")))
    }
}

fn connection(bench: &Bench<'_>) -> Verdict {
    let endpoint = &bench.storage.endpoint;
    if endpoint.scheme() == "https" {
        return Verdict::Ok("TLS, with a certificate that this machine trusts".into());
    }
    if is_local(endpoint) {
        Verdict::Ok("without TLS, on this machine".into())
    } else {
        Verdict::Warn(
            "without TLS: what this process does can be read on the way".into(),
            "https in storage.endpoint, unless the network between is yours".into(),
        )
    }
}

/// The `Date` of an answer lies between the sending of the request and now, or the clocks disagree.
fn clock(heard: &Heard, judged: Result<(), ProbeFailure>, sent: Timestamp, now: Timestamp) -> Verdict {
    let Some(date) = heard.header("date").and_then(http_date) else {
        return if judged == Err(ProbeFailure::Clock) {
            Verdict::Fail(heard.shown(), FIX_CLOCK.into())
        } else {
            Verdict::Warn("the bucket's answers have no Date".into(), "a proxy in front of S3 must keep it".into())
        };
    };
    let ahead = sent.as_second().saturating_sub(date.as_second()).max(0);
    let behind = date.as_second().saturating_sub(now.as_second()).max(0);
    let skew = ahead.max(behind);
    let evidence = format!("this machine is {skew} s {} the bucket", if behind > 0 { "behind" } else { "ahead of" });
    if judged == Err(ProbeFailure::Clock) {
        Verdict::Fail(format!("{evidence}: {}", heard.shown()), FIX_CLOCK.into())
    } else if skew >= REFUSED_SKEW_SECS {
        Verdict::Fail(format!("{evidence}; S3 refuses signatures from {REFUSED_SKEW_SECS} s on"), FIX_CLOCK.into())
    } else if skew > QUIET_SKEW_SECS {
        Verdict::Warn(format!("{evidence}: URLs end early or late"), FIX_CLOCK.into())
    } else {
        Verdict::Ok(evidence)
    }
}

/// Many servers say which region they want.
fn wrong_region(bench: &Bench<'_>, heard: &Heard, report: &mut Report<'_>) -> Stopped {
    let region = &bench.storage.region;
    let plain = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    let named = heard.header("x-amz-bucket-region").map(|name| name.chars().filter(plain).take(64).collect::<String>());
    let named = named.unwrap_or_else(|| element(&String::from_utf8_lossy(&heard.body), "Region"));
    let fix = if named.is_empty() || named == *region {
        "storage.region, and the host of storage.endpoint, must be those of the bucket".to_owned()
    } else {
        format!("storage.region = \"{named}\", and the host of storage.endpoint must be that region's")
    };
    report.stop(REGION, format!("{region} is refused: {}", heard.shown()), fix)
}

#[cfg(test)]
mod tests {
    use reqwest::header::{DATE, HeaderMap};

    use super::*;

    fn judged_at(date: Option<&str>, judged: Result<(), ProbeFailure>) -> Verdict {
        let mut headers = HeaderMap::new();
        if let Some(date) = date {
            headers.insert(DATE, date.parse().unwrap());
        }
        let heard = Heard { status: StatusCode::NOT_FOUND, code: String::new(), headers, body: Vec::new() };
        let at = |text: &str| text.parse().unwrap();
        clock(&heard, judged, at("2026-11-22T15:00:10.9Z"), at("2026-11-22T15:00:12.1Z"))
    }

    #[test]
    fn a_clock_may_be_off_by_half_a_minute_and_never_by_fifteen() {
        for (time, expected) in
            [("15:00:10", "0 s"), ("15:00:12", "0 s"), ("14:59:40", "30 s ahead"), ("15:00:42", "30 s behind")]
        {
            let verdict = judged_at(Some(&format!("Sun, 22 Nov 2026 {time} GMT")), Ok(()));
            assert!(matches!(&verdict, Verdict::Ok(text) if text.contains(expected)), "{time}");
        }
        for time in ["14:59:39", "15:00:43", "15:15:11"] {
            assert!(matches!(judged_at(Some(&format!("Sun, 22 Nov 2026 {time} GMT")), Ok(())), Verdict::Warn(..)));
        }
        for time in ["14:45:10", "15:15:12"] {
            assert!(matches!(judged_at(Some(&format!("Sun, 22 Nov 2026 {time} GMT")), Ok(())), Verdict::Fail(..)));
        }
        assert!(matches!(judged_at(None, Ok(())), Verdict::Warn(..)));
        assert!(matches!(judged_at(None, Err(ProbeFailure::Clock)), Verdict::Fail(..)));
    }
}
