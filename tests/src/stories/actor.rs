//! A person with a machine: a node home, an identity, and the real `comity` program.

use super::{
    binary,
    read_only::{ReadOnly, UNSHARE},
};
use crate::netlab::Space;
use std::{
    ffi::OsStr,
    fs,
    io::Read as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::atomic::{AtomicU16, Ordering},
    thread,
    time::{Duration, Instant},
};

/// Longest time a command may take.
const COMMAND_MAX: Duration = Duration::from_secs(180);
/// Longest time for a node to go once it was told to, before it is killed.
const STOP_MAX: Duration = Duration::from_secs(20);
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// What every command says about the cheap key derivation of tests.
const TEST_WARNING: &str = "warning: this identity is sealed with test parameters";

/// What a command did.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error, without the warning about test parameters.
    pub err: String,
}

/// A person with a machine. The node is stopped when the actor is dropped.
#[derive(Debug)]
pub struct Actor {
    /// The name, in small letters.
    pub name: String,
    /// A port that was free when the actor came.
    pub port: u16,
    folder: PathBuf,
    program: PathBuf,
    read_only: Option<ReadOnly>,
    /// File of the network namespace, if not the test's own.
    network: Option<String>,
}

impl Actor {
    /// A person in a folder of their own below `stage`, who has nothing yet.
    pub fn new(stage: &Path, name: &str) -> Self {
        let stage = fs::canonicalize(stage).unwrap();
        let folder = stage.join(name);
        fs::create_dir_all(&folder).unwrap();
        Self {
            name: name.to_owned(),
            port: free_port(),
            folder,
            program: binary::comity(),
            read_only: None,
            network: None,
        }
    }

    /// Where the person works.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The home of the node.
    pub fn home(&self) -> PathBuf {
        self.folder.join("node")
    }

    /// The folder of the keys.
    pub fn identity(&self) -> PathBuf {
        self.folder.join("identity")
    }

    /// The passphrase of the keys.
    pub fn passphrase(&self) -> String {
        format!("the passphrase of {}", self.name)
    }

    /// The multiaddress the node listens on.
    pub fn address(&self) -> String {
        format!("/ip4/127.0.0.1/tcp/{}", self.port)
    }

    /// `program` as this person runs it: nothing of the test's own environment but the search path.
    pub fn environment(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let folder = self.program.parent().expect("a file is in a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env_clear()
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("HOME", &self.folder)
            .env("COMITY_HOME", self.home())
            .env("COMITY_IDENTITY", self.identity())
            .env("COMITY_PASSPHRASE", self.passphrase())
            .env("COMITY_TEST_FAST_KDF", "1")
            .current_dir(&self.folder)
            .stdin(Stdio::null());
        command
    }

    /// `comity` with these words.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = match (&self.read_only, &self.network) {
            (None, None) => self.environment(&self.program),
            (None, Some(network)) => {
                let mut command = self.environment("nsenter");
                command.arg(format!("--net={network}")).arg(&self.program);
                command
            }
            (Some(read_only), _) => {
                let mut command = self.environment(UNSHARE);
                command.args(read_only.arguments()).arg(&self.program);
                command
            }
        };
        command.args(words);
        command
    }

    /// From now on the person's commands see these folders on read-only mounts, or as they are.
    pub fn sees_read_only(&mut self, read_only: Option<ReadOnly>) {
        self.read_only = read_only;
    }

    /// From now on the person's commands run in this network.
    pub fn lives_in(&mut self, space: &Space) {
        self.network = Some(space.path());
    }

    /// Runs `comity` to its end.
    pub fn run(&self, words: &[&str]) -> Outcome {
        outcome(self.command(words), "")
    }

    /// Runs `comity` with `input` on standard input.
    pub fn run_with(&self, words: &[&str], input: &str) -> Outcome {
        outcome(self.command(words), input)
    }

    /// Runs `comity`, which must succeed; gives what it printed, without the last line break.
    #[track_caller]
    pub fn ok(&self, words: &[&str]) -> String {
        self.ok_with(words, "")
    }

    /// The same with `input` on standard input.
    #[track_caller]
    pub fn ok_with(&self, words: &[&str], input: &str) -> String {
        let done = self.run_with(words, input);
        assert_eq!(
            done.code,
            Some(0),
            "{}: comity {}\n{}{}",
            self.name,
            words.join(" "),
            done.out,
            done.err
        );
        done.out.trim_end().to_owned()
    }

    /// Makes a node home and an identity.
    #[track_caller]
    pub fn init(&self) {
        self.ok(&["init", "--name", &self.name]);
    }

    /// Starts the node in the background.
    #[track_caller]
    pub fn start(&self) {
        self.ok(&["node", "start", "--listen", &self.address()]);
    }

    /// Stops the node.
    #[track_caller]
    pub fn stop(&self) {
        self.ok(&["node", "stop"]);
    }

    /// Ends the node as a power cut would: it can do nothing about it.
    #[track_caller]
    pub fn kill(&self) {
        let pid = self.node_process().expect("the node runs");
        kill(pid);
        let deadline = Instant::now() + STOP_MAX;
        while !is_over(pid) {
            assert!(Instant::now() < deadline, "the node survived SIGKILL");
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// The process of the node that runs in this home. The number alone proves nothing, since the
    /// system gives it anew: the process must have been started for this home.
    pub fn node_process(&self) -> Option<i32> {
        let noted = fs::read_to_string(self.home().join("lock")).ok()?;
        let pid: i32 = noted.trim().parse().ok()?;
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let home = self.home().into_os_string().into_encoded_bytes();
        let ours = arguments.split(|it| *it == 0).any(|it| it == home);
        ours.then_some(pid)
    }

    fn until_gone(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        while self.node_process().is_some() && Instant::now() < deadline {
            thread::sleep(LOOK_AGAIN);
        }
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        if self.node_process().is_none() {
            return;
        }
        if let Ok(mut child) = self
            .command(&["node", "stop"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
        {
            finish(&mut child, STOP_MAX);
        }
        self.until_gone(Duration::from_secs(1));
        if let Some(pid) = self.node_process() {
            kill(pid);
            self.until_gone(STOP_MAX);
        }
    }
}

/// Whether a process has ended and closed all it had open: it forgets its arguments earlier.
fn is_over(pid: i32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    // The state follows the name, which may hold anything, in parentheses.
    let state = stat.rsplit_once(')').map(|(_, rest)| rest.trim_start());
    state.is_none_or(|it| it.starts_with(['Z', 'X']))
}

fn kill(pid: i32) {
    if let Some(pid) = rustix::process::Pid::from_raw(pid) {
        // It may have ended by itself a moment ago.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
}

/// Runs a command and keeps its two outputs apart.
fn outcome(mut command: Command, input: &str) -> Outcome {
    use std::io::Write as _;
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let (mut stdin, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (status, out, err) = thread::scope(|scope| {
        // A command that reads nothing closes the pipe, and that is its right.
        scope.spawn(move || {
            stdin
                .take()
                .map(|mut pipe| pipe.write_all(input.as_bytes()))
        });
        let out = scope.spawn(move || read(out));
        let err = scope.spawn(move || read(err));
        let status = finish(&mut child, COMMAND_MAX);
        (status, out.join().unwrap(), err.join().unwrap())
    });
    let status = status.unwrap_or_else(|| panic!("took too long: {command:?}\n{out}{err}"));
    Outcome {
        code: status.code(),
        out,
        err: without_test_warning(&err),
    }
}

fn read(pipe: Option<impl std::io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).unwrap();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Runs a command whose outputs go to one pipe, as on a terminal: the exit code and what was seen.
pub(super) fn on_terminal(mut command: Command) -> (Option<i32>, String) {
    let (mut reader, writer) = std::io::pipe().unwrap();
    command.stdout(writer.try_clone().unwrap()).stderr(writer);
    let mut child = command.spawn().unwrap();
    let shown = format!("{command:?}");
    // The command keeps the pipe's other end open for itself until it is dropped.
    drop(command);
    let (status, seen) = thread::scope(|scope| {
        let seen = scope.spawn(move || {
            let mut bytes = Vec::new();
            reader.read_to_end(&mut bytes).unwrap();
            String::from_utf8_lossy(&bytes).into_owned()
        });
        (finish(&mut child, COMMAND_MAX), seen.join().unwrap())
    });
    let status = status.unwrap_or_else(|| panic!("took too long: {shown}\n{seen}"));
    (status.code(), without_test_warning(&seen))
}

/// Waits for the end of a process; kills it and gives none if that takes too long.
fn finish(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() >= deadline {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        thread::sleep(LOOK_AGAIN);
    }
}

fn without_test_warning(text: &str) -> String {
    text.lines()
        .filter(|line| !line.starts_with(TEST_WARNING))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// A port nobody listens on, below those that systems hand out for outgoing connections: a node
/// that restarts must find its own free.
pub fn free_port() -> u16 {
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 12_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Tests of several processes at once begin at different places.
    let begin = u16::try_from(std::process::id() % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = FIRST + (begin.wrapping_mul(37).wrapping_add(step)) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no port is free");
}
