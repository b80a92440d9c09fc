//! What an operator can decide to keep of a space.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// Longest window of days, so that no arithmetic on times overflows.
pub const WINDOW_MAX_DAYS: u32 = 36_500;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// What is kept of a space.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Keep {
    /// All of it.
    #[default]
    Everything,
    /// All headers and shapes, and the words of what was written in the last days.
    Recent {
        /// How many days.
        days: u32,
    },
    /// All headers and shapes. Words only of what people of this node write, and what is asked for.
    Structure,
    /// Nothing: the space is not exchanged.
    Nothing,
}

/// A text that names none of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{0:?} is nothing to keep: say `everything`, `recent DAYS` with 1 to {WINDOW_MAX_DAYS} days, \
     `structure` or `nothing`"
)]
pub struct KeepError(String);

impl Keep {
    /// Whether nothing is left out.
    pub fn is_everything(&self) -> bool {
        *self == Self::Everything
    }

    /// Whether words that somebody says were written then are kept when they arrive. The time is the
    /// author's claim: it decides about this disk and nothing else, and what is missing is fetched
    /// when somebody reads it.
    pub fn keeps_words_of(&self, time_ms: u64, now_ms: u64) -> bool {
        match self {
            Self::Everything => true,
            Self::Recent { days } => time_ms >= now_ms.saturating_sub(u64::from(*days) * DAY_MS),
            Self::Structure | Self::Nothing => false,
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Recent { days } => write!(f, "recent {days}"),
            Self::Structure => f.write_str("structure"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

impl FromStr for Keep {
    type Err = KeepError;

    fn from_str(text: &str) -> Result<Self, KeepError> {
        Ok(match text {
            "everything" => Self::Everything,
            "structure" => Self::Structure,
            "nothing" => Self::Nothing,
            _ => {
                let days = text.strip_prefix("recent ").and_then(|it| it.parse().ok());
                let fits = |days: &u32| (1..=WINDOW_MAX_DAYS).contains(days);
                let days = days.filter(fits);
                Self::Recent {
                    days: days.ok_or_else(|| KeepError(text.to_owned()))?,
                }
            }
        })
    }
}

impl TryFrom<String> for Keep {
    type Error = KeepError;

    fn try_from(text: String) -> Result<Self, KeepError> {
        text.parse()
    }
}

impl From<Keep> for String {
    fn from(keep: Keep) -> Self {
        keep.to_string()
    }
}
