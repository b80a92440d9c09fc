//! What floods do to a node: one JSON line for each figure, with its target, then a table.
//!
//! The victim is a process of its own, pinned to one core; ten hostile peers are another, pinned to
//! another core. Honest people publish at the victim by its local API, one contribution after the
//! other. Before each flood it is measured while the attackers' core is busy with nothing, then under
//! the flood: with a fresh victim each time, in this same run.
//!
//! Run with `cargo bench -p comity-node --bench floods`, or with `-- --quick` for shorter measurements.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, missing_docs)]

mod attack;
mod victim;

use comity_tests::figures::{Figures, Target};
use std::{
    env,
    io::{BufRead, BufReader, Lines, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// How long honest people publish, and in a quick run.
const SECONDS: u64 = 20;
const SECONDS_QUICK: u64 = 5;
const RSS_MAX_MIB: f64 = 512.0;

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let given: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match given[..] {
        ["--victim"] => victim::run(),
        ["--attack", kind, address, key] => attack::run(kind, address, key),
        // `cargo test` runs benches with `--test`: nothing to do there.
        _ if given.contains(&"--test") => {}
        _ => measure(given.contains(&"--quick")),
    }
}

/// A process of this program on one core.
struct Pinned {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
    told: ChildStdin,
}

impl Pinned {
    fn start(core: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new("taskset")
            .args(["-c", core])
            .arg(env::current_exe().unwrap())
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("taskset of util-linux pins processes");
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        let told = child.stdin.take().unwrap();
        Self { child, said, told }
    }

    fn ask(&mut self, question: &str) -> String {
        writeln!(self.told, "{question}").unwrap();
        self.said.next().expect("an answer").unwrap()
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What one measurement told.
struct Measured {
    rate: f64,
    rss_mib: f64,
    kept_out: f64,
    first_ms: f64,
    last_ms: f64,
}

fn under(kind: &str, seconds: u64) -> Measured {
    let mut victim = Pinned::start("0", &["--victim"]);
    let ready = victim.said.next().expect("a victim that is ready").unwrap();
    let (address, key) = ready.split_once(' ').unwrap();
    let mut attackers = Pinned::start("1", &["--attack", kind, address, key]);
    assert_eq!(attackers.said.next().unwrap().unwrap(), "ready");
    let answer = victim.ask(&format!("publish {seconds}"));
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    let cut = attackers.ask("cut off");
    let cut: serde_json::Value = serde_json::from_str(&cut).unwrap();
    let number = |of: &serde_json::Value, name: &str| of[name].as_f64().unwrap_or(f64::NAN);
    Measured {
        rate: number(&answer, "rate"),
        rss_mib: number(&answer, "rss_mib"),
        kept_out: number(&answer, "kept_out"),
        first_ms: number(&cut, "first_ms"),
        last_ms: number(&cut, "last_ms"),
    }
}

fn measure(is_quick: bool) {
    let seconds = if is_quick { SECONDS_QUICK } else { SECONDS };
    let mut figures = Figures::default();
    for kind in attack::KINDS {
        // Anew each time: other work on the machine comes and goes.
        let calm = under("nothing", seconds);
        let name = format!("{}: unattacked rate", kind.name);
        figures.add(name, calm.rate, "/s", Target::None);
        let it = under(kind.name, seconds);
        let name = |what: &str| format!("{}: {what}", kind.name);
        let half = Target::AtLeast(0.5);
        figures.add(name("rate of unattacked"), it.rate / calm.rate, "", half);
        let rss = Target::AtMost(RSS_MAX_MIB);
        figures.add(name("rss"), it.rss_mib, "MiB", rss);
        let all = match kind.is_cut_off {
            true => Target::AtLeast(attack::PEERS as f64),
            false => Target::None,
        };
        figures.add(name("peers kept out"), it.kept_out, "", all);
        if kind.is_cut_off {
            figures.add(name("first cut off"), it.first_ms, "ms", Target::None);
            figures.add(name("last cut off"), it.last_ms, "ms", Target::None);
        }
    }
    figures.print();
}
