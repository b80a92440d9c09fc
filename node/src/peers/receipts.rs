//! Receipts: the node's signed statements of which words reached it.
//!
//! One task listens to what takes effect, gathers the newest entry per author and space, and signs
//! a receipt a moment after things calm down. Receipts themselves are not receipted, so two nodes
//! do not answer each other for ever.

use super::chain;
use crate::{
    ingest::Inserted,
    node::Inner,
    projection::{read_receipt, receipts_prefix},
};
use comity_protocol::{
    entry::Entry,
    id::{CommunityId, SpaceId},
    key::PublicKey,
    record::{ChainHead, RECEIPT_HEADS_MAX, Receipt, RecordBody},
    sync::Prefix,
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::broadcast, time::timeout};
use tracing::{debug, warn};

/// Calm before a receipt is signed.
const CALM: Duration = Duration::from_millis(500);
/// Longest delay of a receipt while news keep coming.
const ROUNDS_MAX: u32 = 10;

type Heads = BTreeMap<(CommunityId, SpaceId), BTreeMap<PublicKey, ChainHead>>;

/// Runs until the node stops.
pub(crate) async fn run(inner: Arc<Inner>) {
    let mut announcements = inner.ingest.announcements();
    let mut stopping = inner.stopping.subscribe();
    let mut due = blocking(&inner, unreceipted).await.unwrap_or_default();
    loop {
        if due.is_empty() {
            let news = tokio::select! {
                () = Inner::stopped(&mut stopping) => return,
                news = announcements.recv() => news,
            };
            due = gather(&inner, due, news).await;
        }
        for _ in 0..ROUNDS_MAX {
            match timeout(CALM, announcements.recv()).await {
                Ok(news) => due = gather(&inner, due, news).await,
                Err(_) => break,
            }
        }
        if *stopping.borrow() {
            return;
        }
        let heads = std::mem::take(&mut due);
        blocking(&inner, move |inner| sign(inner, heads)).await;
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
    mut due: Heads,
    news: Result<Arc<Inserted>, broadcast::error::RecvError>,
) -> Heads {
    match news {
        Ok(inserted) => blocking(inner, move |inner| {
            add(inner, &mut due, &inserted);
            due
        })
        .await
        .unwrap_or_default(),
        Err(broadcast::error::RecvError::Lagged(_)) => {
            blocking(inner, unreceipted).await.unwrap_or_default()
        }
        Err(broadcast::error::RecvError::Closed) => due,
    }
}

fn add(inner: &Inner, due: &mut Heads, inserted: &Inserted) {
    let is_governance = inner
        .ingest
        .ledger()
        .authority(&inserted.community)
        .is_none_or(|authority| authority.governance_space() == inserted.space);
    if is_governance {
        return;
    }
    let mut newest = BTreeMap::new();
    for (key, _) in &inserted.entries {
        let known = newest.entry(key.author).or_insert(*key);
        if key.seq > known.seq {
            *known = *key;
        }
    }
    let space = (inserted.community, inserted.space);
    for key in newest.into_values() {
        if let Some(head) = head_of(inner, key.id) {
            let heads = due.entry(space).or_default();
            let known = heads.entry(head.author).or_insert(head);
            if head.seq > known.seq {
                *known = head;
            }
        }
    }
}

/// The chain head that an entry makes; none for receipts.
fn head_of(inner: &Inner, id: comity_protocol::id::EntryId) -> Option<ChainHead> {
    let entry = inner.archive.get(&id).ok()??;
    if let Entry::Record(record) = &entry
        && matches!(record.body(), RecordBody::Receipt(_))
    {
        return None;
    }
    let key = entry.key();
    (key.seq > 0).then_some(ChainHead {
        author: key.author,
        seq: key.seq,
        id: key.id,
    })
}

/// Chains whose newest entry this node has not receipted: after a crash or a first start.
fn unreceipted(inner: &Inner) -> Heads {
    let mut newest = Vec::new();
    {
        let ledger = inner.ingest.ledger();
        for (space, known) in ledger.spaces() {
            let governance = comity_protocol::certificate::governance_space(known.community);
            if governance == *space {
                continue;
            }
            let authors = known
                .trie
                .authors_under(&Prefix::ALL, usize::MAX)
                .unwrap_or_default();
            for run in authors {
                let keys = known.trie.keys_of(&run.author, run.last..=run.last);
                newest.extend(keys.map(|(key, _)| (known.community, *space, key.id)));
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

fn sign(inner: &Inner, due: Heads) {
    for ((community, space), heads) in due {
        let authority = inner.ingest.ledger().authority(&community);
        // A node nobody vouches for has no receipts to give yet.
        if authority.is_none_or(|it| it.node_party(&inner.public()).is_none()) {
            continue;
        }
        let heads: Vec<ChainHead> = heads.into_values().collect();
        for heads in heads.chunks(RECEIPT_HEADS_MAX) {
            let body = RecordBody::Receipt(Receipt {
                heads: heads.to_vec(),
            });
            match chain::sign(inner, community, space, body) {
                Ok(id) => debug!(%id, space = %space.short(), "receipted"),
                Err(error) => warn!(%error, "a receipt could not be signed"),
            }
        }
    }
}
