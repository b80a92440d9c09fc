//! Real archives, where they are at hand: `$COMITY_DATA`, else `../shared/data` beside the project.

use super::{drain, shows_the_same::assert_safe};
use comity::import::{
    AddressSalt, Item, ItemKind, JsonlOptions, JsonlReader, MailOptions, MailReader, Report,
    StackExchangeOptions, StackExchangeReader, to_json_line,
};
use std::{
    env, fs,
    path::{Path, PathBuf},
};

fn data(part: &str) -> Option<PathBuf> {
    let folder = env::var_os("COMITY_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = folder.join(part);
    if !path.exists() {
        println!(
            "SKIPPED: no real data at {} (set COMITY_DATA)",
            path.display()
        );
        return None;
    }
    Some(path)
}

fn mail(path: &Path, keep_addresses: bool) -> (Vec<Item>, Report) {
    let options = MailOptions {
        keep_addresses,
        ..MailOptions::new(AddressSalt::from_bytes([1; 32]))
    };
    drain(MailReader::open(path, options).unwrap())
}

fn coffee(path: &Path) -> (Vec<Item>, Report) {
    drain(StackExchangeReader::open(path, StackExchangeOptions::default()).unwrap())
}

#[test]
fn a_mailing_list() {
    let Some(path) = data("mail/lkml") else {
        return;
    };
    let (items, report) = mail(&path, false);
    assert_eq!(report.read, 210);
    assert_eq!(report.items() + report.skipped_total(), 210);
    for item in &items {
        if let ItemKind::Topic { title, .. } = &item.kind {
            println!("{title}");
        }
    }
    let skipped_as_double = report
        .skipped
        .iter()
        .filter(|skipped| skipped.reason.contains("same Message-ID"));
    assert_eq!(
        (report.topics, report.replies, skipped_as_double.count()),
        (9, 167, 34)
    );
    for item in &items {
        assert_safe(&item.body);
        assert!(!item.body.contains('\u{fffd}'), "{:?}", item.origin);
        assert!(item.origin.time_ms.is_some(), "{:?}", item.origin);
    }
    assert_eq!(mail(&path, false), (items, report));
}

#[test]
fn no_address_is_left_in_a_mailing_list() {
    let Some(path) = data("mail/lkml") else {
        return;
    };
    let senders: Vec<String> = mail(&path, true)
        .0
        .into_iter()
        .filter_map(|item| item.origin.author_id)
        .collect();
    assert!(senders.iter().all(|sender| sender.contains('@')) && !senders.is_empty());
    for item in mail(&path, false).0 {
        let text = format!("{item:?}").to_lowercase();
        for sender in &senders {
            assert!(!text.contains(sender.as_str()), "{sender} in {text}");
        }
    }
}

#[test]
fn a_question_and_answer_site() {
    let Some(path) = data("stackexchange/coffee/Posts.xml") else {
        return;
    };
    let (items, report) = coffee(&path);
    assert_eq!(
        (report.topics, report.replies, report.accepts),
        (225, 327, 105)
    );
    assert_eq!(report.skipped, []);
    println!("left out: {:?}", report.left_out);
    assert_eq!(report.left_out.keys().collect::<Vec<_>>(), ["tag wikis"]);
    for item in &items {
        assert_safe(&item.body);
        assert!(
            item.body.is_empty() == matches!(item.kind, ItemKind::Accept { .. }),
            "{:?}",
            item.origin
        );
    }
    assert_eq!(coffee(&path), (items, report));
}

#[test]
fn real_items_survive_our_own_lines() {
    let mut all = Vec::new();
    if let Some(path) = data("mail/lkml") {
        all.extend(mail(&path, false).0);
    }
    if let Some(path) = data("stackexchange/coffee/Posts.xml") {
        all.extend(coffee(&path).0);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let lines: Vec<String> = all.iter().map(to_json_line).collect();
    fs::write(file.path(), lines.join("\n")).unwrap();
    let (read, report) = drain(JsonlReader::open(file.path(), JsonlOptions::default()).unwrap());
    assert_eq!(report.skipped, []);
    assert_eq!(read, all);
}
