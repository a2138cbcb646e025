//! Packets between clients and gates.

use super::read::{count, part, signed, unsigned};
use super::reserved::RESERVED;
use super::time::utc;
use super::{Context, Cursor, Dialect, Fault, Frame};

const HEARTBEAT: u8 = 0x80;
const SIZE: usize = 4;
/// A heartbeat with a time: 8 bytes behind the header.
const TIME: usize = 8;

impl Context<'_> {
    /// `| size: 4 | header: 1 | route | seq | body |`, or a heartbeat: `| size: 4 | header: 1 | time: 8, or nothing |`.
    pub(super) fn sized(&self, cursor: &mut Cursor<'_>) -> Frame {
        let mut frame = Frame::new(cursor.at());
        frame.fault = self.read_sized(cursor, &mut frame).err();
        frame.length = cursor.at() - frame.offset;
        frame
    }

    fn read_sized(&self, cursor: &mut Cursor<'_>, frame: &mut Frame) -> Result<(), Fault> {
        let big = self.options.packet.big_endian;
        frame.what = "client packet".to_owned();
        let at = cursor.at();
        let bytes = cursor.take(SIZE, "the size")?;
        let mut size = usize::try_from(unsigned(bytes, big)).unwrap_or(usize::MAX);
        if !big && bytes == [0, 0, 0, 1] && cursor.peek().first() == Some(&HEARTBEAT) {
            frame.notes.push("its size is big-endian, as due-client-ts writes that of heartbeats".to_owned());
            size = 1;
        }
        frame.parts.push(part(at, bytes, "size", format!("{} follow", count(size))));
        if size == 0 {
            frame.what = "keep-alive".to_owned();
            return Ok(());
        }
        if size > cursor.left() {
            let other = signed(bytes, !big);
            let swapped = usize::try_from(other).is_ok_and(|other| other > 0 && other <= cursor.left());
            let hint = match (swapped, big) {
                (true, true) => "; with --byte-order little it would fit",
                (true, false) => "; with --byte-order big it would fit",
                (false, _) => "",
            };
            let message = format!("the size is {}, {} follow{hint}", count(size), cursor.left());
            let fault = Fault::new(at, message);
            // What is there of it is worth a look all the same; that it is cut off says more than what is wrong in it.
            let _ = self.packet(cursor, frame, Dialect::Sized);
            cursor.rest();
            return Err(fault);
        }
        let mut inside = cursor.within(size);
        cursor.skip(size);
        self.packet(&mut inside, frame, Dialect::Sized)
    }

    /// `| header: 1 | route | seq | body |`, or a heartbeat: `| header: 1 | time: 8, or nothing |`.
    pub(super) fn bare(&self, cursor: &mut Cursor<'_>) -> Frame {
        let mut frame = Frame::new(cursor.at());
        frame.what = "client packet".to_owned();
        frame.fault = self.packet(cursor, &mut frame, Dialect::Bare).err();
        cursor.rest();
        frame.length = cursor.at() - frame.offset;
        frame
    }

    fn packet(&self, cursor: &mut Cursor<'_>, frame: &mut Frame, dialect: Dialect) -> Result<(), Fault> {
        let packet = &self.options.packet;
        let at = cursor.at();
        let header = cursor.take(1, "the header")?;
        let flags = header[0];
        let is_heartbeat = flags & HEARTBEAT != 0;
        frame.parts.push(part(at, header, "header", if is_heartbeat { "heartbeat" } else { "data" }));
        if flags & !HEARTBEAT != 0 {
            frame.notes.push("its header has bits that due sends as 0 and ignores".to_owned());
        }
        if is_heartbeat {
            frame.what = "heartbeat".to_owned();
            self.heartbeat(cursor, frame, dialect);
            return Ok(());
        }
        let at = cursor.at();
        let bytes = cursor.take(usize::from(packet.route_bytes), "the route")?;
        // Four bytes at most.
        let route = i32::try_from(signed(bytes, packet.big_endian)).unwrap_or_default();
        frame.route = Some(route);
        let info = self.routes.get(&route);
        frame.what = match (info, route) {
            (Some(info), _) => info.name.clone(),
            (None, RESERVED) => "due.Status".to_owned(),
            (None, _) => format!("route {route}"),
        };
        let named = match (info, route) {
            (Some(info), _) => format!("{route}, {} {}", info.kind.word(), info.name),
            (None, RESERVED) => format!("{route}, due's own: a request has failed, or the session is told something"),
            (None, _) if self.pool.is_some() => format!("{route}, which the schema does not have"),
            (None, _) => route.to_string(),
        };
        frame.parts.push(part(at, bytes, "route", named));
        if packet.seq_bytes > 0 {
            let at = cursor.at();
            let bytes = cursor.take(usize::from(packet.seq_bytes), "the seq")?;
            let seq = signed(bytes, packet.big_endian);
            frame.seq = u64::try_from(seq).ok();
            let said =
                if seq == 0 { "0: no answer is expected, or it answers nobody".to_owned() } else { seq.to_string() };
            frame.parts.push(part(at, bytes, "seq", said));
        }
        self.body(cursor, frame, route)
    }

    fn heartbeat(&self, cursor: &mut Cursor<'_>, frame: &mut Frame, dialect: Dialect) {
        let at = cursor.at();
        let bytes = cursor.rest();
        match (bytes.len(), dialect) {
            (0, _) => {}
            (TIME, Dialect::Bare) => {
                let time = signed(bytes, true);
                frame.parts.push(part(at, bytes, "time", format!("{time} ms, {}", utc(time, 1000))));
            }
            (TIME, Dialect::Sized) => {
                let time = signed(bytes, self.options.packet.big_endian);
                // 1970 has ended in nanoseconds, and the year 5138 has not come in milliseconds.
                let (unit, per_second) =
                    if time.unsigned_abs() < 100_000_000_000_000 { ("ms", 1000) } else { ("ns", 1_000_000_000) };
                frame.parts.push(part(at, bytes, "time", format!("{time} {unit}, {}", utc(time, per_second))));
            }
            (length, _) => {
                frame.parts.push(part(at, bytes, "rest", "ignored"));
                frame.notes.push(format!("{} behind the header are no time and are ignored", count(length)));
            }
        }
    }
}
