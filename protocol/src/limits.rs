//! Limits of the format, units last. Each is consensus: every node decides alike.
//!
//! Spec: `specs/contribution.md` §8 (limits), `specs/derivation.md` §5.

/// Largest payload (shape and words together), in bytes.
pub const PAYLOAD_MAX_BYTES: usize = 256 * 1024;
/// Largest header of a contribution or record, in bytes.
pub const HEADER_MAX_BYTES: usize = 8 * 1024;
/// Deepest nesting of values, and longest path.
pub const DEPTH_MAX: usize = 16;
/// Most heads that one contribution may name as its dependencies.
pub const DEPS_MAX: usize = 64;
/// Largest claimed time, in milliseconds since the Unix epoch; the largest integer JSON keeps exact.
pub const TIME_MAX_MS: u64 = (1 << 53) - 1;
/// Largest sequence number of an author's chain in a space.
pub const SEQ_MAX: u64 = (1 << 53) - 1;
/// Bytes of randomness in front of the words, so that their digest gives nothing away.
pub const NONCE_BYTES: usize = 32;
/// Longest map key, in UTF-8 bytes.
pub const KEY_MAX_BYTES: usize = 64;
/// Derived Automerge operations one contribution may cause.
pub const DERIVED_OPS_PER_CONTRIBUTION_MAX: u64 = 16_384;
/// Derived operations in the causal past of a document, the contribution included.
pub const DERIVED_OPS_PER_DOCUMENT_MAX: u64 = 1_000_000;
/// Words in the causal past of a document, the contribution included, in UTF-8 bytes.
pub const WORDS_PER_DOCUMENT_MAX_BYTES: u64 = 16 * 1024 * 1024;
/// One author key may use at most one part in this many of either document limit.
pub const AUTHOR_SHARE_DIVISOR: u64 = 8;
/// Items of a list at `deps` from which on nothing more is inserted into it.
pub const LIST_ITEMS_MAX: usize = 1_024;
