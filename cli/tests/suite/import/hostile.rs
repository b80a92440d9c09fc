//! Damaged input: 100,000 mutated archives over the three readers, none of which may panic, give
//! unsafe text or break the promises that `drain` checks.

use super::{drain, shows_the_same::assert_safe};
use comity::import::{
    AddressSalt, JsonlOptions, JsonlReader, MailOptions, MailReader, StackExchangeOptions,
    StackExchangeReader,
};
use proptest::{prelude::*, test_runner::FileFailurePersistence};
use std::{cell::RefCell, fs, path::Path};

const MBOX: &[u8] = b"From ann@x.org Tue Nov 17 12:00:00 2009\nFrom: =?utf-8?q?J=C3=B6?= <a@b.c>\nMessage-ID: <1@x>\nSubject: [l] Re: =?iso-8859-1?B?6Q==?=\n\
Date: Tue, 17 Nov 2009 12:00:00 +0000\nContent-Type: multipart/mixed; boundary=o\n\n--o\nContent-Type: text/plain; charset=koi8-r; format=flowed\n\
Content-Transfer-Encoding: quoted-printable\n\n> a =E9 \n>b\n\nx\n--o\nContent-Type: text/html\nContent-Transfer-Encoding: base64\n\nPGI+eDwvYj4=\n--o\n\
Content-Disposition: attachment; filename*0*=utf-8''%41; filename*1=b\n\nz\n--o--\n\nFrom b at c.d  Tue Nov 17 12:00:01 2009\nFrom: b at c.d (B)\nReferences: <1@x> <2@x>\n\
In-Reply-To: <2@x>\nSubject: x\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1 @@\n-a\n b\n-- \n2\n";
const POSTS: &[u8] = b"<posts><row Id=\"1\" PostTypeId=\"1\" AcceptedAnswerId=\"2\" Title=\"T &amp; t\" Tags=\"&lt;a&gt;\" Body=\"&lt;p&gt;&lt;a href='http://x'&gt;y&lt;/a&gt;\
&lt;table&gt;&lt;td&gt;z&lt;/table&gt;\" CreationDate=\"2015-01-27T20:09:32.720\"/><row Id=\"2\" PostTypeId=\"2\" ParentId=\"1\" Score=\"-1\" Body=\"&lt;pre&gt;x&#xA;\" OwnerUserId=\"3\"/></posts>";
const LINES: &[u8] = b"{\"kind\":\"reply\",\"body\":\"b\",\"origin\":{\"system\":\"s\",\"id\":\"2\",\"author\":\"A\",\"time\":5},\"parent\":\"1\"}\n\
{\"kind\":\"topic\",\"title\":\"t\",\"tags\":[\"x\"],\"origin\":{\"system\":\"s\",\"id\":\"1\",\"author\":\"A\",\"time\":\"2015-01-27T20:09:32Z\"}}\n\
{\"kind\":\"accept\",\"origin\":{\"system\":\"s\",\"id\":\"3\",\"author\":\"A\"},\"parent\":\"1\",\"answer\":\"2\"}\n";

#[derive(Debug, Clone)]
enum Damage {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize, usize),
    Truncate(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let at = 0..2000_usize;
    let special = prop::sample::select(vec![
        &b"\n"[..],
        b"\n\n",
        b"From ",
        b"<",
        b">",
        b"\"",
        b"=?",
        b"?=",
        b"--o",
        b":",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\x1b[2J",
        b"<row ",
        b"&#x0;",
        b"&x;",
        b"{",
        b"}",
        b"[",
        b"99999999999999999999",
        b"-1",
        b"<!--",
        b"%00",
        b"\r",
        b"\xe2\x80\xae",
        b" at ",
        b"@",
        b"boundary=o",
    ]);
    prop_oneof![
        (at.clone(), any::<u8>()).prop_map(|(at, byte)| Damage::Set(at, byte)),
        (at.clone(), special).prop_map(|(at, bytes)| Damage::Insert(at, bytes.to_vec())),
        (at.clone(), 1..40_usize).prop_map(|(at, length)| Damage::Remove(at, length)),
        (at.clone(), 1..60_usize, 1..4_usize)
            .prop_map(|(at, length, times)| Damage::Repeat(at, length, times)),
        at.prop_map(Damage::Truncate),
    ]
}

fn apply(original: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = original.to_vec();
    for damage in damages {
        let length = bytes.len().max(1);
        match damage {
            Damage::Set(at, byte) => {
                if let Some(place) = bytes.get_mut(at % length) {
                    *place = *byte;
                }
            }
            Damage::Insert(at, piece) => {
                let at = (at % length).min(bytes.len());
                bytes.splice(at..at, piece.iter().copied());
            }
            Damage::Remove(at, count) => {
                let at = (at % length).min(bytes.len());
                let end = (at + count).min(bytes.len());
                bytes.drain(at..end);
            }
            Damage::Repeat(at, count, times) => {
                let at = (at % length).min(bytes.len());
                let piece = bytes[at..(at + count).min(bytes.len())].repeat(*times);
                bytes.splice(at..at, piece);
            }
            Damage::Truncate(at) => bytes.truncate(at % length),
        }
    }
    bytes
}

/// Writes to one file in memory-backed storage where there is some: a case costs no disk access.
fn with_file(bytes: &[u8], read: impl FnOnce(&Path)) {
    thread_local! {
        static FOLDER: RefCell<tempfile::TempDir> = RefCell::new(
            tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
        );
    }
    FOLDER.with_borrow(|folder| {
        let path = folder.path().join("Posts.xml");
        fs::write(&path, bytes).unwrap();
        read(&path);
    });
}

fn config(cases: u32) -> ProptestConfig {
    let failure_persistence = Some(Box::new(FileFailurePersistence::Off) as _);
    ProptestConfig {
        cases,
        failure_persistence,
        max_shrink_iters: 500,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(34_000))]

    #[test]
    fn damaged_mail(damages in prop::collection::vec(damage(), 1..6)) {
        with_file(&apply(MBOX, &damages), |path| {
            let reader = MailReader::open(path, MailOptions::new(AddressSalt::from_bytes([1; 32]))).unwrap();
            drain(reader).0.iter().for_each(|item| assert_safe(&item.body));
        });
    }

    #[test]
    fn damaged_posts(damages in prop::collection::vec(damage(), 1..6)) {
        with_file(&apply(POSTS, &damages), |path| {
            let reader = StackExchangeReader::open(path, StackExchangeOptions::default()).unwrap();
            drain(reader).0.iter().for_each(|item| assert_safe(&item.body));
        });
    }

    #[test]
    fn damaged_lines(damages in prop::collection::vec(damage(), 1..6)) {
        with_file(&apply(LINES, &damages), |path| {
            drain(JsonlReader::open(path, JsonlOptions::default()).unwrap());
        });
    }
}
