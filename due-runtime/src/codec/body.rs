//! What travels as a packet's body, and what can go wrong with it.

use std::any::type_name;
use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::fields::{Fields, Kind, Plain};
use super::{BoxError, Codec, json, msgpack, read, write};
use crate::error::{Code, Error};

/// A type that travels as a packet's body.
///
/// Generated messages implement it, and so do `()` (an empty message), [`RawBody`], the well-known types and scalars.
/// Serde and prost types of your own travel in [`SerdeBody`] and [`ProstBody`].
pub trait Body: Sized + Send + Sync + 'static {
    /// Full name of the message, or of the Rust type, for errors and logs.
    const NAME: &'static str;

    /// Whether servers send it as it is even where bodies are [encrypted](crate::crypto). Default: no.
    const PLAIN: bool = false;

    /// Appends the body to `out`. What was appended before an error is left there.
    fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError>;

    /// Reads a whole body; an empty one is the default value in every codec.
    fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError>;

    /// The response that carries `error` in its own field (`due.code`), if the type has one.
    fn from_error(error: &Error) -> Option<Self> {
        let _ = error;
        None
    }

    /// The code in the field marked `due.code`, unless it is 0 or there is no such field.
    fn error_code(&self) -> Option<Code> {
        None
    }

    /// Whether this type has a form in `codec`.
    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        let _ = codec;
        Ok(())
    }
}

/// A type and a codec that do not go together.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{body}` cannot travel as {codec}: {advice}")]
pub struct Unsupported {
    /// The Rust type.
    pub body: Cow<'static, str>,
    /// Name of the codec.
    pub codec: String,
    /// What to do about it.
    pub advice: &'static str,
}

/// A body could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The value has no form in this codec, as a timestamp of the year 10000 in JSON.
    #[error("cannot write {body} as {codec}")]
    Unwritable {
        /// Full name of the message or Rust type.
        body: &'static str,
        /// Name of the codec.
        codec: String,
        /// What the format says.
        source: BoxError,
    },
    /// The type has no form in this codec.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The [`Encryptor`](crate::crypto::Encryptor) failed.
    #[error("cannot encrypt the body")]
    Encrypt(#[source] BoxError),
}

/// A body could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes are not what the type and the codec say; the source names the field.
    #[error("body is not {body} in {codec}")]
    Malformed {
        /// Full name of the message or Rust type.
        body: &'static str,
        /// Name of the codec.
        codec: String,
        /// What the format says.
        source: BoxError,
    },
    /// The type has no form in this codec.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// It was not encrypted for this [`Encryptor`](crate::crypto::Encryptor), or not at all.
    #[error("cannot decrypt the body")]
    Decrypt(#[source] BoxError),
}

pub(super) fn unwritable(body: &'static str, codec: &Codec, source: impl Into<BoxError>) -> EncodeError {
    EncodeError::Unwritable { body, codec: codec.name().into(), source: source.into() }
}

pub(super) fn malformed(body: &'static str, codec: &Codec, source: impl Into<BoxError>) -> DecodeError {
    DecodeError::Malformed { body, codec: codec.name().into(), source: source.into() }
}

/// `Body::encode_body` of generated messages.
pub fn encode<M: prost::Message + Fields>(message: &M, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
    match codec {
        Codec::Proto => message.encode(out).map_err(|err| unwritable(message.table().name, codec, err)),
        _ => write::encode(message, codec, out),
    }
}

/// `Body::decode_body` of generated messages.
pub fn decode<M: prost::Message + Fields + Default>(codec: &Codec, body: &Bytes) -> Result<M, DecodeError> {
    match codec {
        Codec::Proto => M::decode(body.as_ref()).map_err(|err| malformed(M::default().table().name, codec, err)),
        _ => {
            let mut message = M::default();
            read::decode(&mut message, codec, body)?;
            Ok(message)
        }
    }
}

/// `Body::error_code` of generated messages: codes that are no `i32` cannot have been ours.
pub fn code_of(code: impl TryInto<i32>) -> Option<Code> {
    match code.try_into() {
        Ok(0) => None,
        Ok(code) => Some(Code(code)),
        Err(_) => Some(Code::UNKNOWN),
    }
}

/// Bytes that are passed on as they are, under any codec. Servers send them unencrypted; see [`crypto`](crate::crypto). Those
/// of a request may be a part of up to 4 KiB that stay until all parts are gone: copy what is kept for long.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct RawBody(pub Bytes);

impl Body for RawBody {
    const NAME: &'static str = "raw bytes";

    const PLAIN: bool = true;

    fn encode_body(&self, _: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.0);
        Ok(())
    }

    fn decode_body(_: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        Ok(Self(body.clone()))
    }
}

/// A serde type of your own as a body: it keeps its own field names, and has no form in `proto`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct SerdeBody<T>(pub T);

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Body for SerdeBody<T> {
    const NAME: &'static str = "a serde type";

    fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        encode_serde(&self.0, codec, out)
    }

    fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        decode_serde(codec, body).map(Self)
    }

    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        match codec {
            Codec::Proto => Err(not_proto::<T>()),
            _ => Ok(()),
        }
    }
}

pub(crate) fn encode_serde<T: Serialize>(value: &T, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
    match codec {
        Codec::Proto => return Err(not_proto::<T>().into()),
        Codec::Json => json::encode(value, out).map_err(BoxError::from),
        Codec::MsgPack | Codec::GoMsgPack => msgpack::encode(value, out).map_err(BoxError::from),
        Codec::Custom(custom) => custom.encode(value, out),
    }
    .map_err(|err| unwritable(type_name::<T>(), codec, err))
}

/// Serde knows no default values, but a type whose fields all have one reads an empty map.
pub(crate) fn decode_serde<T: DeserializeOwned>(codec: &Codec, body: &Bytes) -> Result<T, DecodeError> {
    const EMPTY_MAP: u8 = 0x80;
    let empty = body.is_empty();
    match codec {
        Codec::Proto => return Err(not_proto::<T>().into()),
        Codec::Json => json::decode(if empty { b"{}" } else { body }).map_err(BoxError::from),
        Codec::MsgPack | Codec::GoMsgPack => {
            msgpack::decode(if empty { &[EMPTY_MAP] } else { body }).map_err(BoxError::from)
        }
        Codec::Custom(custom) => {
            let mut value = None;
            custom
                .decode(body, &mut |from| {
                    value = Some(erased_serde::deserialize(from)?);
                    Ok(())
                })
                .and_then(|()| value.ok_or_else(|| "the codec read nothing".into()))
        }
    }
    .map_err(|err| malformed(type_name::<T>(), codec, err))
}

pub(crate) fn not_proto<T>() -> Unsupported {
    Unsupported {
        body: type_name::<T>().into(),
        codec: "proto".into(),
        advice: "it is a serde type; choose the codec `json` or `msgpack`, derive `prost::Message`, or write a .proto",
    }
}

/// A prost type of your own as a body of `proto`; without serde it has no form in the other codecs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
pub struct ProstBody<T>(pub T);

impl<T: prost::Message + Default + 'static> Body for ProstBody<T> {
    const NAME: &'static str = "a prost type";

    fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
        encode_prost(&self.0, codec, out)
    }

    fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
        only_proto::<T>(codec)?;
        T::decode(body.as_ref()).map(Self).map_err(|err| malformed(type_name::<T>(), codec, err))
    }

    fn supports(codec: &Codec) -> Result<(), Unsupported> {
        only_proto::<T>(codec)
    }
}

pub(crate) fn encode_prost<T: prost::Message>(value: &T, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
    only_proto::<T>(codec)?;
    value.encode(out).map_err(|err| unwritable(type_name::<T>(), codec, err))
}

fn only_proto<T>(codec: &Codec) -> Result<(), Unsupported> {
    match codec {
        Codec::Proto => Ok(()),
        _ => Err(Unsupported {
            body: type_name::<T>().into(),
            codec: codec.name().into(),
            advice: "it is a prost type; choose the codec `proto`, derive `serde`, or generate it with due-codegen",
        }),
    }
}

macro_rules! bodies {
    ($($type:ty => $name:literal),* $(,)?) => {$(
        impl Body for $type {
            const NAME: &'static str = $name;

            fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
                encode(self, codec, out)
            }

            fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
                decode(codec, body)
            }
        }
    )*};
}

bodies! {
    () => "google.protobuf.Empty",
    prost_types::Any => "google.protobuf.Any",
    prost_types::Timestamp => "google.protobuf.Timestamp",
    prost_types::Duration => "google.protobuf.Duration",
    prost_types::FieldMask => "google.protobuf.FieldMask",
    prost_types::Struct => "google.protobuf.Struct",
    prost_types::Value => "google.protobuf.Value",
    prost_types::ListValue => "google.protobuf.ListValue",
}

/// The wrapper messages, which prost and we write as the plain value they wrap.
macro_rules! wrappers {
    ($($type:ty => $name:literal),* $(,)?) => {$(
        impl Body for $type {
            const NAME: &'static str = $name;

            fn encode_body(&self, codec: &Codec, out: &mut BytesMut) -> Result<(), EncodeError> {
                match codec {
                    Codec::Proto => prost::Message::encode(self, out).map_err(|err| unwritable($name, codec, err)),
                    _ => write::encode_view($name, &Plain::view(self), codec, out),
                }
            }

            fn decode_body(codec: &Codec, body: &Bytes) -> Result<Self, DecodeError> {
                match codec {
                    Codec::Proto => {
                        prost::Message::decode(body.as_ref()).map_err(|err| malformed($name, codec, err))
                    }
                    _ => {
                        let mut value = Self::default();
                        read::decode_slot($name, Plain::slot(&mut value), codec, body)?;
                        Ok(value)
                    }
                }
            }
        }
    )*};
}
wrappers! {
    bool => "google.protobuf.BoolValue",
    i32 => "google.protobuf.Int32Value",
    i64 => "google.protobuf.Int64Value",
    u32 => "google.protobuf.UInt32Value",
    u64 => "google.protobuf.UInt64Value",
    f32 => "google.protobuf.FloatValue",
    f64 => "google.protobuf.DoubleValue",
    String => "google.protobuf.StringValue",
    Vec<u8> => "google.protobuf.BytesValue",
    Bytes => "google.protobuf.BytesValue",
}
