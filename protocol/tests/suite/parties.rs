//! Chains of parties: what continues one, which branch is followed, who was in office.

use crate::assembly::{Assembly, first_state, key, keys, next_state, state_id};
use comity_protocol::{
    authority::parties::{Capacity, PartyTrees, StateError, Tenure, judge_state},
    certificate::{self, Change, PartyState},
    id::{CommunityId, EntryId, PartyId},
    key::PublicKey,
};
use proptest::prelude::*;

fn judged(change: impl FnOnce(&mut PartyState), by: &[u16]) -> Result<(), StateError> {
    let first = first_state("club", &[1, 2, 3]);
    let party = certificate::party_id(&first);
    let trees = PartyTrees::grow(&[(state_id(&first), &first)]);
    let mut next = next_state(party, &first, 1);
    change(&mut next);
    judge_state(&next, &keys(by), trees.tree(&party).unwrap())
}

#[test]
fn enough_delegates_of_the_state_before_continue_a_chain() {
    assert_eq!(judged(|_| {}, &[1, 2]), Ok(()));
    assert_eq!(judged(|_| {}, &[1, 2, 3]), Ok(()));
}

#[test]
fn p1_a_first_state_continues_nothing() {
    let first = |it: &mut PartyState| it.parent = None;
    assert_eq!(judged(first, &[1, 2]), Err(StateError::NotFirst));
}

#[test]
fn p2_the_parent_is_here_and_of_the_same_party() {
    let elsewhere = |it: &mut PartyState| {
        let (party, _) = it.parent.unwrap();
        it.parent = Some((party, EntryId::from_bytes([9; 32])));
    };
    assert_eq!(judged(elsewhere, &[1, 2]), Err(StateError::NoParent));
    let other = |it: &mut PartyState| {
        let (_, parent) = it.parent.unwrap();
        it.parent = Some((PartyId::from_bytes([9; 32]), parent));
    };
    assert_eq!(judged(other, &[1, 2]), Err(StateError::NoParent));
}

#[test]
fn p3_heights_have_no_gap() {
    let found = judged(|it| it.height = 2, &[1, 2]);
    let (expected, height) = (1, 2);
    let error = StateError::Height {
        expected,
        found: height,
    };
    assert_eq!(found, Err(error));
}

#[test]
fn p4_strangers_and_newcomers_sign_nothing() {
    let found = judged(|_| {}, &[1, 2, 4]);
    assert_eq!(found, Err(StateError::Signer(key(4))));
    // Nobody makes themself a delegate.
    let found = judged(|it| it.delegates = keys(&[1, 2, 3, 4]), &[1, 4]);
    assert_eq!(found, Err(StateError::Signer(key(4))));
}

#[test]
fn p5_as_many_sign_as_the_state_before_asks_for() {
    let lowered = |it: &mut PartyState| {
        it.delegates = keys(&[1]);
        it.delegates_needed = 1;
    };
    let (needed, signed) = (2, 1);
    let error = Err(StateError::TooFew { needed, signed });
    assert_eq!(judged(lowered, &[1]), error);
    assert_eq!(judged(lowered, &[1, 1]), error, "one counts once");
}

#[test]
fn p6_a_delegate_of_the_state_before_proposes() {
    let found = judged(|it| it.proposer = key(4), &[1, 2]);
    assert_eq!(found, Err(StateError::Proposer));
    let found = judged(|it| it.proposer = key(3), &[1, 2]);
    assert_eq!(found, Ok(()));
}

/// A party with five delegates, forked at its first state, one branch two states longer.
fn forked() -> (Assembly, EntryId, EntryId, EntryId) {
    let mut it = Assembly::new(&[&[1, 2, 3, 4, 5]]);
    let root = it.head(0);
    let children = [1, 2].map(|nonce| it.grow(0, root, nonce, |_| {}));
    let (low, high) = (children[0].min(children[1]), children[0].max(children[1]));
    let middle = it.grow(0, high, 3, |_| {});
    let end = it.grow(0, middle, 4, |_| {});
    (it, low, high, end)
}

#[test]
fn p7_the_branch_that_most_delegates_chose_is_followed() {
    let (mut it, low, high, end) = forked();
    assert_eq!(it.head(0), low, "the lowest id, and never the longer chain");
    it.choose(1, high);
    assert_eq!(it.head(0), end);
    it.choose(2, low);
    assert_eq!(it.head(0), low, "one each");
    // Choosing what follows chooses the branch.
    it.choose(3, end);
    assert_eq!(it.head(0), end);
    // Who chose both counts for neither.
    it.choose(3, low);
    assert_eq!(it.head(0), low);
    // Strangers have no say.
    it.choose(77, high);
    it.choose(78, end);
    assert_eq!(it.head(0), low);
    let parties = it.parties();
    let forks = parties.chain(&it.ids[0]).unwrap().forks();
    assert_eq!(forks.len(), 1);
    assert_eq!(
        (&forks[0].children, forks[0].winner),
        (&vec![low, high], low)
    );
}

#[test]
fn p7_a_choice_below_says_nothing_about_a_fork_above_it_on_another_branch() {
    let (mut it, low, high, end) = forked();
    // A second fork on the branch above: choices there are choices of the branch.
    let root = it.parties().chain(&it.ids[0]).unwrap().first().0;
    let left = it.grow(0, low, 5, |_| {});
    let right = it.grow(0, low, 6, |_| {});
    it.choose(1, left);
    it.choose(2, right);
    it.choose(3, end);
    // Two for `low` by what is below it, one for `high`.
    let parties = it.parties();
    let chain = parties.chain(&it.ids[0]).unwrap();
    assert_eq!(chain.path()[1], low);
    assert_eq!(chain.current().0, left.min(right), "one each: the lowest");
    // Who chose the parent chose neither child.
    it.choose(4, low);
    assert_eq!(it.head(0), left.min(right));
    it.choose(5, root);
    assert_eq!(it.head(0), left.min(right));
    it.choose(4, high);
    it.choose(4, end);
    let parties = it.parties();
    let votes: Vec<_> = parties.chain(&it.ids[0]).unwrap().forks().to_vec();
    assert_eq!(votes.len(), 2);
}

/// The thief of a sole key that was dropped can make a state beside the one that dropped it, and choose
/// that.
#[test]
fn p7_the_branch_that_the_charter_names_is_followed_whatever_delegates_say() {
    let mut it = Assembly::new(&[&[1], &[11]]);
    let root = it.head(0);
    let real = it.grow(0, root, 1, |it| it.delegates = keys(&[2]));
    it.choose(1, real);
    let dropped = |it: &Assembly, pinned| {
        let parties = it.parties();
        parties.chain(&it.ids[0]).unwrap().dropped_since(&pinned)
    };
    assert_eq!(dropped(&it, root), [key(1)].into());
    assert_eq!(dropped(&it, real), [].into());
    let confirmed = it.resolve(vec![Change::ConfirmStates], &[2, 11]);
    let stolen = it.grow_below(0, (root, real), |it| it.delegates = keys(&[3]));
    it.choose(1, stolen);
    it.choose(3, stolen);
    assert_eq!(it.head(0), real);
    let parties = it.parties();
    let chain = parties.chain(&it.ids[0]).unwrap();
    assert!(chain.forks()[0].pinned);
    assert_eq!(chain.head_from(&stolen), stolen);
    // Below what it names, delegates decide.
    let left = it.grow(0, real, 4, |_| {});
    let right = it.grow(0, real, 5, |_| {});
    it.choose(2, left.max(right));
    assert_eq!(it.head(0), left.max(right));
    // Had it not been named, the thief's branch would be followed: the lowest id, and as many words.
    it.resolutions.retain(|(id, ..)| *id != confirmed);
    assert_eq!(it.head(0), stolen);
}

#[test]
fn p7_what_the_charter_named_last_decides_for_a_party_that_is_out_of_it() {
    let mut it = Assembly::new(&[&[1], &[11], &[21]]);
    let root = it.head(0);
    let real = it.grow(0, root, 1, |it| it.delegates = keys(&[2]));
    it.resolve(vec![Change::RemoveParty(it.ids[0])], &[11, 21]);
    let stolen = it.grow_below(0, (root, real), |_| {});
    it.choose(1, stolen);
    assert_eq!(it.head(0), real);
}

#[test]
fn p8_states_that_do_not_hang_together_are_left_out() {
    let mut it = Assembly::new(&[&[1]]);
    let root = it.head(0);
    let one = it.grow(0, root, 1, |_| {});
    it.grow(0, one, 2, |state| state.height = 7);
    it.grow(0, one, 3, |state| state.proposer = key(9));
    assert_eq!(it.head(0), one);
    // Without its parent a state is nothing.
    let two = it.grow(0, one, 4, |_| {});
    assert_eq!(it.head(0), two);
    it.states.retain(|(id, _)| *id != one);
    assert_eq!(it.head(0), root);
}

#[test]
fn p9_a_key_is_in_office_until_the_last_state_that_drops_it() {
    let mut it = Assembly::new(&[&[1, 2, 3]]);
    let root = it.head(0);
    let one = it.grow(0, root, 1, |it| it.nodes = keys(&[50, 51]));
    let two = it.grow(0, one, 2, |it| {
        it.delegates = keys(&[1, 2]);
        it.nodes = keys(&[51]);
    });
    let tenure = |it: &Assembly, number, capacity| {
        let parties = it.parties();
        let chain = parties.chain(&it.ids[0]).unwrap();
        (
            chain.tenure(&key(number), capacity),
            chain.narrowings().to_vec(),
        )
    };
    use Capacity::{Delegate, Node, Steward};
    assert_eq!(tenure(&it, 1, Delegate), (Tenure::Now, vec![two]));
    assert_eq!(tenure(&it, 3, Delegate).0, Tenure::Until(two));
    assert_eq!(tenure(&it, 3, Steward).0, Tenure::Never);
    assert_eq!(tenure(&it, 50, Node).0, Tenure::Until(two));
    assert_eq!(tenure(&it, 50, Delegate).0, Tenure::Never);
    let three = it.grow(0, two, 3, |it| it.nodes = keys(&[50]));
    assert_eq!(tenure(&it, 50, Node), (Tenure::Now, vec![two, three]));
    assert_eq!(tenure(&it, 51, Node).0, Tenure::Until(three));
    let four = it.grow(0, three, 4, |it| it.nodes = keys(&[]));
    assert_eq!(tenure(&it, 50, Node).0, Tenure::Until(four), "the last");
    // Whom a losing branch lists was in office until the state that won.
    let lost = [9, 10, 11, 12].map(|nonce| {
        it.grow(0, four, nonce, |it| {
            it.nodes = keys(&[60 + u16::from(nonce)])
        })
    });
    let won = lost.iter().min().unwrap();
    for (at, id) in lost.iter().enumerate() {
        let expected = if id == won {
            Tenure::Now
        } else {
            Tenure::Until(*won)
        };
        assert_eq!(tenure(&it, 69 + at as u16, Node).0, expected);
    }
    // Whatever else the path says of a key, the last state that took it is the one.
    let again = it.grow(0, lost[0], 20, |it| it.nodes = keys(&[50]));
    assert_eq!(
        tenure(&it, 50, Node).0,
        match lost[0] == *won {
            true => Tenure::Now,
            false => Tenure::Until(*won),
        }
    );
    it.choose(1, again);
    it.choose(2, again);
    assert_eq!(tenure(&it, 50, Node).0, Tenure::Now, "that branch wins");
}

#[test]
fn p9_groups_are_those_of_the_current_state() {
    let mut it = Assembly::new(&[&[1]]);
    let root = it.head(0);
    let group = certificate::Group {
        name: "board".into(),
        keys: keys(&[5, 6]),
    };
    let one = it.grow(0, root, 1, |state| state.groups = vec![group]);
    let in_group = |it: &Assembly, name: &str, number| {
        let parties = it.parties();
        parties
            .chain(&it.ids[0])
            .unwrap()
            .in_group(name, &key(number))
    };
    assert!(in_group(&it, "board", 5));
    assert!(!in_group(&it, "board", 1));
    assert!(!in_group(&it, "crew", 5));
    it.grow(0, one, 2, |state| state.groups = Vec::new());
    assert!(!in_group(&it, "board", 5));
}

#[test]
fn p10_a_party_has_left_while_its_current_state_says_so() {
    let mut it = Assembly::new(&[&[1]]);
    let community = CommunityId::from_bytes([3; 32]);
    let left = |it: &Assembly| it.parties().chain(&it.ids[0]).unwrap().left(&community);
    let root = it.head(0);
    assert_eq!(left(&it), None);
    let one = it.grow(0, root, 1, |state| state.left = vec![community]);
    assert_eq!(left(&it), Some(one));
    let two = it.grow(0, one, 2, |_| {});
    assert_eq!(left(&it), Some(one), "the state that said it first");
    let parties = it.parties();
    assert_eq!(parties.chain(&it.ids[0]).unwrap().narrowings(), [one]);
    let three = it.grow(0, two, 3, |state| state.left = Vec::new());
    assert_eq!(left(&it), None);
    let four = it.grow(0, three, 4, |state| state.left = vec![community]);
    assert_eq!(left(&it), Some(four));
}

#[test]
fn descent_follows_branches() {
    let (it, low, high, end) = forked();
    let parties = it.parties();
    let chain = parties.chain(&it.ids[0]).unwrap();
    let root = chain.first().0;
    for (from, to, expected) in [
        (root, root, true),
        (root, end, true),
        (high, end, true),
        (low, end, false),
        (end, high, false),
        (EntryId::from_bytes([1; 32]), root, false),
    ] {
        assert_eq!(chain.tree().descends(&from, &to), expected);
    }
    assert!(chain.tree().are_siblings(&low, &high));
    assert!(!chain.tree().are_siblings(&low, &low));
    assert!(!chain.tree().are_siblings(&low, &end));
    assert!(!chain.tree().are_siblings(&root, &root));
}

proptest! {
    /// Forks anywhere, choices of anything by anybody: order plays no part.
    #[test]
    fn order_plays_no_part(
        parents in prop::collection::vec(any::<prop::sample::Index>(), 1..30),
        choices in prop::collection::vec((1u16..8, any::<prop::sample::Index>()), 0..20),
        order in any::<u64>(),
    ) {
        let mut it = Assembly::new(&[&[1, 2, 3, 4, 5]]);
        for (nonce, parent) in parents.iter().enumerate() {
            let parent = it.states[parent.index(it.states.len())].0;
            it.grow(0, parent, nonce as u8, |_| {});
        }
        for (by, chosen) in choices {
            let chosen = it.states[chosen.index(it.states.len())].0;
            it.choose(by, chosen);
        }
        let before = it.parties();
        let mut random = order;
        for at in (1..it.states.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            it.states.swap(at, (random >> 33) as usize % (at + 1));
        }
        let doubled = it.states.clone();
        it.states.extend(doubled);
        prop_assert_eq!(&before, &it.parties());
        // The tally, counted the slow way.
        let chain = before.chain(&it.ids[0]).unwrap();
        for fork in chain.forks() {
            let votes = |child: &EntryId| {
                let chose = |by: &PublicKey| {
                    let mine = it.words.get(by).into_iter().flatten();
                    let below: Vec<&EntryId> = mine
                        .filter(|it| **it != fork.parent && chain.tree().descends(&fork.parent, it))
                        .collect();
                    !below.is_empty() && below.iter().all(|it| chain.tree().descends(child, it))
                };
                chain.state(&fork.parent).unwrap().delegates.iter().filter(|it| chose(it)).count()
            };
            let mut best = fork.children.clone();
            best.sort_by_key(|it| (std::cmp::Reverse(votes(it)), *it));
            prop_assert_eq!(best[0], fork.winner);
        }
    }
}
