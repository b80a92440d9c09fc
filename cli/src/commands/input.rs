//! Texts that people give: in a file, on standard input, in their editor.

use crate::error::{Attempting as _, CommandError};
use comity_protocol::limits::PAYLOAD_MAX_BYTES;
use std::{
    fs::File,
    io::{IsTerminal as _, Read},
    path::Path,
    process::Command,
};

/// Reads a text from a file, or from standard input for `-`.
pub(super) fn read(source: &str) -> Result<String, CommandError> {
    if source == "-" {
        return read_from(std::io::stdin().lock(), "standard input");
    }
    let file = File::open(source)
        .attempting(|| format!("read {source}"))
        .map_err(|error| error.hint("name a file that exists, or - for standard input"))?;
    read_from(file, source)
}

/// More than a payload could hold is not read to its end.
fn read_from(reader: impl Read, name: &str) -> Result<String, CommandError> {
    let limit = PAYLOAD_MAX_BYTES as u64;
    let mut bytes = Vec::new();
    reader
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .attempting(|| format!("read {name}"))?;
    if bytes.len() as u64 > limit {
        return Err(CommandError::failure(format!(
            "cannot use {name}: it has more than {} KiB, and one contribution holds no more",
            limit / 1024
        ))
        .hint("shorten the text, or split it into several documents"));
    }
    String::from_utf8(bytes)
        .attempting(|| format!("read {name} as text"))
        .map_err(|error| error.hint("texts are UTF-8; convert it first, such as with `iconv`"))
}

/// Opens a text in the person's editor and returns what it became.
pub(super) fn edit(text: &str) -> Result<String, CommandError> {
    let editor = ["VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|it| !it.trim().is_empty()));
    let Some(editor) = editor else {
        return Err(
            CommandError::usage("there is no text, and no editor to write it in")
                .hint("give a file, or - for standard input")
                .hint("or name your editor in the variable EDITOR"),
        );
    };
    if !std::io::stdout().is_terminal() && !std::io::stdin().is_terminal() {
        return Err(
            CommandError::usage("there is no text, and no terminal for an editor")
                .hint("give a file, or - for standard input"),
        );
    }
    let file = tempfile::Builder::new()
        .prefix("comity-")
        .suffix(".md")
        .tempfile()
        .attempting(|| "make a temporary file")?;
    std::fs::write(file.path(), text).attempting(|| "write the temporary file")?;
    run_editor(&editor, file.path())?;
    read(&file.path().to_string_lossy())
}

fn run_editor(editor: &str, file: &Path) -> Result<(), CommandError> {
    let mut words = editor.split_whitespace();
    let program = words.next().unwrap_or_default();
    let status = Command::new(program)
        .args(words)
        .arg(file)
        .status()
        .attempting(|| format!("start the editor {program:?}"))
        .map_err(|error| error.hint("name your editor in the variable EDITOR"))?;
    if status.success() {
        Ok(())
    } else {
        Err(CommandError::failure(
            "nothing was changed: the editor ended with an error",
        ))
    }
}
