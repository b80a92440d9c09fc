//! Node, communities, membership, submission, sync.

use super::Task;
use serde::{Deserialize, Serialize};

/// `GET /v0/status`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Version of the program.
    pub version: String,
    /// The node's key.
    pub node: String,
    /// The node's libp2p peer id.
    pub peer_id: String,
    /// Addresses it listens on, with its peer id at the end; empty while networking is off.
    pub listening: Vec<String>,
    /// Peers connected now.
    pub peers: Vec<PeerInfo>,
    /// Communities it takes part in.
    pub communities: usize,
    /// Entries in its record.
    pub entries: u64,
    /// Bytes of its record.
    pub record_bytes: u64,
    /// Bytes of its index.
    pub index_bytes: u64,
    /// What keeps its index: `sled` or `fjall`.
    #[serde(default)]
    pub index_engine: String,
    /// `ready`, or `read_only` with the reason.
    pub store: String,
    /// Why the store is not ready.
    pub store_reason: Option<String>,
    /// Its clock, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Milliseconds since it started.
    pub uptime_ms: u64,
    /// Things a person should know: forks, gaps, a clock far off, damage found.
    pub warnings: Vec<String>,
    /// Process id; none when opened in-process.
    pub pid: Option<u32>,
    /// Long work that goes on now.
    #[serde(default)]
    pub tasks: Vec<Task>,
    /// Spaces that are not here whole, as was decided here or because words have not come yet.
    #[serde(default)]
    pub incomplete: Vec<SpaceInfo>,
}

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// Its libp2p peer id.
    pub peer_id: String,
    /// Its key.
    pub node: String,
    /// The party it serves, by name, as far as known.
    pub party: Option<String>,
    /// Its address.
    pub address: String,
    /// Communities in common, by id.
    pub communities: Vec<String>,
    /// Whether everything both may hold is equal, as of the last exchange.
    pub in_sync: bool,
    /// Round trip in milliseconds, once measured.
    pub rtt_ms: Option<u64>,
    /// Milliseconds its clock is ahead of ours (negative: behind), from its hello.
    pub clock_offset_ms: i64,
    /// Whether it called this node, so that others may reach this node too.
    #[serde(default)]
    pub called_here: bool,
}

/// A community.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommunityInfo {
    /// Its id.
    pub id: String,
    /// Its name; empty until the genesis has arrived.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Whether genesis and party records are complete.
    pub complete: bool,
    /// Whether the node left it: kept as it is, and exchanged with nobody.
    #[serde(default)]
    pub left: bool,
    /// Whether nobody here takes part in it, and it is exchanged only as the history of those that
    /// continue it.
    #[serde(default)]
    pub history: bool,
    /// Ids of the communities followed here whose genesis continues it.
    #[serde(default)]
    pub continued_by: Vec<String>,
    /// The space of its governance records.
    pub governance_space: String,
    /// Digest of the governance records known here.
    pub governance: String,
    /// The genesis or resolution whose charter is in force; empty until the genesis has arrived.
    #[serde(default)]
    pub charter: String,
    /// Its parties.
    pub parties: Vec<PartyInfo>,
    /// Its spaces.
    pub spaces: Vec<SpaceInfo>,
    /// Members by root key.
    pub members: Vec<MemberInfo>,
}

/// A party of a community.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Root keys of its delegates.
    pub delegates: Vec<String>,
    /// How many of them a change of the party needs.
    #[serde(default)]
    pub delegates_needed: u64,
    /// The state of its chain that is in force.
    #[serde(default)]
    pub state: String,
    /// Keys of its nodes.
    pub nodes: Vec<String>,
}

/// A space of a community.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceInfo {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The community's id.
    pub community: String,
    /// `everyone`, `members`, `parties`, `groups` or `persons`.
    pub readers: String,
    /// Which: names of parties, of groups, or of persons as far as known.
    #[serde(default)]
    pub reader_names: Vec<String>,
    /// Members who read it now; 0 where everyone does.
    #[serde(default)]
    pub people: u64,
    /// Nodes of parties that keep it; 0 where everyone reads.
    #[serde(default)]
    pub nodes: u64,
    /// `members` or `stewards`.
    pub writers: String,
    /// Entries of its set.
    pub entries: u64,
    /// Documents in it.
    pub documents: u64,
    /// Root hash of its set: equal roots mean equal sets.
    pub root: String,
    /// The space that it goes on from, if it names one that the caller reads.
    #[serde(default)]
    pub successor_of: Option<String>,
    /// Spaces that go on from it, of those that the caller reads.
    #[serde(default)]
    pub succeeded_by: Vec<String>,
    /// What this node is to keep of it: `everything`, `recent DAYS`, `structure` or `nothing`.
    #[serde(default)]
    pub keep: String,
    /// What is here of it: `complete`, `partial` (words are missing) or `not_exchanged` (as it was).
    #[serde(default)]
    pub kept: String,
    /// Contributions that are here without their words; none if that is not counted.
    #[serde(default)]
    pub lacking: Option<u64>,
}

/// `POST /v0/spaces/{space}/keep`: decide what this node keeps of a space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeepSpace {
    /// `everything`, `recent DAYS`, `structure` or `nothing`.
    pub keep: String,
}

/// Answer to `POST /v0/documents/{id}/fetch`: words of a document and its replies were looked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WordsFetched {
    /// Contributions whose words came.
    pub found: u64,
    /// Contributions whose words are still not here.
    pub lacking: u64,
    /// Peers that were asked: those connected now that may read the space.
    pub asked: u64,
}

/// A member of a community.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberInfo {
    /// Root key.
    pub root: String,
    /// Name from the newest profile readable here, if any.
    pub name: Option<String>,
    /// Parties that vouch, by id.
    pub parties: Vec<String>,
    /// Roles, all parties together.
    pub roles: Vec<String>,
    /// Devices.
    pub devices: Vec<String>,
}

/// `POST /v0/communities`: take part in a community, with the entries known so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackCommunity {
    /// Its id.
    pub community: String,
    /// Entries of its governance space (base64).
    pub entries: Vec<String>,
}

/// `POST /v0/entries`: submit signed entries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// The community they belong to.
    pub community: String,
    /// Encoded entries (base64), in causal order.
    pub entries: Vec<String>,
}

/// Answer to a submission, one result per entry in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// What became of each entry.
    pub results: Vec<EntryResult>,
    /// Peers connected now with whom the community is shared.
    pub peers: usize,
}

/// What became of one submitted entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryResult {
    /// The entry's id; empty if it could not be read.
    pub id: String,
    /// `saved`, `already_present`, `pending` (waits for what it builds on), `unauthorized`,
    /// `refused` (malformed for good).
    pub state: String,
    /// Why, unless saved.
    pub reason: Option<String>,
}

/// `GET /v0/spaces/{space}/context?author=KEY`: what a device needs to sign its next entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SigningContext {
    /// The space.
    pub space: String,
    /// The community.
    pub community: String,
    /// Its governance space.
    pub governance_space: String,
    /// Digest of the governance records known here.
    pub governance: String,
    /// The author's next sequence number.
    pub next_seq: u64,
    /// Id of the author's newest entry; none before the first.
    pub prev: Option<String>,
    /// The node's clock, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Whether the author may write here now, and if not, why.
    pub may_write: Result<(), String>,
}

/// `POST /v0/consent`: ask the node to consent to serving a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRequest {
    /// The community.
    pub community: String,
    /// The member's root key.
    pub root: String,
}

/// The node's consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The node's key.
    pub node: String,
    /// Its signature (base64).
    pub signature: String,
}

/// `POST /v0/grants`: a device's leave for this node to read on its holder's behalf.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutGrant {
    /// The encoded grant (base64).
    pub grant: String,
}

/// `POST /v0/joins`: ask into a community. Queued until the inviting node answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartJoin {
    /// The inviting node's key.
    pub node: String,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// The encoded request (base64).
    pub request: String,
}

/// A join as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinState {
    /// The community.
    pub community: String,
    /// The person's root key.
    pub member: String,
    /// `queued` (not answered yet), `welcome` (countersigned), `member` (arrived here), `refused`.
    pub state: String,
    /// Why it was refused, or why the last attempt failed.
    pub reason: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
}

/// `POST /v0/devices/requests`: hand a connected peer a request to link a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOver {
    /// The peer, as a connect names it.
    pub peer_id: String,
    /// The encoded request (base64), at most 4 KiB.
    pub request: String,
}

/// A request to link a device that was handed to this node and waits for its code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRequest {
    /// The encoded request (base64), as it came.
    pub request: String,
    /// Who handed it over.
    pub peer_id: String,
    /// How long it has waited, in milliseconds.
    pub age_ms: u64,
}

/// `POST /v0/connect`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// A multiaddress, with or without `/p2p/PEER` at the end.
    pub address: String,
}

/// Answer to a connect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connected {
    /// The peer that answered.
    pub peer_id: String,
}

/// `POST /v0/sync`: exchange with all connected peers now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncRequest {
    /// Wait until equal with every connected peer, at most this long; 0: do not wait.
    pub wait_ms: u64,
}

/// `GET /v0/sync/status?author=KEY`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncStatus {
    /// Spaces held here, with their roots.
    pub spaces: Vec<SpaceInfo>,
    /// Peers connected now.
    pub peers: Vec<PeerInfo>,
    /// Per space: the author's newest entry and who holds it, by receipts.
    pub mine: Vec<Holding>,
    /// Chains with gaps or forks.
    pub irregular: Vec<IrregularChain>,
    /// Peer ids of known peers that are not connected now.
    pub unreachable: Vec<String>,
    /// Entries waiting for what they build on.
    pub pending: usize,
    /// Entries without authority so far.
    pub unauthorized: usize,
}

/// Who holds an author's words in one space.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The space.
    pub space: String,
    /// Its name.
    pub space_name: String,
    /// The author's key.
    pub author: String,
    /// Newest sequence number here.
    pub seq: u64,
    /// Nodes that gave receipts.
    pub held_by: Vec<Holder>,
}

/// One node that holds an author's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The node's key.
    pub node: String,
    /// The party it serves, by name.
    pub party: Option<String>,
    /// The newest sequence number it has receipted.
    pub seq: u64,
    /// When it says so, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Whether it is this very node.
    pub here: bool,
}

/// A chain that shows that something was withheld or doubled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IrregularChain {
    /// The space.
    pub space: String,
    /// The chain's signer.
    pub author: String,
    /// Name of the signer, as far as known.
    pub name: Option<String>,
    /// First missing sequence number, if there is a gap.
    pub gap_at: Option<u64>,
    /// A sequence number with two entries, and both ids, if there is a fork.
    pub fork_at: Option<(u64, String, String)>,
}

/// `POST /v0/verify`, `POST /v0/reindex`, `POST /v0/backup`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceReport {
    /// Entries read.
    pub entries: u64,
    /// What is wrong, one line each; empty if nothing.
    pub problems: Vec<String>,
    /// Bytes read or written.
    pub bytes: u64,
}

/// `POST /v0/reindex`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReindexRequest {
    /// What is to keep the index from now on, `sled` or `fjall`; none: what keeps it now.
    #[serde(default)]
    pub engine: Option<String>,
}

/// `POST /v0/backup`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupRequest {
    /// Folder to write to; must not exist or be empty.
    pub to: String,
}

/// One line of `GET /v0/events?since=CURSOR`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Where to resume after this event.
    pub cursor: u64,
    /// `entry` (a new entry took effect) or, without a cursor of their own, `peer_connected`,
    /// `peer_disconnected`, `in_sync`, `progress`, `warning`, `caught_up`.
    pub event: String,
    /// The entry's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `create`, `edit`, or the record's type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub what: Option<String>,
    /// The document, for contributions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The document's kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The space.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// The author, as shown to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub author: Option<super::Author>,
    /// The document's title or first words, for `entry`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Anything else, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// How far long work is, for `progress`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
}
