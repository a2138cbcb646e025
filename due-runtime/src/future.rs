//! The one boxed future of the crate's object-safe traits, and a fence around code that may panic.

use std::future::Future;
use std::pin::Pin;

/// What the methods of [`Registry`](crate::registry::Registry) and [`Locator`](crate::locator::Locator) return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Polls a future, and turns a panic in it into the error of the result.
pub(crate) async fn catch_panic<F: Future>(future: F) -> std::thread::Result<F::Output> {
    let mut future = std::pin::pin!(future);
    // What the future was about to change is dropped with it; nothing of it is looked at again.
    std::future::poll_fn(|cx| {
        match std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => std::task::Poll::Ready(Err(panic)),
        }
    })
    .await
}
