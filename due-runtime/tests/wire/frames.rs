//! The frames of the specification, there and back.

use std::time::{Duration, SystemTime};

use due::HeartbeatMechanism;
use due::packet::{ByteOrder, Format, HeartbeatTime, RouteWidth, SeqWidth};

use crate::raw::{ALL_WIDTHS, Raw, bare, echo_app, echo_app_with, hex, sized};

const BIG: ByteOrder = ByteOrder::Big;
const LITTLE: ByteOrder = ByteOrder::Little;

fn format(order: ByteOrder, route: u8, seq: u8) -> Format {
    Format::new()
        .byte_order(order)
        .route_width(RouteWidth::try_from(route).unwrap())
        .seq_width(SeqWidth::try_from(seq).unwrap())
}

/// Sends a sized frame over tcp and ws, and the bare one over ws; each must come back as it is.
async fn comes_back(format: Format, frame: &str) {
    let app = echo_app(format).await;
    let frame = hex(frame);
    for (mut client, unit) in
        [(Raw::tcp(&app).await, &frame[..]), (Raw::ws(&app).await, &frame[..]), (Raw::ws(&app).await, &frame[4..])]
    {
        for _ in 0..2 {
            client.send(unit).await;
            client.expect(unit).await;
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn vectors_come_back_in_the_dialect_they_were_sent_in() {
    for (order, route, seq, frame) in [
        (BIG, 2, 2, "00000007 00 0001 0002 6869"),
        (LITTLE, 2, 2, "07000000 00 0100 0200 6869"),
        (BIG, 4, 4, "0000000b 00 00000001 00000002 6869"),
        (BIG, 4, 2, "00000009 00 00000001 0002 6869"),
        (BIG, 4, 0, "00000007 00 00000001 6869"),
        (BIG, 2, 4, "00000009 00 0001 00000002 6869"),
        (BIG, 2, 0, "00000005 00 0001 6869"),
        (BIG, 1, 1, "00000005 00 01 02 6869"),
        (BIG, 1, 0, "00000004 00 01 6869"),
        (BIG, 2, 2, "00000010 00 0001 0001 68656c6c6f206475657e7e"),
        (LITTLE, 2, 2, "10000000 00 0100 0100 68656c6c6f206475657e7e"),
        (BIG, 4, 0, "00000013 00 12345678 7b226e616d65223a22647565227d"),
        (BIG, 1, 4, "00000007 00 7f 00010000 ff"),
        (BIG, 2, 2, "00000005 00 0001 fffe"),
    ] {
        comes_back(format(order, route, seq), frame).await;
    }
}

#[tokio::test]
async fn every_width_and_order_carries_every_length() {
    for order in [BIG, LITTLE] {
        for (route, seq) in ALL_WIDTHS {
            let format = Format::new().byte_order(order).route_width(route).seq_width(seq);
            let app = echo_app(format.clone()).await;
            let seqs = match format.seq_bytes() {
                0 => vec![0],
                1 => vec![1, 127, -128],
                2 => vec![1, 256, 32767, -2],
                _ => vec![1, 65536, i32::MAX, i32::MIN],
            };
            let (mut tcp, mut ws, mut old) = (Raw::tcp(&app).await, Raw::ws(&app).await, Raw::ws(&app).await);
            // Tells the dialect before lengths come that could be read both ways.
            old.send(&[0x80]).await;
            assert_eq!(old.receive(9).await[0], 0x80);
            for seq in seqs {
                for len in [0, 1, 2, 120, 121, 123, 125, 126, 255, 256, 4999, 5000] {
                    let body: Vec<u8> = (0..len).map(|i| i as u8).collect();
                    let (unit, frame) = (bare(&format, 127, seq, &body), sized(&format, 127, seq, &body));
                    for (client, unit) in [(&mut tcp, &frame), (&mut ws, &frame), (&mut old, &unit)] {
                        client.send(unit).await;
                        client.expect(unit).await;
                    }
                }
            }
            app.stop().await;
        }
    }
}

#[tokio::test]
async fn many_frames_in_one_segment_are_answered_in_order() {
    let format = Format::new();
    let app = echo_app(format.clone()).await;
    let frames: Vec<u8> = (1..=500).flat_map(|seq| sized(&format, 1, seq, &[seq as u8; 40])).collect();
    let mut client = Raw::tcp(&app).await;
    client.send(&frames).await;
    client.expect(&frames).await;
    for chunk in frames.chunks(7).take(200) {
        client.send(chunk).await;
    }
    let whole = 200 * 7 / 49 * 49;
    client.expect(&frames[..whole]).await;
    app.stop().await;
}

#[tokio::test]
async fn heartbeats_are_answered_in_kind() {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    for order in [BIG, LITTLE] {
        let app = echo_app(format(order, 2, 2)).await;
        let beat = match order {
            BIG => hex("00000001 80"),
            LITTLE => hex("01000000 80"),
        };
        let mut ws = Raw::ws(&app).await;
        for mut client in [Raw::tcp(&app).await, Raw::ws(&app).await] {
            client.send(&beat).await;
            client.expect(&beat).await;
        }
        // As due-client-ts sends it in either order.
        ws.send(&hex("00000001 80")).await;
        ws.expect(&beat).await;
        let with_time: Vec<u8> = match order {
            BIG => hex("00000009 80 18ea666bcc26f04d"),
            LITTLE => hex("09000000 80 4df026cc6b66ea18"),
        };
        ws.send(&with_time).await;
        ws.expect(&beat).await;

        let mut old = Raw::ws(&app).await;
        let before = now().as_millis();
        old.send(&hex("80")).await;
        let answer = old.receive(9).await;
        assert_eq!(answer[0], 0x80);
        let millis = u64::from_be_bytes(answer[1..].try_into().unwrap());
        assert!((before..=now().as_millis()).contains(&millis.into()), "big-endian milliseconds in either order");
        app.stop().await;

        let app = echo_app(format(order, 2, 2).heartbeat_time(HeartbeatTime::Nanos)).await;
        let mut tcp = Raw::tcp(&app).await;
        let before = now().as_nanos();
        tcp.send(&beat).await;
        let answer = tcp.receive(13).await;
        let time: [u8; 8] = answer[5..].try_into().unwrap();
        let (head, nanos) = match order {
            BIG => (hex("00000009 80"), i64::from_be_bytes(time)),
            LITTLE => (hex("09000000 80"), i64::from_le_bytes(time)),
        };
        assert_eq!(answer[..5], head);
        assert!((before..=now().as_nanos()).contains(&(nanos as u128)));
        app.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn ticks_come_by_themselves_and_answer_nothing() {
    let tick = |gate: due::GateBuilder| {
        gate.heartbeat_mechanism(HeartbeatMechanism::Tick).heartbeat_interval(Duration::from_secs(10))
    };
    let app = echo_app_with(Format::new(), tick).await;
    let (beat, packet) = (hex("00000001 80"), hex("00000005 00 0001 0007"));
    let until_closed = async |mut client: Raw| {
        client.send(&packet).await;
        client.expect(&packet).await;
        for _ in 0..2 {
            client.expect(&beat).await;
            client.send(&beat).await;
        }
        // Now this side is silent.
        client.rest().await
    };
    let (tcp, ws) = tokio::join!(async { until_closed(Raw::tcp(&app).await).await }, async {
        until_closed(Raw::ws(&app).await).await
    });
    assert_eq!((&tcp[..5], tcp.len() % 5), (&beat[..], 0));
    let (ticks, goodbye) = ws.split_at(ws.len() - 4);
    assert_eq!((&ticks[..7], ticks.len() % 7), (&hex("82 05 00000001 80")[..], 0));
    assert_eq!(goodbye, hex("88 02 03f0"), "closed with 1008");
    app.stop().await;
}

#[tokio::test]
async fn keep_alives_are_not_answered() {
    let app = echo_app(Format::new()).await;
    let packet = hex("00000005 00 0001 0007");
    let mut tcp = Raw::tcp(&app).await;
    tcp.send(&[hex("00000000"), hex("00000000"), packet.clone()].concat()).await;
    tcp.expect(&packet).await;
    let mut ws = Raw::ws(&app).await;
    ws.send(&[]).await;
    ws.send(&packet).await;
    ws.expect(&packet).await;
    app.stop().await;
}

#[tokio::test]
async fn the_first_message_decides_also_where_two_dialects_fit() {
    let app = echo_app(Format::new()).await;
    // Bare: route 1, seq 0, 255 bytes. Sized: 256 bytes after the size, on route 0x7878.
    let mut both = hex("00 0001 0000");
    both.resize(5 + 255, b'x');
    let mut old = Raw::ws(&app).await;
    old.send(&both).await;
    old.expect(&both).await;

    // Once known the dialect stays, whatever a message looks like.
    let mut new = Raw::ws(&app).await;
    new.send(&hex("00000005 00 0001 0007")).await;
    new.expect(&hex("00000005 00 0001 0007")).await;
    new.send(&both).await;
    let status = br#"{"route":30840,"seq":30840,"code":5,"message":"no route 30840"}"#;
    new.expect(&sized(&Format::new(), -1, 30840, status)).await;
    app.stop().await;
}

#[tokio::test]
async fn statuses_speak_the_dialect_of_their_request() {
    for (order, route, seq) in [(BIG, 2, 2), (LITTLE, 4, 4), (BIG, 1, 1)] {
        let format = format(order, route, seq);
        let app = echo_app(format.clone()).await;
        let status = br#"{"route":99,"seq":5,"code":5,"message":"no route 99"}"#;
        for mut client in [Raw::tcp(&app).await, Raw::ws(&app).await] {
            client.send(&sized(&format, 99, 5, b"{}")).await;
            client.expect(&sized(&format, -1, 5, status)).await;
        }
        let mut old = Raw::ws(&app).await;
        old.send(&bare(&format, 99, 5, b"{}")).await;
        old.expect(&bare(&format, -1, 5, status)).await;
        app.stop().await;
    }
}
