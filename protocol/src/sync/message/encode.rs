//! Messages to bytes.

use super::{Claim, CloseReason, Compare, Message, Run, SpaceRoot};
use crate::codec::Writer;
use crate::id::SpaceId;
use crate::sync::key::{Item, Key, Prefix};

impl Message {
    /// The canonical encoding, without the length of a frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer::new();
        match self {
            Self::Roots(roots) => {
                out.array(2).uint(0).array(roots.len());
                roots.iter().for_each(|root| write_root(&mut out, root));
            }
            Self::Compare(compare) => write_compare(&mut out, compare),
            Self::Entries {
                space,
                round,
                entries,
            } => {
                out.array(4).uint(2).bytes(space.as_bytes()).uint(*round);
                out.array(entries.len());
                for entry in entries {
                    out.bytes(entry);
                }
            }
            Self::Done { space, round } => {
                out.array(3).uint(3).bytes(space.as_bytes()).uint(*round);
            }
            Self::Announce { space, keys } => {
                out.array(3).uint(4).bytes(space.as_bytes());
                write_keys(&mut out, keys);
            }
            Self::Want { space, keys } => {
                out.array(3).uint(5).bytes(space.as_bytes());
                write_keys(&mut out, keys);
            }
            Self::Credit { bytes } => {
                out.array(2).uint(6).uint(*bytes);
            }
            Self::Refuse { space } => {
                out.array(2).uint(7).bytes(space.as_bytes());
            }
            Self::Close(reason) => {
                out.array(2).uint(8).uint(close_code(*reason));
            }
            Self::Grants { community, grants } => {
                out.array(3).uint(9).bytes(community.as_bytes());
                out.array(grants.len());
                grants.iter().for_each(|grant| grant.write(&mut out));
            }
            Self::Spaces { community, spaces } => {
                out.array(3).uint(10).bytes(community.as_bytes());
                write_spaces(&mut out, spaces);
            }
            Self::Learn { spaces } => {
                out.array(2).uint(11);
                write_spaces(&mut out, spaces);
            }
        }
        out.finish()
    }
}

pub(super) const fn close_code(reason: CloseReason) -> u64 {
    match reason {
        CloseReason::Leaving => 0,
        CloseReason::Protocol => 1,
        CloseReason::Silence => 2,
        CloseReason::Busy => 3,
    }
}

fn write_spaces(out: &mut Writer, spaces: &[SpaceId]) {
    out.array(spaces.len());
    for space in spaces {
        out.bytes(space.as_bytes());
    }
}

fn write_root(out: &mut Writer, root: &SpaceRoot) {
    out.array(4)
        .bytes(root.space.as_bytes())
        .bytes(root.root.as_bytes());
    out.uint(root.count).uint(root.after);
}

fn write_compare(out: &mut Writer, compare: &Compare) {
    out.array(8).uint(1).bytes(compare.space.as_bytes());
    out.uint(compare.round).uint(compare.turn);
    out.bytes(&compare.salt).bool(compare.pull);
    out.array(compare.claims.len());
    compare
        .claims
        .iter()
        .for_each(|claim| write_claim(out, claim));
    out.array(compare.wants.len());
    compare.wants.iter().for_each(|item| write_item(out, item));
}

fn write_prefix(out: &mut Writer, prefix: &Prefix) {
    out.uint(prefix.len() as u64).bytes(prefix.packed());
}

fn write_claim(out: &mut Writer, claim: &Claim) {
    match claim {
        Claim::Cells {
            base,
            cover,
            levels,
            cells,
        } => {
            out.array(7).uint(0);
            write_prefix(out, base);
            let mut slots = vec![0; 2 << (4 * (levels - 1))];
            let mut prints = Vec::with_capacity(8 * cells.len());
            for (slot, print) in cells {
                slots[slot / 8] |= 0x80u8 >> (slot % 8);
                prints.extend(print);
            }
            out.uint(*cover as u64)
                .uint(*levels as u64)
                .bytes(&slots)
                .bytes(&prints);
        }
        Claim::Runs { prefix, runs } => {
            out.array(4).uint(1);
            write_prefix(out, prefix);
            out.array(runs.len());
            runs.iter().for_each(|run| write_run(out, run));
        }
        Claim::Keys { prefix, keys } => {
            out.array(4).uint(2);
            write_prefix(out, prefix);
            write_keys(out, keys);
        }
    }
}

fn write_run(out: &mut Writer, run: &Run) {
    out.array(4)
        .bytes(run.author.as_bytes())
        .uint(run.last)
        .uint(run.count)
        .bytes(&run.print);
}

fn write_keys(out: &mut Writer, keys: &[Key]) {
    out.array(keys.len());
    for key in keys {
        out.array(3)
            .bytes(key.author.as_bytes())
            .uint(key.seq)
            .bytes(key.id.as_bytes());
    }
}

fn write_item(out: &mut Writer, item: &Item) {
    match item {
        Item::Under(prefix) => {
            out.array(3).uint(0);
            write_prefix(out, prefix);
        }
        Item::Span {
            author,
            first,
            last,
        } => {
            out.array(4)
                .uint(1)
                .bytes(author.as_bytes())
                .uint(*first)
                .uint(*last);
        }
    }
}
