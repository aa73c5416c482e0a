//! The service behind a real listener.

use std::sync::Arc;
use std::time::Duration;

use filesync_signer::server::{Counts, Scrape, Service};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{TestApp, now};

/// Long enough for anything that is going to happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Running {
    pub(crate) test: TestApp,
    pub(crate) address: std::net::SocketAddr,
    pub(crate) counts: Arc<Counts>,
    pub(crate) scrape: Scrape,
    pub(crate) stop: oneshot::Sender<()>,
    pub(crate) served: JoinHandle<()>,
}

pub(crate) async fn start(settings: &[(&str, &str)]) -> Running {
    start_at(settings, now).await
}

pub(crate) async fn start_at(settings: &[(&str, &str)], clock: fn() -> jiff::Timestamp) -> Running {
    let test = TestApp::with(settings).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let service = Service::new(Arc::clone(&test.app), &test.config.server, clock).unwrap();
    let (counts, scrape) = (service.counts(), service.scrape());
    let served = tokio::spawn(async move {
        service.serve(listener, async { _ = stopped.await }).await;
    });
    Running { test, address, counts, scrape, stop, served }
}

impl Running {
    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes and reads until the connection ends.
    pub(crate) async fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        let _ = stream.write_all(bytes).await;
        read_all(&mut stream).await
    }
}

pub(crate) async fn read_all(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    // A reset after the answer is an end, too.
    let _ = timeout(PATIENCE, stream.read_to_end(&mut text)).await.expect("the connection ends");
    String::from_utf8_lossy(&text).into_owned()
}

/// Reads one answer of a connection that stays open.
pub(crate) async fn read_answer(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut text = Vec::new();
    timeout(PATIENCE, async {
        while !text.ends_with(b"}") {
            text.push(stream.read_u8().await.expect("an answer"));
        }
    })
    .await
    .expect("an answer in time");
    String::from_utf8(text).unwrap()
}
