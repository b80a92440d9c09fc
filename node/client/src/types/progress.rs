//! Long work of a node, as it goes on.

use serde::{Deserialize, Serialize};

/// How far a piece of long work is: in events of the kind `progress`, and in `GET /v0/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its number; each piece of work has another one until the node stops.
    pub id: u64,
    /// `open`, `index`, `verify`, `backup` or `sync`.
    pub what: String,
    /// The same in words, for people.
    pub label: String,
    /// The space it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// What is done, in `unit`; never decreases.
    pub done: u64,
    /// What there is to do, in `unit`, as far as known; never less than `done`.
    pub total: Option<u64>,
    /// `bytes` or `entries`.
    pub unit: String,
    /// Whether it is over, well or not; nothing more is told of it.
    pub finished: bool,
}
