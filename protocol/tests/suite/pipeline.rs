//! Linking and authorizing: what waits, what is refused for good, and what may be tried again.

use crate::community::{
    Chain, Community, FOUNDER, FOUNDERS_DEVICE, MEMBER, MEMBERS_DEVICE, STRANGER, arrive, public,
    receipt,
};
use comity_protocol::{
    authority::{Authority, EnvelopeError, Unauthorized, coverage::NoCuts},
    document::Kind,
    entry::{Contribution, Entry},
    id::{DocumentId, EntryId},
    key::PublicKey,
    pipeline::{Authorized, Known, KnownContribution, KnownDocument, LinkError, Linked},
};
use std::collections::BTreeMap;

#[derive(Default)]
struct Store {
    contributions: BTreeMap<EntryId, KnownContribution>,
    documents: BTreeMap<DocumentId, KnownDocument>,
}

impl Store {
    fn with(entries: &[(&Contribution, bool)]) -> Self {
        let mut it = Self::default();
        for (entry, co_written) in entries {
            let (id, header) = (entry.id(), entry.header());
            let document = header.document(id);
            let known = KnownContribution {
                space: header.space,
                document,
                author: header.author,
            };
            it.contributions.insert(id, known);
            let owner: PublicKey = header.author;
            let co_written = *co_written;
            let document = it.documents.entry(document);
            document.or_insert(KnownDocument {
                owner,
                kind: "page".into(),
                co_written,
            });
        }
        it
    }
}

impl Known for Store {
    fn contribution(&self, id: EntryId) -> Option<KnownContribution> {
        self.contributions.get(&id).copied()
    }

    fn document(&self, id: DocumentId) -> Option<KnownDocument> {
        self.documents.get(&id).cloned()
    }
}

struct Scene {
    community: Community,
    page: Contribution,
    other: Contribution,
    elsewhere: Contribution,
    author: Chain,
}

fn scene() -> Scene {
    let community = Community::with_member();
    let mut author = Chain::new(FOUNDERS_DEVICE, community.lobby);
    let (page, other) = (author.create(Kind::Page), author.create(Kind::Page));
    let elsewhere = Chain::new(FOUNDERS_DEVICE, community.office).create(Kind::Page);
    Scene {
        community,
        page,
        other,
        elsewhere,
        author,
    }
}

fn link(scene: &Scene, entry: Entry, store: &Store) -> Result<Linked, LinkError> {
    Linked::link(arrive(&entry), scene.community.governance, store)
}

#[test]
fn dependencies_are_awaited_and_foreign_ones_refused() {
    let mut it = scene();
    let store = Store::with(&[(&it.page, true), (&it.other, true), (&it.elsewhere, true)]);
    let missing = EntryId::from_bytes([0xee; 32]);
    let mut with = |document: EntryId, deps: &[EntryId]| {
        let mut deps = deps.to_vec();
        deps.sort();
        let edit = it.author.join_heads(document, &deps);
        Linked::link(
            arrive(&Entry::Contribution(edit)),
            it.community.governance,
            &store,
        )
        .map(|_| ())
    };
    assert_eq!(with(it.page.id(), &[it.page.id()]), Ok(()));
    let waits = Err(LinkError::Pending(vec![missing]));
    assert_eq!(with(it.page.id(), &[it.page.id(), missing]), waits);
    let foreign = Err(LinkError::ForeignDependency);
    assert_eq!(
        with(it.page.id(), &[it.other.id()]),
        foreign,
        "another document"
    );
    assert_eq!(with(it.page.id(), &[it.page.id(), it.other.id()]), foreign);
    assert_eq!(
        with(it.elsewhere.id(), &[it.elsewhere.id()]),
        foreign,
        "another space"
    );
    assert_eq!(
        with(missing, &[it.page.id()]),
        foreign,
        "a document that is none"
    );
    // A dependency that is here outweighs one that is not: waiting would not mend it.
    assert_eq!(with(it.page.id(), &[missing, it.other.id()]), foreign);
}

#[test]
fn words_are_erased_by_the_device_that_wrote_them_or_its_root() {
    let mut it = scene();
    let store = Store::with(&[(&it.page, true), (&it.elsewhere, true)]);
    let authority = it.community.authority();
    let own = Entry::Record(it.author.erase(it.page.id()));
    assert_eq!(
        link(&it, own.clone(), &store).map(|it| it.authorize(&authority, &NoCuts).is_ok()),
        Ok(true)
    );
    assert_eq!(
        link(&it, own, &Store::default()),
        Err(LinkError::Pending(vec![it.page.id()]))
    );
    let elsewhere = Entry::Record(it.author.clone().erase(it.elsewhere.id()));
    assert_eq!(link(&it, elsewhere, &store), Err(LinkError::ForeignErasure));
    let by = |number: u8| {
        let erasure = Chain::new(number, it.community.lobby).erase(it.page.id());
        let linked = link(&it, Entry::Record(erasure.clone()), &store).unwrap();
        let verdict = linked.authorize(&authority, &NoCuts);
        // The same beside the contribution, in place of its words.
        let erased = it.page.clone().erased_by(erasure).unwrap();
        let linked = link(&it, Entry::Contribution(erased), &store).unwrap();
        let beside = linked.authorize(&authority, &NoCuts);
        let beside = beside.map(drop).map_err(|(_, reason)| reason);
        assert_eq!(verdict.map(drop).map_err(|(_, reason)| reason), beside);
        beside
    };
    assert_eq!(by(FOUNDER), Ok(()));
    for stranger in [MEMBERS_DEVICE, MEMBER, STRANGER] {
        assert_eq!(by(stranger), Err(EnvelopeError::NotTheWriter.into()));
    }
}

#[test]
fn authority_decides_after_linking_and_gives_back_what_it_refuses() {
    let mut it = scene();
    let store = Store::with(&[(&it.page, false), (&it.other, true)]);
    let authority = it.community.authority();
    let mut author = Chain::new(MEMBERS_DEVICE, it.community.lobby);
    let mut edit = |of: &Contribution| {
        let edit = Entry::Contribution(author.join_heads(of.id(), &[of.id()]));
        Linked::link(arrive(&edit), it.community.governance, &store).unwrap()
    };
    let owned = edit(&it.page).authorize(&authority, &NoCuts);
    let (_, reason) = owned.expect_err("it is another's");
    assert_eq!(reason, Unauthorized::NotTheOwner.into());
    let shared: Authorized = edit(&it.other).authorize(&authority, &NoCuts).unwrap();
    assert_eq!(
        shared.standing().unwrap().root,
        public(crate::community::MEMBER)
    );
    assert_eq!(shared.space(), it.community.lobby);

    let own = Entry::Contribution(it.author.join_heads(it.page.id(), &[it.page.id()]));
    let linked = link(&it, own, &store).unwrap();
    let unknown = Authority::unknown(it.community.id);
    let (linked, reason) = linked
        .authorize(&unknown, &NoCuts)
        .expect_err("nothing is known yet");
    assert_eq!(reason, Unauthorized::NoGenesis.into());
    assert!(
        linked.authorize(&authority, &NoCuts).is_ok(),
        "once records arrive, it takes effect"
    );

    let stranger =
        Entry::Contribution(Chain::new(STRANGER, it.community.lobby).create(Kind::Topic));
    let refused = link(&it, stranger, &store)
        .unwrap()
        .authorize(&authority, &NoCuts);
    let (_, reason) = refused.expect_err("a stranger's");
    assert_eq!(reason, Unauthorized::NotAMember.into());
}

/// An entry is judged in the space it names; a certificate in the governance space it came for.
#[test]
fn entries_cannot_be_judged_by_a_foreign_authority() {
    let it = scene();
    let store = Store::default();
    let mut genesis = it.community.genesis.clone();
    genesis.nonce = [9; 16];
    let other = Authority::unknown(comity_protocol::certificate::community_id(&genesis));
    let received = Chain::new(crate::community::NODE, it.community.lobby);
    let received = received
        .clone()
        .record(receipt(&Entry::Contribution(it.page.clone())));
    for entry in [
        it.community.entries[0].clone(),
        it.community.entries[2].clone(),
        Entry::Contribution(it.page.clone()),
        Entry::Record(received),
    ] {
        assert!(
            link(&it, entry.clone(), &store)
                .unwrap()
                .authorize(&it.community.authority(), &NoCuts)
                .is_ok()
        );
        assert!(
            link(&it, entry, &store)
                .unwrap()
                .authorize(&other, &NoCuts)
                .is_err()
        );
    }
}
