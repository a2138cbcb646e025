//! From an annotated `.proto` to typed Rust for the `due` runtime: handlers, routes, pushes, clients, mesh services.

mod config;
mod model;
mod naming;
mod output;

pub use config::RustOptions;
pub use output::GeneratedFile;
