//! What a set lets in, by E1 to E18.

use super::{Book, certificates::signed};
use crate::{
    community::{Chain, NODE, TIME_MS, genesis, public, receipt},
    roster::world::{ADA, BEN, LEO, MIA, STRANGER, World, ZOE, device, first_state, group},
};
use comity_protocol::{
    certificate::{
        CertificateBody, Change, Cuts, Declarer, ErasureOrder, Genesis, Readers, Space,
        SpaceDeclaration, Writers,
    },
    entry::Entry,
    id::{EntryId, SpaceId},
    record::{Acknowledge, RecordBody, Role},
};

fn declared(world: &World, declarer: Declarer, readers: Readers, by: &[u8]) -> (SpaceId, Entry) {
    let declaration = SpaceDeclaration {
        community: world.id,
        declarer,
        space: Space::new("board room", readers, Writers::Members),
        nonce: [4; 16],
        time_ms: TIME_MS,
    };
    let certificate = signed(CertificateBody::SpaceDeclaration(declaration), by);
    (
        certificate.home(world.governance),
        Entry::Certificate(certificate),
    )
}

/// A space that our party declares for its board.
pub(super) fn for_the_board(world: &World, by: &[u8]) -> (SpaceId, Entry) {
    let declarer = Declarer::Party {
        party: world.ours,
        state: world.states[&world.ours].0,
        proposer: public(ADA),
    };
    let readers = Readers::Groups(vec![(world.ours, "board".into())]);
    declared(world, declarer, readers, by)
}

/// A space that a person opens for itself and Leo.
pub(super) fn for_persons(world: &World, root: u8, signer: u8) -> (SpaceId, Entry) {
    let declarer = Declarer::Member {
        root: public(root),
        signer: public(signer),
    };
    let mut persons = vec![public(root), public(LEO)];
    persons.sort();
    declared(world, declarer, Readers::Persons(persons), &[signer])
}

/// E1 to E18.
pub(super) fn write(book: &mut Book) {
    let mut world = World::with_mia();
    world.amend(world.ours, &[ADA, BEN], |state| {
        state.groups = vec![group("board", &[MIA])];
    });
    let set = "a-member-with-a-device-and-a-board";
    let authority = book.set(set, world.id, &world.entries);
    let governance = world.governance;
    let lobby = world.space("lobby");
    let mut add = |name: &str, space: SpaceId, entry: &Entry, expected: &str| {
        book.judge(name, (set, &authority), (space, entry), expected);
    };
    add("e1-the-genesis", governance, &world.entries[0], "Ok");
    let other = Genesis {
        parties: vec![world.ours],
        founders: vec![public(STRANGER)],
        ..genesis()
    };
    let other = Entry::Certificate(signed(CertificateBody::Genesis(other), &[STRANGER]));
    add("e1-another-genesis", governance, &other, "OtherGenesis");
    add(
        "e2-a-party-of-the-genesis",
        governance,
        &world.entries[1],
        "Ok",
    );
    let bakers = CertificateBody::Party(first_state("Bakers", &[LEO], &[]));
    let bakers = Entry::Certificate(signed(bakers, &[LEO]));
    add(
        "e2-a-party-that-nobody-named",
        governance,
        &bakers,
        "UnknownParty",
    );

    let last = |change: &dyn Fn(&mut World)| {
        let mut world = world.clone();
        change(&mut world);
        world.entries.pop().unwrap()
    };
    let amend = |by: &'static [u8], parent: Option<EntryId>| {
        last(&|world| {
            let party = world.ours;
            world.amend(party, by, |state| {
                state.name = "Tea Club".into();
                if let Some(parent) = parent {
                    state.parent = Some((party, parent));
                }
            });
        })
    };
    let lost = Some(EntryId::from_bytes([7; 32]));
    add(
        "e3-a-later-state",
        governance,
        &amend(&[ADA, BEN], None),
        "Ok",
    );
    add(
        "e3-by-one-of-two",
        governance,
        &amend(&[ADA], None),
        "State",
    );
    add(
        "e11-a-state-without-its-parent",
        governance,
        &amend(&[ADA, BEN], lost),
        "Builds",
    );
    let resolve = |by: &'static [u8], parent: Option<EntryId>| {
        last(&|world| {
            if let Some(parent) = parent {
                world.charter.0 = parent;
            }
            world.resolve(vec![Change::SetName("Tea".into())], by);
        })
    };
    let all = &[ADA, BEN, ZOE];
    add("e4-a-resolution", governance, &resolve(all, None), "Ok");
    add(
        "e4-by-one-of-two-parties",
        governance,
        &resolve(&[ADA, BEN], None),
        "Resolution",
    );
    add(
        "e11-a-resolution-without-its-parent",
        governance,
        &resolve(all, lost),
        "Builds",
    );

    let depart = |by: u8| {
        last(&|world| {
            world.depart(by, Cuts::default());
        })
    };
    add("e6-a-record-by-a-member", governance, &depart(MIA), "Ok");
    add(
        "e6-a-record-by-a-stranger",
        governance,
        &depart(STRANGER),
        "NoStanding",
    );
    add(
        "e7-a-key-that-a-known-person-linked",
        governance,
        &depart(device(MIA)),
        "Ok",
    );
    add(
        "e7-a-key-that-a-stranger-linked",
        governance,
        &depart(device(STRANGER)),
        "NoStanding",
    );
    let heard = |by: u8, space: SpaceId| {
        let heard = receipt(&world.entries[0]);
        Entry::Record(Chain::new(by, space).record(heard))
    };
    add(
        "e13-a-receipt-in-governance-by-a-node",
        governance,
        &heard(NODE, governance),
        "Ok",
    );
    add(
        "e13-a-receipt-in-governance-by-a-member",
        governance,
        &heard(MIA, governance),
        "NotANode",
    );
    let erased = Entry::Record(Chain::new(MIA, governance).erase(EntryId::from_bytes([4; 32])));
    add(
        "e9-an-erasure-where-no-words-are",
        governance,
        &erased,
        "WrongSpace",
    );

    let (board, by_both) = for_the_board(&world, &[ADA, BEN]);
    add("e5-a-space-by-a-party", board, &by_both, "Ok");
    let (board, by_one) = for_the_board(&world, &[ADA]);
    add(
        "e5-a-space-by-one-of-two-delegates",
        board,
        &by_one,
        "PartyDeclares",
    );
    add(
        "e9-a-declaration-in-another-space",
        governance,
        &by_both,
        "WrongSpace",
    );
    let (space, opened) = for_persons(&world, MIA, device(MIA));
    add("e15-a-space-by-a-members-device", space, &opened, "Ok");
    let (space, opened) = for_persons(&world, STRANGER, STRANGER);
    add(
        "e15-a-space-by-a-stranger",
        space,
        &opened,
        "PersonDeclares",
    );
    let order = |by: &[u8]| {
        let order = ErasureOrder {
            community: world.id,
            charter: world.charter.0,
            space: lobby,
            contribution: EntryId::from_bytes([4; 32]),
            proposer: public(ADA),
            reason: String::new(),
            time_ms: TIME_MS,
        };
        Entry::Certificate(signed(CertificateBody::ErasureOrder(order), by))
    };
    add("e16-an-order-of-erasure", lobby, &order(all), "Ok");
    add(
        "e16-an-order-by-one-of-two-parties",
        lobby,
        &order(&[ADA, BEN]),
        "Order",
    );
    add("e13-a-receipt-by-a-node", lobby, &heard(NODE, lobby), "Ok");
    add(
        "e13-a-receipt-by-a-member",
        lobby,
        &heard(MIA, lobby),
        "NotANode",
    );
    let nowhere = SpaceId::from_bytes([7; 32]);
    add(
        "e14-a-receipt-in-no-space",
        nowhere,
        &heard(NODE, nowhere),
        "UnknownSpace",
    );
    let narrowings = vec![EntryId::from_bytes([1; 32])];
    let heard = RecordBody::Acknowledge(Acknowledge { narrowings });
    let heard = Entry::Record(Chain::new(NODE, lobby).record(heard));
    add("e13-an-acknowledgement-by-a-node", lobby, &heard, "Ok");
    let table = RecordBody::CutTable(crate::governance::cut_table());
    let table = Entry::Record(Chain::new(ADA, lobby).record(table));
    add(
        "e8-a-table-that-no-narrowing-states",
        lobby,
        &table,
        "UnknownTable",
    );
    let admission = {
        let mut world = world.clone();
        world.governance = lobby;
        world.admit(LEO, world.ours, LEO, &[Role::Member]);
        world.entries.pop().unwrap()
    };
    add(
        "e9-an-admission-outside-of-governance",
        lobby,
        &admission,
        "WrongSpace",
    );
}
