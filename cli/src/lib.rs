//! What the `comity` command is made of: everything that touches a person's keys and terminal.
//!
//! Where to start: [`identity`] keeps a person's keys (the node never holds them), [`ui`] is the
//! only way to the terminal, [`error`] the one type a command fails with.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod error;
pub mod identity;
pub mod ui;
