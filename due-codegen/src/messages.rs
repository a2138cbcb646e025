//! The messages of a run: prost-build writes the types, and what is left to say about each of them is gathered here for
//! `messages.rs.j2`.

use std::collections::{BTreeMap, HashMap};

use prost_build::Module;
use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::prost_types::{DescriptorProto, EnumDescriptorProto, FileDescriptorProto, SourceCodeInfo};
use prost_reflect::{
    Cardinality, DescriptorPool, EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor,
    OneofDescriptor,
};
use serde::Serialize;

use crate::config::RustOptions;
use crate::doc::{Comments, sanitize};
use crate::lower::types::{Types, is_wrapper};
use crate::model::{CodeCarrier, Package};
use crate::naming::{camel, snake};
use crate::render::RenderError;
use crate::source::IGNORE;
use crate::source::OPTIONS_PROTO;

/// What `messages.rs.j2` prints for one package.
#[derive(Debug, Serialize)]
pub(crate) struct Messages {
    messages: Vec<Message>,
    enums: Vec<Enum>,
}

impl Messages {
    pub(crate) fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.enums.is_empty()
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

/// The types of all packages by prost-build, unformatted.
pub(crate) fn types(
    pool: &DescriptorPool,
    options: &RustOptions,
    packages: &[Package],
) -> Result<BTreeMap<String, String>, RenderError> {
    let mut config = prost_build::Config::new();
    config
        .btree_map(["."])
        .skip_debug(["."])
        .enum_attribute(".", "#[derive(Debug)]")
        .prost_path(format!("{}::codegen::prost", options.runtime))
        .prost_types_path(format!("{}::codegen::prost_types", options.runtime));
    for (proto, rust) in &options.extern_paths {
        config.extern_path(format!(".{}", proto.trim_start_matches('.')), rust);
    }
    let module = |package: &str| Module::from_protobuf_package_name(package);
    // prost asks foreign types whether they are `Copy`, so all files go in; it leaves out what is foreign.
    let mut files: Vec<FileDescriptor> = pool.files().filter(|file| file.name() != OPTIONS_PROTO).collect();
    files.sort_by(|a, b| a.name().cmp(b.name()));
    let mut comments = Comments::default();
    let requests = files.iter().map(|file| (module(file.package_name()), documented(file, &mut comments))).collect();
    let mut generated: HashMap<Module, String> = config.generate(requests).map_err(RenderError::Prost)?;
    let mut texts = BTreeMap::new();
    for package in packages {
        if let Some(text) = generated.remove(&module(&package.name)) {
            let text = text.split_once('\n').map_or("", |(_banner, text)| text);
            texts.insert(package.name.clone(), comments.put_back(text));
        }
    }
    Ok(texts)
}

/// The file with marks for comments that are fit for rustdoc, one for each item.
fn documented(file: &FileDescriptor, kept: &mut Comments) -> FileDescriptorProto {
    const MESSAGE: i32 = 4;
    const ENUM: i32 = 5;
    let mut proto = file.file_descriptor_proto().clone();
    let mut docs = Docs { comments: HashMap::new(), locations: Vec::new(), kept };
    for location in proto.source_code_info.take().unwrap_or_default().location {
        let comments = [location.leading_comments, location.trailing_comments];
        let text = comments.into_iter().flatten().collect::<Vec<_>>().join("\n");
        docs.comments.entry(location.path).or_insert(text);
    }
    let package = file.package_name();
    for (index, message) in (0..).zip(&proto.message_type) {
        docs.message(&[MESSAGE, index], package, message);
    }
    for (index, found) in (0..).zip(&proto.enum_type) {
        docs.enumeration(&[ENUM, index], package, found);
    }
    proto.source_code_info = Some(SourceCodeInfo { location: docs.locations });
    proto
}

struct Docs<'a> {
    comments: HashMap<Vec<i32>, String>,
    locations: Vec<Location>,
    kept: &'a mut Comments,
}

impl Docs<'_> {
    fn message(&mut self, path: &[i32], parent: &str, message: &DescriptorProto) {
        const FIELD: i32 = 2;
        const NESTED: i32 = 3;
        const ENUM: i32 = 4;
        const ONEOF: i32 = 8;
        let name = join(parent, message.name());
        self.item(path, || format!("Message `{name}`."));
        for (index, field) in (0..).zip(&message.field) {
            self.item(&below(path, FIELD, index), || format!("Field `{}` = {}.", field.name(), field.number()));
        }
        for (index, oneof) in (0..).zip(&message.oneof_decl) {
            self.item(&below(path, ONEOF, index), || format!("Oneof `{}`.", oneof.name()));
        }
        for (index, found) in (0..).zip(&message.enum_type) {
            self.enumeration(&below(path, ENUM, index), &name, found);
        }
        for (index, nested) in (0..).zip(&message.nested_type) {
            self.message(&below(path, NESTED, index), &name, nested);
        }
    }

    fn enumeration(&mut self, path: &[i32], parent: &str, found: &EnumDescriptorProto) {
        const VALUE: i32 = 2;
        self.item(path, || format!("Enum `{}`.", join(parent, found.name())));
        for (index, value) in (0..).zip(&found.value) {
            self.item(&below(path, VALUE, index), || format!("Value `{}`.", value.name()));
        }
    }

    fn item(&mut self, path: &[i32], default: impl FnOnce() -> String) {
        let comment = self.comments.get(path).map_or("", String::as_str);
        let lines: Vec<String> = comment
            .lines()
            .map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned())
            .filter(|line| !line.starts_with(IGNORE))
            .collect();
        let mut lines = sanitize(&lines);
        if lines.iter().all(|line| line.trim().is_empty()) {
            lines = vec![default()];
        }
        let text = self.kept.keep(lines);
        self.locations.push(Location { path: path.to_vec(), leading_comments: Some(text), ..Default::default() });
    }
}

fn below(path: &[i32], field: i32, index: i32) -> Vec<i32> {
    let mut path = path.to_vec();
    path.extend([field, index]);
    path
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}.{name}") }
}
