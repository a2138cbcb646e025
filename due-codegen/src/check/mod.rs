//! Rules over the whole run, which no single declaration can break alone.

pub(crate) mod names;
pub(crate) mod routes;
mod scopes;
