//! `make connections`: what a connection costs in memory, and a handshake, a token and a signed URL in CPU time. The figures of
//! `deploy/capacity.md`. CPU time is the signer's own, so that what else the machine does changes little.

use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use crate::bucket::Bucket;
use crate::goal;
use crate::issuer::{Issuer, SECRET};
use crate::process::{ACCESS_KEY, S3_SECRET, Signer, claims, free_address, token};
use crate::soak::Certificates;
use crate::wire::{Connection, get};

const CONNECTIONS: usize = 5_000;
/// Who open connections, and who ask over kept ones, at the same time.
const CLIENTS: usize = 32;
const REQUESTS: usize = 200_000;
/// Of each algorithm, each used once.
const TOKENS: usize = 4_000;
const ALGORITHMS: [&str; 3] = ["ES256", "EdDSA", "RS256"];
/// What deploy/ counts for a connection, in bytes, where it holds limits of memory against `max_connections`; then for one with TLS.
const COUNTED_BYTES: [f64; 2] = [30_000.0, 35_000.0];

pub(crate) async fn run(binary: &str) -> usize {
    println!("{CONNECTIONS} connections, one signed URL over each, then idle:");
    let mut missed = 0;
    for tls in [false, true] {
        missed += connections(binary, tls).await;
    }
    println!("CPU time of the signer, user and system, with a log line a request:");
    requests(binary).await;
    missed
}

/// Idle connections stay, and none is sent away because others use this machine, too.
async fn start(
    binary: &str,
    folder: &Path,
    bucket: &Bucket,
    tls: Option<&TlsConnector>,
    more: &[(&str, &str)],
) -> Signer {
    let (secret, url) = (String::from_utf8(SECRET.to_vec()).unwrap(), bucket.url());
    let common = [
        ("SIGNER__AUTH__HS256_SECRET", secret.as_str()),
        ("SIGNER__STORAGE__ENDPOINT", url.as_str()),
        ("SIGNER__STORAGE__ACCESS_KEY_ID", ACCESS_KEY),
        ("SIGNER__STORAGE__SECRET_ACCESS_KEY", S3_SECRET),
        ("SIGNER__SERVER__KEEP_ALIVE_SECS", "900"),
        ("SIGNER__SERVER__MAX_LAG_MS", "0"),
    ];
    let signer = Signer::spawn(binary, free_address(), folder, &[&common, more].concat());
    for _ in 0..1000 {
        if Connection::open(signer.address, tls).await.is_some() {
            return signer;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("the signer is not there");
}

async fn connections(binary: &str, tls: bool) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::start(Duration::ZERO).await;
    let certificates = Certificates::new(1);
    certificates.replace(folder.path());
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (certificate, key) = (path("cert.pem"), path("key.pem"));
    let files = [
        ("SIGNER__SERVER__TLS__CERTIFICATE_FILE", certificate.as_str()),
        ("SIGNER__SERVER__TLS__KEY_FILE", key.as_str()),
    ];
    let connector = tls.then(|| certificates.connector());
    let signer = start(binary, folder.path(), &bucket, connector.as_ref(), if tls { &files } else { &[] }).await;
    // What the first requests take is not a connection's.
    drop(open(&signer, connector.as_ref(), CLIENTS).await);
    sleep(Duration::from_secs(1)).await;
    let (rss, cpu) = (signer.rss_kib(), signer.cpu_secs());
    let held = open(&signer, connector.as_ref(), CONNECTIONS).await;
    sleep(Duration::from_secs(2)).await;
    let count = f64::from(u32::try_from(held.len()).unwrap());
    let bytes = (signer.rss_kib() - rss) * 1024.0 / count;
    let micros = (signer.cpu_secs() - cpu) * 1e6 / count;
    let name = if tls { "TLS 1.3, ECDSA P-256" } else { "plain" };
    println!(
        "  {name}: {:.1} kB resident each, {micros:.0} µs of CPU to open it and sign once; {rss:.0} KiB before",
        bytes / 1000.0
    );
    drop(held);
    let counted = COUNTED_BYTES[usize::from(tls)];
    goal(
        bytes <= counted,
        "  bytes a connection",
        &format!("≤ {counted:.0}, as deploy/ counts"),
        &format!("{bytes:.0}"),
    )
}

/// So many connections that have each had one URL.
async fn open(signer: &Signer, tls: Option<&TlsConnector>, count: usize) -> Vec<Connection> {
    let request = get("/download-url?key=s1/photo.png", &token("s1"));
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (request, tls, address) = (request.clone(), tls.cloned(), signer.address);
        clients.spawn(async move {
            let mut held = Vec::new();
            for _ in (client..count).step_by(CLIENTS) {
                let mut connection = Connection::open(address, tls.as_ref()).await.expect("a connection");
                let (answer, keeps) = connection.exchange(&request).await.expect("an answer");
                assert!(answer.status == 200 && keeps, "{}", answer.code());
                held.push(connection);
            }
            held
        });
    }
    clients.join_all().await.into_iter().flatten().collect()
}

async fn requests(binary: &str) {
    let folder = tempfile::tempdir().unwrap();
    let bucket = Bucket::start(Duration::ZERO).await;
    let issuers = ALGORITHMS.map(Issuer::new);
    let keys: Vec<_> = issuers.iter().map(|issuer| issuer.jwk(json!({"kid": issuer.alg, "alg": issuer.alg}))).collect();
    let file = folder.path().join("jwks.json");
    std::fs::write(&file, json!({"keys": keys}).to_string()).unwrap();
    let signer =
        start(binary, folder.path(), &bucket, None, &[("SIGNER__AUTH__JWKS_FILE", file.to_str().unwrap())]).await;
    let one = vec![get("/download-url?key=s1/photo.png", &token("s1"))];
    ask(&signer, &one, REQUESTS / 10).await;
    let known = ask(&signer, &one, REQUESTS).await;
    println!("  one URL, token known: {known:.1} µs");
    let log = std::fs::metadata(folder.path().join("log")).unwrap().len();
    let mut connection = Connection::open(signer.address, None).await.unwrap();
    let (answer, _) = connection.exchange(&one[0]).await.unwrap();
    let (answer, asked) = (answer.head.len() + answer.body.len(), one[0].len());
    println!("  one URL, bytes: {asked} asked, {answer} answered, {} logged", log / (REQUESTS + REQUESTS / 10) as u64);
    let hmac = Issuer::new("HS256");
    for issuer in std::iter::once(&hmac).chain(&issuers) {
        let tokens = (0..TOKENS).map(|number| {
            let mut claims = claims("s1");
            claims["jti"] = number.into();
            let header = if issuer.alg == "HS256" { json!({}) } else { json!({"kid": issuer.alg}) };
            get("/download-url?key=s1/photo.png", &issuer.token(header, &claims))
        });
        let new = ask(&signer, &tokens.collect::<Vec<_>>(), TOKENS).await;
        println!("  one URL, token of {} seen for the first time: {new:.1} µs", issuer.alg);
    }
    let _ = signer.stop().await;
}

/// So many requests in turn, over kept connections. The signer's CPU time for one, in microseconds.
async fn ask(signer: &Signer, requests: &[Vec<u8>], count: usize) -> f64 {
    let before = signer.cpu_secs();
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let address = signer.address;
        let own: Vec<_> = (client..count).step_by(CLIENTS).map(|at| requests[at % requests.len()].clone()).collect();
        clients.spawn(async move {
            let mut connection = Connection::open(address, None).await.expect("a connection");
            for request in own {
                let (answer, _) = connection.exchange(&request).await.expect("an answer");
                assert_eq!(answer.status, 200, "{}", answer.code());
            }
        });
    }
    clients.join_all().await;
    (signer.cpu_secs() - before) * 1e6 / f64::from(u32::try_from(count).unwrap())
}
