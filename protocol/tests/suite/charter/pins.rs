//! What keys that a party dropped can do, and what leads a party over to another branch (R13).

use super::*;

/// Three parties of one delegate each, of which the first two have replaced theirs: 1 by 2, 11 by 12.
/// Whoever has the old keys is a thief.
fn moved_on() -> Assembly {
    let mut it = Assembly::new(&[&[1], &[11], &[21]]);
    for (party, successor) in [(0, 2), (1, 12)] {
        let root = it.head(party);
        it.grow(party, root, 1, |it| it.delegates = keys(&[successor]));
    }
    it
}

/// A child of the genesis that the thief certifies, pinned to the states of then, with an id below that
/// of the real one, and the thief's choice of it.
fn thief_builds_on_the_genesis(it: &mut Assembly, real: EntryId) -> EntryId {
    let before = Assembly::new(&[&[1], &[11], &[21]]);
    let draft = before.draft(before.charter().current(), vec![rename("Mine")]);
    let stolen = it.enact_below(draft, real, &[1, 11]);
    it.choose(1, stolen);
    it.choose(11, stolen);
    stolen
}

fn head(it: &Assembly) -> EntryId {
    it.charter().current().id
}

/// Approvals are words: keys that stood for a branch cannot be turned against it.
#[test]
fn stolen_keys_that_approved_the_real_child_speak_for_neither() {
    let mut it = Assembly::new(&[&[1], &[11], &[21]]);
    let real = it.resolve(vec![rename("Tea")], &[1, 11]);
    it.choose(1, real);
    it.choose(11, real);
    it.choose(21, real);
    thief_builds_on_the_genesis(&mut it, real);
    assert_eq!(head(&it), real);
}

/// The thief has a quorum of old keys, none of which ever spoke on the real branch.
#[test]
fn dropped_keys_of_a_quorum_do_not_outweigh_who_came_since() {
    let mut it = moved_on();
    let real = it.resolve(vec![rename("Tea")], &[2, 12]);
    it.choose(2, real);
    it.choose(12, real);
    it.choose(21, real);
    let stolen = thief_builds_on_the_genesis(&mut it, real);
    assert_eq!(
        head(&it),
        real,
        "one party stands for it, none for the other"
    );
    // A state beside the successor's gains nothing more.
    let root = it.trees().tree(&it.ids[0]).unwrap().first().0;
    it.grow(0, root, 9, |it| it.delegates = keys(&[3]));
    it.choose(3, stolen);
    assert_eq!(head(&it), real);
}

/// What no rule can tell apart (decision 0016): nobody spoke whose keys the thief does not have.
#[test]
fn where_dropped_keys_silence_every_party_the_lowest_id_decides() {
    let mut it = moved_on();
    let real = it.resolve(vec![rename("Tea")], &[2, 12]);
    it.choose(2, real);
    it.choose(12, real);
    let stolen = thief_builds_on_the_genesis(&mut it, real);
    assert_eq!(head(&it), stolen);
    it.choose(21, real);
    assert_eq!(head(&it), real);
}

#[test]
fn a_dropped_key_speaks_until_the_charter_names_a_later_state() {
    let mut it = Assembly::new(&[&[1], &[11]]);
    let root = it.head(0);
    let old = it.charter();
    let replaced = it.grow(0, root, 1, |it| it.delegates = keys(&[2]));
    let party = it.ids[0];
    let with_old_pin = |it: &Assembly, charter: &Charter| {
        let mut draft = it.draft(charter.current(), vec![rename("Mine")]);
        pin(&mut draft, party, root);
        draft.proposer = key(11);
        judge(&draft, &keys(&[1, 11]), charter.current(), &it.trees())
    };
    assert_eq!(
        with_old_pin(&it, &old),
        Ok(()),
        "the limit of decision 0016"
    );
    it.resolve(vec![Change::ConfirmStates], &[2, 11]);
    assert_eq!(it.charter().current().parties[&party], replaced);
    let fault = PinFault::Unrelated;
    let refused = Err(ResolutionError::Pin { party, fault });
    assert_eq!(with_old_pin(&it, &it.charter()), refused);
    // Nor does it help to sign beside it.
    let judged = it.judge(vec![rename("Mine")], &[1, 11]);
    assert!(
        matches!(judged, Err(ResolutionError::Signer(_))),
        "{judged:?}"
    );
    let again = it.judge(vec![Change::ConfirmStates], &[2, 11]);
    assert_eq!(again, Err(ResolutionError::NoChange { change: 0 }));
}

/// The first party's pinned state, and a branch beside it that a stolen key made.
fn branched(parties: &[&[u16]], change: impl Fn(&mut certificate::PartyState)) -> Led {
    let mut it = Assembly::new(parties);
    let root = it.head(0);
    let real = it.grow(0, root, 1, |it| it.delegates = keys(&[2]));
    let by: Vec<u16> = [2].into_iter().chain(parties[1..].concat()).collect();
    it.resolve(vec![Change::ConfirmStates], &by);
    let other = it.grow(0, root, 9, change);
    Led { it, real, other }
}

struct Led {
    it: Assembly,
    real: EntryId,
    other: EntryId,
}

impl Led {
    fn judged(&self, by: &[u16]) -> Result<(), ResolutionError> {
        let party = self.it.ids[0];
        judge_draft(&self.it, vec![rename("Milk")], by, |draft| {
            pin(draft, party, self.other);
            draft.proposer = key(11);
            let (left, right) = (self.real, self.other);
            draft.fork_proofs = vec![ForkProof { party, left, right }];
        })
    }
}

fn leading(others: u64, quorum: u64, approving: u64) -> Result<(), ResolutionError> {
    Err(ResolutionError::Leading {
        others,
        quorum,
        approving,
    })
}

#[test]
fn r13_all_others_lead_a_party_over_and_its_own_word_does_not_count() {
    let led = branched(&[&[1], &[11], &[21], &[31]], |it| it.delegates = keys(&[3]));
    assert_eq!(led.judged(&[3, 11, 21]), leading(3, 3, 2));
    assert_eq!(led.judged(&[11, 21, 31]), Ok(()));
    assert!(leading(3, 3, 2).is_err_and(|it| it.is_about_approval()));
}

#[test]
fn r13_two_parties_cannot_lead_each_other_over() {
    let led = branched(&[&[1], &[11]], |it| it.delegates = keys(&[3]));
    assert_eq!(led.judged(&[3, 11]), leading(1, 2, 1));
}

#[test]
fn r13_a_quorum_is_not_all_others() {
    let parties: [&[u16]; 5] = [&[1], &[11], &[21], &[31], &[41]];
    let led = branched(&parties, |it| it.delegates = keys(&[3]));
    assert_eq!(led.judged(&[3, 11, 21, 31]), leading(4, 3, 3));
    assert_eq!(led.judged(&[11, 21, 31, 41]), Ok(()));
}

/// The other party and a dropped key say that the party left: then nobody else would have to agree.
#[test]
fn r13_a_branch_that_says_it_left_is_no_way_around() {
    let community = Assembly::new(&[&[1], &[11]]).community;
    let led = branched(&[&[1], &[11]], |it| it.left = vec![community]);
    assert_eq!(led.judged(&[11]), leading(1, 2, 1));
    assert_eq!(led.judged(&[1, 11]), leading(1, 2, 1));
}

#[test]
fn r13_who_approves_leading_over_is_asked_for_it() {
    let led = branched(&[&[1], &[11], &[21]], |it| it.delegates = keys(&[3]));
    let party = led.it.ids[0];
    let charter = led.it.charter();
    let mut draft = led.it.draft(charter.current(), vec![rename("Milk")]);
    pin(&mut draft, party, led.other);
    draft.proposer = key(11);
    let (left, right) = (led.real, led.other);
    draft.fork_proofs = vec![ForkProof { party, left, right }];
    let demands =
        comity_protocol::authority::charter::demands(&draft, charter.current(), &led.it.trees());
    for side in demands.unwrap().sides {
        assert_eq!(side.required, side.party != party);
    }
}

/// One other party turns, and with the key that was left behind certifies a child beside it.
#[test]
fn who_was_left_behind_by_leading_over_does_not_speak_alone() {
    let Led {
        mut it,
        real,
        other,
    } = branched(&[&[1], &[11], &[21]], |it| it.delegates = keys(&[3]));
    let party = it.ids[0];
    let before = it.charter();
    let mut draft = it.draft(before.current(), vec![rename("Milk")]);
    pin(&mut draft, party, other);
    draft.proposer = key(11);
    let (left, right) = (real, other);
    draft.fork_proofs = vec![ForkProof { party, left, right }];
    let mut undone = it.draft(before.current(), vec![rename("Mine")]);
    pin(&mut undone, party, real);
    undone.proposer = key(2);
    let led = it.enact(draft, &[11, 21]);
    for by in [11, 21, 3] {
        it.choose(by, led);
    }
    let undone = it.enact_below(undone, led, &[2, 21]);
    for by in [21, 2] {
        it.choose(by, undone);
    }
    assert!(undone < led);
    assert_eq!(
        head(&it),
        led,
        "one party stands for it, none for the other"
    );
}

#[test]
fn a_party_comes_back_by_what_was_pinned_last_or_what_follows_it() {
    let mut it = Assembly::new(&[&[1], &[11], &[21], &[31]]);
    let root = it.head(3);
    let real = it.grow(3, root, 1, |it| it.delegates = keys(&[32]));
    let party = it.ids[3];
    it.resolve(vec![Change::RemoveParty(party)], &[1, 11, 21]);
    assert_eq!(it.charter().current().former[&party], real);
    let join = |it: &Assembly, state, by: &[u16]| {
        judge_draft(it, vec![Change::AddParty(party)], by, |draft| {
            pin(draft, party, state);
        })
    };
    let fault = PinFault::Unrelated;
    let refused = Err(ResolutionError::Pin { party, fault });
    assert_eq!(join(&it, root, &[1, 11, 21, 31]), refused);
    assert_eq!(join(&it, real, &[1, 11, 21, 32]), Ok(()));
    it.resolve(vec![Change::AddParty(party)], &[1, 11, 21, 32]);
    assert!(it.charter().current().former.is_empty());
}
