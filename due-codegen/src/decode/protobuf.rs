//! protobuf's binary form, field by field: prost says that a body is wrong, this says where.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::read::{count, part, text, unsigned};
use super::{Cursor, Fault, Part};

/// Messages inside one another; prost stops there, too.
const DEEPEST: usize = 100;
/// Fields of one body. More are not shown.
const MOST_FIELDS: usize = 2000;

/// The fields of a body, as far as they make sense.
#[derive(Debug, Default)]
pub(super) struct Walk {
    pub(super) parts: Vec<Part>,
    /// How many fields the schema does not have.
    pub(super) unknown: usize,
    pub(super) fault: Option<Fault>,
    hidden: usize,
}

impl Walk {
    /// Of the whole of `cursor`.
    pub(super) fn over(cursor: &Cursor<'_>, message: &MessageDescriptor) -> Self {
        let mut walk = Self::default();
        walk.fault = walk.message(&mut cursor.clone(), message, "", None, 0).err();
        if walk.hidden > 0 {
            let name = format!("{} more fields", walk.hidden);
            walk.parts.push(part(cursor.at(), &[], name, "not shown"));
        }
        walk
    }

    /// Up to the end, or to the tag that ends `group`.
    fn message(
        &mut self,
        cursor: &mut Cursor<'_>,
        message: &MessageDescriptor,
        around: &str,
        group: Option<u64>,
        depth: usize,
    ) -> Result<(), Fault> {
        if depth > DEEPEST {
            return Err(Fault::new(cursor.at(), format!("messages are nested more than {DEEPEST} deep")));
        }
        while cursor.left() > 0 {
            let start = cursor.clone();
            let tag = varint(cursor, "a tag")?;
            let (number, wire) = (tag >> 3, tag & 7);
            if wire == 4 && group == Some(number) {
                return Ok(());
            }
            let field = u32::try_from(number).ok().filter(|number| (1..1 << 29).contains(number));
            let number = field.ok_or_else(|| Fault::new(start.at(), format!("{number} is no number of a field")))?;
            let field = message.get_field(number);
            let name = match &field {
                Some(field) => format!("{around}{}", field.name()),
                None => format!("{around}{number}"),
            };
            match field {
                Some(field) => self.field(&start, cursor, &field, wire, &name, depth)?,
                None => {
                    self.unknown += 1;
                    skip(cursor, wire, u64::from(number), &name, depth)?;
                    self.push(&start, cursor, &name, "not in the schema".to_owned());
                }
            }
        }
        match group {
            Some(number) => Err(Fault::new(cursor.at(), format!("the group {number} has no end"))),
            None => Ok(()),
        }
    }

    fn field(
        &mut self,
        start: &Cursor<'_>,
        cursor: &mut Cursor<'_>,
        field: &FieldDescriptor,
        wire: u64,
        name: &str,
        depth: usize,
    ) -> Result<(), Fault> {
        let kind = field.kind();
        let expected = wire_type(&kind, field.is_group());
        if wire == 2 && expected != 2 && expected != 3 && field.is_list() {
            let mut packed = length_delimited(cursor, name)?;
            let mut values = Vec::new();
            while packed.left() > 0 {
                values.push(scalar(&mut packed, &kind, name)?);
            }
            self.push(start, cursor, name, format!("[{}]", values.join(", ")));
            return Ok(());
        }
        if wire != expected {
            let message = format!(
                "`{name}` is {}, which is written as {}, but this is {}",
                article(&kind),
                wire_name(expected),
                wire_name(wire)
            );
            return Err(Fault::new(start.at(), message));
        }
        match &kind {
            Kind::Message(inner) if wire == 3 => {
                self.push(start, cursor, name, inner.full_name().to_owned());
                self.message(cursor, inner, &format!("{name}."), Some(u64::from(field.number())), depth + 1)
            }
            Kind::Message(inner) => {
                let mut inside = length_delimited(cursor, name)?;
                self.push(start, cursor, name, said_of(inner));
                self.message(&mut inside, inner, &format!("{name}."), None, depth + 1)
            }
            _ => {
                let value = scalar(cursor, &kind, name)?;
                self.push(start, cursor, name, value);
                Ok(())
            }
        }
    }

    /// The bytes between two places.
    fn push(&mut self, start: &Cursor<'_>, end: &Cursor<'_>, name: &str, value: String) {
        if self.parts.len() == MOST_FIELDS {
            self.hidden += 1;
            return;
        }
        let bytes = &start.peek()[..end.at() - start.at()];
        self.parts.push(part(start.at(), bytes, name, value));
    }
}

fn said_of(message: &MessageDescriptor) -> String {
    if message.is_map_entry() { "an entry".to_owned() } else { message.full_name().to_owned() }
}

fn varint(cursor: &mut Cursor<'_>, what: &str) -> Result<u64, Fault> {
    const LONGEST: usize = 10;
    let at = cursor.at();
    let mut number = 0u64;
    for index in 0..LONGEST {
        let byte = cursor.take(1, what)?[0];
        // The tenth byte has room for one bit.
        if index == LONGEST - 1 && byte > 1 {
            break;
        }
        number |= u64::from(byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(Fault::new(at, format!("{what} does not fit into 64 bits")))
}

fn length_delimited<'a>(cursor: &mut Cursor<'a>, name: &str) -> Result<Cursor<'a>, Fault> {
    let at = cursor.at();
    let length = varint(cursor, &format!("the length of `{name}`"))?;
    match usize::try_from(length).ok().filter(|length| *length <= cursor.left()) {
        Some(length) => {
            let inside = cursor.within(length);
            cursor.skip(length);
            Ok(inside)
        }
        None => {
            Err(Fault::new(at, format!("`{name}` has {length} bytes by its length, but only {} follow", cursor.left())))
        }
    }
}

fn scalar(cursor: &mut Cursor<'_>, kind: &Kind, name: &str) -> Result<String, Fault> {
    let what = format!("`{name}`");
    Ok(match kind {
        Kind::Double => f64::from_bits(fixed(cursor, 8, &what)?).to_string(),
        Kind::Float => f32::from_bits(u32::try_from(fixed(cursor, 4, &what)?).unwrap_or_default()).to_string(),
        Kind::Fixed32 | Kind::Fixed64 => {
            fixed(cursor, if matches!(kind, Kind::Fixed32) { 4 } else { 8 }, &what)?.to_string()
        }
        Kind::Sfixed32 => (fixed(cursor, 4, &what)? as u32 as i32).to_string(),
        Kind::Sfixed64 => (fixed(cursor, 8, &what)? as i64).to_string(),
        Kind::Int32 => (varint(cursor, &what)? as i32).to_string(),
        Kind::Int64 => (varint(cursor, &what)? as i64).to_string(),
        Kind::Uint32 => (varint(cursor, &what)? as u32).to_string(),
        Kind::Uint64 => varint(cursor, &what)?.to_string(),
        Kind::Sint32 => {
            let raw = varint(cursor, &what)? as u32;
            ((raw >> 1) as i32 ^ -((raw & 1) as i32)).to_string()
        }
        Kind::Sint64 => {
            let raw = varint(cursor, &what)?;
            ((raw >> 1) as i64 ^ -((raw & 1) as i64)).to_string()
        }
        Kind::Bool => (varint(cursor, &what)? != 0).to_string(),
        Kind::Enum(found) => {
            let number = varint(cursor, &what)? as i32;
            match found.get_value(number) {
                Some(value) => format!("{number}, {}", value.name()),
                None => format!("{number}, which {} does not have", found.full_name()),
            }
        }
        Kind::String => {
            let inside = length_delimited(cursor, name)?;
            let bytes = inside.peek();
            if let Err(err) = std::str::from_utf8(bytes) {
                return Err(Fault::new(inside.at() + err.valid_up_to(), format!("`{name}` is a string, but no UTF-8")));
            }
            text(bytes)
        }
        Kind::Bytes => count(length_delimited(cursor, name)?.left()),
        // Read by their own rules.
        Kind::Message(_) => String::new(),
    })
}

fn fixed(cursor: &mut Cursor<'_>, length: usize, what: &str) -> Result<u64, Fault> {
    cursor.take(length, what).map(|bytes| unsigned(bytes, false))
}

/// Over a field that the schema does not have.
fn skip(cursor: &mut Cursor<'_>, wire: u64, number: u64, name: &str, depth: usize) -> Result<(), Fault> {
    let at = cursor.at();
    match wire {
        0 => varint(cursor, &format!("`{name}`")).map(|_| ()),
        1 => cursor.take(8, &format!("`{name}`")).map(|_| ()),
        2 => length_delimited(cursor, name).map(|_| ()),
        3 if depth > DEEPEST => Err(Fault::new(at, format!("groups are nested more than {DEEPEST} deep"))),
        3 => loop {
            let tag = varint(cursor, "a tag")?;
            match (tag >> 3, tag & 7) {
                (end, 4) if end == number => return Ok(()),
                (inner, wire) => skip(cursor, wire, inner, name, depth + 1)?,
            }
        },
        4 => Err(Fault::new(at, format!("the group {number} ends without having begun"))),
        5 => cursor.take(4, &format!("`{name}`")).map(|_| ()),
        _ => Err(Fault::new(at, format!("`{name}` has the wire type {wire}, which does not exist"))),
    }
}

fn wire_type(kind: &Kind, group: bool) -> u64 {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => 1,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => 5,
        Kind::Message(_) if group => 3,
        Kind::String | Kind::Bytes | Kind::Message(_) => 2,
        _ => 0,
    }
}

fn wire_name(wire: u64) -> &'static str {
    match wire {
        0 => "a varint",
        1 => "8 bytes",
        2 => "a length and bytes",
        3 => "a group",
        4 => "the end of a group",
        5 => "4 bytes",
        _ => "a wire type that does not exist",
    }
}

fn article(kind: &Kind) -> String {
    match kind {
        Kind::Message(message) => message.full_name().to_owned(),
        Kind::Enum(found) => found.full_name().to_owned(),
        other => {
            let word = crate::open::word(other);
            let vowel = word.starts_with(['a', 'e', 'i', 'o', 'u']) && !word.starts_with("ui");
            format!("{} {word}", if vowel { "an" } else { "a" })
        }
    }
}
