//! The signer as a process: signals, descriptors, a service manager, and what it lets happen to itself.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, Signal, geteuid, kill_process, prlimit};

/// Long enough for anything that is going to happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Nobody, on every Unix.
const NOBODY: u32 = 65534;

/// A signer, ended with the test.
pub(crate) struct Signer {
    child: Child,
    pub(crate) log: BufReader<std::process::ChildStderr>,
    pub(crate) address: SocketAddr,
    /// What was logged until it listened.
    pub(crate) first_lines: String,
}

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";

pub(crate) fn command(settings: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signer"));
    command.env_clear().arg("serve").args(["--listen", "127.0.0.1:0"]).stdin(Stdio::null());
    let secret = format!("auth.hs256_secret={SECRET}");
    let usual = [
        "server.allow_root=true",
        "telemetry.log_format=json",
        &secret,
        "storage.endpoint=http://127.0.0.1:1",
        "storage.bucket=files",
        "storage.access_key_id=AKIDEXAMPLE",
        "storage.secret_access_key=s3-secret-never-shown",
        "storage.verify=off",
    ];
    for setting in usual.iter().chain(settings) {
        command.args(["--set", setting]);
    }
    command
}

pub(crate) fn start(command: &mut Command) -> Signer {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap());
    let mut seen = String::new();
    let address = loop {
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended: {seen}");
        let fields: serde_json::Value = serde_json::from_str(&line).unwrap_or_default();
        seen += &line;
        if fields["message"] == "listening" {
            break fields["address"].as_str().unwrap().parse().unwrap();
        }
    };
    Signer { child, log, address, first_lines: seen }
}

impl Signer {
    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        soon("it ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// What was logged, once it has ended.
    fn rest_of_the_log(&mut self) -> String {
        let mut text = String::new();
        self.log.read_to_string(&mut text).unwrap();
        text
    }

    fn lives(&self) -> bool {
        lives(self.address)
    }
}

impl Drop for Signer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn soon(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a new connection is answered within a second.
fn lives(address: SocketAddr) -> bool {
    use std::io::Write as _;
    let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(1)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let asked = stream.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.1 200 ")
}

/// Descriptors run out under way, more than once, and come back: nobody restarts anything.
#[test]
fn a_lack_of_descriptors_passes_by_itself() {
    let mut signer = start(&mut command(&[]));
    assert!(signer.lives());
    let open = std::fs::read_dir(format!("/proc/{}/fd", signer.child.id())).unwrap().count();
    let few = u64::try_from(open).unwrap() + 5;
    for _ in 0..2 {
        let before =
            prlimit(Some(signer.pid()), Resource::Nofile, Rlimit { current: Some(few), maximum: Some(20_000) });
        let before = before.unwrap();
        // The system takes these; the signer has descriptors for five of them.
        let held: Vec<_> = (0..20).map(|_| TcpStream::connect(signer.address).unwrap()).collect();
        assert!(!signer.lives());
        drop(held);
        soon("new connections are served again", || signer.lives());
        prlimit(Some(signer.pid()), Resource::Nofile, before).unwrap();
    }
    signer.signal(Signal::TERM);
    assert!(signer.ended().success());
    let log = signer.rest_of_the_log();
    // Once in ten seconds at the most, however often it is tried.
    let lines = log.lines().filter(|line| line.contains("connections cannot be accepted")).count();
    assert!((1..=3).contains(&lines), "{log}");
}

/// H13: a hangup is harmless, so are SIGUSR1, SIGUSR2, a client that leaves before its answer, and a closed standard input.
#[test]
fn hangups_user_signals_and_broken_pipes_are_harmless() {
    use std::io::Write as _;
    let mut signer = start(&mut command(&[]));
    for _ in 0..20 {
        for harmless in [Signal::HUP, Signal::USR1, Signal::USR2] {
            signer.signal(harmless);
        }
        let mut leaves = TcpStream::connect(signer.address).unwrap();
        leaves.write_all(&b"GET /livez HTTP/1.1\r\nhost: x\r\n\r\n".repeat(50)).unwrap();
    }
    assert!(signer.lives());
    signer.signal(Signal::INT);
    assert!(signer.ended().success());
}

/// H13: the first signal waits for what is in flight, the second does not.
#[test]
fn a_second_signal_ends_at_once() {
    let mut signer = start(&mut command(&["server.drain_delay_secs=600"]));
    signer.signal(Signal::TERM);
    // Still there, and serving.
    std::thread::sleep(Duration::from_millis(300));
    assert!(signer.lives());
    signer.signal(Signal::TERM);
    assert_eq!(signer.ended().code(), Some(130));
}

/// Nobody else may read its memory, and no core file will hold it.
#[test]
fn it_makes_no_core_files_and_cannot_be_read_by_its_own_user() {
    // The owner of what cannot be dumped is root (proc(5)); for root itself that shows nothing.
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("signer");
    std::fs::copy(env!("CARGO_BIN_EXE_signer"), &copy).unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let usual = command(&["server.allow_root=false"]);
    let mut command = Command::new(&copy);
    command.env_clear().args(usual.get_args()).stdin(Stdio::null()).current_dir(folder.path());
    if geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    let signer = start(&mut command);
    let proc = format!("/proc/{}", signer.child.id());
    assert_eq!(std::fs::metadata(format!("{proc}/environ")).unwrap().uid(), 0);
    let limits = std::fs::read_to_string(format!("{proc}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    assert!(signer.lives());
}

#[test]
fn root_has_to_be_allowed() {
    let mut command = command(&["server.allow_root=false"]);
    if geteuid().is_root() {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(64));
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.starts_with("this is root") && text.contains("server.allow_root"), "{text}");
    } else {
        assert!(start(&mut command).lives());
    }
}

/// `sd_notify(3)`: ready when it is, alive while it can accept, stopping when it is asked to.
#[test]
fn systemd_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let receive = || {
        let mut bytes = [0; 256];
        let length = socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap().trim_end().to_owned()
    };
    let mut command = command(&[]);
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    let mut signer = start(&mut command);
    assert_eq!(receive(), "READY=1");
    for _ in 0..5 {
        assert_eq!(receive(), "WATCHDOG=1");
    }
    // It cannot accept any more, and so does not say that it lives.
    let open = u64::try_from(std::fs::read_dir(format!("/proc/{}/fd", signer.child.id())).unwrap().count()).unwrap();
    let few = Rlimit { current: Some(open), maximum: Some(20_000) };
    let before = prlimit(Some(signer.pid()), Resource::Nofile, few).unwrap();
    let held: Vec<_> = (0..20).map(|_| TcpStream::connect(signer.address).unwrap()).collect();
    std::thread::sleep(Duration::from_secs(2));
    socket.set_nonblocking(true).unwrap();
    let mut bytes = [0; 256];
    let told = std::iter::from_fn(|| socket.recv(&mut bytes).ok()).count();
    assert!(told <= 10, "told {told} times in two seconds; twenty would be usual");
    socket.set_nonblocking(false).unwrap();
    drop(held);
    prlimit(Some(signer.pid()), Resource::Nofile, before).unwrap();
    assert_eq!(receive(), "WATCHDOG=1");
    signer.signal(Signal::TERM);
    soon("it says that it stops", || receive() == "STOPPING=1");
    assert!(signer.ended().success());
}

/// `sd_listen_fds(3)`: the socket is the service manager's, and `server.listen` is not used.
#[test]
fn a_socket_that_is_handed_over_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let usual = command(&["server.listen=192.0.2.1:1"]);
    let mut shell = Command::new("/bin/sh");
    shell
        .env_clear()
        .args(["-c", r#"exec 3<&0 0</dev/null; LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@""#])
        .arg(usual.get_program())
        .args(usual.get_args())
        .stdin(Stdio::from(OwnedFd::from(listener)));
    let signer = start(&mut shell);
    assert_eq!(signer.address, address);
    assert!(signer.lives());
}
