//! Whatever somebody pastes: texts that were changed on the way, and contents that were made to
//! deceive, with checksums that hold. Decoders say no, or read what they would write.
//!
//! Each failure names its seed; `COMITY_SEED` repeats it alone.

use super::{
    codes::{Code, CodeError},
    devices::{self, CODE_PREFIX, DeviceCode, DeviceTicket, TICKET_PREFIX, consent},
    party::{self, Draft, Start, Terms},
    party_ticket::PartyTicket,
};
use comity_protocol::{
    access::{LinkConsents, LinkRequest},
    certificate::{Readers, Space, Writers},
    id::CommunityId,
    key::SecretKey,
};

const SEEDS: u64 = 24;
const MUTATIONS_EACH: usize = 250;

/// Numbers that follow from a seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

fn with_seeds(check: impl Fn(u64, &mut Random)) {
    let alone = std::env::var("COMITY_SEED").ok();
    let alone = alone.and_then(|it| it.parse().ok());
    let seeds = alone.map_or(1..=SEEDS, |seed| seed..=seed);
    for seed in seeds {
        let start = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        check(seed, &mut Random(start));
    }
}

/// Changes one to four places: bits, bytes that CBOR reads as lengths, cuts, doubled stretches.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len());
        match random.below(7) {
            0 if !bytes.is_empty() => bytes[at] ^= 1 << random.below(8),
            1 if !bytes.is_empty() => {
                let telling = [
                    0x00, 0x17, 0x18, 0x1b, 0x3b, 0x58, 0x5b, 0x7b, 0x80, 0x9b, 0xf6, 0xff,
                ];
                bytes[at] = telling[random.below(telling.len())];
            }
            2 => bytes.insert(at, random.next() as u8),
            3 if !bytes.is_empty() => drop(bytes.remove(at)),
            4 => bytes.truncate(at),
            5 => {
                let end = at + random.below(40.min(bytes.len() - at + 1));
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            _ => bytes.extend((0..random.below(9)).map(|_| random.next() as u8)),
        }
    }
}

fn secret(byte: u8) -> SecretKey {
    SecretKey::from_seed(&[byte; 32])
}

fn founding() -> Draft {
    let party = |name: &str, byte: u8| {
        let node = secret(byte + 100).public();
        let first = party::create(name, [byte; 16], &secret(byte), node).unwrap();
        party::read_code(&party::code(&first)).unwrap()
    };
    let start = Start {
        name: "Coffee".into(),
        purpose: "To talk".into(),
        spaces: vec![Space::new("lobby", Readers::Everyone, Writers::Members)],
        continues: None,
        terms: Terms::default(),
        nonce: [7; 16],
        time_ms: 1,
    };
    Draft::new(start, vec![party("Vendor", 1), party("Users", 2)]).unwrap()
}

type Sealing = dyn Fn(&[u8]) -> String;
type Rewriting = dyn Fn(&str) -> Option<String>;

/// A sort of text: a valid content, the text with a good checksum for any content, and what the
/// decoder would write for what it read of a text.
struct Sort {
    name: &'static str,
    content: Vec<u8>,
    text: Box<Sealing>,
    rewritten: Box<Rewriting>,
}

fn sorts() -> Vec<Sort> {
    let of_code = |code: Code| Box::new(move |content: &[u8]| code.text(content)) as Box<_>;
    let of_device = |prefix: &'static str| {
        Box::new(move |content: &[u8]| devices::to_text(prefix, content)) as Box<_>
    };
    let unhex = |text: String, prefix: &str| {
        let bytes = hex::decode(&text[prefix.len()..]).unwrap();
        bytes[..bytes.len() - 4].to_vec()
    };
    let draft = founding();
    let community = CommunityId::from_bytes([5; 32]);
    let ticket = DeviceTicket {
        root: secret(1).public(),
        name: "Ada".into(),
        slot: 3,
        communities: vec![community, CommunityId::from_bytes([6; 32])],
        addresses: vec!["/ip4/192.0.2.7/tcp/7440".into()],
    };
    let by_device = consent(&secret(2), &secret(1).public(), community);
    let consents = |by_node| LinkConsents {
        community,
        by_device,
        by_node,
    };
    let code = DeviceCode(LinkRequest {
        device: secret(2).public(),
        slot: 3,
        node: Some(secret(3).public()),
        consents: vec![consents(Some(by_device)), consents(None)],
    });
    let parties = PartyTicket {
        community,
        name: "Coffee".into(),
        addresses: vec![
            "/ip4/192.0.2.7/tcp/7440".into(),
            "/dns4/example/tcp/1".into(),
        ],
    };
    let signature = Code::Signature.content(&draft.sign(&secret(1))).unwrap();
    vec![
        Sort {
            name: "device ticket",
            content: unhex(ticket.to_string(), TICKET_PREFIX),
            text: of_device(TICKET_PREFIX),
            rewritten: Box::new(|it| Some(it.parse::<DeviceTicket>().ok()?.to_string())),
        },
        Sort {
            name: "device code",
            content: unhex(code.to_string(), CODE_PREFIX),
            text: of_device(CODE_PREFIX),
            rewritten: Box::new(|it| Some(it.parse::<DeviceCode>().ok()?.to_string())),
        },
        Sort {
            name: "ticket for a party",
            content: parties.encode(),
            text: of_code(Code::Parties),
            rewritten: Box::new(|it| Some(PartyTicket::read(it).ok()?.code())),
        },
        Sort {
            name: "party",
            content: draft.parties[0].certificate.encode(),
            text: of_code(Code::Party),
            rewritten: Box::new(|it| Some(party::code(&party::read_code(it).ok()?.certificate))),
        },
        Sort {
            name: "draft",
            content: Code::Draft.content(&draft.code()).unwrap(),
            text: of_code(Code::Draft),
            rewritten: Box::new(|it| Some(Draft::read(it).ok()?.code())),
        },
        Sort {
            name: "signature",
            content: signature,
            text: of_code(Code::Signature),
            rewritten: Box::new(move |it| {
                let (key, signature) = draft.read_signature(it).ok()?;
                let content = [&key.as_bytes()[..], &signature.as_bytes()[..]].concat();
                Some(Code::Signature.text(&content))
            }),
        },
    ]
}

#[test]
fn contents_made_to_deceive_are_refused_or_read_as_they_are() {
    for sort in sorts() {
        let whole = (sort.text)(&sort.content);
        assert_eq!(
            (sort.rewritten)(&whole).as_ref(),
            Some(&whole),
            "{}",
            sort.name
        );
        let tried = std::cell::Cell::new((0, 0));
        with_seeds(|seed, random| {
            for number in 0..MUTATIONS_EACH {
                let mut content = sort.content.clone();
                mutate(random, &mut content);
                let text = (sort.text)(&content);
                let read = (sort.rewritten)(&text);
                let (all, accepted) = tried.get();
                tried.set((all + 1, accepted + u32::from(read.is_some())));
                assert!(
                    read.is_none_or(|it| it == text),
                    "seed {seed}, mutation {number}: a {} is read as another one: {text}",
                    sort.name
                );
            }
        });
        let (all, accepted) = tried.get();
        println!(
            "{}: {accepted} of {all} contents read, each as it is",
            sort.name
        );
    }
}

#[test]
fn texts_that_changed_on_the_way_are_never_read_as_others() {
    for sort in sorts() {
        let whole = (sort.text)(&sort.content);
        with_seeds(|seed, random| {
            for number in 0..MUTATIONS_EACH {
                let mut bytes = whole.clone().into_bytes();
                mutate(random, &mut bytes);
                let text = String::from_utf8_lossy(&bytes).into_owned();
                let read = (sort.rewritten)(&text);
                assert!(
                    read.is_none_or(|it| it == whole),
                    "seed {seed}, mutation {number}: a changed {} is read: {text:?}",
                    sort.name
                );
            }
        });
    }
}

#[test]
fn no_sort_of_code_is_taken_for_another() {
    let sorts = sorts();
    for (number, one) in sorts.iter().enumerate() {
        let text = (one.text)(&one.content);
        for (other, decoder) in sorts.iter().enumerate() {
            assert_eq!(
                (decoder.rewritten)(&text).is_some(),
                number == other,
                "{}",
                one.name
            );
        }
    }
}

#[test]
fn texts_without_end_are_refused_before_they_are_decoded() {
    let long = format!("{}{}", Code::Party.prefix(), "A".repeat(8 * 1024 * 1024));
    assert_eq!(party::read_code(&long).err(), Some(CodeError::TooLong));
    let long = format!("{TICKET_PREFIX}{}", "0".repeat(8 * 1024 * 1024));
    assert!(long.parse::<DeviceTicket>().is_err());
}
