//! A gate keeps the client connections and holds no game logic: it hands every message to the node that serves its route.

mod connection;
mod provider;
mod routing;

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::cluster::{self, Backends, Balance, Cluster, Member, Missed, Presence, Server};
use crate::codec::Codec;
use crate::error::{Code, Error};
use crate::future::BoxFuture;
use crate::id::{Cid, Gid, RouteId, Seq};
use crate::packet::Format;
use crate::registry::{Instance, Kind, RegistryError};
use crate::session::{OutboxLimits, Session, SessionTable};
use crate::transport::Transport;
#[cfg(feature = "tcp")]
use crate::transport::tcp::Tcp;
#[cfg(feature = "ws")]
use crate::transport::ws::Ws;

/// What the end of a session that was cut may take: the locator is told that its user has left.
const CLEAN_UP: Duration = Duration::from_secs(3);
/// Messages that may wait for their user to be located anew. Further ones are lost with a warning.
const MISSES: usize = 4096;

/// How heartbeats are spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum HeartbeatMechanism {
    /// Every heartbeat of a client is answered with one.
    #[default]
    Resp,
    /// One heartbeat goes out per interval, and none is answered.
    Tick,
}

#[derive(Clone, Copy, Debug)]
struct Heartbeat {
    interval: Duration,
    mechanism: HeartbeatMechanism,
}

/// A gate that is configured but not started; [`App`](crate::App) runs it.
#[must_use]
pub struct Gate {
    gid: Gid,
    name: String,
    settings: Settings,
    listeners: Vec<Box<dyn Listen>>,
}

#[derive(Clone, Debug)]
struct Settings {
    heartbeat: Heartbeat,
    max_sessions: usize,
    outbox: OutboxLimits,
    codec: Option<Codec>,
    drain: Duration,
    balance: Balance,
}

/// Collects the parts of a [`Gate`].
#[must_use]
pub struct GateBuilder {
    gid: Option<Gid>,
    name: String,
    settings: Settings,
    listeners: Vec<Box<dyn Listen>>,
}

impl Gate {
    /// A gate without listeners, named `gate`, with a random id.
    pub fn builder() -> GateBuilder {
        GateBuilder {
            gid: None,
            name: "gate".to_owned(),
            settings: Settings {
                heartbeat: Heartbeat { interval: Duration::from_secs(10), mechanism: HeartbeatMechanism::Resp },
                max_sessions: 5000,
                outbox: OutboxLimits::default(),
                codec: None,
                drain: Duration::from_secs(5),
                balance: Balance::default(),
            },
            listeners: Vec::new(),
        }
    }

    /// Binds the listeners and registers; clients are accepted by [`RunningGate::open`].
    pub(crate) async fn start(self, backends: &Backends) -> Result<RunningGate, StartGateError> {
        let mut doors = Vec::new();
        for listener in self.listeners {
            doors.push(listener.bind().await?);
        }
        let member = Member::new(Kind::Gate, self.gid.as_str(), &backends.format);
        let codec = self.settings.codec.unwrap_or_else(|| backends.codec.clone());
        let cluster = Cluster::join(backends, codec, member, self.settings.balance).await?;
        let (misses, missed) = mpsc::channel(MISSES);
        let core = Arc::new_cyclic(|this| GateCore {
            this: this.clone(),
            gid: self.gid,
            heartbeat: self.settings.heartbeat,
            max_sessions: self.settings.max_sessions,
            outbox: self.settings.outbox,
            format: Arc::clone(&cluster.member().format),
            presence: Presence::new(&backends.registry),
            cluster,
            misses,
            sessions: SessionTable::default(),
            last_cid: AtomicI64::new(0),
            finish: CancellationToken::new(),
            cut: CancellationToken::new(),
        });
        core.watch_losses();
        let corrections = CancellationToken::new();
        let (corrector, until) = (Arc::clone(&core), corrections.clone());
        tokio::spawn(async move { until.run_until_cancelled(corrector.correct(missed)).await });
        let server = Server::Gate(core.clone());
        let attached = backends.link.attach(core.cluster.member(), server).await.map_err(StartGateError::Attach)?;
        let mut instance = Instance::new(Kind::Gate, core.gid.as_str());
        instance.alias = self.name;
        instance.endpoint = attached.endpoint;
        core.presence.register(instance).await?;
        let addresses = doors.iter().map(|door| door.address()).collect();
        tracing::info!(gid = %core.gid, ?addresses, "gate registered");
        let (accept, tasks) = (CancellationToken::new(), TaskTracker::new());
        Ok(RunningGate {
            core,
            addresses,
            doors,
            link: attached.door,
            accept,
            tasks,
            _corrections: corrections.drop_guard(),
            drain: self.settings.drain,
        })
    }
}

impl GateBuilder {
    /// The instance id. Default: random.
    pub fn id(mut self, gid: impl Into<Gid>) -> Self {
        self.gid = Some(gid.into());
        self
    }

    /// The configured name. Default: `gate`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Accepts TCP clients on `addr`, as `127.0.0.1:3554`; port 0 takes any free one.
    #[cfg(feature = "tcp")]
    pub fn tcp(mut self, addr: impl Into<String>) -> Self {
        let addr = addr.into();
        self.listeners.push(Box::new(move || async move { Tcp::bind(addr).await }));
        self
    }

    /// Accepts ws clients of both dialects on `addr`, on every path. For more settings build a [`Ws`] and use
    /// [`transport`](Self::transport).
    #[cfg(feature = "ws")]
    pub fn ws(mut self, addr: impl Into<String>) -> Self {
        let addr = addr.into();
        self.listeners.push(Box::new(move || async move { Ws::bind(addr).await }));
        self
    }

    /// Accepts the clients of a transport that is listening already.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.listeners.push(Box::new(move || async move { Ok(transport) }));
        self
    }

    /// A connection that was silent for two intervals is closed. Default: 10 s; zero switches the check off.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.settings.heartbeat.interval = interval;
        self
    }

    /// How heartbeats are spent. Default: [`HeartbeatMechanism::Resp`].
    pub fn heartbeat_mechanism(mut self, mechanism: HeartbeatMechanism) -> Self {
        self.settings.heartbeat.mechanism = mechanism;
        self
    }

    /// Further connections are closed at once. Default: 5000.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.settings.max_sessions = sessions;
        self
    }

    /// What may wait for one client; a client that lets more pile up is disconnected.
    pub fn outbox(mut self, limits: OutboxLimits) -> Self {
        self.settings.outbox = limits;
        self
    }

    /// How the gate's own [`Status`] packets are written. Default: the codec of the [`Backends`].
    pub fn codec(mut self, codec: Codec) -> Self {
        self.settings.codec = Some(codec);
        self
    }

    /// How long a stop waits for clients that do not read. Default: 5 s.
    pub fn drain(mut self, deadline: Duration) -> Self {
        self.settings.drain = deadline;
        self
    }

    /// How messages of stateless routes are spread over nodes. Default: [`Balance::RoundRobin`].
    pub fn balance(mut self, balance: Balance) -> Self {
        self.settings.balance = balance;
        self
    }

    /// The gate.
    pub fn build(self) -> Gate {
        let gid = self.gid.unwrap_or_else(|| Gid::from(uuid::Uuid::new_v4().to_string()));
        Gate { gid, name: self.name, settings: self.settings, listeners: self.listeners }
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum StartGateError {
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error("no other server could reach the gate")]
    Attach(#[source] io::Error),
}

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for clients")]
pub struct ListenError(#[source] io::Error);

/// A gate whose listeners are bound.
pub(crate) struct RunningGate {
    core: Arc<GateCore>,
    addresses: Vec<String>,
    doors: Vec<Box<dyn Door>>,
    /// Where other servers come in.
    link: Option<Box<dyn cluster::Door>>,
    accept: CancellationToken,
    tasks: TaskTracker,
    _corrections: DropGuard,
    drain: Duration,
}

impl RunningGate {
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Learns the nodes, then accepts clients.
    pub(crate) async fn open(&mut self) -> Result<(), RegistryError> {
        let core = &self.core;
        core.cluster.refresh().await?;
        for door in self.doors.drain(..) {
            let (core, accept) = (Arc::clone(core), self.accept.clone());
            self.tasks.spawn(async move {
                accept.run_until_cancelled(door.accept_all(core)).await;
            });
        }
        Ok(())
    }

    /// Accepts and reads nothing more, and tells the clients. Answers to what was read still go out.
    pub(crate) async fn close_doors(&mut self) {
        let core = &self.core;
        core.presence.hang().await;
        self.accept.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let reason = Error::new(Code::CANCELED, "the gate is stopping");
        for session in core.sessions.sessions() {
            core.tell(&session, RouteId(0), Seq::NONE, &reason);
        }
        core.finish.cancel();
    }

    /// Writes what is queued, closes every session and goes.
    pub(crate) async fn stop(self) {
        let core = &self.core;
        let tasks = &core.sessions.tasks;
        for session in core.sessions.sessions() {
            tasks.spawn(async move {
                tokio::select! {
                    // Nodes of other processes may still be at work.
                    () = session.until_answered() => session.finish(),
                    () = session.until_cut() => {}
                }
            });
        }
        tasks.close();
        if timeout(self.drain, tasks.wait()).await.is_err() {
            tracing::warn!(gid = %core.gid, left = tasks.len(), "drain time is over; clients are cut");
            core.cut.cancel();
            if timeout(CLEAN_UP, tasks.wait()).await.is_err() {
                tracing::warn!(gid = %core.gid, left = tasks.len(), "the locator was not told of every user who left");
            }
        }
        core.presence.deregister().await;
        core.cluster.leave().await;
        if let Some(link) = self.link {
            link.close().await;
        }
        tracing::info!(gid = %core.gid, "gate stopped");
    }
}

pub(crate) struct GateCore {
    this: Weak<Self>,
    gid: Gid,
    heartbeat: Heartbeat,
    max_sessions: usize,
    outbox: OutboxLimits,
    format: Arc<Format>,
    presence: Presence,
    cluster: Cluster,
    /// Messages that reached the wrong node.
    misses: mpsc::Sender<Missed>,
    sessions: SessionTable,
    last_cid: AtomicI64,
    /// Nothing more is read from any session.
    finish: CancellationToken,
    /// Every session ends at once.
    cut: CancellationToken,
}

impl GateCore {
    async fn accept_all(self: Arc<Self>, mut transport: impl Transport) {
        let dialect = transport.dialect();
        loop {
            let (incoming, peer) = transport.accept().await;
            if self.sessions.tasks.len() >= self.max_sessions {
                tracing::debug!(%peer, limit = self.max_sessions, "too many sessions");
                continue;
            }
            let cid = Cid(self.last_cid.fetch_add(1, Ordering::Relaxed) + 1);
            let session = Arc::new(Session::new(cid, peer, self.outbox, &self.finish, &self.cut));
            if let Some(dialect) = dialect {
                session.speak(dialect);
            }
            self.sessions.tasks.spawn(Arc::clone(&self).serve(session, incoming));
        }
    }
}

/// A listener that is configured.
trait Listen: Send {
    fn bind(self: Box<Self>) -> BoxFuture<'static, Result<Box<dyn Door>, ListenError>>;
}

/// A listener that is bound.
trait Door: Send {
    fn address(&self) -> String;
    fn accept_all(self: Box<Self>, gate: Arc<GateCore>) -> BoxFuture<'static, ()>;
}

impl<F, B, T> Listen for F
where
    F: FnOnce() -> B + Send + 'static,
    B: Future<Output = io::Result<T>> + Send + 'static,
    T: Transport,
{
    fn bind(self: Box<Self>) -> BoxFuture<'static, Result<Box<dyn Door>, ListenError>> {
        Box::pin(async move {
            let transport = self().await.map_err(ListenError)?;
            Ok(Box::new(transport) as Box<dyn Door>)
        })
    }
}

impl<T: Transport> Door for T {
    fn address(&self) -> String {
        self.local_addr()
    }

    fn accept_all(self: Box<Self>, gate: Arc<GateCore>) -> BoxFuture<'static, ()> {
        Box::pin(gate.accept_all(*self))
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("gid", &self.gid).field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for GateBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
