//! Many authors edit one page on three nodes whose partitions heal in random order.
//!
//! `COMITY_TEST_AUTHORS` and `COMITY_TEST_SEED` give the size and the order; the full size is 300.

use comity_protocol::{
    contribution::Target,
    document::Draft,
    entry::Entry,
    id::{DocumentId, EntryId, SpaceId},
};
use comity_tests::{
    community::{Community, Person, document, page, splice},
    nodes::{Stopped, TestNode, wait_for_equal_roots},
    random::Random,
};
use std::collections::BTreeSet;

/// Authors unless told otherwise: enough for more heads than one edit may name.
const AUTHORS: usize = 90;
const EDITS_EACH: usize = 10;
const SIDES: usize = 3;

fn setting(name: &str, otherwise: usize) -> usize {
    match std::env::var(name) {
        Ok(text) => text.parse().unwrap(),
        Err(_) => otherwise,
    }
}

/// What one side of a partition knows of the page, and who writes there.
struct Side {
    heads: BTreeSet<EntryId>,
    authors: Vec<Person>,
    fresh: Vec<Entry>,
}

struct World {
    community: Community,
    space: SpaceId,
    page: DocumentId,
    random: Random,
}

impl World {
    /// Every author of a side makes so many edits, each on a few of the heads known there.
    fn edit(&mut self, side: &mut Side, rounds: usize) {
        for round in 0..rounds {
            for author in &mut side.authors {
                let mut known: Vec<EntryId> = side.heads.iter().copied().collect();
                self.random.shuffle(&mut known);
                known.truncate(1 + self.random.below(2));
                known.sort();
                let target = Target::Edit {
                    document: self.page,
                    deps: known.clone(),
                };
                let (position, delete) = (self.random.below(150) as u32, self.random.below(2));
                let text = format!("<{round}>");
                let draft = Draft::edit(vec![splice(position, delete as u32, &text)]);
                let entry = author.device.contribute(self.space, target, &draft);
                // Every other edit is made before its author saw the one before.
                if self.random.below(2) == 0 {
                    known.iter().for_each(|head| _ = side.heads.remove(head));
                }
                side.heads.insert(entry.id());
                side.fresh.push(entry);
            }
        }
    }

    async fn hand_in(&self, side: &mut Side, node: &TestNode) {
        for part in std::mem::take(&mut side.fresh).chunks(500) {
            node.submit(self.community.id, part).await;
        }
    }

    /// What the authors of a side learn from their node.
    async fn learn(&self, side: &mut Side, node: &TestNode) {
        let view = node.show(self.page).await;
        side.heads = view.at.iter().map(|id| id.parse().unwrap()).collect();
    }
}

async fn derived(node: &TestNode, page: DocumentId) -> (Vec<String>, String) {
    loop {
        let view = node.show(page).await;
        if view.underived == 0 {
            let text = view.text("body").unwrap().to_owned();
            return (view.summary.heads, text);
        }
        tokio::time::sleep(comity_tests::nodes::POLL).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn partitions_that_heal_in_any_order_end_with_equal_heads_and_text() {
    let authors = setting("COMITY_TEST_AUTHORS", AUTHORS);
    let seed = setting("COMITY_TEST_SEED", 20_261_122);
    println!("{authors} authors, seed {seed}");
    let mut nodes = Vec::new();
    for _ in 0..SIDES {
        nodes.push(TestNode::start().await);
    }
    let keys: Vec<_> = nodes.iter().map(|node| node.node.key()).collect();
    let mut community = Community::found("Partitions", &keys);
    let mut sides: Vec<Side> = Vec::new();
    for side in 0..SIDES {
        let people = (side..authors).step_by(SIDES);
        let authors = people.map(|number| community.member(&format!("Partitions/{number}")));
        sides.push(Side {
            heads: BTreeSet::new(),
            authors: authors.collect(),
            fresh: Vec::new(),
        });
    }
    let space = community.space("members");
    let mut delegate = community.delegate.clone();
    let text = delegate
        .device
        .create(space, &page("Plan", &"x".repeat(150)));
    let mut world = World {
        space,
        page: document(&text),
        random: Random::new(seed as u64),
        community,
    };
    for (node, side) in nodes.iter().zip(&mut sides) {
        node.take_part(&world.community).await;
        node.submit(world.community.id, std::slice::from_ref(&text))
            .await;
        side.heads.insert(text.id());
    }

    // All apart; then two meet; then one of them leaves and meets the third; then all.
    let mut order = [0, 1, 2];
    world.random.shuffle(&mut order);
    let [a, b, c] = order;
    println!("healing in the order {order:?}");
    for (side, node) in sides.iter_mut().zip(&nodes) {
        world.edit(side, 4);
        world.hand_in(side, node).await;
    }
    nodes[a].connect(&nodes[b]).await;
    wait_for_equal_roots(&[&nodes[a], &nodes[b]]).await;
    for side in [a, b] {
        world.learn(&mut sides[side], &nodes[side]).await;
    }
    for side in [a, b, c] {
        world.edit(&mut sides[side], 3);
    }
    let mut nodes: Vec<Option<TestNode>> = nodes.into_iter().map(Some).collect();
    world
        .hand_in(&mut sides[b], nodes[b].as_ref().unwrap())
        .await;
    world
        .hand_in(&mut sides[c], nodes[c].as_ref().unwrap())
        .await;
    let away: Stopped = nodes[a].take().unwrap().stop().await;
    nodes[c]
        .as_ref()
        .unwrap()
        .connect(nodes[b].as_ref().unwrap())
        .await;
    wait_for_equal_roots(&[nodes[b].as_ref().unwrap(), nodes[c].as_ref().unwrap()]).await;
    for side in [b, c] {
        world
            .learn(&mut sides[side], nodes[side].as_ref().unwrap())
            .await;
    }
    for side in [a, b, c] {
        world.edit(&mut sides[side], EDITS_EACH - 7);
    }
    world
        .hand_in(&mut sides[c], nodes[c].as_ref().unwrap())
        .await;
    nodes[a] = Some(away.start().await);
    world
        .hand_in(&mut sides[a], nodes[a].as_ref().unwrap())
        .await;
    world
        .hand_in(&mut sides[b], nodes[b].as_ref().unwrap())
        .await;

    let nodes: Vec<TestNode> = nodes.into_iter().flatten().collect();
    let all: Vec<&TestNode> = nodes.iter().collect();
    wait_for_equal_roots(&all).await;
    let made = 1 + (authors * EDITS_EACH) as u64;
    let history = nodes[0]
        .client
        .history(&world.page.to_string())
        .await
        .unwrap();
    assert_eq!(history.len() as u64, made);
    let effective = history.iter().filter(|it| it.verdict != "void").count();
    assert_eq!(effective as u64, made, "the test means all edits to hold");
    let (heads, text) = derived(&nodes[0], world.page).await;
    assert!(heads.len() > 10 && text.len() > 150 + authors * EDITS_EACH);
    for node in &nodes[1..] {
        assert_eq!(
            derived(node, world.page).await,
            (heads.clone(), text.clone())
        );
    }
    println!(
        "{made} contributions, {} heads, {} bytes of text",
        heads.len(),
        text.len()
    );
    for node in nodes {
        node.stop().await;
    }
}
