//! prost-reflect reads what we write and writes what we read, for any message of the schemas.

use bytes::{Bytes, BytesMut};
use due::{Body, Codec};
use due_codegen_compile as all;
use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, EnumDescriptor, FieldDescriptor, Kind, MapKey,
    MessageDescriptor, SerializeOptions, Syntax, Value,
};

/// A number sequence from one seed, so that a failure can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> u64 {
        self.roll() % n
    }

    /// Small, large and extreme ones.
    fn integer(&mut self) -> i64 {
        match self.below(4) {
            0 => self.below(3) as i64 - 1,
            1 => i64::MIN,
            2 => i64::MAX,
            _ => self.roll() as i64,
        }
    }

    fn float(&mut self) -> f64 {
        match self.below(5) {
            0 => f64::INFINITY,
            1 => -0.5,
            2 => 1e300,
            3 => self.integer() as f64,
            _ => f64::from(self.roll() as u32) / 7.0,
        }
    }

    fn text(&mut self) -> String {
        let chars = ['a', 'Z', '0', '"', '\\', '\n', '\u{1}', '/', 'é', '路', '🎲', '<'];
        (0..self.below(6)).map(|_| chars[self.below(chars.len() as u64) as usize]).collect()
    }

    fn bytes(&mut self) -> Bytes {
        (0..self.below(7)).map(|_| self.roll() as u8).collect()
    }

    fn message(&mut self, of: &MessageDescriptor, depth: u32) -> DynamicMessage {
        let mut message = DynamicMessage::new(of.clone());
        let mut set = |name: &str, value| message.set_field_by_name(name, value);
        match of.full_name() {
            "google.protobuf.Timestamp" => {
                set("seconds", Value::I64(self.integer().rem_euclid(300_000_000_000) - 60_000_000_000));
                set("nanos", Value::I32(self.below(1_000_000_000) as i32));
            }
            "google.protobuf.Duration" => {
                set("seconds", Value::I64(-(self.below(300_000_000_000) as i64)));
                set("nanos", Value::I32(-(self.below(1_000_000_000) as i32)));
            }
            "google.protobuf.FieldMask" => {
                let path = |n: u64| Value::String(["a", "user_id.name", "b_c"][n as usize].into());
                set("paths", Value::List((0..self.below(3)).map(|_| path(self.below(3))).collect()));
            }
            "google.protobuf.Value" => match self.below(if depth > 3 { 4 } else { 6 }) {
                0 => set("null_value", Value::EnumNumber(0)),
                1 => set("number_value", Value::F64(f64::from(self.roll() as i32) / 8.0)),
                2 => set("string_value", Value::String(self.text())),
                3 => set("bool_value", Value::Bool(self.below(2) == 0)),
                other => {
                    let name = if other == 4 { "struct_value" } else { "list_value" };
                    let field = of.get_field_by_name(name).expect("a field of Value");
                    set(name, self.value(&field.kind(), depth + 1));
                }
            },
            // Theirs writes infinity as null in these.
            "google.protobuf.DoubleValue" => set("value", Value::F64(0.5)),
            "google.protobuf.FloatValue" => set("value", Value::F32(-0.5)),
            _ => {
                for field in of.fields() {
                    let any = matches!(field.kind(), Kind::Message(of) if of.full_name() == "google.protobuf.Any");
                    if !any && (field.is_required() || self.below(3) > 0) && (depth < 4 || field.is_required()) {
                        let value = self.field(&field, depth);
                        message.set_field(&field, value);
                    }
                }
            }
        }
        message
    }

    fn field(&mut self, field: &FieldDescriptor, depth: u32) -> Value {
        if field.is_list() {
            return Value::List((0..self.below(4)).map(|_| self.value(&field.kind(), depth + 1)).collect());
        }
        match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
                let entries = (0..self.below(4)).map(|_| (self.key(&key.kind()), self.value(&value.kind(), depth + 1)));
                Value::Map(entries.collect())
            }
            kind => self.value(&kind, depth + 1),
        }
    }

    fn key(&mut self, kind: &Kind) -> MapKey {
        match self.value(kind, 0) {
            Value::Bool(key) => MapKey::Bool(key),
            Value::I32(key) => MapKey::I32(key),
            Value::I64(key) => MapKey::I64(key),
            Value::U32(key) => MapKey::U32(key),
            Value::U64(key) => MapKey::U64(key),
            Value::String(key) => MapKey::String(key),
            other => panic!("{other:?} is no key"),
        }
    }

    fn value(&mut self, kind: &Kind, depth: u32) -> Value {
        match kind {
            Kind::Double => Value::F64(self.float()),
            Kind::Float => Value::F32(self.float() as f32),
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(self.integer() as i32),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(self.integer()),
            Kind::Uint32 | Kind::Fixed32 => Value::U32(self.integer() as u32),
            Kind::Uint64 | Kind::Fixed64 => Value::U64(self.integer() as u64),
            Kind::Bool => Value::Bool(self.below(2) == 0),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes(self.bytes()),
            Kind::Enum(found) => Value::EnumNumber(self.number(found)),
            Kind::Message(found) => Value::Message(self.message(found, depth)),
        }
    }

    fn number(&mut self, of: &EnumDescriptor) -> i32 {
        let values: Vec<i32> = of.values().map(|value| value.number()).collect();
        let open = of.full_name() != "google.protobuf.NullValue" && of.parent_file().syntax() == Syntax::Proto3;
        match self.below(values.len() as u64 + u64::from(open)) as usize {
            at if at < values.len() => values[at],
            _ => 77,
        }
    }
}

fn encoded<B: Body>(body: &B, codec: &Codec) -> Bytes {
    let mut out = BytesMut::new();
    body.encode_body(codec, &mut out).unwrap();
    out.freeze()
}

fn agree<B: Body + PartialEq + std::fmt::Debug>(pool: &DescriptorPool, seed: u64) {
    let descriptor = pool.get_message_by_name(B::NAME).expect(B::NAME);
    let theirs = Dice(seed | 1).message(&descriptor, 0);
    let ours = B::decode_body(&Codec::Proto, &theirs.encode_to_vec().into()).unwrap();

    for skip_defaults in [true, false] {
        let mut text = Vec::new();
        let options = SerializeOptions::new().skip_default_fields(skip_defaults);
        theirs.serialize_with_options(&mut serde_json::Serializer::new(&mut text), &options).unwrap();
        let read = B::decode_body(&Codec::Json, &text.clone().into());
        assert_eq!(read.unwrap(), ours, "we read {}", String::from_utf8_lossy(&text));
    }

    let text = encoded(&ours, &Codec::Json);
    let mut from = serde_json::Deserializer::from_slice(&text);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let read = DynamicMessage::deserialize_with_options(descriptor, &mut from, &options);
    let read = read.unwrap_or_else(|err| panic!("{err} in {}", String::from_utf8_lossy(&text)));
    let read = B::decode_body(&Codec::Proto, &read.encode_to_vec().into()).unwrap();
    assert_eq!(read, ours, "they read {}", String::from_utf8_lossy(&text));

    for codec in [Codec::Proto, Codec::Json, Codec::MsgPack] {
        assert_eq!(B::decode_body(&codec, &encoded(&ours, &codec)).unwrap(), ours, "{}", codec.name());
    }
}

macro_rules! agree {
    ($($test:ident: $($message:ty),+;)+) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]
            $(#[test]
            fn $test(seed in any::<u64>()) {
                let pool = DescriptorPool::decode(all::DESCRIPTORS).unwrap();
                $(agree::<$message>(&pool, seed);)+
            })+
        }
    };
}

agree! {
    scalars_agree: all::types::v1::Scalars, all::types::v1::Optionals, all::types::v1::Lists;
    maps_agree: all::types::v1::Maps;
    oneofs_agree: all::types::v1::Choice, all::types::v1::Clash;
    recursion_agrees: all::types::v1::Tree, all::types::v1::Branch, all::types::v1::Outer, all::types::v1::outer::middle::Inner;
    well_known_types_agree: all::types::v1::Known, all::types::v1::Wrappers;
    descriptions_of_schemas_agree: all::schemas::v1::Described, all::schemas::v1::Declared;
    names_agree: all::types::v1::Names, all::types::v1::HasAlias, all::types::v1::Nothing;
    keywords_agree: all::r#type::r#match::self_::Fn;
    proto2_agrees: all::legacy::Order;
    hostile_names_agree: all::hostile::Option, all::hostile::Result, all::hostile::String, all::hostile::T, all::hostile::Default;
    other_packages_agree: all::nested::Foo, all::Bare, all::comments::Starred;
}

#[test]
fn not_a_number_agrees() {
    let message = all::types::v1::Scalars { double: f64::NAN, float: f32::NAN, ..Default::default() };
    let text = encoded(&message, &Codec::Json);
    let pool = DescriptorPool::decode(all::DESCRIPTORS).unwrap();
    let descriptor = pool.get_message_by_name("types.v1.Scalars").unwrap();
    let read = DynamicMessage::deserialize(descriptor, &mut serde_json::Deserializer::from_slice(&text)).unwrap();
    assert!(matches!(read.get_field_by_name("double").as_deref(), Some(Value::F64(value)) if value.is_nan()));
    assert!(all::types::v1::Scalars::decode_body(&Codec::Json, &text).unwrap().float.is_nan());
}

#[test]
fn an_alias_is_read_and_the_first_name_written() {
    let read =
        all::types::v1::HasAlias::decode_body(&Codec::Json, &Bytes::from(r#"{"aliased":"ALIASED_UNO"}"#)).unwrap();
    assert_eq!(read.aliased, 1);
    assert_eq!(encoded(&read, &Codec::Json), r#"{"aliased":"ALIASED_ONE"}"#);
}

#[test]
fn an_any_is_its_url_and_bytes() {
    let any = prost_types::Any { type_url: "type.googleapis.com/a.B".into(), value: vec![1] };
    let message = all::types::v1::Known { any: Some(any), ..Default::default() };
    let text = encoded(&message, &Codec::Json);
    assert!(text.ends_with(br#""any":{"typeUrl":"type.googleapis.com/a.B","value":"AQ=="}}"#), "{text:?}");
    assert_eq!(all::types::v1::Known::decode_body(&Codec::Json, &text).unwrap(), message);
}
