//! Gates and nodes of other processes.

use bytes::{Bytes, BytesMut};

use super::frame::{self, op};
use super::outgoing::Refused;
use super::pool::{Lease, Pool};
use super::request::{Trigger, put_deliver, put_gate_op, put_push, put_set_state, put_state_op, put_trigger};
use crate::cluster::link::{
    Delivery, GateAnswer, GateLink, GateOp, LinkError, MAX_TARGETS, NodeAnswer, NodeLink, NodeOp, Outward,
    SessionEvent, Undelivered,
};
use crate::cluster::scratch;
use crate::future::BoxFuture;
use crate::id::{Cid, Gid, Uid};
use crate::session::SessionTarget;

/// What answers may take of the memory of a connection, times what other things may.
const ANSWERS: usize = 8;

pub(super) struct RemoteGate(pub(super) Lease);

pub(super) struct RemoteNode(pub(super) Lease);

impl GateLink for RemoteGate {
    fn push(&self, cid: Cid, packet: Bytes) -> Result<(), LinkError> {
        let pool = &self.0.0;
        let connection = pool.keyed(cid.0);
        Ok(pool.send(|| connection.out.append(|buf| put_push(buf, cid, &packet)))?)
    }

    /// No more requests are read while the gate does not read: see [`room`](Self::room). Beyond that the gate is to see its
    /// connection end, for then it tells its clients.
    fn answer(&self, cid: Cid, packet: BytesMut) -> Result<(), LinkError> {
        let pool = &self.0.0;
        let connection = pool.keyed(cid.0);
        let sent = pool.send(|| connection.out.append_beyond(ANSWERS, |buf| put_push(buf, cid, &packet)));
        scratch::give_back(packet);
        if sent == Err(Refused::Full) {
            tracing::warn!(to = %pool.shared.target, "it does not read; its connections are closed");
            pool.doubt();
        }
        Ok(sent?)
    }

    fn is_remote(&self) -> bool {
        true
    }

    fn room(&self) -> Option<BoxFuture<'_, ()>> {
        let pool = &self.0.0;
        pool.is_crowded().then(|| Box::pin(pool.room()) as _)
    }

    fn call(&self, op: GateOp) -> BoxFuture<'_, Result<GateAnswer, LinkError>> {
        Box::pin(async move {
            match op {
                GateOp::Subscribe { ref targets, .. } | GateOp::Unsubscribe { ref targets, .. } => {
                    // Gates skip sessions that are not there, and say nothing of it.
                    let only = match targets[..] {
                        [only] => Some(only),
                        _ => None,
                    };
                    let (answer, online) = tokio::join!(self.ask(&op), self.is_online(only));
                    if online? { answer } else { answer.and(Err(LinkError::NoSession)) }
                }
                op => self.ask(&op).await,
            }
        })
    }
}

impl RemoteGate {
    async fn ask(&self, op: &GateOp) -> Result<GateAnswer, LinkError> {
        if let GateOp::Multicast { targets, .. }
        | GateOp::Subscribe { targets, .. }
        | GateOp::Unsubscribe { targets, .. } = op
            && targets.len() > MAX_TARGETS
        {
            return Err(LinkError::Failed(format!("{} targets in one request", targets.len())));
        }
        let pool: &Pool = &self.0.0;
        pool.call(key(op), opcode(op), |buf, seq| put_gate_op(buf, seq, op)).await
    }

    async fn is_online(&self, target: Option<SessionTarget>) -> Result<bool, LinkError> {
        let Some(target) = target else { return Ok(true) };
        Ok(self.ask(&GateOp::IsOnline(target)).await? == GateAnswer::Online(true))
    }
}

impl NodeLink for RemoteNode {
    fn deliver(&self, delivery: Delivery) -> Result<(), Undelivered> {
        let pool: &Pool = &self.0.0;
        let connection = pool.keyed(key_of(&delivery));
        let outcome = match delivery.turn {
            None => {
                let sent = pool.send(|| connection.out.append(|buf| self.put(buf, 0, &delivery)));
                sent.map_err(|refused| (refused, delivery))
            }
            Some(_) => {
                let seq = pool.next_seq() | frame::PATIENT;
                let put = |buf: &mut Vec<u8>, delivery: &Delivery| self.put(buf, seq, delivery);
                match connection.hand_over(seq, delivery, put) {
                    Err((Refused::Idle, delivery)) => {
                        pool.wake();
                        connection.hand_over(seq, delivery, put)
                    }
                    outcome => outcome,
                }
            }
        };
        outcome.map_err(|(refused, delivery)| match refused {
            Refused::Full => Undelivered::Full(delivery),
            Refused::Idle | Refused::Down | Refused::Closed => Undelivered::Gone(delivery),
        })
    }

    fn forward(&self, cid: Cid, uid: Option<Uid>, packets: &[Outward<'_>]) -> usize {
        let pool: &Pool = &self.0.0;
        let (out, format) = (&pool.keyed(cid.0).out, &pool.shared.member.format);
        let frames = || packets.iter().map(|packet| |buf: &mut _| put_deliver(buf, 0, cid, uid, format, *packet));
        pool.send(|| out.append_all(frames())).unwrap_or(0)
    }

    fn room(&self, _: &Gid, cid: Cid) -> BoxFuture<'_, ()> {
        Box::pin(self.0.0.keyed(cid.0).out.room())
    }

    fn trigger(&self, event: SessionEvent) {
        let pool: &Pool = &self.0.0;
        let SessionEvent { event, cid, uid, .. } = event;
        let connection = pool.keyed(cid.0);
        let trigger = Trigger { event, cid, uid };
        if let Err(refused) = pool.send(|| connection.out.append(|buf| put_trigger(buf, 0, &trigger))) {
            tracing::debug!(node = %pool.shared.target, %cid, ?event, ?refused, "an event was not told");
        }
    }

    fn call(&self, op: NodeOp) -> BoxFuture<'_, Result<NodeAnswer, LinkError>> {
        Box::pin(async move {
            let pool: &Pool = &self.0.0;
            let answer = match op {
                NodeOp::Deliver(delivery) => {
                    let route = delivery.packet.route;
                    if !pool.shared.member.format.fits(route) {
                        return Err(LinkError::Failed(format!("route {route} does not fit the packet")));
                    }
                    let key = key_of(&delivery);
                    pool.call(Some(key), op::DELIVER, |buf, seq| self.put(buf, seq, &delivery)).await
                }
                NodeOp::State => pool.call(None, op::STATE, put_state_op).await,
                NodeOp::SetState(state) => {
                    pool.call(None, op::SET_STATE, |buf, seq| put_set_state(buf, seq, state)).await
                }
            };
            match answer? {
                GateAnswer::State(state) => Ok(NodeAnswer::State(state)),
                _ => Ok(NodeAnswer::Done),
            }
        })
    }

    fn is_remote(&self) -> bool {
        true
    }
}

impl RemoteNode {
    fn put(&self, buf: &mut Vec<u8>, seq: u64, delivery: &Delivery) {
        let packet = Outward::Packet(&delivery.packet);
        put_deliver(buf, seq, delivery.cid, delivery.uid, &self.0.0.shared.member.format, packet);
    }
}

/// What nodes send on their own is of session 0, and keeps its order; their calls are numbered instead.
fn key_of(delivery: &Delivery) -> i64 {
    delivery.cid.0
}

/// What is asked for one session keeps its order with what is pushed to it.
fn key(op: &GateOp) -> Option<i64> {
    let target = match op {
        GateOp::Bind { cid, .. } => return Some(cid.0),
        GateOp::Push { target, .. } | GateOp::Disconnect { target, .. } => target,
        GateOp::Subscribe { targets, .. } | GateOp::Unsubscribe { targets, .. } => targets.first()?,
        GateOp::IsOnline(target) => target,
        _ => return None,
    };
    Some(match target {
        SessionTarget::Session(cid) => cid.0,
        SessionTarget::User(uid) => uid.0,
    })
}

fn opcode(op: &GateOp) -> u8 {
    match op {
        GateOp::Bind { .. } => op::BIND,
        GateOp::Unbind { .. } => op::UNBIND,
        GateOp::Ip(_) => op::IP,
        GateOp::Stat(_) => op::STAT,
        GateOp::IsOnline(_) => op::IS_ONLINE,
        GateOp::Disconnect { .. } => op::DISCONNECT,
        GateOp::Push { .. } => op::PUSH,
        GateOp::Multicast { .. } => op::MULTICAST,
        GateOp::Broadcast { .. } => op::BROADCAST,
        GateOp::Publish { .. } => op::PUBLISH,
        GateOp::Subscribe { .. } => op::SUBSCRIBE,
        GateOp::Unsubscribe { .. } => op::UNSUBSCRIBE,
        GateOp::State => op::STATE,
        GateOp::SetState(_) => op::SET_STATE,
    }
}
