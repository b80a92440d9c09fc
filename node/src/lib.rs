//! A Comity node: stores, checks, serves and relays. It never holds a member's key.
//!
//! - [`home`] and [`state`]: the node's folder and what it remembers beside its record.
//! - [`store`]: record and index; [`projection`] says what the index holds; [`archive`] turns
//!   entries into stored parts and back.
//! - [`ingest`]: the one way in; [`ledger`] holds what is in effect, [`held`] what no longer
//!   is, [`pending`] what waits.
//! - [`keeping`]: what is kept of each space, and which words are missing.
//! - [`tasks`]: how far long work is; [`metrics`]: what the node counts of itself.
//! - `history`: what a community continues, read along.
//! - [`library`]: documents, derived when somebody reads them; [`views`] is how readers see them.
#![warn(clippy::too_many_lines)]
#![cfg_attr(test, allow(clippy::unwrap_used))]

mod api;
pub mod archive;
pub mod authors;
pub mod bare;
mod effect;
pub mod held;
mod history;
pub mod home;
pub mod ingest;
pub mod keeping;
pub mod ledger;
pub mod library;
pub mod metrics;
pub mod node;
pub mod peers;
pub mod pending;
pub mod projection;
mod random;
pub mod state;
pub mod store;
pub mod tasks;
pub mod views;
