//! What a file declares at its top level in TypeScript, in the order in which it is emitted.

use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, ServiceDescriptorProto,
};

/// A message, enum, service or extension, nested ones too. Entries of maps are none.
#[derive(Clone, Debug)]
pub(super) struct Item<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) full_name: String,
    /// Path in the FileDescriptorProto.
    pub(super) path: Vec<i32>,
    /// Indices that lead to it at run time, where entries of maps do not count.
    pub(super) indices: Vec<usize>,
    /// Whether it, something around it or its file is deprecated.
    pub(super) deprecated: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind<'a> {
    Message(&'a DescriptorProto),
    Enum(&'a EnumDescriptorProto),
    Service(&'a ServiceDescriptorProto),
    Extension(&'a FieldDescriptorProto),
}

pub(super) fn items(file: &FileDescriptorProto) -> Vec<Item<'_>> {
    let deprecated = file.options.as_ref().is_some_and(|options| options.deprecated());
    let top = Scope { name: file.package(), path: &[], indices: &[], deprecated };
    let mut out = Vec::new();
    add_messages(&top, 4, &file.message_type, &mut out);
    add_enums(&top, 5, &file.enum_type, &mut out);
    for (i, service) in file.service.iter().enumerate() {
        let own = service.options.as_ref().is_some_and(|options| options.deprecated());
        out.push(top.item(Kind::Service(service), service.name(), (6, i), i, own));
    }
    add_extensions(&top, 7, &file.extension, &mut out);
    out
}

/// What items are declared in.
struct Scope<'a> {
    name: &'a str,
    path: &'a [i32],
    indices: &'a [usize],
    deprecated: bool,
}

impl Scope<'_> {
    fn item<'b>(&self, kind: Kind<'b>, name: &str, place: (i32, usize), index: usize, deprecated: bool) -> Item<'b> {
        Item {
            kind,
            full_name: if self.name.is_empty() { name.to_owned() } else { format!("{}.{name}", self.name) },
            path: [self.path, &[place.0, place.1 as i32]].concat(),
            indices: [self.indices, &[index]].concat(),
            deprecated: self.deprecated || deprecated,
        }
    }
}

fn add_messages<'a>(scope: &Scope<'_>, number: i32, messages: &'a [DescriptorProto], out: &mut Vec<Item<'a>>) {
    let visible = messages.iter().enumerate().filter(|(_, message)| !is_map_entry(message));
    for (index, (i, message)) in visible.enumerate() {
        let own = message.options.as_ref().is_some_and(|options| options.deprecated());
        let item = scope.item(Kind::Message(message), message.name(), (number, i), index, own);
        out.push(item.clone());
        let inner =
            Scope { name: &item.full_name, path: &item.path, indices: &item.indices, deprecated: item.deprecated };
        add_messages(&inner, 3, &message.nested_type, out);
        add_enums(&inner, 4, &message.enum_type, out);
        add_extensions(&inner, 6, &message.extension, out);
    }
}

fn add_enums<'a>(scope: &Scope<'_>, number: i32, enums: &'a [EnumDescriptorProto], out: &mut Vec<Item<'a>>) {
    for (i, found) in enums.iter().enumerate() {
        let own = found.options.as_ref().is_some_and(|options| options.deprecated());
        out.push(scope.item(Kind::Enum(found), found.name(), (number, i), i, own));
    }
}

fn add_extensions<'a>(scope: &Scope<'_>, number: i32, fields: &'a [FieldDescriptorProto], out: &mut Vec<Item<'a>>) {
    for (i, field) in fields.iter().enumerate() {
        let own = field.options.as_ref().is_some_and(|options| options.deprecated());
        out.push(scope.item(Kind::Extension(field), field.name(), (number, i), i, own));
    }
}

pub(super) fn is_map_entry(message: &DescriptorProto) -> bool {
    message.options.as_ref().is_some_and(|options| options.map_entry())
}
