//! What is in a datagram. Everything a peer can send is checked here before the protocol machine sees it.

/// Conversation, command, fragment, window, time, number, next number expected, length; all little-endian.
pub(super) const HEAD: usize = 24;
/// Sequence id, type and size, before the segments of a datagram with forward error correction.
const FEC_HEAD: usize = 8;
const FEC_DATA: u16 = 0x00f1;
const FEC_PARITY: u16 = 0x00f2;

const PUSH: u8 = 81;
const ACK: u8 = 82;
pub(super) const ASK: u8 = 83;
pub(super) const TELL: u8 = 84;

/// No number on the wire and no time of ours reaches this: the protocol machine subtracts them as signed numbers, which must
/// not overflow. What is left above is more than the longest pause between two resends. 2.6 TB of 1,400-byte datagrams, or
/// 21 days.
pub(super) const END: u32 = i32::MAX as u32 - (1 << 28);
/// An acknowledgement of something that was sent longer ago says nothing about the way.
const OLDEST_ACK: u32 = 600_000;

/// A datagram that can be what it seems to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Datagram<'a> {
    Segments(Segments<'a>),
    Greeting(Greeting, u32),
}

/// What only our own ends say. Eight bytes: the conversation, `due` and a letter. KCP drops whatever is shorter than a
/// segment, so that others do not notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Greeting {
    /// A client begins.
    Hello,
    /// The gate has let it in.
    Welcome,
    /// There is no such conversation (any more).
    Bye,
}

impl Greeting {
    pub(super) fn datagram(self, conv: u32) -> [u8; 8] {
        let [a, b, c, d] = conv.to_le_bytes();
        let letter = match self {
            Self::Hello => b'h',
            Self::Welcome => b'w',
            Self::Bye => b'b',
        };
        [a, b, c, d, b'd', b'u', b'e', letter]
    }

    fn parse(datagram: &[u8; 8]) -> Option<(Self, u32)> {
        let [a, b, c, d, b'd', b'u', b'e', letter] = *datagram else { return None };
        let greeting = match letter {
            b'h' => Self::Hello,
            b'w' => Self::Welcome,
            b'b' => Self::Bye,
            _ => return None,
        };
        Some((greeting, u32::from_le_bytes([a, b, c, d])))
    }
}

/// One or more segments of one conversation, each whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Segments<'a> {
    pub(super) conv: u32,
    /// It may be the first of its conversation: the bytes with number 0 lead.
    pub(super) opens: bool,
    /// It speaks of what it has received from this side.
    pub(super) answers: bool,
    bytes: &'a mut [u8],
}

/// `None`: nothing to care about. That is noise as well as the parity of Go clients; what is lost, they send again.
pub(super) fn parse(datagram: &mut [u8]) -> Option<Datagram<'_>> {
    if let Ok(greeting) = <&[u8; 8]>::try_from(&*datagram) {
        return Greeting::parse(greeting).map(|(greeting, conv)| Datagram::Greeting(greeting, conv));
    }
    let bytes = match u16::from_le_bytes(datagram.get(4..6)?.try_into().ok()?) {
        FEC_DATA => datagram.get_mut(FEC_HEAD..)?,
        FEC_PARITY => return None,
        _ => datagram,
    };
    let mut first = None;
    let mut answers = false;
    let mut whole = 0;
    for mut segment in heads(bytes) {
        let conv = segment.conv();
        let (first_conv, _) = *first.get_or_insert((conv, segment.cmd() == PUSH && segment.sn() == 0));
        let possible = conv == first_conv
            && matches!(segment.cmd(), PUSH | ACK | ASK | TELL)
            && segment.is_whole()
            && segment.sn() < END
            && segment.una() < END;
        if !possible {
            return None;
        }
        // A stream has no messages. The machine would wait for fragments that never come.
        segment.set_frg(0);
        answers |= segment.una() > 0 || segment.cmd() == ACK;
        whole += HEAD + segment.len();
    }
    let (conv, opens) = first?;
    Some(Datagram::Segments(Segments { conv, opens, answers, bytes: &mut bytes[..whole] }))
}

impl<'a> Segments<'a> {
    /// Makes harmless what this side cannot have asked for: acknowledgements of the future or of ages ago, and numbers
    /// outside of `window`, the half-open range that is waited for. Returns how many have to be acknowledged.
    pub(super) fn admit(&mut self, now: u32, window: std::ops::Range<u32>) -> usize {
        let mut pushes = 0;
        for mut segment in heads(self.bytes) {
            match segment.cmd() {
                PUSH if segment.sn() >= window.end => segment.set_cmd(TELL),
                PUSH => pushes += 1,
                ACK if segment.ts() > now || segment.ts() < now.saturating_sub(OLDEST_ACK) => segment.set_cmd(TELL),
                _ => {}
            }
        }
        pushes
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes
    }
}

/// A segment of a peer who tells his window, or asks for the one of this side as well.
pub(super) fn window(cmd: u8, conv: u32, wnd: u16) -> [u8; HEAD] {
    let mut segment = [0; HEAD];
    segment[..4].copy_from_slice(&conv.to_le_bytes());
    segment[4] = cmd;
    segment[6..8].copy_from_slice(&wnd.to_le_bytes());
    segment
}

/// Writes the window up to number `end` into a datagram of ours. Returns what was told, and the highest number in it.
pub(super) fn tell_window(datagram: &mut [u8], end: u32) -> (u16, u32) {
    let (mut told, mut highest) = (0, 0);
    for mut segment in heads(datagram) {
        told = end.saturating_sub(segment.una()).min(u16::MAX.into()) as u16;
        segment.set_wnd(told);
        if segment.cmd() == PUSH {
            highest = highest.max(segment.sn());
        }
    }
    (told, highest)
}

/// The heads, and what is left behind each.
fn heads(bytes: &mut [u8]) -> impl Iterator<Item = Head<'_>> {
    let mut rest = Some(bytes);
    std::iter::from_fn(move || {
        let (head, behind) = rest.take()?.split_first_chunk_mut()?;
        let len = len_of(head);
        let left = behind.len();
        rest = behind.get_mut(len..);
        Some(Head { head, left })
    })
}

fn len_of(head: &[u8; HEAD]) -> usize {
    number(head, 20) as usize
}

fn number(head: &[u8; HEAD], at: usize) -> u32 {
    u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]])
}

struct Head<'a> {
    head: &'a mut [u8; HEAD],
    left: usize,
}

impl Head<'_> {
    fn conv(&self) -> u32 {
        number(self.head, 0)
    }

    fn cmd(&self) -> u8 {
        self.head[4]
    }

    fn ts(&self) -> u32 {
        number(self.head, 8)
    }

    fn sn(&self) -> u32 {
        number(self.head, 12)
    }

    fn una(&self) -> u32 {
        number(self.head, 16)
    }

    fn len(&self) -> usize {
        len_of(self.head)
    }

    fn is_whole(&self) -> bool {
        self.len() <= self.left
    }

    fn set_cmd(&mut self, cmd: u8) {
        self.head[4] = cmd;
    }

    fn set_frg(&mut self, frg: u8) {
        self.head[5] = frg;
    }

    fn set_wnd(&mut self, wnd: u16) {
        self.head[6..8].copy_from_slice(&wnd.to_le_bytes());
    }
}
