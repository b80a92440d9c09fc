//! How readers see what is not in effect: as a stub that says why, and in full if they ask for it.

use super::{ViewError, Views, what};
use crate::{
    held::{HeldEntry, Reason},
    library::{LibraryError, Listed},
};
use comity_client::types::{
    AdoptedItem, Adoption, DocumentSummary, DocumentView, HeldItem, HistoryItem,
};
use comity_protocol::{
    authority::{Authority, Unauthorized},
    document::{Intent, Shape, Value, value::Key},
    entry::Entry,
    id::{DocumentId, EntryId, PartyId},
    pipeline::Known,
};

/// Stubs, and adopted contributions, named with a document.
const HELD_MAX: usize = 1_000;

/// Why an entry is not in effect, for readers.
pub(crate) fn reason(authority: &Authority, why: &Reason) -> String {
    match why {
        Reason::Unauthorized(why) => unauthorized(authority, why),
        builds @ Reason::Builds(_) => builds.to_string(),
    }
}

fn unauthorized(authority: &Authority, why: &Unauthorized) -> String {
    let name = |party: &PartyId| party_name(authority, party);
    match why {
        Unauthorized::Revoked(party) => format!("after removal by {}", name(party)),
        Unauthorized::DeviceRevoked(party) => {
            format!("after removal of the device by {}", name(party))
        }
        Unauthorized::AdmissionRaised(party) => format!(
            "after {} began to ask for more delegates than admitted the member",
            name(party)
        ),
        Unauthorized::AdmitterRemoved(party) => format!(
            "after {} removed the delegate who admitted the member",
            name(party)
        ),
        Unauthorized::CountersignerRemoved(party) => format!(
            "after {} removed the node that let the member in",
            name(party)
        ),
        Unauthorized::RoleRemoved(party) => {
            format!("after {} took the role from the member", name(party))
        }
        Unauthorized::Departed(party) => format!("after the member left {}", name(party)),
        Unauthorized::PartyRemoved(party) => format!("after the removal of {}", name(party)),
        Unauthorized::PartyLeft(party) => format!("after {} left the community", name(party)),
        other => other.to_string(),
    }
}

fn party_name(authority: &Authority, party: &PartyId) -> String {
    let chain = authority.party_chains().chain(party);
    match chain {
        Some(chain) => chain.current().1.name.clone(),
        None => format!("party {}", party.short()),
    }
}

impl Views<'_> {
    /// A document with what is held of it, as if that were in effect, and what that is.
    ///
    /// # Errors
    /// [`ViewError`] as for the document itself.
    pub fn document_with_held(
        &self,
        document: &DocumentId,
        at: &[EntryId],
    ) -> Result<DocumentView, ViewError> {
        let view = self
            .library
            .read_with_held(document, |shelved| self.view(document, shelved, at))?;
        let mut view = view?;
        view.summary.held = self.held_reason(&EntryId::from(*document));
        view.held = self.held_of(document);
        Ok(view)
    }

    /// The contributions of a document, held ones included and marked as such.
    ///
    /// # Errors
    /// [`ViewError`] as for the history without them.
    pub fn history_with_held(&self, document: &DocumentId) -> Result<Vec<HistoryItem>, ViewError> {
        let items = self
            .library
            .read_with_held(document, |shelved| self.items(shelved))?;
        let mark = |mut item: HistoryItem| {
            let id = item.id.parse::<EntryId>().ok();
            if let Some(why) = id.and_then(|id| self.held_reason(&id)) {
                item.verdict = "held".to_owned();
                item.reason = Some(why);
            }
            item
        };
        Ok(items.into_iter().map(mark).collect())
    }

    /// Why an entry is held; none if it is not.
    pub(super) fn held_reason(&self, id: &EntryId) -> Option<String> {
        let held = self.archive.held();
        let why = held.get(id)?.reason;
        drop(held);
        Some(reason(&self.authors.authority, &why))
    }

    /// Who gives a contribution presence, if its own author's authority does not.
    pub(super) fn adoption(&self, id: &EntryId) -> Option<Adoption> {
        let by = self.archive.held().adopted_by(id)?;
        let author = self.archive.contribution(by)?.author;
        Some(Adoption {
            by: by.to_string(),
            author: self.authors.author(&author),
        })
    }

    /// The same in words, for the history.
    pub(super) fn adopted(&self, id: &EntryId) -> Option<String> {
        let by = self.archive.held().adopted_by(id)?;
        Some(format!(
            "in effect because {by} builds on it; its author may not write here"
        ))
    }

    /// The contributions that are in effect because others built on them.
    pub(super) fn adopted_of(&self, contributions: &[Listed]) -> Vec<AdoptedItem> {
        let item = |it: &Listed| {
            Some(AdoptedItem {
                adoption: self.adoption(&it.id)?,
                id: it.id.to_string(),
                what: what(it).to_owned(),
                author: self.authors.author(&it.header.author),
                time_ms: it.header.time_ms,
            })
        };
        contributions
            .iter()
            .filter_map(item)
            .take(HELD_MAX)
            .collect()
    }

    /// The line of a list, or of its stub if it is held.
    ///
    /// # Errors
    /// [`ViewError`] if the document is unknown or cannot be read.
    pub fn summary_or_stub(&self, document: &DocumentId) -> Result<DocumentSummary, ViewError> {
        match self.summary(document) {
            Err(ViewError::Library(LibraryError::Held { reason, .. })) => {
                Ok(self.stub(document, reason)?.summary)
            }
            summary => summary,
        }
    }

    /// A document nothing of which is in effect, without its words.
    pub(super) fn stub(
        &self,
        document: &DocumentId,
        why: Reason,
    ) -> Result<DocumentView, ViewError> {
        let create = self.archive.get(&EntryId::from(*document))?;
        let Some(Entry::Contribution(create)) = create else {
            return Err(crate::library::LibraryError::Unknown(*document).into());
        };
        let header = create.header();
        // What it answers is structure, as its kind is; its words stay out.
        let (kind, parent) = match Shape::decode(create.shape()) {
            Ok(Intent::Create { kind, fields }) => {
                let parent = match fields.get(&Key::from("parent")) {
                    Some(Value::Reference(it)) => Some(it.document.to_string()),
                    _ => None,
                };
                (kind.as_str().to_owned(), parent)
            }
            _ => ("unknown".to_owned(), None),
        };
        let held = self.held_of(document);
        let space = self.authors.authority.spaces().get(&header.space);
        let summary = DocumentSummary {
            id: document.to_string(),
            community: self.authors.community.to_string(),
            space: header.space.to_string(),
            space_name: space.map(|it| it.name.clone()).unwrap_or_default(),
            kind,
            form: None,
            title: String::new(),
            author: self.authors.author(&header.author),
            created_ms: header.time_ms,
            updated_ms: header.time_ms,
            heads: Vec::new(),
            contributions: 0,
            replies: 0,
            parent,
            accepted: None,
            tags: Vec::new(),
            origin: None,
            erased: false,
            not_kept: 0,
            erased_by_order: None,
            void: None,
            held: Some(reason(&self.authors.authority, &why)),
        };
        Ok(DocumentView {
            summary,
            at: Vec::new(),
            fields: Vec::new(),
            underived: 0,
            replies: Vec::new(),
            next: None,
            held,
            adopted: Vec::new(),
        })
    }

    /// What is held of a document, by id.
    pub(super) fn held_of(&self, document: &DocumentId) -> Vec<HeldItem> {
        let held = self.archive.held();
        let entries = held.of_document(document).take(HELD_MAX);
        let entries: Vec<HeldEntry> = entries.cloned().collect();
        drop(held);
        entries.iter().filter_map(|it| self.held_item(it)).collect()
    }

    /// One held entry without its words; none if it cannot be read.
    pub(crate) fn held_item(&self, it: &HeldEntry) -> Option<HeldItem> {
        let entry = self.archive.get(&it.key.id).ok()??;
        let (what, time_ms) = match &entry {
            Entry::Contribution(it) if it.header().deps().is_empty() => {
                ("create", it.header().time_ms)
            }
            Entry::Contribution(it) => ("edit", it.header().time_ms),
            Entry::Record(it) => ("erasure", it.header().time_ms),
            Entry::Certificate(_) => ("erasure", 0),
            Entry::Bare(_) => return None,
        };
        Some(HeldItem {
            id: it.key.id.to_string(),
            community: it.community.to_string(),
            space: it.space.to_string(),
            document: it.document.to_string(),
            what: what.to_owned(),
            author: self.authors.author(&entry.key().author),
            seq: it.key.seq,
            time_ms,
            reason: reason(&self.authors.authority, &it.reason),
        })
    }
}
