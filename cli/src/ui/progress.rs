//! Progress of long work: a bar on standard error that appears only on a terminal, and only once
//! the work has lasted a moment, so short work leaves no flicker behind.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::{Duration, Instant};

/// How long work lasts before its bar appears.
pub const APPEARS_AFTER: Duration = Duration::from_millis(500);

const BAR: &str = "{msg} {wide_bar} {human_pos}/{human_len} {eta}";
const SPINNER: &str = "{spinner} {msg} {human_pos} {elapsed}";

/// The progress of one piece of work. Dropping it removes the bar.
#[derive(Debug)]
pub struct Progress {
    bars: MultiProgress,
    bar: ProgressBar,
    started: Instant,
    shown: bool,
}

impl Progress {
    pub(super) fn new(bars: MultiProgress, label: &str, total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let template = if total.is_some() { BAR } else { SPINNER };
        bar.set_style(ProgressStyle::with_template(template).expect("the templates are valid"));
        bar.set_message(label.to_owned());
        Self {
            bars,
            bar,
            started: Instant::now(),
            shown: false,
        }
    }

    /// `steps` more are done; with 0 it only shows that work goes on.
    pub fn advance(&mut self, steps: u64) {
        self.advance_at(steps, Instant::now());
    }

    /// The total became known or changed.
    pub fn set_total(&mut self, total: u64) {
        self.bar.set_length(total);
        self.bar
            .set_style(ProgressStyle::with_template(BAR).expect("the template is valid"));
    }

    /// Steps done so far.
    pub fn done(&self) -> u64 {
        self.bar.position()
    }

    fn advance_at(&mut self, steps: u64, now: Instant) {
        self.bar.inc(steps);
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
mod tests {
    use super::*;
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    /// A terminal that remembers what was written to it.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn text(&self) -> String {
            self.0.lock().unwrap().clone()
        }
    }

    impl indicatif::TermLike for Screen {
        fn width(&self) -> u16 {
            60
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

    fn on(screen: &Screen, total: Option<u64>) -> Progress {
        let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
        Progress::new(MultiProgress::with_draw_target(target), "Importing", total)
    }

    #[test]
    fn short_work_shows_nothing() {
        let screen = Screen::default();
        let mut progress = on(&screen, Some(10));
        let just_before = progress.started + APPEARS_AFTER - Duration::from_millis(1);
        progress.advance_at(10, just_before);
        drop(progress);
        assert_eq!(screen.text(), "");
    }

    #[test]
    fn long_work_shows_label_and_steps() {
        for total in [Some(10), None] {
            let screen = Screen::default();
            let mut progress = on(&screen, total);
            let late = progress.started + APPEARS_AFTER;
            progress.advance_at(3, late);
            assert_eq!(progress.done(), 3);
            assert!(screen.text().contains("Importing"), "{}", screen.text());
            assert!(screen.text().contains('3'), "{}", screen.text());
        }
    }
}
