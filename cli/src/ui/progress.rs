//! Progress of long work: a bar on standard error that appears only on a terminal, and only once
//! the work has lasted a moment, so short work leaves no flicker behind.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    borrow::Cow,
    time::{Duration, Instant},
};

/// How long work lasts before its bar appears.
pub const APPEARS_AFTER: Duration = Duration::from_millis(500);

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// Bytes, shown as sizes.
    Bytes,
    /// Things of this name, in the plural.
    Things(Cow<'static, str>),
    /// Nothing: it only shows that work goes on.
    None,
}

impl Unit {
    /// Things of this name, in the plural.
    pub const fn things(name: &'static str) -> Self {
        Self::Things(Cow::Borrowed(name))
    }

    const fn template(&self, total_known: bool) -> &'static str {
        match (self, total_known) {
            (Self::Bytes, true) => "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {eta}",
            (Self::Bytes, false) => "{spinner} {msg} {binary_bytes} {elapsed}",
            (Self::Things(_), true) => "{msg} {wide_bar} {human_pos}/{human_len} {prefix} {eta}",
            (Self::Things(_), false) => "{spinner} {msg} {human_pos} {prefix} {elapsed}",
            (Self::None, _) => "{spinner} {msg} {elapsed}",
        }
    }

    fn style(&self, total_known: bool) -> ProgressStyle {
        let style = ProgressStyle::with_template(self.template(total_known));
        style.expect("the templates are valid")
    }
}

/// The progress of one piece of work. Dropping it removes the bar.
#[derive(Debug)]
pub struct Progress {
    bars: MultiProgress,
    bar: ProgressBar,
    unit: Unit,
    started: Instant,
    shown: bool,
}

impl Progress {
    pub(super) fn new(bars: MultiProgress, label: &str, unit: Unit, total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        bar.set_style(unit.style(total.is_some()));
        bar.set_message(label.to_owned());
        if let Unit::Things(name) = &unit {
            bar.set_prefix(name.clone().into_owned());
        }
        Self {
            bars,
            bar,
            unit,
            started: Instant::now(),
            shown: false,
        }
    }

    /// `steps` more are done; with 0 it only shows that work goes on.
    pub fn advance(&mut self, steps: u64) {
        self.bar.inc(steps);
        self.show_at(Instant::now());
    }

    /// So much is done, of so much if that is known.
    pub fn set(&mut self, done: u64, total: Option<u64>) {
        if let Some(total) = total {
            self.set_total(total);
        }
        self.bar.set_position(done);
        self.show_at(Instant::now());
    }

    /// The total became known or changed.
    pub fn set_total(&mut self, total: u64) {
        let known = self.bar.length().is_some();
        self.bar.set_length(total);
        if !known {
            self.bar.set_style(self.unit.style(true));
        }
    }

    /// Steps done so far.
    pub fn done(&self) -> u64 {
        self.bar.position()
    }

    /// Whether it has lasted long enough to be seen.
    pub(super) fn is_shown(&self) -> bool {
        self.shown
    }

    /// Takes it away until it is shown again.
    pub(super) fn hide(&mut self) {
        if std::mem::take(&mut self.shown) {
            self.bars.remove(&self.bar);
        }
        self.started = Instant::now();
    }

    pub(super) fn show_at(&mut self, now: Instant) {
        if !self.shown && now.saturating_duration_since(self.started) >= APPEARS_AFTER {
            self.shown = true;
            self.bar = self.bars.add(self.bar.clone());
        }
        if self.shown {
            self.bar.tick();
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    /// A terminal that remembers what was written to it.
    #[derive(Debug, Clone, Default)]
    pub(in crate::ui) struct Screen(Arc<Mutex<String>>);

    impl Screen {
        pub(in crate::ui) fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl indicatif::TermLike for Screen {
        fn width(&self) -> u16 {
            80
        }
        fn move_cursor_up(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_down(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_right(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn move_cursor_left(&self, _: usize) -> io::Result<()> {
            Ok(())
        }
        fn write_line(&self, text: &str) -> io::Result<()> {
            self.write_str(text)
        }
        fn write_str(&self, text: &str) -> io::Result<()> {
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }
        fn clear_line(&self) -> io::Result<()> {
            Ok(())
        }
        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn on(screen: &Screen, unit: Unit, total: Option<u64>) -> Progress {
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        let bars = MultiProgress::with_draw_target(target);
        Progress::new(bars, "Importing", unit, total)
    }

    #[test]
    fn short_work_shows_nothing() {
        let screen = Screen::default();
        let mut progress = on(&screen, Unit::Bytes, Some(10));
        progress.bar.inc(10);
        progress.show_at(progress.started + APPEARS_AFTER - Duration::from_millis(1));
        drop(progress);
        assert_eq!(screen.text(), "");
    }

    #[test]
    fn long_work_shows_label_steps_and_unit() {
        let letters = || Unit::things("letters");
        for (unit, total, shown) in [
            (letters(), Some(4_000), "2,048/4,000 letters"),
            (letters(), None, "2,048 letters"),
            (Unit::Bytes, Some(4_096), "2.00 KiB/4.00 KiB"),
            (Unit::Bytes, None, "2.00 KiB"),
        ] {
            let screen = Screen::default();
            let mut progress = on(&screen, unit, total);
            progress.bar.inc(2_048);
            progress.show_at(progress.started + APPEARS_AFTER);
            assert_eq!(progress.done(), 2_048);
            let text = screen.text();
            assert!(text.contains("Importing"), "{text}");
            assert!(text.contains(shown), "{shown}: {text}");
            assert_eq!(text.contains('█'), total.is_some(), "{text}");
        }
    }

    #[test]
    fn a_total_that_becomes_known_turns_it_into_a_bar() {
        let screen = Screen::default();
        let mut progress = on(&screen, Unit::things("letters"), None);
        progress.set(3, Some(12));
        progress.show_at(progress.started + APPEARS_AFTER);
        assert!(screen.text().contains("3/12 letters"), "{}", screen.text());
    }
}
