//! Spaces that the public governance does not declare: readers learn of them from peers that may tell
//! them, nobody else does, and who loses the right hears no more at once (I9).

use comity_net::{PeerId, tap::Way};
use comity_protocol::{
    certificate::{
        Certificate, CertificateBody, Cuts, Declarer, Readers, Space, SpaceDeclaration, Writers,
    },
    entry::Entry,
    id::{EntryId, SpaceId},
    key::PublicKey,
    record::{RecordBody, Revocation, Target},
    sync::Message,
};
use comity_tests::{
    community::{Community, Person, START_MS, topic},
    nodes::{Stopped, TestNode, patiently, wait_for_equal_roots},
    transcript::Moment,
};

const SYNC: &str = "/comity/sync/1";

pub(super) async fn tapped() -> TestNode {
    let mut stopped = Stopped::new(true);
    stopped.keep_transcript();
    stopped.start().await
}

pub(super) async fn peer_of(node: &TestNode) -> PeerId {
    let status = node.client.status().await.unwrap();
    status.peer_id.parse().unwrap()
}

fn declared(community: &Community, certificate: Certificate) -> (SpaceId, Entry) {
    let space = certificate.home(community.governance());
    assert_ne!(space, community.governance());
    (space, Entry::Certificate(certificate))
}

/// An internal space of the party, which its delegate declares.
fn internal(community: &Community) -> (SpaceId, Entry) {
    let records = community.records();
    let entries = records.iter().map(|it| Entry::decode(it).unwrap());
    let is_party = |it: &Entry| {
        let Entry::Certificate(certificate) = it else {
            return false;
        };
        matches!(certificate.body(), CertificateBody::Party(_))
    };
    let state: EntryId = entries.filter(is_party).map(|it| it.id()).next().unwrap();
    let readers = Readers::Parties(vec![community.party]);
    let body = CertificateBody::SpaceDeclaration(SpaceDeclaration {
        community: community.id,
        declarer: Declarer::Party {
            party: community.party,
            state,
            proposer: community.delegate.root.public(),
        },
        space: Space::new("internal", readers, Writers::Members),
        nonce: [3; 16],
        time_ms: START_MS,
    });
    let delegate = community.delegate.root.secret();
    declared(community, Certificate::sign(body, &[delegate]))
}

/// A space of a few persons, which the first of them declares.
fn small_group(community: &Community, persons: &[&Person]) -> (SpaceId, Entry) {
    let mut roots: Vec<PublicKey> = persons.iter().map(|it| it.root.public()).collect();
    roots.sort();
    let body = CertificateBody::SpaceDeclaration(SpaceDeclaration {
        community: community.id,
        declarer: Declarer::Member {
            root: persons[0].root.public(),
            signer: persons[0].device.public(),
        },
        space: Space::new("us", Readers::Persons(roots), Writers::Members),
        nonce: [4; 16],
        time_ms: START_MS,
    });
    let signer = persons[0].device.secret();
    declared(community, Certificate::sign(body, &[signer]))
}

/// Whether anything that a node sent to a peer since then holds the id of a space.
fn told_of(node: &TestNode, space: SpaceId, peer: PeerId, since: Moment) -> bool {
    let told = node.transcript().sent_with(space.as_bytes(), since);
    told.iter().any(|(to, _)| *to == peer)
}

/// Waits until a node has refused a space to a peer: all that it said of the space since then is the
/// refusal that an unknown one gets.
pub(super) async fn only_refused(node: &TestNode, peer: PeerId, space: SpaceId, since: Moment) {
    let what = Message::Refuse { space }.encode();
    let refused = async {
        let is_told = |it: Vec<(PeerId, String)>| it.iter().any(|(to, _)| *to == peer);
        while !is_told(node.transcript().sent_with(&what, since)) {
            tokio::time::sleep(comity_tests::nodes::POLL).await;
        }
    };
    patiently("the end of the space", refused).await;
    let frames = node.transcript().frames().into_iter();
    let since = frames.filter(|it| {
        it.at >= since && it.way == Way::Sent && it.peer == peer && it.protocol == SYNC
    });
    for frame in since {
        match Message::decode(&frame.bytes).unwrap() {
            Message::Refuse { space: of } if of == space => {}
            other => assert!(other.clone().only_about(|it| *it != space) == Some(other)),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_partys_nodes_learn_of_its_internal_space_and_nobody_else_does() {
    let (alice, carol, bob) = (tapped().await, tapped().await, tapped().await);
    let community = Community::found("Internal", &[alice.node.key(), carol.node.key()]);
    for node in [&alice, &bob, &carol] {
        node.take_part(&community).await;
    }
    let (space, declaration) = internal(&community);
    let mut author = community.delegate.clone();
    let posts: Vec<_> = (0..20)
        .map(|it| {
            author
                .device
                .create(space, &topic(&format!("Internal {it}"), "Ours."))
        })
        .collect();
    alice.submit(community.id, &[declaration]).await;
    alice.submit(community.id, &posts).await;
    carol.connect(&alice).await;
    bob.connect(&alice).await;
    bob.connect(&carol).await;
    carol.wait_for_entries(space, 21).await;
    wait_for_equal_roots(&[&alice, &carol]).await;
    // It was declared while nobody was connected; another reader learns of it as soon as it is.
    let late = author.device.create(space, &topic("Late", "Ours."));
    carol
        .submit(community.id, std::slice::from_ref(&late))
        .await;
    alice.wait_for_entries(space, 22).await;
    bob.sync().await;
    assert_eq!(bob.set_of(space).await, (0, String::new()));
    let stranger = peer_of(&bob).await;
    for node in [&alice, &carol] {
        assert!(!told_of(node, space, stranger, Moment::default()));
    }
    // A restart finds it again: its declaration is in its own set and nowhere else.
    let carol = carol.restart().await;
    assert_eq!(carol.set_of(space).await, alice.set_of(space).await);
    assert_eq!(carol.show(late.id()).await.text("body"), Some("Ours."));
    for node in [alice, bob, carol] {
        node.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_group_is_told_to_nodes_its_people_grant_and_a_revoked_one_hears_no_more() {
    let (alice, carol) = (tapped().await, tapped().await);
    let mut community = Community::found("Group", &[alice.node.key(), carol.node.key()]);
    let member = community.member("Group/member");
    for node in [&alice, &carol] {
        node.take_part(&community).await;
    }
    let mut author = community.delegate.clone();
    let (space, declaration) = small_group(&community, &[&author, &member]);
    let public = community.space("public");
    alice.submit(community.id, &[declaration]).await;
    let posts: Vec<_> = (0..5)
        .map(|it| {
            author
                .device
                .create(space, &topic(&format!("Us {it}"), "Between us."))
        })
        .collect();
    alice.submit(community.id, &posts).await;
    alice.grant(community.id, &author).await;
    carol.connect(&alice).await;
    carol.sync().await;
    // A node of the party by itself is no reader.
    let peer = peer_of(&carol).await;
    assert!(!told_of(&alice, space, peer, Moment::default()));
    carol.grant(community.id, &member).await;
    carol.wait_for_entries(space, 6).await;
    wait_for_equal_roots(&[&alice, &carol]).await;

    let revocation = RecordBody::Revocation(Revocation {
        party: community.party,
        target: Target::Member(member.root.public()),
        cuts: Cuts::default(),
        replaces: None,
    });
    let governance = community.governance();
    let revocation = community.delegate.root.record(governance, revocation);
    let held = carol.set_of(space).await;
    let before = alice.transcript().now();
    alice.submit(community.id, &[revocation]).await;
    let more: Vec<_> = (0..5)
        .map(|it| {
            author
                .device
                .create(space, &topic(&format!("More {it}"), "Not for carol."))
        })
        .collect();
    alice.submit(community.id, &more).await;
    // What everyone reads goes on, on the same stream.
    let open = author.device.create(public, &topic("Open", "For all."));
    alice
        .submit(community.id, std::slice::from_ref(&open))
        .await;
    carol.wait_for_entries(public, 1).await;
    carol.sync().await;
    assert_eq!(carol.set_of(space).await.0, held.0);
    only_refused(&alice, peer, space, before).await;
    let leaked = alice.transcript().sent_with(b"Not for carol", before);
    assert_eq!(leaked, vec![]);
    for node in [alice, carol] {
        node.stop().await;
    }
}
