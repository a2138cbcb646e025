//! The one boxed future of the crate's object-safe traits.

use std::future::Future;
use std::pin::Pin;

/// What the methods of [`Registry`](crate::registry::Registry) and [`Locator`](crate::locator::Locator) return.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
