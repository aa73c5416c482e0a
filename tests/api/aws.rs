//! Fakes of the endpoints that give credentials, which speak what AWS documents.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// What a fake was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

type Rule = Box<dyn Fn(&Asked) -> (u16, String) + Send>;

/// An endpoint for credentials whose answer is a function of the question.
pub(crate) struct Fake {
    pub(crate) url: String,
    rule: Arc<Mutex<Rule>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    pub(crate) async fn start(rule: impl Fn(&Asked) -> (u16, String) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
        let fake = Self { url, rule: Arc::clone(&rule), asked: Arc::default() };
        let asked = Arc::clone(&fake.asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (rule, asked) = (Arc::clone(&rule), Arc::clone(&asked));
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { return };
                        head.push(byte);
                    }
                    let head = String::from_utf8(head).unwrap();
                    let mut lines = head.trim_end().lines();
                    let line = lines.next().unwrap().to_owned();
                    let headers = lines.map(|line| line.split_once(": ").unwrap());
                    let headers: BTreeMap<_, _> =
                        headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
                    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.unwrap();
                    let question = Asked { line, headers, body: String::from_utf8(body).unwrap() };
                    let (status, body) = rule.lock().unwrap()(&question);
                    asked.lock().unwrap().push(question);
                    let answer = format!(
                        "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    let _ = stream.write_all(answer.as_bytes()).await;
                    let _ = stream.shutdown().await;
                });
            }
        });
        fake
    }

    pub(crate) fn now_answers(&self, rule: impl Fn(&Asked) -> (u16, String) + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

pub(crate) fn at(end: Timestamp) -> String {
    end.round(jiff::Unit::Second).unwrap().to_string()
}

/// The answer of ECS and of EKS pod identity.
pub(crate) fn container_answer(id: &str, end: Timestamp) -> (u16, String) {
    let answer = json!({
        "RoleArn": "arn:aws:iam::123456789012:role/r", "AccessKeyId": id, "SecretAccessKey": "sEcReT-from-afar",
        "Token": format!("token-of-{id}"), "Expiration": at(end),
    });
    (200, answer.to_string())
}

/// The answer of STS to either call.
pub(crate) fn sts_answer(action: &str, id: &str, end: Timestamp) -> (u16, String) {
    let body = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>{id}</AccessKeyId><SecretAccessKey>sEcReT-from-afar</SecretAccessKey>\
         <SessionToken>token-of-{id}</SessionToken><Expiration>{}</Expiration>\
         </Credentials></{action}Result></{action}Response>",
        at(end)
    );
    (200, body)
}
