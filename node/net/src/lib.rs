//! The network of a Comity node: a libp2p swarm behind a handle and a queue of events.
//!
//! This crate moves bytes. It knows nothing of documents, signatures, storage or membership: who
//! may connect is told to it (`block`), who hears which gossip (`admit_to_gossip`), and what a
//! message is worth (`report_validation`). It is a crate of its own because libp2p's generics take
//! about a minute to compile.
//!
//! - [`Network::start`] spawns one driver task, which owns the swarm and does no other work.
//! - [`Network`] sends it commands through a bounded channel; each answers with its own error type.
//! - [`Events`] yields what happens. A slow consumer never stalls the swarm: see [`events`] for
//!   what is dropped, and how that is told.
//! - [`frame`] turns streams into length-prefixed frames; it works over any byte stream.
//! - [`tap`] shows tests every byte of every stream before encryption.
//! - [`reach`] makes nodes behind routers reachable: relays, hole punching, addresses tried from outside.
//! - [`reconnect`] decides when lost peers are called again: a pure machine.
#![warn(clippy::too_many_lines)]

mod behaviour;
mod command;
pub mod config;
mod door;
mod driver;
pub mod error;
pub mod event;
pub mod events;
pub mod frame;
mod gated;
pub mod metrics;
mod network;
pub mod reach;
pub mod reconnect;
mod streams;
pub mod tap;

pub use libp2p::{Multiaddr, PeerId, StreamProtocol};

pub use config::{Carrier, Config, DoorLimits, Limits, NodeSeed, Timing};
pub use event::{Direction, DisconnectReason, Dropped, Event, GossipGroup, GossipId, PeerStream};
pub use events::Events;
pub use frame::{FrameError, FrameReader, FrameWriter};
pub use metrics::Metrics;
pub use network::{ConnectedPeer, Network, Verdict};
pub use reach::{Bucket, Link, Probe, ReachReport, Reservation, is_private};
