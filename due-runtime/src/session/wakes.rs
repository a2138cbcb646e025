//! When sessions that have something to write are woken.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use tokio::task::yield_now;

/// Half of what one thread of tokio has room for in its own queue.
const TURN: usize = 128;

/// Sessions that have something to write once all that comes at once is queued. A writer that was woken for the first packet
/// would begin on another thread, and write it alone.
#[derive(Default, Debug)]
pub(crate) struct Wakes(Vec<Waker>);

/// Wakes the many sessions of a broadcast a few at a time. Thousands that were woken at once would keep everything else from
/// their threads until all have written: the next broadcast as well, which could leave in the same writes.
#[derive(Clone, Default, Debug)]
pub(crate) struct WakeQueue(Arc<Mutex<Waiting>>);

#[derive(Default, Debug)]
struct Waiting {
    wakers: VecDeque<Waker>,
    /// Somebody wakes them.
    is_seen_to: bool,
}

impl Wakes {
    pub(crate) fn add(&mut self, waker: Option<Waker>) {
        self.0.extend(waker);
    }

    pub(crate) fn wake_all(&mut self) {
        self.0.drain(..).for_each(Waker::wake);
    }
}

impl Drop for Wakes {
    /// Nobody waits for ever, whoever gives up in between.
    fn drop(&mut self) {
        self.wake_all();
    }
}

impl WakeQueue {
    pub(crate) fn wake(&self, mut wakes: Wakes) {
        let mut waiting = self.0.lock().unwrap();
        if waiting.wakers.is_empty() && wakes.0.len() <= TURN {
            drop(waiting);
            return wakes.wake_all();
        }
        waiting.wakers.extend(wakes.0.drain(..));
        if !std::mem::replace(&mut waiting.is_seen_to, true) {
            tokio::spawn(self.clone().run());
        }
    }

    async fn run(self) {
        while let Some(turn) = self.next_turn() {
            turn.into_iter().for_each(Waker::wake);
            // All that is ready to run comes first, and what the sockets have to say.
            yield_now().await;
        }
    }

    fn next_turn(&self) -> Option<Vec<Waker>> {
        let mut waiting = self.0.lock().unwrap();
        let count = waiting.wakers.len().min(TURN);
        waiting.is_seen_to = count > 0;
        // Nothing is kept of a crowd that has gone.
        match count == waiting.wakers.len() {
            true => Some(std::mem::take(&mut waiting.wakers).into()).filter(|_| count > 0),
            false => Some(waiting.wakers.drain(..count).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[tokio::test]
    async fn a_crowd_is_woken_in_turns_and_everybody_once() {
        let (queue, woken) = (WakeQueue::default(), Arc::new(Count::default()));
        let so_far = || woken.0.load(Ordering::Relaxed);
        let wake = |count| {
            let mut wakes = Wakes::default();
            (0..count).for_each(|_| wakes.add(Some(Arc::clone(&woken).into())));
            queue.wake(wakes);
        };
        wake(TURN);
        assert_eq!(so_far(), TURN, "a few are woken at once");
        for crowd in [2 * TURN + 1, TURN + 1] {
            let before = so_far();
            wake(crowd);
            wake(1);
            assert_eq!(so_far(), before, "who comes later is behind those before");
            let mut turns = 0;
            while so_far() < before + crowd + 1 {
                let last = so_far();
                yield_now().await;
                assert!(so_far() <= last + TURN);
                turns += 1;
            }
            assert!(turns >= 2, "{turns} turns for {crowd}");
            yield_now().await;
            assert_eq!(so_far(), before + crowd + 1);
        }
    }
}
