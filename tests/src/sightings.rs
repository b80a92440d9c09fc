//! How often marked words come to a node, on whatever stream.
//!
//! A mark is a number in a text that occurs nowhere else. Words travel as they are, so every copy of
//! an entry that reaches a node, by gossip or by sync, shows its mark once.

use comity_net::tap::{Tap, Way};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

const BEGIN: &[u8] = b"<mark-of-copies-";
const DIGITS: usize = 8;
/// Bytes of a mark.
const MARK_BYTES: usize = BEGIN.len() + DIGITS;

/// The mark of a number.
pub fn mark(number: u32) -> String {
    let begin = std::str::from_utf8(BEGIN).unwrap();
    format!("{begin}{number:0DIGITS$}")
}

/// Marks seen so far.
#[derive(Clone, Default)]
pub struct Sightings(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    times: BTreeMap<u32, u32>,
    /// The end of each stream so far, shorter than a mark: marks may lie across pieces.
    tails: HashMap<u64, Vec<u8>>,
}

impl Sightings {
    /// A tap that counts what the node receives.
    pub fn tap(&self) -> Tap {
        let seen = self.0.clone();
        Tap::new(move |on, way, bytes| {
            if way == Way::Received {
                let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
                seen.look(on.stream, bytes);
            }
        })
    }

    /// How often the mark of a number came.
    pub fn of(&self, number: u32) -> u32 {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.times.get(&number).copied().unwrap_or_default()
    }
}

impl Seen {
    fn look(&mut self, stream: u64, bytes: &[u8]) {
        let tail = self.tails.entry(stream).or_default();
        tail.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(found) = tail.get(at..at + MARK_BYTES) {
            if found.starts_with(BEGIN) {
                let digits = std::str::from_utf8(&found[BEGIN.len()..]).ok();
                if let Some(number) = digits.and_then(|it| it.parse().ok()) {
                    *self.times.entry(number).or_default() += 1;
                }
            }
            at += 1;
        }
        tail.drain(..at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_counted_wherever_pieces_end() {
        let text = format!("a{}b{}c{}", mark(7), mark(12), mark(7));
        for cut in 0..text.len() {
            let mut seen = Seen::default();
            seen.look(1, &text.as_bytes()[..cut]);
            seen.look(2, b"elsewhere");
            seen.look(1, &text.as_bytes()[cut..]);
            let expected = BTreeMap::from([(7, 2), (12, 1)]);
            assert_eq!(seen.times, expected, "cut at {cut}");
        }
    }
}
