//! Bytes to frames and back.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::format::{HEADER, SIZE};
use super::{ByteOrder, DecodeError, Dialect, EncodeError, Format, Frame, HeartbeatTime, Packet};
use crate::id::{RouteId, Seq};

const HEARTBEAT: u8 = 0x80;
/// due-client-ts writes the size of its heartbeats big-endian, whatever order it is told to use.
const BIG_ENDIAN_HEARTBEAT: [u8; SIZE] = [0, 0, 0, 1];
/// First reservation for a frame that is still coming; later ones double what has really arrived, so that a peer that
/// announces much and sends nothing costs little.
const RESERVE_STEP: usize = 4096;

impl Format {
    /// A buffer whose head is reserved for size, header, route and seq: append the body, then [`seal`](Self::seal).
    /// A packet costs one allocation if `body_capacity` is not exceeded.
    pub fn begin(&self, body_capacity: usize) -> BytesMut {
        let mut buf = BytesMut::with_capacity(self.header_len() + body_capacity);
        buf.put_bytes(0, self.header_len());
        buf
    }

    /// Fills the head of a buffer from [`begin`](Self::begin); returns a frame of the sized dialect.
    ///
    /// # Errors
    /// Route, seq and length are checked in this order.
    pub fn seal(&self, mut buf: BytesMut, route: RouteId, seq: Seq) -> Result<Bytes, EncodeError> {
        self.fill_head(&mut buf, route, seq)?;
        Ok(buf.freeze())
    }

    /// [`seal`](Self::seal) in place.
    pub(crate) fn fill_head(&self, packet: &mut [u8], route: RouteId, seq: Seq) -> Result<(), EncodeError> {
        let size = packet.len().saturating_sub(SIZE) as u32;
        let (head, body) = packet.split_at_mut_checked(self.header_len()).ok_or(EncodeError::NoHead)?;
        self.check(route, seq, body.len())?;
        let (size_field, head) = head.split_at_mut(SIZE);
        size_field.copy_from_slice(&match self.order() {
            ByteOrder::Big => size.to_be_bytes(),
            ByteOrder::Little => size.to_le_bytes(),
        });
        head[0] = 0;
        let (route_field, seq_field) = head[HEADER..].split_at_mut(self.route_bytes());
        self.write_signed(route.0, route_field);
        self.write_signed(seq.0, seq_field);
        Ok(())
    }

    fn check(&self, route: RouteId, seq: Seq, body: usize) -> Result<(), EncodeError> {
        if !self.fits(route) {
            return Err(EncodeError::RouteOverflow { route, width: self.route_bytes() });
        }
        if !self.seq_fits(seq) {
            return Err(EncodeError::SeqOverflow { seq, width: self.seq_bytes() });
        }
        let limit = self.max_body_bytes();
        if body > limit {
            return Err(EncodeError::TooLarge { size: body, limit });
        }
        Ok(())
    }

    /// A frame of the sized dialect around `body`, which is copied once.
    ///
    /// # Errors
    /// As [`seal`](Self::seal).
    pub fn encode(&self, route: RouteId, seq: Seq, body: &[u8]) -> Result<Bytes, EncodeError> {
        self.check(route, seq, body.len())?;
        let mut buf = self.begin(body.len());
        buf.extend_from_slice(body);
        self.seal(buf, route, seq)
    }

    /// Appends what [`parse`](Self::parse) has read, in the sized dialect. A body of any length: it was accepted once.
    pub(crate) fn put_sized(&self, packet: &Packet, buf: &mut Vec<u8>) {
        let size = self.unit_head() + packet.body.len();
        buf.reserve(SIZE + size);
        match self.order() {
            ByteOrder::Big => buf.put_u32(size as u32),
            ByteOrder::Little => buf.put_u32_le(size as u32),
        }
        buf.put_u8(0);
        let mut field = [0; 4];
        for (value, width) in [(packet.route.0, self.route_bytes()), (packet.seq.0, self.seq_bytes())] {
            self.write_signed(value, &mut field[..width]);
            buf.put_slice(&field[..width]);
        }
        buf.put_slice(&packet.body);
    }

    /// A sized frame as it goes out in `dialect`: itself, or without its size. Nothing is copied.
    pub fn in_dialect(&self, dialect: Dialect, mut sized: Bytes) -> Bytes {
        if dialect == Dialect::Bare {
            sized.advance(SIZE.min(sized.len()));
        }
        sized
    }

    /// A heartbeat with the time that `dialect` carries. Like every packet it has a size, which
    /// [`in_dialect`](Self::in_dialect) and the transports take off.
    pub fn heartbeat(&self, dialect: Dialect, unix_nanos: i64) -> Bytes {
        let time = match self.time_of_heartbeat(dialect) {
            HeartbeatTime::Off => {
                return Bytes::from_static(match self.order() {
                    ByteOrder::Big => &[0, 0, 0, 1, HEARTBEAT],
                    ByteOrder::Little => &[1, 0, 0, 0, HEARTBEAT],
                });
            }
            HeartbeatTime::Millis => unix_nanos.div_euclid(1_000_000),
            HeartbeatTime::Nanos => unix_nanos,
        };
        let size = HEADER + size_of::<i64>();
        let mut buf = BytesMut::with_capacity(SIZE + size);
        match self.order() {
            ByteOrder::Big => buf.put_u32(size as u32),
            ByteOrder::Little => buf.put_u32_le(size as u32),
        }
        buf.put_u8(HEARTBEAT);
        match (dialect, self.order()) {
            (Dialect::Sized, ByteOrder::Little) => buf.put_i64_le(time),
            _ => buf.put_i64(time),
        }
        buf.freeze()
    }

    /// Reads `header | route | seq | body`: what follows a size field, or a whole bare message. Empty is a keep-alive.
    ///
    /// # Errors
    /// Fatal ones end the connection, others drop the packet: [`DecodeError::is_fatal`].
    pub fn parse(&self, mut unit: Bytes) -> Result<Frame, DecodeError> {
        let len = unit.len();
        if len > self.max_frame_bytes() {
            return Err(DecodeError::TooLarge { size: len, limit: self.max_frame_bytes() });
        }
        let Some(header) = unit.first() else {
            return Ok(Frame::KeepAlive);
        };
        if header & HEARTBEAT != 0 {
            return Ok(Frame::Heartbeat);
        }
        if len < self.unit_head() {
            return Err(DecodeError::Short { len, needed: self.unit_head() });
        }
        let seq_at = HEADER + self.route_bytes();
        let route = RouteId(self.read_signed(&unit[HEADER..seq_at]));
        let seq = Seq(self.read_signed(&unit[seq_at..self.unit_head()]));
        unit.advance(self.unit_head());
        Ok(Frame::Packet(Packet { route, seq, body: unit }))
    }

    /// Route and seq of a sized packet that this process or another server wrote; `None` for anything else.
    pub(crate) fn peek(&self, packet: &[u8]) -> Option<(RouteId, Seq)> {
        let route_at = SIZE + HEADER;
        let seq_at = route_at + self.route_bytes();
        let fields = packet.get(..SIZE + self.unit_head()).filter(|head| head[SIZE] & HEARTBEAT == 0)?;
        Some((RouteId(self.read_signed(&fields[route_at..seq_at])), Seq(self.read_signed(&fields[seq_at..]))))
    }

    /// Route, seq and body of a sized packet that another server has sent; `None` for anything else.
    pub(crate) fn dissect<'a>(&self, packet: &'a [u8]) -> Option<(RouteId, Seq, &'a [u8])> {
        let (route, seq) = self.peek(self.first(packet).filter(|first| first.len() == packet.len())?)?;
        Some((route, seq, &packet[self.header_len()..]))
    }

    /// Reads a whole sized frame that has a length of its own, as a ws message has; its size field must agree.
    ///
    /// Five bytes with a heartbeat's header are a heartbeat whatever their size field says, because due-client-ts
    /// writes it in the wrong byte order.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_sized(&self, mut frame: Bytes) -> Result<Frame, DecodeError> {
        if frame.is_empty() {
            return Ok(Frame::KeepAlive);
        }
        let (Some(&size), Some(header)) = (frame.first_chunk(), frame.get(SIZE)) else {
            return Err(DecodeError::Short { len: frame.len(), needed: SIZE + HEADER });
        };
        let len = frame.len() - SIZE;
        if len == HEADER && header & HEARTBEAT != 0 {
            return Ok(Frame::Heartbeat);
        }
        let size = self.read_size(size);
        if size != len {
            return Err(DecodeError::SizeMismatch { size, len });
        }
        frame.advance(SIZE);
        self.parse(frame)
    }

    /// Whether a peer may wait for this packet (sized form): it is no heartbeat, and its seq is not 0. Without a seq field
    /// nobody can tell.
    pub(crate) fn is_awaited(&self, packet: &[u8]) -> bool {
        let seq_at = SIZE + HEADER + self.route_bytes();
        let is_data = packet.get(SIZE).is_some_and(|header| header & HEARTBEAT == 0);
        let seq = packet.get(seq_at..SIZE + self.unit_head());
        is_data && seq.is_none_or(|seq| seq.is_empty() || seq.iter().any(|byte| *byte != 0))
    }

    /// Takes one frame off a byte stream and returns what follows its size field, for [`parse`](Self::parse);
    /// empty is a keep-alive. `None` asks for more bytes.
    ///
    /// # Errors
    /// [`DecodeError::TooLarge`], before anything is reserved; the stream is of no use afterwards.
    pub fn split(&self, buf: &mut BytesMut) -> Result<Option<Bytes>, DecodeError> {
        let Some(size) = self.announced(buf)? else {
            return Ok(None);
        };
        if let Some(missing @ 1..) = (SIZE + size).checked_sub(buf.len()) {
            // Whoever reads has room for a short rest anyway.
            if missing > RESERVE_STEP {
                buf.reserve(missing.min(RESERVE_STEP.max(buf.len())));
            }
            return Ok(None);
        }
        buf.advance(SIZE);
        Ok(Some(buf.split_to(size).freeze()))
    }

    /// The first frame of a byte stream with its size, if all of it is there; whatever is wrong is left to
    /// [`split`](Self::split).
    pub(crate) fn first<'a>(&self, buf: &'a [u8]) -> Option<&'a [u8]> {
        let size = self.announced(buf).ok()??;
        buf.get(..SIZE + size)
    }

    /// The size of the first frame of a byte stream, if that much is there.
    fn announced(&self, buf: &[u8]) -> Result<Option<usize>, DecodeError> {
        let Some(&head) = buf.first_chunk() else {
            return Ok(None);
        };
        let mut size = self.read_size(head);
        if head == BIG_ENDIAN_HEARTBEAT && self.order() == ByteOrder::Little {
            match buf.get(SIZE) {
                Some(&HEARTBEAT) => size = HEADER,
                Some(_) => {}
                None => return Ok(None),
            }
        }
        let limit = self.max_frame_bytes();
        match size > limit {
            true => Err(DecodeError::TooLarge { size, limit }),
            false => Ok(Some(size)),
        }
    }

    pub(super) fn read_size(&self, bytes: [u8; SIZE]) -> usize {
        (match self.order() {
            ByteOrder::Big => u32::from_be_bytes(bytes),
            ByteOrder::Little => u32::from_le_bytes(bytes),
        }) as usize
    }

    /// Reads a two's complement of 0 to 4 bytes.
    pub(super) fn read_signed(&self, bytes: &[u8]) -> i32 {
        let sign = |most: Option<&u8>| if most.is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
        let push = |value: i32, byte: &u8| value << 8 | i32::from(*byte);
        match (self.order(), bytes) {
            // What due has by default.
            (ByteOrder::Big, &[most, least]) => i16::from_be_bytes([most, least]).into(),
            (ByteOrder::Big, bytes) => bytes.iter().fold(sign(bytes.first()), push),
            (ByteOrder::Little, bytes) => bytes.iter().rev().fold(sign(bytes.last()), push),
        }
    }

    fn write_signed(&self, value: i32, to: &mut [u8]) {
        match (self.order(), to) {
            // What due has by default.
            (ByteOrder::Big, [most, least]) => [*most, *least] = (value as i16).to_be_bytes(),
            (ByteOrder::Big, to) => to.copy_from_slice(&value.to_be_bytes()[size_of::<i32>() - to.len()..]),
            (ByteOrder::Little, to) => to.copy_from_slice(&value.to_le_bytes()[..to.len()]),
        }
    }
}
