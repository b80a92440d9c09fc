//! Whether the node does what it is there for.

use serde::{Deserialize, Serialize};

/// `GET /v0/health`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `ok` or `unwell`.
    pub state: String,
    /// What is wrong; empty if nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<HealthReason>,
}

impl Health {
    /// Whether nothing is wrong.
    pub fn is_ok(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthReason {
    /// A stable word for programs: `read_only`, `disk_full`, `damaged`, `no_network`, `clock`,
    /// `stopping`.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}
