//! Time to log in, and how much a client may send.

use std::time::Duration;

use due::packet::Format;
use due::{Cid, DuplicateLogin, Excess, GateBuilder, RateLimits, RunningApp, Target, Uid};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::raw::{Raw, echo_app_with, hex, sized};

const POLICY: &str = "88 02 03f0";

async fn patient(patience: u64) -> RunningApp {
    echo_app_with(Format::new(), |gate| gate.authorize_timeout(Duration::from_secs(patience))).await
}

async fn limited(limits: RateLimits) -> RunningApp {
    echo_app_with(Format::new(), |gate: GateBuilder| gate.rate_limits(limits)).await
}

async fn login(client: &mut Raw, seq: i32, uid: &str) {
    let packet = sized(&Format::new(), 2, seq, uid.as_bytes());
    client.send(&packet).await;
    client.expect(&packet).await;
}

fn echo(seq: i32, len: usize) -> Vec<u8> {
    sized(&Format::new(), 1, seq, &vec![7; len])
}

/// Sends heartbeats until the gate closes, and says what came besides their answers, and when.
async fn until_closed(client: &mut Raw) -> (Vec<u8>, u64) {
    let begun = Instant::now();
    let (mut read, mut write) = client.socket().split();
    let beats = async {
        loop {
            tokio::time::sleep(Duration::from_secs(4)).await;
            // The gate may have closed meanwhile.
            let _ = write.write_all(&hex("00000001 80")).await;
        }
    };
    let mut rest = Vec::new();
    tokio::select! {
        _ = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut rest) => {}
        () = beats => {}
    }
    (rest, begun.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn who_does_not_log_in_is_closed() {
    let app = patient(15).await;
    let (_, seconds) = until_closed(&mut Raw::tcp(&app).await).await;
    assert_eq!(seconds, 15);
    let mut ws = Raw::ws(&app).await;
    assert_eq!(ws.rest().await, hex(POLICY), "closed with 1008");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_login_stops_the_clock_and_a_logout_winds_it_up_again() {
    let app = patient(7).await;
    let mut client = Raw::tcp(&app).await;
    login(&mut client, 1, "1001").await;
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(5)).await;
        client.send(&echo(2, 3)).await;
        client.expect(&echo(2, 3)).await;
    }
    login(&mut client, 3, "0").await;
    let (_, seconds) = until_closed(&mut client).await;
    assert_eq!(seconds, 7);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_loses_his_user_to_another_session_and_is_kept_must_log_in_again() {
    let patient = |gate: GateBuilder| gate.authorize_timeout(Duration::from_secs(7));
    let app = echo_app_with(Format::new(), |gate| patient(gate).duplicate_login(DuplicateLogin::Keep)).await;
    let (mut first, mut second) = (Raw::tcp(&app).await, Raw::tcp(&app).await);
    login(&mut first, 1, "1001").await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    login(&mut second, 1, "1001").await;
    let (_, seconds) = until_closed(&mut first).await;
    assert_eq!(seconds, 7);
    assert!(app.cluster().unwrap().is_online(Uid(1001)).await.unwrap());
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_a_timeout_nobody_has_to_log_in() {
    let app = patient(0).await;
    let mut client = Raw::tcp(&app).await;
    for _ in 0..1000 {
        tokio::time::sleep(Duration::from_secs(9)).await;
        client.send(&hex("00000001 80")).await;
        client.expect(&hex("00000001 80")).await;
    }
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn too_many_messages_are_slowed_down_and_none_is_lost() {
    let app = limited(RateLimits::new().messages(10, 5)).await;
    for mut client in [Raw::tcp(&app).await, Raw::ws(&app).await] {
        let begun = Instant::now();
        for seq in 1..=105 {
            client.send(&echo(seq, 10)).await;
        }
        // They count as no messages, and wait behind those.
        client.send(&hex("00000001 80")).await;
        for seq in 1..=105 {
            client.expect(&echo(seq, 10)).await;
        }
        client.expect(&hex("00000001 80")).await;
        assert_eq!(begun.elapsed().as_secs(), 10);
    }
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn too_many_bytes_are_slowed_down_heartbeats_included() {
    let app = limited(RateLimits::new().bytes(1000, 500)).await;
    let mut client = Raw::tcp(&app).await;
    let begun = Instant::now();
    for seq in 1..=5 {
        client.send(&echo(seq, 491)).await;
    }
    for seq in 1..=5 {
        client.expect(&echo(seq, 491)).await;
    }
    assert_eq!(begun.elapsed().as_secs(), 2);
    client.send(&hex("00000001 80").repeat(200)).await;
    client.expect(&hex("00000001 80").repeat(200)).await;
    assert_eq!(begun.elapsed().as_secs(), 3);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_hands_over_what_was_read_and_waits() {
    let app = limited(RateLimits::new().messages(1, 1)).await;
    let mut client = Raw::tcp(&app).await;
    client.send(&[echo(1, 1), echo(2, 1)].concat()).await;
    client.expect(&echo(1, 1)).await;
    app.stop().await;
    client.expect(&echo(2, 1)).await;
    client.dismissed().await;
    assert_eq!(client.rest().await, b"");
}

#[tokio::test(start_paused = true)]
async fn too_many_messages_may_be_refused() {
    let app = limited(RateLimits::new().messages(1, 2).excess(Excess::Refuse)).await;
    for mut client in [Raw::tcp(&app).await, Raw::ws(&app).await] {
        for _ in 0..2 {
            for seq in 1..=3 {
                client.send(&echo(seq, 3)).await;
            }
            client.expect(&echo(1, 3)).await;
            client.expect(&echo(2, 3)).await;
            let status = br#"{"route":1,"seq":3,"code":10,"message":"slow down"}"#;
            client.expect(&sized(&Format::new(), -1, 3, status)).await;
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn too_many_messages_may_end_the_connection() {
    let app = limited(RateLimits::new().messages(1, 2).excess(Excess::Disconnect)).await;
    let (mut tcp, mut ws) = (Raw::tcp(&app).await, Raw::ws(&app).await);
    for client in [&mut tcp, &mut ws] {
        for seq in 1..=2 {
            client.send(&echo(seq, 3)).await;
            client.expect(&echo(seq, 3)).await;
        }
        client.send(&echo(3, 3)).await;
    }
    assert_eq!(tcp.rest().await, b"");
    assert_eq!(ws.rest().await, hex(POLICY), "closed with 1008");
    let gone = Target::Session(due::Gid::from("nobody".to_owned()), Cid(1));
    assert!(!app.cluster().unwrap().is_online(gone).await.unwrap());
    app.stop().await;
}
