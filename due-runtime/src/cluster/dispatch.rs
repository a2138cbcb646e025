//! Which node takes a client message: the union of all nodes' routes, rebuilt whenever the registry changes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::link::{Link, NodeLink};
use crate::id::{Nid, RouteId};
use crate::registry::{Instance, InstanceRoute, State};

/// An immutable picture of the nodes.
#[derive(Default)]
pub(crate) struct DispatchTable {
    routes: HashMap<RouteId, RouteEntry>,
    nodes: HashMap<Nid, Arc<dyn NodeLink>>,
}

pub(crate) struct RouteEntry {
    pub(crate) internal: bool,
    pub(crate) stateful: bool,
    pub(crate) authorized: bool,
    /// The name of the nodes that serve it, the locator's field for stateful routes.
    pub(crate) group: Arc<str>,
    work: Vec<Arc<dyn NodeLink>>,
    busy: Vec<Arc<dyn NodeLink>>,
    turn: AtomicUsize,
}

impl DispatchTable {
    pub(crate) fn build(nodes: &[Instance], link: &dyn Link) -> Self {
        let mut table = Self::default();
        for node in nodes {
            let nid = Nid::from(node.id.as_str());
            let Some(node_link) = link.node(&nid, &node.endpoint) else {
                tracing::warn!(%nid, endpoint = node.endpoint, "the node cannot be reached by this link");
                continue;
            };
            table.nodes.insert(nid, Arc::clone(&node_link));
            let group: Arc<str> = node.alias.as_str().into();
            for route in &node.routes {
                table.add(route, &group, node, &node_link);
            }
        }
        table
    }

    fn add(&mut self, route: &InstanceRoute, group: &Arc<str>, node: &Instance, link: &Arc<dyn NodeLink>) {
        let entry = self.routes.entry(route.route()).or_insert_with(|| RouteEntry {
            internal: route.internal,
            stateful: route.stateful,
            authorized: route.authorized,
            group: Arc::clone(group),
            work: Vec::new(),
            busy: Vec::new(),
            turn: AtomicUsize::new(0),
        });
        let declared = (route.internal, route.stateful, route.authorized);
        if declared != (entry.internal, entry.stateful, entry.authorized) || *entry.group != **group {
            tracing::warn!(
                route = route.id, nid = node.id, group = %group, first_group = %entry.group,
                "two nodes declare this route differently; the first declaration is used"
            );
        }
        match node.state {
            State::Work => entry.work.push(Arc::clone(link)),
            State::Busy => entry.busy.push(Arc::clone(link)),
            State::Hang | State::Shut => {}
        }
    }

    pub(crate) fn route(&self, route: RouteId) -> Option<&RouteEntry> {
        self.routes.get(&route)
    }

    pub(crate) fn node(&self, nid: &Nid) -> Option<&Arc<dyn NodeLink>> {
        self.nodes.get(nid)
    }
}

impl RouteEntry {
    /// The next node in turn; nodes at work first, busy ones only if there is no other.
    pub(crate) fn pick(&self) -> Option<&Arc<dyn NodeLink>> {
        let nodes = if self.work.is_empty() { &self.busy } else { &self.work };
        match nodes.len() {
            0 => None,
            1 => nodes.first(),
            len => nodes.get(self.turn.fetch_add(1, Ordering::Relaxed) % len),
        }
    }
}
