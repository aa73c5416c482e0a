//! A bucket that can be down, slow or wrong. It answers as S3 does, and knows what was asked of it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

use crate::wire::read_message;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Well,
    /// Connections are torn down.
    Down,
    /// No answer, ever.
    Slow,
    /// Answers that mean something else than they seem to, in turn.
    Wrong,
}

const MODES: [Mode; 4] = [Mode::Well, Mode::Down, Mode::Slow, Mode::Wrong];

#[derive(Default)]
struct State {
    mode: AtomicU8,
    latency_millis: AtomicU32,
    asked: AtomicU64,
    deleted: Mutex<HashSet<String>>,
}

#[derive(Clone)]
pub(crate) struct Bucket {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

impl Bucket {
    pub(crate) async fn start(latency: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let bucket = Self { address: listener.local_addr().unwrap(), state: Arc::default() };
        bucket.state.latency_millis.store(u32::try_from(latency.as_millis()).unwrap(), Ordering::Relaxed);
        let state = Arc::clone(&bucket.state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&state)));
            }
        });
        bucket
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn is(&self, mode: Mode) {
        self.state
            .mode
            .store(u8::try_from(MODES.iter().position(|one| *one == mode).unwrap()).unwrap(), Ordering::SeqCst);
    }

    /// Whether a delete of this key was confirmed.
    pub(crate) fn has_deleted(&self, key: &str) -> bool {
        self.state.deleted.lock().unwrap().contains(key)
    }
}

/// What the bucket says of an object: a length that only its key gives, and nothing of those called `missing`.
pub(crate) fn size_of(key: &str) -> Option<usize> {
    (!key.contains("missing")).then(|| 1000 + key.bytes().map(usize::from).sum::<usize>())
}

async fn serve(mut stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let mode = |state: &State| MODES[usize::from(state.mode.load(Ordering::SeqCst))];
    if mode(&state) == Mode::Down {
        let _ = stream.set_zero_linger();
        return;
    }
    while let Some((head, _)) = read_message(&mut stream).await {
        let number = state.asked.fetch_add(1, Ordering::Relaxed);
        let answer = match mode(&state) {
            Mode::Well => {
                sleep(Duration::from_millis(state.latency_millis.load(Ordering::Relaxed).into())).await;
                well(&head, &state)
            }
            Mode::Wrong => wrong(number, &head),
            Mode::Slow => return sleep(Duration::from_secs(30)).await,
            Mode::Down => {
                let _ = stream.set_zero_linger();
                return;
            }
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

fn asked(head: &str) -> (&str, &str) {
    let mut words = head.split(' ');
    let method = words.next().unwrap_or_default();
    let path = words.next().unwrap_or_default().split('?').next().unwrap_or_default();
    (method, path.strip_prefix("/files/").unwrap_or(path))
}

fn well(head: &str, state: &State) -> String {
    let absent = "<Error><Code>NoSuchKey</Code></Error>";
    match asked(head) {
        ("DELETE", key) => {
            state.deleted.lock().unwrap().insert(key.to_owned());
            "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
        }
        ("HEAD", key) => match size_of(key) {
            Some(size) => format!("HTTP/1.1 200 OK\r\ncontent-length: {size}\r\netag: \"e\"\r\n\r\n"),
            None => "HTTP/1.1 404 Not Found\r\n\r\n".to_owned(),
        },
        _ => format!("HTTP/1.1 404 Not Found\r\ncontent-length: {}\r\n\r\n{absent}", absent.len()),
    }
}

/// None of it is a yes, and none says that an object is not there.
fn wrong(number: u64, head: &str) -> String {
    let (is_head, error) = (asked(head).0 == "HEAD", "<Error><Code>InternalError</Code></Error>");
    let with_body = |status: &str, further: &str| {
        let body = if is_head { "" } else { error };
        format!("HTTP/1.1 {status}\r\n{further}content-length: {}\r\n\r\n{body}", error.len())
    };
    match number % 6 {
        0 => with_body("500 Internal Server Error", ""),
        1 if is_head => "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned(),
        1 => with_body("200 OK", ""),
        2 => "this is no HTTP at all\r\n\r\n".to_owned(),
        3 => with_body("301 Moved Permanently", "location: http://127.0.0.1:1/elsewhere\r\n"),
        4 => with_body("403 Forbidden", ""),
        _ => with_body("503 Slow Down", "retry-after: 1\r\n"),
    }
}
