//! Erasure by the order of a quorum: words go wherever they are, whatever came first, and stay gone.

use super::{
    bare::Bare,
    world::{World, acknowledge, receipt},
};
use comity_node::ingest::Outcome;
use comity_protocol::{
    authority::EnvelopeError,
    certificate::{Certificate, CertificateBody, ErasureOrder, body_id},
    entry::{Entry, ErasedBy, Words},
    id::{EntryId, SpaceId, domain},
    limits::NONCE_BYTES,
    pipeline::AuthorizeError,
    record::{Approval, Proposal, RecordBody},
};
use comity_tests::community::{Person, START_MS, Signer, document, reply, topic};

const SECRET: &str = "walrus-hinge-3307";

/// Ada, of party A, wrote the secret.
fn scene() -> (World, Person, Entry) {
    let mut world = World::new();
    let mut ada = world.member("ada");
    let post = ada.device.create(world.public, &topic(SECRET, "For all."));
    (world, ada, post)
}

fn order(world: &World, post: &Entry) -> CertificateBody {
    let Entry::Certificate(genesis) = &world.governance[2] else {
        panic!("the genesis")
    };
    CertificateBody::ErasureOrder(ErasureOrder {
        community: world.id,
        charter: genesis.id(),
        space: world.public,
        contribution: post.id(),
        proposer: world.a.delegate.root.public(),
        reason: "a home address".to_owned(),
        time_ms: START_MS,
    })
}

fn signed(body: CertificateBody, by: &[&Signer]) -> Certificate {
    let keys: Vec<_> = by.iter().map(|it| it.secret()).collect();
    Certificate::sign(body, &keys)
}

/// Ordered by both parties.
fn ordered(world: &World, post: &Entry) -> Certificate {
    let by = [&world.a.delegate.root, &world.b.delegate.root];
    signed(order(world, post), &by)
}

fn beside(post: &Entry, proof: impl Into<ErasedBy>) -> Entry {
    let Entry::Contribution(it) = post.clone() else {
        panic!("a contribution")
    };
    Entry::Contribution(it.erased_by(proof).unwrap())
}

fn nonce_of(post: &Entry) -> Vec<u8> {
    match post {
        Entry::Contribution(it) => match it.words() {
            Words::Present(words) => words[..NONCE_BYTES].to_vec(),
            Words::Erased(_) | Words::NotKept => panic!("made with words"),
        },
        _ => panic!("a contribution"),
    }
}

/// The words and their nonce are in no file, and what is handed out is the erased form.
#[track_caller]
fn assert_erased(node: &Bare, post: &Entry, proof: &EntryId) {
    assert!(!node.holds(SECRET.as_bytes()) && !node.holds(&nonce_of(post)));
    let Some(Entry::Contribution(kept)) = node.archive.get(&post.id()).unwrap() else {
        panic!("the contribution stays")
    };
    match kept.words() {
        Words::Erased(by) => assert_eq!(by.id(), *proof),
        Words::Present(_) | Words::NotKept => panic!("they are not erased"),
    }
    if node.archive.held().contains(&post.id()) {
        return;
    }
    let (heads, texts) = node.seen(document(post)).unwrap();
    assert_eq!(heads, [post.id()]);
    assert_eq!(texts[0], "\u{2588}".repeat(SECRET.len()));
}

#[test]
fn an_order_drops_the_words_and_nothing_brings_them_back() {
    let (world, _, post) = scene();
    let node = Bare::new(world.id);
    node.save(world.governance.iter().chain([&post]));
    let (_, texts) = node.seen(document(&post)).unwrap();
    assert_eq!(texts[0], SECRET);
    assert!(node.holds(SECRET.as_bytes()) && node.holds(&nonce_of(&post)));
    let heard = node.ingest.erasures();
    let order = ordered(&world, &post);
    let id = order.id();
    node.save([&Entry::Certificate(order)]);
    assert_eq!(*heard.borrow(), 1);
    assert_erased(&node, &post, &id);
    let roots = node.roots();
    assert_eq!(node.take(&[&post]), [Outcome::AlreadyPresent]);
    assert_erased(&node, &post, &id);
    let node = node.reopened();
    assert_erased(&node, &post, &id);
    assert_eq!(node.roots(), roots);
    assert_eq!(node.take(&[&post]), [Outcome::AlreadyPresent]);
    assert_erased(&node, &post, &id);
}

fn is_insufficient(outcomes: &[Outcome]) -> bool {
    let [Outcome::Unauthorized(AuthorizeError::Set(reason))] = outcomes else {
        return false;
    };
    matches!(reason, EnvelopeError::Order(_))
}

#[test]
fn one_party_alone_and_strangers_order_nothing() {
    let (world, ada, post) = scene();
    let node = Bare::new(world.id);
    node.save(world.governance.iter().chain([&post]));
    let (a, b) = (&world.a.delegate.root, &world.b.delegate.root);
    for by in [
        &[a][..],
        &[b],
        &[a, &ada.root],
        &[a, b, &Signer::new("stranger")],
    ] {
        let insufficient = signed(order(&world, &post), by);
        let outcome = node.take(&[&Entry::Certificate(insufficient)]);
        assert!(is_insufficient(&outcome), "{outcome:?}");
    }
    let (_, texts) = node.seen(document(&post)).unwrap();
    assert_eq!(texts[0], SECRET);
    // What waits does not keep the sufficient one out.
    let order = ordered(&world, &post);
    let id = order.id();
    node.save([&Entry::Certificate(order)]);
    assert_erased(&node, &post, &id);
}

#[test]
fn words_that_come_after_their_order_are_stored_erased() {
    let (world, _, post) = scene();
    let order = Entry::Certificate(ordered(&world, &post));
    let node = Bare::new(world.id);
    node.save(&world.governance);
    let waits = node.take(&[&order]);
    assert_eq!(waits, [Outcome::Pending(vec![post.id()])]);
    assert_eq!(node.take(&[&post]), [Outcome::Saved]);
    assert_erased(&node, &post, &order.id());
    // All in one call, in any order.
    for turned in [false, true] {
        let other = Bare::new(world.id);
        let mut all: Vec<&Entry> = world.governance.iter().chain([&post, &order]).collect();
        if turned {
            all.reverse();
        }
        other.save(all);
        assert_erased(&other, &post, &order.id());
        assert_eq!(other.roots(), node.roots());
    }
}

/// A late joiner gets the erased form, with the order that proves it.
#[test]
fn the_erased_form_is_taken_with_its_order() {
    let (world, _, post) = scene();
    let order = ordered(&world, &post);
    let id = order.id();
    let first = Bare::new(world.id);
    first.save(world.governance.iter().chain([&post]));
    first.save([&Entry::Certificate(order.clone())]);
    let erased = first.archive.get(&post.id()).unwrap().unwrap();
    assert_eq!(erased, beside(&post, order));
    let late = Bare::new(world.id);
    late.save(&world.governance);
    assert_eq!(late.take(&[&erased]), [Outcome::Saved]);
    assert_erased(&late, &post, &id);
    assert_eq!(late.roots(), first.roots(), "the order is taken in with it");
    // Governance may come in the same call, and after it.
    let at_once = Bare::new(world.id);
    at_once.save(world.governance.iter().chain([&erased]));
    assert_eq!(at_once.roots(), first.roots());
    let reversed = Bare::new(world.id);
    assert!(matches!(
        reversed.take(&[&erased])[0],
        Outcome::Unauthorized(_)
    ));
    reversed.save(&world.governance);
    assert_eq!(reversed.take(&[&erased]), [Outcome::Saved]);
    assert_eq!(reversed.reopened().roots(), first.roots());
}

#[test]
fn words_stripped_by_an_insufficient_order_are_refused_and_the_true_ones_taken() {
    let (world, _, post) = scene();
    let node = Bare::new(world.id);
    node.save(&world.governance);
    let alone = signed(order(&world, &post), &[&world.a.delegate.root]);
    let stripped = beside(&post, alone);
    let outcome = node.take(&[&stripped]);
    assert!(is_insufficient(&outcome), "{outcome:?}");
    assert!(!node.archive.contains(&post.id()).unwrap());
    assert_eq!(node.take(&[&post]), [Outcome::Saved]);
    let (_, texts) = node.seen(document(&post)).unwrap();
    assert_eq!(texts[0], SECRET);
}

/// Exempt from cuts and final: words of what is no longer in effect go too, and stay gone when it
/// comes back.
#[test]
fn an_order_reaches_what_is_held_and_outlasts_its_return() {
    let (mut world, ada, post) = scene();
    let mut node_of_b = world.b.node.clone();
    let node = Bare::new(world.id);
    node.save(world.governance.iter().chain([&post]));
    let revocation = world.revoke(&ada, &[]);
    node.save([&revocation]);
    assert!(node.is_held(&post));
    let order = Entry::Certificate(ordered(&world, &post));
    node.save([&order]);
    assert!(node.is_held(&post) && node.is_held(&order));
    assert_erased(&node, &post, &order.id());
    // Party B's node had it before it acknowledged the removal: it counts again.
    let lifts = receipt(&mut node_of_b, world.public, &post);
    let then = acknowledge(&mut node_of_b, world.public, &revocation);
    node.save([&lifts, &then]);
    assert!(node.is_in_effect(&post) && node.is_in_effect(&order));
    assert_erased(&node, &post, &order.id());
    let roots = node.roots();
    let node = node.reopened();
    assert_erased(&node, &post, &order.id());
    assert_eq!(node.roots(), roots);
}

/// The author and a quorum may both erase: either proof stands for the words, the same everywhere.
#[test]
fn of_an_erasure_and_an_order_every_node_shows_the_same() {
    let (world, mut ada, post) = scene();
    let order = Entry::Certificate(ordered(&world, &post));
    let erasure = ada.device.erase(world.public, post.id());
    let lowest = std::cmp::min(order.id(), erasure.id());
    let mut roots = Vec::new();
    for proofs in [[&order, &erasure], [&erasure, &order]] {
        let node = Bare::new(world.id);
        node.save(world.governance.iter().chain([&post]));
        for proof in proofs {
            node.save([proof]);
        }
        assert_erased(&node, &post, &lowest);
        roots.push(node.roots());
    }
    assert_eq!(roots[0], roots[1]);
}

fn propose(by: &mut Signer, space: SpaceId, body: &[u8]) -> Entry {
    let body = body.to_vec();
    by.record(space, RecordBody::Proposal(Proposal { body }))
}

fn approve(by: &mut Signer, space: SpaceId, body: &[u8]) -> Entry {
    let approval = Approval {
        certificate: body_id(body),
        signature: by.secret().sign(domain::CERTIFICATE_SIGNATURE, body),
    };
    by.record(space, RecordBody::Approval(approval))
}

#[test]
fn a_node_puts_an_order_together_once_enough_approved() {
    let (mut world, mut ada, post) = scene();
    let answer = ada
        .device
        .create(world.public, &reply(document(&post), "Stays."));
    let node = Bare::new(world.id);
    node.save(world.governance.iter().chain([&post, &answer]));
    let space = world.space();
    let body = order(&world, &post).encode();
    let (a, b) = (&mut world.a.delegate.root, &mut world.b.delegate.root);
    let records = [propose(a, space, &body), approve(a, space, &body)];
    node.save(&records);
    assert!(node.holds(SECRET.as_bytes()), "one party alone");
    // A forged voice counts for nothing.
    let mut forged = approve(b, space, &body);
    if let Entry::Record(it) = &forged
        && let RecordBody::Approval(it) = it.body()
    {
        let it = it.clone();
        let signature = Signer::new("stranger")
            .secret()
            .sign(domain::CERTIFICATE_SIGNATURE, &body);
        forged = b.record(space, RecordBody::Approval(Approval { signature, ..it }));
    }
    node.save([&forged]);
    assert!(node.holds(SECRET.as_bytes()), "one party alone");
    let approval = approve(b, space, &body);
    node.save([&approval]);
    let id = body_id(&body);
    assert_erased(&node, &post, &id);
    assert!(node.is_in_effect(&answer));

    // Where the words arrive last, the order is put together before them.
    let other = Bare::new(world.id);
    other.save(&world.governance);
    other.save(records.iter().chain([&forged, &approval]));
    assert!(!other.archive.contains(&id).unwrap());
    other.save([&post, &answer]);
    assert_erased(&other, &post, &id);
    assert_eq!(other.roots(), node.roots());
}
