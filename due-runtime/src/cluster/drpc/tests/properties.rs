//! Whatever is written is read, and whatever is read says so.

use proptest::prelude::*;

use crate::cluster::drpc::fuzzing::claims;
use crate::cluster::drpc::{answer, frame, request};
use crate::cluster::link::{Audience, Event, GateAnswer, GateOp, LinkError, Outward, Then};
use crate::id::{Cid, RouteId, Seq, Uid};
use crate::packet::{ByteOrder, Format, Packet, RouteWidth, SeqWidth};
use crate::registry::State;
use crate::session::SessionTarget;

fn target() -> impl Strategy<Value = SessionTarget> {
    prop_oneof![
        any::<i64>().prop_map(|cid| SessionTarget::Session(Cid(cid))),
        any::<i64>().prop_map(|uid| SessionTarget::User(Uid(uid))),
    ]
}

/// All of one kind.
fn targets() -> impl Strategy<Value = Vec<SessionTarget>> {
    prop_oneof![
        prop::collection::vec(any::<i64>().prop_map(|cid| SessionTarget::Session(Cid(cid))), 0..20),
        prop::collection::vec(any::<i64>().prop_map(|uid| SessionTarget::User(Uid(uid))), 0..20),
    ]
}

fn audience() -> impl Strategy<Value = Audience> {
    prop_oneof![Just(Audience::Sessions), Just(Audience::Users)]
}

fn state() -> impl Strategy<Value = State> {
    prop_oneof![Just(State::Shut), Just(State::Work), Just(State::Busy), Just(State::Hang)]
}

fn then() -> impl Strategy<Value = Then> {
    prop_oneof![Just(Then::Stay), Just(Then::Disconnect)]
}

fn packet() -> impl Strategy<Value = bytes::Bytes> {
    prop::collection::vec(any::<u8>(), 0..100).prop_map(bytes::Bytes::from)
}

fn gate_op() -> impl Strategy<Value = GateOp> {
    let push = (target(), packet(), then()).prop_map(|(target, packet, then)| GateOp::Push { target, packet, then });
    let multicast =
        (targets(), packet(), then()).prop_map(|(targets, packet, then)| GateOp::Multicast { targets, packet, then });
    let broadcast = (audience(), packet(), then()).prop_map(|(audience, packet, then)| GateOp::Broadcast {
        audience,
        packet,
        then,
    });
    let publish = ("[a-z:é]{0,120}", packet(), then()).prop_map(|(channel, packet, then)| GateOp::Publish {
        channel: channel.into(),
        packet,
        then,
    });
    let subscribe = (targets(), "[a-z:é]{0,120}")
        .prop_map(|(targets, channel)| GateOp::Subscribe { targets, channel: channel.into() });
    let unsubscribe = (targets(), "[a-z:é]{0,120}")
        .prop_map(|(targets, channel)| GateOp::Unsubscribe { targets, channel: channel.into() });
    prop_oneof![
        (1..=i64::MAX, 1..=i64::MAX).prop_map(|(cid, uid)| GateOp::Bind { cid: Cid(cid), uid: Uid(uid) }),
        (1..=i64::MAX).prop_map(|uid| GateOp::Unbind { uid: Uid(uid) }),
        target().prop_map(GateOp::Ip),
        audience().prop_map(GateOp::Stat),
        target().prop_map(GateOp::IsOnline),
        (target(), any::<bool>()).prop_map(|(target, force)| GateOp::Disconnect { target, force }),
        push,
        multicast,
        broadcast,
        publish,
        subscribe,
        unsubscribe,
        Just(GateOp::State),
        state().prop_map(GateOp::SetState),
    ]
}

fn user() -> impl Strategy<Value = Option<Uid>> {
    prop::option::of((1..=i64::MAX).prop_map(Uid))
}

proptest! {
    #[test]
    fn requests_come_back(op in gate_op(), seq in any::<u64>()) {
        let mut written = Vec::new();
        request::put_gate_op(&mut written, seq, &op);
        prop_assert_eq!(frame::measure(&written, usize::MAX), Ok(Some(written.len())));
        let frame = frame::parse(&written).unwrap();
        prop_assert_eq!(frame.seq, seq);
        prop_assert_eq!(request::gate_op(&frame), Ok(op));
    }

    #[test]
    fn events_come_back(event in 1..=3, cid in any::<i64>(), uid in user(), seq in any::<u64>()) {
        let trigger = request::Trigger { event: Event::from_wire(event).unwrap(), cid: Cid(cid), uid };
        let mut written = Vec::new();
        request::put_trigger(&mut written, seq, &trigger);
        prop_assert_eq!(request::trigger(&frame::parse(&written).unwrap()), Ok(trigger));
    }

    #[test]
    fn messages_come_back(
        cid in any::<i64>(), uid in user(), little in any::<bool>(), widths in 0..12_usize,
        body in prop::collection::vec(any::<u8>(), 0..100), route in any::<i8>(), seq in any::<i8>(),
    ) {
        let format = Format::new()
            .byte_order(if little { ByteOrder::Little } else { ByteOrder::Big })
            .route_width([RouteWidth::One, RouteWidth::Two, RouteWidth::Four][widths / 4])
            .seq_width([SeqWidth::Zero, SeqWidth::One, SeqWidth::Two, SeqWidth::Four][widths % 4]);
        let seq = if format.seq_bytes() == 0 { 0 } else { seq };
        let packet = Packet { route: RouteId(route.into()), seq: Seq(seq.into()), body: body.into() };
        let mut written = Vec::new();
        request::put_deliver(&mut written, 9, Cid(cid), uid, &format, Outward::Packet(&packet));
        let frame = frame::parse(&written).unwrap();
        let deliver = request::deliver(&frame).unwrap();
        prop_assert_eq!((deliver.cid, deliver.uid), (Cid(cid), uid));
        let sized = format.encode(packet.route, packet.seq, &packet.body).unwrap();
        prop_assert_eq!(deliver.packet, &sized[..]);
    }

    #[test]
    fn answers_come_back(total in any::<u64>(), v4 in any::<[u8; 4]>(), v6 in any::<[u8; 16]>(), state in state()) {
        let v6 = std::net::IpAddr::from(v6).to_canonical();
        for (opcode, answer) in [
            (frame::op::STAT, Ok(GateAnswer::Total(total))),
            (frame::op::PUBLISH, Ok(GateAnswer::Total(total))),
            (frame::op::IP, Ok(GateAnswer::Ip(v4.into()))),
            (frame::op::IP, Ok(GateAnswer::Ip(v6))),
            (frame::op::STATE, Ok(GateAnswer::State(state))),
            (frame::op::BIND, Err(LinkError::NoSession)),
        ] {
            let mut written = Vec::new();
            answer::put(&mut written, opcode, 1, &answer);
            prop_assert_eq!(answer::read(&frame::parse(&written).unwrap()), Some(answer));
        }
    }

    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        claims(&bytes);
    }

    #[test]
    fn no_payload_is_too_strange(
        opcode in 0..20_u8, header in any::<u8>(), payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let mut bytes = Vec::new();
        frame::put(&mut bytes, opcode, 7, header & 0x40 != 0, |buf| buf.extend(&payload));
        bytes[4] = header;
        claims(&bytes);
    }
}
