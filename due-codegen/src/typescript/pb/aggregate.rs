//! The inside of `{ .. }` options as protoc writes it. prost-reflect does not know yet which fields are packed when it
//! encodes options, and gives the entries of maps in no order at all.

use prost::bytes::Bytes;
use prost_reflect::prost_types::FieldDescriptorProto;
use prost_reflect::{Kind, MessageDescriptor, Syntax};

use super::text::{Entry, Text};
use super::wire::{self, Field, Value};

/// What the descriptor of an option says, be it an extension or a field inside of one.
pub(super) struct Type {
    pub(super) kind: Kind,
    pub(super) list: bool,
    pub(super) map: bool,
    group: bool,
    packed: bool,
    name: String,
}

impl Type {
    pub(super) fn of(message: &MessageDescriptor, number: u32) -> Option<Self> {
        let packed = |proto: &FieldDescriptorProto, syntax| {
            proto.options.as_ref().and_then(|options| options.packed).unwrap_or(syntax == Syntax::Proto3)
        };
        if let Some(field) = message.get_field(number) {
            return Some(Self {
                kind: field.kind(),
                list: field.is_list(),
                map: field.is_map(),
                group: field.is_group(),
                packed: packed(field.field_descriptor_proto(), field.parent_file().syntax()),
                name: field.name().to_owned(),
            });
        }
        let field = message.get_extension(number)?;
        Some(Self {
            kind: field.kind(),
            list: field.is_list(),
            map: false,
            group: field.is_group(),
            packed: packed(field.field_descriptor_proto(), field.parent_file().syntax()),
            name: field.full_name().to_owned(),
        })
    }

    /// A message of this type.
    pub(super) fn embed(&self, fields: Vec<Field>) -> Value {
        if self.group { Value::Group(fields) } else { Value::Message(fields) }
    }

    /// Whether text means this field. Extensions may be named from an inner scope.
    fn is_named(&self, name: &str) -> bool {
        match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(name) => self
                .name
                .strip_suffix(name.trim_start_matches('.'))
                .is_some_and(|scope| scope.is_empty() || scope.ends_with('.')),
            None if self.group => self.name.eq_ignore_ascii_case(name),
            None => self.name == name,
        }
    }
}

/// Writes the fields of a message anew. `text` is what the source says, if it is known. Tells whether it has to be:
/// without it the entries of maps are in the order of their keys.
pub(super) fn respell(fields: &mut Vec<Field>, message: &MessageDescriptor, text: &[Entry]) -> bool {
    let mut needs_text = false;
    let mut out: Vec<Field> = Vec::with_capacity(fields.len());
    let mut rest = std::mem::take(fields).into_iter().peekable();
    while let Some(first) = rest.next() {
        let number = first.number;
        let mut values = vec![first.value];
        while let Some(next) = rest.next_if(|next| next.number == number) {
            values.push(next.value);
        }
        let Some(ty) = Type::of(message, number) else {
            out.extend(values.into_iter().map(|value| Field::new(number, value)));
            continue;
        };
        let spoken = spoken(&ty, text);
        match &ty.kind {
            Kind::Message(entry) if ty.map => {
                needs_text |= values.len() > 1;
                values = entries(values, entry, &spoken, &mut needs_text);
            }
            Kind::Message(inner) => {
                for (i, value) in values.iter_mut().enumerate() {
                    let inside = spoken.get(i).and_then(|text| inside(text)).unwrap_or_default();
                    needs_text |= respell_value(value, inner, &ty, inside);
                }
            }
            kind if ty.list && !matches!(zero(kind), Value::Bytes(_)) => {
                let numbers: Vec<Value> = values.iter().flat_map(|value| unpack(value, kind)).collect();
                values = if ty.packed { vec![pack(&numbers)] } else { numbers };
            }
            _ => {}
        }
        out.extend(values.into_iter().map(|value| Field::new(number, value)));
    }
    *fields = out;
    needs_text
}

fn respell_value(value: &mut Value, message: &MessageDescriptor, ty: &Type, text: &[Entry]) -> bool {
    let Some(mut fields) = value.fields() else { return false };
    let needs_text = respell(&mut fields, message, text);
    *value = ty.embed(fields);
    needs_text
}

/// The values of one field in the text, those of lists one by one.
fn spoken<'a>(ty: &Type, text: &'a [Entry]) -> Vec<&'a Text> {
    let values = text.iter().filter(|entry| ty.is_named(&entry.name)).map(|entry| &entry.value);
    values
        .flat_map(|value| match value {
            Text::List(list) => list.iter().collect(),
            one => vec![one],
        })
        .collect()
}

fn inside(text: &Text) -> Option<&[Entry]> {
    if let Text::Message(entries) = text { Some(entries) } else { None }
}

/// The entries of a map, each with key and value.
fn entries(values: Vec<Value>, entry: &MessageDescriptor, spoken: &[&Text], needs_text: &mut bool) -> Vec<Value> {
    let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
    let place = |found: &Key| spoken.iter().position(|text| Key::spoken(text, &key).as_ref() == Some(found));
    let mut entries: Vec<(Option<usize>, Key, Value)> = values
        .iter()
        .filter_map(|found| {
            let fields = found.fields()?;
            let part = |number, kind| {
                fields.iter().rfind(|field| field.number == number).map_or(zero(kind), |field| field.value.clone())
            };
            let (key_value, mut inner) = (part(1, &key), part(2, &value));
            let found = Key::encoded(&key_value, &key);
            let place = place(&found);
            if let Kind::Message(message) = &value {
                let text = place.and_then(|place| inside(spoken[place]));
                let text = text.and_then(|text| text.iter().find(|entry| entry.name == "value"));
                let text = text.and_then(|entry| inside(&entry.value)).unwrap_or_default();
                if let Some(mut fields) = inner.fields() {
                    *needs_text |= respell(&mut fields, message, text);
                    inner = Value::Message(fields);
                }
            }
            Some((place, found, Value::Message(vec![Field::new(1, key_value), Field::new(2, inner)])))
        })
        .collect();
    entries.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    entries.into_iter().map(|(.., value)| value).collect()
}

/// The key of a map entry.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    Number(i128),
    Text(Vec<u8>),
}

impl Key {
    fn encoded(value: &Value, kind: &Kind) -> Self {
        match (value, kind) {
            (Value::Bytes(bytes), _) => Self::Text(bytes.to_vec()),
            (Value::Varint(raw), Kind::Sint32 | Kind::Sint64) => {
                Self::Number(i128::from((raw >> 1) as i64 ^ -((raw & 1) as i64)))
            }
            (Value::Varint(raw), Kind::Int32 | Kind::Int64) => Self::Number(i128::from(*raw as i64)),
            (Value::Fixed64(raw), Kind::Sfixed64) => Self::Number(i128::from(*raw as i64)),
            (Value::Fixed32(raw), Kind::Sfixed32) => Self::Number(i128::from(*raw as i32)),
            (Value::Varint(raw) | Value::Fixed64(raw), _) => Self::Number(i128::from(*raw)),
            (Value::Fixed32(raw), _) => Self::Number(i128::from(*raw)),
            (Value::Message(_) | Value::Group(_), _) => Self::Number(0),
        }
    }

    /// The key of an entry like `{ key: 1 value: 2 }`.
    fn spoken(entry: &Text, kind: &Kind) -> Option<Self> {
        let key = inside(entry)?.iter().find(|entry| entry.name == "key").map(|entry| &entry.value);
        Some(match key {
            Some(Text::Quoted(bytes)) => Self::Text(bytes.clone()),
            Some(Text::Plain(plain)) => Self::Number(match plain.as_str() {
                "true" | "True" | "t" => 1,
                "false" | "False" | "f" => 0,
                plain => integer(plain)?,
            }),
            None if matches!(kind, Kind::String) => Self::Text(Vec::new()),
            None => Self::Number(0),
            Some(Text::Message(_) | Text::List(_)) => return None,
        })
    }

    /// The key of an encoded entry of this message.
    pub(super) fn of(value: &Value, entry: &MessageDescriptor) -> Option<Self> {
        let (fields, kind) = (value.fields()?, entry.map_entry_key_field().kind());
        let key = fields.iter().rfind(|field| field.number == 1).map_or(zero(&kind), |field| field.value.clone());
        Some(Self::encoded(&key, &kind))
    }

    /// The key of an entry that makes up a whole statement.
    pub(super) fn of_statement(text: Vec<Entry>, entry: &MessageDescriptor) -> Option<Self> {
        Self::spoken(&Text::Message(text), &entry.map_entry_key_field().kind())
    }
}

fn integer(plain: &str) -> Option<i128> {
    let (sign, digits) = plain.strip_prefix('-').map_or((1, plain), |digits| (-1, digits));
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i128::from_str_radix(hex, 16),
        None if digits.len() > 1 && digits.starts_with('0') => i128::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    value.ok().map(|value| sign * value)
}

/// The elements of a repeated field's value, which may be packed.
pub(super) fn unpack(value: &Value, kind: &Kind) -> Vec<Value> {
    let is_packed = matches!(value, Value::Bytes(_)) && !matches!(zero(kind), Value::Bytes(_) | Value::Message(_));
    let (true, Value::Bytes(bytes)) = (is_packed, value) else { return vec![value.clone()] };
    let mut rest = bytes.clone();
    std::iter::from_fn(|| wire::number(&mut rest, &zero(kind))).collect()
}

fn pack(numbers: &[Value]) -> Value {
    let mut out = Vec::new();
    numbers.iter().for_each(|number| wire::put_number(number, &mut out));
    Value::Bytes(out.into())
}

/// The default value, which a statement writes all the same.
pub(super) fn zero(kind: &Kind) -> Value {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Value::Fixed64(0),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Value::Fixed32(0),
        Kind::String | Kind::Bytes => Value::Bytes(Bytes::new()),
        Kind::Message(_) => Value::Message(Vec::new()),
        Kind::Int32
        | Kind::Int64
        | Kind::Uint32
        | Kind::Uint64
        | Kind::Sint32
        | Kind::Sint64
        | Kind::Bool
        | Kind::Enum(_) => Value::Varint(0),
    }
}
