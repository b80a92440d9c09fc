//! What those who may not read try to learn: people of another party, and strangers.

use super::{
    HOUR_MS, frames_to, heard_by_now, peer_of, root, stop, take_part, talk_to, tapped, told,
    two_parties,
};
use comity_net::PeerId;
use comity_protocol::{
    entry::Entry,
    id::{EntryId, SpaceId},
    record::Role,
    sync::{
        Key, Message, Prefix, TrieHash,
        key::Item,
        message::{CloseReason, Compare, SpaceRoot},
    },
};
use comity_tests::{
    alliance::{A, Alliance, B, party},
    community::{Person, topic},
    nodes::{POLL, TestNode, patiently, wait_for_equal_roots},
    stranger::{grants, now_ms},
    transcript::Moment,
};
use std::collections::BTreeSet;

fn key_of(space: SpaceId, entry: &Entry) -> Key {
    let key = entry.key();
    Key::new(&space, &key.author, key.seq, key.id)
}

/// Everything one can say about a space on a sync stream, with what is known of it.
fn everything(space: SpaceId, alliance: &Alliance, known: &[Entry]) -> Vec<Message> {
    let mut keys: Vec<_> = known.iter().map(|it| key_of(space, it)).collect();
    keys.sort();
    let other = Key::new(
        &space,
        &alliance.sides[A].delegates[0].device.public(),
        9,
        EntryId::from_bytes([9; 32]),
    );
    let wants = vec![Item::Span {
        author: other.author,
        first: 1,
        last: 1_000,
    }];
    let compare = |round, pull, wants| {
        Message::Compare(Compare {
            space,
            round,
            turn: 0,
            salt: [7; 8],
            pull,
            claims: Vec::new(),
            wants,
        })
    };
    let mut all = vec![
        root(space),
        Message::Roots(vec![SpaceRoot {
            space,
            root: TrieHash::from_bytes([5; 32]),
            count: 1_000,
            after: 0,
        }]),
        compare(1, true, wants),
        compare(2, true, vec![Item::Under(Prefix::ALL)]),
        Message::Announce {
            space,
            keys: vec![other],
        },
        Message::Done { space, round: 1 },
        Message::Learn {
            spaces: vec![space],
        },
    ];
    if !keys.is_empty() {
        all.push(Message::Want { space, keys });
        let entries = known.iter().map(Entry::encode).collect();
        let round = 0;
        all.push(Message::Entries {
            space,
            round,
            entries,
        });
    }
    // Last, as the node then waits for what declares the space, and as nothing was sent that more
    // credit could be for: that ends the stream.
    all.push(Message::Spaces {
        community: alliance.id,
        spaces: vec![space],
    });
    all.push(Message::Credit { bytes: 1 << 20 });
    all
}

/// What a node answers to all that, said on a stream of its own: by name of the peer and with the
/// grants it shows. Frames about spaces that everybody may read are left out.
async fn answers(
    node: &TestNode,
    alliance: &Alliance,
    (name, granted_by): (&str, Option<&Person>),
    (space, known): (SpaceId, &[Entry]),
) -> (PeerId, Vec<Message>) {
    let (stranger, mut talk) = talk_to(node, alliance, name).await;
    talk.opened(alliance.space("news")).await;
    if let Some(person) = granted_by {
        let grant = person.grant(alliance.id, stranger.key(), now_ms() + HOUR_MS);
        talk.say(&grants(alliance.id, &[grant])).await;
    }
    let mut barrier = 0xd0;
    heard_by_now(&mut talk, barrier).await;
    let mut heard = Vec::new();
    for message in everything(space, alliance, known) {
        if talk.try_say(&message.encode()).await.is_err() {
            break;
        }
        barrier += 1;
        heard.extend(heard_by_now(&mut talk, barrier).await);
    }
    let peer = stranger.network.peer_id();
    stranger.network.shutdown().await;
    let open = ["public", "news", "members"].map(|it| alliance.space(it));
    let open = [&open[..], &[alliance.governance()]].concat();
    let about = |it: Message| {
        let rest = it
            .clone()
            .only_about(|it| !open.contains(it) || *it == space);
        rest.filter(|_| !matches!(it, Message::Credit { .. }))
    };
    (peer, heard.into_iter().filter_map(about).collect())
}

/// The same answers, as if they were about another space.
fn renamed(answers: &[Message], from: SpaceId, to: SpaceId) -> Vec<Message> {
    let rename = |it: &Message| match it {
        Message::Refuse { space } if *space == from => Message::Refuse { space: to },
        Message::Learn { spaces } if *spaces == [from] => Message::Learn { spaces: vec![to] },
        other => other.clone(),
    };
    answers.iter().map(rename).collect()
}

fn is_refused_only(answers: &[Message], of: SpaceId) -> bool {
    let refused = answers
        .iter()
        .filter(|it| matches!(it, Message::Refuse { .. }));
    let silent = answers.iter().all(|it| match it {
        Message::Refuse { space } => *space == of,
        Message::Learn { spaces } => *spaces == [of],
        Message::Close(reason) => *reason == CloseReason::Protocol,
        _ => false,
    });
    silent && refused.count() > 0
}

/// Topics by Alder's delegate, as they would stand in a space.
fn written(alliance: &Alliance, space: SpaceId) -> Vec<Entry> {
    let mut author = alliance.sides[A].delegates[0].device.clone();
    let draft = |it| topic(&format!("Internal {it}"), "Ours alone.");
    (0..20).map(|it| author.create(space, &draft(it))).collect()
}

const NOWHERE: SpaceId = SpaceId::from_bytes([0x11; 32]);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_of_one_party_learns_nothing_of_what_another_keeps_to_itself() {
    let (alder, birch, mut alliance) = two_parties("Internal affairs").await;
    let bob = alliance.member(B, "Internal affairs/bob", &[Role::Member, Role::Steward]);
    take_part(&[&alder, &birch], &alliance).await;
    birch.grant(alliance.id, &bob).await;
    let (internal, declaration) = alliance.internal(A);
    let inside = written(&alliance, internal);
    alder
        .submit(alliance.id, std::slice::from_ref(&declaration))
        .await;
    alder.submit(alliance.id, &inside).await;
    birch.connect(&alder).await;
    // What both may read goes through.
    let mut author = alliance.sides[A].delegates[0].device.clone();
    let members = alliance.space("members");
    let shared = author.create(members, &topic("Shared", "For all members."));
    alder.submit(alliance.id, &[shared]).await;
    birch.wait_for_entries(members, 1).await;
    wait_for_equal_roots_but(&alder, &birch, internal).await;
    assert_eq!(birch.set_of(internal).await, (0, String::new()));
    for id in inside.iter().map(Entry::id).chain([declaration.id()]) {
        assert!(birch.client.entry(&id.to_string()).await.is_err());
    }
    // Bob's own software, which somehow knows ids and keys, asks for it.
    let known = (internal, &inside[..]);
    let nowhere = written(&alliance, NOWHERE);
    let nowhere = (NOWHERE, &nowhere[..]);
    let bobs = ("Internal affairs/peer", Some(&bob));
    let (peer, of_internal) = answers(&alder, &alliance, bobs, known).await;
    let (_, of_nowhere) = answers(&alder, &alliance, bobs, nowhere).await;
    assert!(is_refused_only(&of_internal, internal), "{of_internal:?}");
    assert_eq!(renamed(&of_nowhere, NOWHERE, internal), of_internal);
    // Nothing of it went to either, on any stream; the id only back to the peer that had named it.
    let node = peer_of(&birch).await;
    assert!(!told(&alder, internal.as_bytes(), node, Moment::default()));
    let ids = inside.iter().map(|it| it.id().as_bytes().to_vec());
    let secrets = ids.chain([declaration.id().as_bytes().to_vec(), b"Ours alone".to_vec()]);
    for secret in secrets {
        for reader in [node, peer] {
            assert!(!told(&alder, &secret, reader, Moment::default()));
        }
    }
    stop([alder, birch]).await;
}

/// Waits until two nodes have equal roots in all spaces but one.
async fn wait_for_equal_roots_but(one: &TestNode, other: &TestNode, but: SpaceId) {
    let but = but.to_string();
    let rest = async |node: &TestNode| {
        let mut roots = node.roots().await;
        roots.retain(|(id, _, _)| *id != but);
        roots
    };
    patiently("equal roots", async {
        while rest(one).await != rest(other).await {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_who_asks_for_everything_gets_what_everyone_may_read() {
    let (alder, birch, alliance) = two_parties("Everything").await;
    take_part(&[&alder], &alliance).await;
    let (internal, declaration) = alliance.internal(A);
    let members = alliance.space("members");
    let public = alliance.space("public");
    alder.submit(alliance.id, &[declaration]).await;
    for space in [internal, members] {
        alder.submit(alliance.id, &written(&alliance, space)).await;
    }
    let mut author = alliance.sides[A].delegates[0].device.clone();
    let open = author.create(public, &topic("Open", "For everyone."));
    alder.submit(alliance.id, std::slice::from_ref(&open)).await;
    let stranger = ("Everything/stranger", None);
    let nowhere = written(&alliance, NOWHERE);
    let (peer, of_nowhere) = answers(&alder, &alliance, stranger, (NOWHERE, &nowhere)).await;
    assert!(is_refused_only(&of_nowhere, NOWHERE), "{of_nowhere:?}");
    for space in [internal, members] {
        let known = written(&alliance, space);
        let (_, heard) = answers(&alder, &alliance, stranger, (space, &known)).await;
        assert_eq!(renamed(&of_nowhere, NOWHERE, space), heard);
    }
    // All that was ever said to it: public spaces, and refusals of what it named.
    let mut told_of = BTreeSet::new();
    for frame in frames_to(&alder, peer) {
        match Message::decode(&frame).unwrap() {
            Message::Roots(roots) => told_of.extend(roots.iter().map(|it| it.space)),
            Message::Compare(it) => _ = told_of.insert(it.space),
            Message::Entries { space, .. }
            | Message::Announce { space, .. }
            | Message::Done { space, .. }
            | Message::Want { space, .. } => _ = told_of.insert(space),
            Message::Refuse { .. }
            | Message::Learn { .. }
            | Message::Credit { .. }
            | Message::Close(_) => {}
            other @ (Message::Spaces { .. } | Message::Grants { .. }) => {
                panic!("{other:?}")
            }
        }
    }
    let everyones = ["public", "news"].map(|it| alliance.space(it));
    let everyones: BTreeSet<_> = [&everyones[..], &[alliance.governance()]]
        .concat()
        .into_iter()
        .collect();
    assert_eq!(told_of, everyones);
    assert!(!told(&alder, b"Ours alone", peer, Moment::default()));
    // Asking in the same way for what is public gets it.
    let (stranger, mut talk) = talk_to(&alder, &alliance, "Everything/reader").await;
    talk.opened(public).await;
    let keys = vec![key_of(public, &open)];
    talk.say(&Message::Want {
        space: public,
        keys,
    })
    .await;
    patiently("what is public", async {
        while let Some(frame) = talk.hear().await {
            if let Message::Entries { space, entries, .. } = Message::decode(&frame).unwrap()
                && space == public
                && entries.contains(&open.encode())
            {
                return;
            }
        }
        panic!("the node hung up")
    })
    .await;
    stranger.network.shutdown().await;
    stop([alder, birch]).await;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hidden {
    /// Alder has no internal space.
    Absent,
    /// It is declared and nothing stands in it.
    Empty,
    /// Alder's people write in it.
    Busy,
    /// And all members write in theirs.
    BothBusy,
}

/// What Alder's node sent: to a node of a member of another party, and to one of nobody.
async fn sent_beside(hidden: Hidden) -> [Vec<Vec<u8>>; 2] {
    let names = [
        "Beside/alder",
        "Beside/second",
        "Beside/birch",
        "Beside/nobody",
    ];
    let [alder, second, birch, nobody] = [
        tapped(names[0]).await,
        tapped(names[1]).await,
        tapped(names[2]).await,
        tapped(names[3]).await,
    ];
    let (of_a, of_b) = ([alder.node.key(), second.node.key()], [birch.node.key()]);
    let founders = [party("Alder", &of_a), party("Birch", &of_b)];
    let mut alliance = Alliance::found("Beside", &founders);
    let bob = alliance.member(B, "Beside/bob", &[Role::Member]);
    take_part(&[&alder, &second, &birch, &nobody], &alliance).await;
    birch.grant(alliance.id, &bob).await;
    let (internal, declaration) = alliance.internal(A);
    if hidden != Hidden::Absent {
        alder.submit(alliance.id, &[declaration]).await;
    }
    second.connect(&alder).await;
    birch.connect(&alder).await;
    nobody.connect(&alder).await;
    for node in [&birch, &nobody] {
        node.sync().await;
    }
    let busy: &[SpaceId] = match hidden {
        Hidden::Absent | Hidden::Empty => &[],
        Hidden::Busy => &[internal],
        Hidden::BothBusy => &[internal, alliance.space("members")],
    };
    for space in busy {
        for (number, entry) in written(&alliance, *space).into_iter().enumerate() {
            let node = [&alder, &second][number % 2];
            if number == 0 {
                second
                    .wait_for("the space", |status| {
                        let id = space.to_string();
                        status.spaces.iter().any(|it| it.id == id).then_some(())
                    })
                    .await;
            }
            node.submit(alliance.id, &[entry]).await;
        }
    }
    for space in busy {
        for node in [&alder, &second] {
            // Receipts of both nodes included.
            node.wait_for_entries(*space, 22).await;
        }
    }
    wait_for_equal_roots(&[&alder, &second]).await;
    if busy.is_empty() {
        // As long as changed roots take to be told again.
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    }
    for node in [&birch, &nobody] {
        node.sync().await;
        assert_eq!(node.set_of(internal).await, (0, String::new()));
    }
    let mut sent = Vec::new();
    for node in [&birch, &nobody] {
        let peer = peer_of(node).await;
        assert!(!told(&alder, internal.as_bytes(), peer, Moment::default()));
        sent.push(frames_to(&alder, peer));
    }
    stop([alder, second, birch, nobody]).await;
    sent.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_are_the_same_whether_another_partys_space_is_absent_empty_or_busy() {
    let [to_member, to_nobody] = sent_beside(Hidden::Absent).await;
    assert!(to_member.len() >= 4 && to_nobody.len() >= 3);
    for hidden in [Hidden::Empty, Hidden::Busy] {
        let [member, nobody] = sent_beside(hidden).await;
        assert_eq!(member, to_member, "{hidden:?}: byte for byte and in order");
        assert_eq!(nobody, to_nobody, "{hidden:?}: byte for byte and in order");
    }
    // What members write shows to members, and to nobody else.
    let [member, nobody] = sent_beside(Hidden::BothBusy).await;
    assert_ne!(member, to_member);
    assert_eq!(nobody, to_nobody);
    println!("{} and {} frames alike", to_member.len(), to_nobody.len());
}
