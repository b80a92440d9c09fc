//! The rules once more, written apart from the code that keeps them.

use super::nodes::{Entries, Node};
use comity_node::ledger::Space;
use comity_protocol::{
    authority::{
        Act, Authority, Unauthorized,
        charter::CharterState,
        coverage::{Coverage, NoCuts},
    },
    certificate::PartyState,
    contribution::Header,
    entry::Entry,
    id::{EntryId, PartyId, SpaceId},
    key::PublicKey,
    pipeline::{AuthorizeError, Known},
    record::{RecordBody, Target},
    sync::Key,
};
use std::collections::BTreeSet;

/// What stands in a set without a right to, by the authority that follows from the set.
pub(super) fn unauthorized(
    node: &Node,
    authority: &Authority,
    space: &SpaceId,
    key: &Key,
) -> Option<String> {
    let replica = node.replica();
    let ledger = replica.ingest.ledger();
    let known = ledger.spaces().get(space)?;
    if !known.trie.contains(key) {
        return None;
    }
    let entry = match replica.archive.get(&key.id) {
        Ok(Some(entry)) => entry,
        other => return Some(format!("{} cannot be read: {other:?}", key.id)),
    };
    let result = match &entry {
        Entry::Contribution(it) => {
            let adopted = replica.archive.held().adopted_by(&key.id).is_some();
            match adopted {
                true => return None,
                false => authorized(node, known, authority, key.id, it.header())
                    .map_err(AuthorizeError::from),
            }
        }
        Entry::Record(record) => match record.body() {
            RecordBody::Erasure(it) => {
                let author = replica.archive.contribution(it.contribution)?.author;
                authority
                    .may_erase(&record.header().author, &author)
                    .map_err(AuthorizeError::from)
            }
            _ => authority.lets_in(*space, &entry).map_err(Into::into),
        },
        Entry::Certificate(_) => authority.lets_in(*space, &entry).map_err(Into::into),
        // Its contribution is not in effect here, and a cut or receipt leads to it.
        Entry::Bare(it) => {
            let own = Key::new(space, &it.author(), it.link().seq, it.of());
            if known.trie.contains(&own) {
                return Some(format!("{} stands beside what it heads", key.id));
            }
            let coverage: &dyn Coverage = match known.coverage() {
                Some(coverage) => &**coverage,
                None => &NoCuts,
            };
            let judged = authority.lets_in_bare(*space, it, coverage);
            judged.map_err(Into::into)
        }
    };
    result.err().map(|reason| format!("{}: {reason}", key.id))
}

fn authorized(
    node: &Node,
    space: &Space,
    authority: &Authority,
    id: EntryId,
    header: &Header,
) -> Result<(), Unauthorized> {
    let document = node
        .replica()
        .archive
        .document(header.document(id))
        .unwrap();
    let act = match (header.deps().is_empty(), document.co_written) {
        (true, _) => Act::Create,
        (false, true) => Act::EditShared,
        (false, false) => Act::EditOwned {
            owner: document.owner,
        },
    };
    let coverage: &dyn Coverage = match space.coverage() {
        Some(coverage) => &**coverage,
        None => &NoCuts,
    };
    let (author, kind) = (&header.author, Some(&*document.kind));
    let verdict = authority.authorize(header.space, &id, author, kind, act, coverage);
    verdict.map(drop)
}

/// A resolution on the winning path that too few parties of its parent signed.
pub(super) fn without_quorum(authority: &Authority, entries: &Entries) -> Option<String> {
    let charter = authority.charter()?;
    for pair in charter.path().windows(2) {
        let (parent, child) = (charter.state(&pair[0])?, charter.state(&pair[1])?);
        let Some(certificate) = entries.get(&child.id) else {
            return Some(format!("{} is not in the set", child.id));
        };
        let approving = approving(authority, parent, &certificate.signed_by);
        let stay = parent
            .parties
            .keys()
            .filter(|it| !has_left(authority, child, it));
        let stay = stay.count() as u64;
        let needed = parent.party_quorum.min(stay).max(1);
        if (approving as u64) < needed {
            return Some(format!("{}: {approving} of {needed} approve", child.id));
        }
    }
    None
}

fn has_left(authority: &Authority, child: &CharterState, party: &PartyId) -> bool {
    let chain = authority.party_chains().chain(party);
    let pinned = child.parties.get(party);
    let state = chain.and_then(|it| it.state(pinned?));
    state.is_some_and(|it| it.left.contains(&authority.community()))
}

/// Parties of the parent of which enough delegates of any one state signed.
fn approving(authority: &Authority, parent: &CharterState, signers: &BTreeSet<PublicKey>) -> usize {
    let approves = |party: &&PartyId| {
        let chain = authority.party_chains().chain(party);
        chain.is_some_and(|chain| {
            chain.states().any(|(_, state)| {
                let signed = state.delegates.iter().filter(|it| signers.contains(it));
                signed.count() as u64 >= state.delegates_needed
            })
        })
    };
    parent.parties.keys().filter(approves).count()
}

/// A revocation that counts for a party, signed by nobody who ever was its delegate by the `truth`.
pub(super) fn expelled_by_others(
    authority: &Authority,
    truth: &Authority,
    entries: &Entries,
) -> Option<String> {
    for id in authority.narrowings().keys() {
        let Some(read) = entries.get(id) else {
            return Some(format!("{id} is not in the set"));
        };
        let Entry::Record(record) = &read.entry else {
            continue;
        };
        let RecordBody::Revocation(it) = record.body() else {
            continue;
        };
        let chain = truth.party_chains().chain(&it.party);
        let mut states = chain.into_iter().flat_map(|it| it.states());
        let is_delegate = |key: &PublicKey, state: &PartyState| state.delegates.contains(key);
        let was_delegate = states.any(|(_, state)| {
            let mut signers = read.signed_by.iter();
            signers.any(|key| is_delegate(key, state))
        });
        if !was_delegate {
            let what = match it.target {
                Target::Member(_) => "member",
                Target::Device(_) => "device",
                Target::Role(..) => "role",
            };
            return Some(format!("{id} takes a {what} by no delegate of the party"));
        }
    }
    None
}
