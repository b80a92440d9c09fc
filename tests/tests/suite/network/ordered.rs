//! Erasure by a quorum: two of three parties erase what a third wrote, at every node.

use comity_client::types::ReindexRequest;
use comity_protocol::{
    certificate::{Certificate, CertificateBody, ErasureOrder, body_id},
    entry::{Entry, ErasedBy, Words},
    id::{EntryId, domain},
    limits::NONCE_BYTES,
    record::{Approval, Proposal, RecordBody, Role},
};
use comity_tests::{
    alliance::{A, Alliance, B, C, party},
    community::{START_MS, document, topic},
    files,
    nodes::{TestNode, base64, wait_for_equal_roots},
    transcript::Moment,
};
use std::path::Path;

const SECRET: &str = "walrus-hinge-3307";

struct Scene {
    nodes: Vec<TestNode>,
    alliance: Alliance,
    post: Entry,
    body: CertificateBody,
}

/// Nodes of three parties that all have what a member of the third wrote, and an order to erase it.
async fn scene(name: &str) -> Scene {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(TestNode::start_tapped().await);
    }
    let keys: Vec<_> = nodes.iter().map(|it| [it.node.key()]).collect();
    let names = ["Alder", "Birch", "Cedar"];
    let founders: Vec<_> = (0..3).map(|it| party(names[it], &keys[it])).collect();
    let mut alliance = Alliance::found(name, &founders);
    let mut author = alliance.member(C, &format!("{name}/author"), &[Role::Member]);
    for node in &nodes {
        node.take_part_in(&alliance).await;
    }
    nodes[1].connect(&nodes[0]).await;
    nodes[2].connect(&nodes[1]).await;
    let space = alliance.space("public");
    let title = format!("Title {SECRET}");
    let post = author.device.create(space, &topic(&title, SECRET));
    nodes[2]
        .submit(alliance.id, std::slice::from_ref(&post))
        .await;
    wait_for_equal_roots(&nodes.iter().collect::<Vec<_>>()).await;
    let genesis = alliance.records().iter().find_map(|it| match it {
        Entry::Certificate(it) if matches!(it.body(), CertificateBody::Genesis(_)) => Some(it.id()),
        _ => None,
    });
    let body = CertificateBody::ErasureOrder(ErasureOrder {
        community: alliance.id,
        charter: genesis.unwrap(),
        space,
        contribution: post.id(),
        proposer: alliance.sides[A].delegates[0].root.public(),
        reason: "a home address".to_owned(),
        time_ms: START_MS,
    });
    Scene {
        nodes,
        alliance,
        post,
        body,
    }
}

impl Scene {
    fn propose(&mut self) -> Entry {
        let body = self.body.encode();
        self.alliance
            .say(A, RecordBody::Proposal(Proposal { body }))
    }

    fn approve(&mut self, side: usize) -> Entry {
        let body = self.body.encode();
        let delegate = self.alliance.sides[side].delegates[0].root.secret();
        let approval = Approval {
            certificate: body_id(&body),
            signature: delegate.sign(domain::CERTIFICATE_SIGNATURE, &body),
        };
        self.alliance.say(side, RecordBody::Approval(approval))
    }

    fn signed(&self, sides: &[usize]) -> Certificate {
        let keys = sides.iter().map(|it| &self.alliance.sides[*it]);
        let keys: Vec<_> = keys.map(|it| it.delegates[0].root.secret()).collect();
        Certificate::sign(self.body.clone(), &keys)
    }

    fn nonce(&self) -> Vec<u8> {
        let Entry::Contribution(it) = &self.post else {
            panic!("a contribution")
        };
        match it.words() {
            Words::Present(words) => words[..NONCE_BYTES].to_vec(),
            Words::Erased(_) | Words::NotKept => panic!("made with words"),
        }
    }

    fn assert_nowhere(&self, home: &Path) {
        for bytes in [SECRET.as_bytes().to_vec(), self.nonce()] {
            let (found, searched) = files::search_bytes(home, &bytes);
            assert!(searched > 1_000, "nothing was searched");
            assert_eq!(found, Vec::<std::path::PathBuf>::new());
        }
    }

    async fn assert_erased(&self, node: &TestNode) {
        self.assert_nowhere(&node.home());
        let view = node.show(document(&self.post)).await;
        let order = body_id(&self.body.encode());
        assert_eq!(view.summary.erased_by_order, Some(order.to_string()));
        assert!(view.summary.erased && !format!("{view:?}").contains(SECRET));
        let report = node.client.verify().await.unwrap();
        assert_eq!(report.problems, Vec::<String>::new());
    }

    async fn assert_there(&self, node: &TestNode) {
        let view = node.show(document(&self.post)).await;
        assert_eq!(view.text("body"), Some(SECRET));
    }
}

async fn entry_of(node: &TestNode, id: EntryId) -> String {
    node.client.entry(&id.to_string()).await.unwrap().entry
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_of_three_parties_erase_what_a_member_of_the_third_wrote() {
    let mut it = scene("Quorum").await;
    let (id, space) = (it.alliance.id, it.alliance.space("public"));
    let order = body_id(&it.body.encode());

    // One party alone cannot, by whatever way.
    let alone = it.signed(&[A]);
    let words = [it.propose(), it.approve(A)];
    it.nodes[0].submit(id, &words).await;
    let alone_entry = Entry::Certificate(alone.clone());
    assert_eq!(
        it.nodes[0].states(id, &[alone_entry]).await,
        ["unauthorized"]
    );
    wait_for_equal_roots(&it.nodes.iter().collect::<Vec<_>>()).await;
    for node in &it.nodes {
        it.assert_there(node).await;
    }

    // The second one's approval reaches every node, and each has the order.
    let before = [0, 1, 2].map(|at| it.nodes[at].transcript().now());
    let approval = it.approve(B);
    it.nodes[1].submit(id, &[approval]).await;
    wait_for_equal_roots(&it.nodes.iter().collect::<Vec<_>>()).await;
    for node in &it.nodes {
        it.assert_erased(node).await;
    }

    // Who comes late gets the erased form with its proof, and takes it.
    let late = TestNode::start_tapped().await;
    late.take_part_in(&it.alliance).await;
    late.connect(&it.nodes[2]).await;
    let entries = it.nodes[0].set_of(space).await.0;
    late.wait_for_entries(space, entries).await;
    it.assert_erased(&late).await;
    let Entry::Contribution(post) = it.post.clone() else {
        panic!("a contribution")
    };
    let Entry::Certificate(proof) = decoded(&entry_of(&late, order).await) else {
        panic!("the order")
    };
    assert!(proof.signers().count() >= 2);
    let erased = Entry::Contribution(post.erased_by(proof).unwrap());
    assert_eq!(
        entry_of(&late, it.post.id()).await,
        base64(&erased.encode())
    );
    for (at, node) in it.nodes.iter().chain([&late]).enumerate() {
        let since = before.get(at).copied().unwrap_or(Moment::default());
        for bytes in [SECRET.as_bytes().to_vec(), it.nonce()] {
            assert_eq!(node.transcript().sent_with(&bytes, since), Vec::new());
        }
    }

    // Who hears of the order before the words stores them erased, and who is told that one party
    // suffices keeps them.
    let first = TestNode::start_tapped().await;
    first.take_part_in(&it.alliance).await;
    let whole = Entry::Certificate(it.signed(&[A, B]));
    assert_eq!(first.states(id, &[whole]).await, ["pending"]);
    first.submit(id, std::slice::from_ref(&it.post)).await;
    it.assert_erased(&first).await;
    let fooled = TestNode::start_tapped().await;
    fooled.take_part_in(&it.alliance).await;
    let Entry::Contribution(post) = it.post.clone() else {
        panic!("a contribution")
    };
    let stripped = Entry::Contribution(post.erased_by(ErasedBy::from(alone)).unwrap());
    assert_eq!(fooled.states(id, &[stripped]).await, ["unauthorized"]);
    fooled.submit(id, std::slice::from_ref(&it.post)).await;
    it.assert_there(&fooled).await;
    fooled.stop().await;

    // It outlasts restarts and a new index.
    let mut again = Vec::new();
    for node in std::mem::take(&mut it.nodes)
        .into_iter()
        .chain([late, first])
    {
        let node = node.restart().await;
        node.client
            .reindex(&ReindexRequest::default())
            .await
            .unwrap();
        it.assert_erased(&node).await;
        assert_eq!(
            node.states(id, std::slice::from_ref(&it.post)).await,
            ["already_present"]
        );
        it.assert_erased(&node).await;
        again.push(node);
    }
    for node in again {
        it.assert_nowhere(&node.stop().await.home());
    }
}

fn decoded(text: &str) -> Entry {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD.decode(text);
    Entry::decode(&bytes.unwrap()).unwrap()
}
