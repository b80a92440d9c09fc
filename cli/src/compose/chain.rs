//! One signer's chain in one space, signed entry by entry.

use super::ComposeError;
use crate::identity::ChainHead;
use comity_protocol::{
    contribution::{self, ChainLink, Context, Payload, Target},
    document::Draft,
    entry::{Contribution, Record},
    id::{DocumentId, EntryId, GovernanceDigest, SpaceId},
    key::SecretKey,
    limits::NONCE_BYTES,
    record::{self, RecordBody},
};

/// Signs entries that follow each other on one chain.
#[derive(Debug)]
pub struct Chain<'a> {
    secret: &'a SecretKey,
    space: SpaceId,
    governance: GovernanceDigest,
    next: ChainLink,
}

impl<'a> Chain<'a> {
    /// A chain whose next entry stands at `next`.
    pub fn new(
        secret: &'a SecretKey,
        space: SpaceId,
        governance: GovernanceDigest,
        next: ChainLink,
    ) -> Self {
        Self {
            secret,
            space,
            governance,
            next,
        }
    }

    /// The space.
    pub const fn space(&self) -> SpaceId {
        self.space
    }

    /// Where the next entry will stand.
    pub const fn next(&self) -> ChainLink {
        self.next
    }

    /// The last entry signed or known; none before the first.
    pub fn head(&self) -> Option<ChainHead> {
        Some(ChainHead {
            seq: self.next.seq - 1,
            id: self.next.prev?,
        })
    }

    fn context(&self, time_ms: u64) -> Context {
        Context {
            space: self.space,
            link: self.next,
            governance: self.governance,
            time_ms,
        }
    }

    fn advance(&mut self, id: EntryId) {
        self.next = ChainLink::after(self.next.seq, id);
    }

    /// Signs a record.
    pub fn record(&mut self, time_ms: u64, body: RecordBody) -> Record {
        let record = record::sign(self.secret, &self.context(time_ms), body);
        self.advance(record.id());
        record
    }

    /// Signs a contribution that creates a document. `nonce` must be fresh.
    ///
    /// # Errors
    /// If the draft breaks a rule or a limit; the chain has not moved then.
    pub fn create(
        &mut self,
        time_ms: u64,
        draft: &Draft,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Contribution, ComposeError> {
        self.contribution(time_ms, Target::Create, draft, nonce)
    }

    /// Signs a contribution that edits a document its author saw at `deps`. `nonce` must be fresh.
    ///
    /// # Errors
    /// If the draft breaks a limit, or `deps` are empty or too many; the chain has not moved then.
    pub fn edit(
        &mut self,
        time_ms: u64,
        document: DocumentId,
        mut deps: Vec<EntryId>,
        draft: &Draft,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Contribution, ComposeError> {
        deps.sort();
        deps.dedup();
        self.contribution(time_ms, Target::Edit { document, deps }, draft, nonce)
    }

    fn contribution(
        &mut self,
        time_ms: u64,
        target: Target,
        draft: &Draft,
        nonce: [u8; NONCE_BYTES],
    ) -> Result<Contribution, ComposeError> {
        let sealed = draft.seal(nonce)?;
        let payload = Payload {
            shape: sealed.shape,
            words: sealed.words,
        };
        let signed = contribution::sign(self.secret, &self.context(time_ms), target, payload)?;
        self.advance(signed.id());
        Ok(signed)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::compose::document;
    use comity_protocol::{
        entry::{Entry, Verified},
        record::Erasure,
    };

    /// A chain of the key of this byte at its start.
    pub(crate) fn start(secret: &SecretKey) -> Chain<'_> {
        Chain::new(
            secret,
            SpaceId::from_bytes([7; 32]),
            GovernanceDigest::from_bytes([8; 32]),
            ChainLink::FIRST,
        )
    }

    #[test]
    fn entries_follow_each_other_and_verify_after_a_round_trip() {
        let secret = SecretKey::from_seed(&[1; 32]);
        let mut chain = start(&secret);
        assert_eq!(chain.head(), None);
        let page = document::page("Title", "Body", &[], None);
        let first = chain.create(5, &page, [9; 32]).unwrap();
        let erasure = Erasure {
            contribution: first.id(),
        };
        let second = chain.record(6, RecordBody::Erasure(erasure));
        assert_eq!(second.header().link, ChainLink::after(1, first.id()));
        let head = chain.head().unwrap();
        assert_eq!((head.seq, head.id), (2, second.id()));
        for entry in [Entry::Contribution(first), Entry::Record(second)] {
            let read = Entry::decode(&entry.encode()).unwrap();
            assert_eq!(read, entry);
            Verified::check(read).unwrap();
        }
    }

    #[test]
    fn what_cannot_be_signed_leaves_the_chain_where_it_was() {
        let secret = SecretKey::from_seed(&[1; 32]);
        let mut chain = start(&secret);
        let long = document::page("Title", &"x".repeat(300_000), &[], None);
        let error = chain.create(5, &long, [9; 32]).unwrap_err();
        assert!(error.hint().contains("256 KiB"), "{error}");
        let untitled = document::page("", "x", &[], None);
        assert!(chain.create(5, &untitled, [9; 32]).is_err());
        assert_eq!(chain.next(), ChainLink::FIRST);
    }
}
