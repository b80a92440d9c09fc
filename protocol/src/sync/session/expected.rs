//! Which keys a peer was asked for in a round.

use crate::sync::key::{Item, KEY_BYTES, Key};
use std::collections::BTreeMap;

/// Past this many separate ranges everything counts as asked for.
const RANGES_MAX: usize = 4096;

/// A set of ranges of keys that do not overlap, by their first key.
#[derive(Debug, Default)]
pub(super) struct Expected {
    ranges: BTreeMap<[u8; KEY_BYTES], [u8; KEY_BYTES]>,
    all: bool,
}

impl Expected {
    pub(super) fn add(&mut self, item: &Item) {
        let (first, last) = range(item);
        if self.all || self.covering(&first).is_some_and(|end| end >= last) {
            return;
        }
        let inside: Vec<_> = self
            .ranges
            .range(first..=last)
            .map(|(start, _)| *start)
            .collect();
        for start in inside {
            if self.ranges.get(&start).is_some_and(|end| *end <= last) {
                self.ranges.remove(&start);
            }
        }
        self.ranges.insert(first, last);
        if self.ranges.len() > RANGES_MAX {
            self.ranges.clear();
            self.all = true;
        }
    }

    pub(super) fn contains(&self, key: &Key) -> bool {
        let key = key.to_bytes();
        self.all || self.covering(&key).is_some_and(|end| end >= key)
    }

    /// The end of the last range that starts at or before a key.
    fn covering(&self, key: &[u8; KEY_BYTES]) -> Option<[u8; KEY_BYTES]> {
        self.ranges.range(..=*key).next_back().map(|(_, end)| *end)
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.ranges.len() * 3 * KEY_BYTES
    }
}

/// The same keys as `items` in items that hardly overlap: whatever a peer asks for, a key is looked
/// at twice at most.
pub(super) fn without_overlap(mut items: Vec<Item>) -> Vec<Item> {
    items.sort_by_cached_key(|item| {
        let (first, last) = range(item);
        (first, std::cmp::Reverse(last))
    });
    let mut kept: Vec<Item> = Vec::new();
    let mut end: Option<[u8; KEY_BYTES]> = None;
    let mut span: Option<usize> = None;
    for item in items {
        let (_, last) = range(&item);
        if end.is_some_and(|end| last <= end) {
            continue;
        }
        end = Some(last);
        let joined = span.is_some_and(|at| join(&mut kept[at], &item));
        if !joined {
            if matches!(item, Item::Span { .. }) {
                span = Some(kept.len());
            }
            kept.push(item);
        }
    }
    kept
}

/// Lengthens a span by one that starts within it or right after it. Returns whether it could.
fn join(kept: &mut Item, next: &Item) -> bool {
    match (kept, next) {
        (
            Item::Span { author, last, .. },
            Item::Span {
                author: also,
                first,
                last: end,
            },
        ) if author == also && *first <= last.saturating_add(1) => {
            *last = (*last).max(*end);
            true
        }
        _ => false,
    }
}

fn range(item: &Item) -> ([u8; KEY_BYTES], [u8; KEY_BYTES]) {
    let mut first = [0; KEY_BYTES];
    let mut last = [0xff; KEY_BYTES];
    match item {
        Item::Under(prefix) => {
            first = *prefix.first_key();
            let whole = prefix.len() / 2;
            last[..whole].copy_from_slice(&first[..whole]);
            if prefix.len() % 2 == 1 {
                last[whole] = first[whole] | 0xf;
            }
        }
        Item::Span {
            author,
            first: from,
            last: to,
        } => {
            first[..32].copy_from_slice(author.as_bytes());
            last[..32].copy_from_slice(author.as_bytes());
            first[32..40].copy_from_slice(&from.to_be_bytes());
            last[32..40].copy_from_slice(&to.to_be_bytes());
        }
    }
    (first, last)
}
