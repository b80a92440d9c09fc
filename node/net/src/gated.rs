//! Gossip, kept from those whom it does not concern.
//!
//! gossipsub names all its topics to everybody who connects. So topics belong to groups here; each
//! group is a gossipsub of its own, on streams that begin with its name, and a peer takes part in
//! those that the owner admitted it to. Before that no gossipsub knows of the peer: no stream is
//! opened to it, nothing is queued for it, and what it sends waits unread on its streams, whatever
//! group they name.

mod group;
mod handler;
mod upgrade;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::gossipsub::{
    self, IdentTopic, MessageAcceptance, MessageId, PublishError as SwarmPublishError,
};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NotifyHandler, THandler,
    THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use crate::config::{MAX_GOSSIP_GROUPS, MAX_GOSSIP_GROUPS_PER_PEER, MAX_TOPICS};
use crate::error::{StartError, SubscribeError};
use crate::event::GossipGroup;

use group::Gossip;
pub(crate) use group::gossip_hash;
use handler::{Handler, ToHandler};
use upgrade::Inner;

/// A peer that is connected.
#[derive(Default)]
struct Known {
    connections: BTreeMap<ConnectionId, ConnectedPoint>,
    /// Each of these groups exists, and its gossipsub knows each of the connections.
    admitted: BTreeSet<GossipGroup>,
}

pub(crate) struct Behaviour {
    /// Made when first named by the owner; they stay.
    groups: BTreeMap<GossipGroup, Gossip>,
    peers: BTreeMap<PeerId, Known>,
    /// Emptied by the swarm before it does anything else.
    outgoing: VecDeque<ToSwarm<(GossipGroup, gossipsub::Event), ToHandler>>,
    upgrade: Inner,
}

impl Behaviour {
    pub(crate) fn new() -> Result<Self, StartError> {
        Ok(Self {
            groups: BTreeMap::new(),
            peers: BTreeMap::new(),
            outgoing: VecDeque::new(),
            upgrade: group::upgrade()?,
        })
    }

    /// Has a connected peer take part in these groups and no others, up to the limit of groups;
    /// `false` if it is not connected. This ends with its last connection.
    pub(crate) fn admit(&mut self, peer: PeerId, groups: BTreeSet<GossipGroup>) -> bool {
        let Some(known) = self.peers.get(&peer) else {
            return false;
        };
        let before = known.admitted.clone();
        let connections: Vec<_> = known.connections.clone().into_iter().collect();
        let mut after = BTreeSet::new();
        for group in groups.into_iter().take(MAX_GOSSIP_GROUPS_PER_PEER) {
            if self.group(group).is_some() {
                after.insert(group);
            }
        }
        for group in before.difference(&after) {
            for (others_left, (id, endpoint)) in connections.iter().enumerate().rev() {
                self.end(*group, peer, *id, endpoint, others_left);
                self.tell(peer, *id, ToHandler::Close(*group));
            }
        }
        for group in after.difference(&before) {
            for (others, (id, endpoint)) in connections.iter().enumerate() {
                self.begin(*group, peer, *id, endpoint, others);
            }
        }
        if let Some(known) = self.peers.get_mut(&peer) {
            known.admitted = after;
        }
        true
    }

    /// The gossipsub of a group, made if need be; none if there are too many.
    fn group(&mut self, group: GossipGroup) -> Option<&mut Gossip> {
        let is_full = self.groups.len() >= MAX_GOSSIP_GROUPS;
        if is_full && !self.groups.contains_key(&group) {
            return None;
        }
        let made = || group::build(group).expect("another group was built in the beginning");
        Some(self.groups.entry(group).or_insert_with(made))
    }

    /// Introduces a connection to the gossipsub of a group.
    fn begin(
        &mut self,
        group: GossipGroup,
        peer: PeerId,
        id: ConnectionId,
        endpoint: &ConnectedPoint,
        other_established: usize,
    ) {
        let Some(gossip) = self.groups.get_mut(&group) else {
            return;
        };
        let handler = match group::handler(gossip, peer, id, endpoint) {
            Ok(handler) => Box::new(handler),
            // gossipsub denies nobody.
            Err(error) => return tracing::warn!(%peer, %error, "no gossip on a connection"),
        };
        gossip.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id: peer,
            connection_id: id,
            endpoint,
            failed_addresses: &[],
            other_established,
        }));
        self.tell(peer, id, ToHandler::Open(group, handler));
    }

    /// Takes leave of a connection in the gossipsub of a group.
    fn end(
        &mut self,
        group: GossipGroup,
        peer: PeerId,
        id: ConnectionId,
        endpoint: &ConnectedPoint,
        remaining_established: usize,
    ) {
        if let Some(gossip) = self.groups.get_mut(&group) {
            gossip.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id: peer,
                connection_id: id,
                endpoint,
                cause: None,
                remaining_established,
            }));
        }
    }

    fn tell(&mut self, peer_id: PeerId, connection: ConnectionId, event: ToHandler) {
        self.outgoing.push_back(ToSwarm::NotifyHandler {
            peer_id,
            handler: NotifyHandler::One(connection),
            event,
        });
    }

    pub(crate) fn subscribe(
        &mut self,
        group: GossipGroup,
        topic: &str,
    ) -> Result<bool, SubscribeError> {
        let topics = self.groups.values().map(|it| it.topics().count());
        if topics.sum::<usize>() >= MAX_TOPICS {
            return Err(SubscribeError::TooMany { max: MAX_TOPICS });
        }
        let Some(gossip) = self.group(group) else {
            return Err(SubscribeError::TooManyGroups {
                max: MAX_GOSSIP_GROUPS,
            });
        };
        gossip
            .subscribe(&IdentTopic::new(topic))
            .map_err(|error| SubscribeError::Refused(error.to_string()))
    }

    pub(crate) fn unsubscribe(&mut self, group: GossipGroup, topic: &str) -> bool {
        self.groups
            .get_mut(&group)
            .is_some_and(|gossip| gossip.unsubscribe(&IdentTopic::new(topic)))
    }

    pub(crate) fn publish(
        &mut self,
        group: GossipGroup,
        topic: &str,
        data: Vec<u8>,
    ) -> Result<MessageId, SwarmPublishError> {
        match self.groups.get_mut(&group) {
            Some(gossip) => gossip.publish(IdentTopic::new(topic), data),
            None => Err(SwarmPublishError::NoPeersSubscribedToTopic),
        }
    }

    pub(crate) fn judge(
        &mut self,
        group: GossipGroup,
        id: &MessageId,
        source: &PeerId,
        acceptance: MessageAcceptance,
    ) -> bool {
        self.groups
            .get_mut(&group)
            .is_some_and(|gossip| gossip.report_message_validation_result(id, source, acceptance))
    }

    fn established(&mut self, event: &ConnectionEstablished<'_>) {
        let known = self.peers.entry(event.peer_id).or_default();
        let others = known.connections.len();
        known
            .connections
            .insert(event.connection_id, event.endpoint.clone());
        for group in known.admitted.clone() {
            let (peer, id) = (event.peer_id, event.connection_id);
            self.begin(group, peer, id, event.endpoint, others);
        }
    }

    fn closed(&mut self, event: &ConnectionClosed<'_>) {
        let (peer, id) = (event.peer_id, event.connection_id);
        let Some(known) = self.peers.get_mut(&peer) else {
            return;
        };
        if known.connections.remove(&id).is_none() {
            return;
        }
        let left = known.connections.len();
        let admitted = known.admitted.clone();
        if left == 0 {
            self.peers.remove(&peer);
        }
        for group in admitted {
            self.end(group, peer, id, event.endpoint, left);
        }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Handler;
    type ToSwarm = (GossipGroup, gossipsub::Event);

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.upgrade.clone()))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(Handler::new(self.upgrade.clone()))
    }

    /// gossipsub asks for no other events, but for changed addresses, which only scores need.
    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(event) => self.established(&event),
            FromSwarm::ConnectionClosed(event) => self.closed(&event),
            _ => {}
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        (group, event): THandlerOutEvent<Self>,
    ) {
        // What a peer said before it lost its admission may still be on its way here.
        let known = self.peers.get(&peer);
        if known.is_some_and(|it| it.admitted.contains(&group))
            && let Some(gossip) = self.groups.get_mut(&group)
        {
            gossip.on_connection_handler_event(peer, connection, event);
        }
    }

    /// What is for handlers comes first, so that each is there before its gossipsub speaks to it.
    /// Needs no waker for it: the driver polls the swarm after each command.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        if let Some(event) = self.outgoing.pop_front() {
            return Poll::Ready(event);
        }
        for (group, gossip) in &mut self.groups {
            if let Poll::Ready(event) = gossip.poll(cx) {
                let event = event.map_out(|event| (*group, event));
                return Poll::Ready(event.map_in(|event| ToHandler::Said(*group, event)));
            }
        }
        Poll::Pending
    }
}
