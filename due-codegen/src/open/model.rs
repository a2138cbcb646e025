//! The shape of the open model, version 1.

#[cfg(feature = "cli")]
use std::collections::BTreeSet;

use serde::Serialize;

/// The version of the shape. It changes when a field goes or gets another meaning, not when one is added.
const VERSION: u32 = 1;

/// A schema as templates and other programs see it: descriptors with their `due.*` options read, comments beside them,
/// names as in the proto. What it has is what it serializes to; `templates/open/README.md` describes every field.
///
/// ```no_run
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (config, _) = due_codegen::Config::load("due.toml")?;
/// let model = due_codegen::Builder::from(config).schema()?.model();
/// # let _ = model;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct OpenModel {
    pub(crate) version: u32,
    pub(crate) packet: PacketItem,
    /// In the order of their names.
    pub(crate) packages: Vec<PackageItem>,
    /// Routes and pushes in the order of their ids.
    pub(crate) routes: Vec<RouteItem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PacketItem {
    pub(crate) route_bytes: u8,
    pub(crate) seq_bytes: u8,
    pub(crate) byte_order: &'static str,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct PackageItem {
    pub(crate) name: String,
    pub(crate) doc: String,
    pub(crate) files: Vec<String>,
    pub(crate) services: Vec<ServiceItem>,
    pub(crate) messages: Vec<MessageItem>,
    pub(crate) enums: Vec<EnumItem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ServiceItem {
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) package: String,
    pub(crate) kind: &'static str,
    pub(crate) target: String,
    pub(crate) actor: Option<String>,
    pub(crate) methods: Vec<MethodItem>,
    #[serde(flatten)]
    pub(crate) about: About,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MethodItem {
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) id: Option<i32>,
    pub(crate) authorized: bool,
    pub(crate) stateful: bool,
    pub(crate) internal: bool,
    pub(crate) oneway: bool,
    pub(crate) client_streaming: bool,
    pub(crate) server_streaming: bool,
    pub(crate) request: String,
    pub(crate) response: String,
    #[serde(flatten)]
    pub(crate) about: About,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MessageItem {
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) package: String,
    pub(crate) path: Vec<String>,
    pub(crate) push: Option<i32>,
    pub(crate) event: Option<String>,
    pub(crate) fields: Vec<FieldItem>,
    pub(crate) oneofs: Vec<OneofItem>,
    #[serde(flatten)]
    pub(crate) about: About,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldItem {
    pub(crate) name: String,
    pub(crate) json_name: String,
    pub(crate) number: u32,
    pub(crate) label: &'static str,
    pub(crate) r#type: &'static str,
    pub(crate) type_name: Option<String>,
    pub(crate) key: Option<&'static str>,
    pub(crate) oneof: Option<String>,
    pub(crate) code: bool,
    #[serde(flatten)]
    pub(crate) about: About,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct OneofItem {
    pub(crate) name: String,
    pub(crate) fields: Vec<String>,
    pub(crate) doc: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct EnumItem {
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) package: String,
    pub(crate) path: Vec<String>,
    pub(crate) codes: bool,
    pub(crate) values: Vec<ValueItem>,
    #[serde(flatten)]
    pub(crate) about: About,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct ValueItem {
    pub(crate) name: String,
    pub(crate) number: i32,
    #[serde(flatten)]
    pub(crate) about: About,
}

/// What every declaration has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct About {
    pub(crate) doc: String,
    pub(crate) deprecated: bool,
    pub(crate) file: String,
    pub(crate) line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RouteItem {
    pub(crate) id: i32,
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    pub(crate) full_name: String,
    pub(crate) package: String,
    /// Full name; absent for pushes.
    pub(crate) service: Option<String>,
    pub(crate) internal: bool,
    /// Full name; absent for pushes.
    pub(crate) request: Option<String>,
    /// Full name; absent for oneway routes.
    pub(crate) response: Option<String>,
}

impl OpenModel {
    pub(super) fn new(packet: PacketItem, packages: Vec<PackageItem>) -> Self {
        let services = packages.iter().flat_map(|package| &package.services);
        let mut routes: Vec<RouteItem> = services.flat_map(routes_of).collect();
        let messages = packages.iter().flat_map(|package| &package.messages);
        routes.extend(messages.filter_map(|message| {
            Some(RouteItem {
                id: message.push?,
                kind: "push",
                name: message.name.clone(),
                full_name: message.full_name.clone(),
                package: message.package.clone(),
                service: None,
                internal: false,
                request: None,
                response: Some(message.full_name.clone()),
            })
        }));
        routes.sort_by(|a, b| (a.id, &a.full_name).cmp(&(b.id, &b.full_name)));
        Self { version: VERSION, packet, packages, routes }
    }

    /// What clients may know: no internal routes, no mesh services, no events, and only types that the rest leads to.
    #[cfg(feature = "cli")]
    pub(crate) fn client_view(mut self) -> Self {
        for package in &mut self.packages {
            package.services.retain(|service| service.kind == "node");
            for service in &mut package.services {
                service.methods.retain(|method| !method.internal);
            }
            package.services.retain(|service| !service.methods.is_empty());
            for message in &mut package.messages {
                message.event = None;
            }
        }
        self.routes.retain(|route| !route.internal);
        let routes = self.routes.iter().flat_map(|route| route.request.iter().chain(&route.response));
        let mut open: Vec<String> = routes.cloned().collect();
        open.extend(self.enums().filter(|found| found.codes).map(|found| found.full_name.clone()));
        let mut seen: BTreeSet<String> = open.iter().cloned().collect();
        while let Some(name) = open.pop() {
            let Some(message) = self.messages().find(|message| message.full_name == name) else { continue };
            let types: Vec<String> = message.fields.iter().filter_map(|field| field.type_name.clone()).collect();
            open.extend(types.into_iter().filter(|name| seen.insert(name.clone())));
        }
        for package in &mut self.packages {
            package.messages.retain(|message| seen.contains(&message.full_name));
            package.enums.retain(|found| seen.contains(&found.full_name));
        }
        self.packages.retain(|package| {
            !(package.services.is_empty() && package.messages.is_empty() && package.enums.is_empty())
        });
        self
    }

    /// A line per package, for people who look which names there are.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        for package in &self.packages {
            let name = if package.name.is_empty() { "(no package)" } else { &package.name };
            text.push_str(&format!(
                "{name}: services {}, messages {}, enums {}\n",
                package.services.len(),
                package.messages.len(),
                package.enums.len()
            ));
        }
        text.push_str(&format!("routes and pushes: {}\n", self.routes.len()));
        text
    }

    pub(crate) fn services(&self) -> impl Iterator<Item = &ServiceItem> {
        self.packages.iter().flat_map(|package| &package.services)
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &MessageItem> {
        self.packages.iter().flat_map(|package| &package.messages)
    }

    pub(crate) fn enums(&self) -> impl Iterator<Item = &EnumItem> {
        self.packages.iter().flat_map(|package| &package.enums)
    }
}

fn routes_of(service: &ServiceItem) -> impl Iterator<Item = RouteItem> {
    service.methods.iter().filter_map(|method| {
        Some(RouteItem {
            id: method.id?,
            kind: "route",
            name: method.name.clone(),
            full_name: method.full_name.clone(),
            package: service.package.clone(),
            service: Some(service.full_name.clone()),
            internal: method.internal,
            request: Some(method.request.clone()),
            response: (!method.oneway).then(|| method.response.clone()),
        })
    })
}
