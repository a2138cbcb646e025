//! A node from outside of its requests: timers, tasks, and functions that have their turn among requests.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Context;
use super::lanes::LaneKey;
use super::serve::{Job, NodeCore};
use crate::cluster::Cluster;
use crate::future::catch_panic;
use crate::id::Nid;

/// Functions that may wait in one lane: as many as due's own queue takes.
const INVOKES: usize = 4096;

/// A running node, for code outside of its requests. Cheap to clone; does not keep the node alive.
///
/// Get one by [`Context::node`], in a hook ([`NodeBuilder::on_start`](crate::NodeBuilder::on_start)), or from the
/// [`RunningApp`](crate::RunningApp::nodes). When the node
/// has stopped, what is given to it is dropped.
#[derive(Clone)]
pub struct NodeHandle {
    core: Weak<NodeCore>,
    nid: Nid,
    cluster: Cluster,
}

/// Why a function was not invoked; it was dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvokeError {
    /// 4096 messages, events and functions wait already.
    #[error("too much is waiting already")]
    Full,
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

impl NodeHandle {
    pub(super) fn new(core: &Arc<NodeCore>) -> Self {
        Self { core: Arc::downgrade(core), nid: core.nid.clone(), cluster: core.cluster.clone() }
    }

    /// The id of the node.
    pub fn nid(&self) -> &Nid {
        &self.nid
    }

    /// The way to sessions, users and other servers.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Runs a task beside everything else. A stop waits for it, up to the node's
    /// [`drain`](crate::NodeBuilder::drain) after the last request; then it is dropped where it waits. Tasks that would
    /// run for ever end by themselves when they hear of the stop by [`until_stopping`](Self::until_stopping). A panic is
    /// logged.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let Some(core) = self.alive() else { return };
        let tasks = core.tasks.clone();
        tasks.spawn(async move { core.run_task(task, &core.end.over).await });
    }

    /// Runs a function that never overlaps another one invoked here; under [`Dispatch::Serial`](crate::Dispatch::Serial)
    /// no request and no event either. It has its turn after what waits already. A panic is logged.
    ///
    /// To wait for its end inside a handler of a serial node would be to wait for ever: the handler has the turn.
    pub fn invoke(&self, function: impl Future<Output = ()> + Send + 'static) -> Result<(), InvokeError> {
        let core = self.alive().ok_or(InvokeError::Stopped)?;
        core.invoke(LaneKey::Node, function)
    }

    /// Runs a task after a while, as [`spawn`](Self::spawn) does.
    ///
    /// What has not begun when the last request of a stopping node is finished never begins. Dropping the [`Timer`]
    /// changes nothing.
    pub fn after(&self, delay: Duration, task: impl Future<Output = ()> + Send + 'static) -> Timer {
        self.timer(|timer, core| async move {
            if timer.run_until_cancelled(sleep(delay)).await.is_some() {
                core.run_task(task, &core.end.over).await;
            }
        })
    }

    /// [Invokes](Self::invoke) a function after a while; the rest is as in [`after`](Self::after). If it is refused then,
    /// that is logged.
    pub fn after_invoke(&self, delay: Duration, function: impl Future<Output = ()> + Send + 'static) -> Timer {
        self.timer(|timer, core| async move {
            if timer.run_until_cancelled(sleep(delay)).await.is_some()
                && let Err(error) = core.clone().invoke(LaneKey::Node, function)
            {
                tracing::warn!(nid = %core.nid, %error, "a timer's function was not invoked");
            }
        })
    }

    /// Runs a task again and again, the first time after one `period` (at least a millisecond). One run ends before the
    /// next begins; ticks that it takes longer than are left out. The rest is as in [`after`](Self::after).
    pub fn every<F, R>(&self, period: Duration, mut tick: F) -> Timer
    where
        F: FnMut() -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let period = period.max(Duration::from_millis(1));
        self.timer(move |timer, core| async move {
            if timer.run_until_cancelled(sleep(period)).await.is_none() {
                return;
            }
            let mut ticks = interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            while timer.run_until_cancelled(ticks.tick()).await.is_some() {
                core.run_task(async { tick().await }, &core.end.over).await;
            }
        })
    }

    /// Waits until the node begins to stop. Requests still work then, for as long as they are drained.
    ///
    /// # Cancel safety
    /// Nothing is lost when it is dropped.
    pub async fn until_stopping(&self) {
        let Some(core) = self.core.upgrade() else { return };
        let leaving = core.end.leaving.clone();
        drop(core);
        leaving.cancelled().await;
    }

    fn timer<R>(&self, run: impl FnOnce(CancellationToken, Arc<NodeCore>) -> R) -> Timer
    where
        R: Future<Output = ()> + Send + 'static,
    {
        let Some(core) = self.alive().filter(|core| !core.end.closed.is_cancelled()) else {
            return Timer::new(CancellationToken::new());
        };
        let canceled = core.end.closed.child_token();
        let tasks = core.tasks.clone();
        tasks.spawn(run(canceled.clone(), core));
        Timer::new(canceled)
    }

    pub(super) fn alive(&self) -> Option<Arc<NodeCore>> {
        let core = self.core.upgrade().filter(|core| !core.end.over.is_cancelled());
        if core.is_none() {
            tracing::debug!(nid = %self.nid, "the node has stopped; it runs nothing more");
        }
        core
    }
}

/// What [`NodeHandle::after`], [`ActorRef::after`](crate::ActorRef::after) and their neighbours began. Dropping it changes nothing; see
/// [`cancel_on_drop`](Self::cancel_on_drop).
#[derive(Clone, Debug)]
pub struct Timer {
    canceled: CancellationToken,
}

/// Cancels a [`Timer`] when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it cancels the timer"]
pub struct TimerGuard {
    _canceled: DropGuard,
}

impl Timer {
    pub(super) fn new(canceled: CancellationToken) -> Self {
        Self { canceled }
    }

    /// Nothing is begun any more. A run at hand finishes.
    pub fn cancel(&self) {
        self.canceled.cancel();
    }

    /// Cancels it when the guard is dropped: for timers that belong to something.
    pub fn cancel_on_drop(self) -> TimerGuard {
        TimerGuard { _canceled: self.canceled.drop_guard() }
    }
}

impl Context {
    /// The node, for what outlives the request.
    pub fn node(&self) -> NodeHandle {
        NodeHandle::new(self.core())
    }

    /// Runs a function in order with the messages and events of this session, after those that wait already; for a message
    /// that a node sent, with the messages of that node. The rest is as in [`NodeHandle::invoke`].
    pub fn invoke(&self, function: impl Future<Output = ()> + Send + 'static) -> Result<(), InvokeError> {
        let lane = self.core().lane_of(self.origin(), self.cid);
        Arc::clone(self.core()).invoke(lane, function)
    }
}

impl NodeCore {
    fn invoke(
        self: Arc<Self>,
        lane: LaneKey,
        function: impl Future<Output = ()> + Send + 'static,
    ) -> Result<(), InvokeError> {
        if self.end.over.is_cancelled() {
            return Err(InvokeError::Stopped);
        }
        self.begin(lane, Job::Task(Box::pin(function)), INVOKES).map_err(|_| InvokeError::Full)
    }

    /// Never panics, whatever the task does.
    pub(super) async fn run_task(&self, task: impl Future<Output = ()>, end: &CancellationToken) {
        match end.run_until_cancelled(catch_panic(task)).await {
            Some(Ok(())) => {}
            Some(Err(_)) => tracing::error!(nid = %self.nid, "a task panicked"),
            // How many there are is said where they are given up.
            None => tracing::debug!(nid = %self.nid, "the node has stopped before a task has ended"),
        }
    }
}

impl fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeHandle").field("nid", &self.nid).finish_non_exhaustive()
    }
}
