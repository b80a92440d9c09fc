//! What one commit tells of.

use super::Inserted;
use crate::pending::Source;
use comity_protocol::{
    id::{CommunityId, SpaceId},
    sync::Key,
};

/// What one commit tells of, grouped by space and giver.
#[derive(Default)]
pub(super) struct Announcements(pub(super) Vec<Inserted>);

impl Announcements {
    pub(super) fn add(
        &mut self,
        (community, space): (CommunityId, SpaceId),
        entry: (Key, u64),
        source: &Source,
    ) {
        match self.0.last_mut() {
            Some(last) if last.space == space && last.source == *source => {
                last.entries.push(entry);
            }
            _ => self.0.push(Inserted {
                community,
                space,
                entries: vec![entry],
                source: source.clone(),
            }),
        }
    }

    /// Tells that the set of a space is another one, though nothing entered it.
    pub(super) fn mention(&mut self, community: CommunityId, space: SpaceId) {
        if self.0.iter().all(|it| it.space != space) {
            self.0.push(Inserted {
                community,
                space,
                entries: Vec::new(),
                source: Source::Local,
            });
        }
    }
}
