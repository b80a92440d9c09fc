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
    arguments,
    figures::{Figures, Target},
    simulation::crowd::Crowd,
};
use std::process::ExitCode;

const USAGE: &str = "crowd [--nodes N] [--chords N] [--loss PERCENT] [--seed N]";
/// Time until all is equal, in round trips over the longest way.
const IN_DIAMETERS_MAX: f64 = 6.0;

fn main() -> ExitCode {
    let (crowd, seed) = match asked() {
        Ok(asked) => asked,
        Err(code) => return code,
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

fn asked() -> Result<(Crowd, u64), ExitCode> {
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
    arguments::read(USAGE, |given| {
        match given.word() {
            "--nodes" => crowd.nodes = given.number()?,
            "--chords" => crowd.chords = given.number()?,
            "--loss" => crowd.loss_percent = given.number()?,
            "--seed" => seed = given.number()?,
            _ => return given.unknown(),
        }
        if crowd.nodes == 0 || !crowd.nodes.is_multiple_of(5) {
            return Err(format!("{} nodes are no multiple of five", crowd.nodes));
        }
        if crowd.loss_percent >= 100 {
            return Err("nothing arrives if all is lost".to_owned());
        }
        Ok(())
    })?;
    Ok((crowd, seed))
}
