//! Resolutions: what each rule refuses, what they fold into, which branch is followed.

use crate::assembly::{Assembly, key, keys, promise, rename, resolution_id};
use comity_protocol::{
    authority::charter::{
        BoundsFault, CHARTER_ITEMS_MAX, Charter, CharterError, PinFault, ReadersFault,
        ResolutionError, judge,
    },
    certificate::{self, Change, ForkProof, Readers, Resolution, Space, Writers},
    id::{CommunityId, EntryId, PartyId, SpaceId},
};
use proptest::prelude::*;

mod changes;
mod forks;
mod order;
mod pins;

/// Three parties: 1 to 3, 11 to 13 and 21 to 23, two delegates each needed, two parties needed.
fn three() -> Assembly {
    Assembly::new(&[&[1, 2, 3], &[11, 12, 13], &[21, 22, 23]])
}

const FIRST_TWO: &[u16] = &[1, 2, 11, 12];
const ALL: &[u16] = &[1, 2, 11, 12, 21, 22];

fn judge_draft(
    it: &Assembly,
    changes: Vec<Change>,
    by: &[u16],
    edit: impl FnOnce(&mut Resolution),
) -> Result<(), ResolutionError> {
    let charter = it.charter();
    let mut draft = it.draft(charter.current(), changes);
    edit(&mut draft);
    judge(&draft, &keys(by), charter.current(), &it.trees())
}

/// Pins another state of a party.
fn pin(draft: &mut Resolution, party: PartyId, state: EntryId) {
    let mut pins = draft.pins.iter_mut();
    pins.find(|(it, _)| *it == party).unwrap().1 = state;
}

#[test]
fn a_genesis_needs_its_community_its_parties_and_their_delegates() {
    let it = three();
    let trees = it.trees();
    let genesis = (it.genesis_id(), &it.genesis);
    let found = |community, genesis, trees| {
        Charter::evaluate(community, genesis, &[], trees, &it.words).err()
    };
    assert_eq!(found(it.community, genesis, &trees), None);
    let other = CommunityId::from_bytes([1; 32]);
    assert_eq!(
        found(other, genesis, &trees),
        Some(CharterError::OtherCommunity)
    );
    let mut without = three();
    without.states.pop();
    let fewer = without.trees();
    let lacking = found(it.community, genesis, &fewer);
    assert_eq!(lacking, Some(CharterError::NoParty(it.ids[2])));
    let mut unsigned = it.genesis.clone();
    unsigned
        .founders
        .retain(|it| ![key(1), key(2)].contains(it));
    let community = certificate::community_id(&unsigned);
    let lacking = found(community, (it.genesis_id(), &unsigned), &trees);
    assert_eq!(lacking, Some(CharterError::NotFounded(it.ids[0])));
}

#[test]
fn r1_the_parent_is_the_one_it_is_judged_under() {
    let it = three();
    let change = || vec![rename("Tea")];
    let judged = |edit: fn(&mut Resolution)| judge_draft(&it, change(), FIRST_TWO, edit);
    assert_eq!(judged(|_| {}), Ok(()));
    let error = Err(ResolutionError::Parent);
    assert_eq!(judged(|it| it.parent = EntryId::from_bytes([1; 32])), error);
    assert_eq!(
        judged(|it| it.community = CommunityId::from_bytes([1; 32])),
        error
    );
}

#[test]
fn r2_heights_have_no_gap() {
    let judged = judge_draft(&three(), vec![rename("Tea")], FIRST_TWO, |it| it.height = 2);
    let (expected, found) = (1, 2);
    assert_eq!(judged, Err(ResolutionError::Height { expected, found }));
}

#[test]
fn r3_exactly_the_parties_are_pinned() {
    let mut it = three();
    let guest = it.party("guest", &[31]);
    let guests_state = it.head(3);
    let pin_fault = |edit: &dyn Fn(&mut Resolution)| match judge_draft(
        &it,
        vec![rename("Tea")],
        FIRST_TWO,
        |draft| edit(draft),
    ) {
        Err(ResolutionError::Pin { party, fault }) => (party, fault),
        other => panic!("{other:?}"),
    };
    let (missing, _) = it.draft(it.charter().current(), vec![]).pins[1];
    let found = pin_fault(&|it| it.pins.retain(|(party, _)| *party != missing));
    assert_eq!(found, (missing, PinFault::Missing));
    let found = pin_fault(&|it| {
        it.pins.push((guest, guests_state));
        it.pins.sort();
    });
    assert_eq!(found, (guest, PinFault::NotAParty));
    let nowhere = EntryId::from_bytes([9; 32]);
    let found = pin_fault(&|it| it.pins[0].1 = nowhere);
    assert_eq!(found.1, PinFault::Unknown);
    // A state of another party is none of this one.
    let found = pin_fault(&|it| it.pins[0].1 = it.pins[1].1);
    assert_eq!(found.1, PinFault::Unknown);
    let joins = |edit: &dyn Fn(&mut Resolution)| {
        let by = [FIRST_TWO, &[31]].concat();
        judge_draft(&it, vec![Change::AddParty(guest)], &by, |draft| edit(draft))
    };
    assert_eq!(joins(&|_| {}), Ok(()));
    let unpinned = joins(&|it| it.pins.retain(|(party, _)| *party != guest));
    let fault = PinFault::Missing;
    assert_eq!(
        unpinned,
        Err(ResolutionError::Pin {
            party: guest,
            fault
        })
    );
    let unknown = ResolutionError::Pin {
        party: guest,
        fault: PinFault::Unknown,
    };
    assert!(unknown.is_waiting() && !ResolutionError::Parent.is_waiting());
}

#[test]
fn r3_pins_only_move_forward() {
    let mut it = three();
    let root = it.head(0);
    let one = it.grow(0, root, 1, |_| {});
    it.resolve(vec![rename("Tea")], FIRST_TWO);
    let of = it.ids[0];
    assert_eq!(it.charter().current().parties[&of], one);
    let judged = judge_draft(&it, vec![rename("Juice")], FIRST_TWO, |it| {
        pin(it, of, root)
    });
    let (party, fault) = (it.ids[0], PinFault::Unrelated);
    assert_eq!(judged, Err(ResolutionError::Pin { party, fault }));
    assert_eq!(it.judge(vec![rename("Juice")], FIRST_TWO), Ok(()));
}

#[test]
fn r3_a_fork_proof_leads_to_the_other_branch() {
    let mut it = three();
    let root = it.head(0);
    let losing = it.grow(0, root, 1, |_| {});
    let tip = it.grow(0, losing, 2, |_| {});
    it.resolve(vec![rename("Tea")], FIRST_TWO);
    let winning = it.grow(0, root, 3, |_| {});
    let end = it.grow(0, winning, 4, |_| {});
    let party = it.ids[0];
    let judged = |proofs: Vec<ForkProof>| {
        judge_draft(&it, vec![rename("Juice")], ALL, |draft| {
            pin(draft, party, end);
            draft.fork_proofs = proofs;
        })
    };
    let refused = |fault| Err(ResolutionError::Pin { party, fault });
    let proof = |left, right| ForkProof { party, left, right };
    assert_eq!(judged(vec![]), refused(PinFault::Unrelated));
    assert_eq!(judged(vec![proof(losing, winning)]), Ok(()));
    for (left, right) in [
        (winning, losing),
        (losing, end),
        (tip, winning),
        (losing, losing),
    ] {
        let judged = judged(vec![proof(left, right)]);
        assert_eq!(judged, refused(PinFault::ForkProof));
    }
    let twice = vec![proof(losing, winning); 2];
    assert_eq!(judged(twice), refused(PinFault::ForkProof));
    let of_another = ForkProof {
        party: it.ids[1],
        ..proof(losing, winning)
    };
    let fault = PinFault::ForkProof;
    let judged = judged(vec![proof(losing, winning), of_another]);
    let party = it.ids[1];
    assert_eq!(
        judged,
        Err(ResolutionError::Pin { party, fault }),
        "not needed"
    );
}

#[test]
fn r4_a_quorum_of_parties_approves() {
    let it = three();
    let judged = |by: &[u16]| it.judge(vec![rename("Tea")], by);
    assert_eq!(judged(FIRST_TWO), Ok(()));
    assert_eq!(judged(&[1, 2, 21, 23]), Ok(()));
    let refused = |approving| {
        let needed = 2;
        Err(ResolutionError::Quorum { needed, approving })
    };
    assert_eq!(
        judged(&[1, 2, 3]),
        refused(1),
        "one party, however many delegates"
    );
    assert_eq!(
        judged(&[1, 2, 11, 21]),
        refused(1),
        "one delegate of a party is not the party"
    );
    assert_eq!(judged(&[]), refused(0));
}

#[test]
fn r4_approval_counts_under_the_pinned_state() {
    let mut it = three();
    let root = it.head(0);
    it.grow(0, root, 1, |it| {
        it.delegates = keys(&[4, 5, 6]);
        it.proposer = key(1);
    });
    assert_eq!(it.judge(vec![rename("Tea")], &[4, 5, 11, 12]), Ok(()));
    let old = it.judge(vec![rename("Tea")], FIRST_TWO);
    assert!(matches!(old, Err(ResolutionError::Signer(_))), "{old:?}");
}

#[test]
fn r4_a_party_that_left_is_taken_out_and_the_quorum_brought_near() {
    let mut it = Assembly::with_quorum(&[&[1], &[11], &[21]], 3);
    let judged = |it: &Assembly, by: &[u16]| it.judge(vec![rename("Tea")], by);
    let (needed, approving) = (3, 2);
    let refused = Err(ResolutionError::Quorum { needed, approving });
    assert_eq!(judged(&it, &[1, 11]), refused);
    let root = it.head(2);
    let community = it.community;
    let left = it.grow(2, root, 1, |it| it.left = vec![community]);
    assert_eq!(judged(&it, &[1, 11]), Ok(()));
    let (needed, approving) = (2, 1);
    let refused = Err(ResolutionError::Quorum { needed, approving });
    assert_eq!(judged(&it, &[1, 21]), refused, "who left counts no more");
    let gone = it.ids[2];
    let resolved = it.resolve(vec![Change::RemoveParty(gone), rename("Tea")], &[1, 11]);
    let charter = it.charter();
    assert_eq!(charter.current().party_quorum, 2);
    assert!(!charter.current().parties.contains_key(&gone));
    assert_eq!(charter.ended_parties().get(&gone), Some(&left));
    assert_eq!(charter.current().id, resolved);
    // It comes back by joining again, once it no longer says that it left.
    let join = || vec![Change::AddParty(gone)];
    let refused = Err(ResolutionError::Newcomer(gone));
    assert_eq!(it.judge(join(), &[1, 11, 21]), refused);
    it.grow(2, left, 2, |it| it.left = Vec::new());
    it.resolve(join(), &[1, 11, 21]);
    assert!(it.charter().ended_parties().is_empty());
}

#[test]
fn r4_nobody_decides_when_all_have_left() {
    let mut it = Assembly::new(&[&[1]]);
    let (root, community) = (it.head(0), it.community);
    it.grow(0, root, 1, |it| it.left = vec![community]);
    let (needed, approving) = (1, 0);
    let refused = Err(ResolutionError::Quorum { needed, approving });
    assert_eq!(it.judge(vec![rename("Tea")], &[1]), refused);
}

#[test]
fn r5_changing_the_quorum_needs_all() {
    let it = three();
    let change = || vec![Change::SetPartyQuorum(3)];
    let refused = Err(ResolutionError::QuorumChange(it.ids[2]));
    assert_eq!(it.judge(change(), FIRST_TWO), refused);
    assert_eq!(it.judge(change(), ALL), Ok(()));
}

#[test]
fn r6_a_newcomer_signs_too() {
    let mut it = three();
    let guest = it.party("guest", &[31, 32, 33]);
    let join = || vec![Change::AddParty(guest)];
    let refused = Err(ResolutionError::Newcomer(guest));
    assert_eq!(it.judge(join(), FIRST_TWO), refused);
    assert_eq!(it.judge(join(), &[1, 2, 11, 12, 31]), refused);
    let needed = 2;
    let alone = it.judge(join(), &[1, 2, 31, 32]);
    let approving = 1;
    let too_few = Err(ResolutionError::Quorum { needed, approving });
    assert_eq!(
        alone, too_few,
        "no party brings one in alone, and a newcomer is no quorum"
    );
    it.resolve(join(), &[1, 2, 11, 12, 31, 32]);
    let charter = it.charter();
    assert_eq!(charter.current().parties.len(), 4);
    assert_eq!(charter.current().party_quorum, 3, "more than half of four");
}

#[test]
fn r7_two_parties_cannot_expel_each_other() {
    let it = Assembly::new(&[&[1], &[11]]);
    for (removed, by) in [(1, 1), (0, 11)] {
        let judged = it.judge(vec![Change::RemoveParty(it.ids[removed])], &[by]);
        assert!(judged.is_err(), "{judged:?}");
        let forced = judge_draft(
            &it,
            vec![Change::RemoveParty(it.ids[removed])],
            &[1, 11],
            |_| {},
        );
        let (others, quorum, approving) = (1, 2, 1);
        let error = ResolutionError::Removal {
            others,
            quorum,
            approving,
        };
        // Not even with the signature of the one removed: it can leave by itself.
        assert_eq!(forced, Err(error));
    }
}

#[test]
fn r7_all_others_remove_a_party() {
    let mut it = Assembly::new(&[&[1], &[11], &[21], &[31]]);
    let remove = |it: &Assembly| vec![Change::RemoveParty(it.ids[3])];
    let (others, quorum, approving) = (3, 3, 2);
    let error = ResolutionError::Removal {
        others,
        quorum,
        approving,
    };
    assert_eq!(it.judge(remove(&it), &[1, 11, 31]), Err(error));
    let two = vec![
        Change::RemoveParty(it.ids[2]),
        Change::RemoveParty(it.ids[3]),
    ];
    let judged = it.judge(two, &[1, 11, 21, 31]);
    let (others, quorum, approving) = (2, 3, 2);
    let error = ResolutionError::Removal {
        others,
        quorum,
        approving,
    };
    assert_eq!(judged, Err(error), "two of four are no quorum");
    let id = it.resolve(remove(&it), &[1, 11, 21]);
    let charter = it.charter();
    assert_eq!(charter.ended_parties().get(&it.ids[3]), Some(&id));
    assert_eq!(charter.current().party_quorum, 3);
    assert_eq!(charter.current().parties.len(), 3);
    // Now the quorum is all three: no further one is removed.
    let next = vec![Change::RemoveParty(it.ids[2])];
    assert!(it.judge(next, &[1, 11, 21]).is_err());
}

#[test]
fn r7_a_quorum_is_not_all_others() {
    let it = Assembly::new(&[&[1], &[11], &[21], &[31], &[41]]);
    let remove = || vec![Change::RemoveParty(it.ids[4])];
    let (others, quorum, approving) = (4, 3, 3);
    let error = ResolutionError::Removal {
        others,
        quorum,
        approving,
    };
    assert_eq!(it.judge(remove(), &[1, 11, 21, 41]), Err(error));
    assert_eq!(it.judge(remove(), &[1, 11, 21, 31]), Ok(()));
}

#[test]
fn r8_what_is_taken_from_a_party_needs_that_party() {
    let it = three();
    let (first, third) = (it.ids[0], it.ids[2]);
    let last_two: &[u16] = &[11, 12, 21, 22];
    let named = it.space(1);
    let asked = |change: Change, by: &[u16]| match it.judge(vec![rename("Tea"), change], by) {
        Ok(()) => None,
        Err(ResolutionError::Consent { change, party }) => {
            assert_eq!(change, 1);
            Some(party)
        }
        Err(other) => panic!("{other}"),
    };
    let set = |party, name, days| Change::SetPromise(promise(party, name, days));
    let of_first = [
        Change::Revoke(first, key(40)),
        set(Some(first), "repair", 20),
        set(Some(first), "call back", 1),
        Change::RemovePromise(Some(first), "repair".into()),
        Change::CloseSpace(named),
        Change::NarrowKinds(named, vec!["topic".into()]),
    ];
    for change in of_first {
        assert_eq!(asked(change.clone(), last_two), Some(first), "{change:?}");
        assert_eq!(asked(change.clone(), FIRST_TWO), None, "{change:?}");
    }
    for change in [
        Change::RemovePromise(None, "answer".into()),
        set(None, "answer", 4),
    ] {
        assert_eq!(asked(change.clone(), FIRST_TWO), Some(third), "{change:?}");
        assert_eq!(asked(change, ALL), None);
    }
    // Nobody loses by these.
    let free = [
        set(None, "answer", 2),
        set(None, "thank", 1),
        Change::CloseSpace(it.space(0)),
        Change::CutNode(key(41)),
        Change::RemoveLabel("spam".into()),
    ];
    for change in free {
        assert_eq!(asked(change.clone(), last_two), None, "{change:?}");
    }
}

#[test]
fn r8_a_promise_is_not_unsaid_by_the_one_who_made_it() {
    let it = Assembly::new(&[&[1], &[11]]);
    let unsay = vec![Change::RemovePromise(Some(it.ids[0]), "repair".into())];
    let (needed, approving) = (2, 1);
    let refused = Err(ResolutionError::Quorum { needed, approving });
    assert_eq!(it.judge(unsay, &[1]), refused);
}
