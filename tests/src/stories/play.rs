//! Playing a story, step by step.

use super::{
    actor::{Actor, on_terminal},
    pattern::{Values, difference, fill, matches},
    script::{self, Mood, Step, What},
};
use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long something that becomes true soon may take.
const SOON: Duration = Duration::from_secs(30);
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// Plays the story in this file.
///
/// # Panics
/// At the first step that does not go as told, with file, line and what differs.
pub fn play(file: &Path) {
    let text =
        fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    if let Err((line, why)) = play_text(&text, file.parent().unwrap_or(file)) {
        panic!("the story does not go as told\n\ntests/stories/{name}:{line}: {why}");
    }
}

fn play_text(text: &str, folder: &Path) -> Result<(), (usize, String)> {
    let steps = script::read(text)?;
    let stage = tempfile::Builder::new().prefix("story-").tempdir().unwrap();
    let mut actors: BTreeMap<String, Actor> = BTreeMap::new();
    let mut values = Values::new();
    for step in &steps {
        let actor = actors
            .entry(step.actor.clone())
            .or_insert_with(|| enter(stage.path(), &step.actor, folder));
        values.insert("PORT".to_owned(), actor.port.to_string());
        take(step, actor, &mut values).map_err(|why| (step.line, why))?;
    }
    Ok(())
}

fn enter(stage: &Path, name: &str, folder: &Path) -> Actor {
    let actor = Actor::new(stage, name);
    let samples = actor.folder().join("samples");
    std::os::unix::fs::symlink(folder.join("data"), samples).unwrap();
    actor
}

fn take(step: &Step, actor: &Actor, values: &mut Values) -> Result<(), String> {
    match &step.what {
        What::File { name, content } => {
            let path = actor.folder().join(name);
            fs::write(&path, content).map_err(|error| format!("{name}: {error}"))
        }
        What::Command {
            command,
            mood,
            expected,
        } => {
            let filled = fill(command, values)
                .map_err(|name| format!("nothing before gave <{name}> a value"))?;
            let expected: Vec<&str> = trimmed(expected.iter().map(String::as_str).collect());
            let deadline = Instant::now() + SOON;
            loop {
                let (code, seen) = type_in(actor, &filled);
                let result = judge(*mood, &expected, code, &seen, values);
                match result {
                    Ok(found) => {
                        *values = found;
                        return Ok(());
                    }
                    Err(_) if *mood == Mood::Soon && Instant::now() < deadline => {
                        thread::sleep(LOOK_AGAIN);
                    }
                    Err(why) => return Err(format!("{}: {filled}\n{why}", actor.name)),
                }
            }
        }
    }
}

fn type_in(actor: &Actor, command: &str) -> (Option<i32>, String) {
    let mut shell = actor.environment("sh");
    shell.args(["-c", command]);
    on_terminal(shell)
}

fn judge(
    mood: Mood,
    expected: &[&str],
    code: Option<i32>,
    seen: &str,
    values: &Values,
) -> Result<Values, String> {
    let seen = trimmed(seen.lines().map(str::trim_end).collect());
    let as_told = match mood {
        Mood::Fail => code.is_some_and(|code| code != 0),
        Mood::Succeed | Mood::Soon => code == Some(0),
    };
    let found = matches(expected, &seen, values);
    match found {
        Some(values) if as_told => Ok(values),
        _ => {
            let code = code.map_or("a signal".to_owned(), |code| format!("exit code {code}"));
            let wanted = match mood {
                Mood::Fail => "a failure",
                Mood::Succeed | Mood::Soon => "exit code 0",
            };
            let ended = if as_told {
                String::new()
            } else {
                format!("ended with {code}, {wanted} was expected\n")
            };
            Err(ended + &difference(expected, &seen, values))
        }
    }
}

/// Without empty lines at the end.
fn trimmed(mut lines: Vec<&str>) -> Vec<&str> {
    while lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_and_outputs_must_both_be_as_told() {
        let none = Values::new();
        let judge = |mood, expected: &[&str], code, seen| judge(mood, expected, code, seen, &none);
        assert!(judge(Mood::Succeed, &["a"], Some(0), "a\n\n").is_ok());
        assert!(judge(Mood::Fail, &["a"], Some(1), "a\n").is_ok());
        let why = judge(Mood::Fail, &["a"], Some(0), "a\n").unwrap_err();
        assert!(why.contains("a failure was expected"), "{why}");
        assert!(judge(Mood::Succeed, &["a"], Some(2), "a\n").is_err());
        assert!(judge(Mood::Fail, &["a"], None, "a\n").is_err());
        let why = judge(Mood::Succeed, &["a"], Some(0), "b\n").unwrap_err();
        assert_eq!(why, "  - a\n  + b\n");
    }
}
