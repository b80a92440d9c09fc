//! `profile`: who somebody is, for one audience. Names are words, so they can be erased.

use super::{Definition, Field, TAGS, TEXT, TITLE, no_further_rule};

pub(super) static DEFINITION: Definition = Definition {
    name: "profile",
    co_written: false,
    fields: &[
        Field::required("name", TITLE),
        Field::optional("about", TEXT),
        Field::optional("expertise", TAGS),
    ],
    rule: no_further_rule,
};
