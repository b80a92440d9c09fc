//! The corpus in a file, since signing a million contributions takes longer than storing them.

use crate::corpus::Corpus;
use comity_protocol::id::CommunityId;
use std::{
    env, fs,
    io::{BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

/// Raised when the corpus is made in another way.
const VERSION: u32 = 1;

/// The corpus of this size, made if it is not in the cache.
pub(crate) fn corpus(entries: usize) -> Corpus {
    let folder = env::var_os("COMITY_BENCH_CACHE").map_or(env::temp_dir(), PathBuf::from);
    let path = folder.join(format!("comity-corpus-{VERSION}-{entries}.bin"));
    if path.exists() {
        return read(&path);
    }
    eprintln!("signing {entries} contributions into {}", path.display());
    let corpus = Corpus::make(entries);
    let temporary = path.with_extension("tmp");
    write(&temporary, &corpus);
    fs::rename(&temporary, &path).unwrap();
    corpus
}

fn write(path: &Path, corpus: &Corpus) {
    let mut out = BufWriter::new(fs::File::create(path).unwrap());
    out.write_all(corpus.community.as_bytes()).unwrap();
    out.write_all(&corpus.raw_bytes.to_le_bytes()).unwrap();
    for list in [&corpus.governance, &corpus.contributions] {
        out.write_all(&(list.len() as u64).to_le_bytes()).unwrap();
        for entry in list {
            out.write_all(&(entry.len() as u64).to_le_bytes()).unwrap();
            out.write_all(entry).unwrap();
        }
    }
    out.flush().unwrap();
}

fn read(path: &Path) -> Corpus {
    let mut file = BufReader::new(fs::File::open(path).unwrap());
    let mut community = [0; 32];
    file.read_exact(&mut community).unwrap();
    let raw_bytes = number(&mut file);
    let mut list = || -> Vec<Vec<u8>> {
        let count = number(&mut file);
        let entry = |_| {
            let mut bytes = vec![0; number(&mut file) as usize];
            file.read_exact(&mut bytes).unwrap();
            bytes
        };
        (0..count).map(entry).collect()
    };
    Corpus {
        community: CommunityId::from_bytes(community),
        governance: list(),
        contributions: list(),
        raw_bytes,
    }
}

fn number(from: &mut impl Read) -> u64 {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}
