//! `comity watch`: a line for everything that happens.

use crate::{app::App, args::content::Watch, error::CommandError, render, session::Reach};

/// Prints events until the node ends the stream, or the person stops it.
pub(super) async fn watch(app: &App, args: &Watch) -> Result<(), CommandError> {
    app.with_node(Reach::Store, async |client| {
        // Nothing can happen to a store that is open in this process only.
        let stop = args.stop_when_caught_up || !client.is_remote();
        if stop && !args.stop_when_caught_up {
            app.ui
                .status("no node is running, so nothing new will arrive: printing what happened");
        }
        let since = args.since.or(stop.then_some(0));
        let mut events = client.events(since).await?;
        loop {
            let event = tokio::select! {
                event = events.next() => event?,
                _ = tokio::signal::ctrl_c() => None,
            };
            let Some(event) = event else {
                return Ok(());
            };
            if app.ui.is_json() {
                app.ui.json(&event)?;
            } else if !["caught_up", "progress"].contains(&event.event.as_str()) {
                app.ui.line(&render::list::event(&event))?;
            }
            if stop && event.event == "caught_up" {
                return Ok(());
            }
        }
    })
    .await
}
