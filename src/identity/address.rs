//! Which addresses keys may be fetched from.
//!
//! An operator's own URL is trusted as far as its transport. A URL that a discovery
//! document names is somebody else's: it must not lead into this network (J43).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

use crate::outbound::is_loopback;

/// Why keys are not fetched from an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// Not `https`, where whoever is on the way could put in keys of their own.
    #[error("is not https; http is for loopback addresses, or with auth.jwks_allow_http")]
    Scheme,
    /// A name and password in the URL, or a part after `#`.
    #[error("has a user name, a password or a fragment")]
    Decorated,
    /// The issuer's host, but another port.
    #[error("is another port of the issuer's host")]
    OtherPort,
    /// Another host, and not on the port of https.
    #[error("is on another host and not on port 443")]
    OddPort,
    /// Another host, by an address that is not public.
    #[error("is an address that is not public")]
    NotPublic,
}

/// How far a fetch may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Wherever the operator's own URL leads.
    Anywhere,
    /// To public addresses only, whatever the name resolves to.
    Public,
}

/// Whether an operator's URL is good to fetch keys from.
///
/// # Errors
///
/// [`AddressProblem`] says what is wrong with it.
pub fn check_address(url: &Url, allow_http: bool) -> Result<(), AddressProblem> {
    let encrypted = url.scheme() == "https";
    if !encrypted && !(url.scheme() == "http" && (allow_http || is_loopback(url))) {
        return Err(AddressProblem::Scheme);
    }
    let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
    if plain { Ok(()) } else { Err(AddressProblem::Decorated) }
}

/// The same for the `jwks_uri` of the discovery document of `issuer`.
pub(super) fn check_named_address(url: &Url, issuer: &Url, allow_http: bool) -> Result<Reach, AddressProblem> {
    check_address(url, allow_http)?;
    if url.host() == issuer.host() {
        let same = url.port_or_known_default() == issuer.port_or_known_default() && url.scheme() == issuer.scheme();
        return if same { Ok(Reach::Anywhere) } else { Err(AddressProblem::OtherPort) };
    }
    if url.port_or_known_default() != Some(443) || url.scheme() != "https" {
        return Err(AddressProblem::OddPort);
    }
    match url.host() {
        Some(Host::Ipv4(ip)) if !is_public(ip.into()) => Err(AddressProblem::NotPublic),
        Some(Host::Ipv6(ip)) if !is_public(ip.into()) => Err(AddressProblem::NotPublic),
        _ => Ok(Reach::Public),
    }
}

/// Whether the address is of the public internet (the registries of RFC 6890).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => match ip.to_ipv4_mapped() {
            Some(ip) => is_public_v4(ip),
            None => is_public_v6(ip),
        },
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let shared_or_special =
        matches!(ip.octets(), [0 | 240..=255, ..] | [100, 64..=127, ..] | [192, 0, 0, _] | [198, 18 | 19, ..]);
    !(shared_or_special
        || ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation())
}

/// Global unicast is `2000::/3`; of it, not what only wraps a v4 address (6to4, Teredo) or is for documentation.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [0x2001, 0 | 0xdb8, ..] | [0x2002, ..] => false,
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<(), AddressProblem> {
        check_address(&Url::parse(url).unwrap(), false)
    }

    #[test]
    fn keys_come_over_https_or_from_this_machine() {
        for url in [
            "https://idp.example/jwks",
            "https://10.0.0.1/jwks",
            "http://127.0.0.1:1/",
            "http://[::1]:1/",
            "http://localhost/",
        ] {
            assert_eq!(check(url), Ok(()), "{url}");
        }
        for url in
            ["http://idp.example/jwks", "file:///etc/passwd", "ftp://idp.example/", "http://127.0.0.1.evil.example/"]
        {
            assert_eq!(check(url), Err(AddressProblem::Scheme), "{url}");
        }
        for url in ["https://a:b@idp.example/", "https://a@idp.example/", "https://idp.example/#x"] {
            assert_eq!(check(url), Err(AddressProblem::Decorated), "{url}");
        }
        assert_eq!(check_address(&Url::parse("http://idp.internal/").unwrap(), true), Ok(()));
    }

    /// J43: what a document names stays with its issuer, or goes to the public internet.
    #[test]
    fn a_document_cannot_send_us_into_this_network() {
        let named = |url: &str, issuer: &str| {
            check_named_address(&Url::parse(url).unwrap(), &Url::parse(issuer).unwrap(), false)
        };
        let issuer = "https://idp.example/tenant";
        assert_eq!(named("https://idp.example/keys", issuer), Ok(Reach::Anywhere));
        assert_eq!(named("https://keys.example/keys", issuer), Ok(Reach::Public));
        assert_eq!(named("https://idp.example:8443/keys", issuer), Err(AddressProblem::OtherPort));
        assert_eq!(named("https://keys.example:6379/keys", issuer), Err(AddressProblem::OddPort));
        assert_eq!(named("http://idp.example/keys", issuer), Err(AddressProblem::Scheme));
        assert_eq!(named("file:///etc/passwd", issuer), Err(AddressProblem::Scheme));
        assert_eq!(named("http://127.0.0.1/keys", issuer), Err(AddressProblem::OddPort));
        for host in [
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[ff02::1]",
            "[2001:db8::1]",
            "[2001::1]",
            "[::1]",
            "[fe80::1]",
            "[fd00::1]",
            "[::ffff:10.0.0.1]",
            "[64:ff9b::a00:1]",
            "[2002:a00:1::]",
        ] {
            assert_eq!(named(&format!("https://{host}/keys"), issuer), Err(AddressProblem::NotPublic), "{host}");
        }
        assert_eq!(named("https://[2606:4700::1111]/keys", issuer), Ok(Reach::Public));
        assert_eq!(named("https://1.1.1.1/keys", issuer), Ok(Reach::Public));
        // A provider on this machine, as in development: its own port only.
        assert_eq!(named("http://127.0.0.1:3000/jwks", "http://127.0.0.1:3000"), Ok(Reach::Anywhere));
        assert_eq!(named("http://127.0.0.1:6379/", "http://127.0.0.1:3000"), Err(AddressProblem::OtherPort));
    }
}
