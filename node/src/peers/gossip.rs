//! Gossip: news of spaces that everyone may read, passed along as a hint (I10).
//!
//! Each community is a group of its own, and a peer takes part in those that its hello has shown
//! both to be in: topics name spaces, which tells strangers who has what in common (I9).

use super::{
    conduct::Offence,
    hello,
    hub::{Hub, Peer},
    warden::Warden,
};
use crate::{ingest::Outcome, node::Inner, pending::Source};
use comity_net::{GossipGroup, Network, PeerId, Verdict, error::PublishError};
use comity_protocol::{
    certificate::governance_space,
    entry::Entry,
    id::{CommunityId, SpaceId},
};
use std::{collections::BTreeSet, sync::Arc, time::Instant};
use tokio::sync::broadcast;
use tracing::{debug, warn};

/// Largest entry sent along inline, in bytes; larger ones travel by sync only.
const INLINE_MAX_BYTES: usize = 48 * 1024;
const TOPIC_PREFIX: &str = "comity/1/";

fn topic(space: &SpaceId) -> String {
    format!("{TOPIC_PREFIX}{space}")
}

fn group(community: &CommunityId) -> GossipGroup {
    GossipGroup::new(*community.as_bytes())
}

/// Spaces that strangers may read, and their communities: nothing else is ever gossiped (I9).
fn public_spaces(inner: &Inner) -> Vec<(SpaceId, CommunityId)> {
    let ledger = inner.ingest.ledger();
    let state = inner.state.read();
    let spaces = ledger.spaces().iter().filter(|(space, known)| {
        state.follows(&known.community)
            && inner.archive.kept().exchanges(space)
            && ledger
                .authority(&known.community)
                .is_some_and(|it| it.may_read(None, **space))
    });
    let spaces = spaces.map(|(space, known)| (*space, known.community));
    spaces.collect()
}

/// Whether news of a space is gossiped where there is gossip. Governance is asked for at once all the
/// same: what people write waits for it, and what they write before they hear of a removal becomes a
/// stub.
pub(super) fn brings(inner: &Inner, space: &SpaceId) -> bool {
    let ledger = inner.ingest.ledger();
    let Some(known) = ledger.spaces().get(space) else {
        return false;
    };
    let authority = ledger.authority(&known.community);
    governance_space(known.community) != *space
        && authority.is_some_and(|it| it.may_read(None, *space))
}

/// Subscribes to the topics of public spaces; those subscribed already stay so, but for those of which
/// nothing is kept any more.
pub(crate) async fn subscribe(inner: &Inner, network: &Network) {
    let dropped: Vec<_> = {
        let ledger = inner.ingest.ledger();
        let spaces = ledger.spaces().iter();
        let dropped = spaces.filter(|(space, _)| !inner.archive.kept().exchanges(space));
        dropped.map(|(space, it)| (*space, it.community)).collect()
    };
    for (space, community) in dropped {
        // Not subscribed is as good.
        let _ = network.unsubscribe(group(&community), topic(&space)).await;
    }
    for (space, community) in public_spaces(inner) {
        let subscribed = network.subscribe(group(&community), topic(&space)).await;
        if let Err(error) = subscribed {
            debug!(%error, "a topic cannot be subscribed");
        }
    }
}

/// Admits peers to the gossip of the communities that both take part in, as the last hello on the
/// connection told, and to no other; looks again whenever a peer or the communities here change.
pub(super) async fn admit(hub: Arc<Hub>) {
    let mut changes = hub.changes.subscribe();
    loop {
        let followed: BTreeSet<CommunityId> = {
            let ledger = hub.inner().ingest.ledger();
            hello::followed(hub.inner(), &ledger).into_iter().collect()
        };
        let differing: Vec<_> = {
            let mut peers = hub.peers();
            let peers = peers.iter_mut();
            let nothing = BTreeSet::new();
            let may = |id| match hub.shared.warden.is_muted(id) {
                true => &nothing,
                false => &followed,
            };
            peers
                .filter_map(|(id, peer)| Some((*id, readmitted(peer, may(id))?)))
                .collect()
        };
        for (peer, communities) in differing {
            let groups = communities.iter().map(group).collect();
            // Whoever is gone by now is new when they come back.
            if hub.network.admit_to_gossip(peer, groups).await.is_err() {
                return;
            }
        }
        if changes.changed().await.is_err() {
            return;
        }
    }
}

/// What the peer is to be admitted to, if that is not what it was admitted to last. A peer that
/// has just connected counts as different: the network may have taken an earlier word for it.
fn readmitted(peer: &mut Peer, followed: &BTreeSet<CommunityId>) -> Option<BTreeSet<CommunityId>> {
    let shared: BTreeSet<CommunityId> = match &peer.greeting {
        Some(greeting) => {
            let greeting = greeting.borrow();
            let shared = greeting.communities.keys();
            shared.filter(|it| followed.contains(it)).copied().collect()
        }
        None => BTreeSet::new(),
    };
    if peer.gossips.as_ref() == Some(&shared) {
        return None;
    }
    peer.gossips = Some(shared.clone());
    Some(shared)
}

/// Publishes what people write here, until the node stops.
pub(crate) async fn publish(inner: Arc<Inner>, network: Network) {
    let mut announcements = inner.ingest.announcements();
    loop {
        let inserted = match announcements.recv().await {
            Ok(inserted) => inserted,
            // Sync brings what gossip misses.
            Err(broadcast::error::RecvError::Lagged(_)) => continue,
            Err(broadcast::error::RecvError::Closed) => return,
        };
        // Bulk goes by sync: gossip is for news.
        if inserted.source != Source::Local || inserted.entries.len() > 8 {
            continue;
        }
        let public = public_spaces(&inner);
        let Some((space, community)) = public.iter().find(|(it, _)| *it == inserted.space) else {
            continue;
        };
        for (key, _) in &inserted.entries {
            let (archive, id) = (inner.archive.clone(), key.id);
            let read = tokio::task::spawn_blocking(move || archive.get(&id)).await;
            let Ok(Ok(Some(entry))) = read else { continue };
            let bytes = entry.encode();
            if matches!(entry, Entry::Bare(_)) || Entry::peek_lacks_words(&bytes) {
                continue;
            }
            if bytes.len() > INLINE_MAX_BYTES {
                continue;
            }
            let published = network.publish(group(community), topic(space), bytes);
            match published.await {
                Ok(_) | Err(PublishError::NoPeers | PublishError::Duplicate) => {}
                Err(error) => debug!(%error, "not gossiped"),
            }
        }
    }
}

/// Takes in what a peer gossiped; says whether it is worth passing on.
pub(crate) async fn hear(
    inner: Arc<Inner>,
    (source, warden): (PeerId, Arc<Warden>),
    (among, topic): (GossipGroup, String),
    (data, arrived): (Vec<u8>, Instant),
) -> Verdict {
    let counting = inner.clone();
    let heard = &counting.metrics.exchange.heard;
    let space = topic
        .strip_prefix(TOPIC_PREFIX)
        .and_then(|text| text.parse::<SpaceId>().ok());
    let known = space.and_then(|space| {
        let ledger = inner.ingest.ledger();
        let known = ledger.spaces().get(&space)?;
        let authority = ledger.authority(&known.community)?;
        let followed = inner.state.read().follows(&known.community);
        let followed = followed && inner.archive.kept().exchanges(&space);
        let is_public = followed && authority.may_read(None, space);
        // Those who are in another community with this node are told nothing of this one.
        let is_public = is_public && group(&known.community) == among;
        is_public.then_some((space, known.community))
    });
    let Some((space, community)) = known else {
        heard.ignored.add(1);
        return Verdict::Ignore;
    };
    // An entry of another space would be passed on to people who may not read it, and whether it
    // is passed on would tell a stranger that it is here (I9).
    let governance = governance_space(community);
    match Entry::peek(&data) {
        // Bare headers and contributions without words are for those who compare their sets, and no
        // news to anybody else.
        Some((_, key)) if key.is_bare || Entry::peek_lacks_words(&data) => {
            heard.ignored.add(1);
            return Verdict::Ignore;
        }
        Some((named, _)) if named.unwrap_or(governance) == space => {}
        _ => {
            heard.refused.add(1);
            warden.offended(source, Offence::BrokenMessage);
            return Verdict::Reject;
        }
    }
    // Without a runtime there is nobody left to pass anything on to.
    tokio::task::spawn_blocking(move || {
        inner.ingest.metrics().stages.queued.note_since(arrived);
        judge(&inner, community, (source, &warden), data)
    })
    .await
    .unwrap_or(Verdict::Ignore)
}

fn judge(
    inner: &Inner,
    community: CommunityId,
    (source, warden): (PeerId, &Warden),
    data: Vec<u8>,
) -> Verdict {
    let entries = [data];
    let from = Source::Peer(source.to_string());
    let outcomes = match inner.ingest.take_in(community, &entries, &from) {
        Ok(outcomes) => outcomes,
        Err(_) => return Verdict::Ignore,
    };
    warden.gave_entries(source, &outcomes);
    let heard = &inner.metrics.exchange.heard;
    match outcomes.first() {
        Some((_, Outcome::Saved)) => heard.new.add(1),
        Some((_, Outcome::AlreadyPresent)) => heard.known.add(1),
        Some((_, Outcome::Refused(_))) => heard.refused.add(1),
        _ => heard.ignored.add(1),
    }
    match outcomes.first() {
        Some((Some(id), Outcome::Saved | Outcome::AlreadyPresent)) => {
            // Passed on is what this node would hand out itself: words that are erased here go
            // no further, whoever still has them (I6).
            match inner.archive.get(id) {
                Ok(Some(entry)) if entry.encode() == entries[0] => Verdict::Accept,
                _ => Verdict::Ignore,
            }
        }
        Some((_, Outcome::Refused(refusal))) => {
            warn!(%source, %refusal, "a peer gossiped something broken");
            Verdict::Reject
        }
        _ => Verdict::Ignore,
    }
}
