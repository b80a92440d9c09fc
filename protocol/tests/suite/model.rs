//! A model check of resolutions, approvals, rejections and choices.
//!
//! Delegates of three parties propose, approve and reject concurrently; their nodes exchange records
//! in any order; malicious delegates sign everything, tell each node what they like and hold back what
//! they like. Every state that can be reached within the bounds is visited. What may be approved, what
//! is certified and what is in force is decided by the real functions of `authority`; the properties
//! count by themselves. Every rule has a switch: without it some property fails, which shows that the
//! rule is needed and that the check can fail.
//!
//! With `COMITY_MODEL_LARGE` set the bounds are larger, and a run takes hours: a third motion, two motions
//! before two malicious delegates.

use stateright::{Checker, DiscoveryClassification, HasDiscoveries, Model};
use std::collections::BTreeSet;
use world::{Bounds, Rule, Sort, World};

mod machine;
mod properties;
mod symmetry;
mod world;

/// Explores all states, prints how many, and says which properties failed.
fn explore(name: &str, bounds: Bounds) -> BTreeSet<&'static str> {
    let rule = bounds.without;
    let world = World::new(bounds.clone()).checker().threads(2);
    // Depth first comes to a failure sooner; breadth first needs less memory for all states.
    match rule {
        None => report(name, &bounds, world.spawn_bfs().join()),
        Some(_) => {
            let any = HasDiscoveries::AnyFailures;
            report(name, &bounds, world.finish_when(any).spawn_dfs().join())
        }
    }
}

fn report(name: &str, bounds: &Bounds, checker: impl Checker<World>) -> BTreeSet<&'static str> {
    let rule = bounds.without;
    let failed: BTreeSet<&'static str> = checker
        .discoveries()
        .into_keys()
        .filter(|it| {
            let found = checker.discovery_classification(it);
            matches!(found, DiscoveryClassification::Counterexample)
        })
        .collect();
    println!(
        "{name}: {} motions, {} delegates, malicious {:?}, without {rule:?}: {} states, depth {}, failed {failed:?}",
        bounds.motions.len(),
        bounds.parties.iter().map(Vec::len).sum::<usize>(),
        bounds.malicious,
        checker.unique_state_count(),
        checker.max_depth(),
    );
    if rule.is_none() {
        let found = checker.discoveries();
        for expected in properties::EXAMPLES.iter().filter(|it| bounds.shows(it)) {
            assert!(found.contains_key(expected), "{name}: never {expected}");
        }
    }
    failed
}

/// With all rules nothing fails; without the named ones these properties do, one run each.
fn check(name: &str, bounds: Bounds, needed: &[(Rule, &'static str)]) {
    assert_eq!(explore(name, bounds.clone()), BTreeSet::new());
    for (rule, property) in needed {
        let mut lacking = bounds.clone();
        lacking.without = Some(*rule);
        let failed = explore(name, lacking);
        assert!(
            failed.contains(property),
            "{name} without {rule:?}: {failed:?}"
        );
    }
}

fn larger() -> bool {
    std::env::var_os("COMITY_MODEL_LARGE").is_some()
}

const SINGLE: [&[u16]; 3] = [&[1], &[11], &[21]];

fn bounds(parties: &[&[u16]], malicious: &[u16], motions: &[Sort]) -> Bounds {
    Bounds {
        parties: parties.iter().map(|it| it.to_vec()).collect(),
        malicious: malicious.to_vec(),
        motions: motions.to_vec(),
        choices: false,
        without: None,
    }
}

#[test]
fn honest_delegates_never_fork_and_no_deadlock_stays() {
    let mut motions = vec![Sort::Rename, Sort::Rename];
    let needed = [
        (Rule::OneWord, properties::NO_FORK),
        (Rule::Bound, properties::NO_FORK),
        (Rule::DeadByCount, properties::NO_FORK),
        (Rule::Dead, properties::DISSOLVES),
    ];
    check("siblings", bounds(&SINGLE, &[], &motions), &needed);
    if larger() {
        motions.push(Sort::Rename);
        check("three siblings", bounds(&SINGLE, &[], &motions), &[]);
    }
}

#[test]
fn no_minority_changes_the_charter() {
    let motions = [Sort::Rename, Sort::Rename];
    let needed = [
        (Rule::Quorum, properties::NO_MINORITY),
        (Rule::Current, properties::NOT_BESIDE),
    ];
    check(
        "one malicious party",
        bounds(&SINGLE, &[21], &motions),
        &needed,
    );
    // A delegate of one party and all of another.
    let parties: [&[u16]; 3] = [&[1, 2, 3], &[11], &[21]];
    let needed = [(Rule::Quorum, properties::NO_MINORITY)];
    let two = bounds(&parties, &[1, 21], &[Sort::Rename]);
    check("two malicious delegates", two, &needed);
    if larger() {
        let two = bounds(&parties, &[1, 21], &motions);
        check("two malicious delegates, two motions", two, &[]);
    }
}

#[test]
fn nothing_is_done_to_a_party_but_by_those_it_takes() {
    for (name, sort, rule, property) in [
        ("quorum", Sort::Quorum, Rule::All, properties::QUORUM_BY_ALL),
        (
            "admission",
            Sort::Admit,
            Rule::Newcomer,
            properties::ADMITTED,
        ),
        (
            "removal",
            Sort::Expel(0),
            Rule::Removal,
            properties::EXPELLED,
        ),
        ("taking", Sort::Take(0), Rule::Consent, properties::TAKEN),
    ] {
        for malicious in [&[21][..], &[11, 21]] {
            // Two malicious parties of three are a quorum: what takes all of them still needs them.
            let run = bounds(&SINGLE, malicious, &[sort]);
            let is_quorum = malicious.len() == 2;
            let needed: &[_] = if is_quorum { &[] } else { &[(rule, property)] };
            check(name, run, needed);
        }
    }
    let admission = bounds(&SINGLE, &[21], &[Sort::Admit]);
    let mut lacking = admission;
    lacking.without = Some(Rule::Quorum);
    let failed = explore("admission", lacking);
    assert!(failed.contains(properties::NO_MINORITY), "{failed:?}");
}

#[test]
fn forks_end_alike_for_all_who_know_the_same() {
    let motions = [Sort::Rename, Sort::Rename];
    let mut run = bounds(&SINGLE, &[21], &motions);
    run.choices = true;
    let needed = [
        (Rule::ForkChoice, properties::EQUAL),
        (Rule::LowestId, properties::EQUAL),
        (Rule::NeitherForBoth, properties::NO_DOUBLE_VOICE),
    ];
    check("fork", run, &needed);
    if larger() {
        let parties: [&[u16]; 3] = [&[1, 2, 3], &[11], &[21]];
        let mut run = bounds(&parties, &[1, 21], &motions);
        run.choices = true;
        check("fork, two malicious delegates", run, &[]);
    }
}
