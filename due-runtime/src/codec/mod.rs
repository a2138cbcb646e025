//! How bodies are written: one type, several codecs.
//!
//! | codec | messages are | names | 64-bit integers | bytes | enums |
//! |---|---|---|---|---|---|
//! | `proto` | protobuf | field numbers | varints | bytes | numbers |
//! | `json` | canonical proto3 JSON, default values written | `lowerCamelCase`, proto names read too | strings, numbers read too | base64 | names, numbers read too |
//! | `msgpack` | maps | proto names, Go names read too | numbers | bin, str read too | numbers, names read too |
//! | `msgpack-go` | the same | Go names (`UserId` of `user_id`), proto names read too | numbers | as `msgpack` | as `msgpack` |
//!
//! In every codec an empty body is the default value, unknown fields are skipped, and fields of their own presence
//! (`optional`, messages, oneofs) are left out while unset. An enum's number without a name is kept; a name that the schema
//! does not have is an error, as is a number out of its field's range. Wrapper types are plain values (Go writes
//! structs in MessagePack: avoid them there). The JSON of an `Any` is
//! `{"typeUrl": .., "value": base64}`: its canonical form needs a registry of all types, which a server does not carry.

pub(crate) mod body;
pub(crate) mod debug;
mod descriptors;
pub(crate) mod fields;
mod go;
mod json;
pub(crate) mod known;
pub(crate) mod message;
mod msgpack;
pub(crate) mod read;
#[cfg(test)]
mod tests;
pub(crate) mod write;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock};

use bytes::BytesMut;

pub use body::{Body, DecodeError, EncodeError, ProstBody, RawBody, SerdeBody, Unsupported};
pub(crate) use body::{decode_serde, encode_prost, encode_serde, not_proto};

/// Any error of a codec of somebody else's.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Chooses how bodies are written. Cheap to clone; `proto` by default.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Codec {
    /// Protobuf.
    #[default]
    Proto,
    /// Canonical proto3 JSON with default values written.
    Json,
    /// MessagePack maps keyed by the proto field names.
    MsgPack,
    /// MessagePack maps keyed by the names that Go structs have: what rpcx peers of Go write. Serde types keep their own names.
    GoMsgPack,
    /// A format of somebody else's, known by its name.
    Custom(Arc<dyn CustomCodec>),
}

static REGISTERED: RwLock<BTreeMap<String, Codec>> = RwLock::new(BTreeMap::new());

impl Codec {
    /// `proto`, `json`, `msgpack`, `msgpack-go`, or the name of the custom one.
    pub fn name(&self) -> &str {
        match self {
            Self::Proto => "proto",
            Self::Json => "json",
            Self::MsgPack => "msgpack",
            Self::GoMsgPack => "msgpack-go",
            Self::Custom(codec) => codec.name(),
        }
    }

    /// The codec of that name: one of the four, else one that was [registered](Self::register).
    pub fn named(name: &str) -> Result<Self, UnknownCodec> {
        match name {
            "proto" => return Ok(Self::Proto),
            "json" => return Ok(Self::Json),
            "msgpack" => return Ok(Self::MsgPack),
            "msgpack-go" => return Ok(Self::GoMsgPack),
            _ => {}
        }
        let registered = REGISTERED.read().unwrap_or_else(PoisonError::into_inner);
        registered.get(name).cloned().ok_or_else(|| UnknownCodec {
            name: name.into(),
            known: ["json", "msgpack", "msgpack-go", "proto"]
                .into_iter()
                .chain(registered.keys().map(String::as_str))
                .fold(String::new(), |known, name| if known.is_empty() { name.into() } else { known + ", " + name }),
        })
    }

    /// Makes a codec known by its name to the whole process, and returns it. A later one of the same name replaces
    /// it; the names of the four built-in codecs always mean those.
    pub fn register(codec: impl CustomCodec) -> Self {
        let codec = Self::Custom(Arc::new(codec));
        let mut registered = REGISTERED.write().unwrap_or_else(PoisonError::into_inner);
        registered.insert(codec.name().into(), codec.clone());
        codec
    }
}

impl PartialEq for Codec {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Proto, Self::Proto)
            | (Self::Json, Self::Json)
            | (Self::MsgPack, Self::MsgPack)
            | (Self::GoMsgPack, Self::GoMsgPack) => true,
            (Self::Custom(a), Self::Custom(b)) => Arc::ptr_eq(a, b) || a.name() == b.name(),
            _ => false,
        }
    }
}

impl Eq for Codec {}

/// No codec has this name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no codec is named `{name}`; known are {known}")]
pub struct UnknownCodec {
    /// The name that was asked for.
    pub name: String,
    known: String,
}

/// A serde format as a codec. It must be self-describing (as CBOR or RON are), because clients may leave fields out.
///
/// Generated messages come in the manner of `json` if the format says it is human readable, else of `msgpack`.
pub trait CustomCodec: Send + Sync + Debug + 'static {
    /// The name by which configurations choose this codec.
    fn name(&self) -> &str;

    /// Appends `value` to `out`.
    fn encode(&self, value: &dyn erased_serde::Serialize, out: &mut BytesMut) -> Result<(), BoxError>;

    /// Hands a deserializer over `body` to `visit`, which reads one value from it.
    ///
    /// `body` is peer input: the codec bounds nesting and refuses what follows the value.
    fn decode(&self, body: &[u8], visit: &mut Visit<'_>) -> Result<(), BoxError>;
}

/// What a [`CustomCodec`] calls, once, with the deserializer it made.
pub type Visit<'a> = dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error> + 'a;
