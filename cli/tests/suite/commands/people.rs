//! Members, devices and spaces: one community, several people, real programs.

use super::{Person, says, together::joined};
use serde_json::Value;

fn root(person: &Person) -> String {
    person.json(&["whoami"])["root"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Waits until a command of somebody says something; each look follows an exchange.
fn until_says(person: &Person, args: &[&str], part: &str) -> String {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        person.run(&["sync", "--wait"]);
        let ended = person.run(args);
        if ended.code == 0 && ended.out.contains(part) {
            return ended.out;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{part:?} is not in {ended:?}"
        );
    }
}

#[test]
fn a_person_is_admitted_by_key_gets_a_role_and_leaves() {
    let (alice, bob) = (Person::founder(), Person::ready("Bob"));
    // A name is known once its person has written something.
    alice.publish("lobby", "note", "Welcome");
    let key = root(&bob);
    let admitted = alice.run(&["member", "admit", &key]);
    assert_eq!(admitted.code, 0, "{admitted:?}");
    says(&admitted.err, &["admitted by Coffee Club"]);
    says(&alice.ok(&["member", "list"]), &[&key, "Coffee Club"]);
    alice.ok(&["member", "roles", "add", &key, "steward"]);
    let roster = alice.json(&["member", "list"]);
    let of = |roster: &Value| {
        let members = roster["members"].as_array().unwrap();
        let bob = members.iter().find(|it| it["root"] == key.as_str());
        bob.unwrap()["standings"][0].clone()
    };
    assert_eq!(
        of(&roster)["roles"],
        serde_json::json!(["member", "steward"])
    );
    alice.ok(&["member", "roles", "remove", &key, "steward"]);
    let roster = alice.json(&["member", "list"]);
    assert_eq!(of(&roster)["roles"], serde_json::json!(["member"]));
    let nobody = alice.fails(1, &["member", "revoke", "Carol", "--yes"]);
    says(&nobody, &["no member", "member list"]);
    // Without a terminal nothing is taken unasked.
    let unasked = alice.run(&["member", "revoke", &key]);
    assert_eq!(unasked.code, 2, "{unasked:?}");
    says(&unasked.err, &["--yes"]);

    alice.ok(&["member", "revoke", &key, "--yes"]);
    says(&alice.ok(&["member", "list"]), &["revoked by Alice"]);
    let again = alice.fails(1, &["member", "admit", &key]);
    says(&again, &["for good", "new key"]);
}

#[test]
fn a_revoked_members_later_words_are_stubs_and_earlier_ones_stay() {
    let (alice, bob) = joined();
    let early = bob.publish("lobby", "idea", "Written in good standing");
    until_says(&alice, &["list", "--all"], "Written in good standing");
    bob.ok(&["node", "stop"]);
    let late = bob.publish("lobby", "idea", "Written behind everybody's back");
    let revoked = alice.run(&["member", "revoke", "Bob", "--yes"]);
    assert_eq!(revoked.code, 0, "{revoked:?}");
    says(&revoked.err, &["lobby", "which stay", "new key"]);

    bob.start();
    until_says(&bob, &["member", "list"], "revoked by");
    says(&alice.ok(&["show", &early]), &["Written in good standing"]);
    says(&bob.ok(&["show", &early]), &["Written in good standing"]);
    let held = bob.ok(&["quarantine", "list"]);
    says(&held, &[&late[..8], "after removal by Coffee Club"]);
    says(
        &bob.ok(&["quarantine", "show", &late[..12]]),
        &["Written behind everybody's back"],
    );
    assert!(!bob.ok(&["list", "--all"]).contains("everybody's back"));
    let refused = bob.run(&["publish", &bob.write("t.md", "More"), "--space", "lobby"]);
    assert_ne!(refused.code, 0, "{refused:?}");
}

#[test]
fn a_second_device_is_linked_without_the_root_key_and_ended() {
    let alice = Person::founder();
    alice.start();
    let before = alice.publish("members", "idea", "From the first device");
    let ticket = alice.ok(&["device", "invite"]);

    let phone = Person::new();
    phone.ok(&["init", "--node-only"]);
    phone.start();
    let code = phone.ok(&["device", "accept", ticket.trim(), "--no-passphrase"]);
    assert_eq!(root(&phone), root(&alice));
    let mistyped = alice.fails(1, &["device", "link", &code[..code.len() - 2]]);
    says(&mistyped, &["a code has 12 characters"]);
    let device = alice.ok(&["device", "link", &code]);
    until_says(&phone, &["device", "list"], "this device");

    // The phone reads what members read, and writes under the same name.
    until_says(&phone, &["list", "--all"], "From the first device");
    says(
        &phone.ok(&["show", &before[..12]]),
        &["Alice (Coffee Club)"],
    );
    let words = phone.publish("members", "idea", "From the phone");
    until_says(&alice, &["list", "--all"], "From the phone");
    says(&alice.ok(&["show", &words]), &["Alice (Coffee Club)"]);

    // What needs the root key says where to go.
    let key = root(&Person::ready("Bob"));
    let refused = phone.fails(1, &["member", "admit", &key]);
    says(&refused, &["no root key", "another one of yours"]);
    says(&phone.fails(1, &["identity", "phrase"]), &["no root key"]);

    // It is lost, and ended: earlier words stay, later ones do not count.
    phone.ok(&["node", "stop"]);
    let late = phone.publish("members", "idea", "From a thief");
    alice.ok(&["device", "revoke", device.trim(), "--yes"]);
    says(&alice.ok(&["device", "list"]), &["revoked by Alice"]);
    phone.start();
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    loop {
        phone.run(&["sync", "--wait"]);
        if phone.run(&["show", &late]).code != 0 {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "still in effect");
    }
    says(&alice.ok(&["show", &words]), &["From the phone"]);
    assert_ne!(alice.run(&["show", &late]).code, 0);
}

#[test]
fn a_small_group_is_seen_by_its_people_alone() {
    let (alice, bob) = joined();
    alice.publish("lobby", "note", "Welcome");
    let opened = alice.run(&["space", "open", "roasting", "--with", "Alice"]);
    assert_eq!(opened.code, 0, "{opened:?}");
    says(&opened.err, &["readers: Alice (1 person, 0 nodes)"]);
    let secret = alice.publish("roasting", "idea", "Our own roaster");
    says(&alice.ok(&["show", &secret]), &["Our own roaster"]);
    says(&alice.ok(&["space", "list"]), &["roasting", "1 person"]);
    bob.ok(&["sync", "--wait"]);
    assert!(!bob.ok(&["space", "list"]).contains("roasting"));

    // Somebody else at the same node sees nothing of it: absent and forbidden are one answer.
    let guest = Person::ready("Guest");
    let as_guest = |args: &[&str]| {
        let mut command = guest.command(args);
        command.env("COMITY_HOME", alice.home());
        super::ended(&mut command)
    };
    let listed = as_guest(&["space", "list"]);
    assert_eq!(listed.code, 0, "{listed:?}");
    says(&listed.out, &["lobby"]);
    assert!(!listed.out.contains("roasting") && !listed.out.contains("members:"));
    let forbidden = as_guest(&["show", &secret]);
    let last = if secret.ends_with('0') { '1' } else { '0' };
    let absent = format!("{}{last}", &secret[..63]);
    let unknown = as_guest(&["show", &absent]);
    assert_eq!(forbidden.code, unknown.code);
    assert_eq!(
        forbidden.err.replace(&secret, "ID"),
        unknown.err.replace(&absent, "ID")
    );

    // To name it where more people read needs consent.
    let text = alice.write("leak.md", &format!("As said in {secret}"));
    let unasked = alice.run(&["publish", &text, "--space", "lobby"]);
    assert_eq!(unasked.code, 2, "{unasked:?}");
    says(
        &unasked.err,
        &["readers: everyone", "roasting", "fewer people", "--yes"],
    );
    alice.ok(&["publish", &text, "--space", "lobby", "--yes"]);
}

#[test]
fn an_order_to_erase_is_signed_by_a_quorum() {
    let alice = Person::founder();
    let id = alice.publish("lobby", "idea", "Somebody's home address");
    let order = ["erase", &id, "--order", "--reason", "a home address"];
    says(&alice.fails(2, &order), &["--yes"]);
    let ordered = alice.run(&[&order[..], &["--yes"]].concat());
    assert_eq!(ordered.code, 0, "{ordered:?}");
    says(&ordered.err, &["a quorum has signed", "erased here"]);
    let shown = alice.ok(&["show", &id]);
    says(&shown, &["words were erased by order"]);
    assert!(!shown.contains("home address"), "{shown}");
    let draft = alice.write("broken.json", "{}");
    says(
        &alice.fails(1, &["sign", &draft]),
        &["as a draft", "space declare"],
    );
}

#[test]
fn a_party_declares_a_space_for_its_people() {
    let alice = Person::founder();
    let declared = alice.json(&["space", "declare", "board"]);
    assert_eq!(declared["readers"], "parties");
    assert_eq!(declared["reader_names"], serde_json::json!(["Coffee Club"]));
    let words = alice.publish("board", "note", "For us");
    says(&alice.ok(&["show", &words]), &["For us"]);
    let refused = alice.fails(1, &["space", "declare", "x", "--party", "Nobody"]);
    says(&refused, &["no such party", "Coffee Club"]);
}
