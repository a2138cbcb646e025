//! What a client and a gate compare when they meet: the clients' view of a schema as the wire sees it, in few bytes.
//!
//! ```text
//! shape   = version: 1 | count | route* in the order of their ids | count | message*
//! route   = id | flags: 1 | request, or the pushed message | response, if it is a route and not oneway
//! message = count | field* in the order of their numbers
//! field   = number << 1 | in a oneof | kind: 1 | name: 4 | first number of the oneof, if in one | message, if of that kind
//! ```
//! Numbers without a width are LEB128. A message is its place in the list: they stand in the order in which the routes, and
//! then the fields of what was found so far, name them. `kind` is that of `FieldDescriptorProto.Type`, with marks for
//! repeated, required and map fields; `name` is the begin of the SHA-256 of the field's JSON name. The hash of a schema is
//! the begin of the SHA-256 of its shape, as a big-endian number. Nothing else counts: no file, comment or message's name,
//! no enum value, nothing that only servers see.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use sha2::{Digest, Sha256};

use crate::options::Options;
use crate::schema::messages;
use crate::source::Sources;

const VERSION: u8 = 1;

mod flag {
    pub(super) const PUSH: u8 = 1;
    pub(super) const AUTHORIZED: u8 = 2;
    pub(super) const STATEFUL: u8 = 4;
    pub(super) const ONEWAY: u8 = 8;
}

mod mark {
    pub(super) const REPEATED: u8 = 0x20;
    pub(super) const REQUIRED: u8 = 0x40;
    pub(super) const MAP: u8 = 0x80;
}

/// The shape of a run, and the names that belong to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) hash: u64,
    pub(crate) bytes: Vec<u8>,
    /// Id and full name of every route and push, in the order of the shape.
    pub(crate) routes: Vec<(i32, String)>,
    /// Of all fields of all messages, in the order of the shape.
    fields: Vec<String>,
}

struct Route {
    name: String,
    flags: u8,
    messages: Vec<MessageDescriptor>,
}

impl Shape {
    /// Of everything that was read, imports too: also what other crates generate is served by the same gate.
    pub(crate) fn of(sources: &Sources) -> Self {
        let routes = routes(sources);
        let mut writer = Writer::default();
        writer.bytes.push(VERSION);
        writer.number(routes.len());
        for (id, route) in &routes {
            writer.number(*id as usize);
            writer.bytes.push(route.flags);
            for message in &route.messages {
                writer.message(message);
            }
        }
        let mut bytes = std::mem::take(&mut writer.bytes);
        let mut fields = Vec::new();
        let mut count = 0;
        while let Some(message) = writer.found.get(count).cloned() {
            let mut inside: Vec<FieldDescriptor> = message.fields().collect();
            inside.sort_by_key(FieldDescriptor::number);
            writer.number(inside.len());
            for field in inside {
                writer.field(&field);
                fields.push(field.name().to_owned());
            }
            count += 1;
        }
        // How many there are is known only now.
        let messages = std::mem::take(&mut writer.bytes);
        writer.number(count);
        bytes.extend(writer.bytes);
        bytes.extend(messages);
        let hash = u64::from_be_bytes(begin_of_sha256(&bytes));
        Self { hash, bytes, routes: routes.into_iter().map(|(id, route)| (id, route.name)).collect(), fields }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.routes.is_empty()
    }

    /// The names of the routes and fields, each in a line.
    pub(crate) fn names(&self) -> String {
        let routes = self.routes.iter().map(|(_, name)| name);
        routes.chain(&self.fields).map(String::as_str).collect::<Vec<_>>().join("\n")
    }
}

fn routes(sources: &Sources) -> BTreeMap<i32, Route> {
    let options = Options::new(&sources.pool);
    let mut routes = BTreeMap::new();
    for file in sources.pool.files().filter(|file| sources.path(file).is_some()) {
        for service in file.services().filter(|service| options.node(service).is_some()) {
            for rpc in service.methods() {
                let Some(route) = options.route(&rpc).filter(|route| !route.internal) else { continue };
                let mut flags = 0;
                for (is_set, flag) in [
                    (route.authorized, flag::AUTHORIZED),
                    (route.stateful, flag::STATEFUL),
                    (route.oneway, flag::ONEWAY),
                ] {
                    flags |= if is_set { flag } else { 0 };
                }
                let messages = if route.oneway { vec![rpc.input()] } else { vec![rpc.input(), rpc.output()] };
                routes.insert(route.id, Route { name: rpc.full_name().to_owned(), flags, messages });
            }
        }
        for message in messages(&file) {
            if let Some(id) = options.push(&message) {
                let name = message.full_name().to_owned();
                routes.insert(id, Route { name, flags: flag::PUSH, messages: vec![message] });
            }
        }
    }
    routes
}

#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    indices: BTreeMap<String, usize>,
    found: Vec<MessageDescriptor>,
}

impl Writer {
    fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    fn message(&mut self, message: &MessageDescriptor) {
        let next = self.found.len();
        let index = match self.indices.entry(message.full_name().to_owned()) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(place) => {
                self.found.push(message.clone());
                *place.insert(next)
            }
        };
        self.number(index);
    }

    fn field(&mut self, field: &FieldDescriptor) {
        let oneof = field.containing_oneof().filter(|oneof| !oneof.is_synthetic());
        self.number((field.number() as usize) << 1 | usize::from(oneof.is_some()));
        let (kind, message) = kind(field);
        let marks = match field.cardinality() {
            _ if field.is_map() => mark::MAP | mark::REPEATED,
            Cardinality::Repeated => mark::REPEATED,
            Cardinality::Required => mark::REQUIRED,
            Cardinality::Optional => 0,
        };
        self.bytes.push(kind | marks);
        self.bytes.extend(begin_of_sha256::<4>(field.json_name().as_bytes()));
        if let Some(oneof) = oneof {
            let first = oneof.fields().map(|member| member.number()).min();
            self.number(first.unwrap_or_else(|| field.number()) as usize);
        }
        if let Some(message) = message {
            self.message(&message);
        }
    }
}

/// As `FieldDescriptorProto.Type` counts.
fn kind(field: &FieldDescriptor) -> (u8, Option<MessageDescriptor>) {
    let kind = match field.kind() {
        Kind::Double => 1,
        Kind::Float => 2,
        Kind::Int64 => 3,
        Kind::Uint64 => 4,
        Kind::Int32 => 5,
        Kind::Fixed64 => 6,
        Kind::Fixed32 => 7,
        Kind::Bool => 8,
        Kind::String => 9,
        Kind::Message(message) => return (if field.is_group() { 10 } else { 11 }, Some(message)),
        Kind::Bytes => 12,
        Kind::Uint32 => 13,
        Kind::Enum(_) => 14,
        Kind::Sfixed32 => 15,
        Kind::Sfixed64 => 16,
        Kind::Sint32 => 17,
        Kind::Sint64 => 18,
    };
    (kind, None)
}

fn begin_of_sha256<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|at| digest[at])
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Builder;

    const OLD: &str = r#"
        // The lobby.
        service Lobby {
          option (due.node) = { name: "lobby" };
          rpc Enter(EnterRequest) returns (EnterResponse) { option (due.route) = { id: 1 }; }
          rpc Leave(EnterRequest) returns (google.protobuf.Empty) { option (due.route) = { id: 300 authorized: true oneway: true }; }
          rpc Secret(EnterRequest) returns (EnterResponse) { option (due.route) = { id: 4 internal: true }; }
        }
        message EnterRequest { string name = 1; Seat seat = 2; oneof how { bool fast = 5; bool slow = 4; } }
        message EnterResponse { repeated Seat seats = 2; map<string, int32> scores = 1; Mood mood = 3; }
        message Seat { optional sint64 row = 1; Seat next = 16; }
        enum Mood { CALM = 0; }
        message Moved { option (due.push) = { id: 2 }; Seat to = 1; }
        message Unreachable { string name = 1; }
    "#;

    fn shape(files: &[(&str, &str)]) -> Shape {
        let folder = tempfile::tempdir().unwrap();
        let head =
            "syntax = \"proto3\"; package lobby; import \"due/options.proto\"; import \"google/protobuf/empty.proto\";";
        for (name, text) in files {
            fs::write(folder.path().join(name), format!("{head}{text}")).unwrap();
        }
        Shape::of(&Builder::new().includes([folder.path()]).schema().unwrap().sources)
    }

    /// The bytes of the documentation above, by hand. Clients of all ages have them: they never change.
    #[test]
    fn a_shape_is_these_bytes() {
        let json = |name: &str| begin_of_sha256::<4>(name.as_bytes()).to_vec();
        let bytes = [
            vec![1, 3],
            vec![1, 0, 0, 1],
            vec![2, 1, 2],
            vec![0xac, 2, 2 | 8, 0],
            vec![5],
            // EnterRequest: name, seat, slow and fast.
            [&[4, 2, 9][..], &json("name"), &[4, 11], &json("seat"), &[3, 9, 8], &json("slow"), &[4]].concat(),
            [&[11, 8][..], &json("fast"), &[4]].concat(),
            // EnterResponse: scores, seats, mood.
            [&[3, 2, 11 | 0x80 | 0x20][..], &json("scores"), &[4, 4, 11 | 0x20], &json("seats"), &[3]].concat(),
            [&[6, 14][..], &json("mood")].concat(),
            // Moved.
            [&[1, 2, 11][..], &json("to"), &[3]].concat(),
            // Seat.
            [&[2, 2, 18][..], &json("row"), &[32, 11], &json("next"), &[3]].concat(),
            // The entry of the map.
            [&[2, 2, 9][..], &json("key"), &[4, 5], &json("value")].concat(),
        ];
        let found = shape(&[("lobby.proto", OLD)]);
        assert_eq!(found.bytes, bytes.concat());
        assert_eq!(format!("{:016x}", found.hash), "45a17a484a25dad7");
        assert_eq!(json("name"), [0x82, 0xa3, 0x53, 0x7f]);
        let names = "lobby.Lobby.Enter\nlobby.Moved\nlobby.Lobby.Leave\nname\nseat\nslow\nfast\nscores\nseats\nmood\nto\nrow\nnext\nkey\nvalue";
        assert_eq!(found.names(), names);
    }

    #[test]
    fn what_the_wire_does_not_see_changes_nothing() {
        let before = shape(&[("lobby.proto", OLD)]);
        let (services, messages) = OLD.split_once("        message EnterRequest").unwrap();
        let messages = format!("message EnterRequest{messages}");
        let apart = shape(&[("z.proto", &format!("import \"a.proto\";{services}")), ("a.proto", &messages)]);
        assert_eq!((apart.hash, &apart.bytes), (before.hash, &before.bytes));
        let renamed = OLD
            .replace("Seat", "Chair")
            .replace("Lobby", "Hall")
            .replace("CALM = 0;", "STILL = 0; LOUD = 1;")
            .replace("// The lobby.", "// Another word.")
            .replace("optional sint64", "sint64")
            .replace("id: 4 internal", "id: 9 internal")
            .replace("message Unreachable", "message Nowhere");
        assert_eq!(shape(&[("hall.proto", &renamed)]).bytes, before.bytes);
    }

    #[test]
    fn what_the_wire_sees_changes_the_hash() {
        let before = shape(&[("lobby.proto", OLD)]).hash;
        for (old, new) in [
            ("id: 300", "id: 301"),
            ("authorized: true", "stateful: true"),
            (" oneway: true", ""),
            ("id: 4 internal: true", "id: 4"),
            ("string name = 1; Seat", "bytes name = 1; Seat"),
            ("string name = 1; Seat", "string title = 1; Seat"),
            ("string name = 1; Seat", "repeated string name = 1; Seat"),
            ("string name = 1; Seat", "string name = 3; Seat"),
            ("bool slow = 4; }", "} bool slow = 4;"),
            ("Mood mood", "int32 mood"),
            ("map<string, int32>", "map<string, int64>"),
            ("sint64 row", "int64 row"),
            ("Seat next", "EnterRequest next"),
            ("(due.push) = { id: 2 }", "(due.push) = { id: 3 }"),
        ] {
            let changed = OLD.replace(old, new);
            let changed = changed.replace(
                "(google.protobuf.Empty) { option (due.route) = { id: 300 authorized: true }",
                "(EnterResponse) { option (due.route) = { id: 300 authorized: true }",
            );
            assert_ne!(changed, OLD, "{old}");
            assert_ne!(shape(&[("lobby.proto", &changed)]).hash, before, "{new}");
        }
    }

    #[test]
    fn without_routes_there_is_nothing_to_compare() {
        let none = shape(&[("none.proto", "message A { string name = 1; }")]);
        assert!(none.is_empty());
        assert_eq!(none.bytes, [1, 0, 0]);
    }
}
