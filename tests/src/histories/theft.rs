//! A device in the hands of a thief, while its owner goes on with it.

use super::{Drawn, Mischief, Sight, World};
use crate::{
    community::{page, splice},
    random::Random,
};

impl World {
    /// Somebody links another's device to the own root key, erases what its owner wrote with it and
    /// goes on along its chain beside the owner: also once the owner has revoked it.
    pub(super) fn steal(&mut self, random: &mut Random, sight: &dyn Sight) {
        let owner = random.below(self.people.len());
        let thief = (owner + 1 + random.below(self.people.len() - 1)) % self.people.len();
        let paper = self.own_page(sight, owner);
        let space = self.papers[paper].space;
        let stolen = self.people[owner].devices[0].clone();
        let key = stolen.public();
        let device = self.people[thief].devices.len();
        self.people[thief].devices.push(stolen);

        self.link(thief, device, 1 + random.below(2) as u64);
        self.count(Mischief::TheftLinked);
        let target = self.papers[paper].said[0];
        let erasure = self.people[thief].devices[device].erase(space, target);
        self.said(space, erasure);
        self.count(Mischief::TheftErases);
        // From here on both stand at one place of one chain.
        self.write_with(paper, owner, 0, "mine ");
        self.write_with(paper, thief, device, "yours ");
        self.count(Mischief::TheftForks);
        if random.chance(60) {
            let drawn = Drawn::any(random);
            self.disown(random, owner, key, drawn);
            self.write_with(paper, thief, device, "still ");
            let erasure = self.people[thief].devices[device].erase(space, target);
            self.said(space, erasure);
            self.count(Mischief::TheftAfterRevocation);
        }
    }

    /// A page that somebody's first device created where everyone reads; a new one if there is none.
    fn own_page(&mut self, sight: &dyn Sight, owner: usize) -> usize {
        let own = |it: &super::Paper| {
            it.space == self.public && it.page && it.owner == owner && sight.sees(&it.said[0])
        };
        if let Some(found) = self.papers.iter().position(own) {
            return found;
        }
        let space = self.public;
        let draft = page("Kept at home", "By me alone.");
        let entry = self.people[owner].devices[0].create(space, &draft);
        self.open_paper(space, &entry, true, owner);
        self.said(space, entry);
        self.papers.len() - 1
    }

    /// An edit upon the last word of a page.
    pub(super) fn write_with(&mut self, paper: usize, person: usize, device: usize, words: &str) {
        let deps = vec![*self.papers[paper].said.last().unwrap()];
        self.sign_edit(paper, person, device, deps, vec![splice(0, 0, words)]);
    }
}
