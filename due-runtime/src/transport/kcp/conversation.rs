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
/// Segments that the machine takes at a time, less than its own limit of 127.
const AT_A_TIME: usize = 64;

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
    /// Time or numbers are used up.
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
        // The first flush opens the congestion window, and sends nothing.
        conversation.run(0, &mut |_| {}, Kcp::flush);
        conversation
    }

    /// Takes a datagram.
    pub(super) fn input(&mut self, now: u32, segments: &mut Segments<'_>, send: &mut impl FnMut(&[u8])) {
        self.unacknowledged += segments.admit(now, self.taken..self.window_end());
        let many = self.settings.mtu / HEAD;
        let (at_once, unacknowledged) = (self.settings.ack_no_delay, self.unacknowledged);
        let mut acknowledged = false;
        self.run(now, send, |machine| {
            let unsent = machine.wait_snd();
            machine.input(segments.bytes())?;
            let room = machine.wait_snd() < unsent;
            acknowledged = room || unacknowledged > 0 && (at_once || unacknowledged >= many);
            // Its `flush_ack` leaves them in a buffer until there is something else to send.
            if acknowledged { machine.flush() } else { Ok(()) }
        });
        if acknowledged {
            self.unacknowledged = 0;
        }
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
            let ask = wire::ask(self.machine.conv(), self.machine.rmt_wnd());
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
        self.over |= now >= wire::END || self.taken >= wire::END;
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
        });
    }
}
