//! A running node: from a delivered message to its answer.

use std::sync::{Arc, Weak};
use std::task::Poll;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::lanes::{LaneKey, Lanes};
use super::router::Router;
use super::{Context, Dispatch};
use crate::cluster::{
    Cluster, Delivery, GateLink, LinkError, NodeAnswer, NodeLink, NodeOp, Origin, Presence, SessionEvent, Undelivered,
};
use crate::error::{Code, Error};
use crate::future::{BoxFuture, catch_panic};
use crate::id::{Cid, Gid, Nid, RouteId, Seq};
use crate::packet::Packet;
use crate::route::RouteSpec;
use crate::session::WINDOW;
use crate::status::Status;

pub(crate) struct NodeCore {
    pub(super) this: Weak<Self>,
    pub(super) nid: Nid,
    pub(super) name: String,
    pub(super) dispatch: Dispatch,
    /// How many requests of one session of this process may wait.
    pub(super) lane: usize,
    pub(super) lanes: Lanes<Delivery>,
    pub(super) router: Router,
    pub(super) presence: Presence,
    pub(super) cluster: Cluster,
    pub(super) tasks: TaskTracker,
    /// Ends what still runs when the drain time is over.
    pub(super) stop: CancellationToken,
}

impl NodeLink for NodeCore {
    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        let Some(this) = self.this.upgrade().filter(|_| !self.stop.is_cancelled()) else {
            return Err(Undelivered::Gone(delivery));
        };
        let key = self.lane_of(&delivery.origin, delivery.cid);
        // Gates of other processes cannot be kept waiting: they count what they have sent.
        let room = if delivery.request.is_some() { self.lane } else { self.lane.max(WINDOW) };
        let Some(delivery) = self.lanes.enter(&key, delivery, room).map_err(Undelivered::Full)? else {
            return Ok(());
        };
        // The first poll happens right here, on the reader's stack: most handlers never wait, and cost no task.
        let mut request = Box::pin(Arc::clone(&this).handle(delivery));
        let mut noop = std::task::Context::from_waker(std::task::Waker::noop());
        let rest = match request.as_mut().poll(&mut noop) {
            Poll::Pending => Some(request),
            // What came meanwhile on a lane of the whole node is not this reader's work.
            Poll::Ready(()) => this.lanes.next(&key).map(|next| Box::pin(Arc::clone(&this).handle(next))),
        };
        if let Some(first) = rest {
            let tasks = this.tasks.clone();
            tasks.spawn(this.drain_lane(key, first));
        }
        Ok(())
    }

    fn room(&self, gid: &Gid, cid: Cid) -> BoxFuture<'_, ()> {
        let key = match self.dispatch {
            Dispatch::PerSession => LaneKey::Session(gid.clone(), cid),
            Dispatch::Serial => LaneKey::Node,
        };
        Box::pin(async move {
            self.stop.run_until_cancelled(self.lanes.room(&key, self.lane)).await;
        })
    }

    fn crowd_out(&self, delivery: Delivery) -> Option<Delivery> {
        let Origin::Gate { gate, .. } = &delivery.origin else { return Some(delivery) };
        if self.dispatch == Dispatch::Serial {
            return Some(delivery);
        }
        let Packet { route, seq, .. } = delivery.packet;
        let answer = Answer { gate: Arc::clone(gate), cid: delivery.cid, route, seq };
        self.refuse(&answer, &Error::new(Code::TOO_MANY_REQUESTS, "too many requests wait"));
        None
    }

    fn trigger(&self, _: SessionEvent) {}

    fn call(&self, op: NodeOp) -> BoxFuture<'_, Result<NodeAnswer, LinkError>> {
        Box::pin(async move {
            match op {
                NodeOp::Deliver(delivery) => match self.deliver(delivery) {
                    Ok(()) => Ok(NodeAnswer::Done),
                    Err(Undelivered::Full(_)) => Err(LinkError::Failed("too many messages wait".to_owned())),
                    Err(Undelivered::Gone(_)) => Err(LinkError::Failed("the node is stopping".to_owned())),
                },
                NodeOp::State => Ok(NodeAnswer::State(self.presence.state().await)),
                NodeOp::SetState(state) => match self.presence.set_state(state).await {
                    Ok(()) => Ok(NodeAnswer::Done),
                    Err(error) => Err(LinkError::Failed(error.to_string())),
                },
            }
        })
    }
}

impl NodeCore {
    fn lane_of(&self, origin: &Origin, cid: Cid) -> LaneKey {
        match (self.dispatch, origin) {
            (Dispatch::Serial, _) => LaneKey::Node,
            (Dispatch::PerSession, Origin::Gate { gid, .. }) => LaneKey::Session(gid.clone(), cid),
            (Dispatch::PerSession, Origin::Node { nid, .. }) => LaneKey::Peer(nid.clone()),
        }
    }

    async fn drain_lane(self: Arc<Self>, key: LaneKey, first: impl Future<Output = ()>) {
        first.await;
        while let Some(next) = self.lanes.next(&key) {
            // Requests that never wait would keep everything else from this thread.
            tokio::task::coop::consume_budget().await;
            Arc::clone(&self).handle(next).await;
        }
    }

    /// One request, from its bytes to its answer. Never panics, whatever the handler does, and ends soon after `stop`.
    async fn handle(self: Arc<Self>, delivery: Delivery) {
        let Delivery { origin, cid, uid, packet, request: _until_answered, misses: _ } = delivery;
        let Origin::Gate { gid, gate } = origin else { return };
        let answer = Answer { gate: Arc::clone(&gate), cid, route: packet.route, seq: packet.seq };
        let Some((routes, index)) = self.router.find(packet.route) else {
            let error = Error::new(Code::NOT_FOUND, format!("no handler for route {}", packet.route));
            return self.refuse(&answer, &error);
        };
        let spec = &routes.specs()[index];
        if (spec.authorized || spec.stateful) && uid.is_none() {
            return self.refuse(&answer, &Error::new(Code::UNAUTHORIZED, "log in first"));
        }
        let mut ctx = Context::new(Arc::clone(&self), gid, gate, cid, uid, packet.route, packet.seq);
        // Both the making of the future and its polls are the handler's code.
        let call = catch_panic(async { routes.call(index, &mut ctx, packet.body).await });
        let Some(outcome) = self.stop.run_until_cancelled(call).await else {
            return self.refuse(&answer, &Error::new(Code::CANCELED, "the server is stopping"));
        };
        match outcome {
            Ok(Ok(reply)) => {
                if let Some(packet) = reply.into_packet() {
                    answer.send(packet);
                }
            }
            Ok(Err(error)) => self.refuse(&answer, &error),
            Err(_) => self.panicked(&answer, spec),
        }
    }

    fn panicked(&self, answer: &Answer, spec: &RouteSpec) {
        tracing::error!(route = %answer.route, service = spec.service, method = spec.method, "the handler panicked");
        self.refuse(answer, &Error::new(Code::INTERNAL, "internal error"));
    }

    /// The answer to a request that has no response: a status on route -1.
    fn refuse(&self, answer: &Answer, error: &Error) {
        log_failure(answer.route, answer.cid, error);
        if !self.cluster.backends().statuses {
            return;
        }
        let status = Status::of(answer.route, answer.seq, error);
        match self.cluster.packet(RouteId::STATUS, answer.seq, &status) {
            Ok(packet) => answer.send(packet),
            Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "a status could not be written"),
        }
    }
}

struct Answer {
    gate: Arc<dyn GateLink>,
    cid: Cid,
    route: RouteId,
    seq: Seq,
}

impl Answer {
    fn send(&self, packet: Bytes) {
        if let Err(error) = self.gate.push(self.cid, packet) {
            tracing::debug!(cid = %self.cid, route = %self.route, %error, "the client is gone before its answer");
        }
    }
}

/// A cause means that the server failed; without one the handler has said no.
pub(super) fn log_failure(route: RouteId, cid: Cid, error: &Error) {
    match error.cause() {
        Some(_) => tracing::warn!(%route, %cid, %error, "request failed"),
        None => tracing::debug!(%route, %cid, %error, "request failed"),
    }
}
