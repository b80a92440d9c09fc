//! `comity node …`

use crate::{
    app::App,
    args::node::{NodeCommand, StartNode},
    error::{Attempting as _, CommandError},
    opening, render,
    session::{self, Reach},
};
use comity_client::{
    Client, ClientError,
    types::{Connect, Health, NodeStatus},
};
use comity_node::{home::Home, node::NodeOptions};
use rustix::process::{Pid, test_kill_process};
use serde_json::json;
use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::time::{Instant, sleep, timeout};

/// Where a node listens unless told otherwise: every interface, a port of its own.
const LISTEN_DEFAULT: &str = "/ip4/0.0.0.0/tcp/7440";
/// File in the home that holds the addresses of the last start.
const LISTEN_FILE: &str = "listen";
/// File in the home that is there if the node was started as a public one.
const PUBLIC_FILE: &str = "public";
/// How long a start may take without getting on, and a stop.
const START_MAX: Duration = Duration::from_secs(60);
/// How long a node may take to say how it is: who asks is a script that waits.
const HEALTH_MAX: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Most of the log's end that is read to find its last lines.
const LOG_TAIL_BYTES: u64 = 1024 * 1024;

/// Runs a command about the node.
pub(super) async fn run(app: &App, command: NodeCommand) -> Result<(), CommandError> {
    match command {
        NodeCommand::Start(args) => start(app, &args).await,
        NodeCommand::Stop => stop(app).await,
        NodeCommand::Status => status(app).await,
        NodeCommand::Health => health(app).await,
        NodeCommand::Doctor => doctor(app).await,
        NodeCommand::Logs { lines, follow } => logs(app, lines, follow).await,
        NodeCommand::Connect { address } => connect(app, &address).await,
    }
}

async fn start(app: &App, args: &StartNode) -> Result<(), CommandError> {
    let home = app.home()?;
    session::require_home(&home)?;
    let folder = Home::open(&home)?;
    folder.socket()?;
    if let Some(client) = session::running(&home).await? {
        let pid = client.status().await?.pid.unwrap_or_default();
        return Err(CommandError::failure(format!(
            "the node in {} runs already, as process {pid}",
            home.display()
        ))
        .hint("`comity node status` shows how it does, `comity node stop` ends it"));
    }
    let listen = listen_addresses(folder.path(), &args.listen)?;
    let setup = Setup {
        listen,
        public: !args.private && (args.public || folder.path().join(PUBLIC_FILE).exists()),
        gossip: !args.no_gossip,
    };
    if args.foreground {
        foreground(app, folder.path(), setup).await
    } else {
        background(app, &folder, &setup).await
    }
}

/// How the node is to run.
struct Setup {
    listen: Vec<String>,
    public: bool,
    gossip: bool,
}

/// What was asked for, else what was asked for last time, else the default.
fn listen_addresses(home: &Path, given: &[String]) -> Result<Vec<String>, CommandError> {
    let file = home.join(LISTEN_FILE);
    if let Some(broken) = given.iter().find(|it| !it.starts_with('/')) {
        return Err(
            CommandError::usage(format!("{broken:?} is not a multiaddress"))
                .hint("the form is /ip4/0.0.0.0/tcp/7440"),
        );
    }
    if !given.is_empty() {
        return Ok(given.to_vec());
    }
    let remembered: Vec<String> = std::fs::read_to_string(&file)
        .unwrap_or_default()
        .lines()
        .filter(|line| line.starts_with('/'))
        .map(str::to_owned)
        .collect();
    Ok(if remembered.is_empty() {
        vec![LISTEN_DEFAULT.to_owned()]
    } else {
        remembered
    })
}

/// Only what could be listened on is worth remembering.
fn remember(home: &Path, setup: &Setup) -> Result<(), CommandError> {
    if setup.listen != [LISTEN_DEFAULT] {
        let file = home.join(LISTEN_FILE);
        std::fs::write(&file, setup.listen.join("\n") + "\n")
            .attempting(|| format!("remember the address in {}", file.display()))?;
    }
    let file = home.join(PUBLIC_FILE);
    match (setup.public, file.exists()) {
        (true, false) => std::fs::write(&file, "").attempting(|| {
            let file = file.display();
            format!("remember in {file} that the node is public")
        }),
        (false, true) => std::fs::remove_file(&file).attempting(|| {
            let file = file.display();
            format!("remove {file}, which says that the node is public")
        }),
        _ => Ok(()),
    }
}

async fn foreground(app: &App, home: &Path, setup: Setup) -> Result<(), CommandError> {
    let filter = std::env::var("COMITY_LOG").unwrap_or_else(|_| "info".to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(&filter)
        .map_err(|error| CommandError::usage("COMITY_LOG is not understood").because(&error))?;
    let format = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A subscriber that is there already, as in tests, is as good.
    let _ = if app.ui.is_json() {
        format.json().try_init()
    } else {
        format.with_ansi(false).try_init()
    };
    let options = NodeOptions {
        home: home.to_owned(),
        listen: setup.listen.clone(),
        network: true,
        gossip: setup.gossip,
        public: setup.public,
    };
    let (node, client) = session::open_node(options).await?;
    remember(home, &setup)?;
    let stopping = node.clone();
    let signals = tokio::spawn(async move {
        until_signal().await;
        stopping.stop().await;
    });
    let mut status = client.status().await?;
    // A node asked from its own process leaves the process out.
    status.pid = Some(std::process::id());
    say_listening(app, &status)?;
    let served = node.serve().await;
    signals.abort();
    node.stop().await;
    Ok(served?)
}

async fn until_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = terminate => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn background(app: &App, home: &Home, setup: &Setup) -> Result<(), CommandError> {
    let program = std::env::current_exe().attempting(|| "find the comity program")?;
    let log = home.log();
    let output = File::options()
        .create(true)
        .append(true)
        .open(&log)
        .attempting(|| format!("write the log {}", log.display()))?;
    let begins = output.metadata().map(|it| it.len()).unwrap_or_default();
    let errors = output.try_clone().attempting(|| "write the log")?;
    let mut command = Command::new(program);
    command
        .arg("--home")
        .arg(home.path())
        .args(["node", "start", "--foreground"]);
    for address in &setup.listen {
        command.args(["--listen", address]);
    }
    command.arg(if setup.public {
        "--public"
    } else {
        "--private"
    });
    if !setup.gossip {
        command.arg("--no-gossip");
    }
    // A group of its own, so that an interrupt at the terminal does not reach it.
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .attempting(|| "start the node")?;
    let status = until_it_answers(app, home, &mut child, begins).await?;
    say_listening(app, &status)
}

async fn until_it_answers(
    app: &App,
    home: &Home,
    child: &mut Child,
    log_begins: u64,
) -> Result<NodeStatus, CommandError> {
    let mut bars = app.ui.bars("starting the node", session::OPENING);
    let mut opening = opening::Reader::new(home.path());
    let mut deadline = Instant::now() + START_MAX;
    loop {
        if let Some(client) = session::running(home.path()).await? {
            return Ok(client.status().await?);
        }
        let ended = child.try_wait().attempting(|| "look after the node")?;
        if ended.is_some() || Instant::now() >= deadline {
            let said = read_log(&home.log(), log_begins).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            return Err(why_it_ended(&said, &home.log(), ended.is_some()));
        }
        match opening.news() {
            Some(running) => {
                // A large store may take its time as long as it gets on.
                deadline = Instant::now() + START_MAX;
                bars.show_all(&running);
            }
            None => bars.tick(),
        }
        sleep(LOOK_AGAIN).await;
    }
}

/// The node said on its own standard error, now in the log, why it ended.
fn why_it_ended(said: &str, log: &Path, ended: bool) -> CommandError {
    let why = said
        .lines()
        .rev()
        .find_map(|line| line.strip_prefix("error: "));
    let error = match why {
        Some(why) => CommandError::failure(format!("the node did not start: {why}")),
        None if ended => CommandError::failure("the node ended while it started"),
        None => CommandError::failure("the node does not answer yet, though it still runs"),
    };
    let hints = said.lines().filter_map(|line| line.strip_prefix("hint: "));
    error
        .hints(hints)
        .hint(format!("its log is {}", log.display()))
}

fn say_listening(app: &App, status: &NodeStatus) -> Result<(), CommandError> {
    if app.ui.is_json() {
        return app.ui.json(status);
    }
    app.ui.status(&format!(
        "the node runs as process {}",
        status.pid.unwrap_or_default()
    ));
    status.listening.iter().try_for_each(|it| app.ui.line(it))
}

async fn stop(app: &App) -> Result<(), CommandError> {
    let home = app.home()?;
    let client = require_running(&home).await?;
    let pid = client.status().await?.pid;
    match client.stop().await {
        // It may be gone before its answer is read.
        Ok(()) | Err(ClientError::Broken(_) | ClientError::NoNode { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let deadline = Instant::now() + START_MAX;
    // The socket goes when the store is flushed: only then may another process open it. A node
    // that was killed leaves its socket behind.
    let socket = session::socket(&home);
    while socket.exists() && pid.is_none_or(is_alive) {
        if Instant::now() >= deadline {
            return Err(
                CommandError::failure("the node still runs, though it was asked to stop")
                    .hint("look at `comity node logs`"),
            );
        }
        sleep(LOOK_AGAIN).await;
    }
    if app.ui.is_json() {
        return app.ui.json(&json!({ "stopped": true, "pid": pid }));
    }
    app.ui.status("the node has stopped");
    Ok(())
}

fn is_alive(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid).is_ok())
}

async fn require_running(home: &Path) -> Result<Client, CommandError> {
    session::require_home(home)?;
    session::running(home).await?.ok_or_else(|| {
        CommandError::failure(format!("no node runs in {}", home.display()))
            .hint("start it with `comity node start`")
    })
}

async fn status(app: &App) -> Result<(), CommandError> {
    let (status, health) = app
        .with_node(Reach::Store, async |client| {
            // A node of an older version does not say, which is no reason to be silent about the rest.
            Ok((client.status().await?, client.health().await.ok()))
        })
        .await?;
    for warning in &status.warnings {
        app.ui.warning(warning);
    }
    if app.ui.is_json() {
        return app.ui.json(&status);
    }
    render::node::node(&status, health.as_ref())
        .iter()
        .try_for_each(|line| app.ui.line(line))
}

async fn health(app: &App) -> Result<(), CommandError> {
    let home = app.home()?;
    let asking = async {
        let client = require_running(&home).await?;
        Ok::<Health, CommandError>(client.health().await?)
    };
    let health = match timeout(HEALTH_MAX, asking).await {
        Ok(answered) => answered?,
        Err(_) => {
            let seconds = HEALTH_MAX.as_secs();
            return Err(CommandError::failure(format!(
                "the node in {} has not answered for {seconds} seconds",
                home.display()
            ))
            .hint("look at `comity node logs`, then stop and start it"));
        }
    };
    if !health.is_ok() {
        return Err(unwell(&health));
    }
    if app.ui.is_json() {
        return app.ui.json(&health);
    }
    app.ui.line(&health.state)
}

fn unwell(health: &Health) -> CommandError {
    let reasons = health.reasons.iter();
    let said = reasons.map(|it| format!("{} ({})", it.message, it.code));
    let said: Vec<String> = said.collect();
    let error = CommandError::failure(format!("the node is not well: {}", said.join("; ")));
    error.hints(health.reasons.iter().map(|it| it.hint.as_str()))
}

async fn doctor(app: &App) -> Result<(), CommandError> {
    let client = require_running(&app.home()?).await?;
    let found = client.doctor().await?;
    if app.ui.is_json() {
        return app.ui.json(&found);
    }
    render::doctor::doctor(&found)
        .iter()
        .try_for_each(|line| app.ui.line(line))
}

async fn connect(app: &App, address: &str) -> Result<(), CommandError> {
    let client = require_running(&app.home()?).await?;
    let request = Connect {
        address: address.to_owned(),
    };
    let connected = client.connect(&request).await?;
    if app.ui.is_json() {
        return app.ui.json(&connected);
    }
    app.ui.status("connected");
    app.ui.line(&connected.peer_id)
}

async fn logs(app: &App, lines: usize, follow: bool) -> Result<(), CommandError> {
    let log = app.home()?.join("node.log");
    if !log.exists() {
        return Err(
            CommandError::failure(format!("there is no log in {}", log.display())).hint(
                "a node in the foreground logs to its terminal; one that never ran has no log",
            ),
        );
    }
    let length = std::fs::metadata(&log)
        .map(|it| it.len())
        .unwrap_or_default();
    let bytes = read_log(&log, length.saturating_sub(LOG_TAIL_BYTES))?;
    tell_log(app, &bytes, lines)?;
    if !follow {
        return Ok(());
    }
    let mut position = length;
    loop {
        tokio::select! {
            () = sleep(LOOK_AGAIN * 5) => {}
            _ = tokio::signal::ctrl_c() => return Ok(()),
        }
        let bytes = read_log(&log, position)?;
        // Whole lines only: the node may be in the middle of one.
        let whole = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        position += whole as u64;
        tell_log(app, &bytes[..whole], usize::MAX)?;
    }
}

fn tell_log(app: &App, bytes: &[u8], last: usize) -> Result<(), CommandError> {
    let said = String::from_utf8_lossy(bytes);
    let all: Vec<&str> = said.lines().collect();
    let from = all.len().saturating_sub(last);
    all[from..]
        .iter()
        .try_for_each(|line| app.ui.line(&crate::ui::sanitize::line(line)))
}

fn read_log(log: &Path, from: u64) -> Result<Vec<u8>, CommandError> {
    let read = || {
        let mut file = File::open(log)?;
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(bytes)
    };
    read().attempting(|| format!("read the log {}", log.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_client::types::HealthReason;

    #[test]
    fn addresses_are_remembered_for_the_next_start() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(
            listen_addresses(home.path(), &[]).unwrap(),
            [LISTEN_DEFAULT]
        );
        let given = ["/ip4/127.0.0.1/tcp/1".to_owned()];
        assert_eq!(listen_addresses(home.path(), &given).unwrap(), given);
        let mut setup = Setup {
            listen: given.to_vec(),
            public: true,
            gossip: true,
        };
        remember(home.path(), &setup).unwrap();
        assert_eq!(listen_addresses(home.path(), &[]).unwrap(), given);
        let public = home.path().join(PUBLIC_FILE);
        assert!(public.exists());
        setup.public = false;
        remember(home.path(), &setup).unwrap();
        assert!(!public.exists());
        let broken = listen_addresses(home.path(), &["7440".to_owned()]);
        assert_eq!(broken.unwrap_err().exit_code(), 2);
    }

    #[test]
    fn all_that_is_wrong_is_said_with_its_word_and_what_to_do() {
        let reason = |code: &str, message: &str, hint: &str| HealthReason {
            code: code.into(),
            message: message.into(),
            hint: hint.into(),
        };
        let error = unwell(&Health {
            state: "unwell".into(),
            reasons: vec![
                reason("read_only", "no writes", "free space"),
                reason("clock", "it is ahead", "set it"),
            ],
        });
        let expected = "the node is not well: no writes (read_only); it is ahead (clock)";
        assert_eq!((error.message(), error.exit_code()), (expected, 1));
        assert_eq!(error.advice(), ["free space", "set it"]);
    }

    #[test]
    fn a_start_that_failed_says_why_in_the_nodes_own_words() {
        let said = "info something\nerror: the port is taken\nhint: choose another\n";
        let error = why_it_ended(said, Path::new("/x/node.log"), true);
        assert!(error.message().ends_with("the port is taken"), "{error}");
        assert_eq!(error.advice()[0], "choose another");
    }
}
