//! A node runs the rules: it answers the requests that gates deliver on its routes.

mod context;
mod lanes;
mod router;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use context::{Context, Reply};
use lanes::{LaneKey, Lanes};
pub use router::RouteConflict;
use router::Router;

use crate::cluster::{Backends, Cluster, Delivery, GateLink, NodeLink, Undelivered};
use crate::codec::{Codec, Unsupported};
use crate::error::{Code, Error};
use crate::future::BoxFuture;
use crate::id::{Cid, Gid, Nid, RouteId};
use crate::registry::{Instance, Kind, RegistryError, State};
use crate::route::{RouteSpec, Routes};
use crate::status::Status;

/// How requests of different sessions share the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Dispatch {
    /// Requests of one session are handled in order, one after another; sessions do not wait for each other.
    #[default]
    PerSession,
    /// One request at a time for the whole node, in the order of arrival: due's single-threaded model.
    Serial,
}

/// A node that is configured but not started; [`App`](crate::App) runs it.
pub struct Node {
    nid: Nid,
    name: String,
    codec: Option<Codec>,
    dispatch: Dispatch,
    lane: usize,
    weight: i32,
    drain: Duration,
    router: Router,
}

/// Collects the parts of a [`Node`].
#[must_use]
pub struct NodeBuilder {
    nid: Option<Nid>,
    name: Option<String>,
    codec: Option<Codec>,
    dispatch: Dispatch,
    lane: usize,
    weight: i32,
    drain: Duration,
    services: Vec<Box<dyn Routes>>,
}

/// Why a node cannot be built. Each is a mistake in the program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Two routes have the same id.
    #[error(transparent)]
    Duplicate(#[from] RouteConflict),
    /// The id does not fit the packet format of the cluster, or is not positive.
    #[error("route {id} of {owner}: ids are positive and fit the packet's {width}-byte route field")]
    OutOfRange {
        /// The id.
        id: RouteId,
        /// Service and method.
        owner: String,
        /// Width of the field in bytes.
        width: usize,
    },
    /// Stateful routes belong to the nodes of the name that the schema gives; the locator knows users by it.
    #[error("{service} has stateful routes of nodes named {wanted:?}, but this node is named {name:?}; serve it from a node of that name")]
    WrongName {
        /// The service.
        service: String,
        /// The name in the schema.
        wanted: String,
        /// The name of this node.
        name: String,
    },
    /// A body type of a route has no form in the node's codec.
    #[error("route {id} of {owner}: {source}")]
    Unsupported {
        /// The id.
        id: RouteId,
        /// Service and method.
        owner: String,
        /// Which type, which codec, and what to do.
        source: Unsupported,
    },
}

impl Node {
    /// A node without routes, named `node`, with a random id.
    pub fn builder() -> NodeBuilder {
        NodeBuilder {
            nid: None,
            name: None,
            codec: None,
            dispatch: Dispatch::default(),
            lane: 64,
            weight: 1,
            drain: Duration::from_secs(10),
            services: Vec::new(),
        }
    }

    /// The name of its group.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its routes in the order of their ids.
    pub fn routes(&self) -> impl Iterator<Item = &RouteSpec> {
        self.router.specs()
    }

    pub(crate) async fn start(self, backends: &Backends) -> Result<RunningNode, StartNodeError> {
        let codec = self.codec.unwrap_or_else(|| backends.codec.clone());
        self.router.check(&backends.format, &codec)?;
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let cluster = Cluster::join(backends, codec, &tasks, &stop).await?;
        let core = Arc::new_cyclic(|this| NodeCore {
            this: this.clone(),
            nid: self.nid,
            name: self.name,
            dispatch: self.dispatch,
            lanes: Lanes::new(self.lane),
            router: self.router,
            cluster,
            tasks,
            stop,
            instance: OnceLock::new(),
        });
        let link: Arc<dyn NodeLink> = core.clone();
        let mut instance = Instance::new(Kind::Node, core.nid.as_str());
        instance.alias = core.name.clone();
        instance.weight = self.weight;
        instance.routes = core.router.specs().map(Into::into).collect();
        instance.endpoint = backends.link.attach_node(&core.nid, &link);
        backends.registry.register(instance.clone()).await?;
        core.instance.get_or_init(|| instance);
        tracing::info!(nid = %core.nid, name = core.name, routes = core.router.len(), "node registered");
        Ok(RunningNode { core, drain: self.drain })
    }
}

impl NodeBuilder {
    /// The instance id. Default: random.
    pub fn id(mut self, nid: impl Into<Nid>) -> Self {
        self.nid = Some(nid.into());
        self
    }

    /// The name of the group that this node belongs to. Default: the name that its services agree on, else `node`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How bodies are written. Default: the codec of the [`Backends`].
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = Some(codec);
        self
    }

    /// How requests of different sessions share the node. Default: [`Dispatch::PerSession`].
    pub fn dispatch(mut self, dispatch: Dispatch) -> Self {
        self.dispatch = dispatch;
        self
    }

    /// How many requests of one session may wait while one is handled (of the whole node under
    /// [`Dispatch::Serial`]). More are not read from the connection. Default: 64.
    pub fn lane(mut self, requests: usize) -> Self {
        self.lane = requests.max(1);
        self
    }

    /// The share of traffic under weighted dispatch. Default: 1.
    pub fn weight(mut self, weight: i32) -> Self {
        self.weight = weight;
        self
    }

    /// How long a stop waits for the requests at hand. Default: 10 s.
    pub fn drain(mut self, deadline: Duration) -> Self {
        self.drain = deadline;
        self
    }

    /// Adds a table of routes: a generated `...Routes`, or [`routes!`](crate::routes).
    pub fn serve(mut self, routes: impl Routes) -> Self {
        self.services.push(Box::new(routes));
        self
    }

    /// Checks that all parts fit together; ids against the packet format when the node starts.
    pub fn build(self) -> Result<Node, BuildError> {
        let name = self.name.unwrap_or_else(|| {
            let mut names = self.services.iter().filter_map(|routes| routes.node());
            match names.next() {
                Some(first) if names.all(|name| name == first) => first.to_owned(),
                _ => "node".to_owned(),
            }
        });
        let router = Router::new(self.services)?;
        router.check_name(&name)?;
        Ok(Node {
            nid: self.nid.unwrap_or_else(|| Nid::from(uuid::Uuid::new_v4().to_string())),
            name,
            codec: self.codec,
            dispatch: self.dispatch,
            lane: self.lane,
            weight: self.weight,
            drain: self.drain,
            router,
        })
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StartNodeError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

pub(crate) struct RunningNode {
    core: Arc<NodeCore>,
    drain: Duration,
}

impl RunningNode {
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.core.cluster
    }

    /// Takes no new sessions: gates send their stateless routes elsewhere.
    pub(crate) async fn leave(&self) {
        let Some(instance) = self.core.instance.get() else { return };
        let hanging = Instance { state: State::Hang, ..instance.clone() };
        if let Err(error) = self.core.cluster.backends().registry.register(hanging).await {
            tracing::warn!(nid = %self.core.nid, error = &error as &dyn std::error::Error, "the registry was not told");
        }
    }

    /// Waits for the requests at hand, then goes.
    pub(crate) async fn stop(self) {
        let core = &self.core;
        core.tasks.close();
        if tokio::time::timeout(self.drain, core.lanes.idle()).await.is_err() {
            tracing::warn!(nid = %core.nid, "drain time is over; requests at hand are given up");
        }
        if let Err(error) = core.cluster.backends().registry.deregister(Kind::Node, core.nid.as_str()).await {
            tracing::warn!(nid = %core.nid, error = &error as &dyn std::error::Error, "not deregistered");
        }
        core.stop.cancel();
        core.tasks.wait().await;
        tracing::info!(nid = %core.nid, "node stopped");
    }
}

pub(crate) struct NodeCore {
    this: std::sync::Weak<Self>,
    nid: Nid,
    name: String,
    dispatch: Dispatch,
    lanes: Lanes,
    router: Router,
    cluster: Cluster,
    tasks: TaskTracker,
    /// Ends what still runs when the drain time is over.
    stop: CancellationToken,
    instance: OnceLock<Instance>,
}

impl NodeLink for NodeCore {
    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        let Some(this) = self.this.upgrade().filter(|_| !self.stop.is_cancelled()) else {
            return Err(Undelivered::Gone(delivery));
        };
        let key = self.lane(&delivery.gid, delivery.cid);
        let Some(delivery) = self.lanes.enter(&key, delivery).map_err(Undelivered::Full)? else {
            return Ok(());
        };
        // The first poll happens right here, on the reader's stack: most handlers never wait, and cost no task.
        let mut request = Box::pin(Arc::clone(&this).handle(delivery));
        let mut noop = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            if request.as_mut().poll(&mut noop).is_pending() {
                let tasks = this.tasks.clone();
                tasks.spawn(async move {
                    let stop = this.stop.clone();
                    stop.run_until_cancelled(this.drain_lane(key, request)).await;
                });
                return Ok(());
            }
            let Some(next) = this.lanes.next(&key) else { return Ok(()) };
            request = Box::pin(Arc::clone(&this).handle(next));
        }
    }

    fn room(&self, gid: &Gid, cid: Cid) -> BoxFuture<'_, ()> {
        let key = self.lane(gid, cid);
        Box::pin(async move {
            self.stop.run_until_cancelled(self.lanes.room(&key)).await;
        })
    }
}

impl NodeCore {
    fn lane(&self, gid: &Gid, cid: Cid) -> LaneKey {
        match self.dispatch {
            Dispatch::PerSession => LaneKey::Session(gid.clone(), cid),
            Dispatch::Serial => LaneKey::Node,
        }
    }

    async fn drain_lane(self: Arc<Self>, key: LaneKey, first: impl Future<Output = ()>) {
        first.await;
        while let Some(next) = self.lanes.next(&key) {
            Arc::clone(&self).handle(next).await;
        }
    }

    /// One request, from its bytes to its answer. Never panics, whatever the handler does.
    async fn handle(self: Arc<Self>, delivery: Delivery) {
        let Delivery { gid, gate, cid, uid, packet } = delivery;
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
        let outcome = {
            let mut future = match std::panic::catch_unwind(AssertUnwindSafe(|| {
                routes.call(index, &mut ctx, packet.body)
            })) {
                Ok(future) => future,
                Err(_) => return self.panicked(&answer, spec),
            };
            std::future::poll_fn(|cx| {
                match std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
                    Ok(Poll::Ready(outcome)) => Poll::Ready(Some(outcome)),
                    Ok(Poll::Pending) => Poll::Pending,
                    Err(_) => Poll::Ready(None),
                }
            })
            .await
        };
        match outcome {
            Some(Ok(reply)) => {
                if let Some(packet) = reply.into_packet() {
                    answer.send(packet);
                }
            }
            Some(Err(error)) => self.refuse(&answer, &error),
            None => self.panicked(&answer, spec),
        }
    }

    fn panicked(&self, answer: &Answer, spec: &RouteSpec) {
        tracing::error!(route = %answer.route, service = spec.service, method = spec.method, "the handler panicked");
        self.refuse(answer, &Error::new(Code::INTERNAL, "internal error"));
    }

    /// The answer to a request that has no response: a status on route -1.
    fn refuse(&self, answer: &Answer, error: &Error) {
        if let Some(cause) = error.cause() {
            tracing::warn!(route = %answer.route, cid = %answer.cid, %error, cause = %cause, "request failed");
        } else {
            tracing::debug!(route = %answer.route, cid = %answer.cid, %error, "request failed");
        }
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
    seq: crate::id::Seq,
}

impl Answer {
    fn send(&self, packet: Bytes) {
        if let Err(error) = self.gate.push(self.cid, packet) {
            tracing::debug!(cid = %self.cid, route = %self.route, %error, "the client is gone before its answer");
        }
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("nid", &self.nid).field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for NodeBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeBuilder").field("name", &self.name).finish_non_exhaustive()
    }
}
