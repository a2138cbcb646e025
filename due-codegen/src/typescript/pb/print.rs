//! From a description to the text of its `*_pb.ts`.

use prost_reflect::prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, ServiceDescriptorProto};

use super::comment::{Comment, block, doc, preamble};
use super::description::Description;
use super::embed;
use super::field::{Field, Maps};
use super::items::{Item, Kind, items};
use super::modules::{CODEGEN, Export, Modules, RUNTIME};
use super::names;
use super::page::{Page, Use, quote};

const PURE: &str = " = /*@__PURE__*/\n  ";

/// The text behind the header line.
pub(super) fn print(file: &Description, modules: &Modules, import_extension: &str) -> String {
    let home = modules.file(file.proto.name());
    let mut printer = Printer { file, modules, home, page: Page::new(&home.module) };
    printer.file();
    for item in items(&file.proto) {
        match item.kind {
            Kind::Message(message) => printer.message(&item, message),
            Kind::Enum(found) => printer.enumeration(&item, found),
            Kind::Service(service) => printer.service(&item, service),
            Kind::Extension(field) => printer.extension(&item, field),
        }
    }
    preamble(file) + &printer.page.finish(import_extension)
}

struct Printer<'a> {
    file: &'a Description,
    modules: &'a Modules,
    /// What the file itself exports.
    home: &'a Export,
    page: Page<'a>,
}

impl<'a> Printer<'a> {
    fn file(&mut self) {
        let proto = &self.file.proto;
        let deprecated = proto.options.as_ref().is_some_and(|options| options.deprecated());
        self.describe(&format!("Describes the file {}.", proto.name()), deprecated);
        self.page.export("const", &self.home.description);
        self.page.push(": ");
        self.page.name(CODEGEN, "GenFile", Use::Type);
        self.page.push(PURE);
        self.page.name(CODEGEN, "fileDesc", Use::Value);
        self.page.push(&format!("(\"{}\"", embed::base64(self.file.fields.clone())));
        for (i, import) in proto.dependency.iter().enumerate() {
            self.page.push(if i == 0 { ", [" } else { ", " });
            let import = self.modules.file(import);
            self.page.name(&import.module, &import.description, Use::Value);
        }
        self.page.push(if proto.dependency.is_empty() { ");\n\n" } else { "]);\n\n" });
    }

    fn message(&mut self, item: &Item<'_>, message: &DescriptorProto) {
        let names = self.modules.get(&item.full_name);
        self.doc(&item.path, &format!("message {}", item.full_name), item.deprecated, "");
        self.page.export("type", &names.shape);
        self.page.push(" = ");
        self.page.name(RUNTIME, "Message", Use::Type);
        self.page.push(&format!("<{}> & {{\n", quote(&item.full_name)));
        self.members(item, message);
        self.page.push("};\n\n");
        let description = &names.description;
        let usage = format!("Use `create({description})` to create a new message.");
        self.describe(&format!("Describes the message {}.\n{usage}", item.full_name), item.deprecated);
        self.page.export("const", description);
        self.page.push(": ");
        self.page.name(CODEGEN, "GenMessage", Use::Type);
        self.page.push(&format!("<{}>", names.shape));
        self.call("messageDesc", item);
    }

    fn members(&mut self, item: &Item<'_>, message: &DescriptorProto) {
        let maps = Maps::of(message, &item.full_name);
        let oneof = |field: &FieldDescriptorProto| field.oneof_index.filter(|_| !field.proto3_optional());
        let mut oneofs: Vec<Vec<usize>> = vec![Vec::new(); message.oneof_decl.len()];
        for (i, field) in message.field.iter().enumerate() {
            if let Some(fields) = oneof(field).and_then(|index| oneofs.get_mut(usize::try_from(index).ok()?)) {
                fields.push(i);
            }
        }
        let mut is_first = true;
        for (i, proto) in message.field.iter().enumerate() {
            let index = oneof(proto).and_then(|index| usize::try_from(index).ok());
            let fields = index.and_then(|index| oneofs.get_mut(index)).map(std::mem::take);
            // A oneof stands where its first field does.
            if fields.as_ref().is_some_and(Vec::is_empty) {
                continue;
            }
            if !std::mem::take(&mut is_first) {
                self.page.push("\n");
            }
            let field = |proto, in_oneof| Field {
                proto,
                parent: &item.full_name,
                in_oneof,
                is_proto3: self.file.proto.syntax() == "proto3",
                maps: &maps,
            };
            match (index, fields) {
                (Some(index), Some(fields)) => {
                    let path = [&item.path[..], &[8, index as i32]].concat();
                    let name = message.oneof_decl[index].name();
                    let origin = format!("oneof {}.{name}", item.full_name);
                    self.doc(&path, &origin, item.deprecated, "  ");
                    self.page.push(&format!("  {}: {{\n", names::property(&names::json_name(name))));
                    for (nth, i) in fields.into_iter().enumerate() {
                        if nth > 0 {
                            self.page.push("  } | {\n");
                        }
                        let field = field(&message.field[i], true);
                        self.field_doc(&item.path, i, &field, "    ");
                        self.page.push("    value: ");
                        field.write_type(self.modules, &mut self.page);
                        self.page.push(&format!(";\n    case: \"{}\";\n", names::json_name(field.proto.name())));
                    }
                    self.page.push("  } | { case: undefined; value?: undefined };\n");
                }
                _ => {
                    let field = field(proto, false);
                    self.field_doc(&item.path, i, &field, "  ");
                    let name = names::property(&names::json_name(proto.name()));
                    let is_optional = field.is_optional();
                    self.page.push(&format!("  {name}{}: ", if is_optional { "?" } else { "" }));
                    field.write_type(self.modules, &mut self.page);
                    self.page.push(if is_optional { " | undefined;\n" } else { ";\n" });
                }
            }
        }
    }

    fn field_doc(&mut self, message: &[i32], index: usize, field: &Field<'_>, indent: &str) {
        let deprecated = field.proto.options.as_ref().is_some_and(|options| options.deprecated());
        let path = [message, &[2, index as i32]].concat();
        self.doc(&path, &format!("field: {};", field.declaration()), deprecated, indent);
    }

    fn enumeration(&mut self, item: &Item<'_>, found: &EnumDescriptorProto) {
        let names = self.modules.get(&item.full_name);
        let origin = format!("enum {}", item.full_name);
        self.doc(&item.path, &origin, item.deprecated, "");
        self.page.export("enum", &names.shape);
        self.page.push(" {\n");
        let prefix = names::shared_prefix(found.name(), found.value.iter().map(|value| value.name()));
        for (i, value) in found.value.iter().enumerate() {
            if i > 0 {
                self.page.push("\n");
            }
            let deprecated = value.options.as_ref().is_some_and(|options| options.deprecated());
            let option = if deprecated { " [deprecated = true]" } else { "" };
            let (name, number) = (value.name(), value.number());
            let path = [&item.path[..], &[2, i as i32]].concat();
            self.doc(&path, &format!("enum value: {name} = {number}{option};"), deprecated, "  ");
            self.page.push(&format!("  {} = {number},\n", names::property(&name[prefix..])));
        }
        self.page.push("}\n\n");
        self.describe(&format!("Describes the {origin}."), item.deprecated);
        self.page.export("const", &names.description);
        self.page.push(": ");
        self.page.name(CODEGEN, "GenEnum", Use::Type);
        self.page.push(&format!("<{}>", names.shape));
        self.call("enumDesc", item);
    }

    fn service(&mut self, item: &Item<'_>, service: &ServiceDescriptorProto) {
        let names = self.modules.get(&item.full_name);
        self.doc(&item.path, &format!("service {}", item.full_name), item.deprecated, "");
        self.page.export("const", &names.description);
        self.page.push(": ");
        self.page.name(CODEGEN, "GenService", Use::Type);
        self.page.push("<{\n");
        for (i, method) in service.method.iter().enumerate() {
            let deprecated = method.options.as_ref().is_some_and(|options| options.deprecated());
            let path = [&item.path[..], &[2, i as i32]].concat();
            self.doc(&path, &format!("rpc {}.{}", item.full_name, method.name()), deprecated, "  ");
            let kind = match (method.client_streaming(), method.server_streaming()) {
                (true, true) => "bidi_streaming",
                (true, false) => "client_streaming",
                (false, true) => "server_streaming",
                (false, false) => "unary",
            };
            self.page.push(&format!("  {}: {{\n    methodKind: \"{kind}\";\n", names::method(method.name())));
            for (end, ty) in [("input", method.input_type()), ("output", method.output_type())] {
                self.page.push(&format!("    {end}: typeof "));
                let ty = self.modules.get(ty);
                self.page.name(&ty.module, &ty.description, Use::Type);
                self.page.push(";\n");
            }
            self.page.push("  },\n");
        }
        self.page.push("}>");
        self.call("serviceDesc", item);
    }

    fn extension(&mut self, item: &Item<'_>, proto: &FieldDescriptorProto) {
        let maps = Maps::none();
        let parent = item.full_name.rsplit_once('.').map_or("", |(parent, _)| parent);
        let is_proto3 = self.file.proto.syntax() == "proto3";
        let field = Field { proto, parent, in_oneof: false, is_proto3, maps: &maps };
        self.doc(&item.path, &format!("extension: {};", field.declaration()), item.deprecated, "");
        self.page.export("const", &self.modules.get(&item.full_name).description);
        self.page.push(": ");
        self.page.name(CODEGEN, "GenExtension", Use::Type);
        self.page.push("<");
        let extendee = self.modules.get(proto.extendee());
        self.page.name(&extendee.module, &extendee.shape, Use::Type);
        self.page.push(", ");
        field.write_type(self.modules, &mut self.page);
        self.page.push(">");
        self.call("extDesc", item);
    }

    /// The rest of a constant: the call that finds it in the file's description.
    fn call(&mut self, function: &'static str, item: &Item<'_>) {
        self.page.push(PURE);
        self.page.name(CODEGEN, function, Use::Value);
        self.page.push(&format!("({}", self.home.description));
        for index in &item.indices {
            self.page.push(&format!(", {index}"));
        }
        self.page.push(");\n\n");
    }

    fn doc(&mut self, path: &[i32], origin: &str, deprecated: bool, indent: &str) {
        let comment: Option<&Comment> = self.file.comments.get(path);
        self.page.push(&block(&doc(comment, origin, deprecated), indent));
    }

    fn describe(&mut self, text: &str, deprecated: bool) {
        let tag = if deprecated { "\n@deprecated" } else { "" };
        self.page.push(&block(&format!("{text}{tag}"), ""));
    }
}
