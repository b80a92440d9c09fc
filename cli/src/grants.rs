//! Leave for a node to read on a person's behalf, renewed before it runs out.
//!
//! A grant lasts 30 days and is renewed once half of them are over. The node cannot renew it, since
//! it holds no person's key, and is not asked what it has: a note beside the keys says until when
//! each node's grant lasts.

use crate::{error::CommandError, identity::Identity, moment::now_ms};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{Client, types::PutGrant};
use comity_protocol::{
    access::{GRANT_LIFETIME_MS, NodeGrant},
    id::CommunityId,
    key::PublicKey,
};
use std::{collections::BTreeMap, path::PathBuf};

/// When each grant ends, by community and node.
type Notes = BTreeMap<String, u64>;

fn path(identity: &Identity) -> PathBuf {
    identity.folder().path().join("grants.json")
}

fn name(identity: &Identity, community: CommunityId, node: &PublicKey) -> String {
    format!("{community} {node} {}", identity.public().device)
}

/// Gives the node a grant if it has none, or one that is half over.
pub(crate) async fn renew(
    client: &Client,
    identity: &Identity,
    community: CommunityId,
    node: PublicKey,
) -> Result<(), CommandError> {
    let notes: Notes = std::fs::read(path(identity))
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default();
    if is_fresh(&notes, &name(identity, community, &node), now_ms()) {
        return Ok(());
    }
    give(client, identity, community, node, notes).await
}

/// Gives the node a grant, whatever it has.
pub(crate) async fn put(
    client: &Client,
    identity: &Identity,
    community: CommunityId,
    node: PublicKey,
) -> Result<(), CommandError> {
    give(client, identity, community, node, Notes::new()).await
}

async fn give(
    client: &Client,
    identity: &Identity,
    community: CommunityId,
    node: PublicKey,
    mut notes: Notes,
) -> Result<(), CommandError> {
    let expires_ms = now_ms() + GRANT_LIFETIME_MS;
    let grant = NodeGrant::sign(identity.device(), community, node, expires_ms);
    let grant = STANDARD_NO_PAD.encode(grant.encode());
    client.put_grant(&PutGrant { grant }).await?;
    notes.insert(name(identity, community, &node), expires_ms);
    // Without the note the grant is given again next time, which does no harm.
    if let Ok(bytes) = serde_json::to_vec_pretty(&notes) {
        let _ = std::fs::write(path(identity), bytes);
    }
    Ok(())
}

fn is_fresh(notes: &Notes, name: &str, now_ms: u64) -> bool {
    notes
        .get(name)
        .is_some_and(|expires| *expires > now_ms.saturating_add(GRANT_LIFETIME_MS / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_renewed_once_half_of_it_is_over() {
        let notes = Notes::from([("a".to_owned(), GRANT_LIFETIME_MS)]);
        assert!(is_fresh(&notes, "a", GRANT_LIFETIME_MS / 2 - 1));
        assert!(!is_fresh(&notes, "a", GRANT_LIFETIME_MS / 2));
        assert!(!is_fresh(&notes, "b", 0));
    }
}
