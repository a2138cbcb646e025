//! What frames between servers say, by their opcodes.

use super::link::Op;
use super::read::{part, text, unsigned};
use super::{Context, Cursor, Direction, Fault, Frame};

/// How a process of Rust greets one that it shares a secret with, in a handshake of the kind 0.
const SECRET: &[u8] = b"due-secret/1";
const NONCE: usize = 32;
const PROOF: usize = 32;

/// The fields behind the seq.
pub(super) struct Fields<'c, 'b> {
    pub(super) context: &'c Context<'c>,
    pub(super) cursor: Cursor<'b>,
    pub(super) frame: &'c mut Frame,
}

impl<'b> Fields<'_, 'b> {
    pub(super) fn request(&mut self, op: Op) -> Result<(), Fault> {
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

    pub(super) fn response(&mut self, op: Op) -> Result<(), Fault> {
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
