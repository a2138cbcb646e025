//! Registry and locator in a directory: several values, processes that die, files that nobody should have written.

mod locator;
mod registry;

use std::error::Error;

/// An error with all its causes, as a log shows it.
fn chain(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
