//! What one connection may send.

use std::time::Duration;

use tokio::time::Instant;

/// What one connection may send; everything unless something is said. Each limit is a bucket that holds `burst` and fills
/// at `per_second`: so much may come at once, and so much on average.
///
/// ```
/// # use due::{Excess, Gate, RateLimits};
/// let limits = RateLimits::new().messages(20, 60).bytes(64 << 10, 256 << 10).excess(Excess::Refuse);
/// let gate = Gate::builder().rate_limits(limits);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[must_use]
pub struct RateLimits {
    messages: Option<Rate>,
    bytes: Option<Rate>,
    excess: Excess,
}

/// What happens to a message beyond the [`RateLimits`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum Excess {
    /// It waits, and nothing more is read from its connection meanwhile: the client is slowed down, nothing is lost.
    #[default]
    Delay,
    /// It is answered with a [`Status`](crate::Status) of code [`TOO_MANY_REQUESTS`](crate::Code::TOO_MANY_REQUESTS) and
    /// counts no further. Heartbeats are then not answered.
    Refuse,
    /// Its connection is closed (1008 on ws).
    Disconnect,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Rate {
    per_second: u32,
    burst: u32,
}

impl RateLimits {
    /// No limit.
    pub const fn new() -> Self {
        Self { messages: None, bytes: None, excess: Excess::Delay }
    }

    /// Limits messages, malformed ones included. Heartbeats are none.
    pub const fn messages(mut self, per_second: u32, burst: u32) -> Self {
        self.messages = Some(Rate { per_second, burst });
        self
    }

    /// Limits bytes, those of heartbeats and of their frames included. A message larger than `burst` passes when the
    /// bucket is full.
    pub const fn bytes(mut self, per_second: u32, burst: u32) -> Self {
        self.bytes = Some(Rate { per_second, burst });
        self
    }

    /// What happens to messages beyond the limits. Default: [`Excess::Delay`].
    pub const fn excess(mut self, excess: Excess) -> Self {
        self.excess = excess;
        self
    }
}

/// Both buckets of one connection.
pub(super) struct Meter {
    limits: RateLimits,
    messages: Bucket,
    bytes: Bucket,
}

#[derive(PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    Pass,
    Wait(Duration),
    Refuse,
    Disconnect,
}

impl Meter {
    pub(super) fn new(limits: &RateLimits, now: Instant) -> Self {
        let full = Bucket { full_at: now };
        Self { limits: *limits, messages: full, bytes: full }
    }

    pub(super) fn judge(&mut self, now: Instant, bytes: usize, is_message: bool) -> Verdict {
        let (mut messages, mut all_bytes) = (self.messages, self.bytes);
        let mut wait = Duration::ZERO;
        if let Some(rate) = self.limits.messages.filter(|_| is_message) {
            wait = wait.max(messages.charge(rate, 1, now));
        }
        if let Some(rate) = self.limits.bytes {
            wait = wait.max(all_bytes.charge(rate, bytes, now));
        }
        match (wait.is_zero(), self.limits.excess) {
            (false, Excess::Refuse) => return Verdict::Refuse,
            (false, Excess::Disconnect) => return Verdict::Disconnect,
            _ => (self.messages, self.bytes) = (messages, all_bytes),
        }
        if wait.is_zero() { Verdict::Pass } else { Verdict::Wait(wait) }
    }
}

/// A bucket is known by the moment when it will be full again.
#[derive(Clone, Copy)]
struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// How long to wait until the bucket holds what was taken.
    fn charge(&mut self, rate: Rate, amount: usize, now: Instant) -> Duration {
        let was_full = self.full_at <= now;
        self.full_at = self.full_at.max(now) + rate.time_for(amount);
        if was_full {
            return Duration::ZERO;
        }
        (self.full_at - now).saturating_sub(rate.time_for(rate.burst as usize))
    }
}

impl Rate {
    /// How long it takes to fill in so much.
    fn time_for(self, amount: usize) -> Duration {
        Duration::from_nanos((amount as u64).saturating_mul(1_000_000_000) / u64::from(self.per_second.max(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_passes_and_then_the_rate_holds() {
        let now = Instant::now();
        let limits = RateLimits::new().messages(10, 3);
        let mut meter = Meter::new(&limits, now);
        for _ in 0..3 {
            assert_eq!(meter.judge(now, 100, true), Verdict::Pass);
        }
        assert_eq!(meter.judge(now, 100, false), Verdict::Pass, "a heartbeat");
        assert_eq!(meter.judge(now, 100, true), Verdict::Wait(SECOND / 10));
        assert_eq!(meter.judge(now, 100, true), Verdict::Wait(SECOND / 5));
        for _ in 0..3 {
            assert_eq!(meter.judge(now + SECOND, 100, true), Verdict::Pass);
        }
        assert_ne!(meter.judge(now + SECOND, 100, true), Verdict::Pass);
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let now = Instant::now();
        let limits = RateLimits::new().bytes(1000, 100).excess(Excess::Refuse);
        let mut meter = Meter::new(&limits, now);
        assert_eq!(meter.judge(now, 500, true), Verdict::Pass, "the bucket is full");
        for _ in 0..1000 {
            assert_eq!(meter.judge(now, 500, true), Verdict::Refuse);
        }
        assert_eq!(meter.judge(now + SECOND / 2, 500, true), Verdict::Pass);
        meter.limits = limits.excess(Excess::Disconnect);
        assert_eq!(meter.judge(now + SECOND / 2, 1, false), Verdict::Disconnect);
    }

    #[test]
    fn no_number_overflows() {
        let now = Instant::now();
        let limits = RateLimits::new().messages(0, 0).bytes(0, u32::MAX);
        let mut meter = Meter::new(&limits, now);
        for _ in 0..100 {
            meter.judge(now, 1 << 30, true);
        }
        assert!(matches!(meter.judge(now, 1, true), Verdict::Wait(_)));
    }
}
