//! What commands do, one file a group. Each takes the [`App`] and its arguments, and ends with data
//! on standard output or with a [`CommandError`].

mod carry;
mod charter;
mod community;
mod demo;
mod device;
mod draft;
mod edit;
mod erase;
mod export;
mod identity;
mod import;
mod init;
mod input;
mod join;
mod keep;
mod list;
mod maintain;
mod member;
mod narrowing;
mod node;
mod party;
mod publish;
mod quarantine;
mod readers;
mod show;
mod space;
mod succession;
mod sync;
mod terms;
mod watch;

use crate::{
    app::App,
    args::{Cli, Command, membership::CommunityCommand},
    error::CommandError,
};
use clap::CommandFactory as _;

/// Runs a command.
///
/// # Errors
/// What the command fails with.
pub async fn run(app: &App, command: Command) -> Result<(), CommandError> {
    match command {
        Command::Init(args) => init::init(app, &args),
        Command::Whoami => init::whoami(app).await,
        Command::Identity(command) => identity::run(app, command),
        Command::Community(CommunityCommand::Create(args)) if !args.with.is_empty() => {
            party::founding::draft(app, &args).await
        }
        Command::Community(CommunityCommand::Create(args)) => community::create(app, args).await,
        Command::Community(CommunityCommand::Sign { draft, yes }) => {
            party::founding::sign(app, &draft, yes)
        }
        Command::Community(CommunityCommand::Found { draft, signatures }) => {
            party::founding::found(app, &draft, &signatures).await
        }
        Command::Community(CommunityCommand::Fork {
            name,
            party,
            community,
        }) => {
            let (party, community) = (party.as_deref(), community.as_deref());
            party::exit::fork(app, &name, party, community).await
        }
        Command::Community(CommunityCommand::Leave { community, yes }) => {
            party::exit::leave(app, &community, yes).await
        }
        Command::Community(CommunityCommand::List) => community::list(app).await,
        Command::Community(CommunityCommand::Show { community }) => {
            community::show(app, community.as_deref()).await
        }
        Command::Space(command) => space::run(app, command).await,
        Command::Sign(args) => draft::sign(app, &args).await,
        Command::Member(command) => Box::pin(member::run(app, command)).await,
        Command::Device(command) => Box::pin(device::run(app, command)).await,
        Command::Quarantine(command) => quarantine::run(app, command).await,
        Command::Charter(command) => Box::pin(charter::run(app, command)).await,
        Command::Party(command) => Box::pin(party::run(app, command)).await,
        Command::Invite(args) => join::invite(app, args).await,
        Command::Join(args) => join::join(app, args).await,
        Command::Publish(args) => publish::publish(app, args).await,
        Command::Reply(args) => publish::reply(app, args).await,
        Command::Edit(args) => edit::edit(app, args).await,
        Command::Erase(args) => erase::erase(app, args).await,
        Command::List(args) => list::list(app, args).await,
        Command::Show(args) => show::show(app, args).await,
        Command::History(args) => show::history(app, &args).await,
        Command::Diff(args) => show::diff(app, args).await,
        Command::Blame(args) => show::blame(app, &args).await,
        Command::Import(command) => import::import(app, command).await,
        Command::Export(args) => export::export(app, args).await,
        Command::Watch(args) => watch::watch(app, &args).await,
        Command::Node(command) => node::run(app, command).await,
        Command::Sync(args) => sync::sync(app, &args).await,
        Command::Verify => maintain::verify(app).await,
        Command::Reindex(args) => maintain::reindex(app, &args).await,
        Command::Backup(args) => maintain::backup(app, &args).await,
        Command::Restore(args) => maintain::restore(app, &args).await,
        Command::Demo(args) => Box::pin(demo::demo(app, &args)).await,
        Command::Completions(args) => completions(app, args.shell),
    }
}

fn completions(app: &App, shell: clap_complete::Shell) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "comity", &mut script);
    app.ui.bytes(&script)
}
