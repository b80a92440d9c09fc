//! What people write.

use super::{Paper, Sight, World};
use crate::{
    community::{document, page, put, reply, splice, topic},
    random::Random,
};
use comity_protocol::{
    contribution::Target,
    document::{Draft, Operation},
    entry::Entry,
    id::{EntryId, SpaceId},
};

impl World {
    /// An ordinary contribution, or an erasure of one.
    pub(super) fn speak(&mut self, random: &mut Random, sight: &dyn Sight) {
        let person = random.below(self.people.len());
        match random.below(20) {
            0..8 => self.create(random, sight, person),
            8 => self.erase(random, sight, person),
            _ => self.edit(random, sight, person),
        }
    }

    fn some_space(&self, random: &mut Random, sight: &dyn Sight) -> Option<SpaceId> {
        if random.chance(50) {
            return Some(self.public);
        }
        random
            .pick(&self.spaces)
            .copied()
            .filter(|it| sight.offers(it))
    }

    pub(super) fn create(&mut self, random: &mut Random, sight: &dyn Sight, person: usize) {
        let Some(space) = self.some_space(random, sight) else {
            return;
        };
        let number = self.papers.len();
        let topics: Vec<_> = self
            .papers_of(space, sight)
            .filter(|it| !it.1.page)
            .collect();
        let (draft, is_page) = match random.below(10) {
            0..5 => (page(&format!("Page {number}"), "Ours, all of it."), true),
            5..7 if !topics.is_empty() => {
                let to = random.pick(&topics).unwrap().1.id;
                (reply(to, "I think so too."), false)
            }
            _ => (topic(&format!("Topic {number}"), "Some words."), false),
        };
        let device = random.below(self.people[person].devices.len());
        let entry = self.people[person].devices[device].create(space, &draft);
        self.open_paper(space, &entry, is_page, person);
        self.said(space, entry);
    }

    pub(super) fn open_paper(&mut self, space: SpaceId, create: &Entry, page: bool, owner: usize) {
        self.papers.push(Paper {
            space,
            id: document(create),
            page,
            owner,
            said: vec![create.id()],
        });
    }

    /// A topic in the first public space, by somebody.
    pub(crate) fn publish(&mut self, random: &mut Random) -> Entry {
        let (person, number) = (random.below(self.people.len()), self.papers.len());
        let draft = topic(
            &format!("Topic {number}"),
            "For everyone, as soon as can be.",
        );
        let entry = self.people[person].devices[0].create(self.public, &draft);
        self.open_paper(self.public, &entry, false, person);
        self.said(self.public, entry.clone());
        entry
    }

    fn papers_of<'a>(
        &'a self,
        space: SpaceId,
        sight: &'a dyn Sight,
    ) -> impl Iterator<Item = (usize, &'a Paper)> {
        let papers = self.papers.iter().enumerate();
        papers.filter(move |(_, it)| it.space == space && sight.sees(&it.said[0]))
    }

    /// A document whose create is seen, and what is seen of it.
    pub(super) fn some_paper(
        &self,
        random: &mut Random,
        sight: &dyn Sight,
    ) -> Option<(usize, Vec<EntryId>)> {
        let number = random.below(self.papers.len().max(1));
        let paper = self.papers.get(number)?;
        if !sight.sees(&paper.said[0]) || !sight.offers(&paper.space) {
            return None;
        }
        let seen = paper.said.iter().filter(|it| sight.sees(it));
        Some((number, seen.copied().collect()))
    }

    pub(super) fn edit(&mut self, random: &mut Random, sight: &dyn Sight, person: usize) {
        let Some((number, seen)) = self.some_paper(random, sight) else {
            return;
        };
        let paper = &self.papers[number];
        // Others than the owner try, too.
        let person = match paper.page || random.chance(15) {
            true => person,
            false => paper.owner,
        };
        let mut deps = vec![seen[seen.len() - 1]];
        if random.chance(40) {
            deps.push(*random.pick(&seen).unwrap());
        }
        if random.chance(25) {
            deps = vec![*random.pick(&seen).unwrap()];
        }
        let words = format!("[{}]", self.entries.len());
        let operations = match random.below(4) {
            0 => vec![put("title", &words)],
            1 => vec![splice(
                random.below(8) as u32,
                random.below(4) as u32,
                &words,
            )],
            2 => vec![put("body", &words), splice(0, 1, "(")],
            _ => vec![splice(0, 0, &words)],
        };
        let device = random.below(self.people[person].devices.len());
        self.sign_edit(number, person, device, deps, operations);
    }

    pub(super) fn sign_edit(
        &mut self,
        paper: usize,
        person: usize,
        device: usize,
        mut deps: Vec<EntryId>,
        operations: Vec<Operation<String>>,
    ) -> Entry {
        deps.sort();
        deps.dedup();
        let (space, document) = (self.papers[paper].space, self.papers[paper].id);
        let target = Target::Edit { document, deps };
        let signer = &mut self.people[person].devices[device];
        let entry = signer.contribute(space, target, &Draft::edit(operations));
        self.papers[paper].said.push(entry.id());
        self.said(space, entry.clone());
        entry
    }

    /// Somebody erases what a device of theirs wrote; once in a while what another's did.
    fn erase(&mut self, random: &mut Random, sight: &dyn Sight, person: usize) {
        let Some((number, seen)) = self.some_paper(random, sight) else {
            return;
        };
        let (space, owner) = (self.papers[number].space, self.papers[number].owner);
        let person = if random.chance(90) { owner } else { person };
        let contribution = *random.pick(&seen).unwrap();
        let entry = match random.chance(60) {
            true => self.people[person].devices[0].erase(space, contribution),
            false => self.people[person].root.erase(space, contribution),
        };
        self.said(space, entry);
    }
}
