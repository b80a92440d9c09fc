//! Words that a node lacks, asked for and given: what it keeps only in part, or got from somebody who
//! keeps it only in part.
//!
//! A peer is asked only about spaces that it may read, and answered only about those (I9). What is
//! answered is compared with the digest in the header before it is kept.
//!
//! Spec: `specs/partial.md` §4.

use super::{exchange::exchange, gate::Gate, hub::Hub};
use crate::{node::Inner, random};
use comity_net::{PeerId, PeerStream};
use comity_protocol::{
    access::{
        WORDS_ANSWER_MAX_BYTES, WORDS_ASKED_MAX, WORDS_REQUEST_MAX_BYTES, WordsAnswer, WordsAsked,
        WordsGiven, WordsRequest,
    },
    entry::{Entry, Words},
    id::{EntryId, SpaceId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

/// The protocol's name.
pub(super) const PROTOCOL: &str = "/comity/words/1";
/// Requests answered at once, all peers together; more are turned away.
pub(super) const GIVING_AT_ONCE_MAX: usize = 8;
const PATIENCE: Duration = Duration::from_secs(20);
/// Lacking words looked for in one go.
const WANTED_AT_ONCE: usize = 4 * WORDS_ASKED_MAX;
/// Between looks for words that nobody had, at first and at most.
const LOOK_AGAIN_MIN: Duration = Duration::from_secs(2);
const LOOK_AGAIN_MAX: Duration = Duration::from_secs(600);
/// How long what is lacking gathers before it is asked for.
const GATHER: Duration = Duration::from_millis(200);
/// Between requests to one peer: half as many as are answered (`account.rs`).
const ASK_EVERY: Duration = Duration::from_millis(250);
/// What an answer takes beside its words: its head and that of one item, in bytes.
const HEADS_BYTES: usize = 16;

/// What came of asking for words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// Contributions whose words came.
    pub(crate) found: usize,
    /// Peers that were asked.
    pub(crate) asked: usize,
}

/// Answers one request.
pub(super) async fn answer(hub: Arc<Hub>, peer: PeerId, stream: PeerStream) {
    let Ok(_place) = hub.giving.clone().try_acquire_owned() else {
        return debug!(%peer, "too many ask for words at once");
    };
    let (mut reader, mut writer) = stream.into_frames(WORDS_ANSWER_MAX_BYTES);
    let Ok(Some(bytes)) = reader.read(PATIENCE).await else {
        return;
    };
    let request = match WordsRequest::decode(&bytes) {
        Ok(request) => request,
        Err(error) => return debug!(%peer, %error, "a request for words is none"),
    };
    let Some(gate) = gate_of(&hub, &peer) else {
        return;
    };
    let mut erasures = hub.inner().ingest.erasures();
    erasures.mark_unchanged();
    let inner = hub.inner().clone();
    let answering = tokio::task::spawn_blocking(move || give(&inner, &gate, &request)).await;
    let Ok(answer) = answering.map(|it| it.encode()) else {
        return;
    };
    tokio::select! {
        biased;
        // Erased words must not leave this node any more (I6): the peer asks again.
        _ = erasures.changed() => return,
        written = writer.write(&answer, PATIENCE) => {
            if let Err(error) = written {
                return debug!(%peer, %error, "words did not get through");
            }
        }
    }
    let _ = writer.close(PATIENCE).await;
}

fn gate_of(hub: &Hub, peer: &PeerId) -> Option<Arc<Gate>> {
    let peers = hub.peers();
    Some(peers.get(peer)?.session.as_ref()?.gate.clone())
}

fn may_read(inner: &Inner, gate: &Gate, space: &SpaceId) -> bool {
    let ledger = inner.ingest.ledger();
    inner.archive.kept().exchanges(space)
        && gate.readable(&ledger, random::now_ms()).contains(space)
}

/// The answer to a request, as one who may read the space or may not is to see it.
fn give(inner: &Inner, gate: &Gate, request: &WordsRequest) -> WordsAnswer {
    let WordsRequest { space, asked, ids } = request;
    let nothing = || WordsAnswer(vec![WordsGiven::Nothing; ids.len()]);
    if !may_read(inner, gate, space) {
        return nothing();
    }
    let stays = inner.archive.kept().of(space).is_everything();
    let (mut given, mut bytes) = (Vec::new(), HEADS_BYTES);
    for id in ids {
        let item = match words_of(inner, space, id) {
            Some(words) if *asked == WordsAsked::Give => WordsGiven::Words(words),
            Some(_) if stays => WordsGiven::Kept,
            _ => WordsGiven::Nothing,
        };
        bytes += match &item {
            WordsGiven::Words(words) => words.len() + HEADS_BYTES,
            WordsGiven::Kept | WordsGiven::Nothing => 1,
        };
        if bytes > WORDS_ANSWER_MAX_BYTES {
            break;
        }
        given.push(item);
    }
    // Reading takes a while; the right may be gone.
    match may_read(inner, gate, space) {
        true => WordsAnswer(given),
        false => nothing(),
    }
}

/// The words of a contribution of this space, as far as they are here.
fn words_of(inner: &Inner, space: &SpaceId, id: &EntryId) -> Option<Vec<u8>> {
    match inner.archive.get(id) {
        Ok(Some(Entry::Contribution(it))) if it.header().space == *space => match it.words() {
            Words::Present(words) => Some(words.clone()),
            Words::Erased(_) | Words::NotKept => None,
        },
        Ok(_) => None,
        Err(error) => {
            warn!(%id, %error, "words cannot be given to a peer");
            None
        }
    }
}

/// Connected peers that may be asked about a space: asking others would tell them that it exists.
fn to_be_asked(hub: &Hub, space: &SpaceId) -> Vec<PeerId> {
    let gates: Vec<(PeerId, Arc<Gate>)> = {
        let peers = hub.peers();
        let gates = peers
            .iter()
            .filter_map(|(id, peer)| Some((*id, peer.session.as_ref()?.gate.clone())));
        gates.collect()
    };
    let readers = gates
        .into_iter()
        .filter(|(_, gate)| may_read(hub.inner(), gate, space));
    readers.map(|(peer, _)| peer).collect()
}

/// Asks one peer, once.
async fn ask(
    hub: &Hub,
    peer: PeerId,
    space: SpaceId,
    asked: WordsAsked,
    ids: &[EntryId],
) -> Result<Vec<WordsGiven>, String> {
    let ids = ids.to_vec();
    let request = WordsRequest { space, asked, ids }.encode();
    debug_assert!(request.len() <= WORDS_REQUEST_MAX_BYTES);
    let answer = exchange(
        &hub.network,
        peer,
        PROTOCOL,
        &request,
        WORDS_ANSWER_MAX_BYTES,
    )
    .await?;
    let answer = WordsAnswer::decode(&answer).map_err(|error| error.to_string())?;
    Ok(answer.0)
}

/// Asks a peer about all of these, a part at a time; gives what it said of each.
async fn ask_all(
    hub: &Hub,
    peer: PeerId,
    space: SpaceId,
    asked: WordsAsked,
    ids: &BTreeSet<EntryId>,
) -> BTreeMap<EntryId, WordsGiven> {
    let mut rest: Vec<EntryId> = ids.iter().copied().collect();
    let mut given = BTreeMap::new();
    while !rest.is_empty() {
        let part = &rest[..rest.len().min(WORDS_ASKED_MAX)];
        let answered = match ask(hub, peer, space, asked, part).await {
            Ok(answered) if !answered.is_empty() => answered,
            Ok(_) => break,
            Err(error) => {
                debug!(%peer, %error, "a peer gave no words");
                break;
            }
        };
        let answered_of = answered.len().min(part.len());
        given.extend(part.iter().copied().zip(answered));
        rest.drain(..answered_of);
        if !rest.is_empty() {
            sleep(ASK_EVERY).await;
        }
    }
    given
}

/// Asks connected peers for words that are lacking here, one after the other.
pub(super) async fn fetch(hub: &Arc<Hub>, space: SpaceId, ids: Vec<EntryId>) -> Fetched {
    let mut rest: BTreeSet<EntryId> = ids.into_iter().collect();
    let mut fetched = Fetched::default();
    for peer in to_be_asked(hub, &space) {
        if rest.is_empty() {
            break;
        }
        fetched.asked += 1;
        // A part at a time, so that what came is kept before more is asked for.
        let parts: Vec<BTreeSet<EntryId>> = {
            let all: Vec<EntryId> = rest.iter().copied().collect();
            let parts = all.chunks(WORDS_ASKED_MAX);
            parts.map(|part| part.iter().copied().collect()).collect()
        };
        for part in parts {
            let given = ask_all(hub, peer, space, WordsAsked::Give, &part).await;
            let inner = hub.inner().clone();
            let kept = tokio::task::spawn_blocking(move || keep(&inner, peer, given)).await;
            let kept = kept.unwrap_or_default();
            fetched.found += kept.len();
            rest.retain(|id| !kept.contains(id));
            sleep(if rest.is_empty() {
                Duration::ZERO
            } else {
                ASK_EVERY
            })
            .await;
        }
    }
    fetched
}

/// Keeps words that are what headers commit to.
fn keep(inner: &Inner, peer: PeerId, given: BTreeMap<EntryId, WordsGiven>) -> BTreeSet<EntryId> {
    let mut kept = BTreeSet::new();
    for (id, item) in given {
        let WordsGiven::Words(words) = item else {
            continue;
        };
        match inner.ingest.add_words(&id, words) {
            Ok(true) => {
                kept.insert(id);
            }
            Ok(false) => warn!(%peer, %id, "a peer gave words that are none of this contribution"),
            Err(error) => warn!(%id, %error, "words that came could not be kept"),
        }
    }
    kept
}

/// Fetches what is lacking in spaces that are to be kept whole, until the node stops.
pub(super) async fn keep_whole(hub: Arc<Hub>) {
    let kept = hub.inner().archive.kept().clone();
    let (mut lacks, mut peers) = (kept.changes(), hub.changes.subscribe());
    let mut decisions = kept.decisions();
    let mut pause = LOOK_AGAIN_MIN;
    loop {
        lacks.mark_unchanged();
        let (found, asked) = look_for_all(&hub).await;
        // Words may also have come otherwise, or been erased.
        for space in kept.partial() {
            if let Err(error) = kept.settle(space) {
                warn!(%error, "that a space is complete could not be remembered yet");
            }
        }
        let news = async {
            loop {
                tokio::select! {
                    Ok(()) = lacks.changed() => return,
                    Ok(()) = decisions.changed() => return,
                    // Somebody else may have them.
                    Ok(()) = peers.changed() => {
                        let now = found.keys().flat_map(|space| to_be_asked(&hub, space));
                        if now.collect::<BTreeSet<_>>() != asked {
                            return;
                        }
                    }
                    // All senders are gone: the node stops.
                    else => std::future::pending().await,
                }
            }
        };
        pause = match timeout(pause, news).await {
            Ok(()) => LOOK_AGAIN_MIN,
            Err(_) => (2 * pause).min(LOOK_AGAIN_MAX),
        };
        // What comes in one go is fetched in one go.
        sleep(GATHER).await;
    }
}

/// Looks for everything once; gives how much came by space, and who was asked.
async fn look_for_all(hub: &Arc<Hub>) -> (BTreeMap<SpaceId, usize>, BTreeSet<PeerId>) {
    let kept = hub.inner().archive.kept().clone();
    let (mut found, mut asked) = (BTreeMap::new(), BTreeSet::new());
    let mut after = None;
    loop {
        let wanted = kept.wanted(after, WANTED_AT_ONCE);
        let Some(last) = wanted.last().copied() else {
            return (found, asked);
        };
        after = Some(last);
        let mut by_space: BTreeMap<SpaceId, Vec<EntryId>> = BTreeMap::new();
        for (space, id) in wanted {
            by_space.entry(space).or_default().push(id);
        }
        for (space, ids) in by_space {
            asked.extend(to_be_asked(hub, &space));
            *found.entry(space).or_default() += fetch(hub, space, ids).await.found;
        }
    }
}
