//! Which message answers which, and the order in which they are given out.
//!
//! 1. The last of a message's references that is here is its parent; its In-Reply-To ids come last.
//! 2. Threads whose root is missing but who name the same root belong together: the earliest leads.
//!    Some name a word instead of an id ("yes", typed at a prompt of `git send-email`): such a word
//!    joins only what one sender sent within [`WORD_WINDOW_MS`].
//! 3. A message with a reply prefix and no parent joins the thread that has its subject: the latest
//!    one that began before it, within [`SUBJECT_WINDOW_MS`].
//!
//! A circle of references is cut at its earliest message. Nothing here recurses: threads may be
//! as deep as the archive is long.

use super::Given;
use std::{cmp::Reverse, collections::HashMap};

/// How long a subject stands for one thread, in milliseconds: 90 days.
const SUBJECT_WINDOW_MS: u64 = 90 * 24 * 60 * 60 * 1000;

/// How long a word in place of an id stands for one thread of one sender, in milliseconds: a day.
const WORD_WINDOW_MS: u64 = 24 * 60 * 60 * 1000;

/// What threading needs to know of a message.
pub(super) struct Node {
    pub(super) id: String,
    /// Ids it refers to: oldest first, its direct parent last.
    pub(super) references: Vec<String>,
    /// Its subject begins with `Re:` or the like.
    pub(super) is_reply: bool,
    /// Its subject without such prefixes, in lower case.
    pub(super) subject: String,
    pub(super) time_ms: Option<u64>,
    /// Its sender's name, else address.
    pub(super) sender: Option<String>,
}

/// A message at its place in the order.
pub(super) struct Placed {
    pub(super) message: usize,
    /// From its parent up to the topic.
    parents: std::sync::Arc<[Option<usize>]>,
    /// How the parent was found, if not by reference.
    pub(super) how: Option<&'static str>,
}

impl Placed {
    /// Its ancestors that were given out, nearest first.
    pub(super) fn ancestors<'a>(
        &'a self,
        given: &'a [Option<Given>],
    ) -> impl Iterator<Item = (usize, &'a Given)> {
        std::iter::successors(self.parents[self.message], |at| self.parents[*at])
            .filter_map(|at| given[at].as_ref().map(|found| (at, found)))
    }
}

/// Messages without a time come last among their siblings; the id settles what is equal.
fn rank(nodes: &[Node], at: usize) -> (u64, &str) {
    (nodes[at].time_ms.unwrap_or(u64::MAX), &nodes[at].id)
}

/// All messages, thread by thread, parents first, earliest first.
pub(super) fn arrange(nodes: &[Node]) -> Vec<Placed> {
    let mut parents = by_reference(nodes);
    cut_circles(nodes, &mut parents);
    let mut how = vec![None; nodes.len()];
    join_by_missing_root(nodes, &mut parents, &mut how);
    join_by_subject(nodes, &mut parents, &mut how);
    let order = in_order(nodes, &parents);
    let parents: std::sync::Arc<[Option<usize>]> = parents.into();
    order
        .into_iter()
        .map(|message| Placed {
            message,
            parents: parents.clone(),
            how: how[message],
        })
        .collect()
}

fn by_reference(nodes: &[Node]) -> Vec<Option<usize>> {
    let places: HashMap<&str, usize> = nodes
        .iter()
        .enumerate()
        .map(|(at, node)| (node.id.as_str(), at))
        .collect();
    let parent = |(at, node): (usize, &Node)| {
        node.references
            .iter()
            .rev()
            .filter_map(|id| places.get(id.as_str()).copied())
            .find(|found| *found != at)
    };
    nodes.iter().enumerate().map(parent).collect()
}

fn cut_circles(nodes: &[Node], parents: &mut [Option<usize>]) {
    // Walk number at which each message was first passed; 0: not yet.
    let mut passed = vec![0_usize; nodes.len()];
    for start in 0..nodes.len() {
        let walk = start + 1;
        let mut at = start;
        while passed[at] == 0 {
            passed[at] = walk;
            match parents[at] {
                Some(parent) => at = parent,
                None => break,
            }
        }
        if passed[at] == walk && parents[at].is_some() {
            // Either a circle through `at`, or the walk ended here by finding it passed just now.
            let mut earliest = at;
            let mut next = parents[at];
            while let Some(here) = next.filter(|here| *here != at) {
                if rank(nodes, here) < rank(nodes, earliest) {
                    earliest = here;
                }
                next = parents[here];
            }
            if next == Some(at) {
                parents[earliest] = None;
            }
        }
    }
}

fn join_by_missing_root(
    nodes: &[Node],
    parents: &mut [Option<usize>],
    how: &mut [Option<&'static str>],
) {
    let mut leaders: HashMap<(&str, Option<&str>), usize> = HashMap::new();
    let mut roots: Vec<usize> = (0..nodes.len())
        .filter(|at| parents[*at].is_none())
        .collect();
    roots.sort_by_key(|at| rank(nodes, *at));
    for at in roots {
        let Some(key) = missing_root(&nodes[at]) else {
            continue;
        };
        let window_ms = if key.1.is_some() {
            WORD_WINDOW_MS
        } else {
            u64::MAX
        };
        match leaders.get(&key) {
            Some(leader) if within(window_ms, &nodes[*leader], &nodes[at]) => {
                parents[at] = Some(*leader);
                how[at] = Some(SAME_MISSING_ROOT);
            }
            _ => {
                leaders.insert(key, at);
            }
        }
    }
}

const SAME_MISSING_ROOT: &str =
    "Placed in this thread because it names the same first message, which is missing.";

/// The oldest id that a message names, or a word with the message's sender.
fn missing_root(node: &Node) -> Option<(&str, Option<&str>)> {
    let id = node.references.iter().find(|id| id.contains('@'));
    match (id, node.references.first(), &node.sender) {
        (Some(id), ..) => Some((id, None)),
        (None, Some(word), Some(sender)) => Some((word, Some(sender))),
        _ => None,
    }
}

fn within(window_ms: u64, before: &Node, after: &Node) -> bool {
    match (before.time_ms, after.time_ms) {
        (Some(before), Some(after)) => after.saturating_sub(before) <= window_ms,
        _ => true,
    }
}

fn join_by_subject(
    nodes: &[Node],
    parents: &mut [Option<usize>],
    how: &mut [Option<&'static str>],
) {
    let mut threads: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut roots: Vec<usize> = (0..nodes.len())
        .filter(|at| parents[*at].is_none() && !nodes[*at].subject.is_empty())
        .collect();
    roots.sort_by_key(|at| (rank(nodes, *at).0, nodes[*at].is_reply, &nodes[*at].id));
    for at in roots {
        let leaders = threads.entry(&nodes[at].subject).or_default();
        let in_time = |leader: &usize| within(SUBJECT_WINDOW_MS, &nodes[*leader], &nodes[at]);
        let near = leaders.last().copied().filter(in_time);
        match near {
            Some(leader) if nodes[at].is_reply => {
                parents[at] = Some(leader);
                how[at] = Some("Placed in this thread because of its subject.");
            }
            _ => leaders.push(at),
        }
    }
}

fn in_order(nodes: &[Node], parents: &[Option<usize>]) -> Vec<usize> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut waiting = Vec::new();
    for (at, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent].push(at),
            None => waiting.push(at),
        }
    }
    let mut order = Vec::with_capacity(nodes.len());
    waiting.sort_by_key(|at| Reverse(rank(nodes, *at)));
    while let Some(at) = waiting.pop() {
        order.push(at);
        let mut answers = std::mem::take(&mut children[at]);
        answers.sort_by_key(|at| Reverse(rank(nodes, *at)));
        waiting.append(&mut answers);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(id: &str, references: &[&str], subject: &str, time: u64) -> Node {
        let stripped = subject.strip_prefix("Re: ");
        Node {
            id: id.into(),
            references: references.iter().map(|id| (*id).to_owned()).collect(),
            is_reply: stripped.is_some(),
            subject: stripped.unwrap_or(subject).into(),
            time_ms: Some(time),
            sender: Some("ann@x".into()),
        }
    }

    fn shown(nodes: &[Node]) -> Vec<String> {
        let show = |placed: Placed| match placed.parents[placed.message] {
            Some(parent) => format!("{}<{}", nodes[placed.message].id, nodes[parent].id),
            None => nodes[placed.message].id.clone(),
        };
        arrange(nodes).into_iter().map(show).collect()
    }

    #[test]
    fn references_win_and_the_nearest_known_ancestor_counts() {
        let nodes = [
            node("c", &["a", "b", "gone"], "Re: x", 3),
            node("a", &[], "x", 1),
            node("d", &["a"], "Re: x", 2),
            node("b", &["a"], "Re: x", 9),
        ];
        assert_eq!(shown(&nodes), ["a", "d<a", "b<a", "c<b"]);
    }

    #[test]
    fn a_missing_root_and_a_subject_still_join() {
        let nodes = [
            node("b", &["gone@", "b1"], "Re: y", 2),
            node("a", &["gone@"], "Re: y", 1),
            node("c", &[], "Re: y", 3),
            node("new", &[], "y", 4),
            node("late", &[], "Re: y", 4 + SUBJECT_WINDOW_MS),
            node("too late", &[], "Re: y", 5 + SUBJECT_WINDOW_MS),
        ];
        assert_eq!(
            shown(&nodes),
            ["a", "b<a", "c<a", "new", "late<new", "too late"]
        );
    }

    #[test]
    fn a_word_in_place_of_an_id_joins_only_what_one_sender_sent_at_once() {
        let mut nodes = [
            node("a", &["yes"], "1/2", 1),
            node("b", &["yes"], "2/2", 2),
            node("other", &["yes"], "z", 3),
            node("later", &["yes"], "1/1", 2 + WORD_WINDOW_MS),
        ];
        nodes[2].sender = Some("bob@x".into());
        assert_eq!(shown(&nodes), ["a", "b<a", "other", "later"]);
    }

    #[test]
    fn circles_are_cut_at_their_earliest() {
        let nodes = [
            node("in", &["c"], "", 0),
            node("a", &["c"], "", 3),
            node("b", &["a"], "", 2),
            node("c", &["b"], "", 4),
            node("self", &["self"], "", 1),
        ];
        assert_eq!(shown(&nodes), ["self", "b", "c<b", "in<c", "a<c"]);
    }

    #[test]
    fn a_very_deep_thread_is_arranged() {
        let deep = 100_000;
        let nodes: Vec<Node> = (0..deep)
            .map(|at| node(&at.to_string(), &[&(at + 1).to_string()], "", deep - at))
            .collect();
        assert_eq!(arrange(&nodes).len(), deep as usize);
    }
}
