//! Finds which words are missing, once the node is open.

use crate::node::Inner;
use comity_protocol::{
    entry::Entry,
    id::{EntryId, SpaceId},
};
use tracing::{info, warn};

/// How often it is seen whether the node stops, in entries.
const LOOK_UP_ENTRIES: usize = 256;

/// Reads every contribution of the spaces of which words may be missing and were not counted yet.
pub(crate) fn count(inner: &Inner) {
    let kept = inner.archive.kept();
    for space in kept.uncounted() {
        match count_in(inner, space) {
            None => return,
            Some(lacking) => info!(space = %space.short(), lacking, "words are not kept here"),
        }
        if let Err(error) = kept.counted(space) {
            warn!(%error, "that a space is complete could not be remembered yet");
        }
    }
}

/// How many are missing; none if the node stops.
fn count_in(inner: &Inner, space: SpaceId) -> Option<u64> {
    let ids: Vec<EntryId> = {
        let ledger = inner.ingest.ledger();
        let set = ledger.spaces().get(&space);
        let keys = set.into_iter().flat_map(|it| it.trie.keys());
        let held = inner.archive.held();
        let held = held.in_space(&space).map(|it| it.key.id);
        keys.map(|(key, _)| key.id).chain(held).collect()
    };
    let mut lacking = 0;
    for (at, id) in ids.into_iter().enumerate() {
        if at % LOOK_UP_ENTRIES == 0 && *inner.stopping.borrow() {
            return None;
        }
        if let Ok(Some(Entry::Contribution(it))) = inner.archive.get(&id)
            && it.lacks_words()
        {
            lacking += 1;
            inner
                .archive
                .kept()
                .note_lack(space, id, it.header().author);
        }
    }
    Some(lacking)
}
