use std::fmt;
use std::str::FromStr;

use crate::id::{RouteId, Seq};

const DEFAULT_BUFFER_BYTES: usize = 5000;
/// What a frame may always have after its size field unless told otherwise: Go peers accept any size, so leave room.
const MIN_DEFAULT_MAX_FRAME: usize = 64 * 1024;
/// The largest size that, with the size field itself, still fits 32 bits; Go peers wrap around above it.
const LARGEST_SIZE: usize = u32::MAX as usize - SIZE;

/// Bytes of the size field.
pub(super) const SIZE: usize = 4;
/// Bytes of the header field.
pub(super) const HEADER: usize = 1;

/// The settings that every gate, node and client of one cluster share.
///
/// `Default` is due's default: big-endian, 2-byte route, 2-byte seq, bodies up to 5000 bytes, no time in heartbeats
/// (milliseconds in the bare dialect).
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use]
pub struct Format {
    order: ByteOrder,
    route: RouteWidth,
    seq: SeqWidth,
    buffer_bytes: usize,
    max_frame: Option<usize>,
    heartbeat_time: HeartbeatTime,
    bare_heartbeat_time: HeartbeatTime,
}

impl Default for Format {
    fn default() -> Self {
        Self {
            order: ByteOrder::Big,
            route: RouteWidth::Two,
            seq: SeqWidth::Two,
            buffer_bytes: DEFAULT_BUFFER_BYTES,
            max_frame: None,
            heartbeat_time: HeartbeatTime::Off,
            bare_heartbeat_time: HeartbeatTime::Millis,
        }
    }
}

impl Format {
    /// The defaults of due.
    pub fn new() -> Self {
        Self::default()
    }

    /// Byte order of size, route, seq and heartbeat time. Default: big.
    pub fn byte_order(mut self, order: ByteOrder) -> Self {
        self.order = order;
        self
    }

    /// Bytes of the route field. Default: 2.
    pub fn route_width(mut self, width: RouteWidth) -> Self {
        self.route = width;
        self
    }

    /// Bytes of the seq field. Default: 2. Without seqs, clients match answers by route and order.
    pub fn seq_width(mut self, width: SeqWidth) -> Self {
        self.seq = width;
        self
    }

    /// Longest body that this side sends, in bytes. Default: 5000.
    pub fn buffer_bytes(mut self, bytes: usize) -> Self {
        self.buffer_bytes = bytes;
        self
    }

    /// Longest frame that this side accepts, in bytes after the size field. Default: 64 KiB, or what a body of
    /// [`buffer_bytes`](Self::buffer_bytes) needs if that is more.
    pub fn max_frame(mut self, bytes: usize) -> Self {
        self.max_frame = Some(bytes);
        self
    }

    /// The time in heartbeats of the sized dialect, in the format's byte order. Default: off. Go peers send and read
    /// nanoseconds.
    pub fn heartbeat_time(mut self, time: HeartbeatTime) -> Self {
        self.heartbeat_time = time;
        self
    }

    /// The time in heartbeats of the bare dialect, always big-endian. Default: milliseconds. Clients send none whatever
    /// this says.
    pub fn bare_heartbeat_time(mut self, time: HeartbeatTime) -> Self {
        self.bare_heartbeat_time = time;
        self
    }

    /// The byte order in use.
    pub fn order(&self) -> ByteOrder {
        self.order
    }

    /// Bytes of the route field in use.
    pub fn route_bytes(&self) -> usize {
        self.route as usize
    }

    /// Bytes of the seq field in use.
    pub fn seq_bytes(&self) -> usize {
        self.seq as usize
    }

    /// Longest body that can be sent, in bytes.
    pub fn max_body_bytes(&self) -> usize {
        self.buffer_bytes.min(LARGEST_SIZE - self.unit_head())
    }

    /// Longest frame that is accepted, in bytes after the size field.
    pub fn max_frame_bytes(&self) -> usize {
        self.max_frame
            .unwrap_or_else(|| MIN_DEFAULT_MAX_FRAME.max(self.unit_head().saturating_add(self.buffer_bytes)))
            .min(LARGEST_SIZE)
    }

    /// Bytes before the body: size, header, route and seq.
    pub fn header_len(&self) -> usize {
        SIZE + self.unit_head()
    }

    /// Whether `route` can be written.
    pub fn fits(&self, route: RouteId) -> bool {
        signed_fits(route.0, self.route as usize)
    }

    /// The largest seq that can be written; 0 where there is no seq field.
    pub fn max_seq(&self) -> Seq {
        Seq(match self.seq {
            SeqWidth::Zero => 0,
            SeqWidth::One => i8::MAX.into(),
            SeqWidth::Two => i16::MAX.into(),
            SeqWidth::Four => i32::MAX,
        })
    }

    pub(super) fn seq_fits(&self, seq: Seq) -> bool {
        self.seq == SeqWidth::Zero || signed_fits(seq.0, self.seq as usize)
    }

    pub(super) fn time_of_heartbeat(&self, dialect: super::Dialect) -> HeartbeatTime {
        match dialect {
            super::Dialect::Sized => self.heartbeat_time,
            super::Dialect::Bare => self.bare_heartbeat_time,
        }
    }

    /// Header, route and seq: what an empty packet has after its size field.
    pub(super) fn unit_head(&self) -> usize {
        HEADER + self.route as usize + self.seq as usize
    }
}

/// Whether `value` survives as a two's complement of `width` bytes.
fn signed_fits(value: i32, width: usize) -> bool {
    match width {
        1 => i8::try_from(value).is_ok(),
        2 => i16::try_from(value).is_ok(),
        _ => true,
    }
}

/// Order of the bytes of every number in a packet's head.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum ByteOrder {
    /// Network order, due's default.
    #[default]
    Big,
    /// Least significant byte first.
    Little,
}

/// Bytes of the route field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum RouteWidth {
    /// Routes up to 127.
    One = 1,
    /// Routes up to 32767.
    #[default]
    Two = 2,
    /// Every `i32`.
    Four = 4,
}

/// Bytes of the seq field.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SeqWidth {
    /// No seq on the wire.
    Zero = 0,
    /// Seqs up to 127.
    One = 1,
    /// Seqs up to 32767.
    #[default]
    Two = 2,
    /// Every `i32`.
    Four = 4,
}

/// What a heartbeat carries besides its header: nothing, or the sender's Unix time in 8 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum HeartbeatTime {
    /// No time.
    #[default]
    Off,
    /// Milliseconds since 1970.
    Millis,
    /// Nanoseconds since 1970.
    Nanos,
}

/// A packet setting has a value that does not exist.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("invalid {setting} {value:?}: must be one of {valid}")]
pub struct InvalidSetting {
    setting: &'static str,
    value: String,
    valid: &'static str,
}

impl InvalidSetting {
    fn new(setting: &'static str, value: impl ToString, valid: &'static str) -> Self {
        Self { setting, value: value.to_string(), valid }
    }
}

impl TryFrom<u8> for RouteWidth {
    type Error = InvalidSetting;

    fn try_from(bytes: u8) -> Result<Self, InvalidSetting> {
        match bytes {
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            4 => Ok(Self::Four),
            _ => Err(InvalidSetting::new("route width", bytes, "1, 2, 4")),
        }
    }
}

impl TryFrom<u8> for SeqWidth {
    type Error = InvalidSetting;

    fn try_from(bytes: u8) -> Result<Self, InvalidSetting> {
        match bytes {
            0 => Ok(Self::Zero),
            1 => Ok(Self::One),
            2 => Ok(Self::Two),
            4 => Ok(Self::Four),
            _ => Err(InvalidSetting::new("seq width", bytes, "0, 1, 2, 4")),
        }
    }
}

impl FromStr for ByteOrder {
    type Err = InvalidSetting;

    /// Reads `big` or `little` in any case.
    fn from_str(text: &str) -> Result<Self, InvalidSetting> {
        match text {
            _ if text.eq_ignore_ascii_case("big") => Ok(Self::Big),
            _ if text.eq_ignore_ascii_case("little") => Ok(Self::Little),
            _ => Err(InvalidSetting::new("byte order", text, "big, little")),
        }
    }
}

impl FromStr for HeartbeatTime {
    type Err = InvalidSetting;

    /// Reads `off`, `ms` or `ns`.
    fn from_str(text: &str) -> Result<Self, InvalidSetting> {
        match text {
            "off" => Ok(Self::Off),
            "ms" => Ok(Self::Millis),
            "ns" => Ok(Self::Nanos),
            _ => Err(InvalidSetting::new("heartbeat time", text, "off, ms, ns")),
        }
    }
}

impl fmt::Display for ByteOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Big => "big",
            Self::Little => "little",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_settings_name_the_valid_ones() {
        let errors = [
            RouteWidth::try_from(3).unwrap_err().to_string(),
            SeqWidth::try_from(8).unwrap_err().to_string(),
            "middle".parse::<ByteOrder>().unwrap_err().to_string(),
        ];
        assert_eq!(
            errors,
            [
                r#"invalid route width "3": must be one of 1, 2, 4"#,
                r#"invalid seq width "8": must be one of 0, 1, 2, 4"#,
                r#"invalid byte order "middle": must be one of big, little"#,
            ]
        );
        assert_eq!("LITTLE".parse(), Ok(ByteOrder::Little));
    }

    #[test]
    fn the_frame_limit_leaves_room_for_the_longest_body() {
        assert_eq!(Format::new().max_frame_bytes(), 65_536);
        assert_eq!(Format::new().buffer_bytes(100_000).max_frame_bytes(), 100_005);
        assert_eq!(Format::new().max_frame(10).max_frame_bytes(), 10);
    }

    #[test]
    fn no_setting_lets_sizes_wrap() {
        let format = Format::new().buffer_bytes(usize::MAX).max_frame(usize::MAX);
        assert_eq!(format.max_frame_bytes(), 0xffff_fffb);
        assert_eq!(format.max_body_bytes() + format.unit_head(), 0xffff_fffb);
    }
}
