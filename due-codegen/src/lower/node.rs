//! Services with `due.node`.

use prost_reflect::{MethodDescriptor, ServiceDescriptor};

use super::{Lowering, option_place, path};
use crate::diagnostic::Diagnostic;
use crate::model::{NodeService, Route};
use crate::naming::{CLIENT_METHODS, MOCK_METHODS, Scope};
use crate::options::{NodeOptions, RouteOptions, number};

const EMPTY: &str = "google.protobuf.Empty";

impl Lowering<'_> {
    pub(super) fn node(&mut self, service: &ServiceDescriptor, options: NodeOptions) -> Option<NodeService> {
        let file = service.parent_file();
        let sources = self.sources;
        let place_of =
            |field| option_place(sources, (&file, service.path()), path::SERVICE_OPTIONS, number::NODE, field);
        let place = place_of("name");
        let what = format!("node service `{}`", service.full_name());
        self.check_name(&options.name, &what, "registries and addresses", &place);
        if let Some(actor) = &options.actor {
            let place = place_of("actor");
            self.check_name(actor, &format!("the actor of {what}"), "ids and logs", &place);
        }
        self.claims.claim_node(&options.name, service.full_name(), place, self.report);
        let names = self.names.node(service)?;
        let mut client = Scope::with(CLIENT_METHODS.iter().copied());
        let mut mock = Scope::with(MOCK_METHODS.iter().copied());
        let mut routes = Vec::new();
        for method in service.methods() {
            self.check_rpc_types(&method);
            let Some(route) = self.route(&method) else { continue };
            if options.actor.is_some() {
                self.check_user(&method, route);
            }
            let Some(rust_name) = self.names.method(&method) else { continue };
            let Some(id) = self.claim_route(&method, route) else { continue };
            let package = service.package_name();
            let (input, output) = (method.input(), method.output());
            routes.push(Route {
                index: routes.len(),
                proto_name: method.name().to_owned(),
                full_name: method.full_name().to_owned(),
                client_method: client.fresh(&rust_name),
                mock_method: mock.fresh(&rust_name),
                const_name: self.names.route_const(service, &method),
                rust_name,
                id,
                stateful: route.stateful,
                authorized: route.authorized,
                internal: route.internal,
                oneway: route.oneway,
                request: self.types.reference(package, input.package_name(), input.full_name()),
                response: self.types.reference(package, output.package_name(), output.full_name()),
                doc: self.sources.doc(&file, method.path()),
                deprecated: deprecated(&method),
                position: self.sources.position(&file, method.path()),
            });
        }
        Some(NodeService {
            proto_name: service.name().to_owned(),
            full_name: service.full_name().to_owned(),
            node: options.name,
            actor: options.actor,
            doc: self.sources.doc(&file, service.path()),
            deprecated: service.service_descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated()),
            trait_name: names.base,
            routes_name: names.routes,
            table_name: names.table,
            client_name: names.client,
            mock_name: names.mock,
            client_mock_name: names.client_mock,
            nodes_name: names.nodes,
            module_name: names.module,
            routes,
            position: self.sources.position(&file, service.path()),
        })
    }

    /// The route of an rpc, with all that is wrong about the rpc reported.
    fn route(&mut self, method: &MethodDescriptor) -> Option<RouteOptions> {
        let file = method.parent_file();
        let name = method.full_name();
        for (streaming, field) in [
            (method.is_client_streaming(), path::METHOD_CLIENT_STREAMING),
            (method.is_server_streaming(), path::METHOD_SERVER_STREAMING),
        ] {
            let mut keyword = method.path().to_vec();
            keyword.push(field);
            if streaming {
                let place = self.sources.place(&file, &keyword);
                let place = if place.span.is_empty() { self.sources.name_place(&file, method.path()) } else { place };
                self.report.push(
                    Diagnostic::error(format!("`{name}` streams, which a node cannot"))
                        .at(&place, "")
                        .help("push messages (due.push) instead, or make it an rpc of a mesh service"),
                );
            }
        }
        if self.sources.is_mended(&file, method.path()) {
            return None;
        }
        let Some(route) = self.options.route(method) else {
            let id = self.claims.next_free();
            self.report.push(
                Diagnostic::error(format!("`{name}` has no route"))
                    .at(&self.sources.name_place(&file, method.path()), "")
                    .help(format!("every rpc of a node service has one: `option (due.route) = {{ id: {id} }};`")),
            );
            return None;
        };
        let sources = self.sources;
        let place = |field| option_place(sources, (&file, method.path()), path::METHOD_OPTIONS, number::ROUTE, field);
        if route.oneway && method.output().full_name() != EMPTY {
            let mut output = method.path().to_vec();
            output.push(path::METHOD_OUTPUT);
            self.report.push(
                Diagnostic::error(format!("`{name}` is oneway, but returns `{}`", method.output().full_name()))
                    .at(&self.sources.place(&file, &output), "nobody gets this")
                    .at(&place("oneway"), "oneway")
                    .help("return `google.protobuf.Empty`, or drop `oneway`"),
            );
        }
        if route.internal && route.authorized {
            self.report.push(
                Diagnostic::warning(format!("`{name}` is internal, so `authorized` has no effect"))
                    .at(&place("authorized"), "")
                    .help("gates check `authorized`, and no gate lets an internal route through"),
            );
        }
        Some(route)
    }

    /// An actor is found by the user who is bound to it.
    fn check_user(&mut self, method: &MethodDescriptor, route: RouteOptions) {
        if route.stateful || route.authorized || route.internal {
            return;
        }
        let file = method.parent_file();
        let place = option_place(self.sources, (&file, method.path()), path::METHOD_OPTIONS, number::ROUTE, "");
        self.report.push(
            Diagnostic::error(format!("`{}` is handled by an actor, but needs no user", method.full_name()))
                .at(&place, "")
                .help(
                    "a message goes to the actor that its user is bound to: add `stateful: true`, which brings it to the \
                     user's node, or `authorized: true` if there is one node only",
                ),
        );
    }

    fn claim_route(&mut self, method: &MethodDescriptor, route: RouteOptions) -> Option<crate::model::RouteId> {
        let file = method.parent_file();
        let place = option_place(self.sources, (&file, method.path()), path::METHOD_OPTIONS, number::ROUTE, "id");
        let position = self.sources.position(&file, method.path());
        self.route_id(route.id, method.full_name(), place, position, false)
    }
}

pub(super) fn deprecated(method: &MethodDescriptor) -> bool {
    method.method_descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated())
}
