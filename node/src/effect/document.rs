//! Which contributions of one document are in effect.

use super::Move;
use crate::{
    archive::Archive,
    held::{HeldEntry, Reason},
    ledger::Ledger,
    store::StoreError,
};
use comity_protocol::{
    authority::{
        Act, Authority, Standing, Unauthorized,
        coverage::Coverage,
        effective::{Effect, Judged, effective_set},
    },
    id::{CommunityId, DocumentId, EntryId, SpaceId},
    key::PublicKey,
    pipeline::{Known, KnownDocument},
    sync::Key,
};

/// Whether the author of a contribution may do what it does, leaving aside what it builds on.
pub(crate) fn verdict(
    authority: &Authority,
    coverage: &dyn Coverage,
    space: SpaceId,
    document: &KnownDocument,
    (id, author, is_create): (&EntryId, &PublicKey, bool),
) -> Result<Standing, Unauthorized> {
    let act = match (is_create, document.co_written) {
        (true, _) => Act::Create,
        (false, true) => Act::EditShared,
        (false, false) => Act::EditOwned {
            owner: document.owner,
        },
    };
    authority.authorize(space, id, author, Some(&document.kind), act, coverage)
}

/// Whether others may build on an author's contributions though the author may not write them.
pub(crate) fn adoptable(
    authority: &Authority,
    document: &KnownDocument,
    author: &PublicKey,
) -> bool {
    document.co_written || authority.same_person(author, &document.owner)
}

/// Asks for one document of a space.
pub(crate) struct Question<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) archive: &'a Archive,
    pub(super) community: CommunityId,
    pub(super) space: SpaceId,
    pub(super) authority: &'a Authority,
    pub(super) coverage: &'a dyn Coverage,
}

impl Question<'_> {
    /// Adds what has to move for the document to be as authority says.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) fn evaluate(
        &self,
        document: DocumentId,
        moves: &mut Vec<Move>,
    ) -> Result<(), StoreError> {
        let mut stored = self.archive.headers_of(&document)?;
        stored.retain(|(_, _, header)| header.space == self.space);
        let Some(facts) = self.archive.document(document) else {
            // Its create is damaged: nothing can be said until it is fetched again.
            return Ok(());
        };
        let judged: Vec<Judged> = stored
            .iter()
            .map(|(_, id, header)| Judged {
                id: *id,
                deps: header.deps().to_vec(),
                verdict: verdict(
                    self.authority,
                    self.coverage,
                    self.space,
                    &facts,
                    (id, &header.author, header.deps().is_empty()),
                ),
                adoptable: adoptable(self.authority, &facts, &header.author),
            })
            .collect();
        let effects = effective_set(&judged);
        for (position, id, header) in &stored {
            let key = Key::new(&self.space, &header.author, header.link.seq, *id);
            let place = (key, position.to_u64());
            match effects.get(id) {
                Some(Effect::Authorized(_)) => self.restore(document, &key, None, moves),
                Some(Effect::Adopted { by }) => self.restore(document, &key, Some(*by), moves),
                Some(Effect::Unauthorized(reason)) => {
                    self.hold(document, place, Reason::Unauthorized(*reason), moves);
                }
                Some(Effect::Blocked { ancestor }) => {
                    self.hold(document, place, Reason::Builds(*ancestor), moves);
                }
                None => {}
            }
        }
        Ok(())
    }

    fn restore(
        &self,
        document: DocumentId,
        key: &Key,
        adopted_by: Option<EntryId>,
        moves: &mut Vec<Move>,
    ) {
        let held = self.archive.held();
        let id = key.id;
        if held.adopted_by(&id) != adopted_by {
            let by = adopted_by;
            moves.push(Move::Adopt { id, by });
        }
        let erasures = self.erasures_of(&id).into_iter();
        let ids = std::iter::once(id).chain(erasures.map(|(erasure, _)| erasure.id));
        for id in ids.filter(|id| held.contains(id)) {
            let space = self.space;
            moves.push(Move::Restore {
                space,
                document,
                id,
            });
        }
    }

    fn hold(
        &self,
        document: DocumentId,
        (key, local): (Key, u64),
        reason: Reason,
        moves: &mut Vec<Move>,
    ) {
        let held = self.archive.held();
        let id = key.id;
        if held.adopted_by(&id).is_some() {
            moves.push(Move::Adopt { id, by: None });
        }
        let mut hold = |key: Key, local, reason| {
            if held.get(&key.id).map(|it| it.reason) != Some(reason) {
                moves.push(Move::Hold(HeldEntry {
                    community: self.community,
                    space: self.space,
                    key,
                    local,
                    document,
                    reason,
                }));
            }
        };
        hold(key, local, reason);
        // The words stay erased. In the set the erasure stands with what it erases, so that sets do
        // not depend on who once saw a contribution that is not in effect.
        for (erasure, local) in self.erasures_of(&id) {
            hold(erasure, local, Reason::Builds(id));
        }
    }

    fn erasures_of(&self, id: &EntryId) -> Vec<(Key, u64)> {
        let space = self.ledger.spaces().get(&self.space);
        space
            .map(|it| it.statements().erasures_of(id))
            .unwrap_or_default()
    }
}
