//! TLS 1.2 and 1.3, and the files of its certificate, which are followed.

use std::io;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use zeroize::Zeroizing;

use crate::config::Tls;
use crate::files::{Settled, read_bounded};

/// Once a second; a change is in force when the next look finds the same.
const INTERVAL: Duration = Duration::from_secs(1);

/// Why certificate and key cannot be used. Never says what is in the key.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    Read {
        /// Its name.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A file without what it should hold.
    #[error("{path}: there is no {wanted} in it, in PEM")]
    Pem {
        /// Its name.
        path: String,
        /// What it should hold.
        wanted: &'static str,
    },
    /// Both can be read and do not fit together, or no algorithm here fits them.
    #[error("{0}")]
    Pair(#[from] rustls::Error),
}

/// What the two files hold.
#[derive(PartialEq, Eq)]
struct Content {
    certificate: Vec<u8>,
    key: Zeroizing<Vec<u8>>,
}

impl Content {
    fn read(files: &Tls) -> Result<Self, TlsError> {
        let read = |path: &Path| {
            read_bounded(path).map_err(|source| TlsError::Read { path: path.display().to_string(), source })
        };
        Ok(Self { certificate: read(&files.certificate_file)?, key: Zeroizing::new(read(&files.key_file)?) })
    }

    fn parse(&self, files: &Tls) -> Result<ServerConfig, TlsError> {
        let lacks = |path: &Path, wanted| TlsError::Pem { path: path.display().to_string(), wanted };
        let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty());
        let chain = chain.ok_or_else(|| lacks(&files.certificate_file, "certificate"))?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).map_err(|_| lacks(&files.key_file, "private key"))?;
        // `ServerConfig::builder()` takes whichever provider is the only one compiled in; this one is named.
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(config)
    }
}

/// Reads both files and checks that they fit together.
pub(crate) fn read_pair(files: &Tls) -> Result<ServerConfig, TlsError> {
    Content::read(files)?.parse(files)
}

/// The certificate in force.
#[derive(Debug)]
pub struct FollowedTls {
    files: Tls,
    http2: bool,
    in_force: ArcSwap<ServerConfig>,
}

impl FollowedTls {
    /// Reads the files, and follows them until it is dropped.
    ///
    /// # Errors
    ///
    /// [`TlsError`] when they cannot be used.
    pub(super) fn start(files: &Tls, http2: bool) -> Result<Arc<Self>, TlsError> {
        let content = Content::read(files)?;
        let config = with_protocols(content.parse(files)?, http2);
        let this = Arc::new(Self { files: files.clone(), http2, in_force: ArcSwap::from_pointee(config) });
        tokio::spawn(follow(Arc::downgrade(&this), content));
        Ok(this)
    }

    /// What a handshake begins with now.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.in_force.load_full())
    }
}

/// HTTP/2 is offered only where it is spoken.
fn with_protocols(mut config: ServerConfig, http2: bool) -> ServerConfig {
    let offered: &[&[u8]] = if http2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
    config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
    config
}

/// Puts a pair in force when two looks have found it: whoever replaces one file after the other is not
/// caught half way. What cannot be used is said once, and the last pair stays in force.
async fn follow(weak: Weak<FollowedTls>, in_force: Content) {
    let mut settled = Settled::new(in_force);
    let mut unreadable = String::new();
    loop {
        tokio::time::sleep(INTERVAL).await;
        let Some(this) = weak.upgrade() else { return };
        let files = this.files.clone();
        // The runtime ends.
        let Ok(read) = tokio::task::spawn_blocking(move || Content::read(&files)).await else { return };
        match read {
            Err(error) => {
                let error = error.to_string();
                if error != unreadable {
                    tracing::error!("the certificate cannot be read again, the last one stays in force: {error}");
                    unreadable = error;
                }
            }
            Ok(content) => {
                unreadable.clear();
                if let Some(content) = settled.look(content) {
                    this.replace(content);
                }
            }
        }
    }
}

impl FollowedTls {
    fn replace(&self, content: &Content) {
        let file = self.files.certificate_file.display();
        match content.parse(&self.files) {
            Ok(config) => {
                self.in_force.store(Arc::new(with_protocols(config, self.http2)));
                tracing::info!(%file, "the certificate was read again");
            }
            Err(error) => {
                tracing::error!(%file, "the new certificate is not used, the last one stays in force: {error}");
            }
        }
    }
}
