//! The rest of the pipeline, `link → authorize`, and its verdicts.
//!
//! `decode → verify` are in [`crate::entry`], derivation in `derive`. Each stage is a type that
//! only the stage before can build: [`Linked`] needs [`Verified`], [`Authorized`] needs [`Linked`].
//!
//! Spec: `specs/contribution.md` §9 (pipeline and verdicts).

use crate::{
    authority::{Act, Authority, Standing, Unauthorized},
    contribution::Target,
    entry::{Contribution, Entry, Verified, erases_header},
    id::{DocumentId, EntryId, SpaceId},
    key::PublicKey,
    record::RecordBody,
};
use std::ops::Deref;
use thiserror::Error;

/// What a node knows of an entry that another one refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownContribution {
    /// Its space.
    pub space: SpaceId,
    /// Its document.
    pub document: DocumentId,
    /// Its author's device.
    pub author: PublicKey,
}

/// What a node knows of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownDocument {
    /// The device that created it.
    pub owner: PublicKey,
    /// Whether everyone who may write in its space may edit it.
    pub co_written: bool,
}

/// The questions that linking asks of a node's store.
pub trait Known {
    /// What is known of a contribution in effect; none if it has not arrived.
    fn contribution(&self, id: EntryId) -> Option<KnownContribution>;
    /// What is known of a document; none if its create has not arrived.
    fn document(&self, id: DocumentId) -> Option<KnownDocument>;
}

/// Why an entry cannot be linked, now or ever.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// Entries it builds on have not arrived. It waits.
    #[error("{} entries it builds on have not arrived yet", .0.len())]
    Pending(Vec<EntryId>),
    /// A dependency belongs to another document or space: malformed for good.
    #[error("it names a dependency of another document or space")]
    ForeignDependency,
    /// An erasure of words that another device wrote: malformed for good.
    #[error("only the device that wrote the words may erase them")]
    ForeignErasure,
}

/// A verified entry all of whose dependencies are here and fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    entry: Verified<Entry>,
    space: SpaceId,
    act: Option<Act>,
}

impl Linked {
    /// Links an entry that arrived for `space`. `kind_is_co_written` answers for a create.
    ///
    /// # Errors
    /// [`LinkError`] says what is missing or wrong.
    pub fn link(
        entry: Verified<Entry>,
        governance_space: SpaceId,
        known: &impl Known,
    ) -> Result<Self, LinkError> {
        let space = entry.space().unwrap_or(governance_space);
        let act = match &*entry {
            Entry::Contribution(contribution) => Some(link_contribution(contribution, known)?),
            Entry::Record(record) => {
                if let RecordBody::Erasure(erasure) = record.body() {
                    let target = known
                        .contribution(erasure.contribution)
                        .ok_or_else(|| LinkError::Pending(vec![erasure.contribution]))?;
                    if !erases_header(record, erasure.contribution, target.author, target.space) {
                        return Err(LinkError::ForeignErasure);
                    }
                }
                None
            }
            Entry::Certificate(_) => None,
        };
        Ok(Self { entry, space, act })
    }

    /// Decides by the authority of its community whether it takes effect.
    ///
    /// # Errors
    /// The entry itself and the rule that does not hold, so that it can be tried again.
    pub fn authorize(self, authority: &Authority) -> Result<Authorized, (Box<Self>, Unauthorized)> {
        let standing = match (&*self.entry, self.act) {
            (Entry::Contribution(it), Some(act)) => authority
                .authorize_contribution(self.space, &it.header().author, act)
                .map(Some),
            (entry, _) => authority
                .authorize_statement(self.space, entry)
                .map(|()| None),
        };
        match standing {
            Ok(standing) => Ok(Authorized {
                entry: self.entry,
                space: self.space,
                standing,
            }),
            Err(reason) => Err((Box::new(self), reason)),
        }
    }

    /// The space whose set it belongs to.
    pub fn space(&self) -> SpaceId {
        self.space
    }
}

impl Deref for Linked {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}

fn link_contribution(contribution: &Contribution, known: &impl Known) -> Result<Act, LinkError> {
    let header = contribution.header();
    let Target::Edit { document, deps } = &header.target else {
        return Ok(Act::Create);
    };
    let mut missing = Vec::new();
    for dep in deps {
        match known.contribution(*dep) {
            None => missing.push(*dep),
            Some(it) if it.space == header.space && it.document == *document => {}
            Some(_) => return Err(LinkError::ForeignDependency),
        }
    }
    if !missing.is_empty() {
        return Err(LinkError::Pending(missing));
    }
    // A dependency within the document implies its create, so this cannot be missing alone.
    let created = EntryId::from(*document);
    let known = known
        .document(*document)
        .ok_or_else(|| LinkError::Pending(vec![created]))?;
    Ok(if known.co_written {
        Act::EditShared
    } else {
        Act::EditOwned { owner: known.owner }
    })
}

/// An entry that takes effect. Only authorization builds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorized {
    entry: Verified<Entry>,
    space: SpaceId,
    standing: Option<Standing>,
}

impl Authorized {
    /// The space whose set it belongs to.
    pub fn space(&self) -> SpaceId {
        self.space
    }

    /// Its author's standing; none for records and certificates.
    pub fn standing(&self) -> Option<Standing> {
        self.standing
    }

    /// The entry itself.
    pub fn into_entry(self) -> Verified<Entry> {
        self.entry
    }
}

impl Deref for Authorized {
    type Target = Entry;

    fn deref(&self) -> &Entry {
        &self.entry
    }
}
