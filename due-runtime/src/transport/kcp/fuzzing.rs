//! What holds whatever datagrams a peer sends, for the fuzzer and for tests.

use std::time::Duration;

use tokio::io::ReadBuf;

use super::conversation::Conversation;
use super::settings::Settings;
use super::wire::{self, Datagram};

const CONV: u32 = 7;
/// Numbers at which something may turn over.
const EDGES: [u32; 8] = [1 << 16, 600_001, 1 << 30, wire::END - 1, wire::END, i32::MAX as u32, 1 << 31, u32::MAX];

/// Takes the bytes for what a peer, a reader, a writer and the clock do: `settings | step | step | ...`.
///
/// # Panics
/// When a claim does not hold.
pub fn claims(script: &[u8]) {
    let [settings, script @ ..] = script else { return };
    let settings = match settings & 3 {
        0 => Settings::default(),
        1 => Settings::fast(),
        2 => Settings::fast().mtu(128).windows(1, 1).interval(Duration::from_secs(5)),
        _ => Settings::default().write_delay(true).no_delay(true).fast_resend(1),
    };
    let mut script = Script(script);
    let mut side = Side::new(settings);
    while let Some(step) = script.byte() {
        match step % 8 {
            0 => {
                let len = script.byte().unwrap_or_default().into();
                let mut datagram = script.bytes(len).to_vec();
                side.receive(&mut datagram);
            }
            1 | 2 => {
                let mut datagram = Vec::new();
                for _ in 0..=step >> 5 {
                    script.segment(&mut datagram, step % 8 == 2);
                }
                side.receive(&mut datagram);
            }
            3 => side.write(script.byte().unwrap_or_default().into()),
            4 => side.read(),
            5 => side.wait(script.byte().unwrap_or_default().into()),
            6 => side.wait(u32::from(script.byte().unwrap_or_default()) << 20),
            _ => side.flush(),
        }
        if side.conversation.owes_acks() {
            side.flush();
        }
        side.check();
    }
}

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> Option<u8> {
        self.bytes(1).first().copied()
    }

    fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// A segment that is well-formed, from a byte per field.
    fn segment(&mut self, datagram: &mut Vec<u8>, at_an_edge: bool) {
        let [cmd, wnd, ts, sn, una, len] = std::array::from_fn(|_| self.byte().unwrap_or_default());
        let wide = |byte: u8| match at_an_edge && byte & 8 != 0 {
            true => EDGES[usize::from(byte & 7)],
            false => byte.into(),
        };
        let len = len & 63;
        datagram.extend(CONV.to_le_bytes());
        datagram.extend([81 + (cmd & 3), cmd >> 2, wnd, 0]);
        for number in [wide(ts), wide(sn), wide(una), len.into()] {
            datagram.extend(number.to_le_bytes());
        }
        datagram.resize(datagram.len() + usize::from(len), ts);
    }
}

struct Side {
    conversation: Conversation,
    settings: Settings,
    now: u32,
}

impl Side {
    fn new(settings: Settings) -> Self {
        Self { conversation: Conversation::new(CONV, settings.clone()), settings, now: 0 }
    }

    fn receive(&mut self, datagram: &mut [u8]) {
        match wire::parse(datagram) {
            Some(Datagram::Segments(mut segments)) if segments.conv == CONV => {
                self.conversation.input(self.now, &mut segments, &mut plain(&self.settings));
            }
            _ => {}
        }
    }

    fn write(&mut self, len: usize) {
        assert!(self.conversation.write(&vec![1; len]) <= len);
        if self.conversation.is_impatient() {
            self.flush();
        }
    }

    fn read(&mut self) {
        let mut buf = vec![0; 1 << 14];
        let mut buf = ReadBuf::new(&mut buf);
        self.conversation.read(self.now, &mut buf, &mut plain(&self.settings));
        assert!(buf.filled().len() <= usize::from(self.settings.receive_window) * self.settings.longest());
    }

    fn wait(&mut self, time: u32) {
        self.now = self.now.saturating_add(time).min(wire::END);
        self.flush();
    }

    fn flush(&mut self) {
        self.conversation.flush(self.now, &mut plain(&self.settings));
    }

    fn check(&self) {
        assert!(self.conversation.unsent() <= self.settings.send_window.into());
        if let Some(due) = self.conversation.due(self.now) {
            assert!(due > self.now && due <= self.now + self.settings.interval);
        }
    }
}

/// What is sent is what any KCP peer takes.
fn plain(settings: &Settings) -> impl FnMut(&[u8]) {
    |datagram| {
        assert!(datagram.len() <= settings.mtu, "{} bytes", datagram.len());
        let mut copy = datagram.to_vec();
        let parsed = wire::parse(&mut copy);
        assert!(matches!(&parsed, Some(Datagram::Segments(segments)) if segments.conv == CONV), "{parsed:?}");
        assert!(datagram[6] as u16 + ((datagram[7] as u16) << 8) <= settings.receive_window);
        assert_eq!(copy, datagram, "no fragments");
    }
}
