//! The address book: what nodes of a community say about where they can be called, kept in a file of
//! its own. Losing it loses nothing that peers would not tell again.
//!
//! Only nodes that the public governance knows stand in it, each with its newest statement, at most
//! [`NODES_MAX`] in a community. What is in it was signed by the node it is about.
//!
//! Spec: `specs/wire.md` §7.

use crate::home::write_atomically;
use comity_net::PeerId;
use comity_protocol::{
    access::{AddressNews, NodeAddresses, STATEMENTS_MAX, VerifiedAddresses},
    id::CommunityId,
    key::{PublicKey, SecretKey},
    limits::TIME_MAX_MS,
};
use std::{collections::BTreeMap, fs, io, path::PathBuf};
use tracing::debug;

/// Nodes of one community in the book.
pub(super) const NODES_MAX: usize = 512;
/// The largest file that is read: as many nodes as may stand in it, of a few communities.
const FILE_MAX_BYTES: u64 = 16 * 1024 * 1024;

#[derive(Debug)]
struct Known {
    statement: VerifiedAddresses,
    /// Counts changes of the book, so that peers are told what is new to them.
    change: u64,
    /// Who told it, and need not be told.
    from: Option<PeerId>,
}

/// What the book knows.
#[derive(Debug, Default)]
pub(super) struct Book {
    communities: BTreeMap<CommunityId, BTreeMap<PublicKey, Known>>,
    changes: u64,
    /// Of the last change that is in the file.
    written: u64,
    /// The highest sequence seen under this node's own key.
    own_sequence: u64,
}

/// What became of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    New,
    /// Not newer than what is there.
    Old,
    /// Of a node that the governance does not know.
    Unknown,
    /// There is no room for one more node.
    Full,
}

impl Book {
    /// Takes a statement in, if it is newer and its node known.
    pub(super) fn take(
        &mut self,
        community: CommunityId,
        statement: VerifiedAddresses,
        from: Option<PeerId>,
        is_known: impl Fn(&PublicKey) -> bool,
    ) -> Taken {
        let (node, sequence) = {
            let said = statement.statement();
            (said.node, said.sequence)
        };
        if !is_known(&node) {
            return Taken::Unknown;
        }
        let nodes = self.communities.entry(community).or_default();
        match nodes.get(&node) {
            Some(known) if known.statement.statement().sequence >= sequence => return Taken::Old,
            None if nodes.len() >= NODES_MAX => return Taken::Full,
            _ => {}
        }
        self.changes += 1;
        let change = self.changes;
        let known = Known {
            statement,
            change,
            from,
        };
        nodes.insert(node, known);
        Taken::New
    }

    /// Whether a statement of that sequence says something new, if it holds.
    pub(super) fn is_newer(&self, community: CommunityId, node: &PublicKey, sequence: u64) -> bool {
        let known = self.communities.get(&community).and_then(|it| it.get(node));
        known.is_none_or(|it| it.statement.statement().sequence < sequence)
    }

    /// Somebody told a statement of this node that it does not remember, as after a restored backup:
    /// its next one must be newer.
    pub(super) fn heard_of_self(&mut self, sequence: u64) {
        self.own_sequence = self.own_sequence.max(sequence);
    }

    /// States this node anew if that says something new; `true` if it does.
    pub(super) fn state_self(
        &mut self,
        community: CommunityId,
        key: &SecretKey,
        own: &Own,
        now_ms: u64,
    ) -> bool {
        let nodes = self.communities.get(&community);
        let known = nodes.and_then(|nodes| nodes.get(&key.public()));
        let said = known.map(|it| it.statement.statement());
        let as_before = match said {
            Some(said) => {
                said.public == own.public
                    && said.addresses == own.addresses
                    && said.sequence >= self.own_sequence
            }
            None => own.addresses.is_empty(),
        };
        if as_before {
            return false;
        }
        let before = said.map(|it| it.sequence).unwrap_or_default();
        let next = before.max(self.own_sequence).saturating_add(1).max(now_ms);
        if next > TIME_MAX_MS {
            // Whoever has the key has used it up.
            return false;
        }
        self.own_sequence = next;
        let statement = NodeAddresses::sign(key, community, next, own.public, &own.addresses);
        let Ok(statement) = statement.verify(community) else {
            return false;
        };
        self.take(community, statement, None, |_| true) == Taken::New
    }

    /// What a peer that was told everything up to change `since` is to be told now, at most one
    /// message, and up to which change it then knows. None if there is nothing.
    pub(super) fn news(
        &self,
        community: CommunityId,
        peer: &PeerId,
        since: u64,
    ) -> Option<(AddressNews, u64)> {
        let nodes = self.communities.get(&community)?;
        let mut new: Vec<&Known> = nodes.values().filter(|it| it.change > since).collect();
        new.sort_by_key(|it| it.change);
        new.truncate(STATEMENTS_MAX);
        let upto = new.last()?.change;
        let for_peer = new.iter().filter(|it| it.from.as_ref() != Some(peer));
        let mut statements: Vec<NodeAddresses> = for_peer
            .map(|it| it.statement.statement().clone())
            .collect();
        statements.sort_by_key(|it| it.node);
        let news = AddressNews {
            community,
            statements,
        };
        Some((news, upto))
    }

    /// Where a node says it can be called, newest communities and statements alike.
    pub(super) fn addresses(&self, node: &PublicKey) -> Vec<String> {
        let mut found: Vec<&NodeAddresses> = self
            .communities
            .values()
            .filter_map(|nodes| nodes.get(node))
            .map(|it| it.statement.statement())
            .collect();
        found.sort_by_key(|it| std::cmp::Reverse(it.sequence));
        let mut addresses: Vec<String> = Vec::new();
        for address in found.into_iter().flat_map(|it| &it.addresses) {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        addresses
    }

    /// Nodes of these communities that can be called.
    pub(super) fn nodes(&self, communities: &[CommunityId]) -> Vec<PublicKey> {
        let known = communities.iter().filter_map(|it| self.communities.get(it));
        let callable = known.flatten().filter(|(_, it)| {
            let said = it.statement.statement();
            !said.addresses.is_empty()
        });
        let mut nodes: Vec<PublicKey> = callable.map(|(node, _)| *node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// How many nodes stand in the book, and how many of them carry others.
    pub(super) fn count(&self, communities: &[CommunityId]) -> (usize, usize) {
        let known = communities.iter().filter_map(|it| self.communities.get(it));
        let all: BTreeMap<&PublicKey, &Known> = known.flatten().collect();
        let public = all.values().filter(|it| it.statement.statement().public);
        (all.len(), public.count())
    }

    /// Forgets the nodes that are not known any more in these communities, and all other communities.
    pub(super) fn keep(&mut self, is_known: impl Fn(&CommunityId, &PublicKey) -> bool) {
        let mut gone = 0;
        self.communities.retain(|community, nodes| {
            let before = nodes.len();
            nodes.retain(|node, _| is_known(community, node));
            gone += before - nodes.len();
            !nodes.is_empty()
        });
        if gone > 0 {
            self.changes += 1;
        }
    }
}

/// What this node says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Own {
    pub(super) public: bool,
    pub(super) addresses: Vec<String>,
}

/// The file of the book.
#[derive(Debug)]
pub(super) struct BookFile(PathBuf);

impl BookFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Reads the book; an empty one if there is none, or it is not understood.
    pub(super) fn read(
        &self,
        own: &PublicKey,
        is_known: impl Fn(&CommunityId, &PublicKey) -> bool,
    ) -> Book {
        let mut book = Book::default();
        let frames = match self.frames() {
            Ok(frames) => frames,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return book,
            Err(error) => {
                debug!(%error, "the address book cannot be read and begins anew");
                return book;
            }
        };
        for news in frames {
            for statement in news.statements {
                // Signatures are checked anew: a file may have been touched.
                if let Ok(statement) = statement.verify(news.community) {
                    if statement.statement().node == *own {
                        book.heard_of_self(statement.statement().sequence);
                    }
                    book.take(news.community, statement, None, |node| {
                        is_known(&news.community, node)
                    });
                }
            }
        }
        book.written = book.changes;
        book
    }

    fn frames(&self) -> io::Result<Vec<AddressNews>> {
        if fs::metadata(&self.0)?.len() > FILE_MAX_BYTES {
            return Err(io::Error::other("it is too large"));
        }
        let text = fs::read_to_string(&self.0)?;
        let frame = |line: &str| AddressNews::decode(&hex::decode(line).ok()?).ok();
        Ok(text.lines().filter_map(frame).collect())
    }

    /// Writes the book if it changed since.
    pub(super) fn write(&self, book: &mut Book) {
        if book.written == book.changes {
            return;
        }
        let mut lines = String::new();
        for (community, nodes) in &book.communities {
            let said: Vec<&NodeAddresses> =
                nodes.values().map(|it| it.statement.statement()).collect();
            for part in said.chunks(STATEMENTS_MAX) {
                let news = AddressNews {
                    community: *community,
                    statements: part.iter().map(|it| (*it).clone()).collect(),
                };
                lines.push_str(&hex::encode(news.encode()));
                lines.push('\n');
            }
        }
        match write_atomically(&self.0, lines.as_bytes()) {
            Ok(()) => book.written = book.changes,
            Err(error) => debug!(%error, "the address book is not written now"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peers::peer_of;

    fn community(number: u8) -> CommunityId {
        CommunityId::from_bytes([number; 32])
    }

    fn key(number: u32) -> SecretKey {
        let mut seed = [7; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        SecretKey::from_seed(&seed)
    }

    fn said(number: u32, sequence: u64, address: &str) -> VerifiedAddresses {
        let addresses = [address.to_owned()];
        let it = NodeAddresses::sign(&key(number), community(1), sequence, true, &addresses);
        it.verify(community(1)).unwrap()
    }

    fn take(book: &mut Book, statement: VerifiedAddresses) -> Taken {
        book.take(community(1), statement, None, |_| true)
    }

    #[test]
    fn the_newest_statement_of_a_known_node_counts() {
        let (mut book, node) = (Book::default(), key(1).public());
        let unknown = book.take(community(1), said(1, 5, "/a"), None, |_| false);
        assert_eq!(unknown, Taken::Unknown);
        assert_eq!(take(&mut book, said(1, 5, "/a")), Taken::New);
        for (sequence, taken) in [(5, Taken::Old), (4, Taken::Old), (6, Taken::New)] {
            assert_eq!(
                book.is_newer(community(1), &node, sequence),
                taken == Taken::New
            );
            assert_eq!(take(&mut book, said(1, sequence, "/b")), taken);
        }
        assert_eq!(book.addresses(&node), ["/b"]);
        assert_eq!(book.nodes(&[community(1)]), [node]);
        assert!(book.nodes(&[community(2)]).is_empty());
        book.keep(|id, _| *id == community(2));
        assert!(book.addresses(&node).is_empty());
    }

    #[test]
    fn so_many_nodes_of_a_community_are_kept_and_those_there_stay_current() {
        let mut book = Book::default();
        let most = u32::try_from(NODES_MAX).unwrap();
        for number in 0..most {
            assert_eq!(take(&mut book, said(number, 1, "/a")), Taken::New);
        }
        assert_eq!(take(&mut book, said(most, 1, "/a")), Taken::Full);
        assert_eq!(take(&mut book, said(0, 2, "/b")), Taken::New);
        assert_eq!(book.count(&[community(1)]), (NODES_MAX, NODES_MAX));
    }

    #[test]
    fn a_peer_is_told_what_is_new_to_it_once_and_not_what_it_told() {
        let (mut book, peer) = (Book::default(), peer_of(&key(99).public()).unwrap());
        let more = u32::try_from(STATEMENTS_MAX).unwrap() + 1;
        for number in 0..more {
            take(&mut book, said(number, 1, "/a"));
        }
        book.take(community(1), said(more, 1, "/a"), Some(peer), |_| true);
        let (mut since, mut told) = (0, Vec::new());
        while let Some((news, upto)) = book.news(community(1), &peer, since) {
            // What is told must be readable at the other end.
            assert_eq!(AddressNews::decode(&news.encode()).unwrap(), news);
            told.extend(news.statements.into_iter().map(|it| it.node));
            since = upto;
        }
        let mut all: Vec<PublicKey> = (0..more).map(|number| key(number).public()).collect();
        told.sort_unstable();
        all.sort_unstable();
        assert_eq!(told, all);
        take(&mut book, said(3, 2, "/b"));
        let (news, _) = book.news(community(1), &peer, since).unwrap();
        assert_eq!(news.statements.len(), 1);
        assert!(book.news(community(2), &peer, 0).is_none());
    }

    #[test]
    fn a_node_states_itself_when_something_changed_and_above_all_it_ever_said() {
        let (mut book, own) = (Book::default(), key(1));
        let mut what = Own::default();
        let state =
            |book: &mut Book, what: &Own, now_ms| book.state_self(community(1), &own, what, now_ms);
        assert!(
            !state(&mut book, &what, 100),
            "who cannot be called says nothing"
        );
        what.addresses = vec!["/a".to_owned()];
        assert!(state(&mut book, &what, 100));
        assert!(!state(&mut book, &what, 200));
        // The clock was set back.
        what.addresses = vec!["/b".to_owned()];
        assert!(state(&mut book, &what, 50));
        let (news, _) = book
            .news(community(1), &peer_of(&key(9).public()).unwrap(), 0)
            .unwrap();
        assert_eq!(news.statements[0].sequence, 101);
        // A peer remembers more than a restored backup does.
        book.heard_of_self(900);
        assert!(state(&mut book, &what, 60));
        assert!(!state(&mut book, &what, 60));
        what.addresses.clear();
        assert!(
            state(&mut book, &what, 60),
            "who cannot be called any more says so"
        );
        assert!(book.nodes(&[community(1)]).is_empty());
    }

    #[test]
    fn the_file_keeps_what_was_signed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = BookFile::new(folder.path().join("addresses"));
        let own = key(1).public();
        assert!(
            file.read(&own, |_, _| true)
                .nodes(&[community(1)])
                .is_empty()
        );
        let mut book = Book::default();
        for number in 0..40 {
            take(&mut book, said(number, 1, "/a"));
        }
        file.write(&mut book);
        let mut read = file.read(&own, |_, _| true);
        assert_eq!(read.nodes(&[community(1)]), book.nodes(&[community(1)]));
        assert_eq!(read.own_sequence, 1);
        assert!(
            file.read(&own, |_, node| *node != own)
                .is_newer(community(1), &own, 1)
        );
        // Nothing changed: the file stays.
        fs::remove_file(&file.0).unwrap();
        file.write(&mut read);
        assert!(!file.0.exists());
        book.written = 0;
        file.write(&mut book);
        let text = fs::read_to_string(&file.0).unwrap();
        let address = hex::encode("/a");
        assert!(text.contains(&address));
        fs::write(&file.0, text.replace(&address, &hex::encode("/x"))).unwrap();
        assert!(
            file.read(&own, |_, _| true)
                .nodes(&[community(1)])
                .is_empty()
        );
        fs::write(&file.0, "nonsense\n00\n").unwrap();
        assert!(
            file.read(&own, |_, _| true)
                .nodes(&[community(1)])
                .is_empty()
        );
    }
}
