//! The `comity` command line: what people type, and what they are told.
//!
//! - [`args`] is what can be typed, [`run`] turns it into a call of one of [`commands`].
//! - [`app`] is what every command is given; [`session`] is the way to a node, running or opened
//!   here; [`desk`] is where a person's entries are signed and handed in.
//! - [`compose`] builds and signs entries and touches nothing else; [`render`] is how things look.
//! - [`identity`] is the person's folder of keys, [`ui`] what reaches the terminal, [`error`] what a
//!   command says when it fails, [`import`] reads what other systems hold.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod app;
pub mod args;
pub mod commands;
pub mod compose;
pub mod desk;
pub mod error;
mod grants;
pub mod identity;
pub mod import;
mod lookup;
mod moment;
mod opening;
mod random;
mod reader;
pub mod render;
pub mod run;
pub mod session;
pub mod ui;
