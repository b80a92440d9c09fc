//! The recovery phrase: the 32 bytes of entropy as 24 English words (BIP-39), to be kept on paper.

use super::material::Seed;
use bip39::{Language, Mnemonic};
use std::fmt;
use thiserror::Error;
use zeroize::{Zeroize as _, Zeroizing};

/// Words of a recovery phrase.
pub const PHRASE_WORDS: usize = 24;

/// Why a text is not a recovery phrase.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PhraseError {
    /// There are more or fewer words than [`PHRASE_WORDS`].
    #[error("it has {0} words where {PHRASE_WORDS} are needed")]
    WordCount(usize),
    /// A word is not in the list.
    #[error("word {position}, \"{word}\", is not in the list of words{}", suggestions(.similar))]
    UnknownWord {
        /// Where it stands, counted from 1.
        position: usize,
        /// The word as it was given.
        word: String,
        /// Words of the list that are one slip away.
        similar: Vec<&'static str>,
    },
    /// All words are in the list, but they do not belong together.
    #[error("the words do not belong together: at least one is wrong or in the wrong place")]
    Checksum,
}

fn suggestions(similar: &[&str]) -> String {
    match similar {
        [] => String::new(),
        words => format!(" (similar: {})", words.join(", ")),
    }
}

impl PhraseError {
    pub(super) fn hints(&self) -> Vec<String> {
        let hint = match self {
            Self::WordCount(_) => "give all 24 words in order, separated by spaces",
            Self::UnknownWord { .. } => "compare this word with what you wrote down",
            Self::Checksum => "compare every word and the order with what you wrote down",
        };
        vec![hint.to_owned()]
    }
}

/// Twenty-four words that stand for an entropy. Wiped when dropped; printed only on request.
pub struct RecoveryPhrase(Zeroizing<String>);

impl RecoveryPhrase {
    pub(super) fn of(entropy: &Seed) -> Self {
        let mnemonic = Mnemonic::from_entropy_in(Language::English, entropy.as_slice())
            .expect("32 bytes are a length BIP-39 knows");
        Self(Zeroizing::new(mnemonic.to_string()))
    }

    /// The words, separated by single spaces.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The words in order.
    pub fn words(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ')
    }

    /// Reads the entropy back from words in any case, separated by any white space.
    ///
    /// # Errors
    /// If the number of words is wrong, a word is unknown, or the checksum does not fit.
    pub fn parse(text: &str) -> Result<Seed, PhraseError> {
        let lower = Zeroizing::new(text.to_lowercase());
        let words: Vec<&str> = lower.split_whitespace().collect();
        if words.len() != PHRASE_WORDS {
            return Err(PhraseError::WordCount(words.len()));
        }
        let list = Language::English.word_list();
        if let Some(at) = words.iter().position(|word| !list.contains(word)) {
            return Err(PhraseError::UnknownWord {
                position: at + 1,
                word: words[at].to_owned(),
                similar: similar(words[at], list),
            });
        }
        let normalized = Zeroizing::new(words.join(" "));
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &normalized)
            .map_err(|_| PhraseError::Checksum)?;
        let (mut bytes, len) = mnemonic.to_entropy_array();
        let mut entropy = Zeroizing::new([0; 32]);
        debug_assert_eq!(len, entropy.len());
        entropy.copy_from_slice(&bytes[..32]);
        bytes.zeroize();
        Ok(entropy)
    }
}

impl fmt::Debug for RecoveryPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryPhrase(hidden)")
    }
}

/// Words of the list that differ by one letter, one missing or extra letter, or one swap.
fn similar(word: &str, list: &[&'static str]) -> Vec<&'static str> {
    let near = |candidate: &&&'static str| one_slip_apart(word.as_bytes(), candidate.as_bytes());
    list.iter().filter(near).take(4).copied().collect()
}

fn one_slip_apart(a: &[u8], b: &[u8]) -> bool {
    let head = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[head..], &b[head..]);
    let tail =
        |skip_a: usize, skip_b: usize| a.get(skip_a..).is_some_and(|a| b.get(skip_b..) == Some(a));
    let swapped = a.len() > 1 && b.len() > 1 && a[0] == b[1] && a[1] == b[0] && tail(2, 2);
    swapped || tail(1, 1) || tail(1, 0) || tail(0, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZEROS: [&str; 2] = ["abandon", "art"];

    fn zeros() -> String {
        format!("{} {}", [ZEROS[0]; 23].join(" "), ZEROS[1])
    }

    #[test]
    fn the_published_vector_holds_both_ways() {
        let phrase = RecoveryPhrase::of(&Zeroizing::new([0; 32]));
        assert_eq!(phrase.as_str(), zeros());
        assert_eq!(*RecoveryPhrase::parse(&zeros()).unwrap(), [0; 32]);
    }

    #[test]
    fn case_and_white_space_do_not_matter() {
        let messy = zeros().to_uppercase().replace(' ', "\n  ");
        assert_eq!(*RecoveryPhrase::parse(&messy).unwrap(), [0; 32]);
    }

    #[test]
    fn a_wrong_word_is_named_with_its_place_and_similar_words() {
        let mut words = vec!["abandon"; 23];
        words[4] = "abandom";
        words.push("art");
        let error = RecoveryPhrase::parse(&words.join(" ")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "word 5, \"abandom\", is not in the list of words (similar: abandon)"
        );
    }

    #[test]
    fn a_wrong_checksum_and_a_wrong_count_are_told_apart() {
        assert_eq!(
            RecoveryPhrase::parse(&zeros().replace("art", "zoo")).unwrap_err(),
            PhraseError::Checksum
        );
        assert_eq!(
            RecoveryPhrase::parse("abandon art").unwrap_err(),
            PhraseError::WordCount(2)
        );
    }

    #[test]
    fn swaps_and_missing_letters_are_slips() {
        for slip in ["abnadon", "abadon", "abandonn", "bbandon"] {
            assert!(one_slip_apart(slip.as_bytes(), b"abandon"), "{slip}");
        }
        assert!(!one_slip_apart(b"abolish", b"abandon"));
    }
}
