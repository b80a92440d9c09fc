//! Records: bodies in one encoding, consents checked with the signature.

use crate::{
    community::{
        Chain, Community, FOUNDER, MEMBER, MEMBERS_DEVICE, MEMBERS_NODE, STRANGER, TICKET, asked,
        device_link, node_link, public, samples, secret,
    },
    entry::decodes_canonically,
    signatures::Seeded,
};
use comity_protocol::{
    entry::{Entry, Record, Verified},
    id::{EntryId, SpaceId, domain},
    key::Signature,
    record::{
        self, ChainHead, Countersignature, DeviceLink, NodeLink, RECEIPT_HEADS_MAX, Receipt,
        RecordBody,
    },
};

#[test]
fn mutated_bodies_decode_canonically_or_not_at_all() {
    let bodies: Vec<RecordBody> = samples()
        .into_iter()
        .filter_map(|(_, entry)| match entry {
            Entry::Record(record) => Some(record.body().clone()),
            _ => None,
        })
        .collect();
    // The type stands in the header; here it is the first byte.
    let encoded: Vec<Vec<u8>> = bodies
        .iter()
        .map(|body| [&[body.record_type() as u8][..], &body.encode()].concat())
        .collect();
    let accepted = decodes_canonically(&encoded, 21, |bytes| {
        let (code, body) = bytes.split_first()?;
        let body = RecordBody::decode((*code).into(), body).ok()?;
        Some([&[body.record_type() as u8][..], &body.encode()].concat())
    });
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn a_receipt_names_up_to_256_heads_in_order() {
    let head = |number: u64| ChainHead {
        author: public(FOUNDER),
        seq: number + 1,
        id: EntryId::from_bytes([0; 32]),
    };
    let receipt = |count: usize| {
        let heads = (0..count as u64).map(head).collect();
        RecordBody::Receipt(Receipt { heads }).encode()
    };
    let decode = |bytes: &[u8]| RecordBody::decode(16, bytes);
    assert!(decode(&receipt(RECEIPT_HEADS_MAX)).is_ok());
    assert!(decode(&receipt(RECEIPT_HEADS_MAX + 1)).is_err());
    assert!(decode(&receipt(0)).is_err());
}

/// Consents are part of what verification checks, alone and in a batch: no device, node or person
/// is claimed without them, and none given elsewhere counts here.
#[test]
fn no_link_or_countersignature_without_consent() {
    let space = Community::new().governance;
    let elsewhere = SpaceId::from_bytes([7; 32]);
    let root = public(MEMBER);
    let mut chain = Chain::new(MEMBER, space);
    let good = [
        device_link(&mut chain, MEMBERS_DEVICE, 3),
        node_link(&mut chain, MEMBERS_NODE),
    ];
    let device = |by: u8, domain, message: &[u8]| {
        RecordBody::DeviceLink(DeviceLink {
            device: public(MEMBERS_DEVICE),
            slot: 3,
            by_device: secret(by).sign(domain, message),
        })
    };
    let node = |by: u8, domain, message: &[u8]| {
        RecordBody::NodeLink(NodeLink {
            node: public(MEMBERS_NODE),
            by_node: secret(by).sign(domain, message),
        })
    };
    let consent = |space, root, linked: u8| record::consent_message(space, &root, &public(linked));
    let (as_device, as_node) = (
        domain::DEVICE_CONSENT_SIGNATURE,
        domain::NODE_CONSENT_SIGNATURE,
    );
    let to_device = consent(space, root, MEMBERS_DEVICE);
    let to_node = consent(space, root, MEMBERS_NODE);
    let (invitation, other) = (EntryId::from_bytes([5; 32]), EntryId::from_bytes([6; 32]));
    let countersigned = |asked: (Signature, Signature)| {
        RecordBody::Countersignature(Countersignature {
            invitation,
            invitation_key: public(TICKET),
            member: root,
            by_invitation: asked.0,
            by_member: asked.1,
        })
    };
    let bad = [
        ("by another key", device(STRANGER, as_device, &to_device)),
        (
            "consent of a node",
            device(MEMBERS_DEVICE, as_node, &to_device),
        ),
        (
            "for another root",
            device(
                MEMBERS_DEVICE,
                as_device,
                &consent(space, public(FOUNDER), MEMBERS_DEVICE),
            ),
        ),
        (
            "in another community",
            device(
                MEMBERS_DEVICE,
                as_device,
                &consent(elsewhere, root, MEMBERS_DEVICE),
            ),
        ),
        ("by another node", node(STRANGER, as_node, &to_node)),
        (
            "consent of a device",
            node(MEMBERS_NODE, as_device, &to_node),
        ),
        (
            "asked elsewhere",
            countersigned(asked(elsewhere, invitation, MEMBER)),
        ),
        (
            "another invitation",
            countersigned(asked(space, other, MEMBER)),
        ),
        (
            "another person asked",
            countersigned(asked(space, invitation, STRANGER)),
        ),
    ];
    let mut records: Vec<Record> = good.to_vec();
    for (what, body) in bad {
        let record = Chain::new(MEMBER, space).record(body);
        let verdict = Verified::check(Entry::Record(record.clone()));
        assert!(verdict.is_err(), "{what}");
        records.push(record);
    }
    let entries: Vec<Entry> = records.into_iter().map(Entry::Record).collect();
    let verdicts = Verified::check_batch(entries, &mut Seeded::new(3));
    let held: Vec<bool> = verdicts.iter().map(Result::is_ok).collect();
    assert_eq!(held.iter().filter(|it| **it).count(), 2);
    assert_eq!(held[..2], [true, true]);
}
