use std::time::Duration;

use super::*;
use crate::codec::RawBody;
use crate::packet::{Dialect, Frame, Packet, SeqWidth};
use crate::status::Status;
use crate::transport::mem::{self, MemRead, MemWrite};
use crate::transport::{CloseReason, Inbound, PacketRead, PacketWrite};

const ROUTE: RouteId = RouteId(1);
const NEWS: RouteId = RouteId(2);
const SPEC: RouteSpec = RouteSpec::new(ROUTE, "tests.Echo", "Echo");

/// The server's end, without a server.
struct Peer {
    read: MemRead,
    write: MemWrite,
    format: Format,
}

fn connected(builder: ClientBuilder, format: Format) -> (Client, Peer) {
    let ((read, write), peer) = mem::pair(Arc::new(format.clone()));
    let client = builder.format(format.clone()).over(read, write);
    (client, Peer { read: peer.0, write: peer.1, format })
}

/// No heartbeats, so that nothing but the test sends.
fn quiet() -> (Client, Peer) {
    connected(Client::builder().heartbeat(Duration::ZERO), Format::new())
}

impl Peer {
    async fn frame(&mut self) -> Option<Frame> {
        match self.read.read().await.unwrap()? {
            Inbound::Unit(unit) => Some(self.format.parse(unit).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    async fn packet(&mut self) -> Packet {
        match self.frame().await {
            Some(Frame::Packet(packet)) => packet,
            other => panic!("{other:?}"),
        }
    }

    async fn send(&mut self, route: RouteId, seq: Seq, body: &[u8]) {
        let packet = self.format.encode(route, seq, body).unwrap();
        self.write.write(&mut vec![packet], Dialect::Sized).await.unwrap();
    }

    async fn answer(&mut self, packet: &Packet, body: &[u8]) {
        self.send(packet.route, packet.seq, body).await;
    }
}

async fn call(client: &Client, body: &'static [u8]) -> Result<Bytes, CallError> {
    let answer: RawBody = client.request(ROUTE, &RawBody(Bytes::from_static(body))).await?;
    Ok(answer.0)
}

#[tokio::test]
async fn answers_find_their_calls_in_any_order() {
    let (client, mut peer) = quiet();
    let server = async {
        let (first, second) = (peer.packet().await, peer.packet().await);
        assert_eq!((first.seq, &first.body[..]), (Seq(1), &b"a"[..]));
        assert_eq!((second.seq, &second.body[..]), (Seq(2), &b"b"[..]));
        peer.answer(&second, b"for b").await;
        peer.answer(&first, b"for a").await;
    };
    let (a, b, ()) = tokio::join!(call(&client, b"a"), call(&client, b"b"), server);
    assert_eq!((a.unwrap(), b.unwrap()), (Bytes::from_static(b"for a"), Bytes::from_static(b"for b")));
}

#[tokio::test]
async fn without_seqs_answers_come_in_order() {
    let format = Format::new().seq_width(SeqWidth::Zero);
    let (client, mut peer) = connected(Client::builder().heartbeat(Duration::ZERO), format);
    let mut news = client.listen(NEWS);
    let server = async {
        let (first, second) = (peer.packet().await, peer.packet().await);
        peer.send(NEWS, Seq::NONE, b"extra").await;
        peer.answer(&first, b"for a").await;
        peer.answer(&second, b"for b").await;
    };
    let (a, b, ()) = tokio::join!(call(&client, b"a"), call(&client, b"b"), server);
    assert_eq!((a.unwrap(), b.unwrap()), (Bytes::from_static(b"for a"), Bytes::from_static(b"for b")));
    assert_eq!(news.next().await.unwrap().unwrap(), "extra");
}

#[tokio::test]
async fn a_status_is_the_answer_of_its_call() {
    let (client, mut peer) = quiet();
    let server = async {
        let asked = peer.packet().await;
        let mut body = bytes::BytesMut::new();
        let status = |route| Status { route, seq: asked.seq.0, code: 7, message: "log in first".into() };
        status(99).encode_body(&Codec::Proto, &mut body).unwrap();
        peer.send(RouteId::STATUS, asked.seq, &body.split()).await;
        status(ROUTE.0).encode_body(&Codec::Proto, &mut body).unwrap();
        peer.send(RouteId::STATUS, asked.seq, &body).await;

        let asked = peer.packet().await;
        peer.send(RouteId::STATUS, asked.seq, b"no status at all").await;
    };
    let calls = async {
        match call(&client, b"a").await {
            Err(err @ CallError::Status(_)) => {
                assert_eq!(err.to_string(), "the server answers unauthorized: log in first");
            }
            other => panic!("{other:?}"),
        }
        assert!(matches!(call(&client, b"b").await, Err(CallError::Decode(_))));
    };
    tokio::join!(calls, server);
}

#[tokio::test]
async fn a_server_that_says_why_it_closes_is_quoted() {
    let (client, mut peer) = quiet();
    let mut body = bytes::BytesMut::new();
    let status = Status { code: 1, message: "the gate is stopping".into(), ..Status::default() };
    status.encode_body(&Codec::Proto, &mut body).unwrap();
    peer.send(RouteId::STATUS, Seq::NONE, &body).await;
    drop(peer);
    let end = client.closed().await;
    assert!(matches!(&end, Disconnect::Dismissed(reason) if *reason == status));
    assert_eq!(end.to_string(), "closed by the server: the gate is stopping");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_answer_ends_in_time_and_leaves_nothing() {
    let (client, mut peer) = quiet();
    let caller = Caller::from(&client);
    let err = caller.call::<(), ()>(&SPEC, &(), Some(Duration::from_secs(3))).await.unwrap_err();
    assert_eq!(err.to_string(), "no answer within 3s");
    let asked = peer.packet().await;
    assert_eq!(client.connection.pending.route_of(asked.seq), None);

    let server = async {
        peer.answer(&asked, b"much too late").await;
        let asked = peer.packet().await;
        peer.answer(&asked, b"in time").await;
    };
    let (answer, ()) = tokio::join!(call(&client, b"again"), server);
    assert_eq!(answer.unwrap(), "in time");
}

#[tokio::test]
async fn a_dropped_call_leaves_nothing() {
    let (client, mut peer) = quiet();
    let mut call = Box::pin(call(&client, b"a"));
    tokio::select! {
        biased;
        _ = &mut call => panic!("nobody answers"),
        asked = peer.packet() => assert_eq!(asked.seq, Seq(1)),
    }
    assert_eq!(client.connection.pending.route_of(Seq(1)), Some(ROUTE));
    drop(call);
    assert_eq!(client.connection.pending.route_of(Seq(1)), None);
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_and_takes_no_place() {
    let (client, _peer) = connected(Client::builder().max_pending(1), Format::new());
    for _ in 0..3 {
        let err = client.request::<_, ()>(RouteId(70_000), &()).await.unwrap_err();
        assert!(matches!(err, CallError::Packet(_)), "{err:?}");
    }
    let mut first = Box::pin(call(&client, b"a"));
    tokio::select! {
        biased;
        _ = &mut first => panic!("nobody answers"),
        refused = call(&client, b"b") => assert!(matches!(refused, Err(CallError::Busy { limit: 1 })), "{refused:?}"),
    }
}

#[tokio::test]
async fn a_full_outbox_makes_senders_wait() {
    let (client, mut peer) = connected(Client::builder().outbox(4).heartbeat(Duration::ZERO), Format::new());
    let sent = std::sync::atomic::AtomicUsize::new(0);
    let count = || sent.load(std::sync::atomic::Ordering::Relaxed);
    let sending = async {
        for _ in 0..1000 {
            client.send_packet(ROUTE, Seq::NONE, b"x").await.unwrap();
            sent.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    };
    let receiving = async {
        // Let the sender run until it can do nothing more.
        let mut before = usize::MAX;
        while before != count() {
            before = count();
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        assert!(before < 300, "{before} of 1000 packets are held for a server that does not read");
        for _ in 0..1000 {
            peer.packet().await;
        }
    };
    tokio::join!(sending, receiving);
    assert_eq!(count(), 1000);
}

#[tokio::test]
async fn pushes_reach_every_listener_and_the_slow_one_is_told() {
    let (client, mut peer) = connected(Client::builder().push_buffer(4).heartbeat(Duration::ZERO), Format::new());
    let (mut quick, mut slow) = (client.listen(NEWS), client.listen(NEWS));
    for body in [b"1", b"2", b"3", b"4", b"5", b"6"] {
        peer.send(NEWS, Seq::NONE, body).await;
        assert_eq!(quick.next().await.unwrap().unwrap(), &body[..]);
    }
    assert!(matches!(slow.next().await, Some(Err(ReceiveError::Lagged { missed: 2 }))));
    assert_eq!(slow.next().await.unwrap().unwrap(), "3");
    drop(peer);
    assert!(quick.next().await.is_none());
    assert_eq!(slow.next().await.unwrap().unwrap(), "4", "what has come can still be taken");
    client.closed().await;
    assert!(client.listen(NEWS).next().await.is_none());
}

#[tokio::test]
async fn typed_pushes_are_decoded_one_by_one() {
    struct News(String);

    impl Body for News {
        const NAME: &'static str = "tests.News";

        fn encode_body(&self, codec: &Codec, out: &mut bytes::BytesMut) -> Result<(), crate::codec::EncodeError> {
            self.0.encode_body(codec, out)
        }

        fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, crate::codec::DecodeError> {
            String::decode_body(codec, body).map(Self)
        }
    }

    impl Push for News {
        const ROUTE: RouteId = NEWS;
    }

    let (client, mut peer) = connected(Client::builder().codec(Codec::Json).heartbeat(Duration::ZERO), Format::new());
    let mut direct = client.pushes::<News>();
    let mut generated = Caller::from(&client).listen::<News>();
    peer.send(NEWS, Seq::NONE, b"{").await;
    peer.send(NEWS, Seq::NONE, br#""extra""#).await;
    for news in [&mut direct, &mut generated] {
        assert!(matches!(news.next().await, Some(Err(ReceiveError::Decode(_)))));
        assert_eq!(news.next().await.unwrap().unwrap().0, "extra");
    }
}

#[tokio::test(start_paused = true)]
async fn heartbeats_go_out_and_a_silent_server_is_given_up() {
    let (client, mut peer) = connected(Client::builder().heartbeat(Duration::from_secs(10)), Format::new());
    let begun = tokio::time::Instant::now();
    for beat in 1..=3 {
        assert_eq!(peer.frame().await, Some(Frame::Heartbeat));
        assert_eq!(begun.elapsed().as_secs(), beat * 10);
        let heartbeat = peer.format.heartbeat(Dialect::Sized, 0);
        peer.write.write(&mut vec![heartbeat], Dialect::Sized).await.unwrap();
    }
    let call = call(&client, b"still there?");
    let (cause, answer) = tokio::join!(client.closed(), call);
    assert!(matches!(cause, Disconnect::Silent), "{cause:?}");
    assert!(matches!(answer, Err(CallError::Timeout { .. } | CallError::Closed)));
    // Silent since 30 s: the checks at 50 s and 60 s find that nothing came since the one before. Nobody reads the
    // farewell, which ends two seconds later.
    assert!((60..=62).contains(&begun.elapsed().as_secs()), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_last_client_closes_when_all_is_written() {
    let (client, mut peer) = quiet();
    let clone = client.clone();
    for _ in 0..100 {
        clone.send_packet(ROUTE, Seq::NONE, b"x").await.unwrap();
    }
    let connection = Arc::downgrade(&client.connection);
    drop(client);
    clone.send_packet(ROUTE, Seq::NONE, b"a clone keeps it open").await.unwrap();
    drop(clone);
    for _ in 0..100 {
        assert_eq!(peer.packet().await.body, "x");
    }
    assert_eq!(peer.packet().await.body, "a clone keeps it open");
    assert_eq!(peer.frame().await, None);
    peer.write.close(CloseReason::Normal).await;
    while connection.strong_count() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn closing_fails_calls_and_waits_for_the_end() {
    let (client, mut peer) = quiet();
    let server = async {
        peer.packet().await;
        let (cause, end) = tokio::join!(client.close(), async {
            let end = peer.frame().await;
            peer.write.close(CloseReason::Normal).await;
            end
        });
        assert!(matches!(cause, Disconnect::Closed), "{cause:?}");
        assert_eq!(end, None);
    };
    let (answer, ()) = tokio::join!(call(&client, b"a"), server);
    assert!(matches!(answer, Err(CallError::Closed)));
    assert!(matches!(call(&client, b"b").await, Err(CallError::Closed)));
    assert!(matches!(client.send_packet(ROUTE, Seq::NONE, b"c").await, Err(CallError::Closed)));
    assert!(matches!(client.close().await, Disconnect::Closed), "twice is as good as once");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_read_cannot_keep_a_client_from_closing() {
    let (client, _peer) = quiet();
    let sending = async { while client.send_packet(ROUTE, Seq::NONE, b"x").await.is_ok() {} };
    let closing = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = tokio::time::Instant::now();
        client.close().await;
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
    };
    tokio::join!(sending, closing);
}

#[tokio::test]
async fn a_server_that_goes_ends_the_client() {
    let (client, peer) = quiet();
    drop(peer);
    assert!(matches!(client.closed().await, Disconnect::ByPeer | Disconnect::Write(_)));
    assert!(matches!(call(&client, b"a").await, Err(CallError::Closed)));
}

#[tokio::test]
async fn too_large_a_frame_ends_the_client_and_malformed_ones_do_not() {
    let format = Format::new().max_frame(100);
    let (client, mut peer) = connected(Client::builder().heartbeat(Duration::ZERO), format);
    let mut news = client.listen(NEWS);
    peer.write.write(&mut vec![Bytes::from_static(&[0, 0, 0, 2, 0, 7])], Dialect::Sized).await.unwrap();
    peer.send(NEWS, Seq::NONE, b"fine").await;
    assert_eq!(news.next().await.unwrap().unwrap(), "fine");
    peer.send(NEWS, Seq::NONE, &[0; 101]).await;
    let cause = client.closed().await;
    assert_eq!(cause.to_string(), "frame too large: 106 bytes, the limit is 100");
}

#[tokio::test]
async fn urls_that_cannot_be_used_say_what_to_write() {
    for (url, reason) in [
        ("127.0.0.1:3553", "no scheme; write `tcp://host:port` or `ws://host:port/path`"),
        ("http://127.0.0.1:3553", "unknown scheme; use `tcp://`, `tls://`, `kcp://`, `ws://` or `wss://`"),
    ] {
        let err = Client::connect(url).await.unwrap_err();
        assert_eq!(err.to_string(), format!("cannot connect to {url}: {reason}"));
    }
    let bare = Client::builder().dialect(Dialect::Bare).connect("tcp://127.0.0.1:1").await.unwrap_err();
    assert_eq!(bare.to_string(), "cannot connect to tcp://127.0.0.1:1: the bare dialect is for ws only");
}

#[tokio::test]
async fn a_tap_sees_both_ways_in_the_order_of_the_wire() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tap = {
        let seen = Arc::clone(&seen);
        move |traffic: Traffic<'_>| seen.lock().unwrap().push(format!("{traffic:?}"))
    };
    let (client, mut peer) = connected(Client::builder().heartbeat(Duration::ZERO).tap(tap), Format::new());
    let (answer, ()) = tokio::join!(call(&client, b"hi"), async {
        let packet = peer.packet().await;
        peer.send(NEWS, Seq::NONE, b"news").await;
        peer.answer(&packet, b"ho").await;
    });
    assert_eq!(answer.unwrap(), "ho");
    assert_eq!(
        *seen.lock().unwrap(),
        [
            r#"Sent(b"\0\0\0\x07\0\0\x01\0\x01hi")"#,
            r#"Received(Unit(b"\0\0\x02\0\0news"))"#,
            r#"Received(Unit(b"\0\0\x01\0\x01ho"))"#,
        ]
    );
}

/// Route 1 with a message that has a string.
const SHAPE: &[u8] = b"\x01\x01\x01\x00\x00\x00\x01\x01\x02\x09name";

fn asking(format: Format) -> (Client, Peer) {
    let schema = crate::skew::Schema::generated(0xa, SHAPE, "tests.Echo.Echo\nname");
    connected(Client::builder().heartbeat(Duration::ZERO).schema(schema), format)
}

#[tokio::test(start_paused = true)]
async fn a_server_that_drops_the_question_is_waited_for_and_holds_up_nothing() {
    let (client, mut peer) = asking(Format::new());
    let question = peer.packet().await;
    assert_eq!((question.route, question.seq), (RouteId::STATUS, Seq::NONE));
    assert_eq!(question.body[..], *b"\xff\x0a\x10000000000000000a\x10\x0e");
    let (answer, ()) = tokio::join!(call(&client, b"hi"), async {
        let packet = peer.packet().await;
        peer.answer(&packet, b"ho").await;
    });
    assert_eq!(answer.unwrap(), "ho");
    let before = tokio::time::Instant::now();
    assert_eq!(client.skew().await, Skew::Unknown);
    assert_eq!(before.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_asked_may_refuse_or_go() {
    let before = tokio::time::Instant::now();
    let (client, mut peer) = asking(Format::new());
    let question = peer.packet().await;
    let status = Status { route: -1, code: 5, ..Status::default() };
    peer.answer(&question, &prost::Message::encode_to_vec(&status)).await;
    assert_eq!(client.skew().await, Skew::Unknown);

    let (client, mut peer) = asking(Format::new());
    peer.packet().await;
    drop(peer);
    assert_eq!(client.skew().await, Skew::Unknown);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_shape_is_sent_in_the_parts_that_the_server_asks_for() {
    for (limit, parts) in [(3, 5), (4, 4), (100, 1)] {
        let (client, mut peer) = asking(Format::new());
        peer.packet().await;
        let (mut shape, mut asked) = (Vec::new(), 0);
        while shape.len() < SHAPE.len() {
            let answer = [0xff, 0x08, 2, 0x10, shape.len() as u8, 0x18, limit];
            peer.send(RouteId::STATUS, Seq::NONE, &answer).await;
            let packet = peer.packet().await;
            let at = packet.body.iter().position(|byte| *byte == 0x22).unwrap();
            shape.extend_from_slice(&packet.body[at + 2..]);
            asked += 1;
        }
        assert_eq!((&shape[..], asked), (SHAPE, parts));
        peer.send(RouteId::STATUS, Seq::NONE, b"\xff\x08\x03").await;
        let none = Skew::Differs { differences: Vec::new(), omitted: 0, breaking: false };
        assert_eq!(client.skew().await, none);
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_what_is_not_there_learns_nothing() {
    for answer in
        [&b"\xff\x08\x02\x10\x0e\x18\x04"[..], b"\xff\x08\x02\x10\xff\xff\xff\xff\x0f", b"\xff\x99", b"\xff\x08\x63"]
    {
        let (client, mut peer) = asking(Format::new());
        peer.packet().await;
        let before = tokio::time::Instant::now();
        peer.send(RouteId::STATUS, Seq::NONE, answer).await;
        assert_eq!((client.skew().await, before.elapsed()), (Skew::Unknown, Duration::ZERO));
        // Nor by going on about it.
        for _ in 0..5 {
            peer.send(RouteId::STATUS, Seq::NONE, answer).await;
        }
        let asked = client.clone();
        let call = tokio::spawn(async move { call(&asked, b"hi").await });
        let packet = peer.packet().await;
        assert_eq!(packet.route, ROUTE);
        peer.answer(&packet, b"ho").await;
        assert_eq!(call.await.unwrap().unwrap(), "ho");
    }
}
