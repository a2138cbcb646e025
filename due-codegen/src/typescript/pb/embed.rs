//! The descriptor that a file carries along: its bytes in base64, without what the importing side knows anyway.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::layout::{
    FIELD_JSON_NAME, FIELD_NAME, FILE_DEPENDENCY, FILE_MESSAGE, FILE_SOURCE_INFO, Layout, MESSAGE_FIELD,
    MESSAGE_NESTED, text,
};
use super::names::json_name;
use super::wire::{self, Field, Value};

/// A FileDescriptorProto without imports, source info and default JSON names. Takes the fields: nobody needs them
/// afterwards.
pub(super) fn base64(mut fields: Vec<Field>) -> String {
    fields.retain(|field| field.number != FILE_DEPENDENCY && field.number != FILE_SOURCE_INFO);
    for message in inner(&mut fields, FILE_MESSAGE) {
        drop_json_names(message);
    }
    STANDARD_NO_PAD.encode(wire::encode(&fields))
}

/// Extensions keep theirs.
fn drop_json_names(message: &mut [Field]) {
    for field in inner(message, MESSAGE_FIELD) {
        let default = text(field, FIELD_NAME).map(json_name);
        if default.as_deref() == text(field, FIELD_JSON_NAME) {
            field.retain(|field| field.number != FIELD_JSON_NAME);
        }
    }
    for nested in inner(message, MESSAGE_NESTED) {
        drop_json_names(nested);
    }
}

fn inner(fields: &mut [Field], number: u32) -> impl Iterator<Item = &mut Vec<Field>> {
    debug_assert!(Layout::File.child(number).is_some() || Layout::Message.child(number).is_some());
    fields.iter_mut().filter(move |field| field.number == number).filter_map(|field| match &mut field.value {
        Value::Message(fields) => Some(fields),
        _ => None,
    })
}
