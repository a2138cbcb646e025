//! Messages with a field that is marked with `due.code`, or whose type is an enum with `due.codes`.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::{Lowering, option_place, path};
use crate::diagnostic::{Diagnostic, Place};
use crate::model::{CodeCarrier, CodeField, TextField};
use crate::naming::snake;
use crate::options::number;

impl Lowering<'_> {
    pub(super) fn code_carrier(&mut self, message: &MessageDescriptor, package: &str) -> Option<CodeCarrier> {
        let (mut codes, mut texts, mut implied) = (Vec::new(), Vec::new(), Vec::new());
        let file = message.parent_file();
        if message.fields().any(|field| self.sources.is_mended(&file, field.path())) {
            return None;
        }
        for field in message.fields() {
            let kind = field.kind();
            if self.options.code(&field) {
                if !self.check_marked(&field) {
                } else if matches!(kind, Kind::String) {
                    texts.push(field);
                } else {
                    codes.push(field);
                }
            } else if kind.as_enum().is_some_and(|found| self.options.codes(found))
                && !field.is_list()
                && field.containing_oneof().is_none_or(|oneof| oneof.is_synthetic())
            {
                implied.push(field);
            }
        }
        let codes = if codes.is_empty() { implied } else { codes };
        self.check_single(message, &codes, "code");
        self.check_single(message, &texts, "text");
        let text = texts.into_iter().next();
        let Some(code) = codes.into_iter().next() else {
            if let Some(text) = text {
                self.report.push(
                    Diagnostic::error(format!("`{}` marks an error text, but no error code", message.full_name()))
                        .at(&self.mark(&text), "")
                        .help("mark the integer or enum field with `[(due.code) = true]` as well"),
                );
            }
            return None;
        };
        let (rust_type, enum_path) = match code.kind() {
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => ("i64", None),
            Kind::Uint32 | Kind::Fixed32 => ("u32", None),
            Kind::Uint64 | Kind::Fixed64 => ("u64", None),
            Kind::Enum(found) => {
                ("i32", Some(self.types.reference(package, found.package_name(), found.full_name()).rust))
            }
            _ => ("i32", None),
        };
        Some(CodeCarrier {
            message: self.types.reference(package, file.package_name(), message.full_name()),
            code: CodeField {
                name: code.name().to_owned(),
                rust_name: snake(code.name()),
                rust_type: rust_type.to_owned(),
                enum_path,
                optional: is_option(&code),
            },
            text: text.map(|text| TextField {
                name: text.name().to_owned(),
                rust_name: snake(text.name()),
                optional: is_option(&text),
            }),
        })
    }

    fn check_marked(&mut self, field: &FieldDescriptor) -> bool {
        let problem = if field.is_list() || field.is_map() {
            "is repeated"
        } else if field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic()) {
            "is in a oneof"
        } else if matches!(field.kind(), Kind::Bool | Kind::Float | Kind::Double | Kind::Bytes | Kind::Message(_)) {
            "is neither an integer, an enum nor a string"
        } else {
            return true;
        };
        self.report.push(
            Diagnostic::error(format!("`{}` cannot carry an error code: it {problem}", field.full_name()))
                .at(&self.mark(field), "")
                .help("due.code marks one integer or enum field for the code, and one string field for its text"),
        );
        false
    }

    fn check_single(&mut self, message: &MessageDescriptor, fields: &[FieldDescriptor], what: &str) {
        for other in fields.iter().skip(1) {
            self.report.push(
                Diagnostic::error(format!("`{}` has two error {what} fields", message.full_name()))
                    .at(&self.mark(other), "")
                    .at(&self.mark(&fields[0]), "first marked here")
                    .help("let one field carry `[(due.code) = true]`"),
            );
        }
    }

    /// The mark itself; the field's name where its enum's type is the mark.
    fn mark(&self, field: &FieldDescriptor) -> Place {
        option_place(self.sources, (&field.parent_file(), field.path()), path::FIELD_OPTIONS, number::CODE, "")
    }
}

fn is_option(field: &FieldDescriptor) -> bool {
    field.field_descriptor_proto().proto3_optional() || (field.supports_presence() && !field.is_required())
}
