//! The only way to the terminal: data on standard output, everything else on standard error.
//!
//! - [`sanitize`] makes other people's texts safe; the printing functions here apply it to whatever
//!   they label, [`table`] applies it to every cell. Data printed with [`Ui::line`] is taken as it
//!   is: sanitise what others wrote before.
//! - With `--json`, standard output holds JSON values, one a line, and standard error holds one JSON
//!   object a line; statuses and hints are left out there.
//! - Colour is used on terminals only, never with `NO_COLOR`; [`progress`] appears on terminals
//!   only, and only for work that takes a while.

pub mod bars;
pub mod progress;
pub mod sanitize;
pub mod table;

use crate::error::{CommandError, Label, output_failed};
use bars::Bars;
use progress::{Progress, Unit};
use serde::Serialize;
use std::{
    io::{self, IsTerminal as _, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use table::Table;

/// When to use colour.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum ColorChoice {
    /// On terminals, unless `NO_COLOR` is set or the terminal is dumb.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What the command line says about output.
#[derive(Debug, Default, Clone, Copy)]
pub struct UiOptions {
    /// `--json`.
    pub json: bool,
    /// `--quiet`: no statuses, hints or progress; warnings and errors stay.
    pub quiet: bool,
    /// `--color`.
    pub color: ColorChoice,
}

type Sink = Box<dyn Write + Send>;

/// Prints for one command.
pub struct Ui {
    json: bool,
    quiet: bool,
    color: bool,
    width: Option<usize>,
    out: Mutex<Sink>,
    err: Mutex<Sink>,
    bars: indicatif::MultiProgress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Error,
    Warning,
    Hint,
}

impl Style {
    const fn code(self) -> &'static str {
        match self {
            Self::Error => "1;31",
            Self::Warning => "1;33",
            Self::Hint => "1;36",
        }
    }
}

impl Ui {
    /// Prints to the streams of this process.
    pub fn new(options: UiOptions) -> Self {
        let (out, err) = (io::stdout(), io::stderr());
        let terminal = err.is_terminal() && !options.quiet && !options.json;
        let target = if terminal {
            indicatif::ProgressDrawTarget::stderr()
        } else {
            indicatif::ProgressDrawTarget::hidden()
        };
        let width = out.is_terminal().then(|| {
            terminal_size::terminal_size()
                .map_or(table::WIDTH_FALLBACK, |(width, _)| usize::from(width.0))
        });
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        let color = use_color(options.color, err.is_terminal(), set("NO_COLOR"), dumb);
        Self {
            json: options.json,
            quiet: options.quiet,
            color,
            width,
            out: Mutex::new(Box::new(out)),
            err: Mutex::new(Box::new(err)),
            bars: indicatif::MultiProgress::with_draw_target(target),
        }
    }

    /// Prints into memory, for tests. `width` is that of the terminal; none means no terminal.
    pub fn captured(options: UiOptions, width: Option<usize>) -> (Self, Captured) {
        let captured = Captured::default();
        let ui = Self {
            json: options.json,
            quiet: options.quiet,
            color: options.color == ColorChoice::Always,
            width,
            out: Mutex::new(Box::new(captured.out.clone())),
            err: Mutex::new(Box::new(captured.err.clone())),
            bars: indicatif::MultiProgress::with_draw_target(
                indicatif::ProgressDrawTarget::hidden(),
            ),
        };
        (ui, captured)
    }

    /// Prints into memory and draws on this terminal.
    #[cfg(test)]
    fn on_terminal(screen: &progress::tests::Screen) -> Self {
        let target = indicatif::ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let (mut ui, _) = Self::captured(UiOptions::default(), None);
        ui.bars = indicatif::MultiProgress::with_draw_target(target);
        ui
    }

    /// Whether `--json` was given.
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Width of the terminal that data goes to; none if it goes elsewhere.
    pub const fn width(&self) -> Option<usize> {
        self.width
    }

    /// Says what was done. Left out with `--json` and `--quiet`.
    pub fn status(&self, text: &str) {
        if !self.json && !self.quiet {
            self.tell(&sanitize::text(text));
        }
    }

    /// Says what the person can do next. Left out with `--json` and `--quiet`.
    pub fn hint(&self, text: &str) {
        if !self.json && !self.quiet {
            self.tell(&self.labelled("hint", Style::Hint, &sanitize::text(text)));
        }
    }

    /// Says what is not as it should be, though the command goes on.
    pub fn warning(&self, text: &str) {
        if self.json {
            self.tell_json(&serde_json::json!({ "warning": { "message": text } }));
        } else {
            self.tell(&self.labelled("warning", Style::Warning, &sanitize::text(text)));
        }
    }

    /// Says why the command failed. A closed standard output is not said.
    pub fn error(&self, error: &CommandError) {
        if error.kind() == crate::error::ErrorKind::OutputClosed {
            return;
        }
        if self.json {
            self.tell_json(&error.to_json());
            return;
        }
        for (label, text) in error.lines() {
            self.tell(&match label {
                Label::Error => self.labelled("error", Style::Error, &text),
                Label::Cause => indented("  because: ", &text),
                Label::Hint => self.labelled("hint", Style::Hint, &text),
            });
        }
    }

    /// Prints a line of data. Sanitise what others wrote before.
    ///
    /// # Errors
    /// If standard output is closed or cannot be written.
    pub fn line(&self, text: &str) -> Result<(), CommandError> {
        let write = || {
            let mut out = lock(&self.out);
            out.write_all(text.as_bytes())?;
            out.write_all(b"\n")?;
            out.flush()
        };
        // A bar that is being drawn would end up inside the data.
        self.bars
            .suspend(write)
            .map_err(|error| output_failed(&error))
    }

    /// Prints bytes of data as they are, as for an export.
    ///
    /// # Errors
    /// If standard output is closed or cannot be written.
    pub fn bytes(&self, bytes: &[u8]) -> Result<(), CommandError> {
        let write = || {
            let mut out = lock(&self.out);
            out.write_all(bytes)?;
            out.flush()
        };
        self.bars
            .suspend(write)
            .map_err(|error| output_failed(&error))
    }

    /// Prints a value as one line of JSON, with hazards escaped.
    ///
    /// # Errors
    /// If standard output is closed or cannot be written, or the value cannot be serialized.
    pub fn json<T: Serialize>(&self, value: &T) -> Result<(), CommandError> {
        let text = serde_json::to_string(value).map_err(|error| {
            CommandError::internal("cannot write the result as JSON").because(&error)
        })?;
        self.line(&sanitize::json(&text))
    }

    /// Prints a table that fits the terminal.
    ///
    /// # Errors
    /// If standard output is closed or cannot be written.
    pub fn table(&self, table: &Table) -> Result<(), CommandError> {
        table
            .render(self.width)
            .iter()
            .try_for_each(|line| self.line(line))
    }

    /// Whether progress is shown: on a terminal, without `--json` and `--quiet`.
    pub fn shows_progress(&self) -> bool {
        !self.bars.is_hidden()
    }

    /// A bar for work that may take a while; `total` is how much there is to do, if it is known.
    pub fn progress(&self, label: &str, unit: Unit, total: Option<u64>) -> Progress {
        Progress::new(self.bars.clone(), &sanitize::line(label), unit, total)
    }

    /// Bars for work of the node of these sorts (`Task::what`), while a command waits for it.
    pub fn bars(&self, label: &str, whats: &'static [&'static str]) -> Bars<'_> {
        Bars::new(self, label, whats)
    }

    fn labelled(&self, label: &str, style: Style, text: &str) -> String {
        let plain = format!("{label}: ");
        let body = indented(&plain, text);
        if !self.color {
            return body;
        }
        format!(
            "\u{1b}[{}m{label}:\u{1b}[0m{}",
            style.code(),
            &body[label.len() + 1..]
        )
    }

    fn tell_json(&self, value: &serde_json::Value) {
        self.tell(&sanitize::json(&value.to_string()));
    }

    /// There is nowhere left to report that standard error is closed.
    fn tell(&self, text: &str) {
        self.bars.suspend(|| {
            let mut err = lock(&self.err);
            let _ = writeln!(err, "{text}").and_then(|()| err.flush());
        });
    }
}

impl std::fmt::Debug for Ui {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ui")
            .field("json", &self.json)
            .field("color", &self.color)
            .field("width", &self.width)
            .finish_non_exhaustive()
    }
}

/// A panic elsewhere while printing leaves at worst half a line behind.
fn lock(sink: &Mutex<Sink>) -> MutexGuard<'_, Sink> {
    sink.lock().unwrap_or_else(PoisonError::into_inner)
}

/// `label` before the first line, the lines after it as far in.
fn indented(label: &str, text: &str) -> String {
    let margin = format!("\n{}", " ".repeat(label.len()));
    format!("{label}{}", text.trim_end().replace('\n', &margin))
}

const fn use_color(choice: ColorChoice, terminal: bool, no_color: bool, dumb: bool) -> bool {
    match choice {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => terminal && !no_color && !dumb,
    }
}

/// What a captured [`Ui`] has printed.
#[derive(Debug, Default, Clone)]
pub struct Captured {
    out: Buffer,
    err: Buffer,
}

#[derive(Debug, Default, Clone)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut buffer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        buffer.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Captured {
    /// Standard output so far.
    pub fn out(&self) -> String {
        self.out.text()
    }

    /// Standard error so far.
    pub fn err(&self) -> String {
        self.err.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn options(json: bool, color: ColorChoice) -> UiOptions {
        UiOptions {
            json,
            quiet: false,
            color,
        }
    }

    fn failure() -> CommandError {
        CommandError::failure("cannot read a\u{1b}[2Jb")
            .because(&io::Error::other("two\nlines"))
            .hint("try again")
    }

    #[test]
    fn errors_are_labelled_indented_and_safe() {
        let (ui, captured) = Ui::captured(options(false, ColorChoice::Never), None);
        ui.error(&failure());
        assert_eq!(
            captured.err(),
            "error: cannot read a␛[2Jb\n  because: two\n           lines\nhint: try again\n"
        );
        assert_eq!(captured.out(), "");
    }

    #[test]
    fn colour_changes_the_label_only() {
        let (ui, captured) = Ui::captured(options(false, ColorChoice::Always), None);
        ui.hint("look\nthere");
        assert_eq!(
            captured.err(),
            "\u{1b}[1;36mhint:\u{1b}[0m look\n      there\n"
        );
    }

    #[test]
    fn json_mode_prints_one_object_a_line_and_keeps_quiet_about_the_rest() {
        let (ui, captured) = Ui::captured(options(true, ColorChoice::Never), None);
        ui.status("done");
        ui.hint("next");
        ui.warning("odd");
        ui.error(&failure());
        let lines: Vec<serde_json::Value> = captured
            .err()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines[0]["warning"]["message"], "odd");
        assert_eq!(lines[1]["error"]["message"], "cannot read a\u{1b}[2Jb");
        assert_eq!(lines[1]["error"]["kind"], "failure");
        assert_eq!(lines.len(), 2);
    }

    #[test]
    fn json_data_keeps_its_value_and_shows_no_hazard() {
        let (ui, captured) = Ui::captured(options(true, ColorChoice::Never), None);
        ui.json(&"a\u{202e}b").unwrap();
        assert_eq!(captured.out(), "\"a\\u202eb\"\n");
    }

    #[test]
    fn statuses_go_to_standard_error_and_quiet_silences_them() {
        let (ui, captured) = Ui::captured(UiOptions::default(), None);
        ui.status("saved");
        ui.line("data").unwrap();
        assert_eq!(
            (captured.out(), captured.err()),
            ("data\n".into(), "saved\n".into())
        );
        let quiet = UiOptions {
            quiet: true,
            ..UiOptions::default()
        };
        let (ui, captured) = Ui::captured(quiet, None);
        ui.status("saved");
        ui.warning("odd");
        assert_eq!(captured.err(), "warning: odd\n");
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_standard_output_ends_quietly() {
        let (mut ui, captured) = Ui::captured(UiOptions::default(), None);
        ui.out = Mutex::new(Box::new(Closed));
        let error = ui.line("data").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutputClosed);
        assert_eq!(error.exit_code(), 0);
        ui.error(&error);
        assert_eq!(captured.err(), "");
    }

    #[test]
    fn colour_needs_a_terminal_and_heeds_no_color() {
        use ColorChoice::{Always, Auto, Never};
        assert!(use_color(Auto, true, false, false));
        assert!(!use_color(Auto, false, false, false));
        assert!(!use_color(Auto, true, true, false));
        assert!(!use_color(Auto, true, false, true));
        assert!(use_color(Always, false, true, true));
        assert!(!use_color(Never, true, false, false));
    }
}
