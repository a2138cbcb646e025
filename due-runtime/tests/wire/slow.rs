//! Clients that do not read, or hardly: they delay nobody.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError};
use due::packet::Format;
use due::{Audience, Body, Close, Codec, OutboxLimits, Overflow, Push, PushExt, RouteId, RunningApp, Uid};
use tokio::io::AsyncReadExt;
use tokio::sync::Notify;

use crate::raw::{Raw, echo_app_with, sized};

const LIMITS: OutboxLimits = OutboxLimits { packets: 64, bytes: 1 << 20, patience: Duration::from_millis(100) };

/// A push that says its number and is large.
struct News(u32);

const LARGE: usize = 4096;

impl News {
    fn body(&self) -> Vec<u8> {
        let mut body = vec![0; LARGE];
        body[..4].copy_from_slice(&self.0.to_be_bytes());
        body
    }
}

impl Body for News {
    const NAME: &'static str = "News";

    fn encode_body(&self, _: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.body());
        Ok(())
    }

    fn decode_body(_: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self(u32::from_be_bytes(*body.first_chunk().unwrap())))
    }
}

impl Push for News {
    const ROUTE: RouteId = RouteId::new(50);
}

async fn app(overflow: Overflow) -> RunningApp {
    echo_app_with(Format::new(), |gate| gate.outbox(LIMITS).overflow(overflow)).await
}

fn echo(seq: i32) -> Vec<u8> {
    sized(&Format::new(), 1, seq, b"still here")
}

async fn answers(client: &mut Raw, seq: i32) {
    client.send(&echo(seq)).await;
    client.expect(&echo(seq)).await;
}

/// Many connections, tcp and ws, of which the first never reads.
async fn crowd(app: &RunningApp) -> (Raw, Vec<Raw>) {
    let mut stuck = Raw::tcp_narrow(app).await;
    answers(&mut stuck, 1).await;
    let mut others = Vec::new();
    for number in 0..4 {
        let mut client = if number % 2 == 0 { Raw::tcp(app).await } else { Raw::ws(app).await };
        answers(&mut client, 1).await;
        others.push(client);
    }
    (stuck, others)
}

#[tokio::test]
async fn one_who_never_reads_is_cut_and_all_others_get_everything() {
    let app = app(Overflow::Disconnect).await;
    let (stuck, mut others) = crowd(&app).await;
    let cluster = app.cluster().unwrap();
    let mut reached = 5;
    let mut number = 0;
    while reached == 5 {
        number += 1;
        reached = News(number).broadcast(cluster, Audience::Sessions).await.unwrap().delivered;
        for client in &mut others {
            client.expect(&sized(&Format::new(), 50, 0, &News(number).body())).await;
        }
    }
    assert_eq!(reached, 4);
    for client in &mut others {
        answers(client, 2).await;
    }
    drop(stuck);
    app.stop().await;
}

#[tokio::test]
async fn one_who_never_reads_may_lose_pushes_and_stay() {
    let app = app(Overflow::DropOldestPush).await;
    let (mut stuck, mut others) = crowd(&app).await;
    let cluster = app.cluster().unwrap();
    // Far more than sockets hold.
    const PUSHES: u32 = 1500;
    for number in 1..=PUSHES {
        let tally = News(number).broadcast(cluster, Audience::Sessions).await.unwrap();
        assert_eq!(tally.delivered, 5, "the newest push always has room");
        for client in &mut others {
            client.expect(&sized(&Format::new(), 50, 0, &News(number).body())).await;
        }
    }
    // It is still heard, and answers find room as well.
    stuck.send(&echo(7)).await;
    answers(&mut others[0], 2).await;
    let mut seen = Vec::new();
    loop {
        let got = stuck.receive(9 + 10).await;
        if got == echo(7) {
            break;
        }
        assert_eq!(got[4..9], [0, 0, 50, 0, 0]);
        seen.push(u32::from_be_bytes(got[9..13].try_into().unwrap()));
        stuck.receive(9 + LARGE - got.len()).await;
    }
    assert!(seen.is_sorted() && seen.len() < PUSHES as usize, "{} of {PUSHES} came", seen.len());
    assert_eq!(seen.last(), Some(&PUSHES), "the oldest were dropped, not the newest");
    app.stop().await;
}

#[tokio::test]
async fn requests_to_a_user_who_does_not_read_delay_no_push_to_another() {
    let app = app(Overflow::DropOldestPush).await;
    let (mut stuck, mut other) = (Raw::tcp_narrow(&app).await, Raw::tcp(&app).await);
    for (client, uid) in [(&mut stuck, "1"), (&mut other, "2")] {
        let login = sized(&Format::new(), 2, 1, uid.as_bytes());
        client.send(&login).await;
        client.expect(&login).await;
    }
    let cluster = app.cluster().unwrap();
    for number in 1..=1500 {
        News(number).push(cluster, Uid(1)).await.unwrap();
        News(number).push(cluster, Uid(2)).await.unwrap();
        other.expect(&sized(&Format::new(), 50, 0, &News(number).body())).await;
    }
    drop(stuck);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_who_asks_and_hardly_reads_is_not_heard_and_closed() {
    let app = echo_app_with(Format::new(), |gate| gate.heartbeat_interval(Duration::from_secs(10))).await;
    let mut slow = Raw::tcp_narrow(&app).await;
    let (mut read, mut write) = match &mut slow {
        Raw::Tcp(stream) | Raw::Ws(stream) => stream.split(),
    };
    let begun = tokio::time::Instant::now();
    let ask = async {
        let request = sized(&Format::new(), 1, 1, &[7; 5000]);
        // Ends when the gate has closed.
        while tokio::io::AsyncWriteExt::write_all(&mut write, &request).await.is_ok() {}
    };
    let read_a_little = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if read.read_u8().await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = ask => {}
        () = read_a_little => {}
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    answers(&mut Raw::tcp(&app).await, 1).await;
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn one_who_is_told_to_go_and_does_not_read_is_cut() {
    let closed = Arc::new(Notify::new());
    let hears = Arc::clone(&closed);
    let app = echo_app_with(Format::new(), |gate| {
        let gate = gate.outbox(LIMITS).overflow(Overflow::DropOldestPush).heartbeat_interval(Duration::ZERO);
        gate.on_close(move |_, _| hears.notify_one())
    })
    .await;
    let mut stuck = Raw::tcp_narrow(&app).await;
    let login = sized(&Format::new(), 2, 1, b"1");
    stuck.send(&login).await;
    stuck.expect(&login).await;
    let cluster = app.cluster().unwrap();
    for number in 1..=1500 {
        News(number).push(cluster, Uid(1)).await.unwrap();
        // The gate fills the socket meanwhile.
        tokio::task::yield_now().await;
    }
    let begun = tokio::time::Instant::now();
    cluster.disconnect(Uid(1), Close::Graceful).await.unwrap();
    closed.notified().await;
    assert!((30..=31).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
    app.stop().await;
}
