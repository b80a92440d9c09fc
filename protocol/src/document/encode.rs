//! Shapes as canonical CBOR.
//!
//! Spec: `specs/derivation.md` §2 to §3 (encoding).

use super::{DERIVATION_VERSION, Intent, Key, Leaf, Operation, Shape, Step, Value};
use crate::codec::Writer;
use std::collections::BTreeMap;

pub(super) const CREATE: u64 = 0;
pub(super) const EDIT: u64 = 1;

pub(super) const PUT: u64 = 0;
pub(super) const DELETE: u64 = 1;
pub(super) const INSERT: u64 = 2;
pub(super) const SPLICE: u64 = 3;

pub(super) const TEXT: u64 = 0;
pub(super) const LIST: u64 = 1;
pub(super) const REFERENCE: u64 = 2;

impl Shape {
    /// The one encoding of this shape. Only what [`Shape::decode`] accepts is valid on the wire:
    /// an intent built by hand may exceed limits, which [`super::Draft::seal`] reports.
    pub fn encode(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Intent::Create { kind, fields } => {
                w.array(4).uint(CREATE).uint(DERIVATION_VERSION);
                w.text(kind.as_str());
                map(&mut w, fields);
            }
            Intent::Edit { operations } => {
                w.array(2).uint(EDIT).array(operations.len());
                for operation in operations {
                    encode_operation(&mut w, operation);
                }
            }
        }
        w.finish()
    }
}

fn encode_operation(w: &mut Writer, operation: &Operation<Leaf>) {
    match operation {
        Operation::Put { path, value: put } => {
            w.array(3).uint(PUT);
            encode_path(w, path);
            value(w, put);
        }
        Operation::Delete { path } => {
            w.array(2).uint(DELETE);
            encode_path(w, path);
        }
        Operation::Insert { path, value: item } => {
            w.array(3).uint(INSERT);
            encode_path(w, path);
            value(w, item);
        }
        Operation::Splice {
            path,
            position,
            delete,
            insert,
        } => {
            w.array(5).uint(SPLICE);
            encode_path(w, path);
            w.uint((*position).into()).uint((*delete).into());
            leaf(w, *insert);
        }
    }
}

fn encode_path(w: &mut Writer, path: &[Step]) {
    w.array(path.len());
    for step in path {
        match step {
            Step::Key(key) => w.text(key.as_str()),
            Step::Index(index) => w.uint((*index).into()),
        };
    }
}

fn value(w: &mut Writer, item: &Value<Leaf>) {
    match item {
        Value::Null => {
            w.null();
        }
        Value::Bool(truth) => {
            w.bool(*truth);
        }
        Value::Int(number) => {
            w.int(*number);
        }
        Value::Text(text) => leaf(w, *text),
        Value::Reference(reference) => {
            w.array(3).uint(REFERENCE);
            w.bytes(reference.document.as_bytes());
            w.array(reference.heads.len());
            for head in &reference.heads {
                w.bytes(head.as_bytes());
            }
        }
        Value::Map(entries) => map(w, entries),
        Value::List(items) => {
            w.array(2).uint(LIST).array(items.len());
            for item in items {
                value(w, item);
            }
        }
    }
}

fn leaf(w: &mut Writer, leaf: Leaf) {
    w.array(3).uint(TEXT);
    w.uint(leaf.code_points.into()).uint(leaf.bytes.into());
}

fn map(w: &mut Writer, entries: &BTreeMap<Key, Value<Leaf>>) {
    w.map(entries.len());
    for (key, entry) in entries {
        w.text(key.as_str());
        value(w, entry);
    }
}
