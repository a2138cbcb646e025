//! Messages with fields, in every codec that both languages have.

use due::codec::{Body, Codec, ProstBody, SerdeBody};
use due::{Client, Context, Push, RouteId};
use prost_types::Field;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::node::{NodeOf, To};
use crate::on_both;
use crate::world::{Fleet, GO_GATE, Place, RUST_GATE, Setup};

on_both!(in_json, in_msgpack, in_proto);

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

async fn in_json(place: Place) {
    travels(&Codec::Json, SerdeBody(letter()), SerdeBody(Letter { number: -6, ..letter() }), place).await;
}

async fn in_msgpack(place: Place) {
    travels(&Codec::MsgPack, SerdeBody(letter()), SerdeBody(Letter { number: -6, ..letter() }), place).await;
}

async fn in_proto(place: Place) {
    let field = Field { name: letter().name, number: -7, packed: true, ..Field::default() };
    travels(&Codec::Proto, ProstBody(field.clone()), ProstBody(Field { number: -6, ..field }), place).await;
}

/// Every client's letter is answered by every node through every gate, and nodes push letters.
async fn travels<L>(codec: &Codec, sent: L, answered: L, place: Place)
where
    L: Body + PartialEq + std::fmt::Debug + Clone,
{
    let setup = Setup { codec: codec.clone(), go_node: json!({ "codec": codec.name() }), ..Setup::default() };
    let fleet = Fleet::with(setup, place).await;
    let in_go = match codec {
        Codec::Proto => json!({ "name": letter().name, "number": -7, "packed": true, "lines": null }),
        _ => serde_json::to_value(letter()).unwrap(),
    };
    let route = if matches!(codec, Codec::Proto) { 33 } else { 31 };
    let next = |letter: &Value| {
        let mut next = letter.clone();
        next["number"] = json!(-6);
        next
    };
    let clients = json!({ "role": "client", "id": "letters", "network": "tcp", "codec": codec.name() });
    let clients = std::sync::Arc::new(crate::go::Go::start(&clients, "").await);
    for (gid, uid) in [(RUST_GATE, 1001), (GO_GATE, 1002)] {
        let url = fleet.url(gid);
        let ours = Client::builder().codec(codec.clone()).connect(url).await.unwrap();
        let [rust, go] = &fleet.nodes;
        let cid = rust.ears.hear_a("connect").await["cid"].as_i64().unwrap();
        for _ in 0..2 {
            assert_eq!(ours.request::<L, L>(RouteId(route), &sent).await.unwrap(), answered, "{gid}");
        }
        let theirs = crate::player::Player::go(&clients, url).await;
        for _ in 0..2 {
            assert_eq!(
                without_defaults(theirs.ask_letter(route, &in_go).await),
                without_defaults(next(&in_go)),
                "{gid}"
            );
        }
        // Two of four went to the node of Go, from clients of both languages.
        for _ in 0..2 {
            let line = go.ears.hear_a("letter").await;
            assert_eq!(without_defaults(line["letter"].clone()), without_defaults(in_go.clone()), "{gid}");
        }
        assert_eq!(go.ears.take_all("failed"), [] as [Value; 0]);

        let mut pushes = ours.pushes::<Pushed<L>>();
        rust.bind(gid, cid, uid).await.unwrap();
        rust.cluster().unwrap().push(due::Uid(uid), &Pushed(sent.clone())).await.unwrap();
        assert_eq!(pushes.next().await.unwrap().unwrap().0, sent);
        let NodeOf::Go(process) = &go.of else { unreachable!("the second is of Go") };
        let push = json!({ "do": "push", "route": 32, "letter": in_go, "ack": true });
        process.ask(To::User(uid).gos(push)).await.unwrap();
        assert_eq!(pushes.next().await.unwrap().unwrap().0, sent);
        rust.ears.hear_a("connect").await;
    }
}

/// Go leaves out what is empty.
fn without_defaults(letter: Value) -> Value {
    let Value::Object(mut letter) = letter else { panic!("{letter}") };
    letter.retain(|_, value| !value.is_null() && *value != json!([]) && *value != json!(0.0));
    Value::Object(letter)
}
