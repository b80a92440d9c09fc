//! Order does not matter (I7, I8): replicas that were given the same entries in different orders,
//! some twice, some late, agree on everything.

use comity_node::pending::Source;
use comity_protocol::{
    authority::{
        Authority,
        deliberation::{Motion, Outcome},
    },
    certificate::{CertificateBody, Readers},
    entry::{Entry, bare_id},
    id::{DocumentId, EntryId},
    key::PublicKey,
    record::RecordBody,
};
use comity_tests::{
    histories::{
        Mischief, Shape, World,
        replica::{Picture, Replica},
    },
    random::Random,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

/// Histories, without `COMITY_TEST_FACTOR`.
const HISTORIES: u64 = 10;
/// Random orders of each, besides the order in which it was signed.
const ORDERS: u64 = 21;
/// Random orders of the first.
const ORDERS_OF_FIRST: u64 = 60;
/// Deeds of a history.
const DEEDS: usize = 80;
/// Of a hundred deeds those that several do together, or one does in several steps.
const PLOTS: usize = 25;
/// Times everything is given again before it must be enough.
const REPAIRS: usize = 12;

struct History {
    world: World,
    entries: Vec<Vec<u8>>,
    documents: Vec<DocumentId>,
    /// Proposals and what was said about them.
    deliberation: Vec<EntryId>,
}

impl History {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let shape = Shape {
            parties: 2 + random.below(3),
            nodes: 2,
            people: 2 + random.below(3),
            declares: true,
        };
        let mut world = World::found(shape, &mut random);
        // People build on what there is: their deeds take effect here as they are done.
        let replica = Replica::new(world.id);
        let encoded = |entries: &[Entry]| entries.iter().map(Entry::encode).collect::<Vec<_>>();
        replica.take(&encoded(&world.entries), &Source::Local);
        for _ in 0..DEEDS {
            let signed = match random.chance(PLOTS) {
                true => world.plot(&mut random, &replica),
                false => world.act(&mut random, &replica),
            };
            replica.take(&encoded(&signed), &Source::Local);
        }
        let mut entries = encoded(&world.entries);
        entries.extend(world.noise.iter().cloned());
        let documents = world.documents().map(|(_, id)| id).collect();
        let deliberation = world.entries.iter().filter(|it| is_deliberation(it));
        Self {
            deliberation: deliberation.map(Entry::id).collect(),
            world,
            entries,
            documents,
        }
    }

    /// A replica that was given everything in an order of its own.
    fn deliver(&self, order: u64) -> (Replica, Picture) {
        let mut random = Random::new(order);
        let mut mail: Vec<&Vec<u8>> = self.entries.iter().collect();
        let twice: Vec<&Vec<u8>> = mail.iter().copied().filter(|_| random.chance(15)).collect();
        mail.extend(twice);
        if order > 0 {
            random.shuffle(&mut mail);
        }
        // One in ten is lost at first.
        mail.retain(|_| !random.chance(10));
        let replica = Replica::new(self.world.id);
        while !mail.is_empty() {
            let many = (1 + random.below(8)).min(mail.len());
            let batch: Vec<&Vec<u8>> = mail.drain(..many).collect();
            replica.take(&batch, &source(&mut random));
            // Restarts forget what waits.
            if random.chance(1) {
                let entries = &self.entries;
                let restarted = replica.restarted();
                return self.finish(restarted, mail, entries, random);
            }
        }
        self.finish(replica, Vec::new(), &self.entries, random)
    }

    fn finish(
        &self,
        replica: Replica,
        mail: Vec<&Vec<u8>>,
        entries: &[Vec<u8>],
        mut random: Random,
    ) -> (Replica, Picture) {
        for batch in mail.chunks(5) {
            replica.take(batch, &source(&mut random));
        }
        // Repair: what is missing comes again until nothing changes any more.
        let mut before = None;
        for _ in 0..REPAIRS {
            let picture = replica.picture(entries, self.documents.iter().copied());
            if before.as_ref() == Some(&picture) {
                let motions = replica.motions(&self.deliberation);
                return (replica, Picture { motions, ..picture });
            }
            before = Some(picture);
        }
        panic!("given everything {REPAIRS} times, the replica still changes");
    }
}

fn source(random: &mut Random) -> Source {
    match random.below(4) {
        0 => Source::Local,
        peer => Source::Peer(format!("peer {peer}")),
    }
}

fn is_deliberation(entry: &Entry) -> bool {
    match entry {
        Entry::Record(it) => matches!(
            it.body(),
            RecordBody::Proposal(_) | RecordBody::Approval(_) | RecordBody::Rejection(_)
        ),
        _ => false,
    }
}

/// What histories came to: nothing of it may be missing, or the test shows less than it says.
#[derive(Debug, Default)]
struct Reached {
    orders: u64,
    tried: BTreeMap<Mischief, usize>,
    charter_height: u64,
    charter_forks: usize,
    party_forks: usize,
    /// Of these, forks that what the charter names decides.
    named_forks: usize,
    narrowings: usize,
    /// Contributions that others gave presence.
    adopted: usize,
    bare_headers: usize,
    /// Orders of erasure in effect.
    ordered_erasures: usize,
    /// Certificates in effect that nobody signed but node by node was made from approvals.
    assembled: usize,
    /// Motions that cannot pass any more.
    dead: usize,
    /// Delegates who approved two children of one state.
    approved_twice: usize,
    /// Delegates who approved and rejected one motion.
    approved_and_rejected: usize,
    ended_parties: usize,
    group_spaces: usize,
    moderators: usize,
    bridges: usize,
    invitations_with_an_end: usize,
}

impl Reached {
    fn new(history: &History, replica: &Replica, picture: &Picture, orders: u64) -> Self {
        let authority = &picture.authority;
        let mut reached = Self {
            orders,
            tried: history.world.tally().clone(),
            narrowings: authority.narrowings().len(),
            ..Self::default()
        };
        reached.see_authority(authority);
        reached.see_entries(history, replica);
        reached.see_motions(history, &picture.motions);
        reached
    }

    fn see_authority(&mut self, authority: &Authority) {
        if let Some(charter) = authority.charter() {
            self.charter_height = charter.current().height;
            self.charter_forks = charter.forks().len();
            self.ended_parties = charter.ended_parties().len();
        }
        let chains = authority.party_chains().iter();
        let forks: Vec<_> = chains.flat_map(|(_, chain)| chain.forks()).collect();
        self.party_forks = forks.len();
        self.named_forks = forks.iter().filter(|it| it.pinned).count();
        let states = authority.parties().values();
        self.moderators = states.clone().map(|it| it.moderators.len()).sum();
        self.bridges = states.map(|it| it.bridges.len()).sum();
        let spaces = authority.spaces().values();
        let grouped = spaces.filter(|it| matches!(it.readers, Readers::Groups(_)));
        self.group_spaces = grouped.count();
        let invitations = authority.invitations().values();
        let ending = invitations.filter(|it| it.offer.expires_ms.is_some());
        self.invitations_with_an_end = ending.count();
    }

    fn see_entries(&mut self, history: &History, replica: &Replica) {
        let ledger = replica.ingest.ledger();
        let sets = ledger.spaces().values().flat_map(|it| it.trie.keys());
        let sets: BTreeSet<EntryId> = sets.map(|(key, _)| key.id).collect();
        for entry in &history.world.entries {
            let id = entry.id();
            self.bare_headers += usize::from(sets.contains(&bare_id(&id)));
            let adopted = replica.archive.held().adopted_by(&id).is_some();
            self.adopted += usize::from(adopted);
            if let Entry::Certificate(it) = entry
                && matches!(it.body(), CertificateBody::ErasureOrder(_))
            {
                self.ordered_erasures += usize::from(sets.contains(&id));
            }
        }
    }

    fn see_motions(&mut self, history: &History, motions: &[Motion]) {
        let signed: BTreeSet<EntryId> = history.world.entries.iter().map(Entry::id).collect();
        let mut approved: BTreeMap<(EntryId, PublicKey), usize> = BTreeMap::new();
        for motion in motions {
            let assembled = motion.outcome == Outcome::Certified && !signed.contains(&motion.id);
            self.assembled += usize::from(assembled);
            self.ordered_erasures += usize::from(assembled && motion.is_order());
            self.dead += usize::from(motion.outcome == Outcome::Dead);
            let by: BTreeSet<PublicKey> = motion
                .sides
                .iter()
                .flat_map(|it| it.approved.iter().copied())
                .collect();
            for key in by {
                let so_far = approved.entry((motion.parent, key)).or_default();
                *so_far += usize::from(!motion.is_order());
            }
        }
        self.approved_twice = approved.values().filter(|it| **it > 1).count();
        self.approved_and_rejected = history.approved_and_rejected();
    }

    fn add(&mut self, other: Self) {
        for (mischief, times) in other.tried {
            *self.tried.entry(mischief).or_default() += times;
        }
        self.charter_height = self.charter_height.max(other.charter_height);
        self.orders += other.orders;
        self.charter_forks += other.charter_forks;
        self.party_forks += other.party_forks;
        self.named_forks += other.named_forks;
        self.narrowings += other.narrowings;
        self.adopted += other.adopted;
        self.bare_headers += other.bare_headers;
        self.ordered_erasures += other.ordered_erasures;
        self.assembled += other.assembled;
        self.dead += other.dead;
        self.approved_twice += other.approved_twice;
        self.approved_and_rejected += other.approved_and_rejected;
        self.ended_parties += other.ended_parties;
        self.group_spaces += other.group_spaces;
        self.moderators += other.moderators;
        self.bridges += other.bridges;
        self.invitations_with_an_end += other.invitations_with_an_end;
    }

    /// Panics if the histories left something out.
    fn assert_everything(&self) {
        assert!(self.orders > 200, "{} random orders", self.orders);
        for mischief in Mischief::ALL {
            assert!(self.tried.contains_key(&mischief), "no {mischief:?}");
        }
        assert!(self.charter_height > 1, "the charter hardly moved");
        for (what, times) in [
            ("forks of a charter", self.charter_forks),
            ("forks of a party", self.party_forks),
            ("forks that the charter decides", self.named_forks),
            ("narrowings", self.narrowings),
            ("adopted contributions", self.adopted),
            ("bare headers", self.bare_headers),
            ("erasures by order", self.ordered_erasures),
            ("certificates made from approvals", self.assembled),
            ("dead motions", self.dead),
            ("approvals of two siblings", self.approved_twice),
            ("approvals of what was rejected", self.approved_and_rejected),
            ("parties of the past", self.ended_parties),
            ("spaces of groups", self.group_spaces),
            ("moderators", self.moderators),
            ("bridges", self.bridges),
            ("invitations with an end", self.invitations_with_an_end),
        ] {
            assert!(times > 0, "no {what} in any history");
        }
    }
}

impl History {
    /// Delegates who approved and rejected one motion, whatever their word counts.
    fn approved_and_rejected(&self) -> usize {
        let (mut approved, mut rejected) = (BTreeSet::new(), BTreeSet::new());
        for entry in &self.world.entries {
            let Entry::Record(record) = entry else {
                continue;
            };
            let by = record.header().author;
            match record.body() {
                RecordBody::Approval(it) => approved.insert((it.certificate, by)),
                RecordBody::Rejection(it) => rejected.insert((it.certificate, by)),
                _ => false,
            };
        }
        approved.intersection(&rejected).count()
    }
}

/// `COMITY_TEST_SEED=n` tries that history alone.
fn seed_alone() -> Option<u64> {
    let seed = std::env::var("COMITY_TEST_SEED").ok()?;
    Some(seed.parse().unwrap())
}

#[test]
fn equal_entries_give_equal_replicas_in_any_order() {
    let factor = std::env::var("COMITY_TEST_FACTOR").map_or(1, |it| it.parse().unwrap());
    let alone = seed_alone();
    let seeds = alone.map_or(1..=HISTORIES * factor, |seed| seed..=seed);
    let seeds = Mutex::new(seeds);
    let tried: Vec<Result<Reached, String>> = std::thread::scope(|scope| {
        let work = || {
            let next = || seeds.lock().unwrap().next();
            std::iter::from_fn(next).map(try_orders).collect::<Vec<_>>()
        };
        let workers = [scope.spawn(work), scope.spawn(work)];
        let results = workers.into_iter().map(|it| it.join().unwrap());
        results.flatten().collect()
    });
    let (mut reached, mut failures) = (Reached::default(), Vec::new());
    for it in tried {
        match it {
            Ok(it) => reached.add(it),
            Err(failure) => failures.push(failure),
        }
    }
    println!("{reached:#?}");
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    if alone.is_none() {
        reached.assert_everything();
    }
}

fn try_orders(seed: u64) -> Result<Reached, String> {
    let history = History::new(seed);
    let (replica, expected) = history.deliver(0);
    let effective = expected.verdicts.iter().filter(|it| *it == "in effect");
    let orders = match seed {
        1 => ORDERS_OF_FIRST,
        _ => ORDERS,
    };
    let reached = Reached::new(&history, &replica, &expected, orders);
    println!(
        "seed {seed}: {} entries, {} in effect, {} members, {} narrowings, charter height {}, {} documents, {} motions",
        history.entries.len(),
        effective.count(),
        expected.authority.members().len(),
        reached.narrowings,
        reached.charter_height,
        expected.documents.len(),
        expected.motions.len(),
    );
    for order in 1..=orders {
        let (_, picture) = history.deliver(order + 1000 * seed);
        if let Some(difference) = picture.difference(&expected) {
            return Err(format!(
                "COMITY_TEST_SEED={seed}, order {order}:\n{difference}"
            ));
        }
    }
    Ok(reached)
}
