//! The codec: one value, one encoding; one encoding, one value.

use comity_protocol::codec::{CodecError, ItemType, Reader, Writer, key_order};
use proptest::prelude::*;

/// Anything the codec can say.
#[derive(Debug, Clone, PartialEq)]
enum Item {
    Uint(u64),
    Int(i64),
    Bytes(Vec<u8>),
    Text(String),
    Array(Vec<Item>),
    Map(Vec<(String, Item)>),
    Bool(bool),
    Null,
}

fn write(item: &Item, w: &mut Writer) {
    match item {
        Item::Uint(value) => {
            w.uint(*value);
        }
        Item::Int(value) => {
            w.int(*value);
        }
        Item::Bytes(value) => {
            w.bytes(value);
        }
        Item::Text(value) => {
            w.text(value);
        }
        Item::Array(items) => {
            w.array(items.len());
            items.iter().for_each(|item| write(item, w));
        }
        Item::Map(entries) => {
            w.map(entries.len());
            for (key, value) in entries {
                write(value, w.text(key));
            }
        }
        Item::Bool(value) => {
            w.bool(*value);
        }
        Item::Null => {
            w.null();
        }
    }
}

const MANY: usize = 1 << 20;

fn read(r: &mut Reader<'_>, depth: usize) -> Result<Item, CodecError> {
    if depth == 0 {
        return Err(CodecError::TooDeep);
    }
    Ok(match r.peek()? {
        ItemType::Uint => Item::Uint(r.uint()?),
        ItemType::Negative => Item::Int(r.int()?),
        ItemType::Bytes => Item::Bytes(r.bytes(MANY)?.to_vec()),
        ItemType::Text => Item::Text(r.text(MANY)?.to_owned()),
        ItemType::Array => {
            let items = (0..r.array(MANY)?).map(|_| read(r, depth - 1));
            Item::Array(items.collect::<Result<_, _>>()?)
        }
        ItemType::Map => {
            let mut entries: Vec<(String, Item)> = Vec::new();
            for _ in 0..r.map(MANY)? {
                let previous = entries.last().map(|(key, _)| key.clone());
                let key = r.key(previous.as_deref(), MANY)?.to_owned();
                entries.push((key, read(r, depth - 1)?));
            }
            Item::Map(entries)
        }
        ItemType::Bool => Item::Bool(r.bool()?),
        ItemType::Null => {
            r.null()?;
            Item::Null
        }
    })
}

fn whole(bytes: &[u8]) -> Result<Item, CodecError> {
    let mut r = Reader::new(bytes);
    let item = read(&mut r, 40)?;
    r.end()?;
    Ok(item)
}

fn any_item() -> impl Strategy<Value = Item> {
    let edges = prop_oneof![
        Just(23u64),
        Just(24),
        Just(255),
        Just(256),
        Just(65_535),
        Just(65_536),
        Just(u64::from(u32::MAX)),
        Just(1 << 32),
        Just(i64::MAX as u64),
        Just(u64::MAX),
        any::<u64>(),
    ];
    let leaf = prop_oneof![
        edges.clone().prop_map(Item::Uint),
        edges.prop_map(|n| Item::Int(-1 - (n >> 1) as i64)),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Item::Bytes),
        "\\PC{0,40}".prop_map(Item::Text),
        any::<bool>().prop_map(Item::Bool),
        Just(Item::Null),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..30).prop_map(Item::Array),
            prop::collection::btree_map("[a-z]{0,12}", inner, 0..8).prop_map(|map| {
                let mut entries: Vec<_> = map.into_iter().collect();
                entries.sort_by(|a, b| key_order(&a.0, &b.0));
                Item::Map(entries)
            }),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(item in any_item()) {
        let mut w = Writer::new();
        write(&item, &mut w);
        let bytes = w.finish();
        prop_assert_eq!(whole(&bytes), Ok(item.clone()));
        for cut in 0..bytes.len().min(64) {
            prop_assert!(whole(&bytes[..cut]).is_err(), "cut at {}", cut);
        }
    }

    #[test]
    fn what_reads_is_written_so(mut bytes in prop::collection::vec(any::<u8>(), 1..24), item in any_item(), at: usize, to: u8) {
        let near = {
            let mut w = Writer::new();
            write(&item, &mut w);
            let mut near = w.finish();
            let at = at % near.len();
            near[at] = to;
            near
        };
        bytes.truncate(24);
        for bytes in [bytes, near] {
            if let Ok(item) = whole(&bytes) {
                let mut w = Writer::new();
                write(&item, &mut w);
                prop_assert_eq!(w.finish(), bytes);
            }
        }
    }
}

#[test]
fn integers_have_one_form_at_every_edge() {
    for (bytes, expected) in [
        ("1817", CodecError::NotShortest),
        ("1900ff", CodecError::NotShortest),
        ("1a0000ffff", CodecError::NotShortest),
        ("1b00000000ffffffff", CodecError::NotShortest),
        ("3b8000000000000000", CodecError::OutOfRange),
        ("3bffffffffffffffff", CodecError::OutOfRange),
        ("3817", CodecError::NotShortest),
        ("1c", CodecError::Unsupported(0x1c)),
        ("1f", CodecError::IndefiniteLength),
        ("5f", CodecError::IndefiniteLength),
        ("c000", CodecError::Unsupported(0xc0)),
        ("f7", CodecError::Unsupported(0xf7)),
        ("f93c00", CodecError::Unsupported(0xf9)),
        ("f820", CodecError::Unsupported(0xf8)),
        ("62c328", CodecError::NotUtf8),
        ("a2616200616100", CodecError::KeyOrder),
        ("a2616100616100", CodecError::KeyOrder),
        ("a262616100616200", CodecError::KeyOrder),
        ("0000", CodecError::TrailingBytes(1)),
        ("", CodecError::Truncated),
    ] {
        assert_eq!(
            whole(&hex::decode(bytes).unwrap()),
            Err(expected),
            "{bytes}"
        );
    }
    let read = |bytes: &str| whole(&hex::decode(bytes).unwrap());
    assert_eq!(read("3b7fffffffffffffff"), Ok(Item::Int(i64::MIN)));
    assert_eq!(read("1bffffffffffffffff"), Ok(Item::Uint(u64::MAX)));
    let int = |bytes: &str| Reader::new(&hex::decode(bytes).unwrap()).int();
    assert_eq!(int("1b7fffffffffffffff"), Ok(i64::MAX));
    assert_eq!(int("1b8000000000000000"), Err(CodecError::OutOfRange));
}

/// A declared length is worth nothing until as many bytes are there: nothing is built from it.
#[test]
fn declared_lengths_are_checked_before_anything_is_built() {
    let huge = |initial: u8| [&[initial | 27][..], &[0xff; 8]].concat();
    for major in [0x40, 0x60, 0x80, 0xa0] {
        let bytes = huge(major);
        let mut r = Reader::new(&bytes);
        let error = match major {
            0x40 => r.bytes(usize::MAX).map(|_| ()),
            0x60 => r.text(usize::MAX).map(|_| ()),
            0x80 => r.array(usize::MAX).map(|_| ()),
            _ => r.map(usize::MAX).map(|_| ()),
        };
        assert_eq!(error, Err(CodecError::Truncated), "{major:#x}");
        let limited = match major {
            0x40 => Reader::new(&bytes).bytes(10).map(|_| ()),
            0x60 => Reader::new(&bytes).text(10).map(|_| ()),
            0x80 => Reader::new(&bytes).array(10).map(|_| ()),
            _ => Reader::new(&bytes).map(10).map(|_| ()),
        };
        let found = u64::MAX;
        assert_eq!(limited, Err(CodecError::TooLong { limit: 10, found }));
    }
    assert_eq!(
        Reader::new(&[0x83, 0, 0]).array(9),
        Err(CodecError::Truncated)
    );
    assert_eq!(Reader::new(&[0xa1, 0]).map(9), Err(CodecError::Truncated));
}
