//! `accept`: says that a reply answers a topic.

use super::{Definition, Field, FieldType, Fields, RuleError, origin::ORIGIN};
use crate::document::Value;

/// Most earlier acceptances that one can replace at once.
const REPLACES_MAX: usize = 64;

pub(super) static DEFINITION: Definition = Definition {
    name: "accept",
    co_written: false,
    fields: &[
        Field::required("reply", FieldType::Reference).fixed(),
        Field::required("topic", FieldType::Reference).fixed(),
        ORIGIN,
        // Earlier acceptances that this one takes the place of: succession never follows time.
        Field::optional(
            "replaces",
            FieldType::List {
                of: &FieldType::Reference,
                most: REPLACES_MAX,
            },
        )
        .fixed(),
        Field::optional("withdrawn", FieldType::Bool),
    ],
    rule,
};

fn rule(fields: &Fields) -> Result<(), RuleError> {
    match (fields.get(&"topic".into()), fields.get(&"reply".into())) {
        (Some(Value::Reference(topic)), Some(Value::Reference(reply)))
            if topic.document == reply.document =>
        {
            Err(RuleError::AcceptsItself)
        }
        _ => Ok(()),
    }
}
