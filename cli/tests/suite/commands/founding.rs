//! Founding with terms: what a charter starts with needs no resolution afterwards.

use super::{Person, charter::Table, says};

#[test]
fn two_founders_read_all_the_terms_before_they_sign_and_start_with_them() {
    let table = Table::of(&["Bob"]);
    table.ok("bob", &["party", "create", "Users", "--out", "users.party"]);
    let conduct = format!("conduct={}", table.0.write("conduct.md", "Be kind.\n"));
    let terms = [
        "community",
        "create",
        "Coffee",
        "--party",
        "Vendor",
        "--with",
        "users.party",
        "--space",
        "support:everyone:stewards:topic,reply",
        "--space",
        "ours:Vendor+Users",
        "--promise",
        "Vendor:answer=14",
        "--promise",
        "listen=3",
        "--rule",
        "features=ranked:50%:66.7%:concurrent",
        "--label",
        "spam=unasked",
        "--article",
        &conduct,
        "--party-quorum",
    ];
    let with = |quorum| [&terms[..], &[quorum]].concat();
    // One of two would let one party rule the other.
    says(
        &table.fails("keys", &with("1")),
        &["more than half of the parties"],
    );
    let draft = table.tells("keys", &with("2"));
    let shown = [
        "support  read by everyone, written by stewards, only reply, topic",
        "ours  read by members of",
        "answer: 14 days by Vendor",
        "listen: 3 days by every party",
        "features: ranked, 50% of those eligible take part, 66.7% for it, in each party",
        "spam: unasked",
        "Article: conduct",
        "  Be kind.",
        "2 of them must approve",
    ];
    says(&draft.err, &shown);
    let draft = draft.out.trim();
    let signing = table.tells("bob", &["community", "sign", draft, "--yes"]);
    says(&signing.err, &shown);
    table.ok("keys", &["community", "found", draft, signing.out.trim()]);
    says(
        &table.ok("keys", &["charter", "show"]),
        &[
            "support",
            "answer: 14 days by Vendor",
            "listen: 3 days by every party",
            "features: ranked",
            "spam: unasked",
            "Be kind.",
        ],
    );
    assert_eq!(table.json(&["charter", "show"])["height"], 0);
}

#[test]
fn who_founds_alone_has_terms_too_and_can_name_no_other_party() {
    let alice = Person::ready("Alice");
    let create = ["community", "create", "Coffee", "--party", "Club"];
    let with = |more: &[&'static str]| [&create[..], more].concat();
    says(
        &alice.fails(2, &with(&["--promise", "Vendor:answer=14"])),
        &["not one party of those that found it", "there is Club"],
    );
    alice.ok(&with(&[
        "--promise",
        "Club:answer=14",
        "--space",
        "ours:Club",
    ]));
    says(
        &alice.ok(&["charter", "show"]),
        &["answer: 14 days by Club", "ours", "members of Club"],
    );
}
