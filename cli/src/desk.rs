//! The desk where a person signs: it holds the right to sign for the device, asks the node where
//! each chain stands, and hands signed entries in.
//!
//! A chain is never continued from an earlier place than this device remembers, and the memory
//! moves only once the node has acknowledged an entry as durable.

use crate::{
    app::App,
    compose::{Chain, document, founding},
    error::CommandError,
    grants,
    identity::{
        ChainHead, Expect, Identity, SigningSession, Slot, folder::LOCK_WAIT, material::SLOTS_MAX,
    },
    lookup::Place,
    moment::now_ms,
    random,
    ui::Ui,
};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use comity_client::{
    Client,
    types::{CommunityInfo, EntryResult, SigningContext, Submit, Submitted, TrackCommunity},
};
use comity_protocol::{
    contribution::ChainLink,
    entry::Entry,
    id::{CommunityId, EntryId, SpaceId},
    key::{PublicKey, SecretKey},
};
use std::str::FromStr;

/// The node's word for what is not there, or not for this reader.
/// Entries handed in at once.
const ENTRIES_MAX: usize = 200;
/// Bytes of entries handed in at once; base64 makes them a third longer.
const BYTES_MAX: usize = 1024 * 1024;

/// Where a person signs.
pub struct Desk<'a> {
    ui: &'a Ui,
    client: &'a Client,
    identity: &'a Identity,
    session: SigningSession<'a>,
}

/// What became of entries that were handed in: all of them are durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    /// Entries that were new.
    pub new: u64,
    /// Entries that were here already.
    pub known: u64,
    /// Peers connected now with whom the community is shared.
    pub peers: usize,
}

impl<'a> Desk<'a> {
    /// Takes the right to sign; waits a little for another command that has it.
    ///
    /// # Errors
    /// If another process signs, or the identity's folder cannot be read.
    pub fn open(
        app: &'a App,
        client: &'a Client,
        identity: &'a Identity,
    ) -> Result<Self, CommandError> {
        let session = identity.begin_signing(LOCK_WAIT)?;
        if session.chains().restored_unconfirmed().is_some() {
            app.ui.warning(
                "this device came back from a backup and has not synced since: if it wrote more \
                 after the backup, writing now forks its history. Run `comity sync --wait` first",
            );
        }
        Ok(Self {
            ui: &app.ui,
            client,
            identity,
            session,
        })
    }

    /// The chain of the device in a space, once it may write there.
    ///
    /// # Errors
    /// If it may not, or its chain cannot be continued.
    pub(crate) async fn device_chain(&mut self, place: &Place) -> Result<Chain<'a>, CommandError> {
        let device = self.identity.device();
        let mut context = self.context(&place.space.id, &device.public()).await?;
        if context.may_write.is_err() && self.link_if_forgotten(place).await? {
            context = self.context(&place.space.id, &device.public()).await?;
        }
        if let Err(reason) = &context.may_write {
            return Err(CommandError::failure(format!(
                "you cannot write in {}: {reason}",
                place.path()
            ))
            .hint("`comity community show` lists members and their roles")
            .hint("if you are not a member yet: ask one for a ticket, then `comity join TICKET`")
            .hint("if you have joined just now: `comity join --status`"));
        }
        let chain = self.chain(device, &context)?;
        let community = parse(&place.community.id, "community")?;
        let node = parse(&self.client.status().await?.node, "node key")?;
        grants::renew(self.client, self.identity, community, node).await?;
        Ok(chain)
    }

    /// The chain of the device in a space, whether it may write there or not: words can be taken
    /// back by whoever wrote them, whatever has become of their standing.
    ///
    /// # Errors
    /// If the chain cannot be continued.
    pub(crate) async fn erasing_chain(&mut self, place: &Place) -> Result<Chain<'a>, CommandError> {
        let device = self.identity.device();
        let context = self.context(&place.space.id, &device.public()).await?;
        self.chain(device, &context)
    }

    /// The chain of the device in a space of a community, for statements that need no right to write
    /// there. Who reads the space no more, as after leaving, goes on where this device remembers.
    ///
    /// # Errors
    /// If the chain cannot be continued.
    pub(crate) async fn statement_chain(
        &mut self,
        community: &CommunityInfo,
        space: &str,
    ) -> Result<Chain<'a>, CommandError> {
        let device = self.identity.device();
        let author = device.public().to_string();
        match self.client.signing_context(space, &author).await {
            Ok(context) => self.chain(device, &context),
            Err(error) if error.code() == Some("not_found") => {
                let id: SpaceId = parse(space, "space")?;
                let next = match self.session.chains().last(&id) {
                    Some(head) => ChainLink::after(head.seq, head.id),
                    None => ChainLink::FIRST,
                };
                let public = &community.governance_space;
                let known = self.context(public, &device.public()).await?;
                let governance = parse(&known.governance, "governance digest")?;
                Ok(Chain::new(device, id, governance, next))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The chain of the root key in the governance space of a community.
    ///
    /// # Errors
    /// If it cannot be continued.
    pub async fn root_chain(&mut self, governance_space: &str) -> Result<Chain<'a>, CommandError> {
        let root = self.identity.root()?;
        let context = self.context(governance_space, &root.public()).await?;
        self.chain(root, &context)
    }

    async fn context(
        &self,
        space: &str,
        author: &PublicKey,
    ) -> Result<SigningContext, CommandError> {
        let author = author.to_string();
        Ok(self.client.signing_context(space, &author).await?)
    }

    fn chain(
        &self,
        secret: &'a SecretKey,
        context: &SigningContext,
    ) -> Result<Chain<'a>, CommandError> {
        let space: SpaceId = parse(&context.space, "space")?;
        let known = match &context.prev {
            None => None,
            Some(id) => Some(ChainHead {
                seq: context.next_seq.saturating_sub(1),
                id: parse(id, "entry")?,
            }),
        };
        let next = match self.session.expect_next(&space, known) {
            Expect::Next { seq, prev } => ChainLink { seq, prev },
            Expect::Forked { node, .. } => {
                self.ui.warning(
                    "the history of this device is forked here: two of its entries have one \
                     number, and everybody sees that. Do not use one identity in two places",
                );
                ChainLink::after(node.seq, node.id)
            }
            Expect::Behind { remembered, node } => {
                return Err(behind(remembered.seq, node.map_or(0, |it| it.seq)));
            }
        };
        let governance = parse(&context.governance, "governance digest")?;
        Ok(Chain::new(secret, space, governance, next))
    }

    /// A member's new device writes before it is linked: the root key is here, so link it now.
    async fn link_if_forgotten(&mut self, place: &Place) -> Result<bool, CommandError> {
        let public = self.identity.public();
        let (root, device) = (public.root.to_string(), public.device.to_string());
        let forgotten = |community: &CommunityInfo| {
            let mut members = community.members.iter();
            members.any(|it| it.root == root && !it.devices.contains(&device))
        };
        if self.identity.root().is_err() || !forgotten(&place.community) {
            return Ok(false);
        }
        let mut chain = self.root_chain(&place.community.governance_space).await?;
        // A member whose own records are missing here has just joined: the links are on their way,
        // and linking again would fork the chain. Whoever was admitted by key has none to come.
        if chain.next() == ChainLink::FIRST && self.has_joined(&place.community.id).await? {
            return Ok(false);
        }
        // The slot may be taken, which only the roster tells: then the next one is tried.
        let others = (0..SLOTS_MAX)
            .filter_map(Slot::new)
            .filter(|it| *it != public.slot);
        for slot in std::iter::once(public.slot).chain(others) {
            let (root, device) = (self.identity.root()?, self.identity.device());
            let link = founding::link_device(&mut chain, now_ms(), root, device, slot);
            self.hand_in(&place.community.id, vec![Entry::Record(link)])
                .await?;
            let community = self.client.community(&place.community.id).await?;
            if !forgotten(&community) {
                self.ui.status("this device is linked to you now");
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the person asked to be let in from here.
    async fn has_joined(&self, community: &str) -> Result<bool, CommandError> {
        let root = self.identity.public().root.to_string();
        let joins = self.client.joins().await?;
        let mut mine = joins.iter().filter(|it| it.member == root);
        Ok(mine.any(|it| it.community == community))
    }

    /// What comes before the first words in a space: a profile, so that readers see a name.
    ///
    /// # Errors
    /// If there is no randomness.
    pub fn greeting(&self, chain: &mut Chain<'_>) -> Result<Vec<Entry>, CommandError> {
        if chain.next() != ChainLink::FIRST {
            return Ok(Vec::new());
        }
        let profile = document::profile(self.identity.public().name.as_str());
        let profile = chain.create(now_ms(), &profile, random::bytes()?)?;
        Ok(vec![Entry::Contribution(profile)])
    }

    /// Hands signed entries to the node and remembers where their chains stand now.
    ///
    /// # Errors
    /// If the node did not make every one of them durable and effective.
    pub async fn hand_in(
        &mut self,
        community: &str,
        entries: Vec<Entry>,
    ) -> Result<Saved, CommandError> {
        let mut saved = Saved::default();
        for batch in batches(&entries) {
            let submit = Submit {
                community: community.to_owned(),
                entries: encode(batch),
            };
            let answer = self.client.submit(&submit).await?;
            self.take_answer(batch, &answer, &mut saved)?;
        }
        Ok(saved)
    }

    /// Makes the node take part in a community that starts with these entries.
    ///
    /// # Errors
    /// If the node did not make every one of them durable and effective.
    pub async fn found(
        &mut self,
        community: CommunityId,
        entries: &[Entry],
    ) -> Result<Saved, CommandError> {
        let track = TrackCommunity {
            community: community.to_string(),
            entries: encode(entries),
        };
        let answer = self.client.track(&track).await?;
        let mut saved = Saved::default();
        self.take_answer(entries, &answer, &mut saved)?;
        Ok(saved)
    }

    fn take_answer(
        &mut self,
        batch: &[Entry],
        answer: &Submitted,
        saved: &mut Saved,
    ) -> Result<(), CommandError> {
        let mut failed = None;
        for (entry, result) in batch.iter().zip(&answer.results) {
            match result.state.as_str() {
                "saved" => saved.new += 1,
                "already_present" => saved.known += 1,
                _ => {
                    failed = failed.or(Some(result));
                    continue;
                }
            }
            let own = [self.identity.public().device, self.identity.public().root];
            let key = entry.key();
            // Certificates stand in no chain.
            if let Some(space) = entry.space()
                && key.seq > 0
                && own.contains(&key.author)
            {
                let head = ChainHead {
                    seq: key.seq,
                    id: key.id,
                };
                self.session.advance(space, head);
            }
        }
        saved.peers = answer.peers;
        self.session.save()?;
        match failed {
            Some(result) => Err(not_saved(result)),
            None if answer.results.len() == batch.len() => Ok(()),
            None => Err(CommandError::internal(
                "the node did not say what became of every entry",
            )),
        }
    }

    /// After a sync: what others hold of a restored device's chains is known here.
    ///
    /// # Errors
    /// If the identity's folder cannot be written.
    pub fn confirm_restored(&mut self) -> Result<(), CommandError> {
        self.session.confirm_restored();
        Ok(self.session.save()?)
    }
}

fn behind(remembered: u64, known: u64) -> CommandError {
    CommandError::failure(format!(
        "cannot sign: this device has written {remembered} entries in this space, and the node \
         here knows {known} of them. Writing now would fork your history for everybody to see"
    ))
    .hint("run `comity sync --wait` to fetch the rest from your peers, then try again")
    .hint("if the node's store was lost for good, restore it: `comity restore FROM`")
}

fn not_saved(result: &EntryResult) -> CommandError {
    let reason = result
        .reason
        .as_deref()
        .unwrap_or("the node gave no reason");
    let error = CommandError::failure(format!("not saved: {reason}"));
    match result.state.as_str() {
        "pending" => {
            error.hint("it builds on entries that are not here yet: run `comity sync --wait`")
        }
        "unauthorized" => error
            .hint("`comity community show` lists members and their roles")
            .hint("if you are not a member yet: ask one for a ticket, then `comity join TICKET`"),
        _ => error,
    }
}

/// Reads an id or key that a node gave.
pub(crate) fn parse<T: FromStr<Err: std::error::Error>>(
    text: &str,
    what: &str,
) -> Result<T, CommandError> {
    text.parse().map_err(|error: T::Err| {
        CommandError::failure(format!(
            "the node named a {what} that cannot be read: {text:?}"
        ))
        .because(&error)
    })
}

/// Whole ids of heads as ids.
pub(crate) fn parse_ids(texts: &[String]) -> Result<Vec<EntryId>, CommandError> {
    texts
        .iter()
        .map(|text| parse(text, "contribution"))
        .collect()
}

fn encode(entries: &[Entry]) -> Vec<String> {
    entries
        .iter()
        .map(|entry| STANDARD_NO_PAD.encode(entry.encode()))
        .collect()
}

/// Splits entries into what one request carries.
fn batches(entries: &[Entry]) -> Vec<&[Entry]> {
    let mut batches = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (index, entry) in entries.iter().enumerate() {
        let size = entry.encode().len();
        if index > start && (index - start >= ENTRIES_MAX || bytes + size > BYTES_MAX) {
            batches.push(&entries[start..index]);
            (start, bytes) = (index, 0);
        }
        bytes += size;
    }
    if start < entries.len() {
        batches.push(&entries[start..]);
    }
    batches
}

impl From<crate::compose::ComposeError> for CommandError {
    fn from(error: crate::compose::ComposeError) -> Self {
        Self::of(crate::error::ErrorKind::Failure, &error).hint(error.hint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_split_by_number_and_size() {
        let secret = SecretKey::from_seed(&[1; 32]);
        let mut chain = crate::compose::chain::tests::start(&secret);
        let mut page = |size: usize| {
            let draft = document::page("T", &"x".repeat(size), &[], None);
            Entry::Contribution(chain.create(1, &draft, [0; 32]).unwrap())
        };
        let small: Vec<Entry> = (0..ENTRIES_MAX + 1).map(|_| page(1)).collect();
        let lengths = |entries: &[Entry]| {
            batches(entries)
                .iter()
                .map(|it| it.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(lengths(&small), [ENTRIES_MAX, 1]);
        let large: Vec<Entry> = (0..6).map(|_| page(250_000)).collect();
        assert_eq!(lengths(&large), [4, 2]);
        assert!(lengths(&[]).is_empty());
    }
}
