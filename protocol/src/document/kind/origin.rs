//! Where imported content comes from. The importer signs it; the original author is a claim.

use super::{Field, FieldType, TEXT, TITLE};
use crate::limits::TIME_MAX_MS;

/// The field `origin` of a kind that can be imported.
pub(super) const ORIGIN: Field = Field::optional("origin", FieldType::Map(FIELDS)).fixed();

const FIELDS: &[Field] = &[
    // Identifier within the other system, as it stands there.
    Field::required("id", TITLE),
    Field::optional("url", TEXT),
    // Claimed time of writing, in milliseconds since the Unix epoch; old archives go below 0.
    Field::optional(
        "time",
        FieldType::Int {
            min: -(TIME_MAX_MS as i64),
            max: TIME_MAX_MS as i64,
        },
    ),
    Field::optional("author", TEXT),
    // Id of what it answered there, when that was not imported.
    Field::optional("parent", TEXT),
    Field::required("system", TITLE),
    // Number of parts left out, such as attachments.
    Field::optional(
        "omitted",
        FieldType::Int {
            min: 0,
            max: u32::MAX as i64,
        },
    ),
    // Whether addresses in it were replaced by digests.
    Field::optional("addresses_hashed", FieldType::Bool),
];
