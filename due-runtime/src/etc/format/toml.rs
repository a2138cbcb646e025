use std::ops::Range;

use toml::de::{DeInteger, DeTable, DeValue};

use crate::etc::report::{Report, Text};
use crate::etc::tree::{MAX_DEPTH, Node, TOO_DEEP, Table, Value};

pub(super) fn read(text: &Text<'_>, report: &mut Report) -> Table {
    let (table, errors) = DeTable::parse_recoverable(text.text);
    for error in &errors {
        report.error(&text.at(error.span().map_or(0, |span| span.start)), error.message());
    }
    // What is left of a broken file would only lead to more complaints.
    if errors.is_empty() { read_table(table.into_inner(), text, 1, report) } else { Table::default() }
}

fn read_table(table: DeTable<'_>, text: &Text<'_>, depth: usize, report: &mut Report) -> Table {
    let mut read = Table::default();
    // Sorted by name there; by place the findings make more sense.
    let mut entries: Vec<_> = table.into_iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    for (key, value) in entries {
        let span = key.span();
        read.insert(key.into_inner().into_owned(), node(value.into_inner(), span, text, depth, report), report);
    }
    read
}

fn node(value: DeValue<'_>, span: Range<usize>, text: &Text<'_>, depth: usize, report: &mut Report) -> Node {
    let at = text.at(span.start);
    let value = match value {
        DeValue::Array(_) | DeValue::Table(_) if depth >= MAX_DEPTH => {
            report.error(&at, TOO_DEEP);
            Value::Null
        }
        DeValue::String(text) => Value::Text(text.into_owned()),
        DeValue::Integer(number) => integer(&number).unwrap_or_else(|| {
            report.error(&at, "the number does not fit 64 bits");
            Value::Null
        }),
        DeValue::Float(_) => Value::Float,
        DeValue::Boolean(is_true) => Value::Bool(is_true),
        DeValue::Datetime(time) => Value::Text(time.to_string()),
        DeValue::Array(array) => {
            let items = array.into_iter();
            let items = items.map(|item| {
                let span = item.span();
                node(item.into_inner(), span, text, depth + 1, report)
            });
            Value::List(items.collect())
        }
        DeValue::Table(table) => Value::Table(read_table(table, text, depth + 1, report)),
    };
    Node { at, value }
}

fn integer(number: &DeInteger<'_>) -> Option<Value> {
    i64::from_str_radix(number.as_str(), number.radix()).ok().map(Value::Int)
}
