//! From what people type to what the node knows: communities, spaces, shortened ids.

use crate::{error::CommandError, ui::sanitize};
use comity_client::{
    Client,
    types::{Candidate, CommunityInfo, SpaceInfo},
};

/// Fewest digits of a shortened id.
const PREFIX_MIN: usize = 4;
const ID_DIGITS: usize = 64;
/// Candidates of an ambiguous id that are listed.
const CANDIDATES_SHOWN: usize = 8;

/// A space and its community.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) community: CommunityInfo,
    pub(crate) space: SpaceInfo,
}

/// The community that is meant: by name, by id or the start of it, or the only one.
pub(crate) async fn community(
    client: &Client,
    named: Option<&str>,
) -> Result<CommunityInfo, CommandError> {
    let communities = client.communities().await?;
    pick_community(communities, named)
}

fn pick_community(
    communities: Vec<CommunityInfo>,
    named: Option<&str>,
) -> Result<CommunityInfo, CommandError> {
    if communities.is_empty() {
        return Err(
            CommandError::failure("this node takes part in no community yet")
                .hint("found one: `comity community create NAME`")
                .hint("or join one: `comity join TICKET`"),
        );
    }
    let names: Vec<String> = communities.iter().map(label_of).collect();
    let mut fitting: Vec<CommunityInfo> = match named {
        None => communities,
        Some(name) => communities
            .into_iter()
            .filter(|it| it.name == name || is_prefix(name, &it.id))
            .collect(),
    };
    put_aside(&mut fitting, |it| it);
    match (fitting.len(), named) {
        (1, _) => Ok(fitting.remove(0)),
        (0, Some(name)) => Err(CommandError::failure(format!(
            "there is no community {name:?} here"
        ))
        .hints(names.iter().map(|it| format!("there is {it}")))),
        (_, None) => Err(
            CommandError::usage("several communities are here: say which one")
                .hints(names.iter().map(|it| format!("there is {it}")))
                .hint("name it with --community"),
        ),
        (_, Some(name)) => Err(CommandError::usage(format!(
            "several communities are named {name:?}"
        ))
        .hints(fitting.iter().map(label_of))
        .hint("name it by its id")),
    }
}

/// What is here as the history of something else is meant only where nothing else can be.
fn put_aside<T>(fitting: &mut Vec<T>, community: impl Fn(&T) -> &CommunityInfo) {
    if fitting.iter().any(|it| !community(it).history) {
        fitting.retain(|it| !community(it).history);
    }
}

fn label_of(community: &CommunityInfo) -> String {
    format!("{} ({})", sanitize::line(&community.name), community.id)
}

fn is_prefix(text: &str, id: &str) -> bool {
    text.len() >= PREFIX_MIN && id.starts_with(text)
}

/// The space that is meant: `NAME`, `COMMUNITY/NAME`, an id or the start of it, or the only one.
pub(crate) async fn space(
    client: &Client,
    in_community: Option<&str>,
    named: Option<&str>,
) -> Result<Place, CommandError> {
    let communities = client.communities().await?;
    pick_space(communities, in_community, named)
}

fn pick_space(
    communities: Vec<CommunityInfo>,
    in_community: Option<&str>,
    named: Option<&str>,
) -> Result<Place, CommandError> {
    let whole = communities.iter().any(|community| {
        community
            .spaces
            .iter()
            .any(|it| Some(it.name.as_str()) == named)
    });
    let (in_community, named) = match named.and_then(|it| it.split_once('/')) {
        Some((community, space)) if in_community.is_none() && !whole => {
            (Some(community), Some(space))
        }
        _ => (in_community, named),
    };
    let communities = match in_community {
        None if communities.is_empty() => {
            return Err(pick_community(communities, None).expect_err("it is empty"));
        }
        None => communities,
        Some(_) => vec![pick_community(communities, in_community)?],
    };
    let all: Vec<Place> = communities.into_iter().flat_map(places).collect();
    let known: Vec<String> = all.iter().map(Place::path).collect();
    let mut fitting: Vec<Place> = all
        .into_iter()
        .filter(|place| {
            named.is_none_or(|name| place.space.name == name || is_prefix(name, &place.space.id))
        })
        .collect();
    put_aside(&mut fitting, |it| &it.community);
    let choices = known.iter().map(|it| format!("there is --space {it}"));
    match (fitting.len(), named) {
        (1, _) => Ok(fitting.remove(0)),
        (0, Some(name)) => {
            Err(CommandError::failure(format!("there is no space {name:?} here")).hints(choices))
        }
        (0, None) => Err(CommandError::failure("no space is known here yet")
            .hint("the community's first records have not arrived: run `comity sync --wait`")),
        (_, None) => {
            Err(CommandError::usage("several spaces are here: say which one").hints(choices))
        }
        (_, Some(name)) => Err(
            CommandError::usage(format!("several spaces are named {name:?}")).hints(
                fitting
                    .iter()
                    .map(|it| format!("there is --space {}", it.path())),
            ),
        ),
    }
}

impl Place {
    /// How a person names it.
    pub(crate) fn path(&self) -> String {
        let path = format!("{}/{}", self.community.name, self.space.name);
        if path.contains(char::is_whitespace) {
            format!("{path:?}")
        } else {
            path
        }
    }
}

/// The spaces of a community that hold documents.
pub(crate) fn places(community: CommunityInfo) -> impl Iterator<Item = Place> {
    let spaces = community.spaces.clone();
    spaces
        .into_iter()
        .filter({
            let governance = community.governance_space.clone();
            move |space| space.id != governance
        })
        .map(move |space| Place {
            community: community.clone(),
            space,
        })
}

/// The place of a space whose id is known.
pub(crate) async fn place_of(client: &Client, space: &str) -> Result<Place, CommandError> {
    let communities = client.communities().await?;
    communities
        .into_iter()
        .flat_map(places)
        .find(|place| place.space.id == space)
        .ok_or_else(|| CommandError::failure(format!("space {space} is not known here")))
}

/// The whole id that `text` is, or starts; of the types in `wanted`.
pub(crate) async fn id(
    client: &Client,
    text: &str,
    wanted: &[&str],
) -> Result<Candidate, CommandError> {
    let what = wanted.join(" or ");
    let digits = |c: char| matches!(c, '0'..='9' | 'a'..='f');
    if !(PREFIX_MIN..=ID_DIGITS).contains(&text.len()) || !text.chars().all(digits) {
        return Err(
            CommandError::usage(format!("{text:?} is not the id of a {what}")).hint(format!(
                "an id is 64 digits of 0-9 and a-f; its first {PREFIX_MIN} or more will do"
            )),
        );
    }
    let candidates = client.resolve(text).await?;
    pick_id(candidates, text, wanted)
}

fn pick_id(
    candidates: Vec<Candidate>,
    text: &str,
    wanted: &[&str],
) -> Result<Candidate, CommandError> {
    let what = wanted.join(" or ");
    let found_else = candidates.first().map(|it| it.what.clone());
    let mut fitting: Vec<Candidate> = Vec::new();
    // The id of a document is that of the contribution that made it: the first type wanted wins.
    for kind in wanted {
        for candidate in candidates.iter().filter(|it| it.what == *kind) {
            if fitting.iter().all(|it| it.id != candidate.id) {
                fitting.push(candidate.clone());
            }
        }
    }
    match fitting.len() {
        1 => Ok(fitting.remove(0)),
        0 => {
            let error = CommandError::failure(format!("there is no {what} {text} here"));
            Err(match found_else {
                Some(other) => error.hint(format!("{text} is a {other}")),
                None => error
                    .hint("look for it with `comity list`")
                    .hint("if it was written elsewhere, run `comity sync` first"),
            })
        }
        count => {
            let listed = fitting.iter().take(CANDIDATES_SHOWN).map(|it| {
                let title = it.title.as_deref().unwrap_or_default();
                format!("{} {} {}", it.id, it.what, sanitize::line(title))
                    .trim_end()
                    .to_owned()
            });
            Err(
                CommandError::usage(format!("{text} stands for {count} things: add more digits"))
                    .hints(listed),
            )
        }
    }
}

/// Whole ids of heads.
pub(crate) async fn heads(client: &Client, texts: &[String]) -> Result<Vec<String>, CommandError> {
    let mut heads = Vec::with_capacity(texts.len());
    for text in texts.iter().filter(|it| !it.is_empty()) {
        heads.push(id(client, text, &["contribution", "document"]).await?.id);
    }
    Ok(heads)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: &str, name: &str, spaces: &[&str]) -> CommunityInfo {
        let space = |name: &&str| SpaceInfo {
            id: format!("{name:0<64}"),
            name: (*name).to_owned(),
            community: id.to_owned(),
            readers: "everyone".into(),
            writers: "members".into(),
            entries: 0,
            documents: 0,
            root: String::new(),
            successor_of: None,
            succeeded_by: Vec::new(),
            keep: "everything".into(),
            kept: "complete".into(),
            lacking: Some(0),
            reader_names: Vec::new(),
            people: 0,
            nodes: 0,
        };
        CommunityInfo {
            id: id.to_owned(),
            name: name.to_owned(),
            purpose: String::new(),
            complete: true,
            left: false,
            history: false,
            continued_by: Vec::new(),
            governance_space: format!("{:0<64}", "governance"),
            governance: String::new(),
            charter: String::new(),
            parties: Vec::new(),
            spaces: spaces.iter().map(space).collect(),
            members: Vec::new(),
        }
    }

    #[test]
    fn the_only_community_and_the_only_space_need_no_name() {
        let one = vec![known("aaaa1", "Coffee", &["governance", "lobby"])];
        assert_eq!(pick_community(one.clone(), None).unwrap().id, "aaaa1");
        assert_eq!(pick_space(one, None, None).unwrap().space.name, "lobby");
    }

    #[test]
    fn several_are_listed_for_choice() {
        let two = vec![
            known("aaaa1", "Coffee", &["lobby", "inside"]),
            known("aaaa2", "Tea", &["lobby"]),
        ];
        let error = pick_community(two.clone(), None).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(
            error.advice().iter().any(|it| it.contains("Tea")),
            "{error:?}"
        );
        assert!(pick_community(two.clone(), Some("aaaa")).is_err());
        let place = pick_space(two.clone(), None, Some("Tea/lobby")).unwrap();
        assert_eq!(place.community.id, "aaaa2");
        let place = pick_space(two.clone(), Some("Tea"), None).unwrap();
        assert_eq!(place.space.name, "lobby");
        let error = pick_space(two.clone(), None, Some("lobby")).unwrap_err();
        assert!(
            error.advice().iter().any(|it| it.contains("Coffee/lobby")),
            "{error:?}"
        );
        assert_eq!(
            pick_space(two, None, Some("attic"))
                .unwrap_err()
                .exit_code(),
            1
        );
        assert!(pick_space(Vec::new(), None, None).is_err());
    }

    #[test]
    fn what_is_here_as_history_is_meant_only_if_named() {
        let mut two = vec![
            known("aaaa1", "Coffee", &["lobby", "attic"]),
            known("aaaa2", "Coffee", &["lobby"]),
        ];
        two[0].history = true;
        assert_eq!(pick_community(two.clone(), None).unwrap().id, "aaaa2");
        let named = pick_community(two.clone(), Some("Coffee")).unwrap();
        assert_eq!(named.id, "aaaa2");
        let by_id = pick_community(two.clone(), Some("aaaa1")).unwrap();
        assert_eq!(by_id.id, "aaaa1");
        let lobby = pick_space(two.clone(), None, Some("lobby")).unwrap();
        assert_eq!(lobby.community.id, "aaaa2");
        let attic = pick_space(two, None, Some("attic")).unwrap();
        assert_eq!(attic.community.id, "aaaa1");
    }

    #[test]
    fn a_document_and_its_first_contribution_are_one_candidate() {
        let candidate = |id: &str, what: &str| Candidate {
            id: id.to_owned(),
            what: what.to_owned(),
            title: None,
        };
        let found = vec![
            candidate("ab01", "contribution"),
            candidate("ab01", "document"),
        ];
        let picked = pick_id(found.clone(), "ab", &["document", "contribution"]).unwrap();
        assert_eq!(picked.what, "document");
        let mut two = found;
        two.push(candidate("ab02", "document"));
        let error = pick_id(two, "ab", &["document"]).unwrap_err();
        assert!(
            error.advice().iter().any(|it| it.starts_with("ab02")),
            "{error:?}"
        );
        let error = pick_id(vec![candidate("ab01", "space")], "ab", &["document"]).unwrap_err();
        assert!(error.advice()[0].contains("is a space"), "{error:?}");
    }
}
