//! The sync stream of one peer: the pure machine of `comity_protocol::sync` with its hands and ears.
//!
//! One task owns the machine. A reader task decodes frames ahead of it, a writer task sends what it
//! says; both through small channels, so a slow peer slows its own session and nothing else. Store
//! reads and the ingest path run on blocking threads, one at a time and in order.
//!
//! What the peer may read is looked up before the machine handles anything and again before each
//! frame is written (I9). What it lost the right to ends as what never was: refused, with the frames
//! that still waited taken back.

mod frames;
mod kept;
mod late;
mod replica;
mod rights;

use super::{
    bringing::Bringing,
    doubts::ClockDoubts,
    gate::{Gate, Readable},
    gossip,
    hello::Greeting,
    warden::Warden,
};
use crate::{
    ingest::{Inserted, Outcome},
    ledger::Ledger,
    node::Inner,
    pending::Source,
    random,
};
use comity_net::{FrameReader, FrameWriter, PeerId, PeerStream};
use comity_protocol::{
    access::{Agreement, ShownGrant},
    certificate::governance_space,
    id::{CommunityId, EntryId, SpaceId},
    sync::{
        Context, Effect, InFlight, Message, PeerNumber, Role, Session, message::FRAME_MAX_BYTES,
        session::Input,
    },
};
use late::Late;
pub use replica::LedgerReplica;
use rights::LookedAt;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    io::{ReadHalf, WriteHalf},
    sync::{broadcast, mpsc, oneshot, watch},
    task::{JoinHandle, JoinSet},
    time::{MissedTickBehavior, interval},
};
use tracing::{debug, warn};

/// The protocol's name.
pub(crate) const PROTOCOL: &str = "/comity/sync/1";
const FRAMES_AHEAD: usize = 8;

/// What all sessions of a node share.
pub(crate) struct Shared {
    pub(crate) inner: Arc<Inner>,
    pub(crate) in_flight: Mutex<InFlight>,
    pub(crate) since: Instant,
    /// Whether news may come by gossip, too.
    pub(crate) gossip: bool,
    /// Counts changes of the grants that this node may show.
    pub(crate) own_grants: watch::Sender<u64>,
    pub(crate) doubts: ClockDoubts,
    pub(crate) warden: Arc<Warden>,
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Asked of a session: take in what is new, then say whether all is equal.
pub(crate) type Nudge = oneshot::Sender<bool>;

/// A session as the rest of the node sees it.
pub(crate) struct Running {
    pub(crate) nudges: mpsc::Sender<Nudge>,
    pub(crate) in_sync: watch::Receiver<bool>,
    /// What the peer may read.
    pub(crate) gate: Arc<Gate>,
    pub(crate) task: JoinHandle<()>,
}

/// Starts the session of a peer over a fresh stream.
pub(crate) fn start(
    shared: Arc<Shared>,
    peer: PeerId,
    number: u64,
    role: Role,
    stream: PeerStream,
    greeting: watch::Receiver<Greeting>,
) -> Option<Running> {
    let node = super::address::node_of(&peer)?;
    let (nudges, nudged) = mpsc::channel(8);
    let (in_sync_sender, in_sync) = watch::channel(false);
    let gate = Arc::new(Gate::new(node));
    let of_peer = gate.clone();
    let task = tokio::spawn(async move {
        let announcements = shared.inner.ingest.announcements();
        let number = PeerNumber(number);
        let driver = Driver {
            peer,
            gate: of_peer,
            decisions: shared.inner.archive.kept().decisions(),
            machine: Session::new(role, number, random::bytes()),
            own_grants: shared.own_grants.subscribe(),
            shared: shared.clone(),
            greeting,
            shown: BTreeMap::new(),
            looked_at: None,
            bringing: Bringing::new(shared.inner.tasks.clone()),
            open: BTreeSet::new(),
            synced_governance: BTreeSet::new(),
            to_ingest: VecDeque::new(),
            ingesting: None,
            loading: None,
            late: Late::default(),
            in_sync: in_sync_sender,
        };
        let ended = driver.run(stream, announcements, nudged).await;
        debug!(%peer, %ended, "sync session ended");
    });
    Some(Running {
        nudges,
        in_sync,
        gate,
        task,
    })
}

/// Entries on their way into the store.
struct Intake {
    /// Where it is not that of the space.
    community: Option<CommunityId>,
    space: SpaceId,
    entries: Vec<Vec<u8>>,
    arrived: Instant,
}

type Loading = JoinHandle<(SpaceId, Vec<Option<Vec<u8>>>)>;
type Ingesting = JoinHandle<Option<(SpaceId, usize, u64)>>;

struct Driver {
    shared: Arc<Shared>,
    peer: PeerId,
    gate: Arc<Gate>,
    machine: Session,
    greeting: watch::Receiver<Greeting>,
    own_grants: watch::Receiver<u64>,
    /// Told when something else is to be kept of a space.
    decisions: watch::Receiver<u64>,
    /// Grants shown to the peer.
    shown: BTreeMap<CommunityId, Vec<ShownGrant>>,
    /// Kept beside the answer it was compared by, so that its address stays its own.
    looked_at: Option<(LookedAt, Readable)>,
    bringing: Bringing,
    open: BTreeSet<SpaceId>,
    synced_governance: BTreeSet<SpaceId>,
    to_ingest: VecDeque<Intake>,
    ingesting: Option<Ingesting>,
    loading: Option<Loading>,
    late: Late,
    in_sync: watch::Sender<bool>,
}

/// However a session ends, aborted in favour of a newer one included, others may fetch what it
/// was fetching.
impl Drop for Driver {
    fn drop(&mut self) {
        self.shared
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .release_peer(self.machine.peer());
        self.shared.doubts.note(self.machine.peer(), None);
    }
}

impl Driver {
    async fn run(
        mut self,
        stream: PeerStream,
        mut announcements: broadcast::Receiver<Arc<Inserted>>,
        mut nudged: mpsc::Receiver<Nudge>,
    ) -> String {
        let (reader, writer) = stream.into_frames(FRAME_MAX_BYTES);
        let (frames, mut received) = mpsc::channel(FRAMES_AHEAD);
        let (outgoing, to_write) = mpsc::channel::<Message>(FRAMES_AHEAD);
        let mut halves = JoinSet::new();
        halves.spawn(self.reading(reader, frames));
        let mut writing = self.write_frames(&mut halves, writer, to_write);
        self.greet();
        let mut ticks = interval(Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping = self.shared.inner.stopping.subscribe();
        let ended = loop {
            self.follow_rights();
            let waits_for_writer = match self.perform(&outgoing) {
                Ok(waits) => waits,
                Err(ended) => break ended,
            };
            self.tell_whether_in_sync();
            if self.machine.is_over() {
                break "the conversation is over".to_owned();
            }
            tokio::select! {
                biased;
                () = Inner::stopped(&mut stopping) => break "this node stops".to_owned(),
                written = &mut writing => break ending(written),
                permit = outgoing.reserve(), if waits_for_writer => {
                    if permit.is_err() {
                        break "the peer is gone".to_owned();
                    }
                }
                done = finished(&mut self.loading) => self.loaded(done),
                done = finished(&mut self.ingesting) => {
                    self.ingesting = None;
                    match done {
                        Some(Some((space, entries, bytes))) => self.ingested(space, entries, bytes),
                        _ => break "this node cannot write".to_owned(),
                    }
                }
                news = announcements.recv() => self.hear(news),
                message = received.recv(), if self.machine.ready_for_message() => {
                    match message {
                        Some(Ok(message)) => self.received(message),
                        Some(Err(why)) => break why,
                        None => break "the peer closed the stream".to_owned(),
                    }
                }
                changed = self.greeting.changed() => {
                    if changed.is_err() {
                        break "the peer is gone".to_owned();
                    }
                    self.greet();
                }
                // The sender lives as long as this node; what changed is seen by `follow_rights`.
                Ok(()) = self.own_grants.changed() => {}
                Ok(()) = self.decisions.changed() => {}
                Some(answer) = nudged.recv() => {
                    while let Ok(news) = announcements.try_recv() {
                        self.hear(Ok(news));
                    }
                    self.nudged(answer);
                }
                () = self.late.due() => self.hear_late(Instant::now()),
                _ = ticks.tick() => self.input(Input::Tick),
            }
        };
        self.in_sync.send_replace(false);
        drop(outgoing);
        // Lets a last word, such as why we leave, get out, unless it was the writer that ended.
        if !writing.is_terminated() {
            let _ = tokio::time::timeout(Duration::from_secs(2), &mut writing).await;
        }
        ended
    }

    /// Reads until the stream ends.
    fn reading(
        &self,
        reader: FrameReader<ReadHalf<PeerStream>>,
        frames: mpsc::Sender<Result<Message, String>>,
    ) -> impl Future<Output = ()> + Send + use<> {
        frames::read_frames(reader, frames, self.shared.clone(), self.peer)
    }

    /// Starts to write what the machine says; tells how that ended.
    fn write_frames(
        &self,
        halves: &mut JoinSet<()>,
        writer: FrameWriter<WriteHalf<PeerStream>>,
        to_write: mpsc::Receiver<Message>,
    ) -> oneshot::Receiver<Result<(), String>> {
        let (wrote, writing) = oneshot::channel();
        let (shared, gate, peer) = (self.shared.clone(), self.gate.clone(), self.peer);
        halves.spawn(async move {
            // A session that is gone does not wait to hear how writing ended.
            let _ =
                wrote.send(frames::write_frames(writer, to_write, &shared, (&gate, peer)).await);
        });
        writing
    }

    /// Takes note of what the last hello told.
    fn greet(&mut self) {
        let greeting = self.greeting.borrow_and_update().clone();
        for (community, agreement) in &greeting.communities {
            if *agreement == Agreement::Equal {
                // The digests of hello stand for a comparison.
                self.synced_governance.insert(governance_space(*community));
            }
        }
        self.gate.share(greeting.communities.into_keys().collect());
    }

    /// Has the machine handle an input under the rights of this moment: the ledger stays as it is
    /// while it does.
    fn input(&mut self, input: Input) {
        self.with_rights(Some(input));
    }

    /// Opens what the peer may read now and closes what it may no longer (I9).
    fn follow_rights(&mut self) {
        self.with_rights(None);
    }

    fn with_rights(&mut self, input: Option<Input>) {
        let shared = self.shared.clone();
        let ledger = shared.inner.ingest.ledger();
        let inputs = self.changes_of_rights(&ledger);
        let mut in_flight = shared
            .in_flight
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut context = Context {
            replica: &LedgerReplica(&ledger),
            in_flight: &mut in_flight,
            now_ms: shared.now_ms(),
        };
        for input in inputs.into_iter().chain(input) {
            self.machine.handle(input, &mut context);
        }
    }

    fn received(&mut self, message: Message) {
        self.bringing.heard(&message, &self.open);
        let shared = self.shared.clone();
        // Whose gossip is not heard brings nothing by it.
        let hears = shared.gossip && !shared.warden.is_muted(&self.peer);
        let is_gossiped = |space: &SpaceId| hears && gossip::brings(&shared.inner, space);
        if let Some(message) = self.late.put_off(message, is_gossiped, Instant::now()) {
            self.input(Input::Received(message));
        }
    }

    fn loaded(&mut self, done: Option<(SpaceId, Vec<Option<Vec<u8>>>)>) {
        self.loading = None;
        if let Some((space, entries)) = done {
            self.input(Input::Loaded { space, entries });
        }
    }

    /// Nothing is put off any longer; then tells whether all is equal.
    fn nudged(&mut self, answer: Nudge) {
        self.late.all_due();
        self.hear_late(Instant::now());
        self.input(Input::Asked);
        // Nobody waits any more is no error.
        let _ = answer.send(self.is_in_sync());
    }

    /// Has the machine hear what gossip had its time to bring.
    fn hear_late(&mut self, now: Instant) {
        while let Some(message) = self.late.next(now) {
            self.input(Input::Received(message));
        }
    }

    fn ingested(&mut self, space: SpaceId, entries: usize, bytes: u64) {
        let held = {
            let ledger = self.shared.inner.ingest.ledger();
            ledger.spaces().get(&space).map_or(0, |it| it.trie.len())
        };
        self.bringing.brought(space, entries, held);
        self.input(Input::Ingested {
            space,
            entries,
            bytes,
        });
    }

    fn hear(&mut self, news: Result<Arc<Inserted>, broadcast::error::RecvError>) {
        match news {
            Ok(inserted) => {
                let keys = inserted.entries.iter().map(|(key, _)| *key).collect();
                self.input(Input::Inserted {
                    space: inserted.space,
                    keys,
                });
            }
            // Roots are compared again by themselves; news are a hint.
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                debug!(peer = %self.peer, missed, "announcements passed a slow session by");
                self.input(Input::Tick);
            }
            Err(broadcast::error::RecvError::Closed) => {}
        }
    }

    /// Performs effects in order; true if the next one waits for the writer.
    fn perform(&mut self, outgoing: &mpsc::Sender<Message>) -> Result<bool, String> {
        let mut opened_more = false;
        loop {
            let Ok(permit) = outgoing.try_reserve() else {
                return match outgoing.is_closed() {
                    true => Err("the peer is gone".to_owned()),
                    false => Ok(true),
                };
            };
            let Some(effect) = self.machine.next_effect() else {
                break;
            };
            match effect {
                Effect::Send(message) => permit.send(message),
                Effect::Load {
                    space,
                    ids,
                    max_bytes,
                } => self.load(space, ids, max_bytes),
                Effect::Ingest { space, entries } => self.to_ingest.push_back(Intake {
                    community: None,
                    space,
                    entries,
                    arrived: Instant::now(),
                }),
                Effect::Learn {
                    community,
                    space,
                    entry,
                } => self.to_ingest.push_back(Intake {
                    community: Some(community),
                    space,
                    entries: vec![entry],
                    arrived: Instant::now(),
                }),
                Effect::Granted { community, grants } => {
                    self.gate.take_grants(community, &grants);
                    let counts = self.gate.ended_of_shown(random::now_ms());
                    self.shared.doubts.note(self.machine.peer(), Some(counts));
                    opened_more = true;
                }
                Effect::InSync { space } => {
                    opened_more |= self.synced_governance.insert(space);
                }
                Effect::PeerMisbehaved(how) => {
                    warn!(peer = %self.peer, %how, "a peer misbehaved");
                    self.shared.warden.misbehaved(self.peer, how);
                }
                Effect::Closed(reason) => {
                    return Err(format!("the peer ended the conversation: {reason:?}"));
                }
            }
        }
        self.ingest_next();
        if opened_more {
            self.follow_rights();
        }
        // There is room in the outbox again; the machine may have more to say.
        self.input(Input::Writable);
        if self.machine.has_effects() {
            return self.perform(outgoing);
        }
        Ok(false)
    }

    fn load(&mut self, space: SpaceId, ids: Vec<EntryId>, max_bytes: usize) {
        let inner = self.shared.inner.clone();
        self.loading = Some(tokio::task::spawn_blocking(move || {
            let mut entries = Vec::new();
            let mut bytes = 0;
            for id in ids {
                let entry = match inner.archive.get(&id) {
                    Ok(entry) => entry.map(|entry| entry.encode()),
                    Err(error) => {
                        warn!(%id, %error, "an entry cannot be given to a peer");
                        None
                    }
                };
                let len = entry.as_ref().map_or(0, Vec::len);
                if !entries.is_empty() && bytes + len > max_bytes {
                    break;
                }
                bytes += len;
                entries.push(entry);
            }
            (space, entries)
        }));
    }

    fn ingest_next(&mut self) {
        if self.ingesting.is_some() {
            return;
        }
        let Some(intake) = self.to_ingest.pop_front() else {
            return;
        };
        let (space, entries, arrived) = (intake.space, intake.entries, intake.arrived);
        let inner = self.shared.inner.clone();
        let source = Source::Peer(self.peer.to_string());
        let community = {
            let ledger = inner.ingest.ledger();
            let known = ledger.spaces().get(&space);
            if let Some(known) = known {
                let held = known.trie.len();
                self.bringing.coming(space, held, || {
                    let authority = ledger.authority(&known.community);
                    let declared = authority.as_ref().and_then(|it| it.spaces().get(&space));
                    // The space of the community's records is declared nowhere.
                    declared.map_or("governance".to_owned(), |it| it.name.clone())
                });
            }
            intake.community.or(known.map(|it| it.community))
        };
        let (warden, peer) = (self.shared.warden.clone(), self.peer);
        self.ingesting = Some(tokio::task::spawn_blocking(move || {
            let bytes = entries.iter().map(|entry| entry.len() as u64).sum();
            let Some(community) = community else {
                return Some((space, entries.len(), bytes));
            };
            inner.ingest.metrics().stages.queued.note_since(arrived);
            match inner.ingest.take_in(community, &entries, &source) {
                Ok(outcomes) => {
                    warden.gave_entries(peer, &outcomes);
                    for (id, outcome) in outcomes {
                        if let Outcome::Refused(refusal) = outcome {
                            warn!(?source, ?id, %refusal, "a peer sent a broken entry");
                        }
                    }
                    Some((space, entries.len(), bytes))
                }
                Err(error) => {
                    warn!(%error, "entries of a peer could not be made durable");
                    None
                }
            }
        }));
    }

    /// Whether the peer holds all that this node holds of the spaces that it may read, and the other
    /// way round, as it last told.
    fn is_in_sync(&self) -> bool {
        if self.open.is_empty() || !self.to_ingest.is_empty() || self.ingesting.is_some() {
            return false;
        }
        let ledger = self.shared.inner.ingest.ledger();
        let machine = &self.machine;
        let mut open = self.open.iter();
        open.all(|space| is_equal(machine, &ledger, space) || machine.is_refused(space))
    }

    fn tell_whether_in_sync(&mut self) {
        {
            let ledger = self.shared.inner.ingest.ledger();
            let machine = &self.machine;
            let equal = |space: &SpaceId| is_equal(machine, &ledger, space);
            self.bringing.end_where(equal);
        }
        let now = self.is_in_sync();
        self.in_sync.send_if_modified(|before| {
            let changed = *before != now;
            *before = now;
            changed
        });
    }
}

fn is_equal(machine: &Session, ledger: &Ledger, space: &SpaceId) -> bool {
    let known = ledger.spaces().get(space);
    known.is_some_and(|it| machine.is_in_sync(space, it.trie.root()))
}

/// The result of a task, once it is done; never while there is none.
async fn finished<T>(task: &mut Option<JoinHandle<T>>) -> Option<T> {
    match task {
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}

fn ending(written: Result<Result<(), String>, oneshot::error::RecvError>) -> String {
    match written {
        Ok(Err(why)) => why,
        _ => "the writer ended".to_owned(),
    }
}
