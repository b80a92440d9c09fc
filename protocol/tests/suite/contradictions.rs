//! What the body of a certificate can contradict by itself: names, order, numbers, readers.

use crate::{
    community::{FOUNDER, MEMBER, STRANGER, TICKET, party_state, public},
    governance::{
        changes, cut_table, cuts, declaration_by_member, declaration_by_party, entry_id,
        genesis_of_two, keys, later_state, party_id, resolution, space_id,
    },
};
use comity_protocol::{
    certificate::{
        CHANGES_MAX, CertificateBody, CertificateError, Change, Cuts, Declarer, ForkProof, Genesis,
        PartyState, Promise, Readers, Resolution, Space, SpaceDeclaration, Writers,
    },
    record::{CutTable, RecordBody},
};

fn contradicts<T>(result: Result<T, CertificateError>) -> bool {
    matches!(result, Err(CertificateError::Contradiction(_)))
}

#[test]
fn later_states_must_not_contradict_themselves() {
    let state = |change: &dyn Fn(&mut PartyState)| {
        let mut state = later_state();
        change(&mut state);
        state.check()
    };
    assert_eq!(state(&|_| {}), Ok(()));
    assert_eq!(state(&|it| it.proposer = public(STRANGER)), Ok(()));
    assert!(contradicts(state(&|it| it.groups[0].name.clear())));
    let order = Err(CertificateError::Order);
    assert_eq!(state(&|it| it.groups.swap(0, 1)), order);
    assert_eq!(state(&|it| it.groups[1].name = "board".into()), order);
    assert_eq!(state(&|it| it.left.push(it.left[0])), order);
    assert_eq!(state(&|it| it.cuts.open.swap(0, 1)), order);
    let first = |change: &dyn Fn(&mut PartyState)| {
        let mut state = party_state();
        change(&mut state);
        state.check()
    };
    assert!(contradicts(first(&|it| it.proposer = public(STRANGER))));
    assert!(contradicts(first(&|it| it.left = later_state().left)));
    assert!(contradicts(first(&|it| it.cuts.sealed[0] = 1)));
    assert!(contradicts(first(&|it| it.cuts.open = cuts().open)));
}

#[test]
fn cuts_name_something_and_in_order() {
    let cut = |change: &dyn Fn(&mut Cuts)| {
        let mut cuts = cuts();
        change(&mut cuts);
        cuts.check()
    };
    assert_eq!(cut(&|_| {}), Ok(()));
    assert!(contradicts(cut(&|it| it.open[0].devices.clear())));
    assert!(contradicts(cut(&|it| it.open[0].devices[0].last.clear())));
    let order = Err(CertificateError::Order);
    assert_eq!(cut(&|it| it.open[1] = it.open[0].clone()), order);
    assert_eq!(cut(&|it| it.open[0].devices.swap(0, 1)), order);
    assert_eq!(cut(&|it| it.open[0].devices[1].last.swap(0, 1)), order);
    assert!(Cuts::default().is_none() && !cuts().is_none());
    let table = |change: &dyn Fn(&mut CutTable)| {
        let mut table = cut_table();
        change(&mut table);
        assert_eq!(
            table.check().is_ok(),
            RecordBody::decode(19, &RecordBody::CutTable(table.clone()).encode()).is_ok()
        );
        table.check()
    };
    assert_eq!(table(&|_| {}), Ok(()));
    assert!(contradicts(table(&|it| it.path.truncate(2))));
    assert!(contradicts(table(&|it| it.index = 8)));
    assert!(contradicts(table(&|it| it.path = vec![[0; 32]; 17])));
    assert_eq!(table(&|it| it.cut.devices.swap(0, 1)), order);
}

#[test]
fn a_genesis_must_not_contradict_itself() {
    let genesis = |change: &dyn Fn(&mut Genesis)| {
        let mut genesis = genesis_of_two();
        change(&mut genesis);
        genesis.check()
    };
    assert_eq!(genesis(&|_| {}), Ok(()));
    let readers = |readers: Readers| genesis(&|it| it.spaces[1].readers = readers.clone());
    assert_eq!(readers(Readers::Parties(vec![party_id(2)])), Ok(()));
    assert!(contradicts(readers(Readers::Parties(vec![]))));
    assert!(contradicts(readers(Readers::Parties(vec![party_id(3)]))));
    assert!(contradicts(readers(Readers::Groups(vec![(
        party_id(1),
        "board".into()
    )]))));
    assert!(contradicts(readers(Readers::Persons(keys(&[MEMBER])))));
    let order = Err(CertificateError::Order);
    let twice = Readers::Parties(vec![party_id(1), party_id(1)]);
    assert_eq!(readers(twice), order);
    let kinds = |kinds: &[&str]| {
        let kinds: Vec<String> = kinds.iter().map(|it| (*it).into()).collect();
        genesis(&|it| it.spaces[0].kinds = Some(kinds.clone()))
    };
    assert_eq!(kinds(&["page"]), Ok(()));
    assert!(contradicts(kinds(&[])));
    assert!(contradicts(kinds(&[""])));
    assert_eq!(kinds(&["topic", "page"]), order);
    let with = |change: &dyn Fn(&mut Genesis)| contradicts(genesis(change));
    assert!(with(&|it| it.spaces[0].successor_of = Some(space_id(1))));
    assert!(with(&|it| it.continues = None));
    assert!(with(&|it| it.promises[1].party = Some(party_id(3))));
    assert!(with(&|it| it.promises[1] = it.promises[0].clone()));
    assert!(with(&|it| it.rules.push(it.rules[0].clone())));
    assert!(with(&|it| it.rules[0].name.clear()));
    assert!(with(&|it| it.rules[0].share_permille = 1_001));
    assert!(with(&|it| it.rules[0].quorum_permille = 1_001));
    assert!(with(&|it| it.labels.push(it.labels[0].clone())));
    assert!(with(&|it| it.articles[0].0 = " ".into()));
    assert_eq!(genesis(&|it| it.parties.swap(0, 1)), order);
}

fn resolved(change: impl Fn(&mut Resolution)) -> Result<(), CertificateError> {
    let mut it = resolution();
    change(&mut it);
    let decoded = CertificateBody::decode(&CertificateBody::Resolution(it.clone()).encode());
    assert_eq!(decoded.is_ok(), it.check().is_ok(), "read as it is written");
    it.check()
}

#[test]
fn a_resolution_must_not_contradict_itself() {
    assert_eq!(resolved(|_| {}), Ok(()));
    let with = |change: &dyn Fn(&mut Resolution)| contradicts(resolved(change));
    assert!(with(&|it| it.height = 0));
    assert!(with(&|it| it.changes.clear()));
    assert!(with(&|it| {
        it.fork_proofs.clear();
        it.changes = vec![Change::SetName("Tea".into())];
        it.cuts = Cuts::default();
        it.pins.clear();
    }));
    assert!(with(&|it| it.changes[2] = Change::AddParty(party_id(9))));
    assert!(with(&|it| it.fork_proofs[0].party = party_id(9)));
    assert!(with(&|it| it.fork_proofs[0].left = it.fork_proofs[0].right));
    assert!(with(&|it| it.changes.retain(|it| !it.is_narrowing())));
    let order = Err(CertificateError::Order);
    assert_eq!(resolved(|it| it.pins.swap(0, 1)), order);
    assert_eq!(resolved(|it| it.pins[1].0 = it.pins[0].0), order);
    let proof = |left| ForkProof {
        party: party_id(3),
        left: entry_id(left),
        right: entry_id(2),
    };
    let doubled = [proof(1), proof(3)];
    assert_eq!(resolved(|it| it.fork_proofs = doubled.to_vec()), order);
    let labels = |count: usize| {
        let label = |number| Change::SetLabel(format!("label {number}"), String::new());
        resolved(move |it| {
            it.changes = (0..count).map(label).collect();
            it.cuts = Cuts::default();
        })
    };
    assert_eq!(labels(CHANGES_MAX), Ok(()));
    assert!(contradicts(labels(CHANGES_MAX + 1)));
}

/// Each of them, doubled or beside its opposite, leaves open what is meant.
#[test]
fn no_two_changes_are_about_one_thing() {
    for change in changes() {
        let doubled = contradicts(resolved(|it| it.changes.push(change.clone())));
        assert!(doubled, "{change:?}");
    }
    let twice = vec![Change::ConfirmStates; 2];
    assert!(contradicts(resolved(|it| it.changes.extend(twice.clone()))));
    let opposites = [
        Change::RemoveParty(party_id(2)),
        Change::AddParty(party_id(1)),
        Change::RemovePromise(Some(party_id(3)), "answer".into()),
        Change::RemoveRule("board".into()),
        Change::RemoveLabel("off-topic".into()),
        Change::RemoveArticle("conduct".into()),
    ];
    for change in opposites {
        let doubled = contradicts(resolved(|it| it.changes.push(change.clone())));
        assert!(doubled, "{change:?}");
    }
}

#[test]
fn no_change_is_empty_or_beyond_its_limits() {
    let space = |change: &dyn Fn(&mut Space)| {
        let mut space = Space::new("hall", Readers::Members, Writers::Members);
        change(&mut space);
        Change::DeclareSpace(space)
    };
    let persons = Readers::Persons(keys(&[MEMBER]));
    let groups = Readers::Groups(vec![(party_id(1), "board".into())]);
    let promise = |name: &str, days| {
        Change::SetPromise(Promise {
            party: None,
            name: name.into(),
            days,
        })
    };
    let bad = [
        Change::SetName(" ".into()),
        Change::SetPartyQuorum(0),
        space(&|it| it.name.clear()),
        space(&|it| it.readers = persons.clone()),
        space(&|it| it.readers = groups.clone()),
        space(&|it| it.kinds = Some(vec![])),
        Change::NarrowKinds(space_id(1), vec![]),
        promise("", 1),
        promise("answer", 36_501),
        Change::RemovePromise(None, String::new()),
        Change::RemoveRule(String::new()),
        Change::SetLabel(String::new(), "x".into()),
        Change::RemoveLabel("\n".into()),
        Change::SetArticle(String::new(), "x".into()),
        Change::RemoveArticle(String::new()),
    ];
    for change in bad {
        let alone = resolved(|it| {
            it.changes = vec![change.clone()];
            it.cuts = Cuts::default();
        });
        assert!(contradicts(alone), "{change:?}");
    }
}

#[test]
fn a_declarer_names_its_own_readers() {
    let by_party = |readers: Readers| {
        let mut it = declaration_by_party();
        it.space.readers = readers;
        it.check()
    };
    let group = |party, name: &str| (party_id(party), name.to_owned());
    assert_eq!(by_party(Readers::Parties(vec![party_id(1)])), Ok(()));
    assert_eq!(by_party(Readers::Groups(vec![group(1, "board")])), Ok(()));
    for readers in [
        Readers::Everyone,
        Readers::Members,
        Readers::Parties(vec![party_id(2)]),
        Readers::Parties(vec![party_id(1), party_id(2)]),
        Readers::Groups(vec![]),
        Readers::Groups(vec![group(1, "")]),
        Readers::Groups(vec![group(1, "board"), group(2, "board")]),
        Readers::Persons(keys(&[FOUNDER])),
    ] {
        assert!(contradicts(by_party(readers.clone())), "{readers:?}");
    }
    let by_member = |change: &dyn Fn(&mut SpaceDeclaration)| {
        let mut it = declaration_by_member();
        change(&mut it);
        it.check()
    };
    assert_eq!(by_member(&|_| {}), Ok(()));
    assert!(contradicts(by_member(&|it| {
        it.space.readers = Readers::Persons(keys(&[STRANGER]));
    })));
    assert!(contradicts(by_member(&|it| {
        it.space.readers = Readers::Members;
    })));
    assert!(contradicts(by_member(&|it| {
        it.declarer = Declarer::Member {
            root: public(TICKET),
            signer: public(MEMBER),
        };
    })));
    assert_eq!(
        by_member(&|it| {
            let mut persons = keys(&[MEMBER, FOUNDER]);
            persons.reverse();
            it.space.readers = Readers::Persons(persons);
        }),
        Err(CertificateError::Order)
    );
}
