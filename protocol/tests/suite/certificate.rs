//! Certificates: one statement, one entry, one set of signers.

use crate::{
    community::{
        FOUNDER, MEMBER, STRANGER, genesis, party_state, public, sample, secret, unusable_keys,
    },
    entry::decodes_canonically,
};
use comity_protocol::{
    certificate::{
        self, Certificate, CertificateBody, CertificateError, Genesis, KEYS_MAX, PartyState,
        Promise,
    },
    entry::Entry,
    id::{EntryId, PartyId, domain},
};

fn encoded(name: &str) -> Vec<u8> {
    match sample(name) {
        Entry::Certificate(it) => it.encode(),
        _ => panic!("{name} is no certificate"),
    }
}

fn two_delegates() -> PartyState {
    let mut delegates = vec![public(FOUNDER), public(MEMBER)];
    delegates.sort();
    PartyState {
        proposer: delegates[0],
        delegates,
        delegates_needed: 2,
        admission_needed: 1,
        ..party_state()
    }
}

fn sign(body: CertificateBody, by: &[u8]) -> Vec<u8> {
    let keys: Vec<_> = by.iter().map(|number| secret(*number)).collect();
    Certificate::sign(body, &keys.iter().collect::<Vec<_>>()).encode()
}

#[test]
fn mutated_certificates_decode_canonically_or_not_at_all() {
    let later = PartyState {
        parent: Some((PartyId::from_bytes([1; 32]), EntryId::from_bytes([2; 32]))),
        height: 1,
        ..two_delegates()
    };
    let samples = [
        encoded("genesis"),
        encoded("party"),
        sign(CertificateBody::Party(two_delegates()), &[FOUNDER, MEMBER]),
        sign(CertificateBody::Party(later), &[FOUNDER]),
    ];
    let accepted = decodes_canonically(&samples, 31, |bytes| {
        Some(Certificate::decode(bytes).ok()?.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
}

/// Whoever leaves a signature out or adds one has nothing: no variants of an entry.
#[test]
fn exactly_those_sign_whom_the_body_names() {
    let party = || CertificateBody::Party(two_delegates());
    let whole = Certificate::decode(&sign(party(), &[FOUNDER, MEMBER])).unwrap();
    assert_eq!(whole.check(), Ok(()));
    for by in [
        &[FOUNDER][..],
        &[MEMBER],
        &[STRANGER],
        &[FOUNDER, MEMBER, STRANGER],
    ] {
        let error = Certificate::decode(&sign(party(), by));
        assert_eq!(error, Err(CertificateError::NotCertified), "{by:?}");
        let unread = Certificate::sign(
            party(),
            &by.iter()
                .map(|n| secret(*n))
                .collect::<Vec<_>>()
                .iter()
                .collect::<Vec<_>>(),
        );
        assert_eq!(unread.check(), Err(CertificateError::NotCertified));
    }
    let founded = || CertificateBody::Genesis(genesis());
    assert!(Certificate::decode(&sign(founded(), &[FOUNDER])).is_ok());
    for by in [&[STRANGER][..], &[FOUNDER, STRANGER]] {
        let error = Certificate::decode(&sign(founded(), by));
        assert_eq!(error, Err(CertificateError::NotCertified), "{by:?}");
    }
}

/// A delegate may sign one body again and again: it stays one entry in one place.
#[test]
fn ids_leave_the_signatures_out() {
    let one = Certificate::decode(&encoded("genesis")).unwrap();
    let mut bytes = one.encode();
    *bytes.last_mut().unwrap() ^= 1;
    let other = Certificate::decode(&bytes).unwrap();
    assert_ne!(one, other);
    assert_eq!(one.id(), other.id());
    assert_eq!(
        Entry::Certificate(one).key(),
        Entry::Certificate(other.clone()).key()
    );
    assert_eq!(other.check(), Err(CertificateError::NotCertified));
}

#[test]
fn a_signature_under_another_domain_is_none() {
    let bytes = encoded("genesis");
    let body = CertificateBody::Genesis(genesis()).encode();
    let good = secret(FOUNDER).sign(domain::CERTIFICATE_SIGNATURE, &body);
    let bad = secret(FOUNDER).sign(domain::RECORD_SIGNATURE, &body);
    let forged = crate::community::replaced(&bytes, good.as_bytes(), bad.as_bytes());
    let forged = Certificate::decode(&forged).unwrap();
    assert_eq!(forged.check(), Err(CertificateError::NotCertified));
}

#[test]
fn unusable_keys_are_refused_in_every_list() {
    let all = |key| PartyState {
        stewards: vec![key],
        moderators: vec![key],
        nodes: vec![key],
        bridges: vec![key],
        observers: vec![key],
        ..party_state()
    };
    for (what, bad) in unusable_keys() {
        let clean = sign(CertificateBody::Party(all(public(STRANGER))), &[FOUNDER]);
        let mut places = 0;
        for at in 0..clean.len() - 32 {
            if clean[at..at + 32] == *public(STRANGER).as_bytes() {
                let mut bytes = clean.clone();
                bytes[at..at + 32].copy_from_slice(&bad);
                let error = Certificate::decode(&bytes);
                assert!(
                    matches!(error, Err(CertificateError::Key(_))),
                    "{what} at {at}"
                );
                places += 1;
            }
        }
        assert_eq!(places, 5);
    }
}

#[test]
fn states_and_genesis_must_not_contradict_themselves() {
    let state = |change: fn(&mut PartyState)| {
        let mut state = two_delegates();
        change(&mut state);
        state.check().is_ok()
    };
    assert!(state(|_| {}));
    assert!(!state(|it| it.delegates_needed = 1));
    assert!(!state(|it| it.delegates_needed = 3));
    assert!(!state(|it| it.admission_needed = 0));
    assert!(!state(|it| it.admission_needed = 3));
    assert!(!state(|it| it.name = " ".into()));
    assert!(!state(|it| it.height = 1));
    assert!(!state(|it| it.delegates.clear()));
    let promise = |name: &str| Promise {
        party: None,
        name: name.into(),
        days: 9,
    };
    let genesis = |change: &dyn Fn(&mut Genesis)| {
        let mut it = genesis();
        change(&mut it);
        it.check().is_ok()
    };
    assert!(genesis(&|_| {}));
    assert!(!genesis(&|it| it.party_quorum = 0));
    assert!(!genesis(&|it| it.party_quorum = 2));
    assert!(!genesis(&|it| it.founders.clear()));
    assert!(!genesis(&|it| it.parties.clear()));
    assert!(!genesis(&|it| it.spaces[1].name = it.spaces[0].name.clone()));
    assert!(!genesis(&|it| it.promises.push(promise("answer"))));
    assert!(!genesis(&|it| it.promises.push(promise(""))));
    assert!(!genesis(&|it| it.name = "\t".into()));
}

#[test]
fn lists_of_keys_are_bounded_before_they_are_read() {
    let mut nodes: Vec<_> = (0..=KEYS_MAX as u64)
        .map(|number| {
            let mut seed = [9; 32];
            seed[..8].copy_from_slice(&number.to_le_bytes());
            comity_protocol::key::SecretKey::from_seed(&seed).public()
        })
        .collect();
    nodes.sort();
    let with = |nodes: Vec<_>| {
        sign(
            CertificateBody::Party(PartyState {
                nodes,
                ..party_state()
            }),
            &[FOUNDER],
        )
    };
    assert!(Certificate::decode(&with(nodes[1..].to_vec())).is_ok());
    assert!(matches!(
        Certificate::decode(&with(nodes)),
        Err(CertificateError::Codec(
            comity_protocol::codec::CodecError::TooLong {
                limit: 256,
                found: 257
            }
        ))
    ));
}

#[test]
fn ids_of_spaces_differ_by_community_and_index() {
    let one = certificate::community_id(&genesis());
    let mut renamed = genesis();
    renamed.name = "Tea".into();
    let other = certificate::community_id(&renamed);
    let mut ids: Vec<_> = [one, other]
        .into_iter()
        .flat_map(|it| (0..3).map(move |index| certificate::space_id(it, it.as_bytes(), index)))
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    assert_eq!(
        certificate::governance_space(one),
        certificate::space_id(one, one.as_bytes(), 0)
    );
}
