//! From a message to any serde format: canonical proto3 JSON where the format is for people, else plain values.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;
use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use super::body::unwritable;
use super::fields::{Fields, View};
use super::go::InGo;
use super::{BoxError, Codec, EncodeError, json, msgpack};

/// `serde::Serialize` of generated messages.
pub fn serialize<S: Serializer>(message: &dyn Fields, to: S) -> Result<S::Ok, S::Error> {
    let human = to.is_human_readable();
    if let (true, Some(known)) = (human, message.known()) {
        return known.write(to);
    }
    let fields = message.table().fields;
    let set = || (0..fields.len()).filter(|&index| !matches!(message.view(index), View::None)).count();
    let mut map = to.serialize_map(if human { None } else { Some(set()) })?;
    for (index, field) in fields.iter().enumerate() {
        match message.view(index) {
            View::None => {}
            view => map.serialize_entry(if human { field.json } else { field.name }, &view)?,
        }
    }
    map.end()
}

pub(super) fn encode(message: &dyn Fields, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
    encode_view(message.table().name, &View::Message(message), codec, out)
}

pub(super) fn encode_view(
    name: &'static str,
    view: &View<'_>,
    codec: &Codec,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    match codec {
        Codec::Proto => Err("a view has no protobuf form".into()),
        Codec::Json => json::encode(view, out).map_err(BoxError::from),
        Codec::MsgPack => msgpack::encode(view, out).map_err(BoxError::from),
        Codec::GoMsgPack => msgpack::encode(&InGo(view), out).map_err(BoxError::from),
        Codec::Custom(custom) => custom.encode(view, out),
    }
    .map_err(|err| unwritable(name, codec, err))
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let human = to.is_human_readable();
        match self {
            Self::None => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::I32(value) => to.serialize_i32(*value),
            Self::U32(value) => to.serialize_u32(*value),
            Self::I64(value) if human => to.collect_str(value),
            Self::I64(value) => to.serialize_i64(*value),
            Self::U64(value) if human => to.collect_str(value),
            Self::U64(value) => to.serialize_u64(*value),
            Self::F32(value) if human && !value.is_finite() => to.serialize_str(not_finite(f64::from(*value))),
            Self::F32(value) => to.serialize_f32(*value),
            Self::F64(value) if human && !value.is_finite() => to.serialize_str(not_finite(*value)),
            Self::F64(value) => to.serialize_f64(*value),
            Self::Str(value) => to.serialize_str(value),
            Self::Bytes(value) if human => to.serialize_str(&STANDARD.encode(value)),
            Self::Bytes(value) => to.serialize_bytes(value),
            Self::Enum(_, names) if human && names.null => to.serialize_unit(),
            Self::Enum(number, names) => match names.name(*number) {
                Some(name) if human => to.serialize_str(name),
                _ => to.serialize_i32(*number),
            },
            Self::Message(message) => serialize(*message, to),
            Self::List(list) => {
                let mut seq = to.serialize_seq(Some(list.len()))?;
                for index in 0..list.len() {
                    seq.serialize_element(&list.at(index))?;
                }
                seq.end()
            }
            Self::Map(entries) => {
                let mut map = to.serialize_map(Some(entries.len()))?;
                let mut result = Ok(());
                entries.each(&mut |key, value| {
                    result = if human {
                        map.serialize_entry(&TextKey(key), &value)
                    } else {
                        map.serialize_entry(&key, &value)
                    };
                    result.is_ok()
                });
                result?;
                map.end()
            }
        }
    }
}

fn not_finite(value: f64) -> &'static str {
    match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    }
}

/// A map's key as JSON needs it.
struct TextKey<'a>(View<'a>);

impl Serialize for TextKey<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            View::Str(key) => to.serialize_str(key),
            View::Bool(key) => to.serialize_str(if key { "true" } else { "false" }),
            View::I32(key) => to.collect_str(&key),
            View::U32(key) => to.collect_str(&key),
            View::I64(key) => to.collect_str(&key),
            View::U64(key) => to.collect_str(&key),
            _ => Err(S::Error::custom("a map's key is a number, a bool or text")),
        }
    }
}
