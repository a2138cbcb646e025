//! What one server asks of another, as the payload of a frame.

use std::sync::Arc;

use bytes::{BufMut, Bytes};

use super::frame::{self, Frame, HEAD, op};
use crate::cluster::link::{Audience, Event, GateOp, Outward, Then};
use crate::id::{Cid, Uid};
use crate::packet::Format;
use crate::registry::{Kind, State};
use crate::session::SessionTarget;

/// Who calls. Nothing of it is verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Handshake {
    /// `None`: a kind that nobody serves.
    pub(super) kind: Option<Kind>,
    pub(super) id: Arc<str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Trigger {
    pub(super) event: Event,
    pub(super) cid: Cid,
    pub(super) uid: Option<Uid>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Deliver<'a> {
    pub(super) cid: Cid,
    pub(super) uid: Option<Uid>,
    pub(super) packet: &'a [u8],
}

/// Why a request is not carried out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Bad {
    /// This server has no such opcode.
    Opcode,
    /// The payload has another length than the opcode needs. It gets no answer.
    Length,
    /// A field has a value that means nothing. Answered with code 2.
    Value,
    /// A message of a gate that the registry does not know: its answer would reach nobody.
    NoWayBack,
    /// There is no room for the answer.
    Unread,
}

const CONNECTION: u8 = 1;
const USER: u8 = 2;

/// What is asked of a gate.
pub(super) fn gate_op(frame: &Frame<'_>) -> Result<GateOp, Bad> {
    let mut fields = Fields(frame.payload);
    let then = if frame.disconnect { Then::Disconnect } else { Then::Stay };
    match frame.op {
        op::BIND => {
            let (cid, uid) = fields.end_with(|fields| Ok((fields.i64()?, fields.i64()?)))?;
            match cid > 0 && uid > 0 {
                true => Ok(GateOp::Bind { cid: Cid(cid), uid: Uid(uid) }),
                false => Err(Bad::Value),
            }
        }
        op::UNBIND => match fields.end_with(Fields::i64)? {
            uid @ 1.. => Ok(GateOp::Unbind { uid: Uid(uid) }),
            _ => Err(Bad::Value),
        },
        op::IP => fields.end_with(Fields::target)?.map(GateOp::Ip),
        op::STAT => fields.end_with(Fields::audience)?.map(GateOp::Stat),
        op::IS_ONLINE => fields.end_with(Fields::target)?.map(GateOp::IsOnline),
        op::DISCONNECT => {
            let (target, force) = fields.end_with(|fields| Ok((fields.target()?, fields.u8()? == 1)))?;
            Ok(GateOp::Disconnect { target: target?, force })
        }
        op::PUSH => {
            let target = fields.target()?;
            Ok(GateOp::Push { target: target?, packet: fields.packet(), then })
        }
        op::MULTICAST => {
            let targets = fields.targets()?;
            Ok(GateOp::Multicast { targets: targets?, packet: fields.packet(), then })
        }
        op::BROADCAST => {
            let audience = fields.audience()?;
            Ok(GateOp::Broadcast { audience: audience?, packet: fields.packet(), then })
        }
        op::PUBLISH => {
            let len = fields.u8()?.into();
            let channel = channel(fields.take(len)?)?;
            Ok(GateOp::Publish { channel, packet: fields.packet(), then })
        }
        op::SUBSCRIBE => {
            let targets = fields.targets()?;
            Ok(GateOp::Subscribe { targets: targets?, channel: channel(fields.0)? })
        }
        op::UNSUBSCRIBE => {
            let targets = fields.targets()?;
            Ok(GateOp::Unsubscribe { targets: targets?, channel: channel(fields.0)? })
        }
        op::STATE => fields.end_with(|_| Ok(GateOp::State)),
        op::SET_STATE => set_state(frame).map(GateOp::SetState),
        _ => Err(Bad::Opcode),
    }
}

/// Bytes of a frame before the packet that it pushes to a session.
pub(super) const PUSH_HEAD: usize = HEAD + 1 + size_of::<i64>();

/// Whom a frame pushes a packet to, if that is one session and nothing else is asked: what nodes answer.
pub(super) fn pushed_to(frame: &Frame<'_>) -> Option<Cid> {
    let is_push = frame.op == op::PUSH && frame.seq == 0 && !frame.disconnect;
    let (head, _) = frame.payload.split_at_checked(PUSH_HEAD - HEAD).filter(|_| is_push)?;
    match *head {
        [CONNECTION, ref cid @ ..] => Some(Cid(i64::from_be_bytes(cid.try_into().ok()?))),
        _ => None,
    }
}

pub(super) fn put_gate_op(buf: &mut Vec<u8>, seq: u64, op: &GateOp) {
    let put = |buf, opcode, payload: &dyn Fn(&mut Vec<u8>)| frame::put(buf, opcode, seq, false, payload);
    let put_push = |buf, opcode, then: &Then, payload: &dyn Fn(&mut Vec<u8>)| {
        frame::put(buf, opcode, seq, *then == Then::Disconnect, payload);
    };
    match op {
        GateOp::Bind { cid, uid } => put(buf, op::BIND, &|buf| {
            buf.put_i64(cid.0);
            buf.put_i64(uid.0);
        }),
        GateOp::Unbind { uid } => put(buf, op::UNBIND, &|buf| buf.put_i64(uid.0)),
        GateOp::Ip(target) => put(buf, op::IP, &|buf| put_target(buf, target)),
        GateOp::Stat(audience) => put(buf, op::STAT, &|buf| buf.put_u8(kind_of(*audience))),
        GateOp::IsOnline(target) => put(buf, op::IS_ONLINE, &|buf| put_target(buf, target)),
        GateOp::Disconnect { target, force } => put(buf, op::DISCONNECT, &|buf| {
            put_target(buf, target);
            buf.put_u8((*force).into());
        }),
        GateOp::Push { target, packet, then } => put_push(buf, op::PUSH, then, &|buf| {
            put_target(buf, target);
            buf.put_slice(packet);
        }),
        GateOp::Multicast { targets, packet, then } => put_push(buf, op::MULTICAST, then, &|buf| {
            put_targets(buf, targets);
            buf.put_slice(packet);
        }),
        GateOp::Broadcast { audience, packet, then } => put_push(buf, op::BROADCAST, then, &|buf| {
            buf.put_u8(kind_of(*audience));
            buf.put_slice(packet);
        }),
        GateOp::Publish { channel, packet, then } => put_push(buf, op::PUBLISH, then, &|buf| {
            buf.put_u8(channel.len() as u8);
            buf.put_slice(channel.as_bytes());
            buf.put_slice(packet);
        }),
        GateOp::Subscribe { targets, channel } => put(buf, op::SUBSCRIBE, &|buf| {
            put_targets(buf, targets);
            buf.put_slice(channel.as_bytes());
        }),
        GateOp::Unsubscribe { targets, channel } => put(buf, op::UNSUBSCRIBE, &|buf| {
            put_targets(buf, targets);
            buf.put_slice(channel.as_bytes());
        }),
        GateOp::State => put_state_op(buf, seq),
        GateOp::SetState(state) => put_set_state(buf, seq, *state),
    }
}

/// A push of which nothing is heard again.
pub(super) fn put_push(buf: &mut Vec<u8>, cid: Cid, packet: &[u8]) {
    frame::put(buf, op::PUSH, 0, false, |buf| {
        put_target(buf, &SessionTarget::Session(cid));
        buf.put_slice(packet);
    });
}

pub(super) fn handshake(frame: &Frame<'_>) -> Result<Handshake, Bad> {
    let mut fields = Fields(frame.payload);
    let kind = kind(fields.u8()?);
    // It is compared, never shown to clients: bytes that are no UTF-8 need no error.
    Ok(Handshake { kind, id: String::from_utf8_lossy(fields.0).into() })
}

pub(super) fn put_handshake(buf: &mut Vec<u8>, seq: u64, kind: Kind, id: &str) {
    frame::put(buf, op::HANDSHAKE, seq, false, |buf| {
        buf.put_u8(kind_byte(kind));
        buf.put_slice(id.as_bytes());
    });
}

pub(super) fn kind(byte: u8) -> Option<Kind> {
    match byte {
        1 => Some(Kind::Gate),
        2 => Some(Kind::Node),
        3 => Some(Kind::Mesh),
        _ => None,
    }
}

pub(super) fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::Gate => 1,
        Kind::Node => 2,
        Kind::Mesh => 3,
    }
}

pub(super) fn trigger(frame: &Frame<'_>) -> Result<Trigger, Bad> {
    let (event, cid, uid) = Fields(frame.payload).end_with(|fields| {
        let (event, cid) = (fields.u8()?, fields.i64()?);
        Ok((event, cid, if fields.0.is_empty() { 0 } else { fields.i64()? }))
    })?;
    let event = Event::from_wire(event.into()).ok_or(Bad::Value)?;
    Ok(Trigger { event, cid: Cid(cid), uid: user(uid)? })
}

pub(super) fn put_trigger(buf: &mut Vec<u8>, seq: u64, trigger: &Trigger) {
    frame::put(buf, op::TRIGGER, seq, false, |buf| {
        buf.put_u8(trigger.event as u8);
        buf.put_i64(trigger.cid.0);
        if let Some(uid) = trigger.uid {
            buf.put_i64(uid.0);
        }
    });
}

pub(super) fn deliver<'a>(frame: &Frame<'a>) -> Result<Deliver<'a>, Bad> {
    let mut fields = Fields(frame.payload);
    let (cid, uid) = (fields.i64()?, fields.i64()?);
    Ok(Deliver { cid: Cid(cid), uid: user(uid)?, packet: fields.0 })
}

pub(super) fn put_deliver(
    buf: &mut Vec<u8>,
    seq: u64,
    cid: Cid,
    uid: Option<Uid>,
    format: &Format,
    packet: Outward<'_>,
) {
    frame::put(buf, op::DELIVER, seq, false, |buf| {
        let ids = [cid.0, uid.map_or(0, |uid| uid.0)].map(i64::to_be_bytes);
        buf.extend_from_slice(ids.as_flattened());
        packet.put(format, buf);
    });
}

pub(super) fn put_state_op(buf: &mut Vec<u8>, seq: u64) {
    frame::put(buf, op::STATE, seq, false, |_| {});
}

pub(super) fn put_set_state(buf: &mut Vec<u8>, seq: u64, state: State) {
    frame::put(buf, op::SET_STATE, seq, false, |buf| buf.put_u8(state_byte(state)));
}

pub(super) fn set_state(frame: &Frame<'_>) -> Result<State, Bad> {
    state(Fields(frame.payload).end_with(Fields::u8)?).ok_or(Bad::Value)
}

pub(super) fn state(byte: u8) -> Option<State> {
    [State::Shut, State::Work, State::Busy, State::Hang].get(usize::from(byte)).copied()
}

pub(super) fn state_byte(state: State) -> u8 {
    match state {
        State::Shut => 0,
        State::Work => 1,
        State::Busy => 2,
        State::Hang => 3,
    }
}

/// Uid 0 says "nobody"; nobody has a negative one.
fn user(uid: i64) -> Result<Option<Uid>, Bad> {
    match uid {
        0 => Ok(None),
        1.. => Ok(Some(Uid(uid))),
        _ => Err(Bad::Value),
    }
}

/// No publish can name a longer one.
const CHANNEL: usize = u8::MAX as usize;

fn channel(bytes: &[u8]) -> Result<Arc<str>, Bad> {
    match std::str::from_utf8(bytes) {
        Ok(name) if name.len() <= CHANNEL => Ok(name.into()),
        _ => Err(Bad::Value),
    }
}

fn target(kind: u8, target: i64) -> Result<SessionTarget, Bad> {
    match kind {
        CONNECTION => Ok(SessionTarget::Session(Cid(target))),
        USER => Ok(SessionTarget::User(Uid(target))),
        _ => Err(Bad::Value),
    }
}

fn split_target(target: &SessionTarget) -> (u8, i64) {
    match target {
        SessionTarget::Session(cid) => (CONNECTION, cid.0),
        SessionTarget::User(uid) => (USER, uid.0),
    }
}

fn put_target(buf: &mut Vec<u8>, target: &SessionTarget) {
    let (kind, target) = split_target(target);
    buf.put_u8(kind);
    buf.put_i64(target);
}

/// The kind of the first is that of all.
fn put_targets(buf: &mut Vec<u8>, targets: &[SessionTarget]) {
    buf.put_u8(targets.first().map_or(USER, |first| split_target(first).0));
    buf.put_u16(targets.len() as u16);
    for target in targets {
        buf.put_i64(split_target(target).1);
    }
}

fn kind_of(audience: Audience) -> u8 {
    match audience {
        Audience::Sessions => CONNECTION,
        Audience::Users => USER,
    }
}

/// What is left of a payload. A wrong value is only told when the length is right: the answer differs.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Bad> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Bad::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u8(&mut self) -> Result<u8, Bad> {
        Ok(self.take(1)?[0])
    }

    fn i64(&mut self) -> Result<i64, Bad> {
        let bytes = self.take(8)?;
        Ok(i64::from_be_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    fn target(&mut self) -> Result<Result<SessionTarget, Bad>, Bad> {
        let (kind, id) = (self.u8()?, self.i64()?);
        Ok(target(kind, id))
    }

    fn targets(&mut self) -> Result<Result<Vec<SessionTarget>, Bad>, Bad> {
        let kind = self.u8()?;
        let count = self.take(2)?;
        let ids = self.take(8 * usize::from(u16::from_be_bytes([count[0], count[1]])))?;
        let ids = ids.chunks_exact(8).map(|id| i64::from_be_bytes(id.try_into().expect("chunks of eight bytes")));
        Ok(target(kind, 0).and_then(|_| ids.map(|id| target(kind, id)).collect()))
    }

    fn audience(&mut self) -> Result<Result<Audience, Bad>, Bad> {
        Ok(match self.u8()? {
            CONNECTION => Ok(Audience::Sessions),
            USER => Ok(Audience::Users),
            _ => Err(Bad::Value),
        })
    }

    /// The rest, in an allocation of its own: it may wait long for a slow client.
    fn packet(&mut self) -> Bytes {
        Bytes::copy_from_slice(self.0)
    }

    /// Fields after which nothing follows.
    fn end_with<T>(mut self, read: impl FnOnce(&mut Self) -> Result<T, Bad>) -> Result<T, Bad> {
        let fields = read(&mut self)?;
        if self.0.is_empty() { Ok(fields) } else { Err(Bad::Length) }
    }
}
