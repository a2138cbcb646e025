//! What `*_due.ts` says: the model seen from one `.proto` file, with every TypeScript name made.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::pb::{Messages, names, relative, stem};
use crate::config::TypeScriptOptions;
use crate::diagnostic::{Diagnostic, Report};
use crate::model::{CodeCarrier, Doc, Model, NodeService, Push, Route, TypeRef};
use crate::source::Sources;

/// The stubs of one file.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StubFile {
    /// Import name of the `.proto`.
    pub(super) source: String,
    /// In the order of their first use; types and values of one module apart.
    imports: Vec<Import>,
    /// The local names of what every stub stands on.
    r#use: Uses,
    services: Vec<Stub>,
    pushes: Vec<Listener>,
}

#[derive(Clone, Debug, Serialize)]
struct Import {
    types: bool,
    /// The module's specifier.
    from: String,
    /// `Name`, or `Name as Name$1` where `Name` means something else in the file.
    names: Vec<String>,
}

/// Empty where the file has no use for it, so that nothing is imported in vain.
#[derive(Clone, Debug, Default, Serialize)]
struct Uses {
    session: String,
    session_of: String,
    connection: String,
    call_options: String,
    init_shape: String,
}

/// A node service.
#[derive(Clone, Debug, Serialize)]
struct Stub {
    name: String,
    doc: Vec<String>,
    routes: Vec<Method>,
}

#[derive(Clone, Debug, Serialize)]
struct Method {
    name: String,
    doc: Vec<String>,
    id: i32,
    request_schema: String,
    /// `google.protobuf.Empty`: there is nothing to say.
    request_empty: bool,
    /// Absent for oneway routes.
    response: Option<MessageName>,
    /// The fields that carry the application's code and its text, as TypeScript names them.
    code_fields: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
struct MessageName {
    shape: String,
    schema: String,
}

/// A push.
#[derive(Clone, Debug, Serialize)]
struct Listener {
    name: String,
    doc: Vec<String>,
    id: i32,
    shape: String,
    schema: String,
}

/// Reports rpcs of one service whose methods would have one name.
pub(super) fn check(sources: &Sources, model: &Model, report: &mut Report) {
    for service in model.packages.iter().flat_map(|package| &package.nodes) {
        let mut seen: BTreeMap<String, &Route> = BTreeMap::new();
        for route in service.routes.iter().filter(|route| !route.internal) {
            let name = names::method(&route.proto_name);
            let Some(first) = seen.insert(name.clone(), route) else { continue };
            let message = format!(
                "rpcs `{}` and `{}` of `{}` both become the TypeScript method `{name}`",
                first.proto_name, route.proto_name, service.full_name
            );
            let mut error = Diagnostic::error(message).help("rename one of them");
            for (route, text) in [(route, ""), (first, "the other one")] {
                let method = sources.pool.get_service_by_name(&service.full_name);
                let found = method.and_then(|found| found.methods().find(|rpc| rpc.full_name() == route.full_name));
                if let Some(rpc) = found {
                    error = error.at(&sources.name_place(&rpc.parent_file(), rpc.path()), text);
                }
            }
            report.push(error);
        }
    }
}

/// The module of the runtime, which is emitted beside the stubs.
const RUNTIME: &str = "./due/index.js";
const PROTOBUF: &str = "@bufbuild/protobuf";

/// One file of stubs per `.proto` that has something for clients.
pub(super) fn files(
    sources: &Sources,
    model: &Model,
    messages: &Messages<'_>,
    options: &TypeScriptOptions,
) -> Vec<StubFile> {
    let mut by_file: BTreeMap<&str, (Vec<&NodeService>, Vec<&Push>)> = BTreeMap::new();
    for package in &model.packages {
        for service in package.nodes.iter().filter(|service| service.routes.iter().any(|route| !route.internal)) {
            by_file.entry(&service.position.file).or_default().0.push(service);
        }
        for push in &package.pushes {
            by_file.entry(&push.position.file).or_default().1.push(push);
        }
    }
    let codes = model.packages.iter().flat_map(|package| &package.codes);
    let codes: BTreeMap<&str, &CodeCarrier> = codes.map(|carrier| (carrier.message.proto.as_str(), carrier)).collect();
    let mut files = Vec::new();
    for (file, (services, pushes)) in by_file {
        let scope = Scope {
            file,
            module: format!("./{}_due.js", stem(file)),
            sources,
            messages,
            extension: &options.import_extension,
            // What the text names without importing it.
            taken: ["Promise".to_owned()].into(),
            imports: Vec::new(),
        };
        files.push(scope.file(&services, &pushes, &codes));
    }
    files
}

/// One file while it is put together.
struct Scope<'a> {
    file: &'a str,
    /// Where the file is, as the names of messages' modules are written.
    module: String,
    sources: &'a Sources,
    messages: &'a Messages<'a>,
    extension: &'a str,
    taken: BTreeSet<String>,
    imports: Vec<Imported>,
}

struct Imported {
    from: String,
    types: bool,
    name: String,
    local: String,
}

impl Scope<'_> {
    fn file(mut self, services: &[&NodeService], pushes: &[&Push], codes: &BTreeMap<&str, &CodeCarrier>) -> StubFile {
        // What others import keeps its name; what is imported here gets out of its way.
        let service_names: Vec<String> =
            services.iter().map(|service| self.fresh(&format!("{}Client", service.proto_name))).collect();
        let push_names: Vec<String> = pushes
            .iter()
            .map(|push| self.fresh(&format!("on{}", push.message.proto.rsplit('.').next().unwrap_or_default())))
            .collect();
        let mut uses = Uses::default();
        if !services.is_empty() {
            uses.init_shape = self.import(PROTOBUF, "MessageInitShape", true);
            uses.call_options = self.import(RUNTIME, "CallOptions", true);
        }
        uses.connection = self.import(RUNTIME, "Connection", true);
        uses.session = self.import(RUNTIME, "Session", true);
        uses.session_of = self.import(RUNTIME, "sessionOf", false);
        let services =
            services.iter().zip(service_names).map(|(service, name)| self.service(service, name, codes)).collect();
        let pushes = pushes.iter().zip(push_names).map(|(push, name)| self.push(push, name)).collect();
        StubFile { source: self.file.to_owned(), imports: imports(self.imports), r#use: uses, services, pushes }
    }

    fn service(&mut self, service: &NodeService, name: String, codes: &BTreeMap<&str, &CodeCarrier>) -> Stub {
        let routes = service.routes.iter().filter(|route| !route.internal).map(|route| self.method(route, codes));
        let routes = routes.collect();
        Stub {
            name,
            doc: doc(&service.doc, format!("@generated from service {}", service.full_name), service.deprecated),
            routes,
        }
    }

    fn method(&mut self, route: &Route, codes: &BTreeMap<&str, &CodeCarrier>) -> Method {
        let code_fields = match codes.get(route.response.proto.as_str()) {
            Some(carrier) if !route.oneway => [Some(&carrier.code.name), carrier.text.as_ref().map(|text| &text.name)]
                .into_iter()
                .flatten()
                .map(|name| names::property(&names::json_name(name)))
                .collect(),
            _ => Vec::new(),
        };
        let mut origin = format!("@generated from rpc {}, route {}", route.full_name, route.id.get());
        for (flag, word) in [(route.authorized, "authorized"), (route.stateful, "stateful"), (route.oneway, "oneway")] {
            if flag {
                origin.extend([", ", word]);
            }
        }
        Method {
            name: names::method(&route.proto_name),
            doc: doc(&route.doc, origin, route.deprecated),
            id: route.id.get(),
            request_schema: self.schema(&route.request),
            request_empty: route.request.empty,
            response: (!route.oneway)
                .then(|| MessageName { shape: self.shape(&route.response), schema: self.schema(&route.response) }),
            code_fields,
        }
    }

    fn push(&mut self, push: &Push, name: String) -> Listener {
        let message = self.sources.pool.get_message_by_name(&push.message.proto);
        let deprecated = message
            .is_some_and(|found| found.descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated()));
        Listener {
            name,
            doc: doc(
                &push.doc,
                format!("@generated from message {}, push {}", push.message.proto, push.id.get()),
                deprecated,
            ),
            id: push.id.get(),
            shape: self.shape(&push.message),
            schema: self.schema(&push.message),
        }
    }

    fn shape(&mut self, message: &TypeRef) -> String {
        let export = self.messages.get(&message.proto);
        self.import(&export.module, &export.shape, true)
    }

    fn schema(&mut self, message: &TypeRef) -> String {
        let export = self.messages.get(&message.proto);
        self.import(&export.module, &export.description, false)
    }

    /// The local name of something that is imported.
    fn import(&mut self, module: &str, name: &str, types: bool) -> String {
        let from = relative(&self.module, module, self.extension);
        let known = self.imports.iter().find(|known| known.from == from && known.name == name);
        if let Some(known) = known {
            return known.local.clone();
        }
        let local = self.fresh(name);
        self.imports.push(Imported { from, types, name: name.to_owned(), local: local.clone() });
        local
    }

    fn fresh(&mut self, name: &str) -> String {
        let mut local = name.to_owned();
        let mut count = 0;
        while !self.taken.insert(local.clone()) {
            count += 1;
            local = format!("{name}${count}");
        }
        local
    }
}

fn imports(imported: Vec<Imported>) -> Vec<Import> {
    let mut imports: Vec<Import> = Vec::new();
    for Imported { from, types, name, local } in imported {
        let text = if name == local { name } else { format!("{name} as {local}") };
        match imports.iter_mut().find(|import| import.from == from && import.types == types) {
            Some(import) => import.names.push(text),
            None => imports.push(Import { types, from, names: vec![text] }),
        }
    }
    for import in &mut imports {
        import.names.sort();
    }
    // The two statements of a module stand together.
    let order: Vec<String> = imports.iter().map(|import| import.from.clone()).collect();
    imports.sort_by_key(|import| (order.iter().position(|from| *from == import.from), !import.types));
    imports
}

fn doc(doc: &Doc, origin: String, deprecated: bool) -> Vec<String> {
    let mut lines = doc.lines.clone();
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(origin);
    if deprecated {
        lines.push("@deprecated".to_owned());
    }
    lines
}
