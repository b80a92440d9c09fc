//! `topic`: opens a conversation.

use super::{Definition, Field, FieldType, TAGS, TEXT, TITLE, no_further_rule, origin::ORIGIN};

/// What a topic is for; stands in its field `form`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i64)]
pub enum Form {
    /// Talk about something.
    Discussion = 0,
    /// Asks for an answer.
    Question = 1,
    /// Asks for something to be done.
    Idea = 2,
    /// Tells everybody.
    Announcement = 3,
    /// Keeps something.
    Note = 4,
}

impl Form {
    /// All forms, in the order of their codes.
    pub const ALL: [Self; 5] = [
        Self::Discussion,
        Self::Question,
        Self::Idea,
        Self::Announcement,
        Self::Note,
    ];

    /// The code that stands in the shape.
    pub const fn code(self) -> i64 {
        self as i64
    }

    /// The form of this code, if there is one.
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|form| form.code() == code)
    }

    /// The word for it in commands and views.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discussion => "discussion",
            Self::Question => "question",
            Self::Idea => "idea",
            Self::Announcement => "announcement",
            Self::Note => "note",
        }
    }
}

pub(super) static DEFINITION: Definition = Definition {
    name: "topic",
    co_written: false,
    fields: &[
        Field::required("body", TEXT),
        Field::required(
            "form",
            FieldType::Int {
                min: Form::Discussion.code(),
                max: Form::Note.code(),
            },
        ),
        Field::optional("tags", TAGS),
        Field::required("title", TITLE),
        ORIGIN,
    ],
    rule: no_further_rule,
};
