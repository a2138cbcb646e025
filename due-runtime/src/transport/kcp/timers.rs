use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::{Mutex, Weak};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::session::Session;

/// When which session wants to be [called](Session::tick). Sessions that are idle are not here.
#[derive(Default)]
pub(super) struct Timers {
    queue: Mutex<Queue>,
    /// Something is due before what the task waits for.
    earlier: Notify,
}

#[derive(Default)]
struct Queue {
    heap: BinaryHeap<Timer>,
    /// What the task waits for.
    awaited: Option<Instant>,
}

struct Timer {
    at: Instant,
    session: Weak<Session>,
}

impl Timers {
    pub(super) fn add(&self, at: Instant, session: Weak<Session>) {
        let mut queue = self.queue.lock().unwrap();
        queue.heap.push(Timer { at, session });
        if queue.awaited.is_none_or(|awaited| at < awaited) {
            queue.awaited = Some(at);
            self.earlier.notify_one();
        }
    }

    /// When the next is due; to be asked again when [`changed`](Self::changed) says so.
    pub(super) fn next(&self) -> Option<Instant> {
        let mut queue = self.queue.lock().unwrap();
        queue.awaited = queue.heap.peek().map(|timer| timer.at);
        queue.awaited
    }

    pub(super) async fn changed(&self) {
        self.earlier.notified().await;
    }

    /// Takes one that is due.
    pub(super) fn pop(&self, now: Instant) -> Option<(Instant, Weak<Session>)> {
        let mut queue = self.queue.lock().unwrap();
        if queue.heap.peek()?.at > now {
            return None;
        }
        queue.heap.pop().map(|timer| (timer.at, timer.session))
    }
}

/// The earliest is the greatest.
impl Ord for Timer {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialOrd for Timer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Timer {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Timer {}
