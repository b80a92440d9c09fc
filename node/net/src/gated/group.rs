//! The gossipsub of one group.

use libp2p::PeerId;
use libp2p::core::ConnectedPoint;
use libp2p::gossipsub::{self, MessageAuthenticity, MessageId, ValidationMode, Version};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionId, NetworkBehaviour, THandler,
};

use super::upgrade::Inner;
use crate::config::{GOSSIP_PROTOCOL, MAX_GOSSIP_BYTES, MAX_TOPICS};
use crate::error::StartError;
use crate::event::GossipGroup;

/// Room for the envelope (topic, lengths) around the largest gossip message.
const GOSSIP_ENVELOPE_BYTES: usize = 1_024;

/// Messages that wait for one slow peer.
const GOSSIP_QUEUE_MESSAGES: usize = 512;

const GOSSIP_MESSAGES_PER_RPC: usize = 256;

/// Peers that each node passes every message on to, give or take one. A node gets about as many
/// copies less one; whoever is missed gets it by sync.
const MESH_PEERS: usize = 3;

type SubscriptionFilter =
    gossipsub::MaxCountSubscriptionFilter<gossipsub::AllowAllSubscriptionFilter>;

pub(super) type Gossip = gossipsub::Behaviour<gossipsub::IdentityTransform, SubscriptionFilter>;
pub(super) type GossipHandler = THandler<Gossip>;

/// Peer scoring stays off: it drops the only peer of a busy publisher, and punishes people who
/// share an office's address. The owner blocks those who send nonsense.
///
/// What was gossiped is not offered again (`history_gossip` of 0): gossipsub would answer from its
/// own memory, which knows nothing of erasures. Whoever misses a message gets it by sync.
pub(super) fn build(group: GossipGroup) -> Result<Gossip, StartError> {
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id(GOSSIP_PROTOCOL, Version::V1_1)
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(move |message: &gossipsub::Message| {
            MessageId::from(gossip_hash(&group, message.topic.as_str(), &message.data).to_vec())
        })
        .max_transmit_size(MAX_GOSSIP_BYTES + GOSSIP_ENVELOPE_BYTES)
        .max_publish_messages(GOSSIP_MESSAGES_PER_RPC)
        .connection_handler_queue_len(GOSSIP_QUEUE_MESSAGES)
        .mesh_n_low(MESH_PEERS - 1)
        .mesh_n(MESH_PEERS)
        .mesh_n_high(MESH_PEERS + 1)
        .mesh_outbound_min(1)
        .flood_publish(false)
        .history_gossip(0)
        .build()
        .map_err(|error| StartError::Build(error.to_string()))?;
    let filter = gossipsub::MaxCountSubscriptionFilter {
        filter: gossipsub::AllowAllSubscriptionFilter {},
        max_subscribed_topics: MAX_TOPICS,
        max_subscriptions_per_request: MAX_TOPICS,
    };
    gossipsub::Behaviour::new_with_subscription_filter(
        MessageAuthenticity::Anonymous,
        config,
        filter,
    )
    .map_err(|error| StartError::Build(error.to_owned()))
}

/// How the gossipsub of any group takes a stream. Only a handler tells, and only a connection has
/// one: this asks a gossipsub that is thrown away.
pub(super) fn upgrade() -> Result<Inner, StartError> {
    let endpoint = ConnectedPoint::Listener {
        local_addr: libp2p::Multiaddr::empty(),
        send_back_addr: libp2p::Multiaddr::empty(),
    };
    let mut gossip = build(GossipGroup::new([0; 32]))?;
    let (peer, id) = (PeerId::random(), ConnectionId::new_unchecked(0));
    let handler = handler(&mut gossip, peer, id, &endpoint);
    let handler = handler.map_err(|error| StartError::Build(error.to_string()))?;
    let (upgrade, ()) = handler.listen_protocol().into_upgrade();
    let closed = || StartError::Build("gossipsub takes no streams".to_owned());
    upgrade.left().ok_or_else(closed)
}

/// What gossipsub wants to run on a connection; it knows the connection from here on.
pub(super) fn handler(
    gossip: &mut Gossip,
    peer: PeerId,
    id: ConnectionId,
    endpoint: &ConnectedPoint,
) -> Result<GossipHandler, ConnectionDenied> {
    match endpoint {
        ConnectedPoint::Dialer {
            address,
            role_override,
            port_use,
        } => gossip.handle_established_outbound_connection(
            id,
            peer,
            address,
            *role_override,
            *port_use,
        ),
        ConnectedPoint::Listener {
            local_addr,
            send_back_addr,
        } => gossip.handle_established_inbound_connection(id, peer, local_addr, send_back_addr),
    }
}

/// The length keeps topic and data apart: no two triples give the hash the same input.
pub(crate) fn gossip_hash(group: &GossipGroup, topic: &str, data: &[u8]) -> [u8; 32] {
    let topic_bytes = u64::try_from(topic.len()).expect("a length in memory fits u64");
    let mut hasher = blake3::Hasher::new_derive_key("comity gossip message id v1");
    hasher
        .update(group.as_bytes())
        .update(&topic_bytes.to_be_bytes())
        .update(topic.as_bytes())
        .update(data);
    *hasher.finalize().as_bytes()
}
