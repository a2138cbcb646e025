//! Messages as Go writes them in MessagePack: its encoders know nothing of schemas, and take the names of struct
//! fields. A oneof is an interface there, which no decoder fills: its fields are written all the same, for peers of ours.

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::fields::{Fields, View};

/// A view whose messages are keyed by the names that protoc-gen-go gives their fields.
pub(super) struct InGo<'a>(pub(super) &'a View<'a>);

impl Serialize for InGo<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            View::Message(message) => write_message(*message, to),
            View::List(list) => {
                let mut seq = to.serialize_seq(Some(list.len()))?;
                for index in 0..list.len() {
                    seq.serialize_element(&InGo(&list.at(index)))?;
                }
                seq.end()
            }
            View::Map(entries) => {
                let mut map = to.serialize_map(Some(entries.len()))?;
                let mut result = Ok(());
                entries.each(&mut |key, value| {
                    result = map.serialize_entry(&key, &InGo(&value));
                    result.is_ok()
                });
                result?;
                map.end()
            }
            scalar => scalar.serialize(to),
        }
    }
}

fn write_message<S: Serializer>(message: &dyn Fields, to: S) -> Result<S::Ok, S::Error> {
    let fields = message.table().fields;
    let set = (0..fields.len()).filter(|&index| !matches!(message.view(index), View::None)).count();
    let mut map = to.serialize_map(Some(set))?;
    let mut name = String::new();
    for (index, field) in fields.iter().enumerate() {
        let view = message.view(index);
        if !matches!(view, View::None) {
            name.clear();
            name.extend(go_name(field.name));
            map.serialize_entry(&name, &InGo(&view))?;
        }
    }
    map.end()
}

pub(super) fn is_go_name(field: &str, name: &str) -> bool {
    go_name(field).eq(name.chars())
}

/// `user_id` is `UserId`, `_x` is `XX`, `a_1` is `A_1`: an underscore goes before a small letter, and stays elsewhere.
fn go_name(field: &str) -> impl Iterator<Item = char> {
    let mut begins = true;
    let mut chars = field.chars().enumerate().peekable();
    std::iter::from_fn(move || {
        let (mut position, mut char) = chars.next()?;
        if char == '_' && position > 0 && chars.peek().is_some_and(|(_, next)| next.is_ascii_lowercase()) {
            begins = true;
            (position, char) = chars.next()?;
        }
        Some(match char {
            '_' if position == 0 => 'X',
            '_' => {
                begins = true;
                '_'
            }
            '0'..='9' => {
                begins = true;
                char
            }
            _ if std::mem::take(&mut begins) => char.to_ascii_uppercase(),
            _ => char,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_protoc_gen_go() {
        let names = [
            ("uid", "Uid"),
            ("user_id", "UserId"),
            ("UID", "UID"),
            ("_x", "XX"),
            ("a_1", "A_1"),
            ("a1b", "A1B"),
            ("trailing_", "Trailing_"),
            ("two__lines", "Two_Lines"),
            ("camelCase", "CamelCase"),
            ("a_B", "A_B"),
        ];
        for (field, name) in names {
            assert_eq!(go_name(field).collect::<String>(), name);
            assert!(is_go_name(field, name));
        }
        assert!(!is_go_name("user_id", "userId"));
    }
}
