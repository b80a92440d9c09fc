//! What is known about how this node can be reached, put together for people: `comity node doctor`.
//!
//! The facts come from the network; [`findings`] says what they come to, in an order of its own, and
//! what to do about it.

use super::{Peers, conduct::Banned, hub::Hub};
use comity_client::types::{
    Carries, Doctor, Finding, KeptOut, OwnAddress, PeerInfo, PeerLink, PeerPath, Place, Unreached,
};
use comity_net::{ConnectedPeer, Direction, Multiaddr, ReachReport, is_private};
use std::{collections::BTreeMap, time::Duration};

/// Peers named in one finding.
const NAMED_MAX: usize = 3;

impl Peers {
    /// How this node can be reached, and what is in the way.
    pub async fn doctor(&self) -> Doctor {
        let report = self.hub.network.reach().await.unwrap_or_default();
        let links = self.hub.network.peers().await.unwrap_or_default();
        let known = self.connected().await;
        let mut doctor = facts(&report, &links, &known, &self.hub);
        doctor.findings = findings(&doctor);
        doctor
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn facts(report: &ReachReport, links: &[ConnectedPeer], known: &[PeerInfo], hub: &Hub) -> Doctor {
    let known: BTreeMap<&str, &PeerInfo> =
        known.iter().map(|it| (it.peer_id.as_str(), it)).collect();
    let party = |peer: &str| known.get(peer).and_then(|it| it.party.clone());
    let communities = {
        let ledger = hub.inner().ingest.ledger();
        super::hello::followed(hub.inner(), &ledger)
    };
    let (book_nodes, book_public) = hub.book().count(&communities);
    let unreached = hub
        .failures()
        .iter()
        .map(|(peer, failure)| Unreached {
            peer_id: peer.to_string(),
            reason: failure.why.clone(),
            tried_ms_ago: millis(failure.at.elapsed()),
            retry_ms: failure.retry_in.map(millis),
        })
        .collect();
    let place = |it: &comity_net::Reservation| Place {
        peer_id: it.relay.to_string(),
        party: party(&it.relay.to_string()),
        state: match (&it.failed, it.addresses.is_empty()) {
            (Some(_), _) => "refused",
            (None, true) => "asked",
            (None, false) => "held",
        }
        .to_owned(),
        addresses: it.addresses.iter().map(ToString::to_string).collect(),
        reason: it.failed.clone(),
    };
    Doctor {
        findings: Vec::new(),
        public: report.serving.is_some(),
        addresses: own_addresses(report),
        places: report.reservations.iter().map(place).collect(),
        carries: report.serving.map(|it| Carries {
            places: it.reservations,
            circuits: it.circuits,
            refused: it.refused,
        }),
        holes_punched: report.punches.made,
        holes_failed: report.punches.failed,
        peers: links
            .iter()
            .map(|it| path(it, known.get(it.peer.to_string().as_str()).copied()))
            .collect(),
        unreached,
        kept_out: hub.shared.warden.banned().iter().map(kept_out).collect(),
        book_nodes,
        book_public,
    }
}

fn path(peer: &ConnectedPeer, known: Option<&PeerInfo>) -> PeerPath {
    let link = |it: &comity_net::Link| PeerLink {
        direction: match it.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        }
        .to_owned(),
        address: it.address.to_string(),
        relayed: it.relayed,
    };
    PeerPath {
        peer_id: peer.peer.to_string(),
        party: known.and_then(|it| it.party.clone()),
        communities: known.map_or(0, |it| it.communities.len()),
        links: peer.connections.iter().map(link).collect(),
    }
}

/// The network address in an address, for comparing.
fn ip(address: &str) -> Option<&str> {
    address.split('/').nth(2)
}

fn own_addresses(report: &ReachReport) -> Vec<OwnAddress> {
    let mut found: BTreeMap<String, OwnAddress> = BTreeMap::new();
    let row = |address: &Multiaddr, listening| OwnAddress {
        address: address.to_string(),
        private: is_private(address),
        listening,
        seen_by: Vec::new(),
        reached: None,
        tried_by: None,
        reason: None,
        tried_ms_ago: None,
    };
    for address in &report.listening {
        found.insert(address.to_string(), row(address, true));
    }
    for probe in &report.probes {
        let known = found
            .entry(probe.address.to_string())
            .or_insert_with(|| row(&probe.address, false));
        known.reached = Some(probe.failed.is_none());
        known.tried_by = Some(probe.by.to_string());
        known.reason = probe.failed.clone();
        known.tried_ms_ago = Some(millis(probe.at.elapsed()));
    }
    for (observed, peer) in &report.observed {
        // The port may be a passing one; it is the network address that they see.
        let observed = observed.to_string();
        for known in found.values_mut() {
            let peer = peer.to_string();
            if ip(&known.address) == ip(&observed) && !known.seen_by.contains(&peer) {
                known.seen_by.push(peer);
            }
        }
    }
    found.into_values().collect()
}

/// What the facts come to.
fn findings(doctor: &Doctor) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |level: &str, text: String, advice: Option<String>| {
        found.push(Finding {
            level: level.to_owned(),
            text,
            advice,
        });
    };
    let listening: Vec<&OwnAddress> = doctor.addresses.iter().filter(|it| it.listening).collect();
    if listening.is_empty() {
        let advice = "Start it with `comity node start`, which listens on TCP port 7440.";
        say(
            "problem",
            "This node listens nowhere: it can call others, and nobody can call it.".to_owned(),
            Some(advice.to_owned()),
        );
    }
    for (level, text, advice) in [
        calls_from_elsewhere(doctor),
        places(doctor),
        peers(doctor),
        own_calls(doctor),
        order(doctor),
    ]
    .into_iter()
    .flatten()
    {
        say(level, text, advice);
    }
    found
}

type Said = (&'static str, String, Option<String>);

fn reached(doctor: &Doctor, private: bool) -> Option<&OwnAddress> {
    let mut all = doctor.addresses.iter();
    all.find(|it| it.private == private && it.reached == Some(true))
}

fn holds_place(doctor: &Doctor) -> bool {
    doctor.places.iter().any(|it| it.state == "held")
}

fn port(doctor: &Doctor) -> String {
    let listening = doctor.addresses.iter().find(|it| it.listening);
    let port = listening.and_then(|it| it.address.split('/').nth(4));
    port.unwrap_or("7440").to_owned()
}

/// Whether somebody who is not in the same network can call this node.
fn calls_from_elsewhere(doctor: &Doctor) -> Option<Said> {
    let port = port(doctor);
    let forward = format!(
        "Forward TCP port {port} of your router to this machine, and let it through firewalls; then \
         start the node again, since each address is tried once."
    );
    if let Some(address) = reached(doctor, false) {
        let by = address.tried_by.clone().unwrap_or_default();
        let text = format!(
            "Others can call this node at {}: {by} tried and reached it.",
            address.address
        );
        let advice = "Start it with `--public` to carry members' nodes that nobody can call.";
        return Some(("good", text, (!doctor.public).then(|| advice.to_owned())));
    }
    let failed = doctor
        .addresses
        .iter()
        .find(|it| !it.private && it.reached == Some(false));
    if let Some(address) = failed {
        let by = address.tried_by.clone().unwrap_or_default();
        let why = address.reason.clone().unwrap_or_default();
        let level = if holds_place(doctor) {
            "note"
        } else {
            "problem"
        };
        let text = format!(
            "Nobody can call this node directly: {by} tried {} in vain ({why}).",
            address.address
        );
        return Some((level, text, Some(forward)));
    }
    if let Some(address) = reached(doctor, true) {
        let text = format!(
            "Nodes in the same network can call this one, at {}. From elsewhere nobody tried.",
            address.address
        );
        return Some(("note", text, None));
    }
    let text = "No public node has tried to call this one, so it is not known who can.".to_owned();
    let advice = if doctor.public {
        "Ask somebody elsewhere to run `comity node connect` with its address.".to_owned()
    } else {
        format!(
            "Public nodes of your communities try it when they are connected. Others are let in where \
             TCP port {port} is open or forwarded."
        )
    };
    Some(("note", text, Some(advice)))
}

/// Whether others can call this node through a public one.
fn places(doctor: &Doctor) -> Option<Said> {
    if let Some(carries) = &doctor.carries {
        let text = format!(
            "This node is public: {} of its peers have a place here, and it carries {} connections now.",
            carries.places, carries.circuits
        );
        return Some(("good", text, None));
    }
    let held: Vec<&Place> = doctor
        .places
        .iter()
        .filter(|it| it.state == "held")
        .collect();
    if !held.is_empty() {
        let names: Vec<String> = held
            .iter()
            .take(NAMED_MAX)
            .map(|it| name(&it.peer_id, it.party.as_deref()))
            .collect();
        let text = format!("Others can call this node through {}.", names.join(" and "));
        return Some(("good", text, None));
    }
    if reached(doctor, false).is_some() {
        return None;
    }
    if let Some(refused) = doctor.places.iter().find(|it| it.state == "refused") {
        let text = format!(
            "The public node {} gave no place: {}.",
            name(&refused.peer_id, refused.party.as_deref()),
            refused.reason.as_deref().unwrap_or("no reason is known")
        );
        let advice = "It is asked again by itself. If it stays so, the node is full, or does not know yet \
                      that this one takes part in its community; another public node helps.";
        return Some(("problem", text, Some(advice.to_owned())));
    }
    if doctor.places.iter().any(|it| it.state == "asked") {
        return Some((
            "note",
            "A public node was asked for a place and has not answered yet.".to_owned(),
            None,
        ));
    }
    if doctor.peers.is_empty() {
        return None;
    }
    let text = format!(
        "No public node of your communities is connected, so nobody can be found who would carry calls \
         to this one ({} stand in the address book).",
        doctor.book_public
    );
    let advice = "Ask whoever runs a node that can be called, a party's above all, to start it with \
                  `comity node start --public`.";
    Some(("note", text, Some(advice.to_owned())))
}

/// How peers are connected.
fn peers(doctor: &Doctor) -> Option<Said> {
    let all = doctor.peers.len();
    if all == 0 {
        let text = "No peer is connected.".to_owned();
        let advice = "`comity node connect ADDRESS` calls one; tickets bring addresses along.";
        return Some(("problem", text, Some(advice.to_owned())));
    }
    let relayed = doctor
        .peers
        .iter()
        .filter(|it| it.links.iter().all(|link| link.relayed))
        .count();
    if relayed == 0 {
        let text = format!("All {all} connected peers are connected directly.");
        return Some(("good", text, None));
    }
    let text = format!(
        "{relayed} of {all} connected peers are reached through another node; a direct way was found {} times \
         and not found {} times.",
        doctor.holes_punched, doctor.holes_failed
    );
    let advice = "Nothing is lost by that. It is slower, and the node between them carries it; a forwarded \
                  port on one side makes it direct.";
    Some(("note", text, Some(advice.to_owned())))
}

/// Whom this node called in vain.
fn own_calls(doctor: &Doctor) -> Option<Said> {
    let first = doctor.unreached.first()?;
    let text = format!(
        "{} peers were called in vain, {} among them: {}.",
        doctor.unreached.len(),
        first.peer_id,
        first.reason.trim_end_matches(['.', '?'])
    );
    let advice = "They are called again by themselves. If one stays away, ask whether its node runs and its \
                  port is open, and for a new ticket if it moved.";
    let level = if doctor.peers.is_empty() {
        "problem"
    } else {
        "note"
    };
    Some((level, text, Some(advice.to_owned())))
}

/// Who is kept out.
fn order(doctor: &Doctor) -> Option<Said> {
    let first = doctor.kept_out.first()?;
    let text = format!(
        "{} peers are kept out for what they did, {} among them: it {}.",
        doctor.kept_out.len(),
        first.peer_id,
        first.reason
    );
    let advice = "No honest software does that. If you know the node, have it updated and its disk looked at; it \
                  may come back by itself, or at once after `comity node stop` and `comity node start`.";
    Some(("note", text, Some(advice.to_owned())))
}

fn kept_out(it: &Banned) -> KeptOut {
    KeptOut {
        peer_id: it.peer.to_string(),
        reason: it.offence.words().to_owned(),
        left_ms: millis(it.left),
        times: it.times,
    }
}

fn name(peer: &str, party: Option<&str>) -> String {
    match party {
        Some(party) => format!("{peer} ({party})"),
        None => peer.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn empty() -> Doctor {
        facts_of(&ReachReport::default())
    }

    fn facts_of(report: &ReachReport) -> Doctor {
        Doctor {
            findings: Vec::new(),
            public: false,
            addresses: own_addresses(report),
            places: Vec::new(),
            carries: None,
            holes_punched: 0,
            holes_failed: 0,
            peers: Vec::new(),
            unreached: Vec::new(),
            kept_out: Vec::new(),
            book_nodes: 0,
            book_public: 0,
        }
    }

    fn at(text: &str) -> Multiaddr {
        text.parse().unwrap()
    }

    fn listening(address: &str, failed: Option<Option<&str>>) -> Doctor {
        let mut report = ReachReport {
            listening: vec![at("/ip4/192.168.1.7/tcp/7441")],
            ..ReachReport::default()
        };
        if let Some(failed) = failed {
            report.probes.push(comity_net::Probe {
                address: at(address),
                by: comity_net::PeerId::random(),
                failed: failed.map(str::to_owned),
                at: std::time::Instant::now(),
            });
        }
        facts_of(&report)
    }

    fn place(state: &str) -> Place {
        Place {
            peer_id: "12D3".to_owned(),
            party: Some("Club".to_owned()),
            state: state.to_owned(),
            addresses: Vec::new(),
            reason: (state == "refused").then(|| "it is full".to_owned()),
        }
    }

    /// Level and text of each finding, and all advice.
    fn told(doctor: &Doctor) -> (Vec<String>, String) {
        let found = findings(doctor);
        let lines = found.iter().map(|it| format!("{}: {}", it.level, it.text));
        let advice = found.iter().filter_map(|it| it.advice.clone());
        (lines.collect(), advice.collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_node_that_does_not_listen_is_told_to() {
        let (lines, advice) = told(&empty());
        assert!(
            lines[0].starts_with("problem: This node listens nowhere"),
            "{lines:?}"
        );
        assert!(advice.contains("comity node start"));
    }

    #[test]
    fn who_was_not_reached_hears_which_port_to_forward() {
        let global = "/ip4/198.51.100.7/tcp/7441";
        let mut doctor = listening(global, Some(Some("connection refused")));
        let (lines, advice) = told(&doctor);
        assert!(
            lines[0].starts_with("problem: Nobody can call this node directly"),
            "{lines:?}"
        );
        assert!(lines[0].contains(global) && lines[0].contains("connection refused"));
        assert!(advice.contains("Forward TCP port 7441"), "{advice}");
        // With a place at a relay it is no problem any more.
        doctor.places.push(place("held"));
        let (lines, _) = told(&doctor);
        assert!(lines[0].starts_with("note: Nobody can call"), "{lines:?}");
        assert!(
            lines[1].starts_with("good: Others can call this node through 12D3 (Club)"),
            "{lines:?}"
        );
    }

    #[test]
    fn who_was_reached_is_told_by_whom_and_asked_to_carry_others() {
        let global = "/ip4/198.51.100.7/tcp/7441";
        let (lines, advice) = told(&listening(global, Some(None)));
        assert!(
            lines[0].starts_with("good: Others can call this node at"),
            "{lines:?}"
        );
        assert!(advice.contains("--public"));
        let private = "/ip4/192.168.1.7/tcp/7441";
        let (lines, _) = told(&listening(private, Some(None)));
        assert!(
            lines[0].starts_with("note: Nodes in the same network"),
            "{lines:?}"
        );
    }

    #[test]
    fn who_is_kept_out_is_told_with_what_it_did() {
        let mut doctor = listening("", None);
        doctor.kept_out.push(KeptOut {
            peer_id: "12D3".to_owned(),
            reason: "asks without end".to_owned(),
            left_ms: 1,
            times: 1,
        });
        let (lines, advice) = told(&doctor);
        let last = lines.last().unwrap();
        assert!(
            last.contains("12D3 among them: it asks without end"),
            "{last}"
        );
        assert!(advice.contains("comity node stop"));
    }

    #[test]
    fn a_refusal_is_told_with_its_reason() {
        let mut doctor = listening("", None);
        doctor.places.push(place("refused"));
        let (lines, _) = told(&doctor);
        assert!(lines[1].contains("gave no place: it is full"), "{lines:?}");
    }

    #[test]
    fn a_community_without_a_public_node_is_told_to_start_one() {
        let mut doctor = listening("", None);
        doctor.peers.push(PeerPath {
            peer_id: "12D3".to_owned(),
            party: None,
            communities: 1,
            links: vec![PeerLink {
                direction: "outbound".to_owned(),
                address: "/ip4/198.51.100.1/tcp/1".to_owned(),
                relayed: true,
            }],
        });
        let (lines, advice) = told(&doctor);
        assert!(lines[1].starts_with("note: No public node"), "{lines:?}");
        assert!(
            lines[2].starts_with("note: 1 of 1 connected peers"),
            "{lines:?}"
        );
        assert!(advice.contains("comity node start --public"));
    }
}
