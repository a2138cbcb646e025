//! `google.protobuf.Any` in JSON: people write what is in it, `{"@type": .., ..}`, as canonical JSON has it. Servers of due, which do
//! not carry all types, write its two fields, `{"typeUrl": .., "value": base64}`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost_reflect::{DynamicMessage, Kind, MessageDescriptor, ReflectMessage as _, Value as Field};
use serde_json::{Map, Value, json};

const ANY: &str = "google.protobuf.Any";
/// What canonical JSON has for the type's name.
pub(super) const TYPE: &str = "@type";

pub(super) fn is_any(message: &MessageDescriptor) -> bool {
    message.full_name() == ANY
}

/// The message that is in an `Any`, in canonical JSON.
pub(super) fn inner(any: &MessageDescriptor, entries: &Map<String, Value>) -> Result<MessageDescriptor, String> {
    let Some(name) = entries.get(TYPE) else {
        return Err(format!(
            "`{ANY}` needs the name of what is in it: {{\"{TYPE}\": \"type.googleapis.com/PACKAGE.MESSAGE\", ..}}"
        ));
    };
    let name = name.as_str().ok_or_else(|| format!("the \"{TYPE}\" of a `{ANY}` is a string"))?;
    by_url(any, name)
}

fn by_url(any: &MessageDescriptor, url: &str) -> Result<MessageDescriptor, String> {
    let name = url.rsplit('/').next().unwrap_or(url);
    if !url.contains('/') {
        return Err(format!("`{url}` is no type of a `{ANY}`: write \"type.googleapis.com/{url}\""));
    }
    any.parent_pool().get_message_by_name(name).ok_or_else(|| unknown(name))
}

fn unknown(name: &str) -> String {
    format!("a `{ANY}` holds a `{name}`, which the schema does not have: import the file that declares it")
}

/// Whether JSON may have an `Any` in it, as people or as servers write it.
pub(super) fn may_be_in(text: &[u8]) -> bool {
    [&b"@type"[..], b"type_url", b"typeUrl"].iter().any(|word| text.windows(word.len()).any(|found| found == *word))
}

/// From canonical JSON to what servers read.
pub(super) fn to_server(message: &MessageDescriptor, value: &mut Value) -> Result<(), String> {
    everywhere(message, value, &|any, value| {
        let read = DynamicMessage::deserialize(any.clone(), &*value).map_err(|error| error.to_string())?;
        let field = |name| read.get_field_by_name(name).map(Cow::into_owned);
        let bytes = field("value").and_then(|value| value.as_bytes().cloned()).unwrap_or_default();
        *value = json!({ "typeUrl": url_of(&read), "value": STANDARD.encode(bytes) });
        Ok(())
    })
}

/// From what servers write to canonical JSON. Go's `encoding/json` has the names of the proto.
pub(super) fn from_server(message: &MessageDescriptor, value: &mut Value) -> Result<(), String> {
    everywhere(message, value, &|any, value| {
        let Value::Object(entries) = &*value else { return Ok(()) };
        if entries.contains_key(TYPE) {
            return Ok(());
        }
        let text = |name: &str| entries.get(name).and_then(Value::as_str).unwrap_or_default();
        let url = if entries.contains_key("typeUrl") { text("typeUrl") } else { text("type_url") }.to_owned();
        by_url(any, &url)?;
        let bytes = STANDARD.decode(text("value")).map_err(|error| format!("the \"value\" of a `{ANY}`: {error}"))?;
        let mut read = DynamicMessage::new(any.clone());
        read.set_field_by_name("type_url", Field::String(url.clone()));
        read.set_field_by_name("value", Field::Bytes(bytes.into()));
        *value = serde_json::to_value(&read).map_err(|error| format!("what is in a `{ANY}` is no `{url}`: {error}"))?;
        Ok(())
    })
}

/// What keeps a message from being shown: an `Any` of a type that the schema does not have.
pub(super) fn problem(message: &DynamicMessage) -> Option<String> {
    if is_any(&message.descriptor()) {
        return by_url(&message.descriptor(), &url_of(message)).err();
    }
    message.fields().find_map(|(_, value)| match value {
        Field::Message(inner) => problem(inner),
        Field::List(items) => items.iter().filter_map(Field::as_message).find_map(problem),
        Field::Map(entries) => entries.values().filter_map(Field::as_message).find_map(problem),
        _ => None,
    })
}

fn url_of(any: &DynamicMessage) -> String {
    let url = any.get_field_by_name("type_url");
    url.as_deref().and_then(Field::as_str).unwrap_or_default().to_owned()
}

type Change<'a> = &'a dyn Fn(&MessageDescriptor, &mut Value) -> Result<(), String>;

/// Changes every `Any` of a message's JSON.
fn everywhere(message: &MessageDescriptor, value: &mut Value, change: Change<'_>) -> Result<(), String> {
    if is_any(message) {
        return change(message, value);
    }
    // The other well-known types have JSON of their own.
    let (Value::Object(entries), false) = (value, message.package_name() == "google.protobuf") else {
        return Ok(());
    };
    for (key, value) in entries {
        let field = message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key));
        let Some((Kind::Message(inner), field)) = field.map(|field| (field.kind(), field)) else { continue };
        match value {
            Value::Array(items) if field.is_list() => {
                items.iter_mut().try_for_each(|item| everywhere(&inner, item, change))?;
            }
            Value::Object(entries) if field.is_map() => {
                let Kind::Message(inner) = inner.map_entry_value_field().kind() else { continue };
                entries.values_mut().try_for_each(|item| everywhere(&inner, item, change))?;
            }
            value => everywhere(&inner, value, change)?,
        }
    }
    Ok(())
}
