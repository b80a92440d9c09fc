//! The effective set of a document: adoption, what stands in the way, and depth.

use crate::sync::harness::Rng;
use crate::times_factor;
use comity_protocol::authority::effective::{Effect, Judged, effective_set};
use comity_protocol::authority::{Standing, Unauthorized};
use comity_protocol::id::{EntryId, PartyId, digest};
use comity_protocol::key::PublicKey;
use std::collections::{BTreeMap, BTreeSet};

fn id(name: &str) -> EntryId {
    EntryId::from_bytes(digest(b"test", &[name.as_bytes()]))
}

fn standing() -> Standing {
    Standing {
        root: PublicKey::from_own_record([1; 32]),
        party: PartyId::from_bytes([1; 32]),
    }
}

fn allowed(name: &str, deps: &[&str]) -> Judged {
    Judged {
        id: id(name),
        deps: deps.iter().map(|it| id(it)).collect(),
        verdict: Ok(standing()),
        adoptable: true,
    }
}

/// By somebody who may not write; others may build on it in a co-written document.
fn outside(name: &str, deps: &[&str]) -> Judged {
    Judged {
        verdict: Err(Unauthorized::NotAMember),
        ..allowed(name, deps)
    }
}

/// The same in an owner-written document, by somebody who never was a device of its owner.
fn foreign(name: &str, deps: &[&str]) -> Judged {
    Judged {
        verdict: Err(Unauthorized::NotTheOwner),
        adoptable: false,
        ..allowed(name, deps)
    }
}

fn adopted(by: &str) -> Effect {
    Effect::Adopted { by: id(by) }
}

fn blocked(by: &str) -> Effect {
    Effect::Blocked { ancestor: id(by) }
}

fn effects(document: &[Judged]) -> impl Fn(&str) -> Effect + use<> {
    let effects = effective_set(document);
    move |name| effects[&id(name)].clone()
}

const OUTSIDE: Effect = Effect::Unauthorized(Unauthorized::NotAMember);
const FOREIGN: Effect = Effect::Unauthorized(Unauthorized::NotTheOwner);

#[test]
fn in_a_page_an_authorized_edit_adopts_what_it_builds_on() {
    let effect = effects(&[
        allowed("create", &[]),
        outside("one", &["create"]),
        outside("two", &["one"]),
        outside("beside", &["one"]),
        allowed("edit", &["two"]),
        outside("later", &["edit"]),
    ]);
    assert_eq!(effect("create"), Effect::Authorized(standing()));
    assert_eq!(effect("one"), adopted("edit"));
    assert_eq!(effect("two"), adopted("edit"));
    assert_eq!(effect("edit"), Effect::Authorized(standing()));
    assert_eq!(effect("beside"), OUTSIDE);
    assert_eq!(effect("later"), OUTSIDE);
}

#[test]
fn adoption_gives_presence_and_no_authority() {
    // The outsider's create is adopted; nothing else by the outsider is in effect through that.
    let document = [
        outside("create", &[]),
        outside("own edit", &["create"]),
        allowed("edit", &["create"]),
        outside("reply to the edit", &["edit"]),
    ];
    let effect = effects(&document);
    assert_eq!(effect("create"), adopted("edit"));
    assert_eq!(effect("own edit"), OUTSIDE);
    assert_eq!(effect("reply to the edit"), OUTSIDE);
    assert!(effect("create").is_effective() && !effect("own edit").is_effective());
    // Without the edit there is no document at all.
    let effect = effects(&document[..2]);
    assert_eq!(effect("create"), OUTSIDE);
}

#[test]
fn in_an_owner_written_document_only_the_owners_devices_are_adopted() {
    // A revoked device of the owner wrote one step, somebody else another.
    let effect = effects(&[
        allowed("create", &[]),
        outside("lost device", &["create"]),
        allowed("owner", &["lost device"]),
        foreign("stranger", &["create"]),
        allowed("owner on stranger", &["owner", "stranger"]),
        allowed("further", &["owner on stranger"]),
        outside("lost device on stranger", &["stranger"]),
    ]);
    assert_eq!(effect("lost device"), adopted("owner"));
    assert_eq!(effect("owner"), Effect::Authorized(standing()));
    assert_eq!(effect("stranger"), FOREIGN);
    assert_eq!(effect("owner on stranger"), blocked("stranger"));
    assert_eq!(effect("further"), blocked("stranger"));
    assert_eq!(effect("lost device on stranger"), OUTSIDE);
}

#[test]
fn what_is_blocked_adopts_nothing() {
    let effect = effects(&[
        allowed("create", &[]),
        foreign("stranger", &["create"]),
        outside("lost device", &["create"]),
        allowed("both", &["lost device", "stranger"]),
    ]);
    assert_eq!(effect("both"), blocked("stranger"));
    assert_eq!(effect("lost device"), OUTSIDE);
}

#[test]
fn the_nearest_adopts_and_of_several_the_lowest() {
    let effect = effects(&[
        outside("create", &[]),
        allowed("a", &["create"]),
        allowed("b", &["create"]),
        allowed("joined", &["a", "b"]),
    ]);
    let lowest = if id("a") < id("b") { "a" } else { "b" };
    assert_eq!(effect("create"), adopted(lowest));
}

#[test]
fn what_is_not_here_stands_in_the_way() {
    let effect = effects(&[
        outside("one", &["create"]),
        allowed("edit", &["one"]),
        allowed("itself", &["itself"]),
    ]);
    assert_eq!(effect("edit"), blocked("create"));
    assert_eq!(effect("one"), OUTSIDE);
    // No hash allows it; it ends all the same.
    assert_eq!(effect("itself"), blocked("itself"));
}

#[test]
fn a_chain_of_a_hundred_thousand_needs_no_deep_stack() {
    const LENGTH: usize = 100_000;
    let name = |at: usize| format!("{at}");
    let mut document: Vec<Judged> = (1..LENGTH)
        .map(|at| outside(&name(at), &[&name(at - 1)]))
        .collect();
    document.push(outside("0", &[]));
    document.push(allowed("top", &[&name(LENGTH - 1)]));
    let effects = effective_set(&document);
    assert!(effects.values().all(Effect::is_effective));
    assert_eq!(effects[&id("0")], adopted("top"));
    document[0] = foreign("1", &["0"]);
    let effects = effective_set(&document);
    assert_eq!(effects[&id("top")], blocked("1"));
    assert!(!effects.values().any(Effect::is_effective));
}

/// The rules word for word: all ancestors of all.
fn defined(document: &[Judged]) -> BTreeMap<EntryId, Effect> {
    let judged: BTreeMap<EntryId, &Judged> = document.iter().map(|it| (it.id, it)).collect();
    let ancestors = |id: &EntryId| {
        let mut found = BTreeSet::new();
        let mut open = judged[id].deps.clone();
        while let Some(next) = open.pop() {
            if found.insert(next) {
                open.extend(judged.get(&next).into_iter().flat_map(|it| &it.deps));
            }
        }
        found
    };
    let obstacle = |id: &EntryId| {
        let stands = |it: &EntryId| {
            judged
                .get(it)
                .is_none_or(|it| it.verdict.is_err() && !it.adoptable)
        };
        ancestors(id).into_iter().find(stands)
    };
    let in_effect = |id: &EntryId| judged[id].verdict.is_ok() && obstacle(id).is_none();
    let of = |id: &EntryId| match (judged[id].verdict, obstacle(id)) {
        (Ok(standing), None) => Effect::Authorized(standing),
        (Ok(_), Some(ancestor)) => Effect::Blocked { ancestor },
        (Err(reason), _) => {
            let above: Vec<EntryId> = judged
                .keys()
                .filter(|it| in_effect(it) && ancestors(it).contains(id))
                .copied()
                .collect();
            let is_nearest = |it: &&EntryId| {
                // Some path from it to `id` leads over unauthorized ones only.
                let mut open = judged[*it].deps.clone();
                let mut seen = BTreeSet::new();
                while let Some(next) = open.pop() {
                    if next == *id {
                        return true;
                    }
                    if judged[&next].verdict.is_err() && seen.insert(next) {
                        open.extend(&judged[&next].deps);
                    }
                }
                false
            };
            match above.iter().find(is_nearest) {
                Some(by) => Effect::Adopted { by: *by },
                None => Effect::Unauthorized(reason),
            }
        }
    };
    judged.keys().map(|id| (*id, of(id))).collect()
}

#[test]
fn random_documents_are_what_the_rules_say_in_any_order() {
    let mut seen = [0usize; 4];
    for seed in 0..times_factor(400) as u64 {
        let mut rng = Rng(seed);
        let mut document: Vec<Judged> = Vec::new();
        for at in 0..3 + rng.below(20) {
            let name = format!("{seed} {at}");
            let mut deps: BTreeSet<EntryId> = BTreeSet::new();
            for _ in 0..(1 + rng.below(3)).min(at) {
                deps.insert(document[at - 1 - rng.below(at.min(6))].id);
            }
            let mut made = match rng.below(10) {
                0 => foreign(&name, &[]),
                1..6 => outside(&name, &[]),
                _ => allowed(&name, &[]),
            };
            made.deps = deps.into_iter().collect();
            document.push(made);
        }
        if rng.below(4) == 0 {
            document.remove(rng.below(document.len()));
        }
        let expected = defined(&document);
        for effect in expected.values() {
            seen[match effect {
                Effect::Authorized(_) => 0,
                Effect::Adopted { .. } => 1,
                Effect::Unauthorized(_) => 2,
                Effect::Blocked { .. } => 3,
            }] += 1;
        }
        assert_eq!(effective_set(&document), expected, "seed {seed}");
        document.extend(document.clone());
        document.reverse();
        let turned = rng.below(document.len());
        document.rotate_left(turned);
        assert_eq!(effective_set(&document), expected, "seed {seed}, reordered");
    }
    println!("authorized, adopted, unauthorized, blocked: {seen:?}");
    assert!(seen.iter().all(|count| *count > 300), "{seen:?}");
}
