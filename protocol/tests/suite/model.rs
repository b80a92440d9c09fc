//! A model check of how three parties govern together: every state within the bounds is visited.
//!
//! Three models, each decided by the real functions of `authority` and judged by properties that count
//! by themselves. Each of the rules named below has a switch: without it a property fails, which shows
//! that the rule is needed and that the check can fail. Bounds and states of each run are printed; those
//! below are of the runs with all rules.
//!
//! - *Deliberation* ([`world`], [`machine`]): delegates propose, approve and reject concurrently, parties
//!   move on, nodes exchange what they know in any order. Malicious delegates sign everything, tell
//!   each node what they like and hold back what they like. Rules R4 to R8, D1 to D4, forks.
//!   - two siblings, 3 delegates: all honest 11,719 states; one malicious 12,376;
//!   - two siblings, 5 delegates of whom two are malicious, by free words: 135,969;
//!   - one motion, the same delegates, words that stay: 11,986; a party that joins: 5,128;
//!   - a party replaces its delegate while two siblings are open: 291,826; one malicious: 2,398;
//!   - a delegate with two nodes, one of which lacks a body: 924;
//!   - two certified siblings and choices between them: 955; two malicious delegates: 27,409.
//! - *What is submitted* ([`submitted`]): certificates that break one rule, below others, by anybody.
//!   Rules R1 to R3, R9 to R13, P4, P5. 16 to 1,280 states each.
//! - *Theft* ([`theft`]): keys that two of three parties dropped are stolen; the thief certifies a second
//!   child of the genesis and a branch of a party by them and speaks for both. `charter.md` §9, P7.
//!   512 states.
//! - *People* ([`people`]): who is a member of which party, by the real roster over signed records, with
//!   one malicious delegate (46,656 states) and two (82,944 and 1,024). Rules of `roster.md` §3, §6.
//!
//! Three reductions keep it small. States that differ in which of several equal delegates and motions
//! is which are one ([`symmetry`]). Where a resolution has passed no word matters any more, so a node
//! forgets them. *Free words*: malicious delegates say at every moment and at every node what opens
//! most, instead of words that stay; all that words can do they can do so, and more. Runs in which a
//! rule is left out go through the same reductions, but for the second where it would not hold.
//!
//! What a model of this size does not reach:
//! - More than two siblings before malicious delegates; with `COMITY_MODEL_LARGE` set a third one
//!   before honest delegates, which takes hours.
//! - P1 to P3 and P6 have no switch: they say where a state belongs, and who stands under it is asked
//!   all the same. R2 and R9 to R12 cannot make a minority change the charter: each has a property of its
//!   own. R10 is held twice, in the change and where the quorum is used.
//! - Choices between branches of a party's chain that the charter does not name (P7) and what
//!   narrowings cover (cuts): `parties`, `cuts`, the vectors of judgement, and by chance the histories and the simulation of whole nodes.
//! - A fork without anybody's fault, where a party's successive delegates do not know each other's
//!   words (`charter.md` §10): here they share a node.

use people::Roster;
use stateright::{Checker, DiscoveryClassification, HasDiscoveries, Model};
use std::{collections::BTreeSet, fmt::Debug, hash::Hash};
use world::{Bounds, Rule, Sort, World};

mod machine;
mod people;
mod properties;
mod submitted;
mod symmetry;
mod theft;
mod verdicts;
mod world;

/// What a run is for.
enum Goal {
    /// All states, with all rules: these must be found in some, or the run shows nothing.
    All(Vec<&'static str>),
    /// Without a rule this property fails.
    Failure(Rule, &'static str),
}

/// Explores states, prints how many, and says which properties failed.
fn explore<M>(name: &str, bounds: &str, model: M, goal: &Goal) -> BTreeSet<&'static str>
where
    M: Model<State: Debug + Clone + PartialEq + Hash + Send + Sync> + Send + Sync + 'static,
    M::Action: Debug + Clone + PartialEq + Send + Sync,
{
    let world = model.checker().threads(2);
    match goal {
        Goal::All(examples) => {
            let checker = world.spawn_bfs().join();
            let failed = report(&format!("{name}: {bounds}"), &checker);
            for expected in examples {
                let found = checker.discovery(expected).is_some();
                assert!(found, "{name}: never {expected}");
            }
            failed
        }
        Goal::Failure(rule, property) => {
            let until = HasDiscoveries::AllOf(BTreeSet::from([*property]));
            let checker = world.finish_when(until).spawn_bfs().join();
            let failed = report(&format!("{name}: {bounds}, without {rule:?}"), &checker);
            assert!(failed.contains(property), "{name}: {property}");
            failed
        }
    }
}

fn report<M>(said: &str, checker: &impl Checker<M>) -> BTreeSet<&'static str>
where
    M: Model<State: Clone + PartialEq>,
    M::Action: Clone + PartialEq,
{
    let found = checker.discoveries().into_keys();
    let failed = found.filter(|it| {
        let found = checker.discovery_classification(it);
        matches!(found, DiscoveryClassification::Counterexample)
    });
    let failed = failed.collect();
    println!(
        "{said}: {} states, depth {}, failed {failed:?}",
        checker.unique_state_count(),
        checker.max_depth(),
    );
    failed
}

/// With all rules nothing fails; without the named ones these properties do, one run each.
fn check(name: &str, bounds: Bounds, needed: &[(Rule, &'static str)]) {
    let examples = properties::EXAMPLES.into_iter();
    let examples = examples.filter(|it| bounds.shows(it)).collect();
    let all = World::new(bounds.clone());
    let failed = explore(name, &bounds.to_string(), all, &Goal::All(examples));
    assert_eq!(failed, BTreeSet::new());
    for (rule, property) in needed {
        let mut lacking = bounds.clone();
        lacking.without = Some(*rule);
        let said = bounds.to_string();
        let goal = Goal::Failure(*rule, property);
        explore(name, &said, World::new(lacking), &goal);
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
        puppets: false,
        second_node: false,
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
    let mut two = bounds(&parties, &[1, 21], &motions);
    two.puppets = true;
    let needed = [
        (Rule::Quorum, properties::NO_MINORITY),
        (Rule::Current, properties::NOT_BESIDE),
    ];
    check("two malicious delegates", two, &needed);
    let words_stay = bounds(&parties, &[1, 21], &[Sort::Rename]);
    check("two malicious delegates, words stay", words_stay, &[]);
}

#[test]
fn a_party_may_move_on_while_others_deliberate() {
    let motions = [Sort::Move(0), Sort::Rename, Sort::RenameAfter];
    let needed = [
        (Rule::Replacement, properties::NO_FORK),
        (Rule::Successors, properties::DISSOLVES),
        (Rule::OldPin, properties::NOT_STALE),
    ];
    check("move", bounds(&SINGLE, &[], &motions), &needed);
    let mut run = bounds(&SINGLE, &[21], &motions);
    run.puppets = true;
    let needed = [(Rule::Quorum, properties::NO_MINORITY)];
    check("move, one malicious party", run, &needed);
}

#[test]
fn what_a_delegate_signed_elsewhere_binds_before_it_is_seen() {
    let motions = [Sort::Rename, Sort::Rename];
    let mut run = bounds(&SINGLE, &[], &motions);
    run.second_node = true;
    check("second node", run, &[(Rule::Unseen, properties::NO_FORK)]);
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
    // R4 stands beside each of these.
    let admission = bounds(&SINGLE, &[21], &[Sort::Admit]);
    let needed = [(Rule::Quorum, properties::NO_MINORITY)];
    check("admission", admission, &needed);
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
    let parties: [&[u16]; 3] = [&[1, 2], &[11], &[21]];
    let mut run = bounds(&parties, &[1, 21], &motions);
    run.choices = true;
    check("fork, two malicious delegates", run, &[]);
}

#[test]
fn dropped_keys_win_nothing_back() {
    use theft::{EXAMPLES, NAMED, STANDS, Theft};
    let run = |without, goal| {
        let theft = Theft::new(without);
        explore("theft", &theft.bounds(), theft, &goal)
    };
    assert_eq!(run(None, Goal::All(EXAMPLES.to_vec())), BTreeSet::new());
    for (rule, property) in [
        (Rule::Approvals, STANDS),
        (Rule::Later, STANDS),
        (Rule::Named, NAMED),
    ] {
        run(Some(rule), Goal::Failure(rule, property));
    }
}

/// Of every rule something that breaks it is submitted.
#[test]
fn what_breaks_a_rule_counts_nowhere() {
    use submitted::{
        BY_OTHERS, CHANGES, DELEGATES, EXAMPLES, FOUND, ITSELF, LED_OVER, NO_MINORITY, QUORUM,
        READERS,
    };
    for (rule, properties) in [
        (Rule::Parent, &[NO_MINORITY][..]),
        (Rule::Height, &[FOUND]),
        (Rule::Pins, &[NO_MINORITY, LED_OVER]),
        (Rule::Leading, &[BY_OTHERS]),
        (Rule::Readers, &[READERS]),
        (Rule::Bounds, &[QUORUM]),
        (Rule::Signers, &[DELEGATES]),
        (Rule::Changes, &[CHANGES]),
        (Rule::PartySigners, &[ITSELF]),
        (Rule::PartyNumber, &[ITSELF]),
    ] {
        let name = format!("against {rule:?}");
        let run = |without, goal| {
            let inbox = submitted::against(rule).without(without);
            let bounds = inbox.bounds();
            explore(&name, &bounds, inbox, &goal)
        };
        let all = Goal::All(EXAMPLES.to_vec());
        assert_eq!(run(None, all), BTreeSet::new());
        for property in properties {
            run(Some(rule), Goal::Failure(rule, property));
        }
    }
}

#[test]
fn a_party_admits_and_expels_for_itself_alone() {
    use people::{ADMITTED, BEN, EVE, EXPELLED, STAYS_OUT, ZOE};
    for malicious in [&[EVE][..], &[BEN, EVE], &[ZOE, EVE]] {
        let run = |without, goal| {
            let roster = Roster::new(malicious, without);
            let bounds = roster.bounds();
            explore("people", &bounds, roster, &goal)
        };
        let examples = people::EXAMPLES.to_vec();
        assert_eq!(run(None, Goal::All(examples)), BTreeSet::new());
        for (rule, property) in [
            (Rule::OwnDelegates, ADMITTED),
            (Rule::OwnDelegates, EXPELLED),
            (Rule::EnoughDelegates, ADMITTED),
            (Rule::ForGood, STAYS_OUT),
        ] {
            run(Some(rule), Goal::Failure(rule, property));
        }
    }
}
