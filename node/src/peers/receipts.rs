//! Receipts: the node's signed statements of which words reached it, and of which narrowings it has
//! seen.
//!
//! One task listens to what takes effect, gathers the newest entry per author and space, and signs
//! a receipt a moment after things calm down. Receipts themselves are not receipted, so two nodes
//! do not answer each other for ever.
//!
//! A narrowing is acknowledged in every space with words of a key that it touches, by the order of
//! the record: after receipts of what was stored before the narrowing, which lift cuts of other
//! parties as far as they go, and before receipts of what came later, which lift it no further. So
//! what a removed member gets stored here by adoption never turns into authority. Where the node
//! learns of a narrowing it signs at once. What is not in effect any more is receipted too: it
//! reached this node, or it would not be stored.
//!
//! Spec: `specs/cuts.md` §6.

use super::chain;
use crate::{
    ingest::Inserted,
    ledger::Ledger,
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
    cmp::Reverse,
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
    let mut settled = inner.archive.kept().settled();
    let mut due = blocking(&inner, everything).await.unwrap_or_default();
    loop {
        if due.is_empty() {
            tokio::select! {
                () = Inner::stopped(&mut stopping) => return,
                news = announcements.recv() => due = gather(&inner, due, news).await,
                // Words that were lacking came, after what they belong to.
                Ok(()) = settled.changed() => {
                    due = blocking(&inner, everything).await.unwrap_or_default();
                }
            }
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
        heads: unreceipted(inner),
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

/// Chains whose newest stored entry this node has not receipted.
fn unreceipted(inner: &Inner) -> Heads {
    let mut newest = Vec::new();
    {
        let ledger = inner.ingest.ledger();
        for (space, known) in ledger.spaces() {
            if governance_space(known.community) == *space {
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
        if !is_receipted(inner, &space, &head) {
            due.entry((community, space))
                .or_default()
                .insert(head.author, head);
        }
    }
    due
}

/// Whether this node said that the chain reached it up to this head.
fn is_receipted(inner: &Inner, space: &SpaceId, head: &ChainHead) -> bool {
    let mut key = receipts_prefix(space, &head.author);
    key.extend(inner.public().as_bytes());
    let receipted = inner.archive.store().index().get(&key).ok().flatten();
    receipted
        .as_deref()
        .and_then(read_receipt)
        .is_some_and(|(seq, _)| seq >= head.seq)
}

/// Narrowings of keys with entries in a space that this node has not acknowledged there.
fn unacknowledged(inner: &Inner, of: Option<CommunityId>) -> Narrowings {
    let ledger = inner.ingest.ledger();
    let spaces = ledger.spaces().iter();
    let spaces = spaces.filter(|(_, it)| of.is_none_or(|of| of == it.community));
    let due = spaces.map(|(id, space)| {
        let narrowings = unacknowledged_in(inner, &ledger, id).into_keys();
        ((space.community, *id), narrowings.collect())
    });
    due.filter(|(_, narrowings): &(_, BTreeSet<_>)| !narrowings.is_empty())
        .collect()
}

/// The same for one space, with the keys that each touches and that wrote there.
fn unacknowledged_in(
    inner: &Inner,
    ledger: &Ledger,
    id: &SpaceId,
) -> BTreeMap<EntryId, BTreeSet<PublicKey>> {
    let Some(space) = ledger.spaces().get(id) else {
        return BTreeMap::new();
    };
    let authority = ledger.authority(&space.community);
    let is_governance = governance_space(space.community) == *id;
    let Some(authority) = authority.filter(|_| !is_governance) else {
        return BTreeMap::new();
    };
    let is_here = |key: &PublicKey| ledger.newest_of(&inner.archive, id, key).is_some();
    let mut narrowed = authority.narrowed_in(*id);
    narrowed.retain(|narrowing, keys| {
        let statements = space.statements();
        if statements.has_acknowledged(&inner.public(), narrowing) {
            return false;
        }
        keys.retain(is_here);
        !keys.is_empty()
    });
    narrowed
}

/// The head of a chain as it was when an entry of the record came; none if nothing had come.
fn head_before(
    inner: &Inner,
    ledger: &Ledger,
    space: &SpaceId,
    author: &PublicKey,
    position: u64,
) -> Option<ChainHead> {
    let stored = ledger.stored_of(&inner.archive, space, &AuthorTag::new(space, author));
    let before = stored.into_iter().filter(|(_, local)| *local < position);
    let newest = before.max_by_key(|(key, _)| (key.seq, Reverse(key.id)));
    head_of(inner, newest?.0.id)
}

/// A narrowing to be acknowledged, after these receipts.
struct Step {
    position: u64,
    narrowing: EntryId,
    heads: Vec<ChainHead>,
}

/// What to say of narrowings in a space, in the order in which they came.
fn steps(inner: &Inner, space: &SpaceId) -> Vec<Step> {
    let ledger = inner.ingest.ledger();
    let due = unacknowledged_in(inner, &ledger, space);
    let step = |(narrowing, keys): (EntryId, BTreeSet<PublicKey>)| {
        let stored = inner.archive.store().get(&narrowing).ok().flatten();
        let position = stored.map_or(u64::MAX, |it| it.position.to_u64());
        let heads = keys
            .iter()
            .filter_map(|key| head_before(inner, &ledger, space, key, position));
        Step {
            position,
            narrowing,
            heads: heads.collect(),
        }
    };
    let mut steps: Vec<Step> = due.into_iter().map(step).collect();
    steps.sort_by_key(|it| (it.position, it.narrowing));
    steps
}

fn sign(inner: &Inner, due: Due) {
    let Due {
        mut heads,
        narrowings,
    } = due;
    for place in narrowings.into_keys() {
        heads.entry(place).or_default();
    }
    // Of what is not kept nothing is said: neither that it arrived, nor that it came too late, which
    // is told by the order of the record once it is kept again.
    let kept = inner.archive.kept();
    heads.retain(|(_, space), _| kept.of(space).is_everything());
    for (place, heads) in heads {
        // What came after a narrowing must not be receipted before that is acknowledged.
        if acknowledge(inner, place) {
            receipt(inner, place, heads.into_values());
        }
    }
}

/// Acknowledges what is due in a space; false if something could not be saved.
fn acknowledge(inner: &Inner, place: (CommunityId, SpaceId)) -> bool {
    let mut narrowings = Vec::new();
    for step in steps(inner, &place.1) {
        let is_new = |head: &&ChainHead| !is_receipted(inner, &place.1, head);
        let kept = inner.archive.kept();
        let lacks = |head: &ChainHead| !kept.may_receipt(&place.1, &head.author);
        if step.heads.iter().any(|head| is_new(&head) && lacks(head)) {
            // What arrived before the narrowing has no words yet: that comes first.
            continue;
        }
        if step.heads.iter().any(|head| is_new(&head)) {
            // An acknowledgement before its receipts would give up what they are to lift.
            if !acknowledge_all(inner, place, &narrowings)
                || !receipt(inner, place, step.heads.into_iter())
            {
                return false;
            }
            narrowings.clear();
        }
        narrowings.push(step.narrowing);
    }
    acknowledge_all(inner, place, &narrowings)
}

fn acknowledge_all(inner: &Inner, place: (CommunityId, SpaceId), narrowings: &[EntryId]) -> bool {
    let said = narrowings.chunks(NARROWINGS_MAX).map(|narrowings| {
        let mut narrowings = narrowings.to_vec();
        narrowings.sort_unstable();
        RecordBody::Acknowledge(Acknowledge { narrowings })
    });
    sign_all(inner, place, said)
}

fn receipt(
    inner: &Inner,
    place: (CommunityId, SpaceId),
    heads: impl Iterator<Item = ChainHead>,
) -> bool {
    let kept = inner.archive.kept();
    let heads = heads.filter(|head| kept.may_receipt(&place.1, &head.author));
    let new = heads.filter(|head| !is_receipted(inner, &place.1, head));
    let by_author: BTreeMap<PublicKey, ChainHead> = new.map(|head| (head.author, head)).collect();
    let heads: Vec<ChainHead> = by_author.into_values().collect();
    let said = heads.chunks(RECEIPT_HEADS_MAX).map(|heads| {
        RecordBody::Receipt(Receipt {
            heads: heads.to_vec(),
        })
    });
    sign_all(inner, place, said)
}

/// Signs one after the other; false if one could not be saved.
fn sign_all(
    inner: &Inner,
    (community, space): (CommunityId, SpaceId),
    bodies: impl Iterator<Item = RecordBody>,
) -> bool {
    let authority = inner.ingest.ledger().authority(&community);
    // A node nobody vouches for has nothing to say yet.
    let is_known = authority.is_some_and(|it| it.node_party(&inner.public()).is_some());
    // Nor does one that reads along only: what it keeps is no party's answer any more.
    if !is_known || !inner.state.read().takes_part(&community) {
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
