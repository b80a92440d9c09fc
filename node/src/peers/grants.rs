//! The grants that this node's people gave it, and whom it shows them to.

use crate::{ledger::Ledger, node::Inner, random};
use comity_protocol::{
    access::{GRANTS_MAX, NodeGrant, ShownGrant, may_be_shown_grants},
    id::CommunityId,
    key::PublicKey,
};

/// The grants of a community that a node may be shown now: none, unless the public governance knows
/// the node. Of more than may be shown those that last longest.
pub(super) fn to_show(
    inner: &Inner,
    ledger: &Ledger,
    community: CommunityId,
    node: &PublicKey,
) -> Vec<ShownGrant> {
    let authority = ledger.authority(&community);
    if !authority.is_some_and(|it| may_be_shown_grants(&it, node)) {
        return Vec::new();
    }
    let now = random::now_ms();
    let mut grants: Vec<ShownGrant> = {
        let state = inner.state.read();
        let own = state.communities.get(&community.to_string());
        own.into_iter()
            .flat_map(|it| it.grants.values())
            .filter_map(|text| NodeGrant::decode(&hex::decode(text).ok()?).ok())
            .filter(|it| it.expires_ms > now)
            .map(|it| it.shown())
            .collect()
    };
    grants.sort_by_key(|it| (std::cmp::Reverse(it.expires_ms), it.device));
    grants.truncate(GRANTS_MAX);
    grants
}
