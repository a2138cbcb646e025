//! Gate and node in one process, seen by raw sockets: every byte of every answer is compared.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use due::codec::{DecodeError, EncodeError};
use due::{
    App, Audience, Backends, Body, Close, Code, Codec, Context, Dispatch, Error, Gate, Node, Push, PushExt, RouteId,
    RunningApp, Target, Uid,
};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

#[derive(Serialize, Deserialize)]
struct Greet {
    name: String,
}

#[derive(Serialize, Deserialize)]
struct Greeting {
    code: i32,
    message: String,
}

#[derive(Serialize, Deserialize)]
struct User {
    uid: i64,
}

#[derive(Serialize, Deserialize)]
struct Nothing {}

struct Note(&'static str);

impl Body for Note {
    const NAME: &'static str = "Note";

    fn encode_body(&self, _: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(self.0.as_bytes());
        Ok(())
    }

    fn decode_body(_: &Codec, _: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self(""))
    }
}

impl Push for Note {
    const ROUTE: RouteId = RouteId::new(50);
}

#[due::route(1)]
async fn greet(_: &mut Context, request: Greet) -> due::Result<Greeting> {
    Ok(Greeting { code: 0, message: format!("hello {}~~", request.name) })
}

#[due::route(2)]
async fn login(ctx: &mut Context, user: User) -> due::Result<Nothing> {
    ctx.bind(Uid(user.uid)).await?;
    Ok(Nothing {})
}

#[due::route(3, authorized)]
async fn whoami(ctx: &mut Context, _: Nothing) -> due::Result<User> {
    Ok(User { uid: ctx.user()?.0 })
}

#[due::route(4, internal)]
async fn secret(_: &mut Context, _: Nothing) -> due::Result<Nothing> {
    Ok(Nothing {})
}

#[due::route(5)]
async fn explode(_: &mut Context, request: Greet) -> due::Result<Nothing> {
    panic!("{}", request.name)
}

#[due::route(6)]
async fn fail(_: &mut Context, _: Nothing) -> due::Result<Nothing> {
    Err(Error::new(42, "no gold"))
}

static GATE: Semaphore = Semaphore::const_new(0);

#[due::route(7)]
async fn wait(_: &mut Context, _: Nothing) -> due::Result<Nothing> {
    GATE.acquire().await?.forget();
    Ok(Nothing {})
}

#[due::route(8)]
async fn notify(ctx: &mut Context, _: Nothing) -> due::Result<Nothing> {
    ctx.push(&Note("first"))?;
    Note("second").push(ctx.cluster(), ctx.session()).await?;
    Ok(Nothing {})
}

#[due::route(9)]
async fn leave(ctx: &mut Context, _: Nothing) -> due::Result<Nothing> {
    ctx.push(&Note("bye"))?;
    ctx.disconnect(Close::Graceful).await?;
    Ok(Nothing {})
}

#[due::route(10, oneway)]
async fn shout(ctx: &mut Context, request: Greet) -> due::Result<()> {
    match request.name.as_str() {
        "" => Err(Error::new(Code::INVALID_ARGUMENT, "nothing to shout")),
        _ => {
            Note("heard").broadcast(ctx.cluster(), Audience::Sessions).await?;
            Ok(())
        }
    }
}

async fn start(gate: due::GateBuilder, node: due::NodeBuilder) -> RunningApp {
    let routes = due::routes![greet, login, whoami, secret, explode, fail, wait, notify, leave, shout];
    App::new()
        .backends(Backends::memory().codec(Codec::Json))
        .gate(gate.tcp("127.0.0.1:0").build())
        .node(node.serve(routes).build().unwrap())
        .start()
        .await
        .unwrap()
}

struct Raw(TcpStream);

impl Raw {
    async fn connect(app: &RunningApp) -> Self {
        let url = app.addresses().next().unwrap();
        Self(TcpStream::connect(url.strip_prefix("tcp://").unwrap()).await.unwrap())
    }

    async fn send(&mut self, route: i16, seq: i16, body: &str) {
        self.0.write_all(&packet(route, seq, body)).await.unwrap();
    }

    async fn expect(&mut self, route: i16, seq: i16, body: &str) {
        let mut size = [0; 4];
        self.0.read_exact(&mut size).await.unwrap();
        let mut rest = vec![0; u32::from_be_bytes(size) as usize];
        self.0.read_exact(&mut rest).await.unwrap();
        let got = [&size[..], &rest].concat();
        assert_eq!(got.escape_ascii().to_string(), packet(route, seq, body).escape_ascii().to_string());
    }

    /// The gate says that it is about to stop.
    async fn dismissed(&mut self) {
        self.expect(-1, 0, &status(0, 0, -1, "the gate is stopping")).await;
    }

    async fn closed(&mut self) {
        assert_eq!(self.0.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}

fn packet(route: i16, seq: i16, body: &str) -> Vec<u8> {
    let mut packet = (5 + body.len() as u32).to_be_bytes().to_vec();
    packet.push(0);
    packet.extend(route.to_be_bytes());
    packet.extend(seq.to_be_bytes());
    packet.extend(body.as_bytes());
    packet
}

fn status(route: i16, seq: i16, code: i32, message: &str) -> String {
    format!(r#"{{"route":{route},"seq":{seq},"code":{code},"message":"{message}"}}"#)
}

#[tokio::test]
async fn requests_are_answered_with_their_route_and_seq() {
    let app = start(Gate::builder(), Node::builder()).await;
    let mut client = Raw::connect(&app).await;
    client.send(1, 7, r#"{"name":"due"}"#).await;
    client.expect(1, 7, r#"{"code":0,"message":"hello due~~"}"#).await;
    app.stop().await;
    client.dismissed().await;
    client.closed().await;
}

#[tokio::test]
async fn what_has_no_response_gets_a_status() {
    let app = start(Gate::builder(), Node::builder()).await;
    let mut client = Raw::connect(&app).await;
    for (route, seq, body, code, message) in [
        (99, 1, "{}", 5, "no route 99"),
        (4, 2, "{}", 9, "this route is not for clients"),
        (3, 3, "{}", 7, "log in first"),
        (5, 4, r#"{"name":"boom"}"#, 6, "internal error"),
        (6, 5, "{}", 42, "no gold"),
        (1, 6, "hello due~~", 6, "undecodable body"),
        (2, 7, r#"{"uid":-4}"#, 6, "internal error"),
        (10, 8, r#"{"name":""}"#, 3, "nothing to shout"),
    ] {
        client.send(route, seq, body).await;
        client.expect(-1, seq, &status(route, seq, code, message)).await;
    }
    client.send(1, 9, r#"{"name":"still here"}"#).await;
    client.expect(1, 9, r#"{"code":0,"message":"hello still here~~"}"#).await;
    app.stop().await;
}

#[tokio::test]
async fn a_login_opens_authorized_routes_and_finds_the_user() {
    let app = start(Gate::builder(), Node::builder()).await;
    let mut client = Raw::connect(&app).await;
    client.send(2, 1, r#"{"uid":1001}"#).await;
    client.expect(2, 1, "{}").await;
    client.send(3, 2, "{}").await;
    client.expect(3, 2, r#"{"uid":1001}"#).await;

    let cluster = app.cluster().unwrap().clone();
    Note("to the user").push(&cluster, Uid(1001)).await.unwrap();
    client.expect(50, 0, "to the user").await;
    assert!(cluster.is_online(Uid(1001)).await.unwrap());
    assert_eq!(cluster.ip(Uid(1001)).await.unwrap().to_string(), "127.0.0.1");
    let tally = Note("many").multicast(&cluster, &[Uid(1001), Uid(5)]).await.unwrap();
    assert_eq!((tally.delivered, tally.absent, tally.failed), (1, 1, 0));
    client.expect(50, 0, "many").await;

    // The newest login wins.
    let mut second = Raw::connect(&app).await;
    second.send(2, 1, r#"{"uid":1001}"#).await;
    second.expect(2, 1, "{}").await;
    client.expect(-1, 0, &status(0, 0, 7, "the user has logged in elsewhere")).await;
    client.closed().await;
    Note("moved").push(&cluster, Uid(1001)).await.unwrap();
    second.expect(50, 0, "moved").await;

    cluster.unbind(Uid(1001)).await.unwrap();
    assert!(!cluster.is_online(Uid(1001)).await.unwrap());
    assert!(Note("nobody").push(&cluster, Uid(1001)).await.is_err());
    app.stop().await;
}

#[tokio::test]
async fn pushes_come_in_order_before_the_response() {
    let app = start(Gate::builder(), Node::builder()).await;
    let mut client = Raw::connect(&app).await;
    client.send(8, 3, "{}").await;
    client.expect(50, 0, "first").await;
    client.expect(50, 0, "second").await;
    client.expect(8, 3, "{}").await;
    client.send(10, 0, r#"{"name":"all"}"#).await;
    client.expect(50, 0, "heard").await;

    let cluster = app.cluster().unwrap();
    assert_eq!(cluster.stat(Audience::Sessions).await.delivered, 1);
    assert_eq!(Note("none").broadcast(cluster, Audience::Users).await.unwrap().delivered, 0);
    app.stop().await;
}

#[tokio::test]
async fn channels_reach_their_members() {
    let app = start(Gate::builder(), Node::builder()).await;
    let mut client = Raw::connect(&app).await;
    client.send(2, 1, r#"{"uid":8}"#).await;
    client.expect(2, 1, "{}").await;
    let cluster = app.cluster().unwrap();
    cluster.subscribe(Uid(8), "room:1").await.unwrap();
    assert_eq!(Note("in the room").publish(cluster, "room:1").await.unwrap().delivered, 1);
    client.expect(50, 0, "in the room").await;
    cluster.unsubscribe(Target::User(Uid(8)), "room:1").await.unwrap();
    assert_eq!(Note("empty").publish(cluster, "room:1").await.unwrap().delivered, 0);
    assert!(cluster.subscribe(Uid(9), "room:1").await.is_err());
    app.stop().await;
}

#[tokio::test]
async fn a_graceful_disconnect_writes_what_was_pushed() {
    let app = start(Gate::builder(), Node::builder()).await;
    let mut client = Raw::connect(&app).await;
    client.send(9, 1, "{}").await;
    client.expect(50, 0, "bye").await;
    client.closed().await;
    app.stop().await;
}

#[tokio::test]
async fn sessions_do_not_wait_for_each_other_and_keep_their_order() {
    let app = start(Gate::builder(), Node::builder().lane(2)).await;
    let (mut slow, mut fast) = (Raw::connect(&app).await, Raw::connect(&app).await);
    for seq in 1..=6 {
        slow.send(7, seq, "{}").await;
    }
    slow.send(1, 7, r#"{"name":"last"}"#).await;
    fast.send(1, 1, r#"{"name":"first"}"#).await;
    fast.expect(1, 1, r#"{"code":0,"message":"hello first~~"}"#).await;
    GATE.add_permits(6);
    for seq in 1..=6 {
        slow.expect(7, seq, "{}").await;
    }
    slow.expect(1, 7, r#"{"code":0,"message":"hello last~~"}"#).await;
    app.stop().await;
}

#[tokio::test]
async fn a_serial_node_handles_one_request_at_a_time() {
    static RUNNING: Semaphore = Semaphore::const_new(1);

    #[due::route(20)]
    async fn alone(_: &mut Context, _: Nothing) -> due::Result<Nothing> {
        let permit = RUNNING.try_acquire().map_err(|_| Error::new(1, "not alone"))?;
        tokio::task::yield_now().await;
        drop(permit);
        Ok(Nothing {})
    }

    let app = App::new()
        .backends(Backends::memory().codec(Codec::Json))
        .gate(Gate::builder().tcp("127.0.0.1:0").build())
        .node(Node::builder().dispatch(Dispatch::Serial).serve(due::routes![alone]).build().unwrap())
        .start()
        .await
        .unwrap();
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Raw::connect(&app).await);
    }
    for client in &mut clients {
        client.send(20, 1, "{}").await;
        client.send(20, 2, "{}").await;
    }
    for client in &mut clients {
        client.expect(20, 1, "{}").await;
        client.expect(20, 2, "{}").await;
    }
    app.stop().await;
}

#[tokio::test]
async fn a_stop_answers_what_was_accepted() {
    static LET_GO: Semaphore = Semaphore::const_new(0);
    static ENTERED: Semaphore = Semaphore::const_new(0);

    #[due::route(21)]
    async fn last(_: &mut Context, _: Nothing) -> due::Result<Nothing> {
        ENTERED.add_permits(1);
        LET_GO.acquire().await?.forget();
        Ok(Nothing {})
    }

    let app = App::new()
        .backends(Backends::memory().codec(Codec::Json))
        .gate(Gate::builder().tcp("127.0.0.1:0").build())
        .node(Node::builder().lane(1).serve(due::routes![last]).build().unwrap())
        .start()
        .await
        .unwrap();
    // One request runs, one waits in the lane, and one was read and finds no room.
    let mut client = Raw::connect(&app).await;
    let requests: Vec<u8> = (1..=3).flat_map(|seq| packet(21, seq, "{}")).collect();
    client.0.write_all(&requests).await.unwrap();
    ENTERED.acquire().await.unwrap().forget();
    let mut stopping = tokio::spawn(app.stop());
    assert!(timeout(Duration::from_millis(100), &mut stopping).await.is_err(), "it waits for the requests at hand");
    LET_GO.add_permits(3);
    for seq in 1..=3 {
        client.expect(21, seq, "{}").await;
    }
    client.dismissed().await;
    client.closed().await;
    stopping.await.unwrap();
}

#[tokio::test]
async fn a_stop_answers_what_it_gives_up() {
    static ENTERED: Semaphore = Semaphore::const_new(0);

    #[due::route(22)]
    async fn endless(_: &mut Context, _: Nothing) -> due::Result<Nothing> {
        ENTERED.add_permits(1);
        std::future::pending().await
    }

    let node = Node::builder().lane(1).drain(Duration::ZERO).serve(due::routes![endless]);
    let app = App::new()
        .backends(Backends::memory().codec(Codec::Json))
        .gate(Gate::builder().tcp("127.0.0.1:0").build())
        .node(node.build().unwrap())
        .start()
        .await
        .unwrap();
    // One request runs, one waits in the lane, and one was read and finds no room.
    let mut client = Raw::connect(&app).await;
    let requests: Vec<u8> = (1..=3).flat_map(|seq| packet(22, seq, "{}")).collect();
    client.0.write_all(&requests).await.unwrap();
    ENTERED.acquire().await.unwrap().forget();
    app.stop().await;
    client.expect(-1, 1, &status(22, 1, 1, "the server is stopping")).await;
    client.expect(-1, 2, &status(22, 2, 1, "the server is stopping")).await;
    client.expect(-1, 3, &status(22, 3, 5, "no node serves route 22 at the moment")).await;
    client.dismissed().await;
    client.closed().await;
    assert_eq!(ENTERED.available_permits(), 0, "what only waited has not begun");
}

#[tokio::test]
async fn a_stopped_app_drops_its_services() {
    struct Service<R> {
        routes: R,
        _kept: std::sync::Arc<()>,
    }

    impl<R: due::Routes> due::Routes for Service<R> {
        fn specs(&self) -> &[due::RouteSpec] {
            self.routes.specs()
        }

        fn call<'a>(&'a self, index: usize, ctx: &'a mut Context, body: Bytes) -> due::HandlerFuture<'a> {
            self.routes.call(index, ctx, body)
        }
    }

    let kept = std::sync::Arc::new(());
    let service = Service { routes: due::routes![], _kept: kept.clone() };
    let app = start(Gate::builder(), Node::builder().serve(service)).await;
    let mut client = Raw::connect(&app).await;
    client.send(1, 1, r#"{"name":"a"}"#).await;
    client.expect(1, 1, r#"{"code":0,"message":"hello a~~"}"#).await;
    app.stop().await;
    assert_eq!(std::sync::Arc::strong_count(&kept), 1);
}

#[tokio::test(start_paused = true)]
async fn who_has_closed_his_direction_still_gets_his_answers() {
    #[due::route(23)]
    async fn slow(_: &mut Context, _: Nothing) -> due::Result<Nothing> {
        tokio::time::sleep(Duration::from_secs(2)).await;
        Ok(Nothing {})
    }

    let app = start(Gate::builder(), Node::builder().serve(due::routes![slow])).await;
    let mut client = Raw::connect(&app).await;
    client.send(23, 1, "{}").await;
    client.send(1, 2, r#"{"name":"a"}"#).await;
    client.0.shutdown().await.unwrap();
    client.expect(23, 1, "{}").await;
    client.expect(1, 2, r#"{"code":0,"message":"hello a~~"}"#).await;
    client.closed().await;

    // Not for ever: the fourth answer would take eight seconds.
    let mut client = Raw::connect(&app).await;
    for seq in 1..=4 {
        client.send(23, seq, "{}").await;
    }
    client.0.shutdown().await.unwrap();
    let begun = tokio::time::Instant::now();
    for seq in 1..=2 {
        client.expect(23, seq, "{}").await;
    }
    client.closed().await;
    assert_eq!(begun.elapsed().as_secs(), 5);
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_delays_nobody() {
    let limits = due::OutboxLimits { packets: 8, bytes: 1 << 16, ..due::OutboxLimits::default() };
    let app = start(Gate::builder().outbox(limits), Node::builder()).await;
    let (stuck, mut other) = (Raw::connect(&app).await, Raw::connect(&app).await);
    other.send(1, 1, r#"{"name":"a"}"#).await;
    other.expect(1, 1, r#"{"code":0,"message":"hello a~~"}"#).await;
    let cluster = app.cluster().unwrap();
    assert_eq!(cluster.stat(Audience::Sessions).await.delivered, 2);
    let note: &'static str = Box::leak("x".repeat(4000).into_boxed_str());
    let mut reached = 2;
    while reached == 2 {
        reached = Note(note).broadcast(cluster, Audience::Sessions).await.unwrap().delivered;
        if reached == 2 {
            other.expect(50, 0, note).await;
        }
    }
    assert_eq!(reached, 1);
    other.expect(50, 0, note).await;
    drop(stuck);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn silent_peers_are_closed_after_two_intervals() {
    let gate = Gate::builder().heartbeat_interval(Duration::from_secs(10));
    let app = start(gate, Node::builder()).await;
    let mut client = Raw::connect(&app).await;
    let connected = tokio::time::Instant::now();
    client.closed().await;
    let silent = connected.elapsed();
    assert!((Duration::from_secs(20)..=Duration::from_secs(30)).contains(&silent), "{silent:?}");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_is_held_up_by_a_node_is_not_silent() {
    #[due::route(24)]
    async fn slow(_: &mut Context, _: Nothing) -> due::Result<Nothing> {
        tokio::time::sleep(Duration::from_secs(60)).await;
        Ok(Nothing {})
    }

    let gate = Gate::builder().heartbeat_interval(Duration::from_secs(10));
    let app = start(gate, Node::builder().lane(1).serve(due::routes![slow])).await;
    let mut client = Raw::connect(&app).await;
    for seq in 1..=3 {
        client.send(24, seq, "{}").await;
    }
    client.expect(24, 1, "{}").await;
    client.closed().await;
    app.stop().await;
}

#[tokio::test]
async fn too_many_sessions_are_closed_at_once() {
    let app = start(Gate::builder().max_sessions(1), Node::builder()).await;
    let mut first = Raw::connect(&app).await;
    first.send(1, 1, r#"{"name":"a"}"#).await;
    first.expect(1, 1, r#"{"code":0,"message":"hello a~~"}"#).await;
    Raw::connect(&app).await.closed().await;
    first.send(1, 2, r#"{"name":"b"}"#).await;
    first.expect(1, 2, r#"{"code":0,"message":"hello b~~"}"#).await;
    app.stop().await;
}

#[tokio::test]
async fn two_handlers_of_one_route_are_refused_with_both_names() {
    let error = Node::builder().serve(due::routes![greet]).serve(due::routes![greet]).build();
    let error = error.unwrap_err().to_string();
    assert_eq!(error, "route 1 is declared twice: by story.greet and by story.greet");
}

#[tokio::test]
async fn an_id_that_does_not_fit_the_packet_is_refused_at_the_start() {
    #[due::route(300)]
    async fn far(_: &mut Context, _: Nothing) -> due::Result<Nothing> {
        Ok(Nothing {})
    }

    let narrow = due::packet::Format::new().route_width(due::packet::RouteWidth::One);
    let app = App::new()
        .backends(Backends::memory().codec(Codec::Json).format(narrow))
        .node(Node::builder().serve(due::routes![far]).build().unwrap());
    let error = app.start().await.unwrap_err().to_string();
    assert_eq!(error, "route 300 of story.far: ids are positive and fit the packet's 1-byte route field");
}

#[tokio::test]
async fn a_body_without_a_form_in_the_codec_is_refused_at_the_start() {
    let app = App::new().node(Node::builder().serve(due::routes![greet]).build().unwrap());
    let error = app.start().await.unwrap_err().to_string();
    assert_eq!(
        error,
        "route 1 of story.greet: `story::Greet` cannot travel as proto: it is a serde type; choose the codec `json` or \
         `msgpack`, derive `prost::Message`, or write a .proto"
    );
}
