//! Which instance gets the next call.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::{Channel as GrpcConnection, Endpoint};
use tower_service::Service as _;

use super::Transporter;
use super::channel::{NeverSent, Target};
#[cfg(feature = "rpcx")]
use super::rpcx;
use crate::registry::{Instance, Instances, State, Watch};

/// Time to connect before the next instance is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An instance that failed is tried last for this long.
const REST: Duration = Duration::from_secs(1);

/// One more connection is made where each has so many calls; of gRPC never.
#[cfg(feature = "rpcx")]
const BUSY: usize = rpcx::BUSY;
#[cfg(not(feature = "rpcx"))]
const BUSY: usize = 1;

/// A silent peer is asked whether it lives this often while calls wait for it, and given as long to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// The instances of one target.
pub(super) struct Pool {
    target: Target,
    table: Mutex<Table>,
    turn: AtomicUsize,
}

struct Table {
    /// None for an address: its one link never changes.
    watch: Option<Watch>,
    seen: Option<Instances>,
    /// Everything that matches and is not `shut`: a link survives changes of state.
    all: Vec<(State, Arc<Link>)>,
    /// Those of the best state there is.
    best: Arc<[Arc<Link>]>,
}

impl Pool {
    pub(super) fn watching(target: Target, watch: Watch) -> Self {
        let table = Table { watch: Some(watch), seen: None, all: Vec::new(), best: Arc::from([]) };
        Self { target, table: Mutex::new(table), turn: AtomicUsize::new(0) }
    }

    pub(super) fn fixed(address: String, transporter: Transporter) -> Self {
        let link = Arc::new(Link::new(String::new(), &address, transporter, false));
        let table = Table { watch: None, seen: None, all: Vec::new(), best: Arc::from([link]) };
        let target = match transporter {
            Transporter::Grpc => Target::Address(address),
            #[cfg(feature = "rpcx")]
            Transporter::Rpcx => Target::Rpcx(address),
        };
        Self { target, table: Mutex::new(table), turn: AtomicUsize::new(0) }
    }

    /// Sends it by gRPC to the next instance in turn. `timeout` is for finding one; how long the answer may take is the
    /// caller's concern.
    pub(super) async fn send(&self, request: Request<Body>, timeout: Duration) -> Result<Response<Body>, Status> {
        let found = tokio::time::timeout(timeout, self.next(Some(Transporter::Grpc))).await;
        match found.unwrap_or_else(|_| Err(self.late(timeout)))? {
            (link, Connection::Grpc(connection)) => self.send_to(&link, connection, request).await,
            #[cfg(feature = "rpcx")]
            (_, Connection::Rpcx(_)) => Err(self.elsewhere(Transporter::Grpc)),
        }
    }

    /// Sends it to the instance that was chosen for it.
    pub(super) async fn send_to(
        &self,
        link: &Link,
        mut connection: GrpcConnection,
        request: Request<Body>,
    ) -> Result<Response<Body>, Status> {
        let sent = async {
            std::future::poll_fn(|cx| connection.poll_ready(cx)).await?;
            connection.call(request).await
        };
        sent.await.map_err(|error| {
            if caused_by(&error, |cause| cause.is::<tonic::TimeoutExpired>()) {
                return Status::deadline_exceeded(format!("no answer from {self} in time"));
            }
            link.lost();
            let message = format!("{} at {}: connection failed: {}", self.target, link.address, root(&error));
            match never_sent(&error) {
                true => NeverSent::status(message),
                false => Status::unavailable(message),
            }
        })
    }

    /// What to say when time is over.
    pub(super) fn late(&self, timeout: Duration) -> Status {
        match self.links().is_empty() {
            true => NeverSent::status(format!("no instance of {self} in the registry")),
            false => Status::deadline_exceeded(format!("no answer from {self} within {timeout:?}")),
        }
    }

    /// The next instance in turn, among those of one transporter or of all.
    pub(super) async fn next(&self, by: Option<Transporter>) -> Result<(Arc<Link>, Connection), Status> {
        loop {
            let links = self.links();
            if !links.is_empty() {
                let Some(transporter) = by else { return self.connection(&links).await };
                let ours: Vec<_> = links.iter().filter(|link| link.transporter == transporter).cloned().collect();
                if ours.is_empty() {
                    return Err(self.elsewhere(transporter));
                }
                return self.connection(&ours).await;
            }
            self.first_instance().await?;
        }
    }

    fn elsewhere(&self, transporter: Transporter) -> Status {
        let text = format!("{self} is not served over {}, which this call needs", transporter.as_str());
        Status::unimplemented(text)
    }

    /// The next instance in turn that can be connected to, those that failed a moment ago last.
    async fn connection(&self, links: &[Arc<Link>]) -> Result<(Arc<Link>, Connection), Status> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || links.iter().cycle().skip(turn % links.len()).take(links.len());
        let (rested, failed): (Vec<_>, Vec<_>) = in_turn().partition(|link| !link.failed_since(REST));
        let mut reason = None;
        for link in rested.into_iter().chain(failed) {
            match link.connection().await {
                Ok(connection) => return Ok((Arc::clone(link), connection)),
                Err(status) => reason = Some(status),
            }
        }
        Err(reason.unwrap_or_else(|| Status::unavailable(format!("no instance of {self}"))))
    }

    async fn first_instance(&self) -> Result<(), Status> {
        let gone = || Status::unavailable(format!("no instance of {self}, and the registry is closed"));
        let mut watch = self.lock().watch.clone().ok_or_else(gone)?;
        while self.links().is_empty() {
            watch.next().await.ok_or_else(gone)?;
        }
        Ok(())
    }

    fn links(&self) -> Arc<[Arc<Link>]> {
        let mut table = self.lock();
        let table = &mut *table;
        if let Some(watch) = &mut table.watch {
            let list = watch.latest();
            if !table.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, &list)) {
                table.all = self.matching(&list, &table.all);
                let best = table.all.iter().map(|(state, _)| *state).min();
                table.best =
                    table.all.iter().filter(|(state, _)| Some(*state) == best).map(|(_, link)| link.clone()).collect();
                table.seen = Some(list);
            }
        }
        Arc::clone(&table.best)
    }

    fn matching(&self, list: &[Instance], known: &[(State, Arc<Link>)]) -> Vec<(State, Arc<Link>)> {
        let ours = list.iter().filter(|instance| {
            instance.state != State::Shut
                && match &self.target {
                    Target::Service(name) => instance.services.contains(name),
                    Target::Instance(id) => instance.id == *id,
                    Target::Address(_) => false,
                    #[cfg(feature = "rpcx")]
                    Target::Rpcx(_) => false,
                }
        });
        ours.filter_map(|instance| {
            let (address, transporter) = (instance.address()?, Transporter::of(&instance.endpoint)?);
            let is_it = |link: &&Arc<Link>| {
                link.id == instance.id && link.address == address && link.transporter == transporter
            };
            let link = known.iter().map(|(_, link)| link).find(is_it);
            let fresh = || Arc::new(Link::new(instance.id.clone(), address, transporter, instance.is_secure()));
            Some((instance.state, link.map_or_else(fresh, Arc::clone)))
        })
        .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.target.fmt(f)
    }
}

/// A way to an instance. Cheap to clone.
#[derive(Clone)]
pub(super) enum Connection {
    Grpc(GrpcConnection),
    #[cfg(feature = "rpcx")]
    Rpcx(rpcx::Connection),
}

/// One instance, and the connections to it while there are any.
pub(super) struct Link {
    id: String,
    address: String,
    transporter: Transporter,
    secure: bool,
    state: Mutex<LinkState>,
    /// Held while connecting, so that many calls make one connection.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct LinkState {
    /// One of gRPC, several of rpcx.
    connections: Vec<Connection>,
    failed: Option<Instant>,
}

impl LinkState {
    /// One that is not busy.
    fn ready(&mut self) -> Option<Connection> {
        #[cfg(feature = "rpcx")]
        self.connections
            .retain(|connection| !matches!(connection, Connection::Rpcx(connection) if !connection.is_open()));
        let is_full = match self.connections.first()? {
            Connection::Grpc(_) => true,
            #[cfg(feature = "rpcx")]
            Connection::Rpcx(_) => self.connections.len() == rpcx::POOL,
        };
        let (load, connection) =
            self.connections.iter().map(|connection| (connection.load(), connection)).min_by_key(|(load, _)| *load)?;
        (is_full || load < BUSY).then(|| connection.clone())
    }
}

impl Connection {
    /// Calls that wait on it, as far as that matters.
    fn load(&self) -> usize {
        match self {
            Self::Grpc(_) => 0,
            #[cfg(feature = "rpcx")]
            Self::Rpcx(connection) => connection.load(),
        }
    }
}

impl Link {
    fn new(id: String, address: &str, transporter: Transporter, secure: bool) -> Self {
        let connecting = tokio::sync::Mutex::new(());
        Self { id, address: address.to_owned(), transporter, secure, state: Mutex::default(), connecting }
    }

    async fn connection(&self) -> Result<Connection, Status> {
        if let Some(connection) = self.lock().ready() {
            return Ok(connection);
        }
        let begun = Instant::now();
        let _one = self.connecting.lock().await;
        {
            let mut state = self.lock();
            if let Some(connection) = state.ready() {
                return Ok(connection);
            }
            if state.failed.is_some_and(|failed| failed >= begun) {
                return Err(self.unreachable("another call has just failed to connect"));
            }
        }
        let connected = self.connect().await;
        let mut state = self.lock();
        match connected {
            Ok(connection) => {
                state.connections.push(connection.clone());
                state.failed = None;
                Ok(connection)
            }
            Err(status) => {
                state.failed = Some(Instant::now());
                Err(status)
            }
        }
    }

    async fn connect(&self) -> Result<Connection, Status> {
        if self.secure {
            return Err(self.unreachable("it asks for TLS, which this build does not have"));
        }
        match self.transporter {
            Transporter::Grpc => self.connect_grpc().await.map(Connection::Grpc),
            #[cfg(feature = "rpcx")]
            Transporter::Rpcx => {
                match tokio::time::timeout(CONNECT_TIMEOUT, rpcx::Connection::open(&self.address)).await {
                    Ok(Ok(connection)) => Ok(Connection::Rpcx(connection)),
                    Ok(Err(error)) => Err(self.unreachable(&error.to_string())),
                    Err(_) => Err(self.unreachable(&format!("no answer within {CONNECT_TIMEOUT:?}"))),
                }
            }
        }
    }

    async fn connect_grpc(&self) -> Result<GrpcConnection, Status> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address))
            .map_err(|error| self.unreachable(&error.to_string()))?
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        endpoint.connect().await.map_err(|error| self.unreachable(&root(&error)))
    }

    fn unreachable(&self, reason: &str) -> Status {
        NeverSent::status(format!("cannot connect to {}: {reason}", self.address))
    }

    fn lost(&self) {
        *self.lock() = LinkState { connections: Vec::new(), failed: Some(Instant::now()) };
    }

    fn failed_since(&self, rest: Duration) -> bool {
        self.lock().failed.is_some_and(|failed| failed.elapsed() < rest)
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// tonic says "transport error"; what happened is at the end of the chain.
fn root(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

/// Whether no server can have acted on the request: there was no connection, it closed before the request was written,
/// or the server said while leaving that it did not look at the request (a stream above the last one of its `GOAWAY`).
fn never_sent(error: &(dyn std::error::Error + 'static)) -> bool {
    caused_by(error, |cause| {
        cause.is::<tonic::ConnectError>()
            || cause.downcast_ref().is_some_and(hyper::Error::is_canceled)
            || cause.downcast_ref().is_some_and(|error: &h2::Error| {
                error.is_remote()
                    && (error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)
                        || error.reason() == Some(h2::Reason::REFUSED_STREAM))
            })
    })
}

fn caused_by(
    error: &(dyn std::error::Error + 'static),
    cause: impl Fn(&(dyn std::error::Error + 'static)) -> bool,
) -> bool {
    std::iter::successors(Some(error), |error| error.source()).any(cause)
}
