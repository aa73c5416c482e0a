use std::path::Path;

use tempfile::TempDir;

use super::*;
use crate::server::Service;
use crate::telemetry::audit::Audit;
use crate::telemetry::metrics::{Format, Text};

/// Long enough for anything that is going to happen.
const PATIENCE: Duration = Duration::from_secs(20);
const QUICK: Pace = Pace {
    look: Duration::from_millis(10),
    ready_within: Duration::from_millis(100),
    again: Duration::from_millis(50),
    most: Duration::from_millis(200),
};

/// A configuration that is followed, and what became of it.
struct Followed {
    folder: TempDir,
    live: Arc<Live>,
    first: Arc<App>,
    totals: Arc<Totals>,
}

impl Followed {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "access_key_id = \"one\"\nsecret_access_key = \"secret\"");
        let source = config::Source::new(Some(folder.path().join("signer.toml")), Vec::new());
        let config = source.load().unwrap();
        let totals = Arc::new(Totals::new(system_clock()));
        let first = Arc::new(start_app(&config, Arc::new(Audit::off()), &totals).await.unwrap());
        let live = Service::new(Arc::clone(&first), &config.server, system_clock).unwrap().live();
        let mut reloader = Reloader::new(source, Arc::clone(&live), config, Arc::clone(&totals)).unwrap();
        reloader.pace = QUICK;
        let seen = reloader.look().await;
        tokio::spawn(reloader.follow_from(seen));
        Self { folder, live, first, totals }
    }

    fn counted(&self, outcome: &str) -> u32 {
        let mut text = Text::new(Format::of(""));
        self.totals.describe(&mut text);
        let text = text.into_string();
        let series = format!("signer_config_reloads_total{{outcome=\"{outcome}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&series)).unwrap().parse().unwrap()
    }

    async fn until(&self, what: &str, held: impl Fn(&Self) -> bool) {
        let end = Instant::now() + PATIENCE;
        while !held(self) {
            assert!(Instant::now() < end, "{what}");
            sleep(BETWEEN_LOOKS).await;
        }
    }

    fn is_first_in_force(&self) -> bool {
        Arc::ptr_eq(&self.live.app(), &self.first)
    }
}

/// A bucket that answers nobody, which is an answer: whether it is up is no reason to refuse.
fn write(folder: &Path, storage: &str) {
    let usual = "[auth]\nhs256_secret = \"0123456789abcdef0123456789abcdef\"\n\
                 [storage]\nendpoint = \"http://127.0.0.1:1\"\nbucket = \"files\"\nverify = \"off\"\n";
    let next = folder.join("next");
    std::fs::write(&next, format!("{usual}{storage}\n")).unwrap();
    std::fs::rename(next, folder.join("signer.toml")).unwrap();
}

#[tokio::test]
async fn what_was_not_ready_is_tried_again_until_it_is() {
    let followed = Followed::start().await;
    let key = followed.folder.path().join("key.json");
    write(
        followed.folder.path(),
        &format!("credentials = \"process\"\ncredential_process = [\"/bin/cat\", \"{}\"]", key.display()),
    );
    followed.until("it is tried again, and again", |it| it.counted("refused") >= 3).await;
    assert!(followed.is_first_in_force());
    std::fs::write(&key, r#"{"Version": 1, "AccessKeyId": "two", "SecretAccessKey": "secret"}"#).unwrap();
    followed.until("it is in force", |it| it.counted("in_force") == 1).await;
    assert!(!followed.is_first_in_force());
    let refused = followed.counted("refused");
    sleep(QUICK.most * 3).await;
    assert_eq!((followed.counted("refused"), followed.counted("in_force")), (refused, 1), "that was all");
}

#[tokio::test]
async fn a_mistake_waits_for_whoever_mends_it() {
    let followed = Followed::start().await;
    let away = "credentials = \"process\"\ncredential_process = [\"/bin/false\"]";
    write(followed.folder.path(), away);
    followed.until("it is refused", |it| it.counted("refused") >= 1).await;
    write(followed.folder.path(), "credentials = \"nowhere\"");
    // A try that had begun before may still end.
    sleep(QUICK.ready_within * 5).await;
    let refused = followed.counted("refused");
    sleep(QUICK.most * 3).await;
    assert_eq!(followed.counted("refused"), refused);
    assert!(followed.is_first_in_force());
    write(followed.folder.path(), "access_key_id = \"two\"\nsecret_access_key = \"secret\"");
    followed.until("it is in force", |it| it.counted("in_force") == 1).await;
}

#[test]
fn tries_are_a_minute_apart_at_least_and_five_at_most() {
    let mut again = Again::default();
    assert!(!again.is_due());
    let pauses: Vec<_> = (0..40).map(|_| again.after_refusal(&PACE).as_secs()).take(5).collect();
    assert_eq!(pauses, [60, 120, 240, 300, 300]);
    assert!(!again.is_due());
}

#[test]
fn what_waits_for_a_restart_stands_in_the_guide() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "access_key_id = \"one\"\nsecret_access_key = \"secret\"");
    let config = config::Source::new(Some(folder.path().join("signer.toml")), Vec::new()).load().unwrap();
    let guide = include_str!("../guide/operate.md");
    let told = guide.split("waits for\na restart").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
    for (key, _) in same_settings(&config, &config) {
        let name = key.strip_prefix("server.").map_or_else(|| format!("`[{key}]`"), |key| format!("`{key}`"));
        assert!(told.contains(&name), "the guide lacks {name}");
    }
    // Nothing else: `[server]`, and the second of the two of HTTP/2.
    assert_eq!(told.matches('`').count(), 2 * (same_settings(&config, &config).len() + 2), "{told}");
}
