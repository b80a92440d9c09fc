//! Requests and answers of the local API, v0. Identifiers are text: ids 64 hexadecimal digits, keys
//! `did:key:z6Mk…`, times milliseconds since the Unix epoch, bytes standard base64 without padding.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

mod doctor;
mod document;
mod governance;
mod health;
mod members;
mod node;
mod progress;

pub use doctor::*;
pub use document::*;
pub use governance::*;
pub use health::*;
pub use members::*;
pub use node::*;
pub use progress::*;

/// An error as the API states it: what was attempted, why it failed, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// A stable word for programs: `not_found`, `ambiguous`, `not_a_member`, `refused`, `invalid`,
    /// `read_only`, `unavailable`, `unreachable`, `internal`, `unhealthy`.
    pub code: String,
    /// What was attempted and why it failed, for people.
    pub message: String,
    /// What to do next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// Further details, such as the candidates of an ambiguous id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub details: BTreeMap<String, serde_json::Value>,
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

/// One page of a longer list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items of this page, in order.
    pub items: Vec<T>,
    /// Where the next page starts; none after the last.
    pub next: Option<String>,
}
