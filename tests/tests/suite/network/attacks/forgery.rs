//! Entries that somebody else is said to have signed, entries elsewhere than they were signed for, and
//! entries that were changed on the way.

use super::{hand_over, stop, take_part, titles, two_parties};
use comity_protocol::{
    certificate::Change,
    entry::Entry,
    key::PublicKey,
    record::{Admission, RecordBody, Role},
};
use comity_tests::{
    alliance::{A, Alliance, B, party},
    community::{Person, topic},
    nodes::{TestNode, wait_for_equal_roots},
};

/// The bytes with one part in place of another of its length, wherever it stands.
fn with(bytes: &[u8], part: &[u8; 32], other: &[u8; 32]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let mut replaced = 0;
    for at in 0..=changed.len() - part.len() {
        if changed[at..].starts_with(part) {
            changed[at..at + part.len()].copy_from_slice(other);
            replaced += 1;
        }
    }
    assert!(replaced > 0, "nothing to replace");
    changed
}

/// A node takes none of these entries, whoever hands them in; it keeps no trace of them.
async fn refused_locally(node: &TestNode, alliance: &Alliance, entries: &[Vec<u8>]) {
    let before = node.roots().await;
    for (number, bytes) in entries.iter().enumerate() {
        // One by one: a batch stands or falls together where one cannot be read.
        let request = comity_client::types::Submit {
            community: alliance.id.to_string(),
            entries: vec![comity_tests::nodes::base64(bytes)],
        };
        if let Ok(answer) = node.client.submit(&request).await {
            for result in answer.results {
                // What the node holds from elsewhere it need not take in again.
                if result.state == "already_present" {
                    continue;
                }
                let out = ["refused", "unauthorized"].contains(&result.state.as_str());
                assert!(out, "{number}: {result:?}");
                assert!(node.client.entry(&result.id).await.is_err(), "{number}");
            }
        }
    }
    assert_eq!(node.roots().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_writes_admits_or_resolves_in_the_name_of_another() {
    let (alder, birch, mut alliance) = two_parties("Forged").await;
    let mut ada = alliance.member(A, "Forged/ada", &[Role::Member]);
    take_part(&[&alder, &birch], &alliance).await;
    birch.connect(&alder).await;
    birch.sync().await;
    let (public, governance) = (alliance.space("public"), alliance.governance());

    let mut mallory = Person::new("Forged/mallory");
    let by_mallory = mallory.device.create(public, &topic("Forged", "Not hers."));
    let swap =
        |bytes: &[u8], from: PublicKey, to: PublicKey| with(bytes, from.as_bytes(), to.as_bytes());
    let as_ada = swap(
        &by_mallory.encode(),
        mallory.device.public(),
        ada.device.public(),
    );
    // An admission of Mallory by herself, in the name of Alder's delegate, and a resolution of both
    // parties in which one signature is hers.
    let delegate = alliance.sides[A].delegates[0].root.public();
    let admission = RecordBody::Admission(Admission {
        party: alliance.sides[A].id,
        member: mallory.root.public(),
        roles: [Role::Member, Role::Steward].into(),
    });
    let admission = mallory.device.record(governance, admission);
    let admission = swap(&admission.encode(), mallory.device.public(), delegate);
    let renamed = alliance.resolution(&[A], vec![Change::SetName("Mallory's".to_owned())]);
    let alone = renamed.encode();
    let unsigned = alliance.resolution(&[A, B], vec![Change::SetName("Mallory's".to_owned())]);
    let mut unsigned = unsigned.encode();
    *unsigned.last_mut().unwrap() ^= 1;
    refused_locally(
        &alder,
        &alliance,
        &[
            as_ada.clone(),
            admission.clone(),
            unsigned.clone(),
            alone.clone(),
        ],
    )
    .await;

    // A peer hands over the same, and then what Ada did sign.
    let genuine = ada.device.create(public, &topic("Genuine", "Hers."));
    for (name, space, forged) in [
        ("Forged/content", public, as_ada),
        ("Forged/admission", governance, admission),
        ("Forged/resolution", governance, unsigned),
        ("Forged/alone", governance, alone),
        ("Forged/messenger", public, genuine.encode()),
    ] {
        hand_over(&alder, &alliance, name, space, &[forged]).await;
    }
    for node in [&alder, &birch] {
        node.wait_for_entries(public, 1).await;
    }
    wait_for_equal_roots(&[&alder, &birch]).await;
    for node in [&alder, &birch] {
        assert_eq!(titles(node, public).await, ["Genuine".to_owned()].into());
        let info = node.client.community(&alliance.id.to_string()).await;
        let info = info.unwrap();
        assert_eq!(info.name, "Forged");
        let root = mallory.root.public().to_string();
        assert!(info.members.iter().all(|it| it.root != root));
    }
    stop([alder, birch]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_signed_for_one_space_or_community_counts_in_no_other() {
    let (alder, birch, mut here) = two_parties("Replayed").await;
    // The same parties with the same delegates and members found a second community.
    let (of_a, of_b) = ([alder.node.key()], [birch.node.key()]);
    let mut there = Alliance::found("Elsewhere", &[party("Alder", &of_a), party("Birch", &of_b)]);
    let mut ada = here.member(A, "Replayed/ada", &[Role::Member]);
    there.member(A, "Replayed/ada", &[Role::Member]);
    for alliance in [&here, &there] {
        take_part(&[&alder, &birch], alliance).await;
    }
    birch.connect(&alder).await;
    birch.sync().await;
    let public = here.space("public");
    let said = ada.device.create(public, &topic("Here", "Said here."));
    let admitted = here.member(A, "Replayed/zoe", &[Role::Member]);
    let admission = here.records()[here.records().len() - 2].clone();
    let revocation = here.revoke(B, &here.sides[B].delegates[0].clone(), &[]);
    alder.submit(here.id, std::slice::from_ref(&said)).await;

    let others = [
        here.space("news"),
        here.space("members"),
        there.space("public"),
    ];
    let moved = others.map(|it| with(&said.encode(), public.as_bytes(), it.as_bytes()));
    refused_locally(&alder, &here, &moved).await;
    let (from, to) = (here.governance(), there.governance());
    let replayed: Vec<_> = [&said, &admission, &revocation]
        .into_iter()
        .map(Entry::encode)
        .collect();
    let mut moved: Vec<_> = replayed[1..]
        .iter()
        .map(|it| with(it, from.as_bytes(), to.as_bytes()))
        .collect();
    moved.push(with(
        &replayed[0],
        public.as_bytes(),
        there.space("public").as_bytes(),
    ));
    refused_locally(&alder, &there, &replayed).await;
    refused_locally(&alder, &there, &moved).await;

    // A peer passes them off as news of the other community, and then tells what is new there.
    let elsewhere = there.space("public");
    let genuine = ada.device.create(elsewhere, &topic("There", "Said there."));
    for (name, space, entry) in [
        ("Replayed/said", elsewhere, &replayed[0]),
        ("Replayed/admitted", to, &replayed[1]),
        ("Replayed/removed", to, &replayed[2]),
        ("Replayed/moved", to, &moved[0]),
        ("Replayed/rewritten", elsewhere, &moved[2]),
        ("Replayed/messenger", elsewhere, &genuine.encode()),
    ] {
        hand_over(&birch, &there, name, space, std::slice::from_ref(entry)).await;
    }
    for node in [&alder, &birch] {
        node.wait_for_entries(elsewhere, 1).await;
        node.wait_for_entries(public, 1).await;
    }
    wait_for_equal_roots(&[&alder, &birch]).await;
    for node in [&alder, &birch] {
        assert_eq!(titles(node, elsewhere).await, ["There".to_owned()].into());
        assert_eq!(titles(node, public).await, ["Here".to_owned()].into());
        assert_eq!(titles(node, here.space("news")).await, [].into());
        let info = node.client.community(&there.id.to_string()).await.unwrap();
        let roots: Vec<_> = info.members.into_iter().map(|it| it.root).collect();
        assert!(!roots.contains(&admitted.root.public().to_string()));
        let delegate = there.sides[B].delegates[0].root.public().to_string();
        assert!(roots.contains(&delegate), "still a member there");
    }
    stop([alder, birch]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_changed_on_the_way_is_refused_and_blocks_nothing() {
    let (alder, birch, mut alliance) = two_parties("Tampered").await;
    let mut ada = alliance.member(A, "Tampered/ada", &[Role::Member]);
    take_part(&[&alder, &birch], &alliance).await;
    let public = alliance.space("public");
    let draft = |body: &str| topic("Terms", body);
    let genuine = ada.device.create(public, &draft("We pay you 1000."));
    let bytes = genuine.encode();

    // Every byte: header, signature, shape, words and what frames them.
    let flipped: Vec<_> = (0..bytes.len())
        .map(|at| {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            changed
        })
        .collect();
    println!("{} bytes, each changed once", flipped.len());
    refused_locally(&alder, &alliance, &flipped).await;
    let replaced = |from: &[u8], to: &[u8]| {
        let at = bytes.windows(from.len()).position(|it| it == from);
        let at = at.expect("what stands in the entry");
        let mut changed = bytes.clone();
        changed[at..at + to.len()].copy_from_slice(to);
        changed
    };
    let words = replaced(b"1000", b"9000");
    let shape = replaced(b"topic", b"reply");
    refused_locally(&alder, &alliance, &[words.clone(), shape.clone()]).await;

    // A peer hands over the changed ones under the id of the genuine one.
    let other = ada.device.create(public, &topic("Other", "Unchanged."));
    for (name, entry) in [
        ("Tampered/words", words),
        ("Tampered/shape", shape),
        ("Tampered/messenger", other.encode()),
    ] {
        hand_over(&alder, &alliance, name, public, &[entry]).await;
    }
    alder.wait_for_entries(public, 1).await;
    assert_eq!(titles(&alder, public).await, ["Other".to_owned()].into());
    // The genuine one gets there from another node all the same.
    birch
        .submit(alliance.id, std::slice::from_ref(&genuine))
        .await;
    birch.connect(&alder).await;
    wait_for_equal_roots(&[&alder, &birch]).await;
    for node in [&alder, &birch] {
        let shown = node.show(genuine.id()).await;
        assert_eq!(shown.text("body"), Some("We pay you 1000."));
    }
    stop([alder, birch]).await;
}
