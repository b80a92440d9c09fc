//! Tickets as text.

use super::super::{
    access::{ticket, ticket_text},
    community::{NODE, public, replaced},
};
use super::{Case, case, check, code, damaged, refused};
use comity_protocol::access::{Ticket, TicketError};
use serde_json::{Value as Json, json};

fn contents() -> Vec<Case> {
    let good = ticket().encode();
    let with = |change: fn(&mut Ticket)| {
        let mut it = ticket();
        change(&mut it);
        it.encode()
    };
    let many = {
        let bytes = with(|it| it.addresses = vec!["a".into(); 16]);
        super::spliced(
            &bytes,
            &[&[0x90][..], &[0x61, 0x61].repeat(16)].concat(),
            &[&[0x91][..], &[0x61, 0x61].repeat(17)].concat(),
        )
    };
    let mut cases = damaged(&good, "Content");
    cases.extend([
        case(
            "version-2",
            replaced(&good, &[0x89, 1], &[0x89, 2]),
            "UnknownVersion",
        ),
        case(
            "eight-fields",
            [&[0x88], &good[1..]].concat(),
            "Content.WrongLength",
        ),
        case(
            "node-of-small-order",
            replaced(&good, public(NODE).as_bytes(), &[0; 32]),
            "Key.SmallOrder",
        ),
        case("17-addresses", many, "Content.TooLong"),
        case(
            "name-of-257-bytes",
            with(|it| it.party_name = "x".repeat(257)),
            "Content.TooLong",
        ),
        case(
            "expires-above-53-bits",
            with(|it| it.expires_ms = Some(1 << 53)),
            "Content.OutOfRange",
        ),
    ]);
    cases
}

fn texts() -> Vec<Json> {
    let good = ticket().to_string();
    let middle = good.len() / 2;
    let mut swapped = good.clone().into_bytes();
    let other = if swapped[middle] == b'x' { b'y' } else { b'x' };
    swapped[middle] = other;
    let cases = [
        ("empty", String::new()),
        ("prefix-in-capitals", good.replacen("comity1", "COMITY1", 1)),
        ("prefix-alone", "comity1".into()),
        ("character-changed", String::from_utf8(swapped).unwrap()),
        ("last-character-missing", good[..good.len() - 1].into()),
        ("not-base58", format!("{}0", &good[..good.len() - 1])),
        ("two-tickets", format!("{good}{good}")),
    ];
    let judged = cases.into_iter().map(|(name, text)| {
        let error: TicketError = text.parse::<Ticket>().expect_err(name);
        json!({ "name": name, "text": text, "error": code(&error) })
    });
    judged.collect()
}

#[test]
fn ticket_vectors_hold() {
    let bare = Ticket {
        addresses: vec![],
        expires_ms: None,
        ..ticket()
    };
    let valid: Vec<Json> = [("with-all", ticket()), ("without-addresses-and-end", bare)]
        .map(|(name, it)| {
            assert_eq!(it.to_string(), ticket_text(&it.encode()));
            json!({
                "name": name,
                "text": it.to_string(),
                "content": hex::encode(it.encode()),
                "secret": hex::encode(it.secret),
                "addresses": it.addresses,
                "expires_ms": it.expires_ms,
            })
        })
        .to_vec();
    let made = json!({
        "about": "Tickets; see specs/wire.md section 3. Invalid contents are what base 58 carries, checksum aside.",
        "valid": valid,
        "invalid_texts": texts(),
        "invalid_contents": refused(contents(), Ticket::decode),
    });
    check("ticket.json", &made);
}
