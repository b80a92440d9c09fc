//! From a process to a command and back to an exit code.

use crate::{
    app::App,
    args::{Cli, GlobalArgs},
    commands,
    error::CommandError,
    ui::{Ui, UiOptions},
};
use clap::Parser as _;
use std::{ffi::OsString, process::ExitCode};

/// Runs the command line of this process.
pub fn process() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => return misused(&error, &arguments),
    };
    let app = App::new(cli.global);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(commands::run(&app, cli.command)),
        Err(error) => Err(CommandError::failure("cannot start").because(&error)),
    };
    finish(&app.ui, result)
}

fn finish(ui: &Ui, result: Result<(), CommandError>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// Help and version go to standard output; everything else is an error, in JSON if asked for.
fn misused(error: &clap::Error, arguments: &[OsString]) -> ExitCode {
    let json = arguments.iter().any(|it| it == "--json");
    if !json || !error.use_stderr() {
        // There is nowhere left to report that the terminal is gone.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let ui = Ui::new(UiOptions {
        json,
        ..UiOptions::default()
    });
    let text = error.render().to_string();
    let mut lines = text.lines();
    let message = lines.next().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let error =
        CommandError::usage(message).hints(lines.map(str::trim).filter(|line| !line.is_empty()));
    finish(&ui, Err(error))
}

/// Parses a command line that starts with `comity`, for commands that run others.
///
/// # Errors
/// If it is misused.
pub fn parse(words: &[String], global: GlobalArgs) -> Result<Cli, CommandError> {
    let mut cli = Cli::try_parse_from(words)
        .map_err(|error| CommandError::internal(format!("cannot run {words:?}")).because(&error))?;
    cli.global = GlobalArgs {
        json: cli.global.json,
        quiet: cli.global.quiet,
        ..global
    };
    Ok(cli)
}
