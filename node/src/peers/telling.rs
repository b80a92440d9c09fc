//! Telling peers of a community where nodes can be called, hearing it from them, and calling those
//! who are not connected yet.
//!
//! Spec: `specs/wire.md` §7.

use super::{
    address,
    book::{Own, Taken},
    calling::may_dial,
    conduct::Offence,
    exchange::exchange,
    hub::Hub,
};
use crate::random;
use comity_net::{Multiaddr, PeerId, PeerStream, ReachReport, reach::widest};
use comity_protocol::{
    access::{ADDRESSES_MAX_BYTES, AddressNews, NODE_ADDRESSES_MAX, may_be_shown_grants},
    authority::Authority,
    codec::Writer,
    id::CommunityId,
    key::PublicKey,
};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};
use tracing::{debug, info};

/// The protocol's name.
pub(super) const PROTOCOL: &str = "/comity/addresses/1";
/// Messages that a peer may tell at once, and how long until it may tell another.
pub(super) const HEAR_BURST: u32 = 32;
pub(super) const HEAR_EVERY: Duration = Duration::from_secs(1);
/// Between looks for what is new, at most and at least.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(500);
/// Between statements of this node.
const STATE_EVERY: Duration = Duration::from_secs(5);
/// Between writes of the book.
const WRITE_EVERY: Duration = Duration::from_secs(30);
const PATIENCE: Duration = Duration::from_secs(20);
/// Of the addresses stated, so many through one relay.
const CIRCUITS_PER_RELAY: usize = 2;

/// Keeps the book up to date on both sides, and calls those who stand in it.
pub(super) async fn keep_book(hub: Arc<Hub>, public: bool) {
    let (mut reach, mut peers) = (hub.reach_changed.subscribe(), hub.changes.subscribe());
    let mut stated: Option<Instant> = None;
    let mut written = Instant::now();
    loop {
        let Ok(report) = hub.network.reach().await else {
            return;
        };
        if stated.is_none_or(|it| it.elapsed() >= STATE_EVERY)
            && state_self(&hub, &own(&report, public))
        {
            stated = Some(Instant::now());
        }
        tell_all(&hub);
        call_some(&hub).await;
        if written.elapsed() >= WRITE_EVERY {
            written = Instant::now();
            let hub = hub.clone();
            let _ = tokio::task::spawn_blocking(move || hub.write_book()).await;
        }
        sleep(PAUSE).await;
        let something = async {
            tokio::select! {
                _ = reach.changed() => {}
                _ = peers.changed() => {}
                () = hub.book_changed.notified() => {}
            }
        };
        let _ = timeout(LOOK_AGAIN, something).await;
    }
}

/// What this node says of itself.
fn own(report: &ReachReport, public: bool) -> Own {
    let mut addresses: Vec<Multiaddr> = report.confirmed().cloned().collect();
    if public {
        addresses.extend(widest(report.listening.iter()));
    }
    for place in &report.reservations {
        addresses.extend(place.addresses.iter().take(CIRCUITS_PER_RELAY).cloned());
    }
    let mut seen = BTreeSet::new();
    addresses.retain(|it| seen.insert(it.clone()));
    addresses.truncate(NODE_ADDRESSES_MAX);
    Own {
        public,
        addresses: addresses.iter().map(ToString::to_string).collect(),
    }
}

fn state_self(hub: &Hub, own: &Own) -> bool {
    let inner = hub.inner();
    let authorities: Vec<Arc<Authority>> = {
        let ledger = inner.ingest.ledger();
        let followed = super::hello::followed(inner, &ledger);
        followed
            .iter()
            .filter_map(|it| ledger.authority(it))
            .collect()
    };
    let mut book = hub.book();
    book.keep(|id, node| {
        let authority = authorities.iter().find(|it| it.community() == *id);
        authority.is_some_and(|it| it.node_party(node).is_some())
    });
    let mut new = false;
    for authority in &authorities {
        // Peers would not keep it before they know the node.
        if authority.node_party(&inner.public()).is_some() {
            let community = authority.community();
            new |= book.state_self(community, &inner.key, own, random::now_ms());
        }
    }
    new
}

/// Tells each peer what is new to it, if it may know.
fn tell_all(hub: &Arc<Hub>) {
    // One lock at a time: others take them in other orders.
    let idle: Vec<_> = {
        let peers = hub.peers();
        let idle = peers.iter().filter(|(_, known)| !known.telling);
        idle.filter_map(|(peer, known)| {
            let shared = known.greeting.as_ref()?.borrow().communities.clone();
            Some((*peer, shared, known.told.clone()))
        })
        .collect()
    };
    for (peer, shared, told) in idle {
        let Some(node) = address::node_of(&peer) else {
            continue;
        };
        let may_know: Vec<CommunityId> = {
            let ledger = hub.inner().ingest.ledger();
            let knows = |id: &&CommunityId| {
                let authority = ledger.authority(id);
                authority.is_some_and(|it| may_be_shown_grants(&it, &node))
            };
            shared.keys().filter(knows).copied().collect()
        };
        let next = {
            let book = hub.book();
            let mut news = may_know.into_iter().filter_map(|id| {
                let since = told.get(&id).copied().unwrap_or_default();
                book.news(id, &peer, since)
            });
            news.next()
        };
        let Some((news, upto)) = next else {
            continue;
        };
        if let Some(known) = hub.peers().get_mut(&peer) {
            known.telling = true;
            tokio::spawn(tell(hub.clone(), peer, news, upto));
        }
    }
}

async fn tell(hub: Arc<Hub>, peer: PeerId, news: AddressNews, upto: u64) {
    let told = if news.statements.is_empty() {
        Ok(Vec::new())
    } else {
        exchange(
            &hub.network,
            peer,
            PROTOCOL,
            &news.encode(),
            ADDRESSES_MAX_BYTES,
        )
        .await
    };
    let failed = told.is_err();
    if let Err(why) = told {
        debug!(%peer, %why, "addresses were not told");
        // Whoever cannot be told now is not asked again at once.
        sleep(LOOK_AGAIN).await;
    }
    {
        let mut peers = hub.peers();
        if let Some(known) = peers.get_mut(&peer) {
            known.telling = false;
            if !failed {
                known.told.insert(news.community, upto);
            }
        }
    }
    hub.book_changed.notify_one();
}

/// Hears what a peer tells.
pub(super) async fn hear(hub: Arc<Hub>, peer: PeerId, stream: PeerStream) {
    let shared: BTreeSet<CommunityId> = {
        let mut peers = hub.peers();
        let Some(known) = peers.get_mut(&peer) else {
            return;
        };
        if !known.hearing.take(Instant::now()) {
            debug!(%peer, "a peer tells more addresses than this node listens to");
            return;
        }
        let greeting = known.greeting.as_ref();
        greeting.map_or_else(BTreeSet::new, |it| {
            it.borrow().communities.keys().copied().collect()
        })
    };
    let (mut reader, mut writer) = stream.into_frames(ADDRESSES_MAX_BYTES);
    let Ok(Some(frame)) = reader.read(PATIENCE).await else {
        return;
    };
    match AddressNews::decode(&frame) {
        Ok(news) if shared.contains(&news.community) => take(&hub, peer, news).await,
        Ok(_) => debug!(%peer, "addresses of a community that is not shared"),
        Err(error) => {
            debug!(%peer, %error, "address news that are none");
            hub.shared.warden.offended(peer, Offence::BrokenMessage);
            return;
        }
    }
    let mut answer = Writer::new();
    answer.array(0);
    if let Err(error) = writer.write(&answer.finish(), PATIENCE).await {
        debug!(%peer, %error, "the answer to address news did not get through");
    }
    let _ = writer.close(PATIENCE).await;
}

async fn take(hub: &Arc<Hub>, peer: PeerId, news: AddressNews) {
    let authority = hub.inner().ingest.ledger().authority(&news.community);
    let Some(authority) = authority else {
        return;
    };
    let own = hub.inner().public();
    let is_known = |node: &PublicKey| authority.node_party(node).is_some();
    let mut moved = Vec::new();
    for statement in news.statements {
        let (node, sequence) = (statement.node, statement.sequence);
        // Signatures cost the most, so what would change nothing is left out first.
        if !is_known(&node) || !hub.book().is_newer(news.community, &node, sequence) {
            continue;
        }
        let Ok(statement) = statement.verify(news.community) else {
            debug!(%peer, "a statement of addresses that its node did not sign");
            hub.shared.warden.offended(peer, Offence::Forged);
            continue;
        };
        let mut book = hub.book();
        if node == own {
            book.heard_of_self(sequence);
        } else if book.take(news.community, statement, Some(peer), is_known) == Taken::New {
            moved.extend(address::peer_of(&node));
        }
    }
    for node in moved {
        let called = hub.calling().moved(&node);
        if called || hub.is_bootstrap(&node) {
            hub.call(node).await;
        }
    }
    hub.book_changed.notify_one();
}

async fn call_some(hub: &Arc<Hub>) {
    let communities = {
        let ledger = hub.inner().ingest.ledger();
        super::hello::followed(hub.inner(), &ledger)
    };
    let nodes = hub.book().nodes(&communities);
    let own = hub.network.peer_id();
    let callable: BTreeSet<PeerId> = nodes
        .iter()
        .filter_map(address::peer_of)
        .filter(|it| *it != own && !hub.is_bootstrap(it))
        .collect();
    let connected: BTreeSet<PeerId> = hub.peers().keys().copied().collect();
    let steps = hub
        .calling()
        .decide(&callable, &connected, Instant::now(), random::number());
    for peer in steps.forget {
        debug!(%peer, "does not answer where the address book says, and rests");
        let _ = hub.network.forget(peer).await;
    }
    for peer in steps.call {
        info!(%peer, "calling a node of the address book");
        hub.call(peer).await;
    }
}

/// Addresses in the book at which a node may be called from here.
pub(super) async fn stated(hub: &Hub, peer: &PeerId) -> Vec<Multiaddr> {
    let Some(node) = address::node_of(peer) else {
        return Vec::new();
    };
    let said = hub.book().addresses(&node);
    if said.is_empty() {
        return Vec::new();
    }
    let own = hub.network.listen_addresses().await.unwrap_or_default();
    // Who has a place here is called without it, or not at all.
    let through_here = format!("/p2p/{}/p2p-circuit", hub.network.peer_id());
    let mut found = Vec::new();
    for text in said {
        if text.contains(&through_here) {
            continue;
        }
        match address::resolve(&text).await {
            Ok(address) if carried_by_a_peer(hub, &address) || may_dial(&address, &own) => {
                found.push(address);
            }
            Ok(_) => debug!(address = %text, "a stated address that is not dialed from here"),
            Err(why) => debug!(address = %text, %why, "a stated address is not usable"),
        }
    }
    found
}

/// Through a relay that is connected, nothing else is dialed.
fn carried_by_a_peer(hub: &Hub, address: &Multiaddr) -> bool {
    let relay = address::relay_of(address);
    let relay = relay.and_then(|it| it.to_string().rsplit('/').next()?.parse::<PeerId>().ok());
    relay.is_some_and(|it| hub.peers().contains_key(&it))
}
