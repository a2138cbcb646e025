//! What Go clients send, byte by byte.

use due::transport::kcp::Settings;

use crate::raw::{ACK, PUSH, Raw, Segment, WASK, WINS, fec_data, fec_parity};
use crate::world::{ECHO, World, heartbeat, packet};

#[tokio::test]
async fn a_heartbeat_with_error_correction_opens_a_session_and_is_answered_plainly() {
    let world = World::with(Settings::default(), |gate| gate).await;
    let mut client = Raw::connect(world.addr(), 0x0102_0304).await;
    let segment = client.segment(&heartbeat()).bytes();
    assert_eq!(
        fec_data(0, &segment),
        [
            0, 0, 0, 0, 0xf1, 0, 31, 0, // sequence, data, size of itself and of what follows
            4, 3, 2, 1, 81, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, // KCP
            0, 0, 0, 1, 0x80, // heartbeat
        ]
    );
    client.send(&fec_data(0, &segment)).await;
    assert_eq!(client.read(5).await, heartbeat());
    world.until(1, 0).await;
    world.app.stop().await;
}

#[tokio::test]
async fn groups_of_ten_with_three_parities_are_a_stream() {
    let world = World::start().await;
    let mut client = Raw::connect(world.addr(), 77).await;
    let first = client.segment(&heartbeat()).bytes();
    client.send(&fec_data(0, &first)).await;
    assert_eq!(client.read(5).await, heartbeat());
    let mut id = 1;
    for group in 0..5 {
        for seq in 1..=10 {
            let segment = client.segment(&packet(ECHO, group * 10 + seq, &[seq as u8; 300])).bytes();
            client.send(&fec_data(id, &segment)).await;
            id += 1;
        }
        for _ in 0..3 {
            client.send(&fec_parity(id, 24 + 309 + 2)).await;
            id += 1;
        }
        for seq in 1..=10 {
            assert_eq!(client.read(309).await, packet(ECHO, group * 10 + seq, &[seq as u8; 300]));
        }
    }
    assert_eq!(world.sessions(), (1, 0));
    world.app.stop().await;
}

#[tokio::test]
async fn several_segments_share_a_datagram_and_packets_know_no_borders() {
    let world = World::start().await;
    let mut client = Raw::connect(world.addr(), 7).await;
    let stream = [packet(ECHO, 1, &[1; 700]), packet(ECHO, 2, b""), packet(ECHO, 3, &[3; 400])].concat();
    let segments: Vec<u8> = stream.chunks(250).flat_map(|part| client.segment(part).bytes()).collect();
    client.send(&segments).await;
    assert_eq!(client.read(stream.len()).await, stream);
    // Fragments of a message are pieces of the stream as well.
    let stream = packet(ECHO, 4, &[4; 500]);
    for (part, frg) in stream.chunks(200).zip([2, 1, 0]) {
        let segment = Segment { frg, ..client.segment(part) }.bytes();
        client.send(&segment).await;
    }
    assert_eq!(client.read(stream.len()).await, stream);
    world.app.stop().await;
}

#[tokio::test]
async fn late_and_doubled_segments_are_put_in_order() {
    let world = World::start().await;
    let mut client = Raw::connect(world.addr(), 7).await;
    client.write(&packet(ECHO, 1, b"first")).await;
    assert_eq!(client.read(14).await, packet(ECHO, 1, b"first"));
    let segments: Vec<_> = (2..10).map(|seq| client.segment(&packet(ECHO, seq, b"later")).bytes()).collect();
    for segment in segments.iter().rev().chain(&segments) {
        client.send(segment).await;
    }
    for seq in 2..10 {
        assert_eq!(client.read(14).await, packet(ECHO, seq, b"later"));
    }
    world.app.stop().await;
}

#[tokio::test]
async fn another_conversation_from_the_same_address_replaces_the_old_one() {
    let world = World::start().await;
    let mut client = Raw::connect(world.addr(), 1).await;
    client.write(&packet(ECHO, 1, b"one")).await;
    assert_eq!(client.read(12).await, packet(ECHO, 1, b"one"));
    // Only a beginning can.
    client.send(&Segment::push(2, 1, b"x").bytes()).await;
    client.send(&Segment { cmd: ACK, ..Segment::push(2, 0, b"") }.bytes()).await;
    client.write(&packet(ECHO, 2, b"one")).await;
    assert_eq!(client.read(12).await, packet(ECHO, 2, b"one"));
    assert_eq!(world.sessions(), (1, 0));

    client.begin_again(2);
    client.write(&packet(ECHO, 1, b"two")).await;
    assert_eq!(client.read(12).await, packet(ECHO, 1, b"two"));
    world.until(2, 1).await;
    // The old one is nobody's any more.
    client.send(&Segment { una: 3, ..Segment::push(1, 2, &packet(ECHO, 3, b"one")) }.bytes()).await;
    client.write(&packet(ECHO, 2, b"two")).await;
    assert_eq!(client.read(12).await, packet(ECHO, 2, b"two"));
    assert_eq!(world.sessions(), (2, 1));
    world.app.stop().await;
}

#[tokio::test]
async fn writes_are_cut_at_the_mtu_and_the_window_is_the_configured_one() {
    let world = World::with(Settings::fast().mtu(500).windows(128, 32), |gate| gate).await;
    let mut client = Raw::connect(world.addr(), 9).await;
    for part in packet(ECHO, 1, &[7; 4000]).chunks(1376) {
        client.write(part).await;
    }
    let mut data = 0;
    while data < 4009 {
        let segments = client.segments().await;
        assert!(segments.iter().map(|segment| 24 + segment.data.len()).sum::<usize>() <= 500);
        for segment in segments {
            assert!(segment.wnd <= 32 && segment.wnd > 0, "{segment:?}");
            if segment.cmd == PUSH && segment.sn == client.next {
                client.next += 1;
                data += segment.data.len();
                assert!(segment.data.len() == 476 || data == 4009, "{}", segment.data.len());
            }
        }
        client.send(&Segment { cmd: WINS, una: client.next, ..Segment::push(9, 0, b"") }.bytes()).await;
    }
    // Who asks for the window is told.
    client.send(&Segment { cmd: WASK, una: client.next, ..Segment::push(9, 0, b"") }.bytes()).await;
    while !client.segments().await.iter().any(|segment| (segment.cmd, segment.wnd) == (WINS, 32)) {}
    world.app.stop().await;
}
