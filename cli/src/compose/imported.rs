//! How an item of another system becomes a document here.
//!
//! The importer signs it, so the original author is a claim that stands in `origin`. What a reader
//! should know about the copy goes below the text, where it cannot be missed.

use super::document::{self, Origin};
use crate::import::{Form as ItemForm, Item, ItemKind, OriginRef};
use comity_protocol::{
    document::{Draft, kind::Form},
    id::DocumentId,
};
use std::collections::HashMap;

/// Documents of an import by what they were elsewhere.
pub type Known = HashMap<OriginRef, DocumentId>;

/// The draft for an item; none if what it belongs to did not come in.
pub fn draft(item: &Item, known: &Known, addresses_hashed: Option<bool>) -> Option<Draft> {
    let origin = origin(item, addresses_hashed);
    let origin = Some(&origin);
    let body = with_notes(item);
    Some(match &item.kind {
        ItemKind::Topic { form, title } => {
            document::topic(form_of(*form), title, &body, &item.tags, origin)
        }
        ItemKind::Reply { parent, root } => {
            document::reply(*known.get(root)?, *known.get(parent)?, &body, origin)
        }
        ItemKind::Accept { question, answer } => {
            document::accept(*known.get(question)?, *known.get(answer)?, origin)
        }
    })
}

fn form_of(form: ItemForm) -> Form {
    match form {
        ItemForm::Discussion => Form::Discussion,
        ItemForm::Question => Form::Question,
        ItemForm::Idea => Form::Idea,
        ItemForm::Announcement => Form::Announcement,
        ItemForm::Note => Form::Note,
    }
}

fn origin(item: &Item, addresses_hashed: Option<bool>) -> Origin {
    let source = &item.origin;
    let author = match &source.author_id {
        Some(id) if source.author_name.is_empty() => id.clone(),
        // Two people of one name stay apart.
        Some(id) => format!("{} ({id})", source.author_name),
        None => source.author_name.clone(),
    };
    Origin {
        system: source.reference.system.clone(),
        id: source.reference.id.clone(),
        author: Some(author).filter(|it| !it.is_empty()),
        time_ms: source.time_ms.and_then(|ms| i64::try_from(ms).ok()),
        addresses_hashed,
    }
}

fn with_notes(item: &Item) -> String {
    let licence = item
        .origin
        .licence
        .iter()
        .map(|licence| format!("Licence: {licence}."));
    let notes: Vec<String> = item.notes.iter().cloned().chain(licence).collect();
    if notes.is_empty() || matches!(item.kind, ItemKind::Accept { .. }) {
        return item.body.clone();
    }
    let notes: String = notes.iter().map(|note| format!("> - {note}\n")).collect();
    format!("{}\n\n> About this copy:\n>\n{notes}", item.body.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import;

    fn item(kind: ItemKind) -> Item {
        Item {
            origin: import::Origin {
                reference: reference("1"),
                author_name: "Alan".into(),
                author_id: Some("17".into()),
                time_ms: Some(5),
                licence: Some("CC BY-SA 4.0".into()),
            },
            kind,
            body: "Text\n".into(),
            tags: Vec::new(),
            notes: vec!["An attachment was left out.".into()],
        }
    }

    fn reference(id: &str) -> OriginRef {
        OriginRef {
            system: "mail".into(),
            id: id.into(),
        }
    }

    #[test]
    fn a_copy_says_what_it_is() {
        let topic = item(ItemKind::Topic {
            form: ItemForm::Discussion,
            title: "T".into(),
        });
        let draft = draft(&topic, &Known::new(), Some(true)).unwrap();
        let words = String::from_utf8(draft.seal([b' '; 32]).unwrap().words).unwrap();
        for part in ["Alan (17)", "attachment", "CC BY-SA 4.0"] {
            assert!(words.contains(part), "{part} in {words}");
        }
    }

    #[test]
    fn a_reply_needs_its_thread() {
        let reply = item(ItemKind::Reply {
            parent: reference("0"),
            root: reference("0"),
        });
        assert!(draft(&reply, &Known::new(), None).is_none());
        let known = Known::from([(reference("0"), DocumentId::from_bytes([1; 32]))]);
        draft(&reply, &known, None).unwrap().seal([0; 32]).unwrap();
    }
}
