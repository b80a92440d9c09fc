//! Messages: one encoding each, and no bytes that hurt.

use super::harness::{COMMUNITY, Rng, author, space};
use comity_protocol::id::EntryId;
use comity_protocol::sync::key::Item;
use comity_protocol::sync::message::{
    Claim, CloseReason, Compare, FRAME_MAX_BYTES, Message, MessageError, Run, SpaceRoot,
};
use comity_protocol::sync::{Key, Prefix, TrieHash};

pub(super) fn key(number: u64) -> Key {
    let id = EntryId::from_bytes([number as u8; 32]);
    Key {
        author: author(1),
        seq: number,
        id,
    }
}

/// One message of every kind and form, by name.
pub(super) fn samples() -> Vec<(&'static str, Message)> {
    let space = space(7);
    let tag = Prefix::of_author(&author(1));
    let half = Prefix::unpack(3, &[tag.packed()[0], tag.packed()[1] & 0xf0]).unwrap();
    let low = Prefix::unpack(2, &[0x05]).unwrap();
    let run = Run {
        author: author(1),
        last: 9,
        count: 8,
        print: [4; 8],
    };
    let root = |number, count| SpaceRoot {
        space: super::harness::space(number),
        root: if count == 0 {
            TrieHash::EMPTY
        } else {
            TrieHash::from_bytes([5; 32])
        },
        count,
        after: 3,
    };
    let cells = |base: Prefix, cover, levels, slots: &[usize]| Claim::Cells {
        base,
        cover,
        levels,
        cells: slots.iter().map(|slot| (*slot, [*slot as u8; 8])).collect(),
    };
    let compare = |turn, claims, wants| {
        Message::Compare(Compare {
            space,
            round: 2,
            turn,
            salt: [6; 8],
            pull: turn == 0,
            claims,
            wants,
        })
    };
    let span = Item::Span {
        author: author(2),
        first: 4,
        last: 1 << 40,
    };
    vec![
        ("roots", Message::Roots(vec![root(1, 0), root(2, 70_000)])),
        (
            "compare-cells",
            compare(
                0,
                vec![
                    cells(low, 2, 2, &[0, 7, 8, 255]),
                    cells(half, 1, 1, &[0, 15]),
                ],
                vec![],
            ),
        ),
        (
            "compare-runs",
            compare(
                1,
                vec![Claim::Runs {
                    prefix: half,
                    runs: vec![run],
                }],
                vec![],
            ),
        ),
        (
            "compare-nothing-held",
            compare(
                0,
                vec![Claim::Runs {
                    prefix: Prefix::ALL,
                    runs: vec![],
                }],
                vec![],
            ),
        ),
        (
            "compare-keys",
            compare(
                3,
                vec![Claim::Keys {
                    prefix: tag,
                    keys: vec![key(1), key(2)],
                }],
                vec![],
            ),
        ),
        (
            "compare-wants",
            compare(4, vec![], vec![Item::Under(half), span]),
        ),
        (
            "entries",
            Message::Entries {
                space,
                round: 0,
                entries: vec![vec![1, 2, 3], vec![4]],
            },
        ),
        ("done", Message::Done { space, round: 2 }),
        (
            "announce",
            Message::Announce {
                space,
                keys: vec![key(0), key(1), key(2)],
            },
        ),
        (
            "want",
            Message::Want {
                space,
                keys: vec![key(2)],
            },
        ),
        ("credit", Message::Credit { bytes: 1 << 20 }),
        ("refuse", Message::Refuse { space }),
        (
            "grants",
            Message::Grants {
                community: COMMUNITY,
                grants: vec![crate::access::grant().shown()],
            },
        ),
        (
            "grants-none",
            Message::Grants {
                community: COMMUNITY,
                grants: vec![],
            },
        ),
        (
            "spaces",
            Message::Spaces {
                community: COMMUNITY,
                spaces: vec![super::harness::space(1), space],
            },
        ),
        (
            "learn",
            Message::Learn {
                spaces: vec![space],
            },
        ),
        ("close", Message::Close(CloseReason::Silence)),
    ]
}

#[test]
fn every_message_reads_back() {
    for (name, message) in samples() {
        let frame = message.to_frame();
        let length = Message::frame_length(frame[..4].try_into().unwrap()).unwrap();
        assert_eq!(length, frame.len() - 4, "{name}");
        assert_eq!(
            Message::decode(&frame[4..]).as_ref(),
            Ok(&message),
            "{name}"
        );
        for end in 4..frame.len() {
            assert!(
                Message::decode(&frame[4..end]).is_err(),
                "{name} cut at {end}"
            );
        }
    }
}

#[test]
fn a_long_frame_is_refused_before_it_is_read() {
    let found = FRAME_MAX_BYTES + 1;
    let prefix = (found as u32).to_be_bytes();
    assert_eq!(
        Message::frame_length(prefix),
        Err(MessageError::FrameTooLong { found })
    );
    assert_eq!(
        Message::frame_length((found as u32 - 1).to_be_bytes()),
        Ok(FRAME_MAX_BYTES)
    );
    assert_eq!(
        Message::decode(&vec![0; found]),
        Err(MessageError::FrameTooLong { found })
    );
}

/// Bytes near valid messages: flipped, cut, spliced, repeated, or made up.
pub(crate) fn mutated(rng: &mut Rng, samples: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = samples[rng.below(samples.len())].clone();
    for _ in 0..1 + rng.below(4) {
        let at = rng
            .below(bytes.len().max(1))
            .min(bytes.len().saturating_sub(1));
        match rng.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.next() as u8),
            2 => {
                let other = &samples[rng.below(samples.len())];
                let from = rng.below(other.len());
                bytes.splice(at.., other[from..].iter().copied());
            }
            3 => bytes = (0..rng.below(80)).map(|_| rng.next() as u8).collect(),
            4 if !bytes.is_empty() => bytes[at] ^= 1 << rng.below(8),
            _ if !bytes.is_empty() => bytes[at] = rng.next() as u8,
            _ => {}
        }
    }
    bytes
}

#[test]
fn a_hundred_thousand_mutated_messages_decode_canonically_or_not_at_all() {
    let samples: Vec<_> = samples()
        .iter()
        .map(|(_, message)| message.encode())
        .collect();
    let mut rng = Rng(0x5eed);
    let mut accepted = 0;
    for case in 0..crate::times_factor(100_000) {
        let bytes = mutated(&mut rng, &samples);
        if let Ok(message) = Message::decode(&bytes) {
            accepted += 1;
            assert_eq!(
                message.encode(),
                bytes,
                "case {case}: two encodings of one message"
            );
        }
    }
    println!("{accepted} of 100,000 mutated messages were still messages");
    assert!(accepted > 1_000 && accepted < 60_000, "{accepted}");
}
