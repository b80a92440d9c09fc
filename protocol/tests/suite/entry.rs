//! Entries: what decodes, what verifies, and what nobody can pass off as something else.

use crate::{
    community::{
        Chain, FOUNDER, FOUNDERS_DEVICE, MEMBERS_DEVICE, STRANGER, arrive, contribution_sample,
        public, receipt, record_sample, replaced, sample, samples, secret, unusable_keys,
    },
    signatures::Seeded,
    sync::{harness::Rng, messages::mutated},
};
use comity_protocol::{
    certificate::{Certificate, CertificateError, Cuts},
    codec::CodecError,
    contribution::{self, ChainLink, Context, Header, HeaderError, Payload, SignError, Target},
    document::Kind,
    entry::{
        BareHeader, Contribution, ENTRY_MAX_BYTES, Entry, EntryError, Record, Verified,
        VerifyError, Words, bare_id,
    },
    id::{DocumentId, EntryId, GovernanceDigest, SpaceId, domain},
    key::{KeyError, PublicKey, SecretKey, Signature},
    limits::{DEPS_MAX, PAYLOAD_MAX_BYTES, SEQ_MAX, TIME_MAX_MS},
    record::{self, BodyError, RecordBody, RecordHeader},
    sync::AuthorTag,
};

const CASES: usize = 100_000;

/// Mutates samples, and holds that whatever still decodes has this one encoding.
pub(crate) fn decodes_canonically(
    samples: &[Vec<u8>],
    seed: u64,
    mut encoded_again: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> usize {
    for sample in samples {
        assert_eq!(encoded_again(sample).as_ref(), Some(sample));
    }
    let mut rng = Rng(seed);
    let mut accepted = 0;
    let cases = crate::times_factor(CASES);
    for case in 0..cases {
        let bytes = mutated(&mut rng, samples);
        if let Some(again) = encoded_again(&bytes) {
            accepted += 1;
            assert_eq!(again, bytes, "seed {seed}, case {case}: two encodings");
        }
    }
    println!("{accepted} of {cases} mutated inputs still decode");
    accepted
}

fn encoded_samples() -> Vec<Vec<u8>> {
    samples().iter().map(|(_, entry)| entry.encode()).collect()
}

#[test]
fn mutated_entries_decode_canonically_or_not_at_all_and_peeking_agrees() {
    let accepted = decodes_canonically(&encoded_samples(), 11, |bytes| {
        let peeked = Entry::peek(bytes);
        let entry = Entry::decode(bytes).ok()?;
        assert_eq!(peeked, Some((entry.space(), entry.key())));
        Some(entry.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn mutated_headers_decode_canonically_or_not_at_all() {
    let (mut contributions, mut records) = (Vec::new(), Vec::new());
    for (_, entry) in samples() {
        match entry {
            Entry::Contribution(it) => contributions.push(it.header_bytes().to_vec()),
            Entry::Record(it) => records.push(it.header_bytes().to_vec()),
            Entry::Certificate(_) | Entry::Bare(_) => {}
        }
    }
    let accepted = decodes_canonically(&contributions, 12, |bytes| {
        let header = Header::decode(bytes).ok()?;
        assert_eq!(Header::decode_own_record(bytes).as_ref(), Ok(&header));
        Some(header.encode())
    });
    assert!(accepted > 5_000, "{accepted}");
    let accepted = decodes_canonically(&records, 13, |bytes| {
        let header = RecordHeader::decode(bytes).ok()?;
        assert_eq!(RecordHeader::decode_own_record(bytes).as_ref(), Ok(&header));
        Some(header.encode())
    });
    assert!(accepted > 5_000, "{accepted}");
}

/// Nothing verifies after one flipped bit, except where two signatures of one statement differ.
#[test]
fn a_flipped_bit_anywhere_is_noticed() {
    for (name, entry) in samples() {
        let bytes = entry.encode();
        for bit in (0..bytes.len() * 8).step_by(3) {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let verified = Entry::decode(&other).map(Verified::check);
            assert!(!matches!(verified, Ok(Ok(_))), "{name}: bit {bit}");
        }
    }
}

#[test]
fn alone_and_in_a_batch_each_entry_gets_one_verdict() {
    let mut entries: Vec<Entry> = samples().into_iter().map(|(_, entry)| entry).collect();
    let good = entries.len();
    for (_, entry) in samples() {
        let forged = match entry {
            Entry::Contribution(it) => Contribution::assemble(
                it.header_bytes().to_vec(),
                Signature::from_bytes([7; 64]),
                it.shape().to_vec(),
                it.words().clone(),
            )
            .map(Entry::Contribution),
            Entry::Record(it) => Record::assemble(
                it.header_bytes().to_vec(),
                Signature::from_bytes([7; 64]),
                it.body_bytes().to_vec(),
            )
            .map(Entry::Record),
            Entry::Certificate(it) => {
                let mut bytes = it.encode();
                *bytes.last_mut().unwrap() ^= 1;
                Ok(Entry::Certificate(Certificate::decode(&bytes).unwrap()))
            }
            Entry::Bare(it) => BareHeader::assemble(
                it.heads(),
                it.header_bytes().to_vec(),
                Signature::from_bytes([7; 64]),
            )
            .map(Entry::Bare),
        };
        entries.push(forged.unwrap());
    }
    let alone: Vec<_> = entries.iter().cloned().map(Verified::check).collect();
    assert!(alone[..good].iter().all(Result::is_ok));
    assert!(alone[good..].iter().all(Result::is_err));
    let batch = Verified::check_batch(entries, &mut Seeded::new(5));
    assert_eq!(alone, batch);
}

/// The same bytes say different things as header of a contribution and of a record, and a signature
/// for one is none for the other.
#[test]
fn headers_records_and_certificates_cannot_stand_for_each_other() {
    let created = contribution_sample("create");
    let record = record_sample("erasure");
    assert!(RecordHeader::decode(created.header_bytes()).is_err());
    assert!(Header::decode(record.header_bytes()).is_err());
    assert!(Certificate::decode(created.header_bytes()).is_err());
    let key = secret(FOUNDERS_DEVICE);
    for domain in [
        domain::RECORD_SIGNATURE,
        domain::CERTIFICATE_SIGNATURE,
        domain::JOIN_SIGNATURE,
        domain::NODE_GRANT_SIGNATURE,
        domain::CONTRIBUTION_ID,
        b"",
    ] {
        let forged = Contribution::assemble(
            created.header_bytes().to_vec(),
            key.sign(domain, created.header_bytes()),
            created.shape().to_vec(),
            created.words().clone(),
        )
        .unwrap();
        let verdict = Verified::check(Entry::Contribution(forged));
        assert!(matches!(verdict, Err(VerifyError::Signature(_))));
    }
    for domain in [
        domain::CONTRIBUTION_SIGNATURE,
        domain::NODE_CONSENT_SIGNATURE,
    ] {
        let forged = Record::assemble(
            record.header_bytes().to_vec(),
            key.sign(domain, record.header_bytes()),
            record.body_bytes().to_vec(),
        )
        .unwrap();
        assert!(Verified::check(Entry::Record(forged)).is_err());
    }
}

#[test]
fn no_domain_begins_another_and_each_ends_in_zero() {
    let domains = [
        domain::CONTRIBUTION_ID,
        domain::CONTRIBUTION_SIGNATURE,
        domain::SHAPE,
        domain::WORDS,
        domain::RECORD_ID,
        domain::RECORD_SIGNATURE,
        domain::RECORD_BODY,
        domain::CERTIFICATE_ID,
        domain::PARTY,
        domain::COMMUNITY,
        domain::SPACE,
        domain::GOVERNANCE,
        domain::CERTIFICATE_SIGNATURE,
        domain::JOIN_SIGNATURE,
        domain::DEVICE_CONSENT_SIGNATURE,
        domain::NODE_CONSENT_SIGNATURE,
        domain::TICKET,
        domain::NODE_GRANT_SIGNATURE,
        domain::NODE_ADDRESSES_SIGNATURE,
        domain::TRIE_AUTHOR,
        domain::TRIE_BARE,
        domain::BARE_ID,
        domain::LATE_WORDS_ID,
        domain::TRIE_LEAF,
        domain::TRIE_BRANCH,
    ];
    for (index, one) in domains.iter().enumerate() {
        assert_eq!(one.iter().position(|byte| *byte == 0), Some(one.len() - 1));
        assert!(one.starts_with(b"comity/1/"));
        let others = domains.iter().enumerate().filter(|(at, _)| *at != index);
        for (_, other) in others {
            assert!(!other.starts_with(one), "{one:?}");
        }
    }
}

#[test]
fn a_bare_header_stands_apart_from_what_it_heads() {
    for name in ["create", "edit", "create-erased", "erasure", "receipt"] {
        let entry = Verified::check(sample(name)).unwrap();
        let bare = entry.bare().unwrap();
        let Entry::Bare(header) = &*bare else {
            panic!("{name} gives no bare header")
        };
        assert_eq!(header.of(), entry.id());
        assert_eq!(bare.id(), bare_id(&entry.id()));
        assert_ne!(bare.id(), entry.id());
        let space = entry.space().unwrap();
        let (own, apart) = (entry.key(), bare.key());
        assert_eq!((own.author, own.seq), (apart.author, apart.seq));
        let (own, apart) = (own.in_set_of(&space), apart.in_set_of(&space));
        assert_eq!(own.author, AuthorTag::new(&space, &entry.key().author));
        assert_eq!(
            apart.author,
            AuthorTag::of_bare(&space, &entry.key().author)
        );
        assert_ne!(own.author, apart.author);
        assert_eq!(apart.id, bare.id());
        // What travels is the same wherever it was taken from, and holds no payload.
        assert_eq!(arrive(&bare).into_inner(), bare.clone().into_inner());
        assert!(bare.encode().len() < header.header_bytes().len() + 80);
        assert!(bare.bare().is_none(), "a header has no header");
    }
    let erased = BareHeader::of_entry(&sample("create-erased"));
    assert_eq!(erased, BareHeader::of_entry(&sample("create")));
    assert!(BareHeader::of_entry(&sample("genesis")).is_none());
}

/// A contribution names its space, and the space its community: elsewhere the signature is none.
#[test]
fn what_is_replayed_into_another_space_does_not_verify() {
    for name in ["create", "erasure"] {
        let entry = sample(name);
        let space = entry.space().unwrap();
        let elsewhere = replaced(&entry.encode(), space.as_bytes(), &[7; 32]);
        let moved = Entry::decode(&elsewhere).unwrap();
        assert_ne!(moved.id(), entry.id());
        assert!(Verified::check(moved).is_err(), "{name}");
    }
}

#[test]
fn words_are_absent_only_beside_an_erasure_of_them() {
    let created = contribution_sample("create");
    let space = created.header().space;
    let mut own = Chain::new(FOUNDERS_DEVICE, space);
    let with = |record: Record| {
        let parts = (created.header_bytes().to_vec(), created.shape().to_vec());
        let words = Words::Erased(record.into());
        Contribution::assemble(parts.0, *created.signature(), parts.1, words)
    };
    let proof = own.erase(created.id());
    let erased = with(proof.clone()).unwrap();
    assert_eq!(erased, created.clone().erased_by(proof.clone()).unwrap());
    let arrived = arrive(&Entry::Contribution(erased.clone()));
    assert_eq!(arrived.id(), created.id());
    assert_eq!(*arrived.erasure().unwrap(), Entry::Record(proof.clone()));

    // Whether somebody else may erase them is for authority to say.
    for other in [MEMBERS_DEVICE, FOUNDER] {
        assert!(with(Chain::new(other, space).erase(created.id())).is_ok());
    }
    let wrong = [
        (
            "of another contribution",
            own.erase(EntryId::from_bytes([1; 32])),
        ),
        (
            "in another space",
            Chain::new(FOUNDERS_DEVICE, SpaceId::from_bytes([1; 32])).erase(created.id()),
        ),
        (
            "a receipt",
            own.record(receipt(&Entry::Contribution(created.clone()))),
        ),
    ];
    for (what, record) in wrong {
        assert_eq!(
            with(record.clone()),
            Err(EntryError::WordsMissing),
            "{what}"
        );
        assert_eq!(
            created.clone().erased_by(record),
            Err(EntryError::WordsMissing)
        );
    }
    let forged = Record::assemble(
        proof.header_bytes().to_vec(),
        secret(STRANGER).sign(domain::RECORD_SIGNATURE, proof.header_bytes()),
        proof.body_bytes().to_vec(),
    );
    let forged = Entry::Contribution(with(forged.unwrap()).unwrap());
    assert!(Verified::check(forged.clone()).is_err());
    let batch = Verified::check_batch(
        vec![forged, Entry::Contribution(erased)],
        &mut Seeded::new(1),
    );
    assert!(batch[0].is_err() && batch[1].is_ok());
}

/// Whatever decoder a key goes through, keys that anyone could sign for do not get past it.
#[test]
fn unusable_keys_are_refused_in_every_place() {
    for (what, bad) in unusable_keys() {
        for (name, entry) in samples() {
            let author = entry.key().author;
            let broken = replaced(&entry.encode(), author.as_bytes(), &bad);
            let error = Entry::decode(&broken).expect_err(name);
            match entry {
                Entry::Certificate(_) => assert!(
                    matches!(error, EntryError::Certificate(_)),
                    "{what} {name} {error}"
                ),
                // Where the key stands in the body too, the body's digest is wrong first.
                Entry::Contribution(_) | Entry::Record(_) | Entry::Bare(_) => assert!(
                    matches!(error, EntryError::Header(HeaderError::Author(_))),
                    "{what} {name} {error}"
                ),
            }
            if let Entry::Record(record) = &entry {
                keys_in_body_are_checked(record.body(), &bad);
            }
        }
    }
}

fn keys_in_body_are_checked(body: &RecordBody, bad: &[u8; 32]) {
    let keys = match body {
        RecordBody::Invitation(it) => vec![it.invitation_key, it.countersigner],
        RecordBody::Countersignature(it) => vec![it.invitation_key, it.member],
        RecordBody::Admission(it) => vec![it.member],
        RecordBody::DeviceLink(it) => vec![it.device],
        RecordBody::NodeLink(it) => vec![it.node],
        RecordBody::Receipt(it) => it.heads.iter().map(|head| head.author).collect(),
        RecordBody::Revocation(it) => [cut_keys(&it.cuts), target_keys(&it.target)].concat(),
        RecordBody::Departure(it) => cut_keys(&it.cuts),
        RecordBody::DeviceRevocation(it) => [cut_keys(&it.cuts), vec![it.device]].concat(),
        RecordBody::CutTable(it) => it.cut.devices.iter().map(|it| it.key).collect(),
        RecordBody::InvitationApproval(_)
        | RecordBody::Proposal(_)
        | RecordBody::Approval(_)
        | RecordBody::Rejection(_)
        | RecordBody::BranchChoice(_)
        | RecordBody::Acknowledge(_)
        | RecordBody::Erasure(_) => vec![],
    };
    for key in keys {
        let broken = replaced(&body.encode(), key.as_bytes(), bad);
        let error = RecordBody::decode(body.record_type(), &broken).expect_err("bad key");
        assert!(
            matches!(
                error,
                BodyError::Key(_) | BodyError::Certificate(CertificateError::Key(_))
            ),
            "{error}"
        );
    }
}

fn cut_keys(cuts: &Cuts) -> Vec<PublicKey> {
    let devices = cuts.open.iter().flat_map(|it| &it.devices);
    devices.map(|it| it.key).collect()
}

fn target_keys(target: &record::Target) -> Vec<PublicKey> {
    match target {
        record::Target::Member(key)
        | record::Target::Device(key)
        | record::Target::Role(key, _) => vec![*key],
    }
}

fn context(seq: u64, time_ms: u64) -> Context {
    let prev = (seq > 1).then_some(EntryId::from_bytes([4; 32]));
    Context {
        space: SpaceId::from_bytes([1; 32]),
        link: ChainLink { seq, prev },
        governance: GovernanceDigest::from_bytes([2; 32]),
        time_ms,
    }
}

fn sign(context: &Context, target: Target, bytes: usize) -> Result<Contribution, SignError> {
    let key: SecretKey = secret(FOUNDER);
    let payload = Payload {
        shape: vec![0; bytes - 32],
        words: vec![0; 32],
    };
    contribution::sign(&key, context, target, payload)
}

/// What the writer signs, every reader takes; what is beyond a limit, it does not sign.
#[test]
fn limits_hold_to_the_byte() {
    let whole = sign(&context(1, 0), Target::Create, PAYLOAD_MAX_BYTES).unwrap();
    let bytes = Entry::Contribution(whole).encode();
    assert!(bytes.len() <= ENTRY_MAX_BYTES);
    assert!(Entry::decode(&bytes).is_ok());
    let over = sign(&context(1, 0), Target::Create, PAYLOAD_MAX_BYTES + 1);
    assert_eq!(over, Err(SignError::PayloadTooLarge(PAYLOAD_MAX_BYTES + 1)));

    assert!(sign(&context(SEQ_MAX, TIME_MAX_MS), Target::Create, 40).is_ok());
    for context in [context(SEQ_MAX + 1, 0), context(2, TIME_MAX_MS + 1)] {
        assert_eq!(
            sign(&context, Target::Create, 40),
            Err(SignError::Header(HeaderError::Codec(
                CodecError::OutOfRange
            )))
        );
    }
    let edit = |count: usize| Target::Edit {
        document: DocumentId::from_bytes([3; 32]),
        deps: (0..count)
            .map(|n| EntryId::from_bytes([n as u8; 32]))
            .collect(),
    };
    let largest = sign(
        &context(SEQ_MAX, TIME_MAX_MS),
        edit(DEPS_MAX),
        PAYLOAD_MAX_BYTES,
    )
    .unwrap();
    let erasure = {
        let mut chain = Chain::new(FOUNDER, largest.header().space);
        chain.link = context(SEQ_MAX, 0).link;
        chain.erase(largest.id())
    };
    let erased = largest.clone().erased_by(erasure).unwrap();
    for largest in [largest, erased] {
        let bytes = Entry::Contribution(largest).encode();
        assert!(bytes.len() <= ENTRY_MAX_BYTES, "{}", bytes.len());
        assert!(Entry::decode(&bytes).is_ok());
    }
    let (limit, found) = (DEPS_MAX, DEPS_MAX as u64 + 1);
    assert_eq!(
        sign(&context(2, 0), edit(DEPS_MAX + 1), 40),
        Err(SignError::Header(
            CodecError::TooLong { limit, found }.into()
        ))
    );
    assert_eq!(
        sign(&context(2, 0), edit(0), 40),
        Err(SignError::Header(HeaderError::DepsAndDocument))
    );
}

#[test]
fn the_parts_of_an_entry_are_held_by_its_header() {
    let created = contribution_sample("create");
    let assemble = |shape: &[u8], words: &[u8]| {
        Contribution::assemble(
            created.header_bytes().to_vec(),
            *created.signature(),
            shape.to_vec(),
            Words::Present(words.to_vec()),
        )
    };
    let Words::Present(words) = created.words().clone() else {
        panic!("the sample has words");
    };
    assert_eq!(assemble(created.shape(), &words), Ok(created.clone()));
    assert_eq!(assemble(&words, &words), Err(EntryError::ShapeHash));
    assert_eq!(assemble(created.shape(), &[]), Err(EntryError::WordsHash));
    assert_eq!(
        assemble(created.shape(), created.shape()),
        Err(EntryError::WordsHash)
    );
    let (receipt, erasure) = (record_sample("receipt"), record_sample("erasure"));
    let swapped = Record::assemble(
        receipt.header_bytes().to_vec(),
        *receipt.signature(),
        erasure.body_bytes().to_vec(),
    );
    assert_eq!(swapped, Err(EntryError::BodyHash));
}

#[test]
fn ids_leave_the_signature_out() {
    let (created, other) = (
        contribution_sample("create"),
        Signature::from_bytes([1; 64]),
    );
    let again = Contribution::assemble(
        created.header_bytes().to_vec(),
        other,
        created.shape().to_vec(),
        created.words().clone(),
    );
    assert_eq!(again.unwrap().id(), created.id());
    let _ = Chain::new(FOUNDER, created.header().space).create(Kind::Topic);
    assert_eq!(created.header().id(), created.id());
    assert_eq!(created.header().document(created.id()), created.id().into());
    assert!(matches!(
        Header::decode(&replaced(
            created.header_bytes(),
            public(FOUNDERS_DEVICE).as_bytes(),
            &[0; 32]
        )),
        Err(HeaderError::Author(KeyError::SmallOrder))
    ));
}

#[test]
fn what_a_node_stored_reads_the_same_but_for_the_check_of_keys() {
    for (name, entry) in samples() {
        let again = match &entry {
            Entry::Contribution(it) => Contribution::assemble_own_record(
                it.header_bytes().to_vec(),
                *it.signature(),
                it.shape().to_vec(),
                it.words().clone(),
            )
            .map(Entry::Contribution),
            Entry::Record(it) => Record::assemble_own_record(
                it.header_bytes().to_vec(),
                *it.signature(),
                it.body_bytes().to_vec(),
            )
            .map(Entry::Record),
            Entry::Certificate(it) => Ok(Entry::Certificate(
                Certificate::decode_own_record(&it.encode()).unwrap(),
            )),
            // Stored as it came, and read as it came.
            Entry::Bare(_) => continue,
        };
        assert_eq!(again.as_ref(), Ok(&entry), "{name}");
    }
    let (receipt, erasure) = (record_sample("receipt"), record_sample("erasure"));
    let swapped = Record::assemble_own_record(
        receipt.header_bytes().to_vec(),
        *receipt.signature(),
        erasure.body_bytes().to_vec(),
    );
    assert_eq!(swapped, Err(EntryError::BodyHash));
}
