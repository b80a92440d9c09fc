//! What a community continues, read along: who joins a fork gets the history that it goes on with.
//!
//! The node follows the old community as a stranger does: its governance and what everyone reads. Spaces for
//! fewer are served to whom they always were, so the readers of nothing widen.
//!
//! Spec: `specs/charter.md` §4.

use crate::{home::HomeError, node::Inner};
use comity_protocol::id::CommunityId;
use tracing::info;

/// Takes note, durably, of what the communities here continue, and starts to follow it. What comes
/// of that may continue another again: it is asked anew when its genesis has arrived.
///
/// # Errors
/// If the state cannot be written; nothing new is followed then.
pub(crate) fn read_along(inner: &Inner) -> Result<(), HomeError> {
    let continuing: Vec<(CommunityId, CommunityId)> = {
        let ledger = inner.ingest.ledger();
        let known = ledger.communities().keys();
        let continued = known.filter_map(|id| {
            let authority = ledger.authority(id)?;
            let (old, _) = authority.genesis()?.continues.as_ref()?;
            Some((*id, *old))
        });
        continued.collect()
    };
    if continuing.is_empty() {
        return Ok(());
    }
    let new = inner
        .state
        .change(|state| state.continue_history(&continuing))?;
    for community in new {
        info!(%community, "followed as history of a community that continues it");
        inner.ingest.track(community);
    }
    Ok(())
}
