//! `page`: a text that many write.

use super::{Definition, Field, TAGS, TEXT, TITLE, no_further_rule, origin::ORIGIN};

pub(super) static DEFINITION: Definition = Definition {
    name: "page",
    co_written: true,
    fields: &[
        Field::required("body", TEXT),
        Field::optional("tags", TAGS),
        Field::required("title", TITLE),
        ORIGIN,
    ],
    rule: no_further_rule,
};
