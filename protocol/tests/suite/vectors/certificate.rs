//! Certificates, and the ids that follow from them.

use super::super::community::{
    Community, FOUNDER, MEMBER, STRANGER, genesis, party_state, public, replaced, sample, secret,
};
use super::{Case, case, check, damaged, refused, spliced};
use comity_protocol::{
    certificate::{self, Certificate, CertificateBody, Genesis, PartyState},
    entry::Entry,
    id::PartyId,
};
use serde_json::{Value as Json, json};

fn sign(body: CertificateBody, by: &[u8]) -> Vec<u8> {
    let keys: Vec<_> = by.iter().map(|number| secret(*number)).collect();
    Certificate::sign(body, &keys.iter().collect::<Vec<_>>()).encode()
}

fn party(change: impl FnOnce(&mut PartyState)) -> Vec<u8> {
    let mut state = party_state();
    change(&mut state);
    sign(CertificateBody::Party(state), &[FOUNDER])
}

fn founded(change: impl FnOnce(&mut Genesis)) -> Vec<u8> {
    let mut it = genesis();
    change(&mut it);
    sign(CertificateBody::Genesis(it), &[FOUNDER])
}

fn certificates() -> Vec<Case> {
    let good = founded(|_| {});
    let state = || CertificateBody::Party(party_state());
    let two = |first: u8, second: u8| {
        let mut keys = [public(first), public(second)];
        keys.sort();
        keys.reverse();
        keys.to_vec()
    };
    let of = |number| PartyId::from_bytes([number; 32]);
    let unknown = spliced(&party(|_| {}), &[0x91, 1, 0xf6], &[0x91, 7, 0xf6]);
    let contradiction = "Contradiction";
    let mut cases = damaged(&good, "Codec");
    cases.extend([
        case("unknown-type", unknown, "UnknownType"),
        case(
            "party-signed-by-a-stranger",
            sign(state(), &[STRANGER]),
            "NotCertified",
        ),
        case(
            "party-signed-by-a-stranger-too",
            sign(state(), &[FOUNDER, STRANGER]),
            "NotCertified",
        ),
        case(
            "genesis-signed-by-nobody",
            sign(CertificateBody::Genesis(genesis()), &[]),
            "NotCertified",
        ),
        case(
            "genesis-without-one-founder",
            founded(|it| {
                it.founders.push(public(MEMBER));
                it.founders.sort();
            }),
            "NotCertified",
        ),
        case(
            "delegates-descending",
            party(|it| {
                it.delegates = two(FOUNDER, MEMBER);
                it.delegates_needed = 2;
            }),
            "Order",
        ),
        case(
            "nodes-descending",
            party(|it| it.nodes = two(MEMBER, STRANGER)),
            "Order",
        ),
        case(
            "steward-of-small-order",
            replaced(
                &party(|it| it.stewards = vec![public(STRANGER)]),
                public(STRANGER).as_bytes(),
                &[0; 32],
            ),
            "Key.SmallOrder",
        ),
        case(
            "party-without-name",
            party(|it| it.name = "  ".into()),
            contradiction,
        ),
        case(
            "party-name-of-257-bytes",
            party(|it| it.name = "x".repeat(257)),
            "Codec.TooLong",
        ),
        case(
            "half-of-the-delegates-needed",
            party(|it| it.delegates_needed = 0),
            contradiction,
        ),
        case(
            "more-delegates-needed-than-there-are",
            party(|it| it.delegates_needed = 2),
            contradiction,
        ),
        case(
            "admission-by-nobody",
            party(|it| it.admission_needed = 0),
            contradiction,
        ),
        case(
            "first-state-at-height-1",
            party(|it| it.height = 1),
            contradiction,
        ),
        case(
            "parties-descending",
            founded(|it| {
                it.parties = vec![of(2), of(1)];
                it.party_quorum = 2;
            }),
            "Order",
        ),
        case(
            "genesis-without-party",
            founded(|it| it.parties.clear()),
            contradiction,
        ),
        case(
            "party-quorum-of-half",
            founded(|it| {
                it.parties = vec![of(1), of(2)];
            }),
            contradiction,
        ),
        case(
            "party-quorum-above-all",
            founded(|it| it.party_quorum = 2),
            contradiction,
        ),
        case(
            "two-spaces-of-one-name",
            founded(|it| it.spaces[1].name = "lobby".into()),
            contradiction,
        ),
        case(
            "two-promises-of-one-name",
            founded(|it| it.promises.push(it.promises[0].clone())),
            contradiction,
        ),
        case(
            "space-without-name",
            founded(|it| it.spaces[0].name.clear()),
            contradiction,
        ),
        case(
            "promise-of-36501-days",
            founded(|it| it.promises[0].days = 36_501),
            "Codec.OutOfRange",
        ),
    ]);
    cases
}

#[test]
fn certificate_vectors_hold() {
    let valid: Vec<Json> = ["party", "genesis"]
        .map(|name| {
            let Entry::Certificate(it) = sample(name) else {
                panic!("{name} is no certificate");
            };
            assert_eq!(it.check(), Ok(()));
            json!({
                "name": name,
                "bytes": hex::encode(it.encode()),
                "body": hex::encode(it.body().encode()),
                "id": it.id().to_string(),
                "signers": it.signers().map(|key| key.to_string()).collect::<Vec<_>>(),
                "entry": hex::encode(Entry::Certificate(it).encode()),
            })
        })
        .to_vec();
    let community = Community::new();
    let forged = {
        let mut bytes = founded(|_| {});
        *bytes.last_mut().unwrap() ^= 1;
        assert!(Certificate::decode(&bytes).unwrap().check().is_err());
        json!([{ "name": "signature-changed", "bytes": hex::encode(bytes), "error": "NotCertified" }])
    };
    let made = json!({
        "about": "Certificates and the ids that follow from them; see specs/charter.md.",
        "valid": valid,
        "ids": {
            "party": community.party.to_string(),
            "community": community.id.to_string(),
            "governance_space": certificate::governance_space(community.id).to_string(),
            "spaces": community.genesis.spaces(community.id).map(|(id, space)| json!({
                "name": space.name, "id": id.to_string(),
            })).collect::<Vec<_>>(),
        },
        "invalid": refused(certificates(), Certificate::decode),
        "not_verified": forged,
    });
    check("certificate.json", &made);
}
