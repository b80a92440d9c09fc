//! Authority: a function of the set of records, to which a further record only ever adds.

use crate::{
    community::{
        Chain, Community, FOUNDER, FOUNDERS_DEVICE, MEMBER, MEMBERS_DEVICE, MEMBERS_NODE, NODE,
        STRANGER, arrive, countersignature, device_link, node_link, party_state, public, receipt,
        secret, verified,
    },
    sync::harness::Rng,
};
use comity_protocol::{
    authority::{Act, Authority, EnvelopeError, Unauthorized},
    certificate::{self, Certificate, CertificateBody, PartyState},
    contribution::ChainLink,
    document::Kind,
    entry::{Entry, Verified},
    id::{CommunityId, EntryId, SpaceId},
    key::PublicKey,
    record::{Admission, Invitation, RecordBody, Role, Roles},
};

fn writes(authority: &Authority, space: SpaceId, device: u8) -> Result<PublicKey, Unauthorized> {
    authority
        .authorize_contribution(space, &public(device), Act::Create)
        .map(|standing| standing.root)
}

#[test]
fn members_write_where_their_roles_allow() {
    let community = Community::with_member();
    let authority = community.authority();
    assert_eq!(
        writes(&authority, community.lobby, FOUNDERS_DEVICE),
        Ok(public(FOUNDER))
    );
    assert_eq!(
        writes(&authority, community.office, FOUNDERS_DEVICE),
        Ok(public(FOUNDER))
    );
    assert_eq!(
        writes(&authority, community.lobby, MEMBERS_DEVICE),
        Ok(public(MEMBER))
    );
    assert_eq!(
        writes(&authority, community.office, MEMBERS_DEVICE),
        Err(Unauthorized::RoleMissing)
    );
    assert_eq!(
        writes(&authority, community.lobby, MEMBER),
        Err(Unauthorized::NotAMember)
    );
    assert_eq!(
        writes(&authority, community.lobby, STRANGER),
        Err(Unauthorized::NotAMember)
    );
    assert_eq!(
        writes(&authority, community.governance, FOUNDERS_DEVICE),
        Err(Unauthorized::WrongSpace)
    );
    let nowhere = SpaceId::from_bytes([0; 32]);
    assert_eq!(
        writes(&authority, nowhere, FOUNDERS_DEVICE),
        Err(Unauthorized::UnknownSpace)
    );
    let unknown = Authority::unknown(community.id);
    assert_eq!(
        writes(&unknown, community.lobby, FOUNDERS_DEVICE),
        Err(Unauthorized::NoGenesis)
    );
    let edit = |by: u8, owner: u8| {
        let owner = public(owner);
        authority.authorize_contribution(community.lobby, &public(by), Act::EditOwned { owner })
    };
    assert!(edit(MEMBERS_DEVICE, MEMBERS_DEVICE).is_ok());
    assert_eq!(
        edit(MEMBERS_DEVICE, FOUNDERS_DEVICE),
        Err(Unauthorized::NotTheOwner)
    );
    assert_eq!(
        authority.node_party(&public(MEMBERS_NODE)),
        Some(community.party)
    );
    assert_eq!(authority.node_party(&public(STRANGER)), None);
}

#[test]
fn only_readers_read() {
    let community = Community::with_member();
    let authority = community.authority();
    let reads = |space, key: Option<u8>| authority.may_read(key.map(public).as_ref(), space);
    for key in [None, Some(STRANGER), Some(MEMBERS_DEVICE)] {
        assert!(reads(community.governance, key) && reads(community.lobby, key));
        assert!(!reads(SpaceId::from_bytes([0; 32]), key));
    }
    assert!(reads(community.office, Some(MEMBERS_DEVICE)) && reads(community.office, Some(NODE)));
    assert!(!reads(community.office, None) && !reads(community.office, Some(STRANGER)));
}

/// Records of another community, or of the same names and people founded again, mean nothing here.
#[test]
fn nothing_carries_over_into_another_community() {
    let community = Community::with_member();
    let other = CommunityId::from_bytes([5; 32]);
    let authority = Authority::evaluate(other, &verified(&community.entries));
    assert_eq!(authority, Authority::unknown(other));
    for entry in &community.entries {
        let space = authority.governance_space();
        let verdict = authority.lets_in(entry.space().unwrap_or(space), entry);
        assert!(verdict.is_err(), "{:?}", entry.id());
    }
}

/// A stranger cannot add a certificate to the set: not a variant, not a party, not a later state.
/// The party itself can.
#[test]
fn the_set_of_certificates_is_closed() {
    let community = Community::new();
    let certify = |state: PartyState, by: u8| {
        Entry::Certificate(Certificate::sign(
            CertificateBody::Party(state),
            &[&secret(by)],
        ))
    };
    let theirs = PartyState::founding("Coffee Club".into(), [1; 16], public(STRANGER), vec![]);
    let later = PartyState {
        parent: Some((community.party, community.entries[1].id())),
        height: 1,
        ..party_state()
    };
    let mut second = community.genesis.clone();
    second.purpose.push('!');
    second.founders = vec![public(STRANGER)];
    let second = CertificateBody::Genesis(second);
    let junk = [
        certify(theirs, STRANGER),
        certify(later.clone(), STRANGER),
        Entry::Certificate(Certificate::sign(second, &[&secret(STRANGER)])),
    ];
    // Known: nothing; the genesis; everything.
    for known in [0, 1, community.entries.len()] {
        let authority = Authority::evaluate(community.id, &verified(&community.entries[..known]));
        for entry in &junk {
            let entry = arrive(entry);
            assert!(authority.lets_in(community.governance, &entry).is_err());
        }
    }
    let own = arrive(&certify(later.clone(), FOUNDER));
    assert_eq!(
        community.authority().lets_in(community.governance, &own),
        Ok(())
    );
    let nothing = Authority::unknown(community.id);
    let parent = community.entries[1].id();
    assert_eq!(
        nothing.lets_in(community.governance, &own),
        Err(EnvelopeError::Builds(parent))
    );
    let refused = Verified::check(certify(party_state(), STRANGER));
    assert!(refused.is_err());
}

/// The genesis is told by its digest, what it names by that: so a set grows from nothing.
#[test]
fn a_set_grows_from_the_genesis() {
    let community = Community::with_member();
    let mut known = Vec::new();
    for entry in verified(&community.entries) {
        let authority = Authority::evaluate(community.id, &known);
        let linked = matches!(&*entry, Entry::Record(it) if it.header().author == public(MEMBER));
        let verdict = authority.lets_in(community.governance, &entry);
        assert_eq!(verdict, Ok(()), "{:?} {linked}", entry.id());
        known.push(entry);
    }
    let first = arrive(&community.entries[1]);
    let nothing = Authority::unknown(community.id);
    assert_eq!(
        nothing.lets_in(community.governance, &first),
        Err(EnvelopeError::NoGenesis)
    );
}

#[test]
fn statements_stand_only_in_spaces_that_are_declared() {
    let community = Community::with_member();
    let authority = community.authority();
    let of = &community.entries[2];
    let stands = |signer: u8, space: SpaceId, body: RecordBody| {
        let record = Entry::Record(Chain::new(signer, space).record(body));
        authority.lets_in(space, &record)
    };
    assert_eq!(stands(NODE, community.lobby, receipt(of)), Ok(()));
    assert_eq!(stands(MEMBERS_NODE, community.lobby, receipt(of)), Ok(()));
    assert_eq!(
        stands(STRANGER, community.lobby, receipt(of)),
        Err(EnvelopeError::NotANode)
    );
    let nowhere = SpaceId::from_bytes([0; 32]);
    assert_eq!(
        stands(NODE, nowhere, receipt(of)),
        Err(EnvelopeError::UnknownSpace)
    );
    let admission = || {
        RecordBody::Admission(Admission {
            party: community.party,
            member: public(STRANGER),
            roles: Roles::from([Role::Member]),
        })
    };
    assert_eq!(
        stands(FOUNDER, community.lobby, admission()),
        Err(EnvelopeError::WrongSpace)
    );
    assert_eq!(
        stands(STRANGER, community.governance, admission()),
        Err(EnvelopeError::NoStanding)
    );
    let wrong =
        Entry::Contribution(Chain::new(FOUNDERS_DEVICE, community.lobby).create(Kind::Page));
    assert_eq!(
        authority.lets_in(community.lobby, &wrong),
        Err(EnvelopeError::WrongSpace)
    );
    assert_eq!(
        authority.lets_in(community.lobby, &community.entries[0]),
        Err(EnvelopeError::WrongSpace)
    );
}

#[test]
fn only_delegates_admit_and_only_the_named_node_countersigns() {
    let mut community = Community::new();
    let invitation = community.invite(5);
    let by = |signer: u8, body: RecordBody| {
        let mut entries = community.entries.clone();
        entries.push(Entry::Record(
            Chain::new(signer, community.governance).record(body),
        ));
        let authority = Authority::evaluate(community.id, &verified(&entries));
        authority.members().contains_key(&public(MEMBER))
    };
    let countersigned = || countersignature(community.governance, invitation, MEMBER);
    assert!(by(NODE, countersigned()));
    assert!(!by(FOUNDER, countersigned()) && !by(STRANGER, countersigned()));
    let unknown = countersignature(community.governance, EntryId::from_bytes([1; 32]), MEMBER);
    assert!(!by(NODE, unknown));
    let admission = || {
        RecordBody::Admission(Admission {
            party: community.party,
            member: public(MEMBER),
            roles: Roles::from([Role::Member]),
        })
    };
    assert!(by(FOUNDER, admission()) && !by(NODE, admission()) && !by(MEMBER, admission()));

    // An invitation by a stranger, or one that names a countersigner of no party, invites nobody.
    for (signer, countersigner) in [(STRANGER, NODE), (FOUNDER, STRANGER)] {
        let mut chain = Chain::new(signer, community.governance);
        let offer = chain.record(RecordBody::Invitation(Invitation {
            party: community.party,
            invitation_key: public(crate::community::TICKET),
            countersigner: public(countersigner),
            roles: Roles::from([Role::Steward]),
            uses: 9,
            expires_ms: None,
        }));
        let body = countersignature(community.governance, offer.id(), MEMBER);
        let mut entries = community.entries.clone();
        let countersigned = Chain::new(countersigner, community.governance).record(body);
        entries.extend([offer, countersigned].map(Entry::Record));
        let authority = Authority::evaluate(community.id, &verified(&entries));
        assert!(!authority.members().contains_key(&public(MEMBER)));
    }
}

fn members(community: &Community, entries: &[Entry]) -> Vec<u8> {
    let authority = Authority::evaluate(community.id, &verified(entries));
    let known = |number: &u8| authority.members().contains_key(&public(*number));
    (30..60).filter(known).collect()
}

#[test]
fn quotas_count_along_the_chain_and_a_gap_counts_nothing_yet() {
    let mut community = Community::new();
    let invitation = community.invite(2);
    let base = community.entries.clone();
    let asked = [30, 31, 30, 32].map(|it| Entry::Record(community.countersign(invitation, it)));
    let with = |some: &[Entry]| members(&community, &[&base[..], some].concat());
    assert_eq!(
        with(&asked),
        [30, 31],
        "whoever asks twice counts once, and the third is too many"
    );
    assert_eq!(with(&asked[..1]), [30]);
    assert_eq!(
        with(&[asked[0].clone(), asked[3].clone()]),
        [30],
        "a gap in front of the last"
    );
    assert_eq!(with(&asked[1..]), [] as [u8; 0]);
}

/// A countersigner that forks its chain lets in as many on each branch, which is provable. But it
/// cannot take back whom it let in, whatever it signs later as if it had been earlier.
#[test]
fn a_forked_countersigner_displaces_nobody() {
    let mut community = Community::new();
    let invitation = community.invite(1);
    let base = community.entries.clone();
    let root = community.node.clone();
    let honest = [30, 31].map(|it| Entry::Record(community.countersign(invitation, it)));
    let mut forks = Vec::new();
    for member in 40..48 {
        let mut fork = root.clone();
        let body = countersignature(fork.space, invitation, member);
        forks.push(Entry::Record(fork.record(body)));
    }
    assert_eq!(members(&community, &[&base[..], &honest].concat()), [30]);
    let all = members(&community, &[&base[..], &honest, &forks].concat());
    assert_eq!(all, [30, 40, 41, 42, 43, 44, 45, 46, 47]);
}

#[test]
fn a_link_displaces_no_other() {
    let mut community = Community::with_member();
    let mut later = Chain::new(MEMBER, community.governance);
    later.link = ChainLink {
        seq: 9,
        prev: Some(EntryId::from_bytes([1; 32])),
    };
    let mut earlier = Chain::new(MEMBER, community.governance);
    community
        .entries
        .push(Entry::Record(device_link(&mut later, 50, 7)));
    assert!(writes(&community.authority(), community.lobby, 50).is_ok());
    // The same slot, signed as if it had been first; and the same device for another member.
    community
        .entries
        .push(Entry::Record(device_link(&mut earlier, 51, 7)));
    let mut founder = community.founder.clone();
    community
        .entries
        .push(Entry::Record(device_link(&mut founder, 50, 1)));
    for node in 60..80 {
        community
            .entries
            .push(Entry::Record(node_link(&mut earlier, node)));
    }
    let authority = community.authority();
    for device in [50, 51, MEMBERS_DEVICE, FOUNDERS_DEVICE] {
        assert!(
            writes(&authority, community.lobby, device).is_ok(),
            "{device}"
        );
    }
    assert!((60..80).all(|node| authority.node_party(&public(node)).is_some()));
    let shown = authority.device_slots(&public(MEMBER)).unwrap();
    assert_eq!(shown.get(&7), Some(&public(51)));
    // Whoever two people claim acts for either, with what that one may.
    let owned = |owner: u8| {
        let owner = public(owner);
        authority.authorize_contribution(community.lobby, &public(50), Act::EditOwned { owner })
    };
    assert_eq!(owned(FOUNDERS_DEVICE).unwrap().root, public(FOUNDER));
    assert_eq!(owned(MEMBERS_DEVICE).unwrap().root, public(MEMBER));
    assert!(authority.same_person(&public(50), &public(MEMBERS_DEVICE)));
}

/// Any records by honest and hostile signers, on chains that fork and have gaps.
fn any_records(rng: &mut Rng, community: &mut Community) -> Vec<Entry> {
    let signers = [FOUNDER, NODE, NODE, NODE, MEMBER, STRANGER, 30, 31];
    let mut invitations = vec![
        community.invite(1 + rng.below(3) as u64),
        EntryId::from_bytes([1; 32]),
    ];
    let mut chains: Vec<Vec<Chain>> = signers
        .iter()
        .map(|signer| {
            vec![match *signer {
                FOUNDER => community.founder.clone(),
                other => Chain::new(other, community.governance),
            }]
        })
        .collect();
    let mut made = Vec::new();
    for _ in 0..40 {
        let past = &mut chains[rng.below(signers.len())];
        // Mostly the newest state of the chain, sometimes an older one: a fork.
        let from = match rng.below(4) {
            0 => rng.below(past.len()),
            _ => past.len() - 1,
        };
        let mut chain = past[from].clone();
        let anyone = [MEMBER, STRANGER, 30, 31, 32, 33][rng.below(6)];
        let record = match rng.below(6) {
            0 => device_link(&mut chain, 100 + rng.below(5) as u8, rng.below(3) as u64),
            1 => node_link(&mut chain, 110 + rng.below(3) as u8),
            2 => chain.record(RecordBody::Admission(Admission {
                party: community.party,
                member: public(anyone),
                roles: Roles::from([Role::ALL[rng.below(5)]]),
            })),
            3 => {
                let offer = chain.record(RecordBody::Invitation(Invitation {
                    party: community.party,
                    invitation_key: public(crate::community::TICKET),
                    countersigner: public([NODE, FOUNDER, STRANGER][rng.below(3)]),
                    roles: Roles::from([Role::ALL[rng.below(5)]]),
                    uses: 1 + rng.below(2) as u64,
                    expires_ms: None,
                }));
                invitations.push(offer.id());
                offer
            }
            _ => {
                let invitation = invitations[rng.below(invitations.len())];
                chain.record(countersignature(chain.space, invitation, anyone))
            }
        };
        past.push(chain);
        if rng.below(8) > 0 {
            made.push(Entry::Record(record));
        }
    }
    made
}

fn allowed(community: &Community, authority: &Authority) -> Vec<bool> {
    let devices = (100..105).chain([FOUNDERS_DEVICE, MEMBERS_DEVICE]);
    let mut all = Vec::new();
    for device in devices {
        for space in [community.lobby, community.office] {
            all.push(writes(authority, space, device).is_ok());
            all.push(authority.may_read(Some(&public(device)), space));
            for owner in [FOUNDERS_DEVICE, 100, 101] {
                let owner = public(owner);
                let act = Act::EditOwned { owner };
                all.push(
                    authority
                        .authorize_contribution(space, &public(device), act)
                        .is_ok(),
                );
            }
        }
    }
    all.extend((110..113).map(|node| authority.node_party(&public(node)).is_some()));
    all
}

/// I7, and that what a set of records allows every larger set allows too: so entries that took
/// effect on one node do so on every node that knows as much, in whatever order it learned it.
#[test]
fn authority_depends_on_the_set_alone_and_only_grows_with_it() {
    let (mut grants, mut steps) = (0, 0);
    for seed in 0..60 {
        let mut rng = Rng(seed);
        let mut community = Community::with_member();
        let records = any_records(&mut rng, &mut community);
        let mut entries = verified(&community.entries);
        entries.extend(verified(&records));
        let whole = Authority::evaluate(community.id, &entries);
        let shuffle = |rng: &mut Rng, entries: &mut Vec<Verified<Entry>>| {
            for last in (1..entries.len()).rev() {
                entries.swap(last, rng.below(last + 1));
            }
        };
        for _ in 0..3 {
            let mut other = entries.clone();
            for _ in 0..10 {
                other.push(entries[rng.below(entries.len())].clone());
            }
            shuffle(&mut rng, &mut other);
            assert_eq!(
                Authority::evaluate(community.id, &other),
                whole,
                "seed {seed}"
            );
        }
        shuffle(&mut rng, &mut entries);
        let mut before = allowed(&community, &Authority::unknown(community.id));
        for end in (0..=entries.len()).step_by(3) {
            let now = allowed(
                &community,
                &Authority::evaluate(community.id, &entries[..end]),
            );
            for (index, (was, is)) in before.iter().zip(&now).enumerate() {
                assert!(
                    is >= was,
                    "seed {seed}: grant {index} was taken back at {end}"
                );
            }
            before = now;
            steps += 1;
        }
        grants += allowed(&community, &whole).iter().filter(|it| **it).count();
    }
    println!("{grants} grants in the end, none lost in {steps} steps");
    assert!(grants > 1_000, "{grants}");
}

/// The cost of evaluation grows with the records, not with their square, whatever a signer does.
#[test]
fn a_chain_forked_a_thousand_times_is_walked_once() {
    let mut community = Community::new();
    let invitation = community.invite(1_000);
    let certificate = certificate::party_id(&party_state());
    assert_eq!(certificate, community.party);
    let body = countersignature(community.governance, invitation, MEMBER);
    for _ in 0..300 {
        let record = community.node.record(body.clone());
        community.entries.push(Entry::Record(record));
    }
    let tip = community.node.clone();
    for fork in 0..700 {
        let mut chain = tip.clone();
        chain.link.seq += fork % 2;
        let record = chain.record(node_link_body(&chain, fork));
        community.entries.push(Entry::Record(record));
    }
    let entries: Vec<_> = community
        .entries
        .into_iter()
        .map(Verified::from_own_record)
        .collect();
    let authority = Authority::evaluate(community.id, &entries);
    assert_eq!(authority.invitations()[&invitation].used_by.len(), 1);
}

fn node_link_body(chain: &Chain, number: u64) -> RecordBody {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&number.to_le_bytes());
    countersignature(chain.space, EntryId::from_bytes(id), MEMBER)
}
