//! The only room that knows the names and numbers of `due/options.proto`. Each option is read once, into a type.

use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, ExtensionDescriptor, FieldDescriptor, MessageDescriptor,
    MethodDescriptor, ServiceDescriptor, Value,
};

use crate::source::OPTIONS_PROTO;

/// Numbers of the extensions in `due/options.proto`.
pub(crate) mod number {
    pub(crate) const NODE: i32 = 51001;
    pub(crate) const MESH: i32 = 51002;
    pub(crate) const ROUTE: i32 = 51003;
    pub(crate) const PUSH: i32 = 51004;
    pub(crate) const EVENT: i32 = 51005;
    pub(crate) const CODE: i32 = 51006;
    #[cfg(test)]
    pub(crate) const CODES: i32 = 51007;
}

/// Full names of the extensions.
pub(crate) const NAMES: &[&str] =
    &["due.node", "due.mesh", "due.route", "due.push", "due.event", "due.code", "due.codes"];

/// `due.node`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeOptions {
    pub(crate) name: String,
    /// Said at all, be it as "".
    pub(crate) actor: Option<String>,
}

/// `due.mesh`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MeshOptions {
    pub(crate) name: String,
    pub(crate) path: String,
}

/// `due.route`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RouteOptions {
    pub(crate) id: i32,
    pub(crate) stateful: bool,
    pub(crate) authorized: bool,
    pub(crate) internal: bool,
    pub(crate) oneway: bool,
}

/// The extensions of one pool; all absent if no file imports `due/options.proto`.
#[derive(Debug)]
pub(crate) struct Options {
    node: Option<ExtensionDescriptor>,
    mesh: Option<ExtensionDescriptor>,
    route: Option<ExtensionDescriptor>,
    push: Option<ExtensionDescriptor>,
    event: Option<ExtensionDescriptor>,
    code: Option<ExtensionDescriptor>,
    codes: Option<ExtensionDescriptor>,
}

impl Options {
    pub(crate) fn new(pool: &DescriptorPool) -> Self {
        let find = |name: &str| {
            pool.get_extension_by_name(name).filter(|extension| extension.parent_file().name() == OPTIONS_PROTO)
        };
        Self {
            node: find("due.node"),
            mesh: find("due.mesh"),
            route: find("due.route"),
            push: find("due.push"),
            event: find("due.event"),
            code: find("due.code"),
            codes: find("due.codes"),
        }
    }

    pub(crate) fn node(&self, service: &ServiceDescriptor) -> Option<NodeOptions> {
        let options = message(&service.options(), self.node.as_ref())?;
        let actor = options.has_field_by_name("actor").then(|| text(&options, "actor"));
        Some(NodeOptions { name: text(&options, "name"), actor })
    }

    pub(crate) fn mesh(&self, service: &ServiceDescriptor) -> Option<MeshOptions> {
        let options = message(&service.options(), self.mesh.as_ref())?;
        Some(MeshOptions { name: text(&options, "name"), path: text(&options, "path") })
    }

    pub(crate) fn route(&self, method: &MethodDescriptor) -> Option<RouteOptions> {
        let options = message(&method.options(), self.route.as_ref())?;
        Some(RouteOptions {
            id: integer(&options, "id"),
            stateful: flag(&options, "stateful"),
            authorized: flag(&options, "authorized"),
            internal: flag(&options, "internal"),
            oneway: flag(&options, "oneway"),
        })
    }

    /// The id of `due.push`.
    pub(crate) fn push(&self, descriptor: &MessageDescriptor) -> Option<i32> {
        Some(integer(&message(&descriptor.options(), self.push.as_ref())?, "id"))
    }

    /// The topic of `due.event`.
    pub(crate) fn event(&self, descriptor: &MessageDescriptor) -> Option<String> {
        Some(text(&message(&descriptor.options(), self.event.as_ref())?, "topic"))
    }

    pub(crate) fn code(&self, field: &FieldDescriptor) -> bool {
        marked(&field.options(), self.code.as_ref())
    }

    pub(crate) fn codes(&self, descriptor: &EnumDescriptor) -> bool {
        marked(&descriptor.options(), self.codes.as_ref())
    }
}

fn message(options: &DynamicMessage, extension: Option<&ExtensionDescriptor>) -> Option<DynamicMessage> {
    let extension = extension.filter(|extension| options.has_extension(extension))?;
    options.get_extension(extension).as_message().cloned()
}

fn marked(options: &DynamicMessage, extension: Option<&ExtensionDescriptor>) -> bool {
    extension.is_some_and(|extension| options.get_extension(extension).as_bool() == Some(true))
}

fn text(options: &DynamicMessage, field: &str) -> String {
    options.get_field_by_name(field).and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn integer(options: &DynamicMessage, field: &str) -> i32 {
    options.get_field_by_name(field).and_then(|value| value.as_i32()).unwrap_or_default()
}

fn flag(options: &DynamicMessage, field: &str) -> bool {
    options.get_field_by_name(field).is_some_and(|value| *value == Value::Bool(true))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Report;
    use crate::source::{self, roots::Roots};

    #[test]
    fn numbers_are_those_of_the_proto() {
        let mut report = Report::default();
        let sources = source::load([OPTIONS_PROTO.to_owned()].into(), &Roots::default(), &mut report);
        let options = Options::new(&sources.pool);
        let number = |extension: &Option<ExtensionDescriptor>| extension.as_ref().map(|found| found.number() as i32);
        assert_eq!(number(&options.node), Some(number::NODE));
        assert_eq!(number(&options.mesh), Some(number::MESH));
        assert_eq!(number(&options.route), Some(number::ROUTE));
        assert_eq!(number(&options.push), Some(number::PUSH));
        assert_eq!(number(&options.event), Some(number::EVENT));
        assert_eq!(number(&options.code), Some(number::CODE));
        assert_eq!(number(&options.codes), Some(number::CODES));
    }
}
