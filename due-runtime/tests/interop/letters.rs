//! Messages with fields, in every codec that both languages have.

use due::codec::{Body, Codec, ProstBody, SerdeBody};
use due::{Client, Context, Push, RouteId};
use prost_types::Field;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::node::{NodeOf, To};
use crate::on_both;
use crate::secrets::{End, Secrets};
use crate::world::{Fleet, GO_GATE, Place, RUST_GATE, Setup};

on_both!(
    in_json,
    in_msgpack,
    in_proto,
    in_json_over_ws,
    in_msgpack_over_ws,
    in_proto_over_ws,
    in_json_over_kcp,
    in_msgpack_over_kcp,
    in_proto_over_kcp,
);

/// What is sent in json and msgpack.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Letter {
    name: String,
    number: i32,
    packed: bool,
    lines: Vec<String>,
    score: f64,
}

#[due::route(31)]
pub(crate) async fn reply(_: &mut Context, letter: SerdeBody<Letter>) -> due::Result<SerdeBody<Letter>> {
    let SerdeBody(letter) = letter;
    Ok(SerdeBody(Letter { number: letter.number + 1, ..letter }))
}

/// In proto it is a google.protobuf.Field.
#[due::route(33)]
pub(crate) async fn reply_in_proto(_: &mut Context, field: ProstBody<Field>) -> due::Result<ProstBody<Field>> {
    let ProstBody(field) = field;
    Ok(ProstBody(Field { number: field.number + 1, ..field }))
}

/// A letter as a push.
struct Pushed<L>(L);

impl<L: Body> Body for Pushed<L> {
    const NAME: &'static str = L::NAME;

    fn encode_body(&self, codec: &Codec, out: &mut bytes::BytesMut) -> Result<(), due::codec::EncodeError> {
        self.0.encode_body(codec, out)
    }

    fn decode_body(codec: &Codec, body: &bytes::Bytes) -> Result<Self, due::codec::DecodeError> {
        L::decode_body(codec, body).map(Self)
    }
}

impl<L: Body> Push for Pushed<L> {
    const ROUTE: RouteId = RouteId::new(32);
}

fn letter() -> Letter {
    let lines = vec!["a <b> & \"c\"".to_owned(), String::new(), "żółw 🐢".to_owned()];
    Letter { name: "nul \0, quote \", end".to_owned(), number: -7, packed: true, lines, score: 0.1 }
}

/// How letters travel.
pub(crate) struct Cell {
    pub(crate) codec: Codec,
    pub(crate) network: &'static str,
    pub(crate) secrets: Option<Secrets>,
}

impl Cell {
    /// Over tcp, not encrypted.
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, network: "tcp", secrets: None }
    }

    fn over(network: &'static str, codec: Codec) -> Self {
        Self { network, ..Self::new(codec) }
    }
}

async fn in_json(place: Place) {
    in_codec(Cell::new(Codec::Json), place).await;
}

async fn in_msgpack(place: Place) {
    in_codec(Cell::new(Codec::MsgPack), place).await;
}

async fn in_proto(place: Place) {
    in_codec(Cell::new(Codec::Proto), place).await;
}

async fn in_json_over_ws(place: Place) {
    in_codec(Cell::over("ws", Codec::Json), place).await;
}

async fn in_msgpack_over_ws(place: Place) {
    in_codec(Cell::over("ws", Codec::MsgPack), place).await;
}

async fn in_proto_over_ws(place: Place) {
    in_codec(Cell::over("ws", Codec::Proto), place).await;
}

async fn in_json_over_kcp(place: Place) {
    in_codec(Cell::over("kcp", Codec::Json), place).await;
}

async fn in_msgpack_over_kcp(place: Place) {
    in_codec(Cell::over("kcp", Codec::MsgPack), place).await;
}

async fn in_proto_over_kcp(place: Place) {
    in_codec(Cell::over("kcp", Codec::Proto), place).await;
}

pub(crate) async fn in_codec(cell: Cell, place: Place) {
    if cell.codec == Codec::Proto {
        let field = Field { name: letter().name, number: -7, packed: true, ..Field::default() };
        travels(cell, ProstBody(field.clone()), ProstBody(Field { number: -6, ..field }), place).await;
    } else {
        travels(cell, SerdeBody(letter()), SerdeBody(Letter { number: -6, ..letter() }), place).await;
    }
}

/// The letter as Go writes it down.
pub(crate) fn letter_of(codec: &Codec) -> Value {
    match codec {
        Codec::Proto => json!({ "name": letter().name, "number": -7, "packed": true, "lines": null }),
        _ => serde_json::to_value(letter()).unwrap(),
    }
}

/// Every client's letter is answered by every node through every gate, and every node pushes letters to every client.
async fn travels<L>(Cell { codec, network, secrets }: Cell, sent: L, answered: L, place: Place)
where
    L: Body + PartialEq + std::fmt::Debug + Clone,
{
    let go_node = json!({ "codec": codec.name() });
    let setup = Setup { network, codec: codec.clone(), go_node, secrets: secrets.clone(), ..Setup::default() };
    let fleet = Fleet::with(setup, place).await;
    let in_go = letter_of(&codec);
    let route = if codec == Codec::Proto { 33 } else { 31 };
    let next = |letter: &Value| {
        let mut next = letter.clone();
        next["number"] = json!(-6);
        next
    };
    let mut clients =
        json!({ "role": "client", "id": "letters", "network": network, "codec": codec.name(), "heartbeatMs": 1000 });
    if let Some(secrets) = &secrets {
        clients["encryptor"] = secrets.of_go(End::Client);
    }
    let clients = std::sync::Arc::new(crate::go::Go::start(&clients, "").await);
    for (gid, uids) in [(RUST_GATE, [1001, 1002]), (GO_GATE, [1003, 1004])] {
        let url = fleet.url(gid);
        let ours = Client::builder().codec(codec.clone()).heartbeat(std::time::Duration::from_secs(1));
        let ours = match &secrets {
            Some(secrets) => ours.encryptor(secrets.encryptor(End::Client)),
            None => ours,
        };
        let ours = ours.connect(url).await.unwrap();
        let [rust, go] = &fleet.nodes;
        let cid = async || rust.ears.hear_a("connect").await["cid"].as_i64().unwrap();
        rust.bind(gid, cid().await, uids[0]).await.unwrap();
        for _ in 0..2 {
            assert_eq!(ours.request::<L, L>(RouteId(route), &sent).await.unwrap(), answered, "{gid}");
        }
        let theirs = crate::player::Player::go(&clients, url).await;
        rust.bind(gid, cid().await, uids[1]).await.unwrap();
        for _ in 0..2 {
            let answer = theirs.ask_letter(route, &in_go).await;
            assert_eq!(without_defaults(answer), without_defaults(next(&in_go)), "{gid}");
        }
        // Two of four went to the node of Go, from clients of both languages.
        for _ in 0..2 {
            let line = go.ears.hear_a("letter").await;
            assert_eq!(without_defaults(line["letter"].clone()), without_defaults(in_go.clone()), "{gid}");
        }
        assert_eq!(go.ears.take_all("failed"), [] as [Value; 0]);

        let mut pushes = ours.pushes::<Pushed<L>>();
        let NodeOf::Go(process) = &go.of else { unreachable!("the second is of Go") };
        for is_of_go in [false, true] {
            for uid in uids {
                if is_of_go {
                    let push = json!({ "do": "push", "route": 32, "letter": in_go, "ack": true });
                    process.ask(To::User(uid).gos(push)).await.unwrap();
                } else {
                    rust.cluster().unwrap().push(due::Uid(uid), &Pushed(sent.clone())).await.unwrap();
                }
            }
            assert_eq!(pushes.next().await.unwrap().unwrap().0, sent, "{gid}");
            assert_eq!(without_defaults(theirs.pushed_letter(32).await), without_defaults(in_go.clone()), "{gid}");
        }
    }
}

/// Go leaves out what is empty.
fn without_defaults(letter: Value) -> Value {
    let Value::Object(mut letter) = letter else { panic!("{letter}") };
    letter.retain(|_, value| !value.is_null() && *value != json!([]) && *value != json!(0.0));
    Value::Object(letter)
}
