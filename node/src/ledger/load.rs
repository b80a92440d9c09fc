//! Sets and authority from the record, when a node opens.

use super::{Entered, Ledger, Statements};
use crate::{
    archive::{Archive, ArchiveError, bare_of, place_of},
    bare, effect,
    ingest::Computed,
    pending::Pending,
    projection::CONTRIBUTION,
    store::{Placed, StoreError, StoredEntry},
};
use comity_protocol::{
    authority::Authority,
    certificate::{CertificateBody, governance_space},
    entry::{Entry, Verified},
    id::{CommunityId, EntryId, SpaceId},
    sync::{Key, Trie},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tracing::{info, warn};

/// How often opening says how far it is, in entries.
const TOLD_ENTRIES: u64 = 256;

/// What the record holds of one space.
#[derive(Default)]
pub(super) struct Set {
    keys: Vec<(Key, u64)>,
    statements: Statements,
    declarations: Vec<(CommunityId, EntryId)>,
}

impl Set {
    /// A set in order is built fastest.
    pub(super) fn build(mut self) -> (Trie, Statements) {
        self.keys.sort_unstable();
        // Of copies of one entry the last counts.
        self.keys.dedup_by(|later, earlier| {
            let is_copy = later.0 == earlier.0;
            if is_copy {
                earlier.1 = later.1;
            }
            is_copy
        });
        (self.keys.into_iter().collect(), self.statements)
    }
}

impl Ledger {
    /// Reads the sets of the given communities from the record, and finds what is held. `on_page` is
    /// told how many entries were read so far.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub fn load(
        archive: &Archive,
        communities: &[CommunityId],
        on_page: &mut dyn FnMut(u64),
    ) -> Result<Self, StoreError> {
        let governance: BTreeSet<SpaceId> = communities
            .iter()
            .map(|community| governance_space(*community))
            .collect();
        let mut ledger = Self {
            undeclared: read_sets(archive, &governance, on_page)?,
            ..Self::default()
        };
        let mut declared: BTreeMap<CommunityId, Vec<(SpaceId, EntryId)>> = BTreeMap::new();
        for (space, set) in &ledger.undeclared {
            for (community, id) in &set.declarations {
                let of_community = declared.entry(*community).or_default();
                of_community.push((*space, *id));
            }
        }
        for community in communities {
            let declared = declared.remove(community).unwrap_or_default();
            ledger.load_community(archive, *community, &declared);
        }
        let entered = Entered {
            whole: ledger.spaces.keys().copied().collect(),
            ..Entered::default()
        };
        let judgement = effect::judge(&ledger, archive, &Pending::default(), &entered, &Computed)?;
        ledger.install(archive, &judgement);
        let due = bare::Due::everything(&ledger);
        let shift = bare::shift(&ledger, archive, &Pending::default(), &due)?;
        ledger.shift_headers(&shift.enter, &shift.leave);
        ledger.rebuilds = super::Rebuilds::default();
        let held = archive.held().len();
        if held > 0 {
            let documents = judgement.documents;
            info!(held, documents, "some of what is stored is not in effect");
        }
        Ok(ledger)
    }

    fn load_community(
        &mut self,
        archive: &Archive,
        community: CommunityId,
        declared: &[(SpaceId, EntryId)],
    ) {
        self.track(community);
        let mut governance = Vec::new();
        if let Some(space) = self.spaces.get(&governance_space(community)) {
            let ids = space.trie.keys().map(|(key, _)| key.id);
            governance.extend(ids.filter_map(|id| read_own(archive, id)));
        }
        for (space, id) in declared {
            let Some(declaration) = read_own(archive, *id) else {
                continue;
            };
            self.add_space(community, *space);
            if let Some(known) = self.spaces.get_mut(space) {
                known.declaration = Some(declaration.key().in_set_of(space));
            }
            governance.push(declaration);
        }
        if let Some(known) = self.communities.get_mut(&community) {
            known.authority = Arc::new(Authority::evaluate(community, &governance));
            known.governance = governance;
        }
        // Every space is judged as a whole once all communities are read.
        self.add_declared(community, &mut Entered::default());
    }
}

/// The sets of all spaces, from the headers in the record.
fn read_sets(
    archive: &Archive,
    governance: &BTreeSet<SpaceId>,
    on_page: &mut dyn FnMut(u64),
) -> Result<BTreeMap<SpaceId, Set>, StoreError> {
    let mut sets: BTreeMap<SpaceId, Set> = BTreeMap::new();
    let mut read = 0;
    archive.store().places(&mut |placed| {
        read += 1;
        if read % TOLD_ENTRIES == 0 {
            on_page(read);
        }
        let stored = match placed {
            Placed::Contribution {
                position,
                space,
                key,
            } => {
                let keys = &mut sets.entry(space).or_default().keys;
                return keys.push((key, position.to_u64()));
            }
            Placed::Other(stored) => stored,
        };
        if let Some((of, header)) = bare_of(&stored) {
            archive.bare_mut().add(of, header);
        } else if let Some((space, key)) = place_of(&stored) {
            let set = sets.entry(space).or_default();
            set.keys.push((key, stored.position.to_u64()));
            if stored.kind != CONTRIBUTION && !governance.contains(&space) {
                set.add_statement(archive, key, stored);
            }
        }
    })?;
    on_page(read);
    Ok(sets)
}

impl Set {
    fn add_statement(&mut self, archive: &Archive, key: Key, stored: StoredEntry) {
        let (id, local) = (stored.id, stored.position.to_u64());
        match archive.entry(stored) {
            Ok(entry) => {
                if let Entry::Certificate(it) = &entry
                    && let CertificateBody::SpaceDeclaration(declaration) = it.body()
                {
                    self.declarations.push((declaration.community, id));
                }
                self.statements.add(&entry, key, local);
            }
            Err(error) => warn!(%id, %error, "a record cannot be read"),
        }
    }
}

fn read_own(archive: &Archive, id: EntryId) -> Option<Verified<Entry>> {
    match archive.get(&id) {
        Ok(Some(entry)) => Some(Verified::from_own_record(entry)),
        Ok(None) => None,
        Err(error @ (ArchiveError::Damaged { .. } | ArchiveError::Store(_))) => {
            warn!(%id, %error, "a governance record cannot be read");
            None
        }
    }
}
