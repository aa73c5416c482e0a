//! HTTP/1 as a client speaks it, over kept connections, with or without TLS.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};

pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
        Some(self.head.lines().find(named)?.split_once(':')?.1.trim())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Sent away because there is too much to do, with a word when to come back.
    pub(crate) fn is_shed(&self) -> bool {
        let waits = self.header("retry-after").is_some_and(|wait| wait.parse::<u32>().is_ok_and(|wait| wait > 0));
        waits && matches!((self.status, self.code().as_str()), (503, "overloaded") | (429, "rate_limited"))
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Broken {
    /// This client has no further connection to give.
    NoConnection,
    /// No connection came about: nothing was sent.
    Connect,
    /// The request may have been sent, and no whole answer came.
    Exchange,
}

pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    /// What it was shown in the TLS handshake.
    pub(crate) certificate: Option<CertificateDer<'static>>,
    last_used: Instant,
}

/// A connection that lay idle for longer is given up, before the signer does it (`server.keep_alive_secs`).
const MAX_IDLE: Duration = Duration::from_secs(10);

/// Connections that are kept, the one that was used last at the end.
#[derive(Default)]
pub(crate) struct Kept(Mutex<VecDeque<Connection>>);

impl Kept {
    pub(crate) fn take(&self) -> Option<Connection> {
        let mut kept = self.0.lock().unwrap();
        while kept.front().is_some_and(|oldest| oldest.last_used.elapsed() > MAX_IDLE) {
            kept.pop_front();
        }
        kept.pop_back()
    }

    pub(crate) fn put(&self, connection: Connection) {
        self.0.lock().unwrap().push_back(connection);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr, tls: Option<&TlsConnector>) -> Option<Self> {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let Some(tls) = tls else {
            return Some(Self { stream: Box::new(stream), certificate: None, last_used: Instant::now() });
        };
        let name = ServerName::try_from("signer.test").unwrap();
        let stream = tls.connect(name, stream).await.ok()?;
        let certificate = stream.get_ref().1.peer_certificates().map(|chain| chain[0].clone().into_owned());
        Some(Self { stream: Box::new(stream), certificate, last_used: Instant::now() })
    }

    /// For those who do not speak as they should.
    pub(crate) fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// One request and its answer, and whether the connection may be used again.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> Option<(Answer, bool)> {
        self.last_used = Instant::now();
        self.stream.write_all(request).await.ok()?;
        self.stream.flush().await.ok()?;
        let (head, body) = read_message(&mut self.stream).await?;
        let status = head.get(9..12)?.parse().ok()?;
        let answer = Answer { status, head, body };
        let keeps = !answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
        Some((answer, keeps))
    }
}

/// Head and body of a request or an answer whose length is announced.
pub(crate) async fn read_message(stream: &mut (impl AsyncRead + Unpin + ?Sized)) -> Option<(String, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(2048);
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(end);
    let head = String::from_utf8(bytes).ok()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    while body.len() < length.unwrap_or_default() {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

/// Somebody who asks, with connections that are kept, up to so many.
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
    most: usize,
    open: AtomicUsize,
    kept: Kept,
}

/// Given back also when the one who asked has lost patience.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr, most: usize) -> Self {
        Self { address, most, open: AtomicUsize::new(0), kept: Kept::default() }
    }

    pub(crate) async fn ask(&self, request: &[u8]) -> Result<Answer, Broken> {
        let place = Place(&self.open);
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(Broken::NoConnection);
        }
        let mut connection = match self.kept.take() {
            Some(connection) => connection,
            None => Connection::open(self.address, None).await.ok_or(Broken::Connect)?,
        };
        let (answer, keeps) = connection.exchange(request).await.ok_or(Broken::Exchange)?;
        if keeps {
            self.kept.put(connection);
        }
        drop(place);
        Ok(answer)
    }
}

pub(crate) fn get(target: &str, token: &str) -> Vec<u8> {
    bare("GET", target, token)
}

pub(crate) fn bare(method: &str, target: &str, token: &str) -> Vec<u8> {
    format!("{method} {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n").into_bytes()
}

pub(crate) fn post(target: &str, token: &str, body: &serde_json::Value) -> Vec<u8> {
    let body = body.to_string();
    format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
