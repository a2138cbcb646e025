//! Frames taken apart, for people who look at bytes: which field is where, what it says, and where it ends to make sense.

mod body;
mod client;
mod hex;
mod link;
mod msgpack;
mod options;
mod payload;
mod protobuf;
mod read;
mod reserved;
mod time;

use std::collections::BTreeMap;
use std::rc::Rc;

use prost_reflect::DescriptorPool;
use serde::Serialize;

use crate::routes::{RouteInfo, RouteKind};
use crate::schema::Schema;
pub use hex::{HexError, Input};
pub use options::{BodyCodec, DecodeOptions, Dialect, Direction, Wire};
use read::Cursor;
pub use read::{Fault, Part};
use reserved::{RESERVED, Reserved};

/// Frames of one input. What is longer is not shown.
const MOST_FRAMES: usize = 10_000;

/// What an input consists of. As JSON its fields are as here; later versions may add some.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Decoded {
    /// 1.
    pub version: u32,
    /// As which wire it was read.
    pub wire: Wire,
    /// As which dialect client packets were read.
    pub dialect: Dialect,
    /// Whether wire or dialect were guessed.
    pub guessed: bool,
    /// The frames, in the order of the input.
    pub frames: Vec<Frame>,
}

/// One frame, or a packet inside one.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Frame {
    /// Of the first byte, in the input.
    pub offset: usize,
    /// In bytes; of a frame that is cut off, what is there of it.
    pub length: usize,
    /// What it is, in a few words: `Deliver request`, `heartbeat`, `lobby.v1.Lobby.Enter`.
    pub what: String,
    /// The number of a client packet's route.
    pub route: Option<i32>,
    /// The number that joins request and response.
    pub seq: Option<u64>,
    /// Every field of the frame.
    pub parts: Vec<Part>,
    /// What is behind the fields of a client packet.
    pub body: Option<Body>,
    /// The client packet that a frame of the link carries.
    pub packet: Option<Box<Frame>>,
    /// What is worth knowing and no mistake.
    pub notes: Vec<String>,
    /// Where it ends to make sense, and why.
    pub fault: Option<Fault>,
}

/// What a packet carries.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Body {
    /// Full name of the message, if the route is known.
    pub message: Option<String>,
    /// As what it was read.
    pub direction: Option<Direction>,
    /// What it is written in.
    pub codec: BodyCodec,
    /// Every field, those of inner messages behind them.
    pub parts: Vec<Part>,
    /// The whole as protobuf's JSON.
    pub json: Option<serde_json::Value>,
}

impl Decoded {
    /// Whether some frame ends to make sense somewhere.
    pub fn has_faults(&self) -> bool {
        self.frames.iter().any(Frame::is_faulty)
    }
}

impl Frame {
    fn new(offset: usize) -> Self {
        Self {
            offset,
            length: 0,
            what: String::new(),
            route: None,
            seq: None,
            parts: Vec::new(),
            body: None,
            packet: None,
            notes: Vec::new(),
            fault: None,
        }
    }

    fn is_faulty(&self) -> bool {
        self.fault.is_some() || self.packet.as_ref().is_some_and(|packet| packet.is_faulty())
    }

    /// The frame or the packet in it.
    fn packet(&self) -> &Self {
        self.packet.as_deref().unwrap_or(self)
    }
}

/// What a run knows: the routes of the schema, and how packets are made.
#[derive(Clone)]
struct Context<'a> {
    options: &'a DecodeOptions,
    routes: Rc<BTreeMap<i32, RouteInfo>>,
    pool: Option<&'a DescriptorPool>,
    reserved: Option<Reserved>,
    /// Who speaks in a packet that a frame of the link carries.
    downstream: Option<Direction>,
}

/// Takes frames apart. Without a schema, routes stay numbers and bodies bytes. Wrong input is in the frames' faults.
pub fn decode(input: &Input, schema: Option<&Schema>, options: &DecodeOptions) -> Decoded {
    let routes = schema.map(Schema::routes).unwrap_or_default().into_iter();
    let routes = routes.filter(|info| matches!(info.kind, RouteKind::Route | RouteKind::Push));
    let context = Context {
        options,
        routes: Rc::new(routes.filter_map(|info| Some((info.id?, info))).collect()),
        pool: schema.map(|schema| &schema.sources.pool),
        reserved: Reserved::new(),
        downstream: None,
    };
    let all = [(Wire::Client, Dialect::Sized), (Wire::Link, Dialect::Sized), (Wire::Client, Dialect::Bare)];
    let possible: Vec<_> = all
        .into_iter()
        .filter(|(wire, dialect)| {
            options.wire.is_none_or(|told| told == *wire) && options.dialect.is_none_or(|told| told == *dialect)
        })
        .collect();
    let guessed = possible.len() > 1;
    let readings = possible.into_iter().map(|(wire, dialect)| {
        let frames = context.frames(input, wire, dialect);
        (context.doubts(&frames, wire, dialect), wire, dialect, frames)
    });
    // Of two as good, the first.
    let best = readings.min_by_key(|(doubts, ..)| *doubts);
    let (_, wire, dialect, frames) = best.unwrap_or_else(|| {
        // Frames of the link are sized.
        (0, Wire::Link, Dialect::Sized, context.frames(input, Wire::Link, Dialect::Sized))
    });
    Decoded { version: 1, wire, dialect, guessed, frames }
}

impl Context<'_> {
    fn frames(&self, input: &Input, wire: Wire, dialect: Dialect) -> Vec<Frame> {
        let mut frames = Vec::new();
        let whole = 0..input.bytes().len();
        let messages = if dialect == Dialect::Bare { input.messages() } else { vec![whole] };
        for message in messages {
            let mut at = message.start;
            while at < message.end {
                let mut cursor = Cursor::new(&input.bytes()[..message.end], at);
                let mut frame = match (wire, dialect) {
                    (Wire::Link, _) => self.link(&mut cursor),
                    (Wire::Client, Dialect::Sized) => self.sized(&mut cursor),
                    (Wire::Client, Dialect::Bare) => self.bare(&mut cursor),
                };
                if cursor.at() == at {
                    // What has no end cannot be told from what follows it.
                    frame.length = message.end - at;
                }
                at += frame.length.max(1);
                if frames.len() + 1 == MOST_FRAMES && at < message.end {
                    frame.notes.push(format!("the {} bytes behind it are not shown", message.end - at));
                    at = message.end;
                }
                frames.push(frame);
            }
        }
        frames
    }

    /// How little a reading explains: the less, the likelier it is the right one.
    fn doubts(&self, frames: &[Frame], wire: Wire, dialect: Dialect) -> usize {
        let mut doubts = usize::from(wire == Wire::Link || dialect == Dialect::Bare);
        for frame in frames {
            // A body that does not fit is less than a frame that does not.
            let framed = frame.packet().body.is_some() || frame.fault.is_none();
            doubts += match (frame.is_faulty(), framed) {
                (true, false) => 100,
                (true, true) => 3,
                (false, _) => 0,
            };
            doubts += frame.notes.len();
            doubts += match frame.route {
                Some(RESERVED) | None => 0,
                Some(route) if self.routes.contains_key(&route) => 0,
                Some(route) if route <= 0 => 20,
                Some(_) if !self.routes.is_empty() => 10,
                // The first byte of a greater one might be an opcode of the link.
                Some(route) => usize::from(route > 255) * 2,
            };
        }
        doubts
    }
}
