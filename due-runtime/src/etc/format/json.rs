use std::fmt;

use serde::de::{Deserializer as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::etc::report::{Report, Text};
use crate::etc::tree::{MAX_DEPTH, Node, TOO_DEEP, Table, Value};

pub(super) fn read(text: &Text<'_>, report: &mut Report) -> Table {
    match serde_json::from_str::<&RawValue>(text.text) {
        Ok(whole) => match node(whole, text, 0, report).value {
            Value::Table(table) => return table,
            other => report.error(&text.at_part(whole.get()), format!("a file is a table, not {}", other.kind())),
        },
        Err(error) => report.error(&text.at_line(error.line()), message(&error)),
    }
    Table::default()
}

/// Its parts are read one level at a time: only so serde_json says where they are.
fn node(raw: &RawValue, text: &Text<'_>, depth: usize, report: &mut Report) -> Node {
    let at = text.at_part(raw.get());
    let mut reader = serde_json::Deserializer::from_str(raw.get());
    let value = match reader.deserialize_any(Level) {
        Ok(Part::Leaf(value)) => value,
        Ok(Part::List(_) | Part::Table(_)) if depth >= MAX_DEPTH => {
            report.error(&at, TOO_DEEP);
            Value::Null
        }
        Ok(Part::List(items)) => {
            Value::List(items.into_iter().map(|item| node(item, text, depth + 1, report)).collect())
        }
        Ok(Part::Table(entries)) => {
            let mut table = Table::default();
            for (key, value) in entries {
                table.insert(key, node(value, text, depth + 1, report), report);
            }
            Value::Table(table)
        }
        Err(error) => {
            report.error(&at, message(&error));
            Value::Null
        }
    };
    Node { at, value }
}

/// Without the line, which the place says.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(message, _)| message.to_owned())
}

enum Part<'a> {
    Leaf(Value),
    List(Vec<&'a RawValue>),
    Table(Vec<(String, &'a RawValue)>),
}

struct Level;

impl<'de> Visitor<'de> for Level {
    type Value = Part<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Part<'de>, E> {
        Ok(Part::Leaf(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Part<'de>, E> {
        Ok(Part::Leaf(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Part<'de>, E> {
        Ok(Part::Leaf(Value::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Part<'de>, E> {
        Ok(Part::Leaf(i64::try_from(value).map_or(Value::Float, Value::Int)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Part<'de>, E> {
        Ok(Part::Leaf(Value::Float))
    }

    fn visit_str<E>(self, value: &str) -> Result<Part<'de>, E> {
        Ok(Part::Leaf(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Part<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Part::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Part<'de>, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            table.push(entry);
        }
        Ok(Part::Table(table))
    }
}
