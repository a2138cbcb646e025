//! Work on many things, on as many threads as there are processors.

use std::cmp::Reverse;
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// As the main thread has: syn and prettyplease recurse as deep as what they read.
const STACK: usize = 8 << 20;

/// How many threads there are at most.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Applies `work` to every item, to the heaviest first, lest all wait for it at the end. Results come in the order of the
/// items, however many threads there are; each thread has one item at a time, so that no more than that many are under
/// work. A panic of one is a panic of the caller.
pub(crate) fn map<T: Sync, R: Send, W: Ord>(
    items: &[T],
    weight: impl Fn(&T) -> W,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let threads = threads().min(items.len());
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let mut order: Vec<usize> = (0..items.len()).collect();
    order.sort_by_cached_key(|index| Reverse(weight(&items[*index])));
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let run = || {
        while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)).copied() {
            let result = work(&items[index]);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads {
            // What cannot be had is done by the others.
            let _ = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        }
        run();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// Counts what is under work.
#[derive(Debug, Default)]
pub(crate) struct AtOnce {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Something under work, until it is dropped.
pub(crate) struct UnderWork<'a>(&'a AtOnce);

impl AtOnce {
    pub(crate) fn begin(&self) -> UnderWork<'_> {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(now, Ordering::Relaxed);
        UnderWork(self)
    }

    /// How much there was at once at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWork<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(map(&items, |item| item % 7, |item| item * 2), (0..1000).map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(map(&[], |_| 0, |item: &usize| *item), [0; 0]);
    }

    #[test]
    fn a_panic_of_one_is_a_panic_of_the_caller() {
        let outcome = std::panic::catch_unwind(|| map(&[1, 2, 3], |_| 0, |item| assert_ne!(*item, 2)));
        assert!(outcome.is_err());
    }
}
