//! JSON is held against the schema before it is read, so that a slip is named with its place and its neighbour.

use due_codegen::nearest;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use super::any;

/// The first key that is no field of its message.
pub(super) fn check(message: &MessageDescriptor, value: &Value) -> Result<(), String> {
    at(message, value, &mut Vec::new())
}

fn at(message: &MessageDescriptor, value: &Value, path: &mut Vec<String>) -> Result<(), String> {
    if let (Value::Object(entries), true) = (value, any::is_any(message)) {
        let inner = any::inner(message, entries).map_err(|error| format!("{error}{}", place(path)))?;
        // A well-known type in it is one value.
        let is_key = |key: &&String| *key != any::TYPE && inner.package_name() != "google.protobuf";
        return entries
            .iter()
            .filter(|(key, _)| is_key(key))
            .try_for_each(|(key, value)| one(&inner, key, value, path));
    }
    // Other well-known types have JSON of their own.
    let (Value::Object(entries), false) = (value, message.package_name() == "google.protobuf") else {
        return Ok(());
    };
    entries.iter().try_for_each(|(key, value)| one(message, key, value, path))
}

fn one(message: &MessageDescriptor, key: &str, value: &Value, path: &mut Vec<String>) -> Result<(), String> {
    let Some(field) = message.get_field_by_json_name(key).or_else(|| message.get_field_by_name(key)) else {
        return Err(unknown(message, key, path));
    };
    path.push(key.to_owned());
    of_field(&field, value, path)?;
    path.pop();
    Ok(())
}

fn of_field(field: &FieldDescriptor, value: &Value, path: &mut Vec<String>) -> Result<(), String> {
    let Kind::Message(message) = field.kind() else {
        return Ok(());
    };
    match value {
        Value::Array(items) if field.is_list() => items.iter().enumerate().try_for_each(|(index, item)| {
            path.push(index.to_string());
            at(&message, item, path)?;
            path.pop();
            Ok(())
        }),
        Value::Object(entries) if field.is_map() => {
            let Kind::Message(message) = message.map_entry_value_field().kind() else {
                return Ok(());
            };
            entries.iter().try_for_each(|(key, item)| {
                path.push(key.clone());
                at(&message, item, path)?;
                path.pop();
                Ok(())
            })
        }
        _ => at(&message, value, path),
    }
}

fn unknown(message: &MessageDescriptor, key: &str, path: &[String]) -> String {
    let names: Vec<String> = message.fields().map(|field| field.json_name().to_owned()).collect();
    let hint = match nearest(key, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "it has none".to_owned(),
        None => format!("there are: {}", names.join(", ")),
    };
    format!("`{}` has no field `{key}`{}; {hint}", message.full_name(), place(path))
}

fn place(path: &[String]) -> String {
    if path.is_empty() { String::new() } else { format!(" (in `{}`)", path.join(".")) }
}
