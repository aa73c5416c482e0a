//! `telemetry.metrics_listen`.

use std::net::{IpAddr, SocketAddr};

use super::Report;

const KEY: &str = "telemetry.metrics_listen";

/// The address, or that there is none; `server` is where the service itself listens.
#[allow(clippy::option_option, reason = "nothing: it was reported")]
pub(super) fn listen(raw: &str, server: &str, r: &mut Report<'_>) -> Option<Option<SocketAddr>> {
    if raw.is_empty() {
        return Some(None);
    }
    let address = raw.parse::<SocketAddr>().ok();
    let address = r.require(KEY, address, || {
        format!("is `{raw}`; it must be empty, or an address and a port, such as `127.0.0.1:9090` or `[::]:9090`")
    })?;
    if server.parse().is_ok_and(|server| overlap(address, server)) {
        r.problem(
            KEY,
            format!("is `{raw}`, where server.listen is; metrics need no token, so they have a port of their own"),
        );
        return None;
    }
    if is_public(address.ip()) {
        r.warnings.push(format!("{KEY} is a public address, and metrics need no token: let only Prometheus reach it"));
    } else if address.ip().is_unspecified() {
        r.notes.push(format!("metrics are told on every address of this machine, without a token ({KEY})"));
    }
    Some(Some(address))
}

/// Whether both cannot be listened on. A port of 0 is any that is free.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let same_ip = one.ip() == other.ip() || one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() == other.port() && one.port() != 0 && same_ip
}

/// Neither this machine nor a network that nobody routes to (RFC 1918, RFC 3927, RFC 4193, RFC 6598).
fn is_public(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => {
            let is_shared =
                v4.octets().first() == Some(&100) && v4.octets().get(1).is_some_and(|o| (64..128).contains(o));
            !(v4.is_loopback() || v4.is_private() || v4.is_link_local() || v4.is_unspecified() || is_shared)
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local() || v6.is_unspecified())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_public_and_what_is_the_same() {
        for (ip, public) in [
            ("127.0.0.1", false),
            ("10.1.2.3", false),
            ("192.168.0.1", false),
            ("169.254.0.1", false),
            ("100.64.0.1", false),
            ("0.0.0.0", false),
            ("::1", false),
            ("fd00::1", false),
            ("fe80::1", false),
            ("::ffff:10.0.0.1", false),
            ("192.0.2.1", true),
            ("100.128.0.1", true),
            ("2001:db8::1", true),
        ] {
            assert_eq!(is_public(ip.parse().unwrap()), public, "{ip}");
        }
        let overlap = |one: &str, other: &str| overlap(one.parse().unwrap(), other.parse().unwrap());
        assert!(overlap("127.0.0.1:1", "127.0.0.1:1") && overlap("0.0.0.0:1", "127.0.0.1:1"));
        assert!(overlap("127.0.0.1:1", "[::]:1"));
        assert!(!overlap("127.0.0.1:1", "127.0.0.2:1") && !overlap("127.0.0.1:1", "127.0.0.1:2"));
        assert!(!overlap("127.0.0.1:0", "127.0.0.1:0"));
    }
}
