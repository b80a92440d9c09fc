//! Who will read what is about to be published, said before it is, and consent where these are more
//! people than the person may have in mind.
//!
//! Three things speak for fewer readers: what the text answers, quotes or refers to stands where fewer
//! people read; the thread goes on from one that fewer people read; or everyone would read it, and
//! the person wrote where fewer people read last.

use crate::{
    app::App,
    error::CommandError,
    lookup::{self, Place},
    render::{author::CARRIED, community::readers},
};
use comity_client::{
    Client,
    types::{CommunityInfo, SpaceInfo},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// Where the last space of a person is kept, by community.
const FILE: &str = "last-spaces.json";
/// Threads that are followed back from one that goes on from another.
const CARRIED_MAX: usize = 8;
/// What somebody is about to publish.
pub(super) struct Said<'a> {
    /// Everything that is in words: text, title, tags, origin.
    pub(super) texts: Vec<&'a str>,
    /// The topic or page that it answers.
    pub(super) thread: Option<&'a str>,
}

/// Says who will read it, and asks for consent where these are more people than were meant, maybe.
pub(super) async fn before_publishing(
    app: &App,
    client: &Client,
    place: &Place,
    said: &Said<'_>,
    yes: bool,
) -> Result<(), CommandError> {
    app.ui
        .status(&format!("readers: {}", readers(&place.space)));
    if yes {
        return Ok(());
    }
    let reasons = reasons(app, client, place, said).await;
    if reasons.is_empty() {
        return Ok(());
    }
    for reason in reasons {
        app.ui
            .warning(&format!("{reason}, which fewer people read"));
    }
    app.confirm(&format!("Publish it in {}?", place.path()))
}

/// Why more people than were meant might read it: where else fewer people do.
pub(super) async fn reasons(
    app: &App,
    client: &Client,
    place: &Place,
    said: &Said<'_>,
) -> Vec<String> {
    let mut reasons = Vec::new();
    let mut named = BTreeSet::new();
    for id in said.texts.iter().flat_map(|it| named_ids(it)) {
        named.extend(narrower_place(client, &id, place).await);
    }
    reasons.extend(
        named
            .into_iter()
            .map(|it| format!("the text names something of {it}")),
    );
    let mut thread = said.thread.map(str::to_owned);
    for _ in 0..CARRIED_MAX {
        let Some(id) = thread.take() else { break };
        if let Some(from) = narrower_place(client, &id, place).await {
            reasons.push(format!("what this answers is carried over from {from}"));
            break;
        }
        let Ok(view) = client.document(&id, &[]).await else {
            break;
        };
        let origin = view.summary.origin.filter(|it| it.system == CARRIED);
        thread = origin.map(|it| it.id);
    }
    if place.space.readers == "everyone"
        && let Some(last) = last_of(app, &place.community)
        && is_narrower(&last, &place.space)
    {
        let last = Place {
            community: place.community.clone(),
            space: last,
        };
        reasons.push(format!("you wrote last in {}", last.path()));
    }
    reasons
}

/// Where something stands, if fewer people read it there.
async fn narrower_place(client: &Client, id: &str, place: &Place) -> Option<String> {
    let entry = client.entry(id).await.ok()?;
    if entry.space == place.space.id {
        return None;
    }
    let other = lookup::place_of(client, &entry.space).await.ok()?;
    is_narrower(&other.space, &place.space).then(|| other.path())
}

/// Whether a space has fewer readers than another, as far as their sorts and names tell.
pub(super) fn is_narrower(space: &SpaceInfo, than: &SpaceInfo) -> bool {
    let width = |it: &SpaceInfo| match it.readers.as_str() {
        "everyone" => 2,
        "members" => 1,
        _ => 0,
    };
    let (own, other) = (width(space), width(than));
    own < other || (own == 0 && other == 0 && space.reader_names != than.reader_names)
}

/// Whole ids that stand in a text.
fn named_ids(text: &str) -> BTreeSet<String> {
    const DIGITS: usize = 64;
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    let is_id = |word: &&str| {
        word.len() == DIGITS && word.bytes().all(|c| matches!(c, b'0'..=b'9' | b'a'..=b'f'))
    };
    words.filter(is_id).map(str::to_owned).collect()
}

type LastSpaces = BTreeMap<String, String>;

fn file(app: &App) -> Option<PathBuf> {
    Some(app.identity_folder().ok()?.path().join(FILE))
}

fn read(app: &App) -> LastSpaces {
    let bytes = file(app).and_then(|it| std::fs::read(it).ok());
    let spaces = bytes.and_then(|it| serde_json::from_slice(&it).ok());
    spaces.unwrap_or_default()
}

/// The space of a community in which this person published last on this machine, while they read it.
fn last_of(app: &App, community: &CommunityInfo) -> Option<SpaceInfo> {
    let last = read(app).remove(&community.id)?;
    community.spaces.iter().find(|it| it.id == last).cloned()
}

/// Remembers where somebody published. Without it the next question is not asked: nothing else rests
/// on it.
pub(super) fn remember(app: &App, place: &Place) {
    let mut spaces = read(app);
    let community = place.community.id.clone();
    if spaces.insert(community, place.space.id.clone()).as_ref() == Some(&place.space.id) {
        return;
    }
    let Some(path) = file(app) else { return };
    let written = serde_json::to_vec_pretty(&spaces)
        .map_err(std::io::Error::from)
        .and_then(|bytes| std::fs::write(path, bytes));
    if let Err(error) = written {
        tracing::debug!(%error, "the last space was not kept");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(readers: &str, names: &[&str]) -> SpaceInfo {
        SpaceInfo {
            id: String::new(),
            name: String::new(),
            community: String::new(),
            readers: readers.into(),
            writers: "members".into(),
            entries: 0,
            documents: 0,
            root: String::new(),
            successor_of: None,
            succeeded_by: Vec::new(),
            keep: "everything".into(),
            kept: "complete".into(),
            lacking: Some(0),
            reader_names: names.iter().map(ToString::to_string).collect(),
            people: 12,
            nodes: 3,
        }
    }

    #[test]
    fn readers_are_named_and_counted() {
        assert_eq!(readers(&space("everyone", &[])), "everyone");
        assert_eq!(
            readers(&space("members", &[])),
            "members (12 people, 3 nodes)"
        );
        assert_eq!(
            readers(&space("parties", &["A", "B"])),
            "members of A and B (12 people, 3 nodes)"
        );
        assert_eq!(
            readers(&space("persons", &["Ada", "Bob"])),
            "Ada, Bob (12 people, 3 nodes)"
        );
    }

    #[test]
    fn fewer_readers_are_narrower() {
        assert!(is_narrower(&space("members", &[]), &space("everyone", &[])));
        assert!(is_narrower(
            &space("parties", &["A"]),
            &space("members", &[])
        ));
        assert!(is_narrower(
            &space("parties", &["A"]),
            &space("parties", &["B"])
        ));
        assert!(!is_narrower(
            &space("everyone", &[]),
            &space("members", &[])
        ));
        assert!(!is_narrower(&space("members", &[]), &space("members", &[])));
    }

    #[test]
    fn whole_ids_are_found_wherever_they_stand() {
        let id = "ab".repeat(32);
        let text = format!("see [it](comity:{id}), not {}", "g".repeat(64));
        assert_eq!(named_ids(&text), BTreeSet::from([id]));
    }
}
