//! The schema, as calls need it: routes by name, pushes by number, messages to read and write.

use std::collections::HashMap;

use due::RouteId;
use due_codegen::{Builder, CodeFields, Config, RouteInfo, RouteKind, Schema};
use prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor};

use crate::failure::Failure;
use crate::output::show;
use crate::underway::underway;

/// What a project's `.proto` files declare.
pub(crate) struct Catalog {
    schema: Schema,
    pool: DescriptorPool,
    by_id: HashMap<RouteId, RouteInfo>,
}

/// A request that clients send.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) id: RouteId,
    /// `hello.v1.Greeter/Greet`.
    pub(crate) name: String,
    pub(crate) oneway: bool,
    pub(crate) authorized: bool,
    pub(crate) internal: bool,
    pub(crate) request: MessageDescriptor,
    pub(crate) response: MessageDescriptor,
    /// The field of the response that carries the application's error code.
    pub(crate) code: Option<FieldDescriptor>,
    /// What the code means, for people.
    pub(crate) text: Option<FieldDescriptor>,
}

/// What a number in a packet stands for.
pub(crate) enum Known<'a> {
    /// Requests, and the answers to them.
    Route(&'a RouteInfo),
    /// What servers send by themselves.
    Push(&'a RouteInfo),
    Nothing,
}

impl Catalog {
    pub(crate) fn load(config: Config) -> Result<Self, Failure> {
        let schema = underway("reading the schema", || Builder::from(config).schema())?;
        show(schema.warnings());
        let pool = DescriptorPool::decode(schema.descriptor_set().as_slice())
            .map_err(|error| Failure::Other(Box::new(error)))?;
        let by_id = schema.routes().into_iter().filter_map(|info| Some((RouteId(info.id?), info))).collect();
        Ok(Self { schema, pool, by_id })
    }

    pub(crate) fn route(&self, name: &str) -> Result<Route, Failure> {
        let info = self
            .schema
            .find_route(name)
            .map_err(|error| Failure::text(format!("{error}\nhelp: `cargo due routes` lists them all")))?;
        let flag = |word: &str| info.flags.contains(&word);
        let (oneway, authorized, internal) = (flag("oneway"), flag("authorized"), flag("internal"));
        let response = self.message(&info.response)?;
        let CodeFields { code, text, .. } = self.schema.code_fields(&info.response);
        let field = |name: Option<String>| response.get_field_by_name(&name?);
        Ok(Route {
            id: RouteId(info.id.unwrap_or_default()),
            name: slashed(&info),
            oneway,
            authorized: authorized || flag("stateful"),
            internal,
            request: self.message(&info.request)?,
            code: field(code),
            text: field(text),
            response,
        })
    }

    pub(crate) fn known(&self, id: RouteId) -> Known<'_> {
        match self.by_id.get(&id) {
            Some(info) if info.kind == RouteKind::Push => Known::Push(info),
            Some(info) => Known::Route(info),
            None => Known::Nothing,
        }
    }

    pub(crate) fn message(&self, name: &str) -> Result<MessageDescriptor, Failure> {
        self.pool
            .get_message_by_name(name)
            .ok_or_else(|| Failure::text(format!("the schema has no message `{name}` (a mistake of cargo due)")))
    }
}

/// As it is written on the command line.
pub(crate) fn slashed(info: &RouteInfo) -> String {
    if info.service.is_empty() { info.name.clone() } else { format!("{}/{}", info.service, info.method) }
}
