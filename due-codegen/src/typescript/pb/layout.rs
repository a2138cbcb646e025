//! Where descriptors are found in a FileDescriptorProto: the numbers of `google/protobuf/descriptor.proto`.

use super::wire::{self, Field, Value};

/// A message of descriptor.proto that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    File,
    Message,
    Field,
    Oneof,
    ExtensionRange,
    Enum,
    EnumValue,
    Service,
    Method,
    /// An options message of any of them.
    Options,
}

pub(super) const FILE_PACKAGE: u32 = 2;
pub(super) const FILE_DEPENDENCY: u32 = 3;
pub(super) const FILE_MESSAGE: u32 = 4;
pub(super) const FILE_SERVICE: u32 = 6;
pub(super) const FILE_SOURCE_INFO: u32 = 9;
pub(super) const FILE_PUBLIC_DEPENDENCY: u32 = 10;
pub(super) const FILE_WEAK_DEPENDENCY: u32 = 11;
pub(super) const FILE_SYNTAX: u32 = 12;
pub(super) const MESSAGE_FIELD: u32 = 2;
pub(super) const MESSAGE_NESTED: u32 = 3;
pub(super) const FIELD_NAME: u32 = 1;
pub(super) const FIELD_JSON_NAME: u32 = 10;
pub(super) const SERVICE_METHOD: u32 = 2;
pub(super) const METHOD_OPTIONS: u32 = 4;
/// Options from here on are extensions.
pub(super) const FIRST_EXTENSION: u32 = 1000;

impl Layout {
    /// What field `number` holds, if it holds one of these messages.
    pub(super) fn child(self, number: u32) -> Option<Self> {
        Some(match (self, number) {
            (Self::File, FILE_MESSAGE) | (Self::Message, MESSAGE_NESTED) => Self::Message,
            (Self::File, 5) | (Self::Message, 4) => Self::Enum,
            (Self::File, FILE_SERVICE) => Self::Service,
            (Self::File, 7) | (Self::Message, MESSAGE_FIELD | 6) => Self::Field,
            (Self::Message, 5) => Self::ExtensionRange,
            (Self::Message, 8) => Self::Oneof,
            (Self::Enum, 2) => Self::EnumValue,
            (Self::Service, SERVICE_METHOD) => Self::Method,
            (Self::File | Self::Field, 8)
            | (Self::Message, 7)
            | (Self::Oneof, 2)
            | (Self::ExtensionRange | Self::Enum | Self::EnumValue | Self::Service, 3)
            | (Self::Method, METHOD_OPTIONS) => Self::Options,
            _ => return None,
        })
    }

    /// The full name of its options message. Those of `Options` itself are none.
    pub(super) fn options(self) -> &'static str {
        match self {
            Self::File => "google.protobuf.FileOptions",
            Self::Message => "google.protobuf.MessageOptions",
            Self::Field => "google.protobuf.FieldOptions",
            Self::Oneof => "google.protobuf.OneofOptions",
            Self::ExtensionRange => "google.protobuf.ExtensionRangeOptions",
            Self::Enum => "google.protobuf.EnumOptions",
            Self::EnumValue => "google.protobuf.EnumValueOptions",
            Self::Service => "google.protobuf.ServiceOptions",
            Self::Method => "google.protobuf.MethodOptions",
            Self::Options => "",
        }
    }

    /// Splits the path of a source location behind the options message that it leads into.
    pub(super) fn split_at_options(path: &[i32]) -> Option<(&[i32], &[i32])> {
        let (mut layout, mut at) = (Self::File, 0);
        loop {
            layout = layout.child(u32::try_from(*path.get(at)?).ok()?)?;
            if layout == Self::Options {
                return path.split_at_checked(at + 1);
            }
            at += 2;
        }
    }
}

/// The fields of a descriptor, sorted by number like every serializer writes them; descriptors in it likewise.
pub(super) fn unfold(layout: Layout, value: &Value) -> Option<Vec<Field>> {
    let mut fields = value.fields()?;
    for field in &mut fields {
        if let Some(child) = layout.child(field.number) {
            field.value = Value::Message(unfold(child, &field.value)?);
        }
    }
    fields.sort_by_key(|field| field.number);
    Some(fields)
}

/// Calls `edit` for every descriptor with its path, the outer one first.
pub(super) fn visit(
    layout: Layout,
    path: &mut Vec<i32>,
    fields: &mut Vec<Field>,
    edit: &mut impl FnMut(Layout, &[i32], &mut Vec<Field>),
) {
    edit(layout, path, fields);
    let mut before = (0, 0);
    for field in fields {
        let Some(child) = layout.child(field.number) else { continue };
        before = if before.0 == field.number { (field.number, before.1 + 1) } else { (field.number, 0) };
        let Value::Message(inner) = &mut field.value else { continue };
        path.push(field.number as i32);
        if child != Layout::Options {
            path.push(before.1);
            visit(child, path, inner, edit);
            path.pop();
        }
        path.pop();
    }
}

/// The text of a string field.
pub(super) fn text(fields: &[Field], number: u32) -> Option<&str> {
    fields.iter().rev().find(|field| field.number == number).and_then(|field| match &field.value {
        Value::Bytes(bytes) => std::str::from_utf8(bytes).ok(),
        _ => None,
    })
}

/// A FileDescriptorProto as fields, down to the options.
pub(super) fn file(bytes: Vec<u8>) -> Option<Vec<Field>> {
    unfold(Layout::File, &Value::Message(wire::parse(bytes.into())?))
}
