//! `Debug` of generated messages: what is set, enums by name. (prost's own names `::prost` in messages with sorted maps,
//! which a user's crate need not depend on.)

use std::fmt;

use super::fields::{Fields, View};

/// `Debug` of generated messages.
pub fn debug(message: &dyn Fields, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let table = message.table();
    let mut out = f.debug_struct(table.name.rsplit('.').next().unwrap_or(table.name));
    for (index, field) in table.fields.iter().enumerate() {
        match message.view(index) {
            View::None => {}
            view => {
                out.field(field.name, &view);
            }
        }
    }
    out.finish()
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Bool(value) => value.fmt(f),
            Self::I32(value) => value.fmt(f),
            Self::I64(value) => value.fmt(f),
            Self::U32(value) => value.fmt(f),
            Self::U64(value) => value.fmt(f),
            Self::F32(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Str(value) => value.fmt(f),
            Self::Bytes(value) => write!(f, "b\"{}\"", value.escape_ascii()),
            Self::Enum(number, names) => match names.name(*number) {
                Some(name) => f.write_str(name),
                None => number.fmt(f),
            },
            Self::Message(message) => debug(*message, f),
            Self::List(list) => f.debug_list().entries((0..list.len()).map(|index| list.at(index))).finish(),
            Self::Map(map) => {
                let mut out = f.debug_map();
                map.each(&mut |key, value| {
                    out.entry(&key, &value);
                    true
                });
                out.finish()
            }
        }
    }
}
