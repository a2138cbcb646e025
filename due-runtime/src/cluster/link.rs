//! What the servers of a cluster say to each other, whatever carries it. The numbers of `cluster-wire` opcodes stand
//! beside each.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};

use super::Cluster;
use crate::future::BoxFuture;
use crate::id::{Cid, Gid, Nid, RouteId, Seq, Uid};
use crate::packet::{Format, Packet};
use crate::registry::{Kind, State};
use crate::session::{Request, SessionTarget, Turn, Wakes};
use bytes::{Bytes, BytesMut};

/// Finds the way to an instance by its registry endpoint.
pub(crate) trait Link: Send + Sync + fmt::Debug + 'static {
    /// Lets the others reach a server, until its [`Door`] is closed.
    fn attach<'a>(&'a self, member: &'a Member, server: Server) -> BoxFuture<'a, io::Result<Attached>>;
    /// The way from `member` to a gate; `None` if this link does not understand the endpoint. Dials when it is first used.
    fn gate(&self, member: &Member, gid: &Gid, endpoint: &str) -> Option<Arc<dyn GateLink>>;
    /// The way from `member` to a node, likewise.
    fn node(&self, member: &Member, nid: &Nid, endpoint: &str) -> Option<Arc<dyn NodeLink>>;
    /// Writes what `member` has queued for others, as far as they read within a second, and hangs up.
    fn leave<'a>(&'a self, member: &'a Member) -> BoxFuture<'a, ()>;
}

/// One server of this process, as the others know it. Links keep their connections per member: each says who calls.
#[derive(Clone)]
pub(crate) struct Member {
    pub(crate) kind: Kind,
    pub(crate) id: Arc<str>,
    /// How packets are written in this cluster.
    pub(crate) format: Arc<Format>,
    /// Set by gates and nodes.
    pub(crate) losses: Arc<OnceLock<Weak<dyn Losses>>>,
}

impl Member {
    pub(crate) fn new(kind: Kind, id: &str, format: &Format) -> Self {
        Self { kind, id: id.into(), format: Arc::new(format.clone()), losses: Arc::default() }
    }
}

/// Told when messages that were handed over, or queued for it, may be lost.
pub(crate) trait Losses: Send + Sync {
    /// A connection to `nid` has broken. `is_lost`: whether it carried this message; what waits for the next connection
    /// is not lost.
    fn lost(&self, nid: &Nid, is_lost: &dyn Fn(Cid, RouteId, Seq) -> bool);
    /// A connection of `nid` to this server has ended: answers that it was to bring may be lost.
    fn unanswered(&self, _nid: &Nid) {}
    /// `nid` will not handle this message, which is not here any more to be handed to another node.
    fn strayed(&self, _nid: &Nid, _cid: Cid, _route: RouteId, _seq: Seq) {}
    /// A message that waited for a connection to `nid` is given back, for there is none, and the node has heard nothing of
    /// it. `false`: it counts as lost.
    fn unsent(&self, _nid: &Nid, _cid: Cid, _uid: Option<Uid>, _message: Packet) -> bool {
        false
    }
}

/// What a link serves.
#[derive(Clone)]
pub(crate) enum Server {
    Gate(Arc<dyn GateServer>),
    /// The cluster resolves who calls: answers to a gate's messages go through its own link.
    Node(Arc<dyn NodeServer>, Cluster),
}

/// A server that others can reach.
pub(crate) struct Attached {
    /// What to register.
    pub(crate) endpoint: String,
    /// `None` if nothing but a function call leads to it.
    pub(crate) door: Option<Box<dyn Door>>,
}

/// The serving end of a link.
pub(crate) trait Door: Send + Sync {
    /// Answers what was asked, as far as the others read within a second, and takes nothing more.
    fn close(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// A gate, as nodes and meshes see it.
pub(crate) trait GateLink: Send + Sync {
    /// Queues a packet for a session and asks for no answer (8); never waits.
    fn push(&self, cid: Cid, packet: Bytes) -> Result<(), LinkError>;
    /// The same with the answer to a request, for which there is always room: nobody has many requests under way.
    fn answer(&self, cid: Cid, packet: BytesMut) -> Result<(), LinkError>;
    /// Whether packets leave this process, and are copied when they are pushed.
    fn is_remote(&self) -> bool {
        false
    }
    /// Waits while so much is queued for the gate that it would soon take no more. `None`: there is room.
    fn room(&self) -> Option<BoxFuture<'_, ()>> {
        None
    }
    /// A message that this gate has handed over comes back: `nid` has not handled it, and will not. `Some`: there is no room
    /// for it, and its client has heard nothing.
    fn take_back(&self, nid: &Nid, delivery: Delivery) -> Option<Delivery> {
        let _ = nid;
        Some(delivery)
    }
    /// Every failure comes within the call timeout of the link.
    fn call(&self, op: GateOp) -> BoxFuture<'_, Result<GateAnswer, LinkError>>;
}

/// A gate, as the link serves it to other processes.
pub(crate) trait GateServer: GateLink {
    /// [`push`](GateLink::push) of packets of another process, answers or not, as some of many: the caller wakes the
    /// sessions when it has no more for them. They may be parts of something larger: they are not held for long, or copied.
    /// One that is refused is the last one that is taken from `parts`, but for pushes that are dropped.
    fn push_parts(&self, cid: Cid, parts: &mut dyn Iterator<Item = Bytes>, wakes: &mut Wakes) -> Result<(), Unpushed>;
    /// Waits for room for a packet that came back from [`push_parts`](Self::push_parts), unless the client reads too slowly.
    fn push_in_time(&self, cid: Cid, packet: Bytes) -> BoxFuture<'_, Result<(), LinkError>>;
    /// The session of this target.
    fn find(&self, target: SessionTarget) -> Option<Cid>;
}

/// Why a packet is not queued.
pub(crate) enum Unpushed {
    /// It comes back: the session takes it later.
    Busy(Bytes),
    Never(LinkError),
}

/// A node, as gates and other nodes see it.
pub(crate) trait NodeLink: Send + Sync {
    /// Hands a client message over (15), with no answer unless `turn` is set. `Ok`: it is queued or already handled.
    #[expect(clippy::result_large_err, reason = "a message that is not taken comes back")]
    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered>;
    /// [`deliver`](Self::deliver) for a client of the caller, where messages leave this process. Says how many of the packets
    /// it has taken.
    fn forward(&self, _: Cid, _: Option<Uid>, _: &[Outward<'_>]) -> usize {
        0
    }
    /// Waits until [`deliver`](Self::deliver) may find room for this session again.
    fn room(&self, gid: &Gid, cid: Cid) -> BoxFuture<'_, ()>;
    /// Tells of a session (14), in order with its messages. Never waits; lost if the node cannot be reached.
    fn trigger(&self, event: SessionEvent);
    /// Every failure comes within the call timeout of the link.
    fn call(&self, op: NodeOp) -> BoxFuture<'_, Result<NodeAnswer, LinkError>>;
    /// Whether messages leave this process, so that their answers come back as pushes that have to be matched.
    fn is_remote(&self) -> bool {
        false
    }
}

/// A node, as the link serves it to other processes.
pub(crate) trait NodeServer: NodeLink {
    /// Where the messages of this gate's clients come in, by one of its connections.
    fn entrance(&self, gid: &Gid, gate: &Arc<dyn GateLink>) -> Box<dyn Entrance>;
    /// Waits with a message that came back from [`deliver`](NodeLink::deliver) as its lane was full. `None`: others would have
    /// waited too long behind it, and its client was told so.
    fn make_room(&self, delivery: Delivery) -> BoxFuture<'_, Option<Delivery>>;
    /// A message reached the node after it has closed: its client is told so.
    fn too_late(&self, delivery: Delivery);
}

/// Where messages of clients come in, one after another.
pub(crate) trait Entrance: Send {
    /// [`NodeLink::deliver`] of a message that nobody waits for, as one of many: what else is there for its session has its turn
    /// when another session's message comes, and at the [`end`](Self::end).
    #[expect(clippy::result_large_err, reason = "a message that is not taken comes back")]
    fn deliver(&mut self, cid: Cid, uid: Option<Uid>, packet: Packet) -> Result<(), Undelivered>;
    /// No more messages come for now.
    fn end(&mut self);
}

/// Who sent a message to a node, and the way back.
#[derive(Clone)]
pub(crate) enum Origin {
    /// A client of this gate.
    Gate { gid: Gid, gate: Arc<dyn GateLink> },
    /// Another node.
    Node { nid: Nid, node: Arc<dyn NodeLink> },
}

impl Origin {
    /// Whether it is another process.
    pub(crate) fn is_remote(&self) -> bool {
        match self {
            Self::Gate { gate, .. } => gate.is_remote(),
            Self::Node { node, .. } => node.is_remote(),
        }
    }
}

/// A message on its way to a node.
pub(crate) struct Delivery {
    pub(crate) origin: Origin,
    /// From a node: 0, or the number of a call, or that with a minus in its answer.
    pub(crate) cid: Cid,
    pub(crate) uid: Option<Uid>,
    pub(crate) packet: Packet,
    /// Dropped when the answer is with the gate, or there will be none. `None` where the session keeps account itself.
    pub(crate) request: Option<Request>,
    /// The place of a stateful message in its session. Such a message comes back if the node turns out to be the wrong one.
    pub(crate) turn: Option<Turn>,
    /// What the gate of another process waits for that holds the message until then.
    pub(crate) receipt: Option<Arc<dyn Receipt>>,
}

/// The word of a node on a message that it has queued. The first one counts.
pub(crate) trait Receipt: Send + Sync {
    /// It is handled here.
    fn taken(&self);
    /// Another node is to get it. `false`: it was said to be taken, or nobody hears it any more.
    fn give_back(&self) -> bool;
}

/// A client's packet on its way to another process.
#[derive(Clone, Copy)]
pub(crate) enum Outward<'a> {
    /// As it came, with its size.
    AsItIs(&'a [u8]),
    Packet(&'a Packet),
}

impl Outward<'_> {
    pub(crate) fn put(self, format: &Format, buf: &mut Vec<u8>) {
        match self {
            Self::AsItIs(sized) => buf.extend_from_slice(sized),
            Self::Packet(packet) => format.put_sized(packet, buf),
        }
    }
}

/// The message comes back to the caller.
pub(crate) enum Undelivered {
    /// The session has too many messages waiting: stop reading from it, wait for `room`, try again.
    Full(Delivery),
    /// The node is stopping or gone: another one may take the message.
    Gone(Delivery),
}

/// What happened to a session.
#[derive(Clone)]
pub(crate) struct SessionEvent {
    pub(crate) event: Event,
    pub(crate) gid: Gid,
    pub(crate) gate: Arc<dyn GateLink>,
    pub(crate) cid: Cid,
    pub(crate) uid: Option<Uid>,
}

/// What can happen to a session; nodes that listen are told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Event {
    /// A client connected; it has no user yet (1 on the wire).
    Connect = 1,
    /// A user was bound to a session: every login, the first one and repeats included (2 on the wire).
    Reconnect = 2,
    /// A session ended; with its user, if it still had one (3 on the wire).
    Disconnect = 3,
}

/// Targets of one call: gates of due v2.5.8 misread more in one frame.
pub(crate) const MAX_TARGETS: usize = 8189;

/// What nodes and meshes ask of a gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GateOp {
    /// 2
    Bind { cid: Cid, uid: Uid },
    /// 3
    Unbind { uid: Uid },
    /// 4
    Ip(SessionTarget),
    /// 5
    Stat(Audience),
    /// 6
    IsOnline(SessionTarget),
    /// 7
    Disconnect { target: SessionTarget, force: bool },
    /// 8, answered
    Push { target: SessionTarget, packet: Bytes, then: Then },
    /// 9. All targets are of one kind, and at most [`MAX_TARGETS`].
    Multicast { targets: Vec<SessionTarget>, packet: Bytes, then: Then },
    /// 10
    Broadcast { audience: Audience, packet: Bytes, then: Then },
    /// 11
    Publish { channel: Arc<str>, packet: Bytes, then: Then },
    /// 12
    Subscribe { targets: Vec<SessionTarget>, channel: Arc<str> },
    /// 13
    Unsubscribe { targets: Vec<SessionTarget>, channel: Arc<str> },
    /// 16
    State,
    /// 17
    SetState(State),
}

/// What becomes of a session after a push (bit 6 of the header).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Then {
    #[default]
    Stay,
    /// It is closed when the push is written.
    Disconnect,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GateAnswer {
    Done,
    Ip(IpAddr),
    Online(bool),
    Total(u64),
    State(State),
}

/// What others ask of a node.
pub(crate) enum NodeOp {
    /// 15, answered when the message is queued.
    Deliver(Delivery),
    /// 16
    State,
    /// 17
    SetState(State),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeAnswer {
    Done,
    State(State),
}

/// Which sessions of a gate are meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Audience {
    /// Every connection.
    Sessions,
    /// Every connection with a user.
    Users,
}

/// Why another server did not do what it was asked to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LinkError {
    /// Code 1. From a node: the user is bound to another one.
    #[error("no such session")]
    NoSession,
    #[error("the client reads too slowly")]
    Backlogged,
    /// No connection: nothing was sent.
    #[error("not reached: {0}")]
    NotSent(String),
    /// The connection broke before the answer; what was asked may have been done.
    #[error("not reached: {0}")]
    Unreachable(String),
    #[error("no answer in time")]
    Timeout,
    /// Code 2, whose reason stays with the other server; or a reason of this process.
    #[error("{0}")]
    Failed(String),
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.id)
    }
}
