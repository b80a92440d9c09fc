//! Bytes to messages, strictly.

use super::encode::close_code;
use super::{
    ANNOUNCE_MAX, CLAIMS_MAX, CREDIT_MAX_BYTES, Claim, CloseReason, Compare, ENTRIES_MAX,
    ENTRY_MAX_BYTES, FRAME_MAX_BYTES, KEYS_MAX, LEVELS_MAX, Message, MessageError, ROOTS_MAX,
    RUNS_MAX, Run, SPACES_TOLD_MAX, SpaceRoot, WANTS_MAX,
};
use crate::access::{GRANTS_MAX, ShownGrant};
use crate::codec::{CodecError, Reader};
use crate::id::{CommunityId, EntryId, SpaceId};
use crate::limits::SEQ_MAX;
use crate::sync::key::{
    AuthorTag, Item, KEY_BYTES, KEY_NIBBLES, Key, Prefix, TAG_NIBBLES, TrieHash,
};

/// Rounds and counts stay where every language keeps integers exact.
const NUMBER_MAX: u64 = (1 << 53) - 1;

type Result<T> = std::result::Result<T, MessageError>;

impl Message {
    /// Reads one message, which must be all of `bytes`.
    ///
    /// # Errors
    /// If the bytes are too many, are not the canonical encoding of a message, or break a rule of
    /// the format.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        if bytes.len() > FRAME_MAX_BYTES {
            return Err(MessageError::FrameTooLong { found: bytes.len() });
        }
        let mut input = Reader::new(bytes);
        let fields = input.array(8)?;
        let number = input.uint()?;
        let expected = match number {
            0 | 6 | 7 | 8 | 11 => 2,
            3..=5 | 9 | 10 => 3,
            2 => 4,
            1 => 8,
            unknown => return Err(MessageError::UnknownMessage(unknown)),
        };
        if fields != expected {
            let found = fields as u64;
            return Err(CodecError::WrongLength { expected, found }.into());
        }
        let message = read_fields(&mut input, number)?;
        input.end()?;
        Ok(message)
    }
}

fn read_fields(input: &mut Reader<'_>, number: u64) -> Result<Message> {
    Ok(match number {
        0 => Message::Roots(read_roots(input)?),
        1 => Message::Compare(read_compare(input)?),
        2 => {
            let space = read_space(input)?;
            let round = input.uint_max(NUMBER_MAX)?;
            let entries = read_list(input, ENTRIES_MAX, |input| {
                Ok(input.bytes(ENTRY_MAX_BYTES)?.to_vec())
            })?;
            Message::Entries {
                space,
                round,
                entries: not_empty(entries)?,
            }
        }
        3 => Message::Done {
            space: read_space(input)?,
            round: read_positive(input)?,
        },
        4 => Message::Announce {
            space: read_space(input)?,
            keys: read_some_keys(input)?,
        },
        5 => Message::Want {
            space: read_space(input)?,
            keys: read_some_keys(input)?,
        },
        6 => match input.uint_max(CREDIT_MAX_BYTES)? {
            0 => return Err(CodecError::OutOfRange.into()),
            bytes => Message::Credit { bytes },
        },
        7 => Message::Refuse {
            space: read_space(input)?,
        },
        8 => Message::Close(read_reason(input)?),
        9 => Message::Grants {
            community: CommunityId::from_bytes(input.fixed()?),
            grants: read_list(input, GRANTS_MAX, ShownGrant::read)?,
        },
        10 => Message::Spaces {
            community: CommunityId::from_bytes(input.fixed()?),
            spaces: read_some_spaces(input)?,
        },
        _ => Message::Learn {
            spaces: read_some_spaces(input)?,
        },
    })
}

fn read_some_spaces(input: &mut Reader<'_>) -> Result<Vec<SpaceId>> {
    let spaces = read_list(input, SPACES_TOLD_MAX, read_space)?;
    ascending(&spaces, |space| *space)?;
    not_empty(spaces)
}

/// Reads an array; room is made as items arrive, so a count alone allocates nothing.
fn read_list<T>(
    input: &mut Reader<'_>,
    max: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let len = input.array(max)?;
    let mut list = Vec::new();
    for _ in 0..len {
        list.push(read(input)?);
    }
    Ok(list)
}

fn not_empty<T>(list: Vec<T>) -> Result<Vec<T>> {
    if list.is_empty() {
        Err(MessageError::Empty)
    } else {
        Ok(list)
    }
}

fn ascending<T, K: Ord>(list: &[T], key: impl Fn(&T) -> K) -> Result<()> {
    let ordered = list.windows(2).all(|pair| key(&pair[0]) < key(&pair[1]));
    if ordered {
        Ok(())
    } else {
        Err(MessageError::NotAscending)
    }
}

fn read_reason(input: &mut Reader<'_>) -> Result<CloseReason> {
    let code = input.uint()?;
    [
        CloseReason::Leaving,
        CloseReason::Protocol,
        CloseReason::Silence,
        CloseReason::Busy,
    ]
    .into_iter()
    .find(|reason| close_code(*reason) == code)
    .ok_or(CodecError::OutOfRange.into())
}

fn read_space(input: &mut Reader<'_>) -> Result<SpaceId> {
    Ok(SpaceId::from_bytes(input.fixed()?))
}

fn read_positive(input: &mut Reader<'_>) -> Result<u64> {
    match input.uint_max(NUMBER_MAX)? {
        0 => Err(CodecError::OutOfRange.into()),
        value => Ok(value),
    }
}

fn read_roots(input: &mut Reader<'_>) -> Result<Vec<SpaceRoot>> {
    let roots = read_list(input, ROOTS_MAX, |input| {
        input.array_of(4)?;
        let root = SpaceRoot {
            space: read_space(input)?,
            root: TrieHash::from_bytes(input.fixed()?),
            count: input.uint_max(NUMBER_MAX)?,
            after: input.uint_max(NUMBER_MAX)?,
        };
        match (root.root == TrieHash::EMPTY) == (root.count == 0) {
            true => Ok(root),
            false => Err(MessageError::Contradiction),
        }
    })?;
    ascending(&roots, |root| root.space)?;
    not_empty(roots)
}

fn read_compare(input: &mut Reader<'_>) -> Result<Compare> {
    let compare = Compare {
        space: read_space(input)?,
        round: read_positive(input)?,
        turn: input.uint_max(NUMBER_MAX)?,
        salt: input.fixed()?,
        pull: input.bool()?,
        claims: read_list(input, CLAIMS_MAX, read_claim)?,
        wants: read_list(input, WANTS_MAX, read_item)?,
    };
    let subjects: Vec<Prefix> = compare.claims.iter().map(Claim::subject).collect();
    ascending(&subjects, |subject| *subject)?;
    // Disjoint subjects bound the work of comparing by the size of the trie.
    if subjects
        .windows(2)
        .any(|pair| pair[0].covers_prefix(&pair[1]))
    {
        return Err(MessageError::Overlap);
    }
    Ok(compare)
}

fn read_prefix(input: &mut Reader<'_>) -> Result<Prefix> {
    let len = input.uint_max(KEY_NIBBLES as u64)? as usize;
    Prefix::unpack(len, input.bytes(KEY_BYTES)?).ok_or(MessageError::BadPrefix)
}

fn read_claim(input: &mut Reader<'_>) -> Result<Claim> {
    let fields = input.array(7)?;
    let form = input.uint_max(2)?;
    let expected = if form == 0 { 7 } else { 4 };
    if fields != expected {
        let found = fields as u64;
        return Err(CodecError::WrongLength { expected, found }.into());
    }
    let prefix = read_prefix(input)?;
    match form {
        0 => read_cells(input, prefix),
        1 if prefix.len() > TAG_NIBBLES => Err(MessageError::OutsideClaim),
        1 => {
            let runs = read_list(input, RUNS_MAX, |input| read_run(input, &prefix))?;
            ascending(&runs, |run| run.author)?;
            Ok(Claim::Runs { prefix, runs })
        }
        _ if prefix.len() < TAG_NIBBLES => Err(MessageError::OutsideClaim),
        _ => {
            let keys = read_list(input, KEYS_MAX, read_key)?;
            ascending(&keys, |key| *key)?;
            match keys.iter().all(|key| prefix.covers(key)) {
                true => Ok(Claim::Keys { prefix, keys }),
                false => Err(MessageError::OutsideClaim),
            }
        }
    }
}

fn read_cells(input: &mut Reader<'_>, base: Prefix) -> Result<Claim> {
    let cover = input.uint_max(base.len() as u64)? as usize;
    let levels = input.uint_max(LEVELS_MAX as u64)? as usize;
    if levels == 0 || base.len() + levels > KEY_NIBBLES {
        return Err(CodecError::OutOfRange.into());
    }
    let slots = match levels {
        1 => input.fixed::<2>()?.to_vec(),
        _ => input.fixed::<32>()?.to_vec(),
    };
    let prints = input.bytes(8 * 8 * slots.len())?;
    let used = (0..8 * slots.len()).filter(|slot| slots[slot / 8] & 0x80 >> (slot % 8) != 0);
    let (prints, rest) = prints.as_chunks::<8>();
    let cells: Vec<_> = used.zip(prints.iter().copied()).collect();
    let count: u32 = slots.iter().map(|byte| byte.count_ones()).sum();
    if !rest.is_empty() || prints.len() != count as usize {
        return Err(MessageError::Contradiction);
    }
    if cells.is_empty() {
        return Err(MessageError::Empty);
    }
    Ok(Claim::Cells {
        base,
        cover,
        levels,
        cells,
    })
}

fn read_run(input: &mut Reader<'_>, prefix: &Prefix) -> Result<Run> {
    input.array_of(4)?;
    let run = Run {
        author: AuthorTag::from_bytes(input.fixed()?),
        last: read_seq(input)?,
        count: read_positive(input)?,
        print: input.fixed()?,
    };
    match prefix.covers_prefix(&Prefix::of_author(&run.author)) {
        true => Ok(run),
        false => Err(MessageError::OutsideClaim),
    }
}

/// Certificates stand at 0, before the chain of their key.
fn read_seq(input: &mut Reader<'_>) -> Result<u64> {
    Ok(input.uint_max(SEQ_MAX)?)
}

fn read_key(input: &mut Reader<'_>) -> Result<Key> {
    input.array_of(3)?;
    Ok(Key {
        author: AuthorTag::from_bytes(input.fixed()?),
        seq: read_seq(input)?,
        id: EntryId::from_bytes(input.fixed()?),
    })
}

fn read_some_keys(input: &mut Reader<'_>) -> Result<Vec<Key>> {
    let keys = not_empty(read_list(input, ANNOUNCE_MAX, read_key)?)?;
    ascending(&keys, |key| *key)?;
    Ok(keys)
}

fn read_item(input: &mut Reader<'_>) -> Result<Item> {
    let fields = input.array(4)?;
    let form = input.uint_max(1)?;
    let expected = if form == 0 { 3 } else { 4 };
    if fields != expected {
        let found = fields as u64;
        return Err(CodecError::WrongLength { expected, found }.into());
    }
    if form == 0 {
        return Ok(Item::Under(read_prefix(input)?));
    }
    let author = AuthorTag::from_bytes(input.fixed()?);
    let (first, last) = (read_seq(input)?, read_seq(input)?);
    match first <= last {
        true => Ok(Item::Span {
            author,
            first,
            last,
        }),
        false => Err(MessageError::Contradiction),
    }
}
