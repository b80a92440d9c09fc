//! Reading a story: which blocks it has, who acts in them, and where they stand.

/// Something that happens in a story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// Who does it.
    pub(super) actor: String,
    /// Line of the file, from 1.
    pub(super) line: usize,
    pub(super) what: What,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// A command is typed, and this is seen.
    Command {
        command: String,
        mood: Mood,
        expected: Vec<String>,
    },
    /// A file is written.
    File { name: String, content: String },
}

/// What a command must do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Succeed,
    Fail,
    /// Succeed and show what is expected, in a moment if not at once.
    Soon,
}

/// Reads a story.
///
/// # Errors
/// The line that is not understood, and why.
pub(super) fn read(text: &str) -> Result<Vec<Step>, (usize, String)> {
    let mut steps = Vec::new();
    let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
    while let Some((at, line)) = lines.next() {
        let Some(fence) = line.strip_prefix("```") else {
            continue;
        };
        let mut block = Vec::new();
        let mut closed = false;
        for (at, line) in lines.by_ref() {
            if line.starts_with("```") {
                closed = true;
                break;
            }
            block.push((at, line));
        }
        if !closed {
            return Err((at, "the block is never closed".to_owned()));
        }
        if let Some(header) = fence.trim().strip_prefix('~') {
            steps.extend(read_block(at, header, &block)?);
        }
    }
    Ok(steps)
}

fn read_block(
    at: usize,
    header: &str,
    block: &[(usize, &str)],
) -> Result<Vec<Step>, (usize, String)> {
    let (actor, rest) = header.split_once(' ').unwrap_or((header, ""));
    let rest = rest.trim();
    let is_name = !actor.is_empty() && actor.chars().all(|c| c.is_ascii_lowercase());
    if !is_name {
        return Err((at, format!("{actor:?} is no name in small letters")));
    }
    let mood = match rest {
        "" => Mood::Succeed,
        "(fail)" => Mood::Fail,
        "(soon)" => Mood::Soon,
        _ => {
            let name = rest
                .strip_prefix("(file ")
                .and_then(|it| it.strip_suffix(')'));
            let name = name.ok_or_else(|| (at, format!("{rest} is not understood")))?;
            let content = block.iter().map(|(_, line)| format!("{line}\n")).collect();
            return Ok(vec![Step {
                actor: actor.to_owned(),
                line: at,
                what: What::File {
                    name: name.to_owned(),
                    content,
                },
            }]);
        }
    };
    commands(at, actor, mood, block)
}

fn commands(
    at: usize,
    actor: &str,
    mood: Mood,
    block: &[(usize, &str)],
) -> Result<Vec<Step>, (usize, String)> {
    let mut steps: Vec<Step> = Vec::new();
    let mut goes_on = false;
    for (at, line) in block {
        if let Some(typed) = line.strip_prefix("$ ") {
            steps.push(Step {
                actor: actor.to_owned(),
                line: *at,
                what: What::Command {
                    command: typed.to_owned(),
                    mood,
                    expected: Vec::new(),
                },
            });
            goes_on = typed.ends_with('\\');
            continue;
        }
        let Some(What::Command {
            command, expected, ..
        }) = steps.last_mut().map(|step| &mut step.what)
        else {
            return Err((*at, "a block begins with `$ ` and a command".to_owned()));
        };
        if goes_on {
            command.push('\n');
            command.push_str(line);
            goes_on = line.ends_with('\\');
        } else {
            expected.push(line.trim_end().to_owned());
        }
    }
    if steps.is_empty() {
        return Err((at, "the block is empty".to_owned()));
    }
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_read_with_who_acts_and_what_is_expected() {
        let text = "# A\n```~alice\n$ one \\\n  more\nseen\n$ two\n```\nword\n```\nnot played\n```\n\
            ```~bob (fail)\n$ three\n```\n```~bob (file a.md)\ntext\n```\n";
        let steps = read(text).unwrap();
        let lines: Vec<usize> = steps.iter().map(|step| step.line).collect();
        assert_eq!(lines, [3, 6, 13, 15]);
        assert_eq!(
            steps[0].what,
            What::Command {
                command: "one \\\n  more".into(),
                mood: Mood::Succeed,
                expected: vec!["seen".into()],
            }
        );
        assert!(matches!(
            steps[2].what,
            What::Command {
                mood: Mood::Fail,
                ..
            }
        ));
        let file = What::File {
            name: "a.md".into(),
            content: "text\n".into(),
        };
        assert_eq!((steps[3].actor.as_str(), &steps[3].what), ("bob", &file));
    }

    #[test]
    fn what_is_not_understood_is_named_by_its_line() {
        for (text, line) in [
            ("\n```~alice\n$ one", 2),
            ("```~alice (maybe)\n$ one\n```", 1),
            ("```~alice\nno command\n```", 2),
            ("```~Alice\n$ one\n```", 1),
            ("```~alice\n```", 1),
        ] {
            assert_eq!(read(text).unwrap_err().0, line, "{text}");
        }
    }
}
