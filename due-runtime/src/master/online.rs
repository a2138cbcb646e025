//! How many sessions and users each gate holds.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::desk::Desk;
use super::endpoint::Params;
use super::refusal::Refusal;
use crate::cluster::{Audience, Cluster};
use crate::id::Gid;
use crate::registry::Instances;

/// Gates that are asked at a time.
const AT_ONCE: usize = 32;
/// For one gate to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many are online.
#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct Online {
    /// Of the gates that answered.
    pub(super) sessions: u64,
    /// Of the gates that answered.
    pub(super) users: u64,
    /// Gates that did not.
    pub(super) silent: u64,
    pub(super) gates: Vec<GateOnline>,
}

/// How many are online at one gate.
#[derive(Clone, Serialize, JsonSchema)]
pub(super) struct GateOnline {
    pub(super) id: String,
    /// Absent if the gate did not answer.
    #[serde(flatten)]
    pub(super) count: Option<Count>,
    /// Why it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
}

/// Sessions, and those of them that have a user.
#[derive(Clone, Copy, Serialize, JsonSchema)]
pub(super) struct Count {
    pub(super) sessions: u64,
    pub(super) users: u64,
}

pub(super) async fn online(desk: Arc<Desk>, _: Params) -> Result<Online, Refusal> {
    Ok(Online::clone(&*desk.online().await))
}

impl Online {
    pub(super) async fn ask(cluster: &Cluster, gates: Instances) -> Self {
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let mut calls = JoinSet::new();
        for gate in gates.iter() {
            let (cluster, places, id) = (cluster.clone(), Arc::clone(&places), gate.id.clone());
            calls.spawn(async move {
                let _place = places.acquire().await;
                match count(&cluster, &id).await {
                    Ok(count) => GateOnline { id, count: Some(count), error: None },
                    Err(error) => GateOnline { id, count: None, error: Some(error) },
                }
            });
        }
        let mut gates = calls.join_all().await;
        gates.sort_by(|a, b| a.id.cmp(&b.id));
        let counts = || gates.iter().filter_map(|gate| gate.count);
        Self {
            sessions: counts().map(|count| count.sessions).sum(),
            users: counts().map(|count| count.users).sum(),
            silent: gates.iter().filter(|gate| gate.count.is_none()).count() as u64,
            gates,
        }
    }

    pub(super) fn of(&self, gate: &str) -> Option<Count> {
        self.gates.iter().find(|online| online.id == gate)?.count
    }
}

/// Of one gate, now; or why not.
pub(super) async fn count(cluster: &Cluster, gate: &str) -> Result<Count, String> {
    let gid = Gid::from(gate);
    let calls =
        async { tokio::try_join!(cluster.stat_of(&gid, Audience::Sessions), cluster.stat_of(&gid, Audience::Users)) };
    match timeout(PATIENCE, calls).await {
        Ok(Ok((sessions, users))) => Ok(Count { sessions, users }),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}
