//! The page at `/`, and who may have it.
//!
//! It is served on exact paths, before the API looks at the request, and only by `signer dev`.
//!
//! # Who may have the token
//!
//! The page asks `/playground/session` for the printed token. A stranger's page that is open in the same browser can
//! send requests here, too, but must not read it:
//!
//! * its own origin is another, and these answers, unlike the API's, permit no origin to read them;
//! * it may let its own name resolve to this machine (DNS rebinding), and is then of this origin; but its requests say
//!   that name in `Host`, and here only `localhost`, `127.0.0.1` and `[::1]` with our port are answered;
//! * it may load the answer as a script, an image or a frame; `Sec-Fetch-Site` then says where it comes from, and only
//!   `same-origin`, and its absence outside browsers, are answered.
//!
//! A program is no page, and sends what it likes. Where the signer listens on more than this machine, the token is
//! therefore not given at all, and the page asks for the printed one. Listening on the machine alone it is there for
//! all programs on it: they could do no more with it than read and write the files of this store at the embedded S3.

use std::io::Cursor;
use std::net::SocketAddr;

use hyper::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue, ORIGIN,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{Method, Response, StatusCode};
use serde_json::json;

use crate::api::{AnswerBody, PageSource};

const SESSION: &str = "/playground/session";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, type and bytes. The modules of `deploy/web` are those that the page is to show.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("page/index.html")),
    ("/sw.js", JS, include_str!("page/sw.js")),
    ("/playground/style.css", CSS, include_str!("page/style.css")),
    ("/playground/icon.svg", SVG, include_str!("page/icon.svg")),
    ("/playground/app.js", JS, include_str!("page/app.js")),
    ("/playground/gallery.js", JS, include_str!("page/gallery.js")),
    ("/playground/log.js", JS, include_str!("page/log.js")),
    ("/playground/session.js", JS, include_str!("page/session.js")),
    ("/playground/web/attempts.js", JS, include_str!("../../deploy/web/attempts.js")),
    ("/playground/web/cache.js", JS, include_str!("../../deploy/web/cache.js")),
    ("/playground/web/client.js", JS, include_str!("../../deploy/web/client.js")),
    ("/playground/web/errors.js", JS, include_str!("../../deploy/web/errors.js")),
    ("/playground/web/kept.js", JS, include_str!("../../deploy/web/kept.js")),
    ("/playground/web/keys.js", JS, include_str!("../../deploy/web/keys.js")),
    ("/playground/web/messages.js", JS, include_str!("../../deploy/web/messages.js")),
    ("/playground/web/page.js", JS, include_str!("../../deploy/web/page.js")),
    ("/playground/web/parts.js", JS, include_str!("../../deploy/web/parts.js")),
    ("/playground/web/put.js", JS, include_str!("../../deploy/web/put.js")),
    ("/playground/web/service-worker.js", JS, include_str!("../../deploy/web/service-worker.js")),
    ("/playground/web/signer.js", JS, include_str!("../../deploy/web/signer.js")),
    ("/playground/web/upload.js", JS, include_str!("../../deploy/web/upload.js")),
    ("/playground/web/urls.js", JS, include_str!("../../deploy/web/urls.js")),
];

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The page, for one start of `signer dev`.
pub(super) struct Playground {
    /// As browsers write them in `Host`.
    hosts: Vec<String>,
    policy: HeaderValue,
    /// What the page is told.
    session: String,
}

impl std::fmt::Debug for Playground {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Playground").field("hosts", &self.hosts).finish_non_exhaustive()
    }
}

impl Playground {
    pub(super) fn new(signer: SocketAddr, s3: SocketAddr, store: &str, token: &str, data: &str) -> Self {
        let port = signer.port();
        let mut hosts: Vec<_> = ["localhost", "127.0.0.1", "[::1]"].map(|host| format!("{host}:{port}")).into();
        // A number cannot be made to lead elsewhere.
        if !signer.ip().is_unspecified() {
            hosts.push(signer.to_string());
        }
        let told = signer.ip().is_loopback();
        let (token, data) = (told.then_some(token), told.then_some(data));
        Self { hosts, policy: policy(s3), session: json!({ "store": store, "token": token, "data": data }).to_string() }
    }

    /// Where a browser on this machine finds the page when the signer listens on `signer`.
    pub(super) fn address(signer: SocketAddr) -> String {
        if signer.ip().is_unspecified() {
            format!("http://127.0.0.1:{}/", signer.port())
        } else {
            format!("http://{signer}/")
        }
    }

    fn file(&self, content_type: &'static str, text: &str) -> Response<AnswerBody> {
        let mut response = plain(StatusCode::OK, text);
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }

    /// A request that says another name than ours.
    fn refuses(&self, headers: &HeaderMap) -> Option<Response<AnswerBody>> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = hosts.next().filter(|_| hosts.next().is_none());
        let known = host.is_some_and(|host| self.hosts.iter().any(|own| own.as_bytes() == host.as_bytes()));
        let [first, ..] = self.hosts.as_slice() else { return Some(plain(StatusCode::FORBIDDEN, "")) };
        (!known).then(|| plain(StatusCode::FORBIDDEN, &format!("This page is at http://{first}/ alone.\n")))
    }

    fn session(&self, headers: &HeaderMap) -> Response<AnswerBody> {
        let site = headers.get(SEC_FETCH_SITE);
        let own_origin = |origin: &HeaderValue| {
            self.hosts.iter().any(|host| origin.as_bytes().strip_prefix(b"http://") == Some(host.as_bytes()))
        };
        let foreign_site = site.is_some_and(|site| site != "same-origin");
        let foreign_origin = headers.get_all(ORIGIN).iter().any(|origin| !own_origin(origin));
        if foreign_site || foreign_origin {
            return plain(StatusCode::FORBIDDEN, "Only the page of this address is told.\n");
        }
        let mut response = plain(StatusCode::OK, &self.session);
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

impl PageSource for Playground {
    fn answer(&self, parts: &Parts) -> Option<Response<AnswerBody>> {
        let path = parts.uri.path();
        let file = FILES.iter().find(|(name, _, _)| *name == path);
        if file.is_none() && path != SESSION {
            return None;
        }
        if let Some(refused) = self.refuses(&parts.headers) {
            return Some(refused);
        }
        if parts.method != Method::GET && parts.method != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return Some(response);
        }
        let mut response = match file {
            Some((_, content_type, text)) => self.file(content_type, text),
            None => self.session(&parts.headers),
        };
        if parts.method == Method::HEAD {
            *response.body_mut() = AnswerBody::default();
        }
        Some(response)
    }
}

/// What the page may load and call: itself and the bucket, whose answers the worker passes on. No inline script or style.
fn policy(s3: SocketAddr) -> HeaderValue {
    let text = format!(
        "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; connect-src 'self' http://{s3}; \
         img-src 'self' blob: http://{s3}; media-src 'self' blob: http://{s3}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    // An address has no character that a header cannot hold.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

fn plain(status: StatusCode, text: &str) -> Response<AnswerBody> {
    let mut response = Response::new(AnswerBody::new(Cursor::new(text.as_bytes().to_vec())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    let fixed = [
        (CONTENT_TYPE, "text/plain; charset=utf-8"),
        // The binary may be another at the next start.
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;
    use hyper::Request;

    use super::*;

    const TOKEN: &str = "the.printed.token";

    fn page(listen: &str) -> Playground {
        Playground::new(listen.parse().unwrap(), "127.0.0.1:8788".parse().unwrap(), "demo", TOKEN, "/tmp/data")
    }

    async fn get(page: &Playground, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let Some(answer) = page.answer(&request.body(()).unwrap().into_parts().0) else { return (0, String::new()) };
        let (parts, body) = answer.into_parts();
        assert!(!parts.headers.contains_key("access-control-allow-origin"));
        assert_eq!(parts.headers["cache-control"], "no-store");
        (parts.status.as_u16(), String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap())
    }

    #[tokio::test]
    async fn the_page_of_this_address_is_told_the_token() {
        let page = page("127.0.0.1:8787");
        for host in ["localhost:8787", "127.0.0.1:8787", "[::1]:8787"] {
            for more in [&[][..], &[("sec-fetch-site", "same-origin")], &[("origin", "http://localhost:8787")]] {
                let headers = [&[("host", host)], more].concat();
                let (status, body) = get(&page, SESSION, &headers).await;
                assert_eq!((status, body.contains(TOKEN)), (200, true), "{headers:?}");
            }
        }
    }

    #[tokio::test]
    async fn no_other_page_is_told_the_token() {
        let page = page("127.0.0.1:8787");
        let own = ("host", "127.0.0.1:8787");
        let foreign: &[&[(&str, &str)]] = &[
            &[],
            &[("host", "rebound.example:8787")],
            &[("host", "localhost")],
            &[("host", "localhost:8788")],
            &[("host", "localhost:8787.example")],
            &[("host", "LOCALHOST:8787@rebound.example")],
            &[own, ("host", "rebound.example:8787")],
            &[own, ("sec-fetch-site", "cross-site")],
            &[own, ("sec-fetch-site", "same-site")],
            &[own, ("sec-fetch-site", "none")],
            &[own, ("origin", "http://rebound.example")],
            &[own, ("origin", "http://127.0.0.1:3000")],
            &[own, ("origin", "null")],
        ];
        for headers in foreign {
            let (status, body) = get(&page, SESSION, headers).await;
            assert_eq!((status, body.contains(TOKEN)), (403, false), "{headers:?}");
        }
    }

    #[tokio::test]
    async fn a_signer_that_others_can_reach_gives_no_token_to_anybody() {
        for listen in ["0.0.0.0:8787", "[::]:8787", "192.168.1.2:8787"] {
            let (status, body) = get(&page(listen), SESSION, &[("host", "127.0.0.1:8787")]).await;
            assert_eq!((status, body.contains(TOKEN)), (200, false), "{listen}");
        }
    }

    #[tokio::test]
    async fn only_exact_paths_are_pages() {
        let page = page("127.0.0.1:8787");
        let host = [("host", "127.0.0.1:8787")];
        for (path, _, _) in FILES {
            assert_eq!(get(&page, path, &host).await.0, 200, "{path}");
            assert_eq!(get(&page, path, &[("host", "rebound.example:8787")]).await.0, 403, "{path}");
        }
        for path in ["/download-url", "/livez", "/playground", "/playground/", "/playground/web/../session", "//"] {
            assert_eq!(get(&page, path, &host).await.0, 0, "{path}");
        }
    }

    #[test]
    fn the_address_is_one_that_a_browser_can_open() {
        let address = |listen: &str| Playground::address(listen.parse().unwrap());
        assert_eq!(address("127.0.0.1:8787"), "http://127.0.0.1:8787/");
        assert_eq!(address("0.0.0.0:8787"), "http://127.0.0.1:8787/");
        assert_eq!(address("[::1]:8787"), "http://[::1]:8787/");
    }
}
