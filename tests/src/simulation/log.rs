//! What happened, one line of JSON for each event, so that a failing seed can be stepped through.

use super::{Simulation, Size, queue::Event};
use std::fmt::Write;

/// One event.
#[derive(Debug, Clone)]
pub struct Step {
    number: u64,
    at_ms: u64,
    event: &'static str,
    node: Option<usize>,
    pub(super) from: Option<usize>,
    pub(super) detail: String,
}

impl Step {
    pub(super) fn new(number: u64, at_ms: u64, event: &Event, node: Option<usize>) -> Self {
        let node = node.or(match event {
            Event::Lose { node } => Some(*node),
            _ => None,
        });
        Self {
            number,
            at_ms,
            event: event.name(),
            node,
            from: None,
            detail: String::new(),
        }
    }

    /// The event as one line of JSON; details hold no character that needs escaping.
    fn line(&self, state: &str) -> String {
        let mut line = format!(
            "{{\"n\":{},\"at_ms\":{},\"event\":\"{}\"",
            self.number, self.at_ms, self.event
        );
        for (name, value) in [("node", self.node), ("from", self.from)] {
            if let Some(value) = value {
                write!(line, ",\"{name}\":{value}").unwrap();
            }
        }
        for (name, text) in [("what", self.detail.as_str()), ("state", state)] {
            if !text.is_empty() {
                write!(line, ",\"{name}\":\"{text}\"").unwrap();
            }
        }
        line.push('}');
        line
    }
}

/// Where lines go.
pub enum Log {
    /// Nowhere.
    Off,
    /// Kept.
    Kept(Vec<String>),
    /// To somebody who looks at each before the next happens.
    Stepped(Box<dyn FnMut(&str)>),
}

impl Log {
    pub(super) fn note(&mut self, step: Step, state: impl FnOnce() -> String) {
        match self {
            Self::Off => {}
            Self::Kept(lines) => lines.push(step.line(&state())),
            Self::Stepped(look) => look(&step.line(&state())),
        }
    }
}

/// Runs a seed and gives what happened: a line that says which seed, one for each event, and, if
/// something does not hold, one that says what.
pub fn record(seed: u64, size: Size) -> String {
    let mut text = head(seed, size) + "\n";
    if let Err((broken, Log::Kept(lines))) =
        Simulation::new(seed, size, Log::Kept(Vec::new())).run()
    {
        for line in lines {
            text += &line;
            text.push('\n');
        }
        let found = broken.found.replace(['"', '\\', '\n'], "'");
        writeln!(
            text,
            "{{\"broken\":\"{}\",\"n\":{},\"found\":\"{found}\"}}",
            broken.invariant, broken.event
        )
        .unwrap();
    }
    text
}

/// The first line of a log: what is needed to run it again.
fn head(seed: u64, size: Size) -> String {
    let Size {
        parties,
        nodes,
        deeds,
        restricted,
    } = size;
    format!(
        "{{\"seed\":{seed},\"parties\":{parties},\"nodes\":{nodes},\"deeds\":{deeds},\"restricted\":{restricted}}}"
    )
}

/// The seed and the size that the first line of a log names.
pub fn seed_of(line: &str) -> Option<(u64, Size)> {
    let number = |name: &str| -> Option<u64> {
        let (_, rest) = line.split_once(&format!("\"{name}\":"))?;
        rest.split([',', '}']).next()?.parse().ok()
    };
    let size = Size {
        parties: number("parties")? as usize,
        nodes: number("nodes")? as usize,
        deeds: number("deeds")? as usize,
        restricted: number("restricted")? as usize,
    };
    let seed = number("seed")?;
    (head(seed, size) == line.trim()).then_some((seed, size))
}
