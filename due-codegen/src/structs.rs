//! The types of messages and enums by prost-build, one file at a time, so that no more of its output is in memory than is
//! worked on. What it wants to know of types from other files is answered by stand-ins.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

use prost_build::Module;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, SourceCodeInfo,
};
use prost_reflect::{FileDescriptor, Kind, MessageDescriptor};

use crate::config::RustOptions;
use crate::doc::{Comments, sanitize};
use crate::render::RenderError;
use crate::schema::messages;
use crate::source::{IGNORE, Sources};

/// Writes the types of files of one run.
#[derive(Debug)]
pub(crate) struct Structs<'a> {
    sources: &'a Sources,
    options: &'a RustOptions,
    /// By full name.
    traits: Mutex<HashMap<String, Traits>>,
}

/// What prost-build derives for a message if all its fields have it, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Traits {
    copy: bool,
    eq: bool,
}

impl<'a> Structs<'a> {
    pub(crate) fn new(sources: &'a Sources, options: &'a RustOptions) -> Self {
        Self { sources, options, traits: Mutex::default() }
    }

    /// The types that the file declares, unformatted; nothing if there are none.
    pub(crate) fn of(&self, file: &FileDescriptor) -> Result<String, RenderError> {
        let own = Module::from_parts(["own"]);
        let others = Module::from_parts(["others"]);
        let mut comments = Comments::default();
        let mut requests = vec![(own.clone(), documented(file, self.sources, &mut comments))];
        requests.extend(self.stand_ins(file).into_iter().map(|file| (others.clone(), file)));
        let mut generated = self.config().generate(requests).map_err(RenderError::Prost)?;
        let text = generated.remove(&own).unwrap_or_default();
        Ok(comments.put_back(text.split_once('\n').map_or("", |(_banner, text)| text)))
    }

    fn config(&self) -> prost_build::Config {
        let mut config = prost_build::Config::new();
        config
            .btree_map(["."])
            .skip_debug(["."])
            .enum_attribute(".", "#[derive(Debug)]")
            .prost_path(format!("{}::codegen::prost", self.options.runtime))
            .prost_types_path(format!("{}::codegen::prost_types", self.options.runtime));
        for (proto, rust) in &self.options.extern_paths {
            config.extern_path(format!(".{}", proto.trim_start_matches('.')), rust);
        }
        config
    }

    /// For each message of another file that a field of this one has: a message of the same name with the same traits.
    /// No other file can refer back to this one, since imports have no cycles.
    fn stand_ins(&self, file: &FileDescriptor) -> Vec<FileDescriptorProto> {
        let mut foreign = BTreeMap::new();
        for field in messages(file).iter().flat_map(MessageDescriptor::fields) {
            if let Kind::Message(found) = field.kind()
                && found.parent_file() != *file
            {
                foreign.insert(found.full_name().to_owned(), found);
            }
        }
        let mut traits = self.traits.lock().unwrap_or_else(PoisonError::into_inner);
        foreign.values().map(|message| stand_in(message, traits_of(message, &mut traits))).collect()
    }
}

/// By the rules of prost-build: what contains itself is neither, nor is what has a list of messages.
fn traits_of(message: &MessageDescriptor, known: &mut HashMap<String, Traits>) -> Traits {
    if let Some(traits) = known.get(message.full_name()) {
        return *traits;
    }
    // Whoever comes back here, goes around in a circle.
    known.insert(message.full_name().to_owned(), Traits { copy: false, eq: false });
    let mut traits = Traits { copy: true, eq: true };
    for field in message.fields() {
        let repeated = field.is_list() || field.is_map();
        let of = match field.kind() {
            Kind::Message(_) if field.is_group() => Traits { copy: false, eq: false },
            Kind::Message(found) if !repeated => traits_of(&found, known),
            Kind::Message(_) | Kind::Float | Kind::Double if repeated => Traits { copy: false, eq: false },
            Kind::Float | Kind::Double => Traits { copy: true, eq: false },
            Kind::String | Kind::Bytes => Traits { copy: false, eq: true },
            _ => Traits { copy: !repeated, eq: true },
        };
        traits = Traits { copy: traits.copy && of.copy, eq: traits.eq && of.eq };
    }
    known.insert(message.full_name().to_owned(), traits);
    traits
}

fn stand_in(message: &MessageDescriptor, traits: Traits) -> FileDescriptorProto {
    let field = |kind: Type, label: Label| {
        let mut field = FieldDescriptorProto { name: Some("f".to_owned()), number: Some(1), ..Default::default() };
        field.set_type(kind);
        field.set_label(label);
        vec![field]
    };
    let field = match traits {
        Traits { copy: true, eq: true } => Vec::new(),
        Traits { copy: false, eq: true } => field(Type::String, Label::Optional),
        Traits { copy: true, eq: false } => field(Type::Float, Label::Optional),
        Traits { copy: false, eq: false } => field(Type::Float, Label::Repeated),
    };
    let parent = message.full_name().rsplit_once('.').map(|(parent, _)| parent.to_owned());
    let message = DescriptorProto { name: Some(message.name().to_owned()), field, ..Default::default() };
    FileDescriptorProto {
        package: parent,
        message_type: vec![message],
        syntax: Some("proto3".to_owned()),
        ..Default::default()
    }
}

/// The file with marks for comments that are fit for rustdoc, one for each item.
fn documented(file: &FileDescriptor, sources: &Sources, kept: &mut Comments) -> FileDescriptorProto {
    const MESSAGE: i32 = 4;
    const ENUM: i32 = 5;
    let mut proto = file.file_descriptor_proto().clone();
    let mut docs = Docs { file, sources, locations: Vec::new(), kept };
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
    file: &'a FileDescriptor,
    sources: &'a Sources,
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
        let comments = self.sources.comments(self.file, path).into_iter().filter(|comment| !comment.is_empty());
        let comment = comments.collect::<Vec<_>>().join("\n");
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
