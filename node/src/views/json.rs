//! Values of documents as JSON.

use comity_protocol::derive::{View, Viewed};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

pub(super) fn fields_json(view: &View) -> Map<String, Value> {
    view.fields
        .iter()
        .filter_map(|(name, candidates)| {
            let value = match candidates.as_slice() {
                [] => return None,
                [only] => to_json(&only.value),
                several => {
                    let mut values: Vec<(String, Value)> = several
                        .iter()
                        .map(|it| (it.by.to_string(), to_json(&it.value)))
                        .collect();
                    values.sort_by(|a, b| a.0.cmp(&b.0));
                    json!({ "concurrent": values })
                }
            };
            Some((name.clone(), value))
        })
        .collect()
}

pub(super) fn to_json(value: &Viewed) -> Value {
    match value {
        Viewed::Null => Value::Null,
        Viewed::Bool(value) => json!(value),
        Viewed::Int(value) => json!(value),
        Viewed::Text(text) => json!(text),
        Viewed::Reference(reference) => {
            let heads: Vec<String> = reference.heads.iter().map(ToString::to_string).collect();
            match heads.is_empty() {
                true => json!({ "document": reference.document.to_string() }),
                false => json!({ "document": reference.document.to_string(), "heads": heads }),
            }
        }
        Viewed::Map(entries) => Value::Object(
            entries
                .iter()
                .filter_map(|(key, it)| Some((key.clone(), to_json(&it.first()?.value))))
                .collect::<BTreeMap<_, _>>()
                .into_iter()
                .collect(),
        ),
        Viewed::List(items) => Value::Array(
            items
                .iter()
                .filter_map(|it| Some(to_json(&it.first()?.value)))
                .collect(),
        ),
    }
}
