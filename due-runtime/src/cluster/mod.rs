//! Everything a server asks of the others: push, bind, locate, disconnect.

mod dispatch;
mod link;
mod push;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::{Bytes, BytesMut};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use dispatch::DispatchTable;
pub use link::Audience;
pub(crate) use link::{Delivery, GateAnswer, GateLink, GateOp, Link, LinkError, MemoryLink, NodeLink, Undelivered};
pub use push::{Push, PushExt};

use crate::codec::{Body, Codec, EncodeError};
use crate::id::{Cid, Gid, Nid, RouteId, Seq, Uid};
use crate::locator::{LocateError, Locator, MemoryLocator};
use crate::packet::{self, Format};
use crate::registry::{Instance, Kind, MemoryRegistry, Registry, RegistryError};
use crate::session::SessionTarget;

/// What the servers of one cluster share: where they find each other and how they write packets.
///
/// The default keeps everything in this process and needs no server.
#[derive(Clone, Debug)]
pub struct Backends {
    pub(crate) registry: Arc<dyn Registry>,
    pub(crate) locator: Arc<dyn Locator>,
    pub(crate) link: Arc<dyn Link>,
    pub(crate) format: Format,
    pub(crate) codec: Codec,
    pub(crate) statuses: bool,
}

impl Default for Backends {
    fn default() -> Self {
        Self::memory()
    }
}

impl Backends {
    /// Registry, locator and link in the memory of this process; the default packet format; codec proto.
    pub fn memory() -> Self {
        Self {
            registry: Arc::new(MemoryRegistry::default()),
            locator: Arc::new(MemoryLocator::default()),
            link: Arc::new(MemoryLink::default()),
            format: Format::default(),
            codec: Codec::default(),
            statuses: true,
        }
    }

    /// Where instances announce themselves. Default: in memory.
    #[must_use]
    pub fn registry(mut self, registry: impl Registry) -> Self {
        self.registry = Arc::new(registry);
        self
    }

    /// Where users are found. Default: in memory.
    #[must_use]
    pub fn locator(mut self, locator: impl Locator) -> Self {
        self.locator = Arc::new(locator);
        self
    }

    /// How packets are written; the same for every gate, node and client.
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// How bodies are written, unless a node says otherwise. Default: [`Codec::Proto`].
    #[must_use]
    pub fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Whether requests that get no response are answered with a [`Status`](crate::Status) packet on route -1.
    /// Default: yes. due v2.5.8 answers nothing; clients that know no route -1 ignore it.
    #[must_use]
    pub fn statuses(mut self, on: bool) -> Self {
        self.statuses = on;
        self
    }
}

/// Whom a push or an operation means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// One connection of one gate.
    Session(Gid, Cid),
    /// A user, wherever the locator finds him.
    User(Uid),
}

impl From<Uid> for Target {
    fn from(uid: Uid) -> Self {
        Self::User(uid)
    }
}

/// What became of a message to many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// Sessions that have it in their queue.
    pub delivered: u64,
    /// Targets without a session.
    pub absent: u64,
    /// Targets or gates that could not be asked.
    pub failed: u64,
}

/// How a session ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Close {
    /// What is queued is written first.
    Graceful,
    /// At once; what is queued is lost.
    Force,
}

/// Why an operation on one session or user failed. Nothing was done, unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClusterError {
    /// The target has no session (any more).
    #[error("no session for {0:?}")]
    NoSession(Target),
    /// The client reads too slowly; its session was closed.
    #[error("the client of {0:?} reads too slowly")]
    Backlogged(Target),
    /// No gate with this id is registered.
    #[error("no gate {0} in the registry")]
    NoGate(Gid),
    /// User ids are positive.
    #[error("{0} is no user id: it must be positive")]
    BadUid(Uid),
    /// The message could not be written.
    #[error("the message could not be written")]
    Encode(#[from] crate::codec::EncodeError),
    /// The message does not fit the packet format.
    #[error("the message does not fit the packet")]
    Packet(#[from] packet::EncodeError),
    /// The locator gave no answer.
    #[error("the user could not be located")]
    Locate(#[from] LocateError),
    /// The registry gave no answer.
    #[error("the registry did not answer")]
    Registry(#[from] RegistryError),
    /// The gate failed or left meanwhile.
    #[error("gate {gid} failed: {reason}")]
    Gate {
        /// The gate.
        gid: Gid,
        /// What it said.
        reason: String,
    },
}

/// The handle for everything that reaches over to other servers. Cheap to clone; usable outside requests.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    backends: Backends,
    /// Of the server this handle belongs to; pushes are written with it.
    codec: Codec,
    gates: ArcSwap<HashMap<Gid, Arc<dyn GateLink>>>,
}

impl Cluster {
    /// Joins the cluster: knows its gates from now until `stop`.
    pub(crate) async fn join(
        backends: &Backends,
        codec: Codec,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<Self, RegistryError> {
        let inner = Arc::new(Inner { backends: backends.clone(), codec, gates: ArcSwap::default() });
        let mut watch = backends.registry.watch(Kind::Gate).await?;
        inner.learn(&watch.latest());
        let (cluster, stop) = (Arc::downgrade(&inner), stop.clone());
        tasks.spawn(async move {
            while let Some(Some(gates)) = stop.run_until_cancelled(watch.next()).await {
                let Some(inner) = cluster.upgrade() else { return };
                inner.learn(&gates);
            }
        });
        Ok(Self { inner })
    }

    /// Asks the registry for the gates now, rather than waiting to be told.
    pub(crate) async fn refresh(&self) -> Result<(), RegistryError> {
        let gates = self.inner.backends.registry.list(Kind::Gate).await?;
        self.inner.learn(&gates);
        Ok(())
    }

    /// How bodies are written.
    pub fn codec(&self) -> &Codec {
        &self.inner.codec
    }

    /// How packets are written.
    pub fn format(&self) -> &Format {
        &self.inner.backends.format
    }

    pub(crate) fn backends(&self) -> &Backends {
        &self.inner.backends
    }

    /// The bytes of one message, written once for any number of targets. The size prefix is included.
    pub fn packet<B: Body>(&self, route: RouteId, seq: Seq, message: &B) -> Result<Bytes, ClusterError> {
        let mut buf = self.format().begin(128);
        let written = message.encode_body(self.codec(), &mut buf);
        self.sealed(buf, written, route, seq)
    }

    /// The part of [`packet`](Self::packet) that is the same for all messages.
    fn sealed(
        &self,
        buf: BytesMut,
        written: Result<(), EncodeError>,
        route: RouteId,
        seq: Seq,
    ) -> Result<Bytes, ClusterError> {
        written?;
        Ok(self.format().seal(buf, route, seq)?)
    }

    /// Pushes one message. `Ok` says that it is in the session's queue.
    pub async fn push<P: Push>(&self, target: impl Into<Target>, message: &P) -> Result<(), ClusterError> {
        let packet = self.packet(P::ROUTE, Seq::NONE, message)?;
        self.push_packet(target.into(), packet).await
    }

    pub(crate) async fn push_packet(&self, target: Target, packet: Bytes) -> Result<(), ClusterError> {
        self.ask(target, |target| GateOp::Push { target, packet: packet.clone() }).await.map(drop)
    }

    /// Pushes one message to many users: located one by one, then one call per gate.
    pub async fn multicast<P: Push>(&self, users: &[Uid], message: &P) -> Result<Tally, ClusterError> {
        let packet = self.packet(P::ROUTE, Seq::NONE, message)?;
        let mut tally = Tally::default();
        let mut per_gate: BTreeMap<Gid, Vec<SessionTarget>> = BTreeMap::new();
        for &uid in users {
            match self.locate_gate(uid).await {
                Ok(Some(gid)) => per_gate.entry(gid).or_default().push(SessionTarget::User(uid)),
                Ok(None) => tally.absent += 1,
                Err(error) => {
                    tracing::warn!(%uid, error = &error as &dyn std::error::Error, "not reached by a multicast");
                    tally.failed += 1;
                }
            }
        }
        for (gid, targets) in per_gate {
            let asked = targets.len() as u64;
            let answer = match self.gate(&gid) {
                Ok(gate) => gate.call(GateOp::Multicast { targets, packet: packet.clone() }).await,
                // The locator remembers a gate that is gone: its users have no session.
                Err(_) => Ok(GateAnswer::Total(0)),
            };
            match answer {
                Ok(GateAnswer::Total(total)) => {
                    tally.delivered += total;
                    tally.absent += asked.saturating_sub(total);
                }
                _ => tally.failed += asked,
            }
        }
        Ok(tally)
    }

    /// Pushes one message to every session, or every user, of every gate. `failed` counts gates.
    pub async fn broadcast<P: Push>(&self, audience: Audience, message: &P) -> Result<Tally, ClusterError> {
        let packet = self.packet(P::ROUTE, Seq::NONE, message)?;
        Ok(self.ask_all(|| GateOp::Broadcast { audience, packet: packet.clone() }).await)
    }

    /// Pushes one message to the members of a channel on every gate. `failed` counts gates.
    pub async fn publish<P: Push>(&self, channel: &str, message: &P) -> Result<Tally, ClusterError> {
        let packet = self.packet(P::ROUTE, Seq::NONE, message)?;
        let channel: Arc<str> = channel.into();
        Ok(self.ask_all(|| GateOp::Publish { channel: Arc::clone(&channel), packet: packet.clone() }).await)
    }

    /// Adds the connection behind `target` to a channel, until it closes or leaves.
    pub async fn subscribe(&self, target: impl Into<Target>, channel: &str) -> Result<(), ClusterError> {
        let channel: Arc<str> = channel.into();
        let op = |target| GateOp::Subscribe { targets: vec![target], channel: Arc::clone(&channel) };
        self.ask(target.into(), op).await.map(drop)
    }

    /// Takes the connection behind `target` off a channel. No error if it was no member.
    pub async fn unsubscribe(&self, target: impl Into<Target>, channel: &str) -> Result<(), ClusterError> {
        let channel: Arc<str> = channel.into();
        let op = |target| GateOp::Unsubscribe { targets: vec![target], channel: Arc::clone(&channel) };
        self.ask(target.into(), op).await.map(drop)
    }

    /// Closes the connection behind `target`.
    pub async fn disconnect(&self, target: impl Into<Target>, close: Close) -> Result<(), ClusterError> {
        let op = |target| GateOp::Disconnect { target, force: close == Close::Force };
        self.ask(target.into(), op).await.map(drop)
    }

    /// Binds a user to a connection; the newest wins, an older session of the user stays open without a user.
    pub async fn bind(&self, gid: &Gid, cid: Cid, uid: Uid) -> Result<(), ClusterError> {
        if uid.0 <= 0 {
            return Err(ClusterError::BadUid(uid));
        }
        let answer = self.gate(gid)?.call(GateOp::Bind { cid, uid }).await;
        answer.map(drop).map_err(|error| error.at(gid, Target::Session(gid.clone(), cid)))
    }

    /// Takes the user off his connection, which stays open.
    pub async fn unbind(&self, uid: Uid) -> Result<(), ClusterError> {
        self.ask(Target::User(uid), |_| GateOp::Unbind { uid }).await.map(drop)
    }

    /// Sends the user's stateful routes of the nodes called `name` to `nid` from now on.
    pub async fn bind_node(&self, uid: Uid, name: &str, nid: &Nid) -> Result<(), ClusterError> {
        Ok(self.locator().bind_node(uid, name, nid).await?)
    }

    /// Ends what [`bind_node`](Self::bind_node) began; `false` if the user is bound elsewhere meanwhile.
    pub async fn unbind_node(&self, uid: Uid, name: &str, nid: &Nid) -> Result<bool, ClusterError> {
        Ok(self.locator().unbind_node(uid, name, nid).await?)
    }

    /// The gate that holds the user's session.
    pub async fn locate_gate(&self, uid: Uid) -> Result<Option<Gid>, ClusterError> {
        Ok(self.locator().locate_gate(uid).await?)
    }

    /// The node called `name` that the user is bound to.
    pub async fn locate_node(&self, uid: Uid, name: &str) -> Result<Option<Nid>, ClusterError> {
        Ok(self.locator().locate_node(uid, name).await?)
    }

    /// Whether the target has a session now.
    pub async fn is_online(&self, target: impl Into<Target>) -> Result<bool, ClusterError> {
        match self.ask(target.into(), GateOp::IsOnline).await {
            Ok(answer) => Ok(answer == GateAnswer::Online(true)),
            Err(ClusterError::NoSession(_) | ClusterError::NoGate(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The address that the client connected from.
    pub async fn ip(&self, target: impl Into<Target>) -> Result<IpAddr, ClusterError> {
        let target = target.into();
        match self.ask(target.clone(), GateOp::Ip).await? {
            GateAnswer::Ip(ip) => Ok(ip),
            _ => Err(ClusterError::NoSession(target)),
        }
    }

    /// How many sessions or users all gates hold. `delivered` is the number, `failed` counts gates.
    pub async fn stat(&self, audience: Audience) -> Tally {
        self.ask_all(|| GateOp::Stat(audience)).await
    }

    /// The instances of one kind that are registered now.
    pub async fn instances(&self, kind: Kind) -> Result<Arc<[Instance]>, ClusterError> {
        Ok(self.inner.backends.registry.list(kind).await?)
    }

    /// One call to the gate of `target`. A user who moved meanwhile is located once more.
    async fn ask(&self, target: Target, op: impl Fn(SessionTarget) -> GateOp) -> Result<GateAnswer, ClusterError> {
        let uid = match &target {
            Target::Session(gid, cid) => {
                let answer = self.gate(gid)?.call(op(SessionTarget::Session(*cid))).await;
                return answer.map_err(|error| error.at(gid, target.clone()));
            }
            Target::User(uid) => *uid,
        };
        let mut tried: Option<Gid> = None;
        loop {
            let located = self.locate_gate(uid).await?;
            let Some(gid) = located.filter(|gid| Some(gid) != tried.as_ref()) else {
                return Err(ClusterError::NoSession(target));
            };
            let answer = match self.gate(&gid) {
                Ok(gate) => gate.call(op(SessionTarget::User(uid))).await,
                Err(_) => Err(LinkError::NoSession),
            };
            match answer {
                Err(LinkError::NoSession) if tried.is_none() => tried = Some(gid),
                answer => return answer.map_err(|error| error.at(&gid, target)),
            }
        }
    }

    async fn ask_all(&self, op: impl Fn() -> GateOp) -> Tally {
        let mut tally = Tally::default();
        for (gid, gate) in self.inner.gates.load_full().iter() {
            match gate.call(op()).await {
                Ok(GateAnswer::Total(total)) => tally.delivered += total,
                answer => {
                    tracing::warn!(%gid, ?answer, "a gate did not count");
                    tally.failed += 1;
                }
            }
        }
        tally
    }

    fn gate(&self, gid: &Gid) -> Result<Arc<dyn GateLink>, ClusterError> {
        let gates = self.inner.gates.load();
        gates.get(gid).cloned().ok_or_else(|| ClusterError::NoGate(gid.clone()))
    }

    fn locator(&self) -> &dyn Locator {
        &*self.inner.backends.locator
    }
}

impl Inner {
    fn learn(&self, instances: &[Instance]) {
        let link = &self.backends.link;
        let gates = instances.iter().filter_map(|instance| {
            let gid = Gid::from(instance.id.as_str());
            let gate = link.gate(&gid, &instance.endpoint)?;
            Some((gid, gate))
        });
        self.gates.store(Arc::new(gates.collect()));
    }
}

impl LinkError {
    pub(crate) fn at(self, gid: &Gid, target: Target) -> ClusterError {
        match self {
            Self::NoSession => ClusterError::NoSession(target),
            Self::Backlogged => ClusterError::Backlogged(target),
            Self::Failed(reason) => ClusterError::Gate { gid: gid.clone(), reason },
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster").field("backends", &self.inner.backends).finish_non_exhaustive()
    }
}
