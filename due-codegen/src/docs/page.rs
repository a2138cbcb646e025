//! What the page says, in the order in which it says it: what the template prints.

use serde::Serialize;

#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) title: String,
    pub(super) packages: Vec<Package>,
    pub(super) routes: Vec<Row>,
    pub(super) events: Vec<Row>,
    /// Those of due, if there is a route that may answer with them.
    pub(super) codes: Vec<(i32, &'static str)>,
    /// The schema's own: full names of enums.
    pub(super) code_enums: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) services: Vec<Service>,
    pub(super) messages: Vec<Message>,
    pub(super) enums: Vec<Enum>,
}

/// A line of the table at the top.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) id: Option<i32>,
    pub(super) kind: &'static str,
    /// The target of its link, which is its full name.
    pub(super) name: String,
    pub(super) flags: Vec<&'static str>,
    pub(super) request: Option<Type>,
    pub(super) response: Option<Type>,
    /// The topic of an event.
    pub(super) topic: String,
    pub(super) summary: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Service {
    pub(super) head: Head,
    pub(super) kind: &'static str,
    pub(super) target: String,
    pub(super) actor: Option<String>,
    pub(super) methods: Vec<Method>,
}

#[derive(Debug, Serialize)]
pub(super) struct Method {
    pub(super) head: Head,
    pub(super) id: Option<i32>,
    pub(super) flags: Vec<&'static str>,
    pub(super) request: Type,
    pub(super) response: Option<Type>,
    pub(super) rust: Option<String>,
    pub(super) typescript: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Message {
    pub(super) head: Head,
    pub(super) push: Option<i32>,
    pub(super) event: Option<String>,
    pub(super) fields: Vec<Field>,
    pub(super) used_by: Vec<String>,
    pub(super) rust: Option<String>,
    pub(super) typescript: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Field {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) number: u32,
    pub(super) label: String,
    pub(super) r#type: Type,
    pub(super) code: bool,
    pub(super) doc: String,
    pub(super) deprecated: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Enum {
    pub(super) head: Head,
    pub(super) codes: bool,
    pub(super) values: Vec<EnumValue>,
    pub(super) used_by: Vec<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct EnumValue {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) number: i32,
    pub(super) doc: String,
    pub(super) deprecated: bool,
}

/// What begins every item.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    /// Where links lead: the full name.
    pub(super) id: String,
    /// The name below the package or service.
    pub(super) name: String,
    pub(super) doc: String,
    pub(super) summary: String,
    pub(super) deprecated: bool,
    pub(super) file: String,
    pub(super) line: usize,
}

/// A type as the schema writes it; with a link if it is on the page.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Type {
    pub(super) before: String,
    pub(super) name: String,
    pub(super) after: &'static str,
    pub(super) link: Option<String>,
}
