//! The bytes of a segment header and of a frame. Spec: `specs/record-format.md` §2 and §3.
//!
//! A frame is found again after damage by its segment's marker, eight random bytes. Words are
//! chosen by members, who may be hostile: without a secret marker they could carry a whole forged
//! frame that a scan would pick up once the frame around it is damaged.

use super::entry::{EntryRef, NewEntry, SIGNATURE_BYTES, Words};
use comity_protocol::id::{EntryId, ID_BYTES};

/// Version of the format that this code writes, and the newest it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Two equal copies, so that one damaged byte does not cost the marker.
pub(crate) const SEGMENT_HEADER_BYTES: u32 = 2 * HEADER_COPY_BYTES as u32;
/// Largest frame, in bytes: bounds what a reader allocates.
pub const FRAME_MAX_BYTES: u64 = 16 * 1024 * 1024;

pub(crate) const PREFIX_BYTES: usize = 32;
const HEADER_COPY_BYTES: usize = 32;
const MAGIC: [u8; 8] = *b"comity.r";
const CRC_BYTES: usize = 4;
const ID_AT: usize = PREFIX_BYTES;
const SIGNATURE_AT: usize = ID_AT + ID_BYTES;
const PARTS_AT: usize = SIGNATURE_AT + SIGNATURE_BYTES;
const FLAG_WORDS: u8 = 0x01;
const FLAG_FILLER: u8 = 0x80;
/// Far apart in bits, and neither is the other's complement.
const STATE_PRESENT: u8 = 0x57;
const STATE_ERASED: u8 = 0xE5;
/// State byte and checksum in front of the words.
const WORDS_HEAD_BYTES: usize = 1 + CRC_BYTES;

/// Eight random bytes in front of every frame of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Marker(pub(crate) [u8; 8]);

/// Where a frame is; part of its checksum, so that a misplaced copy is not taken for it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) marker: Marker,
    pub(crate) segment: u32,
    pub(crate) offset: u32,
}

/// What a segment header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeaderState {
    Good(Marker),
    /// One copy is damaged; the other gives the marker.
    HalfDamaged(Marker),
    TooNew(u32),
    Damaged,
}

pub(crate) fn segment_header(marker: Marker, segment: u32) -> [u8; SEGMENT_HEADER_BYTES as usize] {
    let mut copy = [0; HEADER_COPY_BYTES];
    copy[..8].copy_from_slice(&MAGIC);
    copy[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
    copy[12..16].copy_from_slice(&segment.to_le_bytes());
    copy[16..24].copy_from_slice(&marker.0);
    let crc = crc32c::crc32c(&copy[..28]);
    copy[28..].copy_from_slice(&crc.to_le_bytes());
    let mut header = [0; SEGMENT_HEADER_BYTES as usize];
    header[..HEADER_COPY_BYTES].copy_from_slice(&copy);
    header[HEADER_COPY_BYTES..].copy_from_slice(&copy);
    header
}

pub(crate) fn read_segment_header(bytes: &[u8], segment: u32) -> HeaderState {
    let copies: Vec<HeaderState> = bytes
        .chunks_exact(HEADER_COPY_BYTES)
        .map(|copy| read_header_copy(copy, segment))
        .collect();
    let good = copies
        .iter()
        .find(|copy| !matches!(copy, HeaderState::Damaged));
    match (good, copies.len()) {
        (Some(HeaderState::Good(marker)), 2) if copies[0] == copies[1] => {
            HeaderState::Good(*marker)
        }
        (Some(HeaderState::Good(marker)), _) => HeaderState::HalfDamaged(*marker),
        (Some(other), _) => *other,
        (None, _) => HeaderState::Damaged,
    }
}

fn read_header_copy(copy: &[u8], segment: u32) -> HeaderState {
    let crc_matches = crc32c::crc32c(&copy[..28]) == u32_at(copy, 28);
    if !crc_matches || copy[..8] != MAGIC || u32_at(copy, 12) != segment {
        return HeaderState::Damaged;
    }
    let version = u32_at(copy, 8);
    if version > FORMAT_VERSION {
        return HeaderState::TooNew(version);
    }
    let mut marker = [0; 8];
    marker.copy_from_slice(&copy[16..24]);
    HeaderState::Good(Marker(marker))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(word)
}

/// The first bytes of a frame: how long its parts are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Prefix {
    header_len: u32,
    shape_len: u32,
    pub(crate) words_len: u32,
    kind: u8,
    flags: u8,
    /// Offset in this segment where the group commit began that wrote this frame. All before it
    /// had been acknowledged: a hole before it is damage, a hole after it may be a torn write.
    pub(crate) batch_offset: u32,
}

impl Prefix {
    pub(crate) fn encode(&self, place: Place) -> [u8; PREFIX_BYTES] {
        let mut bytes = [0; PREFIX_BYTES];
        bytes[..8].copy_from_slice(&place.marker.0);
        bytes[8..12].copy_from_slice(&self.header_len.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.shape_len.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.words_len.to_le_bytes());
        bytes[20] = self.kind;
        bytes[21] = self.flags;
        bytes[24..28].copy_from_slice(&self.batch_offset.to_le_bytes());
        let crc = prefix_crc(&bytes, place);
        bytes[28..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// `None` unless marker, checksum and limits hold.
    pub(crate) fn decode(bytes: &[u8], place: Place) -> Option<Self> {
        let bytes = bytes.get(..PREFIX_BYTES)?;
        if bytes[..8] != place.marker.0 || u32_at(bytes, 28) != prefix_crc(bytes, place) {
            return None;
        }
        let prefix = Self {
            header_len: u32_at(bytes, 8),
            shape_len: u32_at(bytes, 12),
            words_len: u32_at(bytes, 16),
            kind: bytes[20],
            flags: bytes[21],
            batch_offset: u32_at(bytes, 24),
        };
        let limit = if prefix.is_filler() {
            u64::from(u32::MAX)
        } else {
            FRAME_MAX_BYTES
        };
        (prefix.frame_len() <= limit).then_some(prefix)
    }

    /// Stands over bytes that nothing can be read from any more.
    pub(crate) fn filler(len: u32) -> Self {
        let shape_len = len - PREFIX_BYTES as u32;
        let flags = FLAG_FILLER;
        Self {
            header_len: 0,
            shape_len,
            words_len: 0,
            kind: 0,
            flags,
            batch_offset: 0,
        }
    }

    pub(crate) fn is_filler(&self) -> bool {
        self.flags & FLAG_FILLER != 0
    }

    fn has_words(&self) -> bool {
        self.flags & FLAG_WORDS != 0
    }

    fn structure_len(&self) -> usize {
        PARTS_AT + self.header_len as usize + self.shape_len as usize
    }

    /// Where the words section begins in the frame; `None` if there is none.
    pub(crate) fn words_at(&self) -> Option<u32> {
        self.has_words()
            .then_some((self.structure_len() + CRC_BYTES) as u32)
    }

    pub(crate) fn frame_len(&self) -> u64 {
        if self.is_filler() {
            return PREFIX_BYTES as u64 + u64::from(self.shape_len);
        }
        let words = if self.has_words() {
            WORDS_HEAD_BYTES as u64
        } else {
            0
        };
        PARTS_AT as u64
            + u64::from(self.header_len)
            + u64::from(self.shape_len)
            + CRC_BYTES as u64
            + words
            + u64::from(self.words_len)
    }
}

fn prefix_crc(bytes: &[u8], place: Place) -> u32 {
    let crc = crc32c::crc32c(&bytes[..28]);
    let crc = crc32c::crc32c_append(crc, &place.segment.to_le_bytes());
    crc32c::crc32c_append(crc, &place.offset.to_le_bytes())
}

/// Lengths, kind and flags are under both checksums.
fn structure_crc(frame: &[u8], end: usize) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[8..22]), &frame[ID_AT..end])
}

/// A frame that lacks only what depends on its place. Made on the caller's thread.
pub(crate) struct Prepared {
    pub(crate) id: EntryId,
    prefix: Prefix,
    bytes: Vec<u8>,
}

impl Prepared {
    /// Gives the frame's size back when it is over [`FRAME_MAX_BYTES`].
    pub(crate) fn new(entry: &NewEntry) -> Result<Self, u64> {
        let words = entry.words.as_deref();
        let lens = [
            entry.header.len(),
            entry.shape.len(),
            words.map_or(0, <[u8]>::len),
        ];
        let total = (PARTS_AT + CRC_BYTES + WORDS_HEAD_BYTES) as u64
            + lens.iter().map(|len| *len as u64).sum::<u64>();
        if total > FRAME_MAX_BYTES {
            return Err(total);
        }
        let prefix = Prefix {
            header_len: lens[0] as u32,
            shape_len: lens[1] as u32,
            words_len: lens[2] as u32,
            kind: entry.kind,
            flags: if words.is_some() { FLAG_WORDS } else { 0 },
            batch_offset: 0,
        };
        let nowhere = Place {
            marker: Marker([0; 8]),
            segment: 0,
            offset: 0,
        };
        let mut bytes = Vec::with_capacity(prefix.frame_len() as usize);
        bytes.extend_from_slice(&prefix.encode(nowhere));
        bytes.extend_from_slice(entry.id.as_bytes());
        bytes.extend_from_slice(&entry.signature);
        bytes.extend_from_slice(&entry.header);
        bytes.extend_from_slice(&entry.shape);
        let crc = structure_crc(&bytes, bytes.len());
        bytes.extend_from_slice(&crc.to_le_bytes());
        if let Some(words) = words {
            bytes.push(STATE_PRESENT);
            bytes.extend_from_slice(&crc32c::crc32c(words).to_le_bytes());
            bytes.extend_from_slice(words);
        }
        Ok(Self {
            id: entry.id,
            prefix,
            bytes,
        })
    }

    pub(crate) fn len(&self) -> u32 {
        self.bytes.len() as u32
    }

    pub(crate) fn has_words(&self) -> bool {
        self.prefix.has_words()
    }

    /// The frame's final bytes at this place.
    pub(crate) fn seal(&mut self, place: Place, batch_offset: u32) -> &[u8] {
        self.prefix.batch_offset = batch_offset;
        self.bytes[..PREFIX_BYTES].copy_from_slice(&self.prefix.encode(place));
        &self.bytes
    }

    pub(crate) fn entry(&self) -> EntryRef<'_> {
        view(&self.prefix, &self.bytes)
    }
}

fn view<'a>(prefix: &Prefix, frame: &'a [u8]) -> EntryRef<'a> {
    let shape_at = PARTS_AT + prefix.header_len as usize;
    let signature = frame[SIGNATURE_AT..PARTS_AT].try_into();
    EntryRef {
        kind: prefix.kind,
        id: id_of(frame),
        header: &frame[PARTS_AT..shape_at],
        signature: signature.expect("the slice has the length of a signature"),
        shape: &frame[shape_at..prefix.structure_len()],
    }
}

/// The id as it stands in the frame, to be trusted only under a matching checksum.
pub(crate) fn id_of(frame: &[u8]) -> EntryId {
    let mut id = [0; ID_BYTES];
    id.copy_from_slice(&frame[ID_AT..SIGNATURE_AT]);
    EntryId::from_bytes(id)
}

/// The words section of a frame, checked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum WordsRef<'a> {
    Absent,
    Present(&'a [u8]),
    Erased { len: u32 },
    Damaged,
}

impl WordsRef<'_> {
    pub(crate) fn to_words(self) -> Words {
        match self {
            Self::Absent => Words::Absent,
            Self::Present(words) => Words::Present(words.to_vec()),
            Self::Erased { len } => Words::Erased { len },
            Self::Damaged => Words::Damaged,
        }
    }
}

/// Checks a whole frame. `None` if its structural part is damaged.
pub(crate) fn decode<'a>(prefix: &Prefix, frame: &'a [u8]) -> Option<(EntryRef<'a>, WordsRef<'a>)> {
    let end = prefix.structure_len();
    if u32_at(frame, end) != structure_crc(frame, end) {
        return None;
    }
    Some((view(prefix, frame), decode_words(prefix, frame)))
}

fn decode_words<'a>(prefix: &Prefix, frame: &'a [u8]) -> WordsRef<'a> {
    let Some(at) = prefix.words_at() else {
        return WordsRef::Absent;
    };
    let section = &frame[at as usize..];
    let (crc, words) = (u32_at(section, 1), &section[WORDS_HEAD_BYTES..]);
    match section[0] {
        STATE_PRESENT if crc == crc32c::crc32c(words) => WordsRef::Present(words),
        STATE_ERASED if crc == 0 && words.iter().all(|byte| *byte == 0) => WordsRef::Erased {
            len: prefix.words_len,
        },
        _ => WordsRef::Damaged,
    }
}

/// The words section after erasure: equal length, checksum and words all zero.
pub(crate) fn erased_section(prefix: &Prefix) -> Vec<u8> {
    let mut section = vec![0; WORDS_HEAD_BYTES + prefix.words_len as usize];
    section[0] = STATE_ERASED;
    section
}
