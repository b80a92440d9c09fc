//! Who asks: a person who proved a device, or nobody in particular (I9).
//!
//! Restricted spaces are there only for callers who may read them. For all others every question is
//! answered as if the space did not exist: each way from a request to a space, a document or an entry
//! leads through [`App::shows`].
//!
//! Spec: `specs/http-api.md` (readers).

use super::{App, bytes, error::Failure};
use crate::random;
use axum::http::HeaderMap;
use comity_client::types::Task;
use comity_protocol::{
    access::{ReaderError, ReaderToken},
    authority::Authority,
    id::{CommunityId, SpaceId},
    key::PublicKey,
};
use std::sync::Arc;

/// The header that carries tokens, base64 without padding, parted by commas.
const HEADER: &str = "comity-reader";
/// Most tokens that one request shows.
const TOKENS_MAX: usize = 16;

/// Whom a request proved to come from.
#[derive(Debug, Clone, Default)]
pub(super) struct Caller {
    readers: Vec<Proven>,
}

#[derive(Debug, Clone)]
struct Proven {
    key: PublicKey,
    until_ms: u64,
}

impl Caller {
    /// Reads the header of a request. A token that is over proves nothing and breaks nothing.
    pub(super) fn of(headers: &HeaderMap, node: &PublicKey) -> Result<Self, Failure> {
        let Some(header) = headers.get(HEADER) else {
            return Ok(Self::default());
        };
        let text = header.to_str().map_err(Failure::invalid)?;
        let mut readers = Vec::new();
        for text in text.split(',') {
            if readers.len() == TOKENS_MAX {
                return Err(Failure::invalid(format!(
                    "at most {TOKENS_MAX} tokens are read"
                )));
            }
            let encoded = bytes::decode(text, "the reader's token")?;
            let token = ReaderToken::decode(&encoded).map_err(Failure::invalid)?;
            match token.check(node, random::now_ms()) {
                Ok(()) => readers.push(Proven {
                    key: token.reader,
                    until_ms: token.expires_ms,
                }),
                Err(ReaderError::Expired) => {}
                Err(error) => {
                    return Err(Failure::refused(error)
                        .hint("Sign a token for this node's key, as `GET /v0/status` gives it."));
                }
            }
        }
        Ok(Self { readers })
    }

    /// Long answers outlive tokens: asked anew each time.
    fn reads(&self, authority: &Authority, space: SpaceId) -> bool {
        if authority.may_read(None, space) {
            return true;
        }
        let now_ms = random::now_ms();
        let mut proven = self.readers.iter().filter(|it| it.until_ms > now_ms);
        proven.any(|Proven { key, .. }| {
            // A root key reads what its devices read; a device may still have to be linked.
            let mut devices = authority.device_slots(key).into_iter().flatten();
            authority.may_read(Some(key), space)
                || devices.any(|(_, device)| authority.may_read(Some(device), space))
        })
    }
}

impl App {
    pub(super) fn authority(&self, community: &CommunityId) -> Result<Arc<Authority>, Failure> {
        let known = self.inner.ingest.ledger().authority(community);
        known.ok_or_else(|| super::lookup::unknown("community", &community.to_string()))
    }

    /// Whether the caller may read a space that this node has.
    pub(super) fn shows(&self, space: &SpaceId) -> bool {
        let authority = {
            let ledger = self.inner.ingest.ledger();
            let known = ledger.spaces().get(space);
            known.and_then(|it| ledger.authority(&it.community))
        };
        authority.is_some_and(|it| self.caller.reads(&it, *space))
    }

    /// The work that the caller may know of: what is brought of a space names it.
    pub(super) fn shown_tasks(&self, tasks: Vec<Task>) -> Vec<Task> {
        let is_shown = |task: &Task| {
            let space = task.space.as_deref();
            space.is_none_or(|it| it.parse().is_ok_and(|it| self.shows(&it)))
        };
        tasks.into_iter().filter(is_shown).collect()
    }

    /// The spaces of a community that the caller may read, its governance space among them.
    pub(super) fn shown_spaces(&self, community: &CommunityId) -> Vec<SpaceId> {
        let (authority, spaces) = {
            let ledger = self.inner.ingest.ledger();
            let spaces = ledger.spaces().iter();
            let spaces = spaces.filter(|(_, it)| it.community == *community);
            let spaces: Vec<SpaceId> = spaces.map(|(id, _)| *id).collect();
            (ledger.authority(community), spaces)
        };
        let Some(authority) = authority else {
            return Vec::new();
        };
        let shown = spaces.into_iter();
        shown
            .filter(|space| self.caller.reads(&authority, *space))
            .collect()
    }
}
