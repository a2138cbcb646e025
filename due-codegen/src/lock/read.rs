//! A schema as a lock.

use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};

use super::item::{Code, Field, Item, Label, Packet, Part, Reserved, Route, Rpc};
use super::{Entry, Lock};
use crate::diagnostic::{Place, Source};
use crate::lower::{option_place, path};
use crate::options::{MeshOptions, NodeOptions, number};
use crate::schema::{Schema, messages};

impl Schema {
    /// What this schema ships. Imported files are part of it, but for those that due-codegen carries.
    pub fn lock(&self) -> Lock {
        let mut lock = Lock::default();
        let nowhere = std::sync::Arc::new(Source::new(crate::config::FILE_NAME, "")).place(0..0);
        let packet = &self.packet;
        let (route_bytes, seq_bytes, big_endian) = (packet.route_bytes, packet.seq_bytes, packet.big_endian);
        lock.insert(Entry::new(Item::Packet(Packet { route_bytes, seq_bytes, big_endian }), nowhere));
        for file in self.files() {
            Reader { schema: self, file: &file, lock: &mut lock }.file();
        }
        lock
    }
}

struct Reader<'a> {
    schema: &'a Schema,
    file: &'a FileDescriptor,
    lock: &'a mut Lock,
}

impl Reader<'_> {
    fn file(&mut self) {
        for service in self.file.services() {
            if let Some(node) = self.schema.options.node(&service) {
                self.node(&service, node);
            } else if let Some(mesh) = self.schema.options.mesh(&service) {
                self.mesh(&service, mesh);
            }
        }
        for found in self.file.enums() {
            self.enumeration(&found);
        }
        for message in messages(self.file) {
            self.message(&message);
            for found in message.child_enums() {
                self.enumeration(&found);
            }
        }
    }

    fn node(&mut self, service: &ServiceDescriptor, node: NodeOptions) {
        let place = self.option(service.path(), path::SERVICE_OPTIONS, number::NODE, "name");
        let item = Item::Node { service: service.full_name().to_owned(), name: node.name };
        self.add(item, service.path(), vec![(Part::Id, place)]);
        for method in service.methods() {
            let Some(route) = self.schema.options.route(&method) else { continue };
            let option = |field| self.option(method.path(), path::METHOD_OPTIONS, number::ROUTE, field);
            let parts = vec![
                (Part::Id, option("id")),
                (Part::Authorized, option("authorized")),
                (Part::Stateful, option("stateful")),
                (Part::Internal, option("internal")),
                (Part::Oneway, option("oneway")),
            ];
            let parts = [parts, self.types(&method)].concat();
            let item = Item::Route(Route {
                rpc: method.full_name().to_owned(),
                id: route.id,
                request: method.input().full_name().to_owned(),
                response: method.output().full_name().to_owned(),
                authorized: route.authorized,
                stateful: route.stateful,
                internal: route.internal,
                oneway: route.oneway,
            });
            self.add(item, method.path(), parts);
        }
    }

    fn mesh(&mut self, service: &ServiceDescriptor, mesh: MeshOptions) {
        let place = self.option(service.path(), path::SERVICE_OPTIONS, number::MESH, "name");
        let path = if mesh.path.is_empty() { service.name().to_owned() } else { mesh.path };
        let item = Item::Mesh { service: service.full_name().to_owned(), name: mesh.name, path };
        self.add(item, service.path(), vec![(Part::Id, place)]);
        for method in service.methods() {
            let item = Item::Rpc(Rpc {
                rpc: method.full_name().to_owned(),
                request: method.input().full_name().to_owned(),
                response: method.output().full_name().to_owned(),
                client_streaming: method.is_client_streaming(),
                server_streaming: method.is_server_streaming(),
            });
            let parts = self.types(&method);
            self.add(item, method.path(), parts);
        }
    }

    fn message(&mut self, message: &MessageDescriptor) {
        let name = message.full_name().to_owned();
        self.add(Item::Message { message: name.clone() }, message.path(), Vec::new());
        if let Some(id) = self.schema.options.push(message) {
            let place = self.option(message.path(), path::MESSAGE_OPTIONS, number::PUSH, "id");
            self.add(Item::Push { message: name.clone(), id }, message.path(), vec![(Part::Id, place)]);
        }
        if let Some(topic) = self.schema.options.event(message) {
            let place = self.option(message.path(), path::MESSAGE_OPTIONS, number::EVENT, "topic");
            self.add(Item::Event { message: name.clone(), topic }, message.path(), vec![(Part::Id, place)]);
        }
        let marked = message.fields().any(|field| self.schema.options.code(&field) && !is_string(&field));
        for field in message.fields() {
            self.field(&name, &field, marked);
        }
        for range in message.reserved_ranges() {
            let what = Reserved::Numbers(range.start.into(), i64::from(range.end) - 1);
            self.add(Item::Reserved { owner: name.clone(), what }, message.path(), Vec::new());
        }
        for reserved in message.reserved_names() {
            let what = Reserved::Name(reserved.to_owned());
            self.add(Item::Reserved { owner: name.clone(), what }, message.path(), Vec::new());
        }
    }

    /// `marked`: a field of the message has `due.code` itself, so the types of others imply nothing.
    fn field(&mut self, message: &str, field: &FieldDescriptor, marked: bool) {
        let options = &self.schema.options;
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        let code = if options.code(field) {
            Some(if is_string(field) { Code::Text } else { Code::Number })
        } else {
            let implied = field.kind().as_enum().is_some_and(|found| options.codes(found));
            (implied && !marked && !field.is_list() && oneof.is_none()).then_some(Code::Number)
        };
        let proto = field.field_descriptor_proto();
        let label = match field.cardinality() {
            Cardinality::Required => Label::Required,
            _ if field.is_map() => Label::Plain,
            Cardinality::Repeated => Label::Repeated,
            Cardinality::Optional if oneof.is_none() && field.supports_presence() && !is_message(field) => {
                Label::Optional
            }
            Cardinality::Optional => Label::Plain,
        };
        let json = (field.json_name() != default_json_name(field.name())).then(|| field.json_name().to_owned());
        let part = |number: i32| self.schema.sources.place(self.file, &[field.path(), &[number]].concat());
        let type_part = if proto.type_name.is_some() { path::FIELD_TYPE } else { path::FIELD_SCALAR };
        let parts = vec![
            (Part::Type, part(type_part)),
            (Part::Label, part(path::FIELD_LABEL)),
            (Part::Number, part(path::FIELD_NUMBER)),
        ];
        // A proto3 field without a label has no place for it.
        let parts = parts.into_iter().filter(|(_, place)| !place.span.is_empty()).collect();
        let item = Item::Field(Field {
            message: message.to_owned(),
            number: proto.number(),
            name: field.name().to_owned(),
            kind: kind(field),
            label,
            oneof: oneof.map(|oneof| oneof.name().to_owned()),
            json,
            code,
        });
        self.add(item, field.path(), parts);
    }

    fn enumeration(&mut self, found: &EnumDescriptor) {
        let owner = found.full_name().to_owned();
        self.add(Item::Enum { owner: owner.clone() }, found.path(), Vec::new());
        for value in found.values() {
            let item = Item::Value { owner: owner.clone(), number: value.number(), name: value.name().to_owned() };
            self.add(item, value.path(), Vec::new());
        }
        for range in found.reserved_ranges() {
            let what = Reserved::Numbers((*range.start()).into(), (*range.end()).into());
            self.add(Item::Reserved { owner: owner.clone(), what }, found.path(), Vec::new());
        }
        for reserved in found.reserved_names() {
            let what = Reserved::Name(reserved.to_owned());
            self.add(Item::Reserved { owner: owner.clone(), what }, found.path(), Vec::new());
        }
    }

    fn add(&mut self, item: Item, path: &[i32], parts: Vec<(Part, Place)>) {
        let place = self.schema.sources.name_place(self.file, path);
        self.lock.insert(Entry { parts, ..Entry::new(item, place) });
    }

    fn option(&self, owner: &[i32], options: i32, extension: i32, field: &str) -> Place {
        option_place(&self.schema.sources, (self.file, owner), options, extension, field)
    }

    fn types(&self, method: &MethodDescriptor) -> Vec<(Part, Place)> {
        let part = |number: i32| self.schema.sources.place(self.file, &[method.path(), &[number]].concat());
        vec![(Part::Request, part(path::METHOD_INPUT)), (Part::Response, part(path::METHOD_OUTPUT))]
    }
}

fn is_string(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::String)
}

fn is_message(field: &FieldDescriptor) -> bool {
    matches!(field.kind(), Kind::Message(_))
}

fn kind(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(entry) if field.is_map() => {
            let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
            format!("map<{},{}>", kind(&key), kind(&value))
        }
        Kind::Message(found) if field.is_group() => format!("group<{}>", found.full_name()),
        Kind::Message(found) => found.full_name().to_owned(),
        Kind::Enum(found) => found.full_name().to_owned(),
        Kind::Double => "double".to_owned(),
        Kind::Float => "float".to_owned(),
        Kind::Int32 => "int32".to_owned(),
        Kind::Int64 => "int64".to_owned(),
        Kind::Uint32 => "uint32".to_owned(),
        Kind::Uint64 => "uint64".to_owned(),
        Kind::Sint32 => "sint32".to_owned(),
        Kind::Sint64 => "sint64".to_owned(),
        Kind::Fixed32 => "fixed32".to_owned(),
        Kind::Fixed64 => "fixed64".to_owned(),
        Kind::Sfixed32 => "sfixed32".to_owned(),
        Kind::Sfixed64 => "sfixed64".to_owned(),
        Kind::Bool => "bool".to_owned(),
        Kind::String => "string".to_owned(),
        Kind::Bytes => "bytes".to_owned(),
    }
}

/// protoc's: what follows a `_` is upper case, and the `_` goes.
fn default_json_name(name: &str) -> String {
    let mut json = String::new();
    let mut upper = false;
    for c in name.chars() {
        if c == '_' {
            upper = true;
        } else {
            json.push(if upper { c.to_ascii_uppercase() } else { c });
            upper = false;
        }
    }
    json
}
