//! Which module exports what: the names of every file of a run, for the imports of the others.

use std::collections::HashMap;

use prost_reflect::prost_types::FileDescriptorProto;

use super::items::{Item, Kind, items};
use super::names::{self, Taken};

/// Where the emitted text imports the runtime from.
pub(super) const RUNTIME: &str = "@bufbuild/protobuf";
/// Its part for emitted text alone.
pub(super) const CODEGEN: &str = "@bufbuild/protobuf/codegenv2";
const WKT: &str = "@bufbuild/protobuf/wkt";

/// Files that are part of the runtime.
const WKT_FILES: &[&str] = &[
    "google/protobuf/any.proto",
    "google/protobuf/api.proto",
    "google/protobuf/compiler/plugin.proto",
    "google/protobuf/cpp_features.proto",
    "google/protobuf/descriptor.proto",
    "google/protobuf/duration.proto",
    "google/protobuf/empty.proto",
    "google/protobuf/field_mask.proto",
    "google/protobuf/go_features.proto",
    "google/protobuf/java_features.proto",
    "google/protobuf/source_context.proto",
    "google/protobuf/struct.proto",
    "google/protobuf/timestamp.proto",
    "google/protobuf/type.proto",
    "google/protobuf/wrappers.proto",
];

/// Whether the runtime has a file already, so that nothing is emitted for it.
pub(super) fn is_well_known(file: &str) -> bool {
    WKT_FILES.binary_search(&file).is_ok()
}

/// Everything that emitted files export.
#[derive(Debug, Default)]
pub(super) struct Modules {
    /// By import name.
    files: HashMap<String, Export>,
    /// By full name: messages, enums, services and extensions.
    types: HashMap<String, Export>,
}

/// A message or enum has two names, the rest only that of its description.
#[derive(Clone, Debug)]
pub(crate) struct Export {
    /// The module, with `.js` at its end if it is emitted.
    pub(crate) module: String,
    /// The constant that describes it.
    pub(crate) description: String,
    /// The type of its values; empty if there are none.
    pub(crate) shape: String,
}

impl Modules {
    pub(super) fn add(&mut self, file: &FileDescriptorProto) {
        let (module, items) = (module(file.name()), items(file));
        let mut taken = Taken::default();
        // Shapes come first, so that they keep their names.
        let mut shapes: Vec<String> = Vec::with_capacity(items.len());
        for item in &items {
            let has_shape = matches!(item.kind, Kind::Message(_) | Kind::Enum(_));
            shapes.push(if has_shape { taken.fresh(&flat(item, file)) } else { String::new() });
        }
        let description = taken.fresh(&names::file(stem(file.name())));
        self.files.insert(file.name().to_owned(), Export { module: module.clone(), description, shape: String::new() });
        for (item, shape) in items.iter().zip(shapes) {
            let suffix = if shape.is_empty() { "" } else { "Schema" };
            let description = taken.fresh(&(flat(item, file) + suffix));
            self.types.insert(item.full_name.clone(), Export { module: module.clone(), description, shape });
        }
    }

    /// A file of this run.
    pub(super) fn file(&self, name: &str) -> &Export {
        self.files.get(name).expect("imports were resolved")
    }

    /// A type of this run by its full name, with or without the dot in front.
    pub(super) fn get(&self, name: &str) -> &Export {
        self.types.get(name.strip_prefix('.').unwrap_or(name)).expect("types were resolved")
    }
}

/// The import name without its extension.
pub(crate) fn stem(file: &str) -> &str {
    file.strip_suffix(".proto").unwrap_or(file)
}

/// What importers of a file write, up to the import extension.
pub(super) fn module(file: &str) -> String {
    if is_well_known(file) { WKT.to_owned() } else { format!("./{}_pb.js", stem(file)) }
}

/// The name without its package, in one word.
fn flat(item: &Item<'_>, file: &FileDescriptorProto) -> String {
    let package = if file.package().is_empty() { 0 } else { file.package().len() + 1 };
    item.full_name[package..].replace('.', "_")
}
