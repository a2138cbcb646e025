use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

use crate::etc::report::{Place, Report, Text};
use crate::etc::tree::{MAX_DEPTH, Node, TOO_DEEP, Table, Value};

/// An element that has begun.
struct Open {
    name: String,
    at: Place,
    text: String,
    children: Option<Table>,
}

/// Children of the root element, whose name does not matter, are the keys of the file.
pub(super) fn read(text: &Text<'_>, report: &mut Report) -> Table {
    let mut reader = Reader::from_str(text.text);
    reader.config_mut().expand_empty_elements = true;
    let mut open: Vec<Open> = Vec::new();
    let mut root = None;
    loop {
        // Where blanks before an element end; nothing else of it spans lines.
        let begin = reader.buffer_position() as usize;
        let at = text.at(begin);
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                report.error(&text.at(reader.error_position() as usize), error.to_string());
                return Table::default();
            }
        };
        match event {
            Event::Start(start) => {
                let name = start.name();
                let name = name.as_ref().to_owned();
                if start.attributes().next().is_some() {
                    report.error(&at, format!("<{name}> has attributes; write elements within it instead"));
                }
                if open.len() > MAX_DEPTH {
                    report.error(&at, TOO_DEEP);
                    return Table::default();
                }
                if open.is_empty() && root.is_some() {
                    report.error(&at, format!("<{name}> is a second root; one element holds all others"));
                    return Table::default();
                }
                if let Some(parent) = open.last_mut() {
                    parent.children.get_or_insert_default();
                }
                open.push(Open { name, at, text: String::new(), children: None });
            }
            Event::End(_) => {
                let Some(done) = open.pop() else { continue };
                let (name, node) = done.close(report);
                match open.last_mut() {
                    Some(parent) => parent.children.get_or_insert_default().append(name, node),
                    None => root = Some(node),
                }
            }
            Event::Text(part) => say(&mut open, &part.xml10_content(), &at, report),
            Event::CData(part) => say(&mut open, &part.xml10_content(), &at, report),
            Event::GeneralRef(entity) => match resolve(&entity) {
                Some(part) => say(&mut open, &part, &at, report),
                None => report.error(&at, "an entity that XML does not have by itself"),
            },
            Event::DocType(_) => report.error(&at, "a document type is not read"),
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
    if let Some(left) = open.last() {
        report.error(&left.at, format!("<{}> has no end", left.name));
        return Table::default();
    }
    match root.map(|root| root.value) {
        Some(Value::Table(table)) => table,
        Some(Value::Plain(text)) if text.is_empty() => Table::default(),
        Some(_) => {
            report.error(&text.at_line(1), "the root element has text; it holds the elements that are keys");
            Table::default()
        }
        None => {
            report.error(&text.at_line(1), "no element");
            Table::default()
        }
    }
}

fn say(open: &mut [Open], part: &str, at: &Place, report: &mut Report) {
    match open.last_mut() {
        Some(element) => element.text.push_str(part),
        None if part.trim().is_empty() => {}
        None => report.error(at, "text outside of the root element"),
    }
}

fn resolve(entity: &BytesRef<'_>) -> Option<String> {
    match entity.resolve_char_ref() {
        Ok(Some(character)) => Some(character.to_string()),
        Ok(None) => resolve_predefined_entity(entity).map(str::to_owned),
        Err(_) => None,
    }
}

impl Open {
    fn close(self, report: &mut Report) -> (String, Node) {
        let text = self.text.trim();
        let value = match self.children {
            Some(children) => {
                if !text.is_empty() {
                    report.error(&self.at, format!("<{}> has text beside its elements", self.name));
                }
                Value::Table(children)
            }
            None => Value::Plain(text.to_owned()),
        };
        (self.name, Node { at: self.at, value })
    }
}
