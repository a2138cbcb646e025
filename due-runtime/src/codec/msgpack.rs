//! MessagePack.

use std::fmt;

use bytes::{BufMut, BytesMut};
use rmp_serde::decode::Error as ReadError;
use rmp_serde::encode::Error as WriteError;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, Visitor};
use serde::{Deserializer, Serialize};

/// As deep as prost reads. rmp-serde's own limit is 1024.
const MAX_DEPTH: usize = 100;

pub(super) fn encode(value: &impl Serialize, out: &mut BytesMut) -> Result<(), WriteError> {
    value.serialize(&mut rmp_serde::Serializer::new(out.writer()).with_struct_map())
}

pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, ReadError> {
    decode_with(body, std::marker::PhantomData)
}

/// Reads one value and nothing after it.
pub(super) fn decode_with<'de, S: DeserializeSeed<'de>>(body: &'de [u8], seed: S) -> Result<S::Value, ReadError> {
    let mut from = rmp_serde::Deserializer::from_read_ref(body);
    from.set_max_depth(MAX_DEPTH);
    let value = seed.deserialize(&mut from)?;
    match from.deserialize_option(Anything) {
        Err(ReadError::InvalidMarkerRead(_)) => Ok(value),
        _ => Err(ReadError::custom("bytes follow the value")),
    }
}

/// Looks at the first byte of a next value: the deserializer does not say how much it has left.
struct Anything;

impl<'de> Visitor<'de> for Anything {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, _: D) -> Result<(), D::Error> {
        Ok(())
    }
}
