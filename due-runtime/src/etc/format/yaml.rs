use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Budget, DuplicateKeyPolicy, Options, Spanned};

use crate::etc::report::{Report, Text};
use crate::etc::tree::{MAX_DEPTH, Node, TOO_DEEP, Table, Value};

pub(super) fn read(text: &Text<'_>, report: &mut Report) -> Table {
    let mut budget = Budget::default();
    budget.max_depth = MAX_DEPTH + 1;
    let mut options = Options::default();
    options.budget = Some(budget);
    options.duplicate_keys = DuplicateKeyPolicy::PassThrough;
    options.with_snippet = false;
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text.text, options) {
        Ok(whole) => match node(whole, text, report).value {
            Value::Table(table) => return table,
            Value::Null => {}
            other => report.error(&text.at_line(1), format!("a file is a table, not {}", other.kind())),
        },
        Err(error) => {
            let line = error.location().map_or(0, |location| location.line());
            let message = error.to_string();
            let is_deep = message.to_lowercase().contains("depth");
            report.error(
                &text.at_line(line as usize),
                if is_deep { TOO_DEEP.to_owned() } else { without_place(&message) },
            );
        }
    }
    Table::default()
}

fn without_place(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    first.split(" at line ").next().unwrap_or(first).to_owned()
}

fn node(raw: Spanned<Raw>, text: &Text<'_>, report: &mut Report) -> Node {
    let at = text.at_line(raw.defined.line() as usize);
    let value = match raw.value {
        Raw::Leaf(value) => value,
        Raw::List(items) => Value::List(items.into_iter().map(|item| node(item, text, report)).collect()),
        Raw::Table(entries) => {
            let mut table = Table::default();
            for (key, value) in entries {
                let mut value = node(value, text, report);
                value.at = text.at_line(key.defined.line() as usize);
                table.insert(key.value, value, report);
            }
            Value::Table(table)
        }
    };
    Node { at, value }
}

enum Raw {
    Leaf(Value),
    List(Vec<Spanned<Raw>>),
    Table(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Leaf(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Leaf(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Leaf(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Leaf(Value::Int(value)))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Leaf(i64::try_from(value).map_or(Value::Float, Value::Int)))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Raw, E> {
        Ok(Raw::Leaf(Value::Float))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Leaf(Value::Text(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut table = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            table.push(entry);
        }
        Ok(Raw::Table(table))
    }
}
