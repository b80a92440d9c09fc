//! Proof of a person to the local node, so that it shows restricted spaces.
//!
//! A token is a signature for one node that lasts a day. It lies beside the keys, readable by the
//! person alone, so that looking at something asks for the passphrase once a day at most. It is made
//! anew whenever the keys are unlocked, for every node that was asked from here before. Where there
//! is no passphrase to be had, restricted spaces are not shown. Whoever can read the file reads for a day what the person may read
//! on that node, and can write nothing.

use crate::{app::App, identity::Identity, moment::now_ms};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::Client;
use comity_protocol::{
    access::{READER_LIFETIME_MS, ReaderToken},
    key::PublicKey,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

const FILE: &str = "readers.json";
/// Nodes that tokens are kept for; the file starts anew beyond.
const NODES_MAX: usize = 64;

/// A token for one node; an empty one stands for a node that was asked without.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Kept {
    token: String,
    expires_ms: u64,
}

/// By node key.
pub(crate) type Tokens = BTreeMap<String, Kept>;

/// Lets the client show a token, if there is one or one can be made without asking.
pub(crate) async fn show(app: &App, client: &Client) {
    let (Ok(folder), Ok(public)) = (app.identity_folder(), app.public()) else {
        return;
    };
    let Ok(status) = client.status().await else {
        return;
    };
    let path = folder.path().join(FILE);
    let mut tokens = read(&path);
    let kept = tokens.entry(status.node.clone()).or_default();
    if is_fresh(kept) {
        client.read_as(Some(kept.token.clone()));
        return;
    }
    if kept.expires_ms > now_ms() && public.protected {
        // Made anew when the keys are unlocked next.
        client.read_as(Some(kept.token.clone()));
        return;
    }
    write(&path, &tokens);
    let made = match app.unlock() {
        Ok(identity) => renew(&identity),
        Err(error) => {
            tracing::debug!(%error, "restricted spaces are not shown");
            return;
        }
    };
    client.read_as(made.get(&status.node).map(|it| it.token.clone()));
}

/// Makes the tokens that are missing or half over.
pub(crate) fn renew(identity: &Identity) -> Tokens {
    let path = path(identity);
    let mut tokens = read(&path);
    let mut changed = false;
    for (node, kept) in &mut tokens {
        let Ok(node) = node.parse::<PublicKey>() else {
            continue;
        };
        if !is_fresh(kept) {
            let expires_ms = now_ms() + READER_LIFETIME_MS;
            let token = ReaderToken::sign(identity.proof_key(), node, expires_ms);
            *kept = Kept {
                token: STANDARD_NO_PAD.encode(token.encode()),
                expires_ms,
            };
            changed = true;
        }
    }
    if changed {
        write(&path, &tokens);
    }
    tokens
}

fn path(identity: &Identity) -> PathBuf {
    identity.folder().path().join(FILE)
}

/// Whether more than half of its time is left.
fn is_fresh(kept: &Kept) -> bool {
    kept.expires_ms > now_ms() + READER_LIFETIME_MS / 2
}

fn read(path: &Path) -> Tokens {
    let tokens = fs::read(path).ok();
    let tokens = tokens.and_then(|bytes| serde_json::from_slice::<Tokens>(&bytes).ok());
    tokens.filter(|it| it.len() < NODES_MAX).unwrap_or_default()
}

/// Without the file a token is made again next time: nothing rests on it.
fn write(path: &Path, tokens: &Tokens) {
    let Some(folder) = path.parent() else { return };
    let written = tempfile::NamedTempFile::new_in(folder).and_then(|mut file| {
        file.write_all(&serde_json::to_vec_pretty(tokens)?)?;
        file.persist(path)?;
        Ok(())
    });
    if let Err(error) = written {
        tracing::debug!(%error, "a reader's token was not kept");
    }
}
