//! What the files say, whatever their format.

use super::report::{Place, Report};

/// Tables and lists in each other; deeper ones are not read.
pub(super) const MAX_DEPTH: usize = 32;
pub(super) const TOO_DEEP: &str = "tables and lists are nested more than 32 deep";

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Place,
    pub(super) value: Value,
}

#[derive(Clone, Debug)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float,
    Text(String),
    /// Of a source that knows nothing but text.
    Plain(String),
    List(Vec<Node>),
    Table(Table),
}

/// In the order of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Table(Vec<(String, Node)>);

impl Value {
    /// What it is, for people.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "empty",
            Self::Bool(_) => "a bool",
            Self::Int(_) => "a number",
            Self::Float => "a fraction",
            Self::Text(_) | Self::Plain(_) => "text",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl Table {
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.0.iter().map(|(key, node)| (&**key, node))
    }

    pub(super) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|(own, _)| own == key).map(|(_, node)| node)
    }

    /// Adds a key of the same file, which must not be there.
    pub(super) fn insert(&mut self, key: String, node: Node, report: &mut Report) {
        match self.get_mut(&key) {
            Some(first) => report.error(&node.at, format!("`{key}` is here again, after {}", first.at)),
            None => self.0.push((key, node)),
        }
    }

    /// Adds a key, or makes a list of what has the same name.
    pub(super) fn append(&mut self, key: String, node: Node) {
        let Some(first) = self.get_mut(&key) else { return self.0.push((key, node)) };
        match &mut first.value {
            Value::List(list) => list.push(node),
            _ => {
                let at = first.at.clone();
                let only = std::mem::replace(first, Node { at, value: Value::Null });
                first.value = Value::List(vec![only, node]);
            }
        }
    }

    /// Puts another table over this one: tables are joined, all else is replaced.
    pub(super) fn overlay(&mut self, other: Self) {
        for (key, node) in other.0 {
            match (self.get_mut(&key), node) {
                (Some(Node { value: Value::Table(own), .. }), Node { value: Value::Table(table), .. }) => {
                    own.overlay(table);
                }
                (Some(own), node) => *own = node,
                (None, node) => self.0.push((key, node)),
            }
        }
    }

    /// A table with this node at the end of a path.
    pub(super) fn of<'a>(path: impl DoubleEndedIterator<Item = &'a str>, node: Node) -> Self {
        let at = node.at.clone();
        let within = |node, key: &str| {
            let table = Self(vec![(key.to_owned(), node)]);
            Node { at: at.clone(), value: Value::Table(table) }
        };
        match path.rev().fold(node, within).value {
            Value::Table(table) => table,
            _ => Self::default(),
        }
    }
}
