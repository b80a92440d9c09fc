use super::*;
use std::fs;

fn options() -> MailOptions {
    MailOptions::new(AddressSalt::from_bytes([3; 32]))
}

fn read(path: &Path, options: MailOptions) -> (Vec<Item>, Report) {
    let mut reader = MailReader::open(path, options).unwrap();
    let items: Vec<_> = reader.by_ref().collect();
    (items, reader.report().clone())
}

fn one(message: &[u8]) -> Item {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("m"), message).unwrap();
    let (mut items, report) = read(folder.path(), options());
    assert_eq!(report.skipped, []);
    items.remove(0)
}

#[test]
fn an_mbox_is_split_threaded_and_unquoted() {
    let mbox = "From ann@x.org Tue Nov 17 12:00:00 2009\nFrom: Ann <ann@x.org>\nMessage-ID: <1@x>\nSubject: Hi\n\n\
        >From here.\n>>From there.\n\nFrom bob@x.org Tue Nov 17 13:00:00 2009\nFrom: bob@x.org\nMessage-ID: <2@x>\n\
        Subject: Re: Hi\nIn-Reply-To: <1@x>\nDate: garbage\n\nAnn <ann@x.org> wrote:\n> x\n\nFrom this on.\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.mbox");
    fs::write(&path, mbox).unwrap();
    let (items, report) = read(&path, options());
    assert_eq!((report.read, report.topics, report.replies), (2, 1, 1));
    assert_eq!(items[0].body, "From here.\n\n> From there.");
    assert_eq!(items[1].body, "Ann <…@…> wrote:\n\n> x\n\nFrom this on.");
    assert_eq!(items[1].origin.time_ms, Some(1_258_462_800_000));
    assert!(
        items[1].notes[0].contains("from the archive"),
        "{:?}",
        items[1].notes
    );
    let kept = read(
        &path,
        MailOptions {
            keep_addresses: true,
            ..options()
        },
    )
    .0;
    assert_eq!(kept[1].origin.author_id.as_deref(), Some("bob@x.org"));
    assert!(kept[1].body.contains("ann@x.org"));
}

#[test]
fn a_pipermail_archive_hides_its_spelled_out_addresses() {
    let archive = "From ann at x.org  Tue Nov 17 12:00:00 2009\nFrom: ann at x.org (Ann B)\nDate: Tue, 17 Nov 2009 12:00:00 +0000\n\
        Subject: [list] Hi\nMessage-ID: <1@x>\n\nWrite to bob at x.org.\n\n\
        From bob at x.org  Tue Nov 17 13:00:00 2009\nFrom: bob at x.org (Bob)\nSubject: [list] Re: Hi\nMessage-ID: <2@x>\n\nok\n";
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("2009-November.txt"), archive).unwrap();
    let (items, _) = read(folder.path(), options());
    assert_eq!(items[0].origin.author_name, "Ann B");
    assert_eq!(
        items[0].origin.author_id,
        Some(options().salt.author_id("ann@x.org"))
    );
    assert_eq!(items[0].body, "Write to …@….");
    assert!(matches!(&items[1].kind, ItemKind::Reply { parent, .. } if parent.id == "1@x"));
    assert!(items[1].notes.iter().any(|note| note.contains("subject")));
}

#[test]
fn a_folder_reports_what_it_cannot_read_and_takes_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let message = "From: a@b.c\nSubject: s\nMessage-ID: <1>\n\nx";
    for name in ["cur", "new", "tmp", "other"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("cur/a"), message).unwrap();
    fs::write(at("new/b"), message.replace("<1>", "<2>")).unwrap();
    fs::write(at("new/copy"), message).unwrap();
    fs::write(at("tmp/c"), message).unwrap();
    fs::write(at("database"), b"\x00\x01binary").unwrap();
    fs::write(at("empty"), b"").unwrap();
    fs::write(
        at("large"),
        format!("{message}{}", "y".repeat(9 * 1024 * 1024)),
    )
    .unwrap();
    std::os::unix::fs::symlink(at("cur/a"), at("link")).unwrap();
    let (items, report) = read(folder.path(), options());
    assert_eq!(items.len(), 2);
    let named: Vec<_> = report
        .skipped
        .iter()
        .map(|skipped| skipped.name.as_str())
        .collect();
    assert_eq!(
        named,
        ["link", "other", "database", "empty", "large", "new/copy"]
    );
    assert_eq!(report.skipped[5].reason, "has the same Message-ID as cur/a");
    assert_eq!(report.left_out.len(), 1);
}

#[test]
fn parts_are_chosen_and_attachments_named() {
    let message = b"From: =?utf-8?q?J=C3=B6?= <a@b.c>\nSubject: =?iso-8859-1?Q?caf=E9?=\nMessage-ID: <1>\nbroken line\n\
        Content-Type: multipart/mixed; boundary=\"o\"\n\n--o\nContent-Type: multipart/alternative; boundary=i\n\n\
        --i\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\nGr=FC=DFe =\nan a@b.c\n\
        --i\nContent-Type: text/html\n\n<p>no</p>\n--i--\n--o\nContent-Type: image/png; name=\"a@b.c.png\"\n\
        Content-Transfer-Encoding: base64\n\niVBORw0K\n--o--\n";
    let item = one(message);
    assert_eq!(item.origin.author_name, "Jö");
    assert_eq!(
        item.kind,
        ItemKind::Topic {
            form: Form::Discussion,
            title: "café".into()
        }
    );
    assert_eq!(
        item.body,
        "Grüße an …@…\n\nAttachment not imported: …@… (image/png, 6 bytes)"
    );
    assert_eq!(item.notes[0], "1 broken header lines were ignored.");
}

#[test]
fn html_mail_becomes_safe_markdown() {
    let item = one(b"From: a@b.c\nSubject: s\nContent-Type: text/html; charset=utf-8\n\n<p>Hi <a href='mailto:x@y.z'>x@<b>y.z</b></a><script>x</script></p>");
    assert!(item.body.starts_with("Hi "), "{}", item.body);
    assert!(!item.body.contains("script"));
    assert!(
        item.notes.iter().any(|note| note.contains("<script>")),
        "{:?}",
        item.notes
    );
}

#[test]
fn a_message_without_id_gets_a_stable_one_that_needs_the_salt() {
    let message = b"From: a@b.c\nSubject: s\nDate: Tue, 17 Nov 2009 12:00:00 +0000\n\nx";
    let first = one(message).origin.reference.id;
    assert!(first.starts_with("content:"));
    assert_eq!(
        first,
        one(b"X-Other: y\nFrom: a@b.c\nSubject: s\nDate: Tue, 17 Nov 2009 12:00:00 +0000\n\nx\n")
            .origin
            .reference
            .id
    );
    assert_ne!(
        first,
        one(b"From: a@b.c\nSubject: s\nDate: Tue, 17 Nov 2009 12:00:00 +0000\n\ny")
            .origin
            .reference
            .id
    );
}

#[test]
fn a_long_body_is_cut_with_a_note() {
    let item = one(format!("From: a@b.c\nSubject: s\n\n{}", "line\n".repeat(100_000)).as_bytes());
    assert!(item.body.len() <= BODY_MAX_BYTES);
    assert!(item.notes.iter().any(|note| note.starts_with("Cut here")));
}

#[test]
fn an_id_that_holds_the_senders_address_is_hidden_but_still_threads() {
    let folder = tempfile::tempdir().unwrap();
    let first = "From: a@b.c\nSubject: s\nMessage-ID: <1-git-send-email-a@b.c>\n\nx";
    let answer = "From: d@e.f\nSubject: Re: s\nMessage-ID: <2@e>\nIn-Reply-To: <1-git-send-email-a@b.c>\n\ny";
    fs::write(folder.path().join("1"), first).unwrap();
    fs::write(folder.path().join("2"), answer).unwrap();
    let (items, _) = read(folder.path(), options());
    let id = &items[0].origin.reference.id;
    assert!(id.starts_with("hidden:") && !id.contains('@'), "{id}");
    assert!(matches!(&items[1].kind, ItemKind::Reply { parent, .. } if parent.id == *id));
    let kept = read(
        folder.path(),
        MailOptions {
            keep_addresses: true,
            ..options()
        },
    )
    .0;
    assert_eq!(kept[0].origin.reference.id, "1-git-send-email-a@b.c");
}

#[test]
fn readers_can_be_moved_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<MailReader>();
    is_send::<crate::import::StackExchangeReader>();
    is_send::<crate::import::JsonlReader>();
}
