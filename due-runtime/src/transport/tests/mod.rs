mod contract;
#[cfg(feature = "tcp")]
mod tcp;
#[cfg(feature = "ws")]
mod ws;

use std::sync::Arc;

use bytes::Bytes;

use super::*;
use crate::id::{RouteId, Seq};
use crate::packet::Frame;

fn format() -> Arc<Format> {
    Arc::new(Format::new())
}

fn packet(format: &Format, seq: i32, body: &[u8]) -> Bytes {
    format.encode(RouteId(1), Seq(seq), body).unwrap()
}

/// What an inbound unit of the sized dialect holds.
fn frame(format: &Format, inbound: Inbound) -> Frame {
    match inbound {
        Inbound::Unit(unit) => format.parse(unit).unwrap(),
        Inbound::Message(message) => format.parse_sized(message).unwrap(),
        Inbound::Ignored(_) => panic!("neither text nor control frames were sent"),
    }
}

async fn next(read: &mut impl PacketRead, format: &Format) -> (i32, Bytes) {
    let inbound = read.read().await.unwrap().expect("the peer has not closed");
    seq_and_body(frame(format, inbound))
}

fn seq_and_body(frame: Frame) -> (i32, Bytes) {
    match frame {
        Frame::Packet(packet) => (packet.seq.0, packet.body),
        other => panic!("{other:?}"),
    }
}
