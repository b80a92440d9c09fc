//! What a node remembers beside its record: communities it takes part in, where peers were last
//! reached, grants its people gave it, joins under way. Small, rewritten whole and atomically.

use crate::{
    home::{Home, HomeError, write_atomically},
    store::{IndexEngine, UnknownEngine},
};
use comity_protocol::id::CommunityId;
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    sync::{Mutex, MutexGuard, PoisonError},
};

const VERSION: u32 = 1;
/// Most forks that may lie between a community taken part in and the history that is read along.
const FORKS_MAX: usize = 16;

/// Everything in `state.json`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Format of the file.
    pub version: u32,
    /// Communities by id.
    pub communities: BTreeMap<String, CommunityState>,
    /// Peers by peer id.
    pub peers: BTreeMap<String, PeerState>,
    /// Joins under way and answered, by community and member.
    pub joins: Vec<JoinRecord>,
    /// What keeps the index, by name; none: the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index_engine: Option<String>,
}

/// What is remembered of one community.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommunityState {
    /// Grants of members who read through this node: device key → encoded grant, hexadecimal.
    pub grants: BTreeMap<String, String>,
    /// Whether nobody here takes part in it, any more or ever: it is kept as it is, and exchanged
    /// only while a community that this node follows continues it.
    #[serde(default)]
    pub left: bool,
    /// Communities known here whose genesis continues this one.
    #[serde(default)]
    pub continued_by: BTreeSet<String>,
}

impl State {
    /// Whether people here take part in a community: whoever left it keeps the copy.
    pub fn takes_part(&self, community: &CommunityId) -> bool {
        self.has_joined(&community.to_string())
    }

    /// Whether the node exchanges a community with others: because people here take part in it, or
    /// in one that goes on with its history.
    pub fn follows(&self, community: &CommunityId) -> bool {
        self.forks_up_to(&community.to_string()).is_some()
    }

    /// The communities followed here whose genesis continues this one.
    pub fn continued_by(&self, community: &CommunityId) -> Vec<String> {
        let known = self.communities.get(&community.to_string());
        let forks = known.into_iter().flat_map(|it| &it.continued_by);
        let followed = forks.filter(|it| self.forks_up_to(it).is_some());
        followed.cloned().collect()
    }

    /// Takes note of which community continues which; gives back those to be read along from now
    /// on. A chain of forks is followed for [`FORKS_MAX`] steps: it may be made to be long.
    pub fn continue_history(
        &mut self,
        continuing: &[(CommunityId, CommunityId)],
    ) -> Vec<CommunityId> {
        let mut new = Vec::new();
        for (fork, old) in continuing {
            let (name, fork) = (old.to_string(), fork.to_string());
            if !self.communities.contains_key(&name) {
                let known = self.communities.contains_key(&fork);
                let forks = known.then(|| self.forks_up_to(&fork)).flatten();
                if forks.is_none_or(|it| it >= FORKS_MAX) {
                    continue;
                }
                let unjoined = CommunityState {
                    left: true,
                    ..CommunityState::default()
                };
                self.communities.insert(name.clone(), unjoined);
                new.push(*old);
            }
            if let Some(known) = self.communities.get_mut(&name) {
                known.continued_by.insert(fork);
            }
        }
        new
    }

    fn has_joined(&self, community: &str) -> bool {
        !self.communities.get(community).is_some_and(|it| it.left)
    }

    /// How many forks lie between a community and the nearest one that people here take part in;
    /// none if there is no such.
    fn forks_up_to(&self, community: &str) -> Option<usize> {
        let mut step = BTreeSet::from([community]);
        let mut seen = step.clone();
        for forks in 0..=FORKS_MAX {
            if step.iter().any(|it| self.has_joined(it)) {
                return Some(forks);
            }
            let known = step.iter().filter_map(|it| self.communities.get(*it));
            let next = known.flat_map(|it| &it.continued_by).map(String::as_str);
            step = next.filter(|it| seen.insert(it)).collect();
        }
        None
    }
}

/// What is remembered of one peer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerState {
    /// Addresses at which it was reached, newest first, at most eight.
    pub addresses: Vec<String>,
}

/// A join under way or answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRecord {
    /// The community's id.
    pub community: String,
    /// The person's root key.
    pub member: String,
    /// The inviting node's peer id.
    pub peer: String,
    /// The encoded request, hexadecimal.
    pub request: String,
    /// `queued`, `welcome` or `refused`.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Attempts so far.
    pub attempts: u32,
}

/// The state and the file it lives in.
#[derive(Debug)]
pub struct StateFile {
    home: Home,
    state: Mutex<State>,
}

impl StateFile {
    /// Reads the state, or starts an empty one.
    ///
    /// # Errors
    /// If the file cannot be read or is not understood.
    pub fn open(home: &Home) -> Result<Self, HomeError> {
        let path = home.state();
        let state = match fs::read(&path) {
            Ok(bytes) => {
                let state: State =
                    serde_json::from_slice(&bytes).map_err(|error| HomeError::BadState {
                        path: path.clone(),
                        why: error.to_string(),
                    })?;
                if state.version > VERSION {
                    let why = format!("it was written by a newer comity ({})", state.version);
                    return Err(HomeError::BadState { path, why });
                }
                state
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => State {
                version: VERSION,
                ..State::default()
            },
            Err(source) => return Err(HomeError::Unreadable { path, source }),
        };
        Ok(Self {
            home: home.clone(),
            state: Mutex::new(state),
        })
    }

    /// What is to keep the index.
    ///
    /// # Errors
    /// [`HomeError::BadState`] if the file names an engine that this version does not know.
    pub fn index_engine(&self) -> Result<IndexEngine, HomeError> {
        match &self.read().index_engine {
            None => Ok(IndexEngine::default()),
            Some(name) => name
                .parse()
                .map_err(|error: UnknownEngine| HomeError::BadState {
                    path: self.home.state(),
                    why: format!("index_engine: {error}"),
                }),
        }
    }

    /// The state as it is now.
    pub fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and makes the change durable before it returns.
    ///
    /// # Errors
    /// [`HomeError::NotWritable`]; the state in memory then stays as it was.
    pub fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> Result<T, HomeError> {
        let mut guard = self.read();
        let mut next = guard.clone();
        let result = change(&mut next);
        if next != *guard {
            let path = self.home.state();
            let bytes = serde_json::to_vec_pretty(&next).map_err(|error| HomeError::BadState {
                path: path.clone(),
                why: error.to_string(),
            })?;
            write_atomically(&path, &bytes)
                .map_err(|source| HomeError::NotWritable { path, source })?;
            *guard = next;
        }
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> CommunityId {
        CommunityId::from_bytes([number; 32])
    }

    fn joined(number: u8) -> State {
        let mut state = State::default();
        state.communities.entry(id(number).to_string()).or_default();
        state
    }

    fn set_left(state: &mut State, number: u8, left: bool) {
        let known = state.communities.get_mut(&id(number).to_string());
        known.unwrap().left = left;
    }

    #[test]
    fn the_history_of_a_fork_is_followed_as_long_as_the_fork_is() {
        let mut state = joined(2);
        assert_eq!(state.continue_history(&[(id(2), id(1))]), [id(1)]);
        assert!(state.continue_history(&[(id(2), id(1))]).is_empty());
        assert!(state.follows(&id(1)) && !state.takes_part(&id(1)));
        assert_eq!(state.continued_by(&id(1)), [id(2).to_string()]);
        set_left(&mut state, 2, true);
        assert!(!state.follows(&id(1)) && !state.follows(&id(2)));
        assert!(state.continued_by(&id(1)).is_empty());
        set_left(&mut state, 2, false);
        assert!(state.follows(&id(1)));
    }

    #[test]
    fn who_leaves_the_old_one_alone_goes_on_to_follow_it() {
        let mut state = joined(1);
        state.communities.entry(id(2).to_string()).or_default();
        assert!(state.continue_history(&[(id(2), id(1))]).is_empty());
        assert!(state.takes_part(&id(1)));
        set_left(&mut state, 1, true);
        assert!(state.follows(&id(1)) && !state.takes_part(&id(1)));
        // Who is a member of the old one still needs no fork for it.
        set_left(&mut state, 1, false);
        set_left(&mut state, 2, true);
        assert!(state.follows(&id(1)));
    }

    #[test]
    fn a_fork_that_was_left_brings_nothing_new() {
        let mut state = joined(2);
        set_left(&mut state, 2, true);
        assert!(state.continue_history(&[(id(2), id(1))]).is_empty());
        assert!(!state.communities.contains_key(&id(1).to_string()));
    }

    #[test]
    fn a_chain_of_forks_is_followed_for_so_many_steps_and_no_further() {
        let mut state = joined(0);
        for number in 1..=20 {
            state.continue_history(&[(id(number - 1), id(number))]);
        }
        assert_eq!(state.communities.len(), FORKS_MAX + 1);
        assert!(state.follows(&id(16)));
        // Nor round in circles, whatever the file says.
        let last = state.communities.get_mut(&id(0).to_string()).unwrap();
        last.left = true;
        last.continued_by.insert(id(16).to_string());
        assert!(!state.follows(&id(3)));
    }
}
