//! One message in every codec, and what peers may send.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use prost_types::value::Kind as Json;
use prost_types::{Duration, FieldMask, ListValue, NullValue, Struct, Timestamp, Value};
use serde::Deserialize as _;

use super::body::{decode, encode};
use super::fields::{Enum, EnumTable, Field, Fields, Kind, Map, Msg, Opt, Plain, Rep, Slot, Table, View};
use super::*;

#[derive(Clone, PartialEq, prost::Message)]
struct Sample {
    #[prost(int32, tag = "1")]
    count: i32,
    #[prost(int64, tag = "2")]
    user_id: i64,
    #[prost(uint64, optional, tag = "3")]
    gold: Option<u64>,
    #[prost(float, tag = "4")]
    speed: f32,
    #[prost(double, tag = "5")]
    ratio: f64,
    #[prost(bool, tag = "6")]
    alive: bool,
    #[prost(string, tag = "7")]
    name: String,
    #[prost(bytes = "vec", tag = "8")]
    raw: Vec<u8>,
    #[prost(int32, tag = "9")]
    color: i32,
    #[prost(message, optional, boxed, tag = "10")]
    child: Option<Box<Sample>>,
    #[prost(int64, repeated, tag = "11")]
    scores: Vec<i64>,
    #[prost(btree_map = "bool, message", tag = "12")]
    flags: BTreeMap<bool, Sample>,
    #[prost(btree_map = "int64, string", tag = "13")]
    titles: BTreeMap<i64, String>,
    #[prost(oneof = "Pick", tags = "14, 15, 16")]
    pick: Option<Pick>,
    #[prost(message, optional, tag = "17")]
    at: Option<Timestamp>,
    #[prost(message, optional, tag = "18")]
    span: Option<Duration>,
    #[prost(message, optional, tag = "19")]
    mask: Option<FieldMask>,
    #[prost(message, optional, tag = "20")]
    any: Option<Value>,
    #[prost(message, optional, tag = "21")]
    object: Option<Struct>,
    #[prost(message, optional, tag = "22")]
    wrapped: Option<i64>,
    #[prost(message, optional, tag = "23")]
    empty: Option<()>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum Pick {
    #[prost(string, tag = "14")]
    Word(String),
    #[prost(message, tag = "15")]
    Node(Box<Sample>),
    #[prost(int32, tag = "16")]
    Nothing(i32),
}

struct Color;

impl EnumTable for Color {
    const NAMES: &'static [(i32, &'static str)] = &[(-1, "NONE"), (0, "RED"), (0, "CRIMSON"), (5, "BLUE")];
}

impl Fields for Sample {
    fn table(&self) -> &'static Table {
        const FIELDS: &[Field] = &[
            Field::new("count", "count"),
            Field::new("user_id", "userId"),
            Field::new("gold", "gold"),
            Field::new("speed", "speed"),
            Field::new("ratio", "ratio"),
            Field::new("alive", "alive"),
            Field::new("name", "name"),
            Field::new("raw", "raw"),
            Field::new("color", "color"),
            Field::new("child", "child"),
            Field::new("scores", "scores"),
            Field::new("flags", "flags"),
            Field::new("titles", "titles"),
            Field::new("word", "word").oneof(1),
            Field::new("node", "node").oneof(1),
            Field::new("nothing", "nothing").oneof(1).nullable(),
            Field::new("at", "at"),
            Field::new("span", "span"),
            Field::new("mask", "mask"),
            Field::new("any", "any").nullable(),
            Field::new("object", "object"),
            Field::new("wrapped", "wrapped"),
            Field::new("empty", "empty"),
        ];
        &Table { name: "test.Sample", fields: FIELDS }
    }

    fn view(&self, index: usize) -> View<'_> {
        match index {
            0 => Plain::view(&self.count),
            1 => Plain::view(&self.user_id),
            2 => Opt::<Plain>::view(&self.gold),
            3 => Plain::view(&self.speed),
            4 => Plain::view(&self.ratio),
            5 => Plain::view(&self.alive),
            6 => Plain::view(&self.name),
            7 => Plain::view(&self.raw),
            8 => Enum::<Color>::view(&self.color),
            9 => Opt::<Msg>::view(&self.child),
            10 => Rep::<Plain>::view(&self.scores),
            11 => Map::<Msg>::view(&self.flags),
            12 => Map::<Plain>::view(&self.titles),
            13..=15 => match (index, &self.pick) {
                (13, Some(Pick::Word(value))) => Plain::view(value),
                (14, Some(Pick::Node(value))) => Msg::view(value),
                (15, Some(Pick::Nothing(value))) => Enum::<NullValue>::view(value),
                _ => View::None,
            },
            16 => Opt::<Msg>::view(&self.at),
            17 => Opt::<Msg>::view(&self.span),
            18 => Opt::<Msg>::view(&self.mask),
            19 => Opt::<Msg>::view(&self.any),
            20 => Opt::<Msg>::view(&self.object),
            21 => Opt::<Plain>::view(&self.wrapped),
            22 => Opt::<Msg>::view(&self.empty),
            _ => View::None,
        }
    }

    fn slot(&mut self, index: usize) -> Slot<'_> {
        match index {
            0 => Plain::slot(&mut self.count),
            1 => Plain::slot(&mut self.user_id),
            2 => Opt::<Plain>::slot(&mut self.gold),
            3 => Plain::slot(&mut self.speed),
            4 => Plain::slot(&mut self.ratio),
            5 => Plain::slot(&mut self.alive),
            6 => Plain::slot(&mut self.name),
            7 => Plain::slot(&mut self.raw),
            8 => Enum::<Color>::slot(&mut self.color),
            9 => Opt::<Msg>::slot(&mut self.child),
            10 => Rep::<Plain>::slot(&mut self.scores),
            11 => Map::<Msg>::slot(&mut self.flags),
            12 => Map::<Plain>::slot(&mut self.titles),
            13 => match self.pick.insert(Pick::Word(String::new())) {
                Pick::Word(value) => Plain::slot(value),
                _ => Slot::None,
            },
            14 => match self.pick.insert(Pick::Node(Default::default())) {
                Pick::Node(value) => Msg::slot(value),
                _ => Slot::None,
            },
            15 => match self.pick.insert(Pick::Nothing(0)) {
                Pick::Nothing(value) => Enum::<NullValue>::slot(value),
                _ => Slot::None,
            },
            16 => Opt::<Msg>::slot(&mut self.at),
            17 => Opt::<Msg>::slot(&mut self.span),
            18 => Opt::<Msg>::slot(&mut self.mask),
            19 => Opt::<Msg>::slot(&mut self.any),
            20 => Opt::<Msg>::slot(&mut self.object),
            21 => Opt::<Plain>::slot(&mut self.wrapped),
            22 => Opt::<Msg>::slot(&mut self.empty),
            _ => Slot::None,
        }
    }
}

impl Body for Sample {
    const NAME: &'static str = "test.Sample";

    fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        encode(self, codec, out)
    }

    fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        decode(codec, body)
    }
}

/// YAML would do; JSON without our own door shows the same.
#[derive(Debug)]
struct Foreign;

impl CustomCodec for Foreign {
    fn name(&self) -> &str {
        "foreign"
    }

    fn encode(&self, value: &dyn erased_serde::Serialize, out: &mut BytesMut) -> Result<(), BoxError> {
        out.extend_from_slice(&serde_json::to_vec(value)?);
        Ok(())
    }

    fn decode(&self, body: &[u8], visit: &mut Visit<'_>) -> Result<(), BoxError> {
        let mut from = serde_json::Deserializer::from_slice(body);
        visit(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut from))?;
        Ok(from.end()?)
    }
}

fn codecs() -> [Codec; 5] {
    [Codec::Proto, Codec::Json, Codec::MsgPack, Codec::GoMsgPack, Codec::Custom(Arc::new(Foreign))]
}

fn full() -> Sample {
    let value = |kind| Value { kind: Some(kind) };
    let list = ListValue { values: vec![value(Json::NullValue(0)), value(Json::NumberValue(1.5))] };
    let object = Struct { fields: [("k".into(), value(Json::ListValue(list)))].into() };
    let leaf = Sample { name: "叶".into(), pick: Some(Pick::Nothing(0)), ..Default::default() };
    Sample {
        count: -3,
        user_id: i64::MIN,
        gold: Some(u64::MAX),
        speed: f32::INFINITY,
        ratio: 0.1,
        alive: true,
        name: "a\"\u{1}".into(),
        raw: vec![0xfb, 0xff, 0xfe],
        color: 5,
        child: Some(Box::new(leaf.clone())),
        scores: vec![1, -1, i64::MAX],
        flags: [(true, leaf.clone()), (false, Sample::default())].into(),
        titles: [(-7, "x".into())].into(),
        pick: Some(Pick::Node(Box::new(leaf))),
        at: Some(Timestamp { seconds: 1, nanos: 500_000_000 }),
        span: Some(Duration { seconds: -1, nanos: -1 }),
        mask: Some(FieldMask { paths: vec!["user_id".into(), "child.name".into()] }),
        any: Some(value(Json::StructValue(object.clone()))),
        object: Some(object),
        wrapped: Some(0),
        empty: Some(()),
    }
}

fn encoded(body: &impl Body, codec: &Codec) -> Bytes {
    let mut out = BytesMut::new();
    body.encode_body(codec, &mut out).unwrap();
    out.freeze()
}

fn json<B: Body>(text: &str) -> Result<B, String> {
    B::decode_body(&Codec::Json, &Bytes::copy_from_slice(text.as_bytes())).map_err(|err| {
        let source = std::error::Error::source(&err).unwrap();
        source.to_string()
    })
}

#[test]
fn every_codec_reads_what_it_wrote() {
    for codec in codecs() {
        for message in [Sample::default(), full()] {
            let body = encoded(&message, &codec);
            assert_eq!(Sample::decode_body(&codec, &body).unwrap(), message, "{}", codec.name());
        }
    }
}

#[test]
fn an_empty_body_is_the_default_value() {
    for codec in codecs() {
        assert_eq!(Sample::decode_body(&codec, &Bytes::new()).unwrap(), Sample::default());
        assert_eq!(i64::decode_body(&codec, &Bytes::new()).unwrap(), 0);
        <()>::decode_body(&codec, &Bytes::new()).unwrap();
    }
}

#[test]
fn json_is_canonical_with_default_values() {
    assert_eq!(
        encoded(&Sample::default(), &Codec::Json),
        r#"{"count":0,"userId":"0","speed":0.0,"ratio":0.0,"alive":false,"name":"","raw":"","color":"RED","scores":[],"flags":{},"titles":{}}"#
    );
    let leaf = r#"{"count":0,"userId":"0","speed":0.0,"ratio":0.0,"alive":false,"name":"叶","raw":"","color":"RED","scores":[],"flags":{},"titles":{},"nothing":null}"#;
    let blank = leaf.replace("叶", "").replace(r#","nothing":null"#, "");
    let object = r#"{"k":[null,1.5]}"#;
    assert_eq!(
        encoded(&full(), &Codec::Json),
        format!(
            r#"{{"count":-3,"userId":"-9223372036854775808","gold":"18446744073709551615","speed":"Infinity","ratio":0.1,"alive":true,"name":"a\"\u0001","raw":"+//+","color":"BLUE","child":{leaf},"scores":["1","-1","9223372036854775807"],"flags":{{"false":{blank},"true":{leaf}}},"titles":{{"-7":"x"}},"node":{leaf},"at":"1970-01-01T00:00:01.500Z","span":"-1.000000001s","mask":"userId,child.name","any":{object},"object":{object},"wrapped":"0","empty":{{}}}}"#
        )
    );
    assert_eq!(encoded(&(), &Codec::Json), "{}");
}

#[test]
fn msgpack_has_proto_names_and_native_values() {
    let message = Sample {
        user_id: -1,
        raw: vec![1],
        color: 5,
        at: Some(Timestamp { seconds: 1, nanos: 2 }),
        titles: [(7, "x".into())].into(),
        wrapped: Some(3),
        ..Default::default()
    };
    let expected = [
        b"\xa5count\x00\xa7user_id\xff\xa5speed\xca\0\0\0\0\xa5ratio\xcb\0\0\0\0\0\0\0\0\xa5alive\xc2".as_slice(),
        b"\xa4name\xa0\xa3raw\xc4\x01\x01\xa5color\x05\xa6scores\x90\xa5flags\x80\xa6titles\x81\x07\xa1x",
        b"\xa2at\x82\xa7seconds\x01\xa5nanos\x02\xa7wrapped\x03",
    ]
    .concat();
    let body = encoded(&message, &Codec::MsgPack);
    assert_eq!(body, [&[0x8d], expected.as_slice()].concat());
}

#[test]
fn msgpack_of_go_has_the_names_of_its_structs() {
    let leaf = Sample { name: "x".into(), ..Sample::default() };
    let message =
        Sample { user_id: -1, flags: [(true, leaf.clone())].into(), child: Some(leaf.into()), ..Sample::default() };
    let leaf = [
        b"\x8a\xa5Count\0\xa6UserId\0\xa5Speed\xca\0\0\0\0\xa5Ratio\xcb\0\0\0\0\0\0\0\0\xa5Alive\xc2".as_slice(),
        b"\xa4Name\xa1x\xa3Raw\xc4\0\xa5Color\0\xa6Scores\x90\xa5Flags\x80\xa6Titles\x80",
    ]
    .concat();
    let leaf = [&[0x8b], &leaf[1..]].concat();
    let expected = [
        b"\x8c\xa5Count\0\xa6UserId\xff\xa5Speed\xca\0\0\0\0\xa5Ratio\xcb\0\0\0\0\0\0\0\0\xa5Alive\xc2".as_slice(),
        b"\xa4Name\xa0\xa3Raw\xc4\0\xa5Color\0\xa5Child",
        &leaf,
        b"\xa6Scores\x90\xa5Flags\x81\xc3",
        &leaf,
        b"\xa6Titles\x80",
    ]
    .concat();
    assert_eq!(encoded(&message, &Codec::GoMsgPack), expected);

    // As an encoder of Go has it: full width, and nil where there is nothing.
    let go = b"\x85\xa6UserId\xd3\0\0\0\0\0\0\0\x07\xa3Raw\xc0\xa5Child\xc0\xa6Scores\xc0\xa5Flags\xc0";
    for codec in [Codec::GoMsgPack, Codec::MsgPack] {
        let found = Sample::decode_body(&codec, &Bytes::from_static(go)).unwrap();
        assert_eq!(found, Sample { user_id: 7, ..Sample::default() });
    }
    let json = Bytes::from_static(br#"{"UserId": 7}"#);
    assert_eq!(Sample::decode_body(&Codec::Json, &json).unwrap(), Sample::default(), "JSON has its own names");
}

#[test]
fn json_reads_what_other_writers_write() {
    let read = |text: &str| json::<Sample>(text).unwrap();
    assert_eq!(read(r#"{"user_id":7,"userId":"8"}"#).user_id, 8);
    for text in ["7", "7.0", "0.7e1", r#""7""#, r#""7e0""#] {
        assert_eq!(read(&format!(r#"{{"count":{text},"userId":{text},"gold":{text}}}"#)).gold, Some(7), "{text}");
    }
    assert_eq!(read(r#"{"gold":18446744073709551615}"#).gold, Some(u64::MAX));
    assert_eq!(read(r#"{"color":"CRIMSON"}"#).color, 0);
    assert_eq!(read(r#"{"color":99}"#).color, 99);
    assert_eq!(
        encoded(&read(r#"{"color":99}"#), &Codec::Json),
        encoded(&Sample { color: 99, ..Default::default() }, &Codec::Json)
    );
    for text in ["-_8", "-_8=", "+/8", "+/8="] {
        assert_eq!(read(&format!(r#"{{"raw":"{text}"}}"#)).raw, [0xfb, 0xff], "{text}");
    }
    assert_eq!(read(r#"{"unknown":{"a":[{}]},"count":1}"#).count, 1);
    assert_eq!(read(r#"{"count":1,"count":2}"#).count, 2);
    assert_eq!(read(r#"{"scores":[1],"scores":["2"]}"#).scores, [2]);
    let nulls = r#"{"count":null,"name":null,"child":null,"scores":null,"titles":null,"word":null,"wrapped":null}"#;
    assert_eq!(read(nulls), Sample::default());
    assert_eq!(read(r#"{"any":null}"#).any, Some(Value { kind: Some(Json::NullValue(0)) }));
    assert_eq!(read(r#"{"word":null,"nothing":null}"#).pick, Some(Pick::Nothing(0)));
    assert_eq!(read(r#"{"ratio":"-Infinity","speed":"1.5"}"#).ratio, f64::NEG_INFINITY);
    assert!(read(r#"{"ratio":"NaN"}"#).ratio.is_nan());
    assert_eq!(read(r#"{"at":"1970-01-01T01:00:01+01:00"}"#).at, Some(Timestamp { seconds: 1, nanos: 0 }));
}

#[test]
fn json_errors_name_the_field() {
    for (text, error) in [
        (r#"{"count":2147483648}"#, "count: 2147483648 is out of range"),
        (r#"{"gold":-1}"#, "gold: -1 is out of range"),
        (r#"{"count":1.5}"#, "count: invalid value: floating point `1.5`, expected an integer"),
        (r#"{"count":"+1"}"#, r#"count: invalid value: string "+1", expected an integer"#),
        (r#"{"count":" 1"}"#, r#"count: invalid value: string " 1", expected an integer"#),
        (r#"{"count":true}"#, "count: invalid type: boolean `true`, expected an integer"),
        (r#"{"speed":1e39}"#, "speed: 1e39 is out of range"),
        (r#"{"ratio":"inf"}"#, r#"ratio: invalid value: string "inf", expected a number"#),
        (r#"{"name":1}"#, "name: invalid type: a number, expected text"),
        (r#"{"alive":"true"}"#, r#"alive: invalid type: string "true", expected a bool"#),
        (r#"{"color":"PINK"}"#, "color: `PINK` is not a name of the enum"),
        (r#"{"raw":"*"}"#, "raw: not base64: Invalid symbol 42, offset 0."),
        (r#"{"scores":[null]}"#, "scores: invalid type: null, expected an integer"),
        (r#"{"titles":{"x":""}}"#, "titles: `x` is not a key of this map"),
        (r#"{"word":"","node":{}}"#, "node: its oneof is set already"),
        (r#"{"child":{"node":{"count":[]}}}"#, "child: node: count: invalid type: sequence, expected an integer"),
        (
            r#"{"at":"10000-01-01T00:00:00Z"}"#,
            r#"at: invalid value: string "10000-01-01T00:00:00Z", expected a time as 2006-01-02T15:04:05Z"#,
        ),
        (r#"{"span":"1"}"#, r#"span: invalid value: string "1", expected a duration as 1.5s"#),
        (r#"{"mask":"a_b"}"#, r#"mask: invalid value: string "a_b", expected paths as a,b.cD"#),
    ] {
        let found = json::<Sample>(text).unwrap_err();
        assert!(found.starts_with(error), "{text}\n  {found}\n  {error}");
    }
    assert!(json::<Sample>("{} {}").unwrap_err().starts_with("trailing characters"));
    assert!(json::<Sample>("[]").unwrap_err().starts_with("invalid type: sequence"));
    let deep = r#"{"child":"#.repeat(200) + "{}" + &"}".repeat(200);
    assert!(json::<Sample>(&deep).unwrap_err().contains("recursion limit exceeded"));
}

#[test]
fn what_json_cannot_say_is_an_error() {
    let mut out = BytesMut::new();
    for message in [
        Sample { at: Some(Timestamp { seconds: i64::MAX, nanos: 0 }), ..Default::default() },
        Sample { span: Some(Duration { seconds: 1, nanos: -1 }), ..Default::default() },
        Sample { mask: Some(FieldMask { paths: vec!["aB".into()] }), ..Default::default() },
        Sample { any: Some(Value { kind: Some(Json::NumberValue(f64::NAN)) }), ..Default::default() },
    ] {
        let err = message.encode_body(&Codec::Json, &mut out).unwrap_err();
        assert_eq!(err.to_string(), "cannot write test.Sample as json");
        message.encode_body(&Codec::MsgPack, &mut out).unwrap();
    }
}

#[test]
fn msgpack_is_read_with_its_limits() {
    let read = |body: &[u8]| Sample::decode_body(&Codec::MsgPack, &Bytes::copy_from_slice(body));
    // {"user_id": int8 -1, "raw": str "ab", "color": "BLUE", 1: nil}
    let body = b"\x84\xa7user_id\xd0\xff\xa3raw\xa2ab\xa5color\xa4BLUE\x01\xc0";
    let found = read(body).unwrap();
    assert_eq!((found.user_id, found.raw.as_slice(), found.color), (-1, b"ab".as_slice(), 5));
    assert!(read(b"\x80\x80").is_err());
    assert!(read(b"\x81\xa5count\xcf\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    // A list that says it has 2^32 - 1 elements.
    assert!(read(b"\x81\xa6scores\xdd\xff\xff\xff\xff\x01").is_err());
    assert!(read(&b"\x81\xa5child".repeat(20_000)).is_err());
    assert!(read(&[b"\x81\xa1x".as_slice(), &b"\x91".repeat(20_000)].concat()).is_err());
}

#[test]
fn scalars_raw_bytes_and_own_types_travel() {
    #[derive(serde::Serialize, serde::Deserialize, PartialEq, Debug, Default)]
    #[serde(default)]
    struct Own {
        user_id: i64,
    }
    assert_eq!(encoded(&7i64, &Codec::Json), r#""7""#);
    assert_eq!(encoded(&vec![1u8], &Codec::MsgPack), b"\xc4\x01\x01".as_slice());
    assert_eq!(encoded(&RawBody(Bytes::from_static(b"x")), &Codec::Proto), "x");
    for codec in codecs() {
        assert_eq!(String::decode_body(&codec, &encoded(&"é".to_owned(), &codec)).unwrap(), "é");
        let own = SerdeBody(Own { user_id: 1 });
        match codec {
            Codec::Proto => {
                let err = own.encode_body(&codec, &mut BytesMut::new()).unwrap_err().to_string();
                assert!(err.contains("Own` cannot travel as proto: it is a serde type; choose the codec"), "{err}");
            }
            _ => assert_eq!(SerdeBody::decode_body(&codec, &encoded(&own, &codec)).unwrap(), own),
        }
    }
    assert_eq!(encoded(&SerdeBody(Own { user_id: 1 }), &Codec::Json), r#"{"user_id":1}"#);
    let empty = SerdeBody::<Own>::decode_body(&Codec::MsgPack, &Bytes::new()).unwrap();
    assert_eq!(empty.0, Own::default());
    assert!(ProstBody::<Sample>::supports(&Codec::Proto).is_ok());
    assert!(ProstBody::<Sample>::supports(&Codec::Json).is_err());
}

#[test]
fn codecs_are_known_by_name() {
    assert_eq!(Codec::named("msgpack").unwrap(), Codec::MsgPack);
    let err = Codec::named("xml").unwrap_err().to_string();
    assert!(err.starts_with("no codec is named `xml`; known are json, msgpack, msgpack-go, proto"), "{err}");
    let foreign = Codec::register(Foreign);
    assert_eq!(Codec::named("foreign").unwrap(), foreign);
}

#[test]
fn serde_impls_are_the_codecs() {
    struct Serde(Sample);
    impl serde::Serialize for Serde {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            write::serialize(&self.0, to)
        }
    }
    impl<'de> serde::Deserialize<'de> for Serde {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            read::deserialize(from).map(Self)
        }
    }
    let text = serde_json::to_vec(&Serde(full())).unwrap();
    assert_eq!(text, encoded(&full(), &Codec::Json));
    let value: serde_json::Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(Serde::deserialize(value).unwrap().0, full());
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let bytes = Bytes::from(bytes);
        for codec in codecs() {
            if let Ok(message) = Sample::decode_body(&codec, &bytes) {
                let _ = message.encode_body(&codec, &mut BytesMut::new());
            }
        }
    }

    #[test]
    fn any_spoiled_message_is_a_message_or_an_error(at in 0usize..2000, byte in any::<u8>(), cut in 0usize..2000) {
        for codec in codecs() {
            let mut body = encoded(&full(), &codec).to_vec();
            body.truncate(cut);
            let len = body.len().max(1);
            if let Some(place) = body.get_mut(at % len) {
                *place = byte;
            }
            let _ = Sample::decode_body(&codec, &Bytes::from(body));
        }
    }

    #[test]
    fn any_text_of_a_well_known_type_is_read_or_refused(text in "[0-9T:+.Zs-]{0,40}") {
        let _ = json::<Timestamp>(&format!("\"{text}\""));
        let _ = json::<Duration>(&format!("\"{text}\""));
    }

    #[test]
    fn any_time_that_json_can_say_is_read_back(seconds in -62_135_596_800i64..=253_402_300_799, nanos in 0..1_000_000_000i32) {
        let at = Timestamp { seconds, nanos };
        let body = encoded(&at, &Codec::Json);
        prop_assert_eq!(Timestamp::decode_body(&Codec::Json, &body).unwrap(), at);
    }
}

#[test]
fn what_describes_schemas_has_the_canonical_json() {
    use prost_types::field_descriptor_proto::{Label, Type};
    use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorProto, Method, field};

    let mut field = FieldDescriptorProto { name: Some("a".into()), number: Some(1), ..Default::default() };
    field.set_label(Label::Repeated);
    field.set_type(Type::Sint32);
    let message = DescriptorProto { name: Some("M".into()), field: vec![field], ..Default::default() };
    let file = FileDescriptorProto { message_type: vec![message], public_dependency: vec![2], ..Default::default() };
    // What proto2 declares has a presence of its own, and is left out while unset.
    let text = "{\"dependency\":[],\"publicDependency\":[2],\"weakDependency\":[],\"messageType\":[{\"name\":\"M\",\"field\":[\
        {\"name\":\"a\",\"number\":1,\"label\":\"LABEL_REPEATED\",\"type\":\"TYPE_SINT32\"}],\"extension\":[],\"nestedType\":[],\
        \"enumType\":[],\"extensionRange\":[],\"oneofDecl\":[],\"reservedRange\":[],\"reservedName\":[]}],\"enumType\":[],\
        \"service\":[],\"extension\":[]}";
    let mut out = BytesMut::new();
    file.encode_body(&Codec::Json, &mut out).unwrap();
    assert_eq!(std::str::from_utf8(&out).unwrap(), text);
    for codec in [Codec::Json, Codec::MsgPack, Codec::Proto] {
        let mut out = BytesMut::new();
        file.encode_body(&codec, &mut out).unwrap();
        assert_eq!(FileDescriptorProto::decode_body(&codec, &out.freeze()).unwrap(), file);
    }
    // proto3, and a name that Rust has for itself.
    let kind = prost_types::Field { kind: field::Kind::TypeGroup.into(), json_name: "x".into(), ..Default::default() };
    let mut out = BytesMut::new();
    prost_types::Type { fields: vec![kind], ..Default::default() }.encode_body(&Codec::Json, &mut out).unwrap();
    let text = std::str::from_utf8(&out).unwrap();
    assert!(text.contains("\"kind\":\"TYPE_GROUP\"") && text.contains("\"jsonName\":\"x\""), "{text}");
    let json = br#"{"requestTypeUrl":"r","syntax":"SYNTAX_PROTO3","options":[{"name":"o"}]}"#;
    let method = Method::decode_body(&Codec::Json, &Bytes::from_static(json)).unwrap();
    assert_eq!((method.request_type_url.as_str(), method.syntax, method.options[0].name.as_str()), ("r", 1, "o"));
}
