//! Decoding and signatures, on all cores and before the writer's turn.

use super::Refusal;
use comity_protocol::entry::{Entry, Verified};
use std::thread;
use tracing::warn;

/// From this many on, verification uses all cores.
const PARALLEL_FROM: usize = 128;

/// One verdict for each entry, in order.
pub(super) fn verify_all(entries: &[Vec<u8>]) -> Vec<Result<Verified<Entry>, Refusal>> {
    if entries.len() < PARALLEL_FROM {
        return verify_some(entries);
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let share = entries.len().div_ceil(cores);
    thread::scope(|scope| {
        let workers: Vec<_> = entries
            .chunks(share)
            .map(|chunk| (chunk.len(), scope.spawn(move || verify_some(chunk))))
            .collect();
        let mut verdicts = Vec::with_capacity(entries.len());
        for (_, worker) in workers {
            match worker.join() {
                Ok(part) => verdicts.extend(part),
                Err(panic) => {
                    warn!("verification panicked");
                    std::panic::resume_unwind(panic);
                }
            }
        }
        verdicts
    })
}

/// Signatures checked in one equation: larger batches save little more.
const BATCH: usize = 64;

fn verify_some(entries: &[Vec<u8>]) -> Vec<Result<Verified<Entry>, Refusal>> {
    let mut rng = crate::random::rng();
    let mut verdicts = Vec::with_capacity(entries.len());
    for chunk in entries.chunks(BATCH) {
        let mut whole = Vec::with_capacity(chunk.len());
        let decoded: Vec<Option<Refusal>> = chunk
            .iter()
            .map(|bytes| match Entry::decode(bytes) {
                Ok(entry) => {
                    whole.push(entry);
                    None
                }
                Err(error) => Some(Refusal::from(error)),
            })
            .collect();
        let mut verified = Verified::check_batch(whole, &mut rng).into_iter();
        verdicts.extend(decoded.into_iter().map(|refusal| match refusal {
            Some(refusal) => Err(refusal),
            // One verdict for each entry that decoded, in order.
            None => match verified.next() {
                Some(verdict) => verdict.map_err(Refusal::from),
                None => Err(Refusal::Verify(comity_protocol::key::BadSignature.into())),
            },
        }));
    }
    verdicts
}
