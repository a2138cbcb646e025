//! What clients and gates say about their schemas on route -1, byte by byte.

use std::time::Duration;

use due::codegen::Schema;
use due::packet::{Dialect, Format};
use due::transport::mem;
use due::{
    App, Client, ClientBuilder, Codec, ConnectError, DifferenceKind, Gate, RouteId, RunningApp, Seq, Skew, SkewPolicy,
};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use crate::raw::{Raw, bare, echo_app_with, sized, url};

/// Route 1 that takes and gives a message without fields, and route 2 that needs a user and takes one with a string.
const GATE: &[u8] = b"\x01\x02\x01\x00\x00\x00\x02\x02\x01\x00\x02\x00\x01\x02\x09name";
/// Route 1 as there, route 2 without a user and with bytes, route 3.
const CLIENT: &[u8] = b"\x01\x03\x01\x00\x00\x00\x02\x00\x01\x00\x03\x01\x00\x02\x00\x01\x02\x0cname";
const REMOVED: &[u8] = b"\x08\x03\x10\x01";
const RETYPED: &[u8] =
    b"\x08\x02\x10\x02\x1a\x06a.B.Hi\x22\x39request.name is string on the server, bytes on the client";
const STRICTER: &[u8] = b"\x08\x02\x10\x03\x1a\x06a.B.Hi\x22\x0fit needs a user";

fn hash(shape: &[u8]) -> u64 {
    u64::from_be_bytes(Sha256::digest(shape)[..8].try_into().unwrap())
}

fn schema(shape: &'static [u8], names: &'static str) -> Schema {
    Schema::generated(hash(shape), shape, names)
}

async fn app() -> RunningApp {
    echo_app_with(Format::new(), |gate| gate.schema(schema(GATE, "a.B.Echo\na.B.Hi\nname"))).await
}

fn mine(shape: &'static [u8]) -> ClientBuilder {
    Client::builder().codec(Codec::Json).schema(schema(shape, "a.B.Echo\na.B.Hi\na.B.Gone\nname"))
}

/// `ff | hash | size`.
fn greeting(hash: u64, size: usize) -> Vec<u8> {
    let size = if size < 128 {
        vec![size as u8]
    } else {
        vec![size as u8 | 0x80, (size >> 7) as u8 | 0x80, (size >> 14) as u8]
    };
    [b"\xff\x0a\x10".as_slice(), format!("{hash:016x}").as_bytes(), b"\x10", &size].concat()
}

/// `ff | offset, if it is not 0 | part`.
fn part(offset: u8, part: &[u8]) -> Vec<u8> {
    let offset = if offset == 0 { vec![] } else { vec![0x18, offset] };
    [&[0xff][..], &offset, &[0x22, part.len() as u8], part].concat()
}

const SAME: &[u8] = b"\xff\x08\x01";
const UNCOMPARED: &[u8] = b"\xff\x08\x04";
/// From `offset`, at most 4984 bytes: a body has 5000, and 16 are for what is around.
const MORE: &[u8] = b"\xff\x08\x02\x18\xf8\x26";
const NO_ROUTE: &[u8] = br#"{"route":-1,"seq":0,"code":5,"message":"no route -1"}"#;

fn more_from(offset: u8) -> Vec<u8> {
    [&MORE[..3], &[0x10, offset], &MORE[3..]].concat()
}

fn differs(by: &[&[u8]]) -> Vec<u8> {
    let by = by.iter().flat_map(|one| [&[0x22, one.len() as u8][..], one].concat());
    b"\xff\x08\x03".iter().copied().chain(by).chain(*b"\x30\x01").collect()
}

/// A raw client and how it frames packets: of each transport and dialect one.
async fn everybody(app: &RunningApp) -> [(Raw, fn(&Format, i32, i32, &[u8]) -> Vec<u8>); 3] {
    [(Raw::tcp(app).await, sized), (Raw::ws(app).await, sized), (Raw::ws(app).await, bare)]
}

async fn ask(client: &mut Raw, said: &[u8], answer: &[u8]) {
    client.send(&sized(&Format::new(), -1, 0, said)).await;
    client.expect(&sized(&Format::new(), -1, 0, answer)).await;
}

#[tokio::test]
async fn the_same_schema_is_told_as_the_first_packet_of_every_dialect() {
    let app = app().await;
    for (mut client, frame) in everybody(&app).await {
        client.send(&frame(&Format::new(), -1, 0, &greeting(hash(GATE), GATE.len()))).await;
        client.expect(&frame(&Format::new(), -1, 0, SAME)).await;
        client.send(&frame(&Format::new(), 1, 7, b"hi")).await;
        client.expect(&frame(&Format::new(), 1, 7, b"hi")).await;
    }
    app.stop().await;
}

#[tokio::test]
async fn another_schema_is_asked_for_once_in_parts_and_then_known() {
    let app = app().await;
    let verdict = differs(&[REMOVED, RETYPED, STRICTER]);
    for (at, (mut client, frame)) in everybody(&app).await.into_iter().enumerate() {
        let format = Format::new();
        let mut said = vec![(greeting(hash(CLIENT), CLIENT.len()), MORE.to_vec())];
        if at > 0 {
            said[0].1 = verdict.clone();
        } else {
            said.push((part(0, &CLIENT[..5]), more_from(5)));
            said.push((part(5, &CLIENT[5..]), verdict.clone()));
        }
        for (said, answer) in said {
            client.send(&frame(&format, -1, 0, &said)).await;
            client.expect(&frame(&format, -1, 0, &answer)).await;
            // Whoever is asked calls on.
            client.send(&frame(&format, 1, 7, b"hi")).await;
            client.expect(&frame(&format, 1, 7, b"hi")).await;
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn what_cannot_be_compared_is_said_to_differ_and_no_more() {
    let app = app().await;
    let large = 256 * 1024 + 1;
    for said in [
        vec![(greeting(1, large), UNCOMPARED)],
        vec![(greeting(1, 0), UNCOMPARED)],
        vec![(greeting(1, 4), MORE), (part(1, b"\x01"), UNCOMPARED)],
        vec![(greeting(1, 4), MORE), (part(0, b"\x01\x00\x00\x00\x00"), UNCOMPARED)],
        // It is not what its hash says: then others would be told what is not true of theirs.
        vec![(greeting(hash(CLIENT) + 1, CLIENT.len()), MORE), (part(0, CLIENT), UNCOMPARED)],
        vec![(greeting(hash(b"junk"), 4), MORE), (part(0, b"junk"), UNCOMPARED)],
    ] {
        let mut client = Raw::tcp(&app).await;
        for (said, answer) in said {
            ask(&mut client, &said, answer).await;
        }
        ask(&mut client, &greeting(hash(GATE), GATE.len()), NO_ROUTE).await;
    }
    let mut client = Raw::tcp(&app).await;
    ask(&mut client, &part(0, CLIENT), NO_ROUTE).await;
    ask(&mut client, b"\xff\xff", NO_ROUTE).await;
    ask(&mut client, b"", NO_ROUTE).await;
    ask(&mut client, &greeting(hash(CLIENT), CLIENT.len()), MORE).await;
    app.stop().await;
}

#[tokio::test]
async fn sixty_four_schemas_are_remembered_and_the_oldest_is_asked_for_again() {
    let app = app().await;
    let shapes: Vec<Vec<u8>> = (3..68).map(|id| [&CLIENT[..10], &[id], &CLIENT[11..]].concat()).collect();
    for shape in &shapes {
        let mut client = Raw::tcp(&app).await;
        ask(&mut client, &greeting(hash(shape), shape.len()), MORE).await;
        client.send(&sized(&Format::new(), -1, 0, &part(0, shape))).await;
        assert_eq!(client.receive(12).await[9..], *b"\xff\x08\x03");
    }
    for (shape, remembered) in [(&shapes[0], false), (&shapes[1], true), (&shapes[64], true)] {
        let mut client = Raw::tcp(&app).await;
        client.send(&sized(&Format::new(), -1, 0, &greeting(hash(shape), shape.len()))).await;
        assert_eq!(client.receive(12).await[11], if remembered { 3 } else { 2 });
    }
    app.stop().await;
}

#[tokio::test]
async fn sixteen_clients_may_send_their_schemas_at_a_time() {
    let (closed, mut closes) = mpsc::channel(32);
    let gate = |gate: due::GateBuilder| {
        let gate = gate.schema(schema(GATE, ""));
        gate.on_close(move |_, _| closed.try_send(()).unwrap())
    };
    let app = echo_app_with(Format::new(), gate).await;
    let mut clients = Vec::new();
    for at in 0..17 {
        let mut client = Raw::tcp(&app).await;
        ask(&mut client, &greeting(at, 9), if at < 16 { MORE } else { UNCOMPARED }).await;
        clients.push(client);
    }
    drop(clients.remove(3));
    closes.recv().await.unwrap();
    ask(&mut Raw::tcp(&app).await, &greeting(99, 9), MORE).await;
    drop(clients);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_go_on_loses_his_place_to_who_wants_it() {
    let (door, gate) = mem::listener();
    let builder = Gate::builder().transport(door).heartbeat_interval(Duration::ZERO);
    let app = App::new().gate(builder.schema(schema(GATE, ""))).start().await.unwrap();
    let mut clients = Vec::new();
    for at in 0..18 {
        if at == 17 {
            tokio::time::advance(Duration::from_secs(10)).await;
        }
        let client = Client::builder().heartbeat(Duration::ZERO).connect_mem(&gate).await.unwrap();
        let mut answers = client.listen(RouteId::STATUS);
        client.send_packet(RouteId::STATUS, Seq::NONE, &greeting(at, 9)).await.unwrap();
        let answer = answers.next().await.unwrap().unwrap();
        assert_eq!(answer, if at == 16 { UNCOMPARED } else { MORE }, "{at}");
        clients.push((client, answers));
    }
    let (client, answers) = &mut clients[0];
    client.send_packet(RouteId::STATUS, Seq::NONE, &part(0, b"late")).await.unwrap();
    let answer = answers.next().await.unwrap().unwrap();
    assert_ne!(answer[0], 0xff, "a status");
    drop(clients);
    app.stop().await;
}

#[tokio::test]
async fn a_gate_without_a_schema_knows_no_route_for_it() {
    let app = echo_app_with(Format::new(), |gate| gate).await;
    ask(&mut Raw::tcp(&app).await, &greeting(hash(GATE), GATE.len()), NO_ROUTE).await;
    let client = mine(CLIENT).skew_timeout(Duration::MAX).skew_policy(SkewPolicy::Refuse);
    let client = client.connect(&url(&app, "tcp://")).await.unwrap();
    assert_eq!(client.skew().await, Skew::Unknown);
    client.close().await;
    app.stop().await;
}

#[tokio::test]
async fn a_client_learns_by_which_routes_it_differs() {
    let app = app().await;
    for (scheme, dialect) in [("tcp://", Dialect::Sized), ("ws://", Dialect::Sized), ("ws://", Dialect::Bare)] {
        let client = mine(CLIENT).dialect(dialect).connect(&url(&app, scheme)).await.unwrap();
        let skew = client.skew().await;
        let of = |kind| skew.of_kind(kind).map(|one| (one.route, one.name.clone())).collect::<Vec<_>>();
        assert_eq!(of(DifferenceKind::Removed), [(RouteId(3), "a.B.Gone".to_owned())]);
        assert_eq!(of(DifferenceKind::Stricter), [(RouteId(2), "a.B.Hi".to_owned())]);
        assert!(skew.is_breaking());
        let echo: String = client.request(RouteId(1), &"hi".to_owned()).await.unwrap();
        assert_eq!(echo, "hi");
        client.close().await;
        assert_eq!(client.skew().await, skew, "also afterwards");

        let same = mine(GATE).dialect(dialect).connect(&url(&app, scheme)).await.unwrap();
        assert_eq!(same.skew().await, Skew::Same);
        same.close().await;
    }
    app.stop().await;
}

#[tokio::test]
async fn a_client_that_refuses_does_not_connect() {
    let app = app().await;
    let url = url(&app, "tcp://");
    let refused = mine(CLIENT).skew_policy(SkewPolicy::Refuse).connect(&url).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!(
            "{url} is not for this client: the gate has another schema: route 3 (a.B.Gone) was removed; \
             route 2 (a.B.Hi) was retyped: request.name is string on the server, bytes on the client; \
             route 2 (a.B.Hi) is stricter: it needs a user"
        )
    );
    let ConnectError::Skew { skew, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(skew.differences().len(), 3);
    mine(GATE).skew_policy(SkewPolicy::Refuse).connect(&url).await.unwrap().close().await;
    app.stop().await;
}
