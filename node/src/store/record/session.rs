//! Whether the last user of this store closed it, and whether the index can be trusted if not.
//!
//! `sled` never syncs its files, so after a power cut its index may lack anything, in any order.
//! After a mere crash of the process the kernel still has all of it. The two are told apart by a
//! token that names the boot and the index folder: it differs after a restart of the machine and
//! in a copy of the folder. Spec: `specs/record-format.md` §7.

use crate::store::{
    entry::Position,
    files::{File, Files},
};
use std::{io, sync::Arc};

pub(crate) const SESSION: &str = "session";
const HEAD_BYTES: usize = 4 + 1 + 8 + 2;
const TOKEN_MAX_BYTES: usize = 200;

/// How the last session ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct LastSession {
    /// Closed in good order: everything before this position had been acknowledged.
    pub(crate) closed_at: Option<Position>,
    pub(crate) token: String,
}

pub(crate) struct Session {
    file: Arc<dyn File>,
    pub(crate) last: LastSession,
}

impl Session {
    pub(crate) fn open(files: &dyn Files) -> io::Result<Self> {
        if !files.list()?.iter().any(|name| name == SESSION) {
            let file = files.create(SESSION)?;
            files.sync()?;
            return Ok(Self {
                file,
                last: LastSession::default(),
            });
        }
        let file = files.open(SESSION)?;
        let mut bytes = vec![0; HEAD_BYTES + TOKEN_MAX_BYTES];
        let read = file.read_at(0, &mut bytes)?;
        let last = decode(&bytes[..read]).unwrap_or_default();
        Ok(Self { file, last })
    }

    /// From now on the store is in use; a crash leaves this behind.
    pub(crate) fn begin(&self, token: &str) -> io::Result<()> {
        self.write(None, token)
    }

    pub(crate) fn end(&self, closed_at: Position) -> io::Result<()> {
        self.write(Some(closed_at), "")
    }

    fn write(&self, closed_at: Option<Position>, token: &str) -> io::Result<()> {
        let token = &token.as_bytes()[..token.len().min(TOKEN_MAX_BYTES)];
        let mut body = vec![u8::from(closed_at.is_some())];
        body.extend_from_slice(&closed_at.unwrap_or_default().to_u64().to_le_bytes());
        body.extend_from_slice(&(token.len() as u16).to_le_bytes());
        body.extend_from_slice(token);
        let mut bytes = crc32c::crc32c(&body).to_le_bytes().to_vec();
        bytes.extend_from_slice(&body);
        self.file.write_at(0, &bytes)?;
        self.file.sync()
    }
}

fn decode(bytes: &[u8]) -> Option<LastSession> {
    let head = bytes.get(..HEAD_BYTES)?;
    let token_len = u16::from_le_bytes(head[13..15].try_into().ok()?) as usize;
    let body = bytes.get(4..HEAD_BYTES + token_len)?;
    if crc32c::crc32c(body).to_le_bytes() != head[..4] {
        return None;
    }
    let end = Position::from_u64(u64::from_le_bytes(head[5..13].try_into().ok()?));
    let token = String::from_utf8(bytes[HEAD_BYTES..HEAD_BYTES + token_len].to_vec()).ok()?;
    Some(LastSession {
        closed_at: (head[4] == 1).then_some(end),
        token,
    })
}
