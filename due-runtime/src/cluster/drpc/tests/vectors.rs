//! Every message of due v2.5.8, as its own encoders wrote it.

use std::net::IpAddr;

use bytes::Bytes;

use super::hex;
use crate::cluster::drpc::frame::{self, Frame};
use crate::cluster::drpc::request::{self, Bad, Deliver, Handshake, Trigger};
use crate::cluster::drpc::{answer, request::put_gate_op};
use crate::cluster::link::{Audience, Event, GateAnswer, GateOp, LinkError, Outward, Then};
use crate::id::{Cid, RouteId, Seq, Uid};
use crate::packet::{Format, Packet};
use crate::registry::{Kind, State};
use crate::session::SessionTarget;

const PACKET: &str = "0000000700000100026869";

fn packet() -> Bytes {
    hex(PACKET).into()
}

fn session(cid: i64) -> SessionTarget {
    SessionTarget::Session(Cid(cid))
}

fn user(uid: i64) -> SessionTarget {
    SessionTarget::User(Uid(uid))
}

fn parse(bytes: &[u8]) -> Frame<'_> {
    assert_eq!(frame::measure(bytes, 1 << 24), Ok(Some(bytes.len())));
    frame::parse(bytes).unwrap()
}

#[test]
fn requests_to_gates() {
    let (stay, disconnect) = (Then::Stay, Then::Disconnect);
    let vectors = [
        (
            "0000001a 00 02 0000000000000005 0000000000000007 00000000000003e9",
            GateOp::Bind { cid: Cid(7), uid: Uid(1001) },
        ),
        ("00000012 00 03 0000000000000005 00000000000003e9", GateOp::Unbind { uid: Uid(1001) }),
        ("00000013 00 04 0000000000000005 01 0000000000000007", GateOp::Ip(session(7))),
        ("0000000b 00 05 0000000000000005 02", GateOp::Stat(Audience::Users)),
        ("00000013 00 06 0000000000000005 02 00000000000003e9", GateOp::IsOnline(user(1001))),
        (
            "00000014 00 07 0000000000000005 01 0000000000000007 01",
            GateOp::Disconnect { target: session(7), force: true },
        ),
        (
            "0000001e 40 08 0000000000000005 01 0000000000000007 0000000700000100026869",
            GateOp::Push { target: session(7), packet: packet(), then: disconnect },
        ),
        (
            "00000028 00 09 0000000000000005 02 0002 00000000000003e9 00000000000003ea 0000000700000100026869",
            GateOp::Multicast { targets: vec![user(1001), user(1002)], packet: packet(), then: stay },
        ),
        (
            "00000016 00 0a 0000000000000005 01 0000000700000100026869",
            GateOp::Broadcast { audience: Audience::Sessions, packet: packet(), then: stay },
        ),
        (
            "0000001c 00 0b 0000000000000005 06 726f6f6d3a31 0000000700000100026869",
            GateOp::Publish { channel: "room:1".into(), packet: packet(), then: stay },
        ),
        (
            "0000001b 00 0c 0000000000000005 02 0001 00000000000003e9 726f6f6d3a31",
            GateOp::Subscribe { targets: vec![user(1001)], channel: "room:1".into() },
        ),
        (
            "0000001b 00 0d 0000000000000005 02 0001 00000000000003e9 726f6f6d3a31",
            GateOp::Unsubscribe { targets: vec![user(1001)], channel: "room:1".into() },
        ),
        ("0000000a 00 10 0000000000000005", GateOp::State),
        ("0000000b 00 11 0000000000000005 02", GateOp::SetState(State::Busy)),
    ];
    for (text, expected) in vectors {
        let bytes = hex(text);
        let mut written = Vec::new();
        put_gate_op(&mut written, 5, &expected);
        assert_eq!(written, bytes, "{expected:?}");
        assert_eq!(request::gate_op(&parse(&bytes)), Ok(expected));
    }
}

#[test]
fn pushes_that_are_not_answered() {
    let mut written = Vec::new();
    request::put_push(&mut written, Cid(7), &packet());
    assert_eq!(written, hex("0000001e 00 08 0000000000000000 01 0000000000000007 0000000700000100026869"));
    let to_user = hex("0000001e 00 08 0000000000000000 02 00000000000003e9 0000000700000100026869");
    let frame = parse(&to_user);
    let expected = GateOp::Push { target: user(1001), packet: packet(), then: Then::Stay };
    assert_eq!((frame.seq, request::gate_op(&frame)), (0, Ok(expected)));
}

#[test]
fn handshakes() {
    for (text, kind, id) in [
        ("0000000d 00 01 0000000000000001 01 4731", Kind::Gate, "G1"),
        ("0000000d 00 01 0000000000000001 02 4e31", Kind::Node, "N1"),
        ("0000000b 00 01 0000000000000001 03", Kind::Mesh, ""),
    ] {
        let mut written = Vec::new();
        request::put_handshake(&mut written, 1, kind, id);
        assert_eq!(written, hex(text));
        assert_eq!(request::handshake(&parse(&written)), Ok(Handshake { kind: Some(kind), id: id.into() }));
    }
    let master = hex("0000000c 00 01 0000000000000001 04 4d");
    assert_eq!(request::handshake(&parse(&master)), Ok(Handshake { kind: None, id: "M".into() }));
}

#[test]
fn events_and_messages_to_nodes() {
    for (text, event, uid) in [
        ("00000013 00 0e 0000000000000000 01 0000000000000007", Event::Connect, None),
        ("0000001b 00 0e 0000000000000000 02 0000000000000007 00000000000003e9", Event::Reconnect, Some(Uid(1001))),
        ("0000001b 00 0e 0000000000000000 03 0000000000000007 00000000000003e9", Event::Disconnect, Some(Uid(1001))),
    ] {
        let trigger = Trigger { event, cid: Cid(7), uid };
        let mut written = Vec::new();
        request::put_trigger(&mut written, 0, &trigger);
        assert_eq!(written, hex(text));
        assert_eq!(request::trigger(&parse(&written)), Ok(trigger));
    }
    let packet = Packet { route: RouteId(1), seq: Seq(2), body: Bytes::from_static(b"hi") };
    let mut written = Vec::new();
    request::put_deliver(&mut written, 0, Cid(7), Some(Uid(1001)), &Format::new(), Outward::Packet(&packet));
    let text = "00000025 00 0f 0000000000000000 0000000000000007 00000000000003e9 0000000700000100026869";
    assert_eq!(written, hex(text));
    let deliver = Deliver { cid: Cid(7), uid: Some(Uid(1001)), packet: &hex(PACKET) };
    assert_eq!(request::deliver(&parse(&written)), Ok(deliver));
}

#[test]
fn answers() {
    let ip = |text: &str| Ok(GateAnswer::Ip(text.parse::<IpAddr>().unwrap()));
    let failed = || Err(LinkError::Failed("it answered with code 2".to_owned()));
    let vectors = [
        ("0000000c 00 01 0000000000000005 0000", Ok(GateAnswer::Done)),
        ("0000000c 00 02 0000000000000005 0000", Ok(GateAnswer::Done)),
        ("0000000c 00 02 0000000000000005 0001", Err(LinkError::NoSession)),
        ("0000000c 00 02 0000000000000005 0002", failed()),
        ("0000000c 00 03 0000000000000005 0000", Ok(GateAnswer::Done)),
        ("00000010 00 04 0000000000000005 0000 c0a8010a", ip("192.168.1.10")),
        ("00000020 00 04 0000000000000005 0000 00000000 fd000000000000000000000000000002", ip("fd00::2")),
        ("0000000c 00 04 0000000000000005 0001", Err(LinkError::NoSession)),
        ("00000014 00 05 0000000000000005 0000 0000000000000003", Ok(GateAnswer::Total(3))),
        ("0000000c 00 05 0000000000000005 0000", Ok(GateAnswer::Total(0))),
        ("0000000d 00 06 0000000000000005 0000 01", Ok(GateAnswer::Online(true))),
        ("0000000d 00 06 0000000000000005 0000 00", Ok(GateAnswer::Online(false))),
        ("0000000d 00 06 0000000000000005 0002 00", failed()),
        ("0000000c 00 07 0000000000000005 0000", Ok(GateAnswer::Done)),
        ("0000000c 00 08 0000000000000005 0000", Ok(GateAnswer::Done)),
        ("00000014 00 09 0000000000000005 0000 0000000000000002", Ok(GateAnswer::Total(2))),
        ("0000000c 00 09 0000000000000005 0000", Ok(GateAnswer::Total(0))),
        ("00000014 00 0a 0000000000000005 0000 0000000000000002", Ok(GateAnswer::Total(2))),
        ("00000014 00 0b 0000000000000005 0000 0000000000000002", Ok(GateAnswer::Total(2))),
        ("00000014 00 0b 0000000000000005 0000 0000000000000000", Ok(GateAnswer::Total(0))),
        ("0000000c 00 0b 0000000000000005 0002", failed()),
        ("0000000c 00 0c 0000000000000005 0000", Ok(GateAnswer::Done)),
        ("0000000c 00 0d 0000000000000005 0000", Ok(GateAnswer::Done)),
        ("0000000c 00 0e 0000000000000005 0000", Ok(GateAnswer::Done)),
        ("0000000c 00 0f 0000000000000005 0001", Err(LinkError::NoSession)),
        ("0000000d 00 10 0000000000000005 0000 01", Ok(GateAnswer::State(State::Work))),
        ("0000000c 00 11 0000000000000005 0000", Ok(GateAnswer::Done)),
    ];
    for (text, expected) in vectors {
        let bytes = hex(text);
        let frame = parse(&bytes);
        assert_eq!(answer::read(&frame).as_ref(), Some(&expected), "{text}");
        let mut written = Vec::new();
        answer::put(&mut written, frame.op, 5, &expected);
        assert_eq!(written, bytes, "{text}");
    }
}

#[test]
fn what_due_omits_or_cannot_say() {
    let unspecified = hex("0000000c 00 04 0000000000000005 0000");
    let expected = Some(Ok(GateAnswer::Ip("0.0.0.0".parse().unwrap())));
    assert_eq!(answer::read(&parse(&unspecified)), expected);
    assert_eq!(answer::read(&parse(&hex("00000010 00 04 0000000000000005 0000 00000000"))), expected);
    for nonsense in [
        "0000000a 00 02 0000000000000005",
        "0000000d 00 02 0000000000000005 0000 00",
        "0000000c 00 06 0000000000000005 0000",
        "0000000d 00 10 0000000000000005 0000 04",
        "00000011 00 04 0000000000000005 0000 c0a8010a00",
        "00000013 00 05 0000000000000005 0000 00000000000003",
    ] {
        assert_eq!(answer::read(&parse(&hex(nonsense))), None, "{nonsense}");
    }
}

#[test]
fn requests_that_mean_nothing() {
    for (text, expected) in [
        ("00000019 00 02 0000000000000005 0000000000000007 000000000003e9", Bad::Length),
        ("0000001b 00 02 0000000000000005 0000000000000007 00000000000003e900", Bad::Length),
        ("0000001a 00 02 0000000000000005 0000000000000000 00000000000003e9", Bad::Value),
        ("0000001a 00 02 0000000000000005 0000000000000007 ffffffffffffffff", Bad::Value),
        ("00000012 00 03 0000000000000005 0000000000000000", Bad::Value),
        ("00000013 00 04 0000000000000005 03 0000000000000007", Bad::Value),
        ("0000000a 00 05 0000000000000005", Bad::Length),
        ("0000000b 00 05 0000000000000005 00", Bad::Value),
        ("0000000c 00 05 0000000000000005 00 00", Bad::Length),
        ("00000013 00 06 0000000000000005 00 00000000000003e9", Bad::Value),
        ("00000012 00 08 0000000000000005 01 00000000000007", Bad::Length),
        ("00000014 00 09 0000000000000005 02 0002 00000000000003", Bad::Length),
        ("0000000d 00 09 0000000000000005 02 ffff", Bad::Length),
        ("0000000d 00 09 0000000000000005 07 0000", Bad::Value),
        ("0000000c 00 0b 0000000000000005 02 61", Bad::Length),
        ("0000000b 00 10 0000000000000005 00", Bad::Length),
        ("0000000b 00 11 0000000000000005 04", Bad::Value),
        ("0000000a 00 11 0000000000000005", Bad::Length),
        ("0000000a 00 00 0000000000000005", Bad::Opcode),
        ("0000000a 00 0e 0000000000000005", Bad::Opcode),
        ("0000000a 00 12 0000000000000005", Bad::Opcode),
        ("0000000a 00 ff 0000000000000005", Bad::Opcode),
    ] {
        assert_eq!(request::gate_op(&parse(&hex(text))), Err(expected), "{text}");
    }
    for (text, expected) in [
        ("00000012 00 0e 0000000000000005 01 00000000000007", Bad::Length),
        ("00000014 00 0e 0000000000000005 01 0000000000000007 00", Bad::Length),
        ("00000013 00 0e 0000000000000005 04 0000000000000007", Bad::Value),
    ] {
        assert_eq!(request::trigger(&parse(&hex(text))), Err(expected), "{text}");
    }
    let short = hex("00000019 00 0f 0000000000000005 0000000000000007 000000000003e9");
    assert_eq!(request::deliver(&parse(&short)), Err(Bad::Length));
    assert_eq!(request::handshake(&parse(&hex("0000000a 00 01 0000000000000001"))), Err(Bad::Length));
}

/// Go gates read neither; ours read both.
#[test]
fn more_targets_and_longer_channels_than_due_reads() {
    for count in [8189, 8190, 65535] {
        let targets: Vec<SessionTarget> = (1..=count).map(user).collect();
        let expected = GateOp::Multicast { targets, packet: packet(), then: Then::Stay };
        let mut written = Vec::new();
        put_gate_op(&mut written, 5, &expected);
        assert_eq!(written.len(), 17 + 8 * count as usize + 11);
        assert_eq!(request::gate_op(&parse(&written)), Ok(expected));
    }
    for len in [0, 240, 241, 255] {
        let channel = "c".repeat(len).into();
        let expected = GateOp::Publish { channel, packet: packet(), then: Then::Stay };
        let mut written = Vec::new();
        put_gate_op(&mut written, 5, &expected);
        assert_eq!(request::gate_op(&parse(&written)), Ok(expected));
    }
}
