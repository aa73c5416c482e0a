//! The embedded S3 with one fault.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use filesync_signer::dev::{AccessKey, EmbeddedS3};
use filesync_signer::server::system_clock;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, DATE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use jiff::SignedDuration;
use s3s::Body;
use tokio::net::TcpListener;

use super::{BUCKET, KEY_ID, KEY_SECRET, PAGE, SESSION_KEY_ID, SESSION_SECRET};

/// What is wrong with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// The embedded S3 as it is.
    Unmended,
    /// Its answers are dated so many seconds from now.
    Dated(i64),
    Undated,
    /// Only signatures for `us-east-1` are taken.
    OneRegion,
    /// The access key may not do this.
    Denied(&'static str),
    IgnoresIfNoneMatch,
    /// PUTs are taken whatever was signed for.
    TakesAllPuts,
    ServesExpired,
    NoCors,
    /// The rule lacks this header.
    CorsWithout(&'static str),
    NoCorsOnErrors,
    /// Pages do not see the tags of what they put.
    HidesEtags,
    /// The embedded S3 as it is, for parts alone.
    CopiesParts,
    /// Parts of any length are taken.
    TakesAllParts,
    KeepsVersions,
    KeepsDeleted,
    /// Temporary credentials may upload to names that are below their folder as they are written.
    JudgesNames,
    /// The same, unless the name leads elsewhere.
    JudgesPlaces,
    /// As AWS, when the access key may not list.
    HidesAbsence,
}

pub(super) struct Server {
    s3: EmbeddedS3,
    /// The same for temporary credentials.
    of_session: EmbeddedS3,
    folder: PathBuf,
    fault: Fault,
}

impl Server {
    /// Starts one over `folder`; gives its address.
    pub(super) async fn start(folder: &Path, fault: Fault) -> String {
        let key = AccessKey { id: KEY_ID.to_owned(), secret: KEY_SECRET.to_owned() };
        let origins = if fault == Fault::NoCors { vec![] } else { vec![PAGE.to_owned()] };
        let s3 = EmbeddedS3::open(folder, BUCKET, &key, origins).unwrap();
        let key = AccessKey { id: SESSION_KEY_ID.to_owned(), secret: SESSION_SECRET.to_owned() };
        let of_session = EmbeddedS3::open(folder, BUCKET, &key, vec![]).unwrap();
        let server = Arc::new(Self { s3, of_session, folder: folder.to_owned(), fault });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = Arc::clone(&server);
                let answer = service_fn(move |request| {
                    let server = Arc::clone(&server);
                    async move { Ok::<_, Infallible>(server.answer(request).await) }
                });
                let mut http = http1::Builder::new();
                http.auto_date_header(fault != Fault::Undated);
                tokio::spawn(async move {
                    let _ = http.serve_connection(TokioIo::new(stream), answer).await;
                });
            }
        });
        url
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let method = request.method().clone();
        let query = request.uri().query().unwrap_or_default().to_owned();
        let object = self.folder.join(request.uri().path().trim_start_matches('/'));
        let has = |name: &str| request.headers().contains_key(name);
        let (conditional, copies, sums) =
            (has("if-none-match"), has("x-amz-copy-source"), has("x-amz-checksum-sha256"));
        match self.fault {
            Fault::Denied(denied) if method == denied => return refuse(StatusCode::FORBIDDEN, "AccessDenied"),
            Fault::JudgesNames | Fault::JudgesPlaces if query.contains(SESSION_KEY_ID) => {
                return if may_upload(&method, request.uri().path(), self.fault == Fault::JudgesPlaces) {
                    self.of_session.answer(request).await
                } else {
                    refuse(StatusCode::FORBIDDEN, "AccessDenied")
                };
            }
            Fault::OneRegion if !query.contains("%2Fus-east-1%2F") => {
                return refuse(StatusCode::BAD_REQUEST, "AuthorizationHeaderMalformed");
            }
            Fault::IgnoresIfNoneMatch if conditional => {
                let _ = std::fs::remove_file(&object);
            }
            Fault::TakesAllParts if method == Method::PUT && query.contains("partNumber") => {
                return Response::new(Body::empty());
            }
            Fault::TakesAllPuts if method == Method::PUT => {
                let body = request.into_body().collect().await.unwrap().to_bytes();
                std::fs::create_dir_all(object.parent().unwrap()).unwrap();
                std::fs::write(&object, &body).unwrap();
                return Response::new(Body::empty());
            }
            Fault::ServesExpired if method == Method::GET && is_old(&query) => {
                let mut served = Response::new(Body::from(std::fs::read_to_string(&object).unwrap()));
                served.headers_mut().insert("access-control-allow-origin", HeaderValue::from_static(PAGE));
                return served;
            }
            Fault::KeepsDeleted if method == Method::DELETE => {
                let mut gone = Response::new(Body::empty());
                *gone.status_mut() = StatusCode::NO_CONTENT;
                return gone;
            }
            Fault::CopiesParts if query.contains("partNumber") => {}
            fault if copies && fault != Fault::Unmended => return refuse(StatusCode::FORBIDDEN, "AccessDenied"),
            _ => {}
        }
        let mut response = self.s3.answer(request).await;
        if self.fault != Fault::Unmended && method == Method::PUT && sums && !response.status().is_success() {
            let _ = std::fs::remove_file(&object);
        }
        if self.fault == Fault::HidesAbsence && response.status() == StatusCode::NOT_FOUND {
            response = refuse(StatusCode::FORBIDDEN, "AccessDenied");
        }
        self.spoil(&method, &mut response);
        response
    }

    fn spoil(&self, method: &Method, response: &mut Response<Body>) {
        let failed = !response.status().is_success();
        let headers = response.headers_mut();
        match self.fault {
            Fault::Dated(seconds) => {
                let date = system_clock() + SignedDuration::from_secs(seconds);
                let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&date).unwrap();
                headers.insert(DATE, date.parse().unwrap());
            }
            Fault::CorsWithout(header) => {
                if let Some(value) = headers.get("access-control-allow-headers") {
                    let kept: Vec<_> = value.to_str().unwrap().split(", ").filter(|name| *name != header).collect();
                    headers.insert("access-control-allow-headers", kept.join(", ").parse().unwrap());
                }
            }
            Fault::HidesEtags => {
                headers.remove("access-control-expose-headers");
            }
            Fault::NoCorsOnErrors if failed => {
                headers.remove("access-control-allow-origin");
            }
            Fault::KeepsVersions if method == Method::PUT => {
                headers.insert("x-amz-version-id", HeaderValue::from_static("3sL4kqtJlcpXroDTDmJ"));
            }
            _ => {}
        }
    }
}

/// What the policy of a session says, to a server that reads names once or twice.
fn may_upload(method: &Method, path: &str, resolves: bool) -> bool {
    let name = percent_encoding::percent_decode_str(path).decode_utf8().unwrap();
    let below = name.splitn(6, '/').nth(5).is_some_and(|rest| rest.starts_with("session/"));
    method == Method::PUT && below && !(resolves && (name.contains("..") || name.contains('\\')))
}

fn is_old(query: &str) -> bool {
    let (_, date) = query.split_once("X-Amz-Date=").unwrap();
    let half_an_hour_ago = system_clock() - SignedDuration::from_mins(30);
    date[..16] < *half_an_hour_ago.strftime("%Y%m%dT%H%M%SZ").to_string()
}

fn refuse(status: StatusCode, code: &str) -> Response<Body> {
    let mut response =
        Response::new(Body::from(format!("<Error><Code>{code}</Code><Region>us-east-1</Region></Error>")));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}
