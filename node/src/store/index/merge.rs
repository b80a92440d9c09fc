//! Joins two ordered key sequences; the fresh one wins and may delete.

use crate::store::projection::Direction;
use std::cmp::Ordering;

type Item = (Vec<u8>, Vec<u8>);

/// Up to `limit` items in the order of `direction`, which both inputs must have.
pub(crate) fn merge(
    fresh: impl Iterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
    settled: &mut dyn Iterator<Item = Result<Item, String>>,
    direction: Direction,
    limit: usize,
) -> Result<Vec<Item>, String> {
    let (mut fresh, mut settled) = (fresh.peekable(), settled.peekable());
    let mut items = Vec::new();
    while items.len() < limit {
        let order = match (fresh.peek(), settled.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (_, Some(Err(error))) => return Err(error.clone()),
            (None, Some(Ok(_))) => Ordering::Greater,
            (Some((fresh, _)), Some(Ok((settled, _)))) => match direction {
                Direction::Forward => fresh.cmp(settled),
                Direction::Backward => settled.cmp(fresh),
            },
        };
        if order != Ordering::Less {
            let item = settled.next().transpose()?;
            if order == Ordering::Greater {
                items.extend(item);
                continue;
            }
        }
        if let Some((key, Some(value))) = fresh.next() {
            items.push((key, value));
        }
    }
    Ok(items)
}
