use super::format::{HEADER, SIZE};
use super::{ByteOrder, Format};
use crate::id::RouteId;

const HEARTBEAT: u8 = 0x80;

/// What the first message of a ws connection says about its dialect.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Sniff {
    /// The peer speaks the sized dialect.
    Sized,
    /// The peer speaks the bare dialect.
    Bare,
    /// An empty message: look at the next one.
    Unknown,
    /// Neither dialect; drop the message and look at the next one.
    Invalid,
}

impl Format {
    /// Decides the dialect by the first ws message; `knows` tells whether a route exists.
    ///
    /// Few messages can be read both ways. One is a bare packet of 255 bytes on route 1 with seq 0: its first four bytes
    /// are also the right size. Then the reading wins whose route exists, else the sized one. What looks
    /// like a sized heartbeat is one.
    pub fn sniff(&self, message: &[u8], knows: impl Fn(RouteId) -> bool) -> Sniff {
        let Some(first) = message.first() else {
            return Sniff::Unknown;
        };
        // Before the heartbeat's bit, which is also set in the first size byte of every other little-endian frame.
        match self.sized_reading(message) {
            Some(Reading::Heartbeat) => return Sniff::Sized,
            Some(Reading::Data(sized)) => {
                return match self.bare_route(message) {
                    Some(bare) if knows(bare) && !knows(sized) => Sniff::Bare,
                    _ => Sniff::Sized,
                };
            }
            None => {}
        }
        if first & HEARTBEAT != 0 || self.bare_route(message).is_some() { Sniff::Bare } else { Sniff::Invalid }
    }

    fn sized_reading(&self, message: &[u8]) -> Option<Reading> {
        let size = *message.first_chunk::<SIZE>()?;
        let unit = &message[SIZE..];
        let header = *unit.first()?;
        let wrong_order = self.order() == ByteOrder::Little && u32::from_be_bytes(size) as usize == unit.len();
        let heartbeat = header == HEARTBEAT && matches!(unit.len(), 1 | 9);
        if heartbeat && unit.len() == HEADER && wrong_order {
            return Some(Reading::Heartbeat);
        }
        if self.read_size(size) != unit.len() {
            return None;
        }
        if heartbeat {
            return Some(Reading::Heartbeat);
        }
        (header == 0 && unit.len() >= self.unit_head()).then(|| Reading::Data(self.route_of(unit)))
    }

    fn bare_route(&self, message: &[u8]) -> Option<RouteId> {
        (message.first() == Some(&0) && message.len() >= self.unit_head()).then(|| self.route_of(message))
    }

    /// The route of `header | route | seq | body`, which must be long enough.
    fn route_of(&self, unit: &[u8]) -> RouteId {
        RouteId(self.read_signed(&unit[HEADER..HEADER + self.route_bytes()]))
    }
}

enum Reading {
    Heartbeat,
    Data(RouteId),
}
