//! Frames between gates, nodes and meshes: drpc, always big-endian.

use super::read::{count, part, text, unsigned};
use super::{Context, Cursor, Direction, Fault, Frame};

const HEARTBEAT: u8 = 0x80;
const DISCONNECT: u8 = 0x40;
/// The longest frame that somebody might have sent; beyond it the size is no size.
const LONGEST: u64 = 64 << 20;
/// How a process of Rust greets one that it shares a secret with, in a handshake of the kind 0.
const SECRET: &[u8] = b"due-secret/1";
const NONCE: usize = 32;
const PROOF: usize = 32;

/// What a frame is about: the opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
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

struct Fields<'c, 'b> {
    context: &'c Context<'c>,
    cursor: Cursor<'b>,
    frame: &'c mut Frame,
}

impl<'b> Fields<'_, 'b> {
    fn request(&mut self, op: Op) -> Result<(), Fault> {
        match op {
            Op::Handshake => self.handshake(),
            Op::Bind => {
                self.number("cid")?;
                self.number("uid")
            }
            Op::Unbind => self.number("uid"),
            Op::GetIp | Op::IsOnline => self.target(),
            Op::Stat => self.kind().map(|_| ()),
            Op::Disconnect => {
                self.target()?;
                self.flag("force")
            }
            Op::Push => {
                self.target()?;
                self.packet(None)
            }
            Op::Multicast => {
                self.targets()?;
                self.packet(None)
            }
            Op::Broadcast => {
                self.kind()?;
                self.packet(None)
            }
            Op::Publish => {
                let length = self.word(1, "channel length", |length| length.to_string())?;
                self.text(usize::try_from(length).unwrap_or(usize::MAX), "channel")?;
                self.packet(None)
            }
            Op::Subscribe | Op::Unsubscribe => {
                self.targets()?;
                self.text(self.cursor.left(), "channel")
            }
            Op::Trigger => {
                self.word(1, "event", |event| known(event, &[(1, "connect"), (2, "reconnect"), (3, "disconnect")]))?;
                self.number("cid")?;
                if self.cursor.left() > 0 { self.number("uid") } else { Ok(()) }
            }
            Op::Deliver => {
                self.number("cid")?;
                self.number("uid")?;
                self.packet(Some(Direction::Request))
            }
            Op::GetState => Ok(()),
            Op::SetState => self.state(),
        }
    }

    fn response(&mut self, op: Op) -> Result<(), Fault> {
        self.word(2, "code", |code| {
            known(code, &[(0, "ok"), (1, "session not found"), (2, "internal error"), (3, "internal error")])
        })?;
        match op {
            Op::IsOnline => self.flag("online"),
            Op::GetState => self.state(),
            Op::GetIp if self.cursor.left() > 0 => self
                .word(4, "ip", |ip| std::net::Ipv4Addr::from(u32::try_from(ip).unwrap_or_default()).to_string())
                .map(|_| ()),
            Op::Stat | Op::Multicast | Op::Broadcast | Op::Publish if self.cursor.left() > 0 => {
                self.word(8, "total", |total| total.to_string()).map(|_| ())
            }
            _ => Ok(()),
        }
    }

    /// `| kind: 1 | id |`, or what processes with a secret say.
    fn handshake(&mut self) -> Result<(), Fault> {
        if self.cursor.left() == PROOF {
            return self.bytes(PROOF, "proof", "that the secret is known");
        }
        let secret = self.cursor.peek().get(1..).is_some_and(|rest| rest.starts_with(SECRET));
        if secret && self.cursor.peek().first() == Some(&0) {
            self.word(1, "kind", |_| "none: a secret is to be proven".to_owned())?;
            self.text(SECRET.len(), "tag")?;
            self.bytes(NONCE, "nonce", "")?;
        }
        self.word(1, "kind", |kind| known(kind, &[(1, "gate"), (2, "node"), (3, "mesh"), (4, "master")]))?;
        self.text(self.cursor.left(), "id")
    }

    fn word(&mut self, length: usize, name: &str, say: impl Fn(u64) -> String) -> Result<u64, Fault> {
        let at = self.cursor.at();
        let bytes = self.cursor.take(length, &format!("the {name}"))?;
        let number = unsigned(bytes, true);
        self.frame.parts.push(part(at, bytes, name, say(number)));
        Ok(number)
    }

    fn number(&mut self, name: &str) -> Result<(), Fault> {
        self.word(8, name, |number| (number as i64).to_string()).map(|_| ())
    }

    fn flag(&mut self, name: &str) -> Result<(), Fault> {
        self.word(1, name, |byte| (byte == 1).to_string()).map(|_| ())
    }

    fn state(&mut self) -> Result<(), Fault> {
        self.word(1, "state", |state| known(state, &[(0, "shut"), (1, "work"), (2, "busy"), (3, "hang")])).map(|_| ())
    }

    fn kind(&mut self) -> Result<u64, Fault> {
        self.word(1, "kind", |kind| known(kind, &[(1, "connection"), (2, "user")]))
    }

    fn target(&mut self) -> Result<(), Fault> {
        let kind = self.kind()?;
        self.number(if kind == 2 { "uid" } else { "cid" })
    }

    fn targets(&mut self) -> Result<(), Fault> {
        let name = if self.kind()? == 2 { "uid" } else { "cid" };
        let many = self.word(2, "count", |count| count.to_string())?;
        for _ in 0..many {
            self.number(name)?;
        }
        Ok(())
    }

    fn text(&mut self, length: usize, name: &str) -> Result<(), Fault> {
        let at = self.cursor.at();
        let bytes = self.cursor.take(length, &format!("the {name}"))?;
        self.frame.parts.push(part(at, bytes, name, text(bytes)));
        match std::str::from_utf8(bytes) {
            Ok(_) => Ok(()),
            Err(err) => Err(Fault::new(at + err.valid_up_to(), format!("the {name} is no UTF-8"))),
        }
    }

    fn bytes(&mut self, length: usize, name: &str, said: &str) -> Result<(), Fault> {
        let at = self.cursor.at();
        let bytes = self.cursor.take(length, &format!("the {name}"))?;
        self.frame.parts.push(part(at, bytes, name, said));
        Ok(())
    }

    /// The whole packet of a client, as it is.
    fn packet(&mut self, direction: Option<Direction>) -> Result<(), Fault> {
        if self.cursor.left() == 0 {
            return Err(Fault::new(self.cursor.at(), "the packet is missing"));
        }
        let downstream = direction.unwrap_or(Direction::Response);
        let context = Context { downstream: Some(downstream), ..self.context.clone() };
        let packet = context.sized(&mut self.cursor);
        self.frame.packet = Some(Box::new(packet));
        Ok(())
    }
}

fn known(number: u64, names: &[(u64, &str)]) -> String {
    match names.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => format!("{number}, {name}"),
        None => format!("{number}, unknown"),
    }
}
