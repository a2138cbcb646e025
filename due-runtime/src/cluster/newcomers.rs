//! Nodes that have just come. One of due in Go registers before it looks which gates there are, and drops what comes from a
//! gate that it does not know.

use std::collections::HashMap;

use tokio::time::{Duration, Instant};

use crate::registry::{Instance, State};

/// A node of Go looks at once; so long it gets no message that another node can have.
const SETTLED: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Newcomers {
    /// The nodes of the last list, by id; `None` before the first one.
    known: Option<HashMap<String, Known>>,
}

struct Known {
    /// Another one, and it has started again.
    endpoint: String,
    /// Of those that were not in the first list.
    came: Option<Instant>,
}

impl Newcomers {
    /// The list, with those that may not know their gates yet as busy.
    pub(super) fn see(&mut self, nodes: &[Instance], now: Instant) -> Vec<Instance> {
        let before = self.known.take();
        let mut known = HashMap::new();
        for node in nodes {
            let came = match before.as_ref().map(|before| before.get(&node.id)) {
                None => None,
                Some(Some(known)) if known.endpoint == node.endpoint => known.came,
                Some(_) => Some(now),
            };
            let came = came.filter(|came| !node.answers_each() && now - *came < SETTLED);
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
        assert_eq!(states(&newcomers.see(std::slice::from_ref(&old), begun)), [State::Work], "it was there before");
        assert_eq!(newcomers.settle_at(), None);

        let all = [old, new.clone(), ours.clone()];
        assert_eq!(states(&newcomers.see(&all, begun)), [State::Work, State::Busy, State::Work]);
        assert_eq!(newcomers.settle_at(), Some(begun + SETTLED));
        let soon = begun + SETTLED / 2;
        assert_eq!(states(&newcomers.see(&all, soon)), [State::Work, State::Busy, State::Work]);
        let settled = begun + SETTLED;
        assert_eq!(states(&newcomers.see(&all, settled)), [State::Work; 3]);
        assert_eq!(newcomers.settle_at(), None);

        let hangs = Instance { state: State::Hang, ..new };
        assert_eq!(states(&newcomers.see(&[again, hangs, ours], settled)), [State::Busy, State::Hang, State::Work]);
    }
}
