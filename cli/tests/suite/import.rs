//! Import of real archives, and of hostile ones.

mod hostile;
mod real;
mod shows_the_same;

use comity::import::{Item, ItemKind, OriginRef, Reader, Report};
use std::collections::BTreeSet;

/// Runs a reader to its end and checks what holds for every one.
fn drain(mut reader: impl Reader) -> (Vec<Item>, Report) {
    let items: Vec<Item> = reader.by_ref().collect();
    let report = reader.report().clone();
    assert_eq!(items.len() as u64, report.items());
    assert_eq!(reader.remaining(), 0);
    let mut given: BTreeSet<&OriginRef> = BTreeSet::new();
    for item in &items {
        let needed = match &item.kind {
            ItemKind::Topic { .. } => vec![],
            ItemKind::Reply { parent, root } => vec![parent, root],
            ItemKind::Accept { question, answer } => vec![question, answer],
        };
        for reference in needed {
            assert!(
                given.contains(reference),
                "{reference:?} comes after what belongs to it"
            );
        }
        assert!(
            given.insert(&item.origin.reference),
            "twice: {:?}",
            item.origin.reference
        );
        assert!(item.body.len() <= comity::import::BODY_MAX_BYTES);
        let control = |c: char| c.is_control() && c != '\n' && c != '\t';
        assert!(!item.body.contains(control) && !item.origin.author_name.contains(control));
    }
    (items, report)
}
