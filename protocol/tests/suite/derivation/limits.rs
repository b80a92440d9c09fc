//! Limits count work, from shapes alone and over exactly the causal past.

use super::world::{author, entry, first_draft, input, path};
use comity_protocol::derive::{DerivedDocument, Input, Limit, Outcome, VoidReason};
use comity_protocol::document::{Draft, Kind, Operation, Shape, ShapeError, Words};
use comity_protocol::id::{DocumentId, EntryId};

fn put_body(len: usize) -> Draft {
    Draft::edit(vec![Operation::Put {
        path: path(&["body"]),
        value: "🔊".repeat(len / 4).into(),
    }])
}

struct Page {
    document: DerivedDocument,
    create: EntryId,
    next: u64,
}

impl Page {
    fn new() -> Self {
        let create = entry(0);
        let first = first_draft(Kind::Page);
        let first = input(create, create.into(), vec![], author(0), &first);
        Self {
            document: DerivedDocument::new(first).unwrap(),
            create,
            next: 1,
        }
    }

    fn add(&mut self, by: usize, deps: &[EntryId], draft: &Draft) -> (EntryId, Outcome) {
        self.next += 1;
        let id = entry(self.next);
        let made = input(id, self.create.into(), deps.to_vec(), author(by), draft);
        self.document.extend(vec![made], u64::MAX).unwrap();
        (id, self.document.outcome(&id).unwrap().clone())
    }
}

const CHUNK: usize = 250_000;

/// An eighth of 16 MiB is eight chunks. Branches count apart, a join counts both once.
#[test]
fn an_author_share_is_counted_over_the_causal_past() {
    let mut page = Page::new();
    let mut branches = Vec::new();
    for _ in 0..2 {
        let mut head = page.create;
        for _ in 0..5 {
            let (id, outcome) = page.add(1, &[head], &put_body(CHUNK));
            assert_eq!(outcome, Outcome::Changed);
            head = id;
        }
        branches.push(head);
    }
    let small = put_body(4);
    let limit = Outcome::Void(VoidReason::Limit(Limit::AuthorWords));
    assert_eq!(page.add(1, &branches, &small).1, limit);
    assert_eq!(page.add(1, &branches[..1], &small).1, Outcome::Changed);
    // Another author may join them, and void contributions count nothing.
    let (joined, outcome) = page.add(2, &branches, &small);
    assert_eq!(outcome, Outcome::Changed);
    assert_eq!(page.add(1, &[joined], &small).1, limit);
    assert_eq!(page.add(2, &[joined], &put_body(CHUNK)).1, Outcome::Changed);
}

/// Deleted code points are operations; a chunk too many is refused before anything is derived.
#[test]
fn deletions_count_as_operations() {
    let mut page = Page::new();
    let (head, _) = page.add(1, &[page.create], &put_body(240_000));
    let delete = |len| {
        Draft::edit(vec![Operation::Splice {
            path: path(&["body"]),
            position: 0,
            delete: len,
            insert: String::new(),
        }])
    };
    let mut head = head;
    // Of 60,000 code points; the fourth deletion finds too few left.
    for _ in 0..3 {
        let (id, outcome) = page.add(1, &[head], &delete(16_000));
        assert_eq!(outcome, Outcome::Changed);
        head = id;
    }
    let (_, outcome) = page.add(1, &[head], &delete(16_000));
    assert!(matches!(
        outcome,
        Outcome::Void(VoidReason::Operation { .. })
    ));
    let refused = delete(16_384).shape().unwrap().encode();
    assert_eq!(Shape::decode(&refused), Err(ShapeError::TooManyOperations));
}

/// A long post is fine: inserted text counts as words, and needs no operations but its own.
#[test]
fn a_post_may_fill_its_payload() {
    let draft = put_body(200_000);
    assert_eq!(draft.derived_ops(), 1);
    let sealed = draft.seal([0; 32]).unwrap();
    let shape = Shape::decode(&sealed.shape).unwrap();
    assert_eq!(shape.with_words(&Words::open(&shape, &sealed.words)), draft);
    assert!(put_body(262_144).seal([0; 32]).is_err());
}

/// Budgets stop early, say what is left, and change nothing about the result.
#[test]
fn a_budget_divides_the_work() {
    let mut page = Page::new();
    let id: DocumentId = page.create.into();
    let mut deps = vec![page.create];
    let mut batch: Vec<Input> = Vec::new();
    for number in 0..20 {
        let edit = input(entry(500 + number), id, deps, author(1), &put_body(12));
        deps = vec![edit.id];
        batch.push(edit);
    }
    let progress = page.document.extend(batch, 10).unwrap();
    assert!(progress.work >= 10 && progress.work <= 12);
    assert_eq!(progress.remaining + progress.derived.len(), 20);
    assert!(progress.remaining > 0);
    assert_eq!(page.document.remaining(), progress.remaining);
    page.document.extend(vec![], u64::MAX).unwrap();
    assert_eq!(page.document.remaining(), 0);
    assert_eq!(page.document.view().unwrap().text("body"), Some("🔊🔊🔊"));
}
