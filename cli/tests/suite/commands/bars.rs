//! Bars, on a terminal that `script` of util-linux makes up; without that program there is nothing
//! to look at, and the tests say so.

use super::{Person, ended, says};
use comity_node::{
    node::{Node, NodeOptions},
    tasks::{Tasks, Unit, What},
};
use std::{
    io::Read as _,
    process::{Child, ChildStdout, Command, Stdio},
};
use tokio::runtime::Runtime;

/// A command at a terminal.
struct AtTerminal {
    child: Child,
    screen: ChildStdout,
    /// All that was drawn so far.
    drawn: String,
}

impl AtTerminal {
    fn start(person: &Person, args: &[&str]) -> Option<Self> {
        let path = std::env::var_os("PATH")?;
        let script = std::env::split_paths(&path)
            .map(|folder| folder.join("script"))
            .find(|it| it.is_file() && cfg!(target_os = "linux"));
        let Some(script) = script else {
            eprintln!("skipped: there is no `script` here to make a terminal with");
            return None;
        };
        let typed = [&[env!("CARGO_BIN_EXE_comity")], args].concat();
        // Everything else is set up as for a command without a terminal.
        let like = person.command(&[]);
        let mut command = Command::new(script);
        command.args(["-qec", &typed.join(" "), "/dev/null"]);
        command.env_clear().env("TERM", "xterm").env("PATH", &path);
        for (name, value) in like.get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let mut child = command
            .current_dir(person.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let screen = child.stdout.take().unwrap();
        let drawn = String::new();
        Some(Self {
            child,
            screen,
            drawn,
        })
    }

    /// Reads on until this is drawn; fails if the command ends before.
    #[track_caller]
    fn until(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        while !self.drawn.contains(text) {
            let read = self.screen.read(&mut bytes).unwrap();
            assert!(read > 0, "{text:?} was never drawn: {}", self.drawn);
            self.drawn += &String::from_utf8_lossy(&bytes[..read]);
        }
    }

    /// All that was drawn, and the exit code.
    fn end(mut self) -> (String, i32) {
        let mut rest = Vec::new();
        self.screen.read_to_end(&mut rest).unwrap();
        self.drawn += &String::from_utf8_lossy(&rest);
        let status = self.child.wait().unwrap();
        (self.drawn, status.code().unwrap_or(-1))
    }
}

fn tell_opening(person: &Person, done: u64) {
    let task = serde_json::json!([{
        "id": 1, "what": "index", "label": "building the index", "done": done, "total": 4096,
        "unit": "bytes", "finished": false
    }]);
    let file = person.home().join("opening.json");
    let whole = file.with_extension("new");
    std::fs::write(&whole, task.to_string()).unwrap();
    std::fs::rename(whole, file).unwrap();
}

/// While another process has the store open and tells how far it is: what this draws, and how it
/// ends once the store is free.
fn while_opening(person: &Person, args: &[&str]) -> Option<(String, i32)> {
    let runtime = Runtime::new().unwrap();
    let node = runtime
        .block_on(Node::open(NodeOptions::offline(&person.home())))
        .unwrap();
    let mut terminal = AtTerminal::start(person, args)?;
    // What is told before the command looks counts as left behind, so it is told again and again,
    // but not for ever: a command that draws nothing has to give up.
    let (over, is_over) = std::sync::mpsc::sync_channel::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let every = std::time::Duration::from_millis(50);
            for done in 1_024..1_424 {
                tell_opening(person, done);
                if is_over.recv_timeout(every) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return;
                }
            }
        });
        terminal.until("/4.00 KiB");
        drop(over);
    });
    runtime.block_on(node.stop());
    Some(terminal.end())
}

#[test]
fn a_command_that_waits_for_a_node_to_open_its_store_shows_how_far_that_is() {
    let alice = Person::founder();
    let Some((drawn, code)) = while_opening(&alice, &["list"]) else {
        return;
    };
    says(&drawn, &["building the index", "█"]);
    assert_eq!(code, 0, "{drawn}");
}

#[test]
fn the_start_of_a_node_shows_how_far_opening_its_store_is() {
    let alice = Person::founder();
    let start = ["node", "start", "--listen", "/ip4/127.0.0.1/tcp/0"];
    let Some((drawn, code)) = while_opening(&alice, &start) else {
        return;
    };
    says(&drawn, &["building the index", "█", "the node runs"]);
    assert_eq!(code, 0, "{drawn}");
    assert!(!alice.home().join("opening.json").exists());
    alice.ok(&["node", "stop"]);
}

#[test]
fn work_of_a_running_node_is_drawn_on_a_terminal_and_nowhere_else() {
    let alice = Person::founder();
    let runtime = Runtime::new().unwrap();
    let tasks = Tasks::default();
    let options = NodeOptions {
        network: true,
        ..NodeOptions::offline(&alice.home())
    };
    let node = runtime
        .block_on(Node::open_telling(options, tasks.clone()))
        .unwrap();
    let serving = runtime.spawn({
        let node = node.clone();
        async move { node.serve().await }
    });
    let work = tasks.begin(What::Sync, Unit::Entries, "bringing lobby", Some(5_000));
    work.at(1_200, Some(5_000));
    let sync = ["sync", "--wait", "--timeout", "3s"];
    // Nobody is there to sync with, so both wait until they are out of patience.
    let piped = std::thread::scope(|scope| {
        let piped = scope.spawn(|| ended(&mut alice.command(&sync)));
        if let Some(mut terminal) = AtTerminal::start(&alice, &sync) {
            terminal.until("1,200/5,000 entries");
            says(&terminal.drawn, &["bringing lobby", "█"]);
            drop(work);
            let (drawn, code) = terminal.end();
            assert_eq!(code, 1, "{drawn}");
        }
        piped.join().unwrap()
    });
    runtime.block_on(node.stop());
    runtime.block_on(serving).unwrap().unwrap();
    assert_eq!(piped.code, 1);
    says(&piped.err, &["no peer could be reached"]);
    for drawn in ["bringing", "exchanging", "█", "\r", "\u{1b}"] {
        assert!(!piped.err.contains(drawn), "{drawn:?}: {}", piped.err);
        assert!(!piped.out.contains(drawn), "{drawn:?}: {}", piped.out);
    }
}
