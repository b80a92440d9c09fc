//! Codes: what people hand each other as text or in a file, so that parties can be added and
//! communities founded together. None holds a secret.
//!
//! A code is a prefix that says what it is, then base64 (URL alphabet, no padding) of the content and
//! four bytes of its digest.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use comity_protocol::certificate::body_id;
use thiserror::Error;

const CHECKSUM_BYTES: usize = 4;
/// Longest code that is read, in characters: a draft with its parties fits well.
const TEXT_MAX_CHARACTERS: usize = 4 * 1024 * 1024;

/// What a code is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The first state of a party.
    Party,
    /// A ticket that lets another party ask to join.
    Parties,
    /// A genesis that founders have yet to sign.
    Draft,
    /// A founder's signature under a draft.
    Signature,
}

impl Code {
    const ALL: [Self; 4] = [Self::Party, Self::Parties, Self::Draft, Self::Signature];

    /// How its text starts.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Party => "comityparty1",
            Self::Parties => "comityparties1",
            Self::Draft => "comitydraft1",
            Self::Signature => "comitysignature1",
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Party => "the code of a party",
            Self::Parties => "a ticket for a party",
            Self::Draft => "the draft of a community",
            Self::Signature => "a founder's signature",
        }
    }

    /// The text for some content.
    pub fn text(self, content: &[u8]) -> String {
        let mut bytes = content.to_vec();
        bytes.extend(&body_id(content).as_bytes()[..CHECKSUM_BYTES]);
        format!("{}{}", self.prefix(), URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The content of a text. Spaces and line breaks inside do not matter.
    ///
    /// # Errors
    /// [`CodeError`] if it is another code, or not whole.
    pub fn content(self, text: &str) -> Result<Vec<u8>, CodeError> {
        let text: String = text.split_whitespace().collect();
        let Some(encoded) = text.strip_prefix(self.prefix()) else {
            let other = Self::ALL
                .into_iter()
                .find(|it| text.starts_with(it.prefix()));
            return Err(match other {
                Some(other) => CodeError::Other {
                    wanted: self.noun(),
                    found: other.noun(),
                },
                None => CodeError::NoCode {
                    wanted: self.noun(),
                    prefix: self.prefix(),
                },
            });
        };
        if encoded.len() > TEXT_MAX_CHARACTERS {
            return Err(CodeError::TooLong);
        }
        let mut bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| CodeError::Damaged)?;
        let length = bytes.len().checked_sub(CHECKSUM_BYTES);
        let checksum = bytes.split_off(length.ok_or(CodeError::Damaged)?);
        if body_id(&bytes).as_bytes()[..CHECKSUM_BYTES] != checksum {
            return Err(CodeError::Damaged);
        }
        Ok(bytes)
    }
}

/// Why a text is not the code that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CodeError {
    /// It is no code.
    #[error("this is not {wanted}, which starts with {prefix}")]
    NoCode {
        /// What was wanted.
        wanted: &'static str,
        /// How that starts.
        prefix: &'static str,
    },
    /// It is another code.
    #[error("this is {found}, not {wanted}")]
    Other {
        /// What was wanted.
        wanted: &'static str,
        /// What it is.
        found: &'static str,
    },
    /// It is longer than any code.
    #[error("it is longer than any code can be")]
    TooLong,
    /// Characters are missing or mistyped.
    #[error("the code is incomplete or mistyped; copy it again, whole")]
    Damaged,
    /// What it holds breaks a rule.
    #[error("what the code holds is broken: {0}")]
    Content(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_back_whole_or_not_at_all() {
        let text = Code::Party.text(b"content");
        let broken = format!("{}\n  {}", &text[..15], &text[15..]);
        assert_eq!(Code::Party.content(&broken).unwrap(), b"content");
        let error = Code::Draft.content(&text).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("the code of a party, not the draft"),
            "{error}"
        );
        assert!(Code::Party.content("hello").is_err());
        // Every single mistyped character is found.
        for index in Code::Party.prefix().len()..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[index] = if wrong[index] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert!(Code::Party.content(&wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            Code::Party.content(&text[..text.len() - 4]),
            Err(CodeError::Damaged)
        );
        assert_eq!(Code::Party.content("comityparty1"), Err(CodeError::Damaged));
    }
}
