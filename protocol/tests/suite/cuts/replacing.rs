//! Which of several narrowings on one target count.

use super::world::{World, id, key, party};
use comity_protocol::authority::narrowing::{Issuer, in_force};
use comity_protocol::id::EntryId;
use std::collections::BTreeSet;

const A: u8 = 1;

/// Narrowings by name, each with its issuer and the one it replaces.
fn left(narrowings: &[(&str, Issuer, Option<&str>)]) -> BTreeSet<EntryId> {
    let mut world = World::default();
    let mut target = BTreeSet::new();
    for (name, issuer, replaces) in narrowings {
        let narrowing = world.narrow(name, *issuer, &[]);
        world.narrowings.get_mut(&narrowing).unwrap().replaces = replaces.map(id);
        target.insert(narrowing);
    }
    in_force(&world.narrowings, &target)
}

fn named(names: &[&str]) -> BTreeSet<EntryId> {
    names.iter().map(|name| id(name)).collect()
}

#[test]
fn of_two_both_count_unless_one_names_the_other() {
    let a = Issuer::Party(party(A));
    assert_eq!(left(&[("x", a, None), ("y", a, None)]), named(&["x", "y"]));
    assert_eq!(left(&[("x", a, None), ("y", a, Some("x"))]), named(&["y"]));
    let both = [("x", a, None), ("y", a, Some("x")), ("z", a, Some("x"))];
    assert_eq!(left(&both), named(&["y", "z"]));
    let chain = [("x", a, None), ("y", a, Some("x")), ("z", a, Some("y"))];
    assert_eq!(left(&chain), named(&["z"]));
}

#[test]
fn only_the_issuer_replaces() {
    let a = Issuer::Party(party(A));
    for other in [
        Issuer::Party(party(2)),
        Issuer::Quorum,
        Issuer::Person(key(9)),
    ] {
        assert_eq!(
            left(&[("x", a, None), ("y", other, Some("x"))]),
            named(&["x", "y"])
        );
    }
    // A foreign link in the middle breaks the chain of replacements.
    let chain = [
        ("x", a, None),
        ("y", Issuer::Quorum, Some("x")),
        ("z", a, Some("y")),
    ];
    assert_eq!(left(&chain), named(&["x", "y", "z"]));
}

#[test]
fn a_circle_never_makes_all_vanish() {
    let a = Issuer::Party(party(A));
    assert_eq!(left(&[("x", a, Some("x"))]), named(&["x"]));
    let circle = [("x", a, Some("y")), ("y", a, Some("x"))];
    assert_eq!(left(&circle), named(&["x", "y"]));
    // One from outside that names a member of the circle takes the place of all of it.
    let led = [
        ("x", a, Some("y")),
        ("y", a, Some("x")),
        ("z", a, Some("y")),
    ];
    assert_eq!(left(&led), named(&["z"]));
}

#[test]
fn what_is_unknown_or_on_another_target_neither_replaces_nor_vanishes() {
    let mut world = World::default();
    let a = Issuer::Party(party(A));
    let x = world.narrow("x", a, &[]);
    let elsewhere = world.narrow("elsewhere", a, &[]);
    world.narrowings.get_mut(&elsewhere).unwrap().replaces = Some(x);
    world.narrowings.get_mut(&x).unwrap().replaces = Some(id("unknown"));
    let target = BTreeSet::from([x, id("unknown")]);
    assert_eq!(in_force(&world.narrowings, &target), target);
}
