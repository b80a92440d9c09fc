//! Parties: their first state, the states that follow, and a genesis that several of them sign.

use super::{
    Chain, ComposeError,
    codes::{Code, CodeError},
    founding::link_device,
};
use crate::identity::Slot;
use comity_protocol::{
    authority::parties::Capacity,
    certificate::{
        self, Certificate, CertificateBody, Cuts, DecisionRule, Genesis, Group, PARTIES_MAX,
        PartyState, Promise, Space, check_approval, sign_body,
    },
    codec::{Reader, Writer},
    entry::Record,
    id::{CommunityId, EntryId, PartyId},
    key::{PublicKey, SecretKey, Signature},
    limits::PAYLOAD_MAX_BYTES,
    record::{Admission, RecordBody, Role, Roles},
};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The first state of a new party with one delegate, signed.
///
/// # Errors
/// If the name is missing or too long.
pub fn create(
    name: &str,
    nonce: [u8; 16],
    root: &SecretKey,
    node: PublicKey,
) -> Result<Certificate, ComposeError> {
    let state = PartyState::founding(name.to_owned(), nonce, root.public(), vec![node]);
    state.check()?;
    let certificate = Certificate::sign(CertificateBody::Party(state), &[root]);
    // The reader's checks are the writer's checks, as for names that are too long.
    Certificate::decode(&certificate.encode())?;
    Ok(certificate)
}

/// The code of a party that others add.
pub fn code(first: &Certificate) -> String {
    Code::Party.text(&first.encode())
}

/// A party as its code says it.
#[derive(Debug, Clone)]
pub struct FirstState {
    /// The party.
    pub party: PartyId,
    /// What it says.
    pub state: PartyState,
    /// Signed by its delegates, which was checked.
    pub certificate: Certificate,
}

/// Reads the code of a party and checks its signatures.
///
/// # Errors
/// [`CodeError`] if it is no such code.
pub fn read_code(text: &str) -> Result<FirstState, CodeError> {
    first_state(&Code::Party.content(text)?)
}

fn first_state(bytes: &[u8]) -> Result<FirstState, CodeError> {
    let certificate = Certificate::decode(bytes).map_err(content)?;
    certificate.check().map_err(content)?;
    match certificate.body() {
        CertificateBody::Party(state) if state.parent.is_none() => Ok(FirstState {
            party: certificate::party_id(state),
            state: state.clone(),
            certificate,
        }),
        _ => Err(CodeError::Content(
            "it is not the first state of a party".to_owned(),
        )),
    }
}

fn content(error: impl ToString) -> CodeError {
    CodeError::Content(error.to_string())
}

/// What a delegate changes in a party.
#[derive(Debug, Clone, Default)]
pub struct Edit {
    /// Keys added to lists.
    pub add: Vec<(Capacity, PublicKey)>,
    /// Keys taken out of lists.
    pub remove: Vec<(Capacity, PublicKey)>,
    /// Delegates a change needs; by default as before, moved to the nearest number that is possible.
    pub delegates_needed: Option<u64>,
    /// Delegates an admission needs; by default the same.
    pub admission_needed: Option<u64>,
    /// Members added to groups, which are made if they are not there.
    pub group_add: Vec<(String, Vec<PublicKey>)>,
    /// Members taken out of groups; none: the whole group.
    pub group_remove: Vec<(String, Vec<PublicKey>)>,
    /// A community that the party leaves.
    pub leave: Option<CommunityId>,
}

/// Why a party cannot be changed like that.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EditError {
    /// Nothing would change.
    #[error("the party is like that already")]
    Nothing,
    /// A key that is not in the list.
    #[error("{0} is not in the list")]
    NotListed(PublicKey),
    /// No such group.
    #[error("the party has no group {0:?}")]
    NoGroup(String),
    /// The last delegate.
    #[error("a party needs a delegate, and this is its last one")]
    LastDelegate,
    /// Broken numbers or names.
    #[error(transparent)]
    Rule(#[from] certificate::CertificateError),
}

/// The state that follows `before` in the chain of a party, without cuts.
///
/// # Errors
/// [`EditError`] says why there is none.
pub fn next_state(
    party: PartyId,
    (before_id, before): (EntryId, &PartyState),
    edit: &Edit,
    proposer: PublicKey,
    nonce: [u8; 16],
) -> Result<PartyState, EditError> {
    let mut state = before.clone();
    for (capacity, key) in &edit.add {
        let list = list_of(&mut state, *capacity);
        if let Err(place) = list.binary_search(key) {
            list.insert(place, *key);
        }
    }
    for (capacity, key) in &edit.remove {
        let list = list_of(&mut state, *capacity);
        let place = list.binary_search(key);
        list.remove(place.map_err(|_| EditError::NotListed(*key))?);
    }
    edit_groups(&mut state, edit)?;
    if let Some(community) = edit.leave
        && let Err(place) = state.left.binary_search(&community)
    {
        state.left.insert(place, community);
    }
    let delegates = state.delegates.len() as u64;
    if delegates == 0 {
        return Err(EditError::LastDelegate);
    }
    let least = delegates / 2 + 1;
    let kept = state.delegates_needed.clamp(least, delegates);
    state.delegates_needed = edit.delegates_needed.unwrap_or(kept);
    let kept = state.admission_needed.clamp(1, delegates);
    state.admission_needed = edit.admission_needed.unwrap_or(kept);
    if state == *before {
        return Err(EditError::Nothing);
    }
    state.parent = Some((party, before_id));
    state.height = before.height + 1;
    state.nonce = nonce;
    state.proposer = proposer;
    state.cuts = Cuts::default();
    state.check()?;
    Ok(state)
}

fn list_of(state: &mut PartyState, capacity: Capacity) -> &mut Vec<PublicKey> {
    match capacity {
        Capacity::Delegate => &mut state.delegates,
        Capacity::Steward => &mut state.stewards,
        Capacity::Moderator => &mut state.moderators,
        Capacity::Node => &mut state.nodes,
        Capacity::Bridge => &mut state.bridges,
        Capacity::Observer => &mut state.observers,
    }
}

fn edit_groups(state: &mut PartyState, edit: &Edit) -> Result<(), EditError> {
    let mut groups: BTreeMap<String, BTreeSet<PublicKey>> = state
        .groups
        .drain(..)
        .map(|it| (it.name, it.keys.into_iter().collect()))
        .collect();
    for (name, keys) in &edit.group_add {
        groups.entry(name.clone()).or_default().extend(keys);
    }
    for (name, keys) in &edit.group_remove {
        let none = || EditError::NoGroup(name.clone());
        if keys.is_empty() {
            groups.remove(name).ok_or_else(none)?;
            continue;
        }
        let group = groups.get_mut(name).ok_or_else(none)?;
        for key in keys {
            if !group.remove(key) {
                return Err(EditError::NotListed(*key));
            }
        }
    }
    let group = |(name, keys): (String, BTreeSet<PublicKey>)| Group {
        name,
        keys: keys.into_iter().collect(),
    };
    state.groups = groups.into_iter().map(group).collect();
    Ok(())
}

/// The keys that some list or group held before and the same one does not hold after.
pub fn dropped(before: &PartyState, after: &PartyState) -> BTreeSet<PublicKey> {
    let mut dropped = BTreeSet::new();
    for capacity in Capacity::ALL {
        let now = capacity.keys(after);
        let before = capacity.keys(before).iter();
        dropped.extend(before.filter(|it| now.binary_search(it).is_err()));
    }
    for group in &before.groups {
        let now = after.groups.iter().find(|it| it.name == group.name);
        let stays = |key: &&PublicKey| now.is_some_and(|it| it.keys.binary_search(key).is_ok());
        dropped.extend(group.keys.iter().filter(|key| !stays(key)));
    }
    dropped
}

/// A delegate's own admission as member and steward of the party, and the link of the device.
pub fn welcome_self(
    chain: &mut Chain<'_>,
    time_ms: u64,
    party: PartyId,
    root: &SecretKey,
    (device, slot): (&SecretKey, Slot),
) -> [Record; 2] {
    let admission = Admission {
        party,
        member: root.public(),
        roles: Roles::from([Role::Member, Role::Steward]),
    };
    let admitted = chain.record(time_ms, RecordBody::Admission(admission));
    [admitted, link_device(chain, time_ms, root, device, slot)]
}

/// What a community of several parties starts with.
#[derive(Debug, Clone)]
pub struct Start {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub purpose: String,
    /// Its spaces.
    pub spaces: Vec<Space>,
    /// The community that it continues, at a state of its charter.
    pub continues: Option<(CommunityId, EntryId)>,
    /// Promises, rules, labels and articles.
    pub terms: Terms,
    /// Random bytes.
    pub nonce: [u8; 16],
    /// Claimed time, milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// What a charter starts with beside its spaces.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// How many parties a change needs; none: just more than half.
    pub party_quorum: Option<u64>,
    /// Promises.
    pub promises: Vec<Promise>,
    /// Rules for decisions.
    pub rules: Vec<DecisionRule>,
    /// Labels with their meaning.
    pub labels: Vec<(String, String)>,
    /// Articles.
    pub articles: Vec<(String, String)>,
}

/// A genesis that its founders have yet to sign, with the first states of the parties.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The genesis.
    pub genesis: Genesis,
    /// The founding parties.
    pub parties: Vec<FirstState>,
}

impl Draft {
    /// A genesis by these parties; more than half of them will be needed for every change.
    ///
    /// # Errors
    /// If names are missing or doubled, or a party is named twice.
    pub fn new(start: Start, mut parties: Vec<FirstState>) -> Result<Self, ComposeError> {
        parties.sort_by_key(|it| it.party);
        parties.dedup_by_key(|it| it.party);
        let founders: BTreeSet<PublicKey> = parties
            .iter()
            .flat_map(|it| {
                let needed = it.state.delegates_needed as usize;
                it.state.delegates.iter().take(needed).copied()
            })
            .collect();
        let genesis = Genesis {
            nonce: start.nonce,
            name: start.name,
            purpose: start.purpose,
            parties: parties.iter().map(|it| it.party).collect(),
            founders: founders.into_iter().collect(),
            party_quorum: start
                .terms
                .party_quorum
                .unwrap_or(parties.len() as u64 / 2 + 1),
            spaces: start.spaces,
            promises: start.terms.promises,
            rules: start.terms.rules,
            labels: start.terms.labels,
            articles: start.terms.articles,
            continues: start.continues,
            time_ms: start.time_ms,
        };
        genesis.check()?;
        CertificateBody::decode(&CertificateBody::Genesis(genesis.clone()).encode())?;
        Ok(Self { genesis, parties })
    }

    /// The bytes that founders sign.
    pub fn body(&self) -> Vec<u8> {
        CertificateBody::Genesis(self.genesis.clone()).encode()
    }

    /// The community that it founds.
    pub fn community(&self) -> CommunityId {
        certificate::community_id(&self.genesis)
    }

    /// The code for the other founders.
    pub fn code(&self) -> String {
        let mut w = Writer::new();
        w.array(2).bytes(&self.body()).array(self.parties.len());
        for party in &self.parties {
            w.bytes(&party.certificate.encode());
        }
        Code::Draft.text(&w.finish())
    }

    /// Reads a code, and checks that genesis and parties fit each other.
    ///
    /// # Errors
    /// [`CodeError`] if it is no such code.
    pub fn read(text: &str) -> Result<Self, CodeError> {
        let bytes = Code::Draft.content(text)?;
        let mut r = Reader::new(&bytes);
        r.array_of(2).map_err(content)?;
        let body = r.bytes(PAYLOAD_MAX_BYTES).map_err(content)?.to_vec();
        let count = r.array(PARTIES_MAX).map_err(content)?;
        let mut parties = Vec::new();
        for _ in 0..count {
            parties.push(first_state(r.bytes(PAYLOAD_MAX_BYTES).map_err(content)?)?);
        }
        r.end().map_err(content)?;
        let CertificateBody::Genesis(genesis) = CertificateBody::decode(&body).map_err(content)?
        else {
            return Err(CodeError::Content("it is no genesis".to_owned()));
        };
        if !parties
            .iter()
            .map(|it| it.party)
            .eq(genesis.parties.iter().copied())
        {
            return Err(CodeError::Content(
                "its parties are not those it names".to_owned(),
            ));
        }
        Ok(Self { genesis, parties })
    }

    /// The party that a founder speaks for.
    pub fn party_of(&self, founder: &PublicKey) -> Option<&FirstState> {
        let mut parties = self.parties.iter();
        parties.find(|it| it.state.delegates.contains(founder))
    }

    /// A founder's signature, as a code.
    pub fn sign(&self, root: &SecretKey) -> String {
        let mut content = root.public().as_bytes().to_vec();
        content.extend(sign_body(root, &self.body()).as_bytes());
        Code::Signature.text(&content)
    }

    /// Reads a founder's signature and checks it under this draft.
    ///
    /// # Errors
    /// [`CodeError`] if it is no such code, or of another draft.
    pub fn read_signature(&self, text: &str) -> Result<(PublicKey, Signature), CodeError> {
        let bytes = Code::Signature.content(text)?;
        let (key, signature) = bytes.split_first_chunk().ok_or(CodeError::Damaged)?;
        let key = PublicKey::from_bytes(*key).map_err(content)?;
        let signature = <[u8; 64]>::try_from(signature).map_err(|_| CodeError::Damaged)?;
        let signature = Signature::from_bytes(signature);
        check_approval(&key, &self.body(), &signature)
            .map_err(|_| CodeError::Content("it does not sign this draft".to_owned()))?;
        Ok((key, signature))
    }

    /// Founders who are not among these signers.
    pub fn missing(&self, signed: &[(PublicKey, Signature)]) -> Vec<PublicKey> {
        let founders = self.genesis.founders.iter();
        founders
            .filter(|it| !signed.iter().any(|(key, _)| key == *it))
            .copied()
            .collect()
    }

    /// The genesis with the signatures of all founders.
    ///
    /// # Errors
    /// If one is missing, or somebody else signed.
    pub fn complete(
        &self,
        signatures: Vec<(PublicKey, Signature)>,
    ) -> Result<Certificate, ComposeError> {
        let certificate = Certificate::assemble(self.body(), signatures)?;
        certificate.check()?;
        Ok(certificate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::founding::{
        NO_GOVERNANCE, default_spaces,
        tests::{key, verified},
    };
    use comity_protocol::{authority::Authority, contribution::ChainLink, entry::Entry};

    fn party(name: &str, byte: u8) -> FirstState {
        let first = create(name, [byte; 16], &key(byte), key(byte + 100).public()).unwrap();
        read_code(&code(&first)).unwrap()
    }

    fn start() -> Start {
        Start {
            name: "Coffee".into(),
            purpose: String::new(),
            spaces: default_spaces(),
            continues: None,
            terms: Terms::default(),
            nonce: [7; 16],
            time_ms: 1,
        }
    }

    #[test]
    fn two_parties_found_a_community_once_both_signed() {
        let draft = Draft::new(start(), vec![party("Vendor", 1), party("Users", 2)]).unwrap();
        let draft = Draft::read(&draft.code()).unwrap();
        assert_eq!(draft.genesis.party_quorum, 2);
        let by = |byte| draft.read_signature(&draft.sign(&key(byte))).unwrap();
        assert_eq!(draft.missing(&[by(1)]), [key(2).public()]);
        assert!(draft.complete(vec![by(1)]).is_err());
        assert!(draft.complete(vec![by(1), by(2), by(3)]).is_err());
        let genesis = draft.complete(vec![by(2), by(1)]).unwrap();
        let mut entries: Vec<Entry> = draft
            .parties
            .iter()
            .map(|it| it.certificate.clone())
            .chain([genesis])
            .map(Entry::Certificate)
            .collect();
        let space = certificate::governance_space(draft.community());
        for (byte, device) in [(1, 11), (2, 12)] {
            let root = key(byte);
            let mut chain = Chain::new(&root, space, NO_GOVERNANCE, ChainLink::FIRST);
            let party = draft.party_of(&root.public()).unwrap().party;
            let own = (&key(device), Slot::FIRST);
            entries.extend(welcome_self(&mut chain, 1, party, &root, own).map(Entry::Record));
        }
        let authority = Authority::evaluate(draft.community(), &verified(&entries));
        assert_eq!(authority.parties().len(), 2);
        assert_eq!(authority.members().len(), 2);
    }

    #[test]
    fn a_signature_of_another_draft_is_refused() {
        let one = Draft::new(start(), vec![party("Vendor", 1)]).unwrap();
        let other = Draft::new(
            Start {
                nonce: [8; 16],
                ..start()
            },
            vec![party("Vendor", 1)],
        );
        let error = one
            .read_signature(&other.unwrap().sign(&key(1)))
            .unwrap_err();
        assert!(
            error.to_string().contains("does not sign this draft"),
            "{error}"
        );
    }

    #[test]
    fn a_state_follows_with_numbers_that_are_possible() {
        let first = party("Vendor", 1);
        let before = (first.certificate.id(), &first.state);
        let edit = Edit {
            add: vec![(Capacity::Delegate, key(2).public())],
            ..Edit::default()
        };
        let two = next_state(first.party, before, &edit, key(1).public(), [9; 16]).unwrap();
        assert_eq!(
            (two.delegates.len(), two.delegates_needed, two.height),
            (2, 2, 1)
        );
        assert!(dropped(&first.state, &two).is_empty());
        let again = (first.certificate.id(), &two);
        let nothing = next_state(first.party, again, &edit, key(1).public(), [9; 16]);
        assert_eq!(nothing, Err(EditError::Nothing));
        let edit = Edit {
            remove: vec![(Capacity::Delegate, key(1).public())],
            ..Edit::default()
        };
        let one = next_state(first.party, again, &edit, key(2).public(), [9; 16]).unwrap();
        assert_eq!((one.delegates_needed, one.delegates.len()), (1, 1));
        assert_eq!(dropped(&two, &one), BTreeSet::from([key(1).public()]));
        let last = next_state(first.party, before, &edit, key(1).public(), [9; 16]);
        assert_eq!(last, Err(EditError::LastDelegate));
        let greedy = Edit {
            delegates_needed: Some(3),
            ..Edit::default()
        };
        assert!(next_state(first.party, before, &greedy, key(1).public(), [9; 16]).is_err());
    }

    #[test]
    fn groups_come_and_go() {
        let first = party("Vendor", 1);
        let before = (first.certificate.id(), &first.state);
        let (a, b) = (key(3).public(), key(4).public());
        let edit = Edit {
            group_add: vec![("board".into(), vec![a, b])],
            ..Edit::default()
        };
        let state = next_state(first.party, before, &edit, key(1).public(), [9; 16]).unwrap();
        assert_eq!(state.groups[0].keys.len(), 2);
        let before = (first.certificate.id(), &state);
        let remove = |name: &str, keys: Vec<PublicKey>| {
            let edit = Edit {
                group_remove: vec![(name.into(), keys)],
                ..Edit::default()
            };
            next_state(first.party, before, &edit, key(1).public(), [9; 16])
        };
        let without_a = remove("board", vec![a]).unwrap();
        assert_eq!(without_a.groups[0].keys, [b]);
        assert_eq!(dropped(&state, &without_a), BTreeSet::from([a]));
        let without_group = remove("board", Vec::new()).unwrap();
        assert!(without_group.groups.is_empty());
        assert_eq!(dropped(&state, &without_group), BTreeSet::from([a, b]));
        assert_eq!(
            remove("bored", Vec::new()),
            Err(EditError::NoGroup("bored".into()))
        );
    }
}
