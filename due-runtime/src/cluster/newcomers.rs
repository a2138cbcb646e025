//! Nodes that have just come, and may not know yet who calls them.
//!
//! One of due in Go registers before it looks which gates there are, and drops what comes from a gate that it does not know.
//! Ours asks the registry then; but one that was away, or has lost its memory, may not list this server for a while.

use std::collections::HashMap;

use tokio::time::{Duration, Instant};

use crate::registry::{Instance, State};

/// A node of Go looks at once; so long it gets no message that another node can have.
const SETTLED: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Newcomers {
    /// The nodes of the last list, by id; `None` before the first one.
    known: Option<HashMap<String, Known>>,
    /// The registry did not list this server at the last look.
    was_unlisted: bool,
}

struct Known {
    /// Another one, and it has started again.
    endpoint: String,
    /// Of those that were not in the first list.
    came: Option<Instant>,
}

impl Newcomers {
    /// The list, with those that may not know this server yet as busy. `is_listed`: whether the registry lists it.
    pub(super) fn see(&mut self, nodes: &[Instance], is_listed: bool, now: Instant) -> Vec<Instance> {
        let before = self.known.take();
        let begins = !is_listed || self.was_unlisted;
        self.was_unlisted = !is_listed;
        let mut known = HashMap::new();
        for node in nodes {
            let came = match before.as_ref().map(|before| before.get(&node.id)) {
                None => None,
                Some(Some(known)) if known.endpoint == node.endpoint => known.came,
                Some(_) => Some(now),
            };
            let came = came.map(|came| if begins { now } else { came });
            let came = came.filter(|came| !is_listed || !node.answers_each() && now - *came < SETTLED);
            known.insert(node.id.clone(), Known { endpoint: node.endpoint.clone(), came });
        }
        let as_seen = |node: &Instance| match (node.state, known[&node.id].came) {
            (State::Work, Some(_)) => Instance { state: State::Busy, ..node.clone() },
            _ => node.clone(),
        };
        let seen = nodes.iter().map(as_seen).collect();
        self.known = Some(known);
        seen
    }

    /// When the list is to be seen again, as the first of them has settled.
    pub(super) fn settle_at(&self) -> Option<Instant> {
        let known = self.known.iter().flat_map(HashMap::values);
        known.filter_map(|known| known.came).min().map(|came| came + SETTLED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Kind;

    fn states(nodes: &[Instance]) -> Vec<State> {
        nodes.iter().map(|node| node.state).collect()
    }

    #[test]
    fn a_node_of_go_that_has_just_come_is_the_last_to_be_asked() {
        let node = |id: &str, endpoint: &str| {
            let mut node = Instance::new(Kind::Node, id);
            node.endpoint = endpoint.to_owned();
            node
        };
        let (old, new, again) = (node("n1", "a"), node("n2", "b"), node("n1", "c"));
        let mut ours = node("n3", "d");
        ours.set_answers_each();
        let (mut newcomers, begun) = (Newcomers::default(), Instant::now());
        assert_eq!(
            states(&newcomers.see(std::slice::from_ref(&old), true, begun)),
            [State::Work],
            "it was there before"
        );
        assert_eq!(newcomers.settle_at(), None);

        let all = [old, new.clone(), ours.clone()];
        assert_eq!(states(&newcomers.see(&all, true, begun)), [State::Work, State::Busy, State::Work]);
        assert_eq!(newcomers.settle_at(), Some(begun + SETTLED));
        let soon = begun + SETTLED / 2;
        assert_eq!(states(&newcomers.see(&all, true, soon)), [State::Work, State::Busy, State::Work]);
        let settled = begun + SETTLED;
        assert_eq!(states(&newcomers.see(&all, true, settled)), [State::Work; 3]);
        assert_eq!(newcomers.settle_at(), None);

        let hangs = Instance { state: State::Hang, ..new };
        assert_eq!(
            states(&newcomers.see(&[again, hangs, ours], true, settled)),
            [State::Busy, State::Hang, State::Work]
        );
    }

    #[test]
    fn nobody_new_is_asked_before_others_while_the_registry_does_not_list_this_server() {
        let node = |id: &str| {
            let mut node = Instance::new(Kind::Node, id);
            node.set_answers_each();
            node
        };
        let (old, ours, of_go) = (node("n1"), node("n2"), Instance::new(Kind::Node, "n3"));
        let (mut newcomers, begun) = (Newcomers::default(), Instant::now());
        newcomers.see(std::slice::from_ref(&old), true, begun);
        let all = [old, ours, of_go];
        for look in 0..3 {
            let now = begun + SETTLED * look;
            assert_eq!(states(&newcomers.see(&all, false, now)), [State::Work, State::Busy, State::Busy]);
            assert_eq!(newcomers.settle_at(), Some(now + SETTLED));
        }
        let listed = begun + SETTLED * 3;
        assert_eq!(states(&newcomers.see(&all, true, listed)), [State::Work, State::Work, State::Busy]);
        assert_eq!(newcomers.settle_at(), Some(listed + SETTLED));
        assert_eq!(states(&newcomers.see(&all, true, listed + SETTLED)), [State::Work; 3]);
        assert_eq!(states(&newcomers.see(&all, false, listed + SETTLED)), [State::Work; 3], "they know each other");
    }
}
