//! JSON text.

use bytes::{BufMut, BytesMut};
use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed};

pub(super) fn encode(value: &impl Serialize, out: &mut BytesMut) -> serde_json::Result<()> {
    serde_json::to_writer(out.writer(), value)
}

pub(super) fn decode<T: DeserializeOwned>(body: &[u8]) -> serde_json::Result<T> {
    decode_with(body, std::marker::PhantomData)
}

/// Reads one value and nothing after it; serde_json stops at 128 levels of nesting.
pub(super) fn decode_with<'de, S: DeserializeSeed<'de>>(body: &'de [u8], seed: S) -> serde_json::Result<S::Value> {
    let mut from = serde_json::Deserializer::from_slice(body);
    let value = seed.deserialize(&mut from)?;
    from.end()?;
    Ok(value)
}
