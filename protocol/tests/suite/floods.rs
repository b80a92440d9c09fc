//! Floods of governance cost what they are long, and not its square. Counted, never timed.

use crate::{
    assembly::{Assembly, key, rename, resolution_id, secret},
    community::{public, verified},
    roster::world::{ADA, BEN, World},
    sync::harness::Rng,
    times_factor,
};
use comity_protocol::{
    authority::{
        Authority,
        deliberation::{
            Approved, Deliberation, Motion, Outcome, Proposed, Refusal, SideVoices, Voices,
        },
    },
    certificate::{CertificateBody, Resolution},
    effort::{self, Effort},
    id::domain,
    key::PublicKey,
};

/// Bytes of first states that are hashed where so many states build on a large one.
fn hashed_below_a_large_first_state(children: u8) -> Option<u64> {
    let mut world = World::with(|ours, _| {
        let mut nodes: Vec<PublicKey> = (50..250).map(public).collect();
        nodes.sort();
        ours.nodes = nodes;
    });
    let founded = world.clone();
    for child in 0..children {
        let mut next = founded.clone();
        next.amend(next.ours, &[ADA, BEN], |it| {
            it.nodes.clear();
            it.name = format!("child {child}");
        });
        world.entries.extend(next.entries.pop());
    }
    let entries = verified(&world.entries);
    let authority = Authority::evaluate(world.id, &entries);
    let tree = authority.party_chains().chain(&world.ours).unwrap().tree();
    assert_eq!(tree.states().count(), usize::from(children) + 1);
    effort::of(Effort::FirstStateBytes, || {
        Authority::evaluate(world.id, &entries)
    })
}

#[test]
fn children_of_a_large_first_state_do_not_hash_it_again() {
    let (few, many) = (
        hashed_below_a_large_first_state(4),
        hashed_below_a_large_first_state(40),
    );
    assert_eq!(few, many);
}

#[test]
fn asking_about_a_child_of_a_first_state_does_not_hash_that() {
    let world = World::new();
    let authority = world.authority();
    let later = {
        let mut next = world.clone();
        next.amend(next.ours, &[ADA, BEN], |_| {});
        next.entries.pop().unwrap()
    };
    let asked = effort::of(Effort::FirstStateBytes, || {
        assert_eq!(authority.lets_in(world.governance, &later), Ok(()));
    });
    assert_eq!(asked.unwrap_or(0), 0);
}

/// So many proposals that change the same state, and what was said about them.
struct Crowd {
    assembly: Assembly,
    proposed: Proposed,
    voices: Voices,
}

impl Crowd {
    fn of(proposals: u16) -> Self {
        let mut it = Self {
            assembly: Assembly::new(&[&[1], &[11], &[21]]),
            proposed: Proposed::new(),
            voices: Voices::default(),
        };
        let charter = it.assembly.charter();
        for number in 0..proposals {
            let name = format!("name {number}");
            let draft: Resolution = it.assembly.draft(charter.current(), vec![rename(&name)]);
            let id = resolution_id(&draft);
            it.proposed.insert(id, CertificateBody::Resolution(draft));
        }
        it
    }

    fn approve_all(&mut self, by: u16) {
        for body in self.proposed.clone().values() {
            self.approve(body, by);
        }
    }

    fn approve(&mut self, body: &CertificateBody, by: u16) {
        let body = body.encode();
        let signature = secret(by).sign(domain::CERTIFICATE_SIGNATURE, &body);
        let approved = Approved::check(&body, key(by), signature).unwrap();
        self.voices.approve(approved);
    }

    /// Motions that are looked at to ask for every one whether a delegate may approve it.
    fn compared(&self, by: u16, answer: &dyn Fn(&Result<(), Refusal>) -> bool) -> Option<u64> {
        let (charter, parties) = (self.assembly.charter(), self.assembly.parties());
        let proposed = self.proposed.clone();
        let weighed = Deliberation::weigh(Some(&charter), &parties, proposed, &self.voices);
        effort::of(Effort::MotionsCompared, || {
            for motion in weighed.motions() {
                let may = weighed.may_approve(&key(by), &motion.id);
                assert!(answer(&may), "{may:?}");
            }
        })
    }
}

#[test]
fn proposals_that_nobody_approved_are_weighed_by_themselves() {
    let asked = Crowd::of(60).compared(1, &|it| it.is_ok());
    assert_eq!(asked.unwrap_or(0), 0);
}

#[test]
fn proposals_that_somebody_approved_without_end_are_found_and_not_searched() {
    let compared = |proposals| {
        let mut crowd = Crowd::of(proposals);
        crowd.approve_all(11);
        // Whoever approved none of them is free; one of them bound herself.
        crowd.compared(1, &|it| it.is_ok())
    };
    assert!(compared(60).unwrap_or(0) <= 2 * 60);
    let mut carried = Crowd::of(60);
    carried.approve_all(11);
    carried.approve_all(21);
    let overtaken = |it: &Result<(), Refusal>| matches!(it, Err(Refusal::Overtaken(_)));
    assert!(carried.compared(1, &overtaken).unwrap_or(0) <= 2 * 60);
    let (charter, parties) = (carried.assembly.charter(), carried.assembly.parties());
    let weighed = Deliberation::weigh(Some(&charter), &parties, carried.proposed, &carried.voices);
    assert!(weighed.motions().all(|it| it.outcome == Outcome::Carried));
}

/// What stands in a delegate's way, found by looking at every sibling: D2, and D4 of siblings that
/// have enough approvals.
fn searched(weighed: &Deliberation<'_>, motion: &Motion, by: &PublicKey) -> Result<(), Refusal> {
    let speaks = |it: &&SideVoices| it.side.delegates.contains(by);
    let siblings = weighed
        .motions()
        .filter(|it| it.parent == motion.parent && it.id != motion.id);
    for other in siblings {
        let approved = other.sides.iter().any(|it| it.approved.contains(by));
        let by_earlier = motion.sides.iter().filter(speaks).any(|mine| {
            let mut theirs = other.sides.iter();
            theirs.any(|it| {
                let is_other_pin =
                    it.side.party == mine.side.party && it.side.pinned != mine.side.pinned;
                is_other_pin && !it.approved.is_empty()
            })
        });
        match other.outcome {
            Outcome::Carried | Outcome::Certified => return Err(Refusal::Overtaken(other.id)),
            Outcome::Open if approved || by_earlier => return Err(Refusal::Bound(other.id)),
            _ => {}
        }
    }
    Ok(())
}

#[test]
fn what_is_found_in_the_way_is_what_a_search_of_all_siblings_finds() {
    let mut rng = Rng(7);
    let mut seen = [0; 3];
    for _ in 0..times_factor(12) {
        let mut it = Crowd::of(0);
        let delegates: [u16; 6] = [1, 2, 3, 11, 12, 21];
        it.assembly = Assembly::new(&[&[1, 2, 3], &[11, 12], &[21]]);
        let charter = it.assembly.charter();
        // The same delegates speak at each state, so that each may be pinned (D4).
        for round in 0..12 {
            if round % 4 == 3 {
                let head = it.assembly.head(0);
                it.assembly.grow(0, head, round, |_| {});
            }
            let name = rename(&format!("name {round}"));
            let draft = it.assembly.draft(charter.current(), vec![name]);
            let (id, body) = (resolution_id(&draft), CertificateBody::Resolution(draft));
            let is_popular = rng.below(30) == 0;
            for by in delegates {
                match rng.below(9) {
                    _ if is_popular => it.approve(&body, by),
                    0 => it.approve(&body, by),
                    1 | 2 => it.voices.reject(id, key(by)),
                    _ => {}
                }
            }
            it.proposed.insert(id, body);
        }
        let (charter, parties) = (it.assembly.charter(), it.assembly.parties());
        let weighed = Deliberation::weigh(Some(&charter), &parties, it.proposed, &it.voices);
        for (motion, by) in weighed
            .motions()
            .flat_map(|it| delegates.map(|by| (it, by)))
        {
            let found = weighed.may_approve(&key(by), &motion.id);
            match found {
                Ok(()) => seen[0] += 1,
                Err(Refusal::Bound(_)) => seen[1] += 1,
                Err(Refusal::Overtaken(_)) => seen[2] += 1,
                _ => continue,
            }
            assert_eq!(found, searched(&weighed, motion, &key(by)));
        }
    }
    assert!(seen.iter().all(|it| *it > 0), "{seen:?}");
}
