//! The floor of `make bench`: hyper with nothing behind it, giving one answer to every request.
//!
//! `bare_hyper ADDRESS FILE`, where FILE holds the headers and the body of an answer that the signer gave, so
//! that both servers read the same requests and write the same number of bytes. Whatever the signer needs beyond
//! this is its own.
#![allow(clippy::expect_used, reason = "a broken set-up ends the run")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_LENGTH, DATE, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

struct Answer {
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// Reads lines of `name: value`, an empty line, and the body, as they were on the wire.
    fn parse(wire: &str) -> Option<Self> {
        let (head, body) = wire.split_once("\r\n\r\n")?;
        let mut headers = HeaderMap::new();
        for line in head.split("\r\n") {
            let (name, value) = line.split_once(": ")?;
            headers.append(name.parse::<HeaderName>().ok()?, HeaderValue::from_str(value).ok()?);
        }
        // hyper writes these two by itself, here as in the signer.
        headers.remove(CONTENT_LENGTH);
        headers.remove(DATE);
        Some(Self { headers, body: Bytes::copy_from_slice(body.as_bytes()) })
    }

    fn to_response(&self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(self.body.clone()));
        response.headers_mut().clone_from(&self.headers);
        response
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().and_then(|text| text.parse().ok()).expect("an address to listen on");
    let file = arguments.next().expect("a file with the answer");
    let wire = std::fs::read_to_string(file).expect("the file can be read");
    let answer = Arc::new(Answer::parse(&wire).expect("the file holds headers, an empty line and a body"));
    // The signer's runtime; both have as many workers as they are given cores, or TOKIO_WORKER_THREADS.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(serve(address, answer));
}

async fn serve(address: SocketAddr, answer: Arc<Answer>) {
    let listener = TcpListener::bind(address).await.expect("the address is free");
    let mut http = http1::Builder::new();
    // As the signer, which saves both a read in each request.
    http.half_close(true);
    loop {
        let (stream, _) = listener.accept().await.expect("a connection can be accepted");
        let _ = stream.set_nodelay(true);
        let answer = Arc::clone(&answer);
        let service = service_fn(move |request| respond(request, Arc::clone(&answer)));
        let connection = http.serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // A client that breaks off is no event.
            let _ = connection.await;
        });
    }
}

async fn respond(request: Request<Incoming>, answer: Arc<Answer>) -> Result<Response<Full<Bytes>>, Infallible> {
    // As the signer does: all of the body before the answer.
    let _ = request.into_body().collect().await;
    Ok(answer.to_response())
}
