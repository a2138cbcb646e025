use std::time::Duration;

/// How a conversation is paced, on either side. The defaults are those of KCP and of due, which suit patience more than a
/// game: [`fast`](Self::fast) is what games use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Settings {
    pub(super) mtu: usize,
    pub(super) no_delay: bool,
    pub(super) interval: u32,
    pub(super) resend: u8,
    pub(super) congestion_control: bool,
    pub(super) ack_no_delay: bool,
    pub(super) write_delay: bool,
    pub(super) send_window: u16,
    pub(super) receive_window: u16,
    pub(super) receive_buffer: Option<usize>,
    pub(super) send_buffer: Option<usize>,
}

/// Go ends take and send no more, whatever they are set to.
const GO_MTU: usize = 1500;
const MTUS: std::ops::RangeInclusive<usize> = 128..=9000;
const WINDOWS: std::ops::RangeInclusive<u16> = 1..=4096;

impl Default for Settings {
    fn default() -> Self {
        Self {
            mtu: 1400,
            no_delay: false,
            interval: 100,
            resend: 0,
            congestion_control: true,
            ack_no_delay: false,
            write_delay: false,
            send_window: 32,
            receive_window: 32,
            receive_buffer: None,
            send_buffer: None,
        }
    }
}

impl Settings {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// For games: `no_delay`, an interval of 10 ms, resent after two later acknowledgements, no congestion control,
    /// acknowledgements at once, windows of 128. Costs bandwidth and, on a crowded line, the others' as well.
    pub fn fast() -> Self {
        Self::new()
            .no_delay(true)
            .interval(Duration::from_millis(10))
            .fast_resend(2)
            .congestion_control(false)
            .ack_no_delay(true)
            .windows(128, 128)
    }

    /// The longest datagram that is sent, in bytes without the heads of UDP and IP. Default: 1400; from 128 to 9000. Longer
    /// ones than this and than 1500 bytes are not read.
    pub fn mtu(mut self, bytes: usize) -> Self {
        self.mtu = bytes.clamp(*MTUS.start(), *MTUS.end());
        self
    }

    /// Resends earlier: after at least 30 ms instead of 100, and then half as long again instead of twice. Default: no.
    pub fn no_delay(mut self, no_delay: bool) -> Self {
        self.no_delay = no_delay;
        self
    }

    /// How long acknowledgements, and with [`write_delay`](Self::write_delay) everything, may wait to leave together; the
    /// least that a loss takes to be noticed. Default: 100 ms; from 10 ms to 5 s.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.as_millis().clamp(10, 5000) as u32;
        self
    }

    /// After how many acknowledgements of later segments one is taken for lost. Default: 0, never.
    pub fn fast_resend(mut self, acks: u8) -> Self {
        self.resend = acks;
        self
    }

    /// Whether losses make it send less. Default: yes.
    pub fn congestion_control(mut self, on: bool) -> Self {
        self.congestion_control = on;
        self
    }

    /// Acknowledges every datagram at once, not only when there is something to send, or after the interval. Default: no.
    pub fn ack_no_delay(mut self, no_delay: bool) -> Self {
        self.ack_no_delay = no_delay;
        self
    }

    /// What is written waits for the interval, and leaves together. Default: no.
    pub fn write_delay(mut self, delay: bool) -> Self {
        self.write_delay = delay;
        self
    }

    /// Segments of up to [`mtu`](Self::mtu) - 24 bytes that may be under way to the peer, and that are kept for a reader who
    /// is slower than the peer: this bounds the memory of a connection. Default: 32 and 32; from 1 to 4096.
    pub fn windows(mut self, send: u16, receive: u16) -> Self {
        self.send_window = send.clamp(*WINDOWS.start(), *WINDOWS.end());
        self.receive_window = receive.clamp(*WINDOWS.start(), *WINDOWS.end());
        self
    }

    /// Bytes that the system keeps of what has arrived at a socket (`SO_RCVBUF`); all clients of a listener share it, and
    /// what does not fit is lost and sent again. The system may grant less. Default: the system's.
    pub fn receive_buffer(mut self, bytes: usize) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Bytes that the system keeps of what a socket sends (`SO_SNDBUF`), likewise.
    pub fn send_buffer(mut self, bytes: usize) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// No longer datagram is looked at.
    pub(super) fn longest(&self) -> usize {
        self.mtu.max(GO_MTU)
    }

    pub(super) fn mss(&self) -> usize {
        self.mtu - super::wire::HEAD
    }
}
