//! Who holds what.

use super::{author, count, short};
use crate::{moment, ui::sanitize};
use comity_client::types::{Holding, PeerInfo, SyncStatus};

/// The peers that are connected, a line each.
pub(super) fn peers(peers: &[PeerInfo]) -> Vec<String> {
    if peers.is_empty() {
        return vec!["peers    none connected".to_owned()];
    }
    peers
        .iter()
        .map(|peer| {
            let party = peer.party.as_deref().unwrap_or("no party known");
            let equal = if peer.in_sync { "equal" } else { "exchanging" };
            let rtt = peer
                .rtt_ms
                .map(|ms| format!(", {ms} ms"))
                .unwrap_or_default();
            let line = format!(
                "peer     {} ({party}), {equal}{rtt}, {}",
                peer.peer_id, peer.address
            );
            sanitize::line(&line).into_owned()
        })
        .collect()
}

/// Spaces with their roots, peers, and who holds the person's words.
pub fn status(status: &SyncStatus) -> Vec<String> {
    let mut lines = peers(&status.peers);
    for space in &status.spaces {
        lines.push(format!(
            "space    {} {}, {}, root {}",
            short(&space.id),
            sanitize::line(&space.name),
            count(space.entries, "entry"),
            short(&space.root)
        ));
    }
    lines.extend(status.mine.iter().flat_map(holding));
    for chain in &status.irregular {
        let name = chain
            .name
            .clone()
            .unwrap_or_else(|| author::key_tail(&chain.author));
        let name = sanitize::line(&name).into_owned();
        if let Some(gap) = chain.gap_at {
            lines.push(format!(
                "gap      entry {gap} of {name} is missing in {}",
                short(&chain.space)
            ));
        }
        if let Some((seq, one, other)) = &chain.fork_at {
            lines.push(format!(
                "fork     {name} signed two entries with number {seq}: {one} and {other}"
            ));
        }
    }
    for peer in &status.unreachable {
        lines.push(format!(
            "away     {}, a peer, is not connected now",
            sanitize::line(peer)
        ));
    }
    if status.pending + status.unauthorized > 0 {
        lines.push(format!(
            "waiting  {} for what they build on, {} for authority",
            status.pending, status.unauthorized
        ));
    }
    lines
}

fn holding(holding: &Holding) -> Vec<String> {
    let space = sanitize::line(&holding.space_name).into_owned();
    let elsewhere: Vec<_> = holding.held_by.iter().filter(|it| !it.here).collect();
    if elsewhere.is_empty() {
        return vec![format!(
            "mine     {space}: {} saved here, not yet at any peer",
            count(holding.seq, "entry")
        )];
    }
    elsewhere
        .iter()
        .map(|holder| {
            let party = holder.party.as_deref().unwrap_or("no party known");
            let line = format!(
                "mine     {space}: {} of {} at node {} ({party}), receipt of {}",
                holder.seq.min(holding.seq),
                holding.seq,
                author::key_tail(&holder.node),
                moment::show(holder.time_ms)
            );
            sanitize::line(&line).into_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_client::types::Holder;

    #[test]
    fn words_without_a_foreign_receipt_are_said_to_be_here_only() {
        let mut mine = Holding {
            space: "s".into(),
            space_name: "lobby".into(),
            author: "a".into(),
            seq: 3,
            held_by: vec![Holder {
                node: "did:key:z6MkhereHERE".into(),
                party: None,
                seq: 3,
                time_ms: 0,
                here: true,
            }],
        };
        assert_eq!(
            holding(&mine),
            ["mine     lobby: 3 entries saved here, not yet at any peer"]
        );
        mine.held_by.push(Holder {
            node: "did:key:z6MkthereTHERE123".into(),
            party: Some("Club".into()),
            seq: 2,
            time_ms: 0,
            here: false,
        });
        let lines = holding(&mine);
        assert_eq!(lines.len(), 1);
        assert!(
            lines[0].contains("2 of 3 at node …HERE123") || lines[0].contains("2 of 3 at node …"),
            "{lines:?}"
        );
        assert!(lines[0].contains("(Club)"));
    }
}
