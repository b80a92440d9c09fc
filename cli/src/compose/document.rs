//! What documents say: a draft for each kind that the command line creates.

use comity_protocol::{
    document::{Draft, Intent, Key, Kind, Reference, Value, kind::Form, value::map},
    id::DocumentId,
};

/// Longest title taken from a text, in characters.
const TITLE_FROM_TEXT_CHARS: usize = 100;

/// Where something was published before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The other system.
    pub system: String,
    /// The id there.
    pub id: String,
    /// The author there, as the source says.
    pub author: Option<String>,
    /// The time there, in milliseconds since the Unix epoch.
    pub time_ms: Option<i64>,
    /// Whether mail addresses in it were replaced by digests.
    pub addresses_hashed: Option<bool>,
}

impl Origin {
    fn value(&self) -> Value<String> {
        let mut value = map([
            ("system", self.system.as_str().into()),
            ("id", self.id.as_str().into()),
        ]);
        if let Value::Map(entries) = &mut value {
            let mut put = |key: &str, value: Option<Value<String>>| {
                if let Some(value) = value {
                    entries.insert(Key::from(key), value);
                }
            };
            put("author", self.author.as_deref().map(Value::from));
            put("time", self.time_ms.map(Value::from));
            put("addresses_hashed", self.addresses_hashed.map(Value::from));
        }
        value
    }
}

/// A topic.
pub fn topic(
    form: Form,
    title: &str,
    body: &str,
    tags: &[String],
    origin: Option<&Origin>,
) -> Draft {
    let draft = Draft::create(
        Kind::Topic,
        [
            ("form", form.code().into()),
            ("title", title.into()),
            ("body", body.into()),
        ],
    );
    with_optional(draft, tags, origin)
}

/// A page.
pub fn page(title: &str, body: &str, tags: &[String], origin: Option<&Origin>) -> Draft {
    let draft = Draft::create(Kind::Page, [("title", title.into()), ("body", body.into())]);
    with_optional(draft, tags, origin)
}

/// A reply to `parent` in the thread that starts with `topic`.
pub fn reply(topic: DocumentId, parent: DocumentId, body: &str, origin: Option<&Origin>) -> Draft {
    let draft = Draft::create(
        Kind::Reply,
        [
            ("topic", Reference::from(topic).into()),
            ("parent", Reference::from(parent).into()),
            ("body", body.into()),
        ],
    );
    with_optional(draft, &[], origin)
}

/// A statement that `reply` answers `topic`.
pub fn accept(topic: DocumentId, reply: DocumentId, origin: Option<&Origin>) -> Draft {
    let draft = Draft::create(
        Kind::Accept,
        [
            ("topic", Reference::from(topic).into()),
            ("reply", Reference::from(reply).into()),
        ],
    );
    with_optional(draft, &[], origin)
}

/// Who somebody is.
pub fn profile(name: &str) -> Draft {
    Draft::create(Kind::Profile, [("name", name.into())])
}

fn with_optional(mut draft: Draft, tags: &[String], origin: Option<&Origin>) -> Draft {
    if let Intent::Create { fields, .. } = &mut draft {
        if !tags.is_empty() {
            let tags = tags.iter().map(|tag| tag.as_str().into()).collect();
            fields.insert(Key::from("tags"), Value::List(tags));
        }
        if let Some(origin) = origin {
            fields.insert(Key::from("origin"), origin.value());
        }
    }
    draft
}

/// A title for a text that came without one: its first heading or line, cut to a bearable length.
pub fn title_of(body: &str) -> Option<String> {
    let line = body.lines().map(str::trim).find(|line| !line.is_empty())?;
    let line = line.trim_start_matches('#').trim();
    if line.is_empty() {
        return None;
    }
    let mut title: String = line.chars().take(TITLE_FROM_TEXT_CHARS).collect();
    if title.len() < line.len() {
        title.push('…');
    }
    Some(title)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> DocumentId {
        DocumentId::from_bytes([byte; 32])
    }

    #[test]
    fn every_kind_can_be_sealed_with_and_without_what_is_optional() {
        let origin = Origin {
            system: "mail".into(),
            id: "1@example".into(),
            author: Some("Somebody".into()),
            time_ms: Some(-5),
            addresses_hashed: Some(true),
        };
        let tags = ["grind".to_owned()];
        for origin in [None, Some(&origin)] {
            for draft in [
                topic(Form::Question, "T", "", &tags, origin),
                page("T", "B", &[], origin),
                reply(id(1), id(2), "B", origin),
                accept(id(1), id(2), origin),
                profile("Ada"),
            ] {
                draft.seal([0; 32]).unwrap();
            }
        }
    }

    #[test]
    fn a_document_cannot_accept_itself() {
        assert!(accept(id(1), id(1), None).seal([0; 32]).is_err());
    }

    #[test]
    fn a_title_is_taken_from_the_first_line() {
        assert_eq!(title_of("\n\n## Hello \nworld").as_deref(), Some("Hello"));
        assert_eq!(title_of(" \n \n"), None);
        assert_eq!(title_of("###"), None);
        let long = title_of(&"é".repeat(200)).unwrap();
        assert_eq!(long.chars().count(), TITLE_FROM_TEXT_CHARS + 1);
    }
}
