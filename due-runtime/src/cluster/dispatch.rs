//! Which node takes a client message: the union of all nodes' routes, rebuilt whenever the registry changes.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::link::{Event, Link, Member, NodeLink};
use crate::id::{Nid, RouteId};
use crate::registry::{Instance, InstanceRoute, State};

/// How messages of stateless routes are spread over the nodes that serve them. Nodes at work come first; busy ones are
/// used only if there is no other; those that hang or are shut never.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Balance {
    /// One after another, per route (`rr` in due's configuration).
    #[default]
    RoundRobin,
    /// Any (`random`, due's own default).
    Random,
    /// In proportion to the weights of the nodes, smoothly: of weights 5, 1, 1 the first gets five of seven messages, but
    /// not five in a row (`wrr`). A node without weight counts as 1.
    Weighted,
}

/// An immutable picture of the nodes.
#[derive(Default)]
pub(crate) struct DispatchTable {
    routes: HashMap<RouteId, RouteEntry>,
    nodes: HashMap<Nid, Arc<dyn NodeLink>>,
    /// Who listens to an event, in any state.
    listeners: HashMap<Event, Vec<Arc<dyn NodeLink>>>,
    /// Said once, not at every change of the registry.
    conflicts: BTreeSet<Conflict>,
}

/// Two nodes declare a route differently: one of them runs another version of the schema.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Conflict {
    route: RouteId,
    nid: Nid,
}

pub(crate) struct RouteEntry {
    pub(crate) internal: bool,
    pub(crate) stateful: bool,
    pub(crate) authorized: bool,
    /// The name of the nodes that serve it, the locator's field for stateful routes.
    pub(crate) group: Arc<str>,
    /// Nodes say that nothing is ever answered.
    pub(crate) oneway: bool,
    work: Choice,
    busy: Choice,
}

#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) nid: Nid,
    pub(crate) node: Arc<dyn NodeLink>,
    weight: i64,
}

struct Choice {
    candidates: Vec<Candidate>,
    balance: Balance,
    turn: AtomicUsize,
    /// Weighted: how much each candidate is owed.
    owed: Mutex<Vec<i64>>,
}

impl DispatchTable {
    /// `before` is the picture that this one replaces.
    pub(crate) fn build(
        instances: &[Instance],
        link: &dyn Link,
        member: &Member,
        balance: Balance,
        before: &Self,
    ) -> Self {
        let mut table = Self::default();
        for instance in instances {
            let nid = Nid::from(instance.id.as_str());
            let Some(node) = link.node(member, &nid, &instance.endpoint) else {
                tracing::warn!(%nid, endpoint = instance.endpoint, "the node cannot be reached by this link");
                continue;
            };
            table.nodes.insert(nid.clone(), Arc::clone(&node));
            for event in instance.events.iter().filter_map(|&event| Event::from_wire(event)) {
                table.listeners.entry(event).or_default().push(Arc::clone(&node));
            }
            let candidate = Candidate { nid, node, weight: i64::from(instance.weight.max(1)) };
            let (group, oneway) = (Arc::from(instance.alias.as_str()), instance.oneway_routes());
            for route in &instance.routes {
                let oneway = oneway.contains(&route.id);
                table.add(route, &group, oneway, instance.state, &candidate, balance);
            }
        }
        for conflict in table.conflicts.difference(&before.conflicts) {
            let Conflict { route, nid } = conflict;
            tracing::warn!(%route, %nid, "two nodes declare this route differently; the first declaration is used");
        }
        table
    }

    fn add(
        &mut self,
        route: &InstanceRoute,
        group: &Arc<str>,
        oneway: bool,
        state: State,
        candidate: &Candidate,
        balance: Balance,
    ) {
        let entry = self.routes.entry(route.route()).or_insert_with(|| RouteEntry {
            internal: route.internal,
            stateful: route.stateful,
            authorized: route.authorized,
            group: Arc::clone(group),
            oneway,
            work: Choice::new(balance),
            busy: Choice::new(balance),
        });
        let declared = (route.internal, route.stateful, route.authorized);
        if declared != (entry.internal, entry.stateful, entry.authorized) || *entry.group != **group {
            self.conflicts.insert(Conflict { route: route.route(), nid: candidate.nid.clone() });
        }
        match state {
            State::Work => entry.work.add(candidate.clone()),
            State::Busy => entry.busy.add(candidate.clone()),
            State::Hang | State::Shut => {}
        }
    }

    pub(crate) fn route(&self, route: RouteId) -> Option<&RouteEntry> {
        self.routes.get(&route)
    }

    pub(crate) fn node(&self, nid: &Nid) -> Option<&Arc<dyn NodeLink>> {
        self.nodes.get(nid)
    }

    pub(crate) fn listeners(&self, event: Event) -> &[Arc<dyn NodeLink>] {
        self.listeners.get(&event).map_or(&[], Vec::as_slice)
    }
}

impl RouteEntry {
    /// Whose turn it is; nodes at work first, busy ones only if there is no other.
    pub(crate) fn pick(&self) -> Option<&Candidate> {
        self.work.pick().or_else(|| self.busy.pick())
    }

    /// Every node that [`pick`](Self::pick) might have named.
    pub(crate) fn candidates(&self) -> &[Candidate] {
        if self.work.candidates.is_empty() { &self.busy.candidates } else { &self.work.candidates }
    }
}

impl Choice {
    fn new(balance: Balance) -> Self {
        Self { candidates: Vec::new(), balance, turn: AtomicUsize::new(0), owed: Mutex::default() }
    }

    fn add(&mut self, candidate: Candidate) {
        self.candidates.push(candidate);
        self.owed.get_mut().unwrap().push(0);
    }

    fn pick(&self) -> Option<&Candidate> {
        let turn = match (self.candidates.len(), self.balance) {
            (0 | 1, _) => 0,
            (len, Balance::RoundRobin) => self.turn.fetch_add(1, Ordering::Relaxed) % len,
            (len, Balance::Random) => {
                // A fresh hasher is as random as anything that needs no crate.
                RandomState::new().hash_one(self.turn.fetch_add(1, Ordering::Relaxed)) as usize % len
            }
            (_, Balance::Weighted) => self.most_owed(),
        };
        self.candidates.get(turn)
    }

    fn most_owed(&self) -> usize {
        let mut owed = self.owed.lock().unwrap();
        let mut total = 0;
        for (owed, candidate) in owed.iter_mut().zip(&self.candidates) {
            *owed += candidate.weight;
            total += candidate.weight;
        }
        // Of equals the first.
        let most = (0..owed.len()).rev().max_by_key(|&index| owed[index]).unwrap_or(0);
        owed[most] -= total;
        most
    }
}

impl Event {
    pub(crate) fn from_wire(event: i32) -> Option<Self> {
        [Self::Connect, Self::Reconnect, Self::Disconnect].into_iter().find(|known| *known as i32 == event)
    }
}
