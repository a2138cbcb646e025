//! Our own client at a real gate.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use due::codec::RawBody;
use due::packet::{ByteOrder, Dialect, Format, SeqWidth};
use due::transport::mem;
use due::{App, Backends, Call, CallError, Caller, Client, Codec, Disconnect, Gate, RouteId, RouteSpec, Seq};

use crate::raw::{ALL_WIDTHS, echo_app, url};

const ECHO: RouteSpec = RouteSpec::new(RouteId(1), "tests.Echo", "Echo");

async fn echoes(client: &Client, len: usize) {
    let body = RawBody(Bytes::from(vec![7; len]));
    let answer: RawBody = client.request(RouteId(1), &body).await.unwrap();
    assert_eq!(answer, body);
}

#[tokio::test]
async fn every_width_order_and_dialect_is_understood() {
    for order in [ByteOrder::Big, ByteOrder::Little] {
        for (route, seq) in ALL_WIDTHS {
            let format = Format::new().byte_order(order).route_width(route).seq_width(seq);
            let app = echo_app(format.clone()).await;
            for (scheme, dialect) in [("tcp://", Dialect::Sized), ("ws://", Dialect::Sized), ("ws://", Dialect::Bare)] {
                let builder = Client::builder().format(format.clone()).codec(Codec::Json).dialect(dialect);
                let client = builder.connect(&url(&app, scheme)).await.unwrap();
                for len in [0, 1, 5000] {
                    echoes(&client, len).await;
                }
                let refused = client.request::<(), ()>(RouteId(99), &()).await.unwrap_err();
                assert_eq!(refused.to_string(), "the server answers not found: no route 99");
                assert!(matches!(client.close().await, Disconnect::Closed));
            }
            app.stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_share_a_connection() {
    let app = echo_app(Format::new().seq_width(SeqWidth::One)).await;
    for scheme in ["tcp://", "ws://"] {
        let builder = Client::builder().format(Format::new().seq_width(SeqWidth::One)).codec(Codec::Json);
        let client = builder.connect(&url(&app, scheme)).await.unwrap();
        let callers: Vec<_> = (0..100_u32)
            .map(|number| {
                let caller = Caller::from(&client);
                tokio::spawn(async move {
                    for round in 0..20_u32 {
                        let body = RawBody(Bytes::from([number.to_be_bytes(), round.to_be_bytes()].concat()));
                        let answer: RawBody = caller.call(&ECHO, &body, None).await.unwrap();
                        assert_eq!(answer, body);
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.unwrap();
        }
        client.close().await;
    }
    app.stop().await;
}

#[tokio::test]
async fn a_gate_that_stops_ends_its_clients() {
    let app = echo_app(Format::new()).await;
    let tcp = Client::connect(&url(&app, "tcp://")).await.unwrap();
    let ws = Client::connect(&url(&app, "ws://")).await.unwrap();
    for client in [&tcp, &ws] {
        echoes(client, 10).await;
    }
    app.stop().await;
    for client in [tcp, ws] {
        assert!(matches!(client.closed().await, Disconnect::ByPeer), "{:?}", client.closed().await);
        assert!(matches!(client.call(&ECHO, Bytes::new(), None).await, Err(CallError::Closed)));
    }
}

#[tokio::test]
async fn what_was_sent_last_arrives_before_the_goodbye() {
    let app = echo_app(Format::new()).await;
    for scheme in ["tcp://", "ws://"] {
        let client = Client::builder().codec(Codec::Json).connect(&url(&app, scheme)).await.unwrap();
        let mut answers = client.listen(RouteId(1));
        for seq in 1..=200 {
            client.send_packet(RouteId(1), Seq(seq), &[7; 3000]).await.unwrap();
        }
        for _ in 1..=200 {
            assert_eq!(answers.next().await.unwrap().unwrap().len(), 3000);
        }
        client.close().await;
    }
    app.stop().await;
}

#[tokio::test]
async fn nobody_listens_there() {
    let app = echo_app(Format::new()).await;
    let (tcp, ws) = (url(&app, "tcp://"), url(&app, "ws://"));
    app.stop().await;
    for url in [tcp, ws] {
        let err = Client::connect(&url).await.unwrap_err();
        assert_eq!(err.to_string(), format!("cannot connect to {url}"));
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_keep_a_quiet_client_and_their_absence_ends_it() {
    let (transport, connector) = mem::listener();
    let app = App::new()
        .backends(Backends::memory().codec(Codec::Json))
        .gate(Gate::builder().transport(transport).build())
        .start()
        .await
        .unwrap();
    let alive = Client::builder().codec(Codec::Json).connect_mem(&connector).await.unwrap();
    let silent = Client::builder().heartbeat(Duration::ZERO).connect_mem(&connector).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert!(matches!(silent.closed().await, Disconnect::ByPeer));
    assert!((20..=30).contains(&begun.elapsed().as_secs()), "two to three intervals, not {:?}", begun.elapsed());

    tokio::time::sleep(Duration::from_secs(600)).await;
    let refused = alive.request::<(), ()>(RouteId(99), &()).await.unwrap_err();
    assert!(matches!(refused, CallError::Status(_)), "{refused:?}");
    app.stop().await;
}

#[tokio::test]
async fn a_client_over_halves_of_ones_own() {
    use due::transport::{FramedRead, FramedWrite, Inbound, PacketRead};

    let format = Arc::new(Format::new());
    let (near, far) = tokio::io::duplex(1024);
    let (read, write) = tokio::io::split(near);
    let client = Client::builder().over(FramedRead::new(read, format.clone()), FramedWrite::new(write, format.clone()));
    client.send_packet(RouteId(1), Seq(7), b"hi").await.unwrap();
    let mut far = FramedRead::new(far, format);
    assert_eq!(far.read().await.unwrap(), Some(Inbound::Unit(Bytes::from_static(b"\0\0\x01\0\x07hi"))));
}
