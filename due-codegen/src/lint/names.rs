//! How things are named.

use heck::{ToShoutySnakeCase as _, ToSnakeCase as _, ToUpperCamelCase as _};
use prost_reflect::{EnumDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor};

use super::{Lint, enums, rules};
use crate::lower::{option_place, path};
use crate::options::number;
use crate::schema::messages;

const EMPTY: &str = "google.protobuf.Empty";
/// What the value 0 may end in.
const NOTHING: &[&str] = &["UNSPECIFIED", "UNKNOWN", "NONE", "DEFAULT"];
/// The same for error codes.
const SUCCESS: &[&str] = &["OK", "SUCCESS", "NONE"];

impl Lint<'_> {
    pub(super) fn names(&mut self, file: &FileDescriptor) {
        for message in messages(file) {
            self.message(file, &message);
        }
        for found in enums(file) {
            self.enumeration(file, &found);
        }
        for service in file.services() {
            self.service(file, &service);
        }
    }

    fn message(&mut self, file: &FileDescriptor, message: &MessageDescriptor) {
        let place = self.schema.message_place(message);
        let (name, full) = (message.name(), message.full_name());
        if !is_pascal(name) {
            let fix = format!("name it `{}`", name.to_upper_camel_case());
            let text = format!("message `{full}` is not named in PascalCase");
            self.found(&rules::MESSAGE_PASCAL_CASE, file, &place, text, &fix);
        }
        for field in message.fields().filter(|field| !is_snake(field.name()) && !field.is_group()) {
            let place = self.schema.sources.name_place(file, field.path());
            let fix = format!("name it `{}`", field.name().to_snake_case());
            let text = format!("field `{}` is not named in lower_snake_case", field.full_name());
            self.found(&rules::FIELD_SNAKE_CASE, file, &place, text, &fix);
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic() && !is_snake(oneof.name())) {
            let place = self.schema.sources.name_place(file, oneof.path());
            let fix = format!("name it `{}`", oneof.name().to_snake_case());
            let text = format!("oneof `{}` is not named in lower_snake_case", oneof.full_name());
            self.found(&rules::ONEOF_SNAKE_CASE, file, &place, text, &fix);
        }
        let rpc_like = ["Request", "Response"].iter().any(|end| name.ends_with(end));
        if rpc_like && self.schema.options.push(message).is_some() {
            let text = format!("push `{full}` is named like a request or response");
            self.found(&rules::PUSH_NAME, file, &place, text, "");
        }
        if let Some(topic) = self.schema.options.event(message) {
            if rpc_like {
                let text = format!("event `{full}` is named like a request or response");
                self.found(&rules::EVENT_NAME, file, &place, text, "");
            }
            if !is_lower(&topic, &['.', '-', '_', ':', '/']) {
                let sources = &self.schema.sources;
                let owner = (file, message.path());
                let place = option_place(sources, owner, path::MESSAGE_OPTIONS, number::EVENT, "topic");
                let text = format!("topic `{topic}` is not of lower case words");
                self.found(&rules::TOPIC_FORM, file, &place, text, "");
            }
        }
    }

    fn enumeration(&mut self, file: &FileDescriptor, found: &EnumDescriptor) {
        let name = found.name();
        if !is_pascal(name) {
            let place = self.schema.sources.name_place(file, found.path());
            let fix = format!("name it `{}`", name.to_upper_camel_case());
            let text = format!("enum `{}` is not named in PascalCase", found.full_name());
            self.found(&rules::ENUM_PASCAL_CASE, file, &place, text, &fix);
        }
        let prefix = format!("{}_", name.to_shouty_snake_case());
        for value in found.values() {
            let place = self.schema.sources.name_place(file, value.path());
            let shown = format!("value `{}` of `{}`", value.name(), found.full_name());
            if !is_upper_snake(value.name()) {
                let fix = format!("name it `{}`", value.name().to_shouty_snake_case());
                let text = format!("{shown} is not named in UPPER_SNAKE_CASE");
                self.found(&rules::VALUE_UPPER_SNAKE_CASE, file, &place, text, &fix);
            } else if !value.name().starts_with(&prefix) {
                let fix = format!("name it `{prefix}{}`", value.name());
                let text = format!("{shown} does not begin with `{prefix}`");
                self.found(&rules::VALUE_PREFIX, file, &place, text, &fix);
            }
        }
        let codes = self.schema.options.codes(found);
        let ends = if codes { SUCCESS } else { NOTHING };
        let good = |name: &str| {
            ends.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('_')))
        };
        let zero = found.values().find(|value| value.number() == 0);
        if !zero.as_ref().is_some_and(|value| good(value.name())) {
            let path = zero.as_ref().map_or_else(|| found.path().to_vec(), |value| value.path().to_vec());
            let place = self.schema.sources.name_place(file, &path);
            let text = match &zero {
                Some(value) => {
                    format!("value 0 of `{}` is `{}`, which says something", found.full_name(), value.name())
                }
                None => format!("enum `{}` has no value 0", found.full_name()),
            };
            let fix = format!("name it `{prefix}{}`", ends[0]);
            self.found(&rules::VALUE_ZERO, file, &place, text, &fix);
        }
    }

    fn service(&mut self, file: &FileDescriptor, service: &ServiceDescriptor) {
        if !is_pascal(service.name()) {
            let place = self.schema.sources.name_place(file, service.path());
            let fix = format!("name it `{}`", service.name().to_upper_camel_case());
            let text = format!("service `{}` is not named in PascalCase", service.full_name());
            self.found(&rules::SERVICE_PASCAL_CASE, file, &place, text, &fix);
        }
        let (node, mesh) = (self.schema.options.node(service), self.schema.options.mesh(service));
        let named = [(number::NODE, node.map(|node| node.name)), (number::MESH, mesh.map(|mesh| mesh.name))];
        for (extension, name) in named.into_iter().filter_map(|(number, name)| Some((number, name?))) {
            if !is_lower(&name, &['-', '.']) {
                let owner = (file, service.path());
                let place = option_place(&self.schema.sources, owner, path::SERVICE_OPTIONS, extension, "name");
                let text = format!("`{name}` is not of lower case words with `-` between them");
                self.found(&rules::NODE_NAME_FORM, file, &place, text, "");
            }
        }
        for method in service.methods() {
            self.rpc(file, service, &method);
        }
    }

    fn rpc(&mut self, file: &FileDescriptor, service: &ServiceDescriptor, method: &MethodDescriptor) {
        let name = method.name();
        if !is_pascal(name) {
            let place = self.schema.rpc_place(method);
            let fix = format!("name it `{}`", name.to_upper_camel_case());
            let text = format!("rpc `{}` is not named in PascalCase", method.full_name());
            self.found(&rules::RPC_PASCAL_CASE, file, &place, text, &fix);
        }
        for (rule, word, part, found) in [
            (&rules::RPC_REQUEST_NAME, "Request", path::METHOD_INPUT, method.input()),
            (&rules::RPC_RESPONSE_NAME, "Response", path::METHOD_OUTPUT, method.output()),
        ] {
            let good = [format!("{name}{word}"), format!("{}{name}{word}", service.name())];
            if found.full_name() != EMPTY && !good.iter().any(|good| found.name() == good) {
                let place = self.schema.sources.place(file, &[method.path(), &[part]].concat());
                let what = word.to_lowercase();
                let text = format!("the {what} of `{}` is named `{}`", method.full_name(), found.name());
                self.found(rule, file, &place, text, &format!("name it `{}`", good[0]));
            }
        }
    }
}

/// `user_name`, `x`, `v1`.
pub(super) fn is_snake(name: &str) -> bool {
    is_lower(name, &['_']) && name.starts_with(|c: char| c.is_ascii_lowercase())
}

/// Lower case words and digits, with one separator between two.
fn is_lower(name: &str, separators: &[char]) -> bool {
    name.split(separators)
        .all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

fn is_upper_snake(name: &str) -> bool {
    !name.bytes().any(|byte| byte.is_ascii_lowercase()) && is_snake(&name.to_ascii_lowercase())
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_uppercase()) && !name.contains('_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_names() {
        for (name, snake, upper, pascal) in [
            ("user_name", true, false, false),
            ("x", true, false, false),
            ("v1_2", true, false, false),
            ("user__name", false, false, false),
            ("_user", false, false, false),
            ("user_", false, false, false),
            ("1st", false, false, false),
            ("userName", false, false, false),
            ("USER_NAME", false, true, false),
            ("X", false, true, true),
            ("A__B", false, false, false),
            ("UserName", false, false, true),
            ("HTTPCode2", false, false, true),
            ("User_Name", false, false, false),
        ] {
            assert_eq!((is_snake(name), is_upper_snake(name), is_pascal(name)), (snake, upper, pascal), "{name}");
        }
        assert!(is_lower("game-1.eu", &['-', '.']) && !is_lower("Game", &['-']) && !is_lower("a--b", &['-']));
    }
}
