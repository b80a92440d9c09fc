//! Announcements that are heard a moment later, where gossip may bring the entry itself.
//!
//! Gossip and announcements of the same entry start together. Asked at once, the peer would send a
//! second copy of nearly everything; a moment later most of it is here.

use comity_protocol::{id::SpaceId, sync::Message};
use std::{
    collections::VecDeque,
    future::pending,
    time::{Duration, Instant},
};

/// How long gossip has to bring what a peer announced.
const GOSSIP_HAS: Duration = Duration::from_millis(500);
/// Announcements that are put off at one time; more are heard at once.
const LATE_MAX: usize = 256;

/// Announcements put off, oldest first. See the [module documentation](self).
#[derive(Default)]
pub(super) struct Late(VecDeque<(Instant, Message)>);

impl Late {
    /// Keeps an announcement of what is gossiped for later; gives back what is to be heard now.
    pub(super) fn put_off(
        &mut self,
        message: Message,
        is_gossiped: impl Fn(&SpaceId) -> bool,
        now: Instant,
    ) -> Option<Message> {
        match &message {
            Message::Announce { space, .. } if self.0.len() < LATE_MAX && is_gossiped(space) => {
                self.0.push_back((now + GOSSIP_HAS, message));
                None
            }
            _ => Some(message),
        }
    }

    /// The next that is due.
    pub(super) fn next(&mut self, now: Instant) -> Option<Message> {
        self.0.pop_front_if(|(at, _)| *at <= now).map(|(_, it)| it)
    }

    /// Nothing waits any longer.
    pub(super) fn all_due(&mut self) {
        for (at, _) in &mut self.0 {
            *at = Instant::now();
        }
    }

    /// Waits until something is due: for ever if nothing was put off.
    pub(super) async fn due(&self) {
        match self.0.front() {
            Some((at, _)) => tokio::time::sleep_until((*at).into()).await,
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_protocol::sync::Key;

    fn announce(space: SpaceId) -> Message {
        let keys = Vec::<Key>::new();
        Message::Announce { space, keys }
    }

    #[test]
    fn gossip_has_its_time_and_no_more() {
        let (gossiped, other) = ([1, 2]).map(|it| SpaceId::from_bytes([it; 32])).into();
        let is_gossiped = |it: &SpaceId| *it == gossiped;
        let (mut late, now) = (Late::default(), Instant::now());
        assert!(late.put_off(announce(other), is_gossiped, now).is_some());
        assert!(late.put_off(announce(gossiped), is_gossiped, now).is_none());
        assert!(late.next(now).is_none());
        assert!(late.next(now + GOSSIP_HAS).is_some());
        assert!(late.next(now + GOSSIP_HAS).is_none());
    }

    #[test]
    fn a_flood_is_heard_at_once() {
        let (space, mut late, now) = (
            SpaceId::from_bytes([1; 32]),
            Late::default(),
            Instant::now(),
        );
        let kept =
            (0..=LATE_MAX).filter(|_| late.put_off(announce(space), |_| true, now).is_none());
        assert_eq!(kept.count(), LATE_MAX);
        late.all_due();
        assert!(late.next(Instant::now()).is_some());
    }
}
