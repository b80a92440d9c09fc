//! One space with chains of devices and nodes, and a reference that answers word for word as
//! `specs/cuts.md` does, without a thought for speed.

use comity_protocol::authority::coverage::{Coverage, NodeStanding, NodeTenure, SpaceCoverage};
use comity_protocol::authority::narrowing::{Issuer, Narrowing};
use comity_protocol::authority::receipts::{SpaceRecords, Statement};
use comity_protocol::authority::{AuthorLink, ChainLinks};
use comity_protocol::certificate::{Cuts, DeviceCut, SpaceCut};
use comity_protocol::contribution::ChainLink;
use comity_protocol::id::{EntryId, PartyId, SpaceId, digest};
use comity_protocol::key::PublicKey;
use comity_protocol::record::ChainHead;
use std::collections::{BTreeMap, BTreeSet};

pub(super) const SPACE: SpaceId = SpaceId::from_bytes([7; 32]);
pub(super) const OTHER_SPACE: SpaceId = SpaceId::from_bytes([8; 32]);

pub(super) fn party(number: u8) -> PartyId {
    PartyId::from_bytes([number; 32])
}

pub(super) fn key(number: u8) -> PublicKey {
    PublicKey::from_own_record([number; 32])
}

pub(super) fn id(text: &str) -> EntryId {
    EntryId::from_bytes(digest(b"test", &[text.as_bytes()]))
}

/// A record as far as cuts are concerned.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) id: EntryId,
    pub(super) place: AuthorLink,
    pub(super) says: Statement,
}

/// All that is known of a space.
#[derive(Clone, Default)]
pub(super) struct World {
    pub(super) headers: BTreeMap<EntryId, AuthorLink>,
    pub(super) records: Vec<Said>,
    pub(super) narrowings: BTreeMap<EntryId, Narrowing>,
    pub(super) narrowed: BTreeSet<PublicKey>,
    pub(super) tenures: BTreeMap<PublicKey, Vec<NodeTenure>>,
}

impl NodeStanding for World {
    fn tenures(&self, key: &PublicKey) -> Vec<NodeTenure> {
        self.tenures.get(key).cloned().unwrap_or_default()
    }
}

/// The end of a chain that a test goes on with.
#[derive(Clone, Copy)]
pub(super) struct End {
    pub(super) author: PublicKey,
    pub(super) next: ChainLink,
}

pub(super) fn chain_of(author: PublicKey) -> End {
    End {
        author,
        next: ChainLink::FIRST,
    }
}

impl World {
    /// Appends a contribution; forks differ by their name.
    pub(super) fn write(&mut self, end: &mut End, name: &str) -> EntryId {
        let place = AuthorLink {
            author: end.author,
            link: end.next,
        };
        let id = id(&format!("{name} {place:?}"));
        self.headers.insert(id, place);
        end.next = ChainLink::after(end.next.seq, id);
        id
    }

    /// Appends a record.
    pub(super) fn say(&mut self, end: &mut End, name: &str, says: Statement) -> EntryId {
        let place = AuthorLink {
            author: end.author,
            link: end.next,
        };
        let id = self.write(end, &format!("record {name}"));
        self.records.push(Said { id, place, says });
        id
    }

    /// Appends a receipt of these entries.
    pub(super) fn receipt(&mut self, end: &mut End, ids: &[EntryId]) -> EntryId {
        let heads = ids.iter().map(|id| self.head(*id)).collect();
        self.say(end, "receipt", Statement::Receipt(heads))
    }

    pub(super) fn acknowledge(&mut self, end: &mut End, narrowing: EntryId) -> EntryId {
        self.say(end, "acknowledge", Statement::Acknowledge(vec![narrowing]))
    }

    pub(super) fn head(&self, id: EntryId) -> ChainHead {
        let place = self.headers[&id];
        ChainHead {
            author: place.author,
            seq: place.link.seq,
            id,
        }
    }

    pub(super) fn node(&mut self, key: PublicKey, of: &[u8]) {
        let tenure = |number: &u8| NodeTenure {
            party: party(*number),
            narrowings: Vec::new(),
        };
        self.tenures.insert(key, of.iter().map(tenure).collect());
    }

    /// A narrowing with an open cut of the space that lists these ids.
    pub(super) fn narrow(
        &mut self,
        name: &str,
        issuer: Issuer,
        last: &[(PublicKey, Vec<EntryId>)],
    ) -> EntryId {
        let narrowing = id(name);
        let mut devices: Vec<DeviceCut> = last
            .iter()
            .map(|(key, last)| DeviceCut {
                key: *key,
                last: last.clone(),
            })
            .collect();
        devices.sort_by_key(|it| it.key);
        let space = SPACE;
        let open = vec![SpaceCut { space, devices }];
        let cuts = Cuts {
            open,
            sealed: *id(&format!("sealed {name}")).as_bytes(),
        };
        self.narrowings.insert(
            narrowing,
            Narrowing {
                id: narrowing,
                issuer,
                cuts,
                replaces: None,
            },
        );
        narrowing
    }

    pub(super) fn space_records(&self) -> SpaceRecords {
        let mut records = SpaceRecords::new();
        for said in &self.records {
            add(&mut records, said);
        }
        records
    }

    pub(super) fn coverage(&self) -> SpaceCoverage {
        self.coverage_by(&self.space_records(), &self.headers)
    }

    pub(super) fn coverage_by(
        &self,
        records: &SpaceRecords,
        links: &dyn ChainLinks,
    ) -> SpaceCoverage {
        SpaceCoverage::build(
            SPACE,
            &self.narrowings,
            &self.narrowed,
            records,
            links,
            self,
        )
    }

    /// Every question that can be asked, with its answers.
    pub(super) fn answers(
        &self,
        coverage: &dyn Coverage,
        keys: &BTreeSet<PublicKey>,
    ) -> Vec<(bool, bool)> {
        let mut answers = Vec::new();
        for narrowing in self.narrowings.keys() {
            for (id, place) in &self.headers {
                if keys.contains(&place.author) {
                    let covers = coverage.covers(narrowing, &place.author, id);
                    let unlifted = coverage.covers_unlifted(narrowing, &place.author, id);
                    answers.push((covers, unlifted));
                }
            }
        }
        answers
    }
}

pub(super) fn add(records: &mut SpaceRecords, said: &Said) {
    let Said { id, place, says } = said.clone();
    records.add_statement(id, place.author, place.link, says);
}

/// The rules, word for word.
pub(super) struct Reference<'a>(pub(super) &'a World);

impl Reference<'_> {
    /// Rule 4.3: `id` is `head` or `prev` leads to it, by one key, counting down by one.
    fn is_below(&self, key: PublicKey, head: EntryId, id: EntryId) -> bool {
        let mut at = head;
        let mut expected = None;
        loop {
            let Some(place) = self.0.headers.get(&at) else {
                return false;
            };
            if place.author != key || expected.is_some_and(|it| it != place.link.seq) {
                return false;
            }
            if at == id {
                return true;
            }
            let Some(prev) = place.link.prev else {
                return false;
            };
            expected = Some(place.link.seq - 1);
            at = prev;
        }
    }

    fn listed(&self, narrowing: &Narrowing, key: PublicKey) -> Vec<EntryId> {
        let tables = self.0.records.iter().filter_map(|said| match &said.says {
            Statement::CutTable {
                narrowing: of,
                root,
                cut,
            } if *of == narrowing.id && *root == narrowing.cuts.sealed => Some(cut),
            _ => None,
        });
        let cuts = narrowing.cuts.open.iter().chain(tables);
        let devices = cuts
            .filter(|cut| cut.space == SPACE)
            .flat_map(|cut| &cut.devices);
        devices
            .filter(|it| it.key == key)
            .flat_map(|it| it.last.clone())
            .collect()
    }

    /// The records of a node's chain before its first gap or fork.
    fn beginning(&self, node: PublicKey) -> Vec<&Said> {
        let mut beginning: Vec<&Said> = Vec::new();
        loop {
            let seq = beginning.len() as u64 + 1;
            let here: BTreeMap<EntryId, &Said> = self
                .0
                .records
                .iter()
                .filter(|it| it.place.author == node && it.place.link.seq == seq)
                .map(|it| (it.id, it))
                .collect();
            match here.into_values().collect::<Vec<_>>()[..] {
                [only] if only.place.link.prev == beginning.last().map(|it| it.id) => {
                    beginning.push(only);
                }
                _ => return beginning,
            }
        }
    }

    fn lifts(&self, narrowing: &Narrowing, key: PublicKey, id: EntryId, node: PublicKey) -> bool {
        let beginning = self.beginning(node);
        let unacknowledged = beginning.iter().take_while(
            |it| !matches!(&it.says, Statement::Acknowledge(of) if of.contains(&narrowing.id)),
        );
        let counts = |receipt: &Said| {
            self.0.tenures[&node].iter().any(|tenure| {
                let fits = match narrowing.issuer {
                    Issuer::Party(own) => own != tenure.party,
                    Issuer::Quorum => false,
                    Issuer::Person(_) => true,
                };
                let mut cuts = tenure.narrowings.iter();
                fits && cuts.all(|it| self.covers_unlifted(it, &node, &receipt.id))
            })
        };
        let receipts = unacknowledged.filter(|it| counts(it));
        let mut heads = receipts.flat_map(|it| match &it.says {
            Statement::Receipt(heads) => heads.clone(),
            _ => Vec::new(),
        });
        heads.any(|head| head.author == key && self.is_below(key, head.id, id))
    }
}

impl Coverage for Reference<'_> {
    fn covers(&self, narrowing: &EntryId, key: &PublicKey, id: &EntryId) -> bool {
        self.covers_unlifted(narrowing, key, id)
            || self.0.narrowings.get(narrowing).is_some_and(|narrowing| {
                let mut nodes = self.0.tenures.keys();
                nodes.any(|node| self.lifts(narrowing, *key, *id, *node))
            })
    }

    fn covers_unlifted(&self, narrowing: &EntryId, key: &PublicKey, id: &EntryId) -> bool {
        self.0.narrowings.get(narrowing).is_some_and(|narrowing| {
            let listed = self.listed(narrowing, *key);
            listed
                .into_iter()
                .any(|head| self.is_below(*key, head, *id))
        })
    }
}
