//! Two certified children of one state.

use super::*;

/// Three parties with one delegate each, and two certified resolutions, lowest id first.
fn forked() -> (Assembly, EntryId, EntryId) {
    forked_by(Assembly::new(&[&[1], &[11], &[21]]), &[1, 11])
}

fn forked_by(mut it: Assembly, by: &[u16]) -> (Assembly, EntryId, EntryId) {
    let charter = it.charter();
    let ids = ["Tea", "Juice"].map(|name| {
        let draft = it.draft(charter.current(), vec![rename(name)]);
        it.enact(draft, by)
    });
    let (low, high) = (ids[0].min(ids[1]), ids[0].max(ids[1]));
    (it, low, high)
}

fn head(it: &Assembly) -> EntryId {
    it.charter().current().id
}

/// Adds a resolution below any state, signed by the first two parties.
fn below(it: &mut Assembly, parent: EntryId, name: &str) -> EntryId {
    let charter = it.charter();
    let draft = it.draft(charter.state(&parent).unwrap(), vec![rename(name)]);
    it.enact(draft, &[1, 11])
}

#[test]
fn the_branch_that_most_parties_chose_is_followed() {
    let (mut it, low, high) = forked();
    assert_eq!(head(&it), low);
    let middle = below(&mut it, high, "Milk");
    let end = below(&mut it, middle, "Water");
    assert_eq!(head(&it), low, "never the longer chain");
    it.choose(1, high);
    assert_eq!(head(&it), end);
    it.choose(21, low);
    assert_eq!(head(&it), low, "one each: the lowest id");
    it.choose(11, end);
    assert_eq!(head(&it), end, "what follows chooses the branch");
    let forks = it.charter().forks().to_vec();
    assert_eq!(forks.len(), 1);
    assert_eq!(
        (&forks[0].children, forks[0].winner),
        (&vec![low, high], high)
    );
}

#[test]
fn a_party_whose_delegate_chose_both_counts_for_neither() {
    let (mut it, low, high) = forked();
    it.choose(1, high);
    it.choose(1, low);
    assert_eq!(head(&it), low);
    it.choose(11, high);
    assert_eq!(head(&it), high);
    it.choose(11, low);
    assert_eq!(head(&it), low);
    it.choose(77, high);
    assert_eq!(head(&it), low, "strangers have no say");
}

#[test]
fn a_party_chooses_by_as_many_delegates_as_it_needs() {
    let (mut it, low, high) = forked_by(three(), FIRST_TWO);
    it.choose(1, high);
    assert_eq!(head(&it), low);
    it.choose(2, high);
    assert_eq!(head(&it), high);
    it.choose(11, low);
    it.choose(12, low);
    assert_eq!(head(&it), low);
    // One of the second party wavers: it is two of three who chose low.
    it.choose(13, high);
    assert_eq!(head(&it), low);
    it.choose(12, high);
    assert_eq!(head(&it), high);
}

#[test]
fn who_came_later_speaks_for_the_party_too() {
    let (mut it, low, high) = forked_by(three(), FIRST_TWO);
    it.choose(1, high);
    it.choose(2, high);
    let root = it.head(1);
    it.grow(1, root, 1, |it| {
        it.delegates = keys(&[14, 15, 16]);
        it.proposer = key(11);
    });
    it.choose(14, low);
    assert_eq!(head(&it), high, "one of two who are needed");
    it.choose(15, low);
    assert_eq!(head(&it), low, "one party each: the lowest id");
    // Where its earlier delegates spoke for the other branch, the party stands for neither.
    it.choose(11, high);
    it.choose(12, high);
    assert_eq!(head(&it), high);
    it.choose(12, low);
    assert_eq!(head(&it), low, "of its earlier ones too few spoke for one");
}

#[test]
fn nothing_of_a_losing_branch_is_in_force() {
    let mut it = three();
    let charter = it.charter();
    let (guilty, node) = (it.ids[0], key(50));
    let ids = [key(40), key(41)].map(|member| {
        let changes = vec![
            Change::Revoke(guilty, member),
            Change::CutNode(node),
            Change::RemoveParty(it.ids[2]),
        ];
        let draft = it.draft(charter.current(), changes);
        it.enact(draft, FIRST_TWO)
    });
    let charter = it.charter();
    let low = ids[0].min(ids[1]);
    assert_eq!(charter.states().count(), 3);
    assert_eq!(charter.revocations().len(), 1);
    assert_eq!(charter.revocations()[0].2, low);
    assert_eq!(charter.node_cuts()[&node], [low]);
    assert_eq!(charter.ended_parties()[&it.ids[2]], low);
}

#[test]
fn a_resolution_stays_certified_when_a_party_it_pins_turns_out_forked() {
    let mut it = Assembly::new(&[&[1], &[11]]);
    let root = it.head(0);
    let pinned = it.grow(0, root, 1, |_| {});
    let certified = it.resolve(vec![rename("Tea")], &[1, 11]);
    let other = it.grow(0, root, 2, |_| {});
    it.choose(1, other);
    assert_eq!(head(&it), certified);
    // What the charter names is followed, so the next one needs no proof.
    assert_eq!(it.head(0), pinned);
    let child = it.resolve(vec![rename("Juice")], &[1, 11]);
    assert_eq!(head(&it), child);
    assert_eq!(it.charter().current().parties[&it.ids[0]], pinned);
}
