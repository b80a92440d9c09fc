//! What several parties decide against one that is connected, and reads a members' space, while they
//! do: to remove the party, or to cut its node.

use super::{
    cut_off::{HIDDEN, has, hidden, holds},
    restricted::{only_refused, peer_of, tapped},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use comity_net::PeerId;
use comity_protocol::{
    access::JoinAnswer,
    certificate::{Change, Cuts, DeviceCut, SpaceCut},
    contribution::ChainLink,
    entry::Entry,
    id::{EntryId, SpaceId},
    key::PublicKey,
    record::{Countersignature, RecordBody},
};
use comity_tests::{
    alliance::{A, Alliance, B, C, party},
    community::{Person, Signer, key, topic},
    joining::{device_link, request_in},
    nodes::{POLL, Stopped, TestNode, patiently, wait_for_equal_roots},
    stranger::Stranger,
    transcript::Moment,
};

/// Three parties, and a node of each. Cedar's reads the members' space from both of the others.
struct Three {
    alliance: Alliance,
    nodes: [TestNode; 3],
    cedar: PeerId,
}

impl Three {
    async fn meet(name: &str, found: impl FnOnce(&mut Alliance, PublicKey)) -> Self {
        let cedar = Stopped::new(true);
        cedar.name(&format!("{name}/node of Cedar"));
        let nodes = [tapped().await, tapped().await, cedar.start().await];
        let keys = [A, B, C].map(|it| [nodes[it].node.key()]);
        let founders = [
            party("Alder", &keys[A]),
            party("Birch", &keys[B]),
            party("Cedar", &keys[C]),
        ];
        let mut alliance = Alliance::found(name, &founders);
        found(&mut alliance, nodes[C].node.key());
        for node in &nodes {
            node.take_part_in(&alliance).await;
        }
        for (from, to) in [(B, A), (C, A), (C, B)] {
            nodes[from].connect(&nodes[to]).await;
        }
        let cedar = peer_of(&nodes[C]).await;
        Self {
            alliance,
            nodes,
            cedar,
        }
    }

    async fn submit(&self, at: usize, entry: &Entry) {
        let entries = std::slice::from_ref(entry);
        self.nodes[at].submit(self.alliance.id, entries).await;
    }

    /// Alder and Birch decide while Cedar's node is connected: from then on it hears of what everyone
    /// may read, and nothing else, from either.
    async fn decide(&self, decision: &Entry, author: &mut Signer) {
        let [alder, birch, cedar] = &self.nodes;
        let (public, members) = (
            self.alliance.space("public"),
            self.alliance.space("members"),
        );
        let since = [alder, birch].map(|it| it.transcript().now());
        self.submit(A, decision).await;
        knows(birch, decision).await;
        let more = hidden(author, members);
        alder.submit(self.alliance.id, &more).await;
        has(birch, &more[4]).await;
        let open = author.create(public, &topic("Open", "For all."));
        self.submit(A, &open).await;
        has(cedar, &open).await;
        for (node, since) in [alder, birch].into_iter().zip(since) {
            only_refused(node, self.cedar, members, since).await;
        }
        self.has_heard_nothing(&more).await;
    }

    async fn has_heard_nothing(&self, hidden: &[Entry]) {
        for node in &self.nodes[..C] {
            let words = HIDDEN.as_bytes().to_vec();
            let ids = hidden.iter().map(|it| it.id().as_bytes().to_vec());
            for bytes in ids.chain([words]) {
                let told = node.transcript().sent_with(&bytes, Moment::default());
                assert!(told.iter().all(|(to, _)| *to != self.cedar), "{told:?}");
            }
        }
        let ids: Vec<_> = hidden.iter().map(|it| it.id().to_string()).collect();
        for id in ids {
            assert!(self.nodes[C].client.entry(&id).await.is_err());
        }
    }

    /// Nor on a new connection, after everything else has come.
    async fn come_back(mut self, author: &mut Signer) -> Self {
        let [alder, birch, cedar] = self.nodes;
        let cedar = cedar.restart().await;
        cedar.connect(&alder).await;
        self.nodes = [alder, birch, cedar];
        let after = author.create(self.alliance.space("public"), &topic("After", "For all."));
        self.submit(A, &after).await;
        has(&self.nodes[C], &after).await;
        self.has_heard_nothing(&[]).await;
        self
    }

    async fn stop(self) {
        for node in self.nodes {
            node.stop().await;
        }
    }
}

async fn knows(node: &TestNode, record: &Entry) {
    let id = record.id().to_string();
    patiently("a record", async {
        while node.client.entry(&id).await.is_err() {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

fn cut(space: SpaceId, key: PublicKey, last: EntryId) -> SpaceCut {
    SpaceCut {
        space,
        devices: vec![DeviceCut {
            key,
            last: vec![last],
        }],
    }
}

fn cuts(mut open: Vec<SpaceCut>) -> Cuts {
    open.sort_by_key(|it| it.space);
    Cuts {
        open,
        ..Cuts::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_that_the_others_remove_hears_no_more_and_its_later_words_are_stubs() {
    let three = Three::meet("Removed party", |_, _| ()).await;
    let [alder, birch, cedar] = &three.nodes;
    let alliance = &three.alliance;
    let (public, members) = (alliance.space("public"), alliance.space("members"));
    // It reads as a node of the party and on behalf of a member of it.
    let mut gone = alliance.sides[C].delegates[0].clone();
    cedar.grant(alliance.id, &gone).await;
    let mut author = alliance.sides[A].delegates[0].device.clone();
    let before = author.create(members, &topic("Before", "For members."));
    three.submit(A, &before).await;
    has(cedar, &before).await;
    let early = gone.device.create(public, &topic("Early", "Said in time."));
    let late = gone.device.create(public, &topic("Late", "Said too late."));
    three.submit(C, &early).await;
    wait_for_equal_roots(&[alder, birch, cedar]).await;
    // Out of sight of all nodes of parties, where nobody receipts it.
    let hideout = TestNode::start().await;
    hideout.take_part_in(alliance).await;
    hideout
        .submit(alliance.id, &[early.clone(), late.clone()])
        .await;

    let linked = gone.root.next_link(alliance.governance()).prev.unwrap();
    let kept = cuts(vec![
        cut(alliance.governance(), gone.root.public(), linked),
        cut(public, gone.device.public(), early.id()),
    ]);
    let removal = vec![Change::RemoveParty(alliance.sides[C].id)];
    let removal = alliance.resolution_with(&[A, B], removal, kept);
    three.decide(&removal, &mut author).await;

    hideout.connect(alder).await;
    holds(&hideout, &late, "after the removal of Cedar").await;
    for node in three.nodes.iter().chain([&hideout]) {
        let offered = node.states(alliance.id, std::slice::from_ref(&late)).await;
        assert_eq!(offered, ["unauthorized"]);
        let shown = node.show(early.id()).await;
        assert_eq!(shown.text("body"), Some("Said in time."));
    }
    let three = three.come_back(&mut author).await;
    three.stop().await;
    hideout.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_a_quorum_cuts_hears_no_more_and_whom_it_lets_in_later_is_nobody() {
    let name = "Cut node";
    let mut invitations = Vec::new();
    let three = Three::meet(name, |alliance, node| {
        for ticket in ["early", "late"] {
            let ticket = format!("{name}/{ticket}");
            let invitation = alliance.invite((C, 0), &ticket, node, None);
            invitations.push((invitation.id(), key(&ticket)));
        }
    })
    .await;
    let [alder, birch, cedar] = &three.nodes;
    let alliance = &three.alliance;
    let (governance, public) = (alliance.governance(), alliance.space("public"));
    let mut author = alliance.sides[A].delegates[0].device.clone();
    let before = author.create(alliance.space("members"), &topic("Before", "For members."));
    three.submit(A, &before).await;
    has(cedar, &before).await;
    // Whom it lets in while it is a node counts.
    let ask = |(invitation, ticket): &(EntryId, _), who: &str| {
        let mut person = Person::new(&format!("{name}/{who}"));
        let links = vec![device_link(governance, &mut person)];
        let request = request_in(alliance.id, *invitation, ticket, &person, links);
        (person, request)
    };
    let (mut ada, request) = ask(&invitations[0], "ada");
    let peer = Stranger::meeting(cedar, "Cut node/asking", true).await;
    let answer = peer.join(cedar, &request.encode()).await;
    assert!(matches!(answer, JoinAnswer::Welcome(_)), "{answer:?}");
    peer.network.shutdown().await;
    let early = ada
        .device
        .create(public, &topic("Early", "Let in in time."));
    three.submit(C, &early).await;
    wait_for_equal_roots(&[alder, birch, cedar]).await;
    // Whom a thief of its key lets in counts as long as nobody there knows of the cut.
    let own = cedar.node.key();
    let (space, signer) = (governance.to_string(), own.to_string());
    let context = cedar.client.signing_context(&space, &signer);
    let context = context.await.unwrap();
    let last: EntryId = context.prev.unwrap().parse().unwrap();
    let (mut eve, request) = ask(&invitations[1], "eve");
    let mut thief = Signer::new(&format!("{name}/node of Cedar"));
    assert_eq!(thief.public(), own);
    let link = ChainLink {
        seq: context.next_seq,
        prev: Some(last),
    };
    thief.set_next_link(governance, link);
    let let_in = RecordBody::Countersignature(Countersignature {
        invitation: request.invitation,
        invitation_key: invitations[1].1.public(),
        member: request.member,
        by_invitation: request.by_invitation,
        by_member: request.by_member,
    });
    let let_in = thief.record(governance, let_in);
    let late = eve
        .device
        .create(public, &topic("Late", "Let in too late."));
    let hideout = TestNode::start().await;
    hideout.take_part_in(alliance).await;
    let before = chain_up_to(cedar, last).await;
    hideout.submit_again(alliance.id, &before).await;
    let eve_linked = request.links[0].clone();
    let joined = [let_in.clone(), eve_linked.clone(), late.clone()];
    hideout.submit(alliance.id, &joined).await;

    let kept = cuts(vec![cut(governance, own, last)]);
    let decision = alliance.resolution_with(&[A, B], vec![Change::CutNode(own)], kept);
    three.decide(&decision, &mut author).await;

    hideout.connect(alder).await;
    let decided = decision.id().short();
    let reason = format!("after resolution {decided} cut the node that let the member in");
    holds(&hideout, &late, &reason).await;
    for node in [alder, birch] {
        knows(node, &eve_linked).await;
        knows(node, &let_in).await;
    }
    for node in [alder, birch, &hideout] {
        let offered = node.states(alliance.id, std::slice::from_ref(&late)).await;
        assert_eq!(offered, ["unauthorized"]);
        let shown = node.show(early.id()).await;
        assert_eq!(shown.text("body"), Some("Let in in time."));
    }
    let three = three.come_back(&mut author).await;
    three.stop().await;
    hideout.stop().await;
}

/// The entries of one author in a space up to one, oldest first.
async fn chain_up_to(node: &TestNode, last: EntryId) -> Vec<Entry> {
    let mut chain = Vec::new();
    let mut next = Some(last);
    while let Some(id) = next {
        let raw = node.client.entry(&id.to_string()).await.unwrap();
        let bytes = STANDARD_NO_PAD.decode(raw.entry).unwrap();
        let entry = Entry::decode(&bytes).unwrap();
        let Entry::Record(record) = &entry else {
            panic!("{entry:?}")
        };
        next = record.header().link.prev;
        chain.push(entry);
    }
    chain.reverse();
    chain
}
