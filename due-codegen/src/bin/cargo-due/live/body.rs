//! JSON to the body of a packet, and back.

use due::{Bytes, Codec};
use prost::Message as _;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, ReflectMessage as _, SerializeOptions};
use serde_json::Value;

use super::{any, fields, msgpack};

/// Reads canonical proto3 JSON. A key that the schema does not have is named with its neighbour.
pub(crate) fn from_text(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))?;
    fields::check(message, &value)?;
    parse(message, text)
}

/// As [`from_text`], of what was found right before or nearly so.
pub(crate) fn parse(message: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let mut reader = serde_json::Deserializer::from_str(text);
    DynamicMessage::deserialize(message.clone(), &mut reader)
        .and_then(|read| reader.end().map(|()| read))
        .map_err(|error| format!("not a `{}`: {error}", message.full_name()))
}

/// Canonical proto3 JSON: fields that have their default value are left out, unless `defaults` says otherwise.
pub(crate) fn to_value(message: &DynamicMessage, defaults: bool) -> Result<Value, String> {
    let options = SerializeOptions::new().skip_default_fields(!defaults);
    let value = message.serialize_with_options(serde_json::value::Serializer, &options);
    value.map_err(|error| any::problem(message).unwrap_or_else(|| error.to_string()))
}

/// What goes into a packet.
pub(crate) fn encode(codec: &Codec, message: &DynamicMessage) -> Result<Bytes, String> {
    match codec {
        Codec::Json => {
            let text = serde_json::to_vec(message).map_err(|error| error.to_string())?;
            if !any::may_be_in(&text) {
                return Ok(Bytes::from(text));
            }
            let mut value: Value = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
            any::to_server(&message.descriptor(), &mut value)?;
            Ok(Bytes::from(value.to_string()))
        }
        Codec::MsgPack => msgpack::encode(message).map(Bytes::from),
        _ => Ok(Bytes::from(message.encode_to_vec())),
    }
}

/// What came in a packet. Fields that the schema does not have are skipped: the server may be newer.
pub(crate) fn decode(codec: &Codec, message: &MessageDescriptor, body: &[u8]) -> Result<DynamicMessage, String> {
    let lenient = DeserializeOptions::new().deny_unknown_fields(false);
    let read = match codec {
        _ if body.is_empty() => Ok(DynamicMessage::new(message.clone())),
        Codec::Json if any::may_be_in(body) => {
            let value = serde_json::from_slice(body).map_err(|error| error.to_string());
            value.and_then(|mut value: Value| {
                any::from_server(message, &mut value)?;
                DynamicMessage::deserialize_with_options(message.clone(), value, &lenient)
                    .map_err(|error| error.to_string())
            })
        }
        Codec::Json => {
            let mut reader = serde_json::Deserializer::from_slice(body);
            DynamicMessage::deserialize_with_options(message.clone(), &mut reader, &lenient)
                .and_then(|read| reader.end().map(|()| read))
                .map_err(|error| error.to_string())
        }
        Codec::MsgPack => msgpack::decode(message, body),
        _ => DynamicMessage::decode(message.clone(), body).map_err(|error| error.to_string()),
    };
    read.map_err(|error| format!("not a `{}` in {}: {error}", message.full_name(), codec.name()))
}
