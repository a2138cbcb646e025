//! Who is let in: proxies that speak for clients, origins, hooks, and the limit of sessions.

use std::sync::{Arc, Mutex};

use due::packet::Format;
use due::transport::tcp::Tcp;
use due::transport::ws::{Refusal, TrustedProxies, Ws};
use due::{App, Backends, Codec, Gate, GateBuilder, Node, RunningApp, Uid};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::raw::{Raw, echo, echo_app_with, hex, login, sized, url};

const UPGRADE: &str = "Host: gate\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const OK: &str = "HTTP/1.1 101 Switching Protocols";
const FORBIDDEN: &str = "HTTP/1.1 403 Forbidden";

async fn tcp() -> Tcp {
    Tcp::bind("127.0.0.1:0").await.unwrap()
}

async fn ws() -> Ws {
    Ws::bind("127.0.0.1:0").await.unwrap()
}

async fn app(gate: GateBuilder) -> RunningApp {
    App::new()
        .backends(Backends::memory().codec(Codec::Json))
        .gate(gate.build())
        .node(Node::builder().serve(due::routes![echo, login]).build().unwrap())
        .start()
        .await
        .unwrap()
}

async fn socket(app: &RunningApp) -> TcpStream {
    let url = app.addresses().next().unwrap();
    let addr = url.split("://").nth(1).unwrap().split('/').next().unwrap();
    TcpStream::connect(addr).await.unwrap()
}

/// Asks for an upgrade with these headers; the status line, and the connection if it is open.
async fn upgrade(app: &RunningApp, target: &str, headers: &str) -> (String, Raw) {
    let mut stream = socket(app).await;
    ask(&mut stream, target, headers).await.map(|status| (status, Raw::Ws(stream))).unwrap()
}

async fn ask(stream: &mut TcpStream, target: &str, headers: &str) -> std::io::Result<String> {
    stream.write_all(format!("GET {target} HTTP/1.1\r\n{UPGRADE}{headers}\r\n").as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8(head).unwrap().lines().next().unwrap().to_owned())
}

/// Logs in and asks the gate where the user comes from.
async fn ip(app: &RunningApp, client: &mut Raw) -> String {
    let packet = sized(&Format::new(), 2, 1, b"7");
    client.send(&packet).await;
    client.expect(&packet).await;
    app.cluster().unwrap().ip(Uid(7)).await.unwrap().to_string()
}

fn proxy_header(client: [u8; 4]) -> Vec<u8> {
    let block = [&client[..], &[10, 0, 0, 1], &hex("d431 0de1")].concat();
    [&hex("0d0a0d0a000d0a515549540a 21 11 000c")[..], &block].concat()
}

#[tokio::test]
async fn a_balancer_says_who_the_client_is() {
    let app = app(Gate::builder().transport(tcp().await.proxy_protocol())).await;
    let mut client = socket(&app).await;
    client.write_all(&proxy_header([203, 0, 113, 7])).await.unwrap();
    assert_eq!(ip(&app, &mut Raw::Tcp(client)).await, "203.0.113.7");
    let mut client = socket(&app).await;
    client.write_all(b"PROXY TCP6 2001:db8::7 ::1 54321 3553\r\n").await.unwrap();
    assert_eq!(ip(&app, &mut Raw::Tcp(client)).await, "2001:db8::7");
    let mut client = socket(&app).await;
    client.write_all(b"PROXY TCP6 ::ffff:203.0.113.7 ::1 54321 3553\r\n").await.unwrap();
    assert_eq!(ip(&app, &mut Raw::Tcp(client)).await, "203.0.113.7", "as a socket for both families says it");
    let mut client = socket(&app).await;
    client.write_all(&hex("0d0a0d0a000d0a515549540a 20 00 0000")).await.unwrap();
    assert_eq!(ip(&app, &mut Raw::Tcp(client)).await, "127.0.0.1", "it speaks for itself");
    app.stop().await;
}

#[tokio::test]
async fn without_its_header_nobody_is_let_in_and_without_the_option_the_header_is_noise() {
    let required = app(Gate::builder().transport(tcp().await.proxy_protocol())).await;
    let mut client = Raw::Tcp(socket(&required).await);
    client.send(&sized(&Format::new(), 1, 1, b"no header")).await;
    assert_eq!(client.rest().await, b"");
    required.stop().await;

    let plain = app(Gate::builder().transport(tcp().await)).await;
    let mut client = Raw::Tcp(socket(&plain).await);
    client.send(&proxy_header([203, 0, 113, 7])).await;
    assert_eq!(client.rest().await, b"", "0d0a0d0a is no size of a packet");
    plain.stop().await;
}

#[tokio::test]
async fn a_balancer_may_stand_in_front_of_a_proxy() {
    let ws = ws().await.proxy_protocol().forwarded(TrustedProxies::networks(["10.0.0.0/8"]).unwrap());
    let app = app(Gate::builder().transport(ws)).await;
    for (proxy, expected) in [([10, 0, 0, 9], "203.0.113.7"), ([192, 0, 2, 1], "192.0.2.1")] {
        let mut stream = socket(&app).await;
        stream.write_all(&proxy_header(proxy)).await.unwrap();
        let status = ask(&mut stream, "/", "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n").await.unwrap();
        assert_eq!(status, OK);
        assert_eq!(ip(&app, &mut Raw::Ws(stream)).await, expected);
    }
    app.stop().await;
}

#[tokio::test]
async fn forwarded_addresses_count_only_where_they_are_trusted() {
    let headers = "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7\r\nX-Real-IP: 7.7.7.7\r\n";
    let trusting = app(Gate::builder().transport(ws().await.forwarded(TrustedProxies::hops(1)))).await;
    let (status, mut client) = upgrade(&trusting, "/", headers).await;
    assert_eq!(status, OK);
    assert_eq!(ip(&trusting, &mut client).await, "203.0.113.7");
    let (_, mut client) = upgrade(&trusting, "/", "X-Real-IP: 2001:db8::7\r\n").await;
    assert_eq!(ip(&trusting, &mut client).await, "2001:db8::7");
    let (status, _) = upgrade(&trusting, "/", "X-Forwarded-For: 203.0.113.7, <script>\r\n").await;
    assert_eq!(status, "HTTP/1.1 400 Bad Request");
    trusting.stop().await;

    let plain = app(Gate::builder().transport(ws().await)).await;
    let (_, mut client) = upgrade(&plain, "/", headers).await;
    assert_eq!(ip(&plain, &mut client).await, "127.0.0.1");
    plain.stop().await;
}

#[tokio::test]
async fn origins_are_checked_where_they_are_listed() {
    const OURS: &str = "Origin: https://game.example\r\n";
    const THEIRS: &str = "Origin: https://evil.example\r\n";
    for (origins, ours, theirs, none) in [
        (None, OK, OK, OK),
        (Some(&["*"][..]), OK, OK, OK),
        (Some(&["https://test.example", "https://GAME.example"]), OK, FORBIDDEN, FORBIDDEN),
        (Some(&[]), FORBIDDEN, FORBIDDEN, FORBIDDEN),
    ] {
        let ws = match origins {
            Some(origins) => ws().await.origins(origins.iter().copied()),
            None => ws().await,
        };
        let app = app(Gate::builder().transport(ws)).await;
        for (headers, status) in [(OURS, ours), (THEIRS, theirs), ("", none)] {
            assert_eq!(upgrade(&app, "/", headers).await.0, status, "{origins:?} {headers}");
        }
        app.stop().await;
    }
}

#[tokio::test]
async fn a_hook_sees_the_request_and_may_refuse_it() {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let ws = ws().await.path("/game/").on_upgrade(|upgrade| {
        assert_eq!(upgrade.method(), "GET");
        match upgrade.header("x-token") {
            Some("7") => {}
            Some("later") => return Err(Refusal::status(503)),
            Some("odd") => return Err(Refusal::status(200)),
            _ => return Err(Refusal::default()),
        }
        let region = format!("{}?{}", upgrade.path(), upgrade.query().unwrap_or("-"));
        upgrade.attributes().insert("asked", region);
        Ok(())
    });
    let (accepted, closed) = (Arc::clone(&notes), Arc::clone(&notes));
    let gate = Gate::builder()
        .transport(ws)
        .on_accept(move |peer, attributes| {
            let asked = attributes.get("asked").unwrap().to_owned();
            accepted.lock().unwrap().push(format!("{} {asked}", peer.ip().unwrap()));
            attributes.insert("seen", "yes");
            asked.ends_with("stay")
        })
        .on_close(move |_, attributes| {
            closed.lock().unwrap().push(attributes.iter().map(|(name, value)| format!("{name}={value} ")).collect());
        });
    let app = app(gate).await;
    for (target, headers, status) in [
        ("/game/eu?stay", "X-Token: 7\r\n", OK),
        ("/game/eu", "", FORBIDDEN),
        ("/game/eu", "X-Token: 8\r\n", FORBIDDEN),
        ("/game/eu", "X-Token: later\r\n", "HTTP/1.1 503 Service Unavailable"),
        ("/game/eu", "X-Token: odd\r\n", FORBIDDEN),
        ("/", "X-Token: 7\r\n", "HTTP/1.1 404 Not Found"),
    ] {
        let (got, mut client) = upgrade(&app, target, headers).await;
        assert_eq!(got, status);
        if got == OK {
            let packet = sized(&Format::new(), 1, 1, b"hi");
            client.send(&packet).await;
            client.expect(&packet).await;
        }
    }
    let (got, mut client) = upgrade(&app, "/game/us", "X-Token: 7\r\n").await;
    assert_eq!(got, OK);
    assert_eq!(client.rest().await, hex("88 02 03f0"), "closed with 1008");
    app.stop().await;
    let notes = notes.lock().unwrap();
    let mut notes: Vec<&str> = notes.iter().map(String::as_str).collect();
    notes.sort_unstable();
    assert_eq!(notes, ["127.0.0.1 /game/eu?stay", "127.0.0.1 /game/us?-", "asked=/game/eu?stay seen=yes "]);
}

#[tokio::test]
async fn a_hook_may_turn_tcp_clients_away() {
    let app = echo_app_with(Format::new(), |gate| gate.on_accept(|peer, _| peer.ip().is_none())).await;
    assert_eq!(Raw::tcp(&app).await.rest().await, b"");
    assert_eq!(Raw::ws(&app).await.rest().await, hex("88 02 03f0"), "closed with 1008");
    app.stop().await;
}

#[tokio::test]
async fn who_finds_no_place_hears_so() {
    let app = echo_app_with(Format::new(), |gate| gate.max_sessions(1)).await;
    let packet = sized(&Format::new(), 1, 1, b"hi");
    let mut first = Raw::tcp(&app).await;
    first.send(&packet).await;
    first.expect(&packet).await;
    assert_eq!(Raw::tcp(&app).await.rest().await, b"");
    assert_eq!(Raw::ws(&app).await.rest().await, hex("88 02 03f5"), "closed with 1013");
    // Those who dawdle while they are turned away take no place from anybody.
    let ws_url = url(&app, "ws://");
    let dawdler = TcpStream::connect(ws_url.strip_prefix("ws://").unwrap()).await.unwrap();
    first.send(&packet).await;
    first.expect(&packet).await;
    drop(first);
    loop {
        let mut next = Raw::tcp(&app).await;
        // A reset is a no as well.
        let _ = next.socket().write_all(&packet).await;
        let mut got = vec![0; packet.len()];
        if next.socket().read_exact(&mut got).await.is_ok() {
            assert_eq!(got, packet);
            break;
        }
    }
    drop(dawdler);
    app.stop().await;
}

#[tokio::test]
async fn ws_clients_hear_why_it_ends() {
    let app = echo_app_with(Format::new(), |gate| gate).await;
    let packet = sized(&Format::new(), 2, 1, b"7");
    let mut disconnected = Raw::ws(&app).await;
    disconnected.send(&packet).await;
    disconnected.expect(&packet).await;
    let mut last = Raw::ws(&app).await;
    let request = sized(&Format::new(), 1, 1, b"last");
    last.send(&request).await;
    last.expect(&request).await;
    app.cluster().unwrap().disconnect(Uid(7), due::Close::Graceful).await.unwrap();
    assert_eq!(disconnected.rest().await, hex("88 02 03e8"), "closed with 1000");
    app.stop().await;
    last.dismissed().await;
    assert_eq!(last.rest().await, hex("88 02 03e9"), "closed with 1001");
}
