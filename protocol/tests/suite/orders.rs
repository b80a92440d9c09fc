//! Erasure by the order of a quorum: what stands in place of words, who may order it, and how
//! delegates come to an order.

use crate::{
    assembly::{Assembly, key, rename, resolution_id, secret as delegate},
    community::{
        Chain, FOUNDER, MEMBER, STRANGER, arrive, contribution_sample, public, sample, secret,
    },
    governance::{certify, erasure_order},
    roster::world::{ADA, BEN, World, ZOE},
    signatures::Seeded,
};
use comity_protocol::{
    authority::{
        EnvelopeError, OrderFault,
        deliberation::{Approved, Deliberation, Flaw, Outcome, Proposed, Refusal, Voices},
    },
    certificate::{
        Certificate, CertificateBody, ErasureOrder, SIGNATURES_MAX, TEXT_MAX_BYTES, body_id,
    },
    contribution::{self, ChainLink, Context, Payload, Target},
    document::Kind,
    entry::{
        Contribution, ENTRY_MAX_BYTES, Entry, EntryError, ErasedBy, ORDER_MAX_BYTES, Verified,
    },
    id::{DocumentId, EntryId, GovernanceDigest, SpaceId, domain},
    key::SecretKey,
    limits::{DEPS_MAX, PAYLOAD_MAX_BYTES, SEQ_MAX, TIME_MAX_MS},
};

fn order_for(it: &Contribution) -> ErasureOrder {
    ErasureOrder {
        space: it.header().space,
        contribution: it.id(),
        ..erasure_order()
    }
}

fn signed(order: ErasureOrder, by: &[u8]) -> Certificate {
    certify(CertificateBody::ErasureOrder(order), by)
}

#[test]
fn an_order_stands_in_place_of_the_words_it_erases() {
    let created = contribution_sample("create");
    let order = signed(order_for(&created), &[FOUNDER, MEMBER]);
    let erased = created.clone().erased_by(order.clone()).unwrap();
    let arrived = arrive(&Entry::Contribution(erased.clone()));
    assert_eq!(arrived.id(), created.id());
    assert_eq!(*arrived.erasure().unwrap(), Entry::Certificate(order));

    let elsewhere = ErasureOrder {
        space: SpaceId::from_bytes([1; 32]),
        ..order_for(&created)
    };
    let of_another = ErasureOrder {
        contribution: EntryId::from_bytes([1; 32]),
        ..order_for(&created)
    };
    for wrong in [elsewhere, of_another] {
        let wrong = signed(wrong, &[FOUNDER, MEMBER]);
        assert_eq!(
            created.clone().erased_by(wrong),
            Err(EntryError::WordsMissing)
        );
    }
    for other in ["resolution", "declaration-by-a-party"] {
        let Entry::Certificate(other) = sample(other) else {
            panic!("{other} is a certificate");
        };
        assert_eq!(
            created.clone().erased_by(other),
            Err(EntryError::WordsMissing)
        );
    }
}

/// Different sufficient signatures: the entries differ in bytes and are one entry.
#[test]
fn whichever_signatures_an_order_has_the_erased_contribution_is_the_same_entry() {
    let created = contribution_sample("create");
    let with = |by: &[u8]| {
        let order = signed(order_for(&created), by);
        let erased = created.clone().erased_by(order).unwrap();
        arrive(&Entry::Contribution(erased))
    };
    let (one, other) = (with(&[FOUNDER, MEMBER]), with(&[FOUNDER, STRANGER]));
    assert_ne!(one.encode(), other.encode());
    assert_eq!((one.id(), one.key()), (other.id(), other.key()));
    let proofs = [one, other].map(|it| it.erasure().unwrap().id());
    assert_eq!(proofs[0], proofs[1]);
}

#[test]
fn a_forged_signature_of_an_order_beside_a_contribution_is_refused_alone_and_in_a_batch() {
    let whole = sample("create-erased-by-order");
    let mut bytes = whole.encode();
    *bytes.last_mut().unwrap() ^= 1;
    let forged = Entry::decode(&bytes).unwrap();
    assert!(Verified::check(forged.clone()).is_err());
    let batch = Verified::check_batch(vec![forged, whole], &mut Seeded::new(3));
    assert!(batch[0].is_err() && batch[1].is_ok());
}

/// The longest reason and every signature, beside the largest shape.
#[test]
fn the_largest_order_fits_beside_the_largest_contribution() {
    let context = Context {
        space: SpaceId::from_bytes([2; 32]),
        governance: GovernanceDigest::from_bytes([0; 32]),
        link: ChainLink {
            seq: SEQ_MAX,
            prev: Some(EntryId::from_bytes([9; 32])),
        },
        time_ms: TIME_MAX_MS,
    };
    let target = Target::Edit {
        document: DocumentId::from_bytes([3; 32]),
        deps: (0..DEPS_MAX)
            .map(|n| EntryId::from_bytes([n as u8; 32]))
            .collect(),
    };
    let payload = Payload {
        shape: vec![0; PAYLOAD_MAX_BYTES - 32],
        words: vec![0; 32],
    };
    let author: SecretKey = secret(FOUNDER);
    let largest = contribution::sign(&author, &context, target, payload).unwrap();
    let body = ErasureOrder {
        reason: "x".repeat(TEXT_MAX_BYTES),
        time_ms: TIME_MAX_MS,
        ..order_for(&largest)
    };
    let body = CertificateBody::ErasureOrder(body);
    let keys: Vec<SecretKey> = (0..SIGNATURES_MAX as u16).map(delegate).collect();
    let order = Certificate::sign(body, &keys.iter().collect::<Vec<_>>());
    assert_eq!(order.signers().count(), SIGNATURES_MAX);
    let bytes = order.encode().len();
    assert!(bytes <= ORDER_MAX_BYTES, "{bytes}");
    let erased = Entry::Contribution(largest.erased_by(order).unwrap());
    let bytes = erased.encode();
    assert!(bytes.len() <= ENTRY_MAX_BYTES, "{}", bytes.len());
    assert_eq!(Entry::decode(&bytes).unwrap(), erased);
}

#[test]
fn words_are_erased_by_enough_parties_and_by_nobody_less() {
    let world = World::with_mia();
    let authority = world.authority();
    let lobby = world.space("lobby");
    let created = Chain::new(STRANGER, lobby).create(Kind::Page);
    let order = |charter: EntryId, by: &[u8]| {
        let order = ErasureOrder {
            community: world.id,
            charter,
            proposer: public(ADA),
            ..order_for(&created)
        };
        ErasedBy::from(signed(order, by))
    };
    let judge = |proof: ErasedBy| authority.judge_erasure(&proof, &created.header().author);
    let now = world.charter.0;
    assert_eq!(judge(order(now, &[ADA, BEN, ZOE])), Ok(()));
    let quorum = |approving| {
        let needed = 2;
        Err(EnvelopeError::Order(OrderFault::Quorum {
            needed,
            approving,
        }))
    };
    for (too_few, approving) in [(&[ADA, BEN][..], 1), (&[ZOE], 1), (&[ADA, ZOE], 1)] {
        assert_eq!(judge(order(now, too_few)), quorum(approving), "{too_few:?}");
    }
    let stranger = EnvelopeError::Order(OrderFault::Signer(public(STRANGER)));
    assert_eq!(judge(order(now, &[STRANGER])), Err(stranger));
    let other = EntryId::from_bytes([1; 32]);
    assert_eq!(
        judge(order(other, &[ADA, BEN, ZOE])),
        Err(EnvelopeError::Builds(other)),
        "it may be known later"
    );
    let own = Chain::new(STRANGER, lobby).erase(created.id());
    assert_eq!(judge(own.into()), Ok(()));
    let foreign = Chain::new(ADA, lobby).erase(created.id());
    assert_eq!(judge(foreign.into()), Err(EnvelopeError::NotTheWriter));
}

/// Three parties of one delegate each, 1, 11, 21: two are needed.
struct Room {
    assembly: Assembly,
    proposed: Proposed,
    voices: Voices,
}

impl Room {
    fn new() -> Self {
        Self {
            assembly: Assembly::new(&[&[1], &[11], &[21]]),
            proposed: Proposed::new(),
            voices: Voices::default(),
        }
    }

    fn put(&mut self, body: CertificateBody) -> EntryId {
        let id = body_id(&body.encode());
        self.proposed.insert(id, body);
        id
    }

    fn order(&mut self, change: impl FnOnce(&mut ErasureOrder)) -> EntryId {
        let mut order = ErasureOrder {
            community: self.assembly.community,
            charter: self.assembly.charter().current().id,
            space: self.assembly.space(0),
            contribution: EntryId::from_bytes([4; 32]),
            proposer: key(1),
            reason: "a home address".into(),
            time_ms: 1,
        };
        change(&mut order);
        self.put(CertificateBody::ErasureOrder(order))
    }

    fn rename(&mut self, name: &str) -> EntryId {
        let charter = self.assembly.charter();
        let draft = self.assembly.draft(charter.current(), vec![rename(name)]);
        self.put(CertificateBody::Resolution(draft))
    }

    fn approve(&mut self, by: u16, motion: EntryId) {
        let body = self.proposed[&motion].encode();
        let signature = delegate(by).sign(domain::CERTIFICATE_SIGNATURE, &body);
        self.voices
            .approve(Approved::check(&body, key(by), signature).unwrap());
    }

    fn ask<T>(&self, question: impl FnOnce(&Deliberation<'_>) -> T) -> T {
        let (charter, parties) = (self.assembly.charter(), self.assembly.parties());
        let proposed = self.proposed.clone();
        question(&Deliberation::weigh(
            Some(&charter),
            &parties,
            proposed,
            &self.voices,
        ))
    }

    fn outcome(&self, id: EntryId) -> Outcome {
        self.ask(|it| it.motion_of(&id).unwrap().outcome.clone())
    }

    fn may_approve(&self, by: u16, id: EntryId) -> Result<(), Refusal> {
        self.ask(|it| it.may_approve(&key(by), &id))
    }

    fn may_reject(&self, by: u16, id: EntryId) -> Result<(), Refusal> {
        self.ask(|it| it.may_reject(&key(by), &id))
    }
}

#[test]
fn an_order_is_carried_by_a_quorum_and_assembled() {
    let mut it = Room::new();
    let id = it.order(|_| {});
    it.approve(1, id);
    assert_eq!(it.outcome(id), Outcome::Open);
    assert!(it.ask(|it| it.assemble(&id)).is_none());
    let quorum = it.ask(|it| it.motion_of(&id).unwrap().party_quorum);
    assert_eq!(quorum, 2);
    it.approve(21, id);
    assert_eq!(it.outcome(id), Outcome::Carried);
    let order = it.ask(|it| it.assemble(&id)).unwrap();
    assert_eq!((order.id(), order.check()), (id, Ok(())));
    assert_eq!(order.signers().count(), 2);
    it.voices.certify_order(id);
    assert_eq!(it.outcome(id), Outcome::Certified);
    assert_eq!(it.may_approve(11, id), Err(Refusal::Passed));
}

/// D1 and D3 hold for orders as for everything that is proposed.
#[test]
fn rejections_bind_and_kill_an_order() {
    let mut it = Room::new();
    let id = it.order(|_| {});
    assert_eq!(it.may_reject(11, id), Ok(()));
    it.voices.reject(id, key(11));
    assert_eq!(it.may_approve(11, id), Err(Refusal::Rejected));
    assert_eq!(it.may_approve(1, id), Ok(()));
    assert_eq!(it.may_approve(40, id), Err(Refusal::NotADelegate));
    it.voices.reject(id, key(21));
    assert_eq!(it.outcome(id), Outcome::Dead);
    assert_eq!(it.may_approve(1, id), Err(Refusal::Dead));
}

/// D2 binds among siblings, and an order has none: it neither binds a delegate nor is held up.
#[test]
fn an_order_has_no_siblings() {
    let mut it = Room::new();
    let (change, one, other) = (
        it.rename("Tea"),
        it.order(|_| {}),
        it.order(|it| it.time_ms = 2),
    );
    it.approve(1, change);
    for order in [one, other] {
        assert_eq!(it.may_approve(1, order), Ok(()));
        it.approve(1, order);
        it.approve(11, order);
        assert_eq!(it.outcome(order), Outcome::Carried);
    }
    let second = it.rename("Cocoa");
    assert_eq!(it.may_approve(1, second), Err(Refusal::Bound(change)));
    assert_eq!(it.may_approve(11, second), Ok(()), "orders do not bind");
    it.approve(11, change);
    assert_eq!(it.may_approve(21, second), Err(Refusal::Overtaken(change)));
    let third = it.order(|it| it.time_ms = 3);
    assert_eq!(it.may_approve(21, third), Ok(()));
}

/// D4: the charter in force, by those who speak for their party still.
#[test]
fn an_order_names_the_charter_in_force_and_ends_with_its_delegates() {
    let mut it = Room::new();
    let (before, id) = (it.assembly.charter().current().id, it.order(|_| {}));
    let head = it.assembly.head(1);
    it.assembly
        .grow(1, head, 5, |state| state.name = "another name".into());
    assert_eq!(it.may_approve(11, id), Ok(()), "speaks for it still");
    let head = it.assembly.head(1);
    it.assembly
        .grow(1, head, 6, |state| state.delegates = vec![key(12)]);
    let party = it.assembly.ids[1];
    assert_eq!(it.may_approve(11, id), Err(Refusal::OldPin(party)));
    assert_eq!(it.may_approve(12, id), Err(Refusal::NotADelegate));
    // D3: its present delegates reject in place of the earlier.
    assert_eq!(it.may_reject(12, id), Ok(()));
    it.approve(1, id);
    it.voices.reject(id, key(21));
    it.voices.reject(id, key(12));
    assert_eq!(it.outcome(id), Outcome::Dead);

    let mut it = Room::new();
    let id = it.order(|_| {});
    let draft = {
        let charter = it.assembly.charter();
        it.assembly.draft(charter.current(), vec![rename("Tea")])
    };
    let now = resolution_id(&draft);
    it.assembly
        .resolutions
        .push((now, draft, vec![key(1), key(11)]));
    let late = Refusal::NotCurrent {
        parent: before,
        current: now,
    };
    assert_eq!(it.may_approve(1, id), Err(late));
    // What was signed before counts on: an order is judged by the state that it names.
    it.approve(1, id);
    it.approve(11, id);
    assert_eq!(it.outcome(id), Outcome::Carried);
}

/// A proposal stands where everybody reads.
#[test]
fn what_must_not_be_named_in_the_open_is_flawed() {
    let mut it = Room::new();
    let hidden = it.order(|it| it.space = SpaceId::from_bytes([9; 32]));
    assert_eq!(it.outcome(hidden), Outcome::Flawed(Flaw::HiddenSpace));
    let flawed = Refusal::Flawed(Flaw::HiddenSpace);
    assert_eq!(it.may_approve(1, hidden), Err(flawed));
    it.approve(1, hidden);
    it.approve(11, hidden);
    assert!(it.ask(|it| it.assemble(&hidden)).is_none());
    let elsewhere =
        it.order(|it| it.community = comity_protocol::id::CommunityId::from_bytes([9; 32]));
    assert_eq!(it.outcome(elsewhere), Outcome::Flawed(Flaw::OtherCommunity));
    let unknown = it.order(|it| it.charter = EntryId::from_bytes([9; 32]));
    assert_eq!(it.outcome(unknown), Outcome::Flawed(Flaw::NoParent));
}
