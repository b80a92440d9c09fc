//! Presence that authorized contributions give to what they build on.

use super::{bare::Bare, world::World};
use comity_node::ingest::Outcome;
use comity_tests::community::{document, page, put, reply, splice, topic};

#[test]
fn in_a_page_what_others_built_on_stays() {
    let mut world = World::new();
    let (mut ada, mut ben) = (world.member("ada"), world.member("ben"));
    let node = Bare::new(world.id);
    let create = ada.device.create(world.public, &page("Tea", "Boil water."));
    let of = document(&create);
    let by_ben = ben.device.edit(
        world.public,
        of,
        &[create.id()],
        vec![splice(0, 0, "First. ")],
    );
    let on_top = ada
        .device
        .edit(world.public, of, &[by_ben.id()], vec![put("title", "Mine")]);
    let entries = [&create, &by_ben, &on_top];
    node.save(world.governance.iter().chain(entries));
    let revocation = world.revoke(&ada, &[]);
    node.save([&revocation]);
    assert!(node.is_in_effect(&create), "adopted by Ben's edit");
    assert_eq!(
        node.archive.held().adopted_by(&create.id()),
        Some(by_ben.id())
    );
    assert!(node.is_held(&on_top), "nothing authorized builds on it");
    let (heads, texts) = node.seen(of).unwrap();
    assert_eq!(heads, [by_ben.id()]);
    assert_eq!(texts, ["Tea", "First. Boil water."]);

    // A node that hears of the removal first comes to the same set, in whatever order.
    for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [0, 2, 1]] {
        let late = Bare::new(world.id);
        late.save(world.governance.iter().chain([&revocation]));
        for index in order {
            late.take(&[entries[index]]);
        }
        assert_eq!(late.roots(), node.roots(), "{order:?}");
        assert_eq!(late.seen(of), node.seen(of), "{order:?}");
    }
}

#[test]
fn nobody_adopts_in_what_one_person_owns() {
    let mut world = World::new();
    let (mut ada, mut ben) = (world.member("ada"), world.member("ben"));
    let node = Bare::new(world.id);
    let question = ada.device.create(world.public, &topic("Tea?", "How long?"));
    let answer = ben
        .device
        .create(world.public, &reply(document(&question), "Four minutes."));
    node.save(world.governance.iter().chain([&question, &answer]));
    let revocation = world.revoke(&ada, &[]);
    node.save([&revocation]);
    assert!(node.is_held(&question));
    assert!(
        node.is_in_effect(&answer),
        "a reply is a document of its own"
    );
    let edit = ada.device.edit(
        world.public,
        document(&question),
        &[question.id()],
        vec![put("title", "Again")],
    );
    let outcome = node.take(&[&edit]).remove(0);
    assert!(matches!(outcome, Outcome::Unauthorized(_)));
}

#[test]
fn a_held_page_comes_back_when_somebody_builds_on_it() {
    let mut world = World::new();
    let (mut ada, mut ben) = (world.member("ada"), world.member("ben"));
    let node = Bare::new(world.id);
    let create = ada.device.create(world.public, &page("Tea", "Boil."));
    node.save(world.governance.iter().chain([&create]));
    let revocation = world.revoke(&ada, &[]);
    node.save([&revocation]);
    assert!(node.is_held(&create));
    let edit = ben.device.edit(
        world.public,
        document(&create),
        &[create.id()],
        vec![put("title", "Tea, kept")],
    );
    node.save([&edit]);
    assert!(node.is_in_effect(&create) && node.is_in_effect(&edit));
    let (_, texts) = node.seen(document(&create)).unwrap();
    assert_eq!(texts, ["Tea, kept", "Boil."]);
    let roots = node.roots();
    assert_eq!(node.reopened().roots(), roots);
}
