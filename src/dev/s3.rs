//! An S3 in this process: `s3s` over a folder, with the CORS that it lacks.
//!
//! For a first look and for tests only. It honours an unsigned
//! `x-amz-copy-source`, so whoever may PUT one key may read every other.

use std::convert::Infallible;
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
pub(super) struct EmbeddedS3 {
    service: S3Service,
    origins: Arc<[String]>,
}

impl EmbeddedS3 {
    /// Over `folder`, with one bucket and one access key, for pages of `origins`.
    pub(super) fn open(folder: &Path, bucket: &str, key: &AccessKey, origins: Vec<String>) -> Result<Self, String> {
        let in_folder = |error: &dyn std::fmt::Display| format!("{} cannot hold files: {error}", folder.display());
        // A bucket of s3s-fs is a folder.
        std::fs::create_dir_all(folder.join(bucket)).map_err(|error| in_folder(&error))?;
        let files =
            FileSystem::new(folder).map_err(|error| format!("{} cannot hold files: {error:?}", folder.display()))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(key.id.clone(), key.secret.clone()));
        Ok(Self { service: builder.build(), origins: origins.into() })
    }

    /// Serves until the process ends.
    pub(super) async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let (service, origins) = (self.service.clone(), Arc::clone(&self.origins));
            let answer = service_fn(move |request| {
                let (service, origins) = (service.clone(), Arc::clone(&origins));
                async move { Ok::<_, Infallible>(answer(&service, &origins, request).await) }
            });
            tokio::spawn(async move {
                // A client that breaks off is no event.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
            });
        }
    }
}

async fn answer(service: &S3Service, origins: &[String], request: Request<Incoming>) -> Response<Body> {
    let origin =
        request.headers().get(ORIGIN).filter(|origin| origins.iter().any(|o| o.as_bytes() == origin.as_bytes()));
    let origin = origin.cloned();
    let mut response = if request.method() == Method::OPTIONS {
        preflight(origin.is_some())
    } else {
        service.call(request.map(Body::from)).await.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
    };
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("ETag, x-amz-checksum-sha256"));
    }
    response
}

/// What a bucket with a CORS rule for these origins answers.
fn preflight(allowed: bool) -> Response<Body> {
    if !allowed {
        return status(StatusCode::FORBIDDEN);
    }
    let mut response = status(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, HEAD, PUT, DELETE"));
    let bound = HeaderValue::from_static("content-type, x-amz-checksum-sha256, if-none-match, range");
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, bound);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
