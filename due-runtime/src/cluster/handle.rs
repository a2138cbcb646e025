//! The handle of one server on all the others.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};

use bytes::{Bytes, BytesMut};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::calls::{CallLosses, Calls};
use super::error::{Close, ClusterError, ServerId, Tally, Target};
use super::link::{
    Audience, Delivery, GateAnswer, GateLink, GateOp, LinkError, MAX_TARGETS, Member, NodeAnswer, NodeLink, NodeOp,
    Origin, Then,
};
use super::picture::{Picture, Sight};
use super::whereabouts::Whereabouts;
use super::{Backends, Balance, DispatchTable, Push, RouteMismatch};
use crate::codec::{Body, Codec, EncodeError};
use crate::error::Error;
use crate::event::EventBus;
use crate::id::{Cid, Gid, Nid, RouteId, Seq, Uid};
use crate::locator::Locator;
use crate::packet::{Format, Packet};
use crate::registry::{Instance, Kind, RegistryError, State};
use crate::session::SessionTarget;
use crate::status::Status;

/// Longest channel name: gates of due v2.5.8 misread longer ones.
const CHANNEL: usize = 240;

/// The handle for everything that reaches over to other servers. Cheap to clone; usable outside requests.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    backends: Backends,
    /// Of the server this handle belongs to; pushes are written with it.
    codec: Codec,
    member: Member,
    picture: Arc<Picture>,
    whereabouts: Arc<Whereabouts>,
    /// The server itself, if it is a node: other nodes answer to it.
    home: OnceLock<Weak<dyn NodeLink>>,
    /// What it asks of other nodes, if it is one.
    calls: Arc<Calls>,
    _losses: Arc<CallLosses>,
    _watches: DropGuard,
}

/// Where a message belongs.
pub(super) struct Found {
    pub(super) nid: Nid,
    /// Of the nodes that users are bound to, if the route is stateful.
    pub(super) name: Option<Arc<str>>,
}

impl Cluster {
    /// A handle that belongs to no server: for tools and for programs that only push. It is named like a mesh, and
    /// writes with the codec of the backends.
    pub async fn connect(backends: &Backends) -> Result<Self, RegistryError> {
        let member = Member::new(Kind::Mesh, &uuid::Uuid::new_v4().to_string(), &backends.format);
        Self::join(backends, backends.codec.clone(), member, Balance::default()).await
    }

    /// Joins the cluster: knows its gates and nodes from now until the last handle is dropped.
    pub(crate) async fn join(
        backends: &Backends,
        codec: Codec,
        member: Member,
        balance: Balance,
    ) -> Result<Self, RegistryError> {
        let stop = CancellationToken::new();
        let watches = stop.clone().drop_guard();
        let calls = Arc::new(Calls::new(&backends.format));
        let losses = Arc::new(CallLosses(Arc::clone(&calls)));
        if member.kind == Kind::Node {
            let losses: Weak<CallLosses> = Arc::downgrade(&losses);
            member.losses.get_or_init(|| losses);
        }
        let picture = Picture::follow(backends, &member, balance, &calls, &stop).await?;
        let inner = Arc::new(Inner {
            backends: backends.clone(),
            codec,
            member,
            picture,
            whereabouts: Whereabouts::follow(&backends.locator, &stop),
            home: OnceLock::new(),
            calls,
            _losses: losses,
            _watches: watches,
        });
        Ok(Self { inner })
    }

    /// Asks the registry for gates and nodes now, rather than waiting to be told.
    pub(crate) async fn refresh(&self) -> Result<(), RegistryError> {
        self.inner.picture.refresh().await
    }

    /// Writes what is queued for others, and forgets them.
    pub(crate) async fn leave(&self) {
        self.inner.picture.leave();
        self.inner.backends.link.leave(&self.inner.member).await;
        self.inner.picture.forget();
    }

    /// Says that other nodes may answer to this one.
    pub(crate) fn settle(&self, home: Weak<dyn NodeLink>) {
        self.inner.home.get_or_init(|| home);
    }

    pub(crate) fn member(&self) -> &Member {
        &self.inner.member
    }

    pub(crate) fn nodes(&self) -> arc_swap::Guard<Arc<DispatchTable>> {
        self.inner.picture.nodes()
    }

    pub(crate) fn calls(&self) -> &Calls {
        &self.inner.calls
    }

    pub(crate) fn backends(&self) -> &Backends {
        &self.inner.backends
    }

    /// How bodies are written.
    pub fn codec(&self) -> &Codec {
        &self.inner.codec
    }

    /// How packets are written.
    pub fn format(&self) -> &Format {
        &self.inner.backends.format
    }

    /// Where servers tell each other what happened, and listen.
    pub fn events(&self) -> &dyn EventBus {
        &*self.inner.backends.events
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
        self.push_packet(target.into(), packet, Then::Stay).await
    }

    /// Pushes one message and closes the session when it is written: how a client learns why it has to go.
    pub async fn push_and_disconnect<P: Push>(
        &self,
        target: impl Into<Target>,
        message: &P,
    ) -> Result<(), ClusterError> {
        let packet = self.packet(P::ROUTE, Seq::NONE, message)?;
        self.push_packet(target.into(), packet, Then::Disconnect).await
    }

    pub(crate) async fn push_packet(&self, target: Target, packet: Bytes, then: Then) -> Result<(), ClusterError> {
        self.ask(target, |target| GateOp::Push { target, packet: packet.clone(), then }).await.map(drop)
    }

    /// Pushes one message to many users: located one by one, then one call per gate and 8189 users. A user who is named
    /// twice gets it twice; an id that is no user's counts as `failed`.
    pub async fn multicast<P: Push>(&self, users: &[Uid], message: &P) -> Result<Tally, ClusterError> {
        let packet = self.packet(P::ROUTE, Seq::NONE, message)?;
        Ok(self.multicast_packet(users, packet).await)
    }

    pub(crate) async fn multicast_packet(&self, users: &[Uid], packet: Bytes) -> Tally {
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
        let mut calls = JoinSet::new();
        for (gid, targets) in per_gate {
            // The locator remembers a gate that is gone: its users have no session.
            let Ok(gate) = self.gate(&gid) else {
                tally.absent += targets.len() as u64;
                continue;
            };
            let packet = packet.clone();
            // One after another, so that two messages to one user keep their order.
            calls.spawn(async move {
                let mut tally = Tally::default();
                for targets in targets.chunks(MAX_TARGETS) {
                    let op = GateOp::Multicast { targets: targets.into(), packet: packet.clone(), then: Then::Stay };
                    tally.count(&gid, targets.len() as u64, gate.call(op).await);
                }
                tally
            });
        }
        calls.join_all().await.into_iter().fold(tally, Tally::plus)
    }

    /// Pushes one message to every session, or every user, of every gate. `failed` counts gates.
    pub async fn broadcast<P: Push>(&self, audience: Audience, message: &P) -> Result<Tally, ClusterError> {
        let packet = self.packet(P::ROUTE, Seq::NONE, message)?;
        Ok(self.broadcast_packet(audience, packet).await)
    }

    pub(crate) async fn broadcast_packet(&self, audience: Audience, packet: Bytes) -> Tally {
        self.ask_all(GateOp::Broadcast { audience, packet, then: Then::Stay }).await
    }

    /// Pushes one message to the members of a channel on every gate. `failed` counts gates. A channel without members
    /// is none: nothing is delivered, and nobody is absent.
    pub async fn publish<P: Push>(&self, channel: &str, message: &P) -> Result<Tally, ClusterError> {
        self.publish_packet(channel, self.packet(P::ROUTE, Seq::NONE, message)?).await
    }

    pub(crate) async fn publish_packet(&self, channel: &str, packet: Bytes) -> Result<Tally, ClusterError> {
        let channel = channel_name(channel)?;
        Ok(self.ask_all(GateOp::Publish { channel, packet, then: Then::Stay }).await)
    }

    /// Adds the connection behind `target` to a channel, until it closes or leaves.
    pub async fn subscribe(&self, target: impl Into<Target>, channel: &str) -> Result<(), ClusterError> {
        let channel = channel_name(channel)?;
        let op = |target| GateOp::Subscribe { targets: vec![target], channel: Arc::clone(&channel) };
        self.ask(target.into(), op).await.map(drop)
    }

    /// Takes the connection behind `target` off a channel. No error if it was no member.
    pub async fn unsubscribe(&self, target: impl Into<Target>, channel: &str) -> Result<(), ClusterError> {
        let channel = channel_name(channel)?;
        let op = |target| GateOp::Unsubscribe { targets: vec![target], channel: Arc::clone(&channel) };
        self.ask(target.into(), op).await.map(drop)
    }

    /// Closes the connection behind `target`.
    pub async fn disconnect(&self, target: impl Into<Target>, close: Close) -> Result<(), ClusterError> {
        let op = |target| GateOp::Disconnect { target, force: close == Close::Force };
        self.ask(target.into(), op).await.map(drop)
    }

    /// Tells the client why, then closes its connection. On the wire the reason is a [`Status`] on route -1 with seq 0;
    /// clients that know no such route see the end only.
    pub async fn disconnect_because(&self, target: impl Into<Target>, reason: &Error) -> Result<(), ClusterError> {
        let status = Status::of(RouteId(0), Seq::NONE, reason);
        let packet = self.packet(RouteId::STATUS, Seq::NONE, &status)?;
        self.push_packet(target.into(), packet, Then::Disconnect).await
    }

    /// Ends the session that a user has on this gate although he is found elsewhere now. Gates of due v2.5.8 lose the flag
    /// of a push that disconnects, so it takes two calls.
    pub(crate) async fn dismiss(&self, gid: &Gid, uid: Uid, reason: &Error) -> Result<(), ClusterError> {
        let (gate, target) = (self.gate(gid)?, SessionTarget::User(uid));
        let called = async |op| gate.call(op).await.map_err(|error| error.at(gid, Target::User(uid)));
        if self.backends().statuses {
            let status = Status::of(RouteId(0), Seq::NONE, reason);
            let packet = self.packet(RouteId::STATUS, Seq::NONE, &status)?;
            called(GateOp::Push { target, packet, then: Then::Stay }).await?;
        }
        called(GateOp::Disconnect { target, force: false }).await.map(drop)
    }

    /// Binds a user to a connection; the newest wins. See [`Context::bind`](crate::Context::bind) for what becomes of an
    /// older one.
    pub async fn bind(&self, gid: &Gid, cid: Cid, uid: Uid) -> Result<(), ClusterError> {
        let uid = positive(uid)?;
        let answer = self.gate(gid)?.call(GateOp::Bind { cid, uid }).await;
        answer.map(drop).map_err(|error| error.at(gid, Target::Session(gid.clone(), cid)))
    }

    /// Takes the user off his connection, which stays open.
    ///
    /// # Errors
    /// [`ClusterError::NoSession`] if he has none (any more).
    pub async fn unbind(&self, uid: Uid) -> Result<(), ClusterError> {
        self.ask(Target::User(uid), |_| GateOp::Unbind { uid }).await.map(drop)
    }

    /// Sends the user's stateful routes of the nodes called `name` to `nid` from now on.
    pub async fn bind_node(&self, uid: Uid, name: &str, nid: &Nid) -> Result<(), ClusterError> {
        Ok(self.locator().bind_node(positive(uid)?, name, nid).await?)
    }

    /// Ends what [`bind_node`](Self::bind_node) began; `false` if the user is bound elsewhere meanwhile.
    pub async fn unbind_node(&self, uid: Uid, name: &str, nid: &Nid) -> Result<bool, ClusterError> {
        Ok(self.locator().unbind_node(uid, name, nid).await?)
    }

    /// The gate that holds the user's session.
    pub async fn locate_gate(&self, uid: Uid) -> Result<Option<Gid>, ClusterError> {
        Ok(self.inner.whereabouts.gate(positive(uid)?).await?)
    }

    /// The node called `name` that the user is bound to.
    pub async fn locate_node(&self, uid: Uid, name: &str) -> Result<Option<Nid>, ClusterError> {
        Ok(self.inner.whereabouts.node(positive(uid)?, name).await?)
    }

    /// Whether the target has a session now.
    pub async fn is_online(&self, target: impl Into<Target>) -> Result<bool, ClusterError> {
        match self.ask(target.into(), GateOp::IsOnline).await {
            Ok(answer) => Ok(answer == GateAnswer::Online(true)),
            Err(ClusterError::NoSession(_) | ClusterError::NoGate(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The address that the client connected from. A gate of due v2.5.8 says `0.0.0.0` for an IPv6 client.
    pub async fn ip(&self, target: impl Into<Target>) -> Result<IpAddr, ClusterError> {
        let target = target.into();
        match self.ask(target.clone(), GateOp::Ip).await? {
            GateAnswer::Ip(ip) => Ok(ip),
            _ => Err(ClusterError::NoSession(target)),
        }
    }

    /// How many sessions or users all gates hold. `delivered` is the number, `failed` counts gates.
    pub async fn stat(&self, audience: Audience) -> Tally {
        self.ask_all(GateOp::Stat(audience)).await
    }

    /// How many sessions or users one gate holds.
    pub async fn stat_of(&self, gid: &Gid, audience: Audience) -> Result<u64, ClusterError> {
        match self.gate(gid)?.call(GateOp::Stat(audience)).await {
            Ok(GateAnswer::Total(total)) => Ok(total),
            Ok(_) => Err(LinkError::Failed("no number in its answer".into()).at_gate(gid)),
            Err(error) => Err(error.at_gate(gid)),
        }
    }

    /// Hands a message to the node that serves `route`, as a gate would: the one that the user is bound to if the route
    /// is stateful, else any at work. Internal routes are open to it. `Ok` says that the node has queued it.
    ///
    /// What its handler answers comes back as a message on the same route, to this node's
    /// [`DefaultHandler`](crate::DefaultHandler); but not if this node serves the route itself, and would answer that.
    /// [`NodeCaller`](crate::NodeCaller), and the generated clients over it, wait for the answer.
    pub async fn deliver<B: Body>(&self, route: RouteId, uid: Option<Uid>, message: &B) -> Result<(), ClusterError> {
        let found = self.node_of(route, uid, &[]).await?;
        self.deliver_to(&found.nid, route, uid, message).await
    }

    /// Where a message belongs, as a gate would find it; one that was `tried` only if there is no other.
    pub(super) async fn node_of(&self, route: RouteId, uid: Option<Uid>, tried: &[Nid]) -> Result<Found, ClusterError> {
        let name = {
            let nodes = self.nodes();
            let entry = nodes.route(route).ok_or(ClusterError::NoRoute(route))?;
            if !entry.stateful {
                let picked = entry.pick().ok_or(ClusterError::NoRoute(route))?;
                let untried = || entry.candidates().iter().find(|candidate| !tried.contains(&candidate.nid));
                let picked = if tried.contains(&picked.nid) { untried().unwrap_or(picked) } else { picked };
                return Ok(Found { nid: picked.nid.clone(), name: None });
            }
            Arc::clone(&entry.group)
        };
        let not_bound = || ClusterError::NotBound { uid, name: name.as_ref().into() };
        let uid = uid.ok_or_else(not_bound)?;
        let nid = self.locate_node(uid, &name).await?.ok_or_else(not_bound)?;
        if self.node(&nid).is_err() {
            self.forget_node(uid, &name, &nid);
            self.sweep_node(uid, &name, &nid).await;
        }
        Ok(Found { nid, name: Some(name) })
    }

    /// Whether a node serves the route that was not tried.
    pub(super) fn has_other(&self, route: RouteId, tried: &[Nid]) -> bool {
        let nodes = self.nodes();
        let candidates = nodes.route(route).map_or(&[][..], |entry| entry.candidates());
        candidates.iter().any(|candidate| !tried.contains(&candidate.nid))
    }

    /// Hands a message to this node. `Ok` says that the node has queued it.
    pub async fn deliver_to<B: Body>(
        &self,
        nid: &Nid,
        route: RouteId,
        uid: Option<Uid>,
        message: &B,
    ) -> Result<(), ClusterError> {
        let mut body = BytesMut::new();
        message.encode_body(self.codec(), &mut body)?;
        self.deliver_packet(nid, uid, Packet { route, seq: Seq::NONE, body: body.freeze() }).await
    }

    pub(crate) async fn deliver_packet(&self, nid: &Nid, uid: Option<Uid>, packet: Packet) -> Result<(), ClusterError> {
        let uid = uid.map(positive).transpose()?;
        let (node, origin) = self.way_to(nid)?;
        let delivery = Delivery { origin, cid: Cid(0), uid, packet, request: None, misses: None, receipt: None };
        match node.call(NodeOp::Deliver(delivery)).await {
            Ok(_) => Ok(()),
            Err(LinkError::NoSession) => Err(ClusterError::NotBound { uid, name: nid.to_string() }),
            Err(error) => Err(error.at_node(nid)),
        }
    }

    /// The node, and how it finds the way back.
    pub(super) fn way_to(&self, nid: &Nid) -> Result<(Arc<dyn NodeLink>, Origin), ClusterError> {
        let home = self.inner.home.get().and_then(Weak::upgrade).ok_or(ClusterError::NotANode)?;
        let node = self.node(nid)?;
        Ok((node, Origin::Node { nid: Nid::from(&*self.inner.member.id), node: home }))
    }

    /// The state of a server, as it says itself.
    pub async fn state(&self, server: impl Into<ServerId>) -> Result<State, ClusterError> {
        match server.into() {
            ServerId::Gate(gid) => match self.gate(&gid)?.call(GateOp::State).await {
                Ok(GateAnswer::State(state)) => Ok(state),
                Ok(_) => Err(LinkError::Failed("no state in its answer".into()).at_gate(&gid)),
                Err(error) => Err(error.at_gate(&gid)),
            },
            ServerId::Node(nid) => match self.node(&nid)?.call(NodeOp::State).await {
                Ok(NodeAnswer::State(state)) => Ok(state),
                Ok(_) => Err(LinkError::Failed("no state in its answer".into()).at_node(&nid)),
                Err(error) => Err(error.at_node(&nid)),
            },
        }
    }

    /// Changes the state of a server; it registers with the new one. (A gate of due v2.5.8 only remembers it.)
    ///
    /// Gates send messages of stateless routes to nodes at work, else to busy ones, never to those that hang or are shut
    /// ([`Balance`]); users who are bound to a node reach it in every state. A gate's own state is for those who read the
    /// registry, such as balancers: it goes on accepting.
    pub async fn set_state(&self, server: impl Into<ServerId>, state: State) -> Result<(), ClusterError> {
        match server.into() {
            ServerId::Gate(gid) => {
                let answer = self.gate(&gid)?.call(GateOp::SetState(state)).await;
                answer.map(drop).map_err(|error| error.at_gate(&gid))
            }
            ServerId::Node(nid) => {
                let answer = self.node(&nid)?.call(NodeOp::SetState(state)).await;
                answer.map(drop).map_err(|error| error.at_node(&nid))
            }
        }
    }

    /// Routes that nodes declare differently at the moment; each was also logged when it appeared.
    pub fn route_mismatches(&self) -> Vec<RouteMismatch> {
        self.nodes().mismatches().cloned().collect()
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
                Err(_) => {
                    self.sweep_gate(uid, &gid).await;
                    Err(LinkError::NoSession)
                }
            };
            match answer {
                Err(LinkError::NoSession) if tried.is_none() => {
                    self.inner.whereabouts.forget_gate(uid, &gid);
                    tried = Some(gid);
                }
                answer => return answer.map_err(|error| error.at(&gid, target)),
            }
        }
    }

    /// All gates at once, so that one that does not answer holds up no other.
    async fn ask_all(&self, op: GateOp) -> Tally {
        let mut calls = JoinSet::new();
        for (gid, gate) in self.inner.picture.gates().iter() {
            let (gid, gate, op) = (gid.clone(), Arc::clone(gate), op.clone());
            calls.spawn(async move {
                let mut tally = Tally::default();
                // Nobody knows how many there should have been: what fails is one gate.
                tally.count(&gid, 1, gate.call(op).await);
                Tally { absent: 0, ..tally }
            });
        }
        calls.join_all().await.into_iter().fold(Tally::default(), Tally::plus)
    }

    pub(crate) fn gate(&self, gid: &Gid) -> Result<Arc<dyn GateLink>, ClusterError> {
        let gates = self.inner.picture.gates();
        gates.get(gid).cloned().ok_or_else(|| ClusterError::NoGate(gid.clone()))
    }

    pub(crate) fn node(&self, nid: &Nid) -> Result<Arc<dyn NodeLink>, ClusterError> {
        self.nodes().node(nid).cloned().ok_or_else(|| ClusterError::NoNode(nid.clone()))
    }

    pub(crate) fn sight(&self, gid: &Gid) -> Sight {
        self.inner.picture.sight(gid)
    }

    /// Past all memory.
    pub(crate) fn locator(&self) -> &dyn Locator {
        self.inner.whereabouts.locator()
    }

    /// Takes the user off a gate that is gone for good. A gate that crashes takes nobody off: whoever meets its name does.
    async fn sweep_gate(&self, uid: Uid, gid: &Gid) {
        if self.inner.picture.is_gone(Kind::Gate, gid.as_str()).await {
            let swept = self.locator().unbind_gate(uid, gid).await;
            tracing::debug!(%uid, %gid, ?swept, "the user was on a gate that is gone");
        }
    }

    /// Takes the user off a node that is gone for good.
    pub(crate) async fn sweep_node(&self, uid: Uid, name: &str, nid: &Nid) {
        if self.inner.picture.is_gone(Kind::Node, nid.as_str()).await {
            let swept = self.locator().unbind_node(uid, name, nid).await;
            tracing::debug!(%uid, name, %nid, ?swept, "the user was bound to a node that is gone");
        }
    }

    /// The node says that the user is not bound to it.
    pub(crate) fn forget_node(&self, uid: Uid, name: &str, nid: &Nid) {
        self.inner.whereabouts.forget_node(uid, name, nid);
    }
}

impl Tally {
    /// Adds what one gate says of `asked` targets.
    fn count(&mut self, gid: &Gid, asked: u64, answer: Result<GateAnswer, LinkError>) {
        match answer {
            Ok(GateAnswer::Total(total)) => {
                self.delivered += total;
                self.absent += asked.saturating_sub(total);
            }
            answer => {
                tracing::warn!(%gid, ?answer, "a gate did not count");
                self.failed += asked;
            }
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            delivered: self.delivered + other.delivered,
            absent: self.absent + other.absent,
            failed: self.failed + other.failed,
        }
    }
}

/// No user has another id, and Go processes crash when they are asked for one.
pub(super) fn positive(uid: Uid) -> Result<Uid, ClusterError> {
    if uid.0 > 0 { Ok(uid) } else { Err(ClusterError::BadUid(uid)) }
}

pub(crate) fn channel_name(name: &str) -> Result<Arc<str>, ClusterError> {
    if name.len() > CHANNEL { Err(ClusterError::LongChannel(name.len())) } else { Ok(name.into()) }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("member", &self.inner.member)
            .field("backends", &self.inner.backends)
            .finish_non_exhaustive()
    }
}
