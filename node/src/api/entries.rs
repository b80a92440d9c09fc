//! Submitting signed entries, and reading one back.

use super::{
    App, bytes,
    error::Failure,
    extract::{Body, Name, SUBMISSION_MAX_BYTES, State, blocking},
    lookup,
};
use crate::{
    ingest::{Outcome, Refusal},
    pending::Source,
    store::StoreState,
};
use axum::Json;
use comity_client::types::{EntryResult, RawEntry, Submit, Submitted};
use comity_protocol::{
    authority::{EnvelopeError, Unauthorized},
    certificate::governance_space,
    entry::Entry,
    id::{CommunityId, EntryId, SpaceId},
    pipeline::AuthorizeError,
};
use std::{error::Error, sync::Arc};

pub(super) async fn submit(
    State(app): State<Arc<App>>,
    Body(request): Body<Submit, SUBMISSION_MAX_BYTES>,
) -> Result<Json<Submitted>, Failure> {
    let (community, results) = blocking(&app, move |app| {
        let community = app.find_community(&request.community)?;
        Ok((community, take_in(app, community, &request.entries)?))
    })
    .await?;
    let peers = sharing(&app, &community).await;
    Ok(Json(Submitted { results, peers }))
}

/// Peers connected now with whom a community is shared.
pub(super) async fn sharing(app: &App, community: &CommunityId) -> usize {
    let Some(peers) = app.inner.peers() else {
        return 0;
    };
    let id = community.to_string();
    let connected = peers.connected().await;
    connected
        .iter()
        .filter(|peer| peer.communities.contains(&id))
        .count()
}

/// Takes entries in base64 into a community, and says what became of each.
pub(super) fn take_in(
    app: &App,
    community: CommunityId,
    entries: &[String],
) -> Result<Vec<EntryResult>, Failure> {
    let entries = entries
        .iter()
        .enumerate()
        .map(|(index, entry)| bytes::decode(entry, &format!("entry {index}")))
        .collect::<Result<Vec<_>, _>>()?;
    if let StoreState::ReadOnly { reason } = app.store_state() {
        return Err(Failure::read_only(&reason));
    }
    let mut places = entries.iter().filter_map(|it| Entry::peek(it)?.0);
    places.try_for_each(|space| app.refuse_unexchanged(&space))?;
    let taken = app
        .inner
        .ingest
        .take_in(community, &entries, &Source::Local);
    let outcomes = match (taken, app.store_state()) {
        (Ok(outcomes), _) => outcomes,
        (Err(_), StoreState::ReadOnly { reason }) => return Err(Failure::read_only(&reason)),
        (Err(error), _) => return Err(error.into()),
    };
    // What was submitted may be a profile: the answer comes after names are read anew.
    app.inner.names.forget();
    let results = outcomes.iter().zip(&entries);
    Ok(results
        .map(|(outcome, entry)| masked(app, entry, outcome))
        .collect())
}

/// What did not come in where the caller reads nothing is answered as if the space did not exist: what
/// lacks or stands in the way would tell what is there.
fn masked(app: &App, entry: &[u8], outcome: &(Option<EntryId>, Outcome)) -> EntryResult {
    let result = result(outcome);
    // That a space belongs to another community tells that it is here.
    let foreign = matches!(outcome.1, Outcome::Refused(Refusal::ForeignSpace));
    if !foreign && !["pending", "unauthorized"].contains(&result.state.as_str()) {
        return result;
    }
    let space = Entry::decode(entry).ok().and_then(|it| it.space());
    match space.is_some_and(|space| !app.shows(&space)) {
        true => EntryResult {
            state: "unauthorized".to_owned(),
            reason: Some(unauthorized(&Unauthorized::UnknownSpace.into())),
            ..result
        },
        false => result,
    }
}

fn result((id, outcome): &(Option<EntryId>, Outcome)) -> EntryResult {
    let (state, reason) = match outcome {
        Outcome::Saved => ("saved", None),
        Outcome::AlreadyPresent => ("already_present", None),
        Outcome::Pending(missing) => ("pending", Some(waits_for(missing))),
        Outcome::Unauthorized(reason) => ("unauthorized", Some(unauthorized(reason))),
        Outcome::Blocked(on) => (
            "unauthorized",
            Some(format!(
                "it builds on {on}, which is not in effect; write it anew on what is"
            )),
        ),
        Outcome::Refused(refusal) => ("refused", Some(refusal.to_string())),
    };
    EntryResult {
        id: id.map(|id| id.to_string()).unwrap_or_default(),
        state: state.to_owned(),
        reason,
    }
}

fn waits_for(missing: &[EntryId]) -> String {
    let named: Vec<String> = missing.iter().take(3).map(EntryId::to_string).collect();
    let more = missing.len() - named.len();
    let more = match more {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "it builds on entries that have not arrived here: {}{more}",
        named.join(", ")
    )
}

fn unauthorized(reason: &AuthorizeError) -> String {
    let advice = match reason {
        AuthorizeError::Set(reason) => of_a_set(reason),
        AuthorizeError::Contribution(reason) => of_a_contribution(reason),
    };
    let reason = with_sources(reason);
    format!("{reason}; {advice}")
}

const MAY_ARRIVE: &str = "it is kept until the community's records arrive";
const MAY_JOIN: &str = "it is kept for a while in case the membership is still on its way; \
                        otherwise ask a member for an invitation";

fn of_a_set(reason: &EnvelopeError) -> &'static str {
    match reason {
        EnvelopeError::NoGenesis
        | EnvelopeError::UnknownSpace
        | EnvelopeError::Builds(_)
        | EnvelopeError::UnknownParty(_)
        | EnvelopeError::NotCovered
        | EnvelopeError::UnknownTable => MAY_ARRIVE,
        EnvelopeError::NoStanding | EnvelopeError::PersonDeclares => MAY_JOIN,
        EnvelopeError::NotTheWriter => "ask the one who wrote them, or the parties",
        EnvelopeError::NotANode
        | EnvelopeError::WrongSpace
        | EnvelopeError::OtherGenesis
        | EnvelopeError::OtherCommunity
        | EnvelopeError::State(_)
        | EnvelopeError::Resolution(_)
        | EnvelopeError::PartyDeclares(_)
        | EnvelopeError::Order(_) => "no node will take it as it is",
    }
}

fn of_a_contribution(reason: &Unauthorized) -> &'static str {
    match reason {
        Unauthorized::NoGenesis | Unauthorized::UnknownSpace => MAY_ARRIVE,
        Unauthorized::NotAMember | Unauthorized::NoStanding => MAY_JOIN,
        Unauthorized::RoleMissing | Unauthorized::RoleRemoved(_) => {
            "ask a delegate of your party for the role"
        }
        Unauthorized::NotTheOwner => "write a reply instead",
        Unauthorized::NotAReader => "ask those who opened the space to open one for you too",
        Unauthorized::KindNotAllowed | Unauthorized::KindForbidden(_) => {
            "choose another space, or another kind"
        }
        Unauthorized::SpaceClosed(_) => "choose another space; what stands there stays",
        Unauthorized::PartyRemoved(_) | Unauthorized::PartyLeft(_) => {
            "a person takes part by a party of the community"
        }
        Unauthorized::AdmissionRaised(_)
        | Unauthorized::AdmitterRemoved(_)
        | Unauthorized::CountersignerRemoved(_)
        | Unauthorized::CountersignerCut(_) => "ask the party's delegates to admit you again",
        Unauthorized::Departed(_) | Unauthorized::Revoked(_) => {
            "who comes back does so with a new key"
        }
        Unauthorized::DeviceRemoved | Unauthorized::DeviceRevoked(_) => {
            "write with another device of yours"
        }
        Unauthorized::WrongSpace => "no node will take it as it is",
    }
}

/// An error and what it comes from, in one line.
pub(super) fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Name(id): Name,
) -> Result<Json<RawEntry>, Failure> {
    blocking(&app, move |app| raw(app, &id).map(Json)).await
}

fn raw(app: &App, text: &str) -> Result<RawEntry, Failure> {
    let id = lookup::entry_id(text)?;
    let unknown = || lookup::unknown("entry", text);
    let entry = app.inner.archive.get(&id)?.ok_or_else(unknown)?;
    let (space, community) = app.place_of(&entry).ok_or_else(unknown)?;
    let document = match &entry {
        Entry::Contribution(it) => Some(it.header().document(id).to_string()),
        _ => None,
    };
    Ok(RawEntry {
        id: id.to_string(),
        community: community.to_string(),
        space: space.to_string(),
        document,
        entry: bytes::encode(&entry.encode()),
    })
}

impl App {
    pub(super) fn store_state(&self) -> StoreState {
        self.inner.archive.store().state().borrow().clone()
    }

    /// Space and community of a stored entry. A certificate names no space of its own: it belongs
    /// to the community in whose governance set it stands.
    ///
    /// None too if the caller may not read the space.
    pub(super) fn place_of(&self, entry: &Entry) -> Option<(SpaceId, CommunityId)> {
        let place = self.stored_place_of(entry)?;
        self.shows(&place.0).then_some(place)
    }

    /// The same, whoever asks: for maintenance, which tells ids of damaged entries and no more.
    pub(super) fn stored_place_of(&self, entry: &Entry) -> Option<(SpaceId, CommunityId)> {
        if let Some(space) = entry.space() {
            return Some((
                space,
                self.inner.ingest.ledger().spaces().get(&space)?.community,
            ));
        }
        let key = entry.key();
        let ledger = self.inner.ingest.ledger();
        ledger.communities().keys().find_map(|community| {
            let space = governance_space(*community);
            let key = key.in_set_of(&space);
            let held = ledger.spaces().get(&space)?.trie.contains(&key);
            held.then_some((space, *community))
        })
    }
}
