use super::*;
use crate::codec::key_order;
use crate::document::{Draft, Reference, value::map};
use crate::id::DocumentId;

fn check(kind: Kind, draft: Draft) -> Result<(), RuleError> {
    kind.check(&draft.shape().unwrap())
}

fn path(steps: &[&str]) -> Vec<Step> {
    steps.iter().map(|step| Step::from(*step)).collect()
}

fn document(byte: u8) -> Value<String> {
    Reference::from(DocumentId::from_bytes([byte; 32])).into()
}

/// Missing fields are reported in canonical order, and specifications list fields so.
#[test]
fn fields_are_in_canonical_order() {
    fn sorted(fields: &[Field]) {
        assert!(fields.is_sorted_by(|a, b| key_order(a.name, b.name).is_lt()));
        for field in fields {
            if let FieldType::Map(inner) = field.of {
                sorted(inner);
            }
        }
    }
    Kind::ALL.iter().for_each(|kind| sorted(kind.fields()));
}

#[test]
fn a_complete_topic_passes_and_each_lack_is_named() {
    let topic = |form: i64, title: &str| {
        Draft::create(
            Kind::Topic,
            [
                ("title", title.into()),
                ("body", "b".into()),
                ("form", form.into()),
            ],
        )
    };
    assert_eq!(check(Kind::Topic, topic(1, "t")), Ok(()));
    assert_eq!(
        check(Kind::Topic, topic(5, "t")),
        Err(RuleError::OutOfRange {
            at: "/form".into(),
            value: 5
        })
    );
    assert_eq!(
        check(Kind::Topic, topic(1, "")),
        Err(RuleError::EmptyText("/title".into()))
    );
    assert_eq!(
        check(Kind::Topic, Draft::create(Kind::Topic, [])),
        Err(RuleError::MissingField("/body".into()))
    );
}

#[test]
fn edits_keep_required_fields_and_types() {
    let edit = |operation| check(Kind::Page, Draft::edit(vec![operation]));
    let put = |steps: &[&str], value: Value<String>| Operation::Put {
        path: path(steps),
        value,
    };
    let delete = |steps: &[&str]| Operation::Delete { path: path(steps) };
    assert_eq!(edit(put(&["title"], "new".into())), Ok(()));
    assert_eq!(edit(delete(&["tags"])), Ok(()));
    assert_eq!(
        edit(delete(&["title"])),
        Err(RuleError::RequiredField("/title".into()))
    );
    assert_eq!(
        edit(put(&["title"], 1.into())),
        Err(RuleError::WrongType {
            at: "/title".into(),
            expected: "a text"
        })
    );
    assert_eq!(
        edit(put(&["colour"], 1.into())),
        Err(RuleError::UnknownField("/colour".into()))
    );
    assert_eq!(
        edit(put(&["title", "x"], 1.into())),
        Err(RuleError::WrongType {
            at: "/title".into(),
            expected: "a text"
        })
    );
    let origin = map([("system", "s".into()), ("id", "1".into())]);
    assert_eq!(
        edit(put(&["origin"], origin)),
        Err(RuleError::FixedField("/origin".into()))
    );
    let splice = Operation::Splice {
        path: path(&["tags"]),
        position: 0,
        delete: 0,
        insert: "x".into(),
    };
    assert!(matches!(edit(splice), Err(RuleError::WrongType { .. })));
}

#[test]
fn an_acceptance_names_two_documents() {
    let accept = |topic, reply| Draft::create(Kind::Accept, [("topic", topic), ("reply", reply)]);
    assert_eq!(
        check(Kind::Accept, accept(document(1), document(2))),
        Ok(())
    );
    assert_eq!(
        check(Kind::Accept, accept(document(1), document(1))),
        Err(RuleError::AcceptsItself)
    );
}

#[test]
fn only_pages_are_co_written() {
    let co_written: Vec<_> = Kind::ALL
        .into_iter()
        .filter(|k| k.is_co_written())
        .collect();
    assert_eq!(co_written, [Kind::Page]);
}
