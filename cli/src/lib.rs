//! The `comity` command line: what people type, and what they are told.
//!
//! [`identity`] is the person's folder of keys, [`ui`] what reaches the terminal, [`error`] what a
//! command says when it fails, [`import`] reads what other systems hold.
#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod error;
pub mod identity;
pub mod import;
pub mod ui;
