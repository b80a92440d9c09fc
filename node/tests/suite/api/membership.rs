use super::{Running, refused};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::types::{ConsentRequest, PutGrant, StartJoin};
use comity_protocol::{
    access::JoinRequest,
    certificate::governance_space,
    id::{EntryId, domain},
    key::{self, PublicKey, Signature},
    record::{consent_message, join_message},
};
use comity_tests::community::{Community, Person, key};

#[tokio::test]
async fn the_node_consents_with_its_own_key() {
    let garden = Community::found("Garden", &[]);
    let node = Running::new().await;
    let root = Person::new("ada").root.public();
    let request = ConsentRequest {
        community: garden.id.to_string(),
        root: root.to_string(),
    };
    let consent = node.client.consent(&request).await.unwrap();
    assert_eq!(consent.node, node.node.key().to_string());
    let bytes = STANDARD_NO_PAD.decode(consent.signature).unwrap();
    let signature = Signature::from_bytes(bytes.try_into().unwrap());
    let message = consent_message(governance_space(garden.id), &root, &node.node.key());
    key::verify(
        &node.node.key(),
        domain::NODE_CONSENT_SIGNATURE,
        &message,
        &signature,
    )
    .unwrap();
}

#[tokio::test]
async fn grants_are_checked_and_kept() {
    let garden = Community::found("Garden", &[]);
    let node = Running::with(&garden).await;
    let ada = Person::new("ada");
    let put = |for_node: PublicKey, expires_ms: u64, broken: bool| {
        let mut grant = ada.grant(garden.id, for_node, expires_ms);
        if broken {
            grant.expires_ms += 1;
        }
        let request = PutGrant {
            grant: STANDARD_NO_PAD.encode(grant.encode()),
        };
        let client = node.client.clone();
        async move { client.put_grant(&request).await }
    };
    let here = node.node.key();
    let later = u64::MAX >> 12;
    refused(
        put(key("elsewhere").public(), later, false).await,
        "refused",
    );
    refused(put(here, later - 1, true).await, "refused");
    refused(put(here, 1_000, false).await, "refused");
    let kept = || std::fs::read_to_string(node.home.path().join("state.json")).unwrap();
    assert!(!kept().contains(&ada.device.public().to_string()));
    put(here, later, false).await.unwrap();
    assert!(kept().contains(&ada.device.public().to_string()));
}

fn request_of(community: &Community, person: &Person) -> StartJoin {
    let invitation = EntryId::from_bytes([7; 32]);
    let message = join_message(community.governance(), invitation, &person.root.public());
    let sign = |key: &comity_protocol::key::SecretKey| key.sign(domain::JOIN_SIGNATURE, &message);
    let request = JoinRequest {
        community: community.id,
        invitation,
        member: person.root.public(),
        by_invitation: sign(&key("invitation")),
        by_member: sign(person.root.secret()),
        links: Vec::new(),
    };
    StartJoin {
        node: key("inviting node").public().to_string(),
        addresses: vec!["/ip4/127.0.0.1/tcp/1".into()],
        request: STANDARD_NO_PAD.encode(request.encode()),
    }
}

#[tokio::test]
async fn without_network_a_join_is_queued_and_kept() {
    let mut garden = Community::found("Garden", &[]);
    let node = Running::new().await;
    let ada = Person::new("ada");
    let request = request_of(&garden, &ada);
    let state = node.client.join(&request).await.unwrap();
    assert_eq!((state.state.as_str(), state.attempts), ("queued", 0));
    // Asking twice is one request.
    node.client.join(&request).await.unwrap();

    let node = node.restarted().await;
    let joins = node.client.joins().await.unwrap();
    assert_eq!(joins.len(), 1);
    assert_eq!(joins[0].member, ada.root.public().to_string());
    assert_eq!(joins[0].community, garden.id.to_string());
    // The community is followed from now on, and the roster decides.
    garden.admit(&ada, &[comity_protocol::record::Role::Member]);
    node.track(&garden).await;
    assert_eq!(node.client.joins().await.unwrap()[0].state, "member");

    let broken = StartJoin {
        request: "AAAA".into(),
        ..request
    };
    refused(node.client.join(&broken).await, "invalid");
}
