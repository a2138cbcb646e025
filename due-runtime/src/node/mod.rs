//! A node runs the rules: it answers the requests that gates deliver on its routes.

mod actor;
mod builder;
mod context;
mod crowd;
mod departures;
mod entrance;
mod events;
mod fallback;
mod handle;
mod hooks;
mod lanes;
mod layered;
mod middleware;
mod reply;
mod request;
mod router;
mod running;
mod serve;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio_util::task::TaskTracker;

use actor::Directory;
pub use actor::{Actor, ActorError, ActorKind, ActorRef, SpawnError, StopCause};
pub use builder::NodeBuilder;
pub use context::{Context, Sender};
pub use events::EventHandler;
use events::Events;
pub use fallback::DefaultHandler;
pub use handle::{InvokeError, NodeHandle, Timer, TimerGuard};
use hooks::Hooks;
use lanes::Lanes;
pub use layered::{Layered, RouteOptions};
pub use middleware::{LayerFn, Middleware, Next, layer_fn};
pub use reply::Reply;
pub use router::RouteConflict;
use router::Router;
pub(crate) use running::RunningNode;
use serve::{End, NodeCore};

use crate::cluster::{Backends, Balance, Cluster, Member, Presence};
use crate::codec::{Codec, Unsupported};
use crate::crypto::Cipher;
use crate::error::Error;
use crate::id::{Gid, Nid, RouteId};
use crate::registry::{Kind, RegistryError};
use crate::route::RouteSpec;

/// How requests of different sessions share the node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Dispatch {
    /// Requests and events of one session are handled in order, one after another; sessions do not wait for each other.
    /// What one other node sends is in order likewise, but for what [actors](crate::Actor) handle; its
    /// [calls](crate::NodeCaller), which it waits for, are not held up.
    #[default]
    PerSession,
    /// One request, event or [invoked](NodeHandle::invoke) function at a time for the whole node, in the order of
    /// arrival: due's single-threaded model. [Actors](crate::Actor) work beside it.
    Serial,
}

/// A node that is configured but not started; [`App`](crate::App) runs it.
#[must_use]
pub struct Node {
    nid: Nid,
    name: String,
    settings: Settings,
    router: Router,
    events: Events,
    hooks: Hooks,
}

#[derive(Debug)]
struct Settings {
    codec: Option<Codec>,
    cipher: Option<Cipher>,
    dispatch: Dispatch,
    lane: usize,
    weight: i32,
    metadata: BTreeMap<String, String>,
    drain: Duration,
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
    /// Middleware or options were given for a route that the table does not have.
    #[error("{service} has no route {id} to put middleware around or to give options to")]
    NoSuchRoute {
        /// The id.
        id: RouteId,
        /// The service.
        service: String,
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
    /// Tables of actors' routes contradict each other: actors of one kind are of one type, and a type is of one kind.
    #[error(
        "{first} and {second} cannot both be served: actors of one kind are of one type, and a type is of one kind"
    )]
    Actors {
        /// Type and kind that were added first.
        first: String,
        /// Type and kind that came later.
        second: String,
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

impl BuildError {
    fn actors(second: ActorKind, first: ActorKind) -> Self {
        let describe = |kind: ActorKind| format!("{} as {:?}", kind.type_name, kind.name);
        Self::Actors { first: describe(first), second: describe(second) }
    }
}

impl Node {
    /// A node without routes, named `node`, with a random id.
    pub fn builder() -> NodeBuilder {
        NodeBuilder::new()
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
        let Settings { codec, cipher, dispatch, lane, weight, metadata, drain } = self.settings;
        let codec = codec.unwrap_or_else(|| backends.codec.clone());
        let cipher = cipher.or_else(|| backends.cipher.clone());
        let mut router = self.router;
        router.check(&backends.format, &codec)?;
        router.measure(&self.nid);
        let member = Member::new(Kind::Node, self.nid.as_str(), &backends.format);
        let cluster = Cluster::join(backends, codec, cipher, member, Balance::default()).await?;
        let core = Arc::new_cyclic(|this| NodeCore {
            this: this.clone(),
            nid: self.nid,
            name: self.name,
            no_gate: Gid::from(""),
            dispatch,
            lane,
            lanes: Lanes::new(),
            router,
            events: self.events,
            actors: Directory::default(),
            departures: Arc::default(),
            crowd: crowd::Crowd::default(),
            presence: Presence::new(&backends.registry),
            cluster,
            tasks: TaskTracker::new(),
            end: End::default(),
            heard: AtomicBool::new(false),
        });
        let home: Weak<NodeCore> = Arc::downgrade(&core);
        core.cluster.settle(home);
        let mut node = RunningNode { core, link: None, hooks: Arc::new(self.hooks), drain };
        match node.open(backends, weight, metadata).await {
            Ok(()) => Ok(node),
            Err(error) => {
                node.abandon().await;
                Err(error)
            }
        }
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
    #[error("a start hook failed: {0}")]
    Hook(Error),
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("nid", &self.nid).field("name", &self.name).finish_non_exhaustive()
    }
}
