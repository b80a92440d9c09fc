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
    fn proven(&self) -> impl Iterator<Item = &PublicKey> {
        let now_ms = random::now_ms();
        let proven = self.readers.iter();
        proven
            .filter(move |it| it.until_ms > now_ms)
            .map(|it| &it.key)
    }

    fn reads(&self, authority: &Authority, space: SpaceId) -> bool {
        if authority.may_read(None, space) {
            return true;
        }
        self.proven().any(|key| {
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
        authority.is_some_and(|it| self.is_shown(&it, *space))
    }

    fn is_shown(&self, authority: &Authority, space: SpaceId) -> bool {
        self.caller.reads(authority, space) || self.is_their_copy(authority, space)
    }

    /// Whether what is here of a space is the copy of somebody who read it once and who is asking.
    ///
    /// Only where nobody else ever brought anything in: neither the node by itself, as a party's, nor
    /// a person who read through it. Then nothing arrives that is not the caller's own.
    fn is_their_copy(&self, authority: &Authority, space: SpaceId) -> bool {
        if authority.may_read(Some(&self.inner.public()), space) {
            return false;
        }
        let mut once = self.caller.proven().filter(|key| {
            let mut keys = authority.devices_ever(key).chain([**key]);
            keys.any(|it| authority.once_read(&it, space))
        });
        once.any(|root| self.is_alone_here(authority, root))
    }

    /// Whether one person alone ever let this node read for them.
    fn is_alone_here(&self, authority: &Authority, root: &PublicKey) -> bool {
        let state = self.inner.state.read();
        let community = authority.community().to_string();
        let known = state.communities.get(&community);
        let mut devices = known.into_iter().flat_map(|it| it.grants.keys());
        devices.all(|text| {
            let device: Option<PublicKey> = text.parse().ok();
            device.is_some_and(|it| it == *root || authority.was_linked(&it, root))
        })
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
            .filter(|space| self.is_shown(&authority, *space))
            .collect()
    }
}
