//! What nodes say: receipts, and which narrowings they have seen.

use super::{Sight, World};
use crate::random::Random;
use comity_protocol::{
    id::{EntryId, SpaceId},
    record::{Acknowledge, ChainHead, Receipt, RecordBody},
};

impl World {
    /// A node says something about a space: mostly its own order, receipt before acknowledgement.
    pub(super) fn state(&mut self, random: &mut Random, sight: &dyn Sight) {
        let node = random.below(self.nodes.len());
        let space = *random.pick(&self.spaces).unwrap();
        if !sight.offers(&space) {
            return;
        }
        if random.chance(65) {
            self.receipt(random, sight, node, space);
        } else {
            self.acknowledge(random, node, space);
        }
    }

    fn receipt(&mut self, random: &mut Random, sight: &dyn Sight, node: usize, space: SpaceId) {
        let own = self.nodes[node].public();
        let mut heads = Vec::new();
        for ((of, author), chain) in &self.chains {
            if *of != space || *author == own {
                continue;
            }
            let seen: Vec<(usize, &EntryId)> = chain
                .iter()
                .enumerate()
                .filter(|(_, id)| sight.sees(id))
                .collect();
            if let Some((_, id)) = random.pick(&seen[seen.len().saturating_sub(2)..])
                && let Some(seq) = self.seq_of(id)
            {
                heads.push(ChainHead {
                    author: *author,
                    seq,
                    id: **id,
                });
            }
        }
        if heads.is_empty() {
            return;
        }
        heads.sort();
        let body = RecordBody::Receipt(Receipt { heads });
        let entry = self.nodes[node].record(space, body);
        self.said(space, entry);
    }

    fn seq_of(&self, id: &EntryId) -> Option<u64> {
        let mut entries = self.entries.iter().rev();
        Some(entries.find(|it| it.id() == *id)?.key().seq)
    }

    fn acknowledge(&mut self, random: &mut Random, node: usize, space: SpaceId) {
        let Some((narrowing, _)) = random.pick(&self.narrowings).copied() else {
            return;
        };
        let narrowings = vec![narrowing];
        let body = RecordBody::Acknowledge(Acknowledge { narrowings });
        let entry = self.nodes[node].record(space, body);
        self.said(space, entry);
    }
}
