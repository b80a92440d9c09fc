//! Charter, deliberation and parties.

use serde::{Deserialize, Serialize};

/// A key, and who stands behind it as far as known here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyInfo {
    /// The key.
    pub key: String,
    /// The name in the newest profile here.
    pub name: Option<String>,
}

/// States with several certified children: a proof that delegates signed two, and an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForkInfo {
    /// The state that has several children.
    pub parent: String,
    /// Its certified children, ascending.
    pub children: Vec<String>,
    /// The child that is followed.
    pub winner: String,
    /// Of a party: whether the charter names a state on its branch, so that no choice moves it.
    pub pinned: bool,
}

/// A text with a name: a label with its meaning, an article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedText {
    /// Its name.
    pub name: String,
    /// The text; Markdown.
    pub text: String,
}

/// `GET /v0/communities/{id}/charter`: what the charter says at one state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterInfo {
    /// The community.
    pub community: String,
    /// The genesis or resolution that made this state.
    pub id: String,
    /// Resolutions since the genesis.
    pub height: u64,
    /// Whether it is the state in force.
    pub current: bool,
    /// Name of the community.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Parties that a resolution needs.
    pub party_quorum: u64,
    /// The parties.
    pub parties: Vec<CharterParty>,
    /// Spaces, closed ones included.
    pub spaces: Vec<CharterSpace>,
    /// Promises.
    pub promises: Vec<PromiseInfo>,
    /// Rules for decisions.
    pub rules: Vec<RuleInfo>,
    /// Labels.
    pub labels: Vec<NamedText>,
    /// Articles.
    pub articles: Vec<NamedText>,
    /// The community and the state of its charter that this one continues.
    pub continues: Option<(String, String)>,
    /// Forks of the charter.
    pub forks: Vec<ForkInfo>,
}

/// A party of a charter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterParty {
    /// The party.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The state of its chain that the charter pinned last.
    pub pinned: String,
    /// The state in force.
    pub current: String,
    /// Keys that can still speak for it in resolutions though it has dropped them since that state.
    pub dropped: Vec<KeyInfo>,
    /// Whether it has left the community.
    pub left: bool,
}

/// A space of a charter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterSpace {
    /// The space.
    pub id: String,
    /// Its name.
    pub name: String,
    /// `everyone`, `members` or `parties`.
    pub readers: String,
    /// With `parties`: which.
    pub reader_parties: Vec<String>,
    /// `members` or `stewards`.
    pub writers: String,
    /// Kinds of documents allowed; none: all.
    pub kinds: Option<Vec<String>>,
    /// Kinds forbidden since.
    pub forbidden_kinds: Vec<String>,
    /// The space it succeeds.
    pub successor_of: Option<String>,
    /// The space of another community that it continues.
    pub continues: Option<String>,
    /// The genesis or resolution that declared it.
    pub declared_by: String,
    /// The resolution that closed it.
    pub closed_by: Option<String>,
}

/// A promise to answer within a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromiseInfo {
    /// Who promises; none: every party.
    pub party: Option<String>,
    /// Its name.
    pub name: String,
    /// Days.
    pub days: u64,
}

/// A rule for decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleInfo {
    /// Its name.
    pub name: String,
    /// `majority`, `approval`, `score`, `ranked` or `consent`.
    pub method: String,
    /// Ballots needed, in thousandths of those eligible.
    pub quorum_permille: u64,
    /// Share needed, in thousandths.
    pub share_permille: u64,
    /// Whether each party must reach the share by itself.
    pub concurrent: bool,
}

/// One change of a charter or of a party, for people: from what to what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeInfo {
    /// A stable word: `name`, `purpose`, `add_party`, `remove_party`, `party_quorum`, `space`,
    /// `close_space`, `kinds`, `promise`, `rule`, `label`, `article`, `revoke`, `cut_node`; of
    /// parties: `delegates`, `delegates_needed`, `admission_needed`, `stewards`, `moderators`,
    /// `nodes`, `bridges`, `observers`, `groups`, `left`; of words: `erase`, with the contribution as
    /// id and its space in `old`.
    pub what: String,
    /// What it is about: a name, a party, a key.
    pub subject: String,
    /// Its id or key, where it has one.
    pub id: Option<String>,
    /// What was; none if there was nothing.
    pub old: Option<String>,
    /// What will be; none if it ends.
    pub new: Option<String>,
}

/// One step of `GET /v0/communities/{id}/charter/log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CharterStep {
    /// The genesis or resolution.
    pub id: String,
    /// The state before; none of the genesis.
    pub parent: Option<String>,
    /// Resolutions since the genesis.
    pub height: u64,
    /// Whether it is on the path that is followed; false on the losing branch of a fork.
    pub in_force: bool,
    /// What it changed.
    pub changes: Vec<ChangeInfo>,
    /// Why.
    pub reason: String,
    /// Who signed, with their parties.
    pub signers: Vec<SignerInfo>,
    /// Claimed time.
    pub time_ms: u64,
}

/// A signer and the party spoken for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignerInfo {
    /// Who.
    #[serde(flatten)]
    pub who: KeyInfo,
    /// Name of the party.
    pub party: Option<String>,
}

/// One item of `GET /v0/communities/{id}/proposals`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalInfo {
    /// The id that its certificate has.
    pub id: String,
    /// `charter`, `party` or `erasure`.
    pub kind: String,
    /// With `party`: which.
    pub party: Option<String>,
    /// The state that it would change; of an erasure: the charter state under which it is signed.
    pub parent: String,
    /// `open`, `carried` (enough approve), `certified` (in the chain, or in its space), `dead` or `flawed`.
    pub state: String,
    /// With `flawed`: which rule it breaks.
    pub flaw: Option<String>,
    /// Who wrote it.
    pub proposer: KeyInfo,
    /// What it would change.
    pub changes: Vec<ChangeInfo>,
    /// Why.
    pub reason: String,
    /// Claimed time; none for a party's own state.
    pub time_ms: Option<u64>,
    /// Parties that must approve at least.
    pub party_quorum: u64,
    /// What each party said.
    pub parties: Vec<SideInfo>,
    /// What delegates sign: the encoded body.
    pub body: String,
    /// With `carried`: the certificate as an entry, to be handed in.
    pub certificate: Option<String>,
    /// What the asking delegate may do; only if one was named.
    pub you: Option<MayInfo>,
}

/// What a party said about a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideInfo {
    /// The party.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it counts for the quorum; a party that is to join does not.
    pub votes: bool,
    /// Whether nothing passes without it.
    pub required: bool,
    /// Delegates it needs.
    pub delegates_needed: u64,
    /// Delegates still needed.
    pub still_needed: u64,
    /// Whether enough of its delegates could still approve.
    pub possible: bool,
    /// Who approved.
    pub approved: Vec<KeyInfo>,
    /// Who rejected.
    pub rejected: Vec<RejectionInfo>,
    /// Who said nothing.
    pub silent: Vec<KeyInfo>,
}

/// A rejection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectionInfo {
    /// Who.
    #[serde(flatten)]
    pub who: KeyInfo,
    /// Why; may be empty.
    pub reason: String,
}

/// What a delegate may do about a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MayInfo {
    /// Why it may not approve; none: it may.
    pub approve: Option<RefusalInfo>,
    /// Why it may not reject; none: it may.
    pub reject: Option<RefusalInfo>,
}

/// Why a delegate who follows the rules leaves a proposal alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalInfo {
    /// A stable word: `flawed`, `passed`, `not_current`, `old_pin`, `not_a_delegate`, `rejected`,
    /// `approved`, `dead`, `bound`, `overtaken`, `unseen`, `unknown`.
    pub code: String,
    /// For people.
    pub reason: String,
    /// The other proposal or state that stands against it.
    pub other: Option<String>,
}

/// `GET /v0/communities/{id}/parties/{party}`, and one item of the list without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyDetail {
    /// The party.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether the charter in force names it.
    pub in_charter: bool,
    /// Whether it has left the community.
    pub left: bool,
    /// The state in force.
    pub state: String,
    /// States since the first.
    pub height: u64,
    /// Those who speak for it.
    pub delegates: Vec<KeyInfo>,
    /// Delegates a change of the party needs.
    pub delegates_needed: u64,
    /// Delegates an admission needs.
    pub admission_needed: u64,
    /// Members who may answer for it.
    pub stewards: Vec<KeyInfo>,
    /// Members whose labels are its own.
    pub moderators: Vec<KeyInfo>,
    /// Its nodes.
    pub nodes: Vec<String>,
    /// Keys that speak for other systems.
    pub bridges: Vec<String>,
    /// Members who read only.
    pub observers: Vec<KeyInfo>,
    /// Its groups.
    pub groups: Vec<GroupInfo>,
    /// Its states, oldest first, losing branches after.
    pub states: Vec<PartyStep>,
    /// Forks of its chain.
    pub forks: Vec<ForkInfo>,
    /// What its people should know.
    pub warnings: Vec<String>,
}

/// A group of a party.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupInfo {
    /// Its name.
    pub name: String,
    /// Who is in it.
    pub members: Vec<KeyInfo>,
}

/// A state of a party's chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartyStep {
    /// The state.
    pub id: String,
    /// The state before; none of the first.
    pub parent: Option<String>,
    /// States since the first.
    pub height: u64,
    /// Whether it is on the path that is followed.
    pub in_force: bool,
    /// Who proposed it.
    pub proposer: KeyInfo,
    /// What it changed.
    pub changes: Vec<ChangeInfo>,
}

/// A record of the roster that stands in the set and has no effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordWithoutEffect {
    /// The record.
    pub id: String,
    /// Its type in words: `admission`, `device link`, `revocation`, …
    pub what: String,
    /// Who signed it.
    pub signer: KeyInfo,
    /// Its number in the signer's chain.
    pub seq: u64,
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// The rule that it does not meet.
    pub reason: String,
}

/// `GET /v0/communities/{id}/without-effect`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordsWithoutEffect {
    /// By signer, along each chain; as many as were asked for.
    pub items: Vec<RecordWithoutEffect>,
    /// How many there are.
    pub total: u64,
}
