//! What one line of a lock says.

use std::fmt;

/// Something that peers agree on. Names are full names without a leading dot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Packet(Packet),
    Node { service: String, name: String },
    Mesh { service: String, name: String, path: String },
    Route(Route),
    Rpc(Rpc),
    Message { message: String },
    Push { message: String, id: i32 },
    Event { message: String, topic: String },
    Field(Field),
    Enum { owner: String },
    Value { owner: String, number: i32, name: String },
    Reserved { owner: String, what: Reserved },
}

/// `[packet]` of `due.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) route_bytes: u8,
    pub(crate) seq_bytes: u8,
    pub(crate) big_endian: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) rpc: String,
    pub(crate) id: i32,
    pub(crate) request: String,
    pub(crate) response: String,
    pub(crate) authorized: bool,
    pub(crate) stateful: bool,
    pub(crate) internal: bool,
    pub(crate) oneway: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rpc {
    pub(crate) rpc: String,
    pub(crate) request: String,
    pub(crate) response: String,
    pub(crate) client_streaming: bool,
    pub(crate) server_streaming: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) message: String,
    pub(crate) number: i32,
    pub(crate) name: String,
    /// `string`, `lobby.v1.Item`, `map<string,int32>`, `group<legacy.Old>`.
    pub(crate) kind: String,
    pub(crate) label: Label,
    pub(crate) oneof: Option<String>,
    /// Only if it is not what follows from the name.
    pub(crate) json: Option<String>,
    pub(crate) code: Option<Code>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Label {
    /// proto3 without a word.
    Plain,
    Optional,
    Required,
    Repeated,
}

/// What a field carries of the application's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Code {
    Number,
    Text,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reserved {
    /// Both ends are part of it.
    Numbers(i64, i64),
    Name(String),
}

/// Part of an item that has a place of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Id,
    Request,
    Response,
    Authorized,
    Stateful,
    Internal,
    Oneway,
    Type,
    Label,
    Number,
}

/// What two lines must not share; also the order of lines: everything about one name stands together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    owner: String,
    rank: u8,
    number: i64,
    word: String,
}

impl Key {
    /// What the keys of a message's fields begin behind.
    pub(crate) fn first_field(message: &str) -> Self {
        Self { owner: message.to_owned(), rank: FIELD, number: 0, word: String::new() }
    }
}

const FIELD: u8 = 8;

impl Item {
    pub(crate) fn key(&self) -> Key {
        let key = |owner: &str, rank, number: i64, word: &str| Key {
            owner: owner.to_owned(),
            rank,
            number,
            word: word.to_owned(),
        };
        match self {
            Self::Packet(_) => key("", 0, 0, ""),
            Self::Node { service, .. } => key(service, 1, 0, ""),
            Self::Mesh { service, .. } => key(service, 2, 0, ""),
            Self::Route(Route { rpc, id, .. }) => key(rpc, 3, (*id).into(), ""),
            Self::Rpc(Rpc { rpc, .. }) => key(rpc, 4, 0, ""),
            Self::Message { message } => key(message, 5, 0, ""),
            Self::Push { message, id } => key(message, 6, (*id).into(), ""),
            Self::Event { message, topic } => key(message, 7, 0, topic),
            Self::Field(Field { message, number, .. }) => key(message, FIELD, (*number).into(), ""),
            Self::Enum { owner } => key(owner, 9, 0, ""),
            Self::Value { owner, number, name } => key(owner, 10, (*number).into(), name),
            Self::Reserved { owner, what: Reserved::Numbers(first, last) } => key(owner, 11, *first, &last.to_string()),
            Self::Reserved { owner, what: Reserved::Name(name) } => key(owner, 12, 0, name),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "singular",
            Self::Optional => "optional",
            Self::Required => "required",
            Self::Repeated => "repeated",
        })
    }
}

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Numbers(first, last) if first == last => write!(f, "{first}"),
            Self::Numbers(first, last) => write!(f, "{first}..{last}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}
