//! What changes may say, and what they fold into: R9 to R12.

use super::*;

#[test]
fn r9_spaces_of_the_charter_have_known_readers() {
    let mut it = three();
    let guest = it.party("guest", &[31]);
    let space = |readers| Space::new("new", readers, Writers::Members);
    let fault = |it: &Assembly, space: Space| match it
        .judge(vec![Change::DeclareSpace(space)], FIRST_TWO)
    {
        Ok(()) => None,
        Err(ResolutionError::Readers { fault, .. }) => Some(fault),
        Err(other) => panic!("{other}"),
    };
    assert_eq!(fault(&it, space(Readers::Everyone)), None);
    assert_eq!(fault(&it, space(Readers::Members)), None);
    assert_eq!(fault(&it, space(Readers::Parties(vec![it.ids[0]]))), None);
    let not_yet = space(Readers::Parties(vec![guest]));
    assert_eq!(
        fault(&it, not_yet.clone()),
        Some(ReadersFault::NotAParty(guest))
    );
    let groups = space(Readers::Groups(vec![(it.ids[0], "board".into())]));
    assert_eq!(fault(&it, groups), Some(ReadersFault::Restricted));
    let persons = space(Readers::Persons(vec![key(1)]));
    assert_eq!(fault(&it, persons), Some(ReadersFault::Restricted));
    let mut after = space(Readers::Everyone);
    after.successor_of = Some(SpaceId::from_bytes([4; 32]));
    assert_eq!(fault(&it, after.clone()), Some(ReadersFault::Predecessor));
    after.successor_of = Some(it.space(1));
    assert_eq!(fault(&it, after), None, "opening up is a new space");
    // Who joins by an earlier change of the same resolution can be named.
    let both = vec![Change::AddParty(guest), Change::DeclareSpace(not_yet)];
    assert_eq!(it.judge(both, &[1, 2, 11, 12, 31]), Ok(()));
}

#[test]
fn r10_quorums_and_names_fit() {
    let mut it = three();
    let fault = |it: &Assembly, changes| match it.judge(changes, ALL) {
        Ok(()) => None,
        Err(ResolutionError::Bounds { fault, .. }) => Some(fault),
        Err(other) => panic!("{other}"),
    };
    for quorum in [0, 1, 4] {
        let found = fault(&it, vec![Change::SetPartyQuorum(quorum)]);
        assert_eq!(found, Some(BoundsFault::Quorum { parties: 3 }), "{quorum}");
    }
    assert_eq!(fault(&it, vec![Change::SetPartyQuorum(3)]), None);
    let space = |name: &str| {
        let space = Space::new(name, Readers::Everyone, Writers::Members);
        vec![Change::DeclareSpace(space)]
    };
    assert_eq!(fault(&it, space("lobby")), Some(BoundsFault::NameTaken));
    let twice = [space("new"), space("new")].concat();
    assert_eq!(fault(&it, twice), Some(BoundsFault::NameTaken));
    // A closed one leaves its name to its successor.
    let closed = vec![Change::CloseSpace(it.space(0))];
    assert_eq!(fault(&it, [closed, space("lobby")].concat()), None);
    for round in 0..CHARTER_ITEMS_MAX / 64 {
        let label = |at| Change::SetLabel(format!("{round}-{at}"), "Odd.".into());
        let more = if round == 0 { 63 } else { 64 };
        it.resolve((0..more).map(label).collect(), ALL);
    }
    let label = |name: &str| vec![Change::SetLabel(name.into(), "Other.".into())];
    assert_eq!(fault(&it, label("one more")), Some(BoundsFault::Full));
    assert_eq!(fault(&it, label("spam")), None);
}

#[test]
fn r11_nobody_but_delegates_signs() {
    let it = three();
    let by = [FIRST_TWO, &[99]].concat();
    let judged = it.judge(vec![rename("Tea")], &by);
    assert_eq!(judged, Err(ResolutionError::Signer(key(99))));
    let judged = judge_draft(&it, vec![rename("Tea")], FIRST_TWO, |it| {
        it.proposer = key(98)
    });
    assert_eq!(judged, Err(ResolutionError::Signer(key(98))));
}

#[test]
fn r12_every_change_changes_something() {
    let mut it = three();
    it.party("guest", &[31]);
    let (first, guest) = (it.ids[0], it.ids[3]);
    let unknown = SpaceId::from_bytes([5; 32]);
    let nothing = |it: &Assembly, change: Change| {
        let judged = it.judge(vec![rename("Tea"), change.clone()], ALL);
        assert_eq!(
            judged,
            Err(ResolutionError::NoChange { change: 1 }),
            "{change:?}"
        );
    };
    let text = |it: &str| it.to_owned();
    for change in [
        rename("Tea"),
        Change::SetPurpose(text("Better coffee.")),
        Change::RemoveParty(guest),
        Change::SetPartyQuorum(2),
        Change::CloseSpace(unknown),
        Change::CloseSpace(certificate::governance_space(it.community)),
        Change::NarrowKinds(unknown, vec![text("topic")]),
        Change::SetPromise(promise(None, "answer", 3)),
        Change::RemovePromise(Some(first), text("answer")),
        Change::RemoveRule(text("vote")),
        Change::SetLabel(text("spam"), text("Unwanted.")),
        Change::RemoveLabel(text("rude")),
        Change::RemoveArticle(text("one")),
        Change::ConfirmStates,
    ] {
        nothing(&it, change);
    }
    assert_eq!(
        it.judge(vec![], ALL),
        Err(ResolutionError::NoChange { change: 0 })
    );
    let again = it.judge(vec![Change::AddParty(first)], ALL);
    assert_eq!(again, Err(ResolutionError::NoChange { change: 0 }));
    let lobby = it.space(0);
    it.resolve(vec![Change::NarrowKinds(lobby, vec![text("topic")])], ALL);
    nothing(&it, Change::NarrowKinds(lobby, vec![text("topic")]));
    it.resolve(vec![Change::CloseSpace(lobby)], ALL);
    nothing(&it, Change::CloseSpace(lobby));
    nothing(&it, Change::NarrowKinds(lobby, vec![text("page")]));
}

#[test]
fn changes_fold_into_the_next_state() {
    let mut it = three();
    let (first, lobby) = (it.ids[0], it.space(0));
    let before = it.charter().current().clone();
    let changes = vec![
        rename("Tea"),
        Change::SetPurpose("Better tea.".into()),
        Change::DeclareSpace(Space::new("new", Readers::Members, Writers::Stewards)),
        Change::NarrowKinds(lobby, vec!["page".into(), "topic".into()]),
        Change::SetPromise(promise(None, "answer", 2)),
        Change::RemovePromise(Some(first), "repair".into()),
        Change::RemoveLabel("spam".into()),
        Change::SetArticle("peace".into(), "Be kind.".into()),
        Change::Revoke(first, key(40)),
        Change::CutNode(key(41)),
    ];
    let id = it.resolve(changes, ALL);
    let charter = it.charter();
    let now = charter.current();
    assert_eq!((&*now.name, &*now.purpose), ("Tea", "Better tea."));
    assert_eq!((now.id, now.height), (id, 1));
    let space = certificate::space_id(it.community, id.as_bytes(), 3);
    assert_eq!(now.spaces[&space].space.name, "new");
    assert_eq!(now.spaces[&space].declared_by, id);
    assert!(now.spaces[&space].allows("topic"));
    assert!(!now.spaces[&lobby].allows("topic") && now.spaces[&lobby].allows("reply"));
    assert_eq!(now.promise(&first, "answer"), Some(2));
    assert_eq!(now.promise(&first, "repair"), None);
    assert!(now.labels.is_empty());
    assert_eq!(now.articles["peace"], "Be kind.");
    assert_eq!(charter.revocations(), [(first, key(40), id)]);
    assert_eq!(charter.node_cuts()[&key(41)], [id]);
    // What was before is as it was.
    assert_eq!(charter.state(&before.id), Some(&before));
    assert_eq!(charter.path(), [before.id, id]);
    let removed = it.resolve(vec![Change::CloseSpace(lobby)], ALL);
    assert_eq!(it.charter().current().spaces[&lobby].closed, Some(removed));
}

#[test]
fn promises_of_a_party_end_with_it() {
    let mut it = three();
    it.resolve(vec![Change::RemoveParty(it.ids[0])], &[11, 12, 21, 22]);
    let charter = it.charter();
    let promised = &charter.current().promises;
    assert_eq!(
        promised.keys().map(|(party, _)| *party).collect::<Vec<_>>(),
        [None]
    );
}
