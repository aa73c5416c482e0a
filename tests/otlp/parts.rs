//! The signer as a process, and servers that remember what they were asked.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use rustix::process::{Pid, Signal, kill_process};

/// Whole requests, each head and body.
pub(crate) struct Server {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Server {
    /// Answers everything with this status.
    pub(crate) fn start(status: u16) -> Self {
        Self::answering(Some(status))
    }

    /// Answers nothing.
    pub(crate) fn hanging() -> Self {
        Self::answering(None)
    }

    fn answering(status: Option<u16>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let memory = Arc::clone(&asked);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let memory = Arc::clone(&memory);
                thread::spawn(move || serve(stream.unwrap(), status, &memory));
            }
        });
        Self { url, asked }
    }

    pub(crate) fn asked(&self) -> Vec<Vec<u8>> {
        self.asked.lock().unwrap().clone()
    }

    /// The spans that came, each exported once.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let exports = self.asked().into_iter().map(|request| {
            let end = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            assert!(
                head.starts_with("post /v1/traces http/1.1") && head.contains("content-type: application/x-protobuf")
            );
            ExportTraceServiceRequest::decode(&request[end..]).unwrap()
        });
        let resources = exports.flat_map(|export| export.resource_spans);
        resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
    }
}

fn serve(stream: TcpStream, status: Option<u16>, memory: &Mutex<Vec<Vec<u8>>>) {
    let mut reader = BufReader::new(stream);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut request).unwrap_or(0) == 0 {
            return;
        }
    }
    let head = String::from_utf8_lossy(&request).to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request.extend(body);
    memory.lock().unwrap().push(request);
    match status {
        Some(204) => drop(reader.get_ref().write_all(b"HTTP/1.1 204 X\r\nconnection: close\r\n\r\n")),
        Some(status) => {
            let answer = format!("HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            drop(reader.get_ref().write_all(answer.as_bytes()));
        }
        None => drop(reader.read(&mut [0])),
    }
}

/// Ended with the test.
pub(crate) struct Signer {
    child: Child,
    log: BufReader<ChildStderr>,
    pub(crate) address: String,
}

impl Signer {
    pub(crate) fn start(settings: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signer"));
        command.env_clear().args(["serve", "--listen", "127.0.0.1:0"]).stdin(Stdio::null()).stderr(Stdio::piped());
        let usual = [
            "server.allow_root=true",
            "telemetry.log=trace",
            "telemetry.log_format=json",
            "storage.bucket=files",
            "storage.access_key_id=AKIDEXAMPLE",
            "storage.secret_access_key=s3-secret-never-shown",
            "storage.verify=off",
        ];
        for setting in usual.iter().chain(settings) {
            command.args(["--set", setting]);
        }
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut seen = String::new();
        let address = loop {
            let mut line = String::new();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended: {seen}");
            let fields: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
            if fields["message"] == "listening" {
                break fields["address"].as_str().unwrap().to_owned();
            }
            seen += &line;
        };
        Self { child, log, address }
    }

    /// Its log, after SIGTERM and its end.
    pub(crate) fn stop(mut self) -> String {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let mut log = String::new();
        self.log.read_to_string(&mut log).unwrap();
        assert!(self.child.wait().unwrap().success(), "{log}");
        log
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The whole answer.
pub(crate) fn ask(address: &str, method: &str, target: &str, headers: &[(&str, String)]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let (body, json) =
        if method == "POST" { ("{\"key\":\"s1/f\"}", "content-type: application/json\r\n") } else { ("", "") };
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<Vec<_>>().concat();
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nhost: s\r\nconnection: close\r\ncontent-length: {}\r\n{json}{headers}\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

pub(crate) fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => panic!("{name} is {other:?}"),
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
