//! What a peer may read: the one answer that hello, sync and gossip all rest on (I9).
//!
//! Spec: `specs/wire.md` §6.

use super::VerifiedGrant;
use crate::{authority::Authority, id::SpaceId, key::PublicKey};
use std::collections::BTreeSet;

/// The spaces of a community that the node at the other end may read at this moment: those that
/// everyone reads, those that the node itself reads, and those that the devices read whose grants it
/// has shown. A grant counts until it ends, and only for the node and community it was verified for.
pub fn readable_spaces(
    authority: &Authority,
    node: &PublicKey,
    grants: &[VerifiedGrant],
    now_ms: u64,
) -> BTreeSet<SpaceId> {
    let devices = counting(grants, now_ms)
        .filter(|it| it.community == authority.community() && it.node == *node)
        .map(|it| &it.device);
    let readers: Vec<&PublicKey> = devices.chain([node]).collect();
    let governance = authority.governance_space();
    let open = authority.spaces().keys().copied().filter(|space| {
        authority.may_read(None, *space)
            || readers
                .iter()
                .any(|reader| authority.may_read(Some(reader), *space))
    });
    open.chain([governance]).collect()
}

/// When what a peer may read changes next because a grant ends, milliseconds since the Unix epoch.
pub fn next_end_ms(grants: &[VerifiedGrant], now_ms: u64) -> Option<u64> {
    counting(grants, now_ms).map(|it| it.expires_ms).min()
}

/// Whether grants may be shown to a node: a grant names a device, which is nobody's business but that
/// of the nodes that the public governance knows, a party's or a member's.
pub fn may_be_shown_grants(authority: &Authority, node: &PublicKey) -> bool {
    authority.node_party(node).is_some()
}

fn counting(grants: &[VerifiedGrant], now_ms: u64) -> impl Iterator<Item = &super::NodeGrant> {
    let grants = grants.iter().map(VerifiedGrant::grant);
    grants.filter(move |it| it.expires_ms > now_ms)
}
