//! How long news takes through a thousand nodes, on a virtual clock.
//!
//! `crowd --nodes 1000 --loss 5 --seed 1`: honest nodes in a random net, frames that take 50 ms one
//! way and are lost so often. Prints figures as JSON lines and as a table; exit code 1 if one misses
//! its target.
#![allow(
    clippy::unwrap_used,
    reason = "a tool for tests should fail where it stands"
)]

use comity_tests::{
    figures::{Figures, Target},
    simulation::crowd::Crowd,
};
use std::process::ExitCode;

/// Time until all is equal, in round trips over the longest way.
const IN_DIAMETERS_MAX: f64 = 6.0;

fn main() -> ExitCode {
    let (crowd, seed) = match asked() {
        Ok(asked) => asked,
        Err(what) => {
            eprintln!("{what}\nusage: crowd [--nodes N] [--chords N] [--loss PERCENT] [--seed N]");
            return ExitCode::from(2);
        }
    };
    let times = match crowd.run(seed) {
        Ok(times) => times,
        Err(broken) => {
            eprintln!("seed {seed}: {}: {}", broken.invariant, broken.found);
            return ExitCode::FAILURE;
        }
    };
    let mut figures = Figures::default();
    let mut tell = |name: &str, value: f64, unit, target| figures.add(name, value, unit, target);
    tell("diameter", times.diameter as f64, "links", Target::None);
    tell(
        "news until all nodes have all",
        times.news_ms as f64,
        "ms",
        Target::None,
    );
    let news = times.in_diameters(times.news_ms);
    tell(
        "news, in round trips over the diameter",
        news,
        "",
        Target::AtMost(IN_DIAMETERS_MAX),
    );
    tell(
        "healing until all nodes have all",
        times.healed_ms as f64,
        "ms",
        Target::None,
    );
    let healed = times.in_diameters(times.healed_ms);
    tell(
        "healing, in round trips over the diameter",
        healed,
        "",
        Target::AtMost(IN_DIAMETERS_MAX),
    );
    tell("frames", times.report.frames as f64, "", Target::None);
    figures.print();
    ExitCode::from(u8::from(!figures.hold()))
}

fn asked() -> Result<(Crowd, u64), String> {
    let mut crowd = Crowd {
        nodes: 1_000,
        chords: 4,
        one_way_ms: 50,
        loss_percent: 5,
        again_ms: 200,
        news: 20,
        apart: 50,
    };
    let mut seed = 1;
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let value = words.next().ok_or(format!("{word} needs a value"))?;
        let number: usize = value.parse().map_err(|_| format!("{value} is no number"))?;
        match word.as_str() {
            "--nodes" if number > 0 && number.is_multiple_of(5) => crowd.nodes = number,
            "--nodes" => return Err(format!("--nodes {value} is no multiple of five")),
            "--chords" => crowd.chords = number,
            "--loss" if number < 100 => crowd.loss_percent = number,
            "--seed" => seed = number as u64,
            _ => return Err(format!("{word} is not known, or {value} is too much")),
        }
    }
    Ok((crowd, seed))
}
