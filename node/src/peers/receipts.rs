//! Receipts: the node's signed statements of which words reached it, and of which narrowings it has
//! seen.
//!
//! One task listens to what takes effect, gathers the newest entry per author and space, and signs
//! a receipt a moment after things calm down. Receipts themselves are not receipted, so two nodes
//! do not answer each other for ever.
//!
//! When the node learns of a narrowing that concerns keys in a space, it signs there at once: first
//! receipts of all it held before, which lift cuts of other parties as far as they go, then the
//! acknowledgement, after which its receipts lift that cut no further. What is not in effect any
//! more is receipted too: it reached this node, or it would not be stored.

use super::chain;
use crate::{
    ingest::Inserted,
    node::Inner,
    projection::{read_receipt, receipts_prefix},
};
use comity_protocol::{
    certificate::governance_space,
    entry::Entry,
    id::{CommunityId, EntryId, SpaceId},
    key::PublicKey,
    record::{Acknowledge, ChainHead, NARROWINGS_MAX, RECEIPT_HEADS_MAX, Receipt, RecordBody},
    sync::{AuthorTag, Prefix},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::broadcast, time::timeout};
use tracing::{debug, warn};

/// Calm before a receipt is signed.
const CALM: Duration = Duration::from_millis(500);
/// Longest delay of a receipt while news keep coming.
const ROUNDS_MAX: u32 = 10;

type Heads = BTreeMap<(CommunityId, SpaceId), BTreeMap<PublicKey, ChainHead>>;
type Narrowings = BTreeMap<(CommunityId, SpaceId), BTreeSet<EntryId>>;

/// What is to be signed.
#[derive(Default)]
struct Due {
    heads: Heads,
    narrowings: Narrowings,
}

impl Due {
    fn is_empty(&self) -> bool {
        self.heads.is_empty() && self.narrowings.is_empty()
    }
}

/// Runs until the node stops.
pub(crate) async fn run(inner: Arc<Inner>) {
    let mut announcements = inner.ingest.announcements();
    let mut stopping = inner.stopping.subscribe();
    let mut due = blocking(&inner, everything).await.unwrap_or_default();
    loop {
        if due.is_empty() {
            let news = tokio::select! {
                () = Inner::stopped(&mut stopping) => return,
                news = announcements.recv() => news,
            };
            due = gather(&inner, due, news).await;
        }
        for _ in 0..ROUNDS_MAX {
            // Until it acknowledged a narrowing, this node stands for what others may backdate.
            if !due.narrowings.is_empty() {
                break;
            }
            match timeout(CALM, announcements.recv()).await {
                Ok(news) => due = gather(&inner, due, news).await,
                Err(_) => break,
            }
        }
        if *stopping.borrow() {
            return;
        }
        let now = std::mem::take(&mut due);
        blocking(&inner, move |inner| sign(inner, now)).await;
    }
}

async fn blocking<T: Send + 'static>(
    inner: &Arc<Inner>,
    work: impl FnOnce(&Inner) -> T + Send + 'static,
) -> Option<T> {
    let inner = inner.clone();
    tokio::task::spawn_blocking(move || work(&inner)).await.ok()
}

async fn gather(
    inner: &Arc<Inner>,
    mut due: Due,
    news: Result<Arc<Inserted>, broadcast::error::RecvError>,
) -> Due {
    match news {
        Ok(inserted) => blocking(inner, move |inner| {
            add(inner, &mut due, &inserted);
            due
        })
        .await
        .unwrap_or_default(),
        Err(broadcast::error::RecvError::Lagged(_)) => {
            blocking(inner, everything).await.unwrap_or_default()
        }
        Err(broadcast::error::RecvError::Closed) => due,
    }
}

/// What a crash or a first start left to be signed.
fn everything(inner: &Inner) -> Due {
    Due {
        heads: unreceipted(inner, None),
        narrowings: unacknowledged(inner, None),
    }
}

fn add(inner: &Inner, due: &mut Due, inserted: &Inserted) {
    let community = inserted.community;
    if governance_space(community) == inserted.space {
        for (space, narrowings) in unacknowledged(inner, Some(community)) {
            due.narrowings.entry(space).or_default().extend(narrowings);
        }
        return;
    }
    let mut newest = BTreeMap::new();
    for (key, _) in &inserted.entries {
        let known = newest.entry(key.author).or_insert(*key);
        if key.seq > known.seq {
            *known = *key;
        }
    }
    let space = (community, inserted.space);
    for key in newest.into_values() {
        if let Some(head) = head_of(inner, key.id) {
            let heads = due.heads.entry(space).or_default();
            let known = heads.entry(head.author).or_insert(head);
            if head.seq > known.seq {
                *known = head;
            }
        }
    }
}

/// The chain head that an entry makes; none for what a node says, which is not answered.
fn head_of(inner: &Inner, id: EntryId) -> Option<ChainHead> {
    let entry = inner.archive.get(&id).ok()??;
    if let Entry::Record(record) = &entry
        && matches!(
            record.body(),
            RecordBody::Receipt(_) | RecordBody::Acknowledge(_)
        )
    {
        return None;
    }
    // Who has a header alone does not have what it heads.
    if matches!(entry, Entry::Bare(_)) {
        return None;
    }
    let key = entry.key();
    (key.seq > 0).then_some(ChainHead {
        author: key.author,
        seq: key.seq,
        id: key.id,
    })
}

/// Chains whose newest stored entry this node has not receipted, in one space or in all.
fn unreceipted(inner: &Inner, of: Option<SpaceId>) -> Heads {
    let mut newest = Vec::new();
    {
        let ledger = inner.ingest.ledger();
        for (space, known) in ledger.spaces() {
            if governance_space(known.community) == *space || of.is_some_and(|of| of != *space) {
                continue;
            }
            let runs = known.trie.authors_under(&Prefix::ALL, usize::MAX);
            let mut tags: BTreeSet<AuthorTag> = runs
                .unwrap_or_default()
                .iter()
                .map(|run| run.author)
                .collect();
            let held = inner.archive.held();
            tags.extend(held.in_space(space).map(|it| it.key.author));
            drop(held);
            for tag in tags {
                let key = ledger.newest_of_tag(&inner.archive, space, &tag);
                newest.extend(key.map(|key| (known.community, *space, key.id)));
            }
        }
    }
    let mut due = Heads::new();
    for (community, space, id) in newest {
        let Some(head) = head_of(inner, id) else {
            continue;
        };
        let mut key = receipts_prefix(&space, &head.author);
        key.extend(inner.public().as_bytes());
        let receipted = inner.archive.store().index().get(&key).ok().flatten();
        let receipted = receipted
            .as_deref()
            .and_then(read_receipt)
            .map_or(0, |(seq, _)| seq);
        if head.seq > receipted {
            due.entry((community, space))
                .or_default()
                .insert(head.author, head);
        }
    }
    due
}

/// Narrowings of keys with entries in a space that this node has not acknowledged there.
fn unacknowledged(inner: &Inner, of: Option<CommunityId>) -> Narrowings {
    let ledger = inner.ingest.ledger();
    let mut due = Narrowings::new();
    for (id, space) in ledger.spaces() {
        let community = space.community;
        if governance_space(community) == *id || of.is_some_and(|of| of != community) {
            continue;
        }
        let Some(authority) = ledger.authority(&community) else {
            continue;
        };
        for (narrowing, keys) in authority.narrowed_in(*id) {
            let is_here = |key: &PublicKey| {
                let tag = AuthorTag::new(id, key);
                ledger.newest_of_tag(&inner.archive, id, &tag).is_some()
            };
            let statements = space.statements();
            if !statements.has_acknowledged(&inner.public(), &narrowing) && keys.iter().any(is_here)
            {
                let narrowings = due.entry((community, *id)).or_default();
                narrowings.insert(narrowing);
            }
        }
    }
    due
}

fn sign(inner: &Inner, due: Due) {
    let Due {
        mut heads,
        narrowings,
    } = due;
    for (community, space) in narrowings.keys() {
        for (place, stored) in unreceipted(inner, Some(*space)) {
            heads.entry(place).or_default().extend(stored);
        }
        debug!(%community, space = %space.short(), "narrowings are acknowledged");
    }
    for ((community, space), heads) in heads {
        let heads: Vec<ChainHead> = heads.into_values().collect();
        let receipts = heads.chunks(RECEIPT_HEADS_MAX).map(|heads| {
            RecordBody::Receipt(Receipt {
                heads: heads.to_vec(),
            })
        });
        if !sign_all(inner, community, space, receipts) && !narrowings.is_empty() {
            // An acknowledgement before its receipts would give up what they are to lift.
            return;
        }
    }
    for ((community, space), narrowings) in narrowings {
        let narrowings: Vec<EntryId> = narrowings.into_iter().collect();
        let acknowledged = narrowings.chunks(NARROWINGS_MAX).map(|narrowings| {
            RecordBody::Acknowledge(Acknowledge {
                narrowings: narrowings.to_vec(),
            })
        });
        sign_all(inner, community, space, acknowledged);
    }
}

/// Signs one after the other; false if one could not be saved.
fn sign_all(
    inner: &Inner,
    community: CommunityId,
    space: SpaceId,
    bodies: impl Iterator<Item = RecordBody>,
) -> bool {
    let authority = inner.ingest.ledger().authority(&community);
    // A node nobody vouches for has nothing to say yet.
    if authority.is_none_or(|it| it.node_party(&inner.public()).is_none()) {
        return true;
    }
    for body in bodies {
        match chain::sign(inner, community, space, body) {
            Ok(id) => debug!(%id, space = %space.short(), "receipted"),
            Err(error) => {
                warn!(%error, "a receipt could not be signed");
                return false;
            }
        }
    }
    true
}
