//! Bars of the long work that a node tells of, while a command waits for it.
//!
//! One bar for each piece of work. While none has lasted long enough to be seen, a line says what
//! the command waits for, so that a person never looks at nothing.

use super::{
    Ui,
    progress::{Progress, Unit},
    sanitize,
};
use comity_client::types::Task;
use std::{collections::BTreeMap, time::Duration};

/// How often what is shown moves while nothing is told.
const SHOW_EVERY: Duration = Duration::from_millis(100);

/// What a command shows while it waits. Dropping it removes all bars.
#[derive(Debug)]
pub struct Bars<'a> {
    ui: &'a Ui,
    whats: &'static [&'static str],
    waiting: Progress,
    bars: BTreeMap<u64, Progress>,
}

impl<'a> Bars<'a> {
    /// `label` says what the command waits for; `whats` is the work that is part of it.
    pub(super) fn new(ui: &'a Ui, label: &str, whats: &'static [&'static str]) -> Self {
        Self {
            ui,
            whats,
            waiting: ui.progress(label, Unit::None, None),
            bars: BTreeMap::new(),
        }
    }

    /// The node told how far work is.
    pub fn show(&mut self, told: &[Task]) {
        let mine = |task: &&Task| self.whats.contains(&task.what.as_str());
        for task in told.iter().filter(mine) {
            if task.finished {
                self.bars.remove(&task.id);
                continue;
            }
            let bar = self.bars.entry(task.id).or_insert_with(|| {
                let unit = match task.unit.as_str() {
                    "bytes" => Unit::Bytes,
                    name => Unit::Things(sanitize::line(name).into_owned().into()),
                };
                self.ui.progress(&task.label, unit, task.total)
            });
            bar.set(task.done, task.total);
        }
        self.tick();
    }

    /// The same, told as all that goes on now: what is not among it is over.
    pub fn show_all(&mut self, running: &[Task]) {
        self.bars
            .retain(|id, _| running.iter().any(|task| task.id == *id));
        self.show(running);
    }

    /// Shows that work goes on though nothing new is known.
    pub fn tick(&mut self) {
        self.bars.values_mut().for_each(|bar| bar.advance(0));
        if self.bars.values().any(Progress::is_shown) {
            self.waiting.hide();
        } else {
            self.waiting.advance(0);
        }
    }

    /// Waits for work, and shows what is told meanwhile until nothing more is told. `told` may be
    /// cancelled between two answers.
    pub async fn follow<T>(
        &mut self,
        mut told: impl AsyncFnMut() -> Option<Vec<Task>>,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        if !self.ui.shows_progress() {
            return work.await;
        }
        let mut every = tokio::time::interval(SHOW_EVERY);
        let mut more = true;
        loop {
            tokio::select! {
                biased;
                result = &mut work => return result,
                news = told(), if more => match news {
                    Some(news) => self.show(&news),
                    None => more = false,
                },
                _ = every.tick() => self.tick(),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::{
        UiOptions,
        progress::{APPEARS_AFTER, tests::Screen},
    };
    use std::time::Instant;

    fn task(what: &str, done: u64, finished: bool) -> Task {
        Task {
            id: 1,
            what: what.to_owned(),
            label: "bringing \u{1b}[2Jlobby".to_owned(),
            space: None,
            done,
            total: Some(5_000),
            unit: "entries".to_owned(),
            finished,
        }
    }

    fn later(bars: &mut Bars<'_>) {
        let late = Instant::now() + APPEARS_AFTER;
        bars.bars.values_mut().for_each(|bar| bar.show_at(late));
        bars.tick();
    }

    #[test]
    fn work_that_lasts_is_shown_with_how_far_it_is_and_goes_when_it_is_over() {
        let screen = Screen::default();
        let ui = Ui::on_terminal(&screen);
        let mut bars = ui.bars("exchanging", &["sync"]);
        bars.show(&[task("sync", 1_200, false)]);
        assert_eq!(screen.text(), "", "nothing has lasted yet");
        later(&mut bars);
        let text = screen.text();
        assert!(text.contains("1,200/5,000 entries"), "{text}");
        assert!(!text.contains("\u{1b}[2J"), "{text}");
        assert!(!text.contains("exchanging"), "{text}");
        bars.show(&[task("sync", 5_000, true)]);
        assert!(bars.bars.is_empty());
        bars.show(&[task("sync", 1, false)]);
        bars.show_all(&[]);
        assert!(bars.bars.is_empty());
    }

    #[test]
    fn while_nothing_is_told_it_says_what_it_waits_for() {
        let screen = Screen::default();
        let ui = Ui::on_terminal(&screen);
        let mut bars = ui.bars("exchanging", &["sync"]);
        bars.show(&[task("verify", 1_200, false)]);
        assert!(bars.bars.is_empty(), "that is work of somebody else");
        bars.waiting.show_at(Instant::now() + APPEARS_AFTER);
        assert!(screen.text().contains("exchanging"), "{}", screen.text());
        // A bar takes its place.
        bars.show(&[task("sync", 1, false)]);
        later(&mut bars);
        assert!(!bars.waiting.is_shown());
    }

    #[tokio::test]
    async fn what_is_told_is_followed_until_the_work_is_done() {
        let screen = Screen::default();
        let ui = Ui::on_terminal(&screen);
        let mut bars = ui.bars("exchanging", &["sync"]);
        let (sender, mut receiver) = tokio::sync::mpsc::channel::<Vec<Task>>(1);
        let work = async {
            for done in [1, 2, 3] {
                sender.send(vec![task("sync", done, false)]).await.unwrap();
            }
            // There is room again once the one before was taken.
            sender.reserve().await.unwrap();
            7
        };
        let result = bars.follow(async || receiver.recv().await, work).await;
        assert_eq!(result, 7);
        assert_eq!(bars.bars[&1].done(), 3);
    }

    #[tokio::test]
    async fn away_from_a_terminal_nothing_is_asked_or_shown() {
        let (ui, captured) = Ui::captured(UiOptions::default(), None);
        let mut bars = ui.bars("exchanging", &["sync"]);
        let asked = std::cell::Cell::new(false);
        let told = async || {
            asked.set(true);
            None
        };
        assert_eq!(bars.follow(told, tokio::task::yield_now()).await, ());
        assert!(!asked.get());
        assert_eq!(captured.err(), "");
    }
}
