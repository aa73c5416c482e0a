//! TLS, with the real handshake.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use filesync_signer::config;
use rcgen::generate_simple_self_signed;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion, version};

use crate::running::{PATIENCE, Running, read_all, read_answer, start};

/// A folder with a certificate and its key, which can be replaced.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        let files = Self { folder: tempfile::tempdir().unwrap() };
        files.replace();
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn replace(&self) {
        let made = generate_simple_self_signed(["signer.test".to_owned()]).unwrap();
        std::fs::write(self.path("cert.pem"), made.cert.pem()).unwrap();
        std::fs::write(self.path("key.pem"), made.signing_key.serialize_pem()).unwrap();
    }

    fn certificate(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_file(self.path("cert.pem")).unwrap()
    }

    async fn serve(&self, settings: &[(&str, &str)]) -> Running {
        let (certificate, key) = (self.path("cert.pem"), self.path("key.pem"));
        let files = [
            ("server.tls.certificate_file", certificate.to_str().unwrap()),
            ("server.tls.key_file", key.to_str().unwrap()),
        ];
        start(&[&files, settings].concat()).await
    }
}

async fn connect(
    running: &Running,
    trusted: &CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    offered: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config =
        ClientConfig::builder_with_protocol_versions(versions).with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = offered.iter().map(|name| name.as_bytes().to_vec()).collect();
    let name = ServerName::try_from("signer.test").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, running.connect().await).await
}

const BOTH: &[&SupportedProtocolVersion] = &[&version::TLS12, &version::TLS13];

#[tokio::test]
async fn both_versions_are_spoken_and_http2_is_offered_where_it_is_on() {
    let files = Files::new();
    for (http2, expected) in [("false", "http/1.1"), ("true", "h2")] {
        let running = files.serve(&[("server.http2", http2)]).await;
        for (version, name) in
            [(&version::TLS12, ProtocolVersion::TLSv1_2), (&version::TLS13, ProtocolVersion::TLSv1_3)]
        {
            let stream = connect(&running, &files.certificate(), &[version], &["h2", "http/1.1"]).await.unwrap();
            let (_, session) = stream.get_ref();
            assert_eq!(session.protocol_version(), Some(name));
            assert_eq!(session.alpn_protocol(), Some(expected.as_bytes()));
            let mut stream = connect(&running, &files.certificate(), &[version], &[]).await.unwrap();
            stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200 OK\r\n"));
        }
    }
}

/// H03: silence before, in and after the handshake is closed at the deadline; plain HTTP is not answered.
#[tokio::test]
async fn an_unfinished_handshake_is_cut_off() {
    let files = Files::new();
    let quick = [("server.first_byte_timeout_secs", "1"), ("server.head_timeout_secs", "1")];
    let running = files.serve(&quick).await;
    // The header of a ClientHello of 512 bytes, and a part of it.
    for beginning in [&b""[..], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"] {
        let begun = Instant::now();
        assert_eq!(running.exchange(beginning).await, "");
        assert!(begun.elapsed() >= Duration::from_millis(900));
    }
    let answer = running.exchange(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(!answer.contains("HTTP"), "{answer}");
    assert_eq!((running.counts.handshake_failures.get(), running.counts.timed_out.get()), (2, 1));
    let mut silent = connect(&running, &files.certificate(), BOTH, &[]).await.unwrap();
    assert_eq!(read_all(&mut silent).await, "");
    assert_eq!(running.counts.timed_out.get(), 2);
}

/// The new certificate is shown within seconds; a pair that does not fit changes nothing.
#[tokio::test]
async fn a_replaced_certificate_is_taken_up_and_a_broken_one_is_not() {
    let files = Files::new();
    let running = files.serve(&[]).await;
    let first = files.certificate();
    let mut kept = connect(&running, &first, BOTH, &[]).await.unwrap();

    std::fs::write(files.path("key.pem"), "no key").unwrap();
    sleep(Duration::from_secs(4)).await;
    assert!(connect(&running, &first, BOTH, &[]).await.is_ok());

    files.replace();
    let second = files.certificate();
    let shown = async {
        while connect(&running, &second, BOTH, &[]).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, shown).await.expect("the new certificate is shown");
    // Nobody's connection broke over it.
    kept.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_answer(&mut kept).await.starts_with("HTTP/1.1 200 OK\r\n"));
}

#[test]
fn files_that_cannot_be_used_are_named_when_the_configuration_is_checked() {
    let files = Files::new();
    let other = Files::new();
    let check = |certificate: &Path, key: &str| {
        let flags = [
            ("server.tls.certificate_file".to_owned(), certificate.display().to_string()),
            ("server.tls.key_file".to_owned(), key.to_owned()),
        ];
        config::from_flags(&flags).unwrap_err().to_string()
    };
    let (certificate, key) = (files.path("cert.pem"), files.path("key.pem"));
    let foreign = other.path("key.pem").display().to_string();
    assert!(!check(&certificate, key.to_str().unwrap()).contains("server.tls"));
    assert!(check(&certificate, "").contains("server.tls.key_file: is not set, and `server.tls.certificate_file` is"));
    assert!(check(&certificate, &foreign).contains("server.tls.certificate_file: and the key cannot be used: "));
    assert!(check(&certificate, certificate.to_str().unwrap()).contains("there is no private key in it"));
    assert!(check(&key, key.to_str().unwrap()).contains("there is no certificate in it"));
    assert!(check(Path::new("/nonexistent"), key.to_str().unwrap()).contains("/nonexistent: "));
}
