//! A bucket that answers each request by what it reads of it, body and all.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A request: `METHOD target`, the whole head, the body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn is_delete_many(&self) -> bool {
        self.line.starts_with("POST /")
    }

    /// The keys that it names, in the order of their names.
    pub(crate) fn keys(&self) -> Vec<String> {
        let texts = self.body.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>"));
        let mut keys: Vec<_> = texts.map(|(text, _)| quick_xml::escape::unescape(text).unwrap().into_owned()).collect();
        keys.sort();
        keys
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// Status, body, and how long it takes.
pub(crate) type Does = (u16, String, Duration);

pub(crate) struct ReadingBucket {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    most_at_once: Arc<AtomicUsize>,
}

impl ReadingBucket {
    pub(crate) async fn start(script: impl Fn(&Asked, usize) -> Does + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let bucket = Self { url, asked: Arc::default(), most_at_once: Arc::default() };
        let (asked, most, script) = (Arc::clone(&bucket.asked), Arc::clone(&bucket.most_at_once), Arc::new(script));
        let inside = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (asked, most, script) = (Arc::clone(&asked), Arc::clone(&most), Arc::clone(&script));
                let inside = Arc::clone(&inside);
                tokio::spawn(async move {
                    let Some(request) = read(&mut stream).await else { return };
                    most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    let number = {
                        let mut asked = asked.lock().unwrap();
                        asked.push(request.clone());
                        asked.len() - 1
                    };
                    let (status, body, takes) = script(&request, number);
                    tokio::time::sleep(takes).await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                    let length =
                        if status == 204 { String::new() } else { format!("content-length: {}\r\n", body.len()) };
                    let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\netag: \"e\"\r\n{length}\r\n");
                    let body = if request.line.starts_with("HEAD") { String::new() } else { body };
                    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        bucket
    }

    /// One that deletes all that it is asked to.
    pub(crate) async fn obedient() -> Self {
        Self::start(|asked, _| if asked.is_delete_many() { all_deleted(asked) } else { now(204, "") }).await
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn most_at_once(&self) -> usize {
        self.most_at_once.load(Ordering::SeqCst)
    }
}

pub(crate) fn now(status: u16, body: &str) -> Does {
    (status, body.to_owned(), Duration::ZERO)
}

pub(crate) fn all_deleted(asked: &Asked) -> Does {
    let entries: String = asked.keys().iter().map(|key| deleted(key)).collect();
    now(200, &format!("<?xml version=\"1.0\"?>\n<DeleteResult xmlns=\"x\">{entries}</DeleteResult>"))
}

pub(crate) fn deleted(key: &str) -> String {
    format!("<Deleted><Key>{}</Key></Deleted>", quick_xml::escape::escape(key))
}

async fn read(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |n| n.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let line = head.lines().next()?.trim_end_matches(" HTTP/1.1").to_owned();
    Some(Asked { line, head, body: String::from_utf8(body).ok()? })
}
