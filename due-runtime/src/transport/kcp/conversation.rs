//! The protocol machine of the crate `kcp`, without sockets and clocks, and the rules that keep it within bounds.
//!
//! The machine trusts its peer. What it must not see is taken out by [`Segments::admit`] and `wire::parse`: numbers whose
//! difference overflows, fragments without an end, acknowledgements of the future. What grows is bounded here:
//!
//! | | by |
//! |---|---|
//! | acknowledgements to be sent | a datagram full of them leaves at once |
//! | received and not read | the window: the machine's own is never less than 128 and counts twice |
//! | to be sent | the send window; the writer waits |
//! | times that one segment is sent, and so the pauses between | 12 or 20; then the peer counts as dead |

use std::cell::RefCell;
use std::io;

use kcp::{Kcp, KcpResult};
use tokio::io::ReadBuf;

use super::settings::Settings;
use super::wire::{self, HEAD, Segments};

/// The least receive window of the machine.
const MACHINE_WINDOW: u16 = 128;
/// The receive window of most peers.
const PEER_WINDOW: u16 = 32;
/// Segments that the machine takes at a time, less than its own limit of 127.
const AT_A_TIME: usize = 64;

/// Bytes of the queue that a thread keeps for the next time.
const KEPT: usize = 256 * 1024;
/// How often one segment is sent before the peer counts as dead. The pause doubles each time, and with `no_delay` grows by
/// half: minutes in either case, if the way takes milliseconds.
const RESENT: u32 = 12;
const RESENT_SOON: u32 = 20;

/// One conversation with one peer. Times are milliseconds since it began, [`wire::END`] at most.
///
/// What it has to send goes to the last argument of each method, datagram by datagram.
pub(super) struct Conversation {
    machine: Kcp<Outgoing>,
    settings: Settings,
    /// Segments that the reader has taken.
    taken: u32,
    /// The window that the peer was told last.
    told: u16,
    /// Segments that are not acknowledged yet.
    unacknowledged: usize,
    /// Time, numbers or patience are used up.
    over: bool,
}

impl Conversation {
    pub(super) fn new(conv: u32, settings: Settings) -> Self {
        let mut machine = Kcp::new_stream(conv, Outgoing);
        machine.set_mtu(settings.mtu).expect("settings allow no mtu that is too small");
        let (interval, resend) = (settings.interval as i32, settings.resend.into());
        machine.set_nodelay(settings.no_delay, interval, resend, !settings.congestion_control);
        machine.set_wndsize(settings.send_window, settings.receive_window.max(MACHINE_WINDOW));
        machine.set_maximum_resend_times(if settings.no_delay { RESENT_SOON } else { RESENT });
        let told = settings.receive_window;
        let mut conversation = Self { machine, settings, taken: 0, told, unacknowledged: 0, over: false };
        // The machine takes the peer's window for 128 until it is told, and what does not fit is resent ever more slowly.
        let told = wire::window(wire::TELL, conv, PEER_WINDOW);
        conversation.run(0, &mut |_| {}, |machine| {
            machine.input(&told)?;
            // The first flush opens the congestion window, and sends nothing.
            machine.flush()
        });
        conversation
    }

    /// Takes a datagram. If it [is owed](Self::owes_acks) an acknowledgement afterwards, a flush should follow soon.
    pub(super) fn input(&mut self, now: u32, segments: &mut Segments<'_>, send: &mut impl FnMut(&[u8])) {
        self.unacknowledged += segments.admit(now, self.taken..self.window_end());
        let many = self.settings.mtu / HEAD;
        let too_many = self.unacknowledged >= many;
        let mut acknowledged = false;
        self.run(now, send, |machine| {
            let unsent = machine.wait_snd();
            machine.input(segments.bytes())?;
            let room = machine.wait_snd() < unsent;
            acknowledged = room || too_many;
            // Its `flush_ack` leaves them in a buffer until there is something else to send.
            if acknowledged { machine.flush() } else { Ok(()) }
        });
        if acknowledged {
            self.unacknowledged = 0;
        }
    }

    /// Whether acknowledgements wait that should not wait for the interval.
    pub(super) fn owes_acks(&self) -> bool {
        self.settings.ack_no_delay && self.unacknowledged > 0
    }

    /// Takes what fits of what is to be sent; 0 says that the window is full. Nothing is sent before [`flush`](Self::flush).
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let room = usize::from(self.settings.send_window).saturating_sub(self.unsent()).min(AT_A_TIME);
        let len = bytes.len().min(room * self.settings.mss());
        match self.machine.send(&bytes[..len]) {
            Ok(_) => len,
            Err(_) => 0,
        }
    }

    /// Sends what the windows allow.
    pub(super) fn flush(&mut self, now: u32, send: &mut impl FnMut(&[u8])) {
        self.run(now, send, Kcp::flush);
        self.unacknowledged = 0;
    }

    /// What is written should not wait for the interval.
    pub(super) fn is_impatient(&self) -> bool {
        !self.settings.write_delay || self.unsent() >= usize::from(self.settings.send_window)
    }

    /// Moves whole segments to the reader, as many as there are and as fit.
    pub(super) fn read(&mut self, now: u32, to: &mut ReadBuf<'_>, send: &mut impl FnMut(&[u8])) {
        let taken = self.taken;
        while let Ok(len) = self.machine.peeksize()
            && len <= to.remaining()
        {
            if self.machine.recv(to.initialize_unfilled_to(len)).is_err() {
                break;
            }
            to.advance(len);
            self.taken += 1;
        }
        if self.told == 0 && self.taken > taken {
            // The peer waits, and would ask only after seconds.
            let ask = wire::window(wire::ASK, self.machine.conv(), self.machine.rmt_wnd());
            self.run(now, send, |machine| {
                machine.input(&ask)?;
                machine.flush()
            });
            self.unacknowledged = 0;
        }
    }

    /// Whether [`read`](Self::read) has something to give.
    pub(super) fn is_readable(&self) -> bool {
        self.machine.peeksize().is_ok()
    }

    /// Segments that the peer has not acknowledged.
    pub(super) fn unsent(&self) -> usize {
        self.machine.wait_snd()
    }

    /// When to call [`flush`](Self::flush) next; `None`: not before something happens.
    pub(super) fn due(&self, now: u32) -> Option<u32> {
        let idle = self.unsent() == 0 && self.unacknowledged == 0;
        (!idle).then(|| now + self.machine.check(now).clamp(1, self.settings.interval))
    }

    /// The peer takes nothing any more, or there are no numbers left.
    pub(super) fn is_over(&self) -> bool {
        self.over || self.machine.is_dead_link()
    }

    fn window_end(&self) -> u32 {
        self.taken + u32::from(self.settings.receive_window)
    }

    /// Sets the machine's clock, works with it, and hands over what it wants to send.
    fn run(&mut self, now: u32, send: &mut impl FnMut(&[u8]), work: impl FnOnce(&mut Kcp<Outgoing>) -> KcpResult<()>) {
        self.over |= now >= wire::END || self.taken >= wire::END || self.machine.is_dead_link();
        if self.over {
            return;
        }
        Queue::clear();
        let machine = &mut self.machine;
        // What was checked is not refused; the only other error is that of `Outgoing`, which has none.
        if let Err(error) = machine.update(now).and_then(|()| work(machine)) {
            tracing::debug!(%error, "a datagram was refused");
        }
        let end = self.window_end();
        Queue::drain(|datagram| {
            let (told, highest) = wire::tell_window(datagram, end);
            self.told = told;
            self.over |= highest >= wire::END;
            send(datagram);
        });
    }
}

/// Where the machine writes to. It has one per conversation, so it holds nothing: what it gets is in the [`Queue`].
struct Outgoing;

impl io::Write for Outgoing {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        QUEUE.with_borrow_mut(|queue| {
            queue.bytes.extend_from_slice(datagram);
            queue.lens.push(datagram.len());
        });
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

thread_local!(static QUEUE: RefCell<Queue> = const { RefCell::new(Queue { bytes: Vec::new(), lens: Vec::new() }) });

/// What the machine has written since it was called.
struct Queue {
    bytes: Vec<u8>,
    lens: Vec<usize>,
}

impl Queue {
    fn clear() {
        QUEUE.with_borrow_mut(|queue| {
            queue.bytes.clear();
            queue.lens.clear();
        });
    }

    fn drain(mut datagram: impl FnMut(&mut [u8])) {
        QUEUE.with_borrow_mut(|queue| {
            let mut bytes = &mut queue.bytes[..];
            for len in queue.lens.drain(..) {
                let (first, rest) = bytes.split_at_mut(len);
                bytes = rest;
                datagram(first);
            }
            queue.bytes.clear();
            queue.bytes.shrink_to(KEPT);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Datagram;
    use super::*;

    /// Two ends, a line between them, and a clock.
    struct Pair {
        ends: [Conversation; 2],
        /// When which end receives what.
        line: Vec<(u32, usize, Vec<u8>)>,
        now: u32,
        /// xorshift64
        dice: u64,
        lost: u64,
        sent: usize,
    }

    impl Pair {
        fn new(settings: &Settings, lost: u64, seed: u64) -> Self {
            let ends = [(); 2].map(|()| Conversation::new(9, settings.clone()));
            Self { ends, line: Vec::new(), now: 0, dice: seed * 2 + 1, lost, sent: 0 }
        }

        fn roll(&mut self, bound: u64) -> u64 {
            self.dice ^= self.dice << 13;
            self.dice ^= self.dice >> 7;
            self.dice ^= self.dice << 17;
            (self.dice >> 16) % bound
        }

        /// Sends what an end wants to: lost, doubled, or 5 to 60 ms on the way.
        fn act(&mut self, end: usize, act: impl FnOnce(&mut Conversation, u32, &mut dyn FnMut(&[u8]))) {
            let mut sent = Vec::new();
            act(&mut self.ends[end], self.now, &mut |datagram| sent.push(datagram.to_vec()));
            for datagram in sent {
                self.sent += 1;
                for _ in 0..=u64::from(self.roll(100) < self.lost) {
                    if self.roll(100) >= self.lost {
                        let at = self.now + 5 + self.roll(55) as u32;
                        self.line.push((at, 1 - end, datagram.clone()));
                    }
                }
            }
        }

        /// A millisecond.
        fn step(&mut self) {
            self.now += 1;
            let now = self.now;
            let (due, later) = std::mem::take(&mut self.line).into_iter().partition(|(at, ..)| *at <= now);
            self.line = later;
            let due: Vec<_> = due;
            for (_, end, mut datagram) in due {
                let Some(Datagram::Segments(mut segments)) = wire::parse(&mut datagram) else { panic!("our own") };
                self.act(end, |end, now, mut send| end.input(now, &mut segments, &mut send));
                if self.ends[end].owes_acks() {
                    self.act(end, |end, now, mut send| end.flush(now, &mut send));
                }
            }
            for end in 0..2 {
                // As the timer does, which is not set while nothing is under way.
                if self.ends[end].due(now - 1).is_some_and(|due| due <= now) {
                    self.act(end, |end, now, mut send| end.flush(now, &mut send));
                }
                assert!(!self.ends[end].is_over());
            }
        }

        fn write(&mut self, end: usize, bytes: &[u8]) -> usize {
            let written = self.ends[end].write(bytes);
            self.act(end, |end, now, mut send| end.flush(now, &mut send));
            written
        }

        fn read(&mut self, end: usize) -> Vec<u8> {
            let mut buf = vec![0; 1 << 16];
            let mut buf = ReadBuf::new(&mut buf);
            self.act(end, |end, now, mut send| end.read(now, &mut buf, &mut send));
            buf.filled().to_vec()
        }
    }

    fn stream(len: usize) -> Vec<u8> {
        (0..len).map(|at| (at ^ (at >> 8)) as u8).collect()
    }

    #[test]
    fn whatever_the_line_does_both_streams_are_what_was_written() {
        let small = Settings::fast().mtu(128).windows(4, 4);
        for (settings, len) in [(Settings::default(), 50_000), (Settings::fast(), 300_000), (small, 20_000)] {
            for (lost, seed) in [(0, 1), (10, 2), (40, 3)] {
                let mut pair = Pair::new(&settings, lost, seed);
                let all = stream(len);
                let (mut written, mut read) = ([0; 2], [Vec::new(), Vec::new()]);
                while read.iter().any(|read| read.len() < len) {
                    for end in 0..2 {
                        let to = len.min(written[end] + 3000);
                        written[end] += pair.write(end, &all[written[end]..to]);
                        let part = pair.read(1 - end);
                        read[1 - end].extend(part);
                    }
                    pair.step();
                    assert!(pair.now < 3_600_000, "{read:?} after an hour", read = read.map(|read| read.len()));
                }
                assert!(read.iter().all(|read| *read == all));
            }
        }
    }

    #[test]
    fn a_reader_who_stops_fills_his_window_and_no_more_and_goes_on_at_once() {
        let settings = Settings::fast().windows(64, 32);
        let mut pair = Pair::new(&settings, 0, 1);
        let all = stream(64 * settings.mss());
        let mut written = 0;
        for _ in 0..2000 {
            written += pair.write(0, &all[written..]);
            pair.step();
        }
        assert_eq!(written, all.len(), "what the window does not take waits here");
        assert_eq!(pair.ends[0].unsent(), 64 - 32);
        let mut read = pair.read(1);
        assert_eq!(read.len(), 32 * settings.mss());
        let begun = pair.now;
        while read.len() < all.len() {
            pair.step();
            read.extend(pair.read(1));
        }
        assert!(read == all);
        assert!(pair.now - begun < 1000, "{} ms; asking alone would take 7 s", pair.now - begun);
    }

    #[test]
    fn nothing_is_sent_and_no_timer_runs_while_there_is_nothing_to_say() {
        let mut pair = Pair::new(&Settings::default(), 0, 1);
        pair.write(0, b"hello");
        for _ in 0..1000 {
            pair.step();
        }
        assert_eq!(pair.read(1), b"hello");
        let sent = pair.sent;
        assert_eq!(sent, 2, "the bytes and that they came");
        for _ in 0..100_000 {
            pair.step();
        }
        assert_eq!(pair.sent, sent);
        assert!(pair.ends.iter().all(|end| end.due(pair.now).is_none()));
        // Nor is a conversation that was idle for long slower.
        pair.write(1, b"and back");
        assert_eq!(pair.sent, sent + 1);
    }

    #[test]
    fn a_peer_who_acknowledges_nothing_is_dead_after_a_while() {
        for settings in [Settings::default(), Settings::fast()] {
            let mut end = Conversation::new(1, settings);
            end.write(b"hello?");
            let (mut now, mut sent) = (0, 0);
            end.flush(now, &mut |_| sent += 1);
            while !end.is_over() {
                now = end.due(now).expect("it tries again");
                end.flush(now, &mut |_| sent += 1);
            }
            assert!(sent <= 20 && (60_000..3_600_000).contains(&now), "{sent} times in {now} ms");
        }
    }

    #[test]
    fn a_conversation_ends_before_its_clock_turns_over() {
        let mut end = Conversation::new(1, Settings::default());
        end.write(b"x");
        end.flush(wire::END - 1, &mut |_| {});
        assert!(!end.is_over());
        end.flush(wire::END, &mut |_| panic!("nothing is sent any more"));
        assert!(end.is_over());
    }
}
