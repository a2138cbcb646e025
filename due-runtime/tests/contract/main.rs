//! What every backend of a trait must do. Each suite is generic: a new backend runs it with one line.

mod locator;
mod registry;
