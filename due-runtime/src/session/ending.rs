//! How a session ends, step by step, and who is told.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU8, Ordering::SeqCst};
use std::sync::{Mutex, OnceLock};
use std::task::{Poll, Waker};

use crate::transport::CloseReason;

/// Steps that were taken; none is ever taken back.
const READS_NOTHING: u8 = 1;
const LEAVES_WHEN_ANSWERED: u8 = 2;
const CUT: u8 = 4;

/// All waiting is done by the one task of the session, so one waker serves it.
#[derive(Default)]
pub(super) struct Ending {
    steps: AtomicU8,
    reason: OnceLock<CloseReason>,
    waker: Mutex<Option<Waker>>,
}

impl Ending {
    /// The first reason counts.
    pub(super) fn because(&self, reason: CloseReason) {
        // A later reason follows from the first.
        let _ = self.reason.set(reason);
    }

    pub(super) fn reason(&self) -> Option<CloseReason> {
        self.reason.get().copied()
    }

    pub(super) fn stop_reading(&self) {
        self.take_step(READS_NOTHING);
    }

    pub(super) fn cut(&self) {
        self.take_step(READS_NOTHING | CUT);
    }

    pub(super) fn reads_nothing(&self) -> bool {
        self.has(READS_NOTHING)
    }

    pub(super) fn until_reads_nothing(&self) -> impl Future<Output = ()> {
        self.until(READS_NOTHING)
    }

    pub(super) fn until_cut(&self) -> impl Future<Output = ()> {
        self.until(CUT)
    }

    pub(super) fn leave_when_answered(&self) {
        self.take_step(READS_NOTHING | LEAVES_WHEN_ANSWERED);
    }

    pub(super) fn leaves_when_answered(&self) -> bool {
        self.has(LEAVES_WHEN_ANSWERED)
    }

    fn has(&self, step: u8) -> bool {
        self.steps.load(SeqCst) & step != 0
    }

    fn take_step(&self, steps: u8) {
        if self.steps.fetch_or(steps, SeqCst) & steps != steps {
            self.wake();
        }
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// No `async fn`: every session holds several of these all the time, and layers cost memory.
    fn until(&self, step: u8) -> impl Future<Output = ()> {
        poll_fn(move |cx| {
            if self.has(step) {
                return Poll::Ready(());
            }
            self.waker.lock().unwrap().get_or_insert_with(|| cx.waker().clone()).clone_from(cx.waker());
            // A step between the two looks has found the waker before.
            if self.has(step) { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::Context;

    use super::*;

    #[test]
    fn a_cut_ends_reading_too_and_the_first_reason_counts() {
        let ending = Ending::default();
        let mut context = Context::from_waker(Waker::noop());
        assert!(pin!(ending.until_cut()).poll(&mut context).is_pending());
        ending.stop_reading();
        assert!(pin!(ending.until_cut()).poll(&mut context).is_pending());
        assert!(pin!(ending.until_reads_nothing()).poll(&mut context).is_ready());
        ending.because(CloseReason::Policy);
        ending.because(CloseReason::Normal);
        ending.cut();
        assert!(pin!(ending.until_cut()).poll(&mut context).is_ready());
        assert_eq!(ending.reason(), Some(CloseReason::Policy));
    }
}
