//! `signer probe`: asks the signer that runs here how it is, for images without shell or curl.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::StatusCode;

use crate::config::Server;
use crate::outbound;

/// For all of it. Docker and Kubernetes are to hear the reason before their own patience ends.
const DEADLINE: Duration = Duration::from_secs(2);

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// `/livez`: whether it is to be started again.
    Lives,
    /// `/readyz`: whether it is to get requests.
    IsReady,
}

impl Question {
    fn path(self) -> &'static str {
        match self {
            Self::Lives => "/livez",
            Self::IsReady => "/readyz",
        }
    }
}

/// The answer yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yes {
    /// What was asked.
    pub url: String,
    /// Its answer.
    pub status: StatusCode,
}

impl fmt::Display for Yes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.url, self.status)
    }
}

/// Why the answer is no.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// Which port it got is not known here.
    #[error("server.listen leaves the port to the system; say with --listen where to ask")]
    NoPort,
    /// It could not be asked, or said nothing in time.
    #[error("{url}: {reason}")]
    NoAnswer {
        /// What was asked.
        url: String,
        /// In words.
        reason: String,
    },
    /// It says so itself.
    #[error("{url}: {status}")]
    No {
        /// What was asked.
        url: String,
        /// Its answer.
        status: StatusCode,
    },
}

/// Asks where `server` listens.
///
/// # Errors
///
/// [`ProbeError`] when it is no, or none came within two seconds.
pub async fn probe(server: &Server, question: Question) -> Result<Yes, ProbeError> {
    let address = reachable(server.listen);
    if address.port() == 0 {
        return Err(ProbeError::NoPort);
    }
    let scheme = if server.tls.is_some() { "https" } else { "http" };
    let url = format!("{scheme}://{address}{}{}", server.base_path, question.path());
    let no_answer = |error: &reqwest::Error| {
        let reason = if error.is_timeout() {
            "no answer within 2 s".to_owned()
        } else {
            // The last of the reasons is the system's, such as "Connection refused".
            let reasons = std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source());
            reasons.last().map(ToString::to_string).unwrap_or_default()
        };
        ProbeError::NoAnswer { url: url.clone(), reason }
    };
    // The certificate names the service, not this address; nothing secret is sent, and only a status is learned.
    let client = outbound::client(false).tls_danger_accept_invalid_certs(true).timeout(DEADLINE).build();
    let asked = client.map_err(|error| no_answer(&error))?.get(&url).send();
    let status = asked.await.map_err(|error| no_answer(&error))?.status();
    if status == StatusCode::OK { Ok(Yes { url, status }) } else { Err(ProbeError::No { url, status }) }
}

/// One of all addresses is this machine's own.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_on_all_addresses_is_asked_on_its_own_machine() {
        for (listen, asked) in [
            ("0.0.0.0:8787", "127.0.0.1:8787"),
            ("[::]:8787", "[::1]:8787"),
            ("127.0.0.2:1", "127.0.0.2:1"),
            ("[::1]:2", "[::1]:2"),
        ] {
            assert_eq!(reachable(listen.parse().unwrap()), asked.parse().unwrap());
        }
    }
}
