//! One rule, one function, one error: for every rule of what sets let in and of the roster a small
//! set that breaks it and no other.

mod envelope;
mod roster;

/// Fails unless each case breaks the rule that it is named after, and every rule has one.
fn assert_each_is_broken<E>(
    all: &[&str],
    cases: &[(&str, Result<(), E>)],
    name: fn(&E) -> &'static str,
) {
    for (expected, judged) in cases {
        assert_eq!(judged.as_ref().err().map(name), Some(*expected));
    }
    for rule in all {
        let has_a_case = cases.iter().any(|(expected, _)| expected == rule);
        assert!(has_a_case, "no case breaks {rule}");
    }
}
