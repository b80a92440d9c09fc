//! What costs most on the way in, as two pure functions behind a trait: whether bytes are an entry
//! whose signatures hold, and what authority follows from a set.
//!
//! A node computes both. Where many nodes run in one process, as in simulations, each may take what
//! another found out about the same bytes or the same set.

use super::{Refusal, verify};
use comity_protocol::{
    authority::Authority,
    entry::{Entry, Verified},
    id::CommunityId,
};
use std::sync::Arc;

/// Answers that depend on nothing but what is asked. See the [module documentation](self).
pub trait Reckon: Send + Sync {
    /// One verdict for each of these encoded entries, in order.
    fn verify(&self, entries: &[Vec<u8>]) -> Vec<Result<Verified<Entry>, Refusal>>;

    /// The authority that follows from these entries: [`Authority::evaluate`].
    fn evaluate(&self, community: CommunityId, entries: &[Verified<Entry>]) -> Arc<Authority>;
}

/// Computes everything, on all cores where that is worth it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Computed;

impl Reckon for Computed {
    fn verify(&self, entries: &[Vec<u8>]) -> Vec<Result<Verified<Entry>, Refusal>> {
        verify::verify_all(entries)
    }

    fn evaluate(&self, community: CommunityId, entries: &[Verified<Entry>]) -> Arc<Authority> {
        Arc::new(Authority::evaluate(community, entries))
    }
}
