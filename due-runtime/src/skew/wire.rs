//! What a client and a gate say to each other about their schemas, on the reserved route -1.
//!
//! A body is the byte `0xff`, with which no [`Status`](crate::Status) begins in any codec, and a message of `due/skew.proto`:
//! ```proto
//! message Greeting { string hash = 1; uint32 size = 2; uint32 offset = 3; bytes part = 4; }
//! message Answer {
//!   enum Verdict { UNKNOWN = 0; SAME = 1; MORE = 2; DIFFERS = 3; UNCOMPARED = 4; }
//!   Verdict verdict = 1;
//!   uint32 offset = 2;
//!   uint32 limit = 3;
//!   repeated Difference differences = 4;
//!   uint32 omitted = 5;
//!   bool breaking = 6;
//! }
//! message Difference {
//!   enum Kind { UNKNOWN = 0; REMOVED = 1; RETYPED = 2; STRICTER = 3; ADDED = 4; }
//!   int32 route = 1;
//!   Kind kind = 2;
//!   string name = 3;
//!   string detail = 4;
//! }
//! ```
//! The client sends the hash of its schema (16 hex digits) and the bytes that its shape has. While the gate answers `MORE`,
//! it sends the part of its shape that begins at `offset`, at most `limit` bytes of it. Nothing else is sent unasked.

use bytes::Bytes;
use prost::Message;

use super::{Difference, DifferenceKind, Skew};
use crate::id::RouteId;

const MARK: u8 = 0xff;

/// From a client.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Greeting {
    #[prost(string, tag = "1")]
    pub(crate) hash: String,
    #[prost(uint32, tag = "2")]
    pub(crate) size: u32,
    #[prost(uint32, tag = "3")]
    pub(crate) offset: u32,
    /// Empty in the first one.
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) part: Bytes,
}

/// From a gate.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Answer {
    #[prost(enumeration = "Verdict", tag = "1")]
    pub(crate) verdict: i32,
    #[prost(uint32, tag = "2")]
    pub(crate) offset: u32,
    #[prost(uint32, tag = "3")]
    pub(crate) limit: u32,
    #[prost(message, repeated, tag = "4")]
    pub(crate) differences: Vec<WireDifference>,
    #[prost(uint32, tag = "5")]
    pub(crate) omitted: u32,
    #[prost(bool, tag = "6")]
    pub(crate) breaking: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum Verdict {
    Unknown = 0,
    Same = 1,
    More = 2,
    Differs = 3,
    Uncompared = 4,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct WireDifference {
    #[prost(int32, tag = "1")]
    pub(crate) route: i32,
    #[prost(int32, tag = "2")]
    pub(crate) kind: i32,
    #[prost(string, tag = "3")]
    pub(crate) name: String,
    #[prost(string, tag = "4")]
    pub(crate) detail: String,
}

pub(crate) fn body(message: &impl Message) -> Bytes {
    let mut body = Vec::with_capacity(1 + message.encoded_len());
    body.push(MARK);
    // Room in memory is the only thing that it can lack.
    message.encode_raw(&mut body);
    body.into()
}

/// `None`: not about schemas, but perhaps a status.
pub(crate) fn marked(body: &Bytes) -> Option<Bytes> {
    (body.first() == Some(&MARK)).then(|| body.slice(1..))
}

impl Answer {
    pub(crate) fn just(verdict: Verdict) -> Self {
        Self { verdict: verdict.into(), ..Self::default() }
    }

    /// As many of the differences as fit in a body of `room` bytes, what breaks first.
    pub(crate) fn differs(mut differences: Vec<Difference>, room: usize) -> Self {
        differences.sort_by_key(|difference| (difference.kind, difference.route.0));
        let breaking = differences.iter().any(|difference| difference.kind.is_breaking());
        let mut answer = Self { breaking, omitted: u32::MAX, ..Self::just(Verdict::Differs) };
        let mut left = room.saturating_sub(1 + answer.encoded_len());
        let count = differences.len();
        for Difference { route, kind, name, detail } in differences {
            let next = WireDifference { route: route.0, kind: kind as i32, name, detail };
            let len = next.encoded_len();
            let with_head = 1 + prost::length_delimiter_len(len) + len;
            if with_head > left {
                break;
            }
            left -= with_head;
            answer.differences.push(next);
        }
        answer.omitted = (count - answer.differences.len()) as u32;
        answer
    }

    /// What it says in the end; `name` knows the client's own routes.
    pub(crate) fn skew(self, name: impl Fn(RouteId) -> String) -> Skew {
        match self.verdict() {
            Verdict::Same => Skew::Same,
            Verdict::Uncompared => Skew::Uncompared,
            Verdict::Unknown | Verdict::More => Skew::Unknown,
            Verdict::Differs => {
                let known = self.differences.into_iter().filter_map(|told| {
                    let route = RouteId(told.route);
                    let name = if told.name.is_empty() { name(route) } else { told.name };
                    Some(Difference { route, kind: DifferenceKind::of(told.kind)?, name, detail: told.detail })
                });
                Skew::Differs { differences: known.collect(), omitted: self.omitted, breaking: self.breaking }
            }
        }
    }
}
