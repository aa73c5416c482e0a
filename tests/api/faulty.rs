//! A bucket that does what it is told for each request: answers, hangs, resets, breaks off.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Does {
    /// Status, one header line or nothing, body.
    Answer(u16, &'static str, &'static str),
    /// Whatever this is.
    Raw(&'static str),
    /// This, and then nothing more while the connection stays.
    Drip(&'static str),
    /// This, after so long.
    Slow(Duration, &'static str),
    /// Nothing, ever.
    Hang,
    /// The connection is torn down.
    Reset,
    /// The connection is closed in an orderly way, without an answer.
    Close,
}

type Script = Arc<dyn Fn(usize) -> Does + Send + Sync>;

/// The bucket, and what it saw.
pub(crate) struct FaultyBucket {
    pub(crate) url: String,
    script: Arc<Mutex<Script>>,
    count: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FaultyBucket {
    /// The number of each request, from 0, says what becomes of it.
    pub(crate) async fn start(script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let script: Script = Arc::new(script);
        let bucket = Self { url, script: Arc::new(Mutex::new(script)), count: Arc::default(), asked: Arc::default() };
        let (script, count, asked) = (Arc::clone(&bucket.script), Arc::clone(&bucket.count), Arc::clone(&bucket.asked));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (script, count, asked) = (Arc::clone(&script), Arc::clone(&count), Arc::clone(&asked));
                tokio::spawn(async move {
                    let Some(head) = head(&mut stream).await else { return };
                    asked.lock().unwrap().push(head);
                    let does = script.lock().unwrap()(count.fetch_add(1, Ordering::SeqCst));
                    act(stream, does).await;
                });
            }
        });
        bucket
    }

    /// Another script from now on.
    pub(crate) fn does(&self, script: impl Fn(usize) -> Does + Send + Sync + 'static) {
        *self.script.lock().unwrap() = Arc::new(script);
    }

    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// The request lines so far.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.heads().iter().filter_map(|head| head.lines().next().map(str::to_owned)).collect()
    }

    /// The heads so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// The head, once it is complete.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

async fn act(mut stream: TcpStream, does: Does) {
    let text = match does {
        Does::Drip(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            std::future::pending().await
        }
        Does::Slow(time, text) => {
            tokio::time::sleep(time).await;
            text.to_owned()
        }
        Does::Hang => std::future::pending().await,
        Does::Reset => return stream.set_zero_linger().unwrap(),
        Does::Close => return,
        Does::Raw(text) => text.to_owned(),
        Does::Answer(status, header, body) => {
            let header = if header.is_empty() { String::new() } else { format!("{header}\r\n") };
            let length = if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
            format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{length}{header}\r\n{body}")
        }
    };
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}
