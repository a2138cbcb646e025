//! The link between processes: drpc of due v2.5.8 over TCP.

mod address;
mod answer;
mod connection;
mod frame;
pub mod fuzzing;
mod guard;
mod handed;
mod incoming;
mod outgoing;
mod pool;
mod receipts;
mod remote;
mod request;
mod secret;
mod serve;
mod server;
mod socket;

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;

use self::guard::Guard;
use self::pool::{Lease, Pool, Target};
use self::remote::{RemoteGate, RemoteNode};
use self::secret::Secret;
pub use self::secret::ShortSecret;
use self::server::Port;
use super::link::{Attached, GateLink, Link, Member, NodeLink, Server};
use super::memory::MemoryLink;
use crate::future::BoxFuture;
use crate::id::{Gid, Nid};
use crate::listen::listen;
use crate::registry::Kind;
#[cfg(feature = "tls")]
use crate::transport::tls::TlsPeer;

/// How long a server that leaves waits for others to read what it still has for them.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// As long as that, and clocks can still be added to it.
const NO_TIMEOUT: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// What a frame has around a packet for one session, rounded up.
const FRAME_ROOM: usize = 64;
/// The largest multicast has 8189 targets, and a packet.
const SMALLEST_MAX_FRAME: usize = 128 * 1024;

/// How gates, nodes and meshes of several processes talk to each other: drpc of due v2.5.8 over TCP, so that Go
/// processes can be among them. Every gate and node listens on a port of its own and registers it as
/// `drpc://host:port?is_secure=false`.
///
/// As Go speaks it, this wire has no encryption and no authentication: keep the ports within a private network. Where all
/// processes are of Rust, [`secret`](Self::secret) keeps strangers out, and `tls` (feature `tls`) those who eavesdrop as
/// well; what one of them has, all must have. A link with neither that listens beyond the loopback interface says so once
/// in the log. Links with neither are as they are in Go, byte for byte.
///
/// ```
/// use due::{Backends, TcpLink};
///
/// let backends = Backends::memory().link(TcpLink::new().addr("127.0.0.1:0"));
/// ```
#[must_use]
pub struct TcpLink {
    addr: String,
    host: Option<String>,
    settings: Arc<Settings>,
    /// Where servers of one kind are told something else.
    kinds: Vec<(Kind, Own)>,
    /// Servers of this process, unless they shall use TCP as well.
    process: Option<MemoryLink>,
    pools: Arc<Mutex<Pools>>,
    /// It was said that the link is open to everybody.
    warned: AtomicBool,
}

/// What one server is told.
#[derive(Clone, Debug)]
struct Own {
    addr: String,
    host: Option<String>,
    settings: Arc<Settings>,
}

#[derive(Clone, Debug)]
struct Settings {
    connections: usize,
    call_timeout: Duration,
    dial_timeout: Duration,
    queue_bytes: usize,
    max_frame: usize,
    guard: Guard,
}

/// From whom to whom.
type Route = (Kind, Arc<str>, Target);
type Pools = HashMap<Route, Arc<Pool>>;

impl Default for TcpLink {
    fn default() -> Self {
        Self::new()
    }
}

impl TcpLink {
    /// The defaults of due.
    pub fn new() -> Self {
        let settings = Settings {
            connections: 5,
            call_timeout: Duration::from_secs(3),
            dial_timeout: Duration::from_secs(3),
            queue_bytes: 8 * 1024 * 1024,
            max_frame: 16 * 1024 * 1024,
            guard: Guard::default(),
        };
        Self {
            addr: ":0".to_owned(),
            host: None,
            settings: Arc::new(settings),
            kinds: Vec::new(),
            process: Some(MemoryLink::default()),
            pools: Arc::default(),
            warned: AtomicBool::new(false),
        }
    }

    /// Where each gate and node listens for the others, `host:port`. Default: `:0`, every interface and any free port.
    ///
    /// Others are told this host. If it is every interface, they are told a private IPv4 address of this machine, from
    /// 192.168/16 if there is one.
    pub fn addr(mut self, addr: impl Into<String>) -> Self {
        self.addr = addr.into();
        self
    }

    /// The host that others are told instead, where addresses are translated.
    pub fn advertise(mut self, host: impl Into<String>) -> Self {
        self.host = Some(host.into());
        self
    }

    /// Connections to each other server; messages of one session always take the same one. Default: 5, at least 1.
    pub fn connections(self, connections: usize) -> Self {
        self.set(|settings| settings.connections = connections.max(1))
    }

    /// How long a call waits for its answer. Default: 3 s; zero: for as long as its connection lasts.
    pub fn call_timeout(self, deadline: Duration) -> Self {
        let deadline = if deadline.is_zero() { NO_TIMEOUT } else { deadline.min(NO_TIMEOUT) };
        self.set(|settings| settings.call_timeout = deadline)
    }

    /// How long one attempt to connect may take. Default: 3 s.
    ///
    /// Three attempts are made before what waits for the connection is given up; then they go on, a second apart.
    pub fn dial_timeout(self, deadline: Duration) -> Self {
        self.set(|settings| settings.dial_timeout = deadline)
    }

    /// How much may wait for each connection, in bytes. Default: 8 MiB. Clients whose messages find no room are not
    /// read; pushes that find none fail. Stateful messages that a node has not said anything of take four times as much at
    /// most: of older ones that come back, clients are told ([`Code::TOO_MANY_REQUESTS`](crate::Code::TOO_MANY_REQUESTS)).
    pub fn queue_bytes(self, bytes: usize) -> Self {
        self.set(|settings| settings.queue_bytes = bytes)
    }

    /// Longest frame that is accepted from another server, in bytes after its size field. Default: 16 MiB, at least
    /// 128 KiB.
    pub fn max_frame(self, bytes: usize) -> Self {
        self.set(|settings| settings.max_frame = bytes.max(SMALLEST_MAX_FRAME))
    }

    /// Whether servers of the same process call each other's functions instead. Default: yes. They listen either way.
    pub fn in_process(mut self, on: bool) -> Self {
        self.process = on.then(MemoryLink::default);
        self
    }

    /// What all processes of the cluster know, and nobody else: at least 16 random bytes. Default: none.
    ///
    /// Each connection begins with an exchange in which both sides prove that they know the secret, and who they are
    /// (HMAC-SHA-256 over fresh nonces), within 3 s. Whoever cannot is not heard, and named once in the log: processes
    /// without this secret, and those of Go, which cannot have one. It keeps out all who merely reach the port. Whoever can
    /// read or change what is under way is kept out by `tls` alone (feature `tls`); the two work together, and each proof
    /// is then bound to its TLS connection.
    ///
    /// # Errors
    /// When it has less than 16 bytes.
    ///
    /// ```
    /// use due::{Backends, TcpLink};
    ///
    /// # let read = |_| Ok::<_, std::io::Error>("6bd3f0a1c9e24578a0d1e2f3");
    /// let link = TcpLink::new().addr("10.0.0.7:0").secret(read("/run/secrets/link")?)?;
    /// let backends = Backends::memory().link(link);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn secret(self, secret: impl AsRef<[u8]>) -> Result<Self, ShortSecret> {
        let secret = Secret::new(secret.as_ref())?;
        Ok(self.set(|settings| settings.guard.secret = Some(secret)))
    }

    /// Mutual TLS 1.3 with all other processes, which must have it as well: those of Go cannot. Each side must show a
    /// certificate that the other's authority has signed; [`TlsPeer`] says whose name it bears. Default: none.
    ///
    /// Servers register as `is_secure=true` then. Whoever shows no such certificate within 3 s is not heard, and named
    /// once in the log.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: TlsPeer) -> Self {
        self.set(|settings| settings.guard.tls = Some(tls))
    }

    fn warn_if_open(&self, local: SocketAddr, guard: &Guard) {
        let is_open = guard.is_open() && !local.ip().to_canonical().is_loopback();
        if is_open && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                %local,
                "whoever reaches this port can act as a server of the cluster: give the link a secret \
                 (`TcpLink::secret`) or TLS (`TcpLink::tls`) if there are only Rust processes, and keep the port within a \
                 private network"
            );
        }
    }

    /// Other settings for servers of one kind, where a process has gates and nodes: all but
    /// [`in_process`](Self::in_process). What is changed afterwards changes the other kinds only.
    ///
    /// ```
    /// use due::TcpLink;
    /// use due::registry::Kind;
    ///
    /// let link = TcpLink::new().addr("10.0.0.5:7001").of(Kind::Node, |link| link.addr("10.0.0.5:7002"));
    /// ```
    pub fn of(mut self, kind: Kind, change: impl FnOnce(Self) -> Self) -> Self {
        let Own { addr, host, settings } = self.own(kind);
        let Self { addr, host, settings, .. } = change(Self { addr, host, settings, ..Self::new() });
        self.kinds.retain(|(own, _)| *own != kind);
        self.kinds.push((kind, Own { addr, host, settings }));
        self
    }

    fn own(&self, kind: Kind) -> Own {
        let own = self.kinds.iter().find(|(own, _)| *own == kind).map(|(_, own)| own.clone());
        own.unwrap_or_else(|| Own {
            addr: self.addr.clone(),
            host: self.host.clone(),
            settings: Arc::clone(&self.settings),
        })
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    fn lease(&self, member: &Member, target: Target, endpoint: &str) -> Option<Lease> {
        let addr = address::parse(endpoint)?;
        let mut pools = self.pools.lock().unwrap();
        pools.retain(|_, pool| pool.is_needed());
        let route = (member.kind, Arc::clone(&member.id), target.clone());
        if let Some(pool) = pools.get(&route) {
            if pool.shared.addr == addr {
                return Some(Lease::new(pool));
            }
            // One id, one server: the one at the old address is gone.
            pool.abandon();
        }
        let pool = Pool::new(&self.own(member.kind).settings, member, target, addr);
        let lease = Lease::new(&pool);
        pools.insert(route, pool);
        Some(lease)
    }
}

impl Link for TcpLink {
    fn attach<'a>(&'a self, member: &'a Member, server: Server) -> BoxFuture<'a, io::Result<Attached>> {
        Box::pin(async move {
            let Own { addr, host, settings } = self.own(member.kind);
            let (largest, limit) = (member.format.max_frame_bytes() + FRAME_ROOM, settings.max_frame);
            if largest > limit {
                let text = format!("packets of {largest} bytes do not fit TcpLink::max_frame({limit})");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            let addr = address::listen_on(&addr);
            let bound = listen(&addr).await;
            let listener = bound.map_err(|error| io::Error::new(error.kind(), format!("{addr}: {error}")))?;
            let local = listener.local_addr()?;
            self.warn_if_open(local, &settings.guard);
            let host = host.unwrap_or_else(|| address::host_of(local).to_string());
            if let Some(process) = &self.process {
                process.attach(member, server.clone()).await?;
            }
            let (pools, kind, id) = (Arc::clone(&self.pools), member.kind, Arc::clone(&member.id));
            let silent = move |caller: &Target| {
                if let Some(pool) = pools.lock().unwrap().get(&(kind, Arc::clone(&id), caller.clone())) {
                    pool.doubt();
                }
            };
            let endpoint = address::endpoint(&host, local.port(), settings.guard.has_tls());
            let port = Port::open(listener, server, member, &settings, Box::new(silent));
            Ok(Attached { endpoint, door: Some(Box::new(port)) })
        })
    }

    fn gate(&self, member: &Member, gid: &Gid, endpoint: &str) -> Option<Arc<dyn GateLink>> {
        if let Some(gate) = self.process.as_ref().and_then(|process| process.gate(member, gid, endpoint)) {
            return Some(gate);
        }
        Some(Arc::new(RemoteGate(self.lease(member, Target::Gate(gid.clone()), endpoint)?)))
    }

    fn node(&self, member: &Member, nid: &Nid, endpoint: &str) -> Option<Arc<dyn NodeLink>> {
        if let Some(node) = self.process.as_ref().and_then(|process| process.node(member, nid, endpoint)) {
            return Some(node);
        }
        Some(Arc::new(RemoteNode(self.lease(member, Target::Node(nid.clone()), endpoint)?)))
    }

    fn leave<'a>(&'a self, member: &'a Member) -> BoxFuture<'a, ()> {
        let mut own = Vec::new();
        self.pools.lock().unwrap().retain(|(kind, id, _), pool| {
            let is_own = (*kind, id) == (member.kind, &member.id);
            if is_own {
                own.push(Arc::clone(pool));
            }
            !is_own
        });
        Box::pin(async move {
            let leaves = own.into_iter().map(|pool| async move { pool.leave(LAST_WORDS).await });
            leaves.collect::<JoinSet<()>>().join_all().await;
        })
    }
}

impl fmt::Debug for TcpLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpLink")
            .field("addr", &self.addr)
            .field("host", &self.host)
            .field("settings", &self.settings)
            .field("kinds", &self.kinds)
            .field("in_process", &self.process.is_some())
            .finish()
    }
}

#[cfg(test)]
mod tests;
