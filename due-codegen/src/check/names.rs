//! Names that would meet in Rust. What prost-build names is reported here, since it would emit broken code or panic;
//! what we name ourselves gets out of the way.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{
    EnumDescriptor, FileDescriptor, MessageDescriptor, MethodDescriptor, OneofDescriptor, ServiceDescriptor,
};

use super::scopes::{Entry, MODULE, Namespace};
use crate::diagnostic::{Diagnostic, Place, Report};
use crate::lower::types::Types;
use crate::naming::{self, Scope, camel, modules, shouty, snake};
use crate::source::{OPTIONS_PROTO, Sources};

const TYPE: &str = "Rust type";
/// Path of `package` in a file descriptor.
const PACKAGE: &[i32] = &[2];

/// Names that are free to use for what we generate, one scope per package.
#[derive(Debug, Default)]
pub(crate) struct Names {
    packages: BTreeMap<String, PackageNames>,
    /// Bases of services by full name; absent where the name clashes.
    services: BTreeMap<String, String>,
    /// Rust names of rpcs by full name; absent where the name clashes.
    methods: BTreeMap<String, String>,
    /// Nobody looked for clashes: no Rust is generated.
    unchecked: bool,
}

#[derive(Debug, Default)]
struct PackageNames {
    types: Scope,
    consts: Scope,
}

/// Names around one node service.
#[derive(Debug)]
pub(crate) struct NodeNames {
    pub(crate) base: String,
    pub(crate) routes: String,
    pub(crate) table: String,
    pub(crate) client: String,
    pub(crate) mock: String,
    pub(crate) client_mock: String,
    pub(crate) nodes: String,
    pub(crate) module: String,
}

/// Names around one mesh service.
#[derive(Debug)]
pub(crate) struct MeshNames {
    pub(crate) base: String,
    pub(crate) server: String,
    pub(crate) client: String,
    pub(crate) mock: String,
    pub(crate) module: String,
}

impl Names {
    /// For runs that generate no Rust.
    pub(crate) fn unchecked() -> Self {
        Self { unchecked: true, ..Self::default() }
    }

    /// Whether these names are for Rust.
    pub(crate) fn for_rust(&self) -> bool {
        !self.unchecked
    }

    /// Checks every name of the run that prost-build makes, and every service and rpc.
    pub(crate) fn check(sources: &Sources, types: &Types, report: &mut Report) -> Self {
        let mut files: Vec<FileDescriptor> = sources
            .pool
            .files()
            .filter(|file| file.name() != OPTIONS_PROTO && !types.is_foreign(file.package_name()))
            .collect();
        files.sort_by(|a, b| a.name().cmp(b.name()));
        let mut check = Check { sources, types, report, names: Names::default() };
        let packages = check.packages(&files);
        let mut by_package: BTreeMap<&str, Vec<&FileDescriptor>> = BTreeMap::new();
        for file in &files {
            by_package.entry(file.package_name()).or_default().push(file);
        }
        for (package, files) in by_package {
            check.package(package, &files, &packages);
        }
        check.names
    }

    pub(crate) fn node(&mut self, service: &ServiceDescriptor) -> Option<NodeNames> {
        let base = self.base(service)?;
        let names = self.packages.entry(service.package_name().to_owned()).or_default();
        let stem = base.trim_end_matches('_');
        Some(NodeNames {
            routes: names.types.fresh(&format!("{stem}Routes")),
            table: names.consts.fresh(&format!("{}_ROUTES", shouty(service.name()))),
            client: names.types.fresh(&format!("{stem}Client")),
            mock: names.types.fresh(&format!("{stem}Mock")),
            client_mock: names.types.fresh(&format!("{stem}ClientMock")),
            nodes: names.types.fresh(&format!("{stem}Nodes")),
            module: names.types.fresh(&format!("{}_due", service_module(service))),
            base,
        })
    }

    pub(crate) fn mesh(&mut self, service: &ServiceDescriptor) -> Option<MeshNames> {
        let base = self.base(service)?;
        let names = self.packages.entry(service.package_name().to_owned()).or_default();
        let stem = base.trim_end_matches('_');
        Some(MeshNames {
            server: names.types.fresh(&format!("{stem}Server")),
            client: names.types.fresh(&format!("{stem}Client")),
            mock: names.types.fresh(&format!("{stem}Mock")),
            module: names.types.fresh(&format!("{}_due", service_module(service))),
            base,
        })
    }

    fn base(&self, service: &ServiceDescriptor) -> Option<String> {
        let base = self.services.get(service.full_name()).cloned();
        base.or_else(|| self.unchecked.then(|| camel(service.name())))
    }

    /// The Rust name of an rpc, if it does not clash.
    pub(crate) fn method(&self, method: &MethodDescriptor) -> Option<String> {
        let name = self.methods.get(method.full_name()).cloned();
        name.or_else(|| self.unchecked.then(|| snake(method.name())))
    }

    pub(crate) fn route_const(&mut self, service: &ServiceDescriptor, method: &MethodDescriptor) -> String {
        let names = self.packages.entry(service.package_name().to_owned()).or_default();
        names.consts.fresh(&format!("{}_{}", shouty(service.name()), shouty(method.name())))
    }
}

fn service_module(service: &ServiceDescriptor) -> String {
    let module = snake(service.name());
    module.strip_prefix("r#").unwrap_or(&module).to_owned()
}

struct Check<'a> {
    sources: &'a Sources,
    types: &'a Types,
    report: &'a mut Report,
    names: Names,
}

/// Child modules of packages: by parent modules, the child's name and a file that declares a package below it.
type Children = BTreeMap<Vec<String>, BTreeMap<String, Entry>>;

impl Check<'_> {
    /// The module tree of all packages.
    fn packages(&mut self, files: &[FileDescriptor]) -> Children {
        let mut children = Children::new();
        let mut by_modules: BTreeMap<Vec<String>, (&str, Place)> = BTreeMap::new();
        let mut bad = BTreeSet::new();
        for file in files {
            let package = file.package_name();
            let path = modules(package);
            let place = self.sources.place(file, PACKAGE);
            if path.iter().any(String::is_empty) && bad.insert(package) {
                let message = format!("a part of package `{package}` has no letter or digit to make a {MODULE} of");
                self.report.push(Diagnostic::error(message).at(&place, "").help("rename the package"));
            }
            if path.first().is_some_and(|module| self.types.hides_runtime(module)) && bad.insert(package) {
                let message = format!(
                    "package `{package}` becomes the {MODULE} `{}`, which hides the crate of that name",
                    path[0]
                );
                self.report.push(Diagnostic::error(message).at(&place, "").help("rename the package"));
            }
            match by_modules.get(&path) {
                Some((first, first_place)) if *first != package && bad.insert(package) => self.report.push(
                    Diagnostic::error(format!(
                        "packages `{package}` and `{first}` both become the {MODULE} `{}`",
                        path.join("::")
                    ))
                    .at(&place, "")
                    .at(first_place, "the other one")
                    .help("rename one of them"),
                ),
                Some(_) => {}
                None => {
                    by_modules.insert(path.clone(), (package, place.clone()));
                }
            }
            for (i, child) in path.iter().enumerate().filter(|(_, child)| !child.is_empty()) {
                let entry = Entry { what: format!("package `{package}`"), place: place.clone() };
                children.entry(path[..i].to_vec()).or_default().entry(child.clone()).or_insert(entry);
            }
        }
        children
    }

    fn package(&mut self, package: &str, files: &[&FileDescriptor], children: &Children) {
        let mut space = Namespace::default();
        for (child, entry) in children.get(&modules(package)).into_iter().flatten() {
            space.add(child.clone(), MODULE, entry.clone(), self.report);
        }
        for file in files {
            for message in file.messages() {
                self.message(&message, &mut space);
            }
            for found in file.enums() {
                self.enumeration(&found, &mut space);
            }
        }
        let mut names = PackageNames { types: Scope::with(space.names()), consts: Scope::default() };
        let mut traits = Namespace::default();
        for service in files.iter().flat_map(|file| file.services()) {
            let base = camel(service.name());
            let entry = self.entry("service", service.name(), &service.parent_file(), service.path());
            if traits.add(base.clone(), "Rust trait", entry, self.report) {
                self.names.services.insert(service.full_name().to_owned(), names.types.fresh(&base));
            }
            let mut methods = Namespace::default();
            for method in service.methods() {
                let name = snake(method.name());
                let entry = self.entry("rpc", method.name(), &method.parent_file(), method.path());
                if methods.add(name.clone(), "Rust method", entry, self.report) {
                    self.names.methods.insert(method.full_name().to_owned(), name);
                }
            }
        }
        self.names.packages.insert(package.to_owned(), names);
    }

    fn message(&mut self, message: &MessageDescriptor, space: &mut Namespace) {
        if message.is_map_entry() || self.types.is_foreign(message.full_name()) {
            return;
        }
        let file = message.parent_file();
        let entry = self.entry("message", message.name(), &file, message.path());
        let named = space.add(camel(message.name()), TYPE, entry.clone(), self.report);
        self.fields(message);

        let nested: Vec<MessageDescriptor> = message.child_messages().filter(|nested| !nested.is_map_entry()).collect();
        let enums: Vec<EnumDescriptor> = message.child_enums().collect();
        let oneofs: Vec<OneofDescriptor> = message.oneofs().filter(|oneof| !oneof.is_synthetic()).collect();
        if nested.is_empty() && enums.is_empty() && oneofs.is_empty() {
            return;
        }
        if named {
            let what = format!("message `{}` with its nested types", message.name());
            space.add(snake(message.name()), MODULE, Entry { what, ..entry }, self.report);
        }
        let mut inner = Namespace::default();
        let taken: Vec<String> = nested
            .iter()
            .map(|nested| camel(nested.name()))
            .chain(enums.iter().map(|found| camel(found.name())))
            .collect();
        for nested in &nested {
            self.message(nested, &mut inner);
        }
        for found in &enums {
            self.enumeration(found, &mut inner);
        }
        for oneof in &oneofs {
            // As prost-build does.
            let mut name = camel(oneof.name());
            if taken.contains(&name) {
                name.push_str("OneOf");
            }
            let entry = self.entry("oneof", oneof.name(), &file, oneof.path());
            inner.add(name, TYPE, entry, self.report);
            let mut variants = Namespace::default();
            for field in oneof.fields() {
                let entry = self.entry("field", field.name(), &file, field.path());
                variants.add(camel(field.name()), "Rust variant", entry, self.report);
            }
        }
    }

    fn fields(&mut self, message: &MessageDescriptor) {
        let file = message.parent_file();
        let mut fields = Namespace::default();
        let mut accessors = Namespace::default();
        for field in message.fields() {
            if field.containing_oneof().is_some_and(|oneof| !oneof.is_synthetic()) {
                continue;
            }
            let name = snake(field.name());
            let entry = self.entry("field", field.name(), &file, field.path());
            if !fields.add(name.clone(), "Rust field", entry.clone(), self.report) {
                continue;
            }
            let bare = name.strip_prefix("r#").unwrap_or(&name).to_owned();
            for accessor in accessors_of(&field, &bare) {
                accessors.add(accessor, "accessor", entry.clone(), self.report);
            }
        }
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let entry = self.entry("oneof", oneof.name(), &file, oneof.path());
            fields.add(snake(oneof.name()), "Rust field", entry, self.report);
        }
    }

    fn enumeration(&mut self, found: &EnumDescriptor, space: &mut Namespace) {
        if self.types.is_foreign(found.full_name()) {
            return;
        }
        let file = found.parent_file();
        let name = camel(found.name());
        let entry = self.entry("enum", found.name(), &file, found.path());
        space.add(name.clone(), TYPE, entry, self.report);
        let mut variants = Namespace::default();
        let mut numbers = BTreeSet::new();
        // prost-build leaves aliases out. Values come from the descriptor, in the order in which prost sees them.
        for value in &found.enum_descriptor_proto().value {
            if !numbers.insert(value.number()) {
                continue;
            }
            let Some(value) = found.get_value_by_name(value.name()) else { continue };
            let entry = self.entry("value", value.name(), &file, value.path());
            variants.add(naming::variant(&name, value.name()), "Rust variant", entry, self.report);
        }
    }

    fn entry(&self, kind: &str, name: &str, file: &FileDescriptor, path: &[i32]) -> Entry {
        Entry { what: format!("{kind} `{name}`"), place: self.sources.name_place(file, path) }
    }
}

/// The methods that prost derives for a field.
fn accessors_of(field: &prost_reflect::FieldDescriptor, name: &str) -> Vec<String> {
    let is_enum = |kind: prost_reflect::Kind| kind.as_enum().is_some();
    if field.is_map() {
        let values = field.kind().as_message().map(|entry| entry.map_entry_value_field().kind());
        return if values.is_some_and(is_enum) {
            vec![format!("get_{name}"), format!("insert_{name}")]
        } else {
            vec![]
        };
    }
    match (is_enum(field.kind()), field.is_list()) {
        (true, true) => vec![name.to_owned(), format!("push_{name}")],
        (true, false) => vec![name.to_owned(), format!("set_{name}")],
        (false, false) if field.supports_presence() && !field.is_required() && field.kind().as_message().is_none() => {
            vec![name.to_owned()]
        }
        _ => vec![],
    }
}
