//! Datagrams from those who mean no good, or are not told that it is over.

use std::time::{Duration, Instant};

use due::transport::kcp::Settings;
use due::{Client, ConnectError, Disconnect};

use crate::dice::Dice;
use crate::raw::{ACK, PUSH, Raw, Segment, WASK, WINS, fec_data, fec_parity, greeting};
use crate::world::{ECHO, World, echoes, heartbeat, packet};

const FAR: [u32; 8] = [1, 31, 32, 1 << 16, i32::MAX as u32 - 1, i32::MAX as u32, 1 << 31, u32::MAX];

/// Whatever can be wrong with a datagram of conversation `conv` without being a beginning.
fn noise(conv: u32, dice: &mut Dice) -> Vec<Vec<u8>> {
    let good = Segment::push(conv, 0, b"hello");
    let mut all =
        vec![Vec::new(), vec![0; 7], vec![0; 8], vec![0; 23], vec![0xff; 24], vec![0; 1500], vec![0x51; 3000]];
    all.extend([0, 80, 85, 255].map(|cmd| Segment { cmd, ..good.clone() }.bytes()));
    all.extend([6, 0xffff, 1 << 31, u32::MAX].map(|len| good.with_len(len)));
    all.extend(
        [good.bytes(), Segment::push(conv.wrapping_add(1), 1, b"").bytes()].concat().chunks(53).map(<[u8]>::to_vec),
    );
    for far in FAR {
        all.push(Segment { sn: far, ..good.clone() }.bytes());
        for cmd in [ACK, WASK, WINS] {
            all.push(Segment { cmd, ts: far, sn: far, una: far, frg: 255, ..good.clone() }.bytes());
        }
        all.push(
            [good.bytes(), Segment { cmd: PUSH, sn: far, una: far, ..good.clone() }.bytes()].concat()[29..].to_vec(),
        );
    }
    all.extend([7, 8, 31, 32, 1400].map(|len| fec_parity(3, len)));
    all.extend([&[][..], &[0; 23], &[0x51; 40]].map(|bytes| fec_data(3, bytes)));
    all.push(fec_data(1, &fec_data(2, &good.bytes())));
    for len in 0..300 {
        all.push((0..len * 5).map(|_| dice.below(256) as u8).collect());
    }
    // What looks like a beginning is one.
    all.retain(|bytes| bytes.get(4) != Some(&PUSH) || bytes.get(12..16) != Some(&[0; 4]));
    all
}

#[tokio::test]
async fn noise_opens_no_session_and_disturbs_none() {
    let world = World::start().await;
    let mut dice = Dice::new(31);
    let mut client = Raw::connect(world.addr(), 7).await;
    client.write(&packet(ECHO, 1, b"before")).await;
    assert_eq!(client.read(15).await, packet(ECHO, 1, b"before"));
    let strangers = [Raw::connect(world.addr(), 0).await, Raw::connect(world.addr(), 5).await];
    for round in 2..=20 {
        for stranger in &strangers {
            for datagram in noise(stranger.conv, &mut dice) {
                stranger.send(&datagram).await;
            }
            tokio::task::yield_now().await;
        }
        client.write(&packet(ECHO, round, b"during")).await;
        assert_eq!(client.read(15).await, packet(ECHO, round, b"during"));
    }
    assert_eq!(world.sessions(), (1, 0));
    world.app.stop().await;
}

#[tokio::test]
async fn noise_within_a_conversation_harms_nobody_else() {
    let world = World::start().await;
    let mut dice = Dice::new(32);
    let mut client = Raw::connect(world.addr(), 7).await;
    client.write(&heartbeat()).await;
    client.read(5).await;
    for conv in [0, 1, u32::MAX] {
        let mut stranger = Raw::connect(world.addr(), conv).await;
        stranger.write(&heartbeat()).await;
        stranger.read(5).await;
        for datagram in noise(conv, &mut dice) {
            stranger.send(&datagram).await;
        }
    }
    client.write(&packet(ECHO, 1, b"still")).await;
    assert_eq!(client.read(14).await, packet(ECHO, 1, b"still"));
    world.app.stop().await;
}

#[tokio::test]
async fn duplicates_without_end_are_acknowledged_in_full_datagrams() {
    let world = World::with(Settings::default(), |gate| gate).await;
    let mut client = Raw::connect(world.addr(), 7).await;
    let first = client.segment(&packet(ECHO, 1, b"again")).bytes();
    client.send(&first).await;
    assert_eq!(client.read(14).await, packet(ECHO, 1, b"again"));
    let duplicate = [Segment { data: Vec::new(), ..Segment::push(7, 0, b"") }.bytes()].concat().repeat(50);
    // More than fits into one is not kept until the interval is over.
    for _ in 0..2 {
        client.send(&duplicate).await;
    }
    let mut acks = 0;
    while acks < 58 {
        acks += client.segments().await.iter().filter(|segment| segment.cmd == ACK).count();
    }
    world.app.stop().await;
}

#[tokio::test]
async fn addresses_without_end_find_the_gate_full_and_others_go_on() {
    let world = World::with(Settings::fast(), |gate| gate.max_sessions(20)).await;
    let client = world.client().await;
    for number in 0..2000u32 {
        let from = format!("127.1.{}.{}:0", number >> 8, number & 255);
        let stranger = Raw::connect_from(&from, world.addr(), number).await;
        match number % 3 {
            0 => stranger.send(&greeting(number, b'h')).await,
            _ => stranger.send(&Segment::push(number, 0, &[0, 0, 0]).bytes()).await,
        }
        if number % 100 == 0 {
            echoes(&client, vec![1; 3000]).await;
        }
    }
    echoes(&client, vec![2; 3000]).await;
    assert!(world.sessions().0 <= 20, "{:?}", world.sessions());
    client.close().await;
    world.app.stop().await;
}

#[tokio::test]
async fn who_sends_nothing_whole_is_dropped_like_everybody_silent() {
    let interval = Duration::from_millis(200);
    let world = World::with(Settings::fast(), |gate| gate.heartbeat_interval(interval)).await;
    let hello = Raw::connect(world.addr(), 1).await;
    let half = Raw::connect(world.addr(), 2).await;
    let begun = Instant::now();
    hello.send(&greeting(1, b'h')).await;
    half.send(&Segment::push(2, 0, &packet(ECHO, 1, b"cut off")[..9]).bytes()).await;
    world.until(2, 2).await;
    assert!(begun.elapsed() >= 2 * interval);
    hello.bye().await;
    half.bye().await;
    world.app.stop().await;
}

#[tokio::test]
async fn a_dead_peer_is_found_by_its_silence_alone() {
    let interval = Duration::from_millis(200);
    let world = World::with(Settings::fast(), |gate| gate.heartbeat_interval(interval)).await;
    let mut client = Raw::connect(world.addr(), 3).await;
    for _ in 0..5 {
        client.write(&heartbeat()).await;
        assert_eq!(client.read(5).await, heartbeat());
    }
    let silent = Instant::now();
    world.until(1, 1).await;
    assert!(silent.elapsed() >= interval, "{:?}", silent.elapsed());
    // A Go client hears nothing of that and goes on. Neither this nor a late copy of its beginning opens a session.
    client.send(&Segment::push(3, 0, &heartbeat()).bytes()).await;
    client.bye().await;
    client.write(&heartbeat()).await;
    client.bye().await;
    assert_eq!(world.sessions(), (1, 1));
    // Nor does the gate of another process, which has never heard of it.
    let other = World::start().await;
    let mut moved = Raw::connect(other.addr(), 3).await;
    (moved.next, _) = (5, moved.segment(b""));
    moved.write(&heartbeat()).await;
    moved.bye().await;
    assert_eq!(other.sessions(), (0, 0));
    world.app.stop().await;
    other.app.stop().await;
}

#[tokio::test]
async fn a_full_gate_says_so() {
    let world = World::with(Settings::fast(), |gate| gate.max_sessions(1)).await;
    let client = world.client().await;
    match Client::connect(world.url()).await {
        Ok(refused) => assert!(matches!(refused.closed().await, Disconnect::ByPeer)),
        Err(error) => assert!(matches!(error, ConnectError::Io { .. }), "{error:?}"),
    }
    echoes(&client, vec![1; 10]).await;
    client.close().await;
    world.until(1, 1).await;
    let next = world.client().await;
    echoes(&next, vec![1; 10]).await;
    world.app.stop().await;
}
