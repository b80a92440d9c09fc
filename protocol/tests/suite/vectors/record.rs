//! Records: headers, bodies, and what does not verify.

use super::super::community::{
    Chain, FOUNDER, MEMBER, MEMBERS_DEVICE, STRANGER, public, record_sample, replaced, secret,
};
use super::super::governance::{cut_table, declaration_by_party, later_state, space_cut, space_id};
use super::{Case, case, check, code, damaged, refused, spliced, written};
use comity_protocol::{
    certificate::{CertificateBody, Cuts},
    entry::{Entry, Record, Verified},
    id::{EntryId, domain},
    limits::PAYLOAD_MAX_BYTES,
    record::{
        Acknowledge, ChainHead, Countersignature, CutTable, Departure, DeviceLink, Proposal,
        Receipt, RecordBody, RecordHeader, Rejection, consent_message,
    },
};
use serde_json::{Value as Json, json};

const NAMES: [&str; 19] = [
    "invitation",
    "countersignature",
    "admission",
    "device-link",
    "node-link",
    "receipt",
    "erasure",
    "revocation",
    "revocation-of-a-device",
    "revocation-of-a-role",
    "departure",
    "device-revocation",
    "invitation-approval",
    "proposal",
    "approval",
    "rejection",
    "branch-choice",
    "acknowledge",
    "cut-table",
];

fn headers() -> Vec<Case> {
    let record = record_sample("erasure");
    let good = record.header_bytes();
    let with = |change: fn(&mut RecordHeader)| {
        let mut header = record.header().clone();
        change(&mut header);
        header.encode()
    };
    let author = *record.header().author.as_bytes();
    let mut cases = damaged(good, "Codec");
    cases.extend([
        case(
            "version-2",
            replaced(good, &[0x8a, 1], &[0x8a, 2]),
            "UnknownVersion",
        ),
        case(
            "nine-fields",
            [&[0x89], &good[1..]].concat(),
            "Codec.WrongLength",
        ),
        case("sequence-zero", with(|it| it.link.seq = 0), "Chain"),
        case(
            "second-without-previous",
            with(|it| it.link.prev = None),
            "Chain",
        ),
        case(
            "signer-of-small-order",
            replaced(good, &author, &[0; 32]),
            "Author.SmallOrder",
        ),
        case(
            "body-above-256-KiB",
            with(|it| it.body_bytes = PAYLOAD_MAX_BYTES as u32 + 1),
            "Codec.OutOfRange",
        ),
    ]);
    cases
}

fn body(name: &str) -> Vec<u8> {
    record_sample(name).body_bytes().to_vec()
}

/// The code of the record's type in front of its body.
fn bodies() -> Vec<Case> {
    let head = |seq| ChainHead {
        author: public(FOUNDER),
        seq,
        id: EntryId::from_bytes([1; 32]),
    };
    let receipt = |heads| RecordBody::Receipt(Receipt { heads }).encode();
    let typed = |code: u8, name, body: Vec<u8>, error: &str| {
        case(name, [&[code][..], &body].concat(), error)
    };
    let invitation = body("invitation");
    let stranger = public(MEMBER);
    let admission = body("admission");
    let uses = |to: &[u8]| {
        spliced(
            &invitation,
            &[0x81, 1, 1, 0x1b],
            &[&[0x81, 1], to, &[0x1b]].concat(),
        )
    };
    let heads = (0..257).map(head).collect();
    let link = body("device-link");
    let consent = &link[link.len() - 66..];
    let slot = |slot: u8| {
        spliced(
            &link,
            &[&[0], consent].concat(),
            &[&[slot], consent].concat(),
        )
    };
    vec![
        typed(99, "unknown-type", vec![0x80], "UnknownType"),
        typed(17, "erasure-of-nothing", vec![0x80], "Codec.WrongLength"),
        typed(
            17,
            "erasure-with-trailing-byte",
            [body("erasure"), vec![0]].concat(),
            "Codec.TrailingBytes",
        ),
        typed(
            5,
            "device-link-as-node-link",
            link.clone(),
            "Codec.WrongLength",
        ),
        typed(4, "device-slot-16", slot(16), "Codec.OutOfRange"),
        typed(
            4,
            "device-link-without-consent",
            [&[0x82], &link[1..link.len() - 66]].concat(),
            "Codec.WrongLength",
        ),
        typed(
            1,
            "invitation-for-100001",
            uses(&[0x1a, 0, 1, 0x86, 0xa1]),
            "Codec.OutOfRange",
        ),
        typed(
            3,
            "admission-without-roles",
            spliced(&admission, &[0x82, 1, 2], &[0x80]),
            "Empty",
        ),
        typed(
            3,
            "admission-with-role-6",
            spliced(&admission, &[0x82, 1, 2], &[0x82, 1, 6]),
            "UnknownRole",
        ),
        typed(
            3,
            "admission-with-roles-descending",
            spliced(&admission, &[0x82, 1, 2], &[0x82, 2, 1]),
            "Order",
        ),
        typed(
            3,
            "admission-with-a-role-twice",
            spliced(&admission, &[0x82, 1, 2], &[0x82, 1, 1]),
            "Order",
        ),
        typed(
            2,
            "member-of-small-order",
            replaced(&body("countersignature"), stranger.as_bytes(), &[0; 32]),
            "Key.SmallOrder",
        ),
        typed(16, "receipt-of-nothing", receipt(vec![]), "Empty"),
        typed(
            16,
            "receipt-with-heads-descending",
            receipt(vec![head(2), head(1)]),
            "Order",
        ),
        typed(
            16,
            "receipt-with-a-head-twice",
            receipt(vec![head(1), head(1)]),
            "Order",
        ),
        typed(16, "receipt-of-257-heads", receipt(heads), "Codec.TooLong"),
    ]
}

/// The same for records that change a community.
fn changing_bodies() -> Vec<Case> {
    let typed = |body: RecordBody, name, error: &str| {
        let code = body.record_type() as u8;
        case(name, [&[code][..], &body.encode()].concat(), error)
    };
    let raw = |code: u8, name, body: Vec<u8>, error: &str| {
        case(name, [&[code][..], &body].concat(), error)
    };
    let cuts = |change: fn(&mut Cuts)| {
        let mut cuts = later_state().cuts;
        change(&mut cuts);
        RecordBody::Departure(Departure {
            party: super::super::governance::party_id(1),
            cuts,
        })
    };
    let table = |change: fn(&mut CutTable)| {
        let mut table = cut_table();
        change(&mut table);
        RecordBody::CutTable(table)
    };
    let proposed = |body: CertificateBody| {
        let body = body.encode();
        RecordBody::Proposal(Proposal { body })
    };
    let acknowledged = |numbers: &[u8]| {
        let narrowings = numbers.iter().map(|it| EntryId::from_bytes([*it; 32]));
        RecordBody::Acknowledge(Acknowledge {
            narrowings: narrowings.collect(),
        })
    };
    let role = body("revocation-of-a-role");
    let target = |code: u8| {
        let member = public(MEMBER);
        let from = [&[0x83, 2, 0x58, 0x20][..], member.as_bytes()].concat();
        let to = [&[0x83, code, 0x58, 0x20][..], member.as_bytes()].concat();
        spliced(&role, &from, &to)
    };
    let rejection = RecordBody::Rejection(Rejection {
        certificate: EntryId::from_bytes([1; 32]),
        reason: "x".repeat(16 * 1024 + 1),
    });
    let declaration = CertificateBody::SpaceDeclaration(declaration_by_party());
    vec![
        raw(
            6,
            "revocation-of-an-unknown-target",
            target(3),
            "Codec.OutOfRange",
        ),
        raw(
            6,
            "revocation-of-a-member-with-a-role",
            target(0),
            "Codec.WrongLength",
        ),
        raw(
            6,
            "revocation-of-role-6",
            {
                let member = public(MEMBER);
                let with = |role| [member.as_bytes(), &[role][..]].concat();
                spliced(&role, &with(2), &with(6))
            },
            "UnknownRole",
        ),
        typed(
            cuts(|it| it.open.reverse()),
            "departure-with-spaces-descending",
            "Certificate.Order",
        ),
        typed(
            cuts(|it| it.open[0].devices.clear()),
            "departure-with-a-space-of-no-key",
            "Certificate.Contradiction",
        ),
        typed(
            cuts(|it| it.open[0].devices[0].last.clear()),
            "departure-with-a-key-of-no-entry",
            "Certificate.Contradiction",
        ),
        raw(
            8,
            "device-revocation-without-what-it-replaces",
            {
                let good = body("device-revocation");
                [&[0x82], &good[1..good.len() - 34]].concat()
            },
            "Codec.WrongLength",
        ),
        raw(
            10,
            "proposal-of-bytes",
            vec![0x81, 0x41, 0xff],
            "Certificate.Codec.Unsupported",
        ),
        typed(
            proposed(CertificateBody::Party(
                super::super::community::party_state(),
            )),
            "proposal-of-a-first-state",
            "NotProposable",
        ),
        typed(
            proposed(CertificateBody::Genesis(super::super::community::genesis())),
            "proposal-of-a-genesis",
            "NotProposable",
        ),
        typed(
            proposed(declaration),
            "proposal-of-a-declaration",
            "NotProposable",
        ),
        typed(rejection, "rejection-of-16385-bytes", "Codec.TooLong"),
        typed(acknowledged(&[]), "acknowledgement-of-nothing", "Empty"),
        typed(
            acknowledged(&[2, 1]),
            "acknowledgement-with-narrowings-descending",
            "Order",
        ),
        typed(
            table(|it| it.path.truncate(2)),
            "cut-table-of-four-leaves",
            "Certificate.Contradiction",
        ),
        typed(
            table(|it| it.index = 8),
            "cut-table-beside-the-tree",
            "Certificate.Contradiction",
        ),
        typed(
            table(|it| it.path = vec![[0; 32]; 17]),
            "cut-table-of-131072-leaves",
            "Certificate.Codec.TooLong",
        ),
        typed(
            table(|it| it.cut.devices.reverse()),
            "cut-table-with-keys-descending",
            "Certificate.Order",
        ),
    ]
}

/// Tables that are well formed and belong to no narrowing of this root.
fn other_roots() -> Vec<Json> {
    let root = cut_table().root();
    type Change = fn(&mut CutTable);
    let changed: [(&str, Change); 4] = [
        ("another-salt", |it| it.salt[0] ^= 1),
        ("another-place", |it| it.index ^= 1),
        ("another-cut", |it| it.cut = space_cut(space_id(0xee))),
        ("another-path", |it| it.path[2][0] ^= 1),
    ];
    let judged = changed.into_iter().map(|(name, change)| {
        let mut table = cut_table();
        change(&mut table);
        assert_ne!(table.root(), root, "{name}");
        let other = hex::encode(table.root());
        let body = RecordBody::CutTable(table).encode();
        json!({ "name": name, "body": hex::encode(body), "root": other })
    });
    judged.collect()
}

fn forged() -> Vec<Json> {
    let erasure = record_sample("erasure");
    let good = |name| {
        let it = record_sample(name);
        (Entry::Record(it.clone()).encode(), it)
    };
    let (receipt_bytes, receipt) = good("receipt");
    let resigned = |domain| {
        let signature = secret(super::super::community::NODE).sign(domain, receipt.header_bytes());
        replaced(
            &receipt_bytes,
            receipt.signature().as_bytes(),
            signature.as_bytes(),
        )
    };
    let linked = |by: u8, domain: &[u8]| {
        let mut chain = Chain::new(MEMBER, erasure.header().space);
        let message = consent_message(chain.space, &public(MEMBER), &public(MEMBERS_DEVICE));
        let link: Record = chain.record(RecordBody::DeviceLink(DeviceLink {
            device: public(MEMBERS_DEVICE),
            slot: 0,
            by_device: secret(by).sign(domain, &message),
        }));
        Entry::Record(link).encode()
    };
    let countersigned = good("countersignature").1;
    let moved = {
        let elsewhere = comity_protocol::id::SpaceId::from_bytes([7; 32]);
        let mut chain = Chain::new(super::super::community::NODE, elsewhere);
        Entry::Record(chain.record(countersigned.body().clone())).encode()
    };
    let recounted = |change: fn(&mut Countersignature)| {
        let RecordBody::Countersignature(it) = countersigned.body() else {
            panic!("the sample is a countersignature");
        };
        let mut it = it.clone();
        change(&mut it);
        let mut chain = Chain::new(super::super::community::NODE, countersigned.header().space);
        Entry::Record(chain.record(RecordBody::Countersignature(it))).encode()
    };
    let cases = [
        (
            "signed-as-a-contribution",
            resigned(domain::CONTRIBUTION_SIGNATURE),
        ),
        ("signed-without-domain", resigned(b"")),
        (
            "device-consent-by-another-key",
            linked(STRANGER, domain::DEVICE_CONSENT_SIGNATURE),
        ),
        (
            "device-consent-as-a-node",
            linked(MEMBERS_DEVICE, domain::NODE_CONSENT_SIGNATURE),
        ),
        ("join-request-replayed-into-another-community", moved),
        (
            "countersignature-for-another-invitation-key",
            recounted(|it| it.invitation_key = public(STRANGER)),
        ),
        (
            "countersignature-without-the-invitation-key-s-half",
            recounted(|it| it.by_invitation = it.by_member),
        ),
    ];
    let judged = cases.into_iter().map(|(name, bytes)| {
        let error = Verified::check(Entry::decode(&bytes).expect(name)).expect_err(name);
        json!({ "name": name, "bytes": hex::encode(bytes), "error": code(&error) })
    });
    judged.collect()
}

#[test]
fn record_vectors_hold() {
    let valid: Vec<Json> = NAMES
        .map(|name| {
            let it = record_sample(name);
            let again = RecordBody::decode(it.header().record_type, it.body_bytes());
            assert_eq!(again.as_ref(), Ok(it.body()));
            json!({
                "name": name,
                "type": it.header().record_type,
                "bytes": hex::encode(Entry::Record(it.clone()).encode()),
                "header": hex::encode(it.header_bytes()),
                "body": hex::encode(it.body_bytes()),
                "id": it.id().to_string(),
            })
        })
        .to_vec();
    let other_body = {
        let (receipt, erasure) = (record_sample("receipt"), record_sample("erasure"));
        written(|w| {
            w.array(4).uint(1).bytes(receipt.header_bytes());
            w.bytes(receipt.signature().as_bytes())
                .bytes(erasure.body_bytes());
        })
    };
    let entries = vec![case("body-of-another-record", other_body, "BodyHash")];
    let made = json!({
        "about": "Records; see specs/contribution.md section 6 and specs/roster.md. An invalid body has the code \
                  of its type as one byte in front.",
        "valid": valid,
        "invalid_headers": refused(headers(), RecordHeader::decode),
        "invalid_bodies": refused([bodies(), changing_bodies()].concat(), |bytes| RecordBody::decode(bytes[0].into(), &bytes[1..])),
        "invalid_entries": refused(entries, Entry::decode),
        "not_verified": forged(),
        "cut_tables_of_other_roots": other_roots(),
    });
    check("record.json", &made);
}
