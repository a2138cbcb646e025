//! Stateless services over gRPC or rpcx: [`Mesh`] serves them and announces them, [`Channel`] finds and calls them.
//!
//! due-codegen makes a trait, a `...Server` and a `...Client` of every `service` with `option (due.mesh)`. On the wire
//! they are plain gRPC with protobuf bodies at `/package.Service/Method`, so that clients and servers in any language
//! take part. With the feature `rpcx` a mesh may speak that instead, for peers of Go that do: [`rpcx`].
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
mod rpcs;
#[cfg(feature = "rpcx")]
pub mod rpcx;
mod service;
mod stop;
mod transporter;
mod typed;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use tonic::{Code, IntoRequest, IntoStreamingRequest, Request, Response, Status};

pub use self::channel::{Channel, ConnectError, InvalidTarget, Target};
#[doc(hidden)]
pub use self::codec::BytesCodec;
#[doc(hidden)]
pub use self::dispatch::{Dispatch, RpcIndex, index_of, no_such_rpc};
#[doc(hidden)]
pub use self::rpcs::Rpcs;
pub use self::service::Service;
use self::service::{Handler, Router};
pub use self::transporter::Transporter;
pub use self::typed::{BoxStream, Streaming};
#[doc(hidden)]
pub use self::typed::{codec_of, collect, read, read_stream, respond, respond_stream, stream_of};
use crate::advertise::reachable;
use crate::cluster::Backends;
use crate::listen::listen;
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
    transporter: Transporter,
    #[cfg(feature = "rpcx")]
    rpcx: Rpcx,
}

/// What is served over rpcx.
#[cfg(feature = "rpcx")]
#[derive(Default)]
struct Rpcx {
    methods: Vec<rpcx::Methods>,
    /// The first service that has no form in rpcx.
    lacking: Option<&'static str>,
    /// The first service that has no other form.
    only: Option<&'static str>,
    token: Option<Arc<str>>,
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
            transporter: Transporter::Grpc,
            #[cfg(feature = "rpcx")]
            rpcx: Rpcx::default(),
        }
    }

    /// Opens the listener, then registers: whoever finds the mesh can connect to it.
    pub async fn start(self, backends: &Backends) -> Result<RunningMesh, MeshError> {
        let MeshBuilder { id, name, addr, advertise, metadata, drain, names, services, transporter, .. } =
            self.settings;
        let (finish, cut) = (CancellationToken::new(), CancellationToken::new());
        let served = match transporter {
            Transporter::Grpc => {
                #[cfg(feature = "rpcx")]
                if let Some(name) = self.settings.rpcx.only {
                    return Err(MeshError::OnlyRpcx(name));
                }
                Served::Grpc(Router::new(services)?)
            }
            #[cfg(feature = "rpcx")]
            Transporter::Rpcx => {
                let Rpcx { methods, lacking, token, .. } = self.settings.rpcx;
                if let Some(name) = lacking {
                    return Err(MeshError::NotRpcx(name));
                }
                let (finish, cut) = (finish.clone(), cut.clone());
                Served::Rpcx(rpcx::Server { table: rpcx::Table::new(methods)?, token, finish, cut })
            }
        };
        let listener = listen(&addr).await.map_err(|source| MeshError::Bind { addr: addr.clone(), source })?;
        let addr = listener.local_addr().map_err(|source| MeshError::Bind { addr, source })?;

        let mut instance = Instance::new(Kind::Mesh, id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string()));
        instance.alias = name;
        instance.services = names;
        instance.metadata = metadata;
        instance.set_metrics(backends.metrics.as_deref());
        let advertised = advertise.unwrap_or_else(|| reachable(addr).to_string());
        instance.endpoint = format!("{}://{advertised}?is_secure=false", transporter.as_str());

        let server = match served {
            Served::Grpc(router) => tokio::spawn(stop::serve(listener, router, finish.clone(), cut.clone())),
            #[cfg(feature = "rpcx")]
            Served::Rpcx(server) => tokio::spawn(server.serve(listener)),
        };
        let mesh = RunningMesh {
            registry: Arc::clone(&backends.registry),
            server,
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
        let (transporter, services) = (transporter.as_str(), &mesh.instance.services);
        tracing::info!(id = mesh.id(), %addr, transporter, ?services, "mesh registered");
        Ok(mesh)
    }
}

/// What answers calls, before it has a listener.
enum Served {
    Grpc(Router),
    #[cfg(feature = "rpcx")]
    Rpcx(rpcx::Server),
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
    /// `_` and `-`, and values of 512 bytes; `due.oneway`, `due-answers` and `due-metrics` are taken.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.metadata.insert(key.into(), value.into());
        self
    }

    /// How long calls at hand may take when the mesh stops, before they are cut. Default: 10 s.
    pub fn drain(mut self, deadline: Duration) -> Self {
        self.drain = deadline;
        self
    }

    /// How it is called. Default: by gRPC.
    pub fn transporter(mut self, transporter: Transporter) -> Self {
        self.transporter = transporter;
        self
    }

    /// What clients of rpcx have to show in each call, as `__AUTH`; one that does not is told so and disconnected. It
    /// travels in the clear. Default: nothing. No matter to gRPC.
    #[cfg(feature = "rpcx")]
    pub fn token(mut self, token: impl Into<Arc<str>>) -> Self {
        self.rpcx.token = Some(token.into());
        self
    }

    /// Adds a service without a `.proto`, and chooses [`Transporter::Rpcx`], for it has no other form.
    #[cfg(feature = "rpcx")]
    pub fn serve_rpcx(mut self, service: rpcx::Service) -> Self {
        self.announce(service.name);
        self.rpcx.only = self.rpcx.only.or(Some(service.name));
        self.rpcx.methods.push(service.methods);
        self.transporter(Transporter::Rpcx)
    }

    fn announce(&mut self, name: &'static str) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_owned());
        }
    }

    /// Adds a generated `...Server`.
    pub fn serve<S: Service>(mut self, service: S) -> Self {
        self.announce(S::NAME);
        #[cfg(feature = "rpcx")]
        match service.rpcs() {
            Some(rpcs) => self.rpcx.methods.push(rpcx::Methods::of(&rpcs)),
            None => self.rpcx.lacking = self.rpcx.lacking.or(Some(S::NAME)),
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
    /// The service has no unary rpc, or was not made by due-codegen: serve it over gRPC.
    #[cfg(feature = "rpcx")]
    #[error("the service {0:?} has nothing to call over rpcx: serve it over gRPC")]
    NotRpcx(&'static str),
    /// The service has no form but rpcx.
    #[cfg(feature = "rpcx")]
    #[error("the service {0:?} can be served over rpcx alone: choose that transporter")]
    OnlyRpcx(&'static str),
    /// Two services have the same full name or path, or two methods the same name, so that a call means both.
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
            .field("transporter", &self.transporter)
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
