//! Whatever one peer sends, the others are served.

use std::time::Duration;

use due::packet::Format;
use tokio::io::AsyncWriteExt;

use crate::raw::{Raw, echo_app, echo_app_with, hex, sized};

const PACKET: &str = "00000007 00 0001 0007 6869";

/// The connection still answers.
async fn answers(client: &mut Raw) {
    client.send(&hex(PACKET)).await;
    client.expect(&hex(PACKET)).await;
}

#[tokio::test]
async fn malformed_packets_are_dropped_and_the_connection_stays() {
    let app = echo_app(Format::new()).await;
    let mut tcp = Raw::tcp(&app).await;
    for malformed in ["00000001 00", "00000004 00 0001 00", "00000003 7f ffff"] {
        tcp.send(&hex(malformed)).await;
        answers(&mut tcp).await;
    }
    let mut ws = Raw::ws(&app).await;
    answers(&mut ws).await;
    for malformed in [
        "00000000",
        "80",
        "ff",
        "00000004 00 0001 00",
        "00000006 00 0001 0002",
        "ffffffff 00 0001 0002",
        "00000005 00 0001 0002 00000005 00 0001 0003",
        "00 0001 0002",
    ] {
        for _ in 0..20 {
            ws.send(&hex(malformed)).await;
        }
        answers(&mut ws).await;
    }
    ws.message(0x81, b"text").await;
    answers(&mut ws).await;
    app.stop().await;
}

#[tokio::test]
async fn impossible_sizes_close_that_connection_at_once() {
    let app = echo_app(Format::new()).await;
    let mut other = Raw::tcp(&app).await;
    for size in ["00010001", "7fffffff", "80000000", "fffffffb", "fffffffc", "ffffffff"] {
        let mut client = Raw::tcp(&app).await;
        answers(&mut client).await;
        client.send(&hex(size)).await;
        assert_eq!(client.rest().await, b"", "{size}");
        answers(&mut other).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn the_largest_frame_passes_and_the_next_byte_is_too_much() {
    let format = Format::new().buffer_bytes(65_531);
    let app = echo_app(format.clone()).await;
    let (fits, too_large) = (sized(&format, 1, 7, &[7; 65_531]), sized(&format, 1, 7, &[7; 65_532]));
    let (mut tcp, mut ws) = (Raw::tcp(&app).await, Raw::ws(&app).await);
    for client in [&mut tcp, &mut ws] {
        client.send(&fits).await;
        client.expect(&fits).await;
    }
    tcp.send(&too_large[..4]).await;
    assert_eq!(tcp.rest().await, b"");
    // The head of the ws frame is enough.
    ws.socket().write_all(&hex("82 ff 0000000000010005 00000000")).await.unwrap();
    assert_eq!(ws.rest().await, hex("88 02 03f1"), "closed with 1009");
    answers(&mut Raw::ws(&app).await).await;
    app.stop().await;
}

#[tokio::test]
async fn broken_ws_frames_end_that_connection_only() {
    let app = echo_app(Format::new()).await;
    let mut other = Raw::ws(&app).await;
    for broken in [
        "82 01 80",          // not masked
        "c2 81 00000000 80", // reserved bit, as with compression
        "83 81 00000000 80", // unknown opcode
        "80 81 00000000 80", // continues nothing
        "09 81 00000000 80", // ping in fragments
        "88 81 00000000 80", // close with half a code
        "81 81 00000000 ff", // text that is not UTF-8
    ] {
        let mut client = Raw::ws(&app).await;
        answers(&mut client).await;
        client.socket().write_all(&hex(broken)).await.unwrap();
        let rest = client.rest().await;
        assert!(rest.is_empty() || rest[0] == 0x88, "{broken}: {}", rest.escape_ascii());
        answers(&mut other).await;
    }
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn half_packets_hold_up_nobody_and_end_with_their_connection() {
    let interval = |gate: due::GateBuilder| gate.heartbeat_interval(Duration::from_secs(10));
    let app = echo_app_with(Format::new(), interval).await;
    let mut half = Raw::tcp(&app).await;
    half.send(&hex(PACKET)[..9]).await;
    let mut half_head = Raw::tcp(&app).await;
    half_head.send(&hex("0000")).await;
    let mut half_message = Raw::ws(&app).await;
    half_message.socket().write_all(&hex("82 8b 00000000 0000")).await.unwrap();
    answers(&mut Raw::tcp(&app).await).await;
    answers(&mut Raw::ws(&app).await).await;
    for stalled in [&mut half, &mut half_head] {
        assert_eq!(stalled.rest().await, b"", "closed for its silence");
    }
    assert_eq!(half_message.rest().await, hex("88 02 03f0"), "closed with 1008");
    app.stop().await;
}

/// What many peers announce and do not send must not be set aside for them.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn announced_frames_cost_no_memory() {
    fn virtual_megabytes() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmSize:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
    }

    const PEERS: usize = 100;
    const ANNOUNCED: usize = 1 << 30;
    let format = Format::new().max_frame(ANNOUNCED);
    let app = echo_app(format.clone()).await;
    let before = virtual_megabytes();
    let mut peers = Vec::new();
    for _ in 0..PEERS {
        let mut peer = Raw::tcp(&app).await;
        answers(&mut peer).await;
        peer.send(&(ANNOUNCED as u32).to_be_bytes()).await;
        peer.send(&[0; 100]).await;
        peers.push(peer);
    }
    answers(&mut Raw::tcp(&app).await).await;
    let grown = virtual_megabytes().saturating_sub(before);
    assert!(grown < PEERS * (ANNOUNCED >> 20) / 4, "{grown} MB set aside");
    app.stop().await;
}

#[tokio::test]
async fn noise_on_many_connections_disturbs_nobody() {
    let app = echo_app(Format::new()).await;
    let mut witness = Raw::tcp(&app).await;
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    for round in 0..60 {
        let mut client = if round % 2 == 0 { Raw::tcp(&app).await } else { Raw::ws(&app).await };
        for _ in 0..4 {
            let len = noise.next() as usize % 600;
            let mut bytes: Vec<u8> = (0..len).map(|_| noise.next() as u8).collect();
            if round % 3 == 0 && len > 4 {
                // A plausible size gets the noise further in.
                bytes[..4].copy_from_slice(&(noise.next() as u32 % 700).to_be_bytes());
            }
            let sent = match round % 4 {
                1 => {
                    client.message(0x82, &bytes).await;
                    Ok(())
                }
                _ => client.socket().write_all(&bytes).await,
            };
            // The gate may have closed meanwhile.
            if sent.is_err() {
                break;
            }
        }
        drop(client);
        answers(&mut witness).await;
    }
    app.stop().await;
}

/// xorshift64: the same noise in every run.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
