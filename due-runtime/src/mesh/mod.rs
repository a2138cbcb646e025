//! Stateless services over gRPC: [`Mesh`] serves them and announces them, [`Channel`] finds and calls them.
//!
//! due-codegen makes a trait, a `...Server` and a `...Client` of every `service` with `option (due.mesh)`. On the wire
//! they are plain gRPC with protobuf bodies at `/package.Service/Method`, so that clients and servers in any language
//! take part.
//!
//! ```text
//! impl Wallet for MyWallet {
//!     async fn incr_gold(&self, request: mesh::Request<IncrGoldRequest>) -> Result<mesh::Response<IncrGoldResponse>, mesh::Status> { .. }
//! }
//! App::new().mesh(Mesh::builder().addr("10.0.0.5:8011").serve(WalletServer::new(MyWallet)).build())
//!
//! let wallet = WalletClient::connect(ctx.cluster(), "discovery://wallet").await?;      // once; clones share connections
//! let total = wallet.incr_gold(IncrGoldRequest { uid, gold: 5 }).await?.into_inner().total;
//! ```
//!
//! A handler's `due::Error` becomes a [`Status`] with `?`. A panic in a handler, or in a stream it returned, fails that
//! call with `internal`. Messages are at most 4 MiB. There is no TLS yet.

mod channel;
mod codec;
mod dispatch;
mod pool;
mod service;
mod stop;
mod typed;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use tonic::{Code, IntoRequest, IntoStreamingRequest, Request, Response, Status};

pub use self::channel::{Channel, ConnectError, InvalidTarget, Target};
#[doc(hidden)]
pub use self::codec::BytesCodec;
#[doc(hidden)]
pub use self::dispatch::{Dispatch, RpcIndex, index_of, no_such_rpc};
pub use self::service::Service;
use self::service::{Handler, Router};
pub use self::typed::{BoxStream, Streaming};
#[doc(hidden)]
pub use self::typed::{collect, read, read_stream, respond, respond_stream, stream_of};
use crate::advertise::reachable;
use crate::cluster::Backends;
use crate::registry::{Instance, Kind, Registry, RegistryError, State};

/// How long the registry may take to note that an instance comes, changes or leaves.
const REGISTRY_DEADLINE: Duration = Duration::from_secs(3);

/// Serves generated services to other servers. [`App`](crate::App) starts and stops it.
#[must_use]
pub struct Mesh {
    settings: MeshBuilder,
}

/// The settings of a [`Mesh`].
#[must_use]
pub struct MeshBuilder {
    id: Option<String>,
    name: String,
    addr: String,
    advertise: Option<String>,
    metadata: BTreeMap<String, String>,
    drain: Duration,
    names: Vec<String>,
    services: Vec<(&'static str, Handler)>,
}

impl Mesh {
    /// A mesh without services, called `mesh`, on a free port of the loopback interface.
    pub fn builder() -> MeshBuilder {
        MeshBuilder {
            id: None,
            name: Kind::Mesh.as_str().to_owned(),
            addr: "127.0.0.1:0".to_owned(),
            advertise: None,
            metadata: BTreeMap::new(),
            drain: Duration::from_secs(10),
            names: Vec::new(),
            services: Vec::new(),
        }
    }

    /// Opens the listener, then registers: whoever finds the mesh can connect to it.
    pub async fn start(self, backends: &Backends) -> Result<RunningMesh, MeshError> {
        let MeshBuilder { id, name, addr, advertise, metadata, drain, names, services } = self.settings;
        let router = Router::new(services)?;
        let listener =
            TcpListener::bind(&addr).await.map_err(|source| MeshError::Bind { addr: addr.clone(), source })?;
        let addr = listener.local_addr().map_err(|source| MeshError::Bind { addr, source })?;

        let mut instance = Instance::new(Kind::Mesh, id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()));
        instance.alias = name;
        instance.services = names;
        instance.metadata = metadata;
        instance.set_metrics(backends.metrics.as_deref());
        instance.endpoint =
            format!("grpc://{}?is_secure=false", advertise.unwrap_or_else(|| reachable(addr).to_string()));

        let (finish, cut) = (CancellationToken::new(), CancellationToken::new());
        let serve = stop::serve(listener, router, finish.clone(), cut.clone());
        let mesh = RunningMesh {
            registry: Arc::clone(&backends.registry),
            server: tokio::spawn(serve),
            _cut_on_drop: cut.clone().drop_guard(),
            addr,
            finish,
            cut,
            drain,
            instance,
        };
        if let Err(error) = mesh.register().await {
            mesh.cut.cancel();
            return Err(error.into());
        }
        tracing::info!(id = mesh.id(), %addr, services = ?mesh.instance.services, "mesh registered");
        Ok(mesh)
    }
}

impl MeshBuilder {
    /// Unique among meshes. Default: a random UUID.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// What people call it. Default: `mesh`. Clients look for the names of its services, not for this one.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Where it listens, `host:port`. Default: `127.0.0.1:0`, a free port that only this machine reaches.
    pub fn addr(mut self, addr: impl Into<String>) -> Self {
        self.addr = addr.into();
        self
    }

    /// The `host:port` that others dial. Default: the address it listens on; where that is all interfaces, the address
    /// of the one with the default route.
    pub fn advertise(mut self, addr: impl Into<String>) -> Self {
        self.advertise = Some(addr.into());
        self
    }

    /// A text that others find beside the mesh in the registry ([`Instance::metadata`](crate::registry::Instance)), and the
    /// master shows. A later one of the same key replaces it. Default: none. Consul takes keys of at most 127 letters, digits,
    /// `_` and `-`, and values of 512 bytes; `due.oneway` and `due-metrics` are taken.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// How long calls at hand may take when the mesh stops, before they are cut. Default: 10 s.
    pub fn drain(mut self, deadline: Duration) -> Self {
        self.drain = deadline;
        self
    }

    /// Adds a generated `...Server`.
    pub fn serve<S: Service>(mut self, service: S) -> Self {
        if !self.names.iter().any(|name| name == S::NAME) {
            self.names.push(S::NAME.to_owned());
        }
        let path = <S::Grpc as tonic::server::NamedService>::NAME;
        self.services.push((path, Handler::new(service)));
        self
    }

    /// The mesh, not yet started.
    pub fn build(self) -> Mesh {
        Mesh { settings: self }
    }
}

impl From<MeshBuilder> for Mesh {
    fn from(builder: MeshBuilder) -> Self {
        builder.build()
    }
}

/// A mesh that serves. Dropping it cuts its connections and leaves it in the registry: call [`stop`](Self::stop).
pub struct RunningMesh {
    registry: Arc<dyn Registry>,
    instance: Instance,
    addr: SocketAddr,
    finish: CancellationToken,
    cut: CancellationToken,
    _cut_on_drop: DropGuard,
    server: JoinHandle<()>,
    drain: Duration,
}

impl RunningMesh {
    /// Its instance id.
    pub fn id(&self) -> &str {
        &self.instance.id
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Its state in the registry.
    pub fn state(&self) -> State {
        self.instance.state
    }

    /// Tells the others whether it takes calls: [`Channel`] goes to `busy` meshes only where none works, to `hang` ones
    /// only where none is busy either.
    pub async fn set_state(&mut self, state: State) -> Result<(), RegistryError> {
        let before = std::mem::replace(&mut self.instance.state, state);
        self.register().await.inspect_err(|_| self.instance.state = before)
    }

    /// Leaves the registry, accepts no connection and no call any more, and returns when the calls at hand are answered,
    /// at the latest after the drain time.
    pub async fn stop(mut self) {
        let gone = within_deadline(self.registry.deregister(Kind::Mesh, &self.instance.id)).await;
        if let Err(error) = gone {
            tracing::warn!(id = self.id(), error = &error as &dyn std::error::Error, "mesh stays in the registry");
        }
        self.finish.cancel();
        if tokio::time::timeout(self.drain, &mut self.server).await.is_err() {
            tracing::warn!(id = self.id(), "drain time is over; calls are cut");
            self.cut.cancel();
            // Ends at once: every connection reads an error now. A panic in the server's loop was reported already.
            let _ = (&mut self.server).await;
        }
    }

    async fn register(&self) -> Result<(), RegistryError> {
        within_deadline(self.registry.register(self.instance.clone())).await
    }
}

async fn within_deadline(change: impl Future<Output = Result<(), RegistryError>>) -> Result<(), RegistryError> {
    match tokio::time::timeout(REGISTRY_DEADLINE, change).await {
        Ok(result) => result,
        Err(elapsed) => Err(RegistryError::Unreachable(elapsed.into())),
    }
}

/// Why a mesh did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MeshError {
    /// The address is taken, is not ours, or is no address.
    #[error("cannot listen on {addr}")]
    Bind {
        /// As it was configured.
        addr: String,
        /// What the system says.
        source: io::Error,
    },
    /// Two services have the same full name, so that the path of a call means both.
    #[error("{0} is served twice")]
    ServedTwice(&'static str),
    /// The registry did not take it.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl fmt::Debug for Mesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Mesh").field(&self.settings).finish()
    }
}

impl fmt::Debug for MeshBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MeshBuilder")
            .field("name", &self.name)
            .field("addr", &self.addr)
            .field("metadata", &self.metadata)
            .field("drain", &self.drain)
            .field("services", &self.names)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RunningMesh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningMesh")
            .field("instance", &self.instance)
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}
