//! How a changed text becomes operations: the smallest splices that lead from one to the other.
//!
//! Small splices are what lets two people edit one paragraph: what neither touched stays where it
//! is. Lines are compared first and code points only within changed lines, so a long page stays
//! cheap. Splices are applied in order, so positions count in the text as already changed.

use comity_protocol::{
    document::{Draft, Operation, Step, Value},
    id::EntryId,
    limits::{DEPS_MAX, DERIVED_OPS_PER_CONTRIBUTION_MAX},
};
use similar::{Algorithm, DiffOp, capture_diff_slices, capture_diff_slices_deadline};
use std::time::{Duration, Instant};

/// Longest time spent on comparing the code points of one changed passage; past it the passage is
/// replaced as a whole, which is as right, only coarser.
const COMPARE_MAX: Duration = Duration::from_millis(500);
/// Code points one splice deletes at most; larger deletions become several.
const DELETE_MAX: usize = 8_000;
/// Code points one splice inserts at most: at four bytes each a quarter of a payload.
const INSERT_MAX: usize = 16_000;
/// Bytes of text one contribution of a split edit holds at most.
const BATCH_BYTES: usize = 192 * 1024;
/// Operations one contribution of a split edit counts at most.
const BATCH_OPERATIONS: u64 = DERIVED_OPS_PER_CONTRIBUTION_MAX - 384;

/// One replaced range, in code points of the text as changed by those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splice {
    /// Where it starts.
    pub position: usize,
    /// How many code points go.
    pub delete: usize,
    /// What comes in their place.
    pub insert: String,
}

/// The splices that turn `old` into `new`, in order.
pub fn splices(old: &str, new: &str) -> Vec<Splice> {
    let (old, new) = (lines(old), lines(new));
    let mut splices = Vec::new();
    // Code points of the new text up to where the comparison stands.
    let mut position = 0;
    for change in capture_diff_slices(Algorithm::Myers, &old, &new) {
        let (before, after) = (&old[change.old_range()], &new[change.new_range()]);
        match change {
            DiffOp::Equal { .. } => position += count(after),
            _ => {
                within(&before.concat(), &after.concat(), position, &mut splices);
                position += count(after);
            }
        }
    }
    splices
}

fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

fn count(lines: &[&str]) -> usize {
    lines.iter().map(|line| line.chars().count()).sum()
}

/// Compares two passages code point by code point.
fn within(old: &str, new: &str, start: usize, splices: &mut Vec<Splice>) {
    let (old, new): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let deadline = Instant::now() + COMPARE_MAX;
    for change in capture_diff_slices_deadline(Algorithm::Myers, &old, &new, Some(deadline)) {
        if matches!(change, DiffOp::Equal { .. }) {
            continue;
        }
        splices.push(Splice {
            position: start + change.new_range().start,
            delete: change.old_range().len(),
            insert: new[change.new_range()].iter().collect(),
        });
    }
}

/// Operations on the text `field`, none of them past what one contribution may hold.
pub fn operations(field: &str, splices: &[Splice]) -> Vec<Operation<String>> {
    let path = || vec![Step::from(field)];
    let mut operations = Vec::new();
    for splice in splices {
        let mut delete = splice.delete;
        while delete > DELETE_MAX {
            operations.push(Operation::Splice {
                path: path(),
                position: splice.position as u32,
                delete: DELETE_MAX as u32,
                insert: String::new(),
            });
            delete -= DELETE_MAX;
        }
        let text: Vec<char> = splice.insert.chars().collect();
        let mut position = splice.position;
        let first = text.chunks(INSERT_MAX).next().unwrap_or_default();
        for chunk in std::iter::once(first).chain(text.chunks(INSERT_MAX).skip(1)) {
            operations.push(Operation::Splice {
                path: path(),
                position: position as u32,
                delete: delete as u32,
                insert: chunk.iter().collect(),
            });
            position += chunk.len();
            delete = 0;
        }
    }
    operations
}

/// Puts another text in the place of a field.
pub fn put_text(field: &str, text: &str) -> Operation<String> {
    Operation::Put {
        path: vec![Step::from(field)],
        value: Value::from(text),
    }
}

/// The drafts that apply `operations` in order: one, unless they are more than one may hold.
pub fn drafts(operations: Vec<Operation<String>>) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut batch: Vec<Operation<String>> = Vec::new();
    let (mut bytes, mut counted) = (0, 0);
    for operation in operations {
        let size = bytes_of(&operation);
        let count = operation.derived_ops();
        if !batch.is_empty() && (bytes + size > BATCH_BYTES || counted + count > BATCH_OPERATIONS) {
            drafts.push(Draft::edit(std::mem::take(&mut batch)));
            (bytes, counted) = (0, 0);
        }
        bytes += size;
        counted += count;
        batch.push(operation);
    }
    if !batch.is_empty() {
        drafts.push(Draft::edit(batch));
    }
    drafts
}

/// Bytes an operation takes in a payload, roughly but not less.
fn bytes_of(operation: &Operation<String>) -> usize {
    const FRAME_BYTES: usize = 64;
    match operation {
        Operation::Splice { insert, .. } => insert.len() + FRAME_BYTES,
        Operation::Put {
            value: Value::Text(text),
            ..
        } => text.len() + FRAME_BYTES,
        _ => FRAME_BYTES,
    }
}

/// A contribution that joins heads and changes nothing.
pub fn merge() -> Draft {
    Draft::edit(Vec::new())
}

/// The heads to join next, while there are more than one contribution may name.
pub fn to_merge(heads: &[EntryId]) -> Option<&[EntryId]> {
    (heads.len() > DEPS_MAX).then(|| &heads[..DEPS_MAX])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(text: &str, operations: &[Operation<String>]) -> String {
        let mut text: Vec<char> = text.chars().collect();
        for operation in operations {
            let Operation::Splice {
                position,
                delete,
                insert,
                ..
            } = operation
            else {
                panic!("only splices: {operation:?}");
            };
            assert!(*delete > 0 || !insert.is_empty(), "an empty splice");
            let start = *position as usize;
            text.splice(start..start + *delete as usize, insert.chars());
        }
        text.into_iter().collect()
    }

    fn both_ways(old: &str, new: &str) {
        let made = operations("body", &splices(old, new));
        assert_eq!(apply(old, &made), new);
        let made = operations("body", &splices(new, old));
        assert_eq!(apply(new, &made), old);
    }

    #[test]
    fn a_changed_word_is_a_small_splice() {
        let made = splices("one\ntwo and three\nfour\n", "one\ntwo und three\nfour\n");
        assert_eq!(
            made,
            [Splice {
                position: 8,
                delete: 1,
                insert: "u".into()
            }]
        );
        assert!(splices("same\n", "same\n").is_empty());
    }

    #[test]
    fn code_points_are_counted_not_bytes() {
        let made = splices("👩‍🚀é x", "👩‍🚀é y");
        assert_eq!((made[0].position, made[0].delete), (5, 1));
        both_ways("ä\r\nb\n\n", "ß\nb\r\n");
    }

    #[test]
    fn long_changes_are_split_and_still_right() {
        let old = "abcdefghij".repeat(6_000);
        let new = "é".repeat(70_000);
        both_ways(&old, &new);
        let drafts = drafts(operations("body", &splices(&old, &new)));
        assert!(drafts.len() > 1);
        for draft in &drafts {
            assert!(draft.derived_ops() <= DERIVED_OPS_PER_CONTRIBUTION_MAX);
            draft.seal([0; 32]).unwrap();
        }
    }

    #[test]
    fn heads_are_merged_only_past_the_limit() {
        let heads: Vec<EntryId> = (0..=DEPS_MAX as u8)
            .map(|byte| EntryId::from_bytes([byte; 32]))
            .collect();
        assert_eq!(to_merge(&heads).map(<[_]>::len), Some(DEPS_MAX));
        assert_eq!(to_merge(&heads[1..]), None);
        merge().seal([0; 32]).unwrap();
    }

    proptest! {
        #[test]
        fn splices_lead_from_any_text_to_any_other(
            old in "[a-c\nä👍]{0,60}",
            new in "[a-c\nä👍]{0,60}",
        ) {
            both_ways(&old, &new);
        }
    }
}
