//! Gossip: topics, publishing, and messages that wait for their owner's judgement.

use std::collections::{BTreeMap, VecDeque};

use libp2p::PeerId;
use libp2p::gossipsub::{
    self, IdentTopic, MessageAcceptance, MessageId, PublishError as SwarmPublishError,
};

use super::Driver;
use crate::behaviour::gossip_hash;
use crate::config::{MAX_GOSSIP_BYTES, MAX_TOPICS};
use crate::error::{PublishError, SubscribeError};
use crate::event::{Event, GossipId};
use crate::network::Verdict;

/// Messages whose judgement is still awaited; the oldest make room.
const MAX_UNJUDGED: usize = 4_096;

/// Who brought a message that was not judged yet: gossipsub wants to know it again.
#[derive(Default)]
pub(super) struct Unjudged {
    sources: BTreeMap<GossipId, PeerId>,
    arrival: VecDeque<GossipId>,
}

impl Unjudged {
    fn insert(&mut self, id: GossipId, source: PeerId) {
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
    pub(super) fn subscribe(&mut self, topic: &str) -> Result<bool, SubscribeError> {
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        if gossip.topics().count() >= MAX_TOPICS {
            return Err(SubscribeError::TooMany { max: MAX_TOPICS });
        }
        gossip
            .subscribe(&IdentTopic::new(topic))
            .map_err(|error| SubscribeError::Refused(error.to_string()))
    }

    pub(super) fn unsubscribe(&mut self, topic: &str) -> bool {
        self.swarm
            .behaviour_mut()
            .gossip
            .unsubscribe(&IdentTopic::new(topic))
    }

    pub(super) fn publish(&mut self, topic: &str, data: Vec<u8>) -> Result<GossipId, PublishError> {
        let (id, bytes) = (GossipId(gossip_hash(topic, &data)), data.len());
        let published = self
            .swarm
            .behaviour_mut()
            .gossip
            .publish(IdentTopic::new(topic), data);
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

    pub(super) fn report_validation(&mut self, id: GossipId, verdict: Verdict) -> bool {
        let Some(source) = self.unjudged.sources.remove(&id) else {
            return false;
        };
        self.unjudged.arrival.retain(|waiting| *waiting != id);
        match verdict {
            Verdict::Accept => self.metrics.gossip_accepted += 1,
            Verdict::Reject => self.metrics.gossip_rejected += 1,
            Verdict::Ignore => {}
        }
        self.judge(id, source, verdict)
    }

    fn judge(&mut self, id: GossipId, source: PeerId, verdict: Verdict) -> bool {
        let acceptance = match verdict {
            Verdict::Accept => MessageAcceptance::Accept,
            Verdict::Reject => MessageAcceptance::Reject,
            Verdict::Ignore => MessageAcceptance::Ignore,
        };
        let id = MessageId::from(id.0.to_vec());
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.report_message_validation_result(&id, &source, acceptance)
    }

    pub(super) fn on_gossip_event(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source: source,
                message,
                ..
            } => {
                self.on_gossip(source, message);
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

    fn on_gossip(&mut self, source: PeerId, message: gossipsub::Message) {
        self.metrics.gossip_received += 1;
        let topic = message.topic.into_string();
        let id = GossipId(gossip_hash(&topic, &message.data));
        let is_welcome = self.peers.is_connected(&source);
        if !is_welcome || message.data.len() > MAX_GOSSIP_BYTES {
            self.judge(id, source, Verdict::Reject);
            return;
        }
        let event = Event::Gossip {
            source,
            topic,
            data: message.data,
            id,
        };
        if self.events.push(event) {
            self.unjudged.insert(id, source);
        } else {
            // Nobody will judge it, so gossipsub need not keep it.
            self.judge(id, source, Verdict::Ignore);
        }
    }
}
