//! The local API of a Comity node: the types of every request and answer, and a client.
//!
//! [`types`] is what stands on the wire (`specs/http-api.md`, v0). [`Client`] speaks it over a
//! Unix socket to a running node, or in-process to a node that the caller opened itself, with the
//! same code on both paths.
#![warn(clippy::too_many_lines)]

mod client;
mod transport;
pub mod types;

pub use client::{Client, EventStream, LineStream};
pub use transport::{Answer, AnswerBody, ClientError, InProcess, Transport};
