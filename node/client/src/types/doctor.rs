//! How the node can be reached, and what is in the way.

use serde::{Deserialize, Serialize};

/// `GET /v0/doctor`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Doctor {
    /// What it comes to, for people, the most important first.
    pub findings: Vec<Finding>,
    /// Whether it carries nodes that nobody can call.
    pub public: bool,
    /// Addresses it listens on, and those at which peers see it.
    pub addresses: Vec<OwnAddress>,
    /// Places at public nodes, held, asked for and refused.
    pub places: Vec<Place>,
    /// What it does for others, if it is public.
    pub carries: Option<Carries>,
    /// How often a relayed connection became a direct one.
    pub holes_punched: u64,
    /// How often that failed.
    pub holes_failed: u64,
    /// Peers connected now.
    pub peers: Vec<PeerPath>,
    /// Peers that were called in vain, and what comes next.
    pub unreached: Vec<Unreached>,
    /// Peers that are kept out for what they did.
    #[serde(default)]
    pub kept_out: Vec<KeptOut>,
    /// Nodes of its communities whose addresses it knows from themselves.
    pub book_nodes: usize,
    /// How many of them carry others.
    pub book_public: usize,
}

/// One thing that was found out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// `good`, `note` or `problem`.
    pub level: String,
    /// What is so.
    pub text: String,
    /// What to do about it.
    pub advice: Option<String>,
}

/// An address of this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnAddress {
    /// The address.
    pub address: String,
    /// Whether it means something within one machine or local network only.
    pub private: bool,
    /// Whether the node listens there itself; else a peer sees it there.
    pub listening: bool,
    /// Peers that see the node at this network address.
    pub seen_by: Vec<String>,
    /// Whether a peer reached it there; none if nobody tried.
    pub reached: Option<bool>,
    /// The peer that tried.
    pub tried_by: Option<String>,
    /// Why it was not reached.
    pub reason: Option<String>,
    /// Milliseconds since it was tried.
    pub tried_ms_ago: Option<u64>,
}

/// A place at a public node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The public node's peer id.
    pub peer_id: String,
    /// The party it serves, as far as known.
    pub party: Option<String>,
    /// `held`, `asked` or `refused`.
    pub state: String,
    /// At which this node can be called through it.
    pub addresses: Vec<String>,
    /// Why there is no place.
    pub reason: Option<String>,
}

/// What a public node does for others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carries {
    /// Peers with a place here.
    pub places: usize,
    /// Connections it carries now.
    pub circuits: usize,
    /// Requests refused since it started.
    pub refused: u64,
}

/// How a peer is connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerPath {
    /// Its peer id.
    pub peer_id: String,
    /// The party it serves, as far as known.
    pub party: Option<String>,
    /// How many communities are shared with it.
    pub communities: usize,
    /// Its connections.
    pub links: Vec<PeerLink>,
}

/// One connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerLink {
    /// `outbound` if this node called, else `inbound`.
    pub direction: String,
    /// The peer's address.
    pub address: String,
    /// Whether a third node carries it.
    pub relayed: bool,
}

/// A peer that is kept out for what it did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptOut {
    /// Its peer id.
    pub peer_id: String,
    /// What it does.
    pub reason: String,
    /// Milliseconds until it may come back.
    pub left_ms: u64,
    /// How often it was kept out lately, this time included.
    pub times: u32,
}

/// A peer that was called in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreached {
    /// Its peer id.
    pub peer_id: String,
    /// Why.
    pub reason: String,
    /// Milliseconds since the last attempt.
    pub tried_ms_ago: u64,
    /// Milliseconds between that attempt and the next one; none if it is not called again for now.
    pub retry_ms: Option<u64>,
}
