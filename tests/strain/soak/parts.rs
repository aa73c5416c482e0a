//! The other parts that go wrong: an identity provider, and certificates.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rcgen::generate_simple_self_signed;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::issuer::Issuer;
use crate::process::claims;
use crate::wire::read_message;

/// One key of the provider, and tokens that were signed with it.
#[derive(Clone)]
pub(super) struct Signed {
    jwk: String,
    pub(super) token: String,
    /// The same with other bytes at its end.
    pub(super) forged: String,
}

impl Signed {
    fn new(number: u64) -> Self {
        let issuer = Issuer::new("ES256");
        let kid = format!("k{number}");
        let jwk = issuer.jwk(json!({"kid": kid, "alg": "ES256", "use": "sig"})).to_string();
        let token = issuer.token(json!({"kid": kid}), &claims("s1"));
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let forged = format!("{signed}.{}", signature.chars().rev().collect::<String>());
        Self { jwk, token, forged }
    }
}

/// Publishes its keys at a URL.
pub(super) struct IdentityProvider {
    address: SocketAddr,
    down: Arc<AtomicBool>,
    published: Arc<Mutex<Vec<Signed>>>,
    made: AtomicU64,
    pub(super) asked: Arc<AtomicU64>,
}

impl IdentityProvider {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let provider = Self {
            address: listener.local_addr().unwrap(),
            down: Arc::default(),
            published: Arc::new(Mutex::new(vec![Signed::new(0)])),
            made: AtomicU64::new(1),
            asked: Arc::default(),
        };
        let (down, published) = (Arc::clone(&provider.down), Arc::clone(&provider.published));
        let asked = Arc::clone(&provider.asked);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (down, published, asked) = (Arc::clone(&down), Arc::clone(&published), Arc::clone(&asked));
                tokio::spawn(async move {
                    while read_message(&mut stream).await.is_some() {
                        // Half of the time silent, half of the time gone.
                        if down.load(Ordering::SeqCst) {
                            if asked.fetch_add(1, Ordering::Relaxed) % 2 == 0 {
                                sleep(Duration::from_secs(5)).await;
                            }
                            return;
                        }
                        let keys: Vec<_> = published.lock().unwrap().iter().map(|one| one.jwk.clone()).collect();
                        let body = format!("{{\"keys\":[{}]}}", keys.join(","));
                        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
                        let answer = format!("{head}{}\r\n\r\n{body}", body.len());
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        provider
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    pub(super) fn is_down(&self, down: bool) {
        self.down.store(down, Ordering::SeqCst);
    }

    pub(super) fn first(&self) -> Signed {
        self.published.lock().unwrap()[0].clone()
    }

    /// A further key, beside those that are there.
    pub(super) fn publish_new(&self) -> Signed {
        let new = Signed::new(self.made.fetch_add(1, Ordering::Relaxed));
        self.published.lock().unwrap().push(new.clone());
        new
    }

    /// All but the newest go; the last of them.
    pub(super) fn remove_old(&self) -> Signed {
        let mut published = self.published.lock().unwrap();
        let newest = published.pop().unwrap();
        let old = published.pop().unwrap();
        *published = vec![newest];
        old
    }
}

/// Made beforehand, so that the client can trust them all.
pub(crate) struct Certificates {
    pairs: Vec<(String, String, CertificateDer<'static>)>,
    next: AtomicU64,
}

impl Certificates {
    pub(crate) fn new(count: usize) -> Self {
        let made = (0..count).map(|_| generate_simple_self_signed(["signer.test".to_owned()]).unwrap());
        let pairs = made.map(|made| (made.cert.pem(), made.signing_key.serialize_pem(), made.cert.der().clone()));
        Self { pairs: pairs.collect(), next: AtomicU64::new(0) }
    }

    pub(crate) fn connector(&self) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        for (_, _, certificate) in &self.pairs {
            roots.add(certificate.clone()).unwrap();
        }
        let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        TlsConnector::from(Arc::new(config))
    }

    /// Writes the next pair into the folder.
    pub(crate) fn replace(&self, folder: &Path) -> CertificateDer<'static> {
        let next = usize::try_from(self.next.fetch_add(1, Ordering::Relaxed)).unwrap();
        let (certificate, key, der) = &self.pairs[next % self.pairs.len()];
        std::fs::write(folder.join("cert.pem"), certificate).unwrap();
        std::fs::write(folder.join("key.pem"), key).unwrap();
        der.clone()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = String> {
        // The second line of the PEM: the first bytes of the key itself.
        self.pairs.iter().map(|(_, key, _)| key.lines().nth(1).unwrap().to_owned())
    }
}
