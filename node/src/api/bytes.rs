//! Bytes in JSON: standard base64 without padding.

use super::error::Failure;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};

pub(super) fn encode(bytes: &[u8]) -> String {
    STANDARD_NO_PAD.encode(bytes)
}

/// Reads bytes; `what` names them in the error.
pub(super) fn decode(text: &str, what: &str) -> Result<Vec<u8>, Failure> {
    STANDARD_NO_PAD
        .decode(text)
        .map_err(|error| Failure::invalid(format!("{what} is not base64 without padding: {error}")))
}
