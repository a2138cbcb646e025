//! The open model as a page: every link made, every comment rendered.

use std::collections::{BTreeMap, BTreeSet};

use super::page::{Enum, EnumValue, Field, Head, Message, Method, Package, Page, Row, Service, Type};
use super::{example, markdown};
use crate::codes::CODES;
use crate::model::Model;
use crate::open::{About, EnumItem, FieldItem, MessageItem, MethodItem, OpenModel, ServiceItem};

struct Writer<'a> {
    model: &'a OpenModel,
    generated: &'a Model,
    /// Full names of the messages and enums of the page.
    known: BTreeSet<&'a str>,
    used_by: BTreeMap<&'a str, BTreeSet<&'a str>>,
}

impl Page {
    pub(super) fn new(model: &OpenModel, generated: &Model, title: Option<&str>) -> Self {
        let writer = Writer {
            model,
            generated,
            known: model
                .messages()
                .map(|it| it.full_name.as_str())
                .chain(model.enums().map(|it| it.full_name.as_str()))
                .collect(),
            used_by: used_by(model),
        };
        let named = match model.packages.as_slice() {
            [one] if !one.name.is_empty() => &one.name,
            _ => "Protocol",
        };
        let packages = model.packages.iter().map(|package| Package {
            name: package.name.clone(),
            doc: markdown::html(&package.doc),
            services: package.services.iter().map(|it| writer.service(it)).collect(),
            messages: package.messages.iter().map(|it| writer.message(it)).collect(),
            enums: package.enums.iter().map(|it| writer.enumeration(it)).collect(),
        });
        Self {
            title: title.unwrap_or(named).to_owned(),
            packages: packages.collect(),
            routes: writer.routes(),
            events: writer.events(),
            codes: if model.services().any(|service| service.kind == "node") { CODES.to_vec() } else { Vec::new() },
            code_enums: model.enums().filter(|it| it.codes).map(|it| it.full_name.clone()).collect(),
        }
    }
}

impl Writer<'_> {
    fn routes(&self) -> Vec<Row> {
        let methods = self.model.services().flat_map(|service| &service.methods);
        let mut rows: Vec<Row> = methods
            .filter(|method| method.id.is_some())
            .map(|method| Row {
                id: method.id,
                kind: "route",
                name: method.full_name.clone(),
                flags: flags(method),
                request: Some(self.named(&method.request)),
                response: (!method.oneway).then(|| self.named(&method.response)),
                topic: String::new(),
                summary: markdown::summary(&method.about.doc),
            })
            .collect();
        let pushes = self.model.messages().filter(|message| message.push.is_some());
        rows.extend(pushes.map(|message| Row {
            id: message.push,
            kind: "push",
            name: message.full_name.clone(),
            flags: Vec::new(),
            request: None,
            response: Some(self.named(&message.full_name)),
            topic: String::new(),
            summary: markdown::summary(&message.about.doc),
        }));
        rows.sort_by(|a, b| (a.id, &a.name).cmp(&(b.id, &b.name)));
        rows
    }

    fn events(&self) -> Vec<Row> {
        let events = self.model.messages().filter_map(|message| {
            Some(Row {
                id: None,
                kind: "event",
                name: message.full_name.clone(),
                flags: Vec::new(),
                request: None,
                response: Some(self.named(&message.full_name)),
                topic: message.event.clone()?,
                summary: markdown::summary(&message.about.doc),
            })
        });
        events.collect()
    }

    fn service(&self, service: &ServiceItem) -> Service {
        Service {
            head: head(&service.full_name, &service.name, &service.about),
            kind: service.kind,
            target: service.target.clone(),
            actor: service.actor.clone(),
            methods: service.methods.iter().map(|method| self.method(service, method)).collect(),
        }
    }

    fn method(&self, service: &ServiceItem, method: &MethodItem) -> Method {
        let (rust, typescript) = match example::call(self.model, self.generated, service, method) {
            Some((rust, typescript)) => (Some(rust), typescript),
            None => (None, None),
        };
        let stream = |streams: bool, name: &str| {
            let named = self.named(name);
            if streams { Type { before: format!("stream {}", named.before), ..named } } else { named }
        };
        Method {
            head: head(&method.full_name, &method.name, &method.about),
            id: method.id,
            flags: flags(method),
            request: stream(method.client_streaming, &method.request),
            response: (!method.oneway).then(|| stream(method.server_streaming, &method.response)),
            rust,
            typescript,
        }
    }

    fn message(&self, message: &MessageItem) -> Message {
        let (rust, typescript) = match message.push.map(|_| example::push(message)) {
            Some((rust, typescript)) => (Some(rust), Some(typescript)),
            None => (None, None),
        };
        Message {
            head: head(&message.full_name, &message.path.join("."), &message.about),
            push: message.push,
            event: message.event.clone(),
            fields: message.fields.iter().map(|field| self.field(message, field)).collect(),
            used_by: self.users(&message.full_name),
            rust,
            typescript,
        }
    }

    fn field(&self, message: &MessageItem, field: &FieldItem) -> Field {
        let named = match &field.type_name {
            Some(name) => self.named(name),
            None => Type { before: String::new(), name: field.r#type.to_owned(), after: "", link: None },
        };
        let r#type = match field.key {
            Some(key) => Type { before: format!("map<{key}, "), after: ">", ..named },
            None => named,
        };
        let label = match (&field.oneof, field.label) {
            (Some(oneof), _) => format!("one of {oneof}"),
            (None, "single" | "map") => String::new(),
            (None, label) => label.to_owned(),
        };
        Field {
            id: format!("{}.{}", message.full_name, field.name),
            name: field.name.clone(),
            number: field.number,
            label,
            r#type,
            code: field.code,
            doc: markdown::html(&field.about.doc),
            deprecated: field.about.deprecated,
        }
    }

    fn enumeration(&self, item: &EnumItem) -> Enum {
        let values = item.values.iter().map(|value| EnumValue {
            // Values are siblings of their enum, but not in links.
            id: format!("{}.{}", item.full_name, value.name),
            name: value.name.clone(),
            number: value.number,
            doc: markdown::html(&value.about.doc),
            deprecated: value.about.deprecated,
        });
        Enum {
            head: head(&item.full_name, &item.path.join("."), &item.about),
            codes: item.codes,
            values: values.collect(),
            used_by: self.users(&item.full_name),
        }
    }

    fn users(&self, name: &str) -> Vec<String> {
        self.used_by.get(name).into_iter().flatten().map(|user| (*user).to_owned()).collect()
    }

    fn named(&self, name: &str) -> Type {
        let link = self.known.contains(name).then(|| name.to_owned());
        Type { before: String::new(), name: name.to_owned(), after: "", link }
    }
}

/// Who names a type: rpcs and messages, by their full names.
fn used_by(model: &OpenModel) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut used: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for method in model.services().flat_map(|service| &service.methods) {
        for name in [&method.request, &method.response] {
            used.entry(name).or_default().insert(&method.full_name);
        }
    }
    for message in model.messages() {
        for name in message.fields.iter().filter_map(|field| field.type_name.as_deref()) {
            if name != message.full_name {
                used.entry(name).or_default().insert(&message.full_name);
            }
        }
    }
    used
}

fn head(id: &str, name: &str, about: &About) -> Head {
    Head {
        id: id.to_owned(),
        name: name.to_owned(),
        doc: markdown::html(&about.doc),
        summary: markdown::summary(&about.doc),
        deprecated: about.deprecated,
        file: about.file.clone(),
        line: about.line,
    }
}

fn flags(method: &MethodItem) -> Vec<&'static str> {
    let all = [
        ("authorized", method.authorized),
        ("stateful", method.stateful),
        ("internal", method.internal),
        ("oneway", method.oneway),
    ];
    all.into_iter().filter(|(_, set)| *set).map(|(word, _)| word).collect()
}
