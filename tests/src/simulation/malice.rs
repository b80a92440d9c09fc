//! How peers lie: what they say instead of what the protocol says.

use crate::random::Random;
use comity_protocol::{
    id::SpaceId,
    sync::{AuthorTag, Key, Message, TrieHash, message::SpaceRoot},
};

/// One way of lying.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Malice {
    /// Keeps back what it should send.
    Withholds,
    /// Changes bits of entries.
    Forges,
    /// Says things twice, and about other spaces.
    Replays,
    /// Tells roots of sets that it does not have.
    LiesAboutRoots,
    /// Announces and asks without end.
    Floods,
    /// Sends bytes that are no message.
    Babbles,
    /// Asks about spaces that are not for it.
    Pries,
}

impl Malice {
    pub(super) fn of_number(number: usize) -> Self {
        use Malice::{Babbles, Floods, Forges, LiesAboutRoots, Pries, Replays, Withholds};
        [
            Withholds,
            Forges,
            LiesAboutRoots,
            Replays,
            Floods,
            Babbles,
            Pries,
        ][number % 7]
    }
}

/// What goes out instead of a message.
pub(super) fn distort(
    malice: Malice,
    message: Message,
    restricted: &[SpaceId],
    random: &mut Random,
) -> Vec<Vec<u8>> {
    let honest = message.to_frame();
    match (malice, message) {
        (
            Malice::Withholds,
            Message::Entries {
                space,
                round,
                entries,
            },
        ) => {
            let entries: Vec<_> = entries.into_iter().filter(|_| random.chance(50)).collect();
            match entries.is_empty() {
                true => Vec::new(),
                false => vec![
                    Message::Entries {
                        space,
                        round,
                        entries,
                    }
                    .to_frame(),
                ],
            }
        }
        (
            Malice::Forges,
            Message::Entries {
                space,
                round,
                mut entries,
            },
        ) => {
            let number = random.below(entries.len());
            let place = random.below(entries[number].len());
            entries[number][place] ^= 1 << random.below(8);
            vec![
                Message::Entries {
                    space,
                    round,
                    entries,
                }
                .to_frame(),
            ]
        }
        (Malice::LiesAboutRoots, Message::Roots(mut roots)) => {
            for root in &mut roots {
                if random.chance(50) {
                    root.root = TrieHash::from_bytes(random.bytes());
                    root.count += random.below(9) as u64;
                }
            }
            vec![Message::Roots(roots).to_frame()]
        }
        (Malice::Replays, Message::Entries { entries, round, .. }) => {
            let space = SpaceId::from_bytes(random.bytes());
            let elsewhere = Message::Entries {
                space,
                round,
                entries,
            };
            vec![honest.clone(), honest, elsewhere.to_frame()]
        }
        (Malice::Replays, _) if random.chance(10) => vec![honest.clone(), honest],
        (Malice::Floods, Message::Roots(roots)) if !roots.is_empty() => {
            let mut frames = vec![honest];
            for _ in 0..3 {
                let mut keys: Vec<Key> = (0..16).map(|_| key(random)).collect();
                keys.sort();
                let space = roots[random.below(roots.len())].space;
                frames.push(
                    Message::Announce {
                        space,
                        keys: keys.clone(),
                    }
                    .to_frame(),
                );
                frames.push(Message::Want { space, keys }.to_frame());
            }
            frames
        }
        (Malice::Pries, Message::Roots(_)) if !restricted.is_empty() => {
            let mut frames = vec![honest];
            frames.extend(pry(restricted[random.below(restricted.len())], random));
            frames
        }
        (Malice::Babbles, _) if random.chance(5) => {
            let mut frame = honest;
            let place = random.below(frame.len());
            frame[place] ^= 1 << random.below(8);
            vec![frame, random.bytes::<64>().to_vec()]
        }
        _ => vec![honest],
    }
}

/// What a reader would say of the space.
fn pry(space: SpaceId, random: &mut Random) -> [Vec<u8>; 3] {
    let root = SpaceRoot {
        space,
        root: TrieHash::from_bytes(random.bytes()),
        count: 1 + random.below(9) as u64,
        after: 0,
    };
    let keys = vec![key(random)];
    let spaces = vec![space];
    let asked = [
        Message::Learn { spaces },
        Message::Roots(vec![root]),
        Message::Want { space, keys },
    ];
    asked.map(|it| it.to_frame())
}

fn key(random: &mut Random) -> Key {
    Key {
        author: AuthorTag::from_bytes(random.bytes()),
        seq: 1 + random.below(9) as u64,
        id: comity_protocol::id::EntryId::from_bytes(random.bytes()),
    }
}

/// A message in a few words.
pub(super) fn describe(message: &Message) -> String {
    match message {
        Message::Roots(roots) => format!("roots of {}", roots.len()),
        Message::Compare(it) => format!(
            "compare, round {} turn {}, {} claims",
            it.round,
            it.turn,
            it.claims.len()
        ),
        Message::Entries { entries, .. } => format!("{} entries", entries.len()),
        Message::Done { round, .. } => format!("done with round {round}"),
        Message::Announce { keys, .. } => format!("{} announced", keys.len()),
        Message::Want { keys, .. } => format!("{} wanted", keys.len()),
        Message::Credit { bytes } => format!("credit of {bytes}"),
        Message::Refuse { .. } => "refuse".to_owned(),
        Message::Close(reason) => format!("close: {reason:?}"),
        Message::Grants { grants, .. } => format!("{} grants", grants.len()),
        Message::Spaces { spaces, .. } => format!("{} spaces", spaces.len()),
        Message::Learn { spaces } => format!("{} spaces to learn of", spaces.len()),
    }
}
