//! What all calls to others have in common: the bucket, key sets, metadata services and STS.

use reqwest::{Client, ClientBuilder, Response, redirect};
use url::{Host, Url};

/// A client that goes where it is sent and nowhere else; the caller adds its deadlines.
pub(crate) fn client(encrypted: bool) -> ClientBuilder {
    let client = Client::builder()
        .redirect(redirect::Policy::none())
        // The environment is read in one place, and this is not it.
        .no_proxy()
        .referer(false);
    // Over http nobody is authenticated, so the system's roots need not be read.
    if encrypted { client } else { client.tls_certs_only([]) }
}

/// The whole body, or nothing when it is longer than `most` bytes.
pub(crate) async fn body_within(answer: &mut Response, most: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if body.len().saturating_add(chunk.len()) > most {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Whether the URL leads to this machine, whatever its name server says: what is sent there stays here.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// [`is_loopback`], or a name that browsers keep on this machine. For warnings; secrets need the former.
pub(crate) fn is_local(url: &Url) -> bool {
    let named = matches!(url.host(), Some(Host::Domain(name)) if name.ends_with(".localhost"));
    named || is_loopback(url)
}
