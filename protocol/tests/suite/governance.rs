//! One certificate and one record of every sort that changes a community, with each of its fields
//! in use. They have a form; nobody judged them.

use crate::community::{
    Chain, FOUNDER, FOUNDERS_DEVICE, MEMBER, MEMBERS_DEVICE, MEMBERS_NODE, NODE, STRANGER, TIME_MS,
    genesis, party_state, public, secret,
};
use comity_protocol::{
    certificate::{
        self, Certificate, CertificateBody, Change, Cuts, DecisionRule, Declarer, DeviceCut,
        ErasureOrder, ForkProof, Genesis, Group, Method, PartyState, Promise, Readers, Resolution,
        SealedCuts, Space, SpaceCut, SpaceDeclaration, Writers,
    },
    entry::Entry,
    id::{CommunityId, EntryId, PartyId, SpaceId},
    key::PublicKey,
    record::{
        Acknowledge, Approval, BranchChoice, CutTable, Departure, DeviceRevocation,
        InvitationApproval, Proposal, RecordBody, Rejection, Revocation, Role, Target,
    },
};

pub(crate) fn entry_id(number: u8) -> EntryId {
    EntryId::from_bytes([number; 32])
}

pub(crate) fn space_id(number: u8) -> SpaceId {
    SpaceId::from_bytes([number; 32])
}

pub(crate) fn party_id(number: u8) -> PartyId {
    PartyId::from_bytes([number; 32])
}

pub(crate) fn keys(numbers: &[u8]) -> Vec<PublicKey> {
    let mut keys: Vec<_> = numbers.iter().map(|number| public(*number)).collect();
    keys.sort();
    keys
}

/// Two devices' chains in one space, one of them with a gap.
pub(crate) fn space_cut(space: SpaceId) -> SpaceCut {
    let keys = keys(&[MEMBER, MEMBERS_DEVICE]);
    let last = [vec![entry_id(1)], vec![entry_id(2), entry_id(3)]];
    let devices = keys.into_iter().zip(last);
    SpaceCut {
        space,
        devices: devices.map(|(key, last)| DeviceCut { key, last }).collect(),
    }
}

pub(crate) fn cuts() -> Cuts {
    Cuts {
        open: vec![space_cut(space_id(1)), space_cut(space_id(2))],
        sealed: sealed().root(),
    }
}

/// A tree over the cuts of three spaces.
pub(crate) fn sealed() -> SealedCuts {
    let cuts = (3..6).map(|number| ([number ^ 0xa5; 32], space_cut(space_id(number))));
    let random: Vec<_> = (0..5).map(|number| [number * 50; 32]).collect();
    SealedCuts::build(cuts.collect(), &random).unwrap()
}

pub(crate) fn cut_table() -> CutTable {
    sealed().table(1, entry_id(7)).unwrap()
}

pub(crate) fn later_state() -> PartyState {
    PartyState {
        parent: Some((certificate::party_id(&party_state()), entry_id(8))),
        height: 3,
        delegates: keys(&[FOUNDER, MEMBER]),
        delegates_needed: 2,
        admission_needed: 2,
        groups: vec![
            Group {
                name: "board".into(),
                keys: keys(&[FOUNDER, MEMBER]),
            },
            Group {
                name: "support".into(),
                keys: Vec::new(),
            },
        ],
        left: vec![CommunityId::from_bytes([6; 32])],
        proposer: public(MEMBER),
        cuts: cuts(),
        ..party_state()
    }
}

/// A fork of another community by two parties, with every sort of term.
pub(crate) fn genesis_of_two() -> Genesis {
    let promise = |party, days| Promise {
        party,
        name: "answer".into(),
        days,
    };
    let members_vote = DecisionRule {
        name: "budget".into(),
        method: Method::Majority,
        quorum_permille: 200,
        share_permille: 500,
        concurrent: true,
    };
    let named = |name: &str| (name.to_owned(), format!("What {name} means."));
    Genesis {
        parties: vec![party_id(1), party_id(2)],
        founders: keys(&[FOUNDER, MEMBER]),
        party_quorum: 2,
        spaces: vec![
            Space {
                kinds: Some(vec!["reply".into(), "topic".into()]),
                continues: Some(space_id(9)),
                ..Space::new("lobby", Readers::Everyone, Writers::Members)
            },
            Space::new(
                "terms",
                Readers::Parties(vec![party_id(1), party_id(2)]),
                Writers::Stewards,
            ),
        ],
        promises: vec![promise(None, 3), promise(Some(party_id(1)), 1)],
        rules: vec![members_vote],
        labels: vec![named("spam")],
        articles: vec![named("conduct")],
        continues: Some((CommunityId::from_bytes([5; 32]), entry_id(5))),
        ..genesis()
    }
}

/// Every change there is.
pub(crate) fn changes() -> Vec<Change> {
    vec![
        Change::SetName("Tea".into()),
        Change::SetPurpose("Better tea.".into()),
        Change::AddParty(party_id(2)),
        Change::RemoveParty(party_id(1)),
        Change::SetPartyQuorum(2),
        Change::DeclareSpace(Space {
            successor_of: Some(space_id(2)),
            ..Space::new("open office", Readers::Everyone, Writers::Members)
        }),
        Change::CloseSpace(space_id(2)),
        Change::NarrowKinds(space_id(3), vec!["page".into(), "topic".into()]),
        Change::SetPromise(Promise {
            party: Some(party_id(3)),
            name: "answer".into(),
            days: 2,
        }),
        Change::RemovePromise(None, "answer".into()),
        Change::SetRule(DecisionRule {
            name: "board".into(),
            method: Method::Ranked,
            quorum_permille: 0,
            share_permille: 1_000,
            concurrent: false,
        }),
        Change::RemoveRule("budget".into()),
        Change::SetLabel("off-topic".into(), "Not about tea.".into()),
        Change::RemoveLabel("spam".into()),
        Change::SetArticle("conduct".into(), "Be kind.".into()),
        Change::RemoveArticle("history".into()),
        Change::Revoke(party_id(3), public(STRANGER)),
        Change::CutNode(public(MEMBERS_NODE)),
    ]
}

pub(crate) fn resolution() -> Resolution {
    Resolution {
        community: certificate::community_id(&genesis()),
        parent: entry_id(1),
        height: 1,
        pins: (1..4).map(|it| (party_id(it), entry_id(it + 10))).collect(),
        fork_proofs: vec![ForkProof {
            party: party_id(3),
            left: entry_id(21),
            right: entry_id(20),
        }],
        proposer: public(FOUNDER),
        nonce: [3; 16],
        changes: changes(),
        cuts: cuts(),
        reason: "Tea is better.".into(),
        time_ms: TIME_MS,
    }
}

pub(crate) fn declaration_by_party() -> SpaceDeclaration {
    let groups = ["board", "support"].map(|name| (party_id(1), name.to_owned()));
    SpaceDeclaration {
        community: certificate::community_id(&genesis()),
        declarer: Declarer::Party {
            party: party_id(1),
            state: entry_id(1),
            proposer: public(FOUNDER),
        },
        space: Space::new(
            "board room",
            Readers::Groups(groups.to_vec()),
            Writers::Members,
        ),
        nonce: [4; 16],
        time_ms: TIME_MS,
    }
}

pub(crate) fn declaration_by_member() -> SpaceDeclaration {
    SpaceDeclaration {
        declarer: Declarer::Member {
            root: public(MEMBER),
            signer: public(MEMBERS_DEVICE),
        },
        space: Space::new(
            "the three of us",
            Readers::Persons(keys(&[MEMBER, FOUNDER, STRANGER])),
            Writers::Members,
        ),
        ..declaration_by_party()
    }
}

pub(crate) fn erasure_order() -> ErasureOrder {
    ErasureOrder {
        community: certificate::community_id(&genesis()),
        charter: entry_id(1),
        space: space_id(2),
        contribution: entry_id(3),
        proposer: public(FOUNDER),
        reason: "A name that must not stand here.".into(),
        time_ms: TIME_MS,
    }
}

pub(crate) fn certify(body: CertificateBody, by: &[u8]) -> Certificate {
    let keys: Vec<_> = by.iter().map(|number| secret(*number)).collect();
    Certificate::sign(body, &keys.iter().collect::<Vec<_>>())
}

/// Certificates by name.
pub(crate) fn certificates() -> Vec<(&'static str, Certificate)> {
    let both = &[FOUNDER, MEMBER][..];
    let party = CertificateBody::Party(later_state());
    let genesis = CertificateBody::Genesis(genesis_of_two());
    let resolution = CertificateBody::Resolution(resolution());
    let of_states = CertificateBody::Resolution(Resolution {
        changes: vec![Change::ConfirmStates],
        fork_proofs: Vec::new(),
        cuts: Cuts::default(),
        ..self::resolution()
    });
    let by_party = CertificateBody::SpaceDeclaration(declaration_by_party());
    let by_member = CertificateBody::SpaceDeclaration(declaration_by_member());
    let order = CertificateBody::ErasureOrder(erasure_order());
    vec![
        ("later-party-state", certify(party, both)),
        ("genesis-of-two", certify(genesis, both)),
        ("resolution", certify(resolution, both)),
        ("resolution-that-confirms-states", certify(of_states, both)),
        ("declaration-by-a-party", certify(by_party, &[FOUNDER])),
        (
            "declaration-by-a-member",
            certify(by_member, &[MEMBERS_DEVICE]),
        ),
        ("erasure-order", certify(order, both)),
    ]
}

/// Bodies of records by name, each with a key that signs it.
pub(crate) fn bodies() -> Vec<(&'static str, u8, RecordBody)> {
    let party = party_id(1);
    let revocation = |target, replaces| {
        RecordBody::Revocation(Revocation {
            party,
            target,
            cuts: cuts(),
            replaces,
        })
    };
    let proposed = CertificateBody::Resolution(Resolution {
        changes: vec![Change::SetName("Tea".into())],
        cuts: Cuts::default(),
        ..resolution()
    })
    .encode();
    let certificate = certificate::body_id(&proposed);
    let signature = certificate::sign_body(&secret(FOUNDER), &proposed);
    let member = revocation(Target::Member(public(MEMBER)), None);
    let device = revocation(Target::Device(public(MEMBERS_DEVICE)), Some(entry_id(4)));
    let role = Target::Role(public(MEMBER), Role::Steward);
    vec![
        ("revocation", FOUNDER, member),
        ("revocation-of-a-device", FOUNDER, device),
        ("revocation-of-a-role", FOUNDER, revocation(role, None)),
        (
            "departure",
            MEMBER,
            RecordBody::Departure(Departure {
                party,
                cuts: cuts(),
            }),
        ),
        (
            "device-revocation",
            FOUNDER,
            RecordBody::DeviceRevocation(DeviceRevocation {
                device: public(FOUNDERS_DEVICE),
                cuts: cuts(),
                replaces: Some(entry_id(4)),
            }),
        ),
        (
            "invitation-approval",
            FOUNDER,
            RecordBody::InvitationApproval(InvitationApproval {
                invitation: entry_id(1),
            }),
        ),
        (
            "proposal",
            FOUNDER,
            RecordBody::Proposal(Proposal { body: proposed }),
        ),
        (
            "approval",
            FOUNDER,
            RecordBody::Approval(Approval {
                certificate,
                signature,
            }),
        ),
        (
            "rejection",
            FOUNDER,
            RecordBody::Rejection(Rejection {
                certificate,
                reason: "Coffee.".into(),
            }),
        ),
        (
            "branch-choice",
            FOUNDER,
            RecordBody::BranchChoice(BranchChoice {
                chosen: certificate,
            }),
        ),
        (
            "acknowledge",
            NODE,
            RecordBody::Acknowledge(Acknowledge {
                narrowings: vec![entry_id(1), entry_id(2)],
            }),
        ),
        ("cut-table", FOUNDER, RecordBody::CutTable(cut_table())),
    ]
}

/// All of them as entries, the records in `space`.
pub(crate) fn samples(space: SpaceId) -> Vec<(&'static str, Entry)> {
    let certificates = certificates().into_iter();
    let records = bodies().into_iter().map(|(name, signer, body)| {
        let record = Chain::new(signer, space).record(body);
        (name, Entry::Record(record))
    });
    certificates
        .map(|(name, it)| (name, Entry::Certificate(it)))
        .chain(records)
        .collect()
}
