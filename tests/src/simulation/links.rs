//! Who is connected to whom, and what travels between them.

use super::{Simulation, Size, malice, nodes::Node, queue::Event};
use crate::random::Random;
use comity_protocol::{
    authority::Authority,
    id::SpaceId,
    sync::{Message, PeerNumber, Role, Session, session::Input},
};
use std::{collections::BTreeSet, sync::Arc};

/// Longest way of a frame, in milliseconds.
const DELAY_MAX_MS: usize = 400;
/// Pause before a lost connection is tried again, in milliseconds.
const AGAIN_MS: u64 = 4_000;

/// One end of a link.
pub(super) struct End {
    pub(super) node: usize,
    pub(super) session: Option<Session>,
    /// Whether governance was equal once on this stream.
    pub(super) synced: bool,
    open: BTreeSet<SpaceId>,
    /// What `open` follows from: authority, and whether governance was equal.
    opened_by: Option<(Arc<Authority>, bool)>,
    /// Frames arrive in the order in which they were sent.
    last_arrival_ms: u64,
}

/// A pair of nodes that know each other's address.
pub(super) struct Link {
    pub(super) ends: [End; 2],
    /// Number of the stream: what is under way on an older one is lost.
    stream: u64,
}

impl Link {
    fn new(opener: usize, acceptor: usize) -> Self {
        let end = |node| End {
            node,
            session: None,
            synced: false,
            open: BTreeSet::new(),
            opened_by: None,
            last_arrival_ms: 0,
        };
        Self {
            ends: [end(opener), end(acceptor)],
            stream: 0,
        }
    }

    fn joins(&self, a: usize, b: usize) -> bool {
        let ends = [self.ends[0].node, self.ends[1].node];
        ends == [a, b] || ends == [b, a]
    }

    fn is_up(&self) -> bool {
        self.ends.iter().all(|it| it.session.is_some())
    }
}

/// Honest nodes of each party in a ring, rings joined by chords, liars anywhere.
pub(super) fn overlay(nodes: &[Node], size: Size, random: &mut Random) -> Vec<Link> {
    let mut links: Vec<Link> = Vec::new();
    let mut join = |a: usize, b: usize| {
        if a != b && !links.iter().any(|it| it.joins(a, b)) {
            links.push(Link::new(a, b));
        }
    };
    let honest = |it: &usize| nodes[*it].malice.is_none();
    for party in 0..size.parties {
        let of_party = party * size.nodes..(party + 1) * size.nodes;
        let ring: Vec<usize> = of_party.filter(honest).collect();
        for (at, node) in ring.iter().enumerate() {
            join(*node, ring[(at + 1) % ring.len()]);
        }
        let next: Vec<usize> = (0..nodes.len()).filter(honest).collect();
        let elsewhere = next
            .iter()
            .find(|it| **it / size.nodes == (party + 1) % size.parties);
        if let (Some(a), Some(b)) = (ring.first(), elsewhere) {
            join(*a, *b);
        }
    }
    for node in 0..nodes.len() {
        let chords = if honest(&node) { 1 } else { 3 };
        for _ in 0..chords {
            join(node, random.below(nodes.len()));
        }
    }
    links
}

impl Simulation {
    pub(super) fn ends_of(&self, node: usize) -> Vec<(usize, usize)> {
        let ends = self.links.iter().enumerate().flat_map(|(link, it)| {
            let sides = it.ends.iter().enumerate();
            sides.map(move |(side, end)| (link, side, end))
        });
        ends.filter(|(_, _, end)| end.node == node && end.session.is_some())
            .map(|(link, side, _)| (link, side))
            .collect()
    }

    pub(super) fn connect(&mut self, link: usize) {
        if self.links[link].is_up() {
            return;
        }
        let [a, b] = [0, 1].map(|side| self.links[link].ends[side].node);
        let reachable = self.sides[a] == self.sides[b];
        if !reachable || !self.nodes[a].is_up() || !self.nodes[b].is_up() {
            return self.connect_later(link);
        }
        self.links[link].stream += 1;
        for side in 0..2 {
            self.peers += 1;
            let role = [Role::Opener, Role::Acceptor][side];
            let session = Session::new(role, PeerNumber(self.peers), self.random.bytes());
            let end = &mut self.links[link].ends[side];
            end.session = Some(session);
            end.synced = false;
            end.open.clear();
            end.opened_by = None;
        }
        self.open_spaces(link, 0);
        self.open_spaces(link, 1);
    }

    fn connect_later(&mut self, link: usize) {
        let pause = AGAIN_MS + self.random.below(AGAIN_MS as usize) as u64;
        self.queue.add(self.now_ms + pause, Event::Connect { link });
    }

    /// Opens what the peer may read now, governance first, and closes what it may no longer (I9).
    pub(super) fn open_spaces(&mut self, link: usize, side: usize) {
        let (node, peer) = (
            self.links[link].ends[side].node,
            self.links[link].ends[1 - side].node,
        );
        let end = &self.links[link].ends[side];
        if end.session.is_none() || !self.nodes[node].is_up() {
            return;
        }
        let authority = self.nodes[node].authority();
        let same = |(by, synced): &(Arc<Authority>, bool)| {
            Arc::ptr_eq(by, &authority) && *synced == end.synced
        };
        if end.opened_by.as_ref().is_some_and(same) {
            return;
        }
        let key = self.nodes[peer].key;
        let mut now = BTreeSet::from([authority.governance_space()]);
        if end.synced {
            let spaces = authority.spaces().keys();
            now.extend(spaces.filter(|it| authority.may_read(Some(&key), **it)));
        }
        let closed: Vec<SpaceId> = end.open.difference(&now).copied().collect();
        let opened: Vec<SpaceId> = now.difference(&end.open).copied().collect();
        let end = &mut self.links[link].ends[side];
        end.open = now;
        end.opened_by = Some((authority, end.synced));
        // At the front: nothing more may be said about a space that is closed.
        for space in closed {
            self.work
                .push_front((link, side, Input::SpaceClosed(space)));
        }
        for space in opened {
            self.work.push_back((link, side, Input::SpaceOpened(space)));
        }
    }

    pub(super) fn send(&mut self, link: usize, side: usize, message: Message) {
        let end = &self.links[link].ends[side];
        let (node, peer) = (end.node, self.links[link].ends[1 - side].node);
        // As the writer of a node does: what the peer may no longer read is not said any more.
        let (authority, key) = (self.nodes[node].authority(), self.nodes[peer].key);
        let Some(message) = message.only_about(|it| authority.may_read(Some(&key), *it)) else {
            return;
        };
        if self.nodes[node].malice.is_none() {
            self.check_sent(node, peer, &message);
        }
        let frames = match self.nodes[node].malice {
            None => {
                let frame = message.to_frame();
                if let Err(error) = Message::decode(&frame[4..]) {
                    let what = format!("node {node}: {error}: {message:?}");
                    self.broken("honest_frames_can_be_read", what);
                }
                vec![frame]
            }
            Some(malice) => malice::distort(malice, message, &mut self.random),
        };
        for frame in frames {
            let delay = 5 + self.random.below(DELAY_MAX_MS) as u64;
            let stream = self.links[link].stream;
            let end = &mut self.links[link].ends[1 - side];
            let at = (self.now_ms + delay).max(end.last_arrival_ms + 1);
            end.last_arrival_ms = at;
            let side = 1 - side;
            self.queue.add(
                at,
                Event::Arrive {
                    link,
                    side,
                    stream,
                    frame,
                },
            );
        }
    }

    pub(super) fn arrive(
        &mut self,
        link: usize,
        side: usize,
        stream: u64,
        frame: &[u8],
        line: &mut super::Step,
    ) {
        let end = &self.links[link].ends[side];
        line.from = Some(self.links[link].ends[1 - side].node);
        if self.links[link].stream != stream || end.session.is_none() {
            line.detail = "lost with its stream".to_owned();
            return;
        }
        self.report.frames += 1;
        match self.message_of(frame) {
            Some(message) => {
                line.detail = malice::describe(&message);
                self.work.push_back((link, side, Input::Received(message)));
            }
            None => {
                line.detail = "garbage".to_owned();
                self.caught(link, side, "sent no message");
                self.hang_up(link);
            }
        }
    }

    pub(super) fn tick(&mut self, node: usize) {
        for (link, side) in self.ends_of(node) {
            self.work.push_back((link, side, Input::Tick));
        }
    }

    /// Ends the stream of a link; it is tried again later.
    pub(super) fn hang_up(&mut self, link: usize) {
        self.work.retain(|(of, _, _)| *of != link);
        for side in 0..2 {
            let end = &mut self.links[link].ends[side];
            if let Some(session) = end.session.take() {
                let node = end.node;
                self.nodes[node].in_flight.release_peer(session.peer());
            }
        }
        self.connect_later(link);
    }

    pub(super) fn hang_up_all(&mut self, node: usize) {
        for (link, _) in self.ends_of(node) {
            self.hang_up(link);
        }
    }

    /// Ends all streams between different sides of a partition.
    pub(super) fn cut_links(&mut self) {
        for link in 0..self.links.len() {
            let [a, b] = [0, 1].map(|side| self.links[link].ends[side].node);
            if self.links[link].is_up() && self.sides[a] != self.sides[b] {
                self.hang_up(link);
            }
        }
    }

    /// After healing the honest readers of each space find each other, whatever changed since.
    pub(super) fn join_readers(&mut self) {
        let Some(some) = self.nodes.iter().find(|it| it.malice.is_none()) else {
            return;
        };
        let spaces: Vec<SpaceId> = some.authority().spaces().keys().copied().collect();
        for space in spaces {
            let readers: Vec<usize> = (0..self.nodes.len())
                .filter(|it| self.nodes[*it].malice.is_none() && self.nodes[*it].reads(&space))
                .collect();
            for pair in readers.windows(2) {
                if !self.links.iter().any(|it| it.joins(pair[0], pair[1])) {
                    self.links.push(Link::new(pair[0], pair[1]));
                    let link = self.links.len() - 1;
                    self.queue.add(self.now_ms + 1, Event::Connect { link });
                }
            }
        }
    }
}
