//! The one place where the node takes randomness and time from the system.

use rand_core::UnwrapErr;
use std::time::{SystemTime, UNIX_EPOCH};

/// The system's random generator. It fails only where the system itself is broken.
pub(crate) type SystemRng = UnwrapErr<getrandom::SysRng>;

/// The system's random generator.
pub(crate) fn rng() -> SystemRng {
    UnwrapErr(getrandom::SysRng)
}

/// Fresh random bytes.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the system's random generator works");
    bytes
}

/// A random number.
pub(crate) fn number() -> u64 {
    u64::from_le_bytes(bytes())
}

/// The system's clock, milliseconds since the Unix epoch; 0 before it.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
