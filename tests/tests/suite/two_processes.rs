//! Two nodes as two processes share real input: a question-and-answer site imported on one, a
//! mailing list on the other.

use comity_tests::stories::actor::Actor;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

const QUESTIONS: u64 = 225;
const ANSWERS: u64 = 327;
const ACCEPTED: u64 = 105;

/// The real input, which is no part of the repository.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("COMITY_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "SKIPPED: there is no real input in {}; name its folder with COMITY_DATA",
        folder.display()
    );
    None
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// A community of two, each with a running node; one may read what both write.
fn community_of_two(stage: &Path) -> [Actor; 2] {
    let (alice, bob) = (Actor::new(stage, "alice"), Actor::new(stage, "bob"));
    for actor in [&alice, &bob] {
        actor.init();
    }
    alice.ok(&["community", "create", "Coffee", "--party", "Club"]);
    alice.start();
    bob.start();
    let ticket = alice.ok(&["invite"]);
    bob.ok(&["join", &ticket, "--wait"]);
    [alice, bob]
}

/// Name and root of every space.
fn roots(actor: &Actor) -> BTreeMap<String, String> {
    let status = json(&actor.ok(&["sync", "status", "--json"]));
    let spaces = status["spaces"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    spaces
        .iter()
        .map(|space| (text(&space["name"]), text(&space["root"])))
        .collect()
}

/// Documents of every kind that holds words of its own or about others.
fn counts(actor: &Actor) -> BTreeMap<&'static str, u64> {
    ["topic", "reply", "page", "profile", "accept"]
        .into_iter()
        .map(|kind| {
            let page = json(&actor.ok(&["list", "--all", "--kind", kind, "--json"]));
            (kind, page["items"].as_array().unwrap().len() as u64)
        })
        .collect()
}

fn verified_entries(actor: &Actor) -> u64 {
    let report = json(&actor.ok(&["verify", "--json"]));
    assert_eq!(
        report["problems"],
        Value::Array(Vec::new()),
        "{}",
        actor.name
    );
    report["entries"].as_u64().unwrap()
}

fn sorted_export(actor: &Actor) -> Vec<String> {
    let text = actor.ok(&["export", "--format", "jsonl"]);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Both nodes hold the same and say so. Receipts go on for a moment after the words are equal, so
/// `sync --wait` is asked until both roots are seen at rest.
fn until_equal(actors: &[Actor; 2]) -> BTreeMap<String, String> {
    let [alice, bob] = actors;
    for _ in 0..20 {
        bob.ok(&["sync", "--wait", "--timeout", "120s", "--quiet"]);
        alice.ok(&["sync", "--wait", "--timeout", "120s", "--quiet"]);
        let (ours, theirs) = (roots(alice), roots(bob));
        if ours == theirs {
            return ours;
        }
    }
    panic!("alice {:?}\nbob {:?}", roots(alice), roots(bob));
}

fn assert_equal(actors: &[Actor; 2]) -> BTreeMap<&'static str, u64> {
    let [alice, bob] = actors;
    until_equal(actors);
    let found = counts(alice);
    assert_eq!(found, counts(bob));
    let (ours, theirs) = (sorted_export(alice), sorted_export(bob));
    assert_eq!(ours.len() as u64, found.values().sum::<u64>());
    assert_eq!(ours, theirs);
    verified_entries(alice);
    verified_entries(bob);
    found
}

fn import(actor: &Actor, words: &[&str]) -> Value {
    let mut all = vec!["import"];
    all.extend(words);
    all.extend(["--space", "lobby", "--json"]);
    json(&actor.ok(&all))
}

#[test]
fn a_forum_and_a_mailing_list_arrive_on_both() {
    let Some(data) = data() else { return };
    let forum = data.join("stackexchange/coffee/Posts.xml");
    let mail = data.join("mail/lkml");
    let (forum, mail) = (forum.to_str().unwrap(), mail.to_str().unwrap());
    let stage = tempfile::tempdir().unwrap();
    let actors = community_of_two(stage.path());
    let [alice, bob] = &actors;

    let questions = import(alice, &["stackexchange", forum]);
    assert_eq!(questions["topics"], QUESTIONS, "{questions}");
    assert_eq!(questions["replies"], ANSWERS, "{questions}");
    assert_eq!(questions["accepts"], ACCEPTED, "{questions}");
    assert_eq!(questions["new"], QUESTIONS + ANSWERS + ACCEPTED);
    let messages = import(bob, &["mail", mail]);
    let (threads, answers) = (
        messages["topics"].as_u64().unwrap(),
        messages["replies"].as_u64().unwrap(),
    );
    assert!(threads > 0 && answers > 0, "{messages}");
    assert_eq!(messages["new"], threads + answers);

    let found = assert_equal(&actors);
    let expected = BTreeMap::from([
        ("topic", QUESTIONS + threads),
        ("reply", ANSWERS + answers),
        ("page", 0),
        ("profile", 2),
        ("accept", ACCEPTED),
    ]);
    assert_eq!(found, expected);

    for (actor, words) in [(alice, ["stackexchange", forum]), (bob, ["mail", mail])] {
        let again = import(actor, &words);
        assert_eq!(again["new"], 0, "{again}");
    }
    // What the other imported is known here too: another person's import adds nothing either.
    assert_eq!(import(bob, &["stackexchange", forum])["new"], 0);
    assert_eq!(assert_equal(&actors), expected);
}

/// A node that is killed in the middle of a transfer has what it acknowledged, fetches the rest
/// after its restart, and ends with the same set.
#[test]
fn a_node_killed_during_the_transfer_catches_up() {
    const ITEMS: usize = 1_500;
    let stage = tempfile::tempdir().unwrap();
    let actors = community_of_two(stage.path());
    let [alice, bob] = &actors;
    bob.stop();
    let lines: String = (0..ITEMS)
        .map(|item| {
            format!(
                "{{\"kind\":\"topic\",\"title\":\"Topic {item}\",\"body\":\"{}\",\"origin\":\
                 {{\"system\":\"made\",\"id\":\"{item}\",\"author\":\"nobody\"}}}}\n",
                "words ".repeat(200)
            )
        })
        .collect();
    let file = alice.folder().join("items.jsonl");
    fs::write(&file, lines).unwrap();
    import(alice, &["jsonl", file.to_str().unwrap()]);

    // Bob's own record is watched: the first line of what arrives is the moment to strike.
    bob.start();
    let arrived = killed_while_receiving(bob);
    assert!(
        (1..ITEMS as u64).contains(&arrived),
        "{arrived} of {ITEMS} topics had arrived: that is not the middle of the transfer"
    );
    bob.start();
    let found = assert_equal(&actors);
    assert_eq!(found["topic"], ITEMS as u64);
    eprintln!("killed with {arrived} of {ITEMS} topics; all are there");
}

/// Kills the node as soon as some of the topics are there; how many are there afterwards.
fn killed_while_receiving(actor: &Actor) -> u64 {
    use std::io::{BufRead as _, BufReader};
    let mut watch: Command = actor.command(&["watch", "--since", "0", "--json"]);
    let mut watching = watch
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    let topics = lines
        .map_while(Result::ok)
        .filter(|line| json(line)["kind"] == "topic");
    assert_eq!(topics.take(10).count(), 10, "the events ended");
    actor.kill();
    watching.kill().unwrap();
    watching.wait().unwrap();
    let there = actor.ok(&["list", "--all", "--kind", "topic", "--json"]);
    json(&there)["items"].as_array().unwrap().len() as u64
}
