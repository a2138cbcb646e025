//! The bytes of a shape, as due-codegen writes them and as peers send them. `due-codegen/src/shape.rs` says what they mean.

use std::ops::Range;

const VERSION: u8 = 1;
/// Longest shape that is looked at, in bytes: about 35,000 fields.
pub(crate) const MAX_SHAPE: usize = 256 * 1024;

pub(super) const PUSH: u8 = 1;
pub(super) const AUTHORIZED: u8 = 2;
pub(super) const STATEFUL: u8 = 4;
pub(super) const ONEWAY: u8 = 8;

pub(super) const REPEATED: u8 = 0x20;
pub(super) const REQUIRED: u8 = 0x40;
pub(super) const MAP: u8 = 0x80;
const KIND: u8 = 0x1f;
const GROUP: u8 = 10;
const MESSAGE: u8 = 11;
const LAST_KIND: u8 = 18;

/// What a schema is to the wire. Every index in it is valid, every list sorted; messages may contain themselves.
#[derive(Debug)]
pub(crate) struct Shape {
    /// In the order of their ids.
    pub(super) routes: Vec<Route>,
    /// Of all messages.
    pub(super) fields: Vec<Field>,
    /// Where the fields of each message end.
    ends: Vec<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    pub(super) id: u32,
    pub(super) flags: u8,
    /// Or the message of a push.
    pub(super) request: u32,
    pub(super) response: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    pub(super) number: u32,
    marks: u8,
    pub(super) name: [u8; 4],
    /// First number of the oneof that it is in.
    pub(super) oneof: Option<u32>,
    pub(super) message: Option<u32>,
}

/// Bytes that are no shape.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no shape: byte {at} makes no sense")]
pub(crate) struct BadShape {
    at: usize,
}

impl Field {
    pub(super) fn kind(self) -> u8 {
        self.marks & KIND
    }

    /// Of `REPEATED`, `REQUIRED` and `MAP`.
    pub(super) fn has(self, mark: u8) -> bool {
        self.marks & mark != 0
    }
}

impl Shape {
    /// Reads whatever a peer sends: time and room are in proportion to `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BadShape> {
        let mut reader = Reader { bytes, at: 0 };
        if reader.byte()? != VERSION {
            return Err(BadShape { at: 0 });
        }
        let mut routes = Vec::with_capacity(reader.count()?);
        for _ in 0..routes.capacity() {
            routes.push(reader.route(routes.last())?);
        }
        let mut shape = Self { routes, fields: Vec::new(), ends: Vec::new() };
        for _ in 0..reader.count()? {
            let first = shape.fields.len();
            for _ in 0..reader.count()? {
                let field = reader.field(shape.fields[first..].last())?;
                shape.fields.push(field);
            }
            shape.ends.push(shape.fields.len() as u32);
        }
        let count = shape.ends.len() as u32;
        let mut messages = shape
            .fields
            .iter()
            .filter_map(|field| field.message)
            .chain(shape.routes.iter().flat_map(|route| [Some(route.request), route.response]).flatten());
        if reader.at != bytes.len() || messages.any(|message| message >= count) {
            return Err(reader.bad());
        }
        Ok(shape)
    }

    /// The fields of a message, as indices of [`fields`](Self::fields), in the order of their numbers.
    pub(super) fn fields_of(&self, message: u32) -> Range<usize> {
        let message = message as usize;
        let start = if message == 0 { 0 } else { self.ends[message - 1] };
        start as usize..self.ends[message] as usize
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn bad(&self) -> BadShape {
        BadShape { at: self.at.saturating_sub(1) }
    }

    fn byte(&mut self) -> Result<u8, BadShape> {
        let byte = self.bytes.get(self.at).copied();
        self.at += 1;
        byte.ok_or(self.bad())
    }

    fn number(&mut self) -> Result<u32, BadShape> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return u32::try_from(number).map_err(|_| self.bad());
            }
        }
        Err(self.bad())
    }

    /// Everything that is counted has a byte at least, so that no count asks for more room than there are bytes.
    fn count(&mut self) -> Result<usize, BadShape> {
        let count = self.number()? as usize;
        if count > self.bytes.len() - self.at { Err(self.bad()) } else { Ok(count) }
    }

    fn route(&mut self, before: Option<&Route>) -> Result<Route, BadShape> {
        let id = self.number()?;
        let flags = self.byte()?;
        if before.is_some_and(|before| before.id >= id) || id > i32::MAX as u32 {
            return Err(self.bad());
        }
        let request = self.number()?;
        let response = if flags & (PUSH | ONEWAY) == 0 { Some(self.number()?) } else { None };
        Ok(Route { id, flags, request, response })
    }

    fn field(&mut self, before: Option<&Field>) -> Result<Field, BadShape> {
        let head = self.number()?;
        let number = head >> 1;
        let marks = self.byte()?;
        if before.is_some_and(|before| before.number >= number) || !matches!(marks & KIND, 1..=LAST_KIND) {
            return Err(self.bad());
        }
        let mut name = [0; 4];
        for byte in &mut name {
            *byte = self.byte()?;
        }
        let oneof = if head & 1 == 1 { Some(self.number()?) } else { None };
        let message = if matches!(marks & KIND, GROUP | MESSAGE) { Some(self.number()?) } else { None };
        Ok(Field { number, marks, name, oneof, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_shape_are_refused_where_they_go_wrong() {
        let read = |bytes: &[u8]| Shape::read(bytes).map(|shape| shape.routes.len()).map_err(|bad| bad.at);
        assert_eq!(read(&[1, 0, 0]), Ok(0));
        assert_eq!(read(&[]), Err(0), "no version");
        assert_eq!(read(&[2, 0, 0]), Err(0), "another version");
        assert_eq!(read(&[1, 0, 0, 0]), Err(2), "a byte too many");
        assert_eq!(read(&[1, 5, 0]), Err(1), "five routes in one byte");
        assert_eq!(read(&[1, 1, 7, 0, 0, 0, 1, 0]), Ok(1));
        assert_eq!(read(&[1, 1, 7, 0, 0, 1, 1, 0]), Err(7), "message 1 of one");
        assert_eq!(read(&[1, 2, 7, 1, 0, 7, 1, 0, 1, 0]), Err(6), "one id twice");
        assert_eq!(read(&[1, 1, 7, 1, 0, 1, 1, 2, 31, 0, 0, 0, 0]), Err(8), "kind 31");
        assert_eq!(read(&[1, 1, 7, 1, 0, 1, 1, 2, 9, 0, 0, 0, 0]), Ok(1));
        assert_eq!(read(&[1, 1, 7, 1, 0, 1, 1, 2, 9, 0, 0, 0]), Err(12), "cut short");
        assert_eq!(read(&[1, 0, 0xff, 0xff, 0xff, 0xff, 0x7f]), Err(6), "a number of more than 32 bits");
    }
}
