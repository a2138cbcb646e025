//! The wire format as a list of fields. What extension options hold is known to nobody but the pool, so descriptors are
//! changed as bytes.

use prost::bytes::{Buf, Bytes};

/// Groups nest as deep as their bytes say. The brackets of a source that is loaded nest less deep.
const MOST_DEPTH: usize = 250;

/// A field of an encoded message.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) number: u32,
    pub(super) value: Value,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Varint(u64),
    Fixed64(u64),
    /// A string, bytes, packed numbers or a message that nobody has to look into.
    Bytes(Bytes),
    /// Written like `Bytes`.
    Message(Vec<Field>),
    Group(Vec<Field>),
    Fixed32(u32),
}

impl Field {
    pub(super) fn new(number: u32, value: Value) -> Self {
        Self { number, value }
    }
}

impl Value {
    /// The fields of an embedded message. `None` for numbers, and if the bytes are none.
    pub(super) fn fields(&self) -> Option<Vec<Field>> {
        match self {
            Self::Bytes(bytes) => parse(bytes.clone()),
            Self::Message(fields) | Self::Group(fields) => Some(fields.clone()),
            Self::Varint(_) | Self::Fixed64(_) | Self::Fixed32(_) => None,
        }
    }
}

/// The fields of a message in the order of its bytes. `None` if the bytes are no message.
pub(super) fn parse(mut bytes: Bytes) -> Option<Vec<Field>> {
    fields(&mut bytes, None, 0)
}

/// Up to the end tag of `group`, or to the end of the bytes.
fn fields(bytes: &mut Bytes, group: Option<u32>, depth: usize) -> Option<Vec<Field>> {
    if depth > MOST_DEPTH {
        return None;
    }
    let mut found = Vec::new();
    while bytes.has_remaining() {
        let key = u32::try_from(varint(bytes)?).ok()?;
        let number = key >> 3;
        let value = match key & 7 {
            _ if number == 0 => return None,
            0 => Value::Varint(varint(bytes)?),
            1 => Value::Fixed64(bytes.try_get_u64_le().ok()?),
            2 => {
                let size = usize::try_from(varint(bytes)?).ok().filter(|size| *size <= bytes.len())?;
                Value::Bytes(bytes.split_to(size))
            }
            3 => Value::Group(fields(bytes, Some(number), depth + 1)?),
            4 => return (group == Some(number)).then_some(found),
            5 => Value::Fixed32(bytes.try_get_u32_le().ok()?),
            _ => return None,
        };
        found.push(Field { number, value });
    }
    group.is_none().then_some(found)
}

/// The encoded message.
pub(super) fn encode(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    write(fields, &mut out);
    out
}

fn write(fields: &[Field], out: &mut Vec<u8>) {
    for Field { number, value } in fields {
        let tag = |kind: u32| u64::from(number << 3 | kind);
        match value {
            Value::Varint(_) => {
                put_varint(tag(0), out);
                put_number(value, out);
            }
            Value::Fixed64(_) => {
                put_varint(tag(1), out);
                put_number(value, out);
            }
            Value::Bytes(bytes) => {
                put_varint(tag(2), out);
                put_varint(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
            Value::Message(fields) => {
                put_varint(tag(2), out);
                // Descriptors are shallow, so the bytes of a level are moved a few times at most.
                let inner = encode(fields);
                put_varint(inner.len() as u64, out);
                out.extend(inner);
            }
            Value::Group(fields) => {
                put_varint(tag(3), out);
                write(fields, out);
                put_varint(tag(4), out);
            }
            Value::Fixed32(_) => {
                put_varint(tag(5), out);
                put_number(value, out);
            }
        }
    }
}

/// Takes a number like `sample` off the front, which has no tag.
pub(super) fn number(bytes: &mut Bytes, sample: &Value) -> Option<Value> {
    Some(match sample {
        Value::Varint(_) => Value::Varint(varint(bytes)?),
        Value::Fixed64(_) => Value::Fixed64(bytes.try_get_u64_le().ok()?),
        Value::Fixed32(_) => Value::Fixed32(bytes.try_get_u32_le().ok()?),
        Value::Bytes(_) | Value::Message(_) | Value::Group(_) => return None,
    })
}

/// The opposite of [`number`].
pub(super) fn put_number(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Varint(value) => put_varint(*value, out),
        Value::Fixed64(value) => out.extend(value.to_le_bytes()),
        Value::Fixed32(value) => out.extend(value.to_le_bytes()),
        Value::Bytes(_) | Value::Message(_) | Value::Group(_) => {}
    }
}

fn varint(bytes: &mut Bytes) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = bytes.try_get_u8().ok()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            // The tenth byte has room for a single bit.
            return (shift < 63 || byte < 2).then_some(value);
        }
    }
    None
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Bytes {
        let digits = text.split_whitespace();
        digits.map(|pair| u8::from_str_radix(pair, 16).expect("pairs of hex digits")).collect()
    }

    #[test]
    fn every_wire_type_comes_back() {
        let bytes = hex("08 96 01 11 01 02 03 04 05 06 07 08 1a 02 68 69 23 08 01 24 2d 01 02 03 04 f8 ff ff ff 0f 00");
        let fields = parse(bytes.clone()).unwrap();
        assert_eq!(fields.iter().map(|field| field.number).collect::<Vec<_>>(), [1, 2, 3, 4, 5, (1 << 29) - 1]);
        assert_eq!(fields[0].value, Value::Varint(150));
        assert_eq!(fields[3].value, Value::Group(vec![Field::new(1, Value::Varint(1))]));
        assert_eq!(encode(&fields), bytes);
        let wrapped = [Field::new(7, Value::Message(fields))];
        assert_eq!(parse(encode(&wrapped).into()).unwrap()[0].value, Value::Bytes(bytes));
    }

    #[test]
    fn broken_bytes_are_refused() {
        let broken = [
            "08",                                  // no value
            "0a 05 61",                            // shorter than it says
            "0a ff ff ff ff ff ff ff ff ff 01",    // longer than memory
            "09 01 02 03",                         // half a number
            "0b 08 01",                            // a group without end
            "0b 14",                               // ended as another
            "0c",                                  // an end without group
            "00 00",                               // field 0
            "0e",                                  // wire type 6
            "08 ff ff ff ff ff ff ff ff ff 02",    // 65 bits
            "08 80 80 80 80 80 80 80 80 80 80 00", // eleven bytes
            "88 80 80 80 80 80 00 01",             // a key of more than 32 bits
        ];
        for text in broken {
            let parsed = parse(hex(text));
            let overlong = text.starts_with("88 80");
            assert!(parsed.is_none() || overlong, "{text}: {parsed:?}");
        }
        assert_eq!(parse(Bytes::from(vec![0x0b; 1 << 20])), None);
    }

    #[test]
    fn no_bytes_panic() {
        let whole = hex("0a 03 61 62 63 12 04 0a 02 08 01 1b 0d 01 02 03 04 1c 21 01 02 03 04 05 06 07 08 28 ff 01");
        for end in 0..whole.len() {
            let _ = parse(whole.slice(..end));
            for bit in 0..8 {
                let mut bytes = whole.to_vec();
                bytes[end] ^= 1 << bit;
                if let Some(fields) = parse(bytes.into()) {
                    assert_eq!(parse(encode(&fields).into()).map(|again| encode(&again)), Some(encode(&fields)));
                }
            }
        }
    }
}
