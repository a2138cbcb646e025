//! Everything that the page shows, in one answer.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use schemars::JsonSchema;
use serde::Serialize;

use super::desk::Desk;
use super::endpoint::Params;
use super::instances::View;
use super::refusal::Refusal;
use super::routes::{self, RouteList};
use crate::registry::Kind;

/// The cluster at a glance.
#[derive(Serialize, JsonSchema)]
pub(super) struct Overview {
    /// Milliseconds since 1970, by the master's clock, at which the traffic was counted: rates are differences by this.
    at: u64,
    /// Of the gates that answered.
    sessions: u64,
    /// Of the gates that answered.
    users: u64,
    instances: Vec<View>,
    #[serde(flatten)]
    routes: RouteList,
    /// What could not be asked, and why.
    problems: Vec<Problem>,
}

/// Somebody who did not answer.
#[derive(Serialize, JsonSchema)]
struct Problem {
    who: String,
    what: String,
}

pub(super) async fn show(desk: Arc<Desk>, params: Params) -> Result<Overview, Refusal> {
    let (online, traffic) = tokio::join!(desk.online(), desk.traffic());
    let mut instances = Vec::new();
    for kind in [Kind::Gate, Kind::Node, Kind::Mesh] {
        for instance in desk.instances(kind).iter() {
            let mut view = View::new(instance);
            if kind == Kind::Gate {
                view.online = online.of(&instance.id);
            }
            view.traffic = traffic.of(kind, &instance.id);
            instances.push(view);
        }
    }
    let silent_gates = online.gates.iter().filter_map(|gate| {
        let what = gate.error.clone()?;
        Some(Problem { who: format!("gate {}", gate.id), what })
    });
    let silent_metrics =
        traffic.silent.iter().map(|(url, what)| Problem { who: format!("metrics {url}"), what: what.clone() });
    Ok(Overview {
        at: traffic.at.and_then(|at| at.duration_since(UNIX_EPOCH).ok()).map_or(0, |since| since.as_millis() as u64),
        sessions: online.sessions,
        users: online.users,
        instances,
        problems: silent_gates.chain(silent_metrics).collect(),
        routes: routes::list(desk, params).await?,
    })
}
