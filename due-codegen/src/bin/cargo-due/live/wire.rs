//! The bytes of a connection, taken apart for people.

use std::fmt::Write as _;

use due::packet::{ByteOrder, Dialect, Format, Frame, Packet};
use due::transport::Inbound;
use due::{Body as _, Bytes, Codec, RouteId, Status, Traffic};
use prost_reflect::MessageDescriptor;

use super::body;
use super::catalog::{Catalog, Known, slashed};
use super::target::Manners;

/// Bytes of a body that are shown.
const SHOWN: usize = 256;
const PER_LINE: usize = 16;
/// Cells before the annotation.
const COLUMN: usize = 26;
const SIZE: usize = 4;
const HEADER: usize = 1;

/// What a tap has seen, to be shown later.
pub(crate) enum Seen {
    Sent(Bytes),
    Received(Inbound),
}

impl From<Traffic<'_>> for Seen {
    fn from(traffic: Traffic<'_>) -> Self {
        match traffic {
            Traffic::Sent(packet) => Self::Sent(packet.clone()),
            Traffic::Received(inbound) => Self::Received(inbound.clone()),
        }
    }
}

impl Seen {
    /// The packet that came in, if it was one.
    pub(crate) fn received(&self, manners: &Manners) -> Option<Packet> {
        let frame = match self {
            Self::Sent(_) | Self::Received(Inbound::Ignored(_)) => return None,
            Self::Received(Inbound::Unit(unit)) => manners.format.parse(unit.clone()),
            Self::Received(Inbound::Message(message)) => match manners.dialect {
                Dialect::Sized => manners.format.parse_sized(message.clone()),
                Dialect::Bare => manners.format.parse(message.clone()),
            },
        };
        match frame {
            Ok(Frame::Packet(packet)) => Some(packet),
            _ => None,
        }
    }
}

/// Takes packets apart.
pub(crate) struct Anatomy<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) manners: &'a Manners,
}

impl Anatomy<'_> {
    /// A line that says which way, then lines of bytes and what they mean.
    pub(crate) fn show(&self, seen: &Seen) -> String {
        let (way, unit, sized) = match seen {
            // Before the transport takes the size off.
            Seen::Sent(packet) => match self.manners.dialect {
                Dialect::Sized => (">", packet.clone(), true),
                Dialect::Bare => (">", packet.slice(SIZE.min(packet.len())..), false),
            },
            // The transport has taken the size off.
            Seen::Received(Inbound::Unit(unit)) => ("<", with_size(&self.manners.format, unit), true),
            Seen::Received(Inbound::Message(message)) => ("<", message.clone(), self.manners.dialect == Dialect::Sized),
            Seen::Received(Inbound::Ignored(len)) => return format!("< a control frame or text of {len} bytes\n"),
        };
        let parsed = match sized {
            true => self.manners.format.parse_sized(unit.clone()),
            false => self.manners.format.parse(unit.clone()),
        };
        let mut text = String::new();
        match parsed {
            Ok(Frame::Packet(packet)) => self.packet(&mut text, way, &unit, sized, &packet),
            Ok(Frame::Heartbeat) => plain(&mut text, way, &unit, "a heartbeat"),
            Ok(Frame::KeepAlive) => plain(&mut text, way, &unit, "a keep-alive"),
            Err(error) => plain(&mut text, way, &unit, &format!("no packet: {error}")),
        }
        text
    }

    fn packet(&self, text: &mut String, way: &str, unit: &Bytes, sized: bool, packet: &Packet) {
        let format = &self.manners.format;
        headline(text, way, unit.len());
        let mut rest = &unit[..];
        let mut field = |text: &mut String, len: usize, meaning: &str| {
            let (bytes, after) = rest.split_at(len.min(rest.len()));
            rest = after;
            line(text, bytes, meaning);
        };
        if sized {
            field(text, SIZE, &format!("size {}", unit.len() - SIZE));
        }
        field(text, HEADER, "header");
        field(text, format.route_bytes(), &format!("route {} {}", packet.route.0, self.name_of(packet.route)));
        if format.seq_bytes() > 0 {
            field(text, format.seq_bytes(), &format!("seq {}", packet.seq.0));
        }
        let meaning = self.meaning(way == ">", packet);
        dump(text, &packet.body, &format!("body, {} bytes {meaning}", packet.body.len()));
    }

    fn name_of(&self, route: RouteId) -> String {
        match self.catalog.known(route) {
            Known::Route(info) => slashed(info),
            Known::Push(info) => format!("push {}", info.name),
            Known::Nothing if route == RouteId::STATUS => "due.Status".to_owned(),
            Known::Nothing => "(not in the schema)".to_owned(),
        }
    }

    /// The body as JSON, or why it is none.
    fn meaning(&self, outgoing: bool, packet: &Packet) -> String {
        let codec = &self.manners.codec;
        let name = match self.catalog.known(packet.route) {
            Known::Route(info) if outgoing => &info.request,
            Known::Route(info) | Known::Push(info) => &info.response,
            Known::Nothing if packet.route == RouteId::STATUS => return status(codec, &packet.body),
            Known::Nothing => return String::new(),
        };
        match self.catalog.message(name) {
            Ok(message) => json(codec, &message, &packet.body),
            Err(_) => String::new(),
        }
    }
}

fn json(codec: &Codec, message: &MessageDescriptor, body: &[u8]) -> String {
    let value = body::decode(codec, message, body);
    match value.and_then(|value| body::to_value(&value, false)) {
        Ok(value) => value.to_string(),
        Err(error) => format!("({error})"),
    }
}

fn status(codec: &Codec, body: &Bytes) -> String {
    match Status::decode_body(codec, body) {
        Ok(status) => {
            let message = due_codegen::plain(status.message);
            format!("about route {}, seq {}: code {} {message}", status.route, status.seq, status.code)
        }
        Err(error) => format!("({error})"),
    }
}

/// What a stream carried before its size was taken off.
fn with_size(format: &Format, unit: &Bytes) -> Bytes {
    // Longer ones than a size can tell are not read.
    let size = u32::try_from(unit.len()).unwrap_or(u32::MAX);
    let size = match format.order() {
        ByteOrder::Big => size.to_be_bytes(),
        ByteOrder::Little => size.to_le_bytes(),
    };
    Bytes::from([&size[..], unit].concat())
}

fn plain(text: &mut String, way: &str, unit: &[u8], meaning: &str) {
    headline(text, way, unit.len());
    dump(text, unit, meaning);
}

fn headline(text: &mut String, way: &str, len: usize) {
    let verb = if way == ">" { "sent" } else { "received" };
    text.push_str(&format!("{way} {verb} {len} bytes\n"));
}

fn line(text: &mut String, bytes: &[u8], meaning: &str) {
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x} ");
        hex
    });
    text.push_str(format!("  {hex:<COLUMN$}{meaning}").trim_end());
    text.push('\n');
}

/// The meaning first, then the bytes in lines of sixteen.
fn dump(text: &mut String, bytes: &[u8], meaning: &str) {
    line(text, &[], meaning);
    for chunk in bytes[..bytes.len().min(SHOWN)].chunks(PER_LINE) {
        line(text, chunk, "");
    }
    if bytes.len() > SHOWN {
        line(text, &[], &format!("and {} bytes more", bytes.len() - SHOWN));
    }
}
