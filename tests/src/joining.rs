//! Asking into a community with a ticket, as a member's software does it.

use crate::{
    community::{Community, Invite, Person},
    nodes::{TestNode, base64},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::types::{ConsentRequest, JoinState, StartJoin};
use comity_protocol::{
    access::JoinRequest,
    certificate::governance_space,
    entry::Entry,
    id::{CommunityId, EntryId, SpaceId, domain},
    key::{PublicKey, SecretKey, Signature},
    record::{DeviceLink, NodeLink, RecordBody, consent_message, join_message},
};

/// A request by a person, made with any key.
pub fn request(
    community: &Community,
    invitation: EntryId,
    secret: &SecretKey,
    person: &Person,
    links: Vec<Entry>,
) -> JoinRequest {
    request_in(community.id, invitation, secret, person, links)
}

/// The same in any community.
pub fn request_in(
    community: CommunityId,
    invitation: EntryId,
    secret: &SecretKey,
    person: &Person,
    links: Vec<Entry>,
) -> JoinRequest {
    let member = person.root.public();
    let message = join_message(governance_space(community), invitation, &member);
    JoinRequest {
        community,
        invitation,
        member,
        by_invitation: secret.sign(domain::JOIN_SIGNATURE, &message),
        by_member: person.root.secret().sign(domain::JOIN_SIGNATURE, &message),
        links,
    }
}

/// A person's record that links their device.
pub fn device_link(space: SpaceId, person: &mut Person) -> Entry {
    let device = person.device.public();
    let message = consent_message(space, &person.root.public(), &device);
    let link = DeviceLink {
        device,
        slot: 0,
        by_device: person
            .device
            .secret()
            .sign(domain::DEVICE_CONSENT_SIGNATURE, &message),
    };
    person.root.record(space, RecordBody::DeviceLink(link))
}

/// A person's record that links the node that serves them, with the node's consent.
pub async fn node_link(community: &Community, person: &mut Person, node: &TestNode) -> Entry {
    let asked = ConsentRequest {
        community: community.id.to_string(),
        root: person.root.public().to_string(),
    };
    let consent = node.client.consent(&asked).await.unwrap();
    let signature = STANDARD_NO_PAD.decode(consent.signature).unwrap();
    let link = NodeLink {
        node: node.node.key(),
        by_node: Signature::from_bytes(signature.try_into().unwrap()),
    };
    person
        .root
        .record(community.governance(), RecordBody::NodeLink(link))
}

/// Has a node ask for a person, with a ticket: links made, grant given, request queued.
pub async fn join(
    community: &Community,
    invite: &Invite,
    person: &mut Person,
    node: &TestNode,
    inviter: (PublicKey, &str),
) -> JoinState {
    let device = device_link(community.governance(), person);
    let link = node_link(community, person, node).await;
    let links = vec![device, link];
    let request = request(community, invite.record.id(), &invite.secret, person, links);
    let state = start(node, &request, inviter).await;
    node.grant(community.id, person).await;
    state
}

/// Queues a request.
pub async fn start(
    node: &TestNode,
    request: &JoinRequest,
    (key, address): (PublicKey, &str),
) -> JoinState {
    let start = StartJoin {
        node: key.to_string(),
        addresses: vec![address.to_owned()],
        request: base64(&request.encode()),
    };
    node.client.join(&start).await.unwrap()
}
