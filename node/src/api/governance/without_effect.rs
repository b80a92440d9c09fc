//! Records of the roster that stand in the set and have no effect, with the rule that says so.

use super::{
    super::{App, entries::with_sources, error::Failure, lookup},
    Known,
};
use crate::{held::Reason, views::held};
use comity_client::types::{RecordWithoutEffect, RecordsWithoutEffect};
use comity_protocol::{
    authority::{Authority, RosterError},
    entry::{Entry, Record},
    record::RecordBody,
};

/// All of them, by signer and along each chain; the first `limit` are told.
pub(super) fn all(
    app: &App,
    known: &Known<'_>,
    limit: usize,
) -> Result<RecordsWithoutEffect, Failure> {
    let authority = &known.named.authors.authority;
    let judged = |entry: &Entry| match entry {
        Entry::Record(it) => Some((it.clone(), authority.judge_record(it).err()?)),
        _ => None,
    };
    let ledger = app.inner.ingest.ledger();
    let communities = ledger.communities();
    let set = communities
        .get(&known.community)
        .ok_or_else(|| lookup::unknown("community", &known.community.to_string()))?;
    let found = set.governance().iter().filter_map(|it| judged(it));
    let mut found: Vec<(Record, RosterError)> = found.collect();
    drop(ledger);
    found.sort_by_key(|(it, _)| (it.header().author, it.header().link.seq, it.id()));
    let total = found.len() as u64;
    let told = found.into_iter().take(limit);
    let items = told.map(|(record, why)| RecordWithoutEffect {
        id: record.id().to_string(),
        what: what(record.body()).to_owned(),
        signer: known.named.key(&record.header().author),
        seq: record.header().link.seq,
        time_ms: record.header().time_ms,
        reason: reason(authority, &why),
    });
    Ok(RecordsWithoutEffect {
        items: items.collect(),
        total,
    })
}

fn what(body: &RecordBody) -> &'static str {
    match body {
        RecordBody::Invitation(_) => "invitation",
        RecordBody::InvitationApproval(_) => "approval of an invitation",
        RecordBody::Countersignature(_) => "countersignature",
        RecordBody::Admission(_) => "admission",
        RecordBody::DeviceLink(_) => "device link",
        RecordBody::NodeLink(_) => "node link",
        RecordBody::Revocation(_) => "revocation",
        RecordBody::Departure(_) => "departure",
        RecordBody::DeviceRevocation(_) => "device revocation",
        _ => "record",
    }
}

/// The rule, and with names of parties what was taken.
fn reason(authority: &Authority, why: &RosterError) -> String {
    match why {
        RosterError::Barred(taken) | RosterError::Ended(taken) => {
            let taken = held::reason(authority, &Reason::Unauthorized(*taken));
            format!("{why}: {taken}")
        }
        why => with_sources(why),
    }
}
