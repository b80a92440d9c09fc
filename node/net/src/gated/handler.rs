//! Gossip on one connection: a handler of gossipsub for each group that the peer was admitted to,
//! and unread streams of groups that it was not (yet).

use std::collections::BTreeMap;
use std::fmt;
use std::task::{Context, Poll};

use futures::future::Either;
use libp2p::swarm::handler::{
    ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound,
};
use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, StreamUpgradeError, SubstreamProtocol,
};

use super::group::GossipHandler;
use super::upgrade::{Agreed, Inner, Listening, Opening};
use crate::config::MAX_GOSSIP_GROUPS_PER_PEER;
use crate::event::GossipGroup;

type FromGossip = <GossipHandler as ConnectionHandler>::FromBehaviour;
type ToGossip = <GossipHandler as ConnectionHandler>::ToBehaviour;

/// What the behaviour has a connection do.
pub(crate) enum ToHandler {
    /// The peer takes part in a group now.
    Open(GossipGroup, Box<GossipHandler>),
    /// It does not any more.
    Close(GossipGroup),
    /// From the gossipsub of a group.
    Said(GossipGroup, FromGossip),
}

impl fmt::Debug for ToHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(group, _) => f.debug_tuple("Open").field(group).finish(),
            Self::Close(group) => f.debug_tuple("Close").field(group).finish(),
            Self::Said(group, event) => f.debug_tuple("Said").field(group).field(event).finish(),
        }
    }
}

/// Which handler asked for a stream: another one may stand in its place when the stream is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    group: GossipGroup,
    number: u64,
}

struct Open {
    number: u64,
    handler: GossipHandler,
}

pub(crate) struct Handler {
    upgrade: Inner,
    open: BTreeMap<GossipGroup, Open>,
    opened: u64,
    /// At most one for each group, so that who admits first is heard by who admits second. They are
    /// not read: what a peer sends on one fills the window of the stream, and then the peer waits.
    waiting: BTreeMap<GossipGroup, Agreed>,
}

impl Handler {
    pub(super) fn new(upgrade: Inner) -> Self {
        Self {
            upgrade,
            open: BTreeMap::new(),
            opened: 0,
            waiting: BTreeMap::new(),
        }
    }

    fn asked(&mut self, asked: Asked) -> Option<&mut GossipHandler> {
        let open = self.open.get_mut(&asked.group)?;
        (open.number == asked.number).then_some(&mut open.handler)
    }

    /// A stream that the peer opened. Which groups are known here must not show in what becomes of
    /// it.
    fn take_in(&mut self, group: GossipGroup, stream: Agreed) {
        if let Some(open) = self.open.get_mut(&group) {
            hand_over(&mut open.handler, stream);
        } else if self.waiting.len() < MAX_GOSSIP_GROUPS_PER_PEER
            || self.waiting.contains_key(&group)
        {
            self.waiting.insert(group, stream);
        }
    }
}

fn hand_over(handler: &mut GossipHandler, stream: Agreed) {
    handler.on_connection_event(ConnectionEvent::FullyNegotiatedInbound(
        FullyNegotiatedInbound {
            protocol: Either::Left(stream),
            info: (),
        },
    ));
}

impl ConnectionHandler for Handler {
    type FromBehaviour = ToHandler;
    type ToBehaviour = (GossipGroup, ToGossip);
    type InboundProtocol = Listening;
    type OutboundProtocol = Opening;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = Asked;

    fn listen_protocol(&self) -> SubstreamProtocol<Listening> {
        SubstreamProtocol::new(Listening(self.upgrade.clone()), ())
    }

    fn connection_keep_alive(&self) -> bool {
        let mut open = self.open.values();
        open.any(|open| open.handler.connection_keep_alive())
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Opening, Asked, Self::ToBehaviour>> {
        for (group, open) in &mut self.open {
            if let Poll::Ready(event) = open.handler.poll(cx) {
                let (group, number) = (*group, open.number);
                return Poll::Ready(
                    event
                        .map_custom(|event| (group, event))
                        .map_outbound_open_info(|()| Asked { group, number })
                        .map_protocol(|inner| Opening { group, inner }),
                );
            }
        }
        Poll::Pending
    }

    fn on_behaviour_event(&mut self, event: ToHandler) {
        match event {
            ToHandler::Open(group, mut handler) => {
                if let Some(stream) = self.waiting.remove(&group) {
                    hand_over(&mut handler, stream);
                }
                self.opened += 1;
                let (number, handler) = (self.opened, *handler);
                self.open.insert(group, Open { number, handler });
            }
            // Its streams are reset.
            ToHandler::Close(group) => drop(self.open.remove(&group)),
            ToHandler::Said(group, event) => {
                if let Some(open) = self.open.get_mut(&group) {
                    open.handler.on_behaviour_event(event);
                }
            }
        }
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<'_, Listening, Opening, (), Asked>) {
        match event {
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound {
                protocol: (group, stream),
                ..
            }) => self.take_in(group, stream),
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound {
                protocol,
                info,
            }) => {
                if let Some(handler) = self.asked(info) {
                    let info = ();
                    let event = FullyNegotiatedOutbound { protocol, info };
                    handler.on_connection_event(ConnectionEvent::FullyNegotiatedOutbound(event));
                }
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { info, error }) => {
                let error = match error {
                    StreamUpgradeError::Timeout => StreamUpgradeError::Timeout,
                    StreamUpgradeError::NegotiationFailed => StreamUpgradeError::NegotiationFailed,
                    StreamUpgradeError::Io(error) | StreamUpgradeError::Apply(error) => {
                        StreamUpgradeError::Io(error)
                    }
                };
                if let Some(handler) = self.asked(info) {
                    let event = DialUpgradeError { info: (), error };
                    handler.on_connection_event(ConnectionEvent::DialUpgradeError(event));
                }
            }
            // gossipsub asks for no others, but for failed streams of peers, which it only counts.
            _ => {}
        }
    }
}
