//! The one error a command ends with: what was attempted, why it failed, what to do next.
//!
//! Modules keep their own typed errors; here they become a kind (which decides the exit code), a
//! message, the chain of causes, and hints. A cause whose words already stand in what is printed
//! above it is left out, so nothing is said twice however the source errors format themselves.

use crate::ui::sanitize;
use serde::Serialize;
use std::{error::Error, fmt, io};

/// What sort of failure it is; decides the exit code and is stable for scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The command was called wrongly: exit code 2.
    Usage,
    /// What was asked could not be done: exit code 1.
    Failure,
    /// A bug in Comity: exit code 1.
    Internal,
    /// Whoever read standard output closed it: nothing is printed, exit code 0.
    OutputClosed,
}

impl ErrorKind {
    /// The exit code of a process that ends with this kind.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Failure | Self::Internal => 1,
            Self::Usage => 2,
        }
    }
}

/// Why a command failed, ready to be shown to a person or a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandError {
    kind: ErrorKind,
    message: String,
    causes: Vec<String>,
    hints: Vec<String>,
}

impl CommandError {
    /// An error of `kind` whose message says what was attempted.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
        }
    }

    /// The command was called wrongly.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// What was asked could not be done.
    pub fn failure(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failure, message)
    }

    /// A bug in Comity.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
            .hint("this is a bug in Comity: please report it with the command you ran")
    }

    /// An error whose message and causes are those of `error`.
    pub fn of(kind: ErrorKind, error: &dyn Error) -> Self {
        let made = Self::new(kind, error.to_string());
        match error.source() {
            Some(source) => made.because(source),
            None => made,
        }
    }

    /// Adds `cause` and everything behind it, leaving out what is said already.
    #[must_use]
    pub fn because(mut self, cause: &dyn Error) -> Self {
        let mut next = Some(cause);
        while let Some(error) = next {
            let text = error.to_string();
            let shown = self.causes.last().unwrap_or(&self.message);
            if !text.is_empty() && !shown.contains(&text) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds advice: what the person can do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        let hint = hint.into();
        if !self.hints.contains(&hint) {
            self.hints.push(hint);
        }
        self
    }

    /// Adds several pieces of advice.
    #[must_use]
    pub fn hints<H: Into<String>>(self, hints: impl IntoIterator<Item = H>) -> Self {
        hints.into_iter().fold(self, Self::hint)
    }

    /// What sort of failure it is.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was attempted.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Why it failed, the nearest cause first.
    pub fn causes(&self) -> &[String] {
        &self.causes
    }

    /// What to do next.
    pub fn advice(&self) -> &[String] {
        &self.hints
    }

    /// The exit code of the process.
    pub const fn exit_code(&self) -> u8 {
        self.kind.exit_code()
    }

    /// The lines for people, each with its label and made safe for terminals.
    pub(crate) fn lines(&self) -> Vec<(Label, String)> {
        let mut lines = vec![(Label::Error, sanitize::text(&self.message).into_owned())];
        let more = |label, texts: &[String]| {
            texts
                .iter()
                .map(|text| (label, sanitize::text(text).into_owned()))
                .collect::<Vec<_>>()
        };
        lines.extend(more(Label::Cause, &self.causes));
        lines.extend(more(Label::Hint, &self.hints));
        lines
    }

    /// The form that `--json` prints on standard error.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({ "error": {
            "kind": self.kind,
            "message": self.message,
            "causes": self.causes,
            "hints": self.hints,
        }})
    }
}

/// What a line of an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Label {
    Error,
    Cause,
    Hint,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.causes
            .iter()
            .try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl Error for CommandError {}

/// Turns any error into a [`CommandError`] that says what was attempted.
pub trait Attempting<T> {
    /// On failure the message is `cannot {what}` and the error is the first cause.
    ///
    /// # Errors
    /// The failure of `self`, so described.
    fn attempting<S: fmt::Display>(self, what: impl FnOnce() -> S) -> Result<T, CommandError>;
}

impl<T, E: Error> Attempting<T> for Result<T, E> {
    fn attempting<S: fmt::Display>(self, what: impl FnOnce() -> S) -> Result<T, CommandError> {
        self.map_err(|error| CommandError::failure(format!("cannot {}", what())).because(&error))
    }
}

/// Describes a failed write to standard output; a closed pipe is a quiet end.
pub(crate) fn output_failed(error: &io::Error) -> CommandError {
    match error.kind() {
        io::ErrorKind::BrokenPipe => {
            CommandError::new(ErrorKind::OutputClosed, "standard output was closed")
        }
        _ => CommandError::failure("cannot write to standard output").because(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thiserror::Error as ThisError;

    #[derive(Debug, ThisError)]
    #[error("the disk says no")]
    struct Disk;

    #[derive(Debug, ThisError)]
    #[error("cannot read the file: {0}")]
    struct Repeating(#[source] Disk);

    #[derive(Debug, ThisError)]
    #[error("the index is gone")]
    struct Chained(#[source] Repeating);

    #[test]
    fn causes_are_chained_and_not_repeated() {
        let error =
            CommandError::failure("cannot open the store").because(&Chained(Repeating(Disk)));
        assert_eq!(
            error.causes(),
            [
                "the index is gone",
                "cannot read the file: the disk says no"
            ]
        );
    }

    #[test]
    fn an_error_that_is_its_own_cause_is_said_once() {
        let error = CommandError::of(ErrorKind::Failure, &Repeating(Disk));
        assert_eq!(error.message(), "cannot read the file: the disk says no");
        assert!(error.causes().is_empty());
    }

    #[test]
    fn attempting_names_the_attempt_and_keeps_the_cause() {
        let error = Err::<(), _>(Disk)
            .attempting(|| "keep the words")
            .unwrap_err();
        assert_eq!(error.to_string(), "cannot keep the words: the disk says no");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn json_has_kind_message_causes_and_hints() {
        let error = CommandError::usage("cannot publish")
            .because(&Disk)
            .hint("free some space")
            .hint("free some space");
        assert_eq!(
            error.to_json().to_string(),
            r#"{"error":{"causes":["the disk says no"],"hints":["free some space"],"kind":"usage","message":"cannot publish"}}"#
        );
    }

    #[test]
    fn exit_codes_are_zero_one_two() {
        let codes = [
            ErrorKind::OutputClosed,
            ErrorKind::Failure,
            ErrorKind::Internal,
            ErrorKind::Usage,
        ]
        .map(ErrorKind::exit_code);
        assert_eq!(codes, [0, 1, 1, 2]);
    }

    #[test]
    fn a_closed_pipe_is_quiet_and_other_write_errors_are_not() {
        let closed = output_failed(&io::ErrorKind::BrokenPipe.into());
        assert_eq!(closed.kind(), ErrorKind::OutputClosed);
        let full = output_failed(&io::ErrorKind::StorageFull.into());
        assert_eq!(full.kind(), ErrorKind::Failure);
    }
}
