//! Which instance gets the next call.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::transport::{Channel as Connection, Endpoint};
use tower_service::Service as _;

use super::channel::{NeverSent, Target};
use crate::registry::{Instance, Instances, State, Watch};

/// Time to connect before the next instance is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// An instance that failed is tried last for this long.
const REST: Duration = Duration::from_secs(1);

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

    pub(super) fn fixed(address: String) -> Self {
        let link = Arc::new(Link::new(String::new(), &address, false));
        let table = Table { watch: None, seen: None, all: Vec::new(), best: Arc::from([link]) };
        Self { target: Target::Address(address), table: Mutex::new(table), turn: AtomicUsize::new(0) }
    }

    /// `timeout` is for finding an instance; how long the answer may take is the caller's concern.
    pub(super) async fn send(&self, request: Request<Body>, timeout: Duration) -> Result<Response<Body>, Status> {
        let found = tokio::time::timeout(timeout, self.next()).await;
        let (link, mut connection) = found.unwrap_or_else(|_| Err(self.late(timeout)))?;
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

    async fn next(&self) -> Result<(Arc<Link>, Connection), Status> {
        loop {
            let links = self.links();
            if !links.is_empty() {
                return self.connection(&links).await;
            }
            self.first_instance().await?;
        }
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
                && instance.endpoint.starts_with("grpc://")
                && match &self.target {
                    Target::Service(name) => instance.services.contains(name),
                    Target::Instance(id) => instance.id == *id,
                    Target::Address(_) => false,
                }
        });
        ours.filter_map(|instance| {
            let address = instance.address()?;
            let link =
                known.iter().map(|(_, link)| link).find(|link| link.id == instance.id && link.address == address);
            let fresh = || Arc::new(Link::new(instance.id.clone(), address, instance.is_secure()));
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

/// One instance, and the connection to it while there is one.
struct Link {
    id: String,
    address: String,
    secure: bool,
    state: Mutex<LinkState>,
    /// Held while connecting, so that many calls make one connection.
    connecting: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct LinkState {
    connection: Option<Connection>,
    failed: Option<Instant>,
}

impl Link {
    fn new(id: String, address: &str, secure: bool) -> Self {
        let connecting = tokio::sync::Mutex::new(());
        Self { id, address: address.to_owned(), secure, state: Mutex::default(), connecting }
    }

    async fn connection(&self) -> Result<Connection, Status> {
        if let Some(connection) = &self.lock().connection {
            return Ok(connection.clone());
        }
        let begun = Instant::now();
        let _one = self.connecting.lock().await;
        {
            let state = self.lock();
            if let Some(connection) = &state.connection {
                return Ok(connection.clone());
            }
            if state.failed.is_some_and(|failed| failed >= begun) {
                return Err(self.unreachable("another call has just failed to connect"));
            }
        }
        let connected = self.connect().await;
        let mut state = self.lock();
        match connected {
            Ok(connection) => {
                *state = LinkState { connection: Some(connection.clone()), failed: None };
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
        *self.lock() = LinkState { connection: None, failed: Some(Instant::now()) };
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
