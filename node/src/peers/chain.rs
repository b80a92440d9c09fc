//! What a node signs by itself, on its own chain per space: receipts and countersignatures.

use crate::{ingest::Outcome, node::Inner, pending::Source, random, store::StoreError};
use comity_protocol::{
    contribution::{ChainLink, Context},
    entry::Entry,
    id::{CommunityId, EntryId, SpaceId},
    record::{self, RecordBody},
};
use std::sync::PoisonError;
use thiserror::Error;

/// Why the node could not sign something of its own.
#[derive(Debug, Clone, Error)]
pub(crate) enum SignError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The node's own ingest did not take it.
    #[error("the node's own record was not accepted: {0:?}")]
    NotAccepted(Outcome),
}

/// The link that follows the newest entry of `author` in `space`.
pub(crate) fn next_link(
    inner: &Inner,
    space: &SpaceId,
    author: &comity_protocol::key::PublicKey,
) -> ChainLink {
    let ledger = inner.ingest.ledger();
    let newest = ledger.newest_of(&inner.archive, space, author);
    newest.map_or(ChainLink::FIRST, |key| ChainLink::after(key.seq, key.id))
}

/// Signs a record with the node's key and takes it in. Blocks.
pub(crate) fn sign(
    inner: &Inner,
    community: CommunityId,
    space: SpaceId,
    body: RecordBody,
) -> Result<EntryId, SignError> {
    // One signature at a time, so that the node never signs two entries with one number.
    let _turn = inner.signing.lock().unwrap_or_else(PoisonError::into_inner);
    let context = Context {
        space,
        link: next_link(inner, &space, &inner.public()),
        governance: inner.ingest.ledger().governance_digest(&community),
        time_ms: random::now_ms(),
    };
    let record = record::sign(&inner.key, &context, body);
    let id = record.id();
    let encoded = Entry::Record(record).encode();
    let mut outcomes = inner
        .ingest
        .take_in(community, &[encoded], &Source::Local)?;
    match outcomes.pop() {
        Some((_, Outcome::Saved | Outcome::AlreadyPresent)) => Ok(id),
        Some((_, other)) => Err(SignError::NotAccepted(other)),
        None => Err(SignError::NotAccepted(Outcome::AlreadyPresent)),
    }
}
