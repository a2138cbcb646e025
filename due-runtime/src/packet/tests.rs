//! The wire, byte by byte: vectors of due v2.5.8 ("sized") and of the first generation ("bare").

use bytes::{Bytes, BytesMut};

use super::*;

const BIG: ByteOrder = ByteOrder::Big;
const LITTLE: ByteOrder = ByteOrder::Little;

fn format(order: ByteOrder, route: u8, seq: u8) -> Format {
    Format::new()
        .byte_order(order)
        .route_width(RouteWidth::try_from(route).unwrap())
        .seq_width(SeqWidth::try_from(seq).unwrap())
}

fn hex(text: &str) -> Bytes {
    let digits: Vec<u8> = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16).unwrap() as u8).collect();
    assert_eq!(digits.len() % 2, 0, "{text}");
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn packet(route: i32, seq: i32, body: &Bytes) -> Frame {
    Frame::Packet(Packet { route: RouteId(route), seq: Seq(seq), body: body.clone() })
}

/// One packet in both dialects: written, read whole, and read from a stream.
#[track_caller]
fn check(format: &Format, (route, seq, body): (i32, i32, &Bytes), read_seq: i32, sized: &str) {
    let sized = hex(sized);
    let written = format.encode(RouteId(route), Seq(seq), body).unwrap();
    assert_eq!(written, sized);
    let frame = packet(route, read_seq, body);
    assert_eq!(format.parse_sized(sized.clone()), Ok(frame.clone()));
    assert_eq!(format.parse(format.in_dialect(Dialect::Bare, written)), Ok(frame.clone()));
    let mut stream = BytesMut::from(&sized[..]);
    let unit = format.split(&mut stream).unwrap().unwrap();
    assert_eq!(format.parse(unit), Ok(frame));
    assert!(stream.is_empty());
}

#[test]
fn packets_of_all_widths() {
    let hi = Bytes::from_static(b"hi");
    for (order, route, seq, frame) in [
        (BIG, 2, 2, "00000007 00 0001 0002 6869"),
        (LITTLE, 2, 2, "07000000 00 0100 0200 6869"),
        (BIG, 4, 4, "0000000b 00 00000001 00000002 6869"),
        (BIG, 4, 2, "00000009 00 00000001 0002 6869"),
        (BIG, 2, 4, "00000009 00 0001 00000002 6869"),
        (BIG, 1, 1, "00000005 00 01 02 6869"),
        (LITTLE, 4, 4, "0b000000 00 01000000 02000000 6869"),
        (LITTLE, 1, 2, "06000000 00 01 0200 6869"),
    ] {
        check(&format(order, route, seq), (1, 2, &hi), 2, frame);
    }
    for (route, frame) in [(1, "00000004 00 01 6869"), (2, "00000005 00 0001 6869"), (4, "00000007 00 00000001 6869")] {
        check(&format(BIG, route, 0), (1, 2, &hi), 0, frame);
    }
}

#[test]
fn packets_of_the_first_generation() {
    let hello = Bytes::from_static(b"hello due~~");
    check(&format(BIG, 2, 2), (1, 1, &hello), 1, "00000010 00 0001 0001 68656c6c6f206475657e7e");
    check(&format(LITTLE, 2, 2), (1, 1, &hello), 1, "10000000 00 0100 0100 68656c6c6f206475657e7e");

    let json = Bytes::from_static(br#"{"name":"due"}"#);
    check(&format(BIG, 2, 2), (1, 7, &json), 7, "00000013 00 0001 0007 7b226e616d65223a22647565227d");
    let sized = "00000013 00 12345678 7b226e616d65223a22647565227d";
    check(&format(BIG, 4, 0), (0x1234_5678, 258, &json), 0, sized);
    check(&format(BIG, 1, 4), (127, 65536, &hex("ff")), 65536, "00000007 00 7f 00010000 ff");

    let answer = Bytes::from_static(br#"{"code":0,"message":"hello due~~"}"#);
    let sized = "00000027 00 0001 0007 7b22636f6465223a302c226d657373616765223a2268656c6c6f206475657e7e227d";
    check(&format(BIG, 2, 2), (1, 7, &answer), 7, sized);
}

#[test]
fn numbers_are_signed() {
    let none = Bytes::new();
    check(&format(BIG, 2, 2), (-2, -1, &none), -1, "00000005 00 fffe ffff");
    check(&format(BIG, 2, 2), (-1, -2, &none), -2, "00000005 00 ffff fffe");
    check(&format(LITTLE, 2, 2), (-2, -32768, &none), -32768, "05000000 00 feff 0080");
    check(&format(BIG, 1, 1), (-128, 127, &none), 127, "00000003 00 80 7f");
    check(&format(LITTLE, 4, 4), (i32::MIN, i32::MAX, &none), i32::MAX, "09000000 00 00000080 ffffff7f");
}

#[test]
fn what_does_not_fit_is_refused_in_the_order_route_seq_length() {
    let format = format(BIG, 2, 2);
    let refusal = |route, seq, len: usize| {
        format.encode(RouteId(route), Seq(seq), &vec![0; len]).map(|_| ()).map_err(|err| err.to_string())
    };
    assert_eq!(refusal(32767, -32768, 5000), Ok(()));
    let route = Err("route overflow: 32768 does not fit in 2 signed bytes".to_owned());
    assert_eq!(refusal(32768, -32769, 5001), route);
    let seq = Err("seq overflow: -32769 does not fit in 2 signed bytes".to_owned());
    assert_eq!(refusal(1, -32769, 5001), seq);
    assert_eq!(refusal(1, 1, 5001), Err("message too large: 5001 bytes, the limit is 5000".to_owned()));
    assert_eq!(format.seal(BytesMut::from(&[0; 8][..]), RouteId(1), Seq(1)), Err(EncodeError::NoHead));
}

#[test]
fn a_packet_begun_with_its_size_is_written_in_place() {
    let format = Format::new();
    let mut buf = format.begin(2);
    buf.extend_from_slice(b"hi");
    let begun = buf.as_ptr();
    let sealed = format.seal(buf, RouteId(1), Seq(2)).unwrap();
    assert_eq!((sealed.as_ptr(), &sealed[..]), (begun, &hex("00000007 00 0001 0002 6869")[..]));
}

#[test]
fn heartbeats_carry_the_time_their_dialect_wants() {
    const NANOS: i64 = 1_795_360_014_633_201_741;
    let sized = |format: Format, nanos| format.heartbeat(Dialect::Sized, nanos);
    assert_eq!(sized(format(BIG, 2, 2), NANOS), hex("00000001 80"));
    assert_eq!(sized(format(LITTLE, 2, 2), NANOS), hex("01000000 80"));
    let nanos = |order| format(order, 2, 2).heartbeat_time(HeartbeatTime::Nanos);
    assert_eq!(sized(nanos(BIG), NANOS), hex("00000009 80 18ea666bcc26f04d"));
    const SEED: i64 = 1_702_031_129_000_000_000;
    assert_eq!(sized(nanos(BIG), SEED), hex("00000009 80 179ed44b48b3ba00"));
    assert_eq!(sized(nanos(LITTLE), SEED), hex("09000000 80 00bab3484bd49e17"));
    let millis = |order| format(order, 2, 2).heartbeat_time(HeartbeatTime::Millis);
    assert_eq!(sized(millis(BIG), SEED), hex("00000009 80 0000018c48f5f9a8"));
    assert_eq!(sized(millis(LITTLE), SEED), hex("09000000 80 a8f9f5488c010000"));

    let bare = |format: Format| format.in_dialect(Dialect::Bare, format.heartbeat(Dialect::Bare, SEED));
    assert_eq!(bare(format(BIG, 2, 2)), hex("80 0000018c48f5f9a8"));
    assert_eq!(bare(nanos(LITTLE)), hex("80 0000018c48f5f9a8"), "neither the order nor the sized setting matter");
    assert_eq!(bare(Format::new().bare_heartbeat_time(HeartbeatTime::Off)), hex("80"));
    let nanos = format(LITTLE, 2, 2).bare_heartbeat_time(HeartbeatTime::Nanos);
    assert_eq!(bare(nanos), hex("80 179ed44b48b3ba00"));
}

#[test]
fn bit_7_makes_a_heartbeat_whatever_follows() {
    let format = Format::new();
    for frame in ["00000001 80", "00000001 81", "00000004 ff 010203", "00000009 80 18ea666bcc26f04d"] {
        assert_eq!(format.parse_sized(hex(frame)), Ok(Frame::Heartbeat), "{frame}");
        assert_eq!(format.parse(hex(frame).slice(4..)), Ok(Frame::Heartbeat), "{frame}");
    }
    assert_eq!(format.parse_sized(hex("00000005 7f 0001 0002")), Ok(packet(1, 2, &Bytes::new())));
}

#[test]
fn heartbeats_of_due_client_ts_have_their_size_in_the_wrong_order() {
    let format = format(LITTLE, 2, 2);
    assert_eq!(format.parse_sized(hex("00000001 80")), Ok(Frame::Heartbeat));
    assert_eq!(Format::new().parse_sized(hex("99999999 80")), Ok(Frame::Heartbeat));
    let mut stream = BytesMut::from(&hex("00000001 80 05000000 00 0100 0200")[..]);
    assert_eq!(format.split(&mut stream), Ok(Some(hex("80"))));
    assert_eq!(format.split(&mut stream), Ok(Some(hex("00 0100 0200"))));
    let mut half = BytesMut::from(&hex("00000001")[..]);
    assert_eq!(format.split(&mut half), Ok(None));
    let mut data = BytesMut::from(&hex("00000001 00")[..]);
    assert_eq!(format.split(&mut data), Err(DecodeError::TooLarge { size: 0x0100_0000, limit: 65536 }));
}

#[test]
fn keep_alives_and_malformed_messages() {
    let format = Format::new();
    assert_eq!(format.parse(Bytes::new()), Ok(Frame::KeepAlive));
    assert_eq!(format.parse_sized(Bytes::new()), Ok(Frame::KeepAlive));
    let mut stream = BytesMut::from(&hex("00000000 00000001 80")[..]);
    assert_eq!(format.split(&mut stream), Ok(Some(Bytes::new())));
    assert_eq!(format.split(&mut stream), Ok(Some(hex("80"))));

    let short = |len, needed| Err(DecodeError::Short { len, needed });
    assert_eq!(format.parse_sized(hex("00000000")), short(4, 5));
    assert_eq!(format.parse_sized(hex("80")), short(1, 5));
    assert_eq!(format.parse_sized(hex("00000004 00 0001 00")), short(4, 5));
    assert_eq!(format.parse(hex("00 0001 00")), short(4, 5));
    let mismatch = |size, len| Err(DecodeError::SizeMismatch { size, len });
    assert_eq!(format.parse_sized(hex("00000006 00 0001 0002")), mismatch(6, 5));
    let two = hex("00000005 00 0001 0002 00000005 00 0001 0003");
    assert_eq!(format.parse_sized(two), mismatch(5, 14), "one packet per message");
    for dropped in [DecodeError::Short { len: 4, needed: 5 }, DecodeError::SizeMismatch { size: 6, len: 5 }] {
        assert!(!dropped.is_fatal() && dropped.to_string().starts_with("invalid message"));
    }
}

#[test]
fn sizes_above_the_limit_are_fatal_at_once() {
    let format = Format::new().max_frame(100);
    for (head, size) in
        [("00000065", 101), ("7fffffff", 0x7fff_ffff), ("fffffffc", 0xffff_fffc), ("ffffffff", 0xffff_ffff)]
    {
        let mut stream = BytesMut::from(&hex(head)[..]);
        let err = format.split(&mut stream).unwrap_err();
        assert_eq!(err, DecodeError::TooLarge { size, limit: 100 });
        assert!(err.is_fatal());
        assert!(stream.capacity() < 64);
    }
    let wide_open = Format::new().max_frame(usize::MAX);
    assert!(wide_open.split(&mut BytesMut::from(&hex("fffffffc")[..])).is_err());
    let long = Bytes::from(vec![0; 101]);
    assert_eq!(format.parse(long), Err(DecodeError::TooLarge { size: 101, limit: 100 }));
}

#[test]
fn an_announced_frame_costs_what_has_come() {
    let format = Format::new().max_frame(1 << 30);
    let mut stream = BytesMut::from(&hex("3fffffff")[..]);
    assert_eq!(format.split(&mut stream), Ok(None));
    assert!(stream.capacity() < 10_000, "{}", stream.capacity());
    while stream.len() < 100_000 {
        stream.extend_from_slice(&[0; 1000]);
        assert_eq!(format.split(&mut stream), Ok(None));
        assert!(stream.capacity() < 4 * stream.len() + 10_000, "{} for {}", stream.capacity(), stream.len());
    }
}

mod sniffing {
    use super::*;

    /// A table with these routes.
    fn sniff(format: &Format, message: &[u8], routes: &[i32]) -> Sniff {
        format.sniff(message, |route| routes.contains(&route.0))
    }

    #[test]
    fn first_messages_tell_the_dialect() {
        let format = Format::new();
        for (message, dialect) in [
            ("", Sniff::Unknown),
            ("80", Sniff::Bare),
            ("80 0000018c48f5f9a8", Sniff::Bare),
            ("00000001 80", Sniff::Sized),
            ("00000009 80 179ed44b48b3ba00", Sniff::Sized),
            ("00000005 00 0001 0002", Sniff::Sized),
            ("00 0001 0001 6869", Sniff::Bare),
            ("00 0001 0001", Sniff::Bare),
            ("00 0001 00", Sniff::Invalid),
            ("01 0001 0001 6869", Sniff::Invalid),
            ("00000000", Sniff::Invalid),
        ] {
            assert_eq!(sniff(&format, &hex(message), &[1]), dialect, "{message}");
        }
    }

    #[test]
    fn a_packet_that_reads_both_ways_goes_to_the_route_that_exists() {
        let format = Format::new();
        let mut bare = hex("00 0001 0000").to_vec();
        bare.resize(5 + 255, b'x');
        // Sized, the same bytes are a packet on route 0x7878.
        let sized_route = 0x7878;
        assert_eq!(format.parse_sized(bare.clone().into()).unwrap(), {
            packet(sized_route, 0x7878, &Bytes::from(vec![b'x'; 251]))
        });
        assert_eq!(sniff(&format, &bare, &[1]), Sniff::Bare);
        assert_eq!(sniff(&format, &bare, &[1, sized_route]), Sniff::Sized);
        assert_eq!(sniff(&format, &bare, &[]), Sniff::Sized);
    }

    #[test]
    fn little_endian_sizes_may_have_bit_7() {
        let format = format(LITTLE, 2, 2);
        let sized = format.encode(RouteId(1), Seq(1), &[7; 0x7b]).unwrap();
        assert_eq!(sized[0], 0x80);
        assert_eq!(sniff(&format, &sized, &[1]), Sniff::Sized);
        assert_eq!(sniff(&format, &hex("00000001 80"), &[1]), Sniff::Sized);
        assert_eq!(sniff(&format, &hex("01000000 80"), &[1]), Sniff::Sized);
        assert_eq!(sniff(&format, &hex("80"), &[1]), Sniff::Bare);
        assert_eq!(sniff(&format, &hex("00 0100 0100"), &[1]), Sniff::Bare);
    }

    #[test]
    fn what_looks_like_a_sized_heartbeat_is_one() {
        // Bare, these are packets on routes 0x180 and 0x980.
        let format = format(BIG, 4, 0);
        assert_eq!(sniff(&format, &hex("00000001 80"), &[0x180]), Sniff::Sized);
        assert_eq!(sniff(&format, &hex("00000009 80 179ed44b48b3ba00"), &[0x980]), Sniff::Sized);
    }
}
