//! Certificates, and the ids that follow from them.

use super::super::community::{
    Community, FOUNDER, MEMBER, MEMBERS_DEVICE, STRANGER, genesis, party_state, public, replaced,
    sample, secret,
};
use super::super::governance::{
    certificates as samples, declaration_by_member, declaration_by_party, entry_id, genesis_of_two,
    keys, later_state, party_id, resolution, sealed, space_id,
};
use super::{Case, case, check, damaged, refused, spliced};
use comity_protocol::{
    certificate::{
        self, BODY_MAX_BYTES, Certificate, CertificateBody, Change, Cuts, Genesis, PartyState,
        Readers, Resolution, SpaceDeclaration,
    },
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

fn later(change: impl FnOnce(&mut PartyState)) -> Vec<u8> {
    let mut state = later_state();
    change(&mut state);
    sign(CertificateBody::Party(state), &[FOUNDER, MEMBER])
}

fn forked(change: impl FnOnce(&mut Genesis)) -> Vec<u8> {
    let mut it = genesis_of_two();
    change(&mut it);
    sign(CertificateBody::Genesis(it), &[FOUNDER, MEMBER])
}

fn resolved(change: impl FnOnce(&mut Resolution)) -> Vec<u8> {
    let mut it = resolution();
    change(&mut it);
    sign(CertificateBody::Resolution(it), &[FOUNDER])
}

fn declared(mut it: SpaceDeclaration, change: impl FnOnce(&mut SpaceDeclaration)) -> Vec<u8> {
    change(&mut it);
    sign(CertificateBody::SpaceDeclaration(it), &[MEMBERS_DEVICE])
}

fn states_and_genesis() -> Vec<Case> {
    let contradiction = "Contradiction";
    let group = |readers| Readers::Groups(vec![(party_id(readers), "board".into())]);
    vec![
        case(
            "first-state-proposed-by-another",
            party(|it| it.proposer = public(STRANGER)),
            contradiction,
        ),
        case(
            "first-state-with-cuts",
            party(|it| it.cuts = later_state().cuts),
            contradiction,
        ),
        case(
            "first-state-that-left",
            party(|it| it.left = later_state().left),
            contradiction,
        ),
        case(
            "groups-descending",
            later(|it| it.groups.reverse()),
            "Order",
        ),
        case("left-twice", later(|it| it.left.push(it.left[0])), "Order"),
        case(
            "later-state-signed-by-nobody",
            sign(CertificateBody::Party(later_state()), &[]),
            "NotCertified",
        ),
        case(
            "cut-spaces-descending",
            later(|it| it.cuts.open.reverse()),
            "Order",
        ),
        case(
            "cut-keys-descending",
            later(|it| it.cuts.open[0].devices.reverse()),
            "Order",
        ),
        case(
            "cut-ids-descending",
            later(|it| it.cuts.open[0].devices[1].last.reverse()),
            "Order",
        ),
        case(
            "cut-of-no-key",
            later(|it| it.cuts.open[0].devices.clear()),
            contradiction,
        ),
        case(
            "cut-of-no-entry",
            later(|it| it.cuts.open[0].devices[0].last.clear()),
            contradiction,
        ),
        case(
            "space-for-another-party",
            forked(|it| it.spaces[1].readers = Readers::Parties(vec![party_id(9)])),
            contradiction,
        ),
        case(
            "space-for-no-party",
            forked(|it| it.spaces[1].readers = Readers::Parties(vec![])),
            contradiction,
        ),
        case(
            "genesis-with-a-space-for-a-group",
            forked(|it| it.spaces[1].readers = group(1)),
            contradiction,
        ),
        case(
            "genesis-with-a-successor",
            forked(|it| it.spaces[0].successor_of = Some(space_id(1))),
            contradiction,
        ),
        case(
            "space-continued-without-its-community",
            forked(|it| it.continues = None),
            contradiction,
        ),
        case(
            "kinds-descending",
            forked(|it| it.spaces[0].kinds = Some(vec!["topic".into(), "page".into()])),
            "Order",
        ),
        case(
            "no-kind-at-all",
            forked(|it| it.spaces[0].kinds = Some(vec![])),
            contradiction,
        ),
        case(
            "promise-of-another-party",
            forked(|it| it.promises[0].party = Some(party_id(9))),
            contradiction,
        ),
        case(
            "two-rules-of-one-name",
            forked(|it| it.rules.push(it.rules[0].clone())),
            contradiction,
        ),
        case(
            "share-of-1001-thousandths",
            forked(|it| it.rules[0].share_permille = 1_001),
            "Codec.OutOfRange",
        ),
        case(
            "two-articles-of-one-name",
            forked(|it| it.articles.push(it.articles[0].clone())),
            contradiction,
        ),
    ]
}

fn resolutions() -> Vec<Case> {
    let contradiction = "Contradiction";
    let one = |change: Change| {
        resolved(|it| {
            it.changes = vec![change];
            it.cuts = Cuts::default();
        })
    };
    let renamed = one(Change::SetName("Tea".into()));
    let method = resolved(|_| {});
    vec![
        case(
            "resolution-at-height-0",
            resolved(|it| it.height = 0),
            contradiction,
        ),
        case("pins-descending", resolved(|it| it.pins.reverse()), "Order"),
        case(
            "a-party-pinned-twice",
            resolved(|it| it.pins[1].0 = party_id(1)),
            "Order",
        ),
        case(
            "no-pins",
            resolved(|it| {
                it.pins.clear();
                it.fork_proofs.clear();
            }),
            contradiction,
        ),
        case(
            "fork-proof-of-one-branch",
            resolved(|it| it.fork_proofs[0].left = entry_id(20)),
            contradiction,
        ),
        case(
            "fork-proof-of-a-party-not-pinned",
            resolved(|it| it.fork_proofs[0].party = party_id(9)),
            contradiction,
        ),
        case(
            "added-party-not-pinned",
            one(Change::AddParty(party_id(9))),
            contradiction,
        ),
        case(
            "no-change",
            resolved(|it| it.changes.clear()),
            contradiction,
        ),
        case(
            "sixty-five-changes",
            resolved(|it| {
                let label = |number| Change::SetLabel(format!("{number}"), String::new());
                it.changes = (0..65).map(label).collect();
            }),
            "Codec.TooLong",
        ),
        case(
            "two-names",
            resolved(|it| it.changes.push(Change::SetName("Cocoa".into()))),
            contradiction,
        ),
        case(
            "a-party-added-and-removed",
            resolved(|it| it.changes.push(Change::RemoveParty(party_id(2)))),
            contradiction,
        ),
        case(
            "party-quorum-of-0",
            one(Change::SetPartyQuorum(0)),
            contradiction,
        ),
        case(
            "kinds-to-narrow-descending",
            one(Change::NarrowKinds(
                space_id(1),
                vec!["topic".into(), "page".into()],
            )),
            "Order",
        ),
        case(
            "cuts-that-narrow-nothing",
            resolved(|it| it.changes.truncate(3)),
            contradiction,
        ),
        case(
            "unknown-change",
            spliced(&renamed, &[0x81, 0x82, 1, 0x63], &[0x81, 0x82, 20, 0x63]),
            "UnknownChange",
        ),
        case(
            "change-with-another-number-of-fields",
            spliced(&renamed, &[0x81, 0x82, 1, 0x63], &[0x81, 0x83, 1, 0x63]),
            "Codec.WrongLength",
        ),
        case(
            "unknown-method",
            spliced(&method, b"\x65board\x04", b"\x65board\x06"),
            "UnknownMethod",
        ),
        case("body-above-224-KiB", too_large(), "Codec.TooLong"),
    ]
}

fn too_large() -> Vec<u8> {
    resolved(|it| {
        let article = |number| Change::SetArticle(format!("{number:02}"), "x".repeat(16_000));
        it.changes = (0..15).map(article).collect();
        it.cuts = Cuts::default();
        let body = CertificateBody::Resolution(it.clone()).encode();
        assert!(body.len() > BODY_MAX_BYTES);
    })
}

fn declarations() -> Vec<Case> {
    let contradiction = "Contradiction";
    vec![
        case(
            "party-declares-for-members",
            declared(declaration_by_party(), |it| {
                it.space.readers = Readers::Members;
            }),
            contradiction,
        ),
        case(
            "party-declares-for-another",
            declared(declaration_by_party(), |it| {
                it.space.readers = Readers::Parties(vec![party_id(2)]);
            }),
            contradiction,
        ),
        case(
            "party-declares-for-groups-of-another",
            declared(declaration_by_party(), |it| {
                it.space.readers = Readers::Groups(vec![(party_id(2), "board".into())]);
            }),
            contradiction,
        ),
        case(
            "member-declares-for-everyone",
            declared(declaration_by_member(), |it| {
                it.space.readers = Readers::Everyone;
            }),
            contradiction,
        ),
        case(
            "member-declares-for-others",
            declared(declaration_by_member(), |it| {
                it.space.readers = Readers::Persons(keys(&[FOUNDER, STRANGER]));
            }),
            contradiction,
        ),
        case(
            "persons-descending",
            declared(declaration_by_member(), |it| {
                let mut persons = keys(&[FOUNDER, MEMBER]);
                persons.reverse();
                it.space.readers = Readers::Persons(persons);
            }),
            "Order",
        ),
        case(
            "member-declares-with-another-signature-too",
            sign(
                CertificateBody::SpaceDeclaration(declaration_by_member()),
                &[MEMBERS_DEVICE, STRANGER],
            ),
            "NotCertified",
        ),
        case(
            "member-declares-with-the-root-s-signature-for-the-device-s",
            sign(
                CertificateBody::SpaceDeclaration(declaration_by_member()),
                &[MEMBER],
            ),
            "NotCertified",
        ),
    ]
}

/// The leaves of a tree of sealed cuts, its root, and the table of each.
fn sealed_cuts() -> Json {
    let tree = sealed();
    let tables = tree.tables(entry_id(7)).map(|table| {
        assert_eq!(table.root(), tree.root());
        let path: Vec<_> = table.path.iter().map(hex::encode).collect();
        json!({
            "space": table.cut.space.to_string(),
            "salt": hex::encode(table.salt),
            "index": table.index,
            "path": path,
            "body": hex::encode(comity_protocol::record::RecordBody::CutTable(table).encode()),
        })
    });
    json!({ "root": hex::encode(tree.root()), "tables": tables.collect::<Vec<_>>() })
}

#[test]
fn certificate_vectors_hold() {
    let founding = ["party", "genesis"].map(|name| match sample(name) {
        Entry::Certificate(it) => (name, it),
        _ => panic!("{name} is no certificate"),
    });
    let community = Community::new();
    let valid: Vec<Json> = founding
        .into_iter()
        .chain(samples())
        .map(|(name, it)| {
            assert_eq!(it.check(), Ok(()));
            json!({
                "name": name,
                "bytes": hex::encode(it.encode()),
                "body": hex::encode(it.body().encode()),
                "id": it.id().to_string(),
                "filed_under": it.first_signer().to_string(),
                "stands_in": it.home(community.governance).to_string(),
                "signers": it.signers().map(|key| key.to_string()).collect::<Vec<_>>(),
                "entry": hex::encode(Entry::Certificate(it).encode()),
            })
        })
        .collect();
    let forged = {
        let mut bytes = founded(|_| {});
        *bytes.last_mut().unwrap() ^= 1;
        assert!(Certificate::decode(&bytes).unwrap().check().is_err());
        json!([{ "name": "signature-changed", "bytes": hex::encode(bytes), "error": "NotCertified" }])
    };
    let groups = [
        certificates(),
        states_and_genesis(),
        resolutions(),
        declarations(),
    ];
    let invalid = groups.into_iter().flatten().collect();
    let made = json!({
        "about": "Certificates and the ids that follow from them; see specs/charter.md, specs/party.md and, for cuts, \
                  specs/roster.md.",
        "valid": valid,
        "ids": {
            "party": community.party.to_string(),
            "community": community.id.to_string(),
            "governance_space": certificate::governance_space(community.id).to_string(),
            "spaces": community.genesis.spaces(community.id).map(|(id, space)| json!({
                "name": space.name, "id": id.to_string(),
            })).collect::<Vec<_>>(),
        },
        "sealed_cuts": sealed_cuts(),
        "invalid": refused(invalid, Certificate::decode),
        "not_verified": forged,
    });
    check("certificate.json", &made);
}
