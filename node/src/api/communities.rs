//! Communities: what this node takes part in.

use super::{
    App,
    entries::{sharing, take_in},
    error::Failure,
    extract::{Body, Name, SUBMISSION_MAX_BYTES, State, blocking},
};
use crate::{authors::Authors, history};
use axum::Json;
use comity_client::types::{
    CommunityInfo, MemberInfo, PartyInfo, SpaceInfo, Submitted, TrackCommunity,
};
use comity_protocol::{
    authority::Authority,
    certificate::{Readers, Writers, governance_space},
    id::{CommunityId, PartyId, SpaceId},
    key::PublicKey,
};
use std::{collections::BTreeSet, sync::Arc};

pub(super) async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<CommunityInfo>>, Failure> {
    blocking(&app, |app| {
        let ids: Vec<CommunityId> = app.community_ids();
        let infos = ids.into_iter().map(|id| info(app, id));
        Ok(Json(infos.collect::<Result<Vec<_>, _>>()?))
    })
    .await
}

pub(super) async fn show(
    State(app): State<Arc<App>>,
    Name(id): Name,
) -> Result<Json<CommunityInfo>, Failure> {
    blocking(&app, move |app| {
        let id = app.find_community(&id)?;
        info(app, id).map(Json)
    })
    .await
}

/// Takes part in a community. Remembering it comes first: its entries would have no home otherwise.
pub(super) async fn track(
    State(app): State<Arc<App>>,
    Body(request): Body<TrackCommunity, SUBMISSION_MAX_BYTES>,
) -> Result<Json<Submitted>, Failure> {
    let (community, results) = blocking(&app, move |app| {
        let community = super::lookup::entry_id(&request.community)?;
        let community = CommunityId::from_bytes(*community.as_bytes());
        app.take_part(community)?;
        Ok((community, take_in(app, community, &request.entries)?))
    })
    .await?;
    let peers = sharing(&app, &community).await;
    Ok(Json(Submitted { results, peers }))
}

/// Takes no more part in a community, and keeps what is here of it. It is exchanged no longer, unless
/// one that this node follows continues it.
pub(super) async fn leave(
    State(app): State<Arc<App>>,
    Name(id): Name,
) -> Result<Json<CommunityInfo>, Failure> {
    blocking(&app, move |app| {
        let id = app.find_community(&id)?;
        history::read_along(&app.inner)?;
        app.inner.state.change(|state| {
            let known = state.communities.entry(id.to_string());
            known.or_default().left = true;
        })?;
        info(app, id).map(Json)
    })
    .await
}

impl App {
    pub(super) fn community_ids(&self) -> Vec<CommunityId> {
        let ledger = self.inner.ingest.ledger();
        ledger.communities().keys().copied().collect()
    }

    /// Starts to take part in a community, durably; does nothing if the node does already.
    pub(super) fn take_part(&self, community: CommunityId) -> Result<(), Failure> {
        self.inner.state.change(|state| {
            let known = state.communities.entry(community.to_string());
            known.or_default().left = false;
        })?;
        self.inner.ingest.track(community);
        history::read_along(&self.inner)?;
        Ok(())
    }

    /// Follows a community if the node does not know it yet; whoever left it has.
    pub(super) fn take_note(&self, community: CommunityId) -> Result<(), Failure> {
        let id = community.to_string();
        match self.inner.state.read().communities.contains_key(&id) {
            true => Ok(()),
            false => self.take_part(community),
        }
    }

    /// Who the readers of a space are, by name.
    fn reader_names(&self, authority: &Authority, readers: &Readers) -> Vec<String> {
        let party = |id: &PartyId| {
            let chain = authority.party_chains().chain(id);
            chain.map_or_else(|| id.to_string(), |it| it.current().1.name.clone())
        };
        match readers {
            Readers::Everyone | Readers::Members => Vec::new(),
            Readers::Parties(parties) => parties.iter().map(party).collect(),
            Readers::Groups(groups) => groups
                .iter()
                .map(|(of, name)| format!("{name} of {}", party(of)))
                .collect(),
            Readers::Persons(persons) => {
                let views = self.views(authority.community());
                let name = |root: &PublicKey| {
                    let known = views.as_ref().and_then(|it| it.authors.name(root));
                    known.unwrap_or_else(|| root.to_string())
                };
                persons.iter().map(name).collect()
            }
        }
    }

    /// A space and its set.
    pub(super) fn space_info(
        &self,
        authority: &Authority,
        id: &SpaceId,
    ) -> Result<SpaceInfo, Failure> {
        let (entries, root) = {
            let ledger = self.inner.ingest.ledger();
            let held = ledger.spaces().get(id);
            held.map(|it| (it.trie.len(), it.trie.root().to_string()))
                .unwrap_or_else(|| (0, comity_protocol::sync::TrieHash::EMPTY.to_string()))
        };
        let declared = authority.spaces().get(id);
        let (name, readers, writers) = match declared {
            Some(space) => (
                space.name.as_str(),
                readers(&space.readers),
                writers(space.writers),
            ),
            // The space of the community's records, which is declared nowhere.
            None => ("governance", "everyone", "stewards"),
        };
        let (people, nodes) = match declared {
            Some(space) if space.readers != Readers::Everyone => audience(authority, id),
            _ => (0, 0),
        };
        let reader_names = declared.map(|it| self.reader_names(authority, &it.readers));
        let before = declared.and_then(|it| it.successor_of);
        let after = authority.spaces().iter();
        let after = after.filter(|(_, it)| it.successor_of == Some(*id));
        let (keep, kept, lacking) = self.kept_of(id);
        Ok(SpaceInfo {
            keep,
            kept,
            lacking,
            id: id.to_string(),
            successor_of: before.filter(|it| self.shows(it)).map(|it| it.to_string()),
            succeeded_by: after
                .map(|(id, _)| id)
                .filter(|id| self.shows(id))
                .map(ToString::to_string)
                .collect(),
            reader_names: reader_names.unwrap_or_default(),
            people,
            nodes,
            name: name.to_owned(),
            community: authority.community().to_string(),
            readers: readers.to_owned(),
            writers: writers.to_owned(),
            entries,
            documents: self.counts.of(&self.inner.archive, id)?,
            root,
        })
    }
}

/// How many members read a space now, and how many nodes of parties.
fn audience(authority: &Authority, space: &SpaceId) -> (u64, u64) {
    let reads = |key: &PublicKey| authority.may_read(Some(key), *space);
    let people = authority.members().keys().filter(|root| {
        let devices = authority.device_slots(root).into_iter().flatten();
        devices.into_iter().any(|(_, device)| reads(device))
    });
    let nodes: BTreeSet<&PublicKey> = authority
        .parties()
        .values()
        .flat_map(|party| &party.nodes)
        .filter(|node| reads(node))
        .collect();
    (people.count() as u64, nodes.len() as u64)
}

fn readers(readers: &Readers) -> &'static str {
    match readers {
        Readers::Everyone => "everyone",
        Readers::Members => "members",
        Readers::Parties(_) => "parties",
        Readers::Groups(_) => "groups",
        Readers::Persons(_) => "persons",
    }
}

fn writers(writers: Writers) -> &'static str {
    match writers {
        Writers::Members => "members",
        Writers::Stewards => "stewards",
    }
}

fn info(app: &App, id: CommunityId) -> Result<CommunityInfo, Failure> {
    let unknown = || super::lookup::unknown("community", &id.to_string());
    let views = app.views(id).ok_or_else(unknown)?;
    let authority = views.authors.authority.clone();
    let genesis = authority.genesis();
    let governance_space = governance_space(id);
    let mut spaces = app.shown_spaces(&id);
    spaces.retain(|space| *space != governance_space);
    let founded: Vec<SpaceId> = genesis
        .map(|genesis| genesis.spaces(id).map(|(space, _)| space).collect())
        .unwrap_or_default();
    // In the order of the founding, then those that came later.
    let place = |space: &SpaceId| founded.iter().position(|it| it == space);
    spaces.sort_by_key(|space| (place(space).is_none(), place(space), *space));
    let charter = authority.charter().map(|it| it.current());
    let governance = app.inner.ingest.ledger().governance_digest(&id);
    let (followed, takes_part, continued_by) = {
        let state = app.inner.state.read();
        let continued_by = state.continued_by(&id);
        (state.follows(&id), state.takes_part(&id), continued_by)
    };
    Ok(CommunityInfo {
        id: id.to_string(),
        name: charter.map(|it| it.name.to_string()).unwrap_or_default(),
        purpose: charter.map(|it| it.purpose.to_string()).unwrap_or_default(),
        complete: genesis.is_some(),
        left: !followed,
        history: followed && !takes_part,
        continued_by,
        governance_space: governance_space.to_string(),
        governance: governance.to_string(),
        charter: authority
            .charter()
            .map(|it| it.current().id.to_string())
            .unwrap_or_default(),
        parties: parties(&authority),
        spaces: spaces
            .iter()
            .map(|space| app.space_info(&authority, space))
            .collect::<Result<_, _>>()?,
        members: authority
            .members()
            .keys()
            .map(|root| member(&views.authors, root))
            .collect(),
    })
}

fn parties(authority: &Authority) -> Vec<PartyInfo> {
    let parties = authority.parties().iter().map(|(id, party)| PartyInfo {
        id: id.to_string(),
        name: party.name.clone(),
        delegates: party.delegates.iter().map(PublicKey::to_string).collect(),
        delegates_needed: party.delegates_needed,
        state: authority
            .party_chains()
            .chain(id)
            .map(|it| it.current().0.to_string())
            .unwrap_or_default(),
        nodes: party.nodes.iter().map(PublicKey::to_string).collect(),
    });
    parties.collect()
}

fn member(authors: &Authors<'_>, root: &PublicKey) -> MemberInfo {
    let authority = &authors.authority;
    let memberships = authority.members().get(root);
    let roles: BTreeSet<_> = memberships
        .into_iter()
        .flat_map(|it| it.values())
        .flat_map(|membership| membership.roles.iter().copied())
        .collect();
    let devices = authority.device_slots(root);
    MemberInfo {
        root: root.to_string(),
        name: authors.name(root),
        parties: memberships
            .into_iter()
            .flat_map(|it| it.keys())
            .map(ToString::to_string)
            .collect(),
        roles: roles.iter().map(|role| role.name().to_owned()).collect(),
        devices: devices
            .into_iter()
            .flat_map(|it| it.values())
            .map(PublicKey::to_string)
            .collect(),
    }
}
