//! Extension options as protoc writes them: one field per statement, in the order of the source. prost-reflect merges
//! them into one message instead, sorted by number, packed, and without what has its default value.

use std::cell::OnceCell;
use std::collections::HashMap;

use prost_reflect::prost_types::SourceCodeInfo;
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

use super::aggregate::{Key, Type, respell, unpack, zero};
use super::layout::{FIRST_EXTENSION, Layout};
use super::text::{self, Entry};
use super::wire::{Field, Value};
use crate::diagnostic::Source;
use crate::source::bytes;

/// By the path of the options message: the statements that set an extension in it.
pub(super) struct Statements<'a>(HashMap<&'a [i32], Vec<Statement<'a>>>);

struct Statement<'a> {
    /// Leads to the value inside of the options message: field numbers, with an index behind that of a repeated field
    /// which ends it.
    way: &'a [i32],
    span: &'a [i32],
    source: &'a Source,
    text: OnceCell<Vec<Entry>>,
}

impl<'a> Statements<'a> {
    pub(super) fn new(info: &'a SourceCodeInfo, source: &'a Source) -> Self {
        let mut found: HashMap<&[i32], Vec<Statement<'a>>> = HashMap::new();
        for location in &info.location {
            if let Some((options, way)) = Layout::split_at_options(&location.path)
                && way.first().is_some_and(|number| *number >= FIRST_EXTENSION as i32)
            {
                let statement = Statement { way, span: &location.span, source, text: OnceCell::new() };
                found.entry(options).or_default().push(statement);
            }
        }
        for statements in found.values_mut() {
            statements.sort_by_key(|statement| statement.span.get(..2));
        }
        Self(found)
    }

    /// The fields of an options message with its extensions in the order of their statements. `path` is that of the
    /// message, `options` its full name.
    pub(super) fn spell(&self, path: &[i32], options: &str, fields: &mut Vec<Field>, pool: &DescriptorPool) {
        let (Some(statements), Some(message)) = (self.0.get(path), pool.get_message_by_name(options)) else { return };
        let mut spelled: Vec<Field> = fields.extract_if(.., |field| field.number < FIRST_EXTENSION).collect();
        let merged = std::mem::take(fields);
        for statement in statements {
            let deeper = |other: &&Statement<'a>| other.way.len() > statement.way.len();
            let inside = statements.iter().filter(deeper).filter_map(|other| other.way.strip_prefix(statement.way));
            let elsewhere: Vec<u32> = inside.filter_map(|rest| u32::try_from(*rest.first()?).ok()).collect();
            spelled.extend(statement.field(&merged, statement.way, &message, &elsewhere));
        }
        let told = |field: &Field| statements.iter().any(|other| other.way[0] == field.number as i32);
        spelled.extend(merged.into_iter().filter(|field| !told(field)));
        *fields = spelled;
    }
}

impl Statement<'_> {
    /// The field that stands for the statement, taken from the merged `fields` of a message. `elsewhere` names fields
    /// inside of it that other statements set.
    fn field(&self, fields: &[Field], way: &[i32], message: &MessageDescriptor, elsewhere: &[u32]) -> Option<Field> {
        let (number, rest) = way.split_first()?;
        let number = u32::try_from(*number).ok()?;
        let ty = Type::of(message, number)?;
        let mut same = fields.iter().filter(|field| field.number == number).map(|field| &field.value);
        let value = match (rest, &ty.kind) {
            ([], Kind::Message(entry)) if ty.map => {
                let key = Key::of_statement(self.text().to_vec(), entry);
                let mut found = vec![Field::new(number, same.find(|value| Key::of(value, entry) == key)?.clone())];
                respell(&mut found, message, &[]);
                return found.pop();
            }
            ([index], kind) if ty.list => {
                let index = usize::try_from(*index).ok()?;
                // Packed numbers are one field.
                let value = same.flat_map(|value| unpack(value, kind)).nth(index)?;
                self.inside(value, &ty, elsewhere)?
            }
            ([], Kind::Message(_)) => self.inside(same.next()?.clone(), &ty, elsewhere)?,
            ([], kind) => same.next_back().cloned().unwrap_or_else(|| zero(kind)),
            (rest, Kind::Message(inner)) => {
                let fields = same.next().and_then(Value::fields).unwrap_or_default();
                ty.embed(vec![self.field(&fields, rest, inner, elsewhere)?])
            }
            _ => return None,
        };
        Some(Field::new(number, value))
    }

    /// The value at the end of the way, spelled anew if it is a message.
    fn inside(&self, value: Value, ty: &Type, elsewhere: &[u32]) -> Option<Value> {
        let Kind::Message(message) = &ty.kind else { return Some(value) };
        let mut fields = value.fields()?;
        fields.retain(|field| !elsewhere.contains(&field.number));
        if respell(&mut fields, message, &[]) {
            respell(&mut fields, message, self.text());
        }
        Some(ty.embed(fields))
    }

    fn text(&self) -> &[Entry] {
        self.text.get_or_init(|| {
            let text = self.source.text.get(bytes(self.source, self.span)).unwrap_or_default();
            text::statement(text)
        })
    }
}
