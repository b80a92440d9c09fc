use super::*;

fn read(text: &str) -> (Vec<Item>, Report) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut reader = JsonlReader::open(file.path(), JsonlOptions::default()).unwrap();
    let items: Vec<_> = reader.by_ref().collect();
    (items, reader.report().clone())
}

#[test]
fn lines_in_any_order_come_parents_first_and_survive_a_round_trip() {
    let text = r#"{"kind":"accept","origin":{"system":"s","id":"x","author":"A"},"parent":"1","answer":{"system":"t","id":"2"}}
{"kind":"reply","body":"yes","origin":{"system":"t","id":"2","author":"B","time":5},"parent":{"system":"s","id":"1"}}

{"kind":"topic","form":"question","title":"Q","body":"?","tags":["a"],"notes":["n"],"origin":{"system":"s","id":"1","author":"A","author_id":"9","time":"2015-01-27T20:09:32.720Z","licence":"L"}}"#;
    let (items, report) = read(text);
    let ids: Vec<_> = items
        .iter()
        .map(|item| item.origin.reference.id.as_str())
        .collect();
    assert_eq!(ids, ["1", "2", "x"]);
    assert_eq!(
        (report.read, report.items(), report.skipped_total()),
        (3, 3, 0)
    );
    assert_eq!(items[0].origin.time_ms, Some(1_422_389_372_720));
    let written: Vec<_> = items.iter().rev().map(to_json_line).collect();
    assert_eq!(read(&written.join("\n")).0, items);
}

#[test]
fn each_bad_line_is_named_with_its_number_and_the_rest_goes_in() {
    let origin = |id: &str| format!(r#""origin":{{"system":"s","id":"{id}","author":"A"}}"#);
    let lines = [
        format!(r#"{{"kind":"topic","title":"t",{}}}"#, origin("1")),
        format!(
            r#"{{"kind":"topic","title":"t","colour":"red",{}}}"#,
            origin("2")
        ),
        "nonsense".to_owned(),
        format!(r#"{{"kind":"topic","title":"again",{}}}"#, origin("1")),
        format!(r#"{{"kind":"reply","parent":"gone",{}}}"#, origin("3")),
        format!(r#"{{"kind":"reply","parent":"5",{}}}"#, origin("4")),
        format!(r#"{{"kind":"reply","parent":"4",{}}}"#, origin("5")),
        format!(r#"{{"kind":"reply",{}}}"#, origin("6")),
        format!(
            r#"{{"kind":"topic","title":"{}",{}}}"#,
            "x".repeat(LINE_MAX_BYTES),
            origin("7")
        ),
    ];
    let (items, report) = read(&lines.join("\n"));
    assert_eq!(items.len(), 1);
    let named: Vec<_> = report
        .skipped
        .iter()
        .map(|skipped| skipped.name.as_str())
        .collect();
    assert_eq!(
        named,
        [
            "line 2", "line 3", "line 4", "line 8", "line 9", "line 5", "line 6", "line 7"
        ]
    );
    assert!(report.skipped[0].reason.contains("unknown field `colour`"));
    assert!(report.skipped[5].reason.contains("not in the file: s gone"));
}
