//! How the node does, for people.

use super::{count, size, sync};
use crate::{moment, ui::sanitize};
use comity_client::types::{Health, NodeStatus};

/// How the node does.
pub fn node(status: &NodeStatus, health: Option<&Health>) -> Vec<String> {
    let mut lines = vec![
        format!("node     {}", status.node),
        format!("peer id  {}", status.peer_id),
        format!("version  {}", status.version),
    ];
    match status.pid {
        Some(pid) => lines.push(format!(
            "running  since {} (process {pid})",
            moment::show_duration(status.uptime_ms)
        )),
        None => lines.push("running  no: opened here for this command".to_owned()),
    }
    lines.extend(status.listening.iter().map(|it| format!("listens  {it}")));
    let reason = status
        .store_reason
        .as_ref()
        .map(|it| format!(": {}", sanitize::line(it)));
    lines.push(format!(
        "store    {}{}, {}, record {}, index {} ({})",
        status.store,
        reason.unwrap_or_default(),
        count(status.entries, "entry"),
        size(status.record_bytes),
        size(status.index_bytes),
        sanitize::line(&status.index_engine)
    ));
    lines.push(format!(
        "holds    {}",
        count(status.communities as u64, "community")
    ));
    lines.extend(status.incomplete.iter().map(|space| {
        let name = sanitize::line(&space.name);
        format!("in part  {name}: {}", super::community::kept(space))
    }));
    lines.extend(sync::peers(&status.peers));
    if status.pid.is_some() {
        lines.push(reached(status));
        lines.push(in_sync(status));
    }
    lines.extend(needs(status, health));
    lines
}

/// Whether others reach the node, as far as it can know: that somebody called is the only proof.
fn reached(status: &NodeStatus) -> String {
    let called = status.peers.iter().filter(|it| it.called_here).count() as u64;
    let is_local = |it: &String| it.starts_with("/ip4/127.") || it.starts_with("/ip6/::1/");
    if status.listening.is_empty() {
        "reached  by nobody: it listens nowhere, and calls others itself".to_owned()
    } else if called > 0 {
        format!("reached  yes: {} called it", count(called, "peer"))
    } else if status.listening.iter().all(is_local) {
        "reached  from this machine only: see `comity node start --listen`".to_owned()
    } else {
        "reached  not known: nobody has called it yet; a router or firewall may be in the way"
            .to_owned()
    }
}

/// Whether what the node holds is what its peers hold; those who share no community do not matter.
fn in_sync(status: &NodeStatus) -> String {
    let sharing = status.peers.iter().filter(|it| !it.communities.is_empty());
    let (equal, others): (Vec<_>, Vec<_>) = sharing.partition(|it| it.in_sync);
    match (equal.len() as u64, others.len() as u64) {
        (0, 0) => "sync     nobody to exchange with now".to_owned(),
        (all, 0) => format!("sync     equal with {}", count(all, "peer")),
        (equal, others) => format!(
            "sync     still exchanging with {} of {}",
            others,
            count(equal + others, "peer")
        ),
    }
}

/// What somebody should do something about.
fn needs(status: &NodeStatus, health: Option<&Health>) -> Vec<String> {
    let mut needs = Vec::new();
    if status.pid.is_none() {
        needs.push("a start, to exchange with others: `comity node start`".to_owned());
    }
    let reasons = health.into_iter().flat_map(|it| &it.reasons);
    // That a node which does not run has no network is said above.
    let reasons = reasons.filter(|it| status.pid.is_some() || it.code != "no_network");
    needs.extend(reasons.map(|it| format!("attention: {}. {}", it.message, it.hint)));
    match status.warnings.len() as u64 {
        0 => {}
        some => needs.push(format!("a look at {} above", count(some, "warning"))),
    }
    if needs.is_empty() {
        needs.push("nothing".to_owned());
    }
    let lines = needs.iter().map(|it| format!("needs    {it}"));
    lines.map(|it| sanitize::line(&it).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use comity_client::types::{HealthReason, PeerInfo};

    fn peer(shares: bool, in_sync: bool, called_here: bool) -> PeerInfo {
        PeerInfo {
            peer_id: "12D3".into(),
            node: "did:key:z6Mk".into(),
            party: None,
            address: "/ip4/192.0.2.7/tcp/1".into(),
            communities: shares.then(|| "8c".to_owned()).into_iter().collect(),
            in_sync,
            rtt_ms: None,
            clock_offset_ms: 0,
            called_here,
        }
    }

    fn running(listening: &[&str], peers: Vec<PeerInfo>) -> NodeStatus {
        NodeStatus {
            version: "0".into(),
            node: "did:key:z6Mk".into(),
            peer_id: "12D3".into(),
            listening: listening.iter().map(|it| (*it).to_owned()).collect(),
            peers,
            communities: 1,
            entries: 1,
            record_bytes: 1,
            index_bytes: 1,
            index_engine: "sled".into(),
            store: "ready".into(),
            store_reason: None,
            time_ms: 1,
            uptime_ms: 1,
            warnings: Vec::new(),
            pid: Some(1),
            tasks: Vec::new(),
            incomplete: Vec::new(),
        }
    }

    #[test]
    fn whether_others_reach_the_node_is_not_claimed_before_somebody_called() {
        let cases = [
            (running(&[], vec![]), "by nobody"),
            (
                running(&["/ip4/127.0.0.1/tcp/1"], vec![]),
                "this machine only",
            ),
            (
                running(&["/ip4/192.0.2.1/tcp/1"], vec![peer(true, true, false)]),
                "not known",
            ),
            (
                running(&["/ip4/192.0.2.1/tcp/1"], vec![peer(true, true, true)]),
                "yes: 1 peer",
            ),
        ];
        for (status, expected) in cases {
            assert!(reached(&status).contains(expected), "{}", reached(&status));
        }
    }

    #[test]
    fn strangers_are_nobody_to_be_equal_with() {
        let of = |peers| in_sync(&running(&[], peers));
        let stranger = || peer(false, false, false);
        assert!(of(vec![stranger()]).ends_with("nobody to exchange with now"));
        let equal = || peer(true, true, false);
        assert!(of(vec![stranger(), equal()]).ends_with("equal with 1 peer"));
        let behind = of(vec![equal(), peer(true, false, false)]);
        assert!(behind.ends_with("still exchanging with 1 of 2 peers"));
    }

    #[test]
    fn what_needs_attention_is_said_once_and_nothing_is_said_to_be_nothing() {
        let mut status = running(&[], vec![]);
        let reason = |code: &str| HealthReason {
            code: code.into(),
            message: "It broke".into(),
            hint: "Mend it.".into(),
        };
        let health = |code| Health {
            state: "unwell".into(),
            reasons: vec![reason(code)],
        };
        assert_eq!(needs(&status, None), ["needs    nothing"]);
        let said = needs(&status, Some(&health("no_network")));
        assert_eq!(said, ["needs    attention: It broke. Mend it."]);
        status.pid = None;
        status.warnings.push("a gap".into());
        let said = needs(&status, Some(&health("no_network")));
        assert!(said[0].contains("comity node start"));
        assert_eq!(said[1..], ["needs    a look at 1 warning above"]);
    }
}
