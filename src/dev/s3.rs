//! An S3 in this process: `s3s` over a folder, with the CORS that it lacks.
//!
//! For a first look and for tests only. It honours an unsigned
//! `x-amz-copy-source`, so whoever may PUT one key may read every other:
//! `signer check` says so, and a strict start refuses it.

use std::convert::Infallible;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue, ORIGIN, VARY,
};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::Body;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::net::TcpListener;

use super::AccessKey;

/// The server, ready for its listener.
#[derive(Clone)]
pub struct EmbeddedS3 {
    service: S3Service,
    origins: Arc<[String]>,
}

impl fmt::Debug for EmbeddedS3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmbeddedS3").field("origins", &self.origins).finish_non_exhaustive()
    }
}

impl EmbeddedS3 {
    /// Over `folder`, with one bucket and one access key, for pages of `origins`.
    ///
    /// # Errors
    ///
    /// A sentence, when the folder cannot be used.
    pub fn open(folder: &Path, bucket: &str, key: &AccessKey, origins: Vec<String>) -> Result<Self, String> {
        let in_folder = |error: &dyn fmt::Display| format!("{} cannot hold files: {error}", folder.display());
        // A bucket of s3s-fs is a folder.
        std::fs::create_dir_all(folder.join(bucket)).map_err(|error| in_folder(&error))?;
        let files =
            FileSystem::new(folder).map_err(|error| format!("{} cannot hold files: {error:?}", folder.display()))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(key.id.clone(), key.secret.clone()));
        Ok(Self { service: builder.build(), origins: origins.into() })
    }

    /// Serves until the process ends.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let s3 = self.clone();
            let answer = service_fn(move |request| {
                let s3 = s3.clone();
                async move { Ok::<_, Infallible>(s3.answer(request).await) }
            });
            tokio::spawn(async move {
                // A client that breaks off is no event.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    }

    /// Answers one request.
    pub async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let known = |origin: &&HeaderValue| self.origins.iter().any(|o| o.as_bytes() == origin.as_bytes());
        let origin = request.headers().get(ORIGIN).filter(known).cloned();
        let mut response = if request.method() == Method::OPTIONS {
            preflight(origin.is_some())
        } else {
            let answered = self.service.call(request.map(Body::from)).await;
            answered.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
        };
        let headers = response.headers_mut();
        headers.insert(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("ETag, Content-Range, Accept-Ranges, x-amz-checksum-sha256"),
            );
        }
        response
    }
}

/// What a bucket with a CORS rule for these origins answers.
fn preflight(allowed: bool) -> Response<Body> {
    if !allowed {
        return status(StatusCode::FORBIDDEN);
    }
    let mut response = status(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, PUT, DELETE"));
    let bound = HeaderValue::from_static("content-type, x-amz-checksum-sha256, if-none-match, if-range, range");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, bound);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
