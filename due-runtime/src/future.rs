//! The one boxed future of the crate's object-safe traits, and a fence around code that may panic.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::Poll;

use tokio_util::sync::CancellationToken;

/// What the methods of [`Registry`](crate::registry::Registry) and [`Locator`](crate::locator::Locator) return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Makes a future and polls it, and turns a panic in either into the error of the result. As small as a box.
pub(crate) fn catch_panics<'a, T>(
    make: impl FnOnce() -> BoxFuture<'a, T>,
) -> impl Future<Output = std::thread::Result<T>> + Unpin {
    // What the future was about to change is dropped with it; nothing of it is looked at again.
    let mut made = catch_unwind(AssertUnwindSafe(make)).map_err(Some);
    poll_fn(move |cx| match &mut made {
        Ok(future) => match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        },
        Err(panic) => panic.take().map_or(Poll::Pending, |panic| Poll::Ready(Err(panic))),
    })
}

/// Polls a future, and turns a panic in it into the error of the result.
pub(crate) async fn catch_panic<F: Future>(future: F) -> std::thread::Result<F::Output> {
    let mut future = pin!(future);
    // What the future was about to change is dropped with it; nothing of it is looked at again.
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

/// What a future gives, unless the token is cancelled first. Unlike `run_until_cancelled` it listens for the token only
/// while the future waits, so that one that never waits takes no lock, and has no room for that.
pub(crate) fn unless_cancelled<F: Future + Unpin>(
    token: &CancellationToken,
    mut future: F,
) -> impl Future<Output = Option<F::Output>> {
    let mut cancelled = None;
    poll_fn(move |cx| match Pin::new(&mut future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => {
            let cancelled = cancelled.get_or_insert_with(|| Box::pin(token.cancelled()));
            cancelled.as_mut().poll(cx).map(|()| None)
        }
    })
}
