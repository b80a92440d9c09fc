//! What a party, a device, a node and a thief may try.

use super::world::*;
use comity_protocol::authority::coverage::{Coverage, NoCuts, NodeTenure};
use comity_protocol::authority::narrowing::Issuer;
use comity_protocol::authority::receipts::{SpaceRecords, Statement};
use comity_protocol::authority::segments::{ChainEntry, cuts_for, segment_ends};
use comity_protocol::authority::{AuthorLink, ChainLinks};
use comity_protocol::certificate::{DeviceCut, SpaceCut};
use comity_protocol::contribution::ChainLink;
use comity_protocol::id::EntryId;
use comity_protocol::key::PublicKey;
use comity_protocol::record::ChainHead;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

const A: u8 = 1;
const B: u8 = 2;
const VENDOR: Issuer = Issuer::Party(party_a());

const fn party_a() -> comity_protocol::id::PartyId {
    comity_protocol::id::PartyId::from_bytes([A; 32])
}

fn steward() -> PublicKey {
    key(11)
}

fn node_of_a() -> PublicKey {
    key(21)
}

fn node_of_b() -> PublicKey {
    key(22)
}

/// A steward of A promised something, in three steps; A and B have a node each.
fn promise() -> (World, [EntryId; 3]) {
    let mut world = World::default();
    let mut chain = chain_of(steward());
    let words = ["one", "two", "three"].map(|word| world.write(&mut chain, word));
    world.node(node_of_a(), &[A]);
    world.node(node_of_b(), &[B]);
    world.narrowed.insert(steward());
    (world, words)
}

fn covered(world: &World, narrowing: EntryId, ids: &[EntryId]) -> Vec<bool> {
    let coverage = world.coverage();
    let reference = Reference(world);
    ids.iter()
        .map(|id| {
            let author = world.headers[id].author;
            let covers = coverage.covers(&narrowing, &author, id);
            assert_eq!(covers, reference.covers(&narrowing, &author, id));
            covers
        })
        .collect()
}

#[test]
fn a_cut_keeps_what_it_names_and_all_below() {
    let (mut world, words) = promise();
    let removal = world.narrow("removal", VENDOR, &[(steward(), vec![words[1]])]);
    assert_eq!(covered(&world, removal, &words), [true, true, false]);
    assert!(!NoCuts.covers(&removal, &steward(), &words[0]));
}

#[test]
fn a_party_cannot_unsay_what_another_partys_node_has_receipted() {
    let (mut world, words) = promise();
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    assert_eq!(covered(&world, at_zero, &words), [false; 3]);
    world.receipt(&mut chain_of(node_of_b()), &[words[1]]);
    assert_eq!(covered(&world, at_zero, &words), [true, true, false]);
    assert!(
        !world
            .coverage()
            .covers_unlifted(&at_zero, &steward(), &words[0])
    );
}

#[test]
fn a_partys_own_nodes_lift_nothing() {
    let (mut world, words) = promise();
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    world.receipt(&mut chain_of(node_of_a()), &[words[2]]);
    assert_eq!(covered(&world, at_zero, &words), [false; 3]);
}

#[test]
fn a_party_cannot_silence_anothers_node_by_listing_it_as_its_own() {
    let (mut world, words) = promise();
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    world.receipt(&mut chain_of(node_of_b()), &[words[2]]);
    world.node(node_of_b(), &[A, B]);
    assert_eq!(covered(&world, at_zero, &words), [true; 3]);
}

#[test]
fn a_party_cannot_unsay_by_making_the_stewards_device_a_node() {
    let (mut world, words) = promise();
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    world.receipt(&mut chain_of(node_of_b()), &[words[2]]);
    world.node(steward(), &[A]);
    assert_eq!(covered(&world, at_zero, &words), [true; 3]);
}

#[test]
fn a_key_that_is_no_node_lifts_nothing() {
    let (mut world, words) = promise();
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    world.receipt(&mut chain_of(key(29)), &[words[2]]);
    assert_eq!(covered(&world, at_zero, &words), [false; 3]);
}

#[test]
fn receipts_after_the_acknowledgement_lift_nothing() {
    let (mut world, words) = promise();
    let removal = world.narrow("removal", VENDOR, &[]);
    let other = world.narrow("other", VENDOR, &[]);
    let mut chain = chain_of(node_of_b());
    world.receipt(&mut chain, &[words[0]]);
    world.acknowledge(&mut chain, removal);
    world.receipt(&mut chain, &[words[2]]);
    assert_eq!(covered(&world, removal, &words), [true, false, false]);
    assert_eq!(covered(&world, other, &words), [true; 3]);
}

#[test]
fn nobody_unsays_by_leaving_or_by_revoking_an_own_device() {
    let (mut world, words) = promise();
    let departure = world.narrow("departure", Issuer::Person(key(10)), &[]);
    world.receipt(&mut chain_of(node_of_b()), &[words[0]]);
    world.receipt(&mut chain_of(node_of_a()), &[words[1]]);
    assert_eq!(covered(&world, departure, &words), [true, true, false]);
}

#[test]
fn no_receipt_lifts_what_a_quorum_has_cut() {
    let (mut world, words) = promise();
    let order = world.narrow("order", Issuer::Quorum, &[(steward(), vec![words[0]])]);
    world.receipt(&mut chain_of(node_of_b()), &[words[2]]);
    assert_eq!(covered(&world, order, &words), [true, false, false]);
}

#[test]
fn a_forked_node_chain_lifts_only_before_the_fork() {
    let (mut world, words) = promise();
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    let mut chain = chain_of(node_of_b());
    world.receipt(&mut chain, &[words[0]]);
    let mut branch = chain;
    world.receipt(&mut chain, &[words[1]]);
    world.receipt(&mut chain, &[words[2]]);
    assert_eq!(covered(&world, at_zero, &words), [true; 3]);
    world.say(&mut branch, "the other", Statement::Other);
    assert_eq!(covered(&world, at_zero, &words), [true, false, false]);
}

#[test]
fn an_acknowledgement_hidden_in_a_branch_ends_the_chain_there() {
    let (mut world, words) = promise();
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    let mut chain = chain_of(node_of_b());
    let mut branch = chain;
    world.receipt(&mut chain, &[words[2]]);
    world.acknowledge(&mut branch, at_zero);
    assert_eq!(covered(&world, at_zero, &words), [false; 3]);
}

#[test]
fn a_record_that_follows_a_withheld_branch_ends_the_chain() {
    let (mut world, words) = promise();
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    let mut shown = chain_of(node_of_b());
    let mut withheld = shown;
    world.receipt(&mut shown, &[words[0]]);
    world.acknowledge(&mut withheld, at_zero);
    world.receipt(&mut withheld, &[words[2]]);
    let acknowledgement = world.records.remove(1);
    world.headers.remove(&acknowledgement.id);
    assert_eq!(covered(&world, at_zero, &words), [true, false, false]);
}

#[test]
fn what_stands_behind_a_gap_in_a_nodes_chain_waits_for_it_to_close() {
    let (mut world, words) = promise();
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    let mut chain = chain_of(node_of_b());
    world.receipt(&mut chain, &[words[0]]);
    world.say(&mut chain, "withheld", Statement::Other);
    world.receipt(&mut chain, &[words[2]]);
    let withheld = world.records.remove(1);
    assert_eq!(covered(&world, at_zero, &words), [true, false, false]);
    let coverage = world.coverage();
    let records = world.space_records();
    let Said { id, place, says } = &withheld;
    assert!(coverage.statement_affects(*id, *place, says, &records, &world));
    world.records.push(withheld);
    assert_eq!(covered(&world, at_zero, &words), [true; 3]);
}

#[test]
fn a_decommissioned_node_in_a_thiefs_hands_lifts_nothing_beyond_its_cut() {
    let (mut world, words) = promise();
    let mut chain = chain_of(node_of_b());
    let honest = world.receipt(&mut chain, &[words[0]]);
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    world.receipt(&mut chain, &[words[2]]);
    assert_eq!(covered(&world, at_zero, &words), [true; 3]);
    let dropped = world.narrow(
        "dropped",
        Issuer::Party(party(B)),
        &[(node_of_b(), vec![honest])],
    );
    let tenure = NodeTenure {
        party: party(B),
        narrowings: vec![dropped],
    };
    world.tenures.insert(node_of_b(), vec![tenure]);
    assert_eq!(covered(&world, at_zero, &words), [true, false, false]);
}

#[test]
fn receipts_do_not_lift_cuts_on_the_key_of_a_node() {
    let (mut world, _) = promise();
    let mut of_b = chain_of(node_of_b());
    let first = world.say(&mut of_b, "countersignature", Statement::Other);
    let dropped = world.narrow("dropped", Issuer::Party(party(B)), &[]);
    world.receipt(&mut chain_of(node_of_a()), &[first]);
    world.narrowed.insert(node_of_b());
    let coverage = world.coverage();
    assert!(!coverage.covers_unlifted(&dropped, &node_of_b(), &first));
    assert!(coverage.covers(&dropped, &node_of_b(), &first));
}

#[test]
fn unknown_ids_cover_nothing_until_they_arrive() {
    let (mut world, words) = promise();
    let place = world.headers.remove(&words[1]).unwrap();
    let removal = world.narrow("removal", VENDOR, &[(steward(), vec![words[2]])]);
    assert_eq!(
        covered(&world, removal, &[words[0], words[2]]),
        [false, true]
    );
    assert!(world.coverage().awaits(&words[1]));
    assert!(!world.coverage().awaits(&words[0]));
    world.headers.insert(words[1], place);
    assert_eq!(covered(&world, removal, &words), [true; 3]);
}

#[test]
fn a_cut_or_receipt_that_names_anothers_entry_covers_nothing() {
    let (mut world, words) = promise();
    let foreign = world.write(&mut chain_of(key(12)), "foreign");
    // The steward's key claims to follow an entry of somebody else, and one it does not follow.
    let mut grafted = End {
        author: steward(),
        next: ChainLink::after(1, foreign),
    };
    let graft = world.write(&mut grafted, "graft");
    let mut leap = End {
        author: steward(),
        next: ChainLink::after(9, words[0]),
    };
    let leap = world.write(&mut leap, "leap");
    world.narrowed.insert(key(12));
    let removal = world.narrow(
        "removal",
        VENDOR,
        &[(steward(), vec![foreign, graft, leap])],
    );
    let lie = vec![ChainHead {
        author: steward(),
        seq: 1,
        id: foreign,
    }];
    world.say(&mut chain_of(node_of_b()), "lie", Statement::Receipt(lie));
    assert_eq!(
        covered(&world, removal, &[words[0], foreign, graft, leap]),
        [false, false, true, true]
    );
}

#[test]
fn a_sealed_table_counts_if_it_fits_the_root_and_is_of_this_space() {
    let (mut world, words) = promise();
    let removal = world.narrow("removal", VENDOR, &[]);
    let root = world.narrowings[&removal].cuts.sealed;
    let table = |space, root| Statement::CutTable {
        narrowing: removal,
        root,
        cut: SpaceCut {
            space,
            devices: vec![DeviceCut {
                key: steward(),
                last: vec![words[1]],
            }],
        },
    };
    let mut signer = chain_of(key(30));
    for wrong in [table(SPACE, [0; 32]), table(OTHER_SPACE, root)] {
        let coverage = world.coverage();
        let records = world.space_records();
        world.say(&mut signer, "wrong", wrong.clone());
        let said = world.records.last().unwrap();
        assert!(!coverage.statement_affects(said.id, said.place, &wrong, &records, &world));
    }
    assert_eq!(covered(&world, removal, &words), [false; 3]);
    let coverage = world.coverage();
    let records = world.space_records();
    world.say(&mut signer, "right", table(SPACE, root));
    let said = world.records.last().unwrap();
    assert!(coverage.statement_affects(said.id, said.place, &said.says, &records, &world));
    assert_eq!(covered(&world, removal, &words), [true, true, false]);
    // The same table, signed again and again, asks for nothing.
    let coverage = world.coverage();
    assert!(!coverage.statement_affects(said.id, said.place, &said.says, &records, &world));
}

#[test]
fn a_revoked_key_that_goes_on_writing_asks_for_nothing() {
    let (mut world, words) = promise();
    world.narrow("removal", VENDOR, &[(steward(), vec![words[2]])]);
    let coverage = world.coverage();
    let mut chain = End {
        author: steward(),
        next: ChainLink::after(3, words[2]),
    };
    for _ in 0..100 {
        let id = world.write(&mut chain, "more");
        assert!(!coverage.awaits(&id));
    }
}

#[test]
fn segments_with_gaps_and_forks_keep_all_that_was_effective_and_no_more() {
    let mut world = World::default();
    let mut chain = chain_of(steward());
    let ids: Vec<EntryId> = (0..9).map(|_| world.write(&mut chain, "main")).collect();
    let mut branch = End {
        author: steward(),
        next: ChainLink::after(2, ids[1]),
    };
    let fork: Vec<EntryId> = (0..2).map(|_| world.write(&mut branch, "fork")).collect();
    let withheld = world.headers.remove(&ids[4]).unwrap();
    // The seventh had no effect for a reason of its own.
    let without_effect = ids[6];
    let effective: Vec<ChainEntry> = world
        .headers
        .iter()
        .filter(|(id, _)| **id != without_effect)
        .map(|(id, place)| ChainEntry {
            id: *id,
            link: place.link,
        })
        .collect();
    let mut expected = vec![ids[3], fork[1], ids[5], ids[8]];
    expected.sort();
    assert_eq!(segment_ends(&effective), expected);

    let removal = world.narrow("removal", VENDOR, &[]);
    let keys = BTreeMap::from([(steward(), effective.clone()), (key(12), Vec::new())]);
    let cuts = cuts_for(SPACE, &keys);
    assert_eq!((cuts.len(), cuts[0].devices.len()), (1, 1));
    world.narrowings.get_mut(&removal).unwrap().cuts.open = cuts;
    for entry in &effective {
        assert_eq!(covered(&world, removal, &[entry.id]), [true]);
    }
    let after = world.write(&mut chain, "after");
    assert_eq!(covered(&world, removal, &[after]), [false]);
    world.headers.insert(ids[4], withheld);
    assert_eq!(covered(&world, removal, &[ids[4]]), [true]);
    assert_eq!(cuts_for(SPACE, &BTreeMap::new()), []);
}

/// Counts how often headers are asked for.
struct Counted<'a>(&'a World, Cell<usize>);

impl ChainLinks for Counted<'_> {
    fn link(&self, id: &EntryId) -> Option<AuthorLink> {
        self.1.set(self.1.get() + 1);
        self.0.headers.link(id)
    }
}

#[test]
fn each_header_is_read_once_however_many_narrowings_and_heads_there_are() {
    const LENGTH: usize = 100_000;
    const NARROWINGS: usize = 200;
    let mut world = World::default();
    world.node(node_of_b(), &[B]);
    let mut chain = chain_of(steward());
    let ids: Vec<EntryId> = (0..LENGTH)
        .map(|_| world.write(&mut chain, "deep"))
        .collect();
    let mut narrowings = Vec::new();
    for number in 0..NARROWINGS {
        let last = vec![ids[LENGTH / 2 + number]];
        narrowings.push(world.narrow(&format!("{number}"), VENDOR, &[(steward(), last)]));
    }
    let mut node = chain_of(node_of_b());
    for at in (0..LENGTH).step_by(100) {
        world.receipt(&mut node, &[ids[at]]);
    }
    let links = Counted(&world, Cell::new(0));
    let coverage = world.coverage_by(&world.space_records(), &links);
    let heads = NARROWINGS + LENGTH / 100;
    let asked = links.1.get();
    assert!(
        asked <= LENGTH + heads,
        "headers were asked for {asked} times"
    );
    assert!(coverage.covers_unlifted(&narrowings[0], &steward(), &ids[0]));
    assert!(!coverage.covers_unlifted(&narrowings[0], &steward(), &ids[LENGTH / 2 + 1]));
    assert!(coverage.covers(&narrowings[0], &steward(), &ids[LENGTH - 100]));
    assert!(!coverage.covers(&narrowings[0], &steward(), &ids[LENGTH - 1]));
}

#[test]
fn keeping_the_heads_of_narrowed_keys_only_changes_no_answer() {
    let (mut world, words) = promise();
    let at_zero = world.narrow("at zero", VENDOR, &[]);
    let foreign = world.write(&mut chain_of(key(12)), "foreign");
    let mut chain = chain_of(node_of_b());
    world.receipt(&mut chain, &[foreign]);
    world.receipt(&mut chain, &[words[2]]);
    let mut records = SpaceRecords::keeping_heads_of(BTreeSet::from([steward()]));
    for said in &world.records {
        add(&mut records, said);
    }
    let coverage = world.coverage_by(&records, &world.headers);
    assert!(coverage.covers(&at_zero, &steward(), &words[2]));
    assert_eq!(coverage, world.coverage());
}
