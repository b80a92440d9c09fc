//! Keeps order among peers: notes offences, keeps accounts, has the network shut out those who go too
//! far, and lets them in again when their time is over.
//!
//! What is decided stands in [`conduct`](super::conduct) and [`account`](super::account); this is where
//! it meets the clock and the network. Nothing of it is stored: a ban is short, peer ids cost nothing,
//! and a restart is the remedy for whoever is kept out by mistake.

use super::{
    account::{Account, Admittance},
    conduct::{Banned, Conduct, Offence, Standing},
    hub::Hub,
};
use crate::{
    ingest::{Outcome, Refusal},
    metrics::Count,
};
use comity_net::PeerId;
use comity_protocol::{
    entry::EntryError,
    id::{EntryId, SpaceId},
    sync::session::Misbehaviour,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::{sync::Notify, time::timeout};
use tracing::{info, warn};

/// Accounts that are kept, of peers that are connected and of those that were.
const ACCOUNTS_MAX: usize = 2_048;
/// How long the account of a peer that is gone is kept.
const ACCOUNT_KEPT: Duration = Duration::from_secs(60 * 60);
/// Between looks when nothing is due.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

#[derive(Default)]
struct State {
    conduct: Conduct,
    accounts: BTreeMap<PeerId, (Account, Instant)>,
    /// To be shut out as soon as the network takes the command.
    condemned: BTreeSet<PeerId>,
}

impl State {
    fn account(&mut self, peer: PeerId, now: Instant) -> &mut Account {
        if !self.accounts.contains_key(&peer) && self.accounts.len() >= ACCOUNTS_MAX {
            self.accounts.retain(|_, (account, used)| {
                now.saturating_duration_since(*used) < ACCOUNT_KEPT && !account.is_as_new(now)
            });
            if self.accounts.len() >= ACCOUNTS_MAX {
                let oldest = self.accounts.iter().min_by_key(|(_, (_, used))| *used);
                if let Some(oldest) = oldest.map(|(peer, _)| *peer) {
                    self.accounts.remove(&oldest);
                }
            }
        }
        let (account, used) = self
            .accounts
            .entry(peer)
            .or_insert_with(|| (Account::new(now), now));
        *used = now;
        account
    }
}

/// What was counted since the node started.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    offences: [Count; Offence::ALL.len()],
    pub(crate) bans: Count,
    /// Streams that were not answered.
    pub(crate) unanswered: Count,
    /// Pauses in which a peer was not read from.
    pub(crate) pauses: Count,
    /// Times somebody was not heard for gossiping too much.
    pub(crate) muted: Count,
}

impl Counted {
    /// Each offence with its count.
    pub(crate) fn offences(&self) -> Vec<(&'static str, u64)> {
        let names = Offence::ALL.iter().map(|it| it.name());
        names.zip(self.offences.iter().map(Count::get)).collect()
    }
}

/// See the [module documentation](self).
#[derive(Default)]
pub(crate) struct Warden {
    state: Mutex<State>,
    changed: Notify,
    pub(crate) counted: Counted,
}

/// A request that is being dealt with.
pub(crate) struct Talk<'a> {
    warden: &'a Warden,
    peer: PeerId,
}

impl Drop for Talk<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        self.warden.state().account(self.peer, now).answered();
    }
}

impl Warden {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes note of an offence.
    pub(crate) fn offended(&self, peer: PeerId, offence: Offence) {
        self.offended_times(peer, offence, 1);
    }

    fn offended_times(&self, peer: PeerId, offence: Offence, count: u32) {
        let known = Offence::ALL.iter().position(|it| *it == offence);
        if let Some(counted) = known.and_then(|at| self.counted.offences.get(at)) {
            counted.add(u64::from(count));
        }
        let mut state = self.state();
        let standing = state.conduct.note(peer, offence, count, Instant::now());
        let what = offence.words();
        match standing {
            Some(Standing::Banned) => {
                warn!(%peer, what, "a peer is kept out");
                self.counted.bans.add(1);
                state.condemned.insert(peer);
                drop(state);
                self.changed.notify_one();
            }
            Some(standing) => info!(%peer, what, ?standing, "a peer does what no honest one does"),
            None => {}
        }
    }

    /// Whether a stream that a peer opened is answered. Going on opening them is an offence.
    pub(crate) fn opens(&self, peer: PeerId, protocol: &str) -> bool {
        let now = Instant::now();
        let admittance = self.state().account(peer, now).opens(protocol, now);
        if admittance == Admittance::TooMany {
            self.offended(peer, Offence::Flood);
        }
        if admittance != Admittance::Yes {
            self.counted.unanswered.add(1);
        }
        admittance == Admittance::Yes
    }

    /// A request that was admitted, until it is dealt with.
    pub(crate) fn talk(&self, peer: PeerId) -> Talk<'_> {
        Talk { warden: self, peer }
    }

    /// Whether a gossip message of a peer is looked at.
    pub(crate) fn gossips(&self, peer: PeerId) -> bool {
        let now = Instant::now();
        let mut state = self.state();
        let account = state.account(peer, now);
        let before = account.muted_until(now).is_some();
        let heard = account.gossips(now);
        drop(state);
        if !heard && !before {
            info!(%peer, "a peer gossips too much and is not heard for a while");
            self.counted.muted.add(1);
            self.changed.notify_one();
        }
        heard && !before
    }

    /// Whether nothing of a peer's gossip is taken now.
    pub(crate) fn is_muted(&self, peer: &PeerId) -> bool {
        let now = Instant::now();
        let state = self.state();
        let account = state.accounts.get(peer);
        account.is_some_and(|(it, _)| it.muted_until(now).is_some())
    }

    /// Charges work that a peer caused.
    pub(crate) fn charge(&self, peer: PeerId, micros: i64) {
        if micros != 0 {
            let now = Instant::now();
            self.state().account(peer, now).charge(micros, now);
        }
    }

    /// Charges entries given to a peer, of a space that holds so many.
    pub(crate) fn gave(&self, peer: PeerId, space: SpaceId, given: (u64, u64), held: u64) {
        let now = Instant::now();
        self.state()
            .account(peer, now)
            .gave(space, given, held, now);
    }

    /// How long a peer is not read from.
    pub(crate) fn pause(&self, peer: PeerId) -> Option<Duration> {
        let now = Instant::now();
        let mut state = self.state();
        let throttled = state.conduct.standing(&peer, now) >= Standing::Throttled;
        let pause = state.account(peer, now).pause(now, throttled);
        drop(state);
        if pause.is_some() {
            self.counted.pauses.add(1);
        }
        pause
    }

    /// Judges a peer by what became of the entries it gave.
    pub(crate) fn gave_entries(&self, peer: PeerId, outcomes: &[(Option<EntryId>, Outcome)]) {
        let of_use = outcomes
            .iter()
            .filter(|(_, it)| *it == Outcome::Saved)
            .count();
        let now = Instant::now();
        self.state()
            .account(peer, now)
            .brought(outcomes.len(), of_use, now);
        let forged = outcomes.iter().filter(|(_, it)| match it {
            Outcome::Refused(refusal) => is_forged(refusal),
            _ => false,
        });
        let forged = u32::try_from(forged.count()).unwrap_or(u32::MAX);
        if forged > 0 {
            self.offended_times(peer, Offence::Forged, forged);
        }
    }

    /// A sync session ended because the peer did this.
    pub(crate) fn misbehaved(&self, peer: PeerId, how: Misbehaviour) {
        if let Some(offence) = offence_of(how) {
            self.offended(peer, offence);
        }
    }

    /// Who is kept out now.
    pub(crate) fn banned(&self) -> Vec<Banned> {
        self.state().conduct.banned(Instant::now())
    }

    /// What is to be said about those who are kept out.
    pub(crate) fn tell(&self) -> Option<String> {
        let banned = self.banned();
        let first = banned.first()?;
        Some(format!(
            "{} peers are kept out for what they did, {} among them: it {}. `comity node doctor` lists them",
            banned.len(),
            first.peer,
            first.offence.words()
        ))
    }
}

/// Of what is refused, only what cannot come from software of another version is an offence; what
/// contradicts what it builds on may be somebody else's, carried along in good faith.
fn is_forged(refusal: &Refusal) -> bool {
    match refusal {
        Refusal::Verify(_) => true,
        Refusal::Entry(error) => matches!(
            error,
            EntryError::ShapeHash
                | EntryError::WordsHash
                | EntryError::BodyHash
                | EntryError::WordsMissing
        ),
        Refusal::Link(_) | Refusal::UnknownCommunity | Refusal::ForeignSpace => false,
    }
}

/// Lines that break make peers silent and slow; entries that are none here may be those of a newer
/// version; and sets that stay apart make rounds fruitless whoever is to blame.
fn offence_of(how: Misbehaviour) -> Option<Offence> {
    match how {
        Misbehaviour::Unasked
        | Misbehaviour::OverCredit
        | Misbehaviour::TooMuchCredit
        | Misbehaviour::WrongTurn
        | Misbehaviour::WrongRole
        | Misbehaviour::TooManyGrants => Some(Offence::BrokenRule),
        Misbehaviour::NotAnEntry
        | Misbehaviour::DoesNotRead
        | Misbehaviour::Fruitless
        | Misbehaviour::Silent => None,
    }
}

/// Has the network shut out and let in again, until the node stops.
pub(super) async fn keep_order(hub: Arc<Hub>) {
    let warden = hub.shared.warden.clone();
    loop {
        let now = Instant::now();
        let (condemned, ended, due) = {
            let mut state = warden.state();
            let ended = state.conduct.ended(now);
            let condemned = std::mem::take(&mut state.condemned);
            let unmuted = state
                .accounts
                .values()
                .filter_map(|(it, _)| it.muted_until(now));
            let due = unmuted.chain(state.conduct.next_end()).min();
            (condemned, ended, due)
        };
        for peer in condemned {
            if hub.network.block(peer).await.is_err() {
                return;
            }
        }
        for peer in ended {
            info!(%peer, "a peer may come back");
            if hub.network.unblock(peer).await.is_err() {
                return;
            }
            if hub.is_bootstrap(&peer) {
                hub.call(peer).await;
            }
        }
        // Who is heard in gossip may have changed.
        hub.changed();
        let wait = due.map_or(LOOK_AGAIN, |due| {
            due.saturating_duration_since(Instant::now())
                .min(LOOK_AGAIN)
        });
        // Either way it is time to look.
        let _ = timeout(wait, warden.changed.notified()).await;
    }
}
