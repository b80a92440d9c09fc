//! Contributions without their words, and asking for these.

use crate::{
    community::{FOUNDER, public, samples, secret},
    entry::decodes_canonically,
};
use comity_protocol::{
    access::{
        WORDS_ANSWER_MAX_BYTES, WORDS_ASKED_MAX, WordsAnswer, WordsAsked, WordsGiven, WordsRequest,
    },
    entry::{Contribution, Entry, EntryError, Verified, VerifyError, Words},
    id::{EntryId, SpaceId},
    key::Signature,
    limits::PAYLOAD_MAX_BYTES,
};

/// Contributions with words, of every sort that the samples have.
fn whole() -> Vec<Contribution> {
    let samples = samples().into_iter();
    let whole = samples.filter_map(|(_, entry)| match entry {
        Entry::Contribution(it) if matches!(it.words(), Words::Present(_)) => Some(it),
        _ => None,
    });
    whole.collect()
}

#[test]
fn without_its_words_it_is_the_same_entry_and_with_others_none() {
    assert!(!whole().is_empty());
    for it in whole() {
        let Words::Present(words) = it.words().clone() else {
            unreachable!()
        };
        let lacking = it.clone().without_words();
        let (entry, other) = (
            Entry::Contribution(lacking.clone()),
            Entry::Contribution(it.clone()),
        );
        assert!(lacking.lacks_words() && !it.lacks_words());
        assert_eq!(
            (entry.id(), entry.key(), entry.space()),
            (other.id(), other.key(), other.space())
        );
        let bytes = entry.encode();
        assert_eq!(
            bytes.len(),
            other.encode().len() - words.len() - words_head(words.len())
        );
        assert_eq!(Entry::decode(&bytes).unwrap(), entry);
        assert_eq!(Entry::peek(&bytes), Some((other.space(), other.key())));
        assert!(Entry::peek_lacks_words(&bytes) && !Entry::peek_lacks_words(&other.encode()));
        Verified::check(entry.clone()).unwrap();
        assert_eq!(Verified::check(entry).unwrap().erasure(), None);

        assert_eq!(lacking.clone().with_words(words.clone()).unwrap(), it);
        let cut = words[..words.len() - 1].to_vec();
        let mut changed = words;
        changed[0] ^= 1;
        for wrong in [cut, changed, Vec::new()] {
            let refused = lacking.clone().with_words(wrong);
            assert_eq!(refused, Err(EntryError::WordsHash));
        }
    }
}

/// Bytes of the head of a byte string.
fn words_head(len: usize) -> usize {
    match len {
        0..24 => 1,
        24..256 => 2,
        256..65_536 => 3,
        _ => 5,
    }
}

#[test]
fn nobody_else_signs_for_one_without_words() {
    let it = whole().remove(0).without_words();
    let forged = Contribution::assemble(
        it.header_bytes().to_vec(),
        secret(FOUNDER).sign(b"another domain\0", it.header_bytes()),
        it.shape().to_vec(),
        Words::NotKept,
    );
    let refused = Verified::check(Entry::Contribution(forged.unwrap()));
    assert!(
        matches!(refused, Err(VerifyError::Signature(_))),
        "{:?}",
        public(FOUNDER)
    );
    // The shape is as bound as ever.
    let signature: Signature = *it.signature();
    let mut shape = it.shape().to_vec();
    shape[0] ^= 1;
    let refused =
        Contribution::assemble(it.header_bytes().to_vec(), signature, shape, Words::NotKept);
    assert_eq!(refused, Err(EntryError::ShapeHash));
}

fn requests() -> Vec<Vec<u8>> {
    let ids = (1..4).map(|it| EntryId::from_bytes([it; 32])).collect();
    let space = SpaceId::from_bytes([9; 32]);
    let request = WordsRequest {
        space,
        asked: WordsAsked::Give,
        ids,
    };
    let nothing = WordsRequest {
        asked: WordsAsked::Keep,
        ids: Vec::new(),
        ..request.clone()
    };
    vec![request.encode(), nothing.encode()]
}

fn answer() -> WordsAnswer {
    WordsAnswer(vec![
        WordsGiven::Nothing,
        WordsGiven::Kept,
        WordsGiven::Words(vec![7; 300]),
    ])
}

#[test]
fn mutated_requests_and_answers_decode_canonically_or_not_at_all() {
    let accepted = decodes_canonically(&requests(), 51, |bytes| {
        Some(WordsRequest::decode(bytes).ok()?.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
    let accepted = decodes_canonically(&[answer().encode()], 52, |bytes| {
        Some(WordsAnswer::decode(bytes).ok()?.encode())
    });
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn what_is_asked_and_answered_is_bounded() {
    let ids = |count: u16| -> Vec<EntryId> {
        let id = |number: u16| {
            let mut bytes = [0; 32];
            bytes[..2].copy_from_slice(&number.to_be_bytes());
            EntryId::from_bytes(bytes)
        };
        (0..count).map(id).collect()
    };
    let request = |ids| WordsRequest {
        space: SpaceId::from_bytes([9; 32]),
        asked: WordsAsked::Give,
        ids,
    };
    let most = u16::try_from(WORDS_ASKED_MAX).unwrap();
    let whole = request(ids(most));
    assert_eq!(WordsRequest::decode(&whole.encode()).unwrap(), whole);
    assert!(WordsRequest::decode(&request(ids(most + 1)).encode()).is_err());
    let mut twice = ids(2);
    twice[1] = twice[0];
    assert!(WordsRequest::decode(&request(twice).encode()).is_err());
    // The largest words fit, and nothing larger is read.
    let largest = WordsAnswer(vec![WordsGiven::Words(vec![1; PAYLOAD_MAX_BYTES])]);
    assert_eq!(WordsAnswer::decode(&largest.encode()).unwrap(), largest);
    let parts = WORDS_ANSWER_MAX_BYTES / PAYLOAD_MAX_BYTES;
    let too_much = WordsAnswer(vec![WordsGiven::Words(vec![1; PAYLOAD_MAX_BYTES]); parts]);
    assert!(WordsAnswer::decode(&too_much.encode()).is_err());
}
