//! MessagePack as JSON, with the byte at which it ends to make sense.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Number, Value};

use super::read::{signed, unsigned};
use super::{Cursor, Fault};

/// Values inside one another.
const DEEPEST: usize = 100;

/// The one value that the whole of `cursor` is.
pub(super) fn read(cursor: &Cursor<'_>) -> Result<Value, Fault> {
    let mut cursor = cursor.clone();
    if cursor.left() == 0 {
        return Ok(Value::Object(Map::new()));
    }
    let value = value(&mut cursor, 0)?;
    match cursor.left() {
        0 => Ok(value),
        left => Err(Fault::new(cursor.at(), format!("{left} bytes follow the MessagePack value"))),
    }
}

fn value(cursor: &mut Cursor<'_>, depth: usize) -> Result<Value, Fault> {
    let at = cursor.at();
    if depth > DEEPEST {
        return Err(Fault::new(at, format!("values are nested more than {DEEPEST} deep")));
    }
    let first = cursor.take(1, "a MessagePack value")?[0];
    Ok(match first {
        0x00..=0x7f => first.into(),
        0x80..=0x8f => map(cursor, usize::from(first & 0x0f), depth)?,
        0x90..=0x9f => array(cursor, usize::from(first & 0x0f), depth)?,
        0xa0..=0xbf => string(cursor, usize::from(first & 0x1f))?,
        0xc0 => Value::Null,
        0xc1 => return Err(Fault::new(at, "c1 begins no MessagePack value")),
        0xc2 | 0xc3 => Value::Bool(first == 0xc3),
        0xc4..=0xc6 => {
            let length = length(cursor, 1 << (first - 0xc4))?;
            Value::String(STANDARD.encode(cursor.take(length, "a byte string")?))
        }
        0xc7..=0xc9 => {
            let length = length(cursor, 1 << (first - 0xc7))?;
            extension(cursor, length)?
        }
        0xca => {
            let bits = u32::try_from(unsigned(cursor.take(4, "a float")?, true)).unwrap_or_default();
            float(f32::from_bits(bits).into())
        }
        0xcb => float(f64::from_bits(unsigned(cursor.take(8, "a float")?, true))),
        0xcc..=0xcf => unsigned(cursor.take(1 << (first - 0xcc), "an integer")?, true).into(),
        0xd0..=0xd3 => signed(cursor.take(1 << (first - 0xd0), "an integer")?, true).into(),
        0xd4..=0xd8 => extension(cursor, 1 << (first - 0xd4))?,
        0xd9..=0xdb => {
            let length = length(cursor, 1 << (first - 0xd9))?;
            string(cursor, length)?
        }
        0xdc | 0xdd => {
            let length = length(cursor, if first == 0xdc { 2 } else { 4 })?;
            array(cursor, length, depth)?
        }
        0xde | 0xdf => {
            let length = length(cursor, if first == 0xde { 2 } else { 4 })?;
            map(cursor, length, depth)?
        }
        0xe0..=0xff => i64::from(first.cast_signed()).into(),
    })
}

fn length(cursor: &mut Cursor<'_>, bytes: usize) -> Result<usize, Fault> {
    let length = unsigned(cursor.take(bytes, "a length")?, true);
    Ok(usize::try_from(length).unwrap_or(usize::MAX))
}

fn string(cursor: &mut Cursor<'_>, length: usize) -> Result<Value, Fault> {
    let at = cursor.at();
    let bytes = cursor.take(length, "a string")?;
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.into()),
        Err(err) => Err(Fault::new(at + err.valid_up_to(), "a string is no UTF-8")),
    }
}

/// Every item takes a byte at least, so the loops end with the input.
fn array(cursor: &mut Cursor<'_>, length: usize, depth: usize) -> Result<Value, Fault> {
    let mut items = Vec::new();
    for _ in 0..length {
        items.push(value(cursor, depth + 1)?);
    }
    Ok(Value::Array(items))
}

fn map(cursor: &mut Cursor<'_>, length: usize, depth: usize) -> Result<Value, Fault> {
    let mut fields = Map::new();
    for _ in 0..length {
        let key = match value(cursor, depth + 1)? {
            Value::String(text) => text,
            other => other.to_string(),
        };
        fields.insert(key, value(cursor, depth + 1)?);
    }
    Ok(Value::Object(fields))
}

fn extension(cursor: &mut Cursor<'_>, length: usize) -> Result<Value, Fault> {
    let kind = cursor.take(1, "an extension")?[0].cast_signed();
    let data = STANDARD.encode(cursor.take(length, "an extension")?);
    Ok(serde_json::json!({ "extension": kind, "data": data }))
}

/// JSON has no NaN and no infinity.
fn float(number: f64) -> Value {
    Number::from_f64(number).map_or_else(|| number.to_string().into(), Value::Number)
}
