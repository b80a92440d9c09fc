//! How things look to people. With `--json` the API's own types are printed instead.
//!
//! What others wrote is made safe for terminals here; who wrote it stands beside every text, and
//! what was imported says that its author is not verified.

pub mod author;
pub mod charter;
pub mod community;
pub mod doctor;
pub mod document;
pub mod list;
pub mod member;
pub mod node;
pub mod party;
pub mod proposal;
pub mod sync;

/// The first digits of an id, for people to look at where a whole one stands elsewhere.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// A count with its noun in the right number.
pub fn count(number: u64, noun: &str) -> String {
    let plural = match noun {
        _ if number == 1 => noun.to_owned(),
        "reply" => "replies".to_owned(),
        "entry" => "entries".to_owned(),
        "community" => "communities".to_owned(),
        "party" => "parties".to_owned(),
        _ => format!("{noun}s"),
    };
    format!("{number} {plural}")
}

/// A size for people.
pub fn size(bytes: u64) -> String {
    const KIB: u64 = 1024;
    match bytes {
        0..KIB => format!("{bytes} B"),
        KIB..0x10_0000 => format!("{}.{} KiB", bytes / KIB, bytes % KIB * 10 / KIB),
        _ => {
            let mib = KIB * KIB;
            format!("{}.{} MiB", bytes / mib, bytes % mib * 10 / mib)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_and_sizes_read_well() {
        assert_eq!(count(1, "reply"), "1 reply");
        assert_eq!(count(0, "reply"), "0 replies");
        assert_eq!(count(2, "peer"), "2 peers");
        assert_eq!(size(1023), "1023 B");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(5 * 1024 * 1024), "5.0 MiB");
    }
}
