//! Frames between gates, nodes and meshes: drpc, always big-endian.

use super::payload::Fields;
use super::read::{count, part, unsigned};
use super::{Context, Cursor, Direction, Fault, Frame};

const HEARTBEAT: u8 = 0x80;
const DISCONNECT: u8 = 0x40;
/// The longest frame that somebody might have sent; beyond it the size is no size.
const LONGEST: u64 = 64 << 20;

/// What a frame is about: the opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Handshake = 1,
    Bind,
    Unbind,
    GetIp,
    Stat,
    IsOnline,
    Disconnect,
    Push,
    Multicast,
    Broadcast,
    Publish,
    Subscribe,
    Unsubscribe,
    Trigger,
    Deliver,
    GetState,
    SetState,
}

/// By their numbers, from 1.
const OPS: &[(Op, &str)] = &[
    (Op::Handshake, "Handshake"),
    (Op::Bind, "Bind"),
    (Op::Unbind, "Unbind"),
    (Op::GetIp, "GetIP"),
    (Op::Stat, "Stat"),
    (Op::IsOnline, "IsOnline"),
    (Op::Disconnect, "Disconnect"),
    (Op::Push, "Push"),
    (Op::Multicast, "Multicast"),
    (Op::Broadcast, "Broadcast"),
    (Op::Publish, "Publish"),
    (Op::Subscribe, "Subscribe"),
    (Op::Unsubscribe, "Unsubscribe"),
    (Op::Trigger, "Trigger"),
    (Op::Deliver, "Deliver"),
    (Op::GetState, "GetState"),
    (Op::SetState, "SetState"),
];

impl Context<'_> {
    /// `| size: 4 | header: 1 | opcode: 1 | seq: 8 | payload |`, or a heartbeat: `| size: 4 | header: 1 |`.
    pub(super) fn link(&self, cursor: &mut Cursor<'_>) -> Frame {
        let mut frame = Frame::new(cursor.at());
        frame.what = "frame of the link".to_owned();
        frame.fault = self.read_link(cursor, &mut frame).err();
        frame.length = cursor.at() - frame.offset;
        frame
    }

    fn read_link(&self, cursor: &mut Cursor<'_>, frame: &mut Frame) -> Result<(), Fault> {
        let at = cursor.at();
        let bytes = cursor.take(4, "the size")?;
        let size = unsigned(bytes, true);
        frame.parts.push(part(
            at,
            bytes,
            "size",
            format!("{} follow", count(usize::try_from(size).unwrap_or(usize::MAX))),
        ));
        if size == 0 || size > LONGEST {
            cursor.rest();
            return Err(Fault::new(
                at,
                format!("the size is {size}: no frame of the link is so {}", if size == 0 { "short" } else { "long" }),
            ));
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let short = shortened(size, cursor.peek());
        let cut = short.is_none() && size > cursor.left();
        let mut inside = cursor.within(short.unwrap_or(size));
        let left = cursor.left();
        cursor.skip(short.unwrap_or(size));
        if let Some(short) = short {
            let missing = count(size - short);
            frame.notes.push(format!("the size counts {missing} of a total that due v2.5.8 does not send here"));
        }
        let read = self.frame(&mut inside, frame);
        if cut {
            return Err(Fault::new(at, format!("the size is {}, {left} follow", count(size))));
        }
        read
    }

    fn frame(&self, cursor: &mut Cursor<'_>, frame: &mut Frame) -> Result<(), Fault> {
        let at = cursor.at();
        let header = cursor.take(1, "the header")?;
        let flags = header[0];
        if flags & HEARTBEAT != 0 {
            frame.parts.push(part(at, header, "header", "heartbeat"));
            frame.what = "heartbeat of the link".to_owned();
            return self.nothing_left(cursor, frame);
        }
        let said = if flags & DISCONNECT != 0 { "data; disconnect after the push" } else { "data" };
        frame.parts.push(part(at, header, "header", said));
        if flags & !DISCONNECT != 0 {
            frame.notes.push("its header has bits that nobody knows".to_owned());
        }
        let at = cursor.at();
        let opcode = cursor.take(1, "the opcode")?;
        let number = opcode[0];
        let known = usize::from(number).checked_sub(1).and_then(|index| OPS.get(index));
        let Some((op, name)) = known.copied() else {
            frame.parts.push(part(at, opcode, "opcode", format!("{number}, unknown")));
            return Err(Fault::new(at, format!("opcode {number} is none of the link's (1 to {})", OPS.len())));
        };
        frame.parts.push(part(at, opcode, "opcode", format!("{number}, {name}")));
        frame.what = name.to_owned();
        let at = cursor.at();
        let bytes = cursor.take(8, "the seq")?;
        let seq = unsigned(bytes, true);
        frame.seq = Some(seq);
        let said = if seq == 0 { "0: no answer is expected".to_owned() } else { seq.to_string() };
        frame.parts.push(part(at, bytes, "seq", said));
        let response = match self.options.direction {
            Some(Direction::Request) => false,
            Some(Direction::Response) => true,
            // Packets in frames may be pushes; the frames are requests all the same.
            Some(Direction::Push) | None => is_response(op, cursor.peek()),
        };
        frame.what = format!("{name} {}", if response { "response" } else { "request" });
        let mut fields = Fields { context: self, cursor: cursor.clone(), frame };
        let read = if response { fields.response(op) } else { fields.request(op) };
        *cursor = fields.cursor;
        read?;
        self.nothing_left(cursor, frame)
    }

    fn nothing_left(&self, cursor: &mut Cursor<'_>, frame: &mut Frame) -> Result<(), Fault> {
        let (at, rest) = (cursor.at(), cursor.rest());
        if rest.is_empty() {
            return Ok(());
        }
        frame.parts.push(part(at, rest, "rest", "unknown"));
        Err(Fault::new(at, format!("{} too many for a {}", count(rest.len()), frame.what)))
    }
}

/// Requests begin with a kind, an event or a name's length, which are not 0; responses with a code below 256.
fn is_response(op: Op, payload: &[u8]) -> bool {
    match op {
        Op::Bind | Op::Unbind | Op::Deliver => payload.len() == 2,
        Op::GetState | Op::SetState => payload.len() >= 2,
        Op::Handshake => payload.len() == 2 && payload[0] == 0,
        _ => payload.first() == Some(&0),
    }
}

/// What due v2.5.8 sends of the response to a Publish with the total 0: the size says 20 all the same. With a total, the
/// next four bytes are 0, which no frame begins with.
fn shortened(size: usize, rest: &[u8]) -> Option<usize> {
    const CLAIMED: usize = 20;
    const SENT: usize = 12;
    let publish = size == CLAIMED && rest.get(1) == Some(&(Op::Publish as u8));
    let code = rest.get(SENT - 2..SENT)?;
    let ends = match rest.get(SENT..SENT + 4) {
        Some(next) => next != [0; 4],
        None => rest.len() == SENT,
    };
    (publish && (code != [0; 2] || ends)).then_some(SENT)
}
