//! The union of all nodes' routes.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::desk::Desk;
use super::endpoint::Params;
use super::instances::StateWord;
use super::refusal::Refusal;
use crate::registry::{Instance, Kind};

/// What nodes serve.
#[derive(Serialize, JsonSchema)]
pub(super) struct RouteList {
    pub(super) routes: Vec<RouteView>,
    /// Nodes that declare a route in another way than the one that is in force.
    mismatches: Vec<Mismatch>,
}

/// One route, as the first node in the registry's list declares it.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Route")]
pub(super) struct RouteView {
    id: i32,
    /// The name of the nodes that serve it.
    name: String,
    /// For other nodes only.
    internal: bool,
    /// Goes to the node that the user is bound to.
    stateful: bool,
    /// Needs a user.
    authorized: bool,
    /// No node answers it.
    oneway: bool,
    nodes: Vec<Serves>,
}

/// A node that serves a route.
#[derive(Serialize, JsonSchema)]
struct Serves {
    id: String,
    state: StateWord,
}

/// A node that declares a route in another way: it runs another version of the schema.
#[derive(Serialize, JsonSchema)]
struct Mismatch {
    route: i32,
    node: String,
    declared: String,
    in_force: String,
}

pub(super) async fn list(desk: Arc<Desk>, _: Params) -> Result<RouteList, Refusal> {
    let mismatches = desk.cluster.route_mismatches().into_iter().map(|mismatch| Mismatch {
        route: mismatch.route.0,
        node: mismatch.nid.to_string(),
        declared: mismatch.declared,
        in_force: mismatch.in_force,
    });
    Ok(RouteList { routes: union(&desk.instances(Kind::Node)), mismatches: mismatches.collect() })
}

pub(super) fn union(nodes: &[Instance]) -> Vec<RouteView> {
    let mut routes: BTreeMap<i32, RouteView> = BTreeMap::new();
    for node in nodes {
        let oneway = node.oneway_routes();
        for route in &node.routes {
            let view = routes.entry(route.id).or_insert_with(|| RouteView {
                id: route.id,
                name: node.alias.clone(),
                internal: route.internal,
                stateful: route.stateful,
                authorized: route.authorized,
                oneway: true,
                nodes: Vec::new(),
            });
            view.oneway &= oneway.contains(&route.id);
            view.nodes.push(Serves { id: node.id.clone(), state: node.state.into() });
        }
    }
    routes.into_values().collect()
}
