//! The real binary, run as people run it: two streams, an exit code, folders of its own.

mod bars;
mod charter;
mod errors;
mod exit;
mod fork;
mod founding;
mod health;
mod lists;
mod narrowing;
mod offline;
mod parties;
mod people;
mod readers;
mod shapes;
mod standing;
mod succession;
mod tables;
mod together;

use serde_json::Value;
use std::{
    io::Write as _,
    path::PathBuf,
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// Somebody with a node home and an identity; the node is stopped when they go.
struct Person {
    folder: TempDir,
}

/// What a command ended with.
#[derive(Debug)]
struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Person {
    /// Nothing is there yet.
    fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("cmty").tempdir().unwrap();
        Self { folder }
    }

    /// Node home and identity are there.
    fn ready(name: &str) -> Self {
        let person = Self::new();
        person.ok(&["init", "--name", name, "--no-passphrase"]);
        person
    }

    /// The founder of a community with two spaces.
    fn founder() -> Self {
        let person = Self::ready("Alice");
        person.ok(&["community", "create", "Coffee", "--party", "Coffee Club"]);
        person
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("node")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_comity"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("COMITY_HOME", self.home())
            .env("COMITY_IDENTITY", self.folder.path().join("keys"))
            .env("COMITY_TEST_FAST_KDF", "1")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Ended {
        ended(&mut self.command(args))
    }

    fn run_with_input(&self, args: &[&str], input: &str) -> Ended {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(input.as_bytes())
            .unwrap();
        of(child.wait_with_output().unwrap())
    }

    /// The standard output of a command that must succeed.
    fn ok(&self, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(ended.code, 0, "{args:?}: {ended:?}");
        ended.out.trim().to_owned()
    }

    /// The JSON of a command that must succeed.
    fn json(&self, args: &[&str]) -> Value {
        let out = self.ok(&[args, &["--json"]].concat());
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{args:?}: {error}: {out}"))
    }

    /// The error of a command that must fail with this exit code and print no data.
    fn fails(&self, code: i32, args: &[&str]) -> String {
        let ended = self.run(args);
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (code, ""),
            "{args:?}: {ended:?}"
        );
        ended.err
    }

    fn write(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }

    fn publish(&self, space: &str, kind: &str, text: &str) -> String {
        let file = self.write("text.md", text);
        self.ok(&["publish", &file, "--space", space, "--kind", kind])
    }

    fn start(&self) -> String {
        self.ok(&["node", "start", "--listen", "/ip4/127.0.0.1/tcp/0"])
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        if self.home().join("node.sock").exists() {
            let _ = self.run(&["node", "stop"]);
        }
    }
}

fn ended(command: &mut Command) -> Ended {
    of(command.output().unwrap())
}

fn of(output: std::process::Output) -> Ended {
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Asserts that a text says all of this.
#[track_caller]
fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
}
