//! Entries that wait: for what they build on, for authority, or for the top of a cut. In memory and
//! bounded, so nobody can fill a node with them; what is dropped comes again by sync.
//!
//! Two kinds of account pay for them. What waits for entries or for authority is charged to whoever
//! gave it; the oldest give way. What may stand at or below a cut, while the ids which the cut names
//! are not yet connected to it, is charged to its author: no flood of others can push it out, and of
//! its own account the highest numbers give way, never an id that a cut names. Of what gave way in
//! such an account the place in the chain stays known, so that the next arrival of the same chain is
//! judged rightly however long the chain is. There is room for so many authors; who comes when all of
//! it is taken gets a place of the person who has most, so nobody keeps others out by many devices or
//! in many spaces.
//!
//! A certificate's id says nothing about its signatures: every variant waits by itself, so an
//! insufficient one never stands in the way of a sufficient one.

mod links;

use comity_protocol::{
    entry::{Entry, Verified, bare_id},
    id::{CommunityId, EntryId, SpaceId},
    key::PublicKey,
};
pub use links::Link;
use links::Links;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Most entries that wait per source.
pub const PENDING_PER_SOURCE_MAX: usize = 4_096;
/// Most bytes that wait per source.
pub const PENDING_PER_SOURCE_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Most entries of one author that wait for the top of a cut, per space.
pub const PENDING_BELOW_CUT_MAX: usize = 16_384;
/// Most bytes of one author that wait for the top of a cut, per space.
pub const PENDING_BELOW_CUT_MAX_BYTES: usize = 16 * 1024 * 1024;
/// Most entries that wait for all peers together, apart from those below cuts.
pub const PENDING_OF_PEERS_MAX: usize = 32_768;
/// Most bytes of them.
pub const PENDING_OF_PEERS_MAX_BYTES: usize = 48 * 1024 * 1024;
/// Most sources whose entries wait: more than can be connected at a time, so whoever is connected finds
/// room.
const SOURCES_MAX: usize = 640;
/// Most authors whose entries wait for the top of a cut.
const AUTHORS_MAX: usize = 64;

/// Who gave an entry: the local API, or a peer by its id in text form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The local API.
    Local,
    /// A peer.
    Peer(String),
}

/// Why an entry waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waits {
    /// For entries that have not arrived.
    For(Vec<EntryId>),
    /// For governance that authorizes it.
    ForAuthority,
    /// For what connects it to an id that a cut of its author names.
    ForCut {
        /// Whether a cut names this very entry.
        named: bool,
        /// The person behind its author, as far as is known here; else the author.
        person: PublicKey,
    },
}

/// Of a certificate every variant of signatures waits by itself.
type Variant = (EntryId, u64);

fn variant(entry: &Entry, bytes: &[u8]) -> Variant {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let digest = match entry {
        Entry::Certificate(_) => {
            let mut hasher = DefaultHasher::new();
            bytes.hash(&mut hasher);
            hasher.finish()
        }
        _ => 0,
    };
    (entry.id(), digest)
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Account {
    Source(Source),
    Author(SpaceId, PublicKey),
}

struct Waiting {
    entry: Verified<Entry>,
    community: CommunityId,
    source: Source,
    account: Account,
    bytes: usize,
    waits: Waits,
}

/// What left the waiting room to be judged again.
pub type Released = (Verified<Entry>, CommunityId, Source);

#[derive(Default)]
struct Quota {
    order: VecDeque<Variant>,
    bytes: usize,
    /// Which account this is by the order of opening.
    number: u64,
    /// Whose share of the room below cuts it is.
    person: Option<PublicKey>,
    /// Whether the peer is gone: then it gives way before those who are there.
    gone: bool,
}

/// The waiting room.
#[derive(Default)]
pub struct Pending {
    waiting: BTreeMap<Variant, Waiting>,
    by_missing: BTreeMap<EntryId, BTreeSet<Variant>>,
    quotas: HashMap<Account, Quota>,
    /// How many accounts were ever opened.
    opened: u64,
    links: Links,
    /// Entries and bytes that wait for peers.
    of_peers: (usize, usize),
}

impl Pending {
    /// How many entries wait for what they build on, and how many for authority.
    pub fn counts(&self) -> (usize, usize) {
        let entries = self.waiting.values();
        let missing = entries.filter(|it| matches!(it.waits, Waits::For(_)));
        let missing = missing.count();
        (missing, self.waiting.len() - missing)
    }

    /// How many entries wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A contribution that is here whole but not authorized.
    pub fn unauthorized(&self, id: &EntryId) -> Option<&Verified<Entry>> {
        let it = self.waiting.get(&(*id, 0))?;
        match it.waits {
            Waits::For(_) => None,
            Waits::ForAuthority | Waits::ForCut { .. } => Some(&it.entry),
        }
    }

    /// Who gave a waiting entry.
    pub fn source(&self, id: &EntryId) -> Option<&Source> {
        Some(&self.waiting.get(&(*id, 0))?.source)
    }

    /// Where an entry that waits, or that gave way below a cut, stands in its chain.
    pub fn link(&self, id: &EntryId) -> Option<Link> {
        if let Some(link) = self.links.get(id) {
            return Some(link);
        }
        headed(&self.waiting_header(id)?.entry).map(|(_, link)| link)
    }

    /// What waits under this id, or a bare header of it.
    fn waiting_header(&self, id: &EntryId) -> Option<&Waiting> {
        if self.waiting.is_empty() {
            return None;
        }
        let whole = self.waiting.get(&(*id, 0));
        whole.or_else(|| self.waiting.get(&(bare_id(id), 0)))
    }

    /// The bare header of an entry that waits, or whose bare header does.
    pub(crate) fn header(&self, id: &EntryId) -> Option<Verified<Entry>> {
        let entry = &self.waiting_header(id)?.entry;
        match &**entry {
            Entry::Bare(_) => Some(entry.clone()),
            _ => entry.bare(),
        }
    }

    /// Ids of entries by these authors in a space that wait, or whose bare headers do.
    pub(crate) fn headed_by(
        &self,
        space: &SpaceId,
        authors: &BTreeSet<PublicKey>,
    ) -> impl Iterator<Item = EntryId> {
        let entries = self.waiting.values().filter_map(|it| headed(&it.entry));
        entries
            .filter(|(_, link)| link.space == *space && authors.contains(&link.author))
            .map(|(id, _)| id)
    }

    /// Whether anything waits for the top of a cut of this author in the space.
    pub fn waits_below_cut(&self, space: &SpaceId, author: &PublicKey) -> bool {
        self.quotas.contains_key(&Account::Author(*space, *author))
    }

    /// Lets an entry wait. Others of the same account give way when there is no room.
    pub fn add(
        &mut self,
        entry: Verified<Entry>,
        community: CommunityId,
        source: Source,
        waits: Waits,
    ) {
        let id = variant(&entry, &entry.encode());
        let before = self.remove(&id);
        // Somebody who does not keep words must not take them from who waits with them.
        let (entry, source) = match before {
            Some(it) if lacks_words(&entry) && !lacks_words(&it.entry) => (it.entry, it.source),
            _ => (entry, source),
        };
        let encoded = entry.encode();
        let account = self.account(&entry, &source, &waits);
        let is_new = !self.quotas.contains_key(&account);
        if is_new && self.accounts_like(&account) >= most_accounts(&account) {
            match account {
                // Whoever has many keys must not keep others out for good.
                Account::Source(_) => self.close_oldest_of_peers(),
                Account::Author(..) => {
                    if !self.close_newest_of_most(person_of(&waits)) {
                        return;
                    }
                }
            }
        }
        if let Waits::For(missing) = &waits {
            for dependency in missing {
                self.by_missing.entry(*dependency).or_default().insert(id);
            }
        }
        if let (Account::Author(..), Some((of, link))) = (&account, headed(&entry)) {
            self.links.add(of, link);
        }
        self.opened += u64::from(is_new);
        let quota = self.quotas.entry(account.clone()).or_default();
        if is_new {
            quota.number = self.opened;
            quota.person = person_of(&waits);
        }
        quota.order.push_back(id);
        quota.bytes += encoded.len();
        quota.gone = false;
        if is_of_peer(&account) {
            self.of_peers.0 += 1;
            self.of_peers.1 += encoded.len();
        }
        let waiting = Waiting {
            entry,
            community,
            source,
            account: account.clone(),
            bytes: encoded.len(),
            waits,
        };
        self.waiting.insert(id, waiting);
        self.make_room(&account);
    }

    fn account(&self, entry: &Entry, source: &Source, waits: &Waits) -> Account {
        match (waits, headed(entry)) {
            (Waits::ForCut { .. }, Some((_, link))) => Account::Author(link.space, link.author),
            _ => Account::Source(source.clone()),
        }
    }

    /// A peer is not connected any more: what waits for it stays as long as nobody needs the room.
    pub fn gone(&mut self, source: &Source) {
        if let Some(quota) = self.quotas.get_mut(&Account::Source(source.clone())) {
            quota.gone = true;
        }
    }

    /// Lets go what waits for the peer that has had something waiting for longest, of those who are gone
    /// if there is one.
    fn close_oldest_of_peers(&mut self) {
        let peers = self
            .quotas
            .iter()
            .filter(|(account, _)| is_of_peer(account));
        let oldest = peers.min_by_key(|(_, quota)| (!quota.gone, quota.number));
        let waiting = oldest.map(|(_, quota)| quota.order.clone());
        for id in waiting.into_iter().flatten() {
            self.remove(&id);
        }
    }

    /// Lets go the newest account below cuts of the person who has most of them, of several the one
    /// who has had one for the shortest time. False if `newcomer` would have no fewer then: the room
    /// is shared evenly already.
    fn close_newest_of_most(&mut self, newcomer: Option<PublicKey>) -> bool {
        let mut shares: BTreeMap<Option<PublicKey>, (usize, u64, Account)> = BTreeMap::new();
        for (account, quota) in &self.quotas {
            if matches!(account, Account::Author(..)) {
                let newest = (0, 0, account.clone());
                let (count, number, last) = shares.entry(quota.person).or_insert(newest);
                *count += 1;
                if quota.number > *number {
                    (*number, *last) = (quota.number, account.clone());
                }
            }
        }
        let own = shares.get(&newcomer).map_or(0, |(count, ..)| *count);
        let most = shares
            .into_values()
            .max_by_key(|(count, number, _)| (*count, *number));
        let Some((_, _, account)) = most.filter(|(count, ..)| *count > own + 1) else {
            return false;
        };
        let waiting = self.quotas.get(&account).map(|quota| quota.order.clone());
        for id in waiting.into_iter().flatten() {
            self.remove(&id);
        }
        true
    }

    fn accounts_like(&self, account: &Account) -> usize {
        let of_source = |it: &Account| matches!(it, Account::Source(_));
        let like = self
            .quotas
            .keys()
            .filter(|it| of_source(it) == of_source(account));
        like.count()
    }

    fn make_room(&mut self, account: &Account) {
        let (entries, bytes) = match account {
            Account::Source(_) => (PENDING_PER_SOURCE_MAX, PENDING_PER_SOURCE_MAX_BYTES),
            Account::Author(..) => (PENDING_BELOW_CUT_MAX, PENDING_BELOW_CUT_MAX_BYTES),
        };
        while let Some(quota) = self.quotas.get(account)
            && (quota.order.len() > entries || quota.bytes > bytes)
            && let Some(gives_way) = self.gives_way(account, quota)
        {
            self.take_out(&gives_way);
        }
        // Whoever has most gives way, so a flood takes no room of those who have little.
        while self.of_peers.0 > PENDING_OF_PEERS_MAX || self.of_peers.1 > PENDING_OF_PEERS_MAX_BYTES
        {
            let peers = self
                .quotas
                .iter()
                .filter(|(account, _)| is_of_peer(account));
            let largest = peers.max_by_key(|(_, quota)| (quota.bytes, quota.number));
            let Some(gives_way) = largest.and_then(|(_, quota)| quota.order.front().copied())
            else {
                return;
            };
            self.take_out(&gives_way);
        }
    }

    fn gives_way(&self, account: &Account, quota: &Quota) -> Option<Variant> {
        let oldest = quota.order.front().copied();
        let Account::Author(..) = account else {
            return oldest;
        };
        let seq = |id: &Variant| {
            let it = self.waiting.get(id)?;
            let named = matches!(it.waits, Waits::ForCut { named: true, .. });
            (!named).then(|| it.entry.key().seq)
        };
        let highest = quota
            .order
            .iter()
            .filter_map(|id| Some((seq(id)?, *id)))
            .max();
        highest.map(|(_, id)| id).or(oldest)
    }

    /// Takes an entry out whose place in a chain is of no more interest.
    fn remove(&mut self, id: &Variant) -> Option<Waiting> {
        let waiting = self.take_out(id)?;
        if let Some((of, _)) = headed(&waiting.entry) {
            self.links.remove(&of);
        }
        Some(waiting)
    }

    fn take_out(&mut self, id: &Variant) -> Option<Waiting> {
        let waiting = self.waiting.remove(id)?;
        if let Waits::For(missing) = &waiting.waits {
            for dependency in missing {
                if let Some(waiters) = self.by_missing.get_mut(dependency) {
                    waiters.remove(id);
                    if waiters.is_empty() {
                        self.by_missing.remove(dependency);
                    }
                }
            }
        }
        if is_of_peer(&waiting.account) {
            self.of_peers.0 -= 1;
            self.of_peers.1 -= waiting.bytes;
        }
        if let Some(quota) = self.quotas.get_mut(&waiting.account) {
            quota.bytes -= waiting.bytes;
            // What is let go in numbers is mostly let go in order.
            if quota.order.front() == Some(id) {
                quota.order.pop_front();
            } else if let Some(at) = quota.order.iter().position(|other| other == id) {
                quota.order.remove(at);
            }
            if quota.order.is_empty() {
                self.quotas.remove(&waiting.account);
            }
        }
        Some(waiting)
    }

    /// Takes out what waited for one of these entries.
    pub fn released_by(&mut self, arrived: &[EntryId]) -> Vec<Released> {
        let waiters: BTreeSet<Variant> = arrived
            .iter()
            .filter_map(|id| self.by_missing.get(id))
            .flatten()
            .copied()
            .collect();
        self.take(waiters)
    }

    /// Takes out what waited for authority in a community.
    pub fn released_by_authority(&mut self, community: &CommunityId) -> Vec<Released> {
        let waiters = self
            .waiting
            .iter()
            .filter(|(_, it)| it.community == *community && !matches!(it.waits, Waits::For(_)));
        let waiters: Vec<Variant> = waiters.map(|(id, _)| *id).collect();
        self.take(waiters)
    }

    /// Takes out, along their chain, what waited for authority of these authors in a space.
    pub fn released_by_coverage(
        &mut self,
        space: &SpaceId,
        authors: &BTreeSet<PublicKey>,
    ) -> Vec<Released> {
        let mut waiters: Vec<(u64, Variant)> = Vec::new();
        for (id, it) in &self.waiting {
            if let Some((_, link)) = headed(&it.entry)
                && link.space == *space
                && authors.contains(&link.author)
                && !matches!(it.waits, Waits::For(_))
            {
                waiters.push((link.link.seq, *id));
            }
        }
        waiters.sort_unstable();
        self.take(waiters.into_iter().map(|(_, id)| id))
    }

    /// Takes out one unauthorized contribution, to take effect with what builds on it.
    pub fn take_one(&mut self, id: &EntryId) -> Option<Released> {
        self.take([(*id, 0)]).pop()
    }

    fn take(&mut self, ids: impl IntoIterator<Item = Variant>) -> Vec<Released> {
        ids.into_iter()
            .filter_map(|id| self.remove(&id))
            .map(|it| (it.entry, it.community, it.source))
            .collect()
    }
}

fn lacks_words(entry: &Entry) -> bool {
    matches!(entry, Entry::Contribution(it) if it.lacks_words())
}

/// The id and place of what an entry is the header of, bare or with the rest; none for certificates.
fn headed(entry: &Entry) -> Option<(EntryId, Link)> {
    match entry {
        Entry::Contribution(it) => Some((it.id(), Link::of(it.header()))),
        Entry::Bare(it) => {
            let link = Link {
                space: it.space(),
                author: it.author(),
                link: it.link(),
            };
            Some((it.of(), link))
        }
        Entry::Record(it) => {
            let header = it.header();
            let link = Link {
                space: header.space,
                author: header.author,
                link: header.link,
            };
            Some((it.id(), link))
        }
        Entry::Certificate(_) => None,
    }
}

fn is_of_peer(account: &Account) -> bool {
    matches!(account, Account::Source(Source::Peer(_)))
}

fn person_of(waits: &Waits) -> Option<PublicKey> {
    match waits {
        Waits::ForCut { person, .. } => Some(*person),
        _ => None,
    }
}

fn most_accounts(account: &Account) -> usize {
    match account {
        Account::Source(_) => SOURCES_MAX,
        Account::Author(..) => AUTHORS_MAX,
    }
}
