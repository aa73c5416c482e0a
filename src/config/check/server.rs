//! `[server]`: the listener, its deadlines and caps, and the pages that may call.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::{MAX_TIMEOUT_SECS, Report};
use crate::config::raw::{RawServer, RawTls};
use crate::config::used::{Cors, Server, Tls};
use crate::domain::key::check_segments;
use crate::server::read_pair;

/// hyper's smallest read buffer: a head cannot be held to less.
const MIN_HEAD_BYTES: usize = 8192;
/// Caps on the caps: one request may not take all memory.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

pub(super) fn server(raw: &RawServer, r: &mut Report<'_>) -> Option<Server> {
    let listen = raw.listen.parse::<SocketAddr>().ok();
    let listen = r.require("server.listen", listen, || {
        format!("is `{}`; it must be an address and a port, such as `127.0.0.1:8787` or `[::]:8787`", raw.listen)
    });
    let base_path = Some(raw.base_path.clone()).filter(|path| is_base_path(path));
    let base_path = r.require("server.base_path", base_path, || {
        format!("is `{}`; it must be empty, or begin with `/` and not end with one, such as `/api`", raw.base_path)
    });
    let head_timeout = r.timeout("server.head_timeout_secs", raw.head_timeout_secs);
    let body_timeout = r.timeout("server.body_timeout_secs", raw.body_timeout_secs);
    let request_timeout = r.timeout("server.request_timeout_secs", raw.request_timeout_secs);
    let first_byte_timeout = r.timeout("server.first_byte_timeout_secs", raw.first_byte_timeout_secs);
    let write_timeout = r.timeout("server.write_timeout_secs", raw.write_timeout_secs);
    let keep_alive = r.timeout("server.keep_alive_secs", raw.keep_alive_secs);
    let shutdown_grace = r.seconds("server.shutdown_grace_secs", raw.shutdown_grace_secs, 0, MAX_TIMEOUT_SECS);
    let drain_delay = r.seconds("server.drain_delay_secs", raw.drain_delay_secs, 0, MAX_TIMEOUT_SECS);
    let max_connections = r.size("server.max_connections", raw.max_connections, 1, 1_000_000);
    let max_lag = max_lag(raw.max_lag_ms, r);
    let per_address = r.size("server.max_connections_per_address", raw.max_connections_per_address, 0, 1_000_000);
    let http2_max_streams = r.size("server.http2_max_streams", raw.http2_max_streams, 1, 1024);
    let max_head_bytes = r.size("server.max_head_bytes", raw.max_head_bytes, MIN_HEAD_BYTES, MAX_REQUEST_BYTES);
    let max_headers = r.size("server.max_headers", raw.max_headers, 8, 1024);
    let max_uri_bytes = r.size("server.max_uri_bytes", raw.max_uri_bytes, 1024, u16::MAX.into());
    let max_body_bytes = r.size("server.max_body_bytes", raw.max_body_bytes, 1024, MAX_REQUEST_BYTES);
    let max_batch_body_bytes = r.size("server.max_batch_body_bytes", raw.max_batch_body_bytes, 1024, MAX_REQUEST_BYTES);
    let cors = cors(raw, r);
    let tls = tls(&raw.tls, r);
    Some(Server {
        listen: listen?,
        base_path: base_path?,
        cors: cors?,
        first_byte_timeout: first_byte_timeout?,
        head_timeout: head_timeout?,
        body_timeout: body_timeout?,
        request_timeout: request_timeout?,
        write_timeout: write_timeout?,
        keep_alive: keep_alive?,
        drain_delay: drain_delay?,
        shutdown_grace: shutdown_grace?,
        max_connections: max_connections?,
        max_connections_per_address: NonZeroUsize::new(per_address?),
        max_lag: Some(max_lag?).filter(|lag| !lag.is_zero()),
        http2_max_streams: raw.http2.then_some(u32::try_from(http2_max_streams?).unwrap_or(u32::MAX)),
        tls: tls?,
        allow_root: raw.allow_root,
        max_head_bytes: max_head_bytes?,
        max_headers: max_headers?,
        max_uri_bytes: max_uri_bytes?,
        max_body_bytes: max_body_bytes?,
        max_batch_body_bytes: max_batch_body_bytes?,
    })
}

/// Less than the turns of a busy scheduler would refuse for nothing.
fn max_lag(millis: u64, r: &mut Report<'_>) -> Option<Duration> {
    let fits = millis == 0 || (20..=10_000).contains(&millis);
    if !fits {
        r.problem("server.max_lag_ms", format!("is {millis}; it must be 20 to 10000 milliseconds, or 0 for no limit"));
    }
    fits.then_some(Duration::from_millis(millis))
}

fn is_base_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '-' | '.' | '_' | '~');
    path.is_empty()
        || (path.starts_with('/')
            && check_segments(path.trim_start_matches('/')).is_ok()
            && path.chars().all(plain)
            && !path.starts_with("//"))
}

fn cors(raw: &RawServer, r: &mut Report<'_>) -> Option<Cors> {
    let max_age = r.seconds("server.cors_max_age_secs", raw.cors_max_age_secs, 0, 86_400);
    let before = r.problems.len();
    for origin in &raw.cors_origins {
        if let Err(message) = check_origin(origin) {
            r.problem("server.cors_origins", message);
        }
    }
    if r.problems.len() > before {
        return None;
    }
    Some(Cors { origins: raw.cors_origins.clone(), credentials: raw.cors_credentials, max_age: max_age? })
}

/// A serialised origin (RFC 6454 section 6.2), exactly as a browser sends it.
fn check_origin(origin: &str) -> Result<(), String> {
    if origin == "*" || origin == "null" {
        return Err(format!("holds `{origin}`; list each origin, such as `https://app.example.com`"));
    }
    let malformed =
        || format!("holds `{origin}`; an origin is a scheme, `://` and a host, such as `https://app.example.com`");
    let url = Url::parse(origin).map_err(|_| malformed())?;
    let as_sent = match url.origin() {
        tuple @ url::Origin::Tuple(..) => tuple.ascii_serialization(),
        // Schemes of installed apps, such as `capacitor://localhost`.
        url::Origin::Opaque(_) => {
            let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(malformed)?;
            let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
            format!("{}://{host}{port}", url.scheme())
        }
    };
    if as_sent == origin { Ok(()) } else { Err(format!("holds `{origin}`; browsers send that origin as `{as_sent}`")) }
}

/// Both files or none. They are read here, so that a pair that is none does not wait for the start to be noticed.
#[allow(clippy::option_option, reason = "none of it, and nothing usable, are two answers")]
fn tls(raw: &RawTls, r: &mut Report<'_>) -> Option<Option<Tls>> {
    let (certificate, key) = ("server.tls.certificate_file", "server.tls.key_file");
    match (raw.certificate_file.is_empty(), raw.key_file.is_empty()) {
        (true, true) => return Some(None),
        (true, false) => r.problem(certificate, format!("is not set, and `{key}` is; a server needs both")),
        (false, true) => r.problem(key, format!("is not set, and `{certificate}` is; a server needs both")),
        (false, false) => {
            let tls =
                Tls { certificate_file: PathBuf::from(&raw.certificate_file), key_file: PathBuf::from(&raw.key_file) };
            match read_pair(&tls) {
                Ok(_) => return Some(Some(tls)),
                Err(error) => r.problem(certificate, format!("and the key cannot be used: {error}")),
            }
        }
    }
    None
}
