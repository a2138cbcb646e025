//! Work on many things, on as many threads as there are processors.

use std::num::NonZero;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// As the main thread has: syn and prettyplease recurse as deep as what they read.
const STACK: usize = 8 << 20;

/// Applies `work` to every item. Results come in the order of the items, however many threads there are; each thread has
/// one item at a time, so that no more than that many are under work. A panic of one is a panic of the caller.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(items.len());
    if threads < 2 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let run = || {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { break };
            let result = work(item);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(map(&items, |item| item * 2), (0..1000).map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(map(&[], |item: &usize| *item), [0; 0]);
    }

    #[test]
    fn a_panic_of_one_is_a_panic_of_the_caller() {
        let outcome = std::panic::catch_unwind(|| map(&[1, 2, 3], |item| assert_ne!(*item, 2)));
        assert!(outcome.is_err());
    }
}
