//! Order does not matter (I7, I8): replicas that were given the same entries in different orders,
//! some twice, some late, agree on everything.

use comity_node::pending::Source;
use comity_protocol::{entry::Entry, id::DocumentId};
use comity_tests::{
    histories::{
        Shape, World,
        replica::{Picture, Replica},
    },
    random::Random,
};

/// Histories, without `COMITY_TEST_FACTOR`.
const HISTORIES: u64 = 10;
/// Orders of each.
const ORDERS: u64 = 20;
/// Deeds of a history.
const DEEDS: usize = 90;
/// Times everything is given again before it must be enough.
const REPAIRS: usize = 12;

struct History {
    world: World,
    entries: Vec<Vec<u8>>,
    documents: Vec<DocumentId>,
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
            let signed = world.act(&mut random, &replica);
            replica.take(&encoded(&signed), &Source::Local);
        }
        let mut entries = encoded(&world.entries);
        entries.extend(world.noise.iter().cloned());
        let documents = world.documents().map(|(_, id)| id).collect();
        Self {
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
                return (replica, picture);
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

/// `COMITY_TEST_SEED=n` tries that history alone.
fn seeds() -> Vec<u64> {
    let factor = std::env::var("COMITY_TEST_FACTOR").map_or(1, |it| it.parse().unwrap());
    match std::env::var("COMITY_TEST_SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (1..=HISTORIES * factor).collect(),
    }
}

#[test]
fn equal_entries_give_equal_replicas_in_any_order() {
    let seeds = seeds();
    let failures: Vec<String> = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| {
            let seeds: Vec<u64> = seeds.iter().copied().filter(|it| it % 2 == half).collect();
            scope.spawn(move || seeds.into_iter().filter_map(try_orders).collect::<Vec<_>>())
        });
        let halves = halves.into_iter().map(|it| it.join().unwrap());
        halves.flatten().collect()
    });
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

fn try_orders(seed: u64) -> Option<String> {
    let history = History::new(seed);
    let (_, expected) = history.deliver(0);
    let effective = expected.verdicts.iter().filter(|it| *it == "in effect");
    println!(
        "seed {seed}: {} entries, {} in effect, {} members, {} narrowings, charter height {}, {} documents",
        history.entries.len(),
        effective.count(),
        expected.authority.members().len(),
        expected.authority.narrowings().len(),
        expected
            .authority
            .charter()
            .map_or(0, |it| it.current().height),
        expected.documents.len(),
    );
    for order in 1..ORDERS {
        let (_, picture) = history.deliver(order + 1000 * seed);
        if let Some(difference) = picture.difference(&expected) {
            return Some(format!(
                "COMITY_TEST_SEED={seed}, order {order}:\n{difference}"
            ));
        }
    }
    None
}
