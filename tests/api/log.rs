//! What the log says, to whoever has nothing else.

use std::io::{BufRead as _, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use filesync_signer::server::system_clock;

use crate::process::{SECRET, Signer, command, start};

/// Long enough for anything that is going to happen.
const PATIENCE: Duration = Duration::from_secs(20);

/// A signer, and the lines of its log that nobody has asked for yet.
struct Logged {
    signer: Signer,
    lines: Vec<Value>,
}

impl Logged {
    fn start(settings: &[&str]) -> Self {
        let signer = start(&mut command(settings));
        let lines = signer.first_lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        Self { signer, lines }
    }

    /// The first line that this holds of, if need be after a wait.
    fn line(&mut self, what: &str, is_meant: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            if let Some(place) = self.lines.iter().position(&is_meant) {
                return self.lines.remove(place);
            }
            assert!(begun.elapsed() < PATIENCE, "{what}: {:#?}", self.lines);
            let mut line = String::new();
            assert_ne!(self.signer.log.read_line(&mut line).unwrap(), 0, "it ended before {what}");
            self.lines.push(serde_json::from_str(&line).expect("one object a line"));
        }
    }

    fn says(&mut self, message: &str) -> Value {
        self.line(message, |line| line["message"].as_str().unwrap().starts_with(message))
    }

    /// Sends one request, and gives its line.
    fn asked(&mut self, request: &str, headers: &[u8]) -> Value {
        let mut stream = TcpStream::connect(self.signer.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let line = format!("{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n");
        stream.write_all(&[line.as_bytes(), headers, b"\r\n\r\n"].concat()).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        self.line("the line of the request", |line| line["request_id"].is_string())
    }

    /// Deletes until the bucket is taken for down: the first line, and the last.
    fn deletes_until_refused(&mut self) -> (Value, Value) {
        let token = bearer();
        let first = self.asked("DELETE /object?key=s1/f", token.as_bytes());
        let begun = Instant::now();
        loop {
            let last = self.asked("DELETE /object?key=s1/f", token.as_bytes());
            if last["status"] != first["status"] {
                return (first, last);
            }
            assert!(begun.elapsed() < PATIENCE, "{last}");
        }
    }
}

fn bearer() -> String {
    let claims = json!({"storeId": "s1", "exp": system_clock().as_second() + 600});
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
    let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
    format!("authorization: Bearer {token}")
}

/// Where only warnings are kept, they have the reason of a 502. A 503 says nothing that was not said when it began, and can
/// be given to everybody.
#[test]
fn what_failed_by_itself_is_a_warning_and_what_is_refused_is_not() {
    let mut log = Logged::start(&[]);
    let (failed, refused) = log.deletes_until_refused();
    assert_eq!((&failed["level"], &failed["status"]), (&json!("WARN"), &json!(502)));
    assert!(failed["cause"].as_str().unwrap().starts_with("the bucket cannot be reached: "), "{failed}");
    assert_eq!((&refused["level"], &refused["code"]), (&json!("INFO"), &json!("bucket_unavailable")));
    for (request, status) in [("GET /livez", 200), ("GET /download-url?key=s2/f", 403), ("GET /health", 503)] {
        let line = log.asked(request, bearer().as_bytes());
        assert_eq!((&line["level"], &line["status"]), (&json!("INFO"), &json!(status)));
    }
}

/// H26: whoever forgot a page in `server.cors_origins` reads here which, on one line whatever it is called.
#[test]
fn a_preflight_that_is_refused_names_its_page() {
    let mut log = Logged::start(&[r#"server.cors_origins=["https://app.example.com"]"#]);
    let mut preflight = |origin: &[u8]| {
        let headers = [b"access-control-request-method: POST\r\norigin: ", origin].concat();
        log.asked("OPTIONS /upload-url", &headers)
    };
    let line = preflight(b"https://new.example.com");
    assert_eq!((&line["status"], &line["origin"]), (&json!(403), &json!("https://new.example.com")));
    let line = preflight(&[b"\xff\t\xe2\x80\xae\",\"level\":\"ERROR", [b'x'; 500].as_slice()].concat());
    let shown = line["origin"].as_str().unwrap();
    assert_eq!(line["level"], json!("INFO"));
    assert!(shown.starts_with("\u{fffd}\\t\\u{202e}\\\",\\\"level\\\":\\\"ERRORxxx"), "{shown}");
    assert!(shown.len() < 200, "{shown}");
    assert_eq!(preflight(b"https://app.example.com")["origin"], Value::Null);
    assert_eq!(log.asked("GET /livez", b"origin: https://new.example.com")["origin"], Value::Null);
}

/// Of several storages nobody could tell which is down.
#[test]
fn what_is_said_of_a_bucket_or_its_credentials_names_the_storage() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("id");
    std::fs::write(&key, "ONE").unwrap();
    let mut log = Logged::start(&[
        "storages.eu.endpoint=http://127.0.0.1:1",
        "storages.eu.bucket=eu",
        &format!("storages.eu.access_key_id_file={}", key.display()),
        "storages.eu.secret_access_key=s3-secret-never-shown",
        "storages.us.endpoint=http://127.0.0.1:1",
        "storages.us.bucket=us",
        "storages.us.region=us-east-1",
        "storages.us.credentials=process",
        r#"storages.us.credential_process=["/bin/false"]"#,
    ]);
    let mut down: Vec<_> =
        (0..3).map(|_| log.says("the bucket is not usable")["storage"].as_str().unwrap().to_owned()).collect();
    down.sort();
    assert_eq!(down, ["default", "eu", "us"]);
    assert_eq!(log.says("there are no credentials")["storage"], "us");
    std::fs::write(&key, "TWO").unwrap();
    assert_eq!(log.says("the access key was read again")["storage"], "eu");
    std::fs::remove_file(&key).unwrap();
    assert_eq!(log.says("the access key cannot be read again")["storage"], "eu");
    log.deletes_until_refused();
    assert_eq!(log.says("the bucket is taken for down")["storage"], "default");
}

#[test]
fn the_start_says_what_runs_and_whether_pages_may_call() {
    let mut log = Logged::start(&[]);
    assert_eq!(log.says("pages of other origins may not call")["level"], "INFO");
    let line = log.says("listening");
    assert_eq!(line["version"], filesync_signer::build_info::VERSION);
    assert_eq!(line["commit"], filesync_signer::build_info::COMMIT);
    let log = Logged::start(&[r#"server.cors_origins=["https://app.example.com"]"#]);
    assert!(!log.lines.iter().any(|line| line["message"].as_str().unwrap().contains("cors_origins")));
}
