//! What reqsign may touch: variables that the configuration has read, small files, and HTTP with a deadline.
//!
//! reqsign reads shared profiles and asks metadata services. Its own error texts may quote answers, so they
//! are not shown; what happened is noted on the way through here.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::http::{Request, Response};
use reqsign_aws_core::Credential;
use reqsign_core::{Context, Env, Error, FileRead, HttpSend, ProvideCredential};
use reqwest::StatusCode;

use super::Issued;
use super::source::{SourceError, checked};
use crate::config::Ambient;
use crate::files::read_bounded;
use crate::outbound;

/// For one call to a metadata service or to STS, in all.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Credentials are some kilobytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A client for small exchanges with trusted neighbours. `tls` when any of them is asked over https.
pub(super) fn client(tls: bool) -> Result<reqwest::Client, reqwest::Error> {
    outbound::client(tls).connect_timeout(CONNECT_TIMEOUT).timeout(CALL_TIMEOUT).build()
}

/// Sends, and reads the answer up to the cap.
pub(super) async fn exchange(
    http: &reqwest::Client,
    request: reqwest::Request,
) -> Result<(StatusCode, Vec<u8>), SourceError> {
    let host = request.url().host_str().unwrap_or_default().to_owned();
    let failed = |error: reqwest::Error| {
        let host = host.clone();
        if error.is_timeout() { SourceError::TimedOut { host } } else { SourceError::Unreachable { host } }
    };
    let mut answer = http.execute(request).await.map_err(&failed)?;
    let body = outbound::body_within(&mut answer, MAX_ANSWER_BYTES).await.map_err(&failed)?;
    let body = body.ok_or(SourceError::Malformed)?;
    Ok((answer.status(), body))
}

/// Asks one of reqsign's providers. Nothing when it says that it is not set up.
pub(super) async fn ask(
    http: &reqwest::Client,
    ambient: &Ambient,
    provider: &impl ProvideCredential<Credential = Credential>,
) -> Result<Option<Issued>, SourceError> {
    let bridge = Bridge { http: http.clone(), ambient: ambient.clone(), noted: Arc::default() };
    let context = Context::new().with_env(bridge.clone()).with_file_read(bridge.clone()).with_http_send(bridge.clone());
    match provider.provide_credential(&context).await {
        Ok(None) => Ok(None),
        Ok(Some(Credential { access_key_id, secret_access_key, session_token, expires_in })) => {
            // Its type of time is its own; the text of both is RFC 3339.
            let ends_at = expires_in.map(|end| end.to_string().parse()).transpose();
            let ends_at = ends_at.map_err(|_| SourceError::Malformed)?;
            checked(access_key_id, secret_access_key.into(), session_token.map(Into::into), ends_at).map(Some)
        }
        Err(_) => Err(bridge.noted().unwrap_or(SourceError::Malformed)),
    }
}

#[derive(Debug, Clone)]
struct Bridge {
    http: reqwest::Client,
    ambient: Ambient,
    /// What went wrong last.
    noted: Arc<Mutex<Option<SourceError>>>,
}

impl Bridge {
    fn note(&self, error: SourceError) -> Error {
        let text = error.to_string();
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        Error::unexpected(text)
    }

    fn noted(&self) -> Option<SourceError> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Env for Bridge {
    fn var(&self, key: &str) -> Option<String> {
        self.ambient.get(key).map(str::to_owned)
    }

    fn vars(&self) -> HashMap<String, String> {
        self.ambient.all().clone()
    }

    fn home_dir(&self) -> Option<PathBuf> {
        self.ambient.get("HOME").map(PathBuf::from)
    }
}

impl FileRead for Bridge {
    async fn file_read(&self, path: &str) -> reqsign_core::Result<Vec<u8>> {
        let file = path.to_owned();
        let read = tokio::task::spawn_blocking(move || read_bounded(Path::new(&file))).await;
        let reason = match read {
            Ok(Ok(bytes)) => return Ok(bytes),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the runtime ends".to_owned(),
        };
        Err(self.note(SourceError::File { path: path.to_owned(), reason }))
    }
}

impl HttpSend for Bridge {
    async fn http_send(&self, request: Request<Bytes>) -> reqsign_core::Result<Response<Bytes>> {
        let request = reqwest::Request::try_from(request).map_err(|_| self.note(SourceError::Malformed))?;
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let (status, body) = exchange(&self.http, request).await.map_err(|error| self.note(error))?;
        if status != StatusCode::OK {
            let _ = self.note(SourceError::Status { host, status: status.as_u16(), code: String::new() });
        }
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = status;
        Ok(response)
    }
}
