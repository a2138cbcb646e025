//! What is left to say about each message and enum beside its type, gathered for `messages.rs.j2`.

use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor,
};
use serde::Serialize;

use crate::lower::types::{Types, is_wrapper};
use crate::model::{CodeCarrier, Package};
use crate::naming::{camel, snake};

/// Messages and enums of one block of `messages.rs.j2`: what works on a block as a whole takes memory for all of it.
const MOST_IN_A_BLOCK: usize = 100;

/// What `messages.rs.j2` prints for one package.
#[derive(Debug, Serialize)]
pub(crate) struct Messages {
    messages: Vec<Message>,
    enums: Vec<Enum>,
}

impl Messages {
    /// The same in blocks; none if there is nothing.
    pub(crate) fn blocks(self) -> Vec<Self> {
        let (mut messages, mut enums) = (self.messages.into_iter(), self.enums.into_iter());
        let mut blocks = Vec::new();
        while messages.len() + enums.len() > 0 {
            let messages: Vec<Message> = messages.by_ref().take(MOST_IN_A_BLOCK).collect();
            let enums = enums.by_ref().take(MOST_IN_A_BLOCK - messages.len()).collect();
            blocks.push(Self { messages, enums });
        }
        blocks
    }
}

#[derive(Debug, Serialize)]
struct Message {
    name: String,
    /// Seen from the package's module.
    rust: String,
    fields: Vec<Field>,
    code: Option<CodeCarrier>,
}

#[derive(Debug, Serialize)]
struct Field {
    name: String,
    json: String,
    /// The field of the struct.
    rust: String,
    /// As the runtime names it: `Opt::<Msg>`.
    kind: String,
    nullable: bool,
    oneof: Option<Member>,
}

/// Where in a oneof a field is.
#[derive(Debug, Serialize)]
struct Member {
    /// From 1.
    number: usize,
    /// `foo::Kind::Name`.
    variant: String,
}

#[derive(Debug, Serialize)]
struct Enum {
    name: String,
    rust: String,
    /// Sorted by number, aliases behind the first name.
    values: Vec<(i32, String)>,
    /// `due.codes`: its values are error codes.
    codes: bool,
}

/// What has to be said about the messages of `package`, nested ones too.
pub(crate) fn of_package(package: &Package, pool: &DescriptorPool, types: &Types) -> Messages {
    let mut found = Messages { messages: Vec::new(), enums: Vec::new() };
    let lowering = Lowering { package, types };
    for file in package.files.iter().filter_map(|name| pool.get_file_by_name(name)) {
        for message in file.messages() {
            lowering.message(&message, &mut found);
        }
        found.enums.extend(file.enums().map(|found| lowering.enumeration(&found)));
    }
    found
}

struct Lowering<'a> {
    package: &'a Package,
    types: &'a Types,
}

impl Lowering<'_> {
    fn message(&self, message: &MessageDescriptor, found: &mut Messages) {
        if message.is_map_entry() || self.types.is_foreign(message.full_name()) {
            return;
        }
        let rust = self.rust(message.package_name(), message.full_name());
        let fields = message.fields().map(|field| self.field(message, &field)).collect();
        let code = self.package.codes.iter().find(|code| code.message.proto == message.full_name()).cloned();
        found.messages.push(Message { name: message.full_name().to_owned(), rust, fields, code });
        found.enums.extend(message.child_enums().map(|found| self.enumeration(&found)));
        message.child_messages().for_each(|child| self.message(&child, found));
    }

    fn field(&self, message: &MessageDescriptor, field: &FieldDescriptor) -> Field {
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                let value = entry.map_entry_value_field();
                format!("__due::Map::<{}>", self.single(&value))
            }
            _ if field.is_list() => format!("__due::Rep::<{}>", self.single(field)),
            _ if oneof.is_none() && is_option(field) => format!("__due::Opt::<{}>", self.single(field)),
            _ => self.single(field).replacen('<', "::<", 1),
        };
        let single = !field.is_list() && !field.is_map();
        Field {
            name: field.name().to_owned(),
            json: field.json_name().to_owned(),
            rust: snake(oneof.as_ref().map_or(field.name(), OneofDescriptor::name)),
            kind,
            nullable: single && matches!(full_name(field).as_deref(), Some(VALUE | NULL_VALUE)),
            oneof: oneof.map(|oneof| self.member(message, &oneof, field)),
        }
    }

    /// The kind of one value, seen from a type argument.
    fn single(&self, field: &FieldDescriptor) -> String {
        match field.kind() {
            Kind::Enum(found) => format!("__due::Enum<{}>", self.rust(found.package_name(), found.full_name())),
            Kind::Message(found) if !is_wrapper(found.full_name()) => "__due::Msg".into(),
            _ => "__due::Plain".into(),
        }
    }

    fn member(&self, message: &MessageDescriptor, oneof: &OneofDescriptor, field: &FieldDescriptor) -> Member {
        let number = message.oneofs().filter(|oneof| !oneof.is_synthetic()).position(|other| other == *oneof);
        let mut name = camel(oneof.name());
        let nested = message.child_messages().map(|child| camel(child.name()));
        if nested.chain(message.child_enums().map(|child| camel(child.name()))).any(|other| other == name) {
            name.push_str("OneOf");
        }
        let parent = self.rust(message.package_name(), message.full_name());
        let module = match parent.rsplit_once("::") {
            Some((outer, _)) => format!("{outer}::{}", snake(message.name())),
            None => snake(message.name()),
        };
        Member { number: number.map_or(1, |at| at + 1), variant: format!("{module}::{name}::{}", camel(field.name())) }
    }

    fn enumeration(&self, found: &EnumDescriptor) -> Enum {
        let declared = found.enum_descriptor_proto().value.iter();
        let mut values: Vec<_> = declared.map(|value| (value.number(), value.name().to_owned())).collect();
        values.sort_by_key(|(number, _)| *number);
        let name = found.full_name().to_owned();
        let codes = self.package.code_enums.contains(&name);
        Enum { rust: self.rust(found.package_name(), &name), name, values, codes }
    }

    fn rust(&self, of: &str, full_name: &str) -> String {
        self.types.reference(&self.package.name, of, full_name).rust
    }
}

const VALUE: &str = "google.protobuf.Value";
const NULL_VALUE: &str = "google.protobuf.NullValue";

fn full_name(field: &FieldDescriptor) -> Option<String> {
    match field.kind() {
        Kind::Message(found) => Some(found.full_name().to_owned()),
        Kind::Enum(found) => Some(found.full_name().to_owned()),
        _ => None,
    }
}

/// prost-build's rule.
fn is_option(field: &FieldDescriptor) -> bool {
    if field.field_descriptor_proto().proto3_optional() {
        return true;
    }
    let proto2 = !matches!(field.parent_file().file_descriptor_proto().syntax.as_deref(), Some("proto3"));
    field.cardinality() == Cardinality::Optional
        && (proto2 || (matches!(field.kind(), Kind::Message(_)) && !field.is_group()))
}
