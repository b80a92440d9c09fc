//! `reply`: answers a topic, a reply or a page. What the references name is another document, which
//! may not have arrived, so whether they make a thread is for views to see, not for validity.

use super::{Definition, Field, FieldType, TEXT, no_further_rule, origin::ORIGIN};

pub(super) static DEFINITION: Definition = Definition {
    name: "reply",
    co_written: false,
    fields: &[
        Field::required("body", TEXT),
        // Root of the thread, so that a thread is found without walking parents.
        Field::required("topic", FieldType::Reference).fixed(),
        ORIGIN,
        Field::required("parent", FieldType::Reference).fixed(),
    ],
    rule: no_further_rule,
};
