//! Descriptors to the open model.

use std::collections::BTreeMap;

use prost_reflect::{
    Cardinality, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor,
    ServiceDescriptor,
};

use super::model::{
    About, EnumItem, FieldItem, MessageItem, MethodItem, OneofItem, OpenModel, PackageItem, PacketItem, ServiceItem,
    ValueItem,
};
use crate::config::PacketOptions;
use crate::lower::path::FILE_PACKAGE;
use crate::options::Options;
use crate::schema::{Schema, messages};
use crate::source::{OPTIONS_PROTO, Sources};

impl Schema {
    /// What the schema declares, for templates and other programs.
    pub fn model(&self) -> OpenModel {
        read(&self.sources, &self.options, &self.packet)
    }
}

/// The model of all files on disk, imports too. `google.protobuf` and `due` are not among them.
pub(crate) fn read(sources: &Sources, options: &Options, packet: &PacketOptions) -> OpenModel {
    let reader = Reader { sources, options };
    let mut files: Vec<FileDescriptor> = sources.pool.files().filter(|file| reader.is_ours(file)).collect();
    files.sort_by(|a, b| a.name().cmp(b.name()));
    let mut packages: BTreeMap<String, PackageItem> = BTreeMap::new();
    for file in files {
        let package = packages.entry(file.package_name().to_owned()).or_default();
        package.name = file.package_name().to_owned();
        reader.file(&file, package);
    }
    let byte_order = if packet.big_endian { "big" } else { "little" };
    let packet = PacketItem { route_bytes: packet.route_bytes, seq_bytes: packet.seq_bytes, byte_order };
    OpenModel::new(packet, packages.into_values().collect())
}

struct Reader<'a> {
    sources: &'a Sources,
    options: &'a Options,
}

impl Reader<'_> {
    fn is_ours(&self, file: &FileDescriptor) -> bool {
        let google = file.package_name() == "google.protobuf";
        self.sources.path(file).is_some() && file.name() != OPTIONS_PROTO && !google
    }

    fn file(&self, file: &FileDescriptor, package: &mut PackageItem) {
        package.files.push(file.name().to_owned());
        let doc = self.sources.doc(file, &[FILE_PACKAGE]).lines.join("\n");
        if !doc.is_empty() {
            let gap = if package.doc.is_empty() { "" } else { "\n\n" };
            package.doc.extend([gap, &doc]);
        }
        package.services.extend(file.services().filter_map(|service| self.service(&service)));
        package.enums.extend(file.enums().map(|found| self.enumeration(&found)));
        for message in messages(file) {
            package.enums.extend(message.child_enums().map(|found| self.enumeration(&found)));
            package.messages.push(self.message(&message));
        }
    }

    fn about(&self, file: &FileDescriptor, path: &[i32], deprecated: bool) -> About {
        let position = self.sources.position(file, path);
        let doc = self.sources.doc(file, path).lines.join("\n");
        About { doc, deprecated, file: position.file, line: position.line }
    }

    /// Services that are none of ours are left out.
    fn service(&self, service: &ServiceDescriptor) -> Option<ServiceItem> {
        let (kind, target, actor) = match (self.options.node(service), self.options.mesh(service)) {
            (Some(node), _) => ("node", node.name, node.actor),
            (None, Some(mesh)) => ("mesh", mesh.name, None),
            (None, None) => return None,
        };
        let deprecated = service.service_descriptor_proto().options.as_ref().is_some_and(|found| found.deprecated());
        Some(ServiceItem {
            name: service.name().to_owned(),
            full_name: service.full_name().to_owned(),
            package: service.package_name().to_owned(),
            kind,
            target,
            actor,
            methods: service.methods().map(|method| self.method(&method)).collect(),
            about: self.about(&service.parent_file(), service.path(), deprecated),
        })
    }

    fn method(&self, method: &MethodDescriptor) -> MethodItem {
        let route = self.options.route(method);
        let deprecated = method.method_descriptor_proto().options.as_ref().is_some_and(|found| found.deprecated());
        MethodItem {
            name: method.name().to_owned(),
            full_name: method.full_name().to_owned(),
            id: route.map(|route| route.id),
            authorized: route.is_some_and(|route| route.authorized),
            stateful: route.is_some_and(|route| route.stateful),
            internal: route.is_some_and(|route| route.internal),
            oneway: route.is_some_and(|route| route.oneway),
            client_streaming: method.is_client_streaming(),
            server_streaming: method.is_server_streaming(),
            request: method.input().full_name().to_owned(),
            response: method.output().full_name().to_owned(),
            about: self.about(&method.parent_file(), method.path(), deprecated),
        }
    }

    fn message(&self, message: &MessageDescriptor) -> MessageItem {
        let deprecated = message.descriptor_proto().options.as_ref().is_some_and(|found| found.deprecated());
        let file = message.parent_file();
        let oneofs = message.oneofs().filter(|oneof| !oneof.is_synthetic()).map(|oneof| OneofItem {
            name: oneof.name().to_owned(),
            fields: oneof.fields().map(|field| field.name().to_owned()).collect(),
            doc: self.sources.doc(&file, oneof.path()).lines.join("\n"),
        });
        let mut fields: Vec<FieldDescriptor> = message.fields().collect();
        // In the order of the source, not of the numbers.
        fields.sort_by(|a, b| a.path().cmp(b.path()));
        MessageItem {
            name: message.name().to_owned(),
            full_name: message.full_name().to_owned(),
            package: message.package_name().to_owned(),
            path: inside(message.full_name(), message.package_name()),
            push: self.options.push(message),
            event: self.options.event(message),
            fields: fields.iter().map(|field| self.field(field)).collect(),
            oneofs: oneofs.collect(),
            about: self.about(&file, message.path(), deprecated),
        }
    }

    fn field(&self, field: &FieldDescriptor) -> FieldItem {
        let (label, key, kind) = match field.kind() {
            Kind::Message(entry) if field.is_map() => {
                ("map", Some(word(&entry.map_entry_key_field().kind())), entry.map_entry_value_field().kind())
            }
            kind => (label(field), None, kind),
        };
        let type_name = match &kind {
            Kind::Message(found) => Some(found.full_name().to_owned()),
            Kind::Enum(found) => Some(found.full_name().to_owned()),
            _ => None,
        };
        let deprecated = field.field_descriptor_proto().options.as_ref().is_some_and(|found| found.deprecated());
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        FieldItem {
            name: field.name().to_owned(),
            json_name: field.json_name().to_owned(),
            number: field.number(),
            label,
            r#type: word(&kind),
            type_name,
            key,
            oneof: oneof.map(|oneof| oneof.name().to_owned()),
            code: self.options.code(field),
            about: self.about(&field.parent_file(), field.path(), deprecated),
        }
    }

    fn enumeration(&self, found: &EnumDescriptor) -> EnumItem {
        let file = found.parent_file();
        let deprecated = found.enum_descriptor_proto().options.as_ref().is_some_and(|found| found.deprecated());
        let mut values: Vec<_> = found.values().collect();
        values.sort_by(|a, b| a.path().cmp(b.path()));
        let values = values.into_iter().map(|value| {
            let options = value.enum_value_descriptor_proto().options.as_ref();
            let deprecated = options.is_some_and(|found| found.deprecated());
            let about = self.about(&file, value.path(), deprecated);
            ValueItem { name: value.name().to_owned(), number: value.number(), about }
        });
        EnumItem {
            name: found.name().to_owned(),
            full_name: found.full_name().to_owned(),
            package: found.package_name().to_owned(),
            path: inside(found.full_name(), found.package_name()),
            codes: self.options.codes(found),
            values: values.collect(),
            about: self.about(&file, found.path(), deprecated),
        }
    }
}

/// The parts of a name below its package: `["Outer", "Inner"]`.
fn inside(full_name: &str, package: &str) -> Vec<String> {
    let rest = full_name.strip_prefix(package).map_or(full_name, |rest| rest.trim_start_matches('.'));
    rest.split('.').map(str::to_owned).collect()
}

fn label(field: &FieldDescriptor) -> &'static str {
    match field.cardinality() {
        Cardinality::Repeated => "repeated",
        Cardinality::Required => "required",
        Cardinality::Optional
            if field.supports_presence() && field.containing_oneof().is_none_or(|it| it.is_synthetic()) =>
        {
            let message = matches!(field.kind(), Kind::Message(_));
            if message && !field.field_descriptor_proto().proto3_optional() { "single" } else { "optional" }
        }
        Cardinality::Optional => "single",
    }
}

/// A type as `.proto` writes it; `message` and `enum` for those that have a name of their own.
pub(crate) fn word(kind: &Kind) -> &'static str {
    match kind {
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Uint32 => "uint32",
        Kind::Uint64 => "uint64",
        Kind::Sint32 => "sint32",
        Kind::Sint64 => "sint64",
        Kind::Fixed32 => "fixed32",
        Kind::Fixed64 => "fixed64",
        Kind::Sfixed32 => "sfixed32",
        Kind::Sfixed64 => "sfixed64",
        Kind::Bool => "bool",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Message(_) => "message",
        Kind::Enum(_) => "enum",
    }
}
