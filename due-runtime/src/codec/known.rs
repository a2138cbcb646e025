//! The well-known types: their fields, and the JSON forms that proto3 gives them.

use std::fmt;

use prost_types::value::Kind as Value;
use prost_types::{Any, Duration, FieldMask, ListValue, NullValue, Struct, Timestamp};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};

use super::fields::{Enum, Field, Fields, Kind, Map, Msg, Plain, Rep, Slot, Table, View};

/// A well-known type with a JSON form of its own.
#[allow(missing_docs)]
pub enum Known<'a> {
    Timestamp(&'a Timestamp),
    Duration(&'a Duration),
    FieldMask(&'a FieldMask),
    Struct(&'a Struct),
    Value(&'a prost_types::Value),
    ListValue(&'a ListValue),
}

/// [`Known`], to read into.
#[allow(missing_docs)]
pub enum KnownMut<'a> {
    Timestamp(&'a mut Timestamp),
    Duration(&'a mut Duration),
    FieldMask(&'a mut FieldMask),
    Struct(&'a mut Struct),
    Value(&'a mut prost_types::Value),
    ListValue(&'a mut ListValue),
}

const NANOS: i32 = 1_000_000_000;
/// 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
const TIMESTAMP_SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
/// 10,000 years.
const DURATION_SECONDS: std::ops::RangeInclusive<i64> = -315_576_000_000..=315_576_000_000;

impl Known<'_> {
    pub(super) fn write<S: Serializer>(self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Timestamp(time) if is_timestamp(time) => to.collect_str(time),
            Self::Timestamp(_) => Err(S::Error::custom("a timestamp outside of the years 1 to 9999")),
            Self::Duration(span) if is_duration(span) => to.collect_str(span),
            Self::Duration(_) => Err(S::Error::custom("a duration of more than 10,000 years or mixed signs")),
            Self::FieldMask(mask) => {
                let paths: Option<Vec<_>> = mask.paths.iter().map(|path| camel(path)).collect();
                let paths = paths.ok_or_else(|| S::Error::custom("a path of the mask has no JSON form"))?;
                to.serialize_str(&paths.join(","))
            }
            Self::Struct(value) => to.collect_map(value.fields.iter().map(|(key, value)| (key, Json(value)))),
            Self::Value(value) => Json(value).serialize(to),
            Self::ListValue(list) => to.collect_seq(list.values.iter().map(Json)),
        }
    }
}

impl KnownMut<'_> {
    pub(super) fn read<'de, D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        match self {
            Self::Timestamp(time) => {
                *time = from.deserialize_str(Text("a time as 2006-01-02T15:04:05Z", timestamp))?;
            }
            Self::Duration(span) => *span = from.deserialize_str(Text("a duration as 1.5s", duration))?,
            Self::FieldMask(mask) => *mask = from.deserialize_str(Text("paths as a,b.cD", field_mask))?,
            Self::Struct(value) => *value = from.deserialize_map(StructVisitor)?,
            Self::Value(value) => *value = from.deserialize_any(ValueVisitor)?,
            Self::ListValue(list) => *list = from.deserialize_seq(ListVisitor)?,
        }
        Ok(())
    }
}

fn is_timestamp(time: &Timestamp) -> bool {
    TIMESTAMP_SECONDS.contains(&time.seconds) && (0..NANOS).contains(&time.nanos)
}

fn is_duration(span: &Duration) -> bool {
    DURATION_SECONDS.contains(&span.seconds)
        && (1 - NANOS..NANOS).contains(&span.nanos)
        && span.seconds.signum() * i64::from(span.nanos.signum()) >= 0
}

fn timestamp(text: &str) -> Option<Timestamp> {
    // prost also reads years of any size, dates alone and blanks for the `T`.
    let shape = |(index, byte): (usize, &u8)| match index {
        4 | 7 => *byte == b'-',
        10 => *byte == b'T',
        _ => byte.is_ascii_digit(),
    };
    if text.len() < 20 || !text.is_ascii() || !text.as_bytes().iter().take(11).enumerate().all(shape) {
        return None;
    }
    if !text.ends_with('Z') && !text.get(19..)?.contains(['+', '-']) {
        return None;
    }
    text.parse().ok().filter(is_timestamp)
}

fn duration(text: &str) -> Option<Duration> {
    let text = text.strip_suffix('s')?;
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |text| (true, text));
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(seconds) || !digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let seconds: i64 = seconds.parse().ok()?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    let span = if negative { Duration { seconds: -seconds, nanos: -nanos } } else { Duration { seconds, nanos } };
    Some(span).filter(is_duration)
}

fn field_mask(text: &str) -> Option<FieldMask> {
    let paths = text.split(',').filter(|path| !path.is_empty()).map(snake).collect::<Option<_>>()?;
    Some(FieldMask { paths })
}

/// `user_name` to `userName`, if that can be read back.
fn camel(path: &str) -> Option<String> {
    let mut camel = String::with_capacity(path.len());
    let mut chars = path.chars();
    while let Some(c) = chars.next() {
        match c {
            '_' => camel.push(chars.next().filter(char::is_ascii_lowercase)?.to_ascii_uppercase()),
            c if c.is_ascii_uppercase() => return None,
            c => camel.push(c),
        }
    }
    Some(camel)
}

fn snake(path: &str) -> Option<String> {
    let mut snake = String::with_capacity(path.len() + 4);
    for c in path.chars() {
        match c {
            '_' => return None,
            c if c.is_ascii_uppercase() => snake.extend(['_', c.to_ascii_lowercase()]),
            c => snake.push(c),
        }
    }
    Some(snake)
}

/// What is wanted, and how its text is read.
struct Text<T>(&'static str, fn(&str) -> Option<T>);

impl<T> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        (self.1)(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

/// A `google.protobuf.Value` as the JSON it stands for.
struct Json<'a>(&'a prost_types::Value);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match &self.0.kind {
            None | Some(Value::NullValue(_)) => to.serialize_unit(),
            Some(Value::NumberValue(number)) if number.is_finite() => to.serialize_f64(*number),
            Some(Value::NumberValue(_)) => Err(S::Error::custom("a Value cannot be NaN or infinite")),
            Some(Value::StringValue(text)) => to.serialize_str(text),
            Some(Value::BoolValue(value)) => to.serialize_bool(*value),
            Some(Value::StructValue(value)) => Known::Struct(value).write(to),
            Some(Value::ListValue(list)) => Known::ListValue(list).write(to),
        }
    }
}

struct StructVisitor;

impl<'de> Visitor<'de> for StructVisitor {
    type Value = Struct;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Struct, A::Error> {
        let mut value = Struct::default();
        while let Some(key) = map.next_key()? {
            value.fields.insert(key, map.next_value_seed(ValueVisitor)?);
        }
        Ok(value)
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = ListValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<ListValue, A::Error> {
        let mut list = ListValue::default();
        while let Some(value) = seq.next_element_seed(ValueVisitor)? {
            list.values.push(value);
        }
        Ok(list)
    }
}

struct ValueVisitor;

impl<'de> DeserializeSeed<'de> for ValueVisitor {
    type Value = prost_types::Value;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = prost_types::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Value::NullValue(0).into_value())
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Value::BoolValue(value).into_value())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Value::NumberValue(value as f64).into_value())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Value::NumberValue(value as f64).into_value())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Value::NumberValue(value).into_value())
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Value::StringValue(text.into()).into_value())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        Ok(Value::ListValue(ListVisitor.visit_seq(seq)?).into_value())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Ok(Value::StructValue(StructVisitor.visit_map(map)?).into_value())
    }
}

trait IntoValue {
    fn into_value(self) -> prost_types::Value;
}

impl IntoValue for Value {
    fn into_value(self) -> prost_types::Value {
        prost_types::Value { kind: Some(self) }
    }
}

macro_rules! known {
    ($name:ident { $($index:literal $field:ident $json:literal $kind:ty),* } $($known:ident)?) => {
        impl Fields for $name {
            fn table(&self) -> &'static Table {
                const TABLE: &Table = &Table {
                    name: concat!("google.protobuf.", stringify!($name)),
                    fields: &[$(Field::new(stringify!($field), $json)),*],
                };
                TABLE
            }

            fn view(&self, index: usize) -> View<'_> {
                match index {
                    $($index => <$kind>::view(&self.$field),)*
                    _ => View::None,
                }
            }

            fn slot(&mut self, index: usize) -> Slot<'_> {
                match index {
                    $($index => <$kind>::slot(&mut self.$field),)*
                    _ => Slot::None,
                }
            }

            $(
                fn known(&self) -> Option<Known<'_>> {
                    Some(Known::$known(self))
                }

                fn known_mut(&mut self) -> Option<KnownMut<'_>> {
                    Some(KnownMut::$known(self))
                }
            )?
        }
    };
}

known!(Timestamp { 0 seconds "seconds" Plain, 1 nanos "nanos" Plain } Timestamp);
known!(Duration { 0 seconds "seconds" Plain, 1 nanos "nanos" Plain } Duration);
known!(FieldMask { 0 paths "paths" Rep<Plain> } FieldMask);
known!(Struct { 0 fields "fields" Map<Msg> } Struct);
known!(ListValue { 0 values "values" Rep<Msg> } ListValue);
known!(Any { 0 type_url "typeUrl" Plain, 1 value "value" Plain });

impl Fields for () {
    fn table(&self) -> &'static Table {
        &Table { name: "google.protobuf.Empty", fields: &[] }
    }

    fn view(&self, _: usize) -> View<'_> {
        View::None
    }

    fn slot(&mut self, _: usize) -> Slot<'_> {
        Slot::None
    }
}

impl Fields for prost_types::Value {
    fn table(&self) -> &'static Table {
        const FIELDS: &[Field] = &[
            Field::new("null_value", "nullValue").oneof(1).nullable(),
            Field::new("number_value", "numberValue").oneof(1),
            Field::new("string_value", "stringValue").oneof(1),
            Field::new("bool_value", "boolValue").oneof(1),
            Field::new("struct_value", "structValue").oneof(1),
            Field::new("list_value", "listValue").oneof(1),
        ];
        &Table { name: "google.protobuf.Value", fields: FIELDS }
    }

    fn view(&self, index: usize) -> View<'_> {
        match (index, &self.kind) {
            (0, Some(Value::NullValue(value))) => <Enum<NullValue>>::view(value),
            (1, Some(Value::NumberValue(value))) => Plain::view(value),
            (2, Some(Value::StringValue(value))) => Plain::view(value),
            (3, Some(Value::BoolValue(value))) => Plain::view(value),
            (4, Some(Value::StructValue(value))) => Msg::view(value),
            (5, Some(Value::ListValue(value))) => Msg::view(value),
            _ => View::None,
        }
    }

    fn slot(&mut self, index: usize) -> Slot<'_> {
        let kind = match index {
            0 => Value::NullValue(0),
            1 => Value::NumberValue(0.0),
            2 => Value::StringValue(String::new()),
            3 => Value::BoolValue(false),
            4 => Value::StructValue(Struct::default()),
            5 => Value::ListValue(ListValue::default()),
            _ => return Slot::None,
        };
        match self.kind.insert(kind) {
            Value::NullValue(value) => <Enum<NullValue>>::slot(value),
            Value::NumberValue(value) => Plain::slot(value),
            Value::StringValue(value) => Plain::slot(value),
            Value::BoolValue(value) => Plain::slot(value),
            Value::StructValue(value) => Msg::slot(value),
            Value::ListValue(value) => Msg::slot(value),
        }
    }

    fn known(&self) -> Option<Known<'_>> {
        Some(Known::Value(self))
    }

    fn known_mut(&mut self) -> Option<KnownMut<'_>> {
        Some(KnownMut::Value(self))
    }
}
