//! MessagePack as the runtime has it: maps by proto names, numbers for enums and 64-bit integers, bin for bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, MapKey, ReflectMessage as _, Value};
use rmpv::Value as Pack;
use serde_json::Value as Json;

pub(super) fn encode(message: &DynamicMessage) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    rmpv::encode::write_value(&mut out, &of_message(message)?).map_err(|error| error.to_string())?;
    Ok(out)
}

fn of_message(message: &DynamicMessage) -> Result<Pack, String> {
    // Times, wrappers and the like are written as in JSON.
    if message.descriptor().package_name() == "google.protobuf" {
        return serde_json::to_value(message).map(of_json).map_err(|error| error.to_string());
    }
    let fields = message.fields().map(|(field, value)| Ok((Pack::from(field.name()), of_value(value)?)));
    fields.collect::<Result<_, String>>().map(Pack::Map)
}

fn of_value(value: &Value) -> Result<Pack, String> {
    Ok(match value {
        Value::Bool(value) => Pack::from(*value),
        Value::I32(value) | Value::EnumNumber(value) => Pack::from(*value),
        Value::I64(value) => Pack::from(*value),
        Value::U32(value) => Pack::from(*value),
        Value::U64(value) => Pack::from(*value),
        Value::F32(value) => Pack::from(*value),
        Value::F64(value) => Pack::from(*value),
        Value::String(value) => Pack::from(value.as_str()),
        Value::Bytes(value) => Pack::Binary(value.to_vec()),
        Value::Message(message) => of_message(message)?,
        Value::List(items) => Pack::Array(items.iter().map(of_value).collect::<Result<_, _>>()?),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| Ok((of_key(key), of_value(value)?)));
            Pack::Map(entries.collect::<Result<_, String>>()?)
        }
    })
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

fn of_json(value: Json) -> Pack {
    match value {
        Json::Null => Pack::Nil,
        Json::Bool(value) => Pack::from(value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Pack::from(number),
            (_, Some(number)) => Pack::from(number),
            _ => Pack::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Pack::from(text),
        Json::Array(items) => Pack::Array(items.into_iter().map(of_json).collect()),
        Json::Object(entries) => {
            Pack::Map(entries.into_iter().map(|(key, value)| (key.into(), of_json(value))).collect())
        }
    }
}

/// The JSON that says the same, for what reads JSON.
pub(super) fn decode(mut body: &[u8]) -> Result<Json, String> {
    let value = rmpv::decode::read_value(&mut body).map_err(|error| error.to_string())?;
    if !body.is_empty() {
        return Err(format!("{} bytes follow the value", body.len()));
    }
    to_json(value)
}

fn to_json(value: Pack) -> Result<Json, String> {
    Ok(match value {
        Pack::Nil => Json::Null,
        Pack::Boolean(value) => Json::from(value),
        Pack::Integer(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Json::from(number),
            (_, number) => Json::from(number),
        },
        Pack::F32(number) => float(f64::from(number)),
        Pack::F64(number) => float(number),
        Pack::String(text) => Json::from(text.into_str().ok_or("a text that is not UTF-8")?),
        Pack::Binary(bytes) => Json::from(STANDARD.encode(bytes)),
        Pack::Array(items) => Json::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        Pack::Map(entries) => {
            let entries = entries.into_iter().map(|(key, value)| Ok((key_of(key)?, to_json(value)?)));
            Json::Object(entries.collect::<Result<_, String>>()?)
        }
        Pack::Ext(kind, _) => return Err(format!("an extension of type {kind}")),
    })
}

/// JSON has no numbers for what is not finite.
fn float(number: f64) -> Json {
    match number {
        f64::INFINITY => Json::from("Infinity"),
        f64::NEG_INFINITY => Json::from("-Infinity"),
        _ if number.is_nan() => Json::from("NaN"),
        _ => Json::from(number),
    }
}

fn key_of(key: Pack) -> Result<String, String> {
    match key {
        Pack::String(text) => text.into_str().ok_or_else(|| "a key that is not UTF-8".to_owned()),
        Pack::Integer(number) => Ok(number.to_string()),
        Pack::Boolean(value) => Ok(value.to_string()),
        other => Err(format!("a key that is neither text nor a number: {other}")),
    }
}
