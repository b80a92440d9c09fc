//! Requests to link a device, and the codes that people type for them.

use crate::{
    community::{MEMBER, MEMBERS_DEVICE, MEMBERS_NODE, public, secret, unusable_keys},
    entry::decodes_canonically,
};
use comity_protocol::{
    access::{
        AccessError, LINK_MAX_BYTES, LINK_TEXT_MAX_BYTES, LinkAnswer, LinkConsents, LinkRequest,
        TypedCode, TypedCodeError,
    },
    certificate::governance_space,
    codec::CodecError,
    id::{CommunityId, domain},
    record::consent_message,
};
use std::collections::BTreeSet;

fn consents(number: u8) -> LinkConsents {
    let community = CommunityId::from_bytes([number; 32]);
    let message = consent_message(
        governance_space(community),
        &public(MEMBER),
        &public(MEMBERS_DEVICE),
    );
    let by_device = secret(MEMBERS_DEVICE).sign(domain::DEVICE_CONSENT_SIGNATURE, &message);
    LinkConsents {
        community,
        by_device,
        by_node: number.is_multiple_of(2).then_some(by_device),
    }
}

fn request(communities: u8) -> LinkRequest {
    LinkRequest {
        device: public(MEMBERS_DEVICE),
        slot: 3,
        node: Some(public(MEMBERS_NODE)),
        consents: (0..communities).map(consents).collect(),
    }
}

#[test]
fn mutated_link_messages_decode_canonically_or_not_at_all() {
    let bare = LinkRequest {
        node: None,
        ..request(0)
    };
    let samples = [request(1).encode(), request(2).encode(), bare.encode()];
    let accepted = decodes_canonically(&samples, 46, |bytes| {
        Some(LinkRequest::decode(bytes).ok()?.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
    let answers = [LinkAnswer::Waits, LinkAnswer::NotUnderstood].map(LinkAnswer::encode);
    let accepted = decodes_canonically(&answers, 47, |bytes| {
        Some(LinkAnswer::decode(bytes).ok()?.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn link_messages_are_bounded() {
    let long = |limit: usize| {
        let found = limit as u64 + 1;
        AccessError::Codec(CodecError::TooLong { limit, found })
    };
    assert_eq!(
        LinkRequest::decode(&vec![0; LINK_TEXT_MAX_BYTES + 1]),
        Err(long(LINK_TEXT_MAX_BYTES))
    );
    assert_eq!(
        LinkAnswer::decode(&vec![0; LINK_MAX_BYTES + 1]),
        Err(long(LINK_MAX_BYTES))
    );
    let most = request(64);
    assert_eq!(LinkRequest::decode(&most.encode()), Ok(most));
    assert!(LinkRequest::decode(&request(65).encode()).is_err());
    assert!(request(23).encode().len() <= LINK_MAX_BYTES);
    let slot = LinkRequest {
        slot: 16,
        ..request(1)
    };
    assert!(LinkRequest::decode(&slot.encode()).is_err());
    for (_, key) in unusable_keys() {
        let mut bytes = request(1).encode();
        let place = bytes
            .windows(32)
            .position(|it| it == public(MEMBERS_DEVICE).as_bytes());
        let place = place.unwrap();
        bytes[place..place + 32].copy_from_slice(&key);
        let refused = LinkRequest::decode(&bytes);
        assert!(matches!(refused, Err(AccessError::Key(_))), "{refused:?}");
    }
}

/// Frozen: two versions that disagree could not link.
#[test]
fn codes_are_the_first_sixty_bits_of_the_digest() {
    assert_eq!(TypedCode::of(b"").to_string(), "M0X2-2N0A-288X");
    assert_eq!(TypedCode::of(b"comity").to_string(), "21K4-T3JE-MH5G");
}

#[test]
fn every_byte_of_a_request_changes_its_code() {
    let request = request(1).encode();
    let mut codes = BTreeSet::from([TypedCode::of(&request)]);
    for place in 0..request.len() {
        let mut changed = request.clone();
        changed[place] ^= 1;
        assert!(codes.insert(TypedCode::of(&changed)), "byte {place}");
    }
}

#[test]
fn a_code_is_read_however_it_is_typed() {
    let code = TypedCode::of(&request(1).encode());
    let shown = code.to_string();
    assert_eq!((shown.len(), shown.matches('-').count()), (14, 2));
    assert!(!shown.contains(['I', 'L', 'O', 'U']));
    let plain = shown.replace('-', "");
    for typed in [
        shown.clone(),
        shown.to_lowercase(),
        plain.clone(),
        format!(" {} {}\n", &plain[..5], &plain[5..]),
    ] {
        assert_eq!(typed.parse(), Ok(code), "{typed:?}");
    }
    let alike = "01O1-IL0o-il10".parse::<TypedCode>();
    assert_eq!(alike, "0101-1100-1110".parse());
    assert_eq!(alike.unwrap().to_string(), "0101-1100-1110");
    let character = |it| Err(TypedCodeError::Character(it));
    assert_eq!("K7Q2-M4XD-9TRU".parse::<TypedCode>(), character('U'));
    assert_eq!(
        "K7Q2-M4XD-9TR\u{ff10}".parse::<TypedCode>(),
        character('\u{ff10}')
    );
    for (typed, found) in [("", 0), ("K7Q2-M4XD-9TR", 11), ("K7Q2-M4XD-9TRB2", 13)] {
        assert_eq!(
            typed.parse::<TypedCode>(),
            Err(TypedCodeError::Length { found })
        );
    }
}
