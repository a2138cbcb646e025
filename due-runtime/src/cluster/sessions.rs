//! What one server does to sessions and users: pushes, channels, logins, questions.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::task::JoinSet;

use super::error::{Close, ClusterError, Tally, Target};
use super::handle::positive;
use super::link::{Audience, GateAnswer, GateOp, LinkError, MAX_TARGETS, Then};
use super::{Cluster, Push};
use crate::codec::{Body, EncodeError};
use crate::error::Error;
use crate::id::{Cid, Gid, RouteId, Seq, Uid};
use crate::registry::Kind;
use crate::session::SessionTarget;
use crate::status::Status;

/// Longest channel name: gates of due v2.5.8 misread longer ones.
const CHANNEL: usize = 240;
/// Bytes that most messages fit.
const ROOM: usize = 128;

impl Cluster {
    /// The bytes of one message to clients, written once for any number of targets. The size prefix is included. An
    /// [encryptor](crate::crypto) works here and now; those methods that wait let it work elsewhere.
    pub fn packet<B: Body>(&self, route: RouteId, seq: Seq, message: &B) -> Result<Bytes, ClusterError> {
        let packet = self.plain_packet(route, seq, message)?;
        match self.cipher() {
            Some(cipher) if !B::PLAIN => {
                let body = packet.slice(self.format().header_len()..);
                Ok(self.format().encode(route, seq, &cipher.encrypt_now(&body)?)?)
            }
            _ => Ok(packet),
        }
    }

    /// The same, away from the threads that serve sockets.
    async fn letter<P: Push>(&self, message: &P) -> Result<Bytes, ClusterError> {
        let packet = self.plain_packet(P::ROUTE, Seq::NONE, message)?;
        if P::PLAIN { Ok(packet) } else { self.encrypted(P::ROUTE, Seq::NONE, packet).await }
    }

    /// A packet with its body encrypted, if this cluster's are.
    pub(crate) async fn encrypted(&self, route: RouteId, seq: Seq, packet: Bytes) -> Result<Bytes, ClusterError> {
        let Some(cipher) = self.cipher() else { return Ok(packet) };
        let body = cipher.encrypt(packet.slice(self.format().header_len()..)).await?;
        Ok(self.format().encode(route, seq, &body)?)
    }

    /// The bytes of one message as nobody but a server may read it.
    pub(crate) fn plain_packet<B: Body>(&self, route: RouteId, seq: Seq, message: &B) -> Result<Bytes, ClusterError> {
        Ok(self.packet_in(BytesMut::new(), route, seq, message)?.freeze())
    }

    /// [`plain_packet`](Self::plain_packet) in an empty buffer of the caller's.
    pub(crate) fn packet_in<B: Body>(
        &self,
        mut buf: BytesMut,
        route: RouteId,
        seq: Seq,
        message: &B,
    ) -> Result<BytesMut, ClusterError> {
        buf.reserve(self.format().header_len() + ROOM);
        buf.put_bytes(0, self.format().header_len());
        let written = message.encode_body(self.codec(), &mut buf);
        self.sealed(buf, written, route, seq)
    }

    /// The part of [`packet_in`](Self::packet_in) that is the same for all messages.
    fn sealed(
        &self,
        mut buf: BytesMut,
        written: Result<(), EncodeError>,
        route: RouteId,
        seq: Seq,
    ) -> Result<BytesMut, ClusterError> {
        written?;
        self.format().fill_head(&mut buf, route, seq)?;
        Ok(buf)
    }

    /// Pushes one message. `Ok` says that it is in the session's queue.
    pub async fn push<P: Push>(&self, target: impl Into<Target>, message: &P) -> Result<(), ClusterError> {
        let packet = self.letter(message).await?;
        self.push_packet(target.into(), packet, Then::Stay).await
    }

    /// Pushes one message and closes the session when it is written: how a client learns why it has to go.
    pub async fn push_and_disconnect<P: Push>(
        &self,
        target: impl Into<Target>,
        message: &P,
    ) -> Result<(), ClusterError> {
        let packet = self.letter(message).await?;
        self.push_packet(target.into(), packet, Then::Disconnect).await
    }

    pub(crate) async fn push_packet(&self, target: Target, packet: Bytes, then: Then) -> Result<(), ClusterError> {
        self.ask(target, |target| GateOp::Push { target, packet: packet.clone(), then }).await.map(drop)
    }

    /// Pushes one message to many users: located one by one, then one call per gate and 8189 users. A user who is named
    /// twice gets it twice; an id that is no user's counts as `failed`.
    pub async fn multicast<P: Push>(&self, users: &[Uid], message: &P) -> Result<Tally, ClusterError> {
        let packet = self.letter(message).await?;
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
        let packet = self.letter(message).await?;
        Ok(self.broadcast_packet(audience, packet).await)
    }

    pub(crate) async fn broadcast_packet(&self, audience: Audience, packet: Bytes) -> Tally {
        self.ask_all(GateOp::Broadcast { audience, packet, then: Then::Stay }).await
    }

    /// Pushes one message to the members of a channel on every gate. `failed` counts gates. A channel without members
    /// is none: nothing is delivered, and nobody is absent.
    pub async fn publish<P: Push>(&self, channel: &str, message: &P) -> Result<Tally, ClusterError> {
        self.publish_packet(channel, self.letter(message).await?).await
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

    /// Ends the session that a user has on this gate although he is found elsewhere now. In one call: he may come back
    /// between two, and be sent off for what he left.
    pub(crate) async fn dismiss(&self, gid: &Gid, uid: Uid, reason: &Error) -> Result<(), ClusterError> {
        let (gate, target) = (self.gate(gid)?, SessionTarget::User(uid));
        let op = if self.backends().statuses {
            let status = Status::of(RouteId(0), Seq::NONE, reason);
            let packet = self.packet(RouteId::STATUS, Seq::NONE, &status)?;
            GateOp::Push { target, packet, then: Then::Disconnect }
        } else {
            GateOp::Disconnect { target, force: false }
        };
        gate.call(op).await.map(drop).map_err(|error| error.at(gid, Target::User(uid)))
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

    /// The gate that holds the user's session.
    pub async fn locate_gate(&self, uid: Uid) -> Result<Option<Gid>, ClusterError> {
        Ok(self.inner.whereabouts.gate(positive(uid)?).await?)
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

    /// Takes the user off a gate that is gone for good. A gate that crashes takes nobody off: whoever meets its name does.
    async fn sweep_gate(&self, uid: Uid, gid: &Gid) {
        if self.inner.picture.is_gone(Kind::Gate, gid.as_str()).await {
            let swept = self.locator().unbind_gate(uid, gid).await;
            tracing::debug!(%uid, %gid, ?swept, "the user was on a gate that is gone");
        }
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

pub(crate) fn channel_name(name: &str) -> Result<Arc<str>, ClusterError> {
    if name.len() > CHANNEL { Err(ClusterError::LongChannel(name.len())) } else { Ok(name.into()) }
}
