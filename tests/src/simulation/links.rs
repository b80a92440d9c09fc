//! Who is connected to whom, and what travels between them.

use super::{Fault, Simulation, Size, malice, nodes::Node, queue::Event};
use crate::random::Random;
use comity_protocol::{
    access::{ShownGrant, VerifiedGrant, may_be_shown_grants, next_end_ms, readable_spaces},
    authority::Authority,
    id::SpaceId,
    sync::{Message, PeerNumber, Role, Session, session::Input},
};
use std::{collections::BTreeSet, sync::Arc};

/// Longest way of a frame, in milliseconds.
const DELAY_MAX_MS: usize = 400;
/// Pause before a lost connection is tried again, in milliseconds.
const AGAIN_MS: u64 = 4_000;

/// How links run and what travels on them.
#[derive(Debug, Clone, Copy)]
pub(super) enum Paths {
    /// Parties in rings, liars anywhere, every frame at its own pace.
    Wild,
    /// Each node calls so many others; frames take equally long, and longer where pieces are lost.
    Even {
        chords: usize,
        one_way_ms: u64,
        loss_percent: usize,
        /// Until a lost piece is sent again.
        again_ms: u64,
    },
}

impl Paths {
    /// How long a frame travels.
    fn delay_ms(self, random: &mut Random) -> u64 {
        match self {
            Self::Wild => 5 + random.below(DELAY_MAX_MS) as u64,
            Self::Even {
                one_way_ms,
                loss_percent,
                again_ms,
                ..
            } => {
                let mut delay = one_way_ms;
                while random.chance(loss_percent) {
                    delay += again_ms;
                }
                delay
            }
        }
    }
}

/// One end of a link.
pub(super) struct End {
    pub(super) node: usize,
    pub(super) session: Option<Session>,
    /// Whether governance was equal once on this stream.
    pub(super) synced: bool,
    open: BTreeSet<SpaceId>,
    /// Grants that the peer has shown.
    pub(super) heard: Vec<VerifiedGrant>,
    /// Grants that were shown to the peer.
    shown: Vec<ShownGrant>,
    readable: Option<Readable>,
    /// Frames arrive in the order in which they were sent.
    last_arrival_ms: u64,
}

/// A pair of nodes that know each other's address.
pub(super) struct Link {
    pub(super) ends: [End; 2],
    /// Number of the stream: what is under way on an older one is lost.
    stream: u64,
}

/// What a peer may read, and what that follows from besides the grants it has shown.
struct Readable {
    spaces: Arc<BTreeSet<SpaceId>>,
    authority: Arc<Authority>,
    until_ms: Option<u64>,
    /// Whether spaces were opened by it while governance was equal, and with so many own grants.
    opened: Option<(bool, usize)>,
}

impl Link {
    fn new(opener: usize, acceptor: usize) -> Self {
        let end = |node| End {
            node,
            session: None,
            synced: false,
            open: BTreeSet::new(),
            heard: Vec::new(),
            shown: Vec::new(),
            readable: None,
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

/// Each node joined to so many others, whoever they are.
pub(super) fn chords(count: usize, each: usize, random: &mut Random) -> Vec<Link> {
    let mut joined = BTreeSet::new();
    for node in 0..count {
        for _ in 0..each {
            let other = random.below(count);
            if other != node {
                joined.insert((node.min(other), node.max(other)));
            }
        }
    }
    joined.into_iter().map(|(a, b)| Link::new(a, b)).collect()
}

/// The longest of the shortest ways between nodes, in links; none if some do not reach each other.
pub(super) fn diameter(links: &[Link], count: usize) -> Option<usize> {
    let mut next = vec![Vec::new(); count];
    for link in links {
        let [a, b] = [0, 1].map(|side| link.ends[side].node);
        next[a].push(b);
        next[b].push(a);
    }
    (0..count)
        .map(|from| farthest(from, &next))
        .try_fold(0, |most, it| Some(most.max(it?)))
}

fn farthest(from: usize, next: &[Vec<usize>]) -> Option<usize> {
    let mut seen = vec![false; next.len()];
    seen[from] = true;
    let (mut reached, mut steps, mut edge) = (1, 0, vec![from]);
    loop {
        let mut further = Vec::new();
        for to in edge.iter().flat_map(|it| &next[*it]) {
            if !std::mem::replace(&mut seen[*to], true) {
                further.push(*to);
            }
        }
        if further.is_empty() {
            return (reached == next.len()).then_some(steps);
        }
        reached += further.len();
        steps += 1;
        edge = further;
    }
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
        let hindered = !reachable || self.connect_is_hindered(a, b);
        if hindered || !self.nodes[a].is_up() || !self.nodes[b].is_up() {
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
            end.heard.clear();
            end.shown.clear();
            end.readable = None;
        }
        self.open_spaces(link, 0);
        self.open_spaces(link, 1);
    }

    fn connect_later(&mut self, link: usize) {
        let pause = AGAIN_MS + self.random.below(AGAIN_MS as usize) as u64;
        self.queue.add(self.now_ms + pause, Event::Connect { link });
    }

    /// Opens what the peer may read now, governance first, and closes what it may no longer (I9).
    /// Shows it the grants of the node's people before.
    pub(super) fn open_spaces(&mut self, link: usize, side: usize) {
        let node = self.links[link].ends[side].node;
        if self.links[link].ends[side].session.is_none() || !self.nodes[node].is_up() {
            return;
        }
        let readable = self.readable(link, side);
        let grants = self.nodes[node].grants.len();
        let end = &mut self.links[link].ends[side];
        let by = Some((end.synced, grants));
        let known = end.readable.as_mut().map(|it| &mut it.opened);
        if known.is_some_and(|known| std::mem::replace(known, by) == by) {
            return;
        }
        let mut now = BTreeSet::from([self.governance]);
        if end.synced {
            now.extend(readable.iter().copied());
        }
        let closed: Vec<SpaceId> = end.open.difference(&now).copied().collect();
        let opened: Vec<SpaceId> = now.difference(&end.open).copied().collect();
        end.open = now;
        if end.synced {
            self.show_grants(link, side);
        }
        // At the front: nothing more may be said about a space that is closed.
        for space in closed {
            self.work
                .push_front((link, side, Input::SpaceClosed(space)));
        }
        for space in opened {
            self.work.push_back((link, side, Input::SpaceOpened(space)));
        }
    }

    /// Shows the peer grants that it may be shown and has not been.
    fn show_grants(&mut self, link: usize, side: usize) {
        let ends = &self.links[link].ends;
        let (node, peer) = (ends[side].node, ends[1 - side].node);
        let authority = self.nodes[node].authority();
        if !may_be_shown_grants(&authority, &self.nodes[peer].key) {
            return;
        }
        let grants = self.nodes[node].grants.iter().map(VerifiedGrant::grant);
        let holding = grants.filter(|it| self.now_ms < it.expires_ms);
        let grants: Vec<ShownGrant> = holding.map(|it| it.shown()).collect();
        let end = &mut self.links[link].ends[side];
        if end.shown != grants {
            end.shown.clone_from(&grants);
            let community = self.world.id;
            let input = Input::ShowGrants { community, grants };
            self.work.push_back((link, side, input));
        }
    }

    /// Takes the grants that the peer shows in place of earlier ones, as far as they hold for it.
    pub(super) fn granted(&mut self, link: usize, side: usize, grants: &[ShownGrant]) {
        let (community, ends) = (self.world.id, &mut self.links[link].ends);
        let key = self.nodes[ends[1 - side].node].key;
        let verified = grants.iter().map(|it| it.verify(community, key));
        ends[side].heard = verified.filter_map(Result::ok).collect();
        ends[side].readable = None;
    }

    /// What the peer may read now, as the node at this side knows.
    fn readable(&mut self, link: usize, side: usize) -> Arc<BTreeSet<SpaceId>> {
        let [own, other] = [side, 1 - side].map(|it| self.links[link].ends[it].node);
        let authority = self.nodes[own].authority();
        let end = &mut self.links[link].ends[side];
        if let Some(known) = &end.readable
            && Arc::ptr_eq(&known.authority, &authority)
            && known.until_ms.is_none_or(|end| self.now_ms < end)
        {
            return known.spaces.clone();
        }
        let key = self.nodes[other].key;
        let spaces = match self.fault {
            Some(Fault::GatesOpen) => authority.spaces().keys().copied().collect(),
            _ => readable_spaces(&authority, &key, &end.heard, self.now_ms),
        };
        let spaces = Arc::new(spaces);
        end.readable = Some(Readable {
            spaces: spaces.clone(),
            authority,
            until_ms: next_end_ms(&end.heard, self.now_ms),
            opened: None,
        });
        spaces
    }

    fn connect_is_hindered(&self, a: usize, b: usize) -> bool {
        let first = self.nodes.iter().position(|it| it.malice.is_none());
        self.fault == Some(Fault::NeverConnects) && first.is_some_and(|it| it == a || it == b)
    }

    pub(super) fn send(&mut self, link: usize, side: usize, message: Message) {
        let node = self.links[link].ends[side].node;
        // As the writer of a node does: what the peer may no longer read is not said any more.
        let readable = self.readable(link, side);
        let governance = self.governance;
        let passes = |it: &SpaceId| *it == governance || readable.contains(it);
        let Some(message) = message.only_about(passes) else {
            return;
        };
        if self.nodes[node].malice.is_none() {
            self.check_sent(link, side, &message);
        }
        let frames = match self.nodes[node].malice {
            None => {
                let mut frame = message.to_frame();
                if self.fault == Some(Fault::FramesCut) && self.random.chance(1) {
                    frame.pop();
                }
                if let Err(error) = Message::decode(&frame[4..]) {
                    let what = format!("node {node}: {error}: {message:?}");
                    self.broken("honest_frames_can_be_read", what);
                }
                if self.fault == Some(Fault::FramesChanged) && self.random.chance(1) {
                    frame[4] ^= 0xff;
                }
                vec![frame]
            }
            Some(malice) => {
                let restricted = self.world.restricted().iter().map(|it| it.space);
                let restricted: Vec<SpaceId> = restricted.collect();
                malice::distort(malice, message, &restricted, &mut self.random)
            }
        };
        for frame in frames {
            let delay = self.paths.delay_ms(&mut self.random);
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
        for (_, a, b) in self.pairs() {
            if !self.links.iter().any(|it| it.joins(a, b)) {
                self.links.push(Link::new(a, b));
                let link = self.links.len() - 1;
                self.queue.add(self.now_ms + 1, Event::Connect { link });
            }
        }
    }
}
