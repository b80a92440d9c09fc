//! What is proposed, who said what about it, and what a delegate may still do.

use super::{Known, changes};
use crate::api::{App, bytes};
use comity_client::types::{MayInfo, ProposalInfo, RefusalInfo, RejectionInfo, SideInfo};
use comity_protocol::{
    authority::deliberation::{Deliberation, Motion, Outcome, Refusal, SideVoices, Voices},
    certificate::CertificateBody,
    entry::Entry,
    id::EntryId,
    key::PublicKey,
    record::RecordBody,
};
use std::collections::BTreeMap;

/// Whether an entry is a certificate or a word of deliberation.
pub(super) fn is_about_governance(entry: &Entry) -> bool {
    match entry {
        Entry::Certificate(_) => true,
        Entry::Contribution(_) | Entry::Bare(_) => false,
        Entry::Record(record) => matches!(
            record.body(),
            RecordBody::Proposal(_) | RecordBody::Approval(_) | RecordBody::Rejection(_)
        ),
    }
}

/// Reasons of rejections.
type Reasons<'a> = BTreeMap<(EntryId, PublicKey), &'a str>;

/// Every proposal that is here, ascending by height, then id.
pub(super) fn all(app: &App, known: &Known<'_>, delegate: Option<&PublicKey>) -> Vec<ProposalInfo> {
    let records = known.records();
    let (proposed, mut voices) = Voices::gather(records.map(|it| (it.header().author, it.body())));
    for (id, body) in &proposed {
        let is_order = matches!(body, CertificateBody::ErasureOrder(_));
        if is_order && app.inner.archive.contains(id).unwrap_or(false) {
            voices.certify_order(*id);
        }
    }
    let authority = &known.named.authors.authority;
    let (charter, parties) = (authority.charter(), authority.party_chains());
    let weighed = Deliberation::weigh(charter, parties, proposed, &voices);
    let mut reasons = Reasons::new();
    for record in known.records() {
        if let RecordBody::Rejection(it) = record.body() {
            reasons.insert((it.certificate, record.header().author), it.reason.as_str());
        }
    }
    let mut motions: Vec<&Motion> = weighed.motions().collect();
    motions.sort_by_key(|it| (height(&it.body), it.id));
    let show = |motion: &&Motion| {
        let mut info = info(known, motion, &reasons);
        if motion.outcome == Outcome::Carried {
            let certificate = weighed.assemble(&motion.id).map(Entry::Certificate);
            info.certificate = certificate.map(|it| bytes::encode(&it.encode()));
        }
        info.you = delegate.map(|key| MayInfo {
            approve: weighed.may_approve(key, &motion.id).err().map(refusal),
            reject: weighed.may_reject(key, &motion.id).err().map(refusal),
        });
        info
    };
    motions.iter().map(show).collect()
}

fn height(body: &CertificateBody) -> u64 {
    match body {
        CertificateBody::Party(it) => it.height,
        CertificateBody::Resolution(it) => it.height,
        // Orders have no place in a chain: they come last.
        CertificateBody::ErasureOrder(_) => u64::MAX,
        _ => 0,
    }
}

fn info(known: &Known<'_>, motion: &Motion, reasons: &Reasons<'_>) -> ProposalInfo {
    let named = &known.named;
    let (state, flaw) = match &motion.outcome {
        Outcome::Open => ("open", None),
        Outcome::Carried => ("carried", None),
        Outcome::Certified => ("certified", None),
        Outcome::Dead => ("dead", None),
        Outcome::Flawed(flaw) => ("flawed", Some(flaw.to_string())),
    };
    let sides = motion.sides.iter();
    let mut info = ProposalInfo {
        id: motion.id.to_string(),
        kind: "charter".to_owned(),
        party: None,
        parent: motion.parent.to_string(),
        state: state.to_owned(),
        flaw,
        proposer: named.key(&proposer(&motion.body)),
        changes: Vec::new(),
        reason: String::new(),
        time_ms: None,
        party_quorum: motion.party_quorum,
        parties: sides.map(|it| side(known, motion, it, reasons)).collect(),
        body: bytes::encode(&motion.body.encode()),
        certificate: None,
        you: None,
    };
    match &motion.body {
        CertificateBody::Resolution(it) => {
            let charter = named.authors.authority.charter();
            if let Some(parent) = charter.and_then(|charter| charter.state(&it.parent)) {
                let changes = it.changes.iter();
                info.changes = changes
                    .map(|it| changes::of_charter(named, parent, it))
                    .collect();
            }
            info.reason = it.reason.clone();
            info.time_ms = Some(it.time_ms);
        }
        CertificateBody::Party(it) => {
            info.kind = "party".to_owned();
            if let Some((party, parent)) = &it.parent {
                let chain = known.parties().chain(party);
                let before = chain.and_then(|chain| chain.state(parent));
                info.party = Some(party.to_string());
                info.changes = changes::of_party(named, before, it);
            }
        }
        CertificateBody::ErasureOrder(it) => {
            info.kind = "erasure".to_owned();
            info.changes = vec![changes::of_words(named, it)];
            info.reason = it.reason.clone();
            info.time_ms = Some(it.time_ms);
        }
        _ => {}
    }
    info
}

fn proposer(body: &CertificateBody) -> PublicKey {
    match body {
        CertificateBody::Party(it) => it.proposer,
        CertificateBody::Resolution(it) => it.proposer,
        CertificateBody::Genesis(it) => it.founders[0],
        CertificateBody::ErasureOrder(it) => it.proposer,
        CertificateBody::SpaceDeclaration(it) => match &it.declarer {
            comity_protocol::certificate::Declarer::Member { signer, .. } => *signer,
            comity_protocol::certificate::Declarer::Party { proposer, .. } => *proposer,
        },
    }
}

fn side(
    known: &Known<'_>,
    motion: &Motion,
    voices: &SideVoices,
    reasons: &Reasons<'_>,
) -> SideInfo {
    let named = &known.named;
    let rejected = voices.rejected.iter().map(|key| RejectionInfo {
        who: named.key(key),
        reason: reasons
            .get(&(motion.id, *key))
            .map(|it| (*it).to_owned())
            .unwrap_or_default(),
    });
    let silent: Vec<PublicKey> = voices.silent().copied().collect();
    SideInfo {
        id: voices.side.party.to_string(),
        name: named.party(&voices.side.party),
        votes: voices.side.votes,
        required: voices.side.required,
        delegates_needed: voices.side.delegates_needed,
        still_needed: voices.still_needed(),
        possible: voices.is_possible(),
        approved: named.keys(&voices.approved),
        rejected: rejected.collect(),
        silent: named.keys(&silent),
    }
}

fn refusal(refusal: Refusal) -> RefusalInfo {
    let (code, other) = match &refusal {
        Refusal::Unknown => ("unknown", None),
        Refusal::Flawed(_) => ("flawed", None),
        Refusal::Passed => ("passed", None),
        Refusal::NotCurrent { current, .. } => ("not_current", Some(current.to_string())),
        Refusal::OldPin(party) => ("old_pin", Some(party.to_string())),
        Refusal::NotADelegate => ("not_a_delegate", None),
        Refusal::Rejected => ("rejected", None),
        Refusal::Approved => ("approved", None),
        Refusal::Dead => ("dead", None),
        Refusal::Bound(other) => ("bound", Some(other.to_string())),
        Refusal::Overtaken(other) => ("overtaken", Some(other.to_string())),
        Refusal::Unseen(other) => ("unseen", Some(other.to_string())),
    };
    RefusalInfo {
        code: code.to_owned(),
        reason: refusal.to_string(),
        other,
    }
}
