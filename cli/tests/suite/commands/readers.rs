//! Who will read it is said before it is published, and more readers than meant need consent.

use super::{Person, says};

#[test]
fn writing_for_everyone_after_writing_inside_needs_consent() {
    let alice = Person::founder();
    let file = alice.write("words.md", "Between us");
    let here = |space: &str| alice.run(&["publish", &file, "--space", space]);
    // Nothing was written before, so nothing narrower was meant.
    let first = here("lobby");
    assert_eq!(first.code, 0, "{first:?}");
    says(&first.err, &["readers: everyone"]);
    assert_eq!(here("members").code, 0);
    let asked = here("lobby");
    assert_eq!((asked.code, asked.out.as_str()), (2, ""), "{asked:?}");
    says(
        &asked.err,
        &[
            "readers: everyone",
            "you wrote last in Coffee/members",
            "fewer people",
            "--yes",
        ],
    );
    alice.ok(&["publish", &file, "--space", "lobby", "--yes"]);
    // Who said so once is not asked again.
    assert_eq!(here("lobby").code, 0);
    let question = alice.ok(&["publish", &file, "--space", "lobby"]);
    assert_eq!(here("members").code, 0);
    says(
        &alice.fails(2, &["reply", &question, "-m", "Yes"]),
        &["you wrote last in", "--yes"],
    );
    alice.ok(&["reply", &question, "-m", "Yes", "--yes"]);
}

#[test]
fn naming_what_fewer_people_read_needs_consent_wherever_it_stands() {
    let alice = Person::founder();
    let secret = alice.publish("members", "note", "Ours");
    let text = alice.write("words.md", "See the notes");
    let page = alice.ok(&[
        "publish", &text, "--space", "lobby", "--kind", "page", "--yes",
    ]);
    let naming = format!("As in {secret}");
    let names = ["the text names something of Coffee/members", "--yes"];
    let file = alice.write("leak.md", &naming);
    for leak in [
        &["publish", &text, "--space", "lobby", "--title", &naming][..],
        &["publish", &text, "--space", "lobby", "--tag", &secret],
        &[
            "publish",
            &text,
            "--space",
            "lobby",
            "--origin",
            &format!("comity:{secret}"),
        ],
        &["edit", &page, &file],
        &["reply", &page, "-m", &naming],
    ] {
        says(&alice.fails(2, leak), &names);
    }
    alice.ok(&["edit", &page, &file, "--yes"]);
}

#[test]
fn an_answer_to_what_was_carried_out_of_a_space_needs_consent() {
    let alice = Person::founder();
    let inside = alice.publish("members", "question", "How much sugar?");
    let file = alice.write("words.md", "How much sugar?");
    let origin = format!("comity:{inside}");
    let carried = alice.ok(&[
        "publish", &file, "--space", "lobby", "--origin", &origin, "--yes",
    ]);
    says(
        &alice.fails(2, &["reply", &carried, "-m", "Two spoons"]),
        &["carried over from Coffee/members", "--yes"],
    );
}
