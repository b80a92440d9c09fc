//! Hello, grants, join requests and tickets.

use crate::{
    community::{
        Chain, Community, MEMBER, MEMBERS_DEVICE, MEMBERS_NODE, NODE, STRANGER, TICKET, TIME_MS,
        asked, device_link, node_link, public, replaced, secret, unusable_keys,
    },
    entry::decodes_canonically,
};
use comity_protocol::{
    access::{
        AccessError, AddressNews, Agreement, Blinded, COMMUNITIES_MAX, HELLO_MAX_BYTES, Hello,
        JOIN_MAX_BYTES, JoinAnswer, JoinRefusal, JoinRequest, NODE_ADDRESS_MAX_BYTES,
        NODE_ADDRESSES_MAX, NodeAddresses, NodeGrant, READER_LIFETIME_MS, ReaderToken,
        STATEMENTS_MAX, Ticket, TicketError, VerifiedGrant, clock_in_doubt, may_be_shown_grants,
        next_end_ms, readable_spaces,
    },
    codec::CodecError,
    entry::Entry,
    id::{CommunityId, EntryId, GovernanceDigest, digest, domain},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

pub(crate) fn grant() -> NodeGrant {
    let community = CommunityId::from_bytes([1; 32]);
    NodeGrant::sign(
        &secret(MEMBERS_DEVICE),
        community,
        public(MEMBERS_NODE),
        TIME_MS,
    )
}

pub(crate) fn reader_token() -> ReaderToken {
    ReaderToken::sign(
        &secret(MEMBERS_DEVICE),
        public(NODE),
        TIME_MS + READER_LIFETIME_MS,
    )
}

pub(crate) const HELLO_SEED: [u8; 32] = [9; 32];

/// A community and the digest of its governance.
pub(crate) fn told(number: u8) -> (CommunityId, GovernanceDigest) {
    let digest = GovernanceDigest::from_bytes([number.wrapping_add(1); 32]);
    (CommunityId::from_bytes([number; 32]), digest)
}

pub(crate) fn hello() -> Hello {
    let from_to = [&public(NODE), &public(MEMBERS_NODE)];
    let it = Hello::new(TIME_MS, from_to, &[told(1), told(5)], &HELLO_SEED);
    Hello {
        versions: vec![1, 3],
        ..it
    }
}

pub(crate) fn join_request() -> JoinRequest {
    let mut community = Community::new();
    let invitation = community.invite(1);
    let (by_invitation, by_member) = asked(community.governance, invitation, MEMBER);
    let mut chain = Chain::new(MEMBER, community.governance);
    let links = [
        device_link(&mut chain, MEMBERS_DEVICE, 0),
        node_link(&mut chain, MEMBERS_NODE),
    ];
    JoinRequest {
        community: community.id,
        invitation,
        member: public(MEMBER),
        by_invitation,
        by_member,
        links: links.map(Entry::Record).to_vec(),
    }
}

pub(crate) fn ticket() -> Ticket {
    Ticket {
        community: CommunityId::from_bytes([1; 32]),
        invitation: EntryId::from_bytes([2; 32]),
        secret: *secret(TICKET).seed(),
        node: public(NODE),
        addresses: vec![
            "/ip4/192.0.2.1/tcp/7440".into(),
            "/dns/node.example/tcp/7440".into(),
        ],
        community_name: "Coffee".into(),
        party_name: "Coffee Club".into(),
        expires_ms: Some(TIME_MS),
    }
}

/// A ticket of any content, its checksum right.
pub(crate) fn ticket_text(content: &[u8]) -> String {
    let checksum = &digest(domain::TICKET, &[content])[..4];
    format!(
        "comity1{}",
        bs58::encode([content, checksum].concat()).into_string()
    )
}

#[test]
fn mutated_hellos_and_grants_decode_canonically_or_not_at_all() {
    let from_to = [&public(NODE), &public(MEMBERS_NODE)];
    let empty = Hello {
        versions: vec![],
        ..Hello::new(0, from_to, &[], &HELLO_SEED)
    };
    let accepted = decodes_canonically(&[hello().encode(), empty.encode()], 41, |bytes| {
        Some(Hello::decode(bytes).ok()?.encode())
    });
    assert!(accepted > 5_000, "{accepted}");
    let accepted = decodes_canonically(&[grant().encode()], 42, |bytes| {
        let it = NodeGrant::decode(bytes).ok()?;
        assert!(
            it == grant() || it.check().is_err(),
            "a changed grant holds"
        );
        Some(it.encode())
    });
    assert!(accepted > 5_000, "{accepted}");
}

fn stated(node: u8, addresses: &[&str]) -> NodeAddresses {
    let addresses: Vec<String> = addresses.iter().map(|it| (*it).to_owned()).collect();
    let key = secret(node);
    NodeAddresses::sign(&key, told(1).0, TIME_MS, true, &addresses)
}

fn news() -> AddressNews {
    let mut statements = vec![
        stated(
            NODE,
            &["/ip4/192.0.2.7/tcp/7440", "/ip6/2001:db8::7/tcp/7440"],
        ),
        stated(MEMBERS_NODE, &[]),
    ];
    statements.sort_by_key(|it| it.node);
    AddressNews {
        community: told(1).0,
        statements,
    }
}

#[test]
fn mutated_address_news_decode_canonically_or_not_at_all() {
    let said = news().statements;
    let accepted = decodes_canonically(&[news().encode()], 46, |bytes| {
        let it = AddressNews::decode(bytes).ok()?;
        for statement in &it.statements {
            let holds = statement.clone().verify(it.community).is_ok();
            assert!(
                !holds || said.contains(statement) && it.community == told(1).0,
                "a changed statement holds"
            );
        }
        Some(it.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn a_statement_holds_for_its_node_and_community_alone() {
    let it = stated(NODE, &["/ip4/192.0.2.7/tcp/7440"]);
    let verified = it.clone().verify(told(1).0).unwrap();
    assert_eq!(verified.statement(), &it);
    assert!(it.clone().verify(told(2).0).is_err());
    let other = NodeAddresses {
        node: public(STRANGER),
        ..it.clone()
    };
    assert!(other.verify(told(1).0).is_err());
    let later = NodeAddresses {
        sequence: TIME_MS + 1,
        ..it
    };
    assert!(later.verify(told(1).0).is_err());
}

#[test]
fn address_news_are_bounded_and_ordered() {
    let long = "/x".repeat(NODE_ADDRESS_MAX_BYTES);
    let mut many = vec![long.as_str()];
    many.extend(["/ip4/192.0.2.7/tcp/1"; NODE_ADDRESSES_MAX + 1]);
    let it = stated(NODE, &many);
    assert_eq!(it.addresses, ["/ip4/192.0.2.7/tcp/1"; NODE_ADDRESSES_MAX]);
    assert!(it.clone().verify(told(1).0).is_ok());
    let with = |statements: Vec<NodeAddresses>| {
        let community = told(1).0;
        AddressNews::decode(
            &AddressNews {
                community,
                statements,
            }
            .encode(),
        )
    };
    assert_eq!(with(vec![it.clone(), it.clone()]), Err(AccessError::Order));
    let too_many = vec![it.clone(); STATEMENTS_MAX + 1];
    assert!(matches!(with(too_many), Err(AccessError::Codec(_))));
    let wordy = NodeAddresses {
        addresses: vec![long],
        ..it
    };
    assert!(matches!(with(vec![wordy]), Err(AccessError::Codec(_))));
}

#[test]
fn mutated_reader_tokens_decode_canonically_or_not_at_all() {
    let token = reader_token();
    let accepted = decodes_canonically(&[token.encode()], 45, |bytes| {
        let it = ReaderToken::decode(bytes).ok()?;
        assert!(
            it == token || it.check(&token.node, TIME_MS).is_err(),
            "a changed token holds"
        );
        Some(it.encode())
    });
    assert!(accepted > 5_000, "{accepted}");
}

pub(crate) fn answers() -> Vec<JoinAnswer> {
    let refusals = [
        JoinRefusal::Unknown,
        JoinRefusal::Expired,
        JoinRefusal::UsedUp,
        JoinRefusal::BadSignature,
        JoinRefusal::Unavailable,
        JoinRefusal::Ended,
    ];
    let mut answers = vec![JoinAnswer::Welcome(EntryId::from_bytes([3; 32]))];
    answers.extend(refusals.map(JoinAnswer::Refused));
    answers
}

#[test]
fn mutated_join_messages_decode_canonically_or_not_at_all() {
    let accepted = decodes_canonically(&[join_request().encode()], 43, |bytes| {
        Some(JoinRequest::decode(bytes).ok()?.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
    let answers: Vec<_> = answers().iter().map(JoinAnswer::encode).collect();
    let accepted = decodes_canonically(&answers, 44, |bytes| {
        Some(JoinAnswer::decode(bytes).ok()?.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn mutated_tickets_decode_canonically_or_not_at_all() {
    let bare = Ticket {
        addresses: vec![],
        expires_ms: None,
        ..ticket()
    };
    let samples = [ticket().encode(), bare.encode()];
    let accepted = decodes_canonically(&samples, 45, |content| {
        Some(Ticket::decode(content).ok()?.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn access_messages_are_bounded_and_ordered() {
    let long = |limit: usize| {
        let found = limit as u64 + 1;
        AccessError::Codec(CodecError::TooLong { limit, found })
    };
    assert_eq!(
        Hello::decode(&vec![0; HELLO_MAX_BYTES + 1]),
        Err(long(HELLO_MAX_BYTES))
    );
    assert_eq!(
        JoinRequest::decode(&vec![0; JOIN_MAX_BYTES + 1]),
        Err(long(JOIN_MAX_BYTES))
    );
    assert_eq!(
        JoinAnswer::decode(&vec![0; JOIN_MAX_BYTES + 1]),
        Err(long(JOIN_MAX_BYTES))
    );
    let mut it = hello();
    it.versions.reverse();
    assert_eq!(Hello::decode(&it.encode()), Err(AccessError::Order));
    let mut it = hello();
    it.communities[1] = it.communities[0];
    assert_eq!(Hello::decode(&it.encode()), Err(AccessError::Order));
    for found in [0, 7, 9] {
        let mut it = hello();
        it.communities = many_communities(16).communities;
        it.communities.truncate(found);
        assert_eq!(
            Hello::decode(&it.encode()),
            Err(AccessError::Padding { found })
        );
    }
    // The largest hello fits its frame, and of more communities the first are told.
    let most = Hello {
        versions: (0..16).collect(),
        ..many_communities(600)
    };
    assert_eq!(most.communities.len(), COMMUNITIES_MAX);
    assert_eq!(Hello::decode(&most.encode()), Ok(most));
}

fn many_communities(count: u64) -> Hello {
    let numbered = |number: u64| digest(domain::COMMUNITY, &[&number.to_be_bytes()]);
    let communities: Vec<_> = (0..count)
        .map(|it| (CommunityId::from_bytes(numbered(it)), told(1).1))
        .collect();
    let from_to = [&public(NODE), &public(MEMBERS_NODE)];
    Hello::new(TIME_MS, from_to, &communities, &HELLO_SEED)
}

/// What a third node could compare hellos by: all digests in them.
fn digests(hello: &Hello) -> BTreeSet<[u8; 32]> {
    let both = |it: &Blinded| [it.community, it.governance];
    let digests = hello.communities.iter().flat_map(both);
    digests.chain([hello.nonce]).collect()
}

proptest! {
    /// Who knows a community finds it; who does not sees nothing that stands for anything else.
    #[test]
    fn a_hello_tells_communities_to_those_who_know_them_only(
        numbers in proptest::collection::btree_set(0_u8..200, 0..40),
        other in 0_u8..200,
        seeds in any::<[[u8; 32]; 2]>(),
    ) {
        prop_assume!(seeds[0] != seeds[1]);
        let (node, peer, third) = (public(NODE), public(MEMBERS_NODE), public(STRANGER));
        let communities: Vec<_> = numbers.iter().map(|it| told(*it)).collect();
        let hello = |from_to, seed| Hello::new(TIME_MS, from_to, &communities, seed);
        let it = hello([&node, &peer], &seeds[0]);
        prop_assert_eq!(Hello::decode(&it.encode()), Ok(it.clone()));
        // Padded: at least 8, a multiple of 8, no more than need be.
        let count = it.communities.len();
        prop_assert_eq!(count, numbers.len().max(1).next_multiple_of(8));

        let (community, governance) = told(other);
        let newer = GovernanceDigest::from_bytes([250; 32]);
        let known = numbers.contains(&other);
        let agreement = |digest| it.agreement([&node, &peer], community, digest);
        prop_assert_eq!(agreement(governance), known.then_some(Agreement::Equal));
        prop_assert_eq!(agreement(newer), known.then_some(Agreement::Different));

        // Bound to the pair and the direction: it fits no other conversation.
        for elsewhere in [[&peer, &node], [&node, &third], [&third, &peer]] {
            prop_assert_eq!(it.agreement(elsewhere, community, governance), None);
            prop_assert!(digests(&it).is_disjoint(&digests(&hello(elsewhere, &seeds[1]))));
        }
        // And a second hello to the same peer shows nothing that stayed or changed.
        let second = hello([&node, &peer], &seeds[1]);
        prop_assert!(digests(&it).is_disjoint(&digests(&second)));
        // No id stands in it.
        let bytes = it.encode();
        for number in &numbers {
            let id = [*number; 32];
            prop_assert!(!bytes.windows(32).any(|window| window == id));
        }
    }
}

#[test]
fn a_clock_is_doubted_when_most_grants_have_ended() {
    let doubted = [(2, 2), (2, 3), (3, 4), (5, 9)];
    let trusted = [(0, 0), (0, 9), (1, 1), (1, 2), (2, 4), (4, 9)];
    assert!(
        doubted
            .iter()
            .all(|(ended, shown)| clock_in_doubt(*ended, *shown))
    );
    assert!(
        !trusted
            .iter()
            .any(|(ended, shown)| clock_in_doubt(*ended, *shown))
    );
}

/// What a node may read, as authority and grants change.
#[test]
fn restricted_spaces_take_a_grant_that_counts_now() {
    let community = Community::with_member();
    let authority = community.authority();
    let of = |grants: &[VerifiedGrant], node, now| readable_spaces(&authority, &node, grants, now);
    let everyone = of(&[], public(STRANGER), TIME_MS);
    let ours = of(&[], public(NODE), TIME_MS);
    assert!(everyone.is_subset(&ours) && everyone.len() < ours.len());
    let grant = NodeGrant::sign(
        &secret(MEMBERS_DEVICE),
        community.id,
        public(STRANGER),
        TIME_MS + 10,
    );
    let grant = [grant
        .shown()
        .verify(community.id, public(STRANGER))
        .unwrap()];
    assert_eq!(of(&grant, public(STRANGER), TIME_MS), ours);
    assert_eq!(of(&grant, public(STRANGER), TIME_MS + 9), ours);
    assert_eq!(of(&grant, public(STRANGER), TIME_MS + 10), everyone);
    assert_eq!(next_end_ms(&grant, TIME_MS), Some(TIME_MS + 10));
    assert_eq!(next_end_ms(&grant, TIME_MS + 10), None);
    // Verified for another node it is worth nothing, even in the right hands.
    assert_eq!(of(&grant, public(MEMBERS_NODE), TIME_MS), everyone);
    // Grants are shown to nodes that the governance knows.
    assert!(may_be_shown_grants(&authority, &public(NODE)));
    assert!(may_be_shown_grants(&authority, &public(MEMBERS_NODE)));
    assert!(!may_be_shown_grants(&authority, &public(STRANGER)));
}

#[test]
fn unusable_keys_are_refused_in_grants_requests_and_tickets() {
    for (what, bad) in unusable_keys() {
        for number in [MEMBERS_DEVICE, MEMBERS_NODE] {
            let broken = replaced(&grant().encode(), public(number).as_bytes(), &bad);
            assert!(
                matches!(NodeGrant::decode(&broken), Err(AccessError::Key(_))),
                "{what}"
            );
        }
        let broken = replaced(&join_request().encode(), public(MEMBER).as_bytes(), &bad);
        assert!(
            matches!(JoinRequest::decode(&broken), Err(AccessError::Key(_))),
            "{what}"
        );
        let broken = replaced(&ticket().encode(), public(NODE).as_bytes(), &bad);
        let read: Result<Ticket, _> = ticket_text(&broken).parse();
        assert!(matches!(read, Err(TicketError::Key(_))), "{what}");
    }
}

/// A grant is for one node of one community until one moment; its device signed all of it.
#[test]
fn a_grant_holds_for_nothing_else() {
    let good = grant();
    assert_eq!(good.check(), Ok(()));
    let others = [
        NodeGrant {
            community: CommunityId::from_bytes([2; 32]),
            ..good.clone()
        },
        NodeGrant {
            node: public(STRANGER),
            ..good.clone()
        },
        NodeGrant {
            device: public(STRANGER),
            ..good.clone()
        },
        NodeGrant {
            expires_ms: TIME_MS + 1,
            ..good
        },
    ];
    for other in others {
        assert!(other.check().is_err());
        let shown = other.shown();
        assert!(shown.verify(other.community, other.node).is_err());
    }
    let shown = grant().shown();
    let (community, node) = (grant().community, grant().node);
    assert_eq!(shown.verify(community, node).unwrap().grant(), &grant());
    assert!(shown.verify(community, public(STRANGER)).is_err());
}

#[test]
fn tickets_survive_what_mail_does_to_them_and_nothing_else() {
    let ticket = ticket();
    let text = ticket.to_string();
    assert_eq!(text.parse(), Ok(ticket.clone()));
    let (left, right) = text.split_at(40);
    let wrapped = format!("\u{feff}\n  {left}\r\n\t{right}\u{a0} \n").replace('\u{feff}', "");
    assert_eq!(wrapped.parse(), Ok(ticket.clone()));

    let mut changed = 0;
    let alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz0OIl-";
    for at in 0..text.len() {
        for other in alphabet.chars().step_by(3) {
            let mut bytes = text.clone().into_bytes();
            if bytes[at] != other as u8 {
                bytes[at] = other as u8;
                let read: Result<Ticket, _> = String::from_utf8(bytes).unwrap().parse();
                let noticed = matches!(read, Err(TicketError::Damaged | TicketError::NoTicket));
                assert!(noticed, "character {at} as {other}: {read:?}");
                changed += 1;
            }
        }
        let flipped = match text.as_bytes()[at] {
            byte if byte.is_ascii_lowercase() => byte.to_ascii_uppercase(),
            byte => byte.to_ascii_lowercase(),
        };
        if flipped != text.as_bytes()[at] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = flipped;
            let read: Result<Ticket, _> = String::from_utf8(bytes).unwrap().parse();
            assert!(read.is_err(), "the case of character {at}");
        }
        let cut: Result<Ticket, _> = text[..at].parse();
        assert!(cut.is_err(), "cut at {at}");
        let doubled: Result<Ticket, _> = format!("{}{}", &text[..=at], &text[at..]).parse();
        assert!(doubled.is_err(), "character {at} doubled");
    }
    assert!(changed > 5_000, "{changed}");
    for no_ticket in ["", "comity", "comity2abc", "Comity1abc", "did:key:z6Mk"] {
        assert_eq!(
            no_ticket.parse::<Ticket>(),
            Err(TicketError::NoTicket),
            "{no_ticket}"
        );
    }
    assert_eq!("comity1".parse::<Ticket>(), Err(TicketError::Damaged));
    let endless = format!("comity1{}", "z".repeat(1 << 20));
    assert_eq!(endless.parse::<Ticket>(), Err(TicketError::Damaged));
    assert!(!format!("{ticket:?}").contains(&hex::encode(ticket.secret)));
}

/// However many addresses a node has, the ticket it writes can be read.
#[test]
fn a_ticket_that_is_written_can_be_read() {
    let long = |number: usize| format!("/dns/{}/tcp/{number}", "x".repeat(240));
    let many = Ticket {
        addresses: (0..40)
            .map(|n| if n % 3 == 0 { "y".repeat(300) } else { long(n) })
            .collect(),
        community_name: "n".repeat(256),
        party_name: "p".repeat(256),
        ..ticket()
    };
    let read: Ticket = many.to_string().parse().unwrap();
    assert_eq!(read.addresses.len(), 16);
    assert_eq!(read.addresses[0], long(1));
    assert_eq!(read.party_name, many.party_name);
}
