//! A running node: every message, event and task finds its lane here.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Dispatch;
use super::actor::Directory;
use super::crowd::Crowd;
use super::departures::Departures;
use super::entrance::Entrance;
use super::events::Events;
use super::lanes::{LaneKey, Lanes, Limit, Waits};
use super::request::stopping;
use super::router::Router;
use crate::cluster::{
    self, Cluster, Delivery, Event, GateLink, LinkError, NodeAnswer, NodeLink, NodeOp, NodeServer, Origin, Presence,
    SessionEvent, Undelivered,
};
use crate::error::{Code, Error};
use crate::future::BoxFuture;
use crate::id::{Cid, Gid, Nid};
use crate::session::WINDOW;

/// How long a server that asks whether a message is taken waits for room, and for the locator.
const PATIENCE: Duration = Duration::from_secs(3);
/// Events that may wait in one lane: for a serial node, more than most gates have sessions. A lane that is full for
/// requests takes events all the same.
pub(super) const EVENTS: usize = 1 << 16;
/// What a session of another process may have waiting beyond the count: gates of due send without bounds.
const BURST: usize = 1024 * 1024;

pub(crate) struct NodeCore {
    pub(super) this: Weak<Self>,
    pub(super) nid: Nid,
    pub(super) name: String,
    /// The gate of messages that have none.
    pub(super) no_gate: Gid,
    pub(super) dispatch: Dispatch,
    /// How many requests of one session of this process may wait.
    pub(super) lane: usize,
    pub(super) lanes: Lanes<Job>,
    pub(super) router: Router,
    pub(super) events: Events,
    pub(super) actors: Directory,
    pub(super) departures: Arc<Departures>,
    pub(super) crowd: Crowd,
    pub(super) presence: Presence,
    pub(super) cluster: Cluster,
    /// Lanes at work, and what handlers spawn.
    pub(super) tasks: TaskTracker,
    pub(super) end: End,
    /// A message has come since the last look.
    pub(super) heard: AtomicBool,
}

/// The steps to the end of a node.
#[derive(Default)]
pub(super) struct End {
    /// Is about to.
    pub(super) leaving: CancellationToken,
    /// Takes no more messages.
    pub(super) closed: CancellationToken,
    /// The same, for those who ask once per message: the token takes a lock.
    pub(super) is_closed: AtomicBool,
    /// What was begun before is given up.
    pub(super) overdue: CancellationToken,
    /// Everything is.
    pub(super) over: CancellationToken,
}

/// What has its turn in a lane.
pub(super) enum Job {
    Message(Delivery),
    Event(SessionEvent),
    Task(BoxFuture<'static, ()>),
}

impl Waits for Job {
    fn bytes(&self) -> usize {
        let body = match self {
            Self::Message(delivery) => delivery.packet.body.len(),
            Self::Event(_) | Self::Task(_) => 0,
        };
        size_of::<Self>() + body
    }
}

impl End {
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        self.closed.cancel();
    }
}

impl NodeLink for NodeCore {
    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        if delivery.answers(self.cluster.calls()) {
            return Ok(());
        }
        let Some(this) = self.this.upgrade().filter(|_| !self.end.is_closed.load(Ordering::Acquire)) else {
            return Err(Undelivered::Gone(delivery));
        };
        self.hears_something();
        let key = self.lane_of(&delivery.origin, delivery.cid);
        let limit = self.lane_limit(delivery.request.is_some());
        let delivery = match self.lanes.enter(&key, Job::Message(delivery), limit) {
            Ok(Some(Job::Message(delivery))) => delivery,
            Err(Job::Message(delivery)) => return Err(Undelivered::Full(delivery)),
            _ => return Ok(()),
        };
        if is_nested(&delivery) {
            let tasks = this.tasks.clone();
            let first = Arc::clone(&this).serve(delivery);
            tasks.spawn(this.drain_lane(key, first));
            return Ok(());
        }
        if let Some(key) = self.begin_here(key, this.serve(delivery)) {
            self.end_turn(key);
        }
        Ok(())
    }

    fn room(&self, gid: &Gid, cid: Cid) -> BoxFuture<'_, ()> {
        let key = self.session_lane(gid, cid);
        Box::pin(async move {
            self.end.closed.run_until_cancelled(self.lanes.room(&key, self.lane_limit(true))).await;
        })
    }

    fn trigger(&self, event: SessionEvent) {
        self.note(&event);
        self.tell(event);
    }

    fn call(&self, op: NodeOp) -> BoxFuture<'_, Result<NodeAnswer, LinkError>> {
        Box::pin(async move {
            match op {
                NodeOp::Deliver(delivery) => self.take(delivery).await.map(|()| NodeAnswer::Done),
                NodeOp::State => Ok(NodeAnswer::State(self.presence.state().await)),
                NodeOp::SetState(state) => self.presence.change_state(state).await.map(|()| NodeAnswer::Done),
            }
        })
    }
}

impl NodeServer for NodeCore {
    fn entrance(&self, gid: &Gid, gate: &Arc<dyn GateLink>) -> Box<dyn cluster::Entrance> {
        let node = self.this.upgrade().expect("whoever calls holds the node");
        Box::new(Entrance::new(node, Origin::Gate { gid: gid.clone(), gate: Arc::clone(gate) }))
    }

    fn make_room(&self, delivery: Delivery) -> BoxFuture<'_, Option<Delivery>> {
        let (key, limit) = (self.lane_of(&delivery.origin, delivery.cid), self.lane_limit(false));
        Box::pin(async move {
            let is_there = async {
                match &key {
                    // Others of this gate wait behind it.
                    LaneKey::Session(..) => self.lanes.room_soon(&key, limit).await,
                    _ => {
                        self.lanes.room(&key, limit).await;
                        true
                    }
                }
            };
            if self.end.closed.run_until_cancelled(is_there).await != Some(false) {
                return Some(delivery);
            }
            let this = self.this.upgrade()?;
            this.turn_away(delivery, &Error::new(Code::TOO_MANY_REQUESTS, "too many requests wait"));
            None
        })
    }

    fn too_late(&self, delivery: Delivery) {
        if let Some(this) = self.this.upgrade() {
            this.turn_away(delivery, &stopping());
        }
    }
}

/// Calls of this process are made on the stack of a handler, which may have been called likewise.
fn is_nested(delivery: &Delivery) -> bool {
    matches!(&delivery.origin, Origin::Node { node, .. } if delivery.cid.0 > 0 && !node.is_remote())
}

impl NodeCore {
    /// Has an event handled, if anybody wants to hear it.
    pub(super) fn tell(&self, event: SessionEvent) {
        let Some(this) = self.this.upgrade().filter(|_| !self.end.over.is_cancelled()) else { return };
        if !self.hears(event.event) {
            return;
        }
        if event.event == Event::Disconnect {
            self.departures.depart(&event.gid, event.cid);
        }
        let key = self.session_lane(&event.gid, event.cid);
        // A session has one event at its beginning, one at its end, and one per login.
        if let Err(Job::Event(event)) = this.begin(key, Job::Event(event), EVENTS) {
            let SessionEvent { event, gid, cid, .. } = event;
            if event == Event::Disconnect {
                self.departures.forget(&gid, cid);
            }
            tracing::warn!(?event, %gid, %cid, "too many events wait; one is lost");
        }
    }

    pub(super) fn lane_of(&self, origin: &Origin, cid: Cid) -> LaneKey {
        match (self.dispatch, origin) {
            (Dispatch::Serial, _) => LaneKey::Node,
            (Dispatch::PerSession, Origin::Gate { gid, .. }) => LaneKey::Session(gid.clone(), cid),
            (Dispatch::PerSession, Origin::Node { nid, .. }) if cid == Cid(0) => LaneKey::Peer(nid.clone()),
            (Dispatch::PerSession, Origin::Node { nid, .. }) => LaneKey::Call(nid.clone(), cid),
        }
    }

    /// What may wait in a lane. Sessions of this process are not read from beyond it; those of others are to find room for
    /// all that their window may hold.
    fn lane_limit(&self, is_of_this_process: bool) -> Limit {
        match is_of_this_process {
            true => Limit::requests(self.lane),
            false => Limit { requests: self.lane.max(WINDOW), bytes: BURST },
        }
    }

    fn session_lane(&self, gid: &Gid, cid: Cid) -> LaneKey {
        match self.dispatch {
            Dispatch::PerSession => LaneKey::Session(gid.clone(), cid),
            Dispatch::Serial => LaneKey::Node,
        }
    }

    /// Takes a message whose sender waits for an answer, and says whether it is the right node.
    async fn take(&self, mut delivery: Delivery) -> Result<(), LinkError> {
        if delivery.answers(self.cluster.calls()) {
            return Ok(());
        }
        let key = self.lane_of(&delivery.origin, delivery.cid);
        let entered = timeout(PATIENCE, async {
            if self.end.leaving.is_cancelled() {
                self.until_moved(&delivery).await;
            }
            self.check_owner(&delivery).await?;
            loop {
                delivery = match self.deliver(delivery) {
                    Ok(()) => return Ok(()),
                    Err(Undelivered::Full(delivery)) => delivery,
                    Err(Undelivered::Gone(_)) => return Err(LinkError::Failed("the node is stopping".to_owned())),
                };
                self.end.closed.run_until_cancelled(self.lanes.room(&key, self.lane_limit(false))).await;
            }
        });
        entered.await.unwrap_or_else(|_| Err(LinkError::Failed("it did not take the message in time".to_owned())))
    }

    /// Polls a request that has its turn right here, on the reader's stack: most handlers never wait, and cost no task. `None`:
    /// it goes on in one, and what comes behind it waits.
    pub(super) fn begin_here(&self, key: LaneKey, mut request: BoxFuture<'static, ()>) -> Option<LaneKey> {
        let mut noop = std::task::Context::from_waker(std::task::Waker::noop());
        if request.as_mut().poll(&mut noop).is_ready() {
            return Some(key);
        }
        self.spawn_lane(key, |_| request);
        None
    }

    /// What came meanwhile is not the work of the reader whose request has ended.
    pub(super) fn end_turn(&self, key: LaneKey) {
        if let Some(next) = self.lanes.next(&key) {
            self.spawn_lane(key, |this| this.job(next));
        }
    }

    pub(super) fn hears_something(&self) {
        // Looked at first, so that readers on other threads are not in each other's way.
        if !self.heard.load(Ordering::Relaxed) {
            self.heard.store(true, Ordering::Relaxed);
        }
    }

    /// Has a job run when it is its turn. `Err`: `limit` others wait already.
    #[expect(clippy::result_large_err, reason = "a job that is not taken comes back")]
    pub(super) fn begin(self: Arc<Self>, key: LaneKey, job: Job, limit: usize) -> Result<(), Job> {
        if let Some(first) = self.lanes.enter(&key, job, Limit::requests(limit))? {
            self.spawn_lane(key, |this| this.job(first));
        }
        Ok(())
    }

    /// Runs what `first` gives and then what waits behind it.
    fn spawn_lane(&self, key: LaneKey, first: impl FnOnce(Arc<Self>) -> BoxFuture<'static, ()>) {
        let this = self.this.upgrade().expect("whoever calls holds the node");
        let first = first(Arc::clone(&this));
        self.tasks.spawn(this.drain_lane(key, first));
    }

    fn job(self: Arc<Self>, job: Job) -> BoxFuture<'static, ()> {
        match job {
            Job::Message(delivery) => self.serve(delivery),
            Job::Event(event) => Box::pin(self.hear(event)),
            Job::Task(task) => Box::pin(async move { self.run_task(task, self.limit()).await }),
        }
    }

    async fn drain_lane(self: Arc<Self>, key: LaneKey, first: BoxFuture<'static, ()>) {
        first.await;
        while let Some(next) = self.lanes.next(&key) {
            // Jobs that never wait would keep everything else from this thread.
            tokio::task::coop::consume_budget().await;
            match next {
                Job::Message(delivery) if self.end.overdue.is_cancelled() => {
                    if let Some(delivery) = self.follow(delivery).await {
                        Arc::clone(&self).turn_away(delivery, &stopping());
                    }
                }
                other => Arc::clone(&self).job(other).await,
            }
        }
    }

    /// Whether gates are to tell of such events: who wants to hear of ends has to know of whom.
    pub(super) fn is_told(&self, event: Event) -> bool {
        self.hears(event) || self.hears(Event::Disconnect)
    }

    /// Whether such events mean anything here.
    pub(super) fn hears(&self, event: Event) -> bool {
        self.events.has(event)
            || (event == Event::Disconnect && self.router.asks_for_departures)
            || self.router.kinds().iter().any(|kind| kind.events.contains(&event))
    }

    /// Waits until no message has come for a while.
    pub(super) async fn unheard_for(&self, while_long: Duration) {
        loop {
            self.heard.store(false, Ordering::Relaxed);
            sleep(while_long).await;
            if !self.heard.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    /// What ends a job that is not a request.
    pub(super) fn limit(&self) -> &CancellationToken {
        if self.end.overdue.is_cancelled() { &self.end.over } else { &self.end.overdue }
    }
}
