//! Locks as text, a line each:
//!
//! ```text
//! due.lock 1
//! packet route_bytes=2 seq_bytes=2 byte_order=big
//! route lobby.v1.Lobby.Enter 10 lobby.v1.EnterRequest lobby.v1.EnterResponse authorized
//! field lobby.v1.EnterRequest 1 name string
//! removed field lobby.v1.EnterRequest 2 title string
//! ```

use std::fmt;

use super::item::{Code, Field, Item, Label, Packet, Route, Rpc};
use super::{Entry, LOCK_NAME, Lock};

/// Of the text form. A program reads the versions up to its own.
pub(super) const VERSION: u32 = 1;
/// Begins a line about what is no longer there.
pub(super) const REMOVED: &str = "removed";
const PREFACE: &str = "\
# What was ever shipped, a line each. `cargo due lock` writes it, `cargo due breaking` reads it: check it in.
# On a merge conflict keep the lines of both sides.
";

impl fmt::Display for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{LOCK_NAME} {VERSION}\n{PREFACE}")?;
        for entry in self.entries.values() {
            writeln!(f, "{entry}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.removed { write!(f, "{REMOVED} {}", self.item) } else { self.item.fmt(f) }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |set: bool, word: &str| if set { format!(" {word}") } else { String::new() };
        match self {
            Self::Packet(Packet { route_bytes, seq_bytes, big_endian }) => {
                let order = if *big_endian { "big" } else { "little" };
                write!(f, "packet route_bytes={route_bytes} seq_bytes={seq_bytes} byte_order={order}")
            }
            Self::Node { service, name } => write!(f, "node {service} {}", escaped(name)),
            Self::Mesh { service, name, path } => write!(f, "mesh {service} {} {}", escaped(name), escaped(path)),
            Self::Route(Route { rpc, id, request, response, authorized, stateful, internal, oneway }) => {
                let (authorized, stateful) = (flag(*authorized, "authorized"), flag(*stateful, "stateful"));
                let (internal, oneway) = (flag(*internal, "internal"), flag(*oneway, "oneway"));
                write!(f, "route {rpc} {id} {request} {response}{authorized}{stateful}{internal}{oneway}")
            }
            Self::Rpc(Rpc { rpc, request, response, client_streaming, server_streaming }) => {
                let client = flag(*client_streaming, "client_streaming");
                let server = flag(*server_streaming, "server_streaming");
                write!(f, "rpc {rpc} {request} {response}{client}{server}")
            }
            Self::Message { message } => write!(f, "message {message}"),
            Self::Push { message, id } => write!(f, "push {message} {id}"),
            Self::Event { message, topic } => write!(f, "event {message} {}", escaped(topic)),
            Self::Field(Field { message, number, name, kind, label, oneof, json, code }) => {
                write!(f, "field {message} {number} {name} {kind}")?;
                if *label != Label::Plain {
                    write!(f, " {label}")?;
                }
                if let Some(oneof) = oneof {
                    write!(f, " oneof={}", escaped(oneof))?;
                }
                if let Some(json) = json {
                    write!(f, " json={}", escaped(json))?;
                }
                match code {
                    Some(Code::Number) => write!(f, " code"),
                    Some(Code::Text) => write!(f, " text"),
                    None => Ok(()),
                }
            }
            Self::Enum { owner } => write!(f, "enum {owner}"),
            Self::Value { owner, number, name } => write!(f, "value {owner} {number} {name}"),
            Self::Reserved { owner, what } => write!(f, "reserved {owner} {what}"),
        }
    }
}

/// Text without blanks: what could end a word is written `%20`.
fn escaped(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'%' => "%25".to_owned(),
        byte if byte.is_ascii_graphic() => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    if text.is_empty() { "%".to_owned() } else { text.bytes().map(byte).collect() }
}

/// The text that [`escaped`] has made a word of.
pub(super) fn unescaped(word: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = if word == "%" { "" } else { word };
    while let Some(byte) = rest.bytes().next() {
        if byte == b'%' {
            bytes.push(u8::from_str_radix(rest.get(1..3)?, 16).ok()?);
            rest = rest.get(3..)?;
        } else {
            bytes.push(byte);
            rest = rest.get(1..)?;
        }
    }
    String::from_utf8(bytes).ok()
}
