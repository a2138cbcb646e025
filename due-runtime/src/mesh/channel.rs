use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use tokio::time::{Instant, timeout_at};
use tonic::client::Grpc;
use tonic::codegen::tokio_stream::Stream;
use tonic::transport::Channel as GrpcConnection;
use tonic::{Code, Request, Response, Status};

use super::Transporter;
use super::codec::BytesCodec;
use super::pool::{Connection, Link, Pool};
#[cfg(feature = "rpcx")]
use super::rpcx;
use super::service::{Handler, Service};
use super::typed::{Outgoing, Streaming, decode, encode};
use crate::cluster::{Backends, Cluster};
use crate::codec::{Body, Codec};
use crate::future::BoxFuture;
use crate::registry::{Kind, Registry, RegistryError};

/// The time for one call, unless [`Channel::timeout`] says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The longest a call may take, whoever says so; far beyond it clocks and gRPC's header have no number for it.
pub(super) const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How often a call looks for another instance when the one it chose turns out to be gone before the request left.
pub(super) const ATTEMPTS: usize = 3;

/// What generated clients call through. Cheap to clone; clones share connections, so make one per target and keep it.
///
/// It is also a `tower` service, so that clients of tonic's own generator work over it.
///
/// # Balancing
/// Calls go in turn to all instances that serve the name and whose state is `work`; only where there is none to the
/// `busy` ones, and only where there is none of those to the `hang` ones. (due in Go ignores the state and keeps to the
/// first instance it saw.) The list follows the registry while calls run. An instance that cannot be connected to is
/// passed over, and tried last for a second. A unary call whose instance left before it can have seen the request goes
/// to the next; anything else is not repeated.
///
/// Instances of gRPC and of rpcx (feature `rpcx`) may serve one name: unary calls go to both, streams to those of gRPC.
///
/// # Deadlines
/// [`timeout`](Self::timeout) covers a whole unary call, waiting for a first instance included; of calls with a stream of
/// responses the part until they begin; of a stream of requests with one response only finding an instance. It is sent
/// along with single requests as `grpc-timeout`, where a shorter one that is set on the request wins.
#[derive(Clone)]
pub struct Channel {
    pub(super) path: Path,
    pub(super) timeout: Duration,
    #[cfg(feature = "rpcx")]
    pub(super) rpcx: rpcx::Settings,
}

/// Writes a request, when it is known how.
type Written<'a> = dyn Fn(&Codec) -> Result<Bytes, Status> + Sync + 'a;

#[derive(Clone)]
pub(super) enum Path {
    Remote(Arc<Pool>),
    /// An instance of it that was chosen for one call.
    Chosen(Arc<Pool>, Arc<Link>, GrpcConnection),
    Local(Handler),
}

impl Channel {
    /// A channel to `discovery://NAME`, `direct://HOST:PORT`, `direct://INSTANCE_ID`, `HOST:PORT`, or, with the feature
    /// `rpcx`, `rpcx://HOST:PORT`. An address alone is one of gRPC; of instances in the registry the endpoint says it.
    ///
    /// `registry` is the [`Backends`](crate::Backends), a [`Cluster`](crate::Cluster) or an `Arc<dyn Registry>`. Nothing
    /// is dialled before the first call, and the instance need not exist yet.
    pub async fn connect<R>(registry: &R, target: &str) -> Result<Self, ConnectError>
    where
        R: AsRef<dyn Registry> + ?Sized,
    {
        Self::connect_to(registry, target.parse()?).await
    }

    pub(super) async fn connect_to<R>(registry: &R, target: Target) -> Result<Self, ConnectError>
    where
        R: AsRef<dyn Registry> + ?Sized,
    {
        match target {
            Target::Address(address) => return Ok(Self::direct(address)),
            #[cfg(feature = "rpcx")]
            Target::Rpcx(address) => return Ok(Self::rpcx(address)),
            Target::Service(_) | Target::Instance(_) => {}
        }
        let watch = tokio::time::timeout(TIMEOUT, registry.as_ref().watch(Kind::Mesh))
            .await
            .unwrap_or_else(|elapsed| Err(RegistryError::Unreachable(elapsed.into())))?;
        Ok(Self::over(Path::Remote(Arc::new(Pool::watching(target, watch)))))
    }

    /// A channel to one address, `host:port`.
    pub fn direct(address: impl Into<String>) -> Self {
        Self::over(Path::Remote(Arc::new(Pool::fixed(address.into(), Transporter::Grpc))))
    }

    /// A channel to one address, `host:port`, of a mesh that speaks rpcx.
    #[cfg(feature = "rpcx")]
    pub fn rpcx(address: impl Into<String>) -> Self {
        Self::over(Path::Remote(Arc::new(Pool::fixed(address.into(), Transporter::Rpcx))))
    }

    /// A channel into a service in this process: no socket, the same bytes.
    pub fn local<S: Service>(service: S) -> Self {
        Self::over(Path::Local(Handler::new(service)))
    }

    fn over(path: Path) -> Self {
        Self {
            path,
            timeout: TIMEOUT,
            #[cfg(feature = "rpcx")]
            rpcx: rpcx::Settings::default(),
        }
    }

    /// The same channel with another deadline for each call. Default: 10 s, and at most a day.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(LONGEST);
        self
    }

    /// The service path over rpcx, of a generated client.
    #[doc(hidden)]
    #[must_use]
    #[cfg_attr(not(feature = "rpcx"), allow(unused_mut, unused_variables))]
    pub fn at(mut self, path: &'static str) -> Self {
        #[cfg(feature = "rpcx")]
        {
            self.rpcx.path = Some(path);
        }
        self
    }

    /// The same channel with another codec over rpcx: `proto`, `json`, `msgpack-go`. Default: the last. gRPC is protobuf.
    #[cfg(feature = "rpcx")]
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.rpcx.codec = codec;
        self
    }

    /// What meshes of rpcx that ask for a token are shown, as `__AUTH`, in the clear. Default: nothing.
    #[cfg(feature = "rpcx")]
    #[must_use]
    pub fn token(mut self, token: impl Into<Arc<str>>) -> Self {
        self.rpcx.token = Some(token.into());
        self
    }

    /// One request, one response. `path` is `/package.Service/Method`.
    pub async fn unary<Q: Body, R: Body>(
        &self,
        path: &'static str,
        request: Request<Q>,
    ) -> Result<Response<R>, Status> {
        let (metadata, extensions, message) = request.into_parts();
        let (response, codec) =
            self.unary_bytes(path, Request::from_parts(metadata, extensions, &|codec| encode(&message, codec))).await?;
        let (metadata, body, extensions) = response.into_parts();
        Ok(Response::from_parts(metadata, decode(&codec, &body)?, extensions))
    }

    /// Bytes of either transporter; the request is written when it is known which.
    async fn unary_bytes(
        &self,
        path: &'static str,
        request: Request<&Written<'_>>,
    ) -> Result<(Response<Bytes>, Codec), Status> {
        let request = self.with_deadline(request);
        let deadline = Instant::now() + self.timeout;
        let calls = async {
            let mut attempt = 1;
            loop {
                match self.attempt(path, &request, deadline).await {
                    Err(status) if attempt < ATTEMPTS && NeverSent::caused(&status) => attempt += 1,
                    result => return result,
                }
            }
        };
        match timeout_at(deadline, calls).await {
            // The server counts as well, and says so when it is the first to notice.
            Ok(Err(status)) if status.code() == Code::Cancelled && Instant::now() >= deadline => Err(self.late()),
            Ok(result) => result,
            Err(_) => Err(self.late()),
        }
    }

    /// Calls the next instance in turn, as it wants to be called. `deadline` is what one of rpcx is told.
    #[cfg_attr(not(feature = "rpcx"), allow(unused_variables))]
    async fn attempt(
        &self,
        path: &'static str,
        request: &Request<&Written<'_>>,
        deadline: Instant,
    ) -> Result<(Response<Bytes>, Codec), Status> {
        let written = request.get_ref();
        let chosen = match &self.path {
            Path::Remote(pool) => match pool.next(None).await? {
                (link, Connection::Grpc(connection)) => Path::Chosen(Arc::clone(pool), link, connection),
                #[cfg(feature = "rpcx")]
                (_, Connection::Rpcx(connection)) => {
                    let call = (request.metadata(), &written(&self.rpcx.codec)?);
                    let response = self.unary_over_rpcx(&connection, path, call, deadline).await?;
                    return Ok((response, self.rpcx.codec.clone()));
                }
            },
            path => path.clone(),
        };
        let (metadata, extensions) = (request.metadata().clone(), request.extensions().clone());
        let request = Request::from_parts(metadata, extensions, written(&Codec::Proto)?);
        let mut grpc = Grpc::new(Self { path: chosen, ..self.clone() });
        let response = grpc.unary(request, PathAndQuery::from_static(path), BytesCodec).await?;
        Ok((response, Codec::Proto))
    }

    /// One request, a stream of responses.
    pub async fn server_streaming<Q: Body, R: Body>(
        &self,
        path: &'static str,
        request: Request<Q>,
    ) -> Result<Response<Streaming<R>>, Status> {
        let (metadata, extensions, message) = self.with_deadline(request).into_parts();
        let request = Request::from_parts(metadata, extensions, encode(&message, &Codec::Proto)?);
        let mut grpc = self.grpc();
        let call = grpc.server_streaming(request, PathAndQuery::from_static(path), BytesCodec);
        Ok(self.in_time(call).await?.map(Streaming::from))
    }

    /// A stream of requests, one response.
    pub async fn client_streaming<Q: Body, R: Body>(
        &self,
        path: &'static str,
        request: Request<impl Stream<Item = Q> + Send + 'static>,
    ) -> Result<Response<R>, Status> {
        let request = request.map(|messages| Outgoing(Box::pin(messages)));
        let mut grpc = self.grpc();
        let response = grpc.client_streaming(request, PathAndQuery::from_static(path), BytesCodec).await?;
        let (metadata, body, extensions) = response.into_parts();
        Ok(Response::from_parts(metadata, decode(&Codec::Proto, &body)?, extensions))
    }

    /// A stream in each direction.
    pub async fn streaming<Q: Body, R: Body>(
        &self,
        path: &'static str,
        request: Request<impl Stream<Item = Q> + Send + 'static>,
    ) -> Result<Response<Streaming<R>>, Status> {
        let request = request.map(|messages| Outgoing(Box::pin(messages)));
        let mut grpc = self.grpc();
        let call = grpc.streaming(request, PathAndQuery::from_static(path), BytesCodec);
        Ok(self.in_time(call).await?.map(Streaming::from))
    }

    fn grpc(&self) -> Grpc<Self> {
        Grpc::new(self.clone())
    }

    fn with_deadline<T>(&self, mut request: Request<T>) -> Request<T> {
        if !request.metadata().contains_key("grpc-timeout") {
            request.set_timeout(self.timeout);
        }
        request
    }

    async fn in_time<T>(&self, call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
        tokio::time::timeout(self.timeout, call).await.unwrap_or_else(|_| Err(self.late()))
    }

    pub(super) fn late(&self) -> Status {
        match &self.path {
            Path::Remote(pool) | Path::Chosen(pool, ..) => pool.late(self.timeout),
            Path::Local(_) => Status::deadline_exceeded(format!("no answer within {:?}", self.timeout)),
        }
    }
}

impl tower_service::Service<http::Request<tonic::body::Body>> for Channel {
    type Response = http::Response<tonic::body::Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        match &self.path {
            Path::Local(handler) => {
                let response = handler.call(request);
                Box::pin(async move { Ok(response.await) })
            }
            Path::Remote(pool) => {
                let (pool, timeout) = (Arc::clone(pool), self.timeout);
                Box::pin(async move { pool.send(request, timeout).await })
            }
            Path::Chosen(pool, link, connection) => {
                let (pool, link, connection) = (Arc::clone(pool), Arc::clone(link), connection.clone());
                Box::pin(async move { pool.send_to(&link, connection, request).await })
            }
        }
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = match &self.path {
            Path::Remote(pool) | Path::Chosen(pool, ..) => pool.to_string(),
            Path::Local(_) => "a local service".to_owned(),
        };
        f.debug_struct("Channel").field("target", &target).field("timeout", &self.timeout).finish()
    }
}

/// The source of a status: the request did not leave this process, so calling again cannot do anything twice.
#[derive(Debug, thiserror::Error)]
#[error("the request was not sent")]
pub(super) struct NeverSent;

impl NeverSent {
    pub(super) fn status(message: String) -> Status {
        let mut status = Status::unavailable(message);
        status.set_source(Arc::new(Self));
        status
    }

    pub(super) fn caused(status: &Status) -> bool {
        std::error::Error::source(status).is_some_and(|source| source.is::<Self>())
    }
}

/// Whom a [`Channel`] calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// Every instance that serves this name: `discovery://wallet`.
    Service(String),
    /// The instance with this id: `direct://ID`.
    Instance(String),
    /// An address, without any registry: `direct://HOST:PORT` or `HOST:PORT`.
    Address(String),
    /// An address of a mesh that speaks rpcx, without any registry: `rpcx://HOST:PORT`.
    #[cfg(feature = "rpcx")]
    Rpcx(String),
}

#[cfg(feature = "rpcx")]
impl Target {
    /// The same, if an address means one of rpcx.
    pub(super) fn over_rpcx(self) -> Self {
        match self {
            Self::Address(address) => Self::Rpcx(address),
            other => other,
        }
    }
}

impl FromStr for Target {
    type Err = InvalidTarget;

    fn from_str(target: &str) -> Result<Self, InvalidTarget> {
        let is_address =
            |text: &str| text.parse::<http::uri::Authority>().is_ok_and(|authority| authority.port_u16().is_some());
        let parsed = match target.split_once("://") {
            Some(("discovery", name)) => Self::Service(name.to_owned()),
            Some(("direct", rest)) if is_address(rest) => Self::Address(rest.to_owned()),
            Some(("direct", rest)) => Self::Instance(rest.to_owned()),
            #[cfg(feature = "rpcx")]
            Some(("rpcx", rest)) if is_address(rest) => Self::Rpcx(rest.to_owned()),
            None if is_address(target) => Self::Address(target.to_owned()),
            _ => return Err(InvalidTarget(target.to_owned())),
        };
        match &parsed {
            Self::Service(name) | Self::Instance(name) if name.is_empty() || name.contains('/') => {
                Err(InvalidTarget(target.to_owned()))
            }
            _ => Ok(parsed),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service(name) => write!(f, "discovery://{name}"),
            Self::Instance(id) => write!(f, "direct://{id}"),
            Self::Address(address) => write!(f, "direct://{address}"),
            #[cfg(feature = "rpcx")]
            Self::Rpcx(address) => write!(f, "rpcx://{address}"),
        }
    }
}

/// A text that names no [`Target`].
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0:?} is no mesh target: write discovery://NAME, direct://HOST:PORT, direct://INSTANCE_ID or HOST:PORT")]
pub struct InvalidTarget(String);

/// Why there is no [`Channel`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The target cannot be understood.
    #[error(transparent)]
    Target(#[from] InvalidTarget),
    /// The registry cannot be watched.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

impl AsRef<dyn Registry> for Backends {
    fn as_ref(&self) -> &(dyn Registry + 'static) {
        &*self.registry
    }
}

impl AsRef<dyn Registry> for Cluster {
    fn as_ref(&self) -> &(dyn Registry + 'static) {
        &*self.backends().registry
    }
}
