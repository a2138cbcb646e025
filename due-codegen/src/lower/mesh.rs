//! Services with `due.mesh`.

use prost_reflect::ServiceDescriptor;

use super::{Lowering, node, option_place, path};
use crate::diagnostic::Diagnostic;
use crate::model::{MeshMethod, MeshService};
use crate::naming::{MESH_CLIENT_METHODS, MOCK_METHODS, Scope, camel};
use crate::options::{MeshOptions, number};

impl Lowering<'_> {
    pub(super) fn mesh(&mut self, service: &ServiceDescriptor, options: MeshOptions) -> Option<MeshService> {
        let file = service.parent_file();
        let place = option_place(self.sources, (&file, service.path()), path::SERVICE_OPTIONS, number::MESH, "name");
        self.check_name(
            &options.name,
            &format!("mesh service `{}`", service.full_name()),
            "registries and addresses",
            &place,
        );
        if !options.name.is_empty() {
            self.claims.claim_mesh(&options.name, service.full_name(), place, self.report);
        }
        let names = self.names.mesh(service)?;
        let mut client = Scope::with(MESH_CLIENT_METHODS.iter().copied());
        let mut mock = Scope::with(MOCK_METHODS.iter().copied());
        let mut streams = Scope::default();
        let mut methods = Vec::new();
        for method in service.methods() {
            self.check_rpc_types(&method);
            if self.options.route(&method).is_some() {
                let place = option_place(self.sources, (&file, method.path()), path::METHOD_OPTIONS, number::ROUTE, "");
                self.report.push(
                    Diagnostic::error(format!("`{}` has a route, but belongs to a mesh service", method.full_name()))
                        .at(&place, "")
                        .help(
                            "clients reach nodes, not mesh services: drop the route, or move the rpc to a node service",
                        ),
                );
            }
            let Some(rust_name) = self.names.method(&method) else { continue };
            let package = service.package_name();
            let (input, output) = (method.input(), method.output());
            methods.push(MeshMethod {
                index: methods.len(),
                call: match (method.is_client_streaming(), method.is_server_streaming()) {
                    (false, false) => "unary",
                    (false, true) => "server_streaming",
                    (true, false) => "client_streaming",
                    (true, true) => "streaming",
                },
                proto_name: method.name().to_owned(),
                full_name: method.full_name().to_owned(),
                path: format!("/{}/{}", service.full_name(), method.name()),
                client_method: client.fresh(&rust_name),
                mock_method: mock.fresh(&rust_name),
                stream_name: streams.fresh(&format!("{}Stream", camel(method.name()))),
                rust_name,
                client_streaming: method.is_client_streaming(),
                server_streaming: method.is_server_streaming(),
                request: self.types.reference(package, input.package_name(), input.full_name()),
                response: self.types.reference(package, output.package_name(), output.full_name()),
                doc: self.sources.doc(&file, method.path()),
                deprecated: node::deprecated(&method),
                position: self.sources.position(&file, method.path()),
            });
        }
        Some(MeshService {
            proto_name: service.name().to_owned(),
            full_name: service.full_name().to_owned(),
            path: if options.path.is_empty() { service.name().to_owned() } else { options.path },
            mesh: options.name,
            doc: self.sources.doc(&file, service.path()),
            deprecated: service.service_descriptor_proto().options.as_ref().is_some_and(|options| options.deprecated()),
            trait_name: names.base,
            server_name: names.server,
            client_name: names.client,
            mock_name: names.mock,
            module_name: names.module,
            methods,
            position: self.sources.position(&file, service.path()),
        })
    }
}
