//! One file as it is emitted: all that the text needs, owned, and open to cuts.

use std::collections::HashMap;

use prost::bytes::Bytes;
use prost_reflect::FileDescriptor;
use prost_reflect::prost_types::FileDescriptorProto;

use super::comment::Comment;
use super::defaults;
use super::gaps;
use super::layout::{self, FILE_SYNTAX, Layout, METHOD_OPTIONS};
use super::statements::Statements;
use super::wire::{Field, Value};
use crate::source::Sources;

/// A file of the pool.
#[derive(Clone, Debug)]
pub(super) struct Description {
    /// Without source info, and without extension options, which prost drops.
    pub(super) proto: FileDescriptorProto,
    /// The same file as protoc hands it to its plugins, extension options included.
    pub(super) fields: Vec<Field>,
    /// By descriptor path.
    pub(super) comments: HashMap<Vec<i32>, Comment>,
}

impl Description {
    pub(super) fn new(file: &FileDescriptor, sources: &Sources) -> Self {
        let mut proto = file.file_descriptor_proto().clone();
        proto.dependency.truncate(sources.imports(file));
        let info = proto.source_code_info.take().unwrap_or_default();
        let mut fields = layout::file(file.encode_to_vec()).expect("prost-reflect writes descriptors");
        let source = sources.place(file, &[]).source;
        let statements = Statements::new(&info, &source);
        layout::visit(Layout::File, &mut Vec::new(), &mut fields, &mut |layout, path, fields| {
            if layout == Layout::Method && is_block(sources, file, path) {
                add_options(fields);
            }
            let options = fields.iter_mut().find(|field| layout.child(field.number) == Some(Layout::Options));
            if let Some(Field { number, value: Value::Message(inner) }) = options {
                let path = [path, &[*number as i32]].concat();
                statements.spell(&path, layout.options(), inner, file.parent_pool());
            }
        });
        // protoc leaves it out.
        fields
            .retain(|field| field.number != FILE_SYNTAX || field.value != Value::Bytes(Bytes::from_static(b"proto2")));
        defaults::spell(&mut proto, &mut fields);
        let comments = gaps::comments(file, sources, &mut fields);
        Self { proto, fields, comments }
    }
}

/// Whether an rpc ends in `{ .. }`, not in `;`.
fn is_block(sources: &Sources, file: &FileDescriptor, path: &[i32]) -> bool {
    let place = sources.place(file, path);
    place.source.text.get(place.span).is_some_and(|text| text.ends_with('}'))
}

/// protoc gives options to every rpc with a block, be it empty.
fn add_options(method: &mut Vec<Field>) {
    if !method.iter().any(|field| field.number == METHOD_OPTIONS) {
        method.push(Field::new(METHOD_OPTIONS, Value::Message(Vec::new())));
        method.sort_by_key(|field| field.number);
    }
}
