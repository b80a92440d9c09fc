//! Certificates: assembled by the node itself, and not kept out by insufficient copies.

use super::{bare::Bare, world::World};
use comity_node::ingest::Outcome;
use comity_protocol::{
    certificate::{Certificate, CertificateBody, PartyState, body_id},
    entry::Entry,
    id::domain,
    record::{Approval, Proposal, RecordBody},
};
use comity_tests::community::Signer;

/// A state of party A in which its delegate is a moderator too.
fn later_state(world: &World) -> CertificateBody {
    let Entry::Certificate(first) = &world.governance[0] else {
        panic!("the first state of party A")
    };
    let CertificateBody::Party(state) = first.body() else {
        panic!("the first state of party A")
    };
    let delegate = world.a.delegate.root.public();
    CertificateBody::Party(PartyState {
        parent: Some((world.a.id, first.id())),
        height: 1,
        moderators: vec![delegate],
        proposer: delegate,
        ..state.clone()
    })
}

fn height_of_a(node: &Bare, world: &World) -> u64 {
    let authority = node.ingest.ledger().authority(&world.id).unwrap();
    let chain = authority.party_chains().chain(&world.a.id).unwrap();
    chain.current().1.height
}

#[test]
fn a_node_assembles_what_enough_delegates_approved() {
    let mut world = World::new();
    let node = Bare::new(world.id);
    node.save(&world.governance);
    let body = later_state(&world).encode();
    let (space, delegate) = (world.space(), &mut world.a.delegate.root);
    let signature = delegate.secret().sign(domain::CERTIFICATE_SIGNATURE, &body);
    let proposal = Proposal { body: body.clone() };
    let proposal = delegate.record(space, RecordBody::Proposal(proposal));
    let approval = Approval {
        certificate: body_id(&body),
        signature,
    };
    let approval = delegate.record(space, RecordBody::Approval(approval));
    node.save([&proposal]);
    assert_eq!(height_of_a(&node, &world), 0);
    node.save([&approval]);
    assert_eq!(height_of_a(&node, &world), 1);
    assert!(node.archive.contains(&body_id(&body)).unwrap());
}

#[test]
fn an_insufficient_copy_does_not_keep_the_certificate_out() {
    let world = World::new();
    let node = Bare::new(world.id);
    let body = later_state(&world);
    let stranger = Signer::new("stranger");
    let forged = Certificate::sign(body.clone(), &[stranger.secret()]);
    let forged = Entry::Certificate(forged);
    let real = Certificate::sign(body, &[world.a.delegate.root.secret()]);
    let real = Entry::Certificate(real);
    assert_eq!(forged.id(), real.id());

    // Both wait for the party, the forged one arrives first and last.
    let outcomes = node.take(&[&forged, &real, &forged]);
    let waits = |it: &Outcome| matches!(it, Outcome::Unauthorized(_) | Outcome::Pending(_));
    assert!(outcomes.iter().all(waits), "{outcomes:?}");
    node.save(&world.governance);
    assert_eq!(height_of_a(&node, &world), 1);
    assert_eq!(node.take(&[&forged]), [Outcome::AlreadyPresent]);

    let other = Bare::new(world.id);
    other.save(&world.governance);
    let outcome = other.take(&[&forged]).remove(0);
    assert!(matches!(outcome, Outcome::Unauthorized(_)), "{outcome:?}");
    assert_eq!(other.take(&[&real]), [Outcome::Saved]);
    assert_eq!(other.roots(), node.roots());
}
