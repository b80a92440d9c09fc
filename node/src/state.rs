//! What a node remembers beside its record: communities it takes part in, where peers were last
//! reached, grants its people gave it, joins under way. Small, rewritten whole and atomically.

use crate::home::{Home, HomeError, write_atomically};
use comity_protocol::id::CommunityId;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    sync::{Mutex, MutexGuard, PoisonError},
};

const VERSION: u32 = 1;

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
}

/// What is remembered of one community.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommunityState {
    /// Grants of members who read through this node: device key → encoded grant, hexadecimal.
    pub grants: BTreeMap<String, String>,
    /// Whether it is kept as it is, and no longer exchanged with anybody.
    #[serde(default)]
    pub left: bool,
}

impl State {
    /// Whether the node exchanges a community with others: whoever left it keeps the copy.
    pub fn follows(&self, community: &CommunityId) -> bool {
        let known = self.communities.get(&community.to_string());
        !known.is_some_and(|it| it.left)
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
