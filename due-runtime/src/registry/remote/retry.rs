use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::Failure;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);
/// Within one call: the next attempt may well go to another member.
const LONGEST_IN_CALL: Duration = Duration::from_millis(200);

/// The time before the next attempt: doubled with each one, and cut by chance to between a half and all of it.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: FIRST, longest: LONGEST }
    }
}

impl Backoff {
    /// Never longer than this: somebody waits for it.
    pub(super) fn below(longest: Duration) -> Self {
        Self { longest: LONGEST.min(longest), ..Self::default() }
    }

    pub(super) fn pause(&mut self) -> Duration {
        let pause = jitter(self.next.min(self.longest));
        self.next = (self.next * 2).min(self.longest);
        pause
    }

    pub(super) fn reset(&mut self) {
        self.next = FIRST;
    }
}

/// Between a half and all of it.
pub(in crate::registry) fn jitter(longest: Duration) -> Duration {
    // A fresh hasher is as random as anything that needs no crate.
    let share = RandomState::new().hash_one(()) as u32;
    longest.mul_f64(0.5 + 0.5 * f64::from(share) / f64::from(u32::MAX))
}

/// Tries until it succeeds, is refused, or time is up. One of several servers may be away, or an only one restarts.
pub(in crate::registry) async fn until<T, F>(deadline: Instant, mut attempt: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut backoff = Backoff::below(LONGEST_IN_CALL);
    let mut last = None;
    loop {
        match timeout_at(deadline, attempt()).await {
            Ok(Err(Failure::Unreachable(cause))) => last = Some(cause),
            Ok(result) => return result,
            Err(elapsed) => return Err(Failure::Unreachable(last.unwrap_or_else(|| elapsed.into()))),
        }
        let pause = backoff.pause();
        match last {
            Some(cause) if Instant::now() + pause >= deadline => return Err(Failure::Unreachable(cause)),
            _ => sleep(pause).await,
        }
    }
}
