//! `POST /v0/origins`: which imported documents are already here.
//!
//! Origins are words, so the index does not hold them: a table in memory, built from the creates of
//! a space when it is first asked for and then from what arrived since, maps digests of origins to
//! documents. Origins are fixed once created, so only erasure takes one away; that is looked up
//! when answering.

use super::{
    App,
    error::Failure,
    extract::{Body, State, blocking},
};
use crate::{
    archive::Archive,
    projection::{list_prefix, read_listed},
    store::{IndexScan, StoreError},
};
use axum::Json;
use comity_client::types::{OriginsAnswer, OriginsRequest};
use comity_protocol::{
    document::{Intent, Key, Kind, Shape, Value, Words as OpenedWords},
    entry::{Entry, Words},
    id::{DocumentId, EntryId, SpaceId, digest},
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// Most origins asked for at once.
const ORIGINS_MAX: usize = 1_000;
const PAGE: usize = 512;
/// Keeps digests of this table apart from all others.
const DOMAIN: &[u8] = b"comity/node/origin\0";

type Digest = [u8; 32];

#[derive(Default)]
struct Table {
    after: Option<Vec<u8>>,
    documents: HashMap<Digest, Vec<DocumentId>>,
}

/// Tables of origins by space.
#[derive(Default)]
pub(super) struct Origins {
    tables: Mutex<HashMap<SpaceId, Table>>,
}

impl Origins {
    pub(super) fn forget(&self) {
        self.tables
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn find(
        &self,
        archive: &Archive,
        space: &SpaceId,
        wanted: &[(String, String)],
    ) -> Result<Vec<Option<DocumentId>>, StoreError> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        let table = tables.entry(*space).or_default();
        table.catch_up(archive, space)?;
        wanted
            .iter()
            .map(|(system, id)| table.find(archive, &origin_digest(system, id)))
            .collect()
    }
}

impl Table {
    fn catch_up(&mut self, archive: &Archive, space: &SpaceId) -> Result<(), StoreError> {
        loop {
            let scan = IndexScan::forward(list_prefix(space), PAGE).after(self.after.clone());
            let page = archive.store().index().scan(&scan)?;
            for (key, value) in &page.items {
                let listed = read_listed(key, value);
                let Some(document) = listed.and_then(|it| archive.document_at(it.0)) else {
                    continue;
                };
                if let Some(origin) = origin_of(archive, &document) {
                    self.documents.entry(origin).or_default().push(document);
                }
            }
            if let Some((last, _)) = page.items.last() {
                self.after = Some(last.clone());
            }
            if page.next.is_none() {
                return Ok(());
            }
        }
    }

    /// The first document of this origin whose words are still there.
    fn find(
        &mut self,
        archive: &Archive,
        origin: &Digest,
    ) -> Result<Option<DocumentId>, StoreError> {
        let Some(documents) = self.documents.get_mut(origin) else {
            return Ok(None);
        };
        while let Some(document) = documents.first() {
            if archive.erasure_of(&EntryId::from(*document))?.is_none() {
                return Ok(Some(*document));
            }
            documents.remove(0);
        }
        self.documents.remove(origin);
        Ok(None)
    }
}

fn origin_digest(system: &str, id: &str) -> Digest {
    let len = (system.len() as u64).to_be_bytes();
    digest(DOMAIN, &[&len, system.as_bytes(), id.as_bytes()])
}

/// The origin a document was created with; none for void ones, which are no documents.
fn origin_of(archive: &Archive, document: &DocumentId) -> Option<Digest> {
    let Ok(Some(Entry::Contribution(create))) = archive.get(&EntryId::from(*document)) else {
        return None;
    };
    let shape = Shape::decode(create.shape()).ok()?;
    let Intent::Create { kind, .. } = &shape else {
        return None;
    };
    Kind::named(kind).ok()?.check(&shape).ok()?;
    let Words::Present(words) = create.words() else {
        return None;
    };
    let words = OpenedWords::open(&shape, words);
    if words == OpenedWords::Erased {
        return None;
    }
    let Intent::Create { fields, .. } = shape.with_words(&words) else {
        return None;
    };
    let Some(Value::Map(origin)) = fields.get(&Key::from("origin")) else {
        return None;
    };
    match (origin.get(&"system".into()), origin.get(&"id".into())) {
        (Some(Value::Text(system)), Some(Value::Text(id))) => Some(origin_digest(system, id)),
        _ => None,
    }
}

pub(super) async fn origins(
    State(app): State<Arc<App>>,
    Body(request): Body<OriginsRequest>,
) -> Result<Json<OriginsAnswer>, Failure> {
    if request.origins.len() > ORIGINS_MAX {
        return Err(Failure::invalid(format!(
            "{} origins were asked for; at most {ORIGINS_MAX} are looked up at once",
            request.origins.len()
        )));
    }
    blocking(&app, move |app| {
        let (space, _) = app.find_space(&request.space)?;
        let found = app
            .origins
            .find(&app.inner.archive, &space, &request.origins)?;
        Ok(Json(OriginsAnswer {
            documents: found
                .into_iter()
                .map(|it| it.map(|id| id.to_string()))
                .collect(),
        }))
    })
    .await
}
