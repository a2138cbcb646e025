//! The table of what has an id or a name on the wire.

use prost_reflect::{FileDescriptor, MessageDescriptor, MethodDescriptor, ServiceDescriptor};
use serde::Serialize;

use crate::diagnostic::Place;
use crate::schema::{Schema, messages};

/// One line of the table. As JSON, its fields are as here, and so are the words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RouteInfo {
    /// The number in the packet; of routes and pushes only.
    pub id: Option<i32>,
    /// What it is.
    pub kind: RouteKind,
    /// Full name of the rpc or message: `lobby.v1.Lobby.Enter`.
    pub name: String,
    /// Full name of the rpc's service; empty for messages.
    pub service: String,
    /// The rpc's or message's own name.
    pub method: String,
    /// What finds it: the name of node or mesh, the event's topic; empty for pushes.
    pub target: String,
    /// Those of `authorized`, `stateful`, `internal`, `oneway`, `client_streaming`, `server_streaming` that it has.
    pub flags: Vec<&'static str>,
    /// Full name of the request; empty for messages.
    pub request: String,
    /// Full name of the response; for messages, of what is sent.
    pub response: String,
    /// The file, as a path from where the program runs.
    pub file: String,
    /// Counts from 1.
    pub line: usize,
    /// In characters, counts from 1.
    pub column: usize,
}

/// What a line of the table is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum RouteKind {
    /// An rpc of a node.
    Route,
    /// A message from servers to clients.
    Push,
    /// A message between servers.
    Event,
    /// An rpc of a mesh service.
    Mesh,
}

impl RouteKind {
    /// As in JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Push => "push",
            Self::Event => "event",
            Self::Mesh => "mesh",
        }
    }
}

impl Schema {
    /// Routes and pushes by their ids, then events and rpcs of meshes by their names. Those of imported files are among
    /// them: they share the ids.
    pub fn routes(&self) -> Vec<RouteInfo> {
        let mut all = Vec::new();
        for file in self.files() {
            self.add_file(&file, &mut all);
        }
        all.sort_by(|a, b| {
            let key = |info: &RouteInfo| (info.id.is_none(), info.id, info.kind);
            (key(a), &a.name).cmp(&(key(b), &b.name))
        });
        all
    }

    fn add_file(&self, file: &FileDescriptor, all: &mut Vec<RouteInfo>) {
        for service in file.services() {
            let (node, mesh) = (self.options.node(&service), self.options.mesh(&service));
            for method in service.methods() {
                if let Some((node, route)) = node.as_ref().zip(self.options.route(&method)) {
                    let flags = [
                        ("authorized", route.authorized),
                        ("stateful", route.stateful),
                        ("internal", route.internal),
                        ("oneway", route.oneway),
                    ];
                    let rpc = self.rpc(RouteKind::Route, &service, &method, &flags);
                    all.push(RouteInfo { id: Some(route.id), target: node.name.clone(), ..rpc });
                } else if let Some(mesh) = &mesh {
                    let flags = [
                        ("client_streaming", method.is_client_streaming()),
                        ("server_streaming", method.is_server_streaming()),
                    ];
                    let rpc = self.rpc(RouteKind::Mesh, &service, &method, &flags);
                    all.push(RouteInfo { target: mesh.name.clone(), ..rpc });
                }
            }
        }
        for message in messages(file) {
            if let Some(id) = self.options.push(&message) {
                all.push(RouteInfo { id: Some(id), ..self.sent(RouteKind::Push, &message) });
            }
            if let Some(topic) = self.options.event(&message) {
                all.push(RouteInfo { target: topic, ..self.sent(RouteKind::Event, &message) });
            }
        }
    }

    fn rpc(
        &self,
        kind: RouteKind,
        service: &ServiceDescriptor,
        method: &MethodDescriptor,
        flags: &[(&'static str, bool)],
    ) -> RouteInfo {
        RouteInfo {
            service: service.full_name().to_owned(),
            flags: flags.iter().filter(|(_, set)| *set).map(|(word, _)| *word).collect(),
            request: method.input().full_name().to_owned(),
            response: method.output().full_name().to_owned(),
            ..info(kind, method.full_name(), method.name(), &self.rpc_place(method))
        }
    }

    fn sent(&self, kind: RouteKind, message: &MessageDescriptor) -> RouteInfo {
        let info = info(kind, message.full_name(), message.name(), &self.message_place(message));
        RouteInfo { response: message.full_name().to_owned(), ..info }
    }
}

fn info(kind: RouteKind, name: &str, method: &str, place: &Place) -> RouteInfo {
    let (line, column) = place.source.position(place.span.start);
    RouteInfo {
        id: None,
        kind,
        name: name.to_owned(),
        service: String::new(),
        method: method.to_owned(),
        target: String::new(),
        flags: Vec::new(),
        request: String::new(),
        response: String::new(),
        file: place.source.name.clone(),
        line,
        column,
    }
}
