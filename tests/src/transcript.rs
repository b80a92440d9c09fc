//! What a node sent and received, stream by stream, before encryption.
//!
//! A transcript holds bytes as they were: what a stream begins with (agreement on a protocol),
//! frames, gossip, identify, ping. [`Transcript::frames`] cuts them into frames, to be compared or
//! decoded; [`Transcript::sent_with`] looks for bytes in what was sent, wherever they stand.

use crate::files::contains;
use comity_net::{
    Direction, PeerId,
    tap::{Tap, TappedStream, Way},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

/// What the protocols of this project begin with; all but gossip put `u32` lengths before frames.
const OWN_PROTOCOLS: &str = "/comity/";
/// Its first frame is the name of a group.
const GOSSIP: &str = "/comity/gossip/1";
/// How both sides of a stream begin.
const AGREEMENT: &[u8] = b"/multistream/1.0.0\n";
const REFUSED: &[u8] = b"na\n";
/// Ping has frames of one length and no prefix.
const PING: (&str, usize) = ("/ipfs/ping/1.0.0", 32);

/// A point in a transcript; the default one is its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(usize);

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// When the last of its bytes passed.
    pub at: Moment,
    /// Who is at the other end.
    pub peer: PeerId,
    /// Which connection, counted over all starts of the node.
    pub connection: u64,
    /// Which stream, counted likewise.
    pub stream: u64,
    /// Whether this node sent it.
    pub way: Way,
    /// The protocol of the stream.
    pub protocol: String,
    /// The frame without its length.
    pub bytes: Vec<u8>,
}

/// A piece of bytes of a stream, as it was handed to the connection or came from it.
struct Piece {
    on: TappedStream,
    way: Way,
    bytes: Vec<u8>,
}

/// All that passed a node's streams since it was first started with this transcript.
#[derive(Clone, Default)]
pub struct Transcript {
    pieces: Arc<Mutex<Vec<Piece>>>,
}

/// The bytes of a stream in one way, and up to where they had come at which moment.
#[derive(Default)]
struct Half {
    bytes: Vec<u8>,
    ends: Vec<(usize, Moment)>,
}

impl Half {
    /// When the byte before this place passed.
    fn moment(&self, end: usize) -> Moment {
        let piece = self.ends.partition_point(|(until, _)| *until < end);
        self.ends[piece].1
    }
}

struct Stream {
    on: TappedStream,
    halves: [Half; 2],
}

impl Transcript {
    /// A tap that writes this transcript. One is enough, however often the node is started:
    /// connections and streams are numbered by it.
    pub fn tap(&self) -> Tap {
        let pieces = self.pieces.clone();
        Tap::new(move |on, way, bytes| {
            let bytes = bytes.to_vec();
            pieces.lock().unwrap().push(Piece { on, way, bytes });
        })
    }

    fn pieces(&self) -> MutexGuard<'_, Vec<Piece>> {
        self.pieces.lock().unwrap()
    }

    /// The moment that is now: before it is what has passed.
    pub fn now(&self) -> Moment {
        Moment(self.pieces().len())
    }

    fn streams(&self) -> Vec<Stream> {
        let mut streams: BTreeMap<u64, Stream> = BTreeMap::new();
        for (at, piece) in self.pieces().iter().enumerate() {
            let stream = streams.entry(piece.on.stream).or_insert_with(|| Stream {
                on: piece.on,
                halves: Default::default(),
            });
            let half = &mut stream.halves[piece.way as usize];
            half.bytes.extend_from_slice(&piece.bytes);
            half.ends.push((half.bytes.len(), Moment(at)));
        }
        streams.into_values().collect()
    }

    /// Whom this node sent these bytes to since a moment, and on what protocol. They are found
    /// across pieces and frames; of bytes that began to pass before the moment, too.
    pub fn sent_with(&self, needle: &[u8], since: Moment) -> Vec<(PeerId, String)> {
        let mut found = Vec::new();
        for stream in self.streams() {
            let half = &stream.halves[Way::Sent as usize];
            let old = half.ends.partition_point(|(_, at)| *at < since);
            let from = old.checked_sub(1).map_or(0, |last| half.ends[last].0);
            let from = from.saturating_sub(needle.len() - 1);
            if contains(&half.bytes[from..], needle) {
                found.push((stream.on.peer, stream.protocol().unwrap_or_default()));
            }
        }
        found
    }

    /// How many bytes this node sent since a moment.
    pub fn bytes_sent(&self, since: Moment) -> usize {
        let pieces = self.pieces();
        let sent = pieces[since.0..].iter().filter(|it| it.way == Way::Sent);
        sent.map(|it| it.bytes.len()).sum()
    }

    /// All whole frames in the order in which they passed.
    pub fn frames(&self) -> Vec<Frame> {
        let mut frames: Vec<Frame> = self.streams().iter().flat_map(Stream::frames).collect();
        frames.sort_by_key(|frame| frame.at);
        frames
    }
}

impl Stream {
    /// The way in which the side that did not open the stream speaks: it accepts a protocol.
    fn answer(&self) -> Way {
        match self.on.opened {
            Direction::Inbound => Way::Sent,
            Direction::Outbound => Way::Received,
        }
    }

    /// The protocol, once it is agreed upon.
    fn protocol(&self) -> Option<String> {
        let answer = &self.halves[self.answer() as usize].bytes;
        let mut rest = answer.as_slice();
        while let Some((line, after)) = prefixed(rest) {
            if line != AGREEMENT && line != REFUSED {
                return Some(String::from_utf8_lossy(line).trim_end().to_owned());
            }
            rest = after;
        }
        None
    }

    fn frames(&self) -> Vec<Frame> {
        let Some(protocol) = self.protocol() else {
            return Vec::new();
        };
        let agreed = format!("{protocol}\n");
        let ways = [Way::Received, Way::Sent];
        let cut = ways.into_iter().flat_map(|way| {
            let half = &self.halves[way as usize];
            let mut rest = half.bytes.as_slice();
            while let Some((line, after)) = prefixed(rest) {
                rest = after;
                if line == agreed.as_bytes() {
                    break;
                }
            }
            let mut frames = Vec::new();
            while let Some((bytes, after)) = next(&protocol, rest) {
                rest = after;
                frames.push(Frame {
                    at: half.moment(half.bytes.len() - rest.len()),
                    peer: self.on.peer,
                    connection: self.on.connection,
                    stream: self.on.stream,
                    way,
                    protocol: protocol.clone(),
                    bytes: bytes.to_vec(),
                });
            }
            frames
        });
        cut.collect()
    }
}

/// The next frame of a protocol, and what follows.
fn next<'a>(protocol: &str, bytes: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    if protocol.starts_with(OWN_PROTOCOLS) && protocol != GOSSIP {
        let (length, rest) = bytes.split_first_chunk()?;
        return rest.split_at_checked(u32::from_be_bytes(*length) as usize);
    }
    if protocol == PING.0 {
        return bytes.split_at_checked(PING.1);
    }
    prefixed(bytes)
}

/// Bytes behind their length as a variable-length number, and what follows.
fn prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_usize;
    for (place, byte) in bytes.iter().enumerate().take(4) {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return bytes[place + 1..].split_at_checked(length);
        }
    }
    None
}
