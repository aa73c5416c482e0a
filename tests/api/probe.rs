//! `signer probe`, as an image's health check runs it: with nothing set but where the service listens.

use std::net::SocketAddr;
use std::process::Output;

use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::timeout;

use crate::running::{PATIENCE, start};

async fn probe(address: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signer"));
    command.env_clear().env("SIGNER__SERVER__LISTEN", address).arg("probe").args(arguments).kill_on_drop(true);
    timeout(PATIENCE, command.output()).await.expect("it ends").unwrap()
}

/// The exit code, and what was said.
async fn verdict(address: SocketAddr, arguments: &[&str]) -> (i32, String) {
    let output = probe(&address.to_string(), arguments).await;
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    (output.status.code().unwrap(), said)
}

#[tokio::test]
async fn a_probe_says_yes_for_a_service_that_runs() {
    let running = start(&[("server.base_path", "/api")]).await;
    let address = running.address;
    let base = ["--set", "server.base_path=/api"];
    assert_eq!(verdict(address, &base).await, (0, format!("http://{address}/api/livez: 200 OK\n")));
    let ready = [&base[..], &["--ready"]].concat();
    assert_eq!(verdict(address, &ready).await, (0, format!("http://{address}/api/readyz: 200 OK\n")));
    // On all addresses, asked at this one; and elsewhere than configured.
    let everywhere = format!("0.0.0.0:{}", address.port());
    assert!(probe(&everywhere, &base).await.status.success());
    let address = address.to_string();
    let listen = [&base[..], &["--listen", &address]].concat();
    assert!(probe("127.0.0.1:1", &listen).await.status.success());
    // It need not know the base path, but if it does, the right one.
    assert_eq!(verdict(running.address, &[]).await, (0, format!("http://{address}/livez: 200 OK\n")));
    let other = ["--set", "server.base_path=/other"];
    assert_eq!(verdict(running.address, &other).await, (1, format!("http://{address}/other/livez: 404 Not Found\n")));
}

/// The certificate is for the name that clients use, and not for the address that the probe asks.
#[tokio::test]
async fn a_probe_asks_over_tls_where_the_service_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["signer.test".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let running = start(&[("server.tls.certificate_file", certificate), ("server.tls.key_file", key)]).await;
    let certificate = format!("server.tls.certificate_file={certificate}");
    let key = format!("server.tls.key_file={key}");
    let tls = ["--set", &certificate, "--set", &key];
    assert_eq!(verdict(running.address, &tls).await, (0, format!("https://{}/livez: 200 OK\n", running.address)));
    assert_eq!(verdict(running.address, &[]).await.0, 1, "a service with TLS is asked without");
}

#[tokio::test]
async fn a_service_that_is_about_to_stop_lives_and_is_not_ready() {
    let running = start(&[("server.drain_delay_secs", "60")]).await;
    let address = running.address;
    running.stop.send(()).unwrap();
    let mut said = verdict(address, &["--ready"]).await;
    while said.0 == 0 {
        said = verdict(address, &["--ready"]).await;
    }
    assert_eq!(said, (1, format!("http://{address}/readyz: 503 Service Unavailable\n")));
    assert_eq!(verdict(address, &[]).await.0, 0);
}

#[tokio::test]
async fn a_probe_that_cannot_say_yes_says_why_in_a_sentence() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    assert_eq!(verdict(address, &[]).await, (1, format!("http://{address}/livez: no answer within 2 s\n")));
    drop(silent);
    let (code, said) = verdict(address, &[]).await;
    assert!(code == 1 && said.starts_with(&format!("http://{address}/livez: ")) && said.contains("refused"), "{said}");
    assert_eq!(said.lines().count(), 1);
    // A mistake in its own section is the configuration's; one elsewhere is none of its business.
    let unknown = probe("127.0.0.1:1", &["--set", "server.lisen=x"]).await;
    assert_eq!(unknown.status.code(), Some(64));
    assert_eq!(verdict(address, &["--set", "storage.buket=x"]).await, (1, said));
    assert_eq!(probe("127.0.0.1:0", &[]).await.status.code(), Some(1));
}
