//! From any self-describing serde format into a message. Whatever a peer sends ends in a message or an error that names
//! the field; nothing is allocated on the word of a length.

use std::fmt;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};

use super::body::malformed;
use super::fields::{Fields, Key, ListSlot, MapSlot, Slot, Table};
use super::known::KnownMut;
use super::{BoxError, Codec, DecodeError, json, msgpack};

/// `serde::Deserialize` of generated messages.
pub fn deserialize<'de, M: Fields + Default, D: Deserializer<'de>>(from: D) -> Result<M, D::Error> {
    let mut message = M::default();
    Fill(Slot::Message(&mut message)).deserialize(from)?;
    Ok(message)
}

pub(super) fn decode(message: &mut dyn Fields, codec: &Codec, body: &Bytes) -> Result<(), DecodeError> {
    decode_slot(message.table().name, Slot::Message(message), codec, body)
}

pub(super) fn decode_slot(name: &'static str, slot: Slot<'_>, codec: &Codec, body: &Bytes) -> Result<(), DecodeError> {
    if body.is_empty() {
        return Ok(());
    }
    match codec {
        Codec::Proto => Err("a slot has no protobuf form".into()),
        Codec::Json => json::decode_with(body, Fill(slot)).map_err(BoxError::from),
        Codec::MsgPack | Codec::GoMsgPack => msgpack::decode_with(body, Fill(slot)).map_err(BoxError::from),
        Codec::Custom(custom) => {
            let mut slot = Some(slot);
            custom.decode(body, &mut |from| match slot.take() {
                Some(slot) => Fill(slot).deserialize(from),
                None => Err(Error::custom("the body was read already")),
            })
        }
    }
    .map_err(|err| malformed(name, codec, err))
}

/// Reads one value into a slot.
pub(super) struct Fill<'a>(pub(super) Slot<'a>);

impl<'de> DeserializeSeed<'de> for Fill<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        let human = from.is_human_readable();
        match self.0 {
            Slot::None => from.deserialize_ignored_any(IgnoredAny).map(drop),
            Slot::List(list) => from.deserialize_seq(List(list)),
            Slot::Map(map) => from.deserialize_map(Map(map)),
            Slot::Message(message) if human && message.known().is_some() => match message.known_mut() {
                Some(known) => known.read(from),
                None => Ok(()),
            },
            Slot::Message(message) => from.deserialize_map(Message { message, human }),
            slot => from.deserialize_any(Scalar { slot, human }),
        }
    }
}

struct Message<'a> {
    message: &'a mut dyn Fields,
    human: bool,
}

impl<'de> Visitor<'de> for Message<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map with the fields of {}", self.message.table().name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let table = self.message.table();
        let mut hint = 0;
        let mut oneofs = Vec::new();
        while let Some(found) = map.next_key_seed(FieldName { table, hint, human: self.human })? {
            let Some((index, field)) = found.and_then(|index| Some((index, table.fields.get(index)?))) else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            hint = index + 1;
            let set = map
                .next_value_seed(FieldValue { message: &mut *self.message, index, nullable: field.nullable })
                .map_err(|err| A::Error::custom(format_args!("{}: {err}", field.name)))?;
            if set && field.oneof != 0 {
                if oneofs.contains(&field.oneof) {
                    return Err(A::Error::custom(format_args!("{}: its oneof is set already", field.name)));
                }
                oneofs.push(field.oneof);
            }
        }
        Ok(())
    }
}

struct FieldName {
    table: &'static Table,
    hint: usize,
    human: bool,
}

impl<'de> DeserializeSeed<'de> for FieldName {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_identifier(self)
    }
}

impl Visitor<'_> for FieldName {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let found = self.table.find(name, self.hint);
        Ok(if self.human { found } else { found.or_else(|| self.table.find_in_go(name)) })
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// The answer says whether the field is set now.
struct FieldValue<'a> {
    message: &'a mut dyn Fields,
    index: usize,
    nullable: bool,
}

impl<'de> DeserializeSeed<'de> for FieldValue<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for FieldValue<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E: Error>(self) -> Result<bool, E> {
        if self.nullable {
            set_null(self.message.slot(self.index));
        }
        Ok(self.nullable)
    }

    fn visit_unit<E: Error>(self) -> Result<bool, E> {
        self.visit_none()
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        Fill(self.message.slot(self.index)).deserialize(from)?;
        Ok(true)
    }
}

fn set_null(slot: Slot<'_>) {
    match slot {
        Slot::Enum(number, _) => *number = 0,
        Slot::Message(message) => {
            if let Some(KnownMut::Value(value)) = message.known_mut() {
                value.kind = Some(prost_types::value::Kind::NullValue(0));
            }
        }
        _ => {}
    }
}

struct List<'a>(Box<dyn ListSlot + 'a>);

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Element(&mut *self.0))?.is_some() {}
        Ok(())
    }
}

struct Element<'a>(&'a mut dyn ListSlot);

impl<'de> DeserializeSeed<'de> for Element<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        Fill(self.0.push()).deserialize(from)
    }
}

struct Map<'a>(Box<dyn MapSlot + 'a>);

impl<'de> Visitor<'de> for Map<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(slot) = map.next_key_seed(EntryKey(&mut *self.0))? {
            map.next_value_seed(Fill(slot))?;
        }
        Ok(())
    }
}

struct EntryKey<'a>(&'a mut dyn MapSlot);

impl<'a, 'de> DeserializeSeed<'de> for EntryKey<'a> {
    type Value = Slot<'a>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Slot<'a>, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'a> EntryKey<'a> {
    fn insert<E: Error>(self, key: Key<'_>) -> Result<Slot<'a>, E> {
        self.0.insert(key).ok_or_else(|| match key {
            Key::Text(key) => E::custom(format_args!("`{}` is not a key of this map", key.escape_debug())),
            Key::I64(key) => E::custom(format_args!("{key} is not a key of this map")),
            Key::U64(key) => E::custom(format_args!("{key} is not a key of this map")),
            Key::Bool(key) => E::custom(format_args!("{key} is not a key of this map")),
        })
    }
}

impl<'a> Visitor<'_> for EntryKey<'a> {
    type Value = Slot<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Slot<'a>, E> {
        self.insert(Key::Text(key))
    }

    fn visit_i64<E: Error>(self, key: i64) -> Result<Slot<'a>, E> {
        self.insert(Key::I64(key))
    }

    fn visit_u64<E: Error>(self, key: u64) -> Result<Slot<'a>, E> {
        self.insert(Key::U64(key))
    }

    fn visit_bool<E: Error>(self, key: bool) -> Result<Slot<'a>, E> {
        self.insert(Key::Bool(key))
    }
}

/// Numbers are read in every width that holds them, from text too, and never cut.
struct Scalar<'a> {
    slot: Slot<'a>,
    human: bool,
}

impl Scalar<'_> {
    fn integer<E: Error>(self, value: i128) -> Result<(), E> {
        let range = |_| E::custom(format_args!("{value} is out of range"));
        match self.slot {
            Slot::I32(slot) | Slot::Enum(slot, _) => *slot = value.try_into().map_err(range)?,
            Slot::I64(slot) => *slot = value.try_into().map_err(range)?,
            Slot::U32(slot) => *slot = value.try_into().map_err(range)?,
            Slot::U64(slot) => *slot = value.try_into().map_err(range)?,
            Slot::F32(slot) => *slot = value as f32,
            Slot::F64(slot) => *slot = value as f64,
            _ => return Err(E::invalid_type(Unexpected::Other("a number"), &self)),
        }
        Ok(())
    }

    fn float<E: Error>(self, value: f64) -> Result<(), E> {
        match self.slot {
            Slot::F64(slot) => *slot = value,
            Slot::F32(slot) => {
                let narrow = value as f32;
                if narrow.is_infinite() && value.is_finite() {
                    return Err(E::custom(format_args!("{value:e} is out of range")));
                }
                *slot = narrow;
            }
            // Every f64 below 2^64 without a fraction is an i128.
            _ if value.fract() == 0.0 && value.abs() < 2f64.powi(65) => {
                return self.integer(value as i128);
            }
            _ => return Err(E::invalid_value(Unexpected::Float(value), &self)),
        }
        Ok(())
    }

    fn number<E: Error>(self, text: &str) -> Result<(), E> {
        let float = matches!(self.slot, Slot::F32(_) | Slot::F64(_));
        match text {
            "NaN" if float => return self.float(f64::NAN),
            "Infinity" if float => return self.float(f64::INFINITY),
            "-Infinity" if float => return self.float(f64::NEG_INFINITY),
            _ => {}
        }
        // Rust also reads `+1` and `inf`, JSON does not.
        let plausible =
            text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) && !text.starts_with('+');
        if let (true, Ok(integer)) = (plausible, text.parse()) {
            return self.integer(integer);
        }
        match text.parse::<f64>() {
            Ok(value) if plausible && value.is_finite() => self.float(value),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

impl Visitor<'_> for Scalar<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.slot {
            Slot::Bool(_) => "a bool",
            Slot::Str(_) => "text",
            Slot::Vec(_) | Slot::Bytes(_) if self.human => "base64 text",
            Slot::Vec(_) | Slot::Bytes(_) => "bytes",
            Slot::Enum(..) => "the name or number of an enum's value",
            Slot::F32(_) | Slot::F64(_) => "a number",
            _ => "an integer",
        })
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.slot {
            Slot::Bool(slot) => {
                *slot = value;
                Ok(())
            }
            _ => Err(E::invalid_type(Unexpected::Bool(value), &self)),
        }
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        match self.slot {
            Slot::Bool(_) | Slot::Str(_) | Slot::Vec(_) | Slot::Bytes(_) => {
                Err(E::invalid_type(Unexpected::Float(value), &self))
            }
            _ => self.float(value),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.slot {
            Slot::Str(slot) => text.clone_into(slot),
            Slot::Enum(slot, names) => {
                *slot = names
                    .number(text)
                    .ok_or_else(|| E::custom(format_args!("`{}` is not a name of the enum", text.escape_debug())))?;
            }
            Slot::Vec(slot) => *slot = bytes_of(text, self.human)?,
            Slot::Bytes(slot) => *slot = bytes_of(text, self.human)?.into(),
            Slot::Bool(_) => return Err(E::invalid_type(Unexpected::Str(text), &self)),
            _ => return self.number(text),
        }
        Ok(())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<(), E> {
        match self.slot {
            Slot::Vec(slot) => *slot = bytes.to_vec(),
            Slot::Bytes(slot) => *slot = Bytes::copy_from_slice(bytes),
            _ => return Err(E::invalid_type(Unexpected::Bytes(bytes), &self)),
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.slot {
            Slot::Enum(slot, names) if names.null => {
                *slot = 0;
                Ok(())
            }
            _ => Err(E::invalid_type(Unexpected::Unit, &self)),
        }
    }
}

const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

fn bytes_of<E: Error>(text: &str, human: bool) -> Result<Vec<u8>, E> {
    if !human {
        return Ok(text.as_bytes().to_vec());
    }
    let decoded = if text.contains(['-', '_']) {
        LENIENT.decode(text.replace('-', "+").replace('_', "/"))
    } else {
        LENIENT.decode(text)
    };
    decoded.map_err(|err| E::custom(format_args!("not base64: {err}")))
}
