//! Random spaces with honest and hostile keys, against the reference and in any order.

use super::world::*;
use crate::times_factor;
use comity_protocol::authority::coverage::NodeTenure;
use comity_protocol::authority::narrowing::Issuer;
use comity_protocol::authority::receipts::{SpaceRecords, Statement};
use comity_protocol::certificate::{DeviceCut, SpaceCut};
use comity_protocol::contribution::ChainLink;
use comity_protocol::id::EntryId;
use comity_protocol::key::PublicKey;
use comity_protocol::record::ChainHead;
use std::collections::BTreeSet;

use crate::sync::harness::Rng;

const DEVICES: u8 = 3;
const NODES: u8 = 4;

struct Maker {
    rng: Rng,
    world: World,
    ids: Vec<EntryId>,
    ends: Vec<End>,
    narrowings: Vec<EntryId>,
}

impl Maker {
    fn chance(&mut self, percent: usize) -> bool {
        self.rng.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.rng.below(from.len())]
    }

    /// An end of a chain of this key: mostly its last, at times an earlier one, which forks it.
    fn end_of(&mut self, author: PublicKey) -> usize {
        let ends: Vec<usize> = (0..self.ends.len())
            .filter(|at| self.ends[*at].author == author)
            .collect();
        match ends[..] {
            [] => {
                self.ends.push(chain_of(author));
                self.ends.len() - 1
            }
            _ if self.chance(6) => {
                let at = self.pick(&ends);
                let id = self.ends[at].next.prev;
                let fork = match id.map(|id| self.world.headers[&id]) {
                    Some(place) => End {
                        author,
                        next: place.link,
                    },
                    None => chain_of(author),
                };
                self.ends.push(fork);
                self.ends.len() - 1
            }
            _ => ends[ends.len() - 1],
        }
    }

    fn some_id(&mut self) -> EntryId {
        if self.ids.is_empty() || self.chance(4) {
            return id(&format!("unknown {}", self.rng.below(50)));
        }
        let ids = self.ids.clone();
        self.pick(&ids)
    }

    fn contribution(&mut self, step: usize) {
        let author = key(10 + self.rng.below(DEVICES.into()) as u8);
        let at = self.end_of(author);
        let mut end = self.ends[at];
        if self.chance(3) {
            // A claim to follow what it does not follow.
            end.next = ChainLink::after(1 + self.rng.below(5) as u64, self.some_id());
        }
        let id = self.world.write(&mut end, &format!("{step}"));
        self.ends[at] = end;
        self.ids.push(id);
    }

    fn claimed_head(&mut self) -> ChainHead {
        let id = self.some_id();
        if self.world.headers.contains_key(&id) && self.chance(95) {
            return self.world.head(id);
        }
        ChainHead {
            author: key(10 + self.rng.below(DEVICES.into()) as u8),
            seq: 1,
            id,
        }
    }

    fn statement(&mut self) -> Statement {
        match self.rng.below(12) {
            0..7 => {
                let heads = (0..1 + self.rng.below(3)).map(|_| self.claimed_head());
                Statement::Receipt(heads.collect())
            }
            7 if !self.narrowings.is_empty() => {
                let narrowings = self.narrowings.clone();
                Statement::Acknowledge(vec![self.pick(&narrowings)])
            }
            8..10 if !self.narrowings.is_empty() => {
                let narrowings = self.narrowings.clone();
                let narrowing = self.pick(&narrowings);
                let sealed = self.world.narrowings[&narrowing].cuts.sealed;
                let root = if self.chance(80) { sealed } else { [0; 32] };
                let space = if self.chance(80) { SPACE } else { OTHER_SPACE };
                Statement::CutTable {
                    narrowing,
                    root,
                    cut: SpaceCut {
                        space,
                        devices: self.lists(),
                    },
                }
            }
            _ => Statement::Other,
        }
    }

    fn lists(&mut self) -> Vec<DeviceCut> {
        let mut lists = Vec::new();
        for number in (10..10 + DEVICES).chain(20..20 + NODES) {
            if self.chance(50) {
                let of_key = |id: &&EntryId| {
                    let place = self.world.headers.get(id);
                    place.is_some_and(|it| it.author == key(number))
                };
                let own: Vec<EntryId> = self.ids.iter().filter(of_key).copied().collect();
                let count = 1 + self.rng.below(2);
                let last = (0..count).map(|_| match own[..] {
                    [] => self.some_id(),
                    _ if self.chance(10) => self.some_id(),
                    _ => self.pick(&own),
                });
                lists.push(DeviceCut {
                    key: key(number),
                    last: last.collect(),
                });
            }
        }
        lists
    }

    fn record(&mut self, step: usize) {
        let author = key(20 + self.rng.below(NODES.into()) as u8);
        let at = self.end_of(author);
        let mut end = self.ends[at];
        let says = self.statement();
        if end.next.seq > 1 && self.chance(2) {
            end.next.prev = Some(self.some_id());
        }
        let id = self.world.say(&mut end, &format!("{step}"), says);
        self.ends[at] = end;
        self.ids.push(id);
    }

    fn narrowing(&mut self, step: usize) {
        let issuers = [
            Issuer::Party(party(1)),
            Issuer::Party(party(2)),
            Issuer::Quorum,
            Issuer::Person(key(9)),
        ];
        let issuer = self.pick(&issuers);
        let lists: Vec<_> = self
            .lists()
            .into_iter()
            .map(|it| (it.key, it.last))
            .collect();
        let narrowing = self.world.narrow(&format!("{step}"), issuer, &lists);
        self.narrowings.push(narrowing);
    }

    fn tenures(&mut self) {
        for number in 0..NODES {
            let mut tenures = Vec::new();
            for side in 1..=2 {
                if self.chance(55) {
                    let narrowings = if self.narrowings.is_empty() || self.chance(50) {
                        Vec::new()
                    } else {
                        let narrowings = self.narrowings.clone();
                        vec![self.pick(&narrowings)]
                    };
                    tenures.push(NodeTenure {
                        party: party(side),
                        narrowings,
                    });
                }
            }
            self.world.tenures.insert(key(20 + number), tenures);
        }
    }
}

/// A space as some node might know it: some headers and records have not arrived.
fn random_world(seed: u64) -> World {
    let mut maker = Maker {
        rng: Rng(seed),
        world: World::default(),
        ids: Vec::new(),
        ends: Vec::new(),
        narrowings: Vec::new(),
    };
    for step in 0..60 {
        match maker.rng.below(20) {
            0..2 => maker.narrowing(step),
            2..10 => maker.record(step),
            _ => maker.contribution(step),
        }
    }
    maker.tenures();
    for number in 10..10 + DEVICES {
        maker.world.narrowed.insert(key(number));
    }
    if maker.chance(60) {
        for id in maker.ids.clone() {
            if maker.chance(4) {
                maker.world.headers.remove(&id);
                maker.world.records.retain(|it| it.id != id);
            }
        }
    }
    maker.world
}

fn shuffled<T: Clone>(rng: &mut Rng, items: &[T]) -> Vec<T> {
    let mut items = items.to_vec();
    for at in (1..items.len()).rev() {
        items.swap(at, rng.below(at + 1));
    }
    items
}

#[test]
fn coverage_says_what_the_rules_say() {
    let mut seen = [0usize; 3];
    for seed in 0..times_factor(150) as u64 {
        let world = random_world(seed);
        let coverage = world.coverage();
        let keys: BTreeSet<PublicKey> = coverage.narrowed_keys().copied().collect();
        let answers = world.answers(&coverage, &keys);
        assert_eq!(
            answers,
            world.answers(&Reference(&world), &keys),
            "seed {seed}"
        );
        for (covers, unlifted) in answers {
            seen[usize::from(covers) + usize::from(unlifted)] += 1;
        }
    }
    println!("answers: not covered, lifted, listed: {seen:?}");
    assert!(seen.iter().all(|count| *count > 1_000), "{seen:?}");
}

#[test]
fn order_and_repetition_of_records_do_not_matter() {
    for seed in 0..times_factor(100) as u64 {
        let world = random_world(seed);
        let expected = world.coverage();
        let mut rng = Rng(seed ^ 0x00de_c0de);
        for _ in 0..3 {
            let mut other = world.clone();
            let twice = [&world.records[..], &world.records[..]].concat();
            other.records = shuffled(&mut rng, &twice);
            assert_eq!(other.space_records(), world.space_records(), "seed {seed}");
            assert_eq!(other.coverage(), expected, "seed {seed}");
        }
    }
}

/// Entries arrive one by one. Where the coverage is not affected, building it again says the same
/// of all entries known, and of the keys that do not differ it does so anyway.
#[test]
fn what_does_not_affect_the_coverage_changes_no_answer() {
    let (mut affected, mut unaffected, mut same) = (0, 0, 0);
    for seed in 0..times_factor(60) as u64 {
        let whole = random_world(seed);
        let mut rng = Rng(seed ^ 0x000a_771e);
        let mut known = World {
            headers: Default::default(),
            records: Vec::new(),
            ..whole.clone()
        };
        let mut records = SpaceRecords::new();
        let mut kept = known.coverage();
        let ids: Vec<EntryId> = whole.headers.keys().copied().collect();
        for id in shuffled(&mut rng, &ids) {
            let said = whole.records.iter().find(|it| it.id == id);
            let affects = match said {
                Some(Said { id, place, says }) => {
                    kept.statement_affects(*id, *place, says, &records, &known)
                }
                None => kept.awaits(&id),
            };
            known.headers.insert(id, whole.headers[&id]);
            if let Some(said) = said {
                known.records.push(said.clone());
                add(&mut records, said);
            }
            let built = known.coverage_by(&records, &known.headers);
            let all: BTreeSet<PublicKey> = known.headers.values().map(|it| it.author).collect();
            let differing = built.differing_keys(&kept);
            let rest: BTreeSet<PublicKey> = all.difference(&differing).copied().collect();
            assert_eq!(
                known.answers(&kept, &rest),
                known.answers(&built, &rest),
                "seed {seed}: keys that do not differ"
            );
            same += rest.len();
            if affects {
                affected += 1;
                kept = built;
            } else {
                unaffected += 1;
                let before = known.answers(&kept, &all);
                assert_eq!(before, known.answers(&built, &all), "seed {seed}, {id:?}");
            }
        }
    }
    println!(
        "arrivals: {affected} affect the coverage, {unaffected} do not; keys unchanged: {same}"
    );
    assert!(affected > 100 && unaffected > 100 && same > 100);
}
