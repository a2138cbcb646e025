//! Imports that nothing needs.

use std::collections::BTreeSet;

use prost_reflect::{DynamicMessage, FieldDescriptor, FileDescriptor, Kind, Value};

use super::{Lint, enums, rules};
use crate::schema::messages;

/// Path of `dependency` in a file descriptor.
const DEPENDENCY: i32 = 3;

impl Lint<'_> {
    pub(super) fn imports(&mut self, file: &FileDescriptor) {
        let used = used(file);
        let public: BTreeSet<String> = file.public_dependencies().map(|import| import.name().to_owned()).collect();
        let written = self.schema.sources.imports(file);
        for (index, import) in (0..).zip(file.dependencies().take(written)) {
            let passed_on = public.contains(import.name());
            if !passed_on && !offers(&import).iter().any(|name| used.contains(name)) {
                let place = self.schema.sources.place(file, &[DEPENDENCY, index]);
                let message = format!("nothing uses `{}`", import.name());
                self.found(&rules::IMPORT_USED, file, &place, message, "");
            }
        }
    }
}

/// The file itself and what it imports publicly.
fn offers(file: &FileDescriptor) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut open = vec![file.clone()];
    while let Some(file) = open.pop() {
        if names.insert(file.name().to_owned()) {
            open.extend(file.public_dependencies());
        }
    }
    names
}

/// Files whose types and options a file uses.
fn used(file: &FileDescriptor) -> BTreeSet<String> {
    let mut used = BTreeSet::new();
    options(&file.options(), &mut used);
    for extension in file.extensions() {
        used.insert(extension.containing_message().parent_file().name().to_owned());
        kind(&extension.kind(), &mut used);
        options(&extension.options(), &mut used);
    }
    for found in enums(file) {
        options(&found.options(), &mut used);
        found.values().for_each(|value| options(&value.options(), &mut used));
    }
    for message in messages(file) {
        options(&message.options(), &mut used);
        message.oneofs().for_each(|oneof| options(&oneof.options(), &mut used));
        message.fields().for_each(|field| of_field(&field, &mut used));
        for extension in message.child_extensions() {
            used.insert(extension.containing_message().parent_file().name().to_owned());
            kind(&extension.kind(), &mut used);
            options(&extension.options(), &mut used);
        }
    }
    for service in file.services() {
        options(&service.options(), &mut used);
        for method in service.methods() {
            options(&method.options(), &mut used);
            used.extend([method.input(), method.output()].map(|found| found.parent_file().name().to_owned()));
        }
    }
    used
}

fn of_field(field: &FieldDescriptor, used: &mut BTreeSet<String>) {
    options(&field.options(), used);
    match field.kind() {
        Kind::Message(entry) if entry.is_map_entry() => kind(&entry.map_entry_value_field().kind(), used),
        other => kind(&other, used),
    }
}

fn kind(kind: &Kind, used: &mut BTreeSet<String>) {
    match kind {
        Kind::Message(found) => used.insert(found.parent_file().name().to_owned()),
        Kind::Enum(found) => used.insert(found.parent_file().name().to_owned()),
        _ => false,
    };
}

/// Extensions, in the values of extensions too.
fn options(message: &DynamicMessage, used: &mut BTreeSet<String>) {
    for (extension, value) in message.extensions() {
        used.insert(extension.parent_file().name().to_owned());
        inside(value, used);
    }
    for (_, value) in message.fields() {
        inside(value, used);
    }
}

fn inside(value: &Value, used: &mut BTreeSet<String>) {
    match value {
        Value::Message(message) => options(message, used),
        Value::List(values) => values.iter().for_each(|value| inside(value, used)),
        Value::Map(values) => values.values().for_each(|value| inside(value, used)),
        _ => {}
    }
}
