//! Bare headers: nodes that share them agree how far a cut reaches.

use super::{
    bare::Bare,
    world::{World, acknowledge, receipt},
};
use comity_node::ingest::Outcome;
use comity_protocol::entry::{BareHeader, Entry};
use comity_tests::community::{Person, document, put, topic};

/// A chain of one device of which one narrowing lists all, and another the first entry alone.
struct Narrowed {
    world: World,
    ada: Person,
    chain: Vec<Entry>,
    wide: Entry,
    narrow: Entry,
}

impl Narrowed {
    fn new(length: usize) -> Self {
        let mut world = World::new();
        let mut ada = world.member("ada");
        let write = |n| {
            ada.device
                .create(world.public, &topic(&format!("Note {n}"), ""))
        };
        let chain: Vec<Entry> = (0..length).map(write).collect();
        Self::of(world, ada, chain)
    }

    fn of(mut world: World, ada: Person, chain: Vec<Entry>) -> Self {
        let wide = world.revoke(&ada, &[chain.last().unwrap().id()]);
        let narrow = world.revoke(&ada, &[chain[0].id()]);
        Self {
            world,
            ada,
            chain,
            wide,
            narrow,
        }
    }

    /// A node that had the whole chain before anything was narrowed.
    fn witness(&self) -> Bare {
        let node = Bare::new(self.world.id);
        node.save(self.world.governance.iter().chain(&self.chain));
        node.save([&self.wide, &self.narrow]);
        assert!(node.is_in_effect(&self.chain[0]));
        for later in &self.chain[1..] {
            assert!(node.is_held(later) && node.is_in_effect(&bare(later)));
        }
        node
    }

    /// A node that knows of the narrowings, and of no entry.
    fn joiner(&self) -> Bare {
        let node = Bare::new(self.world.id);
        let known = self.world.governance.iter();
        node.save(known.chain([&self.wide, &self.narrow]));
        node
    }
}

fn bare(entry: &Entry) -> Entry {
    Entry::Bare(BareHeader::of_entry(entry).unwrap())
}

/// Gives each node what stands in the other's sets and not in its own, until nothing changes.
fn exchange(a: &Bare, b: &Bare) {
    for _ in 0..5 {
        if a.roots() == b.roots() {
            return;
        }
        for (from, to) in [(a, b), (b, a)] {
            let known = to.in_effect();
            let given: Vec<Entry> = from
                .in_effect()
                .difference(&known)
                .map(|id| from.archive.get(id).unwrap().unwrap())
                .collect();
            to.take(&given.iter().collect::<Vec<_>>());
        }
    }
    assert_eq!(a.roots(), b.roots());
}

#[test]
fn a_node_that_never_saw_what_a_cut_names_agrees_with_one_that_did() {
    let it = Narrowed::new(2);
    let first = &it.chain[0];
    let witness = it.witness();

    let joiner = it.joiner();
    let outcome = joiner.take(&[first]).remove(0);
    assert!(matches!(outcome, Outcome::Unauthorized(_)), "{outcome:?}");
    exchange(&witness, &joiner);
    assert!(joiner.is_in_effect(first));
    let is_stored = joiner.archive.contains(&it.chain[1].id()).unwrap();
    assert!(!is_stored, "only the header came");

    // The other way round: what counts already is held until the header comes.
    let other = Bare::new(it.world.id);
    other.save(it.world.governance.iter().chain([first]));
    other.save([&it.wide, &it.narrow]);
    assert!(other.is_held(first));
    exchange(&other, &witness);
    assert!(other.is_in_effect(first) && !other.is_held(first));
}

#[test]
fn bare_headers_are_there_after_opening_again() {
    let it = Narrowed::new(3);
    let (witness, joiner) = (it.witness(), it.joiner());
    exchange(&joiner, &witness);
    let roots = witness.roots();
    for node in [witness, joiner] {
        let node = node.reopened();
        assert_eq!(node.roots(), roots);
        assert!(node.is_in_effect(&it.chain[0]));
    }
}

#[test]
fn what_only_waited_leaves_its_header() {
    let it = Narrowed::new(2);
    let (first, second) = (&it.chain[0], &it.chain[1]);
    let node = it.joiner();
    let outcomes = node.take(&[first, second]);
    assert!(matches!(outcomes[1], Outcome::Unauthorized(_)));
    assert!(node.is_in_effect(first) && node.is_in_effect(&bare(second)));
    let roots = node.roots();
    let node = node.reopened();
    assert!(
        node.is_in_effect(first),
        "what waited is gone, its header not"
    );
    assert_eq!(node.roots(), roots);
    exchange(&node, &it.witness());
}

#[test]
fn the_order_in_which_a_chain_of_headers_comes_does_not_matter() {
    let it = Narrowed::new(6);
    let witness = it.witness();
    let headers: Vec<Entry> = it.chain[1..].iter().map(bare).collect();
    for order in [
        vec![0, 1, 2, 3, 4],
        vec![4, 3, 2, 1, 0],
        vec![2, 4, 0, 3, 1],
    ] {
        let joiner = it.joiner();
        for at in order {
            joiner.take(&[&headers[at]]);
        }
        joiner.take(&[&it.chain[0]]);
        assert!(joiner.is_in_effect(&it.chain[0]));
        assert_eq!(joiner.roots(), witness.roots());
    }
}

#[test]
fn a_late_receipt_brings_what_had_a_bare_header_only() {
    let mut it = Narrowed::new(3);
    let (witness, joiner) = (it.witness(), it.joiner());
    exchange(&witness, &joiner);
    let (second, third) = (it.chain[1].clone(), it.chain[2].clone());

    let late = receipt(&mut it.world.b.node, it.world.public, &second);
    for node in [&witness, &joiner] {
        node.save([&late]);
    }
    assert!(witness.is_in_effect(&second) && !witness.is_in_effect(&bare(&second)));
    assert!(joiner.is_in_effect(&bare(&second)), "it has no more");
    exchange(&witness, &joiner);
    assert!(joiner.is_in_effect(&second) && !joiner.is_in_effect(&bare(&second)));
    assert!(joiner.is_in_effect(&bare(&third)));
    let roots = witness.roots();
    assert_eq!(joiner.reopened().roots(), roots);

    // Whoever still has the header alone is not let in beside what it heads.
    assert_eq!(
        witness.take(&[&bare(&second)]),
        [Outcome::AlreadyPresent],
        "it is no misbehaviour"
    );
    assert_eq!(witness.roots(), roots);
}

#[test]
fn a_chain_leads_through_erasures_of_what_has_no_effect() {
    let mut world = World::new();
    let mut ada = world.member("ada");
    let mut chain = vec![
        ada.device.create(world.public, &topic("First", "Stays.")),
        ada.device.create(world.public, &topic("Second", "Goes.")),
    ];
    chain.push(ada.device.erase(world.public, chain[1].id()));
    chain.push(ada.device.create(world.public, &topic("Third", "Goes.")));
    let it = Narrowed::of(world, ada, chain);
    let (witness, joiner) = (it.witness(), it.joiner());
    exchange(&witness, &joiner);
    assert!(joiner.is_in_effect(&it.chain[0]));
    assert_eq!(joiner.reopened().roots(), witness.reopened().roots());
}

#[test]
fn what_no_cut_leads_to_stays_out() {
    let mut it = Narrowed::new(2);
    let witness = it.witness();
    let beyond = it.ada.device.create(it.world.public, &topic("Beyond", ""));
    let roots = witness.roots();
    let outcome = witness.take(&[&bare(&beyond)]).remove(0);
    assert!(matches!(outcome, Outcome::Unauthorized(_)), "{outcome:?}");
    witness.take(&[&beyond]);
    assert_eq!(witness.roots(), roots);

    // Nor does what a receipt names after its node acknowledged the narrowings.
    let [wide, narrow] = [&it.wide, &it.narrow]
        .map(|narrowing| acknowledge(&mut it.world.b.node, it.world.public, narrowing));
    let named = receipt(&mut it.world.b.node, it.world.public, &beyond);
    witness.save([&wide, &narrow, &named]);
    assert!(!witness.is_in_effect(&bare(&beyond)));
}

#[test]
fn a_chain_leads_through_erasures_that_wait_for_what_they_erase() {
    let mut world = World::new();
    let mut ada = world.member("ada");
    let mut chain = vec![
        ada.device.create(world.public, &topic("First", "Stays.")),
        ada.device.create(world.public, &topic("Second", "Goes.")),
    ];
    chain.push(ada.device.erase(world.public, chain[1].id()));
    chain.push(ada.device.create(world.public, &topic("Third", "Goes.")));
    let it = Narrowed::of(world, ada, chain);
    let (witness, joiner) = (it.witness(), it.joiner());
    // The erasure waits, since what it erases has no effect and is not stored.
    joiner.take(&it.chain.iter().collect::<Vec<_>>());
    assert!(!joiner.is_held(&it.chain[2]));
    assert!(joiner.is_in_effect(&it.chain[0]) && joiner.is_in_effect(&bare(&it.chain[2])));
    assert_eq!(joiner.roots(), witness.roots());
}

#[test]
fn a_chain_leads_through_what_is_refused_for_what_it_builds_on() {
    let mut world = World::new();
    let mut ada = world.member("ada");
    let public = world.public;
    let first = ada.device.create(public, &topic("First", "Stays."));
    let foreign = ada.device.create(public, &topic("Second", "Goes."));
    // It edits the first, and builds on the second.
    let edit = ada.device.edit(
        public,
        document(&first),
        &[foreign.id()],
        vec![put("title", "Mixed")],
    );
    let last = ada.device.create(public, &topic("Last", "Goes."));
    let it = Narrowed::of(world, ada, vec![first, foreign, edit, last]);

    let knowing = it.joiner();
    let outcomes = knowing.take(&it.chain.iter().collect::<Vec<_>>());
    assert!(matches!(outcomes[2], Outcome::Refused(_)), "{outcomes:?}");
    let waiting = it.joiner();
    let outcome = waiting.take(&[&it.chain[2]]).remove(0);
    assert!(matches!(outcome, Outcome::Pending(_)), "{outcome:?}");
    waiting.take(&it.chain.iter().collect::<Vec<_>>());
    assert!(knowing.is_in_effect(&it.chain[0]));
    assert_eq!(knowing.roots(), waiting.roots());
}
