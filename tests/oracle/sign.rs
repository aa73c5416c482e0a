//! The three signers: ours, rusty-s3 in this process, botocore in another.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use filesync_signer::domain::policy::{Action, Caller, decide};
use filesync_signer::domain::sigv4::{BucketAddress, Credentials, Presigner, Terms};
use filesync_signer::domain::token::{MintClaims, TokenRules, Verifier, VerifyKey, mint_hs256};
use jiff::Timestamp;
use url::Url;

use super::cases::{Case, STORES, Site};

const SECRET: &[u8] = b"an oracle's secret of more than thirty-two bytes";

/// A caller of every store. There is no other way to one than a token.
pub(super) fn caller() -> Arc<Caller> {
    let verifier = Verifier::new(vec![VerifyKey::hs256(SECRET).unwrap()], TokenRules::default());
    let now = Timestamp::from_second(1_795_359_600).unwrap();
    let token = mint_hs256(SECRET, "storeId", &STORES.map(String::from), &MintClaims::default(), 3600, now).unwrap();
    verifier.verify(&token, now).unwrap()
}

pub(super) fn presigner(site: &Site) -> Presigner {
    let address = BucketAddress { scheme: site.scheme.into(), host: site.host(), path: site.path.clone() };
    let credentials = Credentials {
        access_key_id: site.access_key.clone(),
        secret_access_key: site.secret_key.as_str().into(),
        session_token: site.token.as_deref().map(Into::into),
    };
    Presigner::new(address, &site.region, credentials)
}

pub(super) fn ours(presigner: &Presigner, caller: &Caller, case: &Case) -> String {
    let grant = decide(caller, case.action, case.key.clone()).unwrap();
    let (headers, query) = (borrowed(&case.headers), borrowed(&case.query));
    let (expires_secs, window_secs) = (case.expires_secs, case.window_secs);
    let terms = Terms { expires_secs, window_secs, headers: &headers, query: &query };
    presigner.presign(&grant, &terms, case.now).unwrap().url.expose().to_owned()
}

fn borrowed<'a>(pairs: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    pairs.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

/// `signing::sign` and not an action's own: those exist one type a method, and all of them end there.
pub(super) fn by_rusty_s3(site: &Site, case: &Case) -> String {
    // It puts the bucket's name in front of the host by itself.
    let (style, name) = match site.path.as_str() {
        "" => (rusty_s3::UrlStyle::VirtualHost, site.name.strip_prefix(&format!("{}.", site.bucket)).unwrap()),
        _ => (rusty_s3::UrlStyle::Path, site.name.as_str()),
    };
    let port = site.port.map(|port| format!(":{port}")).unwrap_or_default();
    let endpoint = Url::parse(&format!("{}://{name}{port}", site.scheme)).unwrap();
    let bucket = rusty_s3::Bucket::new(endpoint, style, site.bucket.clone(), site.region.clone()).unwrap();
    let method = match case.action {
        Action::Get | Action::ListParts => rusty_s3::Method::Get,
        Action::Head => rusty_s3::Method::Head,
        Action::Put | Action::UploadPart => rusty_s3::Method::Put,
        Action::Delete | Action::AbortMultipart => rusty_s3::Method::Delete,
        Action::CreateMultipart | Action::CompleteMultipart => rusty_s3::Method::Post,
    };
    let sorted = |pairs| {
        let mut pairs = borrowed(pairs);
        pairs.sort_unstable();
        pairs
    };
    let url = rusty_s3::signing::sign(
        &case.dated(),
        method,
        bucket.object_url(case.key.as_str()),
        &site.access_key,
        &site.secret_key,
        site.token.as_deref(),
        &site.region,
        case.life_secs().into(),
        sorted(&case.query).into_iter(),
        sorted(&case.headers).into_iter(),
    );
    url.into()
}

/// A Python that signs with botocore, batch by batch; see its script.
pub(super) struct Botocore {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    pub(super) version: String,
}

impl Botocore {
    pub(super) fn start(script: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = venv(root).join("bin").join("python");
        assert!(
            python.exists(),
            "the Python virtual environment is missing ({}): run `make test`, which installs it",
            python.display()
        );
        let mut child = Command::new(python)
            .arg(root.join("tests/oracle").join(script))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python starts");
        let input = child.stdin.take();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let version = line(&mut output);
        Self { child, input, output, version }
    }

    /// The answers for a batch of cases, in their order.
    pub(super) fn presign(&mut self, cases: &[String]) -> Vec<String> {
        let batch = cases.join("\n") + "\n\n";
        self.input.as_mut().unwrap().write_all(batch.as_bytes()).expect("botocore reads cases");
        cases.iter().map(|_| line(&mut self.output)).collect()
    }
}

impl Drop for Botocore {
    fn drop(&mut self) {
        // the end of its input is the end of its work
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> String {
    let mut text = String::new();
    output.read_line(&mut text).expect("botocore answers in UTF-8");
    assert_eq!(text.pop(), Some('\n'), "botocore ended early: what it said stands above");
    text
}

#[allow(clippy::disallowed_methods, reason = "the environment of the test, not of the service")]
fn venv(root: &Path) -> PathBuf {
    root.join(std::env::var_os("VENV").unwrap_or_else(|| "target/venv".into()))
}
