//! Stating what lies under a prefix, and comparing it with what a peer stated.
//!
//! Both are pure functions of a trie, so nothing has to be remembered between turns and a trie may
//! change between them: what a turn misses, the next round finds.
//!
//! Spec: `specs/sync.md` §5 (claims).

use super::key::{Item, KEY_NIBBLES, Key, Prefix, TAG_NIBBLES, TrieHash};
use super::message::{CLAIMS_MAX, Claim, Fingerprint, KEYS_MAX, LEVELS_MAX, Run, Salt, WANTS_MAX};
use super::trie::{AuthorRun, Summary, Trie};
use crate::id::digest;

/// Domain of the fingerprints in claims.
const FINGERPRINT: &[u8] = b"comity/1/trie-fingerprint\0";
/// Up to this many authors are listed one by one.
const LISTED_AUTHORS: usize = 16;
/// Up to this many keys of one author are listed one by one.
const LISTED_KEYS: u64 = 16;
/// From this many keys on a claim tells two nibbles apart instead of one.
const TWO_LEVELS_KEYS: u64 = 512;

const _: () = assert!(LISTED_KEYS as usize <= KEYS_MAX && LEVELS_MAX == 2);

/// The salted fingerprint of a hash.
pub fn fingerprint(salt: &Salt, hash: &TrieHash) -> Fingerprint {
    let whole = digest(FINGERPRINT, &[salt, hash.as_bytes()]);
    let mut print = [0; 8];
    print.copy_from_slice(&whole[..8]);
    print
}

/// What the trie has under `prefix`, in as much detail as is worth its bytes; `None` if nothing.
pub fn state(trie: &Trie, salt: &Salt, prefix: &Prefix) -> Option<Claim> {
    let base = trie.common_prefix(prefix)?;
    let count = trie.summary(prefix).count;
    if prefix.len() < TAG_NIBBLES {
        if let Some(authors) = trie.authors_under(prefix, LISTED_AUTHORS) {
            let runs = authors.iter().map(|run| state_run(salt, run)).collect();
            return Some(Claim::Runs {
                prefix: *prefix,
                runs,
            });
        }
    } else if count <= LISTED_KEYS {
        let keys = trie.keys_under(prefix).map(|(key, _)| key).collect();
        return Some(Claim::Keys {
            prefix: *prefix,
            keys,
        });
    }
    let end = if base.len() < TAG_NIBBLES {
        TAG_NIBBLES
    } else {
        KEY_NIBBLES
    };
    let levels = if count >= TWO_LEVELS_KEYS {
        2.min(end - base.len())
    } else {
        1
    };
    let cells = trie.cells(&base, levels).cells;
    let cells = cells
        .iter()
        .map(|(slot, hash)| (*slot, fingerprint(salt, hash)))
        .collect();
    Some(Claim::Cells {
        base,
        cover: prefix.len(),
        levels,
        cells,
    })
}

fn state_run(salt: &Salt, run: &AuthorRun) -> Run {
    Run {
        author: run.author,
        last: run.last,
        count: run.summary.count,
        print: fingerprint(salt, &run.summary.hash),
    }
}

/// The claim that nothing is held under a prefix, which is no longer than a tag.
pub fn state_nothing(prefix: &Prefix) -> Claim {
    Claim::Runs {
        prefix: *prefix,
        runs: Vec::new(),
    }
}

/// What follows from a peer's claims. Each list is bounded; what does not fit is left to a later
/// round.
#[derive(Debug, Default)]
pub struct Findings {
    /// What the peer has and we lack.
    pub lacking: Vec<Item>,
    /// What we have and the peer lacks.
    pub surplus: Vec<Item>,
    /// Where both have something and more detail is needed.
    pub differing: Vec<Prefix>,
    /// Nothing is guessed.
    exact: bool,
}

impl Findings {
    /// None yet. `exact` if nothing is to be guessed: a guess saves two trips where the peer's chain
    /// only went on, but where it is wrong what comes may be of no use, time and again.
    pub fn new(exact: bool) -> Self {
        Self {
            exact,
            ..Self::default()
        }
    }

    fn lack(&mut self, item: Item) {
        if self.lacking.len() < WANTS_MAX {
            self.lacking.push(item);
        }
    }

    fn have(&mut self, item: Item) {
        if self.surplus.len() < WANTS_MAX {
            self.surplus.push(item);
        }
    }

    fn differ(&mut self, prefix: Prefix) {
        if self.differing.len() < CLAIMS_MAX {
            self.differing.push(prefix);
        }
    }
}

/// Compares a peer's claim with the trie.
pub fn compare(trie: &Trie, salt: &Salt, claim: &Claim, found: &mut Findings) {
    match claim {
        Claim::Cells {
            base,
            cover,
            levels,
            cells,
        } => {
            for prefix in trie.beside(&base.shortened(*cover), base) {
                found.have(Item::Under(prefix));
            }
            let ours = trie.cells(base, *levels).cells;
            for (slot, ours, theirs) in merged(&ours, cells) {
                let prefix = base.extended(*levels, slot);
                match (ours, theirs) {
                    (None, _) => found.lack(Item::Under(prefix)),
                    (_, None) => found.have(Item::Under(prefix)),
                    (Some(ours), Some(theirs)) if fingerprint(salt, &ours) == theirs => {}
                    _ => found.differ(prefix),
                }
            }
        }
        Claim::Runs { prefix, runs } => compare_runs(trie, salt, prefix, runs, found),
        Claim::Keys { prefix, keys } => compare_keys(trie, prefix, keys, found),
    }
}

/// Walks two lists ascending by their first field; every value of it comes once.
fn merged<K: Ord + Copy, A: Copy, B: Copy>(
    ours: &[(K, A)],
    theirs: &[(K, B)],
) -> Vec<(K, Option<A>, Option<B>)> {
    let mut all = Vec::with_capacity(ours.len().max(theirs.len()));
    let mut ours = ours.iter().copied().peekable();
    let mut theirs = theirs.iter().copied().peekable();
    loop {
        let (a, b) = (ours.peek().map(|(k, _)| *k), theirs.peek().map(|(k, _)| *k));
        let Some(least) = a.into_iter().chain(b).min() else {
            return all;
        };
        let a = ours
            .next_if(|(key, _)| *key == least)
            .map(|(_, value)| value);
        let b = theirs
            .next_if(|(key, _)| *key == least)
            .map(|(_, value)| value);
        all.push((least, a, b));
    }
}

fn compare_runs(trie: &Trie, salt: &Salt, prefix: &Prefix, runs: &[Run], found: &mut Findings) {
    // A peer lists all its authors here; more of ours than it could list are found in a later round.
    let mut ours = Vec::new();
    match trie.authors_under(prefix, super::message::RUNS_MAX) {
        Some(authors) => ours.extend(authors.into_iter().map(|run| (run.author, run))),
        None if runs.is_empty() => return found.have(Item::Under(*prefix)),
        None => {
            let listed = runs.iter().filter_map(|run| trie.author_run(&run.author));
            ours.extend(listed.map(|run| (run.author, run)));
            found.differ(*prefix);
        }
    }
    let theirs: Vec<_> = runs.iter().map(|run| (run.author, *run)).collect();
    for (author, ours, theirs) in merged(&ours, &theirs) {
        match (ours, theirs) {
            (None, _) => found.lack(Item::Under(Prefix::of_author(&author))),
            (_, None) => found.have(Item::Under(Prefix::of_author(&author))),
            (Some(ours), Some(theirs)) => compare_run(trie, salt, &ours, &theirs, found),
        }
    }
}

fn compare_run(trie: &Trie, salt: &Salt, ours: &AuthorRun, theirs: &Run, found: &mut Findings) {
    let author = ours.author;
    let Summary { hash, count } = ours.summary;
    if fingerprint(salt, &hash) == theirs.print {
        return;
    }
    let tail_only = !found.exact
        && theirs.last > ours.last
        && theirs.count.checked_sub(count) == Some(theirs.last - ours.last);
    if tail_only {
        // If below the tail something differs too, the next round, which is exact, finds it.
        found.lack(Item::Span {
            author,
            first: ours.last + 1,
            last: theirs.last,
        });
    } else if ours.last > theirs.last
        && fingerprint(salt, &trie.summary_until(&author, theirs.last).hash) == theirs.print
    {
        found.have(Item::Span {
            author,
            first: theirs.last + 1,
            last: ours.last,
        });
    } else {
        found.differ(Prefix::of_author(&author));
    }
}

fn compare_keys(trie: &Trie, prefix: &Prefix, keys: &[Key], found: &mut Findings) {
    for key in keys.iter().filter(|key| !trie.contains(key)) {
        found.lack(Item::Under(Prefix::of_key(key)));
    }
    for (key, _) in trie.keys_under(prefix).take(WANTS_MAX) {
        if keys.binary_search(&key).is_err() {
            found.have(Item::Under(Prefix::of_key(&key)));
        }
    }
}
