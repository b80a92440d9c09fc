//! Invitations, tickets, and requests to join.

use super::{Chain, founding::link_device};
use crate::identity::Slot;
use comity_protocol::{
    access::{JoinRequest, Ticket},
    entry::{Entry, Record},
    id::{CommunityId, PartyId, domain},
    key::{PublicKey, SecretKey, Signature},
    record::{self, Invitation, NodeLink, RecordBody, Roles},
};

/// What a delegate offers.
#[derive(Debug, Clone)]
pub struct Offer {
    /// The party that admits.
    pub party: PartyId,
    /// Its name, for people.
    pub party_name: String,
    /// The community.
    pub community: CommunityId,
    /// Its name, for people.
    pub community_name: String,
    /// The node that countersigns.
    pub node: PublicKey,
    /// Where it can be reached.
    pub addresses: Vec<String>,
    /// Roles granted.
    pub roles: Roles,
    /// How many persons it lets in.
    pub uses: u64,
    /// When it ends, in milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
}

/// Signs an invitation on a delegate's chain, and makes the ticket for it. `seed` must be fresh
/// and unpredictable: whoever knows it can join.
pub fn invite(
    chain: &mut Chain<'_>,
    time_ms: u64,
    offer: Offer,
    seed: [u8; 32],
) -> (Record, Ticket) {
    let invitation = Invitation {
        party: offer.party,
        invitation_key: SecretKey::from_seed(&seed).public(),
        countersigner: offer.node,
        roles: offer.roles,
        uses: offer.uses,
        expires_ms: offer.expires_ms,
    };
    let record = chain.record(time_ms, RecordBody::Invitation(invitation));
    let ticket = Ticket {
        community: offer.community,
        invitation: record.id(),
        secret: seed,
        node: offer.node,
        addresses: offer.addresses,
        community_name: offer.community_name,
        party_name: offer.party_name,
        expires_ms: offer.expires_ms,
    };
    (record, ticket)
}

/// A node's consent to serve a person.
#[derive(Debug, Clone, Copy)]
pub struct NodeConsent {
    /// The node.
    pub node: PublicKey,
    /// Its signature.
    pub signature: Signature,
}

/// Asks in: what the ticket's holder sends, with the links that make the key usable.
pub fn request(
    chain: &mut Chain<'_>,
    time_ms: u64,
    ticket: &Ticket,
    root: &SecretKey,
    device: (&SecretKey, Slot),
    node: NodeConsent,
) -> JoinRequest {
    let message = record::join_message(chain.space(), ticket.invitation, &root.public());
    let invitation_key = SecretKey::from_seed(&ticket.secret);
    let device_link = link_device(chain, time_ms, root, device.0, device.1);
    let node_link = NodeLink {
        node: node.node,
        by_node: node.signature,
    };
    let node_link = chain.record(time_ms, RecordBody::NodeLink(node_link));
    JoinRequest {
        community: ticket.community,
        invitation: ticket.invitation,
        member: root.public(),
        by_invitation: invitation_key.sign(domain::JOIN_SIGNATURE, &message),
        by_member: root.sign(domain::JOIN_SIGNATURE, &message),
        links: vec![Entry::Record(device_link), Entry::Record(node_link)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::founding::{
        self, NO_GOVERNANCE,
        tests::{founding, key, verified},
    };
    use comity_protocol::{
        authority::{Act, Authority},
        contribution::ChainLink,
        record::{Countersignature, Role},
    };

    #[test]
    fn whoever_holds_the_ticket_gets_in_once_the_node_countersigns() {
        let (root, device, node) = (key(1), key(2), key(9));
        let founded = founding::found(founding(), &root, &device, Slot::FIRST).unwrap();
        let (space, head) = (founded.governance_space, founded.head.unwrap());
        let next = ChainLink::after(head.seq, head.id);
        let mut chain = Chain::new(&root, space, NO_GOVERNANCE, next);
        let offer = Offer {
            party: founded.party,
            party_name: "Coffee Club".into(),
            community: founded.community,
            community_name: "Coffee".into(),
            node: node.public(),
            addresses: vec!["/ip4/127.0.0.1/tcp/7440".into()],
            roles: Roles::from([Role::Member]),
            uses: 1,
            expires_ms: None,
        };
        let (invitation, ticket) = invite(&mut chain, 1, offer, [5; 32]);
        let ticket: Ticket = ticket.to_string().parse().unwrap();

        let (bob, phone, server) = (key(11), key(12), key(13));
        let message = record::consent_message(space, &bob.public(), &server.public());
        let consent = NodeConsent {
            node: server.public(),
            signature: server.sign(domain::NODE_CONSENT_SIGNATURE, &message),
        };
        let mut chain = Chain::new(&bob, space, NO_GOVERNANCE, ChainLink::FIRST);
        let asked = request(&mut chain, 2, &ticket, &bob, (&phone, Slot::FIRST), consent);
        let asked = JoinRequest::decode(&asked.encode()).unwrap();

        let mut by_node = Chain::new(&node, space, NO_GOVERNANCE, ChainLink::FIRST);
        let countersigned = by_node.record(
            3,
            RecordBody::Countersignature(Countersignature {
                invitation: asked.invitation,
                invitation_key: SecretKey::from_seed(&ticket.secret).public(),
                member: asked.member,
                by_invitation: asked.by_invitation,
                by_member: asked.by_member,
            }),
        );
        let mut entries = founded.entries;
        entries.extend([invitation, countersigned].map(Entry::Record));
        entries.extend(asked.links);
        let authority = Authority::evaluate(founded.community, &verified(&entries));
        let lobby = *authority.spaces().keys().next().unwrap();
        let standing = authority
            .authorize_contribution(lobby, &phone.public(), Act::Create)
            .unwrap();
        assert_eq!(standing.root, bob.public());
        assert!(authority.node_party(&server.public()).is_some());
    }
}
