//! Forms of certificates and records that change a community: one encoding each, no contradictions.

use crate::{
    community::{
        FOUNDER, MEMBER, MEMBERS_DEVICE, STRANGER, TICKET, asked, genesis, party_state, public,
        replaced, secret, unusable_keys,
    },
    entry::decodes_canonically,
    governance::{
        bodies, certificates, certify, declaration_by_member, declaration_by_party, entry_id,
        erasure_order, later_state, resolution, space_cut, space_id,
    },
};
use comity_protocol::{
    certificate::{
        self, BODY_MAX_BYTES, Certificate, CertificateBody, CertificateError, Change, Cuts,
        Resolution, SpaceDeclaration,
    },
    codec::CodecError,
    entry::{Entry, Verified},
    id::CommunityId,
    limits::PAYLOAD_MAX_BYTES,
    record::{BodyError, Countersignature, NARROWINGS_MAX, Proposal, RecordBody},
};

/// Every byte of every certificate and record body, changed in several ways.
#[test]
fn a_changed_byte_is_refused_or_says_something_else() {
    let mut accepted = 0;
    for (name, certificate) in certificates() {
        for bytes in changed_bytes(&certificate.encode()) {
            if let Ok(other) = Certificate::decode(&bytes) {
                assert_eq!(other.encode(), bytes, "{name}");
                assert_ne!(other, certificate, "{name}");
                assert!(other.check().is_err(), "{name}: not what was signed");
                accepted += 1;
            }
        }
    }
    for (name, _, body) in bodies() {
        for bytes in changed_bytes(&body.encode()) {
            if let Ok(other) = RecordBody::decode(body.record_type(), &bytes) {
                assert_eq!(other.encode(), bytes, "{name}");
                assert_ne!(other, body, "{name}");
                accepted += 1;
            }
        }
    }
    assert!(accepted > 1_000, "{accepted}");
}

fn changed_bytes(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let masks = [1, 2, 0x20, 0x80, 0xff];
    (0..bytes.len()).flat_map(move |at| {
        masks.into_iter().map(move |mask| {
            let mut changed = bytes.to_vec();
            changed[at] ^= mask;
            changed
        })
    })
}

#[test]
fn mutated_bodies_of_certificates_decode_canonically_or_not_at_all() {
    let samples: Vec<Vec<u8>> = certificates()
        .iter()
        .map(|(_, it)| it.body_bytes().to_vec())
        .collect();
    let accepted = decodes_canonically(&samples, 33, |bytes| {
        let body = CertificateBody::decode(bytes).ok()?;
        assert_eq!(body.check(), Ok(()), "what is read is checked");
        Some(body.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn every_certificate_holds_and_has_the_id_of_its_body() {
    for (name, it) in certificates() {
        assert_eq!(it.check(), Ok(()), "{name}");
        assert_eq!(
            Certificate::decode(&it.encode()).as_ref(),
            Ok(&it),
            "{name}"
        );
        assert_eq!(it.body().encode(), it.body_bytes(), "{name}");
        assert_eq!(it.id(), certificate::body_id(it.body_bytes()), "{name}");
    }
}

/// Two nodes may hold different sufficient signatures of one certificate: it is one entry.
#[test]
fn any_signatures_make_the_same_certificate_where_the_body_names_no_signers() {
    let open = [
        CertificateBody::Party(later_state()),
        CertificateBody::Resolution(resolution()),
        CertificateBody::SpaceDeclaration(declaration_by_party()),
        CertificateBody::ErasureOrder(erasure_order()),
    ];
    for body in open {
        let sign = |by: &[u8]| certify(body.clone(), by);
        let (one, other) = (sign(&[FOUNDER]), sign(&[MEMBER, STRANGER]));
        assert_eq!((one.check(), other.check()), (Ok(()), Ok(())));
        assert_eq!(one.id(), other.id());
        let keys = [one, other].map(|it| Entry::Certificate(it).key());
        assert_eq!(keys[0], keys[1]);
        assert_eq!(keys[0].author, public(proposer_of(&body)));
        let unsigned = Certificate::decode(&sign(&[]).encode());
        assert_eq!(unsigned, Err(CertificateError::NotCertified));
        let mut forged = sign(&[FOUNDER, MEMBER]).encode();
        *forged.last_mut().unwrap() ^= 1;
        let forged = Certificate::decode(&forged).unwrap();
        assert_eq!(forged.check(), Err(CertificateError::NotCertified));
    }
}

fn proposer_of(body: &CertificateBody) -> u8 {
    match body {
        CertificateBody::Party(_) => MEMBER,
        _ => FOUNDER,
    }
}

#[test]
fn a_members_declaration_is_signed_by_exactly_the_named_key() {
    let body = || CertificateBody::SpaceDeclaration(declaration_by_member());
    assert_eq!(certify(body(), &[MEMBERS_DEVICE]).check(), Ok(()));
    let declared = certify(body(), &[MEMBERS_DEVICE]);
    assert_eq!(declared.first_signer(), public(MEMBERS_DEVICE));
    for by in [&[MEMBER][..], &[MEMBER, MEMBERS_DEVICE], &[]] {
        let other = certify(body(), by);
        assert_eq!(other.check(), Err(CertificateError::NotCertified), "{by:?}");
        let read = Certificate::decode(&other.encode());
        assert_eq!(read, Err(CertificateError::NotCertified), "{by:?}");
    }
}

/// Approvals come in any order and more than once.
#[test]
fn approvals_make_the_certificate_that_signing_makes() {
    let body = CertificateBody::Resolution(resolution());
    let bytes = body.encode();
    let signed = |by: u8| {
        let key = secret(by);
        (key.public(), certificate::sign_body(&key, &bytes))
    };
    let expected = certify(body, &[FOUNDER, MEMBER]);
    for approvals in [
        vec![signed(FOUNDER), signed(MEMBER)],
        vec![signed(MEMBER), signed(FOUNDER), signed(MEMBER)],
    ] {
        for (key, signature) in &approvals {
            let held = certificate::check_approval(key, &bytes, signature);
            assert_eq!(held, Ok(()));
        }
        let assembled = Certificate::assemble(bytes.clone(), approvals);
        assert_eq!(assembled, Ok(expected.clone()));
    }
    let nobody = Certificate::assemble(bytes.clone(), Vec::new());
    assert_eq!(nobody, Err(CertificateError::NotCertified));
    let other = certificate::sign_body(&secret(MEMBER), b"another body");
    let forged = Certificate::assemble(bytes.clone(), vec![(public(MEMBER), other)]);
    assert_eq!(forged.unwrap().check(), Err(CertificateError::NotCertified));
    assert!(certificate::check_approval(&public(MEMBER), &bytes, &other).is_err());
    let many: Vec<_> = (0..257u16)
        .map(|number| {
            let mut seed = [1; 32];
            seed[..2].copy_from_slice(&number.to_be_bytes());
            let key = comity_protocol::key::SecretKey::from_seed(&seed);
            (key.public(), other)
        })
        .collect();
    assert!(matches!(
        Certificate::assemble(bytes, many),
        Err(CertificateError::Codec(CodecError::TooLong {
            limit: 256,
            found: 257
        }))
    ));
}

/// Most stand in the governance space; what only readers may know stands in their own space.
#[test]
fn a_certificate_stands_in_the_space_that_its_body_says() {
    let governance = space_id(0xee);
    for (name, it) in certificates() {
        let home = it.home(governance);
        let expected = match it.body() {
            CertificateBody::SpaceDeclaration(declaration) => {
                certificate::space_id(declaration.community, it.id().as_bytes(), 1)
            }
            CertificateBody::ErasureOrder(order) => order.space,
            _ => governance,
        };
        assert_eq!(home, expected, "{name}");
        let entry = Entry::Certificate(it);
        let named = (home != governance).then_some(home);
        assert_eq!(entry.space(), named, "{name}");
        let peeked = Entry::peek(&entry.encode());
        assert_eq!(peeked, Some((named, entry.key())), "{name}");
    }
}

/// What can be proposed can be certified: the largest body and all signatures fit into an entry.
#[test]
fn the_largest_body_leaves_room_for_its_signatures() {
    let with = |bytes: usize| {
        let article = |number| (format!("{number:03}"), "x".repeat(15_000));
        let mut it: Resolution = Resolution {
            cuts: Cuts::default(),
            changes: (0..15)
                .map(article)
                .map(|(name, text)| Change::SetArticle(name, text))
                .collect(),
            ..resolution()
        };
        let missing = bytes - CertificateBody::Resolution(it.clone()).encode().len();
        it.reason = "x".repeat(it.reason.len() + missing - 2);
        CertificateBody::Resolution(it).encode()
    };
    let largest = with(BODY_MAX_BYTES);
    assert_eq!(largest.len(), BODY_MAX_BYTES);
    assert!(CertificateBody::decode(&largest).is_ok());
    let proposal = RecordBody::Proposal(Proposal {
        body: largest.clone(),
    });
    assert_eq!(RecordBody::decode(10, &proposal.encode()), Ok(proposal));
    let signatures = (0..256u16).map(|number| {
        let mut seed = [1; 32];
        seed[..2].copy_from_slice(&number.to_be_bytes());
        let key = comity_protocol::key::SecretKey::from_seed(&seed);
        (key.public(), certificate::sign_body(&key, &largest))
    });
    let whole = Certificate::assemble(largest.clone(), signatures.collect()).unwrap();
    let encoded = whole.encode();
    assert!(encoded.len() <= PAYLOAD_MAX_BYTES, "{}", encoded.len());
    assert_eq!(Certificate::decode(&encoded), Ok(whole));
    assert!(matches!(
        CertificateBody::decode(&with(BODY_MAX_BYTES + 1)),
        Err(CertificateError::Codec(CodecError::TooLong { .. }))
    ));
}

#[test]
fn unusable_keys_are_refused_in_cuts_groups_readers_and_changes() {
    for (what, bad) in unusable_keys() {
        for (name, it) in certificates() {
            let mut places = 0;
            for key in [
                FOUNDER,
                MEMBER,
                MEMBERS_DEVICE,
                STRANGER,
                super::community::MEMBERS_NODE,
            ] {
                let good = public(key);
                if !it.body_bytes().windows(32).any(|it| it == good.as_bytes()) {
                    continue;
                }
                let broken = replaced(it.body_bytes(), good.as_bytes(), &bad);
                let error = CertificateBody::decode(&broken).expect_err(name);
                assert!(
                    matches!(error, CertificateError::Key(_)),
                    "{what} {name} {error}"
                );
                places += 1;
            }
            assert!(places > 0, "{name}");
        }
    }
}

#[test]
fn only_what_needs_deliberation_is_proposed() {
    let proposed = |body: CertificateBody| {
        let body = body.encode();
        RecordBody::decode(10, &RecordBody::Proposal(Proposal { body }).encode()).map(|_| ())
    };
    assert_eq!(proposed(CertificateBody::Party(later_state())), Ok(()));
    assert_eq!(proposed(CertificateBody::Resolution(resolution())), Ok(()));
    let order = CertificateBody::ErasureOrder(erasure_order());
    assert_eq!(proposed(order), Ok(()));
    for body in [
        CertificateBody::Party(party_state()),
        CertificateBody::Genesis(genesis()),
        CertificateBody::SpaceDeclaration(declaration_by_party()),
    ] {
        assert_eq!(proposed(body), Err(BodyError::NotProposable));
    }
    let none = RecordBody::decode(10, &[0x81, 0x41, 0]);
    assert!(matches!(none, Err(BodyError::Certificate(_))));
}

#[test]
fn an_acknowledgement_names_1_to_256_narrowings_in_order() {
    let decode = |count: usize, from: u8| {
        let id = |number: usize| {
            let mut bytes = [from; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            comity_protocol::id::EntryId::from_bytes(bytes)
        };
        let narrowings = (0..count).map(id).collect();
        let body = RecordBody::Acknowledge(comity_protocol::record::Acknowledge { narrowings });
        RecordBody::decode(18, &body.encode()).map(|_| ())
    };
    assert_eq!(decode(NARROWINGS_MAX, 0), Ok(()));
    assert!(matches!(
        decode(NARROWINGS_MAX + 1, 0),
        Err(BodyError::Codec(CodecError::TooLong { .. }))
    ));
    assert_eq!(decode(0, 0), Err(BodyError::Empty));
}

/// Both who holds the invitation and who asks in have signed, or nothing verifies.
#[test]
fn a_countersignature_is_verified_with_both_halves() {
    let (space, invitation) = (space_id(1), entry_id(5));
    let (by_invitation, by_member) = asked(space, invitation, MEMBER);
    let check = |change: &dyn Fn(&mut Countersignature)| {
        let mut it = Countersignature {
            invitation,
            invitation_key: public(TICKET),
            member: public(MEMBER),
            by_invitation,
            by_member,
        };
        change(&mut it);
        let record =
            crate::community::Chain::new(FOUNDER, space).record(RecordBody::Countersignature(it));
        Verified::check(Entry::Record(record)).is_ok()
    };
    assert!(check(&|_| {}));
    assert!(!check(&|it| it.invitation_key = public(STRANGER)));
    assert!(!check(&|it| it.by_invitation = it.by_member));
    assert!(!check(&|it| it.by_member = it.by_invitation));
    assert!(!check(&|it| it.member = public(STRANGER)));
    assert!(!check(&|it| it.invitation = entry_id(6)));
}

/// The declaration of one community, or with other random bytes, is of another space.
#[test]
fn declared_spaces_have_ids_of_their_own() {
    let id = |change: &dyn Fn(&mut SpaceDeclaration)| {
        let mut it = declaration_by_member();
        change(&mut it);
        let body = CertificateBody::SpaceDeclaration(it);
        certify(body, &[MEMBERS_DEVICE]).home(space_id(0))
    };
    let mut ids = vec![
        id(&|_| {}),
        id(&|it| it.nonce[0] ^= 1),
        id(&|it| it.community = CommunityId::from_bytes([1; 32])),
        id(&|it| it.time_ms += 1),
    ];
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
    assert_ne!(space_cut(ids[0]), space_cut(ids[1]));
}
