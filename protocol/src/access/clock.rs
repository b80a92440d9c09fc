//! Whether this node's own clock is the reason why grants look expired.
//!
//! Spec: `specs/wire.md` §6.

/// Fewer grants than this say nothing about a clock.
pub const GRANTS_FOR_DOUBT_MIN: usize = 2;

/// Whether so many of the grants that peers showed have ended, by this node's clock, that the clock is
/// the likelier culprit: peers show no grant that has ended by their own.
pub fn clock_in_doubt(expired: usize, shown: usize) -> bool {
    shown >= GRANTS_FOR_DOUBT_MIN && expired > shown / 2
}
