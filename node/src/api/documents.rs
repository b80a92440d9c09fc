//! `GET /v0/documents`: pages of documents, by arrival at this node.
//!
//! Space, thread and kind are answered from the index, the author from the header of the create.
//! Tags and origins stand in words, which the index never holds: for them documents are looked at
//! one by one, a bounded number per page. A page may therefore be short, or empty, and still name
//! a `next`.

use super::{
    App,
    arrivals::{Arrival, Arrivals},
    error::Failure,
    extract::{Args, State, blocking},
    lookup,
};
use crate::{
    projection::{KindCode, list_prefix, thread_prefix},
    store::Direction,
    views::Views,
};
use axum::Json;
use comity_client::types::{DocumentQuery, DocumentSummary, Page};
use comity_protocol::{
    document::Kind,
    id::{CommunityId, EntryId, SpaceId},
    key::PublicKey,
    pipeline::Known,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tracing::warn;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 500;
/// Documents looked up in the index for one page.
const LISTED_MAX: usize = 20_000;
/// Documents opened for one page.
const OPENED_MAX: usize = 2_000;

pub(super) async fn list(
    State(app): State<Arc<App>>,
    Args(query): Args<DocumentQuery>,
) -> Result<Json<Page<DocumentSummary>>, Failure> {
    blocking(&app, move |app| page(app, &query).map(Json)).await
}

/// What a document must be to be listed.
struct Filter {
    community: Option<CommunityId>,
    /// The space, and those of other communities whose history it continues.
    spaces: Option<BTreeSet<SpaceId>>,
    kind: Option<KindCode>,
    author: Option<PublicKey>,
    tag: Option<String>,
    system: Option<String>,
    stubs: bool,
}

impl Filter {
    fn read(app: &App, query: &DocumentQuery) -> Result<Self, Failure> {
        let community = query.community.as_deref();
        let space = query.space.as_deref();
        let thread = query.thread.is_some().then_some("reply");
        Ok(Self {
            community: community.map(|it| app.find_community(it)).transpose()?,
            spaces: space
                .map(|it| app.find_space(it).map(|found| app.continued(found.0)))
                .transpose()?,
            kind: query.kind.as_deref().or(thread).map(kind).transpose()?,
            author: query.author.as_deref().map(lookup::key).transpose()?,
            tag: query.tag.clone(),
            system: query.system.clone(),
            stubs: query.stubs,
        })
    }

    /// Whether a space is one of those asked for. A space that is continued belongs to another
    /// community than the one that was named with its continuation.
    fn holds(&self, space: SpaceId, community: CommunityId) -> bool {
        match &self.spaces {
            Some(spaces) => spaces.contains(&space),
            None => self.community.is_none_or(|wanted| wanted == community),
        }
    }

    fn fits(&self, summary: &DocumentSummary) -> bool {
        let tag = self.tag.as_ref();
        let system = self.system.as_ref();
        tag.is_none_or(|tag| summary.tags.contains(tag))
            && system.is_none_or(|system| {
                let origin = summary.origin.as_ref();
                origin.is_some_and(|origin| origin.system == *system)
            })
    }
}

fn kind(name: &str) -> Result<KindCode, Failure> {
    match Kind::named(&name.into()) {
        Ok(kind) => Ok(KindCode::of(kind.name())),
        Err(_) => {
            let known = Kind::ALL.map(Kind::name).join(", ");
            Err(Failure::invalid(format!("there is no kind {name:?}"))
                .hint(format!("Kinds are {known}.")))
        }
    }
}

impl App {
    /// A space, and the spaces of other communities whose history it continues, as far as they are
    /// here.
    fn continued(&self, space: SpaceId) -> BTreeSet<SpaceId> {
        let mut spaces = BTreeSet::new();
        let mut next = Some(space);
        while let Some(space) = next.filter(|it| spaces.insert(*it)) {
            next = self.community_of(&space).and_then(|community| {
                let authority = self.inner.ingest.ledger().authority(&community)?;
                authority.spaces().get(&space)?.continues
            });
        }
        spaces
    }
}

fn page(app: &App, query: &DocumentQuery) -> Result<Page<DocumentSummary>, Failure> {
    let limit = query.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Failure::invalid(format!(
            "a page of {limit} documents was asked for; 1 to {LIMIT_MAX} are given"
        )));
    }
    let filter = Filter::read(app, query)?;
    let mut arrivals = Arrivals::new(
        &app.inner.archive,
        lists(app, query, &filter)?,
        match query.oldest_first {
            true => Direction::Forward,
            false => Direction::Backward,
        },
        query.cursor.as_deref().map(lookup::cursor).transpose()?,
    );
    let mut lister = Lister {
        app,
        filter,
        views: BTreeMap::new(),
        opened: 0,
    };
    let mut items = Vec::new();
    let mut last = None;
    for _ in 0..LISTED_MAX {
        let Some(arrival) = arrivals.next()? else {
            return Ok(Page { items, next: None });
        };
        last = Some(arrival.position.to_u64().to_string());
        items.extend(lister.list(&arrival));
        if items.len() == limit || lister.opened == OPENED_MAX {
            break;
        }
    }
    // Whether more follows is worth one look: the last page then names no next.
    let next = match arrivals.next()? {
        Some(_) => last,
        None => None,
    };
    Ok(Page { items, next })
}

/// The lists of the index that hold what was asked for.
fn lists(app: &App, query: &DocumentQuery, filter: &Filter) -> Result<Vec<Vec<u8>>, Failure> {
    let thread = query.thread.as_deref().map(|it| app.find_document(it));
    let thread = thread.transpose()?;
    let communities = app.community_ids();
    let shown = communities.iter().flat_map(|it| app.shown_spaces(it));
    let shown: BTreeSet<SpaceId> = shown.collect();
    let ledger = app.inner.ingest.ledger();
    let spaces = ledger
        .spaces()
        .iter()
        .filter(|(id, space)| shown.contains(id) && filter.holds(**id, space.community));
    let list = |space: &SpaceId| match (&thread, filter.kind) {
        (Some(root), Some(kind)) => thread_prefix(root, space, kind),
        _ => list_prefix(space),
    };
    Ok(spaces.map(|(id, _)| list(id)).collect())
}

struct Lister<'a> {
    app: &'a App,
    filter: Filter,
    views: BTreeMap<CommunityId, Option<Views<'a>>>,
    opened: usize,
}

impl Lister<'_> {
    /// The line of a document, if it is wanted.
    fn list(&mut self, arrival: &Arrival) -> Option<DocumentSummary> {
        let filter = &self.filter;
        let wanted = match filter.kind {
            Some(kind) => kind == arrival.kind,
            // An acceptance says nothing by itself: it shows in the question it is about.
            None => arrival.kind != KindCode::of(Kind::Accept.name()),
        };
        if !wanted {
            return None;
        }
        let archive = &self.app.inner.archive;
        let held_at = || {
            filter
                .stubs
                .then(|| archive.held_at(arrival.position))
                .flatten()
        };
        let document = archive.document_at(arrival.position).or_else(held_at)?;
        let create = EntryId::from(document);
        let known = self.app.inner.archive.contribution(create)?;
        let community = self.app.community_of(&known.space)?;
        if !filter.holds(known.space, community) {
            return None;
        }
        let app = self.app;
        let views = self
            .views
            .entry(community)
            .or_insert_with(|| app.views(community))
            .as_ref()?;
        if let Some(author) = &filter.author
            && !views.authors.authority.same_person(author, &known.author)
            && views.authors.authority.root_of(&known.author) != Some(*author)
        {
            return None;
        }
        self.opened += 1;
        match views.summary_or_stub(&document) {
            Ok(summary) => filter.fits(&summary).then_some(summary),
            Err(error) => {
                // One document that cannot be read must not hide all others.
                warn!(%document, %error, "left out of a list");
                None
            }
        }
    }
}
