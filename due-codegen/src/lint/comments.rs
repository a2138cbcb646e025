//! What has a comment. Off by default.

use prost_reflect::FileDescriptor;

use super::{Lint, enums, rules};
use crate::rule::Rule;
use crate::schema::messages;

impl Lint<'_> {
    pub(super) fn comments(&mut self, file: &FileDescriptor) {
        for service in file.services() {
            self.comment(&rules::SERVICE_COMMENT, file, service.path(), "service", service.full_name());
            for method in service.methods() {
                self.comment(&rules::RPC_COMMENT, file, method.path(), "rpc", method.full_name());
            }
        }
        for message in messages(file) {
            if !["Request", "Response"].iter().any(|end| message.name().ends_with(end)) {
                self.comment(&rules::MESSAGE_COMMENT, file, message.path(), "message", message.full_name());
            }
            for field in message.fields() {
                self.comment(&rules::FIELD_COMMENT, file, field.path(), "field", field.full_name());
            }
        }
        for found in enums(file) {
            self.comment(&rules::ENUM_COMMENT, file, found.path(), "enum", found.full_name());
        }
    }

    fn comment(&mut self, rule: &'static Rule, file: &FileDescriptor, path: &[i32], what: &str, name: &str) {
        if self.holds(rule, file.name()) && self.schema.sources.doc(file, path).lines.is_empty() {
            let place = self.schema.sources.name_place(file, path);
            self.found(rule, file, &place, format!("{what} `{name}` has no comment"), "");
        }
    }
}
