//! Who stands behind a device: the person, the name from a profile, the party that vouches.

use crate::{
    archive::Archive, ledger::Ledger, library::Library, projection::profile_prefix,
    store::IndexScan,
};
use comity_client::types::Author;
use comity_protocol::{
    authority::Authority,
    id::{CommunityId, DocumentId, PartyId, SpaceId},
    key::PublicKey,
};
use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, Mutex, PoisonError},
};

type Asked = (CommunityId, u64, PublicKey);

/// Names found, by community, audience and root key; dropped whole when a profile changes.
#[derive(Default)]
pub struct Names {
    known: Mutex<HashMap<Asked, Option<String>>>,
}

const NAMES_MAX: usize = 10_000;

impl Names {
    /// Forgets all names: a profile changed, or spaces did.
    pub fn forget(&self) {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    fn get(&self, key: &Asked) -> Option<Option<String>> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    fn put(&self, key: Asked, name: Option<String>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= NAMES_MAX {
            known.clear();
        }
        known.insert(key, name);
    }
}

fn audience(shown: &[SpaceId]) -> u64 {
    let mut hasher = DefaultHasher::new();
    shown.hash(&mut hasher);
    hasher.finish()
}

/// Looks people up.
pub struct Authors<'a> {
    /// Entries.
    pub archive: &'a Archive,
    /// Documents.
    pub library: &'a Library,
    /// Names found before.
    pub names: &'a Names,
    /// The community.
    pub community: CommunityId,
    /// Its authority.
    pub authority: Arc<Authority>,
    /// The spaces whose profiles the reader may see.
    shown: Vec<SpaceId>,
    /// Tells them apart in what is remembered.
    audience: u64,
}

impl<'a> Authors<'a> {
    /// People of one community, for somebody who reads these spaces; none if this node does not take
    /// part in it.
    pub fn of(
        community: CommunityId,
        ledger: &Ledger,
        archive: &'a Archive,
        library: &'a Library,
        names: &'a Names,
        shown: Vec<SpaceId>,
    ) -> Option<Self> {
        let authority = ledger.authority(&community)?;
        Some(Self {
            archive,
            library,
            names,
            community,
            authority,
            audience: audience(&shown),
            shown,
        })
    }

    /// What stands beside a text by this device.
    pub fn author(&self, device: &PublicKey) -> Author {
        let root = self.authority.root_of(device);
        let party = self.authority.standing(device).map(|it| it.party);
        let once = match party {
            Some(_) => None,
            None => self.authority.once_vouched(device),
        };
        Author {
            device: device.to_string(),
            root: root.map(|root| root.to_string()),
            name: root.and_then(|root| self.name(&root)),
            party: party.and_then(|it| self.party_name(&it)),
            once: once.and_then(|it| self.party_name(&it)),
        }
    }

    /// The name of a party, of the charter or not any more.
    fn party_name(&self, party: &PartyId) -> Option<String> {
        let chain = self.authority.party_chains().chain(party)?;
        Some(chain.current().1.name.clone())
    }

    /// The name a person goes by, from the newest of their profiles that is readable here.
    pub fn name(&self, root: &PublicKey) -> Option<String> {
        let key = (self.community, self.audience, *root);
        if let Some(known) = self.names.get(&key) {
            return known;
        }
        let name = self.find_name(root);
        self.names.put(key, name.clone());
        name
    }

    fn find_name(&self, root: &PublicKey) -> Option<String> {
        let devices = self.authority.device_slots(root)?;
        for device in devices.values() {
            for space in &self.shown {
                let scan = IndexScan::backward(profile_prefix(space, device), 1);
                let page = self.archive.store().index().scan(&scan).ok()?;
                let Some((_, id)) = page.items.first() else {
                    continue;
                };
                let Ok(id) = <[u8; 32]>::try_from(id.as_slice()) else {
                    continue;
                };
                let read = self.library.glance(&DocumentId::from_bytes(id), |shelved| {
                    let view = shelved.derived.view().ok()?;
                    view.text("name").map(str::to_owned)
                });
                if let Ok(Some(name)) = read {
                    return Some(name);
                }
            }
        }
        None
    }
}
