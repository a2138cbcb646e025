//! What holds for every byte string that a peer can send. The fuzzer tries to break it, and so does `tests/noise.rs`
//! with the same functions where there is no fuzzer.
#![allow(dead_code, reason = "every target takes one of them")]

use due::codec::Body;
use due::codegen::{Bytes, BytesMut, prost_types};
use due::packet::{ByteOrder, Dialect, Format, Frame, HeartbeatTime, RouteWidth, SeqWidth, Sniff};
use due::{Codec, Status};

/// A byte stream in chunks: `settings | chunk length | stream`.
pub(crate) fn stream(data: &[u8]) {
    let [settings, chunk, stream @ ..] = data else { return };
    let format = format(*settings);
    let mut whole = BytesMut::from(stream);
    let (mut units, mut taken) = (Vec::new(), 0);
    let end = loop {
        match format.split(&mut whole) {
            Ok(Some(unit)) => {
                taken += 4 + unit.len();
                round_trip(&format, &unit);
                units.push(unit);
            }
            Ok(None) => break None,
            Err(error) => {
                assert!(error.is_fatal());
                break Some(error);
            }
        }
    };
    assert_eq!(taken + whole.len(), stream.len(), "no byte is lost and none is invented");
    assert!(whole.capacity() <= 2 * stream.len() + 8192, "{} bytes for {}", whole.capacity(), stream.len());

    let mut buf = BytesMut::new();
    let mut units = units.into_iter();
    'chunks: for chunk in stream.chunks(1 + usize::from(*chunk)) {
        buf.extend_from_slice(chunk);
        loop {
            match format.split(&mut buf) {
                Ok(Some(unit)) => assert_eq!(Some(unit), units.next(), "chunks make no difference"),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(Some(error), end);
                    break 'chunks;
                }
            }
        }
    }
    assert_eq!(units.next(), None);
}

/// A ws message: `settings | known routes | message`.
pub(crate) fn message(data: &[u8]) {
    let [settings, known, message @ ..] = data else { return };
    let format = format(*settings);
    let message = Bytes::copy_from_slice(message);
    let limit = format.max_frame_bytes();
    let (sized, bare) = (format.parse_sized(message.clone()), format.parse(message.clone()));
    match format.sniff(&message, |route| route.0 % (1 + i32::from(*known)) == 0) {
        Sniff::Sized => assert!(sized.is_ok() || message.len() > limit + 4, "{sized:?}"),
        Sniff::Bare => assert!(bare.is_ok() || message.len() > limit, "{bare:?}"),
        Sniff::Unknown => assert!(message.is_empty()),
        Sniff::Invalid => assert!(!message.is_empty()),
    }
    round_trip(&format, &message);
}

/// A packet's body: `codec | body`.
pub(crate) fn body(data: &[u8]) {
    let [codec, body @ ..] = data else { return };
    let codec = match codec % 3 {
        0 => Codec::Proto,
        1 => Codec::Json,
        _ => Codec::MsgPack,
    };
    let body = Bytes::copy_from_slice(body);
    comes_back::<Status>(&codec, &body);
    comes_back::<prost_types::Value>(&codec, &body);
    comes_back::<prost_types::Struct>(&codec, &body);
    comes_back::<prost_types::Timestamp>(&codec, &body);
    comes_back::<prost_types::Duration>(&codec, &body);
    comes_back::<Vec<u8>>(&codec, &body);
    comes_back::<String>(&codec, &body);
    comes_back::<f64>(&codec, &body);
}

/// What can be read can be written, and what was written reads the same.
fn comes_back<B: Body>(codec: &Codec, body: &Bytes) {
    let Ok(value) = B::decode_body(codec, body) else { return };
    let mut written = BytesMut::new();
    if value.encode_body(codec, &mut written).is_err() {
        return;
    }
    let written = written.freeze();
    let again = B::decode_body(codec, &written).expect("our own output is readable");
    let mut rewritten = BytesMut::new();
    again.encode_body(codec, &mut rewritten).expect("what was written once is writable");
    assert_eq!(written, rewritten, "{} in {}", B::NAME, codec.name());
}

/// What parses as a packet is written as the same bytes, but for the unused bits of the header.
fn round_trip(format: &Format, unit: &Bytes) {
    let Ok(Frame::Packet(packet)) = format.parse(unit.clone()) else { return };
    if packet.body.len() > format.max_body_bytes() {
        return;
    }
    let sized = format.encode(packet.route, packet.seq, &packet.body).expect("fields of this width");
    let bare = format.in_dialect(Dialect::Bare, sized.clone());
    assert_eq!(bare[1..], unit[1..]);
    assert_eq!(format.parse_sized(sized), Ok(Frame::Packet(packet)));
}

/// Every width, both orders; small limits, so that they are met.
fn format(settings: u8) -> Format {
    let order = if settings & 1 == 0 { ByteOrder::Big } else { ByteOrder::Little };
    let route = [RouteWidth::One, RouteWidth::Two, RouteWidth::Four, RouteWidth::Two][usize::from(settings >> 1 & 3)];
    let seq = [SeqWidth::Zero, SeqWidth::One, SeqWidth::Two, SeqWidth::Four][usize::from(settings >> 3 & 3)];
    let time = [HeartbeatTime::Off, HeartbeatTime::Millis, HeartbeatTime::Nanos][usize::from(settings >> 5 & 3) % 3];
    let format = Format::new().byte_order(order).route_width(route).seq_width(seq).heartbeat_time(time);
    if settings & 0x80 == 0 { format } else { format.buffer_bytes(20).max_frame(30) }
}
