//! What must hold for any packets, any chunking, and any bytes.

use bytes::{Bytes, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn formats() -> impl Strategy<Value = Format> {
    let orders = prop_oneof![Just(ByteOrder::Big), Just(ByteOrder::Little)];
    let routes = prop_oneof![Just(RouteWidth::One), Just(RouteWidth::Two), Just(RouteWidth::Four)];
    let seqs = prop_oneof![Just(SeqWidth::Zero), Just(SeqWidth::One), Just(SeqWidth::Two), Just(SeqWidth::Four)];
    let times = prop_oneof![Just(HeartbeatTime::Off), Just(HeartbeatTime::Millis), Just(HeartbeatTime::Nanos)];
    (orders, routes, seqs, times, 16..2000usize).prop_map(|(order, route, seq, time, buffer)| {
        Format::new()
            .byte_order(order)
            .route_width(route)
            .seq_width(seq)
            .heartbeat_time(time)
            .buffer_bytes(buffer)
            .max_frame(buffer + 9)
    })
}

/// What a peer sends, with numbers that shrink to the width in use.
#[derive(Clone, Debug)]
enum Sent {
    Packet { route: i32, seq: i32, body: Vec<u8> },
    Heartbeat(i64),
    KeepAlive,
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        8 => (any::<i32>(), any::<i32>(), vec(any::<u8>(), 0..300)).prop_map(|(route, seq, body)| Sent::Packet { route, seq, body }),
        1 => any::<i64>().prop_map(Sent::Heartbeat),
        1 => Just(Sent::KeepAlive),
    ]
}

fn narrowed(value: i32, width: usize) -> i32 {
    match width {
        0 => 0,
        1 => i32::from(value as i8),
        2 => i32::from(value as i16),
        _ => value,
    }
}

impl Sent {
    fn write(&self, format: &Format) -> (Bytes, Frame) {
        match self {
            Self::Packet { route, seq, body } => {
                let route = RouteId(narrowed(*route, format.route_bytes()));
                let seq = Seq(narrowed(*seq, format.seq_bytes()));
                let body = &body[..body.len().min(format.max_body_bytes())];
                let packet = Packet { route, seq, body: Bytes::copy_from_slice(body) };
                (format.encode(route, seq, body).unwrap(), Frame::Packet(packet))
            }
            Self::Heartbeat(nanos) => (format.heartbeat(Dialect::Sized, *nanos), Frame::Heartbeat),
            Self::KeepAlive => (Bytes::from_static(&[0; 4]), Frame::KeepAlive),
        }
    }
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_frames(
        format in formats(),
        sent in vec(sent(), 0..20),
        chunks in vec(1..200usize, 1..20),
    ) {
        let (bytes, frames): (Vec<_>, Vec<_>) = sent.iter().map(|sent| sent.write(&format)).unzip();
        let wire = bytes.concat();
        let mut rest = &wire[..];
        let mut buf = BytesMut::new();
        let mut read = Vec::new();
        for chunk in chunks.iter().cycle() {
            let (chunk, later) = rest.split_at((*chunk).min(rest.len()));
            buf.extend_from_slice(chunk);
            while let Some(unit) = format.split(&mut buf).unwrap() {
                read.push(format.parse(unit).unwrap());
            }
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(read, frames);
        prop_assert!(buf.is_empty());
    }

    /// Whoever looks at the first frame where it lies sees what is taken off and read.
    #[test]
    fn the_first_frame_is_the_one_that_is_split_off(format in formats(), sent in sent(), rest in vec(any::<u8>(), 0..50)) {
        for wire in [[&sent.write(&format).0[..], &rest].concat(), rest] {
            let mut buf = BytesMut::from(&wire[..]);
            let unit = format.split(&mut buf).ok().flatten();
            let first = format.first(&wire);
            prop_assert_eq!(first.map(|sized| &sized[4..]), unit.as_deref());
            let (Some(sized), Some(unit)) = (first, unit) else { continue };
            let read = match format.parse(unit) {
                Ok(Frame::Packet(Packet { route, seq, .. })) => Some((route, seq)),
                _ => None,
            };
            prop_assert_eq!(format.peek(sized), read);
        }
    }

    /// Whoever takes a packet apart where it lies finds what is read of it, and packets alone.
    #[test]
    fn what_is_dissected_is_what_is_parsed(format in formats(), sent in sent(), rest in vec(any::<u8>(), 0..50)) {
        let whole = sent.write(&format).0;
        for wire in [whole.clone(), [&whole[..], &rest].concat().into(), whole.slice(..whole.len() - 1), rest.into()] {
            let dissected = format.dissect(&wire);
            let packet = dissected.map(|(route, seq, body)| Packet { route, seq, body: Bytes::copy_from_slice(body) });
            let parsed = match format.parse_sized(wire) {
                Ok(Frame::Packet(packet)) => Some(packet),
                _ => None,
            };
            prop_assert_eq!(packet, parsed);
        }
    }

    #[test]
    fn a_message_reads_the_same_in_both_dialects(format in formats(), sent in sent()) {
        let (sized, frame) = sent.write(&format);
        prop_assume!(frame != Frame::KeepAlive);
        prop_assert_eq!(format.parse_sized(sized.clone()), Ok(frame.clone()));
        prop_assert_eq!(format.parse(format.in_dialect(Dialect::Bare, sized)), Ok(frame));
    }

    #[test]
    fn no_bytes_panic_or_cost_more_than_they_are(format in formats(), wire in vec(any::<u8>(), 0..3000)) {
        let whole = Bytes::from(wire);
        let _ = format.parse(whole.clone());
        let _ = format.parse_sized(whole.clone());
        let _ = format.sniff(&whole, |route| route.0 % 2 == 0);
        let mut buf = BytesMut::from(&whole[..]);
        while let Ok(Some(unit)) = format.split(&mut buf) {
            prop_assert!(unit.len() <= format.max_frame_bytes());
            let _ = format.parse(unit);
        }
        prop_assert!(buf.capacity() <= 2 * whole.len() + 8192);
    }

    #[test]
    fn sized_first_messages_of_known_routes_are_recognised(format in formats(), sent in sent()) {
        let (sized, frame) = sent.write(&format);
        prop_assume!(frame != Frame::KeepAlive);
        prop_assert_eq!(format.sniff(&sized, |_| true), Sniff::Sized);
    }
}
