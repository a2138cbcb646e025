//! What a gate is built from.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::accept::Listen;
use super::rate::RateLimits;
use super::settings::{DuplicateLogin, HeartbeatMechanism, Settings};
use super::{Gate, ListenError};
use crate::cluster::Balance;
use crate::codec::Codec;
#[cfg(doc)]
use crate::error::Code;
use crate::id::Gid;
use crate::session::{OutboxLimits, Overflow};
use crate::skew::Schema;
#[cfg(feature = "kcp")]
use crate::transport::kcp::Kcp;
#[cfg(feature = "tcp")]
use crate::transport::tcp::Tcp;
#[cfg(feature = "ws")]
use crate::transport::ws::Ws;
use crate::transport::{Attributes, Peer, Transport};

/// Collects the parts of a [`Gate`].
#[must_use]
pub struct GateBuilder {
    pub(super) gid: Option<Gid>,
    pub(super) name: String,
    pub(super) settings: Settings,
    pub(super) listeners: Vec<Box<dyn Listen>>,
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
    /// `_` and `-`, and values of 512 bytes; `due.oneway`, `due-answers` and `due-metrics` are taken.
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
    /// `Tcp::bind_shared` describes, and takes them itself when the registry lists it; clients that are connected stay where
    /// they are. Default: no, so that a second process on the same port is an error.
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
    pub(crate) fn listen<T: Transport, B: Future<Output = std::io::Result<T>> + Send + 'static>(
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

    /// What may wait for one client. Who pushes more waits while the client reads. One that does not is disconnected, unless
    /// [`overflow`](Self::overflow) says otherwise.
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

    /// How the gate's own [`Status`](crate::Status) packets are written. Default: the codec of the [`Backends`](crate::Backends).
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
impl fmt::Debug for GateBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GateBuilder")
            .field("name", &self.name)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
