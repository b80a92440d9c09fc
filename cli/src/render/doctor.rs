//! How the node can be reached.

use crate::{moment, ui::sanitize};
use comity_client::types::{Doctor, KeptOut, OwnAddress, PeerPath, Place, Unreached};

/// What was found, the details behind it, and what to do.
pub fn doctor(doctor: &Doctor) -> Vec<String> {
    let mut lines = Vec::new();
    for finding in &doctor.findings {
        lines.push(format!("{:<8} {}", finding.level, finding.text));
        let advice = finding.advice.iter();
        lines.extend(advice.map(|it| format!("         → {it}")));
    }
    section(
        &mut lines,
        "own addresses",
        doctor.addresses.iter().map(own_address),
    );
    section(
        &mut lines,
        "places at public nodes",
        doctor.places.iter().map(place),
    );
    section(&mut lines, "peers", doctor.peers.iter().flat_map(peer));
    section(
        &mut lines,
        "called in vain",
        doctor.unreached.iter().map(unreached),
    );
    section(&mut lines, "kept out", doctor.kept_out.iter().map(kept_out));
    lines.push(String::new());
    lines.push(format!(
        "address book: {} nodes, {} of them public",
        doctor.book_nodes, doctor.book_public
    ));
    lines
        .iter()
        .map(|line| sanitize::line(line).into_owned())
        .collect()
}

fn section(lines: &mut Vec<String>, title: &str, rows: impl Iterator<Item = String>) {
    let mut rows = rows.peekable();
    if rows.peek().is_some() {
        lines.push(String::new());
        lines.push(format!("{title}:"));
        lines.extend(rows.map(|it| format!("  {it}")));
    }
}

fn own_address(it: &OwnAddress) -> String {
    let by = it.tried_by.as_deref().unwrap_or("a peer");
    let ago = it
        .tried_ms_ago
        .map(moment::show_duration)
        .unwrap_or_default();
    let outcome = match (it.reached, &it.reason) {
        (Some(true), _) => format!("reached by {by} {ago} ago"),
        (Some(false), Some(why)) => format!("not reached by {by} {ago} ago: {why}"),
        (Some(false), None) => format!("not reached by {by} {ago} ago"),
        (None, _) => "not tried by anybody".to_owned(),
    };
    let scope = if it.private {
        ", this network only"
    } else {
        ""
    };
    let listening = if it.listening { "" } else { " (seen by peers)" };
    format!("{}{listening}{scope}: {outcome}", it.address)
}

fn place(it: &Place) -> String {
    let party = it.party.as_deref().unwrap_or("no party known");
    let reason = it.reason.as_ref().map(|why| format!(": {why}"));
    let addresses = it.addresses.first().map(|it| format!(", {it}"));
    format!(
        "{} ({party}), {}{}{}",
        it.peer_id,
        it.state,
        reason.unwrap_or_default(),
        addresses.unwrap_or_default()
    )
}

fn peer(it: &PeerPath) -> impl Iterator<Item = String> {
    let party = it.party.as_deref().unwrap_or("no party known");
    it.links.iter().map(move |link| {
        let way = if link.relayed { "relayed" } else { "direct" };
        format!(
            "{} ({party}), {way}, {}, {}",
            it.peer_id, link.direction, link.address
        )
    })
}

fn kept_out(it: &KeptOut) -> String {
    let left = moment::show_duration(it.left_ms);
    format!(
        "{}, {left} more, for the time no. {}: it {}",
        it.peer_id, it.times, it.reason
    )
}

fn unreached(it: &Unreached) -> String {
    let next = match it.retry_ms {
        Some(ms) => format!("called again {} after", moment::show_duration(ms)),
        None => "not called again for now".to_owned(),
    };
    let ago = moment::show_duration(it.tried_ms_ago);
    format!("{}, {ago} ago, {next}: {}", it.peer_id, it.reason)
}
