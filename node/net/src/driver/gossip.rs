//! Gossip: who takes part, topics, publishing, and messages that wait for their owner's judgement.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use libp2p::PeerId;
use libp2p::gossipsub::{self, MessageAcceptance, MessageId, PublishError as SwarmPublishError};

use super::Driver;
use crate::command::GossipCommand;
use crate::config::MAX_GOSSIP_BYTES;
use crate::error::{PublishError, SubscribeError};
use crate::event::{Event, GossipGroup, GossipId};
use crate::gated::gossip_hash;
use crate::network::Verdict;

/// Messages whose judgement is still awaited; the oldest make room.
const MAX_UNJUDGED: usize = 4_096;

/// Who brought a message that was not judged yet: gossipsub wants to know it again.
#[derive(Default)]
pub(super) struct Unjudged {
    sources: BTreeMap<GossipId, (GossipGroup, PeerId)>,
    arrival: VecDeque<GossipId>,
}

impl Unjudged {
    fn insert(&mut self, id: GossipId, source: (GossipGroup, PeerId)) {
        if self.arrival.len() >= MAX_UNJUDGED
            && let Some(oldest) = self.arrival.pop_front()
        {
            self.sources.remove(&oldest);
        }
        self.arrival.push_back(id);
        self.sources.insert(id, source);
    }
}

impl Driver {
    pub(super) fn on_gossip_command(&mut self, command: GossipCommand) {
        // A caller that no longer waits for its reply is no error, hence the ignored results.
        match command {
            GossipCommand::Admit {
                peer,
                groups,
                reply,
            } => {
                let _ = reply.send(self.admit(peer, groups));
            }
            GossipCommand::Subscribe {
                group,
                topic,
                reply,
            } => {
                let _ = reply.send(self.subscribe(group, &topic));
            }
            GossipCommand::Unsubscribe {
                group,
                topic,
                reply,
            } => {
                let _ = reply.send(self.unsubscribe(group, &topic));
            }
            GossipCommand::Publish {
                group,
                topic,
                data,
                reply,
            } => {
                let _ = reply.send(self.publish(group, &topic, data));
            }
            GossipCommand::ReportValidation { id, verdict, reply } => {
                let _ = reply.send(self.report_validation(id, verdict));
            }
        }
    }

    fn admit(&mut self, peer: PeerId, groups: BTreeSet<GossipGroup>) -> bool {
        // Who was blocked may be slow to let go of its connection.
        self.peers.is_connected(&peer) && self.swarm.behaviour_mut().gossip.admit(peer, groups)
    }

    fn subscribe(&mut self, group: GossipGroup, topic: &str) -> Result<bool, SubscribeError> {
        self.swarm.behaviour_mut().gossip.subscribe(group, topic)
    }

    fn unsubscribe(&mut self, group: GossipGroup, topic: &str) -> bool {
        self.swarm.behaviour_mut().gossip.unsubscribe(group, topic)
    }

    fn publish(
        &mut self,
        group: GossipGroup,
        topic: &str,
        data: Vec<u8>,
    ) -> Result<GossipId, PublishError> {
        let (id, bytes) = (GossipId(gossip_hash(&group, topic, &data)), data.len());
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        let published = gossip.publish(group, topic, data);
        match published {
            Ok(_) => {
                self.metrics.gossip_published += 1;
                Ok(id)
            }
            Err(SwarmPublishError::Duplicate) => Err(PublishError::Duplicate),
            Err(SwarmPublishError::NoPeersSubscribedToTopic) => Err(PublishError::NoPeers),
            Err(SwarmPublishError::AllQueuesFull(peers)) => Err(PublishError::QueuesFull { peers }),
            Err(SwarmPublishError::MessageTooLarge) => Err(PublishError::TooLarge {
                bytes,
                max_bytes: MAX_GOSSIP_BYTES,
            }),
            Err(other) => Err(PublishError::Refused(other.to_string())),
        }
    }

    fn report_validation(&mut self, id: GossipId, verdict: Verdict) -> bool {
        let Some((group, source)) = self.unjudged.sources.remove(&id) else {
            return false;
        };
        self.unjudged.arrival.retain(|waiting| *waiting != id);
        match verdict {
            Verdict::Accept => self.metrics.gossip_accepted += 1,
            Verdict::Reject => self.metrics.gossip_rejected += 1,
            Verdict::Ignore => {}
        }
        self.judge(id, (group, source), verdict)
    }

    fn judge(
        &mut self,
        id: GossipId,
        (group, source): (GossipGroup, PeerId),
        verdict: Verdict,
    ) -> bool {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Reject => MessageAcceptance::Reject,
            Verdict::Ignore => MessageAcceptance::Ignore,
        };
        let id = MessageId::from(id.0.to_vec());
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.judge(group, &id, &source, acceptance)
    }

    pub(super) fn on_gossip_event(&mut self, group: GossipGroup, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source: source,
                message,
                ..
            } => {
                self.on_gossip(group, source, message);
            }
            gossipsub::Event::SlowPeer {
                peer_id,
                failed_messages,
            } => {
                let lost = failed_messages.priority + failed_messages.non_priority;
                let lost = u64::try_from(lost).unwrap_or(u64::MAX);
                self.metrics.gossip_not_sent += lost;
                tracing::debug!(peer = %peer_id, lost, "a peer is too slow for gossip");
            }
            gossipsub::Event::Subscribed { .. }
            | gossipsub::Event::Unsubscribed { .. }
            | gossipsub::Event::GossipsubNotSupported { .. } => {}
        }
    }

    fn on_gossip(&mut self, group: GossipGroup, source: PeerId, message: gossipsub::Message) {
        self.metrics.gossip_received += 1;
        let topic = message.topic.into_string();
        let id = GossipId(gossip_hash(&group, &topic, &message.data));
        let is_welcome = self.peers.is_connected(&source);
        if !is_welcome || message.data.len() > MAX_GOSSIP_BYTES {
            self.judge(id, (group, source), Verdict::Reject);
            return;
        }
        let event = Event::Gossip {
            source,
            group,
            topic,
            data: message.data,
            id,
        };
        if self.events.push(event) {
            self.unjudged.insert(id, (group, source));
        } else {
            // Nobody will judge it, so gossipsub need not keep it.
            self.judge(id, (group, source), Verdict::Ignore);
        }
    }
}
