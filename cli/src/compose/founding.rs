//! A new community: its first party, its genesis, and its founder as first member.

use super::{Chain, ComposeError, party::Terms};
use crate::identity::{ChainHead, Slot};
use comity_protocol::{
    certificate::{
        self, Certificate, CertificateBody, Genesis, PartyState, Readers, Space, Writers,
    },
    contribution::ChainLink,
    entry::{Entry, Record},
    id::{CommunityId, GovernanceDigest, PartyId, SpaceId, domain},
    key::{PublicKey, SecretKey},
    record::{self, Admission, DeviceLink, RecordBody, Role, Roles},
};

/// What a founder says.
#[derive(Debug, Clone)]
pub struct Founding {
    /// Name of the community.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Name of the founder's party.
    pub party: String,
    /// The node that serves the party: this one.
    pub node: PublicKey,
    /// Its spaces.
    pub spaces: Vec<Space>,
    /// Promises, rules, labels and articles.
    pub terms: Terms,
    /// Randomness for the party and for the community.
    pub nonces: [[u8; 16]; 2],
    /// Claimed time of founding, in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

impl Founding {
    /// The first state of the founder's party.
    pub fn first_state(&self, founder: PublicKey) -> PartyState {
        let (party, nodes) = (self.party.clone(), vec![self.node]);
        PartyState::founding(party, self.nonces[0], founder, nodes)
    }
}

/// A community that exists on paper.
#[derive(Debug)]
pub struct Founded {
    /// Its id.
    pub community: CommunityId,
    /// The space of its governance records.
    pub governance_space: SpaceId,
    /// The founder's party.
    pub party: PartyId,
    /// Certificates and records that make it, in causal order.
    pub entries: Vec<Entry>,
    /// The last entry on the founder's root chain.
    pub head: Option<ChainHead>,
}

/// The two spaces that a community has unless its founder says otherwise.
pub fn default_spaces() -> Vec<Space> {
    let space = |name: &str, readers| Space::new(name, readers, Writers::Members);
    vec![
        space("lobby", Readers::Everyone),
        space("members", Readers::Members),
    ]
}

/// Founds a community with one party whose delegate, steward and first member is the founder.
///
/// # Errors
/// If a name is missing or doubled.
pub fn found(
    founding: Founding,
    root: &SecretKey,
    device: &SecretKey,
    slot: Slot,
) -> Result<Founded, ComposeError> {
    let state = founding.first_state(root.public());
    let [_, nonce] = founding.nonces;
    state.check()?;
    let party = certificate::party_id(&state);
    let genesis = Genesis {
        nonce,
        name: founding.name,
        purpose: founding.purpose,
        parties: vec![party],
        founders: vec![root.public()],
        party_quorum: founding.terms.party_quorum.unwrap_or(1),
        spaces: founding.spaces,
        promises: founding.terms.promises,
        rules: founding.terms.rules,
        labels: founding.terms.labels,
        articles: founding.terms.articles,
        continues: None,
        time_ms: founding.time_ms,
    };
    genesis.check()?;
    let community = certificate::community_id(&genesis);
    let governance_space = certificate::governance_space(community);
    let certified = [
        CertificateBody::Party(state),
        CertificateBody::Genesis(genesis),
    ]
    .map(|body| Certificate::sign(body, &[root]));
    for certificate in &certified {
        // The reader's checks are the writer's checks, as for names that are too long.
        Certificate::decode(&certificate.encode())?;
    }
    let mut chain = Chain::new(root, governance_space, NO_GOVERNANCE, ChainLink::FIRST);
    let roles = Roles::from([Role::Member, Role::Steward]);
    let admission = Admission {
        party,
        member: root.public(),
        roles,
    };
    let admitted = chain.record(founding.time_ms, RecordBody::Admission(admission));
    let linked = link_device(&mut chain, founding.time_ms, root, device, slot);
    let mut entries: Vec<Entry> = certified.into_iter().map(Entry::Certificate).collect();
    entries.extend([admitted, linked].map(Entry::Record));
    Ok(Founded {
        community,
        governance_space,
        party,
        entries,
        head: chain.head(),
    })
}

/// What somebody knows of the governance of a community before any record has arrived.
pub const NO_GOVERNANCE: GovernanceDigest = GovernanceDigest::from_bytes([0; 32]);

/// Signs, on the root key's chain in the governance space, that a device signs for it.
pub fn link_device(
    chain: &mut Chain<'_>,
    time_ms: u64,
    root: &SecretKey,
    device: &SecretKey,
    slot: Slot,
) -> Record {
    let message = record::consent_message(chain.space(), &root.public(), &device.public());
    let link = DeviceLink {
        device: device.public(),
        slot: slot.number().into(),
        by_device: device.sign(domain::DEVICE_CONSENT_SIGNATURE, &message),
    };
    chain.record(time_ms, RecordBody::DeviceLink(link))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use comity_protocol::{
        authority::{Act, Authority},
        entry::Verified,
    };

    pub(crate) fn key(byte: u8) -> SecretKey {
        SecretKey::from_seed(&[byte; 32])
    }

    pub(crate) fn founding() -> Founding {
        Founding {
            name: "Coffee".into(),
            purpose: "Better coffee".into(),
            party: "Coffee Club".into(),
            node: key(9).public(),
            spaces: default_spaces(),
            terms: Terms::default(),
            nonces: [[1; 16], [2; 16]],
            time_ms: 1_790_000_000_000,
        }
    }

    /// Entries as they look after a node has read and verified them.
    pub(crate) fn verified(entries: &[Entry]) -> Vec<Verified<Entry>> {
        entries
            .iter()
            .map(|it| Verified::check(Entry::decode(&it.encode()).unwrap()).unwrap())
            .collect()
    }

    #[test]
    fn the_founder_may_write_in_every_space_with_this_device() {
        let founded = found(founding(), &key(1), &key(2), Slot::FIRST).unwrap();
        let authority = Authority::evaluate(founded.community, &verified(&founded.entries));
        assert_eq!(authority.genesis().unwrap().name, "Coffee");
        assert_eq!(authority.spaces().len(), 2);
        for space in authority.spaces().keys() {
            let standing = authority
                .authorize_contribution(*space, &key(2).public(), Act::Create)
                .unwrap();
            assert_eq!(
                (standing.root, standing.party),
                (key(1).public(), founded.party)
            );
        }
        let last = founded.entries.last().unwrap();
        let head = founded.head.unwrap();
        assert_eq!((head.seq, head.id), (2, last.id()));
    }

    #[test]
    fn contradictions_are_refused() {
        let nameless = Founding {
            name: " ".into(),
            ..founding()
        };
        assert!(found(nameless, &key(1), &key(2), Slot::FIRST).is_err());
        let mut doubled = founding();
        doubled.spaces[1].name = "lobby".into();
        assert!(found(doubled, &key(1), &key(2), Slot::FIRST).is_err());
        let endless = Founding {
            party: "x".repeat(300),
            ..founding()
        };
        assert!(found(endless, &key(1), &key(2), Slot::FIRST).is_err());
    }
}
