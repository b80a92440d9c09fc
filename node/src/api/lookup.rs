//! From texts to things: ids whole or shortened, keys, and the views a document needs.

use super::{App, error::Failure, resolve};
use crate::{archive::Archive, authors::Authors, views::Views};
use comity_client::types::Candidate;
use comity_protocol::{
    id::{CommunityId, DocumentId, EntryId, SpaceId},
    key::PublicKey,
    pipeline::Known,
};
use serde_json::json;

/// Hexadecimal digits of a whole id.
pub(super) const ID_DIGITS: usize = 64;

pub(super) fn key(text: &str) -> Result<PublicKey, Failure> {
    text.parse().map_err(|error| {
        Failure::invalid(format!("{text:?} is no key: {error}"))
            .hint("Keys look like did:key:z6Mk… and are not shortened.")
    })
}

pub(super) fn entry_id(text: &str) -> Result<EntryId, Failure> {
    text.parse().map_err(|error| {
        Failure::invalid(format!("{text:?} is no whole id: {error}"))
            .hint("`GET /v0/resolve` finds whole ids for shortened ones.")
    })
}

impl App {
    fn archive(&self) -> &Archive {
        &self.inner.archive
    }

    /// The community that a space belongs to, if this node takes part in it and the caller may read
    /// the space.
    pub(super) fn community_of(&self, space: &SpaceId) -> Option<CommunityId> {
        if !self.shows(space) {
            return None;
        }
        let ledger = self.inner.ingest.ledger();
        ledger.spaces().get(space).map(|it| it.community)
    }

    /// Views of the documents of a community.
    pub(super) fn views(&self, community: CommunityId) -> Option<Views<'_>> {
        let inner = &self.inner;
        let authors = Authors::of(
            community,
            &inner.ingest.ledger(),
            &inner.archive,
            &inner.library,
            &inner.names,
            self.shown_spaces(&community),
        )?;
        Some(Views {
            archive: &inner.archive,
            library: &inner.library,
            authors,
        })
    }

    /// Space and views of a document that is here.
    pub(super) fn views_of(&self, document: &DocumentId) -> Result<(SpaceId, Views<'_>), Failure> {
        let known = self
            .archive()
            .contribution(EntryId::from(*document))
            .ok_or_else(|| unknown("document", &document.to_string()))?;
        let views = self
            .community_of(&known.space)
            .and_then(|community| self.views(community))
            .ok_or_else(|| unknown("document", &document.to_string()))?;
        Ok((known.space, views))
    }

    /// A document by id, which may be shortened.
    pub(super) fn find_document(&self, text: &str) -> Result<DocumentId, Failure> {
        if text.len() == ID_DIGITS {
            let id = entry_id(text)?;
            let known = self.archive().contribution(id);
            return match known.filter(|known| self.shows(&known.space)) {
                Some(known) if known.document == DocumentId::from(id) => Ok(known.document),
                Some(known) => Err(Failure::not_found(format!(
                    "{text} is no document but a contribution to one"
                ))
                .hint(format!("It belongs to the document {}.", known.document))),
                None => Err(unknown("document", text)),
            };
        }
        entry_id(&self.unshorten(text, "document")?).map(DocumentId::from)
    }

    /// A space by id, which may be shortened.
    pub(super) fn find_space(&self, text: &str) -> Result<(SpaceId, CommunityId), Failure> {
        let whole = self.whole(text, "space")?;
        let id = SpaceId::from_bytes(*entry_id(&whole)?.as_bytes());
        let community = self
            .community_of(&id)
            .ok_or_else(|| unknown("space", text))?;
        Ok((id, community))
    }

    /// A community by id, which may be shortened.
    pub(super) fn find_community(&self, text: &str) -> Result<CommunityId, Failure> {
        let whole = self.whole(text, "community")?;
        let id = CommunityId::from_bytes(*entry_id(&whole)?.as_bytes());
        match self.inner.ingest.ledger().communities().contains_key(&id) {
            true => Ok(id),
            false => Err(unknown("community", text)),
        }
    }

    fn whole(&self, text: &str, what: &str) -> Result<String, Failure> {
        match text.len() == ID_DIGITS {
            true => Ok(text.to_owned()),
            false => self.unshorten(text, what),
        }
    }

    fn unshorten(&self, text: &str, what: &str) -> Result<String, Failure> {
        let found: Vec<Candidate> = resolve::candidates(self, text)?
            .into_iter()
            .filter(|it| it.what == what)
            .collect();
        match found.as_slice() {
            [] => Err(unknown(what, text)),
            [only] => Ok(only.id.clone()),
            several => Err(Failure::ambiguous(format!(
                "{text} may stand for {} things of type {what}",
                several.len()
            ))
            .hint("Give more digits of the id.")
            .detail("candidates", json!(several))),
        }
    }
}

pub(super) fn unknown(what: &str, text: &str) -> Failure {
    let failure = Failure::not_found(format!("no {what} {text} is here"));
    match what {
        "community" => failure.hint("`comity community list` shows those this node takes part in."),
        "space" => failure.hint("`comity space list` shows the spaces known here."),
        _ => failure.hint("It may not have arrived yet: `comity sync` asks all connected peers."),
    }
}

/// Where a list goes on.
pub(super) fn cursor(text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| {
        Failure::invalid(format!("{text:?} is no cursor"))
            .hint("Use `next` of the page before, with the same query.")
    })
}
