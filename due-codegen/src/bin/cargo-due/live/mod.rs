//! What `call` and `bench` share: a gate that runs, and a schema that was not compiled in.

mod any;
pub(crate) mod body;
pub(crate) mod catalog;
mod fields;
mod msgpack;
pub(crate) mod outcome;
pub(crate) mod span;
pub(crate) mod target;
mod trust;
pub(crate) mod wire;
