//! The attack list: real nodes of several parties, and hand-made peers that mean harm.
//! `specs/threats.md` names each of these tests.

mod addresses;
mod charter;
mod conduct;
mod forgery;
mod invitations;
mod reading;
mod revoked;

use comity_client::types::DocumentQuery;
use comity_net::{PeerId, tap::Way};
use comity_protocol::{
    id::SpaceId,
    sync::{Message, TrieHash, message::SpaceRoot},
};
use comity_tests::{
    alliance::{Alliance, party},
    nodes::{Stopped, TestNode},
    stranger::{Conversation, Stranger},
    transcript::Moment,
};
use std::collections::BTreeSet;

const SYNC: &str = "/comity/sync/1";
const HOUR_MS: u64 = 3_600_000;

/// A node with a key that follows from its name, which keeps a transcript.
async fn tapped(name: &str) -> TestNode {
    let mut stopped = Stopped::new(true);
    stopped.name(name);
    stopped.keep_transcript();
    stopped.start().await
}

/// Nodes of two parties, each of which takes part in their community.
async fn two_parties(name: &str) -> (TestNode, TestNode, Alliance) {
    let alder = tapped(&format!("{name}/alder")).await;
    let birch = tapped(&format!("{name}/birch")).await;
    let (of_a, of_b) = ([alder.node.key()], [birch.node.key()]);
    let founders = [party("Alder", &of_a), party("Birch", &of_b)];
    (alder, birch, Alliance::found(name, &founders))
}

async fn take_part(nodes: &[&TestNode], alliance: &Alliance) {
    for node in nodes {
        node.take_part_in(alliance).await;
    }
}

async fn stop(nodes: impl IntoIterator<Item = TestNode>) {
    for node in nodes {
        node.stop().await;
    }
}

async fn peer_of(node: &TestNode) -> PeerId {
    let status = node.client.status().await.unwrap();
    status.peer_id.parse().unwrap()
}

/// The titles of documents in effect in a space.
async fn titles(node: &TestNode, space: SpaceId) -> BTreeSet<String> {
    let query = DocumentQuery {
        space: Some(space.to_string()),
        limit: Some(500),
        ..DocumentQuery::default()
    };
    let page = node.client.documents(&query).await.unwrap();
    assert_eq!(page.next, None);
    page.items.into_iter().map(|it| it.title).collect()
}

fn root(space: SpaceId) -> Message {
    Message::Roots(vec![SpaceRoot {
        space,
        root: TrieHash::EMPTY,
        count: 0,
        after: 0,
    }])
}

/// A hand-made peer that has greeted a node as one of a community, on an open stream.
async fn talk_to(node: &TestNode, alliance: &Alliance, name: &str) -> (Stranger, Conversation) {
    let stranger = Stranger::meeting(node, name, true).await;
    stranger.greet(node, &[alliance.id]).await;
    let talk = stranger.sync(node).await;
    (stranger, talk)
}

/// A hand-made peer of this name hands over encoded entries as those of a space, and stays until the
/// node has dealt with them or hung up.
///
/// # Panics
/// If the node does not ask for all of them: then nothing was tried.
async fn hand_over(
    node: &TestNode,
    alliance: &Alliance,
    name: &str,
    space: SpaceId,
    entries: &[Vec<u8>],
) {
    let (stranger, mut talk) = talk_to(node, alliance, name).await;
    talk.opened(space).await;
    talk.hand_over(space, entries).await;
    heard_by_now(&mut talk, 0xee).await;
    stranger.network.shutdown().await;
}

/// Asks about a space that nobody has until it is refused, or the node hangs up: what was to be
/// answered before is. Roots are agreed to, so that the spaces behind them open.
async fn heard_by_now(talk: &mut Conversation, barrier: u8) -> Vec<Message> {
    let space = SpaceId::from_bytes([barrier; 32]);
    let mut heard = Vec::new();
    if talk.try_say(&root(space).encode()).await.is_err() {
        return heard;
    }
    while let Some(frame) = talk.hear().await {
        let message = Message::decode(&frame).unwrap();
        if message == (Message::Refuse { space }) {
            return heard;
        }
        if let Message::Roots(roots) = &message {
            let _ = talk.try_say(&Message::Roots(roots.clone()).encode()).await;
        }
        heard.push(message);
    }
    heard
}

/// Whether anything that a node sent to a peer holds these bytes.
fn told(node: &TestNode, needle: &[u8], peer: PeerId, since: Moment) -> bool {
    let told = node.transcript().sent_with(needle, since);
    told.iter().any(|(to, _)| *to == peer)
}

/// The frames of sync that a node sent to a peer.
fn frames_to(node: &TestNode, peer: PeerId) -> Vec<Vec<u8>> {
    let frames = node.transcript().frames().into_iter();
    let fits = frames.filter(|it| it.peer == peer && it.way == Way::Sent && it.protocol == SYNC);
    fits.map(|it| it.bytes).collect()
}
