//! Order plays no part, and more records change no verdict.

use super::*;
use crate::times_factor;
use std::collections::BTreeSet;

fn shuffle<T>(items: &mut [T], random: &mut u64) {
    for at in (1..items.len()).rev() {
        *random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        items.swap(at, (*random >> 33) as usize % (at + 1));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(times_factor(64) as u32))]

    /// Resolutions anywhere, signed by anybody, party chains that fork, choices of anything.
    #[test]
    fn order_plays_no_part(
        steps in prop::collection::vec((0u8..3, any::<prop::sample::Index>(), 0u8..64), 1..16),
        choices in prop::collection::vec((0u8..6, any::<prop::sample::Index>()), 0..12),
        order in any::<u64>(),
    ) {
        let delegates = [1, 2, 11, 12, 21, 22];
        let mut it = Assembly::new(&[&[1, 2], &[11, 12], &[21, 22]]);
        for (nonce, (kind, at, bits)) in steps.iter().enumerate() {
            let charter = it.charter();
            let states: Vec<EntryId> = charter.states().map(|(id, _)| *id).collect();
            let parent = charter.state(&states[at.index(states.len())]).unwrap();
            let signers: Vec<u16> = (0..6).filter(|n| bits >> n & 1 == 1)
                .map(|n| delegates[n]).collect();
            let change = match kind {
                0 => {
                    let party = usize::from(*bits) % 3;
                    let of_party: Vec<EntryId> = it.states.iter()
                        .filter(|(_, state)| state.name == format!("party {party}"))
                        .map(|(id, _)| *id).collect();
                    let parent = of_party[at.index(of_party.len())];
                    it.grow(party, parent, nonce as u8, |_| {});
                    continue;
                }
                1 => Change::RemoveParty(it.ids[usize::from(*bits) % 3]),
                _ => rename(&format!("name {nonce}")),
            };
            let draft = it.draft(parent, vec![change]);
            it.enact(draft, &signers);
        }
        let mut ids: Vec<EntryId> = it.states.iter().map(|(id, _)| *id).collect();
        ids.extend(it.resolutions.iter().map(|(id, ..)| *id));
        for (by, chosen) in choices {
            it.choose(delegates[usize::from(by)], ids[chosen.index(ids.len())]);
        }
        let (parties, charter) = (it.parties(), it.charter());
        let mut random = order;
        for _ in 0..4 {
            shuffle(&mut it.states, &mut random);
            shuffle(&mut it.resolutions, &mut random);
            prop_assert_eq!(&parties, &it.parties());
            prop_assert_eq!(&charter, &it.charter());
        }
        // What was certified in a part of the records is certified in all of them.
        it.resolutions.truncate(it.resolutions.len() / 2);
        it.words.clear();
        let all: BTreeSet<EntryId> = charter.states().map(|(id, _)| *id).collect();
        for (id, state) in it.charter().states() {
            prop_assert!(all.contains(id));
            prop_assert_eq!(charter.state(id), Some(state));
        }
    }
}

/// Thousands of resolutions, the last one first: each is judged once, and states share what stays.
#[test]
fn long_histories_are_evaluated_in_one_pass() {
    let mut it = Assembly::new(&[&[1], &[11]]);
    let mut parent = it.charter().current().clone();
    let trees = it.trees();
    for number in 0..2_000 {
        let mut draft = it.resolutions.first().map_or_else(
            || it.draft(&parent, vec![rename("x")]),
            |(_, first, _)| first.clone(),
        );
        draft.parent = parent.id;
        draft.height = parent.height + 1;
        draft.changes = vec![rename(&format!("name {number}"))];
        let id = resolution_id(&draft);
        let signers = keys(&[1, 11]);
        let enacted =
            comity_protocol::authority::charter::enact(id, &draft, &signers, &parent, &trees);
        parent = enacted.unwrap();
        it.resolutions.push((id, draft, signers));
        it.choose(1, id);
    }
    it.resolutions.reverse();
    let charter = it.charter();
    assert_eq!(charter.current(), &parent);
    assert_eq!(charter.path().len(), 2_001);
    let first = charter.state(&charter.path()[0]).unwrap();
    assert!(std::sync::Arc::ptr_eq(
        &first.spaces,
        &charter.current().spaces
    ));
}
