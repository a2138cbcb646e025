//! The servers of `lobby`: login, game and wallet behind a gate, and notices from outside.

#[path = "gen/mod.rs"]
mod generated;

pub mod admin;
pub mod game;
mod guard;
pub mod login;
pub mod passwords;
pub mod play;
mod room;
pub mod servers;
pub mod settings;
pub mod store;
pub mod wallet;

pub use generated::lobby::v1;
