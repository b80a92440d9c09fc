//! Signing what takes something away: the record, and the tables of its cuts in the spaces that not
//! everyone reads.

use crate::{
    app::App,
    args::member::Keep,
    compose::narrowing::{CutError, Cutting},
    desk::Desk,
    error::CommandError,
    moment::now_ms,
    random, render,
    ui::sanitize,
};
use comity_client::{
    Client,
    types::{CommunityInfo, CutPlan, CutQuery},
};
use comity_protocol::{certificate::Cuts, entry::Entry, id::EntryId, record::RecordBody};

/// What cuts keep of these keys.
pub(super) struct Kept {
    /// What the node knows of them.
    known: CutPlan,
    /// What is signed.
    pub(super) plan: CutPlan,
    keep: Keep,
}

impl Kept {
    pub(super) async fn of(
        client: &Client,
        community: &CommunityInfo,
        keys: &[String],
        keep: Keep,
    ) -> Result<Self, CommandError> {
        let of = CutQuery {
            keys: keys.to_vec(),
            ..CutQuery::default()
        };
        let known = client.cuts(&community.id, &of).await?;
        let mut plan = known.clone();
        if keep == Keep::None {
            // Records stay: without the links of devices nothing could be lifted again.
            plan.spaces
                .retain(|it| it.space == community.governance_space);
        }
        Ok(Self { known, plan, keep })
    }

    /// Says what stays and what does not.
    pub(super) fn tell(&self, app: &App, community: &CommunityInfo) {
        let spaces = self.known.spaces.iter();
        let spaces = spaces.filter(|it| it.space != community.governance_space);
        let written: Vec<_> = spaces.filter(|it| it.contributions > 0).collect();
        if written.is_empty() {
            app.ui
                .status("Nothing written with these keys is known here.");
        }
        for space in written {
            let count = render::count(space.contributions, "contribution");
            let name = sanitize::line(&space.name);
            app.ui.status(&match self.keep {
                Keep::Known => format!("  {name}: {count} in effect, which stay"),
                Keep::None => format!("  {name}: {count} in effect, which become stubs"),
            });
        }
        app.ui.status(match self.keep {
            Keep::Known => {
                "What this node does not know yet becomes a stub, except what a node of another \
                 party had receipted before it heard of this."
            }
            Keep::None => {
                "What a node of another party had receipted before it hears of this comes back into \
                 effect: no party can unsay alone."
            }
        });
    }
}

/// Signs a narrowing on the root key's chain and hands it in, with the tables of its cuts.
pub(super) async fn sign(
    desk: &mut Desk<'_>,
    community: &CommunityInfo,
    kept: &Kept,
    body: impl FnOnce(Cuts) -> RecordBody,
) -> Result<EntryId, CommandError> {
    let cutting = Cutting::new::<CommandError>(&kept.plan, random::bytes)?;
    let mut chain = desk.root_chain(&community.governance_space).await?;
    let record = chain.record(now_ms(), body(cutting.cuts()));
    let id = record.id();
    desk.hand_in(&community.id, vec![Entry::Record(record)])
        .await?;
    for (space, table) in cutting.tables(id) {
        let mut chain = desk.statement_chain(community, &space.to_string()).await?;
        let record = chain.record(now_ms(), RecordBody::CutTable(table));
        desk.hand_in(&community.id, vec![Entry::Record(record)])
            .await?;
    }
    Ok(id)
}

impl From<CutError> for CommandError {
    fn from(error: CutError) -> Self {
        Self::of(crate::error::ErrorKind::Failure, &error)
            .hint("client and node may differ in version: restart the node")
    }
}
