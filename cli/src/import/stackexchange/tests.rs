use super::*;
use std::fs;

fn read(posts: &str, users: Option<&str>) -> (Vec<Item>, Report) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Posts.xml"), posts).unwrap();
    if let Some(users) = users {
        fs::write(folder.path().join("Users.xml"), users).unwrap();
    }
    let options = StackExchangeOptions {
        site: Some("tea".into()),
        ..Default::default()
    };
    let mut reader = StackExchangeReader::open(&folder.path().join("Posts.xml"), options).unwrap();
    let items: Vec<_> = reader.by_ref().collect();
    (items, reader.report().clone())
}

const SMALL: &str = r#"<posts>
<row Id="7" PostTypeId="2" ParentId="3" Score="-2" Body="&lt;p&gt;yes&lt;/p&gt;" OwnerDisplayName="Gone" CreationDate="2015-01-27T20:09:32.720"/>
<!-- <row Id="1" PostTypeId="1"/> -->
<row Id="3" PostTypeId="1" AcceptedAnswerId="7" Title="Q &amp; A" Tags="&lt;a&gt;&lt;b-c&gt;" Body="&lt;b&gt;?&lt;/b&gt;" OwnerUserId="5" ClosedDate="x" CommentCount="2" ContentLicense="CC BY-SA 4.0"/>
<row Id="4" PostTypeId="5" Body="wiki"/>
<row Id="8" PostTypeId="2" ParentId="99" Body="x"/>
<row Id="9" PostTypeId="1" Title="unfinished <row Id="10" PostTypeId="1" Title="sound" AcceptedAnswerId="7" Body=""/>
<row Id="10" PostTypeId="1"/>
<row Id="11" PostTypeId="1" Title="&undefined;"/>
<row PostTypeId="1"/>
"#;

#[test]
fn questions_come_before_answers_before_acceptances() {
    let (items, report) = read(
        SMALL,
        Some(r#"<users><row Id="5" DisplayName="Ann"/></users>"#),
    );
    let reference = |id: &str| OriginRef {
        system: "stackexchange/tea".into(),
        id: id.into(),
    };
    let ids: Vec<_> = items
        .iter()
        .map(|item| item.origin.reference.id.as_str())
        .collect();
    assert_eq!(ids, ["3", "10", "7", "3/accepted"]);
    assert_eq!(
        items[0].kind,
        ItemKind::Topic {
            form: Form::Question,
            title: "Q & A".into()
        }
    );
    assert_eq!(items[0].tags, ["a", "b-c"]);
    assert_eq!(items[0].body, "**?**");
    assert_eq!(
        (
            items[0].origin.author_name.as_str(),
            items[0].origin.author_id.as_deref()
        ),
        ("Ann", Some("5"))
    );
    assert_eq!(items[0].origin.licence.as_deref(), Some("CC BY-SA 4.0"));
    assert_eq!(
        items[0].notes,
        ["Closed in the source.", "Comments not imported: 2."]
    );
    assert_eq!(
        items[2].kind,
        ItemKind::Reply {
            parent: reference("3"),
            root: reference("3")
        }
    );
    assert_eq!(items[2].origin.time_ms, Some(1_422_389_372_720));
    assert_eq!(
        (
            items[2].origin.author_name.as_str(),
            &items[2].origin.author_id
        ),
        ("Gone", &None)
    );
    assert_eq!(
        items[3].kind,
        ItemKind::Accept {
            question: reference("3"),
            answer: reference("7")
        }
    );
    assert_eq!(
        (report.topics, report.replies, report.accepts, report.read),
        (2, 1, 1, 9)
    );
}

#[test]
fn what_is_left_out_is_named() {
    let (_, report) = read(SMALL, None);
    assert_eq!(report.left_out.get("tag wikis"), Some(&1));
    let names: Vec<_> = report
        .skipped
        .iter()
        .map(|skipped| skipped.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["row 5", "post 10", "row 8", "row 9", "post 8", "post 10"]
    );
    assert!(
        report.skipped[4].reason.contains("question 99"),
        "{:?}",
        report.skipped[4]
    );
}

#[test]
fn a_folder_or_a_missing_file_is_an_error_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let open = |path: &Path| {
        StackExchangeReader::open(path, Default::default())
            .err()
            .unwrap()
            .to_string()
    };
    assert!(open(folder.path()).contains("such as Posts.xml"));
    assert!(open(&folder.path().join("none")).contains("check that it exists"));
}
