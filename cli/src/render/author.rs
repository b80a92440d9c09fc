//! Who wrote something, and whether that is known.

use crate::{moment, ui::sanitize};
use comity_client::types::{Adoption, Author, Origin};

/// A person for one line: name and party, or as much as is known.
pub fn author(author: &Author) -> String {
    let key = author.root.as_deref().unwrap_or(&author.device);
    let name = match &author.name {
        Some(name) => sanitize::line(name).into_owned(),
        None => key_tail(key),
    };
    match (&author.party, &author.once) {
        (Some(party), _) => format!("{name} ({})", sanitize::line(party)),
        (None, Some(party)) => format!("{name} (once {})", sanitize::line(party)),
        (None, None) => format!("{name} (no party vouches)"),
    }
}

/// The end of a key, which differs between keys as its start does not.
pub fn key_tail(key: &str) -> String {
    let start = key.len().saturating_sub(8);
    format!("…{}", key.get(start..).unwrap_or(key))
}

/// The system of origins that name a document here: its author published it anew.
pub const CARRIED: &str = "comity";

/// Where a text comes from, if it was imported: its author is a claim of the other system.
pub fn origin(origin: &Origin) -> String {
    if origin.system == CARRIED && origin.author.is_empty() {
        let id = sanitize::line(&origin.id);
        return format!("carried over from {id}, as its author says");
    }
    let author = if origin.author.is_empty() {
        "an unnamed author".to_owned()
    } else {
        sanitize::line(&origin.author).into_owned()
    };
    let when = origin
        .time_ms
        .map(|ms| format!(", {}", moment::show_signed(ms)))
        .unwrap_or_default();
    format!(
        "imported, author not verified: {author}{when}, {} {}",
        sanitize::line(&origin.system),
        sanitize::line(&origin.id)
    )
}

/// Why something is in effect whose author has no right: whose work gives it presence.
pub fn adoption(adoption: &Adoption) -> String {
    format!(
        "in effect because {} built on it; its author may not write here",
        author(&adoption.author)
    )
}

/// Author and party in one cell, marked if the text was imported.
pub fn cell(who: &Author, imported: Option<&Origin>) -> String {
    match imported {
        None => author(who),
        Some(origin) if origin.system == CARRIED && origin.author.is_empty() => author(who),
        Some(origin) => format!(
            "{} [imported, not verified] by {}",
            if origin.author.is_empty() {
                "?".into()
            } else {
                sanitize::line(&origin.author)
            },
            author(who)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Author {
        Author {
            device: "did:key:z6MkdeviceDEVICE12".into(),
            root: Some("did:key:z6MkrootROOT5678".into()),
            name: Some("Ada\u{1b}[2J".into()),
            party: Some("Club".into()),
            once: None,
        }
    }

    #[test]
    fn a_name_stands_with_its_party_and_cannot_touch_the_terminal() {
        assert_eq!(author(&ada()), "Ada␛[2J (Club)");
        let unnamed = Author {
            name: None,
            party: None,
            ..ada()
        };
        assert_eq!(author(&unnamed), "…ROOT5678 (no party vouches)");
        let gone = Author {
            party: None,
            once: Some("Club".into()),
            ..ada()
        };
        assert_eq!(author(&gone), "Ada␛[2J (once Club)");
    }

    #[test]
    fn imported_texts_say_so_wherever_they_stand() {
        let from = Origin {
            system: "mail".into(),
            id: "1@x".into(),
            author: "Bob".into(),
            time_ms: Some(0),
        };
        assert_eq!(
            origin(&from),
            "imported, author not verified: Bob, 1970-01-01 00:00 UTC, mail 1@x"
        );
        assert!(cell(&ada(), Some(&from)).contains("Bob [imported, not verified] by Ada"));
    }
}
