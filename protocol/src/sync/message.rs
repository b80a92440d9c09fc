//! What travels on a `/comity/sync/1` stream.
//!
//! A frame is a length of four bytes, big endian, and that many bytes of canonical CBOR: an array
//! of a message number and the fields of that message. One stream carries all spaces of a peer.
//! Decoding is strict and bounded: one message has one encoding, and no count is believed before
//! it was compared with its limit and with the bytes that are there.
//!
//! Spec: `specs/wire.md` §4 (sync messages).

mod decode;
mod encode;

use super::key::{AuthorTag, Item, Key, Prefix, TrieHash};
use crate::access::ShownGrant;
use crate::codec::CodecError;
use crate::id::{CommunityId, SpaceId};
use crate::key::KeyError;
use thiserror::Error;

/// Largest frame without its length, in bytes.
pub const FRAME_MAX_BYTES: usize = 1024 * 1024;
/// Length of the frame length, in bytes.
pub const FRAME_PREFIX_BYTES: usize = 4;
/// Most spaces in one `Roots`.
pub const ROOTS_MAX: usize = 1024;
/// Most claims in one `Compare`.
pub const CLAIMS_MAX: usize = 2048;
/// Most items asked for in one `Compare`.
pub const WANTS_MAX: usize = 4096;
/// Most authors in one `Runs` claim.
pub const RUNS_MAX: usize = 64;
/// Most keys in one `Keys` claim.
pub const KEYS_MAX: usize = 64;
/// Most nibbles that tell the cells of one claim apart.
pub const LEVELS_MAX: usize = 2;
/// Most entries in one `Entries`.
pub const ENTRIES_MAX: usize = 1024;
/// Most keys in one `Announce` or `Want`.
pub const ANNOUNCE_MAX: usize = 256;
/// Most spaces in one `Spaces` or `Learn`.
pub const SPACES_TOLD_MAX: usize = 256;
/// Largest entry, in bytes: header, payload, signature and their frame.
pub const ENTRY_MAX_BYTES: usize = crate::entry::ENTRY_MAX_BYTES;
/// Largest amount in one `Credit`, in bytes.
pub const CREDIT_MAX_BYTES: u64 = 1 << 32;

/// Salt of the fingerprints of one round, chosen anew by whoever starts it.
pub type Salt = [u8; 8];
/// The first bytes of a salted hash. Enough to tell subtrees apart within a round whose salt their
/// authors could not know; sets are only ever called equal by their full roots.
pub type Fingerprint = [u8; 8];

/// A frame that cannot be taken as a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MessageError {
    /// The frame is longer than allowed.
    #[error("a frame of {found} bytes is announced where at most {FRAME_MAX_BYTES} are allowed")]
    FrameTooLong {
        /// The announced length, in bytes.
        found: usize,
    },
    /// The bytes are not canonical CBOR of the expected form.
    #[error("the message cannot be decoded: {0}")]
    Codec(#[from] CodecError),
    /// A key inside is not usable.
    #[error("a key inside the message is not usable: {0}")]
    Key(#[from] KeyError),
    /// The message number is unknown.
    #[error("message number {0} is unknown; the peer may speak a newer version")]
    UnknownMessage(u64),
    /// A prefix is longer than a key, or not packed as it should be.
    #[error("a prefix is not well formed")]
    BadPrefix,
    /// A list that must be strictly ascending is not.
    #[error("a list is not strictly ascending")]
    NotAscending,
    /// A list that must not be empty is.
    #[error("a list that must not be empty is empty")]
    Empty,
    /// A part of a claim lies outside of what the claim is about.
    #[error("a claim speaks of something outside its prefix")]
    OutsideClaim,
    /// A claim is about something that another claim of the message is about.
    #[error("two claims of one message are about the same")]
    Overlap,
    /// Numbers contradict each other.
    #[error("numbers of one record contradict each other")]
    Contradiction,
}

/// The state of one space at the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceRoot {
    /// The space.
    pub space: SpaceId,
    /// Root of the sender's trie.
    pub root: TrieHash,
    /// Number of keys in it. The first that both sides tell decide who starts the first round.
    pub count: u64,
    /// The last round about this space that the acceptor started and the sender has finished on this
    /// stream, 0 if none.
    pub after: u64,
}

/// One author in a [`Claim::Runs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The author.
    pub author: AuthorTag,
    /// The highest sequence number the sender has; 0 if it has certificates alone.
    pub last: u64,
    /// How many keys of the author the sender has; at least 1.
    pub count: u64,
    /// Fingerprint of the author's subtree.
    pub print: Fingerprint,
}

/// All that the sender has under a prefix, at some level of detail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// Fingerprints of the parts.
    Cells {
        /// All keys under its first `cover` nibbles lie under the whole of it.
        base: Prefix,
        /// How many nibbles of `base` the claim is about.
        cover: usize,
        /// How many nibbles after `base` tell the cells apart: 1 or 2.
        levels: usize,
        /// The cells that are not empty, ascending by their nibbles read as a number.
        cells: Vec<(usize, Fingerprint)>,
    },
    /// A line for every author, ascending.
    Runs {
        /// What the claim is about; no longer than a tag.
        prefix: Prefix,
        /// The authors.
        runs: Vec<Run>,
    },
    /// Every key, ascending.
    Keys {
        /// What the claim is about; at least a whole tag.
        prefix: Prefix,
        /// The keys.
        keys: Vec<Key>,
    },
}

impl Claim {
    /// What the claim is about: it tells of all keys under this prefix.
    pub fn subject(&self) -> Prefix {
        match self {
            Self::Cells { base, cover, .. } => base.shortened(*cover),
            Self::Runs { prefix, .. } | Self::Keys { prefix, .. } => *prefix,
        }
    }
}

/// One turn of a round: what the sender has where the peers differ, and what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// The space.
    pub space: SpaceId,
    /// Number of the round; ascending for each side of a stream, odd if the acceptor started it.
    pub round: u64,
    /// Number of the turn within the round; from 0, peers alternate.
    pub turn: u64,
    /// Salt of the round, equal in all its turns.
    pub salt: Salt,
    /// Whether the receiver may send at once what it finds that the sender lacks.
    pub pull: bool,
    /// What the sender has, ascending by subject, none about a part of another; empty if it needs no
    /// more detail.
    pub claims: Vec<Claim>,
    /// What the sender asks for.
    pub wants: Vec<Item>,
}

/// Why a peer ends the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseReason {
    /// Shutting down or no longer interested.
    Leaving,
    /// The receiver broke the protocol.
    Protocol,
    /// The receiver does not read or answer.
    Silence,
    /// The sender has no room for this peer now.
    Busy,
}

/// A message of the sync stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The sender's roots: "compare".
    Roots(Vec<SpaceRoot>),
    /// One turn of a round.
    Compare(Compare),
    /// Entries, in the sender's local order.
    Entries {
        /// The space.
        space: SpaceId,
        /// The round they belong to, 0 if they answer a `Want`.
        round: u64,
        /// The entries as they are stored; opaque here. Not empty.
        entries: Vec<Vec<u8>>,
    },
    /// The sender has sent all it had to send in a round.
    Done {
        /// The space.
        space: SpaceId,
        /// The round.
        round: u64,
    },
    /// Keys that are new at the sender, ascending, not empty.
    Announce {
        /// The space.
        space: SpaceId,
        /// The keys.
        keys: Vec<Key>,
    },
    /// Announced keys that the sender asks for, ascending, not empty.
    Want {
        /// The space.
        space: SpaceId,
        /// The keys.
        keys: Vec<Key>,
    },
    /// The receiver may send so many more bytes of entries.
    Credit {
        /// Bytes of entries, from 1 to [`CREDIT_MAX_BYTES`].
        bytes: u64,
    },
    /// The sender does not talk about this space: it is absent or not for the receiver, which are
    /// one and the same answer.
    Refuse {
        /// The space.
        space: SpaceId,
    },
    /// The sender ends the stream.
    Close(CloseReason),
    /// The grants under which the sender may read in a community; they replace those shown before.
    Grants {
        /// The community.
        community: CommunityId,
        /// The grants, in any order.
        grants: Vec<ShownGrant>,
    },
    /// Spaces that the receiver may read, but cannot know of from the public governance.
    Spaces {
        /// Their community.
        community: CommunityId,
        /// The spaces, ascending, not empty.
        spaces: Vec<SpaceId>,
    },
    /// Spaces of a `Spaces` that the sender does not know: it asks for what declares them.
    Learn {
        /// The spaces, ascending, not empty.
        spaces: Vec<SpaceId>,
    },
}

impl Message {
    /// The message as a frame, its length in front.
    pub fn to_frame(&self) -> Vec<u8> {
        let body = self.encode();
        let mut frame = Vec::with_capacity(FRAME_PREFIX_BYTES + body.len());
        frame.extend((body.len() as u32).to_be_bytes());
        frame.extend(body);
        frame
    }

    /// Reads the length in front of a frame: how many bytes follow.
    ///
    /// # Errors
    /// [`MessageError::FrameTooLong`] above [`FRAME_MAX_BYTES`]; nothing is to be allocated then.
    pub fn frame_length(prefix: [u8; FRAME_PREFIX_BYTES]) -> Result<usize, MessageError> {
        match u32::from_be_bytes(prefix) as usize {
            found if found > FRAME_MAX_BYTES => Err(MessageError::FrameTooLong { found }),
            length => Ok(length),
        }
    }
}

impl Message {
    /// The message without what it says about spaces that do not pass; `None` if nothing is left.
    /// A refusal always passes: it says nothing but what the peer named.
    pub fn only_about(self, passes: impl Fn(&SpaceId) -> bool) -> Option<Self> {
        match self {
            Self::Roots(mut roots) => {
                roots.retain(|root| passes(&root.space));
                (!roots.is_empty()).then_some(Self::Roots(roots))
            }
            Self::Spaces {
                community,
                mut spaces,
            } => {
                spaces.retain(&passes);
                (!spaces.is_empty()).then_some(Self::Spaces { community, spaces })
            }
            Self::Compare(Compare { space, .. })
            | Self::Entries { space, .. }
            | Self::Done { space, .. }
            | Self::Announce { space, .. }
            | Self::Want { space, .. } => passes(&space).then_some(self),
            Self::Learn { .. }
            | Self::Grants { .. }
            | Self::Credit { .. }
            | Self::Refuse { .. }
            | Self::Close(_) => Some(self),
        }
    }

    /// About how many bytes the message takes, in memory and on the wire.
    pub(crate) fn weight(&self) -> usize {
        64 + match self {
            Self::Roots(roots) => 88 * roots.len(),
            Self::Compare(compare) => {
                let claims: usize = compare.claims.iter().map(Claim::weight).sum();
                claims + 80 * compare.wants.len()
            }
            Self::Entries { entries, .. } => entries.iter().map(|entry| entry.len() + 8).sum(),
            Self::Announce { keys, .. } | Self::Want { keys, .. } => 88 * keys.len(),
            Self::Grants { grants, .. } => 112 * grants.len(),
            Self::Spaces { spaces, .. } | Self::Learn { spaces } => 40 * spaces.len(),
            Self::Done { .. } | Self::Credit { .. } | Self::Refuse { .. } | Self::Close(_) => 0,
        }
    }
}

impl Claim {
    /// About how many bytes the claim takes.
    pub(crate) fn weight(&self) -> usize {
        128 + match self {
            Self::Cells { cells, .. } => 16 * cells.len(),
            Self::Runs { runs, .. } => 64 * runs.len(),
            Self::Keys { keys, .. } => 88 * keys.len(),
        }
    }
}
