//! Where nodes can be called: statements that each node signs of itself and that members' nodes pass
//! on within a community.
//!
//! A statement names no community on the wire: it follows from the message that brings it, and is
//! signed, so what was said to one community cannot be carried into another.
//!
//! Spec: `specs/wire.md` §7.

use super::{AccessError, within};
use crate::{
    codec::{Reader, Writer},
    id::{CommunityId, domain},
    key::{self, BadSignature, PublicKey, SecretKey, Signature},
    limits::TIME_MAX_MS,
};

/// Most addresses that a node states, each a multiaddress of at most [`NODE_ADDRESS_MAX_BYTES`].
pub const NODE_ADDRESSES_MAX: usize = 8;
/// Longest address in a statement, in bytes.
pub const NODE_ADDRESS_MAX_BYTES: usize = 256;
/// Most statements in one message.
pub const STATEMENTS_MAX: usize = 24;
/// Largest message, in bytes: as many statements as fit, each of full length.
pub const ADDRESSES_MAX_BYTES: usize = 64 * 1024;

/// What a node says about where it can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeAddresses {
    /// The node, which signs.
    pub node: PublicKey,
    /// Grows with each statement of the node: the highest counts. By habit the time at which it was
    /// made, in milliseconds since the Unix epoch; nothing hangs on that.
    pub sequence: u64,
    /// Whether the node carries others.
    pub public: bool,
    /// Multiaddresses, the best first; none if it cannot be called any more.
    pub addresses: Vec<String>,
    /// The node's signature.
    pub signature: Signature,
}

impl NodeAddresses {
    /// Signs a statement. Addresses that are too long, and those beyond the first
    /// [`NODE_ADDRESSES_MAX`], are left out.
    pub fn sign(
        node: &SecretKey,
        community: CommunityId,
        sequence: u64,
        public: bool,
        addresses: &[String],
    ) -> Self {
        let fits = |it: &&String| it.len() <= NODE_ADDRESS_MAX_BYTES;
        let fitting = addresses.iter().filter(fits).take(NODE_ADDRESSES_MAX);
        let addresses: Vec<String> = fitting.cloned().collect();
        let sequence = sequence.min(TIME_MAX_MS);
        let message = message(community, &node.public(), sequence, public, &addresses);
        Self {
            node: node.public(),
            sequence,
            public,
            addresses,
            signature: node.sign(domain::NODE_ADDRESSES_SIGNATURE, &message),
        }
    }

    /// Checks the signature, for this community.
    ///
    /// # Errors
    /// [`BadSignature`] if it is forged, or was said to another community.
    pub fn verify(self, community: CommunityId) -> Result<VerifiedAddresses, BadSignature> {
        let message = message(
            community,
            &self.node,
            self.sequence,
            self.public,
            &self.addresses,
        );
        key::verify(
            &self.node,
            domain::NODE_ADDRESSES_SIGNATURE,
            &message,
            &self.signature,
        )?;
        Ok(VerifiedAddresses(self))
    }

    fn write(&self, w: &mut Writer) {
        w.array(5).bytes(self.node.as_bytes()).uint(self.sequence);
        write_what(w, self.public, &self.addresses);
        w.bytes(self.signature.as_bytes());
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, AccessError> {
        r.array_of(5)?;
        Ok(Self {
            node: PublicKey::from_bytes(r.fixed()?)?,
            sequence: r.uint_max(TIME_MAX_MS)?,
            public: r.bool()?,
            addresses: (0..r.array(NODE_ADDRESSES_MAX)?)
                .map(|_| r.text(NODE_ADDRESS_MAX_BYTES).map(str::to_owned))
                .collect::<Result<_, _>>()?,
            signature: Signature::from_bytes(r.fixed()?),
        })
    }
}

fn write_what(w: &mut Writer, public: bool, addresses: &[String]) {
    w.bool(public).array(addresses.len());
    for address in addresses {
        w.text(address);
    }
}

fn message(
    community: CommunityId,
    node: &PublicKey,
    sequence: u64,
    public: bool,
    addresses: &[String],
) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(5)
        .bytes(community.as_bytes())
        .bytes(node.as_bytes())
        .uint(sequence);
    write_what(&mut w, public, addresses);
    w.finish()
}

/// A statement whose signature holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAddresses(NodeAddresses);

impl VerifiedAddresses {
    /// The statement.
    pub fn statement(&self) -> &NodeAddresses {
        &self.0
    }
}

/// Statements of nodes of one community, as one node tells them another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressNews {
    /// The community.
    pub community: CommunityId,
    /// The statements, strictly ascending by node; at most [`STATEMENTS_MAX`].
    pub statements: Vec<NodeAddresses>,
}

impl AddressNews {
    /// The canonical encoding.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.array(2).bytes(self.community.as_bytes());
        w.array(self.statements.len());
        for statement in &self.statements {
            statement.write(&mut w);
        }
        w.finish()
    }

    /// Reads a message. Its signatures are another question.
    ///
    /// # Errors
    /// [`AccessError`] names the first rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Self, AccessError> {
        let mut r = within(bytes, ADDRESSES_MAX_BYTES)?;
        r.array_of(2)?;
        let community = CommunityId::from_bytes(r.fixed()?);
        let mut statements: Vec<NodeAddresses> = Vec::new();
        for _ in 0..r.array(STATEMENTS_MAX)? {
            let statement = NodeAddresses::read(&mut r)?;
            if statements
                .last()
                .is_some_and(|last| last.node >= statement.node)
            {
                return Err(AccessError::Order);
            }
            statements.push(statement);
        }
        r.end()?;
        Ok(Self {
            community,
            statements,
        })
    }
}
