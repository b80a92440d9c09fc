//! Runs the simulation of many nodes, seed after seed.
//!
//! `simulate --seeds 1000 --resume FILE --jobs 2` does seeds 1 to 1000, two at a time, and appends a
//! line to FILE for each: seed, verdict, seconds of processor time, events. An interrupted run goes
//! on where it stopped; seeds that failed are tried again. ^C lets the seeds under way end. A seed
//! that fails writes what happened to `simulation-SEED.jsonl` in `--logs DIR` (default: here);
//! `simulate --step LOG` goes through it one event at a time: Enter for the next, a number for so
//! many.
#![allow(
    clippy::unwrap_used,
    reason = "a tool for tests should fail where it stands"
)]

use comity_tests::{
    arguments,
    simulation::{Log, Report, Simulation, Size},
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{BufRead, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

const USAGE: &str =
    "simulate [--first N] [--seeds N] [--jobs N] [--resume FILE] [--logs DIR] | --step LOG";

struct Asked {
    first: u64,
    seeds: u64,
    jobs: usize,
    resume: Option<PathBuf>,
    logs: PathBuf,
    step: Option<PathBuf>,
}

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(code) => return code,
    };
    match &asked.step {
        Some(log) => step(log),
        None => run_all(&asked),
    }
}

fn asked() -> Result<Asked, ExitCode> {
    let mut asked = Asked {
        first: 1,
        seeds: 10,
        jobs: 1,
        resume: None,
        logs: PathBuf::from("."),
        step: None,
    };
    arguments::read(USAGE, |given| {
        match given.word() {
            "--first" => asked.first = given.number()?,
            "--seeds" => asked.seeds = given.number()?,
            "--jobs" => asked.jobs = given.number::<usize>()?.max(1),
            "--resume" => asked.resume = Some(given.value().into()),
            "--logs" => asked.logs = given.value().into(),
            "--step" => asked.step = Some(given.value().into()),
            _ => return given.unknown(),
        }
        Ok(())
    })?;
    Ok(asked)
}

/// What became of a seed.
#[derive(Clone)]
struct Done {
    is_ok: bool,
    processor_s: f64,
}

/// Seeds that a file says are done. Of several lines about one seed the last counts; a line that was
/// cut off in the middle is none.
fn done(resume: Option<&Path>) -> BTreeMap<u64, Done> {
    let text = resume.and_then(|it| fs::read_to_string(it).ok());
    let text = text.unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let lines = whole.lines();
    let parsed = lines.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    parsed
        .filter_map(|line| {
            let done = Done {
                is_ok: line["verdict"] == "ok",
                processor_s: line["cpu_s"].as_f64()?,
            };
            Some((line["seed"].as_u64()?, done))
        })
        .collect()
}

/// Processor time of this thread so far, in seconds: all of a run is in one thread.
fn processor_seconds(since: Instant) -> f64 {
    let spent = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = spent.and_then(|it| it.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or(since.elapsed().as_secs_f64(), |it| it / 1e9)
}

/// The seeds that are left, and what came of those that were run.
struct Runs<'a> {
    asked: &'a Asked,
    next: AtomicU64,
    stop: &'a AtomicBool,
    since: Instant,
    file: Option<Mutex<File>>,
    done: Mutex<BTreeMap<u64, Done>>,
    ran: AtomicU64,
}

impl Runs<'_> {
    fn end(&self) -> u64 {
        self.asked.first + self.asked.seeds
    }

    /// Runs seeds until none is left or somebody stops it.
    fn work(&self) {
        while !self.stop.load(Ordering::Relaxed) {
            let seed = self.next.fetch_add(1, Ordering::Relaxed);
            if seed >= self.end() {
                return;
            }
            let was_ok = self
                .done
                .lock()
                .unwrap()
                .get(&seed)
                .is_some_and(|it| it.is_ok);
            if !was_ok {
                self.run(seed);
            }
        }
    }

    fn run(&self, seed: u64) {
        let before = processor_seconds(self.since);
        let run = || Simulation::new(seed, Size::FULL, Log::Off).run();
        let result = catch_unwind(AssertUnwindSafe(run));
        let processor_s = processor_seconds(self.since) - before;
        let (is_ok, line) = match result {
            Ok(Ok(report)) => (true, passed(seed, processor_s, &report)),
            Ok(Err((broken, _))) => {
                let log = write_log(seed, &self.asked.logs);
                let line = json!({
                    "seed": seed, "verdict": broken.invariant, "cpu_s": rounded(processor_s),
                    "events": broken.event, "found": broken.found, "log": log,
                });
                (false, line)
            }
            Err(panic) => {
                let words = panic.downcast_ref::<String>().map(String::as_str);
                let found = words.or_else(|| panic.downcast_ref::<&str>().copied());
                let line = json!({
                    "seed": seed, "verdict": "panicked", "cpu_s": rounded(processor_s),
                    "events": Value::Null, "found": found,
                });
                (false, line)
            }
        };
        println!("{line}");
        if let Some(file) = &self.file {
            let mut file = file.lock().unwrap();
            file.write_all(format!("{line}\n").as_bytes()).unwrap();
            file.sync_data().unwrap();
        }
        self.done
            .lock()
            .unwrap()
            .insert(seed, Done { is_ok, processor_s });
        self.progress();
    }

    fn progress(&self) {
        let ran = self.ran.fetch_add(1, Ordering::Relaxed) + 1;
        let done = self.done.lock().unwrap();
        let of_range = done.range(self.asked.first..self.end());
        let failed = of_range.clone().filter(|(_, it)| !it.is_ok).count();
        let count = of_range.count() as u64;
        let each_s = self.since.elapsed().as_secs_f64() / ran as f64;
        let left_s = each_s * self.asked.seeds.saturating_sub(count) as f64;
        eprintln!(
            "{count} of {} seeds, {failed} failed, {left_s:.0} s to go",
            self.asked.seeds
        );
    }

    /// True if all seeds were run and none failed.
    fn sum_up(&self) -> bool {
        let done = self.done.lock().unwrap();
        let of_range: Vec<_> = done.range(self.asked.first..self.end()).collect();
        let failed = of_range.iter().filter(|(_, it)| !it.is_ok);
        let failed: Vec<u64> = failed.map(|(seed, _)| **seed).collect();
        let mut times: Vec<f64> = of_range.iter().map(|(_, it)| it.processor_s).collect();
        times.sort_by(f64::total_cmp);
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        let most = times.last().copied().unwrap_or_default();
        println!(
            "{} of {} seeds done, {} of them now; {} failed {failed:?}; CPU-s: median {median:.2}, at most {most:.2}, together {:.0}",
            times.len(),
            self.asked.seeds,
            self.ran.load(Ordering::Relaxed),
            failed.len(),
            times.iter().sum::<f64>(),
        );
        failed.is_empty() && times.len() as u64 == self.asked.seeds
    }
}

fn rounded(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

fn passed(seed: u64, processor_s: f64, report: &Report) -> Value {
    json!({
        "seed": seed, "verdict": "ok", "cpu_s": rounded(processor_s), "events": report.events,
        "entries": report.entries, "acknowledged": report.acknowledged, "frames": report.frames,
        "caught": report.caught, "restarts": report.restarts, "healed_ms": report.healed_ms,
        "charter_height": report.charter_height, "narrowings": report.narrowings,
        "in_effect": report.in_effect, "restricted": report.restricted,
    })
}

fn run_all(asked: &Asked) -> ExitCode {
    static STOP: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(|| stop_at_interrupt(&STOP));
    let file = asked.resume.as_ref().map(|path| {
        let before = fs::read(path).unwrap_or_default();
        let file = OpenOptions::new().create(true).append(true).open(path);
        let mut file = file.unwrap();
        // A line that was cut off must not swallow the next one.
        if before.last().is_some_and(|it| *it != b'\n') {
            file.write_all(b"\n").unwrap();
        }
        Mutex::new(file)
    });
    let runs = Runs {
        asked,
        next: AtomicU64::new(asked.first),
        stop: &STOP,
        since: Instant::now(),
        file,
        done: Mutex::new(done(asked.resume.as_deref())),
        ran: AtomicU64::new(0),
    };
    std::thread::scope(|scope| {
        for _ in 0..asked.jobs {
            scope.spawn(|| runs.work());
        }
    });
    match runs.sum_up() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// The first ^C lets the seeds under way end, the second does not.
fn stop_at_interrupt(stop: &AtomicBool) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::signal::ctrl_c().await.unwrap();
        eprintln!("stopping after the seeds under way; ^C again stops at once");
        stop.store(true, Ordering::Relaxed);
        tokio::signal::ctrl_c().await.unwrap();
    });
    std::process::exit(130);
}

/// Runs a failing seed once more and keeps what happens.
fn write_log(seed: u64, folder: &Path) -> PathBuf {
    let path = folder.join(format!("simulation-{seed}.jsonl"));
    let log = comity_tests::simulation::record(seed, Size::FULL);
    fs::write(&path, log).unwrap();
    path
}

/// Runs the seed of a log again, event by event, beside the log.
fn step(path: &Path) -> ExitCode {
    let text = fs::read_to_string(path).unwrap();
    let mut lines = text.lines();
    let head = lines.next().unwrap_or_default();
    let Some((seed, size)) = comity_tests::simulation::seed_of(head) else {
        eprintln!("{} does not begin with a seed and a size", path.display());
        return ExitCode::from(2);
    };
    let expected: Vec<String> = lines.map(str::to_owned).collect();
    println!("{head}");
    let mut number = 0;
    let mut skip = 0u64;
    let look = move |line: &str| {
        println!("{line}");
        if expected.get(number).is_some_and(|it| it != line) {
            println!("the log says: {}", expected[number]);
        }
        number += 1;
        skip = skip.saturating_sub(1);
        if skip == 0 {
            let mut answer = String::new();
            // At the end of input the rest runs through.
            skip = match std::io::stdin().lock().read_line(&mut answer) {
                Ok(0) | Err(_) => u64::MAX,
                Ok(_) => answer.trim().parse().unwrap_or(1),
            };
        }
    };
    match Simulation::new(seed, size, Log::Stepped(Box::new(look))).run() {
        Ok(report) => println!("all held: {report:?}"),
        Err((broken, _)) => println!(
            "{}: {} (event {})",
            broken.invariant, broken.found, broken.event
        ),
    }
    ExitCode::SUCCESS
}
