//! `GET /v0/resolve`: what a shortened id may stand for.
//!
//! The tries hold the ids of everything in effect in memory, so a prefix is looked for there: a
//! pass over all ids, without touching the disk, and nothing more in the index.

use super::{
    App,
    error::Failure,
    extract::{Args, State, blocking},
};
use axum::Json;
use comity_client::types::Candidate;
use comity_protocol::{
    id::{DocumentId, EntryId, SpaceId},
    pipeline::Known,
};
use serde::Deserialize;
use std::{collections::BTreeSet, sync::Arc};

/// Least digits of a shortened id.
const PREFIX_MIN_DIGITS: usize = 4;
/// Most candidates given.
const CANDIDATES_MAX: usize = 50;

#[derive(Deserialize)]
pub(super) struct Asked {
    prefix: String,
}

pub(super) async fn resolve(
    State(app): State<Arc<App>>,
    Args(Asked { prefix }): Args<Asked>,
) -> Result<Json<Vec<Candidate>>, Failure> {
    blocking(&app, move |app| candidates(app, &prefix).map(Json)).await
}

/// Everything whose id starts with these digits, at most [`CANDIDATES_MAX`].
pub(super) fn candidates(app: &App, prefix: &str) -> Result<Vec<Candidate>, Failure> {
    let prefix = Digits::parse(prefix)?;
    let mut found = Vec::new();
    let mut entries = BTreeSet::new();
    let communities = app.community_ids();
    let shown: BTreeSet<SpaceId> = communities
        .iter()
        .flat_map(|it| app.shown_spaces(it))
        .collect();
    {
        let ledger = app.inner.ingest.ledger();
        for (id, community) in ledger.communities() {
            if prefix.starts(id.as_bytes()) {
                let genesis = community.authority().genesis();
                let title = genesis.map(|it| it.name.clone());
                found.push(candidate(id, "community", title));
            }
            let spaces = community.authority().spaces().iter();
            for (id, space) in spaces.filter(|(id, _)| shown.contains(id)) {
                if prefix.starts(id.as_bytes()) {
                    found.push(candidate(id, "space", Some(space.name.clone())));
                }
            }
        }
        let spaces = ledger.spaces().iter().filter(|(id, _)| shown.contains(id));
        let ids = spaces.flat_map(|(_, it)| it.trie.keys());
        let ids = ids.map(|(key, _)| key.id);
        entries.extend(
            ids.filter(|id| prefix.starts(id.as_bytes()))
                .take(CANDIDATES_MAX),
        );
    }
    for id in entries {
        found.push(describe(app, &id));
    }
    found.truncate(CANDIDATES_MAX);
    Ok(found)
}

fn candidate(id: &impl ToString, what: &str, title: Option<String>) -> Candidate {
    Candidate {
        id: id.to_string(),
        what: what.to_owned(),
        title,
    }
}

fn describe(app: &App, id: &EntryId) -> Candidate {
    let Some(known) = app.inner.archive.contribution(*id) else {
        return candidate(id, "record", None);
    };
    let what = match known.document == DocumentId::from(*id) {
        true => "document",
        false => "contribution",
    };
    let title = app
        .views_of(&known.document)
        .ok()
        .and_then(|(_, views)| views.headline(&known.document).ok())
        .map(|headline| headline.title);
    candidate(id, what, title)
}

/// The first hexadecimal digits of an id.
struct Digits {
    whole: Vec<u8>,
    half: Option<u8>,
}

impl Digits {
    fn parse(text: &str) -> Result<Self, Failure> {
        let not_digits = || {
            Failure::invalid(format!(
                "{text:?} is no shortened id: give {PREFIX_MIN_DIGITS} to 64 of its first \
                 hexadecimal digits"
            ))
        };
        let digits = text
            .chars()
            .map(|digit| digit.to_digit(16).map(|it| it as u8))
            .collect::<Option<Vec<u8>>>()
            .filter(|it| (PREFIX_MIN_DIGITS..=super::lookup::ID_DIGITS).contains(&it.len()))
            .ok_or_else(not_digits)?;
        let pairs = digits.chunks_exact(2);
        let half = pairs.remainder().first().copied();
        Ok(Self {
            whole: pairs.map(|pair| pair[0] << 4 | pair[1]).collect(),
            half,
        })
    }

    fn starts(&self, id: &[u8; 32]) -> bool {
        id.starts_with(&self.whole)
            && self
                .half
                .is_none_or(|half| id.get(self.whole.len()).is_some_and(|it| it >> 4 == half))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_start_an_id_to_the_half_byte() {
        let mut id = [0u8; 32];
        id[..3].copy_from_slice(&[0xab, 0xcd, 0xef]);
        let starts = |text: &str| Digits::parse(text).map(|it| it.starts(&id)).ok();
        assert_eq!(starts("abcd"), Some(true));
        assert_eq!(starts("ABCDE"), Some(true));
        assert_eq!(starts("abcdf"), Some(false));
        assert_eq!(starts("abce"), Some(false));
        assert_eq!(starts("abc"), None);
        assert_eq!(starts("abcg"), None);
        assert_eq!(starts(&"a".repeat(65)), None);
    }
}
