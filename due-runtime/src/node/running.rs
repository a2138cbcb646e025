//! The life of a node: from its start hooks to the last of the steps of
//! [`RunningApp::stop`](crate::RunningApp::stop).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::hooks::Hooks;
use super::serve::NodeCore;
use super::{NodeHandle, StartNodeError};
use crate::cluster::{Backends, Cluster, Door, Event, Server};
use crate::registry::{Instance, Kind, RegistryError};

pub(crate) struct RunningNode {
    pub(super) core: Arc<NodeCore>,
    /// Where other servers come in.
    pub(super) link: Option<Box<dyn Door>>,
    pub(super) hooks: Arc<Hooks>,
    pub(super) drain: Duration,
}

impl RunningNode {
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.core.cluster
    }

    /// See [`Presence::listed`](crate::cluster::Presence::listed).
    pub(crate) fn listed(&self) -> impl Future<Output = Result<(), RegistryError>> + Send + use<> {
        let core = Arc::clone(&self.core);
        async move { core.presence.listed().await }
    }

    pub(crate) fn handle(&self) -> NodeHandle {
        NodeHandle::new(&self.core)
    }

    /// Runs the start hooks, then lets others reach the node.
    pub(super) async fn open(
        &mut self,
        backends: &Backends,
        weight: i32,
        metadata: BTreeMap<String, String>,
    ) -> Result<(), StartNodeError> {
        let core = &self.core;
        self.hooks.start.try_all(&NodeHandle::new(core)).await.map_err(StartNodeError::Hook)?;
        let server = Server::Node(core.clone(), core.cluster.clone());
        let attached = backends.link.attach(core.cluster.member(), server).await.map_err(StartNodeError::Attach)?;
        self.link = attached.door;
        let mut instance = Instance::new(Kind::Node, core.nid.as_str());
        instance.alias = core.name.clone();
        instance.weight = weight;
        instance.metadata = metadata;
        instance.routes = core.router.specs().map(Into::into).collect();
        instance.set_oneway_routes(core.router.specs().filter(|spec| spec.oneway).map(|spec| spec.id));
        if backends.statuses {
            instance.set_answers_each();
        }
        let events = [Event::Connect, Event::Reconnect, Event::Disconnect].into_iter();
        instance.events = events.filter(|&event| core.is_told(event)).map(|event| event as i32).collect();
        instance.endpoint = attached.endpoint;
        instance.set_metrics(backends.metrics.as_deref());
        core.presence.register(instance).await?;
        if core.hears(Event::Disconnect) {
            let (watch, leaving) = (NodeCore::watch_gates(Arc::downgrade(core)), core.end.leaving.clone());
            tokio::spawn(leaving.run_until_cancelled_owned(watch));
        }
        tracing::info!(nid = %core.nid, name = core.name, routes = core.router.len(), "node registered");
        Ok(())
    }

    /// Takes no new sessions: gates send their stateless routes elsewhere.
    pub(crate) async fn leave(&self) {
        self.core.presence.hang().await;
        self.core.end.leaving.cancel();
    }

    /// Runs the stop hooks, goes on until gates of other processes have heard that it leaves and send nothing more,
    /// finishes the requests at hand, has the actors end, and takes no more. What is not finished in time is dropped, and answered like what
    /// still waits. Timers that wait are canceled.
    pub(crate) fn drain(&self) -> impl Future<Output = ()> + Send + use<> {
        let (core, hooks, deadline) = (Arc::clone(&self.core), Arc::clone(&self.hooks), self.drain);
        // Gates of this process know at once.
        let until_known = self.link.as_ref().map_or(Duration::ZERO, |_| core.presence.latency());
        async move {
            let drained = async {
                hooks.stop.all(&NodeHandle::new(&core)).await;
                if !until_known.is_zero() {
                    core.unheard_for(until_known).await;
                }
                core.lanes.idle().await;
                core.stop_actors().await;
            };
            if timeout(deadline, drained).await.is_err() {
                tracing::warn!(nid = %core.nid, "drain time is over; requests at hand are given up");
                core.end.overdue.cancel();
                // What they do last is waited for with the tasks.
                drop(core.stop_actors());
            }
            core.end.close();
        }
    }

    /// Handles the last events, waits for tasks, then goes.
    pub(crate) async fn stop(self) {
        let core = &self.core;
        core.end.close();
        core.tasks.close();
        let quiet = async {
            core.lanes.idle().await;
            core.stop_actors().await;
            core.tasks.wait().await;
        };
        if timeout(self.drain, quiet).await.is_err() {
            tracing::warn!(nid = %core.nid, left = core.tasks.len(), "drain time is over; tasks are given up");
        }
        core.end.overdue.cancel();
        core.end.over.cancel();
        core.tasks.wait().await;
        core.presence.deregister().await;
        if timeout(self.drain, self.hooks.destroyed.all(&NodeHandle::new(core))).await.is_err() {
            tracing::warn!(nid = %core.nid, "drain time is over; hooks are given up");
        }
        core.cluster.leave().await;
        if let Some(link) = self.link {
            link.close().await;
        }
        tracing::info!(nid = %core.nid, "node stopped");
    }

    /// Ends what has not come to serve anybody.
    pub(super) async fn abandon(self) {
        self.core.end.leaving.cancel();
        self.core.end.over.cancel();
        self.stop().await;
    }
}
