//! Documents as readers see them.

use serde::{Deserialize, Serialize};

/// Who wrote something, to stand beside every text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Author {
    /// The device's key.
    pub device: String,
    /// The person's root key, if linked.
    pub root: Option<String>,
    /// Name from the person's profile, if there is one readable here.
    pub name: Option<String>,
    /// The party that vouches for the person, by name.
    pub party: Option<String>,
    /// If none does now: the party that did once, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once: Option<String>,
}

/// Where an imported document came from. Its author is not verified: the importer signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The other system.
    pub system: String,
    /// The id there.
    pub id: String,
    /// The author's name there.
    pub author: String,
    /// The time there, milliseconds since the Unix epoch; negative before it.
    pub time_ms: Option<i64>,
}

/// A query for `GET /v0/documents`; every part narrows the list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DocumentQuery {
    /// Only this community.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community: Option<String>,
    /// Only this space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// Only this kind: `topic`, `reply`, `page`, `profile`, `accept`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Only by this person: a root or device key, whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub author: Option<String>,
    /// Only with this tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Only replies in this thread: a document id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub thread: Option<String>,
    /// Only imported from this system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<String>,
    /// Most items, 1 to 500; default 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Oldest first instead of newest first (by arrival at this node).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub oldest_first: bool,
    /// With stubs, without words, of what is kept and not in effect.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stubs: bool,
}

/// One line of a list of documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSummary {
    /// The document's id.
    pub id: String,
    /// Its community.
    pub community: String,
    /// Its space.
    pub space: String,
    /// The space's name.
    pub space_name: String,
    /// Its kind.
    pub kind: String,
    /// For topics: `discussion`, `question`, `idea`, `announcement`, `note`.
    pub form: Option<String>,
    /// Its title, or the first words of its body.
    pub title: String,
    /// Who created it.
    pub author: Author,
    /// Claimed time of creation, milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// Claimed time of its newest contribution.
    pub updated_ms: u64,
    /// Its heads.
    pub heads: Vec<String>,
    /// Contributions in effect, the create included.
    pub contributions: u64,
    /// Replies in its thread.
    pub replies: u64,
    /// The document it answers, for replies.
    pub parent: Option<String>,
    /// The accepted answer, for questions.
    pub accepted: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
    /// Where it was imported from.
    pub origin: Option<Origin>,
    /// Whether its words were erased.
    pub erased: bool,
    /// Contributions in effect whose words are not kept here: fillers stand in their place.
    #[serde(default)]
    pub not_kept: u64,
    /// The order of a quorum of parties that erased them; none: their author did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_by_order: Option<String>,
    /// Why the document is a stub, if its create is void.
    pub void: Option<String>,
    /// Why the document is not in effect, if nothing of it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
}

/// A field of a document, with every value that stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// The value shown: the winner where several are concurrent.
    pub value: serde_json::Value,
    /// The contribution that set it.
    pub by: String,
    /// All concurrent values with their contributions, if more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub concurrent: Vec<ConcurrentValue>,
}

/// One of several concurrent values of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConcurrentValue {
    /// The value.
    pub value: serde_json::Value,
    /// The contribution that set it.
    pub by: String,
    /// Its author.
    pub author: Author,
}

/// `GET /v0/documents/{id}?at=HEADS`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentView {
    /// The line of the list.
    pub summary: DocumentSummary,
    /// The heads this view shows: the newest, or those asked for.
    pub at: Vec<String>,
    /// Its fields, in the order of their names.
    pub fields: Vec<Field>,
    /// Contributions in effect that are not yet derived into this view.
    pub underived: u64,
    /// Its thread in its own space, by arrival, as far as one page goes.
    pub replies: Vec<DocumentView>,
    /// Where the thread goes on; none at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// What this node keeps of it that is not in effect: stubs, without words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<HeldItem>,
    /// What of it is in effect though its author may not write here: others built on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopted: Vec<AdoptedItem>,
}

impl DocumentView {
    /// The text of a field, if it is one.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|field| field.name == name)?
            .value
            .as_str()
    }
}

/// One line of `GET /v0/documents/{id}/history`, in causal order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryItem {
    /// The contribution's id.
    pub id: String,
    /// Its author.
    pub author: Author,
    /// Place in the author's chain.
    pub seq: u64,
    /// Claimed time.
    pub time_ms: u64,
    /// Heads its author saw.
    pub deps: Vec<String>,
    /// `create`, `edit` or `merge`.
    pub what: String,
    /// Fields it touches.
    pub fields: Vec<String>,
    /// `effective`, `void`, or `underived`.
    pub verdict: String,
    /// Why it is void.
    pub reason: Option<String>,
    /// Whether its words were erased.
    pub erased: bool,
    /// Whether its words are not kept here.
    #[serde(default)]
    pub not_kept: bool,
    /// The order of a quorum of parties that erased them; none: their author did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub erased_by_order: Option<String>,
}

/// `GET /v0/documents/{id}/blame?field=body`: a run of text by one contribution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlameSpan {
    /// The text.
    pub text: String,
    /// The contribution.
    pub by: String,
    /// Its author.
    pub author: Author,
    /// Claimed time.
    pub time_ms: u64,
    /// Who built on it, if that alone keeps it in effect: its author may not write here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adopted: Option<Adoption>,
}

/// What gives a contribution presence where its own author's authority does not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adoption {
    /// The contribution that builds on it.
    pub by: String,
    /// Its author.
    pub author: Author,
}

/// A contribution that is in effect because others built on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptedItem {
    /// The contribution.
    pub id: String,
    /// `create`, `edit` or `merge`.
    pub what: String,
    /// Its author, who may not write here.
    pub author: Author,
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// What builds on it.
    pub adoption: Adoption,
}

/// `GET /v0/resolve?prefix=…`: what a shortened id may stand for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The whole id.
    pub id: String,
    /// `document`, `contribution`, `record`, `space`, `community`.
    pub what: String,
    /// A title, for people.
    pub title: Option<String>,
}

/// `GET /v0/entries/{id}`: a contribution or record as it is stored, for signing what follows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawEntry {
    /// Its id.
    pub id: String,
    /// Its community.
    pub community: String,
    /// Its space.
    pub space: String,
    /// Its document, for contributions.
    pub document: Option<String>,
    /// The encoded entry (base64).
    pub entry: String,
}

/// `POST /v0/origins`: which imported documents are already here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginsRequest {
    /// The space.
    pub space: String,
    /// Pairs of system and id; at most 1,000.
    pub origins: Vec<(String, String)>,
}

/// Answer: for each pair the document, if present.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginsAnswer {
    /// Document ids in the order asked.
    pub documents: Vec<Option<String>>,
}

/// One line of `GET /v0/export?space=…`: a document with its view and history, equal on all nodes
/// with equal sets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportLine {
    /// The document's id.
    pub id: String,
    /// Its community.
    pub community: String,
    /// Its space, by name.
    pub space: String,
    /// Its kind.
    pub kind: String,
    /// Who created it: device, root key and party, not the name.
    pub author: String,
    /// The party that vouches, by id.
    pub party: Option<String>,
    /// Claimed time of creation.
    pub created_ms: u64,
    /// Its heads.
    pub heads: Vec<String>,
    /// Its fields by name.
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// Contributions in effect: id and author, in an order all nodes share.
    pub contributions: Vec<(String, String)>,
    /// Contributions whose words were erased.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub erased: Vec<String>,
    /// Contributions whose words are not kept here: what stands in their place are fillers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_kept: Vec<String>,
}

/// An entry that this node keeps and that is not in effect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldItem {
    /// The entry.
    pub id: String,
    /// Its community.
    pub community: String,
    /// Its space.
    pub space: String,
    /// The document it belongs to.
    pub document: String,
    /// `create`, `edit` or `erasure`.
    pub what: String,
    /// Its author.
    pub author: Author,
    /// Its number in the author's chain.
    pub seq: u64,
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
    /// Why it is not in effect.
    pub reason: String,
}

/// A query for `GET /v0/quarantine`; every part narrows the list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct QuarantineQuery {
    /// Only this community.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub community: Option<String>,
    /// Only this space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub space: Option<String>,
    /// Most items, 1 to 500; default 50.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// Where to go on: `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `GET /v0/quarantine`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// By space and author, along each chain.
    pub items: Vec<HeldItem>,
    /// Where the next page goes on; none after the last.
    pub next: Option<String>,
    /// How many entries are held, all pages together, whatever was asked for.
    pub held: u64,
    /// How often documents were evaluated anew since the node opened.
    pub rebuilds: Rebuilds,
}

/// How often documents were evaluated anew because authority or cuts changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilds {
    /// Changes that touched documents.
    pub changes: u64,
    /// Documents evaluated, all changes together.
    pub documents: u64,
    /// Documents evaluated by the last such change.
    pub last_documents: u64,
}
