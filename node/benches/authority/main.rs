//! What authorizing costs in a large community, as a ratio to one signature verification.
//!
//! Five parties, 10,000 members, 100,000 governance records: admissions, device and node links, role
//! grants, invitations, and revocations of two in a hundred members. Half of the revoked are cut at
//! zero; of the others cuts go on to cover what is asked about, half of them because a table of cuts
//! lists it, half because nodes of other parties receipted it in time. So one author in a hundred is
//! revoked and covered.
//!
//! Authors are uniform. **The caches are swept before every single question**: a buffer of
//! [`SWEEP_BYTES`], several times the last-level cache of common machines, is written line by line.
//! Each question is timed by itself, the clock's own cost included. Verification runs warm, which makes
//! the ratio worse for us. Prints one JSON line per figure.
//!
//! `cargo bench -p comity-node --bench authority`

mod corpus;

use comity_protocol::{
    authority::Act,
    id::{EntryId, domain},
    key::{self, SecretKey},
};
use corpus::{Corpus, Fate};
use std::{
    hint::black_box,
    time::{Duration, Instant},
};

/// Questions, each with cold caches.
const QUESTIONS: u64 = 2_000;
/// Four times a last-level cache of 32 MiB.
const SWEEP_BYTES: usize = 128 * 1024 * 1024;
const VERIFICATIONS: u32 = 10_000;
const TARGET: f64 = 0.25;

/// A small generator that needs no crate: order of authors only.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// What the questions came to.
#[derive(Default)]
struct Asked {
    all: Duration,
    covered: Duration,
    slowest: Duration,
    covered_count: u32,
    refused_count: u32,
}

fn ask(corpus: &Corpus) -> Asked {
    let mut sweep = vec![1u8; SWEEP_BYTES];
    let mut seed = 0x5eed_u64;
    let mut asked = Asked::default();
    for question in 0..QUESTIONS {
        let author = &corpus.authors[next(&mut seed) as usize % corpus.authors.len()];
        let id = match author.chain.as_slice() {
            [] => EntryId::from_bytes([7; 32]),
            chain => chain[next(&mut seed) as usize % chain.len()],
        };
        for line in sweep.chunks_mut(64) {
            line[0] = line[0].wrapping_add(question as u8);
        }
        black_box(&sweep);
        let started = Instant::now();
        let verdict = corpus.authority.authorize(
            corpus.space,
            black_box(&id),
            black_box(&author.device),
            Some("topic"),
            Act::Create,
            &corpus.coverage,
        );
        let took = started.elapsed();
        let fits = black_box(&verdict).is_ok() == (author.fate != Fate::CutAtZero);
        assert!(fits, "{:?}: {verdict:?}", author.fate);
        asked.all += took;
        asked.slowest = asked.slowest.max(took);
        match author.fate {
            Fate::Member => {}
            Fate::CutAtZero => asked.refused_count += 1,
            Fate::Listed | Fate::Receipted => {
                asked.covered += took;
                asked.covered_count += 1;
            }
        }
    }
    asked
}

fn verify() -> Duration {
    let signer = SecretKey::from_seed(&[9; 32]);
    let message = [3u8; 300];
    let signature = signer.sign(domain::CONTRIBUTION_SIGNATURE, &message);
    let started = Instant::now();
    for _ in 0..VERIFICATIONS {
        let verdict = key::verify(
            black_box(&signer.public()),
            domain::CONTRIBUTION_SIGNATURE,
            &message,
            &signature,
        );
        assert!(black_box(verdict).is_ok());
    }
    started.elapsed() / VERIFICATIONS
}

fn main() {
    let corpus = corpus::corpus();
    let asked = ask(&corpus);
    let (covered, refused) = (asked.covered_count, asked.refused_count);
    assert!(
        covered > 0 && refused > 0,
        "{covered} covered and {refused} refused among {QUESTIONS}"
    );
    let authorizing = asked.all.as_secs_f64() / QUESTIONS as f64;
    let of_covered = asked.covered.as_secs_f64() / f64::from(covered);
    let verifying = verify().as_secs_f64();
    let ratio = authorizing / verifying;
    let met = ratio <= TARGET;
    println!(
        "{{\"figure\":\"authorize one contribution, covered by cut or receipt\",\"authorize_us\":{:.3},\"questions\":{covered},\"ratio\":{:.4}}}",
        of_covered * 1e6,
        of_covered / verifying,
    );
    println!(
        "{{\"figure\":\"authorize one contribution ÷ verify one signature\",\"value\":{ratio:.4},\"target\":\"<= {TARGET}\",\"met\":{met},\"authorize_us\":{:.3},\"slowest_us\":{:.3},\"verify_us\":{:.3},\"questions\":{QUESTIONS},\"refused\":{refused},\"parties\":{},\"members\":{},\"records\":{}}}",
        authorizing * 1e6,
        asked.slowest.as_secs_f64() * 1e6,
        verifying * 1e6,
        corpus::PARTIES,
        corpus::MEMBERS,
        corpus.records,
    );
    if !met {
        std::process::exit(1);
    }
}
