//! The trie: equal sets and only equal sets have equal roots.

use super::harness::{Rng, author, space};
use comity_protocol::id::{EntryId, digest, domain};
use comity_protocol::key::SecretKey;
use comity_protocol::sync::claim::{self, Findings};
use comity_protocol::sync::key::Item;
use comity_protocol::sync::{AuthorTag, Key, Prefix, Trie, TrieHash};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// Keys that share long prefixes often: few authors, near seqs, near ids.
fn any_key() -> impl Strategy<Value = Key> {
    (0u8..6, 0u8..3, 1u64..40, 0u8..4, 0u8..4).prop_map(|(first, last, seq, near, far)| {
        let mut tag = [first << 4; 32];
        tag[31] = last;
        let mut id = [near; 32];
        id[31] = far;
        Key {
            author: AuthorTag::from_bytes(tag),
            seq,
            id: EntryId::from_bytes(id),
        }
    })
}

fn build<'a>(keys: impl IntoIterator<Item = &'a Key>) -> Trie {
    keys.into_iter().map(|key| (*key, 1)).collect()
}

/// The definition of `specs/sync.md` §3, word for word and without a thought for speed.
fn defined(keys: &[[u8; 72]]) -> [u8; 32] {
    let nibble = |key: &[u8; 72], at: usize| usize::from(key[at / 2] >> (4 * (1 - at % 2)) & 0xf);
    match keys {
        [] => [0; 32],
        [only] => digest(domain::TRIE_LEAF, &[only]),
        _ => {
            let depth = (0..144)
                .find(|at| {
                    keys.iter()
                        .any(|key| nibble(key, *at) != nibble(&keys[0], *at))
                })
                .unwrap();
            let mut slots = 0u16;
            let mut hashes = Vec::new();
            for slot in 0..16 {
                let part: Vec<_> = keys
                    .iter()
                    .filter(|key| nibble(key, depth) == slot)
                    .copied()
                    .collect();
                if !part.is_empty() {
                    slots |= 1 << (15 - slot);
                    hashes.extend(defined(&part));
                }
            }
            let count = (keys.len() as u64).to_be_bytes();
            let slots = slots.to_be_bytes();
            digest(
                domain::TRIE_BRANCH,
                &[&[depth as u8], &count, &slots, &hashes],
            )
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn equal_sets_have_equal_roots(
        keys in prop::collection::vec(any_key(), 0..120),
        removed in prop::collection::vec(any_key(), 0..60),
        seed in any::<u64>(),
    ) {
        let set: BTreeSet<Key> = keys.iter().copied().collect();
        let wanted = build(&set).root();
        let mut rng = Rng(seed);
        let mut shuffled = keys.clone();
        for at in (1..shuffled.len()).rev() {
            shuffled.swap(at, rng.below(at + 1));
        }
        // Hashes brought up to date in between, or not at all, make no difference; nor does what
        // came and went.
        let mut trie = Trie::new();
        let gone: BTreeSet<Key> = removed.into_iter().filter(|key| !set.contains(key)).collect();
        for key in gone.iter().chain(&shuffled) {
            trie.insert(key, rng.next() >> 20);
            if rng.below(10) == 0 {
                trie.rehash();
            }
        }
        for key in &gone {
            prop_assert!(trie.remove(key));
            prop_assert!(!trie.remove(key));
        }
        prop_assert_eq!(trie.root(), wanted);
        prop_assert_eq!(trie.rehash(), wanted);
        prop_assert_eq!(trie.len(), set.len() as u64);
        let authors: BTreeSet<_> = set.iter().map(|key| key.author).collect();
        prop_assert_eq!(trie.author_count(), authors.len());
        prop_assert!(trie.keys().map(|(key, _)| key).eq(set.iter().copied()));
    }

    #[test]
    fn different_sets_have_different_roots(
        a in prop::collection::btree_set(any_key(), 0..40),
        b in prop::collection::btree_set(any_key(), 0..40),
    ) {
        prop_assert_eq!(build(&a).root() == build(&b).root(), a == b);
        let bytes: Vec<_> = a.iter().map(Key::to_bytes).collect();
        prop_assert_eq!(build(&a).root(), TrieHash::from_bytes(defined(&bytes)));
        for key in &a {
            let mut less = build(&a);
            prop_assert!(less.remove(key));
            prop_assert_ne!(less.root(), build(&a).root());
        }
    }

    #[test]
    fn queries_agree_with_a_plain_set(
        set in prop::collection::btree_set(any_key(), 1..120),
        probe in any_key(),
        len in 0usize..=144,
        span in (0u64..45, 0u64..45),
    ) {
        let trie = build(&set);
        let mut packed = Prefix::of_key(&probe).packed()[..len.div_ceil(2)].to_vec();
        if len % 2 == 1 {
            packed[len / 2] &= 0xf0;
        }
        let prefix = Prefix::unpack(len, &packed).unwrap();
        let under: Vec<Key> = set.iter().filter(|key| prefix.covers(key)).copied().collect();
        prop_assert!(trie.keys_under(&prefix).map(|(key, _)| key).eq(under.iter().copied()));
        let summary = trie.summary(&prefix);
        prop_assert_eq!(summary.count, under.len() as u64);
        prop_assert_eq!(summary.hash, build(&under).root());

        let (first, last) = (span.0.min(span.1), span.0.max(span.1));
        let item = Item::Span { author: probe.author, first, last };
        let wanted: Vec<Key> = set.iter().filter(|key| item.contains(key)).copied().collect();
        prop_assert!(trie.keys_in(&item).map(|(key, _)| key).eq(wanted));

        let until: Vec<Key> = set.iter()
            .filter(|key| key.author == probe.author && key.seq <= last).copied().collect();
        let summary = trie.summary_until(&probe.author, last);
        prop_assert_eq!((summary.hash, summary.count), (build(&until).root(), until.len() as u64));

        let mut lasts = BTreeMap::new();
        for key in set.iter().filter(|key| Prefix::of_author(&key.author).covers(key)) {
            lasts.insert(key.author, key.seq);
        }
        let runs = trie.authors_under(&Prefix::ALL, lasts.len()).unwrap();
        prop_assert!(runs.iter().map(|run| (run.author, run.last)).eq(lasts.clone()));
        prop_assert_eq!(trie.authors_under(&Prefix::ALL, lasts.len() - 1), None);

        if let Some(common) = trie.common_prefix(&prefix) {
            for levels in 1..=2usize.min(144 - common.len()) {
                let total: u64 = trie.cells(&common, levels).cells.len() as u64;
                prop_assert!(total >= 1 && total <= under.len() as u64);
                prop_assert!(under.len() == 1 || total >= 2);
            }
        }
        // What lies beside the way to the probe, and what lies on it, is everything.
        let way = prefix;
        let beside: u64 = trie.beside(&Prefix::ALL, &way).iter()
            .map(|prefix| trie.summary(prefix).count).sum();
        prop_assert_eq!(beside + under.len() as u64, set.len() as u64);
    }
}

#[test]
fn the_tag_binds_author_and_space() {
    let keys: Vec<_> = (1..3)
        .map(|seed| SecretKey::from_seed(&[seed; 32]).public())
        .collect();
    let tags: BTreeSet<_> = (1..3)
        .flat_map(|number| {
            keys.iter()
                .map(move |key| AuthorTag::new(&space(number), key))
        })
        .collect();
    assert_eq!(tags.len(), 4);
}

#[test]
fn the_lowest_local_numbers_come_first_and_once() {
    let mut trie = Trie::new();
    for number in 0..100u64 {
        let id = EntryId::from_bytes([number as u8; 32]);
        trie.insert(
            &Key {
                author: author(number % 7),
                seq: number,
                id,
            },
            1000 - number,
        );
    }
    let all = Item::Under(Prefix::ALL);
    let again = Item::Span {
        author: author(3),
        first: 0,
        last: 1000,
    };
    let first = trie.first_by_local(&[all, again], None, 990, 10);
    assert!(first.iter().map(|(local, _)| *local).eq(901..911));
    let next = trie.first_by_local(&[all, again], Some(985), 990, 10);
    assert!(next.iter().map(|(local, _)| *local).eq(986..=990));
}

#[test]
fn a_hundred_thousand_keys_take_little_memory() {
    let mut trie = Trie::new();
    for number in 0..100_000u64 {
        let mut id = [0; 32];
        id[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
        let (author, seq) = (author(number % 2_000), 1 + number / 2_000);
        trie.insert(
            &Key {
                author,
                seq,
                id: EntryId::from_bytes(id),
            },
            number,
        );
    }
    let per_entry = trie.memory_bytes() as f64 / 100_000.0;
    println!("trie: {per_entry:.1} bytes per entry at 100,000 by 2,000 authors");
    assert!(per_entry <= 150.0, "{per_entry}");
}

#[test]
fn the_empty_root_is_zero() {
    assert_eq!(Trie::new().root(), TrieHash::EMPTY);
    assert_eq!(TrieHash::EMPTY.as_bytes(), &[0; 32]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No difference escapes a claim, and nothing that is equal is taken for lacking.
    #[test]
    fn a_claim_reveals_every_difference(
        theirs in prop::collection::btree_set(any_key(), 1..150),
        ours in prop::collection::btree_set(any_key(), 0..150),
        one_author in any::<bool>(),
    ) {
        let narrow = |set: BTreeSet<Key>| -> BTreeSet<Key> {
            let tag = AuthorTag::from_bytes([0x22; 32]);
            let keys = set.into_iter();
            keys.map(|key| if one_author { Key { author: tag, ..key } } else { key }).collect()
        };
        // Theirs is narrow, so its cells have a base that ours may lie beside.
        let theirs = narrow(theirs);
        let subject = if one_author {
            Prefix::of_author(&AuthorTag::from_bytes([0x22; 32]))
        } else {
            Prefix::ALL
        };
        let theirs: BTreeSet<Key> =
            theirs.into_iter().filter(|key| !one_author || key.seq / 16 == 1).collect();
        let ours = narrow(ours);
        let salt = [1; 8];
        let Some(claim) = claim::state(&build(&theirs), &salt, &subject) else { return Ok(()) };
        let mut found = Findings::default();
        claim::compare(&build(&ours), &salt, &claim, &mut found);
        let in_any = |items: &[Item], key: &Key| items.iter().any(|item| item.contains(key));
        for key in theirs.symmetric_difference(&ours) {
            let lacked = theirs.contains(key);
            let side = if lacked { &found.lacking } else { &found.surplus };
            // Behind an author's tail the next round looks again.
            let tail = found.lacking.iter().any(
                |item| matches!(item, Item::Span { author, .. } if *author == key.author),
            );
            let differs = found.differing.iter().any(|prefix| prefix.covers(key));
            prop_assert!(in_any(side, key) || differs || tail, "{key:?} escapes {claim:?}");
        }
        for key in &theirs {
            prop_assert!(!in_any(&found.surplus, key) , "{key:?} is there already");
        }
    }
}
