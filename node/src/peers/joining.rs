//! Joining: asking into a community with a ticket, and answering those who ask.

use super::{chain, conduct::Offence, exchange::exchange, warden::Warden};
use crate::{node::Inner, pending::Source, random};
use comity_net::{Network, PeerId, PeerStream};
use comity_protocol::{
    access::{JOIN_MAX_BYTES, JoinAnswer, JoinRefusal, JoinRequest},
    id::domain,
    key,
    record::{self, Countersignature, RecordBody},
};
use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};
use tracing::{info, warn};

/// The protocol's name.
pub(crate) const PROTOCOL: &str = "/comity/join/1";
const PATIENCE: Duration = Duration::from_secs(20);

/// Sends a request to the node that invited, and waits for its answer.
pub(crate) async fn ask(
    network: &Network,
    peer: PeerId,
    request: &[u8],
) -> Result<JoinAnswer, String> {
    let answer = exchange(network, peer, PROTOCOL, request, JOIN_MAX_BYTES).await?;
    JoinAnswer::decode(&answer).map_err(|error| error.to_string())
}

/// Answers one request.
pub(crate) async fn answer(
    inner: Arc<Inner>,
    (peer, warden): (PeerId, &Warden),
    stream: PeerStream,
) {
    let (mut reader, mut writer) = stream.into_frames(JOIN_MAX_BYTES);
    let Ok(Some(bytes)) = reader.read(PATIENCE).await else {
        return;
    };
    if JoinRequest::decode(&bytes).is_err() {
        warden.offended(peer, Offence::BrokenMessage);
    }
    let decided = tokio::task::spawn_blocking(move || decide(&inner, &peer, &bytes)).await;
    let answer = decided.unwrap_or(JoinAnswer::Refused(JoinRefusal::Unavailable));
    if let Err(error) = writer.write(&answer.encode(), PATIENCE).await {
        warn!(%peer, %error, "the answer to a join request did not get through");
    }
    let _ = writer.close(PATIENCE).await;
}

fn decide(inner: &Inner, peer: &PeerId, bytes: &[u8]) -> JoinAnswer {
    // One decision at a time: two requests must not both take the last use.
    let _turn = inner
        .deciding
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let Ok(request) = JoinRequest::decode(bytes) else {
        return JoinAnswer::Refused(JoinRefusal::BadSignature);
    };
    match countersign(inner, &request) {
        Ok(answer) => {
            info!(%peer, community = %request.community.short(), "a person was let in");
            answer
        }
        Err(refusal) => {
            info!(%peer, %refusal, "a join request was refused");
            JoinAnswer::Refused(refusal)
        }
    }
}

fn countersign(inner: &Inner, request: &JoinRequest) -> Result<JoinAnswer, JoinRefusal> {
    let authority = inner
        .ingest
        .ledger()
        .authority(&request.community)
        .ok_or(JoinRefusal::Unknown)?;
    let invitation = authority
        .invitations()
        .get(&request.invitation)
        .ok_or(JoinRefusal::Unknown)?;
    if invitation.offer.countersigner != inner.public() {
        return Err(JoinRefusal::Unknown);
    }
    let space = authority.governance_space();
    let message = record::join_message(space, request.invitation, &request.member);
    let holds =
        |key, signature| key::verify(key, domain::JOIN_SIGNATURE, &message, signature).is_ok();
    if !holds(&invitation.offer.invitation_key, &request.by_invitation)
        || !holds(&request.member, &request.by_member)
    {
        return Err(JoinRefusal::BadSignature);
    }
    let party = invitation.offer.party;
    let known = authority
        .members()
        .get(&request.member)
        .and_then(|it| it.get(&party));
    let id = match known {
        // Asking twice is no harm: the answer may have been lost.
        Some(membership) if membership.roles.is_superset(&invitation.offer.roles) => {
            membership.admitted_by
        }
        _ if authority.has_ended(&request.member, &party) => return Err(JoinRefusal::Ended),
        _ => {
            if invitation
                .offer
                .expires_ms
                .is_some_and(|end| end <= random::now_ms())
            {
                return Err(JoinRefusal::Expired);
            }
            if invitation.used_by.len() as u64 >= invitation.offer.uses {
                return Err(JoinRefusal::UsedUp);
            }
            let body = RecordBody::Countersignature(Countersignature {
                invitation: request.invitation,
                invitation_key: invitation.offer.invitation_key,
                member: request.member,
                by_invitation: request.by_invitation,
                by_member: request.by_member,
            });
            chain::sign(inner, request.community, space, body).map_err(|error| {
                warn!(%error, "a countersignature could not be made durable");
                JoinRefusal::Unavailable
            })?
        }
    };
    let links: Vec<Vec<u8>> = request.links.iter().map(|link| link.encode()).collect();
    let source = Source::Peer(request.member.to_string());
    inner
        .ingest
        .take_in(request.community, &links, &source)
        .map_err(|_| JoinRefusal::Unavailable)?;
    Ok(JoinAnswer::Welcome(id))
}
