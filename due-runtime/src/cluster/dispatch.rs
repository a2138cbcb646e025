//! Which node takes a client message: the union of all nodes' routes, rebuilt whenever the registry changes.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::link::{Event, Link, Member, NodeLink};
use crate::id::{BuildIdHasher, Nid, RouteId};
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
    routes: HashMap<RouteId, RouteEntry, BuildIdHasher>,
    nodes: HashMap<Nid, Arc<dyn NodeLink>>,
    /// Who listens to an event, in any state.
    listeners: HashMap<Event, Vec<Arc<dyn NodeLink>>>,
    /// Said once, not at every change of the registry.
    mismatches: BTreeSet<RouteMismatch>,
    /// Nodes, and their endpoints, that this link cannot reach. Said once as well.
    unreachable: BTreeSet<(String, String)>,
}

/// A node declares a route in another way than the node before it: one of them runs another version of the schema. The
/// declaration of the first node in the registry's list is in force for all.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[non_exhaustive]
pub struct RouteMismatch {
    /// The route.
    pub route: RouteId,
    /// The node that declares it differently.
    pub nid: Nid,
    /// What it declares, as `name "lobby", stateful`.
    pub declared: String,
    /// What is in force.
    pub in_force: String,
}

pub(crate) struct RouteEntry {
    pub(crate) internal: bool,
    pub(crate) stateful: bool,
    pub(crate) authorized: bool,
    /// The name of the nodes that serve it, the locator's field for stateful routes.
    pub(crate) group: Arc<str>,
    /// All of them are in other processes.
    pub(crate) is_elsewhere: bool,
    /// In any state.
    servers: HashMap<Nid, Answers>,
    work: Choice,
    busy: Choice,
}

#[derive(Clone)]
pub(crate) struct Candidate {
    pub(crate) nid: Nid,
    pub(crate) node: Arc<dyn NodeLink>,
    pub(crate) answers: Answers,
    weight: i64,
}

/// What a node answers to the requests of one route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Answers {
    /// Nothing: it says that the route is oneway.
    None,
    /// Each of them, with a status if with nothing else.
    Each,
    /// Those that its handlers like to answer. So do Go nodes, and ours without statuses.
    Some,
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
                let unreachable = (instance.id.clone(), instance.endpoint.clone());
                if !before.unreachable.contains(&unreachable) {
                    tracing::warn!(%nid, endpoint = instance.endpoint, "the node cannot be reached by this link");
                }
                table.unreachable.insert(unreachable);
                continue;
            };
            table.nodes.insert(nid.clone(), Arc::clone(&node));
            for event in instance.events.iter().filter_map(|&event| Event::from_wire(event)) {
                table.listeners.entry(event).or_default().push(Arc::clone(&node));
            }
            let others = if instance.answers_each() { Answers::Each } else { Answers::Some };
            let mut candidate = Candidate { nid, node, answers: others, weight: i64::from(instance.weight.max(1)) };
            let (group, oneway) = (Arc::from(instance.alias.as_str()), instance.oneway_routes());
            for route in &instance.routes {
                candidate.answers = if oneway.contains(&route.id) { Answers::None } else { others };
                table.add(route, &group, instance.state, &candidate, balance);
            }
        }
        for RouteMismatch { route, nid, declared, in_force } in table.mismatches.difference(&before.mismatches) {
            tracing::warn!(%route, %nid, declared, in_force, "a node declares this route differently from another one");
        }
        table
    }

    fn add(&mut self, route: &InstanceRoute, group: &Arc<str>, state: State, candidate: &Candidate, balance: Balance) {
        let entry = self.routes.entry(route.route()).or_insert_with(|| RouteEntry {
            internal: route.internal,
            stateful: route.stateful,
            authorized: route.authorized,
            group: Arc::clone(group),
            is_elsewhere: true,
            servers: HashMap::new(),
            work: Choice::new(balance),
            busy: Choice::new(balance),
        });
        let flags = (route.internal, route.stateful, route.authorized);
        let in_force = (entry.internal, entry.stateful, entry.authorized);
        if flags != in_force || *entry.group != **group {
            self.mismatches.insert(RouteMismatch {
                route: route.route(),
                nid: candidate.nid.clone(),
                declared: declaration(group, flags),
                in_force: declaration(&entry.group, in_force),
            });
        }
        entry.is_elsewhere &= candidate.node.is_remote();
        entry.servers.insert(candidate.nid.clone(), candidate.answers);
        match state {
            State::Work => entry.work.add(candidate.clone()),
            State::Busy => entry.busy.add(candidate.clone()),
            State::Hang | State::Shut => {}
        }
    }

    pub(crate) fn mismatches(&self) -> impl Iterator<Item = &RouteMismatch> {
        self.mismatches.iter()
    }

    /// Whether some nodes are of due in Go, which drop what comes from a gate that they do not know.
    pub(crate) fn has_strangers(&self) -> bool {
        self.routes.values().any(|entry| entry.servers.values().any(|answers| *answers == Answers::Some))
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
    pub(crate) fn is_served_by(&self, nid: &Nid) -> bool {
        self.servers.contains_key(nid)
    }

    pub(crate) fn answers_of(&self, nid: &Nid) -> Answers {
        self.servers.get(nid).copied().unwrap_or(Answers::Some)
    }

    /// Whose turn it is; nodes at work first, busy ones only if there is no other.
    pub(crate) fn pick(&self) -> Option<&Candidate> {
        self.work.pick().or_else(|| self.busy.pick())
    }

    /// Whether [`pick`](Self::pick) has more than one node to choose from.
    pub(crate) fn has_choice(&self) -> bool {
        let of = if self.work.candidates.is_empty() { &self.busy } else { &self.work };
        of.candidates.len() > 1
    }

    /// Every node that may take a message, those at work first.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = &Candidate> {
        self.work.candidates.iter().chain(&self.busy.candidates)
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

fn declaration(name: &str, (internal, stateful, authorized): (bool, bool, bool)) -> String {
    let mut text = format!("name {name:?}");
    for (flag, word) in [(internal, "internal"), (stateful, "stateful"), (authorized, "authorized")] {
        if flag {
            text = text + ", " + word;
        }
    }
    text
}

impl Event {
    pub(crate) fn from_wire(event: i32) -> Option<Self> {
        [Self::Connect, Self::Reconnect, Self::Disconnect].into_iter().find(|known| *known as i32 == event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::link::Attached;
    use crate::cluster::{Delivery, GateLink, LinkError, NodeAnswer, NodeOp, Server, SessionEvent, Undelivered};
    use crate::future::BoxFuture;
    use crate::id::{Cid, Gid};
    use crate::packet::Format;
    use crate::registry::Kind;

    /// Reaches every node but those of endpoint "no", and carries nothing.
    #[derive(Debug)]
    struct Nowhere;

    impl Link for Nowhere {
        fn attach<'a>(&'a self, _: &'a Member, _: Server) -> BoxFuture<'a, std::io::Result<Attached>> {
            Box::pin(std::future::ready(Ok(Attached { endpoint: String::new(), door: None })))
        }

        fn gate(&self, _: &Member, _: &Gid, _: &str) -> Option<Arc<dyn GateLink>> {
            None
        }

        fn node(&self, _: &Member, _: &Nid, endpoint: &str) -> Option<Arc<dyn NodeLink>> {
            (endpoint != "no").then(|| Arc::new(Self) as Arc<dyn NodeLink>)
        }

        fn leave<'a>(&'a self, _: &'a Member) -> BoxFuture<'a, ()> {
            Box::pin(std::future::ready(()))
        }
    }

    impl NodeLink for Nowhere {
        fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
            Err(Undelivered::Gone(delivery))
        }

        fn room(&self, _: &Gid, _: Cid) -> BoxFuture<'_, ()> {
            Box::pin(std::future::ready(()))
        }

        fn trigger(&self, _: SessionEvent) {}

        fn call(&self, _: NodeOp) -> BoxFuture<'_, Result<NodeAnswer, LinkError>> {
            Box::pin(std::future::ready(Err(LinkError::Timeout)))
        }
    }

    fn node(id: &str, state: State, weight: i32) -> Instance {
        let mut node = Instance::new(Kind::Node, id);
        node.routes = vec![InstanceRoute { id: 1, ..InstanceRoute::default() }];
        (node.state, node.weight) = (state, weight);
        node
    }

    fn table(nodes: &[Instance], balance: Balance) -> DispatchTable {
        let member = Member::new(Kind::Gate, "g1", &Format::new());
        DispatchTable::build(nodes, &Nowhere, &member, balance, &DispatchTable::default())
    }

    fn picks(nodes: &[Instance], balance: Balance, picks: usize) -> Vec<String> {
        let table = table(nodes, balance);
        let entry = table.route(RouteId(1)).unwrap();
        (0..picks).filter_map(|_| entry.pick().map(|candidate| candidate.nid.to_string())).collect()
    }

    #[test]
    fn states_decide_before_balance() {
        let nodes = [node("w", State::Work, 1), node("b", State::Busy, 9), node("h", State::Hang, 9)];
        for balance in [Balance::RoundRobin, Balance::Random, Balance::Weighted] {
            assert_eq!(picks(&nodes, balance, 3), ["w", "w", "w"]);
            assert_eq!(picks(&nodes[1..], balance, 2), ["b", "b"]);
            assert!(picks(&nodes[2..], balance, 2).is_empty());
            assert!(picks(&[node("s", State::Shut, 1)], balance, 2).is_empty());
        }
        assert!(table(&nodes, Balance::Random).node(&Nid::from("h")).is_some(), "bound users still reach it");
        let table = table(&nodes, Balance::Random);
        let all: Vec<&str> = table.route(RouteId(1)).unwrap().candidates().map(|one| one.nid.as_str()).collect();
        assert_eq!(all, ["w", "b"], "busy ones as well where those at work are gone");
    }

    #[test]
    fn weights_are_shares_without_bursts() {
        let nodes = [node("a", State::Work, 5), node("b", State::Work, 1), node("c", State::Work, 0)];
        assert_eq!(picks(&nodes, Balance::Weighted, 8).concat(), "aabacaaa");
        assert_eq!(picks(&nodes, Balance::RoundRobin, 6).concat(), "abcabc");
        let random = picks(&nodes, Balance::Random, 3000);
        for id in ["a", "b", "c"] {
            let share = random.iter().filter(|pick| *pick == id).count();
            assert!((700..1300).contains(&share), "{id} got {share} of 3000");
        }
    }

    #[test]
    fn mismatches_name_both_sides() {
        let mut other = node("n2", State::Work, 1);
        other.routes = vec![InstanceRoute { id: 1, stateful: true, authorized: true, ..InstanceRoute::default() }];
        other.alias = "lobby".to_owned();
        let table = table(&[node("n1", State::Work, 1), node("n3", State::Work, 1), other], Balance::RoundRobin);
        let mismatches: Vec<_> = table.mismatches().cloned().collect();
        let expected = RouteMismatch {
            route: RouteId(1),
            nid: Nid::from("n2"),
            declared: "name \"lobby\", stateful, authorized".to_owned(),
            in_force: "name \"node\"".to_owned(),
        };
        assert_eq!(mismatches, [expected]);
    }

    #[test]
    fn listeners_hear_in_any_state_and_others_do_not() {
        let (mut hanging, mut unreachable) = (node("h", State::Hang, 1), node("u", State::Work, 1));
        (hanging.events, unreachable.events, unreachable.endpoint) = (vec![1, 3, 7], vec![1], "no".to_owned());
        let table = table(&[hanging, unreachable, node("w", State::Work, 1)], Balance::RoundRobin);
        assert_eq!(table.listeners(Event::Connect).len(), 1);
        assert_eq!(table.listeners(Event::Reconnect).len(), 0);
        assert_eq!(table.listeners(Event::Disconnect).len(), 1);
    }

    #[test]
    fn what_is_answered_is_known_from_the_metadata() {
        let mut talker = node("n1", State::Work, 1);
        talker.routes.push(InstanceRoute { id: 2, ..InstanceRoute::default() });
        talker.set_oneway_routes([RouteId(2)].into_iter());
        talker.set_answers_each();
        assert_eq!(talker.metadata["due.oneway"], "2");
        let mut silent = node("n2", State::Work, 1);
        silent.routes = talker.routes[1..].to_vec();
        assert!(!table(std::slice::from_ref(&talker), Balance::RoundRobin).has_strangers());
        let both = table(&[talker, silent], Balance::RoundRobin);
        let of = |route, nid: &str| both.route(RouteId(route)).unwrap().answers_of(&Nid::from(nid));
        assert_eq!([of(1, "n1"), of(2, "n1")], [Answers::Each, Answers::None]);
        assert_eq!([of(2, "n2"), of(2, "n3")], [Answers::Some; 2], "they do not say");
        assert!(both.has_strangers());
        let entry = both.route(RouteId(2)).unwrap();
        assert_eq!([0, 1].map(|_| entry.pick().unwrap().answers), [Answers::None, Answers::Some]);
    }
}
