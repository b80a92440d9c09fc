//! Runs the simulation of many nodes, seed after seed.
//!
//! `simulate --seeds 1000 --resume FILE` does seeds 1 to 1000 and appends a line to FILE for each, so
//! that an interrupted run goes on where it stopped. A seed that fails writes what happened to
//! `simulation-SEED.jsonl` in `--logs DIR` (default: here); `simulate --step LOG` goes through it one
//! event at a time: Enter for the next, a number for so many.
#![allow(
    clippy::unwrap_used,
    reason = "a tool for tests should fail where it stands"
)]

use comity_tests::simulation::{Log, Simulation, Size};
use std::{
    collections::BTreeSet,
    fs::{self, OpenOptions},
    io::{BufRead, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

struct Asked {
    first: u64,
    seeds: u64,
    resume: Option<PathBuf>,
    logs: PathBuf,
    step: Option<PathBuf>,
}

fn main() -> ExitCode {
    let asked = match asked() {
        Ok(asked) => asked,
        Err(what) => {
            eprintln!(
                "{what}\nusage: simulate [--first N] [--seeds N] [--resume FILE] [--logs DIR] | --step LOG"
            );
            return ExitCode::from(2);
        }
    };
    match &asked.step {
        Some(log) => step(log),
        None => run_all(&asked),
    }
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked {
        first: 1,
        seeds: 10,
        resume: None,
        logs: PathBuf::from("."),
        step: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{value} is no number"));
        match word.as_str() {
            "--first" => asked.first = number()?,
            "--seeds" => asked.seeds = number()?,
            "--resume" => asked.resume = Some(value.into()),
            "--logs" => asked.logs = value.into(),
            "--step" => asked.step = Some(value.into()),
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(asked)
}

/// Seeds that a file says are done: `SEED ok …` or `SEED failed …` on each line.
fn done(resume: Option<&Path>) -> BTreeSet<u64> {
    let text = resume.and_then(|it| fs::read_to_string(it).ok());
    let text = text.unwrap_or_default();
    // A line that was cut off in the middle is done again.
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let seeds = whole.lines();
    seeds
        .filter_map(|line| line.split(' ').next()?.parse().ok())
        .collect()
}

/// Processor time of this thread so far, in seconds: all of a run is in one thread.
fn processor_seconds(since: Instant) -> f64 {
    let spent = fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = spent.and_then(|it| it.split(' ').next()?.parse::<f64>().ok());
    nanoseconds.map_or(since.elapsed().as_secs_f64(), |it| it / 1e9)
}

fn run_all(asked: &Asked) -> ExitCode {
    let done = done(asked.resume.as_deref());
    let since = Instant::now();
    let (mut failed, mut ran, mut most) = (0, 0u32, 0.0f64);
    let first = processor_seconds(since);
    for seed in asked.first..asked.first + asked.seeds {
        if done.contains(&seed) {
            continue;
        }
        let before = processor_seconds(since);
        let result = Simulation::new(seed, Size::FULL, Log::Off).run();
        let seconds = processor_seconds(since) - before;
        (ran, most) = (ran + 1, most.max(seconds));
        let line = match result {
            Ok(report) => format!("{seed} ok {seconds:.2} CPU-s {report:?}"),
            Err((broken, _)) => {
                failed += 1;
                let log = write_log(seed, &asked.logs);
                format!(
                    "{seed} failed {seconds:.2} CPU-s {broken:?}; see {}",
                    log.display()
                )
            }
        };
        println!("{line}");
        if let Some(resume) = &asked.resume {
            let mut file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(resume)
                .unwrap();
            writeln!(file, "{line}").unwrap();
        }
    }
    let mean = (processor_seconds(since) - first) / f64::from(ran.max(1));
    println!(
        "{ran} seeds run, {} were done before, {failed} failed; {mean:.2} CPU-s each, at most {most:.2}",
        done.len()
    );
    match failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
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
    let Some(seed) = comity_tests::simulation::seed_of(head) else {
        eprintln!("{} does not begin with a seed", path.display());
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
    match Simulation::new(seed, Size::FULL, Log::Stepped(Box::new(look))).run() {
        Ok(report) => println!("all held: {report:?}"),
        Err((broken, _)) => println!(
            "{}: {} (event {})",
            broken.invariant, broken.found, broken.event
        ),
    }
    ExitCode::SUCCESS
}
