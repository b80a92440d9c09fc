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
        AccessError, HELLO_MAX_BYTES, Hello, JOIN_MAX_BYTES, JoinAnswer, JoinRefusal, JoinRequest,
        NodeGrant, Ticket, TicketError,
    },
    codec::CodecError,
    entry::Entry,
    id::{CommunityId, EntryId, GovernanceDigest, digest, domain},
};

pub(crate) fn grant() -> NodeGrant {
    let community = CommunityId::from_bytes([1; 32]);
    NodeGrant::sign(
        &secret(MEMBERS_DEVICE),
        community,
        public(MEMBERS_NODE),
        TIME_MS,
    )
}

pub(crate) fn hello() -> Hello {
    let community = |number| {
        let digest = GovernanceDigest::from_bytes([number + 1; 32]);
        (CommunityId::from_bytes([number; 32]), digest)
    };
    Hello {
        versions: vec![1, 3],
        time_ms: TIME_MS,
        communities: vec![community(1), community(5)],
        grants: vec![grant()],
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
    let empty = Hello {
        versions: vec![],
        time_ms: 0,
        communities: vec![],
        grants: vec![],
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

pub(crate) fn answers() -> Vec<JoinAnswer> {
    let refusals = [
        JoinRefusal::Unknown,
        JoinRefusal::Expired,
        JoinRefusal::UsedUp,
        JoinRefusal::BadSignature,
        JoinRefusal::Unavailable,
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
    // The largest hello fits its frame.
    let most = Hello {
        versions: (0..16).collect(),
        time_ms: TIME_MS,
        communities: (0..64)
            .map(|n| {
                (
                    CommunityId::from_bytes([n; 32]),
                    GovernanceDigest::from_bytes([n; 32]),
                )
            })
            .collect(),
        grants: vec![grant(); 64],
    };
    assert_eq!(Hello::decode(&most.encode()), Ok(most));
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
    }
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
