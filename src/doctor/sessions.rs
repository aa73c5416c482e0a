//! Temporary credentials, where a role is set for them: they upload below their folder, and do nothing else.

use super::bench::{Ask, BODY, Bench, Site};
use super::escapes::way_out;
use super::report::{Report, Verdict};
use crate::domain::policy::Action;
use crate::domain::sigv4::{Credentials, Presigner};
use crate::storage::UploadSessions;

const SESSIONS: &str = "temporary credentials";
/// Below that of the run.
const FOLDER: &str = "session";
/// What the session is called in the logs of the bucket's owner.
const NAME: &str = "signer-check";

pub(super) async fn sessions(bench: &Bench<'_>, site: &Site, report: &mut Report<'_>) {
    match UploadSessions::of(bench.storage, &bench.own.signers) {
        Ok(None) => {}
        Ok(Some(sessions)) => {
            let verdict = verdict(bench, site, &sessions).await;
            report.verdict(SESSIONS, verdict);
        }
        Err(error) => report.fail(SESSIONS, error.to_string(), "install the platform's TLS roots"),
    }
}

async fn verdict(bench: &Bench<'_>, site: &Site, sessions: &UploadSessions) -> Result<Verdict, String> {
    let now = (bench.clock)();
    let grant = bench.folder_grant(FOLDER)?;
    let order = sessions.order(&grant).map_err(|error| error.to_string())?;
    let session = match order.issue(NAME, now).await {
        Ok(session) => session,
        Err(error) => {
            let fix = "let the access key assume storage.upload_role_arn at storage.sts_endpoint; the log says what STS answered";
            return Ok(Verdict::Fail(error.to_string(), fix.into()));
        }
    };
    let credentials = Credentials {
        access_key_id: session.access_key_id,
        secret_access_key: session.secret_access_key,
        session_token: Some(session.session_token),
    };
    let presigner = Presigner::new(site.address.clone(), &bench.storage.region, credentials.clone());
    let (inside, outside) = (bench.key("session/inside")?, bench.key("outside")?);
    let put = bench.ask_as(site, &presigner, Ask::put(&inside, BODY)).await?;
    if !put.is_success() {
        let fix = "give the role s3:PutObject, s3:ListMultipartUploadParts and s3:AbortMultipartUpload on the bucket's objects";
        return Ok(Verdict::Fail(format!("an upload below the folder: {}", put.shown()), fix.into()));
    }
    for (what, ask) in [
        ("an upload outside the folder", Ask::put(&outside, BODY)),
        ("reading", Ask::new(Action::Get, &inside)),
        ("deleting", Ask::new(Action::Delete, &inside)),
    ] {
        let heard = bench.ask_as(site, &presigner, ask).await?;
        if heard.status.as_u16() != 403 {
            let evidence = format!("{what} with them: {}, not 403", heard.shown());
            let fix = "empty storage.upload_role_arn: this STS takes no notice of the policy in the call, and gives away more than a folder";
            return Ok(Verdict::Fail(evidence, fix.into()));
        }
    }
    if let Some(way) = way_out(bench, site, FOLDER, &credentials).await? {
        let evidence = format!("an upload with them below the folder and {way}, and it lies outside of it");
        let fix = "empty storage.upload_role_arn: this server judges names before it resolves them, and gives away more than a folder";
        return Ok(Verdict::Fail(evidence, fix.into()));
    }
    let minutes = session.ends_at.as_second().saturating_sub(now.as_second()).saturating_add(59) / 60;
    Ok(Verdict::Ok(format!("upload below their folder and do nothing else, for {minutes} minutes")))
}
