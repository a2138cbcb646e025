//! A gate keeps the client connections and holds no game logic: it hands every message to the node that serves its route.

mod accept;
mod connection;
mod elsewhere;
mod greetings;
mod losses;
mod provider;
mod rate;
mod returns;
mod routing;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use accept::{AcceptHook, CloseHook, Door, Listen};
use greetings::Greetings;
pub use rate::{Excess, RateLimits};
use returns::Missed;

use crate::cluster::{self, Backends, Balance, Cluster, Member, Presence, Server};
use crate::codec::Codec;
#[cfg(doc)]
use crate::error::Code;
use crate::id::Gid;
use crate::metrics::GateMetrics;
use crate::packet::Format;
use crate::registry::{Instance, Kind, RegistryError};
use crate::session::{OutboxLimits, OutboxRules, Overflow, SessionTable};
use crate::skew::compare::KnownSchema;
use crate::skew::{BadShape, Schema};
#[cfg(feature = "kcp")]
use crate::transport::kcp::Kcp;
#[cfg(feature = "tcp")]
use crate::transport::tcp::Tcp;
#[cfg(feature = "ws")]
use crate::transport::ws::Ws;
use crate::transport::{Attributes, CloseReason, Peer, Transport};

/// What the end of a session that was cut may take: the locator is told that its user has left.
const CLEAN_UP: Duration = Duration::from_secs(3);
/// How long a gate whose port another process takes serves the clients that it has told to go.
const LINGER: Duration = Duration::from_secs(10);

/// How heartbeats are spent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum HeartbeatMechanism {
    /// Every heartbeat of a client is answered with one.
    #[default]
    Resp,
    /// One heartbeat goes out per interval, and none is answered.
    Tick,
}

/// What becomes of a session whose user logs in once more. Either way the newest login wins: the user is found at his newest
/// session, and the older one has no user any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum DuplicateLogin {
    /// It is told with a [`Status`](crate::Status) for route 0, seq 0 ([`Code::UNAUTHORIZED`], "the user has logged in
    /// elsewhere") and closed (1008 on ws); a client that connects again by itself should not log in then. One on another
    /// gate too, also on one of due v2.5.8; and one here, if the newest is on a gate of due v2.5.8, a second after the locator
    /// has reported that.
    #[default]
    Close,
    /// As due v2.5.8: nothing is said. On the same gate it stays open without a user; on another gate it goes on to count as
    /// his until it closes.
    Keep,
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

struct Settings {
    heartbeat: Heartbeat,
    authorize_timeout: Option<Duration>,
    max_sessions: usize,
    outbox: OutboxLimits,
    overflow: Overflow,
    rate_limits: Option<RateLimits>,
    codec: Option<Codec>,
    reuse_port: bool,
    linger: Option<Duration>,
    drain: Duration,
    duplicate_login: DuplicateLogin,
    balance: Balance,
    schema: Option<Schema>,
    metadata: BTreeMap<String, String>,
    on_accept: Option<AcceptHook>,
    on_close: Option<CloseHook>,
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
                authorize_timeout: None,
                max_sessions: 5000,
                outbox: OutboxLimits::default(),
                overflow: Overflow::default(),
                rate_limits: None,
                codec: None,
                reuse_port: false,
                linger: None,
                drain: Duration::from_secs(5),
                duplicate_login: DuplicateLogin::default(),
                balance: Balance::default(),
                schema: None,
                metadata: BTreeMap::new(),
                on_accept: None,
                on_close: None,
            },
            listeners: Vec::new(),
        }
    }

    /// Binds the listeners and registers; clients are accepted by [`RunningGate::open`]. A port that another process has
    /// as well is bound there: from then on this one is given its share of the clients.
    pub(crate) async fn start(self, backends: &Backends) -> Result<RunningGate, StartGateError> {
        let known = self.settings.schema.as_ref().map(KnownSchema::new).transpose()?;
        let (mut doors, mut shared) = (Vec::new(), Vec::new());
        match self.settings.reuse_port {
            true => shared = self.listeners,
            false => bind_all(self.listeners, false, &mut doors).await?,
        }
        let member = Member::new(Kind::Gate, self.gid.as_str(), &backends.format);
        let settings = self.settings;
        let codec = settings.codec.unwrap_or_else(|| backends.codec.clone());
        let by_name = codec != Codec::Proto;
        let cluster = Cluster::join(backends, codec, None, member, settings.balance).await?;
        let format = Arc::clone(&cluster.member().format);
        let room = format.max_body_bytes().min(format.max_frame_bytes().saturating_sub(format.header_len()));
        let (limits, overflow) = (settings.outbox, settings.overflow);
        let (misses, missed) = returns::channel();
        let metrics = GateMetrics::new(&self.gid);
        let core = Arc::new_cyclic(|this| GateCore {
            this: this.clone(),
            gid: self.gid,
            heartbeat: settings.heartbeat,
            authorize_timeout: settings.authorize_timeout,
            max_sessions: settings.max_sessions,
            rate_limits: settings.rate_limits,
            outboxes: Arc::new(OutboxRules { limits, overflow, format: Arc::clone(&format) }),
            linger: settings.linger.unwrap_or(if settings.reuse_port { LINGER } else { Duration::ZERO }),
            drain: settings.drain,
            duplicate_login: settings.duplicate_login,
            on_accept: settings.on_accept,
            on_close: settings.on_close,
            greetings: known.map(|known| Greetings::new(known, by_name, room)),
            format,
            presence: Presence::new(&backends.registry),
            cluster,
            misses,
            metrics,
            sessions: SessionTable::default(),
            turned_away: TaskTracker::new(),
            last_cid: AtomicI64::new(0),
            leaving: CancellationToken::new(),
            finish: CancellationToken::new(),
            delayed: TaskTracker::new(),
        });
        core.watch_losses();
        let corrections = CancellationToken::new();
        let (corrector, until) = (Arc::clone(&core), corrections.clone());
        tokio::spawn(async move { until.run_until_cancelled(corrector.send_on_all(missed)).await });
        if core.duplicate_login == DuplicateLogin::Close
            && let Some(changes) = backends.locator.changes()
        {
            let (listener, until) = (Arc::clone(&core), corrections.clone());
            tokio::spawn(async move { until.run_until_cancelled(listener.hear_of_logins_elsewhere(changes)).await });
        }
        // Also if the start fails.
        let corrections = corrections.drop_guard();
        let server = Server::Gate(core.clone());
        let attached = backends.link.attach(core.cluster.member(), server).await.map_err(StartGateError::Attach)?;
        let mut instance = Instance::new(Kind::Gate, core.gid.as_str());
        instance.alias = self.name;
        instance.metadata = settings.metadata;
        instance.endpoint = attached.endpoint;
        instance.set_metrics(backends.metrics.as_deref());
        core.presence.register(instance).await?;
        tracing::info!(gid = %core.gid, "gate registered");
        Ok(RunningGate {
            core,
            addresses: Vec::new(),
            shared,
            doors,
            link: attached.door,
            accept: CancellationToken::new(),
            tasks: TaskTracker::new(),
            _corrections: corrections,
        })
    }
}

async fn bind_all(
    listeners: Vec<Box<dyn Listen>>,
    shared: bool,
    doors: &mut Vec<Box<dyn Door>>,
) -> Result<(), ListenError> {
    for listener in listeners {
        doors.push(listener.bind(shared).await?);
    }
    Ok(())
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

    /// A text that others find beside the gate in the registry ([`Instance::metadata`](crate::registry::Instance)), and the
    /// master shows. A later one of the same key replaces it. Default: none. Consul takes keys of at most 127 letters, digits,
    /// `_` and `-`, and values of 512 bytes; `due.oneway` and `due-metrics` are taken.
    pub fn metadata(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.metadata.insert(key.into(), value.into());
        self
    }

    /// Accepts TCP clients on `addr`, as `127.0.0.1:3554`; port 0 takes any free one.
    #[cfg(feature = "tcp")]
    pub fn tcp(self, addr: impl Into<String>) -> Self {
        self.listen(addr.into(), |addr, shared| async move {
            if shared { Tcp::bind_shared(addr).await } else { Tcp::bind(addr).await }
        })
    }

    /// Accepts ws clients of both dialects on `addr`, on every path. For more settings build a [`Ws`] and use
    /// [`transport`](Self::transport).
    #[cfg(feature = "ws")]
    pub fn ws(self, addr: impl Into<String>) -> Self {
        self.listen(addr.into(), |addr, shared| async move {
            if shared { Ws::bind_shared(addr).await } else { Ws::bind(addr).await }
        })
    }

    /// Accepts KCP clients on `addr`, a UDP port. For more settings build a [`Kcp`] and use
    /// [`transport`](Self::transport).
    #[cfg(feature = "kcp")]
    pub fn kcp(self, addr: impl Into<String>) -> Self {
        self.listen(addr.into(), |addr, _| async move { Kcp::bind(addr).await })
    }

    /// Accepts the clients of a transport that is listening already.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.listeners.push(Box::new(move |_| async move { Ok::<_, ListenError>(transport) }));
        self
    }

    /// Lets another process take the ports of [`tcp`](Self::tcp) and [`ws`](Self::ws) before this one leaves them, as
    /// `Tcp::bind_shared` describes, and takes them itself when the registry lists it; clients that are connected stay where they are. Default: no, so that a second process
    /// on the same port is an error.
    ///
    /// A UDP port is not shared: its datagrams of one conversation would reach either process. A gate with `kcp` moves to
    /// another port, or clients wait until the old process has left this one.
    pub fn reuse_port(mut self, on: bool) -> Self {
        self.settings.reuse_port = on;
        self
    }

    /// How long a gate that stops goes on to serve the clients it has, once it has told them to connect again
    /// ([`Code::GOING_AWAY`]). Generated clients and [`Client`](crate::Client) wait for their answers and go; who has not
    /// gone by then is closed (1001 on ws) when what it asked is answered. The gate ends when all have gone, however early.
    /// Default: 10 s with [`reuse_port`](Self::reuse_port), otherwise none: nothing more is read from the beginning of the
    /// stop.
    pub fn linger(mut self, deadline: Duration) -> Self {
        self.settings.linger = Some(deadline);
        self
    }

    /// Accepts the clients of a transport that is bound when the gate starts.
    #[cfg(any(feature = "tcp", feature = "ws", feature = "kcp"))]
    pub(crate) fn listen<T: Transport, B: Future<Output = io::Result<T>> + Send + 'static>(
        mut self,
        addr: String,
        bind: impl FnOnce(String, bool) -> B + Send + 'static,
    ) -> Self {
        self.listeners.push(Box::new(move |shared| async move {
            bind(addr.clone(), shared).await.map_err(|source| ListenError { addr, source })
        }));
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

    /// A session without a user for so long is closed (1008 on ws), what is queued is lost. Counts from the handshake,
    /// and again whenever its user logs out or another session takes him. Default: off; zero is off.
    pub fn authorize_timeout(mut self, timeout: Duration) -> Self {
        self.settings.authorize_timeout = (!timeout.is_zero()).then_some(timeout);
        self
    }

    /// Sees every client of every listener once its handshake is done, and decides whether it may stay: `false` closes the
    /// connection (1008 on ws). A ws client can be refused earlier, with an HTTP status: `Ws::on_upgrade`, whose attributes
    /// come along. Runs in the connection's own task and must not block. Default: everybody may stay.
    ///
    /// ```
    /// # let banned = |ip: std::net::IpAddr| false;
    /// let gate = due::Gate::builder().on_accept(move |peer, _attributes| !peer.ip().is_some_and(banned));
    /// ```
    pub fn on_accept(mut self, lets_in: impl Fn(&Peer, &mut Attributes) -> bool + Send + Sync + 'static) -> Self {
        self.settings.on_accept = Some(Arc::new(lets_in));
        self
    }

    /// Hears of every session that has ended. Runs in the connection's own task and must not block.
    pub fn on_close(mut self, hears: impl Fn(&Peer, &Attributes) + Send + Sync + 'static) -> Self {
        self.settings.on_close = Some(Arc::new(hears));
        self
    }

    /// Further connections are closed at once, on ws with 1013. Default: 5000.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.settings.max_sessions = sessions;
        self
    }

    /// What may wait for one client. A client that lets more pile up is disconnected, unless [`overflow`](Self::overflow)
    /// says otherwise.
    pub fn outbox(mut self, limits: OutboxLimits) -> Self {
        self.settings.outbox = limits;
        self
    }

    /// What happens to a client that reads too slowly. Default: [`Overflow::Disconnect`].
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.settings.overflow = overflow;
        self
    }

    /// What each client may send. Default: everything.
    pub fn rate_limits(mut self, limits: RateLimits) -> Self {
        self.settings.rate_limits = Some(limits);
        self
    }

    /// How the gate's own [`Status`](crate::Status) packets are written. Default: the codec of the [`Backends`].
    pub fn codec(mut self, codec: Codec) -> Self {
        self.settings.codec = Some(codec);
        self
    }

    /// How long a stop waits for answers, and for clients that do not read them, after [`linger`](Self::linger). Default:
    /// 5 s.
    pub fn drain(mut self, deadline: Duration) -> Self {
        self.settings.drain = deadline;
        self
    }

    /// What becomes of a session whose user logs in once more, here or at another gate. Default:
    /// [`DuplicateLogin::Close`].
    pub fn duplicate_login(mut self, policy: DuplicateLogin) -> Self {
        self.settings.duplicate_login = policy;
        self
    }

    /// How messages of stateless routes are spread over nodes. Default: [`Balance::RoundRobin`].
    pub fn balance(mut self, balance: Balance) -> Self {
        self.settings.balance = balance;
        self
    }

    /// The schema that the nodes behind this gate serve, `DUE_SCHEMA` of the generated code. A client that
    /// [sends its own](crate::ClientBuilder::schema) is told by which routes they differ ([`Skew`](crate::Skew)); others notice
    /// nothing. Default: none, and whoever asks is told that there is no route -1.
    ///
    /// Each schema of clients is compared once, which takes milliseconds in the task of a session. Where bodies carry names
    /// (all codecs but `proto`), other JSON names of fields are differences as well.
    pub fn schema(mut self, schema: Schema) -> Self {
        self.settings.schema = Some(schema);
        self
    }

    /// The gate.
    pub fn build(self) -> Gate {
        let gid = self.gid.unwrap_or_else(|| Gid::from(uuid::Uuid::new_v4().to_string()));
        Gate { gid, name: self.name, settings: self.settings, listeners: self.listeners }
    }
}

impl From<GateBuilder> for Gate {
    fn from(builder: GateBuilder) -> Self {
        builder.build()
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
    #[error("the schema of the gate cannot be read; generate it anew with the due-codegen of this release")]
    Schema(#[from] BadShape),
}

/// A listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen for clients on {addr}")]
pub struct ListenError {
    addr: String,
    source: io::Error,
}

/// A gate that is registered.
pub(crate) struct RunningGate {
    core: Arc<GateCore>,
    /// Of an open gate.
    addresses: Vec<String>,
    /// Where other processes listen as well, until it opens.
    shared: Vec<Box<dyn Listen>>,
    doors: Vec<Box<dyn Door>>,
    /// Where other servers come in.
    link: Option<Box<dyn cluster::Door>>,
    accept: CancellationToken,
    tasks: TaskTracker,
    _corrections: DropGuard,
}

impl RunningGate {
    pub(crate) fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Waits until nodes find the gate: one that they do not find gives its clients no answer.
    pub(crate) fn listed(&self) -> impl Future<Output = Result<(), RegistryError>> + Send + use<> {
        let core = Arc::clone(&self.core);
        async move { core.presence.listed().await }
    }

    /// Learns the nodes, then accepts clients.
    pub(crate) async fn open(&mut self) -> Result<(), StartGateError> {
        let core = &self.core;
        core.cluster.refresh().await?;
        bind_all(std::mem::take(&mut self.shared), true, &mut self.doors).await?;
        self.addresses = self.doors.iter().map(|door| door.address()).collect();
        tracing::info!(gid = %core.gid, addresses = ?self.addresses, "gate accepts clients");
        for door in self.doors.drain(..) {
            let (core, accept) = (Arc::clone(core), self.accept.clone());
            self.tasks.spawn(door.accept_all(core, accept));
        }
        Ok(())
    }

    /// Accepts nobody any more, tells the clients to connect again, and serves those who have not gone yet for a while.
    pub(crate) fn see_off(&self) -> impl Future<Output = ()> + Send + use<> {
        let (core, accept, doors) = (Arc::clone(&self.core), self.accept.clone(), self.tasks.clone());
        async move {
            core.presence.hang().await;
            accept.cancel();
            doors.close();
            doors.wait().await;
            core.leaving.cancel();
            let tasks = &core.sessions.tasks;
            tasks.close();
            if core.linger.is_zero() {
                return;
            }
            core.tell_all_to_go();
            if timeout(core.linger, tasks.wait()).await.is_err() {
                tracing::info!(gid = %core.gid, left = tasks.len(), "clients that have not gone by themselves are closed");
            }
        }
    }

    /// Reads nothing more. Answers to what was read still go out.
    pub(crate) async fn stop_reading(&mut self) {
        let core = &self.core;
        core.finish.cancel();
        for session in core.sessions.sessions() {
            session.because(CloseReason::Away).stop_reading();
        }
        core.delayed.close();
        core.delayed.wait().await;
    }

    /// Writes what is queued, closes every session and goes.
    pub(crate) async fn stop(self) {
        let core = &self.core;
        let tasks = &core.sessions.tasks;
        if core.linger.is_zero() {
            // Not earlier: who is told goes, and nodes that stop may have had something to say.
            core.tell_all_to_go();
        }
        // Nodes of other processes may still be at work.
        core.sessions.sessions().iter().for_each(|session| session.finish_when_answered());
        tasks.close();
        if timeout(core.drain, tasks.wait()).await.is_err() {
            tracing::warn!(gid = %core.gid, left = tasks.len(), "drain time is over; clients are cut");
            core.sessions.sessions().iter().for_each(|session| session.cut());
            if timeout(CLEAN_UP, tasks.wait()).await.is_err() {
                tracing::warn!(gid = %core.gid, left = tasks.len(), "the locator was not told of every user who left");
            }
        }
        // They wait for no client any more.
        core.turned_away.close();
        core.turned_away.wait().await;
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
    authorize_timeout: Option<Duration>,
    max_sessions: usize,
    rate_limits: Option<RateLimits>,
    outboxes: Arc<OutboxRules>,
    /// How long clients that were told to go are served.
    linger: Duration,
    /// How long a stop waits for clients that do not read.
    drain: Duration,
    duplicate_login: DuplicateLogin,
    on_accept: Option<AcceptHook>,
    on_close: Option<CloseHook>,
    /// Absent in a gate that knows no schema.
    greetings: Option<Greetings>,
    format: Arc<Format>,
    presence: Presence,
    cluster: Cluster,
    /// Messages that have come back.
    misses: mpsc::Sender<Missed>,
    metrics: GateMetrics,
    sessions: SessionTable,
    /// Clients that find no place, and hear so.
    turned_away: TaskTracker,
    last_cid: AtomicI64,
    /// Clients are told to connect again; those that come later are told then.
    leaving: CancellationToken,
    /// Nothing more is read from any session; those that open later see it themselves.
    finish: CancellationToken,
    /// Messages that wait because their clients send too many. A stop hands them to the nodes while there are any.
    delayed: TaskTracker,
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

/// Hooks have no text.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("heartbeat", &self.heartbeat)
            .field("authorize_timeout", &self.authorize_timeout)
            .field("max_sessions", &self.max_sessions)
            .field("outbox", &self.outbox)
            .field("overflow", &self.overflow)
            .field("rate_limits", &self.rate_limits)
            .field("codec", &self.codec)
            .field("reuse_port", &self.reuse_port)
            .field("linger", &self.linger)
            .field("drain", &self.drain)
            .field("duplicate_login", &self.duplicate_login)
            .field("balance", &self.balance)
            .field("schema", &self.schema)
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}
