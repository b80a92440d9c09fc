//! Randomness of the operating system, for nonces and keys.

use crate::error::CommandError;

/// Fresh unpredictable bytes.
pub(crate) fn bytes<const N: usize>() -> Result<[u8; N], CommandError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        CommandError::failure("cannot get randomness from the operating system")
            .because(&error)
            .hint("check that /dev/urandom can be read")
    })?;
    Ok(bytes)
}
