//! Contributions: headers, and entries with their words or without.

use super::super::community::{
    Chain, FOUNDER, FOUNDERS_DEVICE, MEMBER, STRANGER, contribution_sample, public, replaced,
    sample, secret, unusable_keys,
};
use super::super::governance::{certify, erasure_order};
use super::{Case, case, check, code, damaged, refused, spliced, written};
use comity_protocol::{
    certificate::{CertificateBody, ErasureOrder},
    contribution::{Header, Target},
    entry::{Entry, Verified, Words},
    id::{EntryId, SpaceId, domain},
    limits::{SEQ_MAX, TIME_MAX_MS},
};
use serde_json::{Value as Json, json};

fn header() -> Header {
    contribution_sample("edit").header().clone()
}

fn with(change: impl FnOnce(&mut Header)) -> Vec<u8> {
    let mut header = header();
    change(&mut header);
    header.encode()
}

fn with_deps(deps: &[[u8; 32]]) -> Vec<u8> {
    with(|it| {
        if let Target::Edit { deps: own, .. } = &mut it.target {
            *own = deps.iter().map(|dep| EntryId::from_bytes(*dep)).collect();
        }
    })
}

fn headers() -> Vec<Case> {
    let created = contribution_sample("create");
    let good = header().encode();
    let record = match sample("erasure") {
        Entry::Record(record) => record.header_bytes().to_vec(),
        _ => vec![],
    };
    let none = &written(|w| {
        w.null();
    });
    let prev = &written(|w| {
        w.optional_bytes(header().link.prev.as_ref().map(|id| &id.as_bytes()[..]));
    });
    // The document, and the head of the array that follows: `prev` has the same bytes.
    let document = &written(|w| {
        w.bytes(header().document(created.id()).as_bytes()).array(1);
    });
    let no_document = &[none, &[0x81][..]].concat();
    let many: Vec<[u8; 32]> = (0..65).map(|n| [n; 32]).collect();
    let mut cases = damaged(&good, "Codec");
    cases.extend([
        case(
            "version-2",
            replaced(&good, &[0x8d, 1], &[0x8d, 2]),
            "UnknownVersion",
        ),
        case(
            "twelve-fields",
            [&[0x8c], &good[1..]].concat(),
            "Codec.WrongLength",
        ),
        case("header-of-a-record", record, "Codec.WrongLength"),
        case("longer-than-8-KiB", vec![0x8d; 8 * 1024 + 1], "TooLarge"),
        case(
            "space-of-31-bytes",
            replaced(&good, &[1, 0x58, 32], &[1, 0x58, 31]),
            "Codec.WrongLength",
        ),
        case("sequence-zero", with(|it| it.link.seq = 0), "Chain"),
        case("first-with-previous", with(|it| it.link.seq = 1), "Chain"),
        case(
            "second-without-previous",
            spliced(&good, prev, none),
            "Chain",
        ),
        case(
            "sequence-above-53-bits",
            with(|it| it.link.seq = SEQ_MAX + 1),
            "Codec.OutOfRange",
        ),
        case(
            "time-above-53-bits",
            with(|it| it.time_ms = TIME_MAX_MS + 1),
            "Codec.OutOfRange",
        ),
        case(
            "document-without-dependencies",
            with_deps(&[]),
            "DepsAndDocument",
        ),
        case(
            "dependencies-without-document",
            spliced(&good, document, no_document),
            "DepsAndDocument",
        ),
        case(
            "dependencies-descending",
            with_deps(&[[2; 32], [1; 32]]),
            "DepsOrder",
        ),
        case(
            "dependency-twice",
            with_deps(&[[1; 32], [1; 32]]),
            "DepsOrder",
        ),
        case("dependencies-65", with_deps(&many), "Codec.TooLong"),
        case(
            "words-shorter-than-their-nonce",
            with(|it| it.words_bytes = 31),
            "PayloadLength",
        ),
        case(
            "payload-above-256-KiB",
            with(|it| it.shape_bytes = 262_145 - it.words_bytes),
            "PayloadLength",
        ),
        case(
            "payload-length-beyond-32-bits",
            with(|it| it.shape_bytes = u32::MAX),
            "PayloadLength",
        ),
    ]);
    let author = *public(FOUNDERS_DEVICE).as_bytes();
    for (name, bad) in unusable_keys() {
        let (name, error) = match name {
            "not-a-point" => ("author-not-a-point", "Author.NotAPoint"),
            "not-canonical" => ("author-not-canonical", "Author.NotCanonical"),
            "small-order" => ("author-of-order-1", "Author.SmallOrder"),
            "small-order-of-order-4" => ("author-of-order-4", "Author.SmallOrder"),
            _ => ("author-is-negative-zero", "Author.NotCanonical"),
        };
        cases.push(case(name, replaced(&good, &author, &bad), error));
    }
    cases
}

fn entries() -> Vec<Case> {
    let created = contribution_sample("create");
    let space = created.header().space;
    let entry = |signature: &[u8], shape: &[u8], words: &[u8]| {
        let fixed = written(|w| {
            w.array(5).uint(0).bytes(created.header_bytes());
            w.bytes(signature).bytes(shape);
        });
        [&fixed, words].concat()
    };
    let signature = created.signature().as_bytes();
    let erased = |record: comity_protocol::entry::Record| {
        entry(signature, created.shape(), &Entry::Record(record).encode())
    };
    let beside = |proof: &Entry| entry(signature, created.shape(), &proof.encode());
    let order = || ErasureOrder {
        space,
        contribution: created.id(),
        ..erasure_order()
    };
    let signed = |order: ErasureOrder| {
        let body = CertificateBody::ErasureOrder(order);
        Entry::Certificate(certify(body, &[FOUNDER, MEMBER]))
    };
    let ordered = |order: ErasureOrder| beside(&signed(order));
    let own = || Chain::new(FOUNDERS_DEVICE, space);
    let present = |bytes: &[u8]| {
        written(|w| {
            w.bytes(bytes);
        })
    };
    let Words::Present(words) = created.words().clone() else {
        return vec![];
    };
    let whole = present(&words);
    let mut other_shape = created.shape().to_vec();
    other_shape[2] ^= 1;
    let null = written(|w| {
        w.null();
    });
    vec![
        case(
            "unknown-entry-type",
            [&[0x85, 6], &entry(signature, created.shape(), &whole)[2..]].concat(),
            "UnknownType",
        ),
        case(
            "shape-of-another-digest",
            entry(signature, &other_shape, &whole),
            "ShapeHash",
        ),
        case(
            "shape-too-short",
            entry(signature, &created.shape()[1..], &whole),
            "ShapeHash",
        ),
        case(
            "words-of-another-digest",
            entry(signature, created.shape(), &present(&vec![0; words.len()])),
            "WordsHash",
        ),
        case(
            "words-without-nonce",
            entry(signature, created.shape(), &present(&words[32..])),
            "WordsHash",
        ),
        case(
            "words-null",
            entry(signature, created.shape(), &null),
            "Codec.WrongType",
        ),
        case(
            "signature-of-63-bytes",
            entry(&signature[1..], created.shape(), &whole),
            "Codec.WrongLength",
        ),
        case(
            "erased-by-erasure-of-another",
            erased(own().erase(EntryId::from_bytes([1; 32]))),
            "WordsMissing",
        ),
        case(
            "erased-by-erasure-in-another-space",
            erased(Chain::new(FOUNDERS_DEVICE, SpaceId::from_bytes([1; 32])).erase(created.id())),
            "WordsMissing",
        ),
        case(
            "erased-beside-a-receipt",
            erased(
                own().record(super::super::community::receipt(&Entry::Contribution(
                    created.clone(),
                ))),
            ),
            "WordsMissing",
        ),
        case(
            "erased-by-order-of-another",
            ordered(ErasureOrder {
                contribution: EntryId::from_bytes([1; 32]),
                ..order()
            }),
            "WordsMissing",
        ),
        case(
            "erased-by-order-in-another-space",
            ordered(ErasureOrder {
                space: SpaceId::from_bytes([1; 32]),
                ..order()
            }),
            "WordsMissing",
        ),
        case(
            "erased-beside-a-resolution",
            beside(&sample("resolution")),
            "WordsMissing",
        ),
        case(
            "erased-by-order-without-signatures",
            beside(&Entry::Certificate(certify(
                CertificateBody::ErasureOrder(order()),
                &[],
            ))),
            "Certificate.NotCertified",
        ),
        case(
            "erased-beside-an-array-of-three",
            entry(signature, created.shape(), &{
                let order = signed(order()).encode();
                [&[0x83], &order[1..], &[0xf6]].concat()
            }),
            "Codec.WrongLength",
        ),
        case(
            "erased-beside-a-contribution",
            entry(signature, created.shape(), &sample("edit").encode()),
            "Codec.WrongLength",
        ),
    ]
}

fn bare() -> Vec<Json> {
    let valid = ["create-bare", "erasure-bare"].map(|name| {
        let entry = sample(name);
        let Entry::Bare(it) = &entry else {
            panic!("{name} is no bare header")
        };
        json!({
            "name": name,
            "bytes": hex::encode(entry.encode()),
            "id": entry.id().to_string(),
            "of": it.of().to_string(),
            "space": it.space().to_string(),
            "author": it.author().to_string(),
            "author_tag": hex::encode(entry.key().in_set_of(&it.space()).author.as_bytes()),
            "seq": it.link().seq,
            "prev": it.link().prev.map(|id| id.to_string()),
        })
    });
    valid.to_vec()
}

fn bad_bare() -> Vec<Case> {
    let created = contribution_sample("create");
    let record = match sample("erasure") {
        Entry::Record(record) => record,
        _ => return vec![],
    };
    let signature = created.signature().as_bytes();
    let bare = |tag: u64, header: &[u8], signature: &[u8]| {
        written(|w| {
            w.array(3).uint(tag).bytes(header).bytes(signature);
        })
    };
    let good = bare(3, created.header_bytes(), signature);
    let mut cases = damaged(&good, "Codec");
    let author = created.header().author;
    cases.extend([
        case(
            "with-a-shape",
            [&[0x84], &good[1..], &[0x40]].concat(),
            "Codec.WrongLength",
        ),
        case(
            "signature-of-63-bytes",
            bare(3, created.header_bytes(), &signature[1..]),
            "Codec.WrongLength",
        ),
        case(
            "header-of-a-record-for-that-of-a-contribution",
            bare(3, record.header_bytes(), record.signature().as_bytes()),
            "Header.Codec.WrongLength",
        ),
        case(
            "header-of-a-contribution-for-that-of-a-record",
            bare(4, created.header_bytes(), signature),
            "Header.Codec.WrongLength",
        ),
        case(
            "header-longer-than-8-KiB",
            bare(3, &vec![0; 8 * 1024 + 1], signature),
            "Codec.TooLong",
        ),
        case(
            "author-of-order-4",
            replaced(&good, author.as_bytes(), &small_order()),
            "Header.Author.SmallOrder",
        ),
    ]);
    cases
}

fn small_order() -> [u8; 32] {
    let mut keys = unusable_keys().into_iter();
    let found = keys.find(|(name, _)| *name == "small-order-of-order-4");
    found.expect("a key of this name").1
}

fn bare_not_verified() -> Vec<Json> {
    let created = contribution_sample("create");
    let bare = sample("create-bare").encode();
    let signed = |key: u8, domain: &[u8]| {
        let signature = secret(key).sign(domain, created.header_bytes());
        replaced(&bare, created.signature().as_bytes(), signature.as_bytes())
    };
    let cases = [
        (
            "signed-by-another-key",
            signed(STRANGER, domain::CONTRIBUTION_SIGNATURE),
        ),
        (
            "signed-as-a-record",
            signed(FOUNDERS_DEVICE, domain::RECORD_SIGNATURE),
        ),
        (
            "replayed-into-another-space",
            replaced(&bare, created.header().space.as_bytes(), &[7; 32]),
        ),
    ];
    let judged = cases.into_iter().map(|(name, bytes)| {
        let error = Verified::check(Entry::decode(&bytes).expect(name)).expect_err(name);
        json!({ "name": name, "bytes": hex::encode(bytes), "error": code(&error) })
    });
    judged.collect()
}

fn forged() -> Vec<Json> {
    let created = contribution_sample("create");
    let encoded = Entry::Contribution(created.clone()).encode();
    let signed = |key: u8, domain: &[u8]| {
        let signature = secret(key).sign(domain, created.header_bytes());
        replaced(
            &encoded,
            created.signature().as_bytes(),
            signature.as_bytes(),
        )
    };
    let erased = sample("create-erased").encode();
    let ordered = sample("create-erased-by-order").encode();
    let own = domain::CONTRIBUTION_SIGNATURE;
    let cases = [
        ("signed-by-another-key", signed(STRANGER, own)),
        (
            "signed-as-a-record",
            signed(FOUNDERS_DEVICE, domain::RECORD_SIGNATURE),
        ),
        ("signed-without-domain", signed(FOUNDERS_DEVICE, b"")),
        (
            "replayed-into-another-space",
            replaced(&encoded, created.header().space.as_bytes(), &[7; 32]),
        ),
        ("erasure-beside-it-not-signed", {
            let mut bytes = erased.clone();
            let at = bytes
                .windows(2)
                .rposition(|it| *it == [0x58, 64])
                .expect("a signature");
            bytes[at + 2] ^= 1;
            bytes
        }),
        ("order-beside-it-not-signed", {
            let mut bytes = ordered;
            *bytes.last_mut().expect("a signature") ^= 1;
            bytes
        }),
    ];
    let judged = cases.into_iter().map(|(name, bytes)| {
        let error = Verified::check(Entry::decode(&bytes).expect(name)).expect_err(name);
        json!({ "name": name, "bytes": hex::encode(bytes), "error": code(&error) })
    });
    judged.collect()
}

#[test]
fn contribution_vectors_hold() {
    let valid: Vec<Json> = ["create", "edit", "create-erased", "create-erased-by-order"]
        .map(|name| {
            let it = contribution_sample(name);
            let header = it.header();
            json!({
                "name": name,
                "bytes": hex::encode(Entry::Contribution(it.clone()).encode()),
                "header": hex::encode(it.header_bytes()),
                "id": it.id().to_string(),
                "document": header.document(it.id()).to_string(),
                "space": header.space.to_string(),
                "author": header.author.to_string(),
                "seq": header.link.seq,
                "prev": header.link.prev.map(|id| id.to_string()),
                "deps": header.deps().iter().map(ToString::to_string).collect::<Vec<_>>(),
                "time_ms": header.time_ms,
                "shape_hash": header.shape_hash.to_string(),
                "words_hash": header.words_hash.to_string(),
                "signature": hex::encode(it.signature().as_bytes()),
            })
        })
        .to_vec();
    let made = json!({
        "about": "Contributions; see specs/contribution.md. Seeds of keys are 32 equal bytes; the author's is 2.",
        "valid": valid,
        "invalid_headers": refused(headers(), Header::decode),
        "invalid_entries": refused(entries(), Entry::decode),
        "not_verified": forged(),
        "bare": bare(),
        "invalid_bare": refused(bad_bare(), Entry::decode),
        "bare_not_verified": bare_not_verified(),
    });
    check("contribution.json", &made);
}
