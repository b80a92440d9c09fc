//! `comity member …`: who belongs to a community, and what delegates decide about it.

mod find;

use super::narrowing::{self, Kept};
use crate::{
    app::App,
    args::{
        member::{Keep, MemberCommand, OfParty, RoleOfMember, RolesCommand},
        membership::RoleArgument,
    },
    desk::{Desk, parse},
    error::CommandError,
    identity::Identity,
    lookup,
    moment::now_ms,
    render,
    session::Reach,
    ui::sanitize,
};
use comity_client::{
    Client,
    types::{CommunityInfo, PartyInfo, PendingRecord, Roster, RosterMember},
};
use comity_protocol::{
    entry::Entry,
    id::EntryId,
    key::PublicKey,
    record::{
        Admission, Departure, InvitationApproval, RecordBody, Revocation, Role, Roles, Target,
    },
};
use serde_json::json;

use find::device_keys;
pub(super) use find::{member as find_member, party_of_delegate};

/// Runs a command about members.
pub(super) async fn run(app: &App, command: MemberCommand) -> Result<(), CommandError> {
    app.public()?;
    match command {
        MemberCommand::List { community } => list(app, community.as_deref()).await,
        MemberCommand::Admit { key, roles, of } => admit(app, &key, &roles, &of).await,
        MemberCommand::Revoke {
            member,
            keep,
            yes,
            of,
        } => revoke(app, &member, keep, yes, &of).await,
        MemberCommand::Roles(RolesCommand::Add(of)) => add_role(app, &of).await,
        MemberCommand::Roles(RolesCommand::Remove(of)) => remove_role(app, &of).await,
        MemberCommand::Approve { id, community } => approve(app, &id, community.as_deref()).await,
        MemberCommand::Leave { yes, of } => leave(app, yes, &of).await,
    }
}

async fn list(app: &App, named: Option<&str>) -> Result<(), CommandError> {
    let roster = app
        .with_node(Reach::Store, async |client| {
            let community = lookup::community(client, named).await?;
            Ok((client.members(&community.id).await?, community))
        })
        .await;
    let (roster, community) = roster?;
    if app.ui.is_json() {
        return app.ui.json(&roster);
    }
    app.ui.table(&render::member::members(&roster))?;
    if !roster.pending.is_empty() {
        app.ui.line("")?;
        app.ui
            .table(&render::member::pending(&community, &roster))?;
        app.ui
            .hint("a delegate of that party agrees with `comity member approve ID`");
    }
    Ok(())
}

/// A delegate at work: what is known, and the right to sign.
struct Delegate<'a> {
    app: &'a App,
    client: &'a Client,
    community: CommunityInfo,
    party: PartyInfo,
    roster: Roster,
}

impl<'a> Delegate<'a> {
    async fn of(app: &'a App, client: &'a Client, of: &OfParty) -> Result<Self, CommandError> {
        let community = lookup::community(client, of.community.as_deref()).await?;
        let root = app.public()?.root.to_string();
        let party = find::party_of_delegate(&community, of.party.as_deref(), &root)?.clone();
        let roster = client.members(&community.id).await?;
        Ok(Self {
            app,
            client,
            community,
            party,
            roster,
        })
    }

    fn party_id(&self) -> Result<comity_protocol::id::PartyId, CommandError> {
        parse(&self.party.id, "party")
    }

    fn party_name(&self) -> String {
        sanitize::line(&self.party.name).into_owned()
    }

    async fn record(&self, identity: &Identity, body: RecordBody) -> Result<EntryId, CommandError> {
        let mut desk = Desk::open(self.app, self.client, identity)?;
        let mut chain = desk.root_chain(&self.community.governance_space).await?;
        let record = chain.record(now_ms(), body);
        let id = record.id();
        desk.hand_in(&self.community.id, vec![Entry::Record(record)])
            .await?;
        Ok(id)
    }

    /// Says what became of a record: that it counts, or how many delegates are still needed.
    async fn report(&self, id: EntryId, subject: &str, done: &str) -> Result<(), CommandError> {
        let roster = self.client.members(&self.community.id).await?;
        let root = self.app.public()?.root.to_string();
        let waiting = roster.pending.iter().find(|it| {
            it.party == self.party.id
                && it.by.contains(&root)
                && (it.id == id.to_string() || it.subject.as_deref() == Some(subject))
        });
        report(self.app, id, waiting, done)
    }
}

fn report(
    app: &App,
    id: EntryId,
    waiting: Option<&PendingRecord>,
    done: &str,
) -> Result<(), CommandError> {
    if app.ui.is_json() {
        return app.ui.json(&json!({
            "id": id.to_string(),
            "counts": waiting.is_none(),
            "agree": waiting.map(|it| it.by.len()),
            "needed": waiting.map(|it| it.needed),
            "approve": waiting.map(|it| &it.id),
        }));
    }
    match waiting {
        None => app.ui.status(done),
        Some(it) => {
            let (agree, needed) = (it.by.len(), render::count(it.needed, "delegate"));
            app.ui.status(&format!(
                "signed; it counts once more agree: {agree} of {needed} so far"
            ));
            app.ui.hint(&format!(
                "another delegate agrees with `comity member approve {}`",
                render::short(&it.id)
            ));
        }
    }
    app.ui.line(&id.to_string())
}

fn roles_of(arguments: &[RoleArgument]) -> Roles {
    arguments.iter().map(|it| Role::from(*it)).collect()
}

async fn admit(
    app: &App,
    key: &str,
    roles: &[RoleArgument],
    of: &OfParty,
) -> Result<(), CommandError> {
    let member: PublicKey = key.parse().map_err(|_| {
        CommandError::usage(format!("{key:?} is not a key"))
            .hint("a key looks like did:key:z6Mk…; `comity whoami` shows it as root")
    })?;
    app.with_node(Reach::Store, async |client| {
        let delegate = Delegate::of(app, client, of).await?;
        find::refuse_revoked(&delegate.roster, &delegate.party, key)?;
        let identity = app.unlock()?;
        let body = RecordBody::Admission(Admission {
            party: delegate.party_id()?,
            member,
            roles: roles_of(roles),
        });
        let id = delegate.record(&identity, body).await?;
        let done = format!("admitted by {}", delegate.party_name());
        delegate.report(id, key, &done).await
    })
    .await
}

async fn revoke(
    app: &App,
    member: &str,
    keep: Keep,
    yes: bool,
    of: &OfParty,
) -> Result<(), CommandError> {
    app.with_node(Reach::Store, async |client| {
        let delegate = Delegate::of(app, client, of).await?;
        let found = find::member(&delegate.roster, member)?;
        find::standing(found, &delegate.party)?;
        let who = find::name(found);
        let keys = device_keys(found);
        let kept = Kept::of(client, &delegate.community, &keys, keep).await?;
        let party = delegate.party_name();
        app.ui.status(&format!("Of what {who} wrote:"));
        kept.tell(app, &delegate.community);
        app.ui.status(&format!(
            "This key never belongs to {party} again; who comes back does so with a new key."
        ));
        if !yes {
            app.confirm(&format!("Take the standing of {who} with {party} away?"))?;
        }
        let target = Target::Member(parse(&found.root, "key")?);
        let id = sign_revocation(app, &delegate, &kept, target).await?;
        let done = format!("{who} is no longer a member by {party}");
        delegate.report(id, &found.root, &done).await
    })
    .await
}

async fn sign_revocation(
    app: &App,
    delegate: &Delegate<'_>,
    kept: &Kept,
    target: Target,
) -> Result<EntryId, CommandError> {
    let identity = app.unlock()?;
    let mut desk = Desk::open(app, delegate.client, &identity)?;
    let party = delegate.party_id()?;
    let body = |cuts| {
        RecordBody::Revocation(Revocation {
            party,
            target,
            cuts,
            replaces: None,
        })
    };
    narrowing::sign(&mut desk, &delegate.community, kept, body).await
}

/// Ends a device as a delegate of its holder's party.
pub(super) async fn revoke_device(
    app: &App,
    client: &Client,
    device: &str,
    keep: Keep,
    yes: bool,
    of: &OfParty,
) -> Result<(), CommandError> {
    let delegate = Delegate::of(app, client, of).await?;
    let key: PublicKey = device.parse().map_err(|_| {
        CommandError::usage(format!("{device:?} is not the key of a device"))
            .hint("`comity member list --json` shows the devices of all members")
    })?;
    let kept = Kept::of(client, &delegate.community, &[device.to_owned()], keep).await?;
    kept.tell(app, &delegate.community);
    if !yes {
        app.confirm("End this device?")?;
    }
    let id = sign_revocation(app, &delegate, &kept, Target::Device(key)).await?;
    delegate.report(id, device, "the device is ended").await
}

async fn add_role(app: &App, of: &RoleOfMember) -> Result<(), CommandError> {
    app.with_node(Reach::Store, async |client| {
        let delegate = Delegate::of(app, client, &of.of).await?;
        let found = find::member(&delegate.roster, &of.member)?;
        find::standing(found, &delegate.party)?;
        let identity = app.unlock()?;
        let body = RecordBody::Admission(Admission {
            party: delegate.party_id()?,
            member: parse(&found.root, "key")?,
            roles: roles_of(&[of.role]),
        });
        let id = delegate.record(&identity, body).await?;
        let role = Role::from(of.role).name();
        let done = format!("{} is {role} now", find::name(found));
        delegate.report(id, &found.root, &done).await
    })
    .await
}

async fn remove_role(app: &App, of: &RoleOfMember) -> Result<(), CommandError> {
    app.with_node(Reach::Store, async |client| {
        let delegate = Delegate::of(app, client, &of.of).await?;
        let found = find::member(&delegate.roster, &of.member)?;
        let role = Role::from(of.role);
        let held = find::standing(found, &delegate.party)?;
        if !held.roles.iter().any(|it| it == role.name()) {
            let who = find::name(found);
            return Err(CommandError::failure(format!(
                "{who} is not {} of {}",
                role.name(),
                delegate.party_name()
            ))
            .hint("`comity member list` shows all roles"));
        }
        let keys = device_keys(found);
        let kept = Kept::of(client, &delegate.community, &keys, Keep::Known).await?;
        let target = Target::Role(parse(&found.root, "key")?, role);
        let id = sign_revocation(app, &delegate, &kept, target).await?;
        let after = client.members(&delegate.community.id).await?;
        let still = find::member(&after, &found.root)
            .ok()
            .and_then(|it| find::standing(it, &delegate.party).ok())
            .is_some_and(|it| it.roles.iter().any(|it| it == role.name()));
        let waits = after.pending.iter().any(|it| it.id == id.to_string());
        if still && !waits {
            app.ui.warning(&format!(
                "the role stays for now: the state of {} lists it, or more delegates have to agree",
                delegate.party_name()
            ));
        }
        let done = format!("{} is no longer {}", find::name(found), role.name());
        delegate.report(id, &found.root, &done).await
    })
    .await
}

async fn approve(app: &App, text: &str, named: Option<&str>) -> Result<(), CommandError> {
    app.with_node(Reach::Store, async |client| {
        let community = lookup::community(client, named).await?;
        let roster = client.members(&community.id).await?;
        let waiting = find::pending(&roster, text)?.clone();
        let of = OfParty {
            party: Some(waiting.party.clone()),
            community: Some(community.id.clone()),
        };
        let delegate = Delegate::of(app, client, &of).await?;
        if waiting.by.contains(&app.public()?.root.to_string()) {
            return Err(CommandError::failure("you have signed this already")
                .hint("other delegates of the party have to agree"));
        }
        let subject = waiting.subject.clone().unwrap_or_default();
        let id = match waiting.what.as_str() {
            "revocation" => approve_revocation(app, &delegate, &waiting, &subject).await?,
            "admission" => {
                let identity = app.unlock()?;
                let body = RecordBody::Admission(Admission {
                    party: delegate.party_id()?,
                    member: parse(&subject, "key")?,
                    roles: waiting.roles.iter().filter_map(|it| role(it)).collect(),
                });
                delegate.record(&identity, body).await?
            }
            _ => {
                let identity = app.unlock()?;
                let invitation = parse(&waiting.id, "invitation")?;
                let body = RecordBody::InvitationApproval(InvitationApproval { invitation });
                delegate.record(&identity, body).await?
            }
        };
        let after = client.members(&community.id).await?;
        let still = after.pending.iter().find(|it| it.id == waiting.id);
        report(app, id, still, "enough delegates agree: it counts")
    })
    .await
}

/// Each delegate signs cuts of their own: of two, the lower counts.
async fn approve_revocation(
    app: &App,
    delegate: &Delegate<'_>,
    waiting: &PendingRecord,
    subject: &str,
) -> Result<EntryId, CommandError> {
    let key: PublicKey = parse(subject, "key")?;
    let (target, keys) = match (waiting.target.as_deref(), waiting.roles.first()) {
        (Some("device"), _) => (Target::Device(key), vec![subject.to_owned()]),
        (Some("role"), Some(name)) => {
            let role = role(name).ok_or_else(|| unknown_role(name))?;
            let found = find::member(&delegate.roster, subject)?;
            (Target::Role(key, role), device_keys(found))
        }
        _ => {
            let found = find::member(&delegate.roster, subject)?;
            (Target::Member(key), device_keys(found))
        }
    };
    let kept = Kept::of(delegate.client, &delegate.community, &keys, Keep::Known).await?;
    sign_revocation(app, delegate, &kept, target).await
}

fn role(name: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|it| it.name() == name)
}

fn unknown_role(name: &str) -> CommandError {
    CommandError::failure(format!("the role {name:?} is not known here"))
        .hint("update comity on this machine")
}

async fn leave(app: &App, yes: bool, of: &OfParty) -> Result<(), CommandError> {
    app.with_node(Reach::Store, async |client| {
        let community = lookup::community(client, of.community.as_deref()).await?;
        let roster = client.members(&community.id).await?;
        let root = app.public()?.root.to_string();
        let me: &RosterMember = find::member(&roster, &root).map_err(|_| {
            CommandError::failure("you are not a member of this community")
                .hint("`comity member list` shows who is")
        })?;
        let standing = find::own_standing(me, &community, of.party.as_deref())?;
        let party = sanitize::line(&standing.party_name).into_owned();
        app.ui.status(&format!(
            "You leave {party} for good with this key. What you wrote stays in effect, and you keep \
             your copy of everything you can read now."
        ));
        if !yes {
            app.confirm(&format!("Leave {party}?"))?;
        }
        let kept = Kept::of(client, &community, &device_keys(me), Keep::Known).await?;
        let identity = app.unlock()?;
        let mut desk = Desk::open(app, client, &identity)?;
        let party_id = parse(&standing.party, "party")?;
        let body = |cuts| {
            RecordBody::Departure(Departure {
                party: party_id,
                cuts,
            })
        };
        let id = narrowing::sign(&mut desk, &community, &kept, body).await?;
        report(app, id, None, &format!("you have left {party}"))
    })
    .await
}
