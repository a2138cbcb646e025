//! A node runs the rules: it answers the requests that gates deliver on its routes.

mod context;
mod lanes;
mod router;
mod serve;

use std::fmt;
use std::io;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use context::{Context, Reply};
use lanes::Lanes;
pub use router::RouteConflict;
use router::Router;
use serve::NodeCore;

use crate::cluster::{Backends, Balance, Cluster, Door, Member, Presence, Server};
use crate::codec::{Codec, Unsupported};
use crate::id::{Nid, RouteId};
use crate::registry::{Instance, Kind, RegistryError};
use crate::route::{RouteSpec, Routes};

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
    #[error(
        "{service} has stateful routes of nodes named {wanted:?}, but this node is named {name:?}; serve it from a node of that name"
    )]
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
        let member = Member::new(Kind::Node, self.nid.as_str(), &backends.format);
        let cluster = Cluster::join(backends, codec, member, Balance::default()).await?;
        let core = Arc::new_cyclic(|this| NodeCore {
            this: this.clone(),
            nid: self.nid,
            name: self.name,
            dispatch: self.dispatch,
            lane: self.lane,
            lanes: Lanes::new(),
            router: self.router,
            presence: Presence::new(&backends.registry),
            cluster,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        });
        let home: Weak<NodeCore> = Arc::downgrade(&core);
        core.cluster.settle(home);
        let server = Server::Node(core.clone(), core.cluster.clone());
        let attached = backends.link.attach(core.cluster.member(), server).await.map_err(StartNodeError::Attach)?;
        let mut instance = Instance::new(Kind::Node, core.nid.as_str());
        instance.alias = core.name.clone();
        instance.weight = self.weight;
        instance.routes = core.router.specs().map(Into::into).collect();
        instance.set_oneway_routes(core.router.specs().filter(|spec| spec.oneway).map(|spec| spec.id));
        instance.endpoint = attached.endpoint;
        core.presence.register(instance).await?;
        tracing::info!(nid = %core.nid, name = core.name, routes = core.router.len(), "node registered");
        Ok(RunningNode { core, link: attached.door, drain: self.drain })
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

    /// How long a stop waits for the requests at hand. Default: 10 s. What runs longer is dropped, and answered like what
    /// still waits: with [`Code::CANCELED`](crate::Code::CANCELED).
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
    #[error("no other server could reach the node")]
    Attach(#[source] io::Error),
}

pub(crate) struct RunningNode {
    core: Arc<NodeCore>,
    /// Where other servers come in.
    link: Option<Box<dyn Door>>,
    drain: Duration,
}

impl RunningNode {
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.core.cluster
    }

    /// Takes no new sessions: gates send their stateless routes elsewhere.
    pub(crate) async fn leave(&self) {
        self.core.presence.hang().await;
    }

    /// Waits for the requests at hand, then goes.
    pub(crate) async fn stop(self) {
        let core = &self.core;
        core.tasks.close();
        if tokio::time::timeout(self.drain, core.lanes.idle()).await.is_err() {
            tracing::warn!(nid = %core.nid, "drain time is over; requests at hand are given up");
        }
        core.presence.deregister().await;
        core.stop.cancel();
        core.tasks.wait().await;
        core.cluster.leave().await;
        if let Some(link) = self.link {
            link.close().await;
        }
        tracing::info!(nid = %core.nid, "node stopped");
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
