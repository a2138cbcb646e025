//! Descriptors to model. What a template must not decide is decided here; mistakes are reported, and the walk goes on.

mod code;
mod mesh;
mod node;
pub(crate) mod types;

use std::collections::BTreeMap;

use prost_reflect::{
    EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, MethodDescriptor, ServiceDescriptor,
};

use crate::check::names::Names;
use crate::check::routes::{Claim, Claims};
use crate::diagnostic::{Diagnostic, Place, Report};
use crate::model::{Event, Model, Package, Position, Push, RouteId, RouteIdError, RouteWidth};
use crate::naming;
use crate::options::{Options, number};
use crate::source::{OPTIONS_PROTO, Sources};
use types::Types;

/// Field numbers of descriptor.proto, as they stand in descriptor paths.
pub(crate) mod path {
    pub(crate) const FILE_PACKAGE: i32 = 2;
    pub(crate) const MESSAGE_OPTIONS: i32 = 7;
    pub(crate) const FIELD_NUMBER: i32 = 3;
    pub(crate) const FIELD_LABEL: i32 = 4;
    pub(crate) const FIELD_SCALAR: i32 = 5;
    pub(crate) const FIELD_TYPE: i32 = 6;
    pub(crate) const FIELD_OPTIONS: i32 = 8;
    pub(crate) const SERVICE_OPTIONS: i32 = 3;
    pub(crate) const METHOD_INPUT: i32 = 2;
    pub(crate) const METHOD_OUTPUT: i32 = 3;
    pub(crate) const METHOD_OPTIONS: i32 = 4;
    pub(crate) const METHOD_CLIENT_STREAMING: i32 = 5;
    pub(crate) const METHOD_SERVER_STREAMING: i32 = 6;
}

/// The model, with every mistake on the way to it reported. With unchecked names, what only Rust cannot express is none.
pub(crate) fn lower(sources: &Sources, types: &Types, width: RouteWidth, names: Names, report: &mut Report) -> Model {
    let options = Options::new(&sources.pool);
    let claims = Claims::new(&sources.pool, &options, width);
    let mut lowering = Lowering { sources, types, width, options, names, claims, report };
    let mut packages: BTreeMap<String, Package> = BTreeMap::new();
    let mut files: Vec<FileDescriptor> = sources.pool.files().filter(|file| file.name() != OPTIONS_PROTO).collect();
    files.sort_by(|a, b| a.name().cmp(b.name()));
    for file in files {
        if types.is_foreign(file.package_name()) {
            lowering.claim_foreign(&file);
        } else {
            let package = packages.entry(file.package_name().to_owned()).or_insert_with(|| empty(file.package_name()));
            lowering.file(&file, package);
        }
    }
    let routes = lowering.claims.finish(lowering.report);
    Model { packages: packages.into_values().collect(), routes }
}

fn empty(name: &str) -> Package {
    Package {
        name: name.to_owned(),
        modules: naming::modules(name),
        file_name: naming::file_name(name),
        files: Vec::new(),
        doc: Default::default(),
        nodes: Vec::new(),
        meshes: Vec::new(),
        pushes: Vec::new(),
        events: Vec::new(),
        codes: Vec::new(),
        code_enums: Vec::new(),
    }
}

struct Lowering<'a> {
    sources: &'a Sources,
    types: &'a Types,
    width: RouteWidth,
    options: Options,
    names: Names,
    claims: Claims,
    report: &'a mut Report,
}

impl Lowering<'_> {
    fn file(&mut self, file: &FileDescriptor, package: &mut Package) {
        package.files.push(file.name().to_owned());
        package.doc.lines.extend(self.sources.doc(file, &[path::FILE_PACKAGE]).lines);
        for service in file.services() {
            self.service(&service, package);
        }
        self.code_enums(file.enums(), package);
        for message in file.messages() {
            self.message(&message, package);
        }
    }

    fn code_enums(&self, enums: impl Iterator<Item = EnumDescriptor>, package: &mut Package) {
        let marked = enums.filter(|found| self.options.codes(found));
        package.code_enums.extend(marked.map(|found| found.full_name().to_owned()));
    }

    fn service(&mut self, service: &ServiceDescriptor, package: &mut Package) {
        let file = service.parent_file();
        let place =
            |extension| option_place(self.sources, (&file, service.path()), path::SERVICE_OPTIONS, extension, "");
        match (self.options.node(service), self.options.mesh(service)) {
            (Some(_), Some(_)) => {
                let error =
                    Diagnostic::error(format!("service `{}` has both due.node and due.mesh", service.full_name()))
                        .at(&place(number::MESH), "")
                        .at(&place(number::NODE), "and this")
                        .help("a node serves clients, a mesh serves other servers: make two services of it");
                self.report.push(error);
            }
            (Some(options), None) => package.nodes.extend(self.node(service, options)),
            (None, Some(options)) => package.meshes.extend(self.mesh(service, options)),
            (None, None) => self.plain(service),
        }
    }

    /// A service that is none of ours.
    fn plain(&mut self, service: &ServiceDescriptor) {
        if self.sources.is_mended(&service.parent_file(), service.path()) {
            return;
        }
        let mut routed = false;
        for method in service.methods().filter(|method| self.options.route(method).is_some()) {
            routed = true;
            let file = method.parent_file();
            let place = option_place(self.sources, (&file, method.path()), path::METHOD_OPTIONS, number::ROUTE, "");
            self.report.push(
                Diagnostic::error(format!("`{}` has a route, but its service has no due.node", method.full_name()))
                    .at(&place, "")
                    .help(format!("put `option (due.node) = {{ name: \"..\" }};` into service `{}`", service.name())),
            );
        }
        let file = service.parent_file();
        if !routed && self.names.for_rust() && self.sources.inputs.contains(file.name()) {
            self.report.push(
                Diagnostic::warning(format!(
                    "nothing is generated for service `{}`: it has neither due.node nor due.mesh",
                    service.full_name()
                ))
                .at(&self.sources.name_place(&file, service.path()), ""),
            );
        }
    }

    fn message(&mut self, message: &MessageDescriptor, package: &mut Package) {
        if self.types.is_foreign(message.full_name()) || message.is_map_entry() {
            return;
        }
        let file = message.parent_file();
        let sources = self.sources;
        let place =
            |extension, field| option_place(sources, (&file, message.path()), path::MESSAGE_OPTIONS, extension, field);
        let mended = self.sources.is_mended(&file, message.path());
        if let Some(raw) = self.options.push(message).filter(|_| !mended) {
            let id_place = place(number::PUSH, "id");
            if message.parent_message().is_some() {
                self.report.push(
                    Diagnostic::error(format!("`{}` cannot be a push: it is a nested message", message.full_name()))
                        .at(&place(number::PUSH, ""), "")
                        .help("move the message to the top of the file"),
                );
            } else {
                let position = self.sources.position(&file, message.path());
                if let Some(id) = self.route_id(raw, message.full_name(), id_place, position.clone(), true) {
                    package.pushes.push(Push {
                        message: self.types.reference(&package.name, file.package_name(), message.full_name()),
                        id,
                        doc: self.sources.doc(&file, message.path()),
                        position,
                    });
                }
            }
        }
        if let Some(topic) = self.options.event(message).filter(|_| !mended) {
            let place = place(number::EVENT, "topic");
            if self.claims.claim_topic(&topic, message.full_name(), place, self.report) {
                let message = self.types.reference(&package.name, file.package_name(), message.full_name());
                package.events.push(Event { message, topic });
            }
        }
        for field in message.fields() {
            self.check_field_type(&field);
        }
        package.codes.extend(self.code_carrier(message, &package.name));
        self.code_enums(message.child_enums(), package);
        for nested in message.child_messages() {
            self.message(&nested, package);
        }
    }

    fn check_field_type(&mut self, field: &FieldDescriptor) {
        let kind = match field.kind() {
            Kind::Message(entry) if field.is_map() => entry.map_entry_value_field().kind(),
            kind => kind,
        };
        let name = match &kind {
            Kind::Message(found) => found.full_name(),
            Kind::Enum(found) => found.full_name(),
            _ => return,
        };
        self.check_supported(name, &field.parent_file(), field.path(), path::FIELD_TYPE);
    }

    fn check_rpc_types(&mut self, method: &MethodDescriptor) {
        let file = method.parent_file();
        self.check_supported(method.input().full_name(), &file, method.path(), path::METHOD_INPUT);
        self.check_supported(method.output().full_name(), &file, method.path(), path::METHOD_OUTPUT);
    }

    /// Checks a type that `part` of the descriptor at `owner` names.
    fn check_supported(&mut self, name: &str, file: &FileDescriptor, owner: &[i32], part: i32) {
        if self.names.for_rust() && !types::is_supported(name) {
            let place = self.sources.place(file, &[owner, &[part]].concat());
            let error = Diagnostic::error(format!("`{name}` is not among the well-known types that due supports"));
            self.report.push(error.at(&place, "").help(
                "those of any, duration, empty, field_mask, struct, timestamp and wrappers are, and of api, descriptor, \
                 source_context and type what prost-types has; declare a message of your own for the rest",
            ));
        }
    }

    /// Checks an id and claims it for `owner`.
    fn route_id(&mut self, raw: i32, owner: &str, place: Place, position: Position, push: bool) -> Option<RouteId> {
        match RouteId::new(raw, self.width) {
            Ok(id) => {
                self.claims.claim(Claim { id, owner: owner.to_owned(), push, place, position });
                Some(id)
            }
            Err(err) => {
                let (message, help) = match err {
                    RouteIdError::NotPositive { raw: 0 } => (
                        format!("`{owner}` has no route id"),
                        format!("ids begin with 1; the next free one is {}", self.claims.next_free()),
                    ),
                    RouteIdError::NotPositive { raw: -1 } => (
                        format!("`{owner}` has route -1, which is reserved"),
                        format!("due answers failed requests on it; the next free id is {}", self.claims.next_free()),
                    ),
                    RouteIdError::NotPositive { .. } => (
                        format!("`{owner}`: {err}"),
                        format!("ids begin with 1; the next free one is {}", self.claims.next_free()),
                    ),
                    RouteIdError::TooWide { .. } => (
                        format!("`{owner}`: {err}"),
                        "take a smaller id, or widen the field in every process: `route_bytes` in `due.toml`"
                            .to_owned(),
                    ),
                };
                self.report.push(Diagnostic::error(message).at(&place, "").help(help));
                None
            }
        }
    }

    /// Ids of packages that other crates generate are taken as well.
    fn claim_foreign(&mut self, file: &FileDescriptor) {
        for method in file.services().flat_map(|service| service.methods().collect::<Vec<_>>()) {
            if let Some(Ok(id)) = self.options.route(&method).map(|route| RouteId::new(route.id, self.width)) {
                let place =
                    option_place(self.sources, (file, method.path()), path::METHOD_OPTIONS, number::ROUTE, "id");
                let position = self.sources.position(file, method.path());
                self.claims.claim(Claim { id, owner: method.full_name().to_owned(), push: false, place, position });
            }
        }
        for message in file.messages() {
            if let Some(Ok(id)) = self.options.push(&message).map(|id| RouteId::new(id, self.width)) {
                let place =
                    option_place(self.sources, (file, message.path()), path::MESSAGE_OPTIONS, number::PUSH, "id");
                let position = self.sources.position(file, message.path());
                self.claims.claim(Claim { id, owner: message.full_name().to_owned(), push: true, place, position });
            }
        }
    }

    /// Checks the name of a node or mesh; `what` says of which.
    /// `stand`: where such names do, which is why they are made of so little.
    fn check_name(&mut self, name: &str, what: &str, stand: &str, place: &Place) {
        const LONGEST: usize = 64;
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let message = if name.is_empty() {
            format!("{what} has no name")
        } else if name.len() > LONGEST {
            format!("the name of {what} is longer than {LONGEST} characters")
        } else if let Some(bad) = name.chars().find(|c| !good(*c)) {
            format!("the name of {what} contains `{}`", bad.escape_debug())
        } else {
            return;
        };
        let help = format!("names are made of letters, digits, `-`, `_` and `.`: they stand in {stand}");
        self.report.push(Diagnostic::error(message).at(place, "").help(help));
    }
}

/// Where an option of `owner` is written; see [`Sources::option_place`].
pub(crate) fn option_place(
    sources: &Sources,
    (file, owner): (&FileDescriptor, &[i32]),
    options: i32,
    extension: i32,
    field: &str,
) -> Place {
    let mut options_path = owner.to_vec();
    options_path.push(options);
    sources.option_place(file, &options_path, extension, field)
}
