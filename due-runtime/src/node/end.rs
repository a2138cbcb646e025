//! The end of a node, in the steps of [`RunningApp::stop`](crate::RunningApp::stop).

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::serve::NodeCore;
use crate::cluster::{Cluster, Door};

pub(crate) struct RunningNode {
    pub(super) core: Arc<NodeCore>,
    /// Where other servers come in.
    pub(super) link: Option<Box<dyn Door>>,
    pub(super) drain: Duration,
}

impl RunningNode {
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.core.cluster
    }

    /// Takes no new sessions: gates send their stateless routes elsewhere.
    pub(crate) async fn leave(&self) {
        self.core.presence.hang().await;
    }

    /// Finishes the requests at hand, and takes no more. What is not finished in time is dropped, and answered like what
    /// still waits.
    pub(crate) fn drain(&self) -> impl Future<Output = ()> + Send + use<> {
        let (core, deadline) = (Arc::clone(&self.core), self.drain);
        async move {
            if timeout(deadline, core.lanes.idle()).await.is_err() {
                tracing::warn!(nid = %core.nid, "drain time is over; requests at hand are given up");
                core.end.overdue.cancel();
            }
            core.end.closed.cancel();
        }
    }

    /// Handles the last events, waits for tasks, then goes.
    pub(crate) async fn stop(self) {
        let core = &self.core;
        core.end.closed.cancel();
        core.tasks.close();
        let quiet = async {
            core.lanes.idle().await;
            core.tasks.wait().await;
        };
        if timeout(self.drain, quiet).await.is_err() {
            tracing::warn!(nid = %core.nid, left = core.tasks.len(), "drain time is over; tasks are given up");
        }
        core.end.overdue.cancel();
        core.end.over.cancel();
        core.tasks.wait().await;
        core.presence.deregister().await;
        core.cluster.leave().await;
        if let Some(link) = self.link {
            link.close().await;
        }
        tracing::info!(nid = %core.nid, "node stopped");
    }
}
