//! Gates, nodes and meshes, and their states.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::desk::Desk;
use super::endpoint::Params;
use super::online::{Count, count};
use super::refusal::Refusal;
use super::traffic::Flow;
use crate::cluster::ServerId;
use crate::id::{Gid, Nid};
use crate::registry::{Instance, Kind, State};

/// All that are in the registry.
#[derive(Serialize, JsonSchema)]
pub(super) struct InstanceList {
    instances: Vec<View>,
}

/// One gate, node or mesh.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Instance")]
pub(super) struct View {
    kind: Word,
    id: String,
    /// As it was configured; for a node the group whose routes it serves.
    name: String,
    state: StateWord,
    /// Where other servers reach it.
    endpoint: String,
    /// Its share under weighted dispatch; 0 counts as 1.
    weight: i32,
    /// How many routes it serves.
    routes: usize,
    /// Discovery names that it serves.
    services: Vec<String>,
    metadata: BTreeMap<String, String>,
    /// Gates that answered, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) online: Option<Count>,
    /// Of gates and nodes whose process says so, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) traffic: Option<Flow>,
}

/// `gate`, `node` or `mesh`.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Kind")]
enum Word {
    Gate,
    Node,
    Mesh,
}

/// `work` takes everything, `busy` only what nobody else does, `hang` no new users, `shut` is stopped.
#[derive(Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "State")]
pub(super) enum StateWord {
    Work,
    Busy,
    Hang,
    Shut,
}

/// What a state is to become.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StateChange {
    state: Wanted,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "WantedState")]
enum Wanted {
    Work,
    Busy,
    Hang,
}

/// A state was changed. The registry shows it when it has heard.
#[derive(Serialize, JsonSchema)]
pub(super) struct StateChanged {
    id: String,
    state: StateWord,
}

/// A server takes no new users.
#[derive(Serialize, JsonSchema)]
pub(super) struct Drain {
    id: String,
    state: StateWord,
    /// Who is still at a gate. Nobody counts the users of a node.
    left: Option<Count>,
}

impl From<State> for StateWord {
    fn from(state: State) -> Self {
        match state {
            State::Work => Self::Work,
            State::Busy => Self::Busy,
            State::Hang => Self::Hang,
            State::Shut => Self::Shut,
        }
    }
}

impl View {
    pub(super) fn new(instance: &Instance) -> Self {
        Self {
            kind: match instance.kind {
                Kind::Gate => Word::Gate,
                Kind::Node => Word::Node,
                Kind::Mesh => Word::Mesh,
            },
            id: instance.id.clone(),
            name: instance.alias.clone(),
            state: instance.state.into(),
            endpoint: instance.endpoint.clone(),
            weight: instance.weight,
            routes: instance.routes.len(),
            services: instance.services.clone(),
            metadata: instance.metadata.clone(),
            online: None,
            traffic: None,
        }
    }
}

pub(super) async fn list(desk: Arc<Desk>, _: Params) -> Result<InstanceList, Refusal> {
    let kinds = [Kind::Gate, Kind::Node, Kind::Mesh];
    let instances = kinds.map(|kind| desk.instances(kind));
    Ok(InstanceList { instances: instances.iter().flat_map(|list| list.iter().map(View::new)).collect() })
}

pub(super) async fn show(desk: Arc<Desk>, params: Params) -> Result<View, Refusal> {
    let instance = find(&desk, &params)?;
    let mut view = View::new(&instance);
    if instance.kind == Kind::Gate {
        view.online = count(&desk.cluster, &instance.id).await.ok();
    }
    view.traffic = desk.traffic().await.of(instance.kind, &instance.id);
    Ok(view)
}

pub(super) async fn set_state(desk: Arc<Desk>, params: Params, wanted: StateChange) -> Result<StateChanged, Refusal> {
    let state = match wanted.state {
        Wanted::Work => State::Work,
        Wanted::Busy => State::Busy,
        Wanted::Hang => State::Hang,
    };
    let instance = find(&desk, &params)?;
    change(&desk, &instance, state).await?;
    Ok(StateChanged { id: instance.id, state: state.into() })
}

pub(super) async fn drain(desk: Arc<Desk>, params: Params) -> Result<Drain, Refusal> {
    let instance = find(&desk, &params)?;
    change(&desk, &instance, State::Hang).await?;
    let left = match instance.kind {
        Kind::Gate => count(&desk.cluster, &instance.id).await.ok(),
        _ => None,
    };
    Ok(Drain { id: instance.id, state: StateWord::Hang, left })
}

async fn change(desk: &Desk, instance: &Instance, state: State) -> Result<(), Refusal> {
    let server: ServerId = match instance.kind {
        Kind::Gate => Gid::from(instance.id.as_str()).into(),
        Kind::Node => Nid::from(instance.id.as_str()).into(),
        Kind::Mesh => {
            let text =
                "nobody can tell a mesh its state: it has no link; its own program does, by RunningMesh::set_state";
            return Err(Refusal::unprocessable(text));
        }
    };
    desk.cluster.set_state(server, state).await?;
    tracing::info!(kind = %instance.kind, id = instance.id, %state, "an operator changed a state");
    Ok(())
}

fn find(desk: &Desk, params: &Params) -> Result<Instance, Refusal> {
    let kind: Kind = params.get("kind").parse().map_err(Refusal::bad_request)?;
    let id = params.get("id");
    let instances = desk.instances(kind);
    let found = instances.iter().find(|instance| instance.id == id);
    found.cloned().ok_or_else(|| Refusal::not_found(format!("no {kind} {id:?} in the registry")))
}
