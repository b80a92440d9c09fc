//! The rest of the pipeline, `link → authorize`, and its verdicts.
//!
//! `decode → verify` are in [`crate::entry`], derivation in `derive`. Each stage is a type that
//! only the stage before can build: [`Linked`] needs [`Verified`], [`Authorized`] needs [`Linked`].
//!
//! Spec: `specs/contribution.md` §9 (pipeline and verdicts).

use crate::{
    authority::{Act, Authority, EnvelopeError, Standing, Unauthorized, coverage::Coverage},
    certificate::CertificateBody,
    contribution::Target,
    document::kind_named_in,
    entry::{Contribution, Entry, Verified, Words},
    id::{DocumentId, EntryId, SpaceId},
    key::PublicKey,
    record::RecordBody,
};
use std::{ops::Deref, sync::Arc};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDocument {
    /// The device that created it.
    pub owner: PublicKey,
    /// The name of its kind, as [`kind_named_in`] reads it.
    pub kind: Arc<str>,
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
    /// An erasure of a contribution of another space: malformed for good.
    #[error("an erasure stands in the space of the contribution it erases")]
    ForeignErasure,
}

/// Why a linked entry does not take effect. It may once records arrive.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AuthorizeError {
    /// The set of its space does not let it in, or not without the words that it lacks.
    #[error(transparent)]
    Set(#[from] EnvelopeError),
    /// It is a contribution whose author may not do what it does.
    #[error(transparent)]
    Contribution(#[from] Unauthorized),
}

/// A verified entry all of whose dependencies are here and fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    entry: Verified<Entry>,
    space: SpaceId,
    asks: Asks,
}

/// What authority is asked about a linked entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asks {
    /// Whether its author may.
    Contribution { act: Act, kind: Arc<str> },
    /// Whether the signer speaks for the device that wrote the words.
    Erasure { written_by: PublicKey },
    /// Whether it belongs into the set.
    Statement,
    /// Whether a narrowing covers it.
    Header,
}

impl Linked {
    /// Links an entry that arrived, or was composed here.
    ///
    /// # Errors
    /// [`LinkError`] says what is missing or wrong.
    pub fn link(
        entry: Verified<Entry>,
        governance_space: SpaceId,
        known: &impl Known,
    ) -> Result<Self, LinkError> {
        let space = match &*entry {
            Entry::Certificate(it) => it.home(governance_space),
            other => other.space().unwrap_or(governance_space),
        };
        let erased = |id: EntryId| {
            let target = known
                .contribution(id)
                .ok_or_else(|| LinkError::Pending(vec![id]))?;
            match target.space == space {
                true => Ok(target.author),
                false => Err(LinkError::ForeignErasure),
            }
        };
        let asks = match &*entry {
            Entry::Contribution(contribution) => link_contribution(contribution, known)?,
            Entry::Record(record) => match record.body() {
                RecordBody::Erasure(it) => Asks::Erasure {
                    written_by: erased(it.contribution)?,
                },
                _ => Asks::Statement,
            },
            Entry::Certificate(it) => {
                if let CertificateBody::ErasureOrder(order) = it.body() {
                    erased(order.contribution)?;
                }
                Asks::Statement
            }
            Entry::Bare(_) => Asks::Header,
        };
        Ok(Self { entry, space, asks })
    }

    /// Decides by the authority of its community, and for contributions and bare headers by what
    /// narrowings leave in force in its space, whether it takes effect.
    ///
    /// # Errors
    /// The entry itself and what says most about why not, so that it can be tried again.
    pub fn authorize(
        self,
        authority: &Authority,
        coverage: &dyn Coverage,
    ) -> Result<Authorized, (Box<Self>, AuthorizeError)> {
        match self.judge(authority, coverage) {
            Ok(standing) => Ok(Authorized {
                entry: self.entry,
                space: self.space,
                standing,
            }),
            Err(reason) => Err((Box::new(self), reason)),
        }
    }

    fn judge(
        &self,
        authority: &Authority,
        coverage: &dyn Coverage,
    ) -> Result<Option<Standing>, AuthorizeError> {
        match (&*self.entry, &self.asks) {
            (Entry::Contribution(it), Asks::Contribution { act, kind }) => {
                let author = &it.header().author;
                if let Words::Erased(proof) = it.words() {
                    authority.judge_erasure(proof, author)?;
                }
                let id = it.id();
                let standing =
                    authority.authorize(self.space, &id, author, Some(kind), *act, coverage)?;
                Ok(Some(standing))
            }
            (Entry::Record(record), Asks::Erasure { written_by }) => {
                authority.may_erase(&record.header().author, written_by)?;
                authority.lets_in(self.space, &self.entry)?;
                Ok(None)
            }
            (Entry::Bare(it), _) => {
                authority.lets_in_bare(self.space, it, coverage)?;
                Ok(None)
            }
            (entry, _) => {
                authority.lets_in(self.space, entry)?;
                Ok(None)
            }
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

fn link_contribution(contribution: &Contribution, known: &impl Known) -> Result<Asks, LinkError> {
    let header = contribution.header();
    let Target::Edit { document, deps } = &header.target else {
        return Ok(Asks::Contribution {
            act: Act::Create,
            kind: kind_named_in(contribution.shape()).into(),
        });
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
    Ok(Asks::Contribution {
        act: match known.co_written {
            true => Act::EditShared,
            false => Act::EditOwned { owner: known.owner },
        },
        kind: known.kind,
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
