//! `signer check`, with one thing broken at a time: that thing's line turns, and no other.
//!
//! The bucket is the embedded S3. A sound server mends its two known faults (it honours an unsigned
//! `x-amz-copy-source`, and keeps bytes whose checksum it refused); each broken one adds a fault of its own.

mod server;

use std::path::Path;

use filesync_signer::config::{self, Config};
use filesync_signer::doctor::{Line, Status, check, verify};
use filesync_signer::server::system_clock;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::aws::{Fake, sts_answer};
use crate::support::{FakeServer, UPPY};
use server::{Fault, Server};

const PAGE: &str = "https://app.example.com";
const KEY_ID: &str = "AKIDEXAMPLE";
const KEY_SECRET: &str = "s3-secret-never-shown";
/// Of temporary credentials, as the fake STS gives them.
const SESSION_KEY_ID: &str = "ASIASESSION";
const SESSION_SECRET: &str = "sEcReT-from-afar";
const BUCKET: &str = "files";

/// A bucket with this fault, and the configuration for it.
struct Bed {
    folder: TempDir,
    config: Config,
}

impl Bed {
    async fn with(fault: Fault, settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let endpoint = Server::start(folder.path(), fault).await;
        Self { config: configured(&endpoint, settings), folder }
    }

    async fn check(&self, fix_cors: bool) -> Vec<Line> {
        let mut told = Vec::new();
        let lines =
            check(&self.config, &self.config.storage, fix_cors, system_clock, &mut |line| told.push(line.clone()))
                .await
                .unwrap();
        assert_eq!(told, lines, "each line is told as it comes");
        for line in &lines {
            let text = format!("{line} {}", serde_json::to_string(line).unwrap());
            for secret in [KEY_SECRET, SESSION_SECRET, "X-Amz-", "Signature=", "eyJ"] {
                assert!(!text.contains(secret), "{text}");
            }
            assert_eq!(text.lines().count(), 1, "{text}");
        }
        lines
    }

    /// Files that are left in the bucket.
    fn left(&self) -> usize {
        fn files(folder: &Path) -> usize {
            let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
            entries.map(|path| if path.is_dir() { files(&path) } else { 1 }).sum()
        }
        files(&self.folder.path().join(BUCKET))
    }

    /// Parts that are left, which the embedded S3 keeps beside its buckets.
    fn parts_left(&self) -> usize {
        let entries = std::fs::read_dir(self.folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_string_lossy().contains(".part-")).count()
    }
}

fn configured(endpoint: &str, settings: &[(&str, &str)]) -> Config {
    let origins = format!("[\"{PAGE}\"]");
    let usual = [
        ("auth.hs256_secret", "an api ring secret of more than 32 bytes"),
        ("server.cors_origins", origins.as_str()),
        ("storage.endpoint", endpoint),
        ("storage.bucket", BUCKET),
        ("storage.access_key_id", KEY_ID),
        ("storage.secret_access_key", KEY_SECRET),
        ("storage.first_byte_timeout_secs", "2"),
    ];
    let flags: Vec<_> = usual.iter().chain(settings).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    config::from_flags(&flags).unwrap()
}

fn verdicts(lines: &[Line]) -> Vec<(String, Status)> {
    lines.iter().map(|line| (line.check.clone(), line.status)).collect()
}

fn line<'a>(lines: &'a [Line], check: &str) -> &'a Line {
    lines.iter().find(|line| line.check == check).unwrap_or_else(|| panic!("no line {check} in {lines:#?}"))
}

const HEALTHY: [&str; 22] = [
    "dns",
    "connection",
    "clock",
    "credentials",
    "region",
    "addressing",
    "put",
    "get",
    "head",
    "delete",
    "delete frees",
    "absent",
    "public endpoint",
    "round trip",
    "length",
    "type",
    "checksum",
    "write-once",
    "copy-source",
    "expired",
    "cors https://app.example.com",
    "cors on errors",
];

/// The lines of a healthy run, but for these.
fn healthy_but(changed: &[(&str, Status)]) -> Vec<(String, Status)> {
    HEALTHY
        .iter()
        .map(|check| {
            let change = changed.iter().find(|(changed, _)| changed == check);
            ((*check).to_owned(), change.map_or(Status::Ok, |(_, status)| *status))
        })
        .collect()
}

/// The lines of a healthy run up to this one, which fails, and the one that stands for the rest.
fn healthy_until(failed: &str) -> Vec<(String, Status)> {
    let place = HEALTHY.iter().position(|check| *check == failed).unwrap();
    let mut lines = healthy_but(&[(failed, Status::Fail)]);
    lines.truncate(place + 1);
    lines.push(("the rest".to_owned(), Status::Warn));
    lines
}

#[tokio::test]
async fn a_sound_server_is_ok_in_every_line() {
    let bed = Bed::with(Fault::None, &[]).await;
    let lines = bed.check(false).await;
    assert_eq!(verdicts(&lines), healthy_but(&[]), "{lines:#?}");
    assert!(lines.iter().all(|line| line.fix.is_none()));
    assert_eq!(bed.left(), 0);
}

const IN_PARTS: (&str, &str) = ("multipart.secret", "an upload secret of thirty-two bytes or more");

/// Where uploads in parts are on, one is made, and pages must see the tags of their parts.
#[tokio::test]
async fn uploads_in_parts_are_tried_where_they_are_on() {
    for (fault, failed, words) in [
        (Fault::None, None, ""),
        (Fault::Denied("POST"), Some("multipart"), "beginning: the bucket answered 403 AccessDenied"),
        (Fault::TakesAllParts, Some("multipart"), "a part of 12 bytes for 11 is taken"),
        (Fault::HidesEtags, Some("cors https://app.example.com"), "pages may not see the ETag of a part"),
    ] {
        let bed = Bed::with(fault, &[IN_PARTS]).await;
        let lines = bed.check(false).await;
        for check in ["multipart", "cors https://app.example.com"] {
            let expected = if failed == Some(check) { Status::Fail } else { Status::Ok };
            assert_eq!(line(&lines, check).status, expected, "{fault:?}: {lines:#?}");
        }
        if let Some(failed) = failed {
            assert!(line(&lines, failed).evidence.contains(words), "{fault:?}: {lines:#?}");
        }
        // s3s-fs has no lifecycle.
        let stale = line(&lines, "stale uploads");
        assert_eq!(stale.status, Status::Warn);
        assert!(stale.fix.as_ref().unwrap().contains("\"DaysAfterInitiation\":7"), "{stale}");
        assert_eq!((bed.left(), bed.parts_left()), (0, 0), "{fault:?}");
    }
    // s3s-fs keeps an object from being replaced by parts, too; a server that does not is found out.
    let once = [IN_PARTS, ("upload.write_once", "true")];
    for (fault, status) in [(Fault::None, Status::Ok), (Fault::IgnoresIfNoneMatch, Status::Fail)] {
        let bed = Bed::with(fault, &once).await;
        let lines = bed.check(false).await;
        assert_eq!(line(&lines, "multipart").status, status, "{lines:#?}");
        assert_eq!((bed.left(), bed.parts_left()), (0, 0), "{fault:?}");
    }
    // Where they are off, nobody asks.
    let lines = Bed::with(Fault::HidesEtags, &[]).await.check(false).await;
    assert_eq!(verdicts(&lines), healthy_but(&[]), "{lines:#?}");
}

/// K24: such a server gives every store of the bucket to whoever may write in one, so strict does not serve before it.
#[tokio::test]
async fn a_strict_start_refuses_a_server_where_who_may_put_one_key_reads_another() {
    let strict = ("storage.verify", "strict");
    for (fault, settings, failed) in [
        (Fault::Unmended, vec![strict], true),
        (Fault::Unmended, vec![strict, IN_PARTS], true),
        // A release that the table has no word of may do better, or worse.
        (Fault::None, vec![strict, ("storage.provider", "ceph")], false),
        (Fault::CopiesParts, vec![strict], false),
        (Fault::CopiesParts, vec![strict, IN_PARTS], true),
        // Nobody is known to do worse than these, and only who is strict has objects put at each start.
        (Fault::Unmended, vec![strict, ("storage.provider", "seaweedfs")], false),
        (Fault::Unmended, vec![("storage.verify", "warn")], false),
    ] {
        let bed = Bed::with(fault, &settings).await;
        let lines = verify(&bed.config, &bed.config.storage, system_clock).await.unwrap();
        let failures: Vec<_> = lines.iter().filter(|line| line.status != Status::Ok).collect();
        assert_eq!(failures.len(), usize::from(failed), "{fault:?} {settings:?}: {lines:#?}");
        assert!(
            failures.iter().all(|line| line.check == "copy-source" && line.status == Status::Fail),
            "{failures:#?}"
        );
        assert_eq!((bed.left(), bed.parts_left()), (0, 0), "{fault:?}");
    }
}

#[tokio::test]
async fn a_part_that_reads_another_object_is_a_failure_where_parts_are_on() {
    let lines = Bed::with(Fault::CopiesParts, &[IN_PARTS]).await.check(false).await;
    let copied = line(&lines, "copy-source");
    assert_eq!(copied.status, Status::Fail);
    assert!(copied.evidence.contains("in an upload in parts 200, and another object was copied"), "{copied}");
}

/// Temporary credentials are for a folder; a server that judges a name before it resolves it gives away the bucket.
#[tokio::test]
async fn temporary_credentials_that_lead_out_of_their_folder_are_a_failure() {
    for (fault, status, words) in [
        (Fault::JudgesPlaces, Status::Ok, "upload below their folder and do nothing else"),
        (Fault::JudgesNames, Status::Fail, "below the folder and /..%2F..%2F..: 200, and it lies outside of it"),
    ] {
        let end = || system_clock() + SignedDuration::from_mins(15);
        let sts = Fake::start(move |_| sts_answer("AssumeRole", SESSION_KEY_ID, end())).await;
        let settings = [
            UPPY,
            IN_PARTS,
            ("storage.upload_role_arn", "arn:aws:iam::123456789012:role/uploads"),
            ("storage.sts_endpoint", &sts.url),
            ("storage.provider", "seaweedfs"),
            ("storage.prefix", "pre/"),
            ("upload.checksum", "off"),
        ];
        let bed = Bed::with(fault, &settings).await;
        let lines = bed.check(false).await;
        let sessions = line(&lines, "temporary credentials");
        assert_eq!(sessions.status, status, "{lines:#?}");
        assert!(sessions.evidence.contains(words), "{sessions}");
        assert_eq!(bed.left(), 0, "{fault:?}");
    }
}

/// The bucket of `signer dev` as it is.
#[tokio::test]
async fn the_embedded_s3_is_told_of_its_faults() {
    let bed = Bed::with(Fault::Unmended, &[]).await;
    let lines = bed.check(false).await;
    let faults = [("checksum", Status::Warn), ("copy-source", Status::Fail)];
    assert_eq!(verdicts(&lines), healthy_but(&faults), "{lines:#?}");
    assert!(line(&lines, "copy-source").evidence.contains("another object was copied"));
    assert!(line(&lines, "checksum").evidence.contains("kept"));
    assert_eq!(bed.left(), 0);
}

#[tokio::test]
async fn each_fault_turns_its_own_line() {
    for (fault, changed, words) in [
        (Fault::Dated(-3600), ("clock", Status::Fail), "ahead of the bucket"),
        (Fault::Dated(3600), ("clock", Status::Fail), "behind the bucket"),
        (Fault::Dated(-120), ("clock", Status::Warn), "120 s ahead"),
        (Fault::Undated, ("clock", Status::Warn), "no Date"),
        (Fault::IgnoresIfNoneMatch, ("write-once", Status::Warn), "overwritten"),
        (Fault::ServesExpired, ("expired", Status::Fail), "200"),
        (
            Fault::CorsWithout("x-amz-checksum-sha256"),
            ("cors https://app.example.com", Status::Fail),
            "PUT with x-amz-checksum-sha256",
        ),
        (Fault::NoCorsOnErrors, ("cors on errors", Status::Warn), "403"),
        (Fault::HidesAbsence, ("absent", Status::Warn), "HEAD 403, where 404 is due"),
        (Fault::KeepsVersions, ("delete frees", Status::Warn), "versions"),
    ] {
        let bed = Bed::with(fault, &[]).await;
        let lines = bed.check(false).await;
        let mut expected = healthy_but(&[changed]);
        if matches!(fault, Fault::CorsWithout(_)) {
            // Where no page is let in, what it sees of errors is not asked.
            expected.pop();
            expected.push(("the rest".to_owned(), Status::Warn));
        }
        assert_eq!(verdicts(&lines), expected, "{fault:?}: {lines:#?}");
        let line = line(&lines, changed.0);
        assert!(line.evidence.contains(words), "{fault:?}: {line}");
        assert!(line.fix.is_some(), "{fault:?}: {line}");
        assert_eq!(bed.left(), 0, "{fault:?}");
    }
}

/// What the configuration promises, the bucket must keep.
#[tokio::test]
async fn a_broken_promise_is_a_failure_and_not_a_warning() {
    let bed = Bed::with(Fault::IgnoresIfNoneMatch, &[("upload.write_once", "true")]).await;
    let lines = bed.check(false).await;
    assert_eq!(verdicts(&lines), healthy_but(&[("write-once", Status::Fail)]), "{lines:#?}");
    let bed = Bed::with(Fault::Unmended, &[("upload.checksum", "require")]).await;
    let lines = bed.check(false).await;
    let faults = [("checksum", Status::Fail), ("copy-source", Status::Fail)];
    assert_eq!(verdicts(&lines), healthy_but(&faults), "{lines:#?}");
}

#[tokio::test]
async fn a_server_that_takes_every_put_enforces_nothing_of_it() {
    let bed = Bed::with(Fault::TakesAllPuts, &[]).await;
    let lines = bed.check(false).await;
    let changed =
        [("length", Status::Fail), ("type", Status::Fail), ("checksum", Status::Warn), ("write-once", Status::Warn)];
    assert_eq!(verdicts(&lines), healthy_but(&changed), "{lines:#?}");
    assert_eq!(bed.left(), 0);
}

#[tokio::test]
async fn a_setting_that_is_wrong_is_one_failure_and_one_line_for_the_rest() {
    for (fault, setting, failed) in [
        (Fault::None, ("storage.secret_access_key", "not-the-secret"), "credentials"),
        (Fault::None, ("storage.access_key_id", "AKIDOTHER"), "credentials"),
        (Fault::None, ("storage.endpoint", "http://127.0.0.1:1"), "connection"),
        (Fault::None, ("storage.endpoint", "http://nowhere.invalid"), "dns"),
        (Fault::Denied("PUT"), ("storage.region", "us-east-1"), "put"),
        (Fault::Denied("GET"), ("storage.region", "us-east-1"), "get"),
        (Fault::Denied("HEAD"), ("storage.region", "us-east-1"), "head"),
        (Fault::KeepsDeleted, ("storage.region", "us-east-1"), "delete frees"),
    ] {
        let bed = Bed::with(fault, &[setting]).await;
        let lines = bed.check(false).await;
        assert_eq!(verdicts(&lines), healthy_until(failed), "{fault:?} {setting:?}: {lines:#?}");
        assert!(line(&lines, failed).fix.is_some());
        assert!(line(&lines, "the rest").evidence.contains(failed));
        if fault != Fault::KeepsDeleted {
            assert_eq!(bed.left(), 0, "{fault:?} {setting:?}");
        }
    }
}

#[tokio::test]
async fn a_wrong_region_is_named_with_the_right_one() {
    let bed = Bed::with(Fault::OneRegion, &[]).await;
    assert_eq!(verdicts(&bed.check(false).await), healthy_but(&[]));
    let bed = Bed::with(Fault::OneRegion, &[("storage.region", "eu-west-9")]).await;
    let lines = bed.check(false).await;
    // Whether the key is right shows only once the region is.
    let mut expected = healthy_until("region");
    expected.retain(|(check, _)| check != "credentials");
    assert_eq!(verdicts(&lines), expected, "{lines:#?}");
    assert!(line(&lines, "region").fix.as_deref().unwrap().contains("storage.region = \"us-east-1\""));
}

#[tokio::test]
async fn what_cannot_be_deleted_is_said() {
    let bed = Bed::with(Fault::Denied("DELETE"), &[]).await;
    let lines = bed.check(false).await;
    let mut expected = healthy_until("delete");
    expected.push(("clean up".to_owned(), Status::Warn));
    assert_eq!(verdicts(&lines), expected, "{lines:#?}");
    assert!(line(&lines, "clean up").evidence.contains(".signer-check/"));
    assert_eq!(bed.left(), 1);
}

#[tokio::test]
async fn a_public_endpoint_must_lead_to_the_same_bucket() {
    let other = tempfile::tempdir().unwrap();
    let other = Server::start(other.path(), Fault::None).await;
    for public in ["http://127.0.0.1:1", &other] {
        let bed = Bed::with(Fault::None, &[("storage.public_endpoint", public)]).await;
        let lines = bed.check(false).await;
        assert_eq!(verdicts(&lines), healthy_but(&[("public endpoint", Status::Fail)]), "{public}: {lines:#?}");
        assert_eq!(bed.left(), 0);
    }
    let bed = Bed::with(Fault::None, &[]).await;
    let second = Server::start(bed.folder.path(), Fault::None).await;
    let endpoint = bed.config.storage.endpoint.to_string();
    let config = configured(&endpoint, &[("storage.public_endpoint", &second)]);
    let lines = Bed { config, ..bed }.check(false).await;
    assert_eq!(verdicts(&lines), healthy_but(&[]), "{lines:#?}");
}

#[tokio::test]
async fn a_bucket_without_cors_is_told_the_rule_and_a_provider_without_the_api_is_said_so() {
    let bed = Bed::with(Fault::NoCors, &[]).await;
    let lines = bed.check(false).await;
    let mut expected = healthy_until("cors https://app.example.com");
    assert_eq!(verdicts(&lines), expected, "{lines:#?}");
    let cors = line(&lines, "cors https://app.example.com");
    assert_eq!(cors.evidence, "pages may not PUT, DELETE, GET");
    assert!(cors.fix.as_deref().unwrap().contains(r#"{"AllowedOrigins":["https://app.example.com"]"#));

    let lines = bed.check(true).await;
    expected.insert(expected.len() - 2, ("fix-cors".to_owned(), Status::Warn));
    assert_eq!(verdicts(&lines), expected, "{lines:#?}");
    let fix = line(&lines, "fix-cors");
    assert!(fix.evidence.contains("501") && fix.fix.as_deref().unwrap().contains("signer cors"), "{fix}");
    assert_eq!(bed.left(), 0);
}

#[tokio::test]
async fn without_origins_pages_are_no_concern() {
    let bed = Bed::with(Fault::NoCors, &[("server.cors_origins", "[]")]).await;
    let lines = bed.check(true).await;
    assert_eq!(line(&lines, "cors").status, Status::Ok);
    assert!(lines.iter().all(|line| line.status == Status::Ok), "{lines:#?}");
}

#[tokio::test]
async fn a_session_token_is_known_to_end() {
    let bed = Bed::with(Fault::None, &[("storage.session_token", "a-session-token")]).await;
    let lines = bed.check(false).await;
    assert_eq!(verdicts(&lines), healthy_but(&[("credentials", Status::Warn)]), "{lines:#?}");
}

/// S3 itself refuses us then, in one of several ways; none of them is the fault of the access key.
#[tokio::test]
async fn a_machine_whose_clock_is_off_is_told_so_and_nothing_else() {
    fn ahead() -> Timestamp {
        system_clock() + SignedDuration::from_hours(1)
    }
    fn behind() -> Timestamp {
        system_clock() - SignedDuration::from_hours(1)
    }
    let bed = Bed::with(Fault::None, &[]).await;
    for (clock, words) in [(ahead as fn() -> Timestamp, "3600 s ahead"), (behind, "3600 s behind")] {
        let lines = check(&bed.config, &bed.config.storage, false, clock, &mut |_| ()).await.unwrap();
        assert_eq!(verdicts(&lines), healthy_until("clock"), "{lines:#?}");
        // A second may have turned between the two.
        let evidence = line(&lines, "clock").evidence.replace("3599 s", "3600 s");
        assert!(evidence.contains(words), "{evidence}");
    }
}

/// Whatever is in the place of S3, the check ends, and with one failure.
#[tokio::test]
async fn what_is_no_bucket_is_one_failure() {
    let fake = FakeServer::start().await;
    let config = configured(&fake.url, &[("storage.first_byte_timeout_secs", "1")]);
    let run = async || check(&config, &config.storage, false, system_clock, &mut |_| ()).await.unwrap();
    let failures = |lines: &[Line]| -> Vec<String> {
        lines.iter().filter(|line| line.status == Status::Fail).map(|line| line.check.clone()).collect()
    };
    for (status, body, failed) in [
        (503, "<Error><Code>SlowDown</Code></Error>", "addressing"),
        // It says yes to everything; what it gives back is not what was put.
        (200, "<!doctype html>", "get"),
        (301, "<Error><Code>PermanentRedirect</Code></Error>", "region"),
        (404, "<Error><Code>NoSuchBucket</Code></Error>", "addressing"),
        (403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", "clock"),
        (400, "<Error><Code>ExpiredToken</Code></Error>", "credentials"),
    ] {
        fake.answers(status, &[], body);
        let lines = run().await;
        assert_eq!(failures(&lines), [failed], "{lines:#?}");
    }
    fake.answers_raw(b"SSH-2.0-OpenSSH_9.2\r\n");
    assert_eq!(failures(&run().await), ["connection"]);
    fake.hangs();
    let lines = run().await;
    assert_eq!(failures(&lines), ["connection"]);
    assert!(line(&lines, "connection").evidence.contains("in time"));
}

/// One names nobody and is given to the signer's user; the other is the bucket's own, and names that user.
#[test]
fn the_two_policies_that_are_shipped_give_the_same_rights() {
    let read = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let of_user = read(include_str!("../../../deploy/bucket/policy.json"));
    let mut of_bucket = read(include_str!("../../../deploy/bucket/bucket-policy.json"));
    for statement in of_bucket["Statement"].as_array_mut().unwrap() {
        let principal = statement.as_object_mut().unwrap().remove("Principal").unwrap();
        assert_eq!(principal["AWS"][0], "arn:aws:iam:::user/signer");
    }
    assert_eq!(of_user, of_bucket);
    let actions: Vec<_> = of_user["Statement"].as_array().unwrap().iter().map(|one| &one["Action"]).collect();
    let granted = |action: &str| actions.iter().any(|list| list.as_array().unwrap().iter().any(|one| one == action));
    // What the checks ask for when a call is refused.
    for action in [
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListMultipartUploadParts",
        "s3:AbortMultipartUpload",
        "s3:ListBucket",
    ] {
        assert!(granted(action), "{action}");
    }
}
