//! Fields: their TypeScript types, and how they read in proto.

use std::collections::HashMap;

use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::field_options::JsType;
use prost_reflect::prost_types::{DescriptorProto, FieldDescriptorProto};

use super::items::is_map_entry;
use super::modules::{Modules, RUNTIME};
use super::names::json_name;
use super::page::{Page, Use};

/// The entries of a message's maps by full name, as fields of key and value.
pub(super) struct Maps<'a>(HashMap<String, (&'a FieldDescriptorProto, &'a FieldDescriptorProto)>);

impl<'a> Maps<'a> {
    pub(super) fn none() -> Self {
        Self(HashMap::new())
    }

    pub(super) fn of(message: &'a DescriptorProto, full_name: &str) -> Self {
        let entries = message.nested_type.iter().filter(|nested| is_map_entry(nested)).filter_map(|entry| {
            let field = |number| entry.field.iter().find(|field| field.number() == number);
            Some((format!(".{full_name}.{}", entry.name()), (field(1)?, field(2)?)))
        });
        Self(entries.collect())
    }

    fn entry(&self, field: &FieldDescriptorProto) -> Option<(&'a FieldDescriptorProto, &'a FieldDescriptorProto)> {
        let is_repeated = field.label() == Label::Repeated && field.r#type() == Type::Message;
        self.0.get(field.type_name()).filter(|_| is_repeated).copied()
    }
}

/// A field in its surroundings.
pub(super) struct Field<'a> {
    pub(super) proto: &'a FieldDescriptorProto,
    /// Full name of the message that it is declared in, be it an extension there. Empty at the top of a file.
    pub(super) parent: &'a str,
    /// Whether it is a member of a oneof that is written as one.
    pub(super) in_oneof: bool,
    pub(super) is_proto3: bool,
    pub(super) maps: &'a Maps<'a>,
}

impl Field<'_> {
    /// Whether the property may be absent.
    pub(super) fn is_optional(&self) -> bool {
        match (self.proto.label(), self.proto.r#type()) {
            (Label::Repeated, _) => false,
            (_, Type::Message | Type::Group) => true,
            _ => self.proto.proto3_optional(),
        }
    }

    /// Writes the type of its values.
    pub(super) fn write_type<'a>(&self, modules: &'a Modules, page: &mut Page<'a>) {
        let proto = self.proto;
        if let Some((key, value)) = self.maps.entry(proto) {
            let key = match key.r#type() {
                Type::Int32 | Type::Fixed32 | Type::Uint32 | Type::Sfixed32 | Type::Sint32 => "number",
                _ => "string",
            };
            page.push(&format!("{{ [key: {key}]: "));
            match value.r#type() {
                Type::Message => self.write_message(value.type_name(), false, modules, page),
                _ => write_plain(value, false, modules, page),
            }
            page.push(" }");
            return;
        }
        let is_list = proto.label() == Label::Repeated;
        match proto.r#type() {
            Type::Message | Type::Group => self.write_message(proto.type_name(), !is_list, modules, page),
            _ => {
                let as_text = proto.options.as_ref().is_some_and(|options| options.jstype() == JsType::JsString);
                write_plain(proto, as_text, modules, page);
            }
        }
        if is_list {
            page.push("[]");
        }
    }

    fn write_message<'a>(&self, name: &str, is_single: bool, modules: &'a Modules, page: &mut Page<'a>) {
        let wrapped = if is_single && !self.in_oneof { wrapped(name) } else { None };
        match wrapped {
            Some(ty) => page.push(ty),
            None if name == ".google.protobuf.Struct" && self.parent != "google.protobuf.Value" => {
                page.name(RUNTIME, "JsonObject", Use::Type);
            }
            None => {
                let message = modules.get(name);
                page.name(&message.module, &message.shape, Use::Type);
            }
        }
    }

    /// The field as proto would have it, without custom options.
    pub(super) fn declaration(&self) -> String {
        let proto = self.proto;
        let label = match proto.label() {
            Label::Repeated => "repeated ",
            Label::Required if !self.is_proto3 => "required ",
            Label::Optional if proto.proto3_optional() || !(self.is_proto3 || self.in_oneof) => "optional ",
            Label::Optional | Label::Required => "",
        };
        let ty = match self.maps.entry(proto) {
            Some((key, value)) => format!("map<{}, {}>", proto_type(key), proto_type(value)),
            None => format!("{label}{}", proto_type(proto)),
        };
        let options = self.options();
        let options = if options.is_empty() { String::new() } else { format!(" [{}]", options.join(", ")) };
        format!("{ty} {} = {}{options}", proto.name(), proto.number())
    }

    fn options(&self) -> Vec<String> {
        let proto = self.proto;
        let set = proto.options.as_ref();
        let mut out = Vec::new();
        if let Some(packed) = set.and_then(|options| options.packed) {
            out.push(format!("packed = {packed}"));
        }
        if let Some(default) = &proto.default_value {
            out.push(match proto.r#type() {
                // Only the first quote, as protoc-gen-es has it.
                Type::String | Type::Bytes => format!("default = \"{}\"", default.replacen('"', "\\\"", 1)),
                _ => format!("default = {default}"),
            });
        }
        let has_own_json_name = proto.extendee.is_none() && proto.json_name() != json_name(proto.name());
        if has_own_json_name {
            out.push(format!("json_name = \"{}\"", proto.json_name()));
        }
        if let Some(jstype) = set.and_then(|options| options.jstype) {
            let name = JsType::try_from(jstype).map_or("", |jstype| jstype.as_str_name());
            out.push(format!("jstype = {name}"));
        }
        if set.is_some_and(|options| options.deprecated.is_some()) {
            out.push("deprecated = true".to_owned());
        }
        out
    }
}

/// A number, string, bytes or enum.
fn write_plain<'a>(proto: &FieldDescriptorProto, as_text: bool, modules: &'a Modules, page: &mut Page<'a>) {
    let ty = match proto.r#type() {
        Type::Enum => {
            let found = modules.get(proto.type_name());
            return page.name(&found.module, &found.shape, Use::Type);
        }
        Type::String => "string",
        Type::Bool => "boolean",
        Type::Bytes => "Uint8Array",
        Type::Uint64 | Type::Sfixed64 | Type::Fixed64 | Type::Sint64 | Type::Int64 => {
            if as_text {
                "string"
            } else {
                "bigint"
            }
        }
        _ => "number",
    };
    page.push(ty);
}

/// Fields of wrapper types are what they wrap.
fn wrapped(name: &str) -> Option<&'static str> {
    Some(match name.strip_prefix(".google.protobuf.")? {
        "DoubleValue" | "FloatValue" | "Int32Value" | "UInt32Value" => "number",
        "Int64Value" | "UInt64Value" => "bigint",
        "BoolValue" => "boolean",
        "StringValue" => "string",
        "BytesValue" => "Uint8Array",
        _ => return None,
    })
}

fn proto_type(proto: &FieldDescriptorProto) -> &str {
    match proto.r#type() {
        Type::Double => "double",
        Type::Float => "float",
        Type::Int64 => "int64",
        Type::Uint64 => "uint64",
        Type::Int32 => "int32",
        Type::Fixed64 => "fixed64",
        Type::Fixed32 => "fixed32",
        Type::Bool => "bool",
        Type::String => "string",
        Type::Bytes => "bytes",
        Type::Uint32 => "uint32",
        Type::Sfixed32 => "sfixed32",
        Type::Sfixed64 => "sfixed64",
        Type::Sint32 => "sint32",
        Type::Sint64 => "sint64",
        Type::Enum | Type::Group | Type::Message => proto.type_name().trim_start_matches('.'),
    }
}
