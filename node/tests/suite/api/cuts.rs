//! What cuts would keep: every segment of everybody concerned, present or not.

use super::{Running, refused};
use comity_client::types::{CutQuery, SpaceCutPlan};
use comity_protocol::{
    certificate::{Cuts, DeviceCut, SpaceCut},
    contribution::ChainLink,
    entry::Entry,
    id::EntryId,
    key::PublicKey,
    record::{RecordBody, Revocation, Target},
};
use comity_tests::community::{Community, Person, topic};
use std::collections::BTreeSet;

/// A garden where Ada wrote two segments, and was removed with cuts that keep both.
async fn after_ada() -> (Community, Person, Running, BTreeSet<String>) {
    let mut garden = Community::found("Garden", &[]);
    let mut ada = garden.member("ada");
    let linked = ada.root.next_link(garden.governance()).prev.unwrap();
    let space = garden.space("public");
    let first = ada.device.create(space, &topic("One", "First."));
    let second = ada.device.create(space, &topic("Two", "Second."));
    // What came between is not here: a new segment.
    let lost = EntryId::from_bytes([9; 32]);
    ada.device.set_next_link(space, ChainLink::after(7, lost));
    let later = ada.device.create(space, &topic("Three", "Later."));
    let node = Running::with(&garden).await;
    node.save(garden.id, &[&first, &second, &later]).await;
    let mut last = vec![second.id(), later.id()];
    last.sort();
    let cut = |space, key, last: &[EntryId]| SpaceCut {
        space,
        devices: vec![DeviceCut {
            key,
            last: last.to_vec(),
        }],
    };
    let mut open = vec![
        cut(space, ada.device.public(), &last),
        cut(garden.governance(), ada.root.public(), &[linked]),
    ];
    open.sort_by_key(|it| it.space);
    let revocation = revocation(&mut garden, &ada, open);
    node.save(garden.id, &[&revocation]).await;
    let last = last.iter().map(ToString::to_string).collect();
    (garden, ada, node, last)
}

fn revocation(garden: &mut Community, of: &Person, open: Vec<SpaceCut>) -> Entry {
    let body = RecordBody::Revocation(Revocation {
        party: garden.party,
        target: Target::Member(of.root.public()),
        cuts: Cuts {
            open,
            sealed: [9; 32],
        },
        replaces: None,
    });
    let space = garden.governance();
    garden.delegate.root.record(space, body)
}

fn named(plan: &SpaceCutPlan, key: &PublicKey) -> BTreeSet<String> {
    let key = key.to_string();
    let cuts = plan.parts.iter().flatten().filter(|it| it.key == key);
    cuts.flat_map(|it| it.last.clone()).collect()
}

#[tokio::test]
async fn a_space_is_kept_with_everybody_who_ever_wrote_there() {
    let (mut garden, ada, node, segments) = after_ada().await;
    let space = garden.space("public");
    let words = garden.delegate.device.create(space, &topic("Me", "Too."));
    node.save(garden.id, &[&words]).await;
    let of = CutQuery {
        spaces: vec![space.to_string()],
        ..CutQuery::default()
    };
    let plan = node.client.cuts(&garden.id.to_string(), &of).await.unwrap();
    let [public] = plan.spaces.as_slice() else {
        panic!("one space is named: {plan:?}");
    };
    assert!(public.open);
    assert_eq!(public.contributions, 4);
    assert_eq!(named(public, &ada.device.public()), segments);
    let own = BTreeSet::from([words.id().to_string()]);
    assert_eq!(named(public, &garden.delegate.device.public()), own);
}

#[tokio::test]
async fn a_party_is_kept_with_everybody_it_ever_admitted() {
    let (garden, ada, node, segments) = after_ada().await;
    let of = CutQuery {
        parties: vec![garden.party.to_string()],
        ..CutQuery::default()
    };
    let plan = node.client.cuts(&garden.id.to_string(), &of).await.unwrap();
    let of_space = |id: String| plan.spaces.iter().find(|it| it.space == id).unwrap();
    let public = of_space(garden.space("public").to_string());
    assert_eq!(named(public, &ada.device.public()), segments);
    let governance = of_space(garden.governance().to_string());
    for root in [ada.root.public(), garden.delegate.root.public()] {
        assert_eq!(named(governance, &root).len(), 1);
    }
}

#[tokio::test]
async fn people_are_kept_with_every_device_they_linked() {
    let (garden, ada, node, segments) = after_ada().await;
    let community = garden.id.to_string();
    let people = CutQuery {
        people: vec![ada.root.public().to_string()],
        ..CutQuery::default()
    };
    let plan = node.client.cuts(&community, &people).await.unwrap();
    let public = garden.space("public").to_string();
    let public = plan.spaces.iter().find(|it| it.space == public).unwrap();
    assert_eq!(named(public, &ada.device.public()), segments);
    refused(
        node.client.cuts(&community, &CutQuery::default()).await,
        "invalid",
    );
}
