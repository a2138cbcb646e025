//! MessagePack as the runtime has it: maps by proto names, numbers for enums and 64-bit integers, bin for bytes. Wrappers
//! are plain values; the other well-known types are messages like any.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage as _, Value};
use rmpv::Value as Pack;

pub(super) fn encode(message: &DynamicMessage) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, &of_message(message)).map_err(|error| error.to_string())?;
    Ok(out)
}

pub(super) fn decode(message: &MessageDescriptor, mut body: &[u8]) -> Result<DynamicMessage, String> {
    let value = rmpv::decode::read_value(&mut body).map_err(|error| error.to_string())?;
    if !body.is_empty() {
        return Err(format!("{} bytes follow the value", body.len()));
    }
    to_message(message, value)
}

/// The field of a wrapper.
fn wrapped(message: &MessageDescriptor) -> Option<FieldDescriptor> {
    let is_wrapper = message.full_name().starts_with("google.protobuf.") && message.name().ends_with("Value");
    let field = message.get_field_by_name("value").filter(|_| message.fields().len() == 1);
    field.filter(|field| is_wrapper && !field.is_list())
}

fn of_message(message: &DynamicMessage) -> Pack {
    match wrapped(&message.descriptor()) {
        Some(field) => of_value(&message.get_field(&field)),
        None => Pack::Map(message.fields().map(|(field, value)| (Pack::from(field.name()), of_value(value))).collect()),
    }
}

fn of_value(value: &Value) -> Pack {
    match value {
        Value::Bool(value) => Pack::from(*value),
        Value::I32(value) | Value::EnumNumber(value) => Pack::from(*value),
        Value::I64(value) => Pack::from(*value),
        Value::U32(value) => Pack::from(*value),
        Value::U64(value) => Pack::from(*value),
        Value::F32(value) => Pack::from(*value),
        Value::F64(value) => Pack::from(*value),
        Value::String(value) => Pack::from(value.as_str()),
        Value::Bytes(value) => Pack::Binary(value.to_vec()),
        Value::Message(message) => of_message(message),
        Value::List(items) => Pack::Array(items.iter().map(of_value).collect()),
        Value::Map(entries) => Pack::Map(entries.iter().map(|(key, value)| (of_key(key), of_value(value))).collect()),
    }
}

fn of_key(key: &MapKey) -> Pack {
    match key {
        MapKey::Bool(key) => Pack::from(*key),
        MapKey::I32(key) => Pack::from(*key),
        MapKey::I64(key) => Pack::from(*key),
        MapKey::U32(key) => Pack::from(*key),
        MapKey::U64(key) => Pack::from(*key),
        MapKey::String(key) => Pack::from(key.as_str()),
    }
}

fn to_message(descriptor: &MessageDescriptor, value: Pack) -> Result<DynamicMessage, String> {
    let mut message = DynamicMessage::new(descriptor.clone());
    if let Some(field) = wrapped(descriptor) {
        message.set_field(&field, to_single(&field.kind(), value)?);
        return Ok(message);
    }
    let Pack::Map(entries) = value else {
        return Err(format!("a `{}` is a map, not {value}", descriptor.full_name()));
    };
    for (name, value) in entries {
        let name = name.as_str().ok_or_else(|| format!("a name of a field is text, not {name}"))?;
        let field = descriptor.get_field_by_name(name).or_else(|| descriptor.get_field_by_json_name(name));
        if let Some(field) = field.filter(|_| !value.is_nil()) {
            let value = to_value(&field, value).map_err(|error| format!("`{name}`: {error}"))?;
            message.set_field(&field, value);
        }
    }
    Ok(message)
}

fn to_value(field: &FieldDescriptor, value: Pack) -> Result<Value, String> {
    match (value, field.kind()) {
        (Pack::Map(entries), Kind::Message(entry)) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
            let entries = entries.into_iter().map(|(k, v)| Ok((to_key(&key, k)?, to_single(&value, v)?)));
            entries.collect::<Result<_, String>>().map(Value::Map)
        }
        (Pack::Array(items), kind) if field.is_list() => {
            items.into_iter().map(|item| to_single(&kind, item)).collect::<Result<_, _>>().map(Value::List)
        }
        (value, _) if field.is_map() || field.is_list() => Err(format!("neither a map nor a list: {value}")),
        (value, kind) => to_single(&kind, value),
    }
}

fn to_key(kind: &Kind, key: Pack) -> Result<MapKey, String> {
    match to_single(kind, key)? {
        Value::Bool(key) => Ok(MapKey::Bool(key)),
        Value::I32(key) => Ok(MapKey::I32(key)),
        Value::I64(key) => Ok(MapKey::I64(key)),
        Value::U32(key) => Ok(MapKey::U32(key)),
        Value::U64(key) => Ok(MapKey::U64(key)),
        Value::String(key) => Ok(MapKey::String(key)),
        other => Err(format!("no key: {other:?}")),
    }
}

fn to_single(kind: &Kind, value: Pack) -> Result<Value, String> {
    let wrong = format!("not {kind:?}: {value}");
    let read = match (kind, value) {
        (Kind::Message(message), value) => return to_message(message, value).map(Value::Message),
        (Kind::Bool, Pack::Boolean(value)) => Some(Value::Bool(value)),
        (Kind::String, Pack::String(text)) => text.into_str().map(Value::String),
        (Kind::Bytes, Pack::Binary(bytes)) => Some(Value::Bytes(bytes.into())),
        (Kind::Bytes, Pack::String(text)) => {
            text.as_str().and_then(|text| STANDARD.decode(text).ok()).map(|bytes| Value::Bytes(bytes.into()))
        }
        (Kind::Double, value) => value.as_f64().map(Value::F64),
        (Kind::Float, value) => value.as_f64().map(|value| Value::F32(value as f32)),
        (Kind::Enum(names), Pack::String(name)) => {
            name.as_str().and_then(|name| names.get_value_by_name(name)).map(|value| Value::EnumNumber(value.number()))
        }
        (Kind::Enum(_), value) => integer(&value).map(Value::EnumNumber),
        (Kind::Int32 | Kind::Sint32 | Kind::Sfixed32, value) => integer(&value).map(Value::I32),
        (Kind::Int64 | Kind::Sint64 | Kind::Sfixed64, value) => integer(&value).map(Value::I64),
        (Kind::Uint32 | Kind::Fixed32, value) => integer(&value).map(Value::U32),
        (Kind::Uint64 | Kind::Fixed64, value) => integer(&value).map(Value::U64),
        _ => None,
    };
    read.ok_or(wrong)
}

/// Never cut; from text too, as JSON has 64-bit integers.
fn integer<T: TryFrom<i128>>(value: &Pack) -> Option<T> {
    let wide = match value {
        Pack::Integer(number) => number.as_i64().map(i128::from).or(number.as_u64().map(i128::from)),
        Pack::String(text) => text.as_str()?.parse().ok(),
        _ => None,
    };
    T::try_from(wide?).ok()
}
